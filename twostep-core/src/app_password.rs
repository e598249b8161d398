//! App passwords: made by the machine, named, shown once, found by a tag.
//!
//! Sixteen letters are 75 random bits: too many to guess over a network, so that no lockout is needed, but fewer than the 112 at
//! which NIST SP 800-63B §5.1.2.2 is content with a fast hash. They are stored as Argon2id.

use crate::account::EnrollmentId;
use crate::crypto::{MasterKey, Purpose, Subkey, Tag};
use crate::memory_hard::Hash;
use crate::random::{Entropy, NoEntropy, characters};
use crate::scope::Scope;
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
    /// That of the boot in which it last succeeded.
    pub boot_tag: Option<BootTag>,
    /// What it is limited to.
    pub scope: Scope,
    /// When it was last used, as far as that is written down.
    pub last_used: Option<UnixTime>,
}

/// The key of this boot, under which boot tags are made.
#[derive(Clone)]
pub struct BootKey {
    key: Subkey,
    id: [u8; 8],
}

impl BootKey {
    /// From the key that lies in the runtime folder.
    #[must_use]
    pub fn of(master: &MasterKey) -> Self {
        Self { key: master.subkey(Purpose::BootTags), id: master.id().0 }
    }
}

/// What is kept of an app password that has succeeded since boot: which boot key that was under, and a full HMAC. Comparing it replaces
/// an Argon2id run, whatever comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootTag {
    key: [u8; 8],
    mac: [u8; 32],
}

/// The length of a boot tag in the store.
pub const BOOT_TAG_LENGTH: usize = 40;

impl BootTag {
    /// As it is stored.
    #[must_use]
    pub fn to_bytes(self) -> [u8; BOOT_TAG_LENGTH] {
        let mut bytes = [0; BOOT_TAG_LENGTH];
        bytes.iter_mut().zip(self.key.into_iter().chain(self.mac)).for_each(|(to, from)| *to = from);
        bytes
    }

    /// From what is stored. That of an earlier version, without its key, is none.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (key, mac) = bytes.split_first_chunk::<8>()?;
        // Another length is that earlier version's: the password is hashed once more.
        Some(Self { key: *key, mac: mac.try_into().ok()? })
    }

    /// Whether it was made under this key, so that it tells right from wrong.
    #[must_use]
    pub fn is_of(&self, key: &BootKey) -> bool {
        self.key == key.id
    }

    /// Whether the two are one, in constant time.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.key == other.key && same(&self.mac, &other.mac)
    }
}

/// The name of an app password or authenticator.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(String);

/// A text that is no label: empty, longer than [`LABEL_MAX`] characters, blank at an end, with a dash at its beginning, which a program
/// could take for an option, or with letters that disturb others ([`crate::text::disturbs`]).
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

    /// Its tag of this boot.
    #[must_use]
    pub fn boot_tag(&self, key: &BootKey, id: AppPasswordId) -> BootTag {
        BootTag { key: key.id, mac: key.key.mac(&[b"boot tag", &id.0.to_be_bytes(), &self.0]) }
    }
}

impl Label {
    /// Reads a label.
    ///
    /// # Errors
    /// [`BadLabel`], see there.
    pub fn parse(text: &str) -> Result<Self, BadLabel> {
        if is_plain_line(text, LABEL_MAX) && !text.starts_with('-') {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadLabel)
        }
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

impl fmt::Debug for BootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BootKey(redacted)")
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
    fn a_boot_tag_is_of_its_boot_and_its_row() {
        let [one, two] = [5, 6].map(|byte| BootKey::of(&MasterKey::new([byte; 32])));
        let password = AppPassword::parse(b"abcdefghijklmnop").unwrap();
        let tag = password.boot_tag(&one, AppPasswordId(1));
        assert!(tag.is_of(&one) && !tag.is_of(&two));
        assert!(tag.is(&password.boot_tag(&one, AppPasswordId(1))));
        assert!(!tag.is(&password.boot_tag(&one, AppPasswordId(2))));
        assert!(!tag.is(&password.boot_tag(&two, AppPasswordId(1))));
        assert_eq!(BootTag::from_bytes(&tag.to_bytes()), Some(tag));
        assert_eq!(BootTag::from_bytes(&[7; 32]), None);
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
