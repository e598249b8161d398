//! The line in the log for every change.

use nix::unistd::{Uid, User, getuid};
use std::fs;
use twostep_core::event::{Event, Reason};
use twostep_core::name::UserName;
use twostep_core::ports::Audit;
use twostep_store::host::Syslog;

/// What the kernel says of a process that nobody logged in to start.
const NO_LOGIN: u32 = u32::MAX;

/// What was done.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    Init,
    Enroll,
    SettleKeep,
    SettleDrop,
    Unenroll,
    Unlock,
    AppPasswordAdd,
    AppPasswordRevoke,
    BackupCodes,
}

impl Action {
    /// The word in the log.
    fn word(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Enroll => "enroll",
            Self::SettleKeep => "settle-keep",
            Self::SettleDrop => "settle-drop",
            Self::Unenroll => "unenroll",
            Self::Unlock => "unlock",
            Self::AppPasswordAdd => "app-password-add",
            Self::AppPasswordRevoke => "app-password-revoke",
            Self::BackupCodes => "backup-codes",
        }
    }
}

/// Writes who did what to whom.
pub(crate) fn record(user: Option<&UserName>, action: Action, target: Option<String>) {
    let reason = Reason::Administrator { action: action.word(), by: who(), target };
    Syslog { tag: "twostep-admin" }.record(&Event {
        reason,
        user: user.cloned(),
        service: None,
        source: None,
    });
}

/// Who is at the keyboard: the login uid, which the kernel keeps through sudo and su and which only root can change. Where nobody
/// logged in (cron, a container), the real uid. `SUDO_USER` would be whatever the environment says.
fn who() -> String {
    let login = fs::read_to_string("/proc/self/loginuid").ok().and_then(|text| text.trim().parse().ok());
    let uid = match login {
        Some(uid) if uid != NO_LOGIN => Uid::from_raw(uid),
        _ => getuid(),
    };
    match User::from_uid(uid) {
        Ok(Some(user)) => user.name,
        _ => format!("uid {uid}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_documented() {
        use Action::{
            AppPasswordAdd, AppPasswordRevoke, BackupCodes, Enroll, Init, SettleDrop, SettleKeep, Unenroll,
            Unlock,
        };
        let document = include_str!("../../docs/log.md");
        for action in [
            Init,
            Enroll,
            SettleKeep,
            SettleDrop,
            Unenroll,
            Unlock,
            AppPasswordAdd,
            AppPasswordRevoke,
            BackupCodes,
        ] {
            assert!(document.contains(&format!("`{}`", action.word())), "{action:?}");
        }
    }

    #[test]
    fn somebody_did_it() {
        assert!(!who().is_empty());
    }
}
