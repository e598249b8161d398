use super::*;
use crate::crypto::{MasterKey, Purpose};
use crate::memory_hard::{Cost, Hash};
use crate::random::fake::Counting;
use crate::secret::Secret;
use crate::throttle::Standing;
use crate::time::Lease;
use crate::totp::{Algorithm, Offset, Parameters, VALUES_MAX, cost};

const CHEAP: Cost = Cost { memory: 32, passes: 1, lanes: 1 };
const ENROLLMENT: EnrollmentId = EnrollmentId(7);

fn now() -> Now {
    Now { wall: UnixTime(1_800_000_000), since_boot: Duration::from_secs(50), ..Now::default() }
}

fn phone() -> Authenticator {
    Authenticator {
        id: AuthenticatorId(3),
        parameters: Parameters::COMMON,
        secret: Secret::new(b"12345678901234567890".to_vec()),
        last_step: None,
    }
}

fn credentials() -> CodeCredentials {
    let backup_key = MasterKey::new([1; 32]).subkey(Purpose::BackupCodeTags);
    let code = BackupCode::parse(b"abcd-efgh-jkmnp").unwrap();
    let stored = backup_code::Stored {
        id: BackupCodeId(9),
        tag: code.tag(&backup_key, ENROLLMENT),
        hash: Hash::make(code.expose(), CHEAP, &mut Counting(0)).unwrap(),
        bypass: None,
    };
    CodeCredentials {
        enrollment: ENROLLMENT,
        authenticators: vec![phone()],
        backup_codes: vec![stored],
        backup_key,
        tally: Tally { here: Record::default(), standing: Standing::Own, all_codes: 0 },
        untold: 2,
        latest_time: UnixTime(0),
    }
}

#[test]
fn a_bypass_code_works_as_often_and_as_long_as_it_was_given_for() {
    let mut credentials = credentials();
    let lifetime = Duration::from_secs(3600);
    let mut bypass = backup_code::Bypass { lease: Lease { given: now().stamp(), lifetime }, uses: 2 };
    let mut judge_with = |bypass| {
        credentials.backup_codes[0].bypass = Some(bypass);
        judge("abcd-efgh-jkmnp", &credentials)
    };
    let outcome = judge_with(bypass);
    assert_eq!(outcome.reason, Reason::BypassCode { left: 1 });
    assert_eq!(outcome.changes.bypass, Some((BackupCodeId(9), 1)));
    assert_eq!(outcome.changes.backup_code, None);
    bypass.lease.given.wall = now().wall.minus(lifetime);
    let outcome = judge_with(bypass);
    assert_eq!(outcome.reason, Reason::BypassOver);
    assert!(matches!(outcome.changes.counts, Counts::Failure(_)));
    assert_eq!(outcome.changes.bypass, None);
}

/// A virtual machine was paused for 30 days, and its boot clock with it.
#[test]
fn a_bypass_code_for_an_hour_does_not_work_after_30_days_of_pause() {
    let boot = Some(crate::time::BootId([1; 16]));
    let lease = Lease::from(&Now { boot, ..now() }, Duration::from_secs(3_600));
    let mut credentials = credentials();
    credentials.backup_codes[0].bypass = Some(backup_code::Bypass { lease, uses: 2 });
    let wall = now().wall.plus(Duration::from_secs(30 * 86_400));
    let answer = entered("abcd-efgh-jkmnp");
    let at =
        |now: Now, credentials: &CodeCredentials| verify(&answer, Some(credentials), &now).unwrap().reason;
    assert_eq!(at(Now { boot, wall, ..now() }, &credentials), Reason::BypassOver);
    assert_eq!(at(Now { boot, ..now() }, &credentials), Reason::BypassCode { left: 1 });
    // The clock was not corrected, but the configuration was written since, or somebody's code has confirmed the time.
    assert_eq!(at(Now { boot, ..now() }.no_earlier_than(wall), &credentials), Reason::BypassOver);
    credentials.latest_time = wall;
    assert_eq!(at(Now { boot, ..now() }, &credentials), Reason::BypassOver);
}

#[test]
fn a_place_is_no_longer_known_once_any_clock_says_that_90_days_are_over() {
    let mut credentials = credentials();
    credentials.tally.all_codes = throttle::CAP_STRANGERS;
    credentials.tally.here.last_success = Some(now().wall);
    assert_ne!(judge("000000", &credentials).reason, Reason::Capped);
    credentials.latest_time = now().wall.plus(throttle::KNOWN_FOR + Duration::from_secs(1));
    assert_eq!(judge("000000", &credentials).reason, Reason::Capped);
}

fn entered(text: &str) -> Answer {
    let password = Secret::new(b"hunter2".to_vec());
    sort(&Entered::of(Secret::new(text.as_bytes().to_vec()), Some(&password)))
}

fn judge(text: &str, credentials: &CodeCredentials) -> CodeOutcome {
    verify(&entered(text), Some(credentials), &now()).unwrap()
}

fn right_code() -> String {
    phone().code(Parameters::COMMON.step_at(now().wall).unwrap()).to_string()
}

#[test]
fn a_right_code_is_accepted_with_its_step_consumed() {
    let outcome = judge(&right_code(), &credentials());
    assert_eq!(outcome.reason, Reason::Code { authenticator: 3 });
    let consumed = Consumed { step: 60_000_000, offset: Offset::Steps(0) };
    assert_eq!(outcome.changes.step, Some((AuthenticatorId(3), consumed)));
    assert_eq!(outcome.changes.counts, Counts::Success(Record::default()));
    assert_eq!(outcome.rest, Some(Rest { untold: 2, makes_known: true }));
}

#[test]
fn a_code_typed_with_a_blank_is_the_same_code() {
    let code = right_code();
    assert_eq!(
        judge(&format!("{} {}", &code[..3], &code[3..]), &credentials()).reason,
        Reason::Code { authenticator: 3 }
    );
}

#[test]
fn a_wrong_code_is_refused_and_counted() {
    for text in ["000000", "nonsense", "12345", "1234567", &"9".repeat(65_536), "\u{1b}[2J"] {
        let outcome = judge(text, &credentials());
        assert_eq!(outcome.reason, Reason::CodeWrong, "{text:.20}");
        assert!(matches!(&outcome.changes.counts, Counts::Failure(record) if record.codes == 1));
        assert_eq!(outcome.changes.step, None);
    }
}

#[test]
fn empty_and_the_account_password_are_refused_and_not_counted() {
    assert_eq!(judge("", &credentials()), unchanged(Reason::Empty));
    assert_eq!(judge("hunter2", &credentials()), unchanged(Reason::SameAsPassword));
    assert_eq!(judge("abcd efgh ijkl mnop", &credentials()), unchanged(Reason::AppPasswordAtPrompt));
}

#[test]
fn a_password_that_happens_to_be_the_code_is_refused() {
    let code = Secret::new(right_code().into_bytes());
    let outcome =
        verify(&sort(&Entered::of(code.clone(), Some(&code))), Some(&credentials()), &now()).unwrap();
    assert_eq!(outcome, unchanged(Reason::SameAsPassword));
}

fn token(id: i64) -> Authenticator {
    Authenticator {
        id: AuthenticatorId(id),
        parameters: Parameters::new(Algorithm::Sha1, 6, totp::Kind::Hotp).unwrap(),
        secret: Secret::new(format!("the secret of token {id}").into_bytes()),
        last_step: Some(500),
    }
}

/// One that goes by time, with a secret of its own.
fn app(id: i64) -> Authenticator {
    let secret = Secret::new(format!("the secret of phone {id}").into_bytes());
    Authenticator { id: AuthenticatorId(id), secret, ..phone() }
}

#[test]
fn a_code_by_count_is_accepted_with_what_it_passes_over() {
    let mut credentials = credentials();
    credentials.authenticators = vec![phone(), token(4)];
    let outcome = judge(&token(4).code(503), &credentials);
    assert_eq!(outcome.reason, Reason::Code { authenticator: 4 });
    let consumed = Consumed { step: 503, offset: Offset::PassedOver(2) };
    assert_eq!(outcome.changes.step, Some((AuthenticatorId(4), consumed)));
    assert_eq!(judge(&token(4).code(500), &credentials).reason, Reason::CodeReplayed);
    assert_eq!(judge(&token(4).code(512), &credentials).reason, Reason::CodeWrong);
}

#[test]
fn two_successive_codes_find_a_counter_that_is_far_ahead() {
    let mut credentials = credentials();
    credentials.authenticators = vec![phone(), token(4)];
    let (first, second) = (token(4).code(577), token(4).code(578));
    let outcome = judge(&format!("{} {}", *first, *second), &credentials);
    let consumed = Consumed { step: 578, offset: Offset::PassedOver(76) };
    assert_eq!(outcome.changes.step, Some((AuthenticatorId(4), consumed)));
    for wrong in [format!("{}{}", *second, *first), format!("{}{}", *first, *first), right_code().repeat(2)] {
        let outcome = judge(&wrong, &credentials);
        assert_eq!(outcome.reason, Reason::CodeWrong, "{wrong}");
        assert!(matches!(&outcome.changes.counts, Counts::Failure(record) if record.codes == 1));
    }
    credentials.tally.all_codes = throttle::CAP_STRANGERS;
    assert_eq!(judge(&format!("{}{}", *first, *second), &credentials), unchanged(Reason::Capped));
}

/// How many codes of other times are computed for each answer and authenticator that is time-based, in steps of 30 seconds.
const LOOKED_FOR: u32 = 46;

#[test]
fn a_code_of_another_time_is_a_wrong_one_and_the_log_says_how_far_off_it_was() {
    let credentials = credentials();
    let wrong = judge("000000", &credentials);
    for seconds in [-720_i16, -600, -60, 60, 600, 720] {
        let then = UnixTime(now().wall.0 + i64::from(seconds));
        let outcome = judge(&phone().code(Parameters::COMMON.step_at(then).unwrap()), &credentials);
        assert_eq!(outcome, CodeOutcome { reason: Reason::CodeOfAnotherTime { seconds }, ..wrong.clone() });
    }
    let far = UnixTime(now().wall.0 + 750);
    assert_eq!(judge(&phone().code(Parameters::COMMON.step_at(far).unwrap()), &credentials), wrong);
}

#[test]
fn a_code_costs_the_same_whether_it_is_right_wrong_or_used_and_whosever_it_is() {
    let step = Parameters::COMMON.step_at(now().wall).unwrap();
    let apps = |count: i64| (10..10 + count).map(app);
    let tokens = |count: i64| (20..20 + count).map(token);
    for (by_time, by_count) in [(10, 0), (6, 1), (2, 2), (0, 2)] {
        let mut credentials = credentials();
        credentials.authenticators = apps(by_time).chain(tokens(by_count)).collect();
        let values: u32 = credentials.authenticators.iter().map(|one| one.parameters.kind().values()).sum();
        assert!(values <= VALUES_MAX);
        let spend = |text: &str| {
            let (cost, outcome) = cost::of(|| judge(text, &credentials));
            (cost, outcome.reason)
        };
        let (wrong, reason) = spend("000000");
        assert_eq!(reason, Reason::CodeWrong);
        // One more for each that counts: the code that was used last. The codes of other times, for each that is time-based.
        let of_other_times = LOOKED_FOR * u32::try_from(by_time).unwrap();
        assert_eq!(wrong, values + u32::try_from(by_count).unwrap() + of_other_times);
        assert!(wrong <= VALUES_MAX + of_other_times, "{wrong} HMACs");
        let is_accepted = |reason| matches!(reason, Reason::Code { .. });
        for one in apps(by_time) {
            for off in [-1, 0, 1] {
                let (right, reason) = spend(&one.code(step.checked_add_signed(off).unwrap()));
                assert!(is_accepted(reason) && right == wrong, "{right} HMACs, {wrong} for a wrong code");
            }
            for steps in [-24, -20, -2, 2, 20, 24] {
                let early_or_late = spend(&one.code(step.checked_add_signed(steps).unwrap()));
                let seconds = i16::try_from(steps * 30).unwrap();
                assert_eq!(early_or_late, (wrong, Reason::CodeOfAnotherTime { seconds }));
            }
        }
        for one in tokens(by_count) {
            for counter in 501..=511 {
                let (right, reason) = spend(&one.code(counter));
                assert!(is_accepted(reason) && right == wrong, "{right} HMACs, {wrong} for a wrong code");
            }
            assert_eq!(spend(&one.code(500)), (wrong, Reason::CodeReplayed));
        }
        let pair = |counter| format!("{}{}", *token(20).code(counter), *token(20).code(counter + 1));
        let wrong_pair = spend(&"0".repeat(12));
        assert_eq!(wrong_pair, (101 * u32::try_from(by_count).unwrap(), Reason::CodeWrong));
        if by_count > 0 {
            for counter in [501, 550, 600] {
                assert_eq!(spend(&pair(counter)), (wrong_pair.0, Reason::Code { authenticator: 20 }));
            }
        }
    }
    // Used already, of one that goes by time.
    let mut credentials = credentials();
    credentials.authenticators = apps(10).map(|one| Authenticator { last_step: Some(step), ..one }).collect();
    let used = app(10).code(step);
    let (cost, outcome) = cost::of(|| judge(&used, &credentials));
    assert_eq!((cost, outcome.reason), (VALUES_MAX + 10 * LOOKED_FOR, Reason::CodeReplayed));
}

#[test]
fn what_counts_is_heard_whatever_the_clock_says() {
    let mut credentials = credentials();
    credentials.latest_time = UnixTime(now().wall.0 + 3600);
    credentials.authenticators = vec![token(4)];
    assert_eq!(judge("000000", &credentials).reason, Reason::CodeWrong, "the clock is no cause");
    credentials.authenticators = vec![Authenticator { last_step: Some(60_000_002), ..phone() }, token(4)];
    assert_eq!(judge(&token(4).code(501), &credentials).reason, Reason::Code { authenticator: 4 });
    // Now that it is a guess at the token's codes, it is counted.
    for text in ["000000", &right_code()] {
        let outcome = judge(text, &credentials);
        assert_eq!(outcome.reason, Reason::ClockBehind);
        assert!(matches!(outcome.changes.counts, Counts::Failure(_)));
    }
}

#[test]
fn a_replayed_code_is_told_from_a_clock_that_was_set_back() {
    let mut credentials = credentials();
    credentials.authenticators[0].last_step = Some(60_000_000);
    assert_eq!(judge(&right_code(), &credentials).reason, Reason::CodeReplayed);
    credentials.authenticators[0].last_step = Some(60_000_002);
    assert_eq!(judge(&right_code(), &credentials), unchanged(Reason::ClockBehind));
    assert_eq!(judge("000000", &credentials), unchanged(Reason::ClockBehind));
    assert_eq!(judge("abcd-efgh-jkmnp", &credentials).reason, Reason::BackupCode { left: 0 });
}

#[test]
fn a_clock_behind_what_others_have_confirmed_is_named_and_counted() {
    let mut credentials = credentials();
    credentials.latest_time = UnixTime(now().wall.0 + 3600);
    assert_eq!(judge("000000", &credentials).reason, Reason::ClockBehind);
    assert!(matches!(judge("000000", &credentials).changes.counts, Counts::Failure(_)));
    assert_eq!(judge(&right_code(), &credentials).reason, Reason::Code { authenticator: 3 });
}

#[test]
fn a_backup_code_works_once() {
    let mut credentials = credentials();
    let outcome = judge("ABCD EFGH JKMNP", &credentials);
    assert_eq!(outcome.reason, Reason::BackupCode { left: 0 });
    assert_eq!(outcome.changes.backup_code, Some(BackupCodeId(9)));
    assert_eq!(outcome.changes.counts, Counts::SuccessEverywhere);
    credentials.backup_codes.clear();
    let outcome = judge("ABCD EFGH JKMNP", &credentials);
    assert_eq!(outcome.reason, Reason::CodeWrong);
    assert_eq!(outcome.changes.counts, Counts::Failure(Record::default()));
}

#[test]
fn a_throttled_answer_is_not_judged_and_not_counted() {
    let mut credentials = credentials();
    credentials.tally.all_codes = throttle::CAP_STRANGERS;
    assert_eq!(judge(&right_code(), &credentials), unchanged(Reason::Capped));
    assert_eq!(judge("000000", &credentials), unchanged(Reason::Capped));
    assert_eq!(judge("abcd-efgh-jkmnp", &credentials).reason, Reason::BackupCode { left: 0 });
}

#[test]
fn an_enrollment_that_is_gone_accepts_nothing() {
    assert_eq!(verify(&entered(&right_code()), None, &now()).unwrap(), unchanged(Reason::EnrollmentChanged));
}

fn judge_for(operation: Operation, bypass: backup_code::Bypass, now: &Now) -> CodeOutcome {
    let mut credentials = credentials();
    credentials.backup_codes[0].bypass = Some(bypass);
    verify_for(operation, &entered("abcd-efgh-jkmnp"), Some(&credentials), now).unwrap()
}

#[test]
fn a_bypass_code_that_logins_have_used_up_proves_one_replacement_and_nothing_else() {
    let lease = Lease { given: now().stamp(), lifetime: Duration::from_secs(3_600) };
    let used_up = backup_code::Bypass { lease, uses: 0 };
    let outcome = judge_for(Operation::ReplaceAuthenticator, used_up, &now());
    assert_eq!(outcome.reason, Reason::BypassCode { left: 0 });
    assert_eq!((outcome.changes.backup_code, outcome.changes.bypass), (Some(BackupCodeId(9)), None));
    for operation in [Operation::SignIn, Operation::Unenroll] {
        let outcome = judge_for(operation, used_up, &now());
        assert_eq!(outcome.reason, Reason::CodeWrong, "{operation:?}");
        assert!(matches!(outcome.changes.counts, Counts::Failure(_)), "its wrong tries are counted");
    }
    // By either clock, and by a time that has certainly passed.
    let hour = Duration::from_secs(3_600);
    let boot = Some(crate::time::BootId([1; 16]));
    let given = Now { boot, ..now() };
    let used_up = backup_code::Bypass { lease: Lease { given: given.stamp(), lifetime: hour }, ..used_up };
    for over in [
        Now { wall: given.wall.plus(hour), ..given },
        Now { since_boot: given.since_boot + hour, ..given },
        given.no_earlier_than(given.wall.plus(hour)),
    ] {
        let outcome = judge_for(Operation::ReplaceAuthenticator, used_up, &over);
        assert_eq!(outcome.reason, Reason::BypassOver);
        assert_eq!((outcome.changes.backup_code, outcome.changes.bypass), (None, None));
    }
}

#[test]
fn a_bypass_code_with_logins_left_gives_one_of_them_for_a_replacement_and_none_to_turn_two_step_off() {
    let lease = Lease { given: now().stamp(), lifetime: Duration::from_secs(3_600) };
    let bypass = backup_code::Bypass { lease, uses: 1 };
    let outcome = judge_for(Operation::ReplaceAuthenticator, bypass, &now());
    assert_eq!(outcome.changes.bypass, Some((BackupCodeId(9), 0)));
    let outcome = judge_for(Operation::Unenroll, bypass, &now());
    assert_eq!(outcome.reason, Reason::BypassNotEnough);
    assert!(matches!(outcome.changes.counts, Counts::Failure(_)));
    assert_eq!((outcome.changes.backup_code, outcome.changes.bypass), (None, None));
}
