//! How many wrong codes are let pass, and how long one waits after them (NIST SP 800-63B §5.2.2).
//!
//! Failures are counted per user and source. A success clears only its own source, so that a guesser cannot farm the owner's
//! logins; and sources from which the owner has signed in before, and backup codes, keep an allowance of their own, so that a
//! guesser cannot lock the owner out.

use crate::time::{Now, Stamp, UnixTime};
use std::time::Duration;

/// Wrong codes in a row from one source that cost no waiting.
pub const FREE: u32 = 5;
/// The wait after the first failure that costs one; it doubles with each further one.
pub const FIRST_WAIT: Duration = Duration::from_secs(10);
/// The longest wait.
pub const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// Wrong codes for one user, from all sources together, after which only known sources are heard.
pub const CAP_STRANGERS: u32 = 90;
/// Wrong codes for one user, from all sources together, after which no code is heard: "no more than 100 consecutive failed
/// authentication attempts" (NIST SP 800-63B §5.2.2). Backup codes have as many of their own.
pub const CAP: u32 = 100;
/// How long a source is known after a success.
pub const KNOWN_FOR: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// What has come from one source for one user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Wrong codes since the last success from here.
    pub codes: u32,
    /// Wrong backup codes since then.
    pub backup_codes: u32,
    /// When the last of them came.
    pub last_failure: Option<Stamp>,
    /// The last success from here.
    pub last_success: Option<UnixTime>,
}

/// What the throttle needs to know: this source, and the user over all sources (this one included).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// This source.
    pub here: Record,
    /// Wrong codes from everywhere that no success has cleared.
    pub all_codes: u32,
    /// Wrong backup codes likewise.
    pub all_backup_codes: u32,
}

/// What kind of answer asks to be heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A code.
    Code,
    /// What looks like a backup code.
    BackupCode,
}

/// Whether an answer is heard at all.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowance {
    /// It is judged.
    Open,
    /// It is not judged and not counted; this long is still to wait.
    Wait(Duration),
    /// It is not judged until an administrator unlocks, or a backup code makes the source known.
    Capped,
}

/// Whether an answer of this kind is heard now.
pub fn allowance(tally: &Tally, kind: Kind, now: &Now) -> Allowance {
    let capped = match kind {
        Kind::BackupCode => tally.all_backup_codes >= CAP,
        Kind::Code if is_known(&tally.here, now) => tally.all_codes >= CAP,
        Kind::Code => tally.all_codes >= CAP_STRANGERS,
    };
    if capped {
        return Allowance::Capped;
    }
    let failures = tally.here.codes.saturating_add(tally.here.backup_codes);
    match (wait_after(failures), &tally.here.last_failure) {
        (Some(wait), Some(last)) => match wait.checked_sub(now.since(last)) {
            Some(left) if !left.is_zero() => Allowance::Wait(left),
            _ => Allowance::Open,
        },
        _ => Allowance::Open,
    }
}

/// How long one waits after this many failures in a row.
#[must_use]
pub fn wait_after(failures: u32) -> Option<Duration> {
    let doublings = failures.checked_sub(FREE)?;
    Some(FIRST_WAIT.saturating_mul(1u32.checked_shl(doublings).unwrap_or(u32::MAX)).min(LONGEST_WAIT))
}

/// The record after a wrong answer.
#[must_use]
pub fn after_failure(record: &Record, kind: Kind, now: &Now) -> Record {
    let mut next = Record { last_failure: Some(now.stamp()), ..record.clone() };
    match kind {
        Kind::Code => next.codes = next.codes.saturating_add(1),
        Kind::BackupCode => next.backup_codes = next.backup_codes.saturating_add(1),
    }
    next
}

/// The record after a right answer.
#[must_use]
pub fn after_success(now: &Now) -> Record {
    Record { last_success: Some(now.wall), ..Record::default() }
}

fn is_known(record: &Record, now: &Now) -> bool {
    record.last_success.is_some_and(|last| last >= now.wall.minus(KNOWN_FOR))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::BootId;

    fn now(seconds: u64) -> Now {
        Now {
            wall: UnixTime(1_800_000_000 + i64::try_from(seconds).unwrap()),
            since_boot: Duration::from_secs(seconds),
            boot: Some(BootId([1; 16])),
        }
    }

    fn tally(failures: u32, at: u64) -> Tally {
        let here = Record { codes: failures, last_failure: Some(now(at).stamp()), ..Record::default() };
        Tally { here, all_codes: failures, all_backup_codes: 0 }
    }

    #[test]
    fn a_few_mistakes_cost_nothing() {
        assert_eq!(allowance(&tally(4, 100), Kind::Code, &now(100)), Allowance::Open);
    }

    #[test]
    fn waits_double_and_end() {
        let waits: Vec<_> = (4..15).map(|n| wait_after(n).map(|w| w.as_secs())).collect();
        let expected = [
            None,
            Some(10),
            Some(20),
            Some(40),
            Some(80),
            Some(160),
            Some(320),
            Some(640),
            Some(900),
            Some(900),
            Some(900),
        ];
        assert_eq!(waits, expected);
        assert_eq!(wait_after(u32::MAX), Some(LONGEST_WAIT));
        assert_eq!(
            allowance(&tally(7, 100), Kind::Code, &now(110)),
            Allowance::Wait(Duration::from_secs(30))
        );
        assert_eq!(allowance(&tally(7, 100), Kind::Code, &now(140)), Allowance::Open);
    }

    #[test]
    fn strangers_end_before_known_sources_and_those_before_backup_codes() {
        let mut tally = tally(0, 0);
        tally.all_codes = CAP_STRANGERS;
        assert_eq!(allowance(&tally, Kind::Code, &now(9)), Allowance::Capped);
        tally.here = after_success(&now(1));
        assert_eq!(allowance(&tally, Kind::Code, &now(9)), Allowance::Open);
        tally.all_codes = CAP;
        assert_eq!(allowance(&tally, Kind::Code, &now(9)), Allowance::Capped);
        assert_eq!(allowance(&tally, Kind::BackupCode, &now(9)), Allowance::Open);
        tally.all_backup_codes = CAP;
        assert_eq!(allowance(&tally, Kind::BackupCode, &now(9)), Allowance::Capped);
    }

    #[test]
    fn no_more_than_a_hundred_codes_are_ever_heard_without_a_success() {
        let (mut strangers, mut heard) = (Tally::default(), 0);
        for n in 0..10_000u64 {
            // Each guess from another source, a day apart.
            strangers.here = Record::default();
            if allowance(&strangers, Kind::Code, &now(n * 86_400)) == Allowance::Open {
                strangers.all_codes += 1;
                heard += 1;
            }
        }
        assert_eq!(heard, CAP_STRANGERS);
    }

    #[test]
    fn a_success_clears_its_source() {
        let record = after_failure(&Record::default(), Kind::Code, &now(5));
        assert_eq!((record.codes, record.last_failure), (1, Some(now(5).stamp())));
        assert_eq!(after_success(&now(6)).codes, 0);
    }

    #[test]
    fn a_source_is_forgotten_after_ninety_days() {
        let mut tally = Tally { here: after_success(&now(0)), all_codes: CAP_STRANGERS, all_backup_codes: 0 };
        tally.here.last_failure = None;
        assert_eq!(allowance(&tally, Kind::Code, &now(91 * 86_400)), Allowance::Capped);
    }
}
