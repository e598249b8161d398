//! App passwords: made by the machine, named, shown once, found by a tag.
//!
//! Sixteen letters are 75 random bits: too many to guess over a network, so that no lockout is needed, but fewer than the 112 at
//! which NIST SP 800-63B §5.1.2.2 is content with a fast hash. They are stored as Argon2id.

use crate::account::EnrollmentId;
use crate::crypto::{Subkey, Tag};
use crate::memory_hard::Hash;
use crate::random::{Entropy, NoEntropy, characters};
use crate::secret::same;
use crate::text::is_plain_line;
use crate::time::UnixTime;
use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

const LETTERS: usize = 16;
/// The longest name of an app password, in characters.
pub const LABEL_MAX: usize = 64;

/// An app password in its normal form: sixteen lower-case letters.
#[derive(Clone, Zeroize, ZeroizeOnDrop, PartialEq, Eq)]
pub struct AppPassword([u8; LETTERS]);

/// An app password's immutable id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AppPasswordId(pub i64);

/// What is stored of an app password.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its id.
    pub id: AppPasswordId,
    /// The name it was given: "old phone".
    pub label: Label,
    /// Its hash.
    pub hash: Hash,
    /// [`AppPassword::boot_tag`] of the boot in which it last succeeded.
    pub boot_tag: Option<[u8; 32]>,
    /// When it was last used, as far as that is written down.
    pub last_used: Option<UnixTime>,
}

/// The name of an app password or authenticator.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(String);

/// A text that is no label: empty, longer than [`LABEL_MAX`] characters, blank at an end, or with letters that disturb others
/// ([`crate::text::disturbs`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadLabel;

impl AppPassword {
    /// Makes a new one.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn generate(entropy: &mut dyn Entropy) -> Result<Self, NoEntropy> {
        let letters = Zeroizing::new(characters(entropy, b"abcdefghijklmnopqrstuvwxyz", LETTERS)?);
        let mut password = Self([0; LETTERS]);
        password.0.iter_mut().zip(letters.iter()).for_each(|(to, from)| *to = *from);
        Ok(password)
    }

    /// Reads what somebody typed or a program sent: in any case, with or without blanks and dashes. Nothing else is an app
    /// password.
    #[must_use]
    pub fn parse(typed: &[u8]) -> Option<Self> {
        let mut password = Self([0; LETTERS]);
        let mut places = password.0.iter_mut();
        for byte in typed.iter().filter(|byte| !matches!(byte, b' ' | b'-' | b'\t')) {
            if !byte.is_ascii_alphabetic() {
                return None;
            }
            *places.next()? = byte.to_ascii_lowercase();
        }
        if places.next().is_some() { None } else { Some(password) }
    }

    /// The sixteen letters.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// As it is shown once: `abcd efgh ijkl mnop`.
    #[must_use]
    pub fn grouped(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(LETTERS + 3));
        for (place, letter) in self.0.iter().enumerate() {
            if place > 0 && place % 4 == 0 {
                text.push(' ');
            }
            text.push(char::from(*letter));
        }
        text
    }

    /// The sixteen bits by which it is found among the user's, under the master key's subkey for that.
    #[must_use]
    pub fn tag(&self, key: &Subkey, enrollment: EnrollmentId) -> Tag {
        key.tag(&[&enrollment.0.to_be_bytes(), &self.0])
    }

    /// A full HMAC under a key that exists only until the next boot: comparing it replaces an Argon2id run.
    #[must_use]
    pub fn boot_tag(&self, boot_key: &Subkey, id: AppPasswordId) -> [u8; 32] {
        boot_key.mac(&[b"boot tag", &id.0.to_be_bytes(), &self.0])
    }
}

impl Stored {
    /// Whether the boot tag of this boot is `tag`.
    #[must_use]
    pub fn has_boot_tag(&self, tag: &[u8; 32]) -> bool {
        self.boot_tag.is_some_and(|own| same(&own, tag))
    }
}

impl Label {
    /// Reads a label.
    ///
    /// # Errors
    /// [`BadLabel`], see there.
    pub fn parse(text: &str) -> Result<Self, BadLabel> {
        if is_plain_line(text, LABEL_MAX) { Ok(Self(text.to_owned())) } else { Err(BadLabel) }
    }

    /// One that is in the store already: an earlier version took some that [`Self::parse`] does not.
    #[must_use]
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// The label as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AppPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AppPassword(redacted)")
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{MasterKey, Purpose};
    use crate::random::fake::Counting;

    #[test]
    fn any_spelling_is_accepted() {
        let plain = AppPassword::parse(b"abcdefghijklmnop").unwrap();
        for spelling in ["abcd efgh ijkl mnop", "ABCD-EFGH-IJKL-MNOP", " abcdefgh  ijklmnop "] {
            assert!(AppPassword::parse(spelling.as_bytes()) == Some(plain.clone()), "{spelling:?}");
        }
    }

    #[test]
    fn an_account_password_is_none() {
        for text in [
            "",
            "abcdefghijklmno",
            "abcdefghijklmnopq",
            "abcd efgh ijkl mn0p",
            "correct horse battery staple",
        ] {
            assert!(AppPassword::parse(text.as_bytes()).is_none(), "{text:?}");
        }
        assert!(AppPassword::parse(&[0xff; 16]).is_none());
        assert!(AppPassword::parse(&[b'a'; 65_536]).is_none());
    }

    #[test]
    fn it_is_shown_in_four_groups() {
        let made = AppPassword::generate(&mut Counting(0)).unwrap();
        assert_eq!(*made.grouped(), "abcd efgh ijkl mnop");
        assert_eq!(format!("{made:?}"), "AppPassword(redacted)");
    }

    #[test]
    fn a_tag_is_the_users_own() {
        let key = MasterKey::new([3; 32]).subkey(Purpose::AppPasswordTags);
        let password = AppPassword::parse(b"abcdefghijklmnop").unwrap();
        assert_ne!(password.tag(&key, EnrollmentId(1)), password.tag(&key, EnrollmentId(2)));
    }

    #[test]
    fn labels_are_printable() {
        assert!(Label::parse("old phone").is_ok());
        assert!(Label::parse("Ünal's Pixel").is_ok());
        for bad in ["", " x", "a\nb", "\u{1b}[2J", &"x".repeat(65)] {
            assert_eq!(Label::parse(bad), Err(BadLabel), "{bad:?}");
        }
    }
}
