//! Time-based one-time passwords: RFC 6238 over RFC 4226.

use crate::random::{Entropy, NoEntropy};
use crate::secret::Secret;
use crate::time::UnixTime;
use totp_rs::{Builder, Totp};
use zeroize::Zeroizing;

/// How many steps before and after the present one are accepted (RFC 6238 §5.2 recommends one).
pub const WINDOW: u64 = 1;
/// The shortest secret accepted, in bytes (RFC 4226 §4, R6: at least 128 bits).
pub const SECRET_MIN: usize = 16;
/// The longest secret accepted, in bytes.
pub const SECRET_MAX: usize = 128;

/// The hash under the HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC-SHA-1, what every phone app knows.
    Sha1,
    /// HMAC-SHA-256.
    Sha256,
    /// HMAC-SHA-512.
    Sha512,
}

/// What a code looks like and how often it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    algorithm: Algorithm,
    digits: u8,
    period: u8,
}

/// Parameters that are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadParameters;

/// An authenticator's immutable id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AuthenticatorId(pub i64);

/// One authenticator with its secret.
#[derive(Clone, Debug)]
pub struct Authenticator {
    /// Its id.
    pub id: AuthenticatorId,
    /// How it makes codes.
    pub parameters: Parameters,
    /// Its secret.
    pub secret: Secret,
    /// The latest step of which a code was accepted.
    pub last_step: Option<u64>,
}

/// What a code is to an authenticator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// The code of this step, which is to be consumed with it.
    Step(u64),
    /// The code of a step that was consumed, or of an earlier one.
    Replayed,
    /// None of its codes.
    None,
}

/// Makes a secret as long as the hash's output (RFC 4226 §4 R6, RFC 6238 §5.1).
///
/// # Errors
/// When there is no randomness.
pub fn new_secret(algorithm: Algorithm, entropy: &mut dyn Entropy) -> Result<Secret, NoEntropy> {
    let length = match algorithm {
        Algorithm::Sha1 => 20,
        Algorithm::Sha256 => 32,
        Algorithm::Sha512 => 64,
    };
    let mut bytes = Zeroizing::new(vec![0; length]);
    entropy.fill(&mut bytes)?;
    Ok(Secret::new(std::mem::take(&mut *bytes)))
}

/// A secret in base32 (RFC 4648 §6), without padding.
#[must_use]
pub fn base32(secret: &Secret) -> Zeroizing<String> {
    Zeroizing::new(totp_rs::Secret::new(secret.expose().into()).to_base32())
}

impl Algorithm {
    /// The word used in the store, on command lines and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// Reads what [`Self::as_str`] says.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Sha1, Self::Sha256, Self::Sha512].into_iter().find(|a| a.as_str() == word)
    }
}

impl Parameters {
    /// What phones expect: SHA-1, six digits, thirty seconds.
    pub const COMMON: Self = Self { algorithm: Algorithm::Sha1, digits: 6, period: 30 };

    /// Checks the parameters.
    ///
    /// # Errors
    /// When `digits` is not 6 to 8 (RFC 4226 §5.3) or `period` neither 30 nor 60 seconds.
    pub fn new(algorithm: Algorithm, digits: u8, period: u8) -> Result<Self, BadParameters> {
        match (digits, period) {
            (6..=8, 30 | 60) => Ok(Self { algorithm, digits, period }),
            _ => Err(BadParameters),
        }
    }

    /// The hash under the HMAC.
    #[must_use]
    pub fn algorithm(self) -> Algorithm {
        self.algorithm
    }

    /// Digits in a code.
    #[must_use]
    pub fn digits(self) -> u8 {
        self.digits
    }

    /// Seconds until the next code.
    #[must_use]
    pub fn period(self) -> u8 {
        self.period
    }

    /// The step that `time` falls in (T of RFC 6238 §4.2, T0 = 0).
    #[must_use]
    pub fn step_at(self, time: UnixTime) -> u64 {
        u64::try_from(time.0).unwrap_or(0) / u64::from(self.period)
    }
}

impl Authenticator {
    /// Judges `code` at `time`: the steps from one before to one after are tried, those not above `last_step` only to tell a
    /// replay from a wrong code. Every step is tried whichever matches, so that the time taken tells nothing.
    #[must_use]
    pub fn judge(&self, code: &str, time: UnixTime) -> Match {
        if code.len() != usize::from(self.parameters.digits) {
            return Match::None;
        }
        let generator = self.generator();
        let present = self.parameters.step_at(time);
        let mut found = Match::None;
        for step in present.saturating_sub(WINDOW)..=present.saturating_add(WINDOW) {
            if !is_code_of(&generator, step, code) {
                continue;
            }
            if self.last_step.is_some_and(|last| step <= last) {
                if found == Match::None {
                    found = Match::Replayed;
                }
            } else if !matches!(found, Match::Step(_)) {
                found = Match::Step(step);
            }
        }
        found
    }

    /// Whether a code was accepted that lies further ahead than any that is accepted now: the clock was set back since.
    #[must_use]
    pub fn has_seen_later_than(&self, time: UnixTime) -> bool {
        let newest = self.parameters.step_at(time).saturating_add(WINDOW);
        self.last_step.is_some_and(|last| last > newest)
    }

    /// The code of `step`.
    #[must_use]
    pub fn code(&self, step: u64) -> Zeroizing<String> {
        Zeroizing::new(self.generator().generate(step.saturating_mul(self.period())).to_string())
    }

    fn period(&self) -> u64 {
        u64::from(self.parameters.period)
    }

    fn generator(&self) -> Totp {
        Builder::new()
            .with_algorithm(match self.parameters.algorithm {
                Algorithm::Sha1 => totp_rs::Algorithm::SHA1,
                Algorithm::Sha256 => totp_rs::Algorithm::SHA256,
                Algorithm::Sha512 => totp_rs::Algorithm::SHA512,
            })
            .with_digits(self.parameters.digits)
            .with_step_duration(self.period())
            .with_skew(0)
            .with_secret(self.secret.expose().to_vec())
            .build_noncompliant()
    }
}

fn is_code_of(generator: &Totp, step: u64, code: &str) -> bool {
    generator.check(code, step.saturating_mul(generator.step())).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authenticator(secret: &[u8], algorithm: Algorithm, digits: u8) -> Authenticator {
        Authenticator {
            id: AuthenticatorId(1),
            parameters: Parameters::new(algorithm, digits, 30).unwrap(),
            secret: Secret::new(secret.to_vec()),
            last_step: None,
        }
    }

    const SEED: &[u8] = b"1234567890123456789012345678901234567890123456789012345678901234";

    /// RFC 4226 appendix D: counters 0 to 9, six digits.
    #[test]
    fn rfc_4226_appendix_d() {
        let hotp = authenticator(&SEED[..20], Algorithm::Sha1, 6);
        let expected = [
            "755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871",
            "520489",
        ];
        for (counter, code) in (0..).zip(expected) {
            assert_eq!(*hotp.code(counter), code, "counter {counter}");
        }
    }

    /// RFC 6238 appendix B, with the seeds of its reference code: 20, 32 and 64 bytes.
    #[test]
    fn rfc_6238_appendix_b() {
        let rows: [(i64, &str, &str, &str); 6] = [
            (59, "94287082", "46119246", "90693936"),
            (1_111_111_109, "07081804", "68084774", "25091201"),
            (1_111_111_111, "14050471", "67062674", "99943326"),
            (1_234_567_890, "89005924", "91819424", "93441116"),
            (2_000_000_000, "69279037", "90698825", "38618901"),
            (20_000_000_000, "65353130", "77737706", "47863826"),
        ];
        for (time, sha1, sha256, sha512) in rows {
            for (code, algorithm, length) in [
                (sha1, Algorithm::Sha1, 20),
                (sha256, Algorithm::Sha256, 32),
                (sha512, Algorithm::Sha512, 64),
            ] {
                let totp = authenticator(&SEED[..length], algorithm, 8);
                let step = totp.parameters.step_at(UnixTime(time));
                assert_eq!(*totp.code(step), code, "{algorithm:?} at {time}");
                assert_eq!(totp.judge(code, UnixTime(time)), Match::Step(step));
            }
        }
    }

    #[test]
    fn one_step_either_side_is_accepted_and_no_more() {
        let totp = authenticator(&SEED[..20], Algorithm::Sha1, 6);
        let now = UnixTime(1_000_000_000);
        let present = totp.parameters.step_at(now);
        for (offset, expected) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
            let step = present.checked_add_signed(offset).unwrap();
            let code = totp.code(step);
            assert_eq!(totp.judge(&code, now) == Match::Step(step), expected, "offset {offset}");
        }
    }

    #[test]
    fn a_code_is_accepted_once_and_takes_the_earlier_ones_with_it() {
        let mut totp = authenticator(&SEED[..20], Algorithm::Sha1, 6);
        let now = UnixTime(1_000_000_000);
        let present = totp.parameters.step_at(now);
        totp.last_step = Some(present);
        assert_eq!(totp.judge(&totp.code(present), now), Match::Replayed);
        assert_eq!(totp.judge(&totp.code(present - 1), now), Match::Replayed);
        assert_eq!(totp.judge(&totp.code(present + 1), now), Match::Step(present + 1));
    }

    #[test]
    fn what_is_not_exactly_a_code_is_none() {
        let totp = authenticator(&SEED[..20], Algorithm::Sha1, 6);
        for text in ["", "12345", "1234567", "+12345", "12345x", "１２３４５６"] {
            assert_eq!(totp.judge(text, UnixTime(59)), Match::None, "{text:?}");
        }
    }

    #[test]
    fn parameters_are_bounded() {
        assert!(Parameters::new(Algorithm::Sha1, 5, 30).is_err());
        assert!(Parameters::new(Algorithm::Sha1, 9, 30).is_err());
        assert!(Parameters::new(Algorithm::Sha1, 6, 0).is_err());
        assert!(Parameters::new(Algorithm::Sha512, 8, 60).is_ok());
    }
}
