//! Tests of key, store, clock and accounts as `check` looks at them: what hangs on the host is given as it would be found there.

use super::*;
use crate::testing::Answers;
use twostep_core::account::{EnrollmentId, State};
use twostep_core::ports::{DirectoryFailed, Person};

fn id(finding: Option<Finding>) -> Option<Id> {
    finding.map(|finding| finding.documented())
}

#[test]
fn who_is_not_root_is_told_that_he_sees_less() {
    assert_eq!(id(powerless(Uid::from_raw(1_000))), Some(Id::NotRunAsRoot));
    assert_eq!(id(powerless(Uid::from_raw(0))), None);
}

#[test]
fn a_clock_that_was_never_set_is_an_error() {
    assert_eq!(id(unset_clock(UnixTime(EPOCH.0 - 1))), Some(Id::ClockUnset));
    assert_eq!(id(unset_clock(EPOCH)), None);
}

#[test]
fn a_clock_that_nothing_keeps_is_told_and_one_that_is_kept_is_not() {
    let told = unkept_clock(false).expect("a finding");
    assert!(
        told.documented() == Id::ClockNotSynchronised && told.message.contains("synchronised"),
        "{told:?}"
    );
    assert_eq!(id(unkept_clock(true)), None);
}

#[test]
fn without_a_key_of_this_boot_the_price_is_told() {
    let runtime = Path::new("/run/twostep");
    let missing = StoreError::NoKey(runtime.join("private"));
    assert_eq!(id(boot_key(runtime, Err(missing))), Some(Id::BootKeyMissing));
    assert_eq!(id(boot_key(runtime, Ok(()))), None);
}

#[test]
fn a_name_service_that_fails_is_told_once() {
    let alice = UserName::parse("alice").expect("a name");
    let enrolled = |number| Summary {
        enrollment: Enrollment {
            id: EnrollmentId(number),
            user: alice.clone(),
            uid: 1_000,
            state: State::Active,
            authenticators: 1,
        },
        created: EPOCH,
        activated: None,
        app_passwords: 0,
        backup_codes: 0,
        failures: 0,
    };
    let told = |answer| {
        let mut findings = Vec::new();
        let naming = Policy::defaults().app.naming;
        accounts(&[enrolled(1), enrolled(2)], &naming, &Answers(answer), &mut findings);
        findings.into_iter().map(|finding| finding.documented()).collect::<Vec<_>>()
    };
    assert_eq!(told(Ok(Some(Person { name: alice.clone(), uid: 1_000 }))), []);
    let failure = DirectoryFailed("sssd is stopped".to_owned());
    assert_eq!(told(Err(failure)), [Id::NameServiceFails]);
}
