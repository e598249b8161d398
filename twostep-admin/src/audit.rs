//! The line in the log for every change.

use nix::unistd::{Uid, User, getuid};
use std::fs;
use twostep_core::change::{Action, Author, By, Why};
use twostep_core::event::{Event, Reason};
use twostep_core::name::UserName;
use twostep_core::ports::Audit;
use twostep_store::host::Syslog;

/// What the kernel says of a process that nobody logged in to start.
const NO_LOGIN: u32 = u32::MAX;

/// Who makes the changes of this run of the command.
pub(crate) fn author(why: Option<Why>) -> Author {
    Author { by: By::Administrator(who()), why }
}

/// Writes who did what to whom.
pub(crate) fn record(user: Option<&UserName>, action: Action, target: Option<String>, author: Author) {
    let reason = Reason::Change { action, author, target };
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
    fn somebody_did_it() {
        assert!(!who().is_empty());
    }
}
