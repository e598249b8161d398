//! Changes of enrollments: what was done, by whom, why. The store keeps them as its history, the log has a line for each.

use crate::text::is_plain_line;
use std::fmt;

/// What was done. Its word is what history and log have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The words say it.
pub enum Action {
    Init,
    AdoptHost,
    Enroll,
    Activated,
    SettleKeep,
    SettleDrop,
    SettleRename,
    Unenroll,
    Unlock,
    AuthenticatorAdd,
    AuthenticatorReplace,
    AuthenticatorRemove,
    AuthenticatorResync,
    AppPasswordAdd,
    AppPasswordRevoke,
    AppPasswordRename,
    BackupCodes,
    Bypass,
    Show,
    TrustedDeviceAdd,
    TrustedDeviceForget,
    BreakGlassMake,
    BreakGlassTry,
    ConfigEdit,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 24] = [
        Self::Init,
        Self::AdoptHost,
        Self::Enroll,
        Self::Activated,
        Self::SettleKeep,
        Self::SettleDrop,
        Self::SettleRename,
        Self::Unenroll,
        Self::Unlock,
        Self::AuthenticatorAdd,
        Self::AuthenticatorReplace,
        Self::AuthenticatorRemove,
        Self::AuthenticatorResync,
        Self::AppPasswordAdd,
        Self::AppPasswordRevoke,
        Self::AppPasswordRename,
        Self::BackupCodes,
        Self::Bypass,
        Self::Show,
        Self::TrustedDeviceAdd,
        Self::TrustedDeviceForget,
        Self::BreakGlassMake,
        Self::BreakGlassTry,
        Self::ConfigEdit,
    ];

    /// The word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::AdoptHost => "adopt-host",
            Self::Enroll => "enroll",
            Self::Activated => "activated",
            Self::SettleKeep => "settle-keep",
            Self::SettleDrop => "settle-drop",
            Self::SettleRename => "settle-rename",
            Self::Unenroll => "unenroll",
            Self::Unlock => "unlock",
            Self::AuthenticatorAdd => "authenticator-add",
            Self::AuthenticatorReplace => "authenticator-replace",
            Self::AuthenticatorRemove => "authenticator-remove",
            Self::AuthenticatorResync => "authenticator-resync",
            Self::AppPasswordAdd => "app-password-add",
            Self::AppPasswordRevoke => "app-password-revoke",
            Self::AppPasswordRename => "app-password-rename",
            Self::BackupCodes => "backup-codes",
            Self::Bypass => "bypass",
            Self::Show => "show",
            Self::TrustedDeviceAdd => "trusted-device-add",
            Self::TrustedDeviceForget => "trusted-device-forget",
            Self::BreakGlassMake => "break-glass-make",
            Self::BreakGlassTry => "break-glass-try",
            Self::ConfigEdit => "config-edit",
        }
    }
}

impl Action {
    /// Whether it decides who can sign in, or how. What is not, users and the help desk can do by the hundred.
    #[must_use]
    pub fn is_grave(self) -> bool {
        match self {
            Self::Init
            | Self::AdoptHost
            | Self::Enroll
            | Self::Activated
            | Self::SettleKeep
            | Self::SettleDrop
            | Self::SettleRename
            | Self::Unenroll
            | Self::AuthenticatorAdd
            | Self::AuthenticatorReplace
            | Self::AuthenticatorRemove
            | Self::AuthenticatorResync
            | Self::AppPasswordAdd
            | Self::BackupCodes
            | Self::Bypass
            | Self::BreakGlassMake
            | Self::ConfigEdit => true,
            Self::Unlock
            | Self::AppPasswordRevoke
            | Self::AppPasswordRename
            | Self::Show
            | Self::TrustedDeviceAdd
            | Self::TrustedDeviceForget
            | Self::BreakGlassTry => false,
        }
    }
}

/// Who makes a change, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// Who.
    pub by: By,
    /// Why, where that was said.
    pub why: Option<Why>,
}

/// Who makes a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// Somebody who is root; the name as far as it is known.
    Administrator(String),
    /// The user herself.
    User,
    /// This user of the help desk.
    HelpDesk(String),
    /// Nobody in particular: it came about by signing in.
    Login,
    /// Whoever has changed the account password.
    PasswordChange,
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Administrator(name) => f.write_str(name),
            Self::User => f.write_str("self"),
            Self::HelpDesk(name) => write!(f, "help-desk:{name}"),
            Self::Login => f.write_str("login"),
            Self::PasswordChange => f.write_str("password-change"),
        }
    }
}

/// The longest reason, in characters.
pub const WHY_MAX: usize = 200;

/// The reason for a change: a sentence, or the number of a ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why(String);

/// A text that is no reason: empty, longer than [`WHY_MAX`] characters, blank at an end, or with letters that disturb others
/// ([`crate::text::disturbs`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadWhy;

impl Why {
    /// Reads a reason.
    ///
    /// # Errors
    /// [`BadWhy`], see there.
    pub fn parse(text: &str) -> Result<Self, BadWhy> {
        if is_plain_line(text, WHY_MAX) { Ok(Self(text.to_owned())) } else { Err(BadWhy) }
    }

    /// The reason as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for BadWhy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a reason is 1 to {WHY_MAX} printable characters, without a blank at either end")
    }
}

impl std::error::Error for BadWhy {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_documented() {
        let document = include_str!("../../docs/log.md");
        for action in Action::ALL {
            assert!(document.contains(&format!("`{}`", action.word())), "{action:?}");
        }
    }

    #[test]
    fn a_reason_is_one_printable_line() {
        assert!(Why::parse("INC-4711: phone lost").is_ok());
        for bad in ["", " ", "x ", "a\nb", "\u{1b}[2J", &"x".repeat(201)] {
            assert_eq!(Why::parse(bad), Err(BadWhy), "{bad:?}");
        }
    }
}
