//! Reasons as a help desk would say them. The words in the log are in docs/log.md.

use twostep_core::log_line::LogLine;

/// What a user can be told of a refusal. A reason of a later version is told by its own word.
pub(crate) fn of(line: &LogLine) -> String {
    let name = || line.detail("name").unwrap_or_default();
    let cause = || line.detail("cause").unwrap_or("not told why");
    let rule = || line.detail("rule").unwrap_or("?");
    let uid = || line.detail("uid").unwrap_or("?");
    match line.reason.as_str() {
        "code-wrong" => match line.detail("clock-off") {
            Some(off) => format!("wrong code: a clock is off by {off}"),
            None => "wrong code".to_owned(),
        },
        "not-an-app-password" => "account password used instead of an app password".to_owned(),
        "app-password-wrong" => "mistyped app password".to_owned(),
        "app-password-revoked" => format!("revoked app password \"{}\"", name()),
        "app-password-out-of-scope" => {
            format!("app password \"{}\" outside its scope ({})", name(), scope(cause()))
        }
        "app-password-expired" => {
            format!("app password \"{}\" expired on {}", name(), line.detail("on").unwrap_or("?"))
        }
        "not-set-up" => format!("two-step was not set up at the login: {}", cause()),
        "denied-by-rule" => format!("refused to everybody here, by the rule in line {}", rule()),
        "orphan" => {
            let orphan = line.detail("orphan").unwrap_or("?");
            format!("has the uid of {orphan}, who is enrolled and has no account any more")
        }
        "not-allowed" => format!("a program of uid {} has asked twostepd for what it may not", uid()),
        "busy" => format!("a program of uid {} asks too much of twostepd", uid()),
        "store" => format!("nobody gets in: store ({})", cause()),
        "configuration" => format!("nobody gets in: configuration ({})", cause()),
        "argument" => {
            let word = line.detail("word").unwrap_or_default();
            format!("nobody gets in: the PAM stack has a word that is not known ({word})")
        }
        "rule-at-odds" => {
            format!("nobody gets in: the service cannot ask what the rule in line {} demands", rule())
        }
        "broker" => format!("nobody gets in: twostepd cannot be asked ({})", cause()),
        "nss" => format!("nobody gets in: the user database failed ({})", cause()),
        "hash" => format!("app password could not be looked at ({})", cause()),
        "internal" => format!("a bug in twostep ({})", cause()),
        word => plain(word).to_owned(),
    }
}

/// Reasons that need no more than a sentence.
fn plain(word: &str) -> &str {
    match word {
        "not-enrolled" => "not enrolled, and only the enrolled get in here",
        "bypass-not-enough" => "bypass code, where two-step was to be turned off",
        "bypass-over" => "bypass code whose time is over",
        "code-replayed" => "code that was used already",
        "clock-behind" => "this host's clock is behind",
        "empty" => "no code entered",
        "same-as-password" => "account password entered where a code is asked for",
        "app-password-at-prompt" => "app password entered where a code is asked for",
        "throttled" => "not looked at: a wait after wrong codes",
        "capped" => "not looked at: too many wrong codes, to be unlocked",
        "enrollment-changed" => "enrollment was changed during the login",
        "app-only" => "enrolled for app passwords only",
        "uid-changed" => "account was made anew after it was enrolled",
        "user-unknown" => "no such user",
        "name-spelling" => "user name in a spelling that is not the account's",
        "virtual-users-off" => "mail user without an account, which the configuration does not have",
        "key-alone" => "ssh key without a code",
        "code-not-asked" => "not asked for a code: a line of the PAM stack passes over it",
        "account-expired" => "account has expired",
        "user-switched" => "another user at the end of the login",
        "conversation" => "the program could not ask, or broke off",
        "code-unjudged" => "nobody gets in: no line of the PAM stack judges the code",
        "service" => "nobody gets in: the service has no name",
        other => other,
    }
}

/// The causes of `app-password-out-of-scope`.
fn scope(cause: &str) -> &str {
    match cause {
        "service" => "service",
        "address" => "address",
        "no-address" => "no address",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> String {
        of(&LogLine::parse(text).unwrap())
    }

    #[test]
    fn every_reason_in_the_manual_of_the_log_has_words() {
        let manual = include_str!("../../../docs/log.md");
        let rows = manual.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
        let told =
            rows.filter(|(row, _)| row.starts_with("result=refused") || row.starts_with("result=unavail"));
        let mut count = 0;
        for (row, _) in told {
            let word = LogLine::parse(row).unwrap().reason;
            assert_ne!(words(row), word, "{row}");
            count += 1;
        }
        assert!(count > 30, "{count}");
    }

    #[test]
    fn app_passwords_are_named() {
        for (more, told) in [
            ("revoked name=\"old phone\"", "revoked app password \"old phone\""),
            ("out-of-scope name=laptop cause=service", "app password \"laptop\" outside its scope (service)"),
            (
                "out-of-scope name=laptop cause=no-address",
                "app password \"laptop\" outside its scope (no address)",
            ),
            ("expired name=x on=2026-11-20", "app password \"x\" expired on 2026-11-20"),
        ] {
            assert_eq!(words(&format!("result=refused reason=app-password-{more}")), told);
        }
    }

    #[test]
    fn a_clock_that_is_off_is_told() {
        let told = words("result=refused reason=code-wrong user=alice clock-off=+600s");
        assert_eq!(told, "wrong code: a clock is off by +600s");
    }

    #[test]
    fn a_reason_of_a_later_version_is_told_by_its_word() {
        assert_eq!(words("result=refused reason=moon-phase"), "moon-phase");
    }
}
