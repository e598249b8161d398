//! Names of users and services. Two strings that could be swapped are two types.

use std::fmt;

/// The longest user name accepted, in bytes (glibc's own limit for login names, LOGIN_NAME_MAX).
pub const USER_NAME_MAX: usize = 256;
/// The longest service name accepted, in bytes.
pub const SERVICE_NAME_MAX: usize = 64;

/// A person's login name: the canonical `pw_name` that NSS gives.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserName(String);

/// A PAM service name, such as `sshd`. PAM lower-cases it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceName(String);

/// Why a string is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// It is empty.
    Empty,
    /// It is longer than the limit, in bytes.
    TooLong(usize),
    /// It holds a character that such a name cannot have.
    Character,
}

impl UserName {
    /// Reads a user name.
    ///
    /// # Errors
    /// When it is empty, longer than [`USER_NAME_MAX`], or holds control characters, `:` or white space at an end.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        bounded(text, USER_NAME_MAX)?;
        if text.contains(|c: char| c.is_control() || c == ':' || c == '\u{fffd}') || text.trim() != text {
            return Err(NameError::Character);
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ServiceName {
    /// Reads a service name.
    ///
    /// # Errors
    /// When it is empty, longer than [`SERVICE_NAME_MAX`], or holds anything but letters, digits, `.`, `_`, `-` and `@`.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        bounded(text, SERVICE_NAME_MAX)?;
        if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-@".contains(&b)) {
            return Err(NameError::Character);
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn bounded(text: &str, limit: usize) -> Result<(), NameError> {
    match text.len() {
        0 => Err(NameError::Empty),
        n if n > limit => Err(NameError::TooLong(limit)),
        _ => Ok(()),
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::TooLong(limit) => write!(f, "it is longer than {limit} bytes"),
            Self::Character => f.write_str("it holds a character that such a name cannot have"),
        }
    }
}

/// Whom names mean on app services, besides those that NSS knows as they stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Naming {
    /// Whether users whom NSS does not know can be enrolled.
    pub virtual_users: bool,
    /// What becomes of what stands behind `@`.
    pub domains: Domains,
}

/// What becomes of the domain of a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Domains {
    /// It is a part of the name.
    #[default]
    Keep,
    /// It is left out, whichever it is.
    Strip,
    /// It is left out if it is one of these, in lower case; any other is a part of the name.
    Own(Vec<String>),
}

impl Naming {
    /// Whether a name can mean anybody else than NSS says.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        !self.virtual_users && self.domains == Domains::Keep
    }

    /// The user that a name means where NSS does not know it as it stands: trimmed, lower-cased, after the domain rule.
    #[must_use]
    pub fn user(&self, raw: &str) -> Option<UserName> {
        let lower = raw.trim().to_lowercase();
        let mut plain = lower.as_str();
        // Until the rule has nothing more to say: what it has made of a name must not be another name that it would make something of.
        loop {
            plain = match (plain.rsplit_once('@'), &self.domains) {
                (Some((local, _)), Domains::Strip) => local.trim(),
                (Some((local, domain)), Domains::Own(own)) if own.iter().any(|one| one == domain) => {
                    local.trim()
                }
                _ => break,
            };
        }
        // What can be nobody's name means nobody.
        UserName::parse(plain).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_name_has_no_control_characters() {
        assert_eq!(UserName::parse("\u{8}\n\r\u{7f}INCORRECT"), Err(NameError::Character));
        assert_eq!(UserName::parse(""), Err(NameError::Empty));
        assert_eq!(UserName::parse("alice "), Err(NameError::Character));
        assert_eq!(UserName::parse(&"a".repeat(257)), Err(NameError::TooLong(256)));
        assert!(UserName::parse("EXAMPLE\\alice").is_ok());
    }

    #[test]
    fn a_service_name_is_lower_cased() {
        assert_eq!(ServiceName::parse("SSHD").unwrap().as_str(), "sshd");
        assert_eq!(ServiceName::parse("../sshd"), Err(NameError::Character));
    }

    #[test]
    fn the_domain_rule_says_who_is_one_user() {
        let user = |domains: &Domains, raw: &str| {
            let naming = Naming { virtual_users: true, domains: domains.clone() };
            naming.user(raw).map(|name| name.as_str().to_owned())
        };
        let own = Domains::Own(vec!["example.org".to_owned()]);
        for (raw, keep, strip, listed) in [
            ("alice", "alice", "alice", "alice"),
            (" Alice@Example.ORG ", "alice@example.org", "alice", "alice"),
            ("alice@example.com", "alice@example.com", "alice", "alice@example.com"),
            ("a@b@example.org", "a@b@example.org", "a", "a@b"),
            ("a@example.org@example.org", "a@example.org@example.org", "a", "a"),
        ] {
            assert_eq!(user(&Domains::Keep, raw).as_deref(), Some(keep));
            assert_eq!(user(&Domains::Strip, raw).as_deref(), Some(strip));
            assert_eq!(user(&own, raw).as_deref(), Some(listed));
        }
        for nobody in ["", " ", "@example.org", "a\nb"] {
            assert_eq!(user(&own, nobody), None, "{nobody:?}");
        }
        assert!(Naming::default().is_plain());
    }
}
