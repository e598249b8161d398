//! Pieces of text.

use std::fmt::Write;
use twostep_core::text::disturbs;
use twostep_core::time::UnixTime;
use zeroize::Zeroizing;

/// Writes a line to a `String`, which takes whatever is written: there is no error to look at.
#[macro_export]
macro_rules! put_line {
    ($to:expr, $($what:tt)*) => {{
        use std::fmt::Write as _;
        let _a_string_takes_all = writeln!($to, $($what)*);
    }};
}

/// RFC 3339 in UTC: `2026-03-14T15:09:26Z`.
#[must_use]
pub fn time(time: UnixTime) -> String {
    match jiff::Timestamp::from_second(time.0) {
        Ok(stamp) => stamp.to_string(),
        Err(_) => format!("@{}", time.0),
    }
}

/// [`time`], of what may not have happened.
#[must_use]
pub fn time_or_none(when: Option<UnixTime>) -> Option<String> {
    when.map(time)
}

/// How long ago something was, as people say it: `3 days ago`.
#[must_use]
pub fn ago(then: UnixTime, now: UnixTime) -> String {
    const UNITS: [(i64, &str); 5] =
        [(365 * 86_400, "year"), (30 * 86_400, "month"), (86_400, "day"), (3_600, "hour"), (60, "minute")];
    let seconds = now.0.saturating_sub(then.0);
    let unit = UNITS.iter().find(|(length, _)| seconds >= *length);
    match unit {
        Some((length, name)) => {
            let count = seconds / length;
            format!("{count} {name}{} ago", if count == 1 { "" } else { "s" })
        }
        None if seconds < -60 => format!("in the future ({})", time(then)),
        None => "just now".to_owned(),
    }
}

/// Letters in groups of four, for those who type them or have them read out.
#[must_use]
pub fn grouped(text: &str) -> Zeroizing<String> {
    let mut groups = Zeroizing::new(String::with_capacity(text.len() + text.len() / 4));
    for (place, letter) in text.chars().enumerate() {
        if place > 0 && place % 4 == 0 {
            groups.push(' ');
        }
        groups.push(letter);
    }
    groups
}

/// A text of somebody else's as it can be shown on a terminal: lines and tabs stay, and what would move the cursor, change a colour or turn
/// letters round is written out.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if !matches!(c, '\n' | '\t') && disturbs(c) {
            let _ = write!(shown, "{}", c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// [`printable`], in one line: for what must not look like lines of our own.
#[must_use]
pub fn one_line(text: &str) -> String {
    printable(text).replace('\n', "\\n").replace('\t', "\\t")
}

/// A number of things: `1 wrong code`, `2 wrong codes`.
#[must_use]
pub fn counted(count: u32, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

/// A set of backup codes for people: two a line.
pub fn backup_codes(to: &mut String, codes: &[&str]) {
    to.push_str(
        "Backup codes, each good for one login without the authenticator.\nThey are not shown again:\n\n",
    );
    for pair in codes.chunks(2) {
        put_line!(to, "    {}", pair.join("    "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_count_in_their_own_units() {
        let now = UnixTime(1_800_000_000);
        for (seconds, told) in [
            (0, "just now"),
            (59, "just now"),
            (60, "1 minute ago"),
            (7_300, "2 hours ago"),
            (3 * 86_400 + 5, "3 days ago"),
            (31 * 86_400, "1 month ago"),
            (800 * 86_400, "2 years ago"),
        ] {
            assert_eq!(ago(UnixTime(now.0 - seconds), now), told);
        }
        assert!(ago(UnixTime(now.0 + 3_600), now).starts_with("in the future"));
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!([0, 1, 2].map(|n| counted(n, "code")), ["0 codes", "1 code", "2 codes"]);
    }

    #[test]
    fn nothing_reaches_the_terminal_but_text() {
        let text = "a\u{1b}[2J\u{9b}b\u{202e}\nü";
        assert_eq!(printable(text), "a\\u{1b}[2J\\u{9b}b\\u{202e}\nü");
        assert_eq!(one_line(text), "a\\u{1b}[2J\\u{9b}b\\u{202e}\\nü");
    }

    #[test]
    fn letters_stand_in_groups_of_four() {
        assert_eq!(*grouped("GEZDGNBVG"), "GEZD GNBV G");
    }
}
