//! Trusted devices over a real store.

use super::*;
use crate::admin::NewAuthenticator;
use crate::host::Kernel;
use crate::testing::{alice, author, enroll, host};
use crate::vault::Files;
use twostep_core::app_password::Label;
use twostep_core::attempt::Source;
use twostep_core::backup_code::BackupCode;
use twostep_core::device::{Device, DeviceKind, SeenKey};
use twostep_core::name::ServiceName;
use twostep_core::ports::{Completion, Store};
use twostep_core::time::BootId;
use twostep_core::totp::{AuthenticatorId, Parameters};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MONTH: Duration = Duration::from_secs(30 * 24 * 60 * 60);

fn now(wall: i64, up: u64, boot: u8) -> Now {
    Now {
        wall: UnixTime(wall),
        since_boot: Duration::from_secs(up),
        boot: Some(BootId([boot; 16])),
        ..Now::default()
    }
}

/// A day in 2027, some time after the first boot.
fn then() -> Now {
    now(1_800_000_000, 5_000, 1)
}

fn key() -> Device {
    let info =
        b"publickey ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n";
    Device::Key(SeenKey::of_auth_info(info).unwrap().fingerprint)
}

fn address(text: &str) -> Device {
    Device::of(&[DeviceKind::Address], None, &Source::of_host(text, &[])).unwrap()
}

fn service(name: &str) -> ServiceName {
    ServiceName::parse(name).unwrap()
}

/// What a login does at its end: with this device, which was to be trusted for a month.
fn trust_at(files: &Files, of: EnrollmentId, device: &Device, at: &str, now: &Now) {
    let trusts = Trusts {
        device: device.clone(),
        service: service(at),
        password: None,
        authenticator: AuthenticatorId(1),
        lifetime: MONTH,
    };
    let trusts = Some(trusts);
    let completion = Completion { enrollment: of, activates: false, makes_known: None, trusts };
    files.session().unwrap().complete(&completion, now).unwrap();
}

/// Whether a login needs no code.
fn is_trusted(files: &Files, of: EnrollmentId, device: &Device, at: &str, now: &Now) -> bool {
    let at = Trusting { service: &service(at), device, password: None, at_most: MONTH };
    files.session().unwrap().trusted(of, &at, now).unwrap().is_some()
}

fn names(found: &[TrustedDevice]) -> Vec<(&str, &str)> {
    found.iter().map(|one| (one.service.as_str(), one.device.as_str())).collect()
}

#[test]
fn a_device_is_trusted_at_its_service_and_nowhere_else() {
    let files = host("trust-bound");
    let id = enroll(&files, &[]);
    trust_at(&files, id, &key(), "sshd", &then());
    assert!(is_trusted(&files, id, &key(), "sshd", &then()));
    assert!(!is_trusted(&files, id, &key(), "login", &then()));
    assert!(!is_trusted(&files, EnrollmentId(id.0 + 1), &key(), "sshd", &then()));
    assert!(!is_trusted(&files, id, &address("203.0.113.9"), "sshd", &then()));
    trust_at(&files, id, &address("203.0.113.9"), "sshd", &then());
    assert!(is_trusted(&files, id, &address("203.0.113.9"), "sshd", &then()));
    assert!(!is_trusted(&files, id, &address("203.0.113.10"), "sshd", &then()));
    let session = files.session().unwrap();
    let listed = session.trusted_devices(id, MONTH, None, &then()).unwrap();
    let words: Vec<_> = listed.iter().map(|one| (one.kind.as_str(), one.device.as_str())).collect();
    let fingerprint = "SHA256:ZkAslGjFiUHdGf/WUL8rQvkib4PTvQatUV0OUQSncCA";
    assert_eq!(words, [("key", fingerprint), ("address", "203.0.113.9")]);
    let past = session.history(crate::admin::Whose::Name(&alice()), 1).unwrap().remove(0);
    assert_eq!((past.action.as_str(), past.by.as_str()), ("trusted-device-add", "login"));
}

#[test]
fn whichever_clock_says_so_first_ends_the_trust() {
    let files = host("trust-boot");
    let id = enroll(&files, &[]);
    trust_at(&files, id, &key(), "sshd", &then());
    let after = |days: u32, wall: i64| Now {
        wall: UnixTime(wall),
        since_boot: then().since_boot + DAY * days,
        ..then()
    };
    assert!(is_trusted(&files, id, &key(), "sshd", &after(29, 0)));
    assert!(!is_trusted(&files, id, &key(), "sshd", &after(30, 0)), "the clock was set back");
    let paused = after(0, then().wall.0 + 300 * 86_400);
    assert!(
        !is_trusted(&files, id, &key(), "sshd", &paused),
        "the machine was paused: the boot clock stood still"
    );
    assert_eq!(files.session().unwrap().trusted_devices(id, MONTH, None, &after(30, 0)).unwrap(), []);
}

#[test]
fn across_boots_a_clock_that_was_set_back_ends_the_trust() {
    let files = host("trust-reboot");
    let id = enroll(&files, &[]);
    trust_at(&files, id, &key(), "sshd", &then());
    let at = |wall: i64| is_trusted(&files, id, &key(), "sshd", &now(wall, 60, 2));
    let given = then().wall.0;
    assert!(at(given) && at(given + 29 * 86_400));
    assert!(!at(given + 30 * 86_400), "its time is over");
    assert!(!at(given - 1), "before it was given");
    // Nor does a boot that is not known stand for the same one.
    let unknown = Now { boot: None, ..now(given - 1, 5_001, 1) };
    assert!(!is_trusted(&files, id, &key(), "sshd", &unknown));
}

#[test]
fn a_right_code_of_anybodys_that_confirms_the_time_ends_the_trust() {
    let files = host("trust-latest");
    let id = enroll(&files, &[]);
    trust_at(&files, id, &key(), "sshd", &then());
    let confirm = |time: UnixTime| {
        let store = rusqlite::Connection::open(&files.paths.store).unwrap();
        store.execute("UPDATE meta SET latest_time = ?", [time.0]).unwrap();
    };
    let end = then().wall.plus(MONTH);
    confirm(UnixTime(end.0 - 1));
    assert!(is_trusted(&files, id, &key(), "sshd", &then()));
    confirm(end);
    assert!(!is_trusted(&files, id, &key(), "sshd", &then()));
    assert_eq!(files.session().unwrap().trusted_devices(id, MONTH, None, &then()).unwrap(), []);
    // What is given while the clock is behind lasts from the latest time known.
    trust_at(&files, id, &key(), "sshd", &then());
    assert!(is_trusted(&files, id, &key(), "sshd", &then()));
    let session = files.session().unwrap();
    let code = BackupCode::generate(&mut Kernel).unwrap();
    let until = session.give_bypass_code(id, &code, DAY, 1, &author(), &then()).unwrap();
    assert_eq!(until, end.plus(DAY));
    assert_eq!(session.bypass_until(id, &then()).unwrap(), Some((until, 1)));
    drop(session);
    confirm(until);
    assert_eq!(files.session().unwrap().bypass_until(id, &then()).unwrap(), None);
}

/// What a login with this account password does at its end, and whether one with that needs no code.
#[test]
fn trust_is_bound_to_the_account_password_it_was_given_with() {
    let files = host("trust-password");
    let id = enroll(&files, &[]);
    let (one, other) = (Secret::new(b"$y$one".to_vec()), Secret::new(b"$y$other".to_vec()));
    let trust = |device: &Device, password: Option<&Secret>| {
        let trusts = Trusts {
            device: device.clone(),
            service: service("sshd"),
            password: password.cloned(),
            authenticator: AuthenticatorId(1),
            lifetime: MONTH,
        };
        let completion = Completion { trusts: Some(trusts), ..Completion::of(id) };
        files.session().unwrap().complete(&completion, &then()).unwrap();
    };
    let is_trusted = |device: &Device, password: Option<&Secret>| {
        let at = Trusting { service: &service("sshd"), device, password, at_most: MONTH };
        files.session().unwrap().trusted(id, &at, &then()).unwrap().is_some()
    };
    let listed = |password: Option<&Secret>| {
        let found = files.session().unwrap().trusted_devices(id, MONTH, password, &then()).unwrap();
        found.into_iter().map(|one| one.device).collect::<Vec<_>>()
    };
    let home = address("203.0.113.9");
    trust(&key(), Some(&one));
    trust(&home, Some(&one));
    assert!(is_trusted(&key(), Some(&one)) && is_trusted(&home, Some(&one)));
    assert!(!is_trusted(&key(), Some(&other)) && !is_trusted(&key(), None), "changed, or gone");
    assert_eq!(listed(Some(&one)), [key().to_string(), home.to_string()]);
    assert_eq!((listed(Some(&other)), listed(None)), (vec![], vec![]));
    // Neither history nor a list has anything of the password, and by its name alone a device is forgotten.
    let session = files.session().unwrap();
    let past = session.history(crate::admin::Whose::Name(&alice()), 2).unwrap();
    assert!(past.iter().all(|past| !past.target.as_deref().unwrap_or_default().contains("password")));
    session.forget_devices(id, Devices::Called("203.0.113.9"), &author(), UnixTime(9)).unwrap();
    drop(session);
    assert!(!is_trusted(&home, Some(&one)));
    // With the next password it is trusted once more, and what was trusted with the one before is gone for good.
    trust(&home, Some(&one));
    trust(&key(), Some(&other));
    assert_eq!(files.session().unwrap().find_devices(id, Devices::All).unwrap().len(), 1);
    assert!(is_trusted(&key(), Some(&other)) && !is_trusted(&key(), Some(&one)));
    // An account without a shadow entry that gets one.
    trust(&key(), None);
    assert!(is_trusted(&key(), None) && !is_trusted(&key(), Some(&one)));
    // SELinux keeps the entry from sshd, and from no administrator: what sshd trusts is listed.
    assert_eq!(listed(Some(&one)), [key().to_string()]);
    // And what is trusted elsewhere does not end that.
    trust(&home, Some(&one));
    assert!(is_trusted(&key(), None) && is_trusted(&home, Some(&one)));
    trust(&key(), None);
    assert!(is_trusted(&key(), None) && is_trusted(&home, Some(&one)));
}

/// The thief of a phone is at the question whether to trust the thief's key, when an administrator removes the phone.
#[test]
fn nobody_trusts_by_an_authenticator_that_was_removed_meanwhile() {
    let files = host("trust-removed");
    let id = enroll(&files, &[]);
    let label = Label::parse("tablet").unwrap();
    let secret = Secret::new(b"another phone's secret".to_vec());
    let new = NewAuthenticator {
        label: &label,
        parameters: Parameters::COMMON,
        secret: &secret,
        last_step: None,
        confirmed: None,
    };
    let mut session = files.session().unwrap();
    session.add_authenticator(id, &new, &author(), UnixTime(5)).unwrap();
    session.remove_authenticator(id, AuthenticatorId(1), &author(), UnixTime(6)).unwrap();
    let trusts = Trusts {
        device: key(),
        service: service("sshd"),
        password: None,
        authenticator: AuthenticatorId(1),
        lifetime: MONTH,
    };
    let completion = Completion { trusts: Some(trusts), ..Completion::of(id) };
    assert!(session.complete(&completion, &then()).is_err());
    drop(session);
    assert!(!is_trusted(&files, id, &key(), "sshd", &then()));
}

/// The statement is that of version 0.1: it finds by the device's name.
#[test]
fn an_older_module_asks_for_a_code_where_trust_depends_on_the_account_password() {
    let files = host("trust-older");
    let id = enroll(&files, &[]);
    let password = Some(Secret::new(b"$y$one".to_vec()));
    let trusts = Trusts {
        device: key(),
        service: service("sshd"),
        password: password.clone(),
        authenticator: AuthenticatorId(1),
        lifetime: MONTH,
    };
    let completion = Completion { trusts: Some(trusts), ..Completion::of(id) };
    files.session().unwrap().complete(&completion, &then()).unwrap();
    let session = files.session().unwrap();
    let sql = "SELECT count(*) FROM trusted_device WHERE enrollment = ? AND service = 'sshd' AND kind = 'key' AND device = ?";
    let found: u32 =
        session.connection.query_row(sql, params![id.0, key().to_string()], |row| row.get(0)).unwrap();
    assert_eq!(found, 0);
    drop(session);
    // And what it has written is worth nothing here, where the account has a password.
    trust_at(&files, id, &key(), "sshd", &then());
    let at =
        Trusting { service: &service("sshd"), device: &key(), password: password.as_ref(), at_most: MONTH };
    assert!(files.session().unwrap().trusted(id, &at, &then()).unwrap().is_none());
}

#[test]
fn settling_for_another_account_forgets_and_renaming_does_not() {
    let files = host("trust-settled");
    let id = enroll(&files, &[]);
    trust_at(&files, id, &key(), "sshd", &then());
    let session = files.session().unwrap();
    session.rename(id, &UserName::parse("alicia").unwrap(), &author(), UnixTime(5)).unwrap();
    drop(session);
    assert!(is_trusted(&files, id, &key(), "sshd", &then()), "the same account");
    files.session().unwrap().keep_for_uid(id, 1002, &author(), UnixTime(6)).unwrap();
    assert!(!is_trusted(&files, id, &key(), "sshd", &then()), "an account that was made again");
}

#[test]
fn those_of_all_users_are_forgotten() {
    let files = host("trust-forget-all");
    let id = enroll(&files, &[]);
    for at in ["sshd", "login"] {
        trust_at(&files, id, &key(), at, &then());
    }
    let session = files.session().unwrap();
    let named = |all: &[TrustedDeviceOf]| {
        let one = |of: &TrustedDeviceOf| format!("{} {}", of.user, of.device.service);
        all.iter().map(one).collect::<Vec<_>>()
    };
    assert_eq!(named(&session.all_trusted_devices().unwrap()), ["alice sshd", "alice login"]);
    let gone = session.forget_some_devices(&author(), UnixTime(9)).unwrap();
    assert_eq!(named(&gone), ["alice sshd", "alice login"]);
    assert_eq!(session.forget_some_devices(&author(), UnixTime(9)).unwrap(), []);
    let history = session.history(crate::admin::Whose::Name(&alice()), 2).unwrap();
    assert!(history.iter().all(|past| past.action == "trusted-device-forget"), "{history:#?}");
}

#[test]
fn a_stricter_configuration_shortens_what_was_given() {
    let files = host("trust-shrinks");
    let id = enroll(&files, &[]);
    trust_at(&files, id, &key(), "sshd", &then());
    let later = Now { since_boot: then().since_boot + DAY * 7, ..then() };
    let (service, device) = (service("sshd"), key());
    let trusted = |days: u32| {
        let at = Trusting { service: &service, device: &device, password: None, at_most: DAY * days };
        files.session().unwrap().trusted(id, &at, &later).unwrap().is_some()
    };
    assert!(trusted(365) && trusted(8) && !trusted(7));
    let listed = |days: u32| files.session().unwrap().trusted_devices(id, DAY * days, None, &later).unwrap();
    let until = |days: u32| listed(days).iter().map(|one| one.lease.until()).collect::<Vec<_>>();
    assert_eq!(until(365), [then().wall.plus(MONTH)]);
    assert_eq!(until(8), [then().wall.plus(DAY * 8)]);
    assert_eq!(until(7), []);
}

#[test]
fn trusting_anew_lasts_from_then_on_and_is_the_same_device() {
    let files = host("trust-again");
    let id = enroll(&files, &[]);
    trust_at(&files, id, &key(), "sshd", &then());
    let later = Now { since_boot: then().since_boot + DAY * 29, ..then() };
    trust_at(&files, id, &key(), "sshd", &later);
    let last = Now { since_boot: then().since_boot + DAY * 58, ..then() };
    assert!(is_trusted(&files, id, &key(), "sshd", &last));
    assert_eq!(files.session().unwrap().trusted_devices(id, MONTH, None, &last).unwrap().len(), 1);
}

#[test]
fn one_too_many_drops_the_oldest_and_what_is_over_goes_first() {
    let files = host("trust-max");
    let id = enroll(&files, &[]);
    let at =
        |hours: u64| now(then().wall.0 + i64::try_from(hours).unwrap() * 3_600, 5_000 + hours * 3_600, 1);
    let device = |n: u64| address(&format!("2001:db8::{n:x}"));
    for n in 0..u64::from(TRUSTED_MAX) {
        trust_at(&files, id, &device(n), "sshd", &at(n));
    }
    let last = u64::from(TRUSTED_MAX);
    // Trusted anew, it is not the oldest any more.
    trust_at(&files, id, &device(0), "sshd", &at(last));
    trust_at(&files, id, &device(last), "sshd", &at(last));
    let trusted = |n| is_trusted(&files, id, &device(n), "sshd", &at(last));
    assert!(trusted(0) && !trusted(1) && trusted(2) && trusted(last));
    let listed = |at: &Now| files.session().unwrap().trusted_devices(id, MONTH, None, at).unwrap().len();
    assert_eq!(listed(&at(last)), 50);
    let month_later = at(30 * 24 + 10);
    trust_at(&files, id, &key(), "sshd", &month_later);
    let kept = files.session().unwrap().find_devices(id, Devices::All).unwrap();
    assert!(kept.iter().all(|one| !one.lease.is_over(&month_later)), "{kept:#?}");
    assert_eq!(kept.len(), listed(&month_later));
}

#[test]
fn one_or_all_are_forgotten_and_what_is_not_there_is_told() {
    let files = host("trust-forget");
    let id = enroll(&files, &[]);
    let home = address("2001:db8::1");
    for at in ["sshd", "login"] {
        trust_at(&files, id, &home, at, &then());
        trust_at(&files, id, &key(), at, &then());
    }
    let session = files.session().unwrap();
    let forget = |which| session.forget_devices(id, which, &author(), UnixTime(9));
    for none in ["9", "2001:db8::2", "SHA256:x", "sshd", ""] {
        assert!(matches!(forget(Devices::Called(none)), Err(Refusal::NoDevice(name)) if name == none));
    }
    let other = session.forget_devices(EnrollmentId(99), Devices::Called("1"), &author(), UnixTime(9));
    assert!(matches!(other, Err(Refusal::NoDevice(_))), "somebody else's");
    // However it is written, and wherever it is trusted.
    let gone = forget(Devices::Called("2001:0DB8:0::0001")).unwrap();
    assert_eq!(names(&gone), [("sshd", "2001:db8::1"), ("login", "2001:db8::1")]);
    let fingerprint = key().to_string();
    assert_eq!(names(&forget(Devices::Called("2")).unwrap()), [("sshd", fingerprint.as_str())]);
    assert_eq!(names(&forget(Devices::All).unwrap()), [("login", fingerprint.as_str())]);
    assert_eq!(forget(Devices::All).unwrap(), []);
    let history = session.history(crate::admin::Whose::Name(&alice()), 4).unwrap();
    assert!(history.iter().all(|past| past.action == "trusted-device-forget"), "{history:#?}");
    assert_eq!(history[0].target.as_deref(), Some(fingerprint.as_str()));
}

#[test]
fn a_change_of_authenticators_and_unenrolling_forget_all() {
    let files = host("trust-changes");
    let id = enroll(&files, &[]);
    let trusted = || is_trusted(&files, id, &key(), "sshd", &then());
    let label = Label::parse("tablet").unwrap();
    let secret = Secret::new(b"another phone's secret".to_vec());
    let new = NewAuthenticator {
        label: &label,
        parameters: Parameters::COMMON,
        secret: &secret,
        last_step: None,
        confirmed: None,
    };
    trust_at(&files, id, &key(), "sshd", &then());
    let tablet = files.session().unwrap().add_authenticator(id, &new, &author(), UnixTime(5)).unwrap();
    assert!(!trusted(), "one was added");
    trust_at(&files, id, &key(), "sshd", &then());
    files.session().unwrap().remove_authenticator(id, tablet, &author(), UnixTime(6)).unwrap();
    assert!(!trusted(), "one was removed");
    trust_at(&files, id, &key(), "sshd", &then());
    files.session().unwrap().unenroll(id, Action::Unenroll, &author(), UnixTime(7)).unwrap();
    assert!(!trusted());
    let session = files.session().unwrap();
    let count = "SELECT count(*) FROM trusted_device";
    assert_eq!(session.connection.query_row(count, [], |row| row.get::<_, u32>(0)).unwrap(), 0);
    drop(session);
    assert!(!is_trusted(&files, enroll(&files, &[]), &key(), "sshd", &then()), "nor is it another's");
}
