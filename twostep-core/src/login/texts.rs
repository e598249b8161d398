//! What is said at a prompt. The cause of a refusal is in the log.

use crate::event::Reason;
use crate::ports::Untold;
use crate::text::disturbs;
use crate::time::UnixTime;

/// What is told at a prompt when no verdict can be reached; the same whatever was entered.
pub const UNAVAILABLE_TEXT: &str =
    "Two-step verification is not available at the moment. Please tell your administrator.";

/// What a pending user is told before she is asked.
pub(super) const PENDING: &str = "Two-step verification is being set up for you: enter the code that your authenticator shows, \
                                  or press Enter to go on without.";
/// The same where she cannot go on without.
pub(super) const PENDING_ENTER: &str =
    "Two-step verification is being set up for you: enter the code that your authenticator shows.";

/// Why nobody sets two-step up who has signed in without a password.
pub(super) const KEY_ALONE: &str = "a key alone";

/// With how many backup codes left one is told how to get new ones.
const FEW: usize = 3;
/// How many places of wrong codes are named.
const NAMED: usize = 3;

/// What the person at a prompt is told of a refusal.
pub(super) fn refusal(reason: &Reason) -> Option<String> {
    Some(match reason {
        Reason::Throttled { wait } => {
            let seconds = wait.as_secs().max(1);
            format!(
                "Too many wrong codes. Please try again in {seconds} seconds, or enter a backup code now."
            )
        }
        Reason::AppPasswordAtPrompt => {
            "That is an app password: it is for programs, never for a prompt.".to_owned()
        }
        // sshd shows no more of a Kerberos ticket, of a host's key, or of a password that other modules than pam_unix have judged.
        Reason::KeyAlone => "A key alone is not enough here, nor is a Kerberos ticket: please sign in with your password and a code \
                             (ssh -o PubkeyAuthentication=no). If you did, tell your administrator that no code was asked for."
            .to_owned(),
        Reason::CodeNotAsked => "A code is needed here, and nobody asked for it. Please tell your administrator. If you signed in with \
                                 an ssh key after a wrong password, sign in with your password and a code."
            .to_owned(),
        Reason::BypassNotEnough => "A bypass code is not enough for that: it takes a code of your own.".to_owned(),
        Reason::CodeWrong
        | Reason::CodeOfAnotherTime { .. }
        | Reason::BypassOver
        | Reason::CodeReplayed
        | Reason::ClockBehind
        | Reason::Empty
        | Reason::SameAsPassword
        | Reason::Capped
        | Reason::EnrollmentChanged => "That code was not accepted.".to_owned(),
        Reason::Orphan { .. } => "Your uid is set up for two-step verification under another name, and only a code of that is accepted. \
                                  Please ask your administrator."
            .to_owned(),
        Reason::AppOnly | Reason::UidChanged { .. } | Reason::DeniedByRule { .. } => {
            "You cannot sign in here. Please ask your administrator.".to_owned()
        }
        Reason::NotSetUp { cause } if *cause != KEY_ALONE => {
            "Two-step verification must be set up for you first. Please ask your administrator.".to_owned()
        }
        Reason::NotSetUp { .. } => {
            "Two-step verification must be set up for you first: please sign in with your password \
                                    (ssh -o PubkeyAuthentication=no)."
                .to_owned()
        }
        Reason::NotEnrolledDenied => {
            "Two-step verification is needed here and not set up for you. Please ask your administrator."
                .to_owned()
        }
        _ => return None,
    })
}

/// "2 wrong codes were entered since your last sign-in, from 203.0.113.9 and a terminal of this host."
pub(super) fn untold(untold: &[Untold]) -> Option<String> {
    let all: u32 = untold.iter().fold(0, |sum, one| sum.saturating_add(one.count));
    let (codes, were) = match all {
        0 => return None,
        1 => ("code", "was"),
        _ => ("codes", "were"),
    };
    let mut places: Vec<String> = untold.iter().take(NAMED).map(|one| place(&one.source)).collect();
    if untold.len() > NAMED {
        places.push("elsewhere".to_owned());
    }
    let last = places.pop().unwrap_or_default();
    let list = if places.is_empty() { last } else { format!("{} and {last}", places.join(", ")) };
    Some(format!("{all} wrong {codes} {were} entered since your last sign-in, from {list}."))
}

/// A place as people name it. Whoever runs a reverse zone chooses names in it.
fn place(key: &str) -> String {
    match key.split_once(':') {
        Some(("name", name)) => {
            let name: String = name.chars().filter(|c| !disturbs(*c)).take(60).collect();
            format!("a host that calls itself \"{name}\"")
        }
        Some(("uid", uid)) => format!("a program or su of uid {uid} on this host"),
        Some(("service", service)) => format!("somewhere, through {service}"),
        _ if key == "terminal" || key == "local" => "a terminal of this host".to_owned(),
        _ if key == "unknown" => "an unknown place".to_owned(),
        _ if key == "elsewhere" => "many other places".to_owned(),
        _ => key.to_owned(),
    }
}

pub(super) fn backup_code_used(left: usize) -> String {
    let remedy = if left <= FEW {
        " Make new ones soon: twostep backup-codes, or ask your administrator."
    } else {
        ""
    };
    match left {
        0 => format!("That was your last backup code.{remedy}"),
        1 => format!("That backup code is used up. One is left.{remedy}"),
        left => format!("That backup code is used up. {left} are left.{remedy}"),
    }
}

/// What a bypass code is still good for, told to anyone who has signed in with it.
pub(super) fn bypass_code_used(left: u32) -> String {
    let logins = match left {
        0 => "That bypass code is used up for signing in.".to_owned(),
        1 => "That bypass code is good for one more login.".to_owned(),
        left => format!("That bypass code is good for {left} more logins."),
    };
    format!(
        "{logins} Is your phone lost? Set up another one before the code ends: twostep authenticator replace. \
         It asks for your password and this code once more."
    )
}

/// "from 2026-12-01 on (3 days left)"
pub(super) fn deadline(by: UnixTime, now: UnixTime) -> String {
    let days = match now.days_until(by) {
        1 => "1 day left".to_owned(),
        days => format!("{days} days left"),
    };
    format!("from {} on ({days})", by.date())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(source: &str, count: u32) -> Untold {
        Untold { source: source.to_owned(), count }
    }

    #[test]
    fn the_owner_is_told_where_wrong_codes_came_from() {
        let told = |all: &[Untold]| untold(all).unwrap();
        assert_eq!(
            told(&[from("203.0.113.9", 1)]),
            "1 wrong code was entered since your last sign-in, from 203.0.113.9."
        );
        assert_eq!(
            told(&[from("2001:db8::/64", 3), from("terminal", 2)]),
            "5 wrong codes were entered since your last sign-in, from 2001:db8::/64 and a terminal of this host."
        );
        let many: Vec<_> = (0..1_000).map(|n| from(&format!("192.0.2.{n}"), 1)).collect();
        assert!(
            told(&many).ends_with("from 192.0.2.0, 192.0.2.1, 192.0.2.2 and elsewhere."),
            "{}",
            told(&many)
        );
        assert!(told(&[from("name:\u{1b}[2J\u{202e}x", 1)]).ends_with("calls itself \"[2Jx\"."));
        assert_eq!(untold(&[]), None);
    }

    #[test]
    fn few_backup_codes_come_with_the_remedy() {
        assert_eq!(backup_code_used(4), "That backup code is used up. 4 are left.");
        assert!(backup_code_used(3).contains("twostep backup-codes"));
        assert!(backup_code_used(0).starts_with("That was your last"));
    }
}
