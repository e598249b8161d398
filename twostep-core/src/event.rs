//! What is told to the log: one line for every verdict, `key=value`, for administrators and for programs that alert.
//!
//! The words in these lines are an interface: docs/log.md lists them all, and a test holds the two together.

use crate::account::{NO_UID, settle_gone, settle_uid};
use crate::attempt::Source;
use crate::change::{Action, Author};
use crate::device::Fingerprint;
use crate::name::{ServiceName, UserName};
use crate::policy::Origin;
use crate::time::UnixTime;
use std::fmt::{self, Write};
use std::time::Duration;

/// One line of the log.
#[derive(Clone, Debug)]
pub struct Event {
    /// What happened, and why.
    pub reason: Reason,
    /// Who; none where the name is unknown (it may be a password typed at the wrong prompt) or not yet known.
    pub user: Option<UserName>,
    /// Where to.
    pub service: Option<ServiceName>,
    /// Where from.
    pub source: Option<Source>,
}

/// How urgent a line is, as syslog has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Somebody must act: nobody gets in.
    Error,
    /// A refusal.
    Warning,
    /// A login, or a change by an administrator.
    Info,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Let in as far as this module is concerned.
    Accepted,
    /// None of this module's business: the other modules decide.
    Ignored,
    /// Refused.
    Refused,
    /// No verdict could be reached: refused.
    Unavailable,
    /// Something in the store was changed.
    Changed,
}

impl Ending {
    const ALL: [Self; 5] = [Self::Accepted, Self::Ignored, Self::Refused, Self::Unavailable, Self::Changed];

    /// The word in the log.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Ignored => "ignored",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
            Self::Changed => "changed",
        }
    }

    /// The ending that has this word in the log.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ending| ending.word() == word)
    }
}

/// Why it ended so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    // accepted
    /// A right code.
    Code {
        /// Whose code.
        authenticator: i64,
    },
    /// A right backup code.
    BackupCode {
        /// How many are left.
        left: usize,
    },
    /// A right bypass code.
    BypassCode {
        /// How often it can be used once more.
        left: u32,
    },
    /// A right app password.
    AppPassword {
        /// Its name.
        name: String,
    },
    /// A key, from somebody who is not enrolled or still pending, where the policy allows that.
    Key,
    /// A right code of an enrollment whose name has gone, from whoever has its uid now: a renamed user.
    OfOrphan {
        /// The name that it was made for.
        of: UserName,
        /// What was right.
        by: Box<Reason>,
    },
    /// A security key of an enrolled user, where the configuration says that this is enough.
    SecurityKey {
        /// Its fingerprint.
        key: Fingerprint,
    },
    /// The same of any other ssh key.
    SshKey {
        /// Its fingerprint.
        key: Fingerprint,
    },
    /// A device that was trusted not to need a code.
    TrustedDevice {
        /// The key's fingerprint, or the address.
        device: String,
    },

    // ignored
    /// Not enrolled, and the policy allows that.
    NotEnrolled,
    /// Pending, and nothing was entered.
    PendingSkipped,
    /// Not enrolled, and to be enrolled before the login ends.
    ToEnroll {
        /// Until when that can wait; none where it cannot.
        by: Option<UnixTime>,
    },
    /// A rule exempts.
    Exempt {
        /// Its line.
        rule: Origin,
    },

    /// A break-glass exemption holds.
    BreakGlass {
        /// Its line in break-glass.toml.
        entry: usize,
    },

    // refused
    /// A rule refuses.
    DeniedByRule {
        /// Its line.
        rule: Origin,
    },
    /// Not enrolled, to be enrolled, and was not.
    NotSetUp {
        /// Why not.
        cause: &'static str,
    },
    /// Not enrolled, and the policy does not allow that.
    NotEnrolledDenied,
    /// No code of any authenticator, no backup code.
    CodeWrong,
    /// A wrong code like any other, but near the present it would have been a right one: somebody's clock is off.
    CodeOfAnotherTime {
        /// By how much the authenticator's clock is ahead of this host's; below zero it is behind.
        seconds: i16,
    },
    /// A bypass code that is good no more.
    BypassOver,
    /// A right bypass code, where it would turn two-step off.
    BypassNotEnough,
    /// A code of a step that was used.
    CodeReplayed,
    /// A right code, but of a time before one already seen: the clock was set back.
    ClockBehind,
    /// Nothing was entered.
    Empty,
    /// The account password was entered again.
    SameAsPassword,
    /// An app password was entered at a prompt.
    AppPasswordAtPrompt,
    /// Too many wrong codes from here: not judged.
    Throttled {
        /// How long is still to wait.
        wait: Duration,
    },
    /// Too many wrong codes for this user: not judged.
    Capped,
    /// The enrollment went away or changed while the prompt stood.
    EnrollmentChanged,
    /// An app-only user at an interactive service.
    AppOnly,
    /// Made for another uid.
    UidChanged {
        /// The uid it was made for.
        was: u32,
        /// The uid the name has now.
        is: u32,
    },
    /// The uid has an enrollment whose name has gone, and no right code of that was given.
    Orphan {
        /// The name that it was made for.
        of: UserName,
        /// Why this was none.
        cause: &'static str,
    },
    /// NSS does not know the name.
    UserUnknown,
    /// NSS does not know the name, but it is another spelling of one that is known.
    NameSpelling,
    /// What was sent is no app password; most likely the account password.
    NotAnAppPassword,
    /// It looks like an app password, but is none of this user's.
    AppPasswordWrong,
    /// An app password that was revoked.
    AppPasswordRevoked {
        /// The name it had.
        name: String,
    },
    /// A right app password whose time is over.
    AppPasswordExpired {
        /// Its name.
        name: String,
        /// Since when.
        since: UnixTime,
    },
    /// An app password that is not for this service, or not from there.
    AppPasswordOutOfScope {
        /// Its name.
        name: String,
        /// What it is not for.
        cause: &'static str,
    },
    /// A virtual user, where the configuration has none.
    VirtualUsersOff,
    /// A key alone, where a code is demanded.
    KeyAlone,
    /// The service has asked PAM, and no line of ours was called that asks for the code: another line passed over it.
    CodeNotAsked,
    /// The user at the end is not the one who gave the code.
    UserSwitched,
    /// The service's conversation failed.
    Conversation,
    /// The account has expired.
    AccountExpired,
    /// A peer of the broker's asks for what it may not ask for.
    NotAllowed {
        /// Its uid.
        uid: u32,
        /// How many more such lines of this peer's were not written.
        more: u32,
    },
    /// A peer of the broker's has or asks too much at once.
    Busy {
        /// Its uid.
        uid: u32,
        /// What it has too much of.
        cause: &'static str,
        /// How many more such lines of this peer's were not written.
        more: u32,
    },

    // unavailable
    /// The store, its key or a file cannot be used.
    Store {
        /// What is wrong.
        cause: String,
        /// What to do.
        remedy: String,
    },
    /// The configuration cannot be used.
    Configuration {
        /// The first mistake.
        cause: String,
    },
    /// A rule demands what the module's line cannot ask for.
    AtOdds {
        /// Its line in the configuration.
        rule: Origin,
    },
    /// The module's line in the PAM stack has a word it does not know.
    Argument {
        /// The word.
        word: String,
    },
    /// The caller is not wholly root, and the broker cannot be asked.
    Broker {
        /// What is wrong.
        cause: String,
        /// What to do.
        remedy: String,
    },
    /// NSS failed, as against knowing no such user.
    Nss {
        /// The error.
        cause: String,
    },
    /// Password and code were taken apart by one line, and no other one has judged the code.
    CodeUnjudged,
    /// The service name is missing or none.
    Service,
    /// A bug in this module.
    Internal {
        /// Where.
        cause: String,
    },
    /// A password hash could not be computed.
    Hash {
        /// What is wrong.
        cause: String,
        /// What to do about it.
        remedy: &'static str,
    },

    // changed
    /// The public roster could not be kept up to date, and was taken away. Nobody is refused for it.
    RosterLost {
        /// What is wrong.
        cause: String,
        /// What to do.
        remedy: String,
    },
    /// break-glass.toml cannot be used: there are no exemptions of this kind. Nobody is refused for it.
    BreakGlassUnusable {
        /// What is wrong.
        cause: String,
        /// What to do.
        remedy: String,
    },
    /// The public roster was made anew from the store.
    RosterMadeAnew {
        /// What was wrong with the one that was there.
        cause: String,
    },
    /// A pending enrollment became active by its first code.
    Activated,
    /// Somebody changed something of an enrollment, or looked at somebody else's.
    Change {
        /// What was done.
        action: Action,
        /// Who did it, and why.
        author: Author,
        /// What it was done to: an app password's name.
        target: Option<String>,
    },
}

impl Reason {
    /// The word in the log.
    #[must_use]
    pub fn word(&self) -> &'static str {
        self.entry().1
    }

    /// How a login with this reason ends.
    #[must_use]
    pub fn ending(&self) -> Ending {
        self.entry().0
    }

    fn entry(&self) -> (Ending, &'static str) {
        use Ending::{Accepted, Changed, Ignored, Refused, Unavailable};
        match self {
            Self::Code { .. } => (Accepted, "code"),
            Self::BackupCode { .. } => (Accepted, "backup-code"),
            Self::BypassCode { .. } => (Accepted, "bypass-code"),
            Self::AppPassword { .. } => (Accepted, "app-password"),
            Self::Key => (Accepted, "key"),
            Self::OfOrphan { by, .. } => by.entry(),
            Self::SecurityKey { .. } => (Accepted, "security-key"),
            Self::SshKey { .. } => (Accepted, "ssh-key"),
            Self::TrustedDevice { .. } => (Accepted, "trusted-device"),
            Self::NotEnrolled => (Ignored, "not-enrolled"),
            Self::PendingSkipped => (Ignored, "pending-skipped"),
            Self::ToEnroll { .. } => (Ignored, "to-enroll"),
            Self::Exempt { .. } => (Ignored, "exempt"),
            Self::BreakGlass { .. } => (Ignored, "break-glass"),
            Self::NotEnrolledDenied => (Refused, "not-enrolled"),
            Self::DeniedByRule { .. } => (Refused, "denied-by-rule"),
            Self::NotSetUp { .. } => (Refused, "not-set-up"),
            Self::CodeWrong | Self::CodeOfAnotherTime { .. } => (Refused, "code-wrong"),
            Self::BypassOver => (Refused, "bypass-over"),
            Self::BypassNotEnough => (Refused, "bypass-not-enough"),
            Self::CodeReplayed => (Refused, "code-replayed"),
            Self::ClockBehind => (Refused, "clock-behind"),
            Self::Empty => (Refused, "empty"),
            Self::SameAsPassword => (Refused, "same-as-password"),
            Self::AppPasswordAtPrompt => (Refused, "app-password-at-prompt"),
            Self::Throttled { .. } => (Refused, "throttled"),
            Self::Capped => (Refused, "capped"),
            Self::EnrollmentChanged => (Refused, "enrollment-changed"),
            Self::AppOnly => (Refused, "app-only"),
            Self::UidChanged { .. } => (Refused, "uid-changed"),
            Self::Orphan { .. } => (Refused, "orphan"),
            Self::UserUnknown => (Refused, "user-unknown"),
            Self::NameSpelling => (Refused, "name-spelling"),
            Self::NotAnAppPassword => (Refused, "not-an-app-password"),
            Self::AppPasswordWrong => (Refused, "app-password-wrong"),
            Self::AppPasswordRevoked { .. } => (Refused, "app-password-revoked"),
            Self::AppPasswordExpired { .. } => (Refused, "app-password-expired"),
            Self::AppPasswordOutOfScope { .. } => (Refused, "app-password-out-of-scope"),
            Self::VirtualUsersOff => (Refused, "virtual-users-off"),
            Self::KeyAlone => (Refused, "key-alone"),
            Self::CodeNotAsked => (Refused, "code-not-asked"),
            Self::AccountExpired => (Refused, "account-expired"),
            Self::UserSwitched => (Refused, "user-switched"),
            Self::Conversation => (Refused, "conversation"),
            Self::NotAllowed { .. } => (Refused, "not-allowed"),
            Self::Busy { .. } => (Refused, "busy"),
            Self::Store { .. } => (Unavailable, "store"),
            Self::Configuration { .. } => (Unavailable, "configuration"),
            Self::Argument { .. } => (Unavailable, "argument"),
            Self::AtOdds { .. } => (Unavailable, "rule-at-odds"),
            Self::Broker { .. } => (Unavailable, "broker"),
            Self::Nss { .. } => (Unavailable, "nss"),
            Self::CodeUnjudged => (Unavailable, "code-unjudged"),
            Self::Service => (Unavailable, "service"),
            Self::Internal { .. } => (Unavailable, "internal"),
            Self::Hash { .. } => (Unavailable, "hash"),
            Self::RosterLost { .. } => (Changed, "roster-lost"),
            Self::BreakGlassUnusable { .. } => (Changed, "break-glass-unusable"),
            Self::RosterMadeAnew { .. } => (Changed, "roster-made-anew"),
            Self::Activated => (Changed, "activated"),
            Self::Change { action, .. } => (Changed, action.word()),
        }
    }

    fn details(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Code { authenticator } => vec![("authenticator", authenticator.to_string())],
            Self::BackupCode { left } => vec![("left", left.to_string())],
            Self::BypassCode { left } => vec![("left", left.to_string())],
            Self::OfOrphan { of, by } => {
                let mut details = by.details();
                details.extend([("orphan", of.to_string()), ("remedy", settle_gone(of.as_str(), None))]);
                details
            }
            Self::AppPassword { name } | Self::AppPasswordRevoked { name } => vec![("name", name.clone())],
            Self::AppPasswordExpired { name, since } => {
                vec![("name", name.clone()), ("on", since.last_day())]
            }
            Self::AppPasswordOutOfScope { name, cause } => {
                vec![("name", name.clone()), ("cause", (*cause).to_owned())]
            }
            Self::VirtualUsersOff => {
                vec![("remedy", "set [app] virtual_users, and list the service in [app] services".to_owned())]
            }
            Self::SecurityKey { key } | Self::SshKey { key } => vec![("key", key.to_string())],
            Self::TrustedDevice { device } => vec![("device", device.clone())],
            Self::ToEnroll { by } => by.map(|by| ("by", by.date())).into_iter().collect(),
            Self::Exempt { rule } | Self::DeniedByRule { rule } => vec![("rule", line_of(*rule))],
            Self::BreakGlass { entry } => vec![("entry", entry.to_string())],
            Self::NotSetUp { cause } => vec![("cause", (*cause).to_owned())],
            Self::CodeNotAsked => {
                let remedy = "a line of the stack passes over pam_twostep.so: twostep-admin pam status";
                vec![("remedy", remedy.to_owned())]
            }
            Self::CodeUnjudged => {
                vec![("remedy", "after the password modules: auth required pam_twostep.so".to_owned())]
            }
            Self::AtOdds { rule } => vec![
                ("rule", line_of(*rule)),
                ("remedy", "give the rule, or the pam_twostep.so line, other services".to_owned()),
            ],
            Self::CodeOfAnotherTime { seconds } => vec![("clock-off", format!("{seconds:+}s"))],
            Self::Throttled { wait } => vec![("wait", format!("{}s", wait.as_secs().max(1)))],
            Self::NotAllowed { uid, more } => {
                let remedy = "if it should: [broker] callers in the configuration".to_owned();
                vec![("uid", uid.to_string()), ("more", more.to_string()), ("remedy", remedy)]
            }
            Self::Busy { uid, cause, more } => {
                vec![("uid", uid.to_string()), ("cause", (*cause).to_owned()), ("more", more.to_string())]
            }
            Self::Capped => vec![("remedy", "twostep-admin unlock USER, or a backup code".to_owned())],
            Self::ClockBehind => vec![("remedy", "set this host's clock; twostep-admin check".to_owned())],
            Self::UidChanged { was, is } => vec![
                ("was", uid_or_virtual(*was)),
                ("is", is.to_string()),
                ("remedy", settle_uid("USER", None)),
            ],
            Self::Orphan { of, cause } => {
                vec![
                    ("orphan", of.to_string()),
                    ("cause", (*cause).to_owned()),
                    ("remedy", settle_gone(of.as_str(), None)),
                ]
            }
            Self::NameSpelling => vec![(
                "remedy",
                "make the service pass the plain login name, or enroll the virtual user".to_owned(),
            )],
            Self::Store { cause, remedy }
            | Self::Broker { cause, remedy }
            | Self::RosterLost { cause, remedy }
            | Self::BreakGlassUnusable { cause, remedy } => {
                vec![("cause", cause.clone()), ("remedy", remedy.clone())]
            }
            Self::Configuration { cause } => {
                vec![("cause", cause.clone()), ("remedy", "twostep-admin check".to_owned())]
            }
            Self::Argument { word } => {
                vec![
                    ("word", word.clone()),
                    ("remedy", "mend the pam_twostep.so line in /etc/pam.d".to_owned()),
                ]
            }
            Self::Nss { cause } => {
                vec![("cause", cause.clone()), ("remedy", "getent passwd USER must work".to_owned())]
            }
            Self::Hash { cause, remedy } => {
                vec![("cause", cause.clone()), ("remedy", (*remedy).to_owned())]
            }
            Self::Internal { cause } | Self::RosterMadeAnew { cause } => {
                vec![("cause", cause.clone())]
            }
            Self::Change { author, target, .. } => {
                let why = author.why.as_ref().map(ToString::to_string);
                [("by", Some(author.by.to_string())), ("name", target.clone()), ("why", why)]
                    .into_iter()
                    .filter_map(|(k, v)| Some((k, v?)))
                    .collect()
            }
            _ => Vec::new(),
        }
    }
}

/// The uid that an enrollment was made for.
fn uid_or_virtual(uid: u32) -> String {
    if uid == NO_UID { "virtual".to_owned() } else { uid.to_string() }
}

/// Where a rule stands.
fn line_of(rule: Origin) -> String {
    match rule {
        Origin::Line(line) => line.to_string(),
        other => other.to_string(),
    }
}

impl Event {
    /// How urgent the line is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match &self.reason {
            Reason::RosterLost { .. } | Reason::BreakGlassUnusable { .. } => return Severity::Error,
            // The way in for the worst day must be noticed when it is used on any other.
            Reason::BreakGlass { .. } => return Severity::Warning,
            _ => {}
        }
        match self.reason.ending() {
            Ending::Unavailable => Severity::Error,
            Ending::Refused => Severity::Warning,
            Ending::Accepted | Ending::Ignored | Ending::Changed => Severity::Info,
        }
    }

    /// The line, without the tag that syslog puts before it.
    #[must_use]
    pub fn line(&self) -> String {
        let result = self.reason.ending().word();
        let mut line = format!("result={result} reason={}", self.reason.word());
        let mut put = |key: &str, value: &dyn fmt::Display| {
            // Writing to a String cannot fail.
            let _ = write!(line, " {key}={}", quoted(&value.to_string()));
        };
        if let Some(user) = &self.user {
            put("user", user);
        }
        if let Some(service) = &self.service {
            put("service", service);
        }
        if let Some(source) = &self.source {
            put("from", source);
        }
        for (key, value) in self.reason.details() {
            put(key, &value);
        }
        line
    }
}

/// The longest value in a line, in bytes before quoting.
const VALUE_MAX: usize = 400;

/// Whether a value can stand bare.
pub(crate) fn is_plain(value: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-:@/+,%".contains(c);
    !value.is_empty() && value.len() <= VALUE_MAX && value.chars().all(plain)
}

/// A value as it stands in a line: bare where it is one plain word, else in double quotes, in which `"`, `\` and every character
/// that is not printable ASCII are written as escapes. No value can end its line or forge another key.
fn quoted(value: &str) -> String {
    if is_plain(value) {
        return value.to_owned();
    }
    let mut text = String::from('"');
    for (at, c) in value.char_indices() {
        if at >= VALUE_MAX {
            text.push_str("...");
            break;
        }
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            ' '..='~' => text.push(c),
            other => text.extend(other.escape_unicode()),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
#[path = "event_tests.rs"]
pub(crate) mod tests;
