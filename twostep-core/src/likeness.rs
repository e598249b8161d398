//! Whether two secrets are the same one to HMAC.
//!
//! Comparing bytes is not enough. HMAC fills a short key up with zeros, and hashes one that is longer than a block (RFC 2104 §2), so that
//! different bytes can make the same codes. So the codes are compared: of each algorithm, of eight digits, at counters that no
//! authenticator ever comes near. Digits, period and kind of the authenticators that have the secrets make no difference.

use crate::secret::Secret;
use crate::totp::{Algorithm, Authenticator, AuthenticatorId, Kind, Parameters};

/// Counters above all that are used ([`crate::hotp::COUNTER_MAX`]). Three times eight digits: no two of a million secrets are alike by chance.
const PROBES: [u64; 3] = [u64::MAX, u64::MAX - 1, u64::MAX - 2];

/// What a secret makes of HMAC, under each algorithm.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Likeness([u128; 3]);

impl Likeness {
    /// That of a secret.
    #[must_use]
    pub fn of(secret: &Secret) -> Self {
        Self(
            [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512].map(|algorithm| probe(secret, algorithm)),
        )
    }

    /// Whether an algorithm makes the same codes of both.
    #[must_use]
    pub fn shares_codes_with(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).any(|(one, two)| one == two)
    }

    /// What secrets that share codes have in common: one of these, at the same place.
    pub fn marks(&self) -> impl Iterator<Item = (usize, u128)> {
        self.0.into_iter().enumerate()
    }
}

fn probe(secret: &Secret, algorithm: Algorithm) -> u128 {
    // Eight digits are allowed.
    let parameters = Parameters::new(algorithm, 8, Kind::Hotp).unwrap_or(Parameters::COMMON);
    let one = Authenticator { id: AuthenticatorId(0), parameters, secret: secret.clone(), last_step: None };
    PROBES.iter().fold(0, |sum, counter| {
        one.code(*counter).bytes().fold(sum, |sum, digit| sum * 10 + u128::from(digit.wrapping_sub(b'0')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alike(one: &[u8], two: &[u8]) -> bool {
        let likeness = |bytes: &[u8]| Likeness::of(&Secret::new(bytes.to_vec()));
        likeness(one).shares_codes_with(&likeness(two))
    }

    #[test]
    fn secrets_that_make_the_same_codes_are_alike() {
        let secret = b"12345678901234567890";
        assert!(alike(secret, secret));
        assert!(alike(secret, b"12345678901234567890\0\0\0"), "HMAC fills up with zeros");
        assert!(!alike(secret, b"12345678901234567891"));
        assert!(!alike(secret, b"\x0012345678901234567890"));
    }

    /// 65 bytes of `a`, and their hashes, which HMAC takes for them.
    #[test]
    fn a_secret_longer_than_a_block_is_like_its_hash() {
        let sha1 = "11655326c708d70319be2610e8a57d9a5b959d3b";
        let sha256 = "635361c48bb9eab14198e76ea8ab7f1a41685d6ad62aa9146d301d4f17eb0ae0";
        for hash in [sha1, sha256] {
            let bytes: Vec<u8> = (0..hash.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&hash[at..at + 2], 16).unwrap())
                .collect();
            assert!(alike(&[b'a'; 65], &bytes), "{hash}");
            assert!(!alike(&[b'a'; 64], &bytes), "{hash}");
        }
    }
}
