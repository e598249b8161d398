//! Authenticators that count: HOTP, RFC 4226. The counter moves on with every code that the authenticator shows, entered or not, so
//! that codes some way ahead are accepted too (§7.4).

use crate::secret::same;
use crate::totp::{Authenticator, Consumed, Match, Offset, shown};

/// How many counters after the next one are accepted as well: codes that were shown and not entered (s of RFC 4226 §7.4).
pub const LOOK_AHEAD: u32 = 10;
/// How many counters ahead two successive codes are looked for, where they are given as one answer at a prompt.
///
/// Of the 10^12 pairs that twice six digits can be, 100 are right: one guess in 10^10, where of single codes 11 in 10^6 are. Whoever
/// guesses gains nothing by guessing pairs, which are counted like single codes.
pub const RESYNC: u32 = 100;
/// How many counters ahead an administrator has two successive codes looked for.
pub const RESYNC_BY_ADMINISTRATOR: u32 = 1000;
/// The highest counter that one can begin with: what every reader of JSON has exactly. Nobody presses a button as often.
pub const COUNTER_MAX: u64 = 1 << 53;

impl Authenticator {
    /// The counter of the code that is expected next.
    #[must_use]
    pub fn next_counter(&self) -> u64 {
        self.last_step.map_or(0, |last| last.saturating_add(1))
    }

    /// Looks for two successive codes among the next ones (resynchronisation, RFC 4226 §7.4): `first` must be one of the next `window`
    /// codes and `second` the one after it, which is consumed. All are computed, wherever the two are.
    #[must_use]
    pub fn resynchronize(&self, first: &str, second: &str, window: u32) -> Match {
        let generator = self.generator();
        let (mut found, mut first_before) = (Match::None, false);
        for ahead in 0..=window {
            let step = self.next_counter().saturating_add(ahead.into());
            let code = shown(&generator, step);
            if first_before && found == Match::None && same(code.as_bytes(), second.as_bytes()) {
                // The first of the two was not passed over.
                let offset = Offset::PassedOver(ahead.saturating_sub(1));
                found = Match::Code(Consumed { step, offset });
            }
            first_before = same(code.as_bytes(), first.as_bytes());
        }
        found
    }

    /// The next code and the [`LOOK_AHEAD`] after it are tried, and the latest one, which is told from a wrong one. Twice as many digits
    /// are two successive codes.
    pub(crate) fn judge_by_count(&self, code: &str) -> Match {
        let digits = usize::from(self.parameters.digits());
        if code.len() == 2 * digits
            && let Some((first, second)) = code.split_at_checked(digits)
        {
            return self.resynchronize(first, second, RESYNC);
        }
        if code.len() != digits {
            return Match::None;
        }
        let generator = self.generator();
        let is_code_of = |counter| same(shown(&generator, counter).as_bytes(), code.as_bytes());
        let mut found = match self.last_step {
            Some(last) if is_code_of(last) => Match::Replayed,
            _ => Match::None,
        };
        for passed in 0..=LOOK_AHEAD {
            let step = self.next_counter().saturating_add(passed.into());
            if is_code_of(step) && !matches!(found, Match::Code(_)) {
                found = Match::Code(Consumed { step, offset: Offset::PassedOver(passed) });
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;
    use crate::time::UnixTime;
    use crate::totp::{Algorithm, AuthenticatorId, Kind, Parameters};

    fn token() -> Authenticator {
        Authenticator {
            id: AuthenticatorId(1),
            parameters: Parameters::new(Algorithm::Sha1, 6, Kind::Hotp).unwrap(),
            secret: Secret::new(b"12345678901234567890".to_vec()),
            last_step: None,
        }
    }

    fn taken(step: u64, passed: u32) -> Match {
        Match::Code(Consumed { step, offset: Offset::PassedOver(passed) })
    }

    fn judge(token: &Authenticator, code: &str) -> Match {
        token.judge(code, UnixTime(1_800_000_000))
    }

    fn two(token: &Authenticator, counter: u64) -> String {
        format!("{}{}", *token.code(counter), *token.code(counter + 1))
    }

    /// RFC 4226 appendix D: counters 0 to 9, six digits, each entered in its turn.
    #[test]
    fn rfc_4226_appendix_d() {
        let mut token = token();
        let expected = [
            "755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871",
            "520489",
        ];
        for (counter, code) in (0..).zip(expected) {
            assert_eq!(*token.code(counter), code, "counter {counter}");
            assert_eq!(judge(&token, code), taken(counter, 0));
            token.last_step = Some(counter);
            assert_eq!(judge(&token, code), Match::Replayed);
        }
    }

    #[test]
    fn ten_codes_can_be_passed_over_and_no_more() {
        let mut token = token();
        for (last, next) in [(None, 0), (Some(41), 42)] {
            token.last_step = last;
            for passed in 0..=LOOK_AHEAD {
                let counter = next + u64::from(passed);
                assert_eq!(judge(&token, &token.code(counter)), taken(counter, passed));
            }
            assert_eq!(judge(&token, &token.code(next + 11)), Match::None);
        }
    }

    #[test]
    fn what_was_passed_over_is_good_no_more() {
        let mut token = token();
        token.last_step = Some(8);
        for counter in 0..8 {
            assert_eq!(judge(&token, &token.code(counter)), Match::None, "counter {counter}");
        }
        assert_eq!(judge(&token, &token.code(8)), Match::Replayed);
    }

    #[test]
    fn time_moves_no_counter() {
        let token = token();
        assert_eq!(token.judge(&token.code(3), UnixTime(-9)), token.judge(&token.code(3), UnixTime(1 << 40)));
        assert!(!Authenticator { last_step: Some(u64::MAX), ..token }.has_seen_later_than(UnixTime(0)));
    }

    #[test]
    fn two_successive_codes_are_found_a_hundred_ahead() {
        let mut token = token();
        token.last_step = Some(4);
        for (counter, passed) in [(5, 0), (16, 11), (104, 99)] {
            assert_eq!(judge(&token, &two(&token, counter)), taken(counter + 1, passed), "counter {counter}");
        }
        for counter in [105, 106, 4, 3] {
            assert_eq!(judge(&token, &two(&token, counter)), Match::None, "counter {counter}");
        }
        let resync = |first, second| {
            token.resynchronize(&token.code(first), &token.code(second), RESYNC_BY_ADMINISTRATOR)
        };
        assert_eq!(resync(1004, 1005), taken(1005, 999));
        assert_eq!(resync(1005, 1006), Match::None);
        assert_eq!(resync(20, 22), Match::None, "not successive");
        assert_eq!(resync(21, 20), Match::None, "the wrong way round");
    }

    #[test]
    fn what_is_not_exactly_one_code_or_two_is_none() {
        let token = token();
        for text in ["", "75522", "7552242", "+75522", "755224 287082", "755224287082359152", "é12345é12345"]
        {
            assert_eq!(judge(&token, text), Match::None, "{text:?}");
        }
        // No boundary of a character in the middle.
        assert_eq!(judge(&token, "12345é12345"), Match::None);
    }
}
