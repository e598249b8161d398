//! Authenticators, and how those that go by time (TOTP, RFC 6238) judge a code. Those that count (HOTP, RFC 4226) are judged in
//! [`crate::hotp`].

use crate::hotp::LOOK_AHEAD;
use crate::random::{Entropy, NoEntropy};
use crate::secret::{Secret, same};
use crate::time::UnixTime;
use totp_rs::{Builder, Totp};
use zeroize::Zeroizing;

/// How many steps before and after the present one are accepted (RFC 6238 §5.2 recommends one).
pub const WINDOW: i8 = 1;
/// How far before and after the present a code that is not accepted is looked for, to tell a clock that is off from a wrong code: in
/// seconds, ten minutes and the time it takes to type one.
pub const DRIFT_MAX: i16 = 720;
/// How many values all authenticators of a user may accept at a time, of the million that six digits have: ten that go by time accept
/// as many ([`Kind::values`]).
pub const VALUES_MAX: u32 = 30;
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

/// What moves an authenticator on to its next code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Time: TOTP (RFC 6238).
    Totp {
        /// Seconds until the next code: 30 or 60.
        period: u8,
    },
    /// A counter, one on with every code that is shown: HOTP (RFC 4226).
    Hotp,
}

/// What a code looks like and what makes it change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    algorithm: Algorithm,
    digits: u8,
    kind: Kind,
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
    /// The latest step (TOTP) or counter (HOTP) of which a code was accepted. Neither it nor an earlier one is accepted again.
    pub last_step: Option<u64>,
}

/// What a code is to an authenticator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// A right one.
    Code(Consumed),
    /// The code of a step or counter that was consumed, or of an earlier step.
    Replayed,
    /// None of its codes.
    None,
}

/// What is to be consumed with a right code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consumed {
    /// Its step or counter.
    pub step: u64,
    /// How far off it was.
    pub offset: Offset,
}

/// How far a right code was off the one that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offset {
    /// TOTP: by so many steps, at most [`WINDOW`]. Below zero the authenticator's clock is behind this host's, above it is ahead.
    Steps(i8),
    /// HOTP: so many counters were passed over, codes that were shown and not entered here.
    PassedOver(u32),
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
    pub const COMMON: Self = Self { algorithm: Algorithm::Sha1, digits: 6, kind: Kind::Totp { period: 30 } };

    /// Checks the parameters.
    ///
    /// # Errors
    /// When `digits` is not 6 to 8 (RFC 4226 §5.3), or a period neither 30 nor 60 seconds.
    pub fn new(algorithm: Algorithm, digits: u8, kind: Kind) -> Result<Self, BadParameters> {
        match (digits, kind) {
            (6..=8, Kind::Totp { period: 30 | 60 } | Kind::Hotp) => Ok(Self { algorithm, digits, kind }),
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

    /// What moves it on.
    #[must_use]
    pub fn kind(self) -> Kind {
        self.kind
    }

    /// Seconds until the next code; none for one that counts.
    #[must_use]
    pub fn period(self) -> Option<u8> {
        match self.kind {
            Kind::Totp { period } => Some(period),
            Kind::Hotp => None,
        }
    }

    /// The step that `time` falls in (T of RFC 6238 §4.2, T0 = 0); none for one that counts.
    #[must_use]
    pub fn step_at(self, time: UnixTime) -> Option<u64> {
        self.period().map(|period| u64::try_from(time.0).unwrap_or(0) / u64::from(period))
    }
}

impl Kind {
    /// How many values are accepted at a time.
    #[must_use]
    pub fn values(self) -> u32 {
        match self {
            Self::Totp { .. } => 2 * u32::from(WINDOW.unsigned_abs()) + 1,
            Self::Hotp => LOOK_AHEAD + 1,
        }
    }

    /// The word used in the store, in URIs, in JSON and in the protocol.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Totp { .. } => "totp",
            Self::Hotp => "hotp",
        }
    }
}

impl Offset {
    /// The number, as store and JSON have it.
    #[must_use]
    pub fn number(self) -> i64 {
        match self {
            Self::Steps(steps) => steps.into(),
            Self::PassedOver(counters) => counters.into(),
        }
    }

    /// Reads what [`Self::number`] says of an authenticator of this kind.
    #[must_use]
    pub fn of(kind: Kind, number: i64) -> Option<Self> {
        match kind {
            Kind::Totp { .. } => number.try_into().ok().map(Self::Steps),
            Kind::Hotp => number.try_into().ok().map(Self::PassedOver),
        }
    }
}

impl Authenticator {
    /// Judges `code` at `time`. What that costs goes by how long the code is, and by nothing else: whatever matches, all the values
    /// that come into question are computed.
    #[must_use]
    pub fn judge(&self, code: &str, time: UnixTime) -> Match {
        match self.parameters.step_at(time) {
            Some(present) => self.judge_by_time(code, present),
            None => self.judge_by_count(code),
        }
    }

    /// The steps from one before to one after are tried, those not above `last_step` only to tell a replay from a wrong code.
    fn judge_by_time(&self, code: &str, present: u64) -> Match {
        let mut found = Match::None;
        if code.len() != usize::from(self.parameters.digits) {
            return found;
        }
        let generator = self.generator();
        for off in -WINDOW..=WINDOW {
            let Some(step) = present.checked_add_signed(off.into()) else { continue };
            if !same(shown(&generator, step).as_bytes(), code.as_bytes()) {
                continue;
            }
            if self.last_step.is_some_and(|last| step <= last) {
                if found == Match::None {
                    found = Match::Replayed;
                }
            } else if !matches!(found, Match::Code(_)) {
                found = Match::Code(Consumed { step, offset: Offset::Steps(off) });
            }
        }
        found
    }

    /// By how many seconds the authenticator's clock is ahead of `time` (below zero: behind it), if `code` is one of a step that is near
    /// but not accepted. As with [`Self::judge`] all codes that come into question are computed, whatever matches; the nearest is told.
    #[must_use]
    pub fn drift(&self, code: &str, time: UnixTime) -> Option<i16> {
        let period = i16::from(self.parameters.period()?);
        let present = self.parameters.step_at(time)?;
        if code.len() != usize::from(self.parameters.digits) {
            return None;
        }
        let generator = self.generator();
        let mut found = None;
        for off in (i16::from(WINDOW) + 1)..=DRIFT_MAX / period {
            for off in [-off, off] {
                let Some(step) = present.checked_add_signed(off.into()) else { continue };
                if same(shown(&generator, step).as_bytes(), code.as_bytes()) {
                    found = found.or(Some(off * period));
                }
            }
        }
        found
    }

    /// Whether a code was accepted that lies further ahead than any that is accepted now: the clock was set back since. What counts
    /// knows no time.
    #[must_use]
    pub fn has_seen_later_than(&self, time: UnixTime) -> bool {
        let newest =
            self.parameters.step_at(time).map(|present| present.saturating_add_signed(WINDOW.into()));
        newest.is_some_and(|newest| self.last_step.is_some_and(|last| last > newest))
    }

    /// The code of a step or counter.
    #[must_use]
    pub fn code(&self, step: u64) -> Zeroizing<String> {
        shown(&self.generator(), step)
    }

    /// Makes the codes of all steps or counters: a step of one second makes totp-rs take its "time" for the moving factor itself.
    pub(crate) fn generator(&self) -> Totp {
        Builder::new()
            .with_algorithm(match self.parameters.algorithm {
                Algorithm::Sha1 => totp_rs::Algorithm::SHA1,
                Algorithm::Sha256 => totp_rs::Algorithm::SHA256,
                Algorithm::Sha512 => totp_rs::Algorithm::SHA512,
            })
            .with_digits(self.parameters.digits)
            .with_step_duration(1)
            .with_skew(0)
            .with_secret(self.secret.expose().to_vec())
            .build_noncompliant()
    }
}

/// The code of a step or counter. The one place where an HMAC is computed.
pub(crate) fn shown(generator: &Totp, step: u64) -> Zeroizing<String> {
    #[cfg(test)]
    cost::count();
    Zeroizing::new(generator.generate(step).to_string())
}

/// How many HMACs a test has cost.
#[cfg(test)]
pub(crate) mod cost {
    use std::cell::Cell;

    thread_local! {
        static HMACS: Cell<u32> = const { Cell::new(0) };
    }

    pub(super) fn count() {
        HMACS.set(HMACS.get() + 1);
    }

    /// Those of some work, and what came of it.
    pub(crate) fn of<T>(work: impl FnOnce() -> T) -> (u32, T) {
        let before = HMACS.get();
        let done = work();
        (HMACS.get() - before, done)
    }
}

#[cfg(test)]
#[path = "totp_tests.rs"]
mod tests;
