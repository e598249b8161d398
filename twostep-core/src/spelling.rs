//! Other spellings of a user's name. Servers, directories and modules behind us may fold letters, cut names at separators and compare them
//! loosely. What NSS does not know as it stands is compared here with all that they may make of it.

use crate::name::{Domains, Naming, UserName};

/// Separators that servers are known to cut names at: domains (`@`, `%`, `!`, `\`, `/`), XMPP resources (`/`), tags and domains (`+`).
const SEPARATORS: &[char] = &['@', '%', '!', '\\', '/', '+'];
/// More separators than this are in no name: `EXAMPLE\bob+tag@example.org` has three.
const SEPARATORS_MAX: usize = 3;

/// What may be made of a name that NSS does not know as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readings {
    /// All of them, in lower case.
    names: Vec<String>,
    /// Those that may be accounts, as given and in lower case. The name itself is not among them.
    accounts: Vec<UserName>,
    /// Whether the name may belong to any domain.
    any_domain: bool,
    /// The one that it is.
    own: Option<UserName>,
}

impl Readings {
    /// The readings of a name. None where it holds other characters than ASCII letters, digits, `.`, `_`, `-`, `'` and a few separators,
    /// so that nobody can tell what a server makes of it.
    #[must_use]
    pub fn of(raw: &str, naming: &Naming) -> Option<Self> {
        let mut readings = Self {
            any_domain: !raw.contains(['@', '%']) && !matches!(naming.domains, Domains::Own(_)),
            ..Self::default()
        };
        for text in [raw.to_owned(), raw.replace('\\', ""), unescaped(raw)] {
            let text = text.trim_matches(' ');
            if !is_legible(text) {
                return None;
            }
            readings.add(text);
        }
        readings.accounts.retain(|name| name.as_str() != raw);
        readings.names.sort_unstable();
        readings.names.dedup();
        Some(readings)
    }

    fn add(&mut self, text: &str) {
        let lower = text.to_ascii_lowercase();
        let accounts = [text, &lower].into_iter().flat_map(parts).flat_map(variants);
        for account in accounts.filter_map(|name| UserName::parse(&name).ok()) {
            if !self.accounts.contains(&account) {
                self.accounts.push(account);
            }
        }
        self.names.extend(parts(&lower).into_iter().flat_map(variants));
        let words: Vec<&str> = lower.split(SEPARATORS).filter(|word| !word.is_empty()).collect();
        for user in words.iter().flat_map(|word| variants(word)) {
            self.names.extend(words.iter().map(|domain| format!("{user}@{domain}")));
            self.names.extend(words.iter().map(|domain| format!("{domain}\\{user}")));
        }
    }

    /// Which accounts NSS is to be asked about.
    #[must_use]
    pub fn accounts(&self) -> &[UserName] {
        &self.accounts
    }

    /// The readings, and each without what stands before its first backslash, in lower case. A name that [`Self::may_be`] accepts is one of
    /// these without its own such part, or begins with one of these and `@`.
    pub fn without_domain(&self) -> impl Iterator<Item = &str> {
        let bare = self.names.iter().filter_map(|name| name.split_once('\\')).map(|(_, user)| user);
        self.names.iter().map(String::as_str).chain(bare)
    }

    /// Whether the name may belong to any domain.
    #[must_use]
    pub fn is_of_any_domain(&self) -> bool {
        self.any_domain
    }

    /// Whoever the name means is nobody else whom it may be taken for.
    pub(crate) fn leave_out(&mut self, own: &UserName) {
        self.own = Some(own.clone());
    }

    /// Whether the name may be taken for this one, under which somebody is enrolled.
    #[must_use]
    pub fn may_be(&self, enrolled: &UserName) -> bool {
        if self.own.as_ref() == Some(enrolled) {
            return false;
        }
        let enrolled = enrolled.as_str();
        let is_one = |name: &str| self.names.iter().any(|one| one.eq_ignore_ascii_case(name));
        let without_domain = enrolled.split_once('\\').map(|(_, user)| user);
        let at_any_domain = enrolled.split_once('@').map(|(user, _)| user).filter(|_| self.any_domain);
        is_one(enrolled) || without_domain.is_some_and(is_one) || at_any_domain.is_some_and(is_one)
    }
}

/// Whether every character means itself to whatever reads a name, or parts it at a known place.
fn is_legible(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-'".contains(c);
    text.chars().all(|c| plain(c) || SEPARATORS.contains(&c))
        && text.matches(SEPARATORS).count() <= SEPARATORS_MAX
}

/// What stands between two separators, or an end: the whole too. What begins behind `user@` or `user%` is a host and nobody's name.
fn parts(text: &str) -> Vec<&str> {
    let cuts: Vec<usize> = text.match_indices(SEPARATORS).map(|(at, _)| at).collect();
    let is_host = |before: &str| before.strip_suffix(['@', '%']).is_some_and(|user| !user.is_empty());
    let begins = std::iter::once(0).chain(cuts.iter().map(|cut| cut + 1));
    let begins = begins.filter(|begin| !text.get(..*begin).is_some_and(is_host));
    let ends: Vec<usize> = cuts.iter().copied().chain([text.len()]).collect();
    begins.flat_map(|begin| ends.iter().filter_map(move |end| text.get(begin..*end))).collect()
}

/// With `\61` and `%61` as the characters that they stand for in directories and addresses.
fn unescaped(text: &str) -> String {
    let mut parts = text.split(['\\', '%']);
    let mut plain = parts.next().unwrap_or_default().to_owned();
    let mut at = plain.len();
    for part in parts {
        let code = part.get(..2).filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let code = code.and_then(|code| u8::from_str_radix(code, 16).ok()).filter(u8::is_ascii);
        match (code, part.get(2..)) {
            (Some(code), Some(rest)) => plain.extend([char::from(code)].into_iter().chain(rest.chars())),
            _ => plain.push_str(text.get(at..at + 1 + part.len()).unwrap_or_default()),
        }
        at += 1 + part.len();
    }
    plain
}

/// A part, and the same without dots at its ends and without quotes.
fn variants(part: &str) -> Vec<String> {
    let bare = part.replace('\'', "");
    [part, part.trim_matches('.'), bare.trim_matches('.')]
        .into_iter()
        .filter(|one| !one.is_empty())
        .map(ToOwned::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts(raw: &str) -> Vec<String> {
        let readings = Readings::of(raw, &Naming::default()).unwrap();
        readings.accounts().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_name_is_cut_at_its_separators() {
        assert!(accounts("alice").is_empty());
        assert_eq!(accounts("ALICE"), ["alice"]);
        assert_eq!(accounts("alice@example.org"), ["alice"]);
        assert_eq!(
            accounts("EXAMPLE\\alice"),
            ["EXAMPLE", "alice", "example", "example\\alice", "EXAMPLEalice", "examplealice"]
        );
        assert_eq!(accounts("@alice"), ["alice"]);
        assert_eq!(accounts(" 'alice'. "), ["'alice'.", "'alice'", "alice"]);
    }

    #[test]
    fn what_an_escape_stands_for_is_read() {
        for (raw, plain) in [
            ("\\61lice", "alice"),
            ("al%69c%65", "alice"),
            ("alice\\40example.org", "alice@example.org"),
            ("EXAMPLE\\dave", "EXAMPLE\\dave"),
            ("dave%example.org", "dave%example.org"),
            ("a%+1", "a%+1"),
            ("%", "%"),
            ("", ""),
        ] {
            assert_eq!(unescaped(raw), plain, "{raw:?}");
        }
        assert!(accounts("al\\ice").contains(&"alice".to_owned()));
    }

    #[test]
    fn what_nobody_can_read_has_no_readings() {
        for odd in [
            "ａlice",
            "al ice",
            "alice*",
            "alice,ou=x",
            "a@b@c@d@e",
            "\"alice\"",
            "alice\u{fffd}",
            "ali%2a",
            "a%00",
        ] {
            assert_eq!(Readings::of(odd, &Naming::default()), None, "{odd:?}");
        }
    }

    #[test]
    fn the_longest_name_has_few_readings() {
        let longest = format!("a'.\\b'.+c'.@{}", "d".repeat(240));
        let readings = Readings::of(&longest, &Naming::default()).unwrap();
        assert!(readings.accounts.len() < 40, "{}", readings.accounts.len());
        assert!(readings.names.len() < 200, "{}", readings.names.len());
    }
}
