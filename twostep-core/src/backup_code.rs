//! Backup codes: a set of single-use codes for the day the phone is gone (look-up secrets, NIST SP 800-63B §5.1.2).
//!
//! Thirteen characters of Crockford's base 32 are 65 random bits: from 64 on NIST asks for no limit on wrong ones, and a limit
//! could be used up by a stranger. They are typed like `k7m2-p9q4-rt8xw`; case, dashes and blanks do not matter, and the letters
//! that look like digits are read as those.

use crate::account::EnrollmentId;
use crate::crypto::{Subkey, Tag};
use crate::memory_hard::Hash;
use crate::random::{Entropy, NoEntropy, characters};
use crate::time::{Lease, Now};
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

const LENGTH: usize = 13;
/// How many codes a set has.
pub const SET: usize = 10;
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A backup code in its normal form.
#[derive(Clone, Zeroize, ZeroizeOnDrop, PartialEq, Eq)]
pub struct BackupCode([u8; LENGTH]);

/// A backup code's immutable id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BackupCodeId(pub i64);

/// What is stored of a backup code that is still good for something.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its id.
    pub id: BackupCodeId,
    /// The tag it is found by.
    pub tag: Tag,
    /// Its hash.
    pub hash: Hash,
    /// Set where it is a bypass code.
    pub bypass: Option<Bypass>,
}

/// What makes a backup code a *bypass code*: somebody else has given it to the user, for a while, for a day without the phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bypass {
    /// When it was given, and for how long.
    pub lease: Lease,
    /// How often it can still be used. One that logins have used up still proves one replacement of an authenticator, as long as its lease
    /// lasts ([`crate::verify::Operation`]).
    pub uses: u32,
}

/// The shortest and the longest time that a bypass code can be good for: a minute, a week.
pub const BYPASS_LIFETIME: RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(7 * 24 * 60 * 60);
/// How often a bypass code can be used.
pub const BYPASS_USES: RangeInclusive<u32> = 1..=10;

impl Bypass {
    /// Whether it lets nobody in any more.
    #[must_use]
    pub fn is_over(&self, now: &Now) -> bool {
        self.uses == 0 || self.lease.is_over(now)
    }
}

impl BackupCode {
    /// Makes a new one.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn generate(entropy: &mut dyn Entropy) -> Result<Self, NoEntropy> {
        let drawn = Zeroizing::new(characters(entropy, ALPHABET, LENGTH)?);
        let mut code = Self([0; LENGTH]);
        code.0.iter_mut().zip(drawn.iter()).for_each(|(to, from)| *to = *from);
        Ok(code)
    }

    /// Reads what somebody typed.
    #[must_use]
    pub fn parse(typed: &[u8]) -> Option<Self> {
        let mut code = Self([0; LENGTH]);
        let mut places = code.0.iter_mut();
        for byte in typed.iter().filter(|byte| !matches!(byte, b' ' | b'-')) {
            let read = match byte.to_ascii_lowercase() {
                b'o' => b'0',
                b'i' | b'l' => b'1',
                other => other,
            };
            if !ALPHABET.contains(&read) {
                return None;
            }
            *places.next()? = read;
        }
        if places.next().is_some() { None } else { Some(code) }
    }

    /// The thirteen characters.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// As it is shown once: `k7m2-p9q4-rt8xw`.
    #[must_use]
    pub fn grouped(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(LENGTH + 2));
        for (place, character) in self.0.iter().enumerate() {
            if place == 4 || place == 8 {
                text.push('-');
            }
            text.push(char::from(*character));
        }
        text
    }

    /// The sixteen bits by which it is found among the user's.
    #[must_use]
    pub fn tag(&self, key: &Subkey, enrollment: EnrollmentId) -> Tag {
        key.tag(&[&enrollment.0.to_be_bytes(), &self.0])
    }
}

impl fmt::Debug for BackupCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BackupCode(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::fake::Counting;
    use crate::time::UnixTime;

    #[test]
    fn what_is_shown_is_read_back() {
        let code = BackupCode::generate(&mut Counting(10)).unwrap();
        assert_eq!(*code.grouped(), "abcd-efgh-jkmnp");
        assert!(BackupCode::parse(code.grouped().as_bytes()) == Some(code));
    }

    #[test]
    fn a_bypass_code_ends_by_its_lease_and_when_it_is_used_up() {
        let now = |wall, up, boot| Now {
            wall: UnixTime(wall),
            since_boot: Duration::from_secs(up),
            boot: Some(crate::time::BootId([boot; 16])),
            ..Now::default()
        };
        let lease = Lease::from(&now(1_000_000, 100, 1), Duration::from_secs(3600));
        let bypass = Bypass { lease, uses: 1 };
        assert!(!bypass.is_over(&now(1_000_010, 110, 1)));
        assert!(bypass.is_over(&now(1_003_600, 110, 1)), "the machine was paused for an hour");
        assert!(Bypass { uses: 0, ..bypass }.is_over(&now(1_000_010, 110, 1)));
        assert_eq!(bypass.lease.until(), UnixTime(1_003_600));
    }

    #[test]
    fn look_alikes_are_read_as_digits() {
        assert!(BackupCode::parse(b"OIL0-0111-11111") == BackupCode::parse(b"0110 0111 11111"));
    }

    #[test]
    fn codes_and_app_passwords_are_none() {
        assert!(BackupCode::parse(b"123456").is_none());
        assert!(BackupCode::parse(b"12345678").is_none());
        assert!(BackupCode::parse(b"abcdefghjkmnpqrs").is_none());
        assert!(BackupCode::parse(b"").is_none());
        assert!(BackupCode::parse(b"uuuu-uuuu-uuuuu").is_none());
    }
}
