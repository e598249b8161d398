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

/// What a name that NSS does not know would be if it were written plainly: trimmed, lower-cased, without `@host`. Whoever is
/// enrolled under the plain name is not dodged by such a spelling.
#[must_use]
pub fn plain(raw: &str) -> Option<UserName> {
    let lower = raw.trim().to_lowercase();
    let local = lower.split('@').next().unwrap_or("").trim();
    if local == raw { None } else { UserName::parse(local).ok() }
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
    fn other_spellings_of_alice_are_alice() {
        for spelling in ["ALICE", " alice ", "alice@host", "Alice@Example.org ", "alice "] {
            assert_eq!(plain(spelling).unwrap().as_str(), "alice", "{spelling:?}");
        }
        assert_eq!(plain("alice"), None);
        assert_eq!(plain("@host"), None);
    }
}
