//! How many wrong codes are let pass, and how long one waits after them (NIST SP 800-63B §5.2.2).
//!
//! Two things are counted per user and source: failures since the last success there, after which one waits, and wrong codes,
//! which add up over all sources to a cap. A success clears only its own source, so that a guesser cannot farm the owner's logins;
//! where the source may be anybody's (a host name, or nothing told) it clears the waiting only. Sources from which the owner has
//! signed in before have an allowance of their own.
//!
//! Backup codes have no part in this: they never wait, know no cap, and a wrong one delays nobody. With 65 bits they need no limit
//! (NIST SP 800-63B §5.1.2.2), and any limit on them would let a guesser lock the owner out. Wrong ones are counted for the owner only.

use crate::time::{Now, Stamp, UnixTime};
use std::time::Duration;

/// Wrong answers in a row from one source that cost no waiting.
pub const FREE: u32 = 5;
/// The wait after the first failure that costs one; it doubles with each further one.
pub const FIRST_WAIT: Duration = Duration::from_secs(10);
/// The longest wait.
pub const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// Wrong codes for one user, from all sources together, after which only known sources are heard.
pub const CAP_STRANGERS: u32 = 90;
/// Wrong codes for one user, from all sources together, after which no code is heard: "no more than 100 consecutive failed
/// authentication attempts" (NIST SP 800-63B §5.2.2).
pub const CAP: u32 = 100;
/// How long a source is known after a success.
pub const KNOWN_FOR: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// How old the record of a success may become before it is written anew.
const KNOWN_WRITTEN_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// What has come from one source for one user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Wrong codes since the last success from here.
    pub failures: u32,
    /// Wrong codes that count towards the cap.
    pub codes: u32,
    /// When the last wrong code came.
    pub last_failure: Option<Stamp>,
    /// The last login from here that succeeded as a whole.
    pub last_success: Option<UnixTime>,
}

/// What the throttle needs to know: this source, and the user over all sources (this one included).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// This source.
    pub here: Record,
    /// Whose it is.
    pub standing: Standing,
    /// Wrong codes from everywhere that count towards the cap.
    pub all_codes: u32,
}

/// Whether what comes from a source is one party's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is: an address, a terminal of this host.
    Own,
    /// Anybody can come from there.
    Shared,
}

/// What kind of answer asks to be heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A code.
    Code,
    /// What looks like a backup code or a bypass code: always heard.
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
    /// It is not judged until an administrator unlocks, or a backup code is used.
    Capped,
}

/// Whether an answer of this kind is heard now.
pub fn allowance(tally: &Tally, kind: Kind, now: &Now) -> Allowance {
    let cap = match kind {
        Kind::BackupCode => return Allowance::Open,
        Kind::Code if is_known(tally, now) => CAP,
        Kind::Code => CAP_STRANGERS,
    };
    if tally.all_codes >= cap {
        return Allowance::Capped;
    }
    match (wait_after(tally.here.failures), &tally.here.last_failure) {
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

/// The record after a wrong answer. A wrong backup code leaves it as it is: not even the stamp moves, or a wait would never end.
#[must_use]
pub fn after_failure(record: &Record, kind: Kind, now: &Now) -> Record {
    match kind {
        Kind::BackupCode => record.clone(),
        Kind::Code => Record {
            failures: record.failures.saturating_add(1),
            codes: record.codes.saturating_add(1),
            last_failure: Some(now.stamp()),
            last_success: record.last_success,
        },
    }
}

/// The record after a right answer. That the login as a whole succeeds is not known yet: the source is not known by it.
#[must_use]
pub fn after_success(tally: &Tally) -> Record {
    Record {
        failures: 0,
        codes: if tally.standing == Standing::Own { 0 } else { tally.here.codes },
        last_failure: None,
        last_success: tally.here.last_success,
    }
}

/// Whether a login that succeeds as a whole is to be written down for this source.
#[must_use]
pub fn success_is_due(tally: &Tally, now: &Now) -> bool {
    let written = tally.here.last_success;
    tally.standing == Standing::Own
        && written.is_none_or(|last| last > now.wall || last <= now.wall.minus(KNOWN_WRITTEN_EVERY))
}

fn is_known(tally: &Tally, now: &Now) -> bool {
    let recent = |last: UnixTime| last >= now.latest().minus(KNOWN_FOR);
    tally.standing == Standing::Own && tally.here.last_success.is_some_and(recent)
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
            ..Now::default()
        }
    }

    fn tally(failures: u32, at: u64) -> Tally {
        let last_failure = Some(now(at).stamp());
        let here = Record { failures, codes: failures, last_failure, last_success: None };
        Tally { here, standing: Standing::Own, all_codes: failures }
    }

    #[test]
    fn a_few_mistakes_cost_nothing() {
        assert_eq!(allowance(&tally(4, 100), Kind::Code, &now(100)), Allowance::Open);
    }

    #[test]
    fn waits_double_and_end() {
        let waits: Vec<_> = (4..15).map(|n| wait_after(n).map_or(0, |wait| wait.as_secs())).collect();
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 320, 640, 900, 900, 900]);
        assert_eq!(wait_after(u32::MAX), Some(LONGEST_WAIT));
        assert_eq!(
            allowance(&tally(7, 100), Kind::Code, &now(110)),
            Allowance::Wait(Duration::from_secs(30))
        );
        assert_eq!(allowance(&tally(7, 100), Kind::Code, &now(140)), Allowance::Open);
    }

    #[test]
    fn strangers_end_before_known_sources_and_backup_codes_never() {
        let mut tally = tally(0, 0);
        tally.all_codes = CAP_STRANGERS;
        assert_eq!(allowance(&tally, Kind::Code, &now(9)), Allowance::Capped);
        tally.here.last_success = Some(now(1).wall);
        assert_eq!(allowance(&tally, Kind::Code, &now(9)), Allowance::Open);
        tally.standing = Standing::Shared;
        assert_eq!(allowance(&tally, Kind::Code, &now(9)), Allowance::Capped);
        tally.standing = Standing::Own;
        tally.all_codes = CAP;
        assert_eq!(allowance(&tally, Kind::Code, &now(9)), Allowance::Capped);
        assert_eq!(allowance(&tally, Kind::BackupCode, &now(9)), Allowance::Open);
    }

    #[test]
    fn no_more_than_a_hundred_codes_are_ever_heard_without_a_success() {
        let (mut strangers, mut heard) = (tally(0, 0), 0);
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

    /// docs/threat-model.md has these numbers.
    #[test]
    fn a_patient_guesser_from_one_address_needs_twenty_hours_for_what_a_thousand_have_at_once() {
        let (mut patient, mut time) = (tally(0, 0), 0);
        while allowance(&patient, Kind::Code, &now(time)) != Allowance::Capped {
            match allowance(&patient, Kind::Code, &now(time)) {
                Allowance::Wait(wait) => time += wait.as_secs(),
                _ => {
                    patient.here = after_failure(&patient.here, Kind::Code, &now(time));
                    patient.all_codes += 1;
                }
            }
        }
        assert_eq!((patient.all_codes, time), (CAP_STRANGERS, 71_470));
        let document = include_str!("../../docs/threat-model.md");
        assert!(document.contains("71,470 s"), "docs/threat-model.md does not say how long it takes");
    }

    #[test]
    fn a_success_clears_its_source_and_where_that_is_anybodys_only_the_waiting() {
        let mut tally = tally(6, 5);
        assert_eq!(after_success(&tally), Record::default());
        tally.standing = Standing::Shared;
        assert_eq!(after_success(&tally), Record { codes: 6, ..Record::default() });
    }

    #[test]
    fn a_wrong_backup_code_delays_nobody_and_prolongs_no_wait() {
        for failures in [0, 4, 7, 90] {
            let before = tally(failures, 100);
            let here = after_failure(&before.here, Kind::BackupCode, &now(109));
            assert_eq!(here, before.here);
        }
    }

    #[test]
    fn a_backup_code_is_heard_whatever_has_failed() {
        for (failures, standing) in [(5, Standing::Own), (90, Standing::Shared), (u32::MAX, Standing::Own)] {
            let tally = Tally { standing, ..tally(failures, 100) };
            assert_ne!(allowance(&tally, Kind::Code, &now(100)), Allowance::Open);
            assert_eq!(allowance(&tally, Kind::BackupCode, &now(100)), Allowance::Open);
        }
    }

    /// Three days at a source that the owner and a guesser share. The guesser sends a wrong backup code every second.
    #[test]
    fn a_guesser_with_wrong_backup_codes_at_a_shared_source_keeps_nobody_out() {
        for standing in [Standing::Own, Standing::Shared] {
            let mut shared = Tally { standing, ..tally(0, 0) };
            for second in 0..3 * 86_400 {
                assert_eq!(allowance(&shared, Kind::BackupCode, &now(second)), Allowance::Open);
                shared.here = after_failure(&shared.here, Kind::BackupCode, &now(second));
                assert_eq!(allowance(&shared, Kind::Code, &now(second)), Allowance::Open, "{second} s");
            }
        }
    }

    /// docs/threat-model.md says so: with wrong codes the same guesser does keep the owner's codes out there, and nothing else.
    #[test]
    fn a_guesser_with_wrong_codes_at_a_shared_source_keeps_codes_out_there_and_backup_codes_never() {
        let mut shared = Tally { standing: Standing::Shared, ..tally(0, 0) };
        let known = |all_codes| {
            let here = Record { last_success: Some(now(0).wall), ..Record::default() };
            Tally { here, standing: Standing::Own, all_codes }
        };
        for second in 0..3 * 86_400 {
            assert_eq!(allowance(&shared, Kind::BackupCode, &now(second)), Allowance::Open);
            assert_eq!(allowance(&known(shared.all_codes), Kind::Code, &now(second)), Allowance::Open);
            if allowance(&shared, Kind::Code, &now(second)) == Allowance::Open {
                shared.here = after_failure(&shared.here, Kind::Code, &now(second));
                shared.all_codes += 1;
            }
        }
        assert_eq!(shared.all_codes, CAP_STRANGERS);
        assert_eq!(allowance(&shared, Kind::Code, &now(3 * 86_400)), Allowance::Capped);
    }

    #[test]
    fn a_source_is_forgotten_after_ninety_days() {
        let mut tally = tally(0, 0);
        (tally.here.last_success, tally.all_codes) = (Some(now(0).wall), CAP_STRANGERS);
        assert_eq!(allowance(&tally, Kind::Code, &now(89 * 86_400)), Allowance::Open);
        assert_eq!(allowance(&tally, Kind::Code, &now(91 * 86_400)), Allowance::Capped);
    }

    #[test]
    fn a_success_is_written_once_a_day() {
        let mut tally = tally(0, 0);
        assert!(success_is_due(&tally, &now(5)));
        tally.here.last_success = Some(now(5).wall);
        assert!(!success_is_due(&tally, &now(86_404)));
        assert!(success_is_due(&tally, &now(86_405)));
        tally.standing = Standing::Shared;
        assert!(!success_is_due(&tally, &now(86_405)));
    }
}
