//! The PAM services that a host knows: what has a file, and what the configuration lists. A name that is none of them is most likely
//! mistyped, and whatever is limited to it never applies.

use crate::name::ServiceName;
use crate::rule::Glob;
use std::collections::BTreeSet;

/// The names.
#[derive(Clone, Debug, Default)]
pub struct KnownServices(BTreeSet<String>);

/// What a name that is not known may mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// The name, or pattern.
    pub name: String,
    /// The one that is so near that it must be meant.
    pub meant: Option<String>,
}

impl KnownServices {
    /// Those with files, and those listed.
    #[must_use]
    pub fn of(files: impl IntoIterator<Item = String>, listed: &[ServiceName]) -> Self {
        Self(files.into_iter().chain(listed.iter().map(ToString::to_string)).collect())
    }

    /// What a name or pattern may mean that fits none.
    #[must_use]
    pub fn unknown(&self, pattern: &Glob) -> Option<Unknown> {
        if self.0.iter().any(|known| pattern.matches(known)) {
            return None;
        }
        let name = pattern.as_str().to_owned();
        let distances = self.0.iter().map(|known| (distance(&name, known), known));
        let near = distances.filter(|(distance, known)| is_near(*distance, &name, known)).min();
        Some(Unknown { meant: near.map(|(_, known)| known.clone()), name })
    }
}

impl Unknown {
    /// What is wrong, as a sentence without its full stop.
    #[must_use]
    pub fn message(&self) -> String {
        format!("this host has no PAM service named {}", self.name)
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        let later = "if it is to be installed later, list it in [app] services first";
        match &self.meant {
            Some(meant) => format!("most likely {meant} is meant; {later}"),
            None => "ls /etc/pam.d, and [app] services in the configuration, have the names".to_owned(),
        }
    }
}

/// `imaps` is near `imap`, `ssh` near `sshd`; short names differ in one letter by nature.
fn is_near(distance: usize, one: &str, other: &str) -> bool {
    let shorter = one.len().min(other.len());
    match distance {
        1 => shorter >= 4 || (shorter >= 3 && other.starts_with(one)),
        2 => shorter >= 8,
        _ => false,
    }
}

/// How many letters must be put in, taken out or changed (Levenshtein's distance).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.chars().enumerate() {
        let mut next = vec![at + 1];
        for ((column, theirs), (left_above, above)) in
            other.iter().enumerate().zip(row.iter().zip(row.iter().skip(1)))
        {
            let left = next.get(column).copied().unwrap_or(usize::MAX);
            next.push(
                (above + 1).min(left.saturating_add(1)).min(left_above + usize::from(letter != *theirs)),
            );
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> KnownServices {
        let files = ["sshd", "su", "sudo", "login", "postgresql", "dovecot"].map(str::to_owned);
        let listed = ["imap", "pop3", "smtp"].map(|name| ServiceName::parse(name).unwrap());
        KnownServices::of(files, &listed)
    }

    fn unknown(pattern: &str) -> Option<Unknown> {
        known().unknown(&Glob::service(pattern).unwrap())
    }

    #[test]
    fn what_has_a_file_or_is_listed_is_known() {
        for name in ["sshd", "imap", "IMAP", "smtp*", "*", "pop?", "su"] {
            assert_eq!(unknown(name), None, "{name}");
        }
    }

    #[test]
    fn a_name_that_is_nearly_right_is_told_with_the_right_one() {
        for (name, meant) in [
            ("imaps", Some("imap")),
            ("smtps", Some("smtp")),
            ("imap4", Some("imap")),
            ("ssh", Some("sshd")),
            ("pop", Some("pop3")),
            ("pop3s", Some("pop3")),
            ("dovecto", None),
            ("dovekot", Some("dovecot")),
            ("postgressql", Some("postgresql")),
            ("postgres", Some("postgresql")),
            ("nextcloud", None),
            ("sv", None),
            ("cron", None),
        ] {
            assert_eq!(unknown(name).unwrap().meant.as_deref(), meant, "{name}");
        }
    }

    #[test]
    fn distances_are_as_levenshtein_has_them() {
        for (one, other, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("imaps", "imap", 1),
            ("flaw", "lawn", 2),
        ] {
            assert_eq!(distance(one, other), expected, "{one} {other}");
        }
    }
}
