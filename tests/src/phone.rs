//! The authenticator on the user's side.

use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use totp_rs::{Algorithm, Builder, Secret};

use crate::wait::OrDie;

/// A phone with one secret. It never hands out the code of a step twice, nor one of an earlier step, since the host takes only
/// codes of steps after the last one it took.
#[derive(Debug)]
pub struct Phone {
    secret: String,
    algorithm: Algorithm,
    digits: u8,
    period: u64,
    last_step: Option<u64>,
}

/// A code of the step before the present one is given only while the present one has this many seconds left: on a busy machine
/// it may take that long until the host looks at it.
const MARGIN: u64 = 20;

impl Phone {
    /// With a base32 secret and what authenticator apps take for granted: SHA-1, six digits, thirty seconds.
    pub fn new(secret: &str) -> Self {
        Self { secret: secret.to_owned(), algorithm: Algorithm::SHA1, digits: 6, period: 30, last_step: None }
    }

    /// From a key in groups of four letters, as it is shown for typing.
    pub fn typed_from(shown: &str) -> Self {
        let is_key = |line: &&str| {
            let letters =
                |group: &str| group.bytes().all(|b| b.is_ascii_uppercase() || (b'2'..=b'7').contains(&b));
            line.split(' ').count() == 8 && line.split(' ').all(|group| group.len() == 4 && letters(group))
        };
        let Some(key) = shown.lines().map(str::trim).find(is_key) else { panic!("no key in:\n{shown}") };
        Self::new(&key.replace(' ', ""))
    }

    /// From what `twostep-admin --json enroll` prints.
    pub fn from_enrollment(document: &Value) -> Self {
        let authenticator = &document["authenticator"];
        let Some(secret) = authenticator["secret"].as_str() else {
            panic!("no authenticator.secret in {document}");
        };
        let algorithm = match authenticator["algorithm"].as_str().unwrap_or("sha1").to_lowercase().as_str() {
            "sha256" => Algorithm::SHA256,
            "sha512" => Algorithm::SHA512,
            _ => Algorithm::SHA1,
        };
        let number = |key: &str, default| authenticator[key].as_u64().unwrap_or(default);
        let digits = u8::try_from(number("digits", 6)).or_die("read authenticator.digits");
        Self { algorithm, digits, period: number("period", 30), ..Self::new(secret) }
    }

    /// The code this phone shows at a time.
    pub fn code_at(&self, unix_time: u64) -> String {
        let secret = Secret::try_from_base32(&self.secret).or_die("read the secret as base32");
        let totp = Builder::new()
            .with_algorithm(self.algorithm)
            .with_digits(self.digits)
            .with_step_duration(self.period)
            .with_secret(secret)
            .build_noncompliant();
        totp.generate(unix_time).to_string()
    }

    /// A code that the host has not seen and takes now. Waits for the next step only from about the third code on.
    pub fn fresh_code(&mut self) -> String {
        loop {
            let now = unix_time();
            let (step, left) = (now / self.period, self.period - now % self.period);
            let oldest_taken = if left >= MARGIN { step - 1 } else { step };
            let next = self.last_step.map_or(oldest_taken, |last| oldest_taken.max(last + 1));
            if next <= step + 1 {
                self.last_step = Some(next);
                return self.code_at(next * self.period);
            }
            sleep(Duration::from_millis(200));
        }
    }

    /// A code of the right length that the host takes neither now nor in the minutes around.
    pub fn wrong_code(&self) -> String {
        let step = unix_time() / self.period;
        let near: Vec<String> =
            (step - 30..=step + 30).map(|step| self.code_at(step * self.period)).collect();
        let digits = usize::from(self.digits);
        let found = (0..).map(|number| format!("{number:0digits$}")).find(|code| !near.contains(code));
        found.unwrap_or_default()
    }
}

/// Seconds since 1970.
pub fn unix_time() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).or_die("read the clock").as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "12345678901234567890", the secret of RFC 6238's appendix B.
    const RFC: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    #[test]
    fn codes_are_those_of_rfc_6238() {
        let phone = Phone { digits: 8, ..Phone::new(RFC) };
        assert_eq!(phone.code_at(59), "94287082");
        assert_eq!(phone.code_at(1_111_111_109), "07081804");
        assert_eq!(phone.code_at(20_000_000_000), "65353130");
    }

    #[test]
    fn no_code_is_handed_out_twice() {
        let mut phone = Phone::new(RFC);
        let first = phone.fresh_code();
        let step = phone.last_step;
        assert_ne!(phone.fresh_code(), first);
        assert!(phone.last_step > step);
    }
}
