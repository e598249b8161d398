//! Trusted devices over a real store.

use super::*;
use crate::admin::NewAuthenticator;
use crate::testing::{alice, author, enroll, host};
use crate::vault::Files;
use twostep_core::app_password::Label;
use twostep_core::attempt::Source;
use twostep_core::device::{Device, DeviceKind, Fingerprint};
use twostep_core::name::ServiceName;
use twostep_core::ports::{Completion, Store};
use twostep_core::secret::Secret;
use twostep_core::time::BootId;
use twostep_core::totp::Parameters;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MONTH: Duration = Duration::from_secs(30 * 24 * 60 * 60);

fn now(wall: i64, up: u64, boot: u8) -> Now {
    Now { wall: UnixTime(wall), since_boot: Duration::from_secs(up), boot: Some(BootId([boot; 16])) }
}

/// A day in 2027, some time after the first boot.
fn then() -> Now {
    now(1_800_000_000, 5_000, 1)
}

fn key() -> Device {
    let info =
        b"publickey ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n";
    Device::Key(Fingerprint::of_auth_info(info).unwrap())
}

fn address(text: &str) -> Device {
    Device::of(&[DeviceKind::Address], None, &Source::of_host(text, &[])).unwrap()
}

fn service(name: &str) -> ServiceName {
    ServiceName::parse(name).unwrap()
}

/// What a login does at its end: with this device, which was to be trusted for a month.
fn trust_at(files: &Files, of: EnrollmentId, device: &Device, at: &str, now: &Now) {
    let trusts = Some(Trusts { device: device.clone(), service: service(at), lifetime: MONTH });
    let completion = Completion { enrollment: of, activates: false, makes_known: None, trusts };
    files.session().unwrap().complete(&completion, now).unwrap();
}

/// Whether a login needs no code.
fn is_trusted(files: &Files, of: EnrollmentId, device: &Device, at: &str, now: &Now) -> bool {
    let at = Trusting { service: &service(at), device, at_most: MONTH };
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
    let listed = session.trusted_devices(id, MONTH, &then()).unwrap();
    let words: Vec<_> = listed.iter().map(|one| (one.kind.as_str(), one.device.as_str())).collect();
    let fingerprint = "SHA256:ZkAslGjFiUHdGf/WUL8rQvkib4PTvQatUV0OUQSncCA";
    assert_eq!(words, [("key", fingerprint), ("address", "203.0.113.9")]);
    let past = session.history(crate::admin::Whose::Name(&alice()), 1).unwrap().remove(0);
    assert_eq!((past.action.as_str(), past.by.as_str()), ("trusted-device-add", "login"));
}

#[test]
fn within_a_boot_its_clock_ends_the_trust_whatever_the_wall_clock_says() {
    let files = host("trust-boot");
    let id = enroll(&files, &[]);
    trust_at(&files, id, &key(), "sshd", &then());
    let after = |days: u32, wall: i64| Now {
        wall: UnixTime(wall),
        since_boot: then().since_boot + DAY * days,
        ..then()
    };
    assert!(is_trusted(&files, id, &key(), "sshd", &after(29, 0)));
    assert!(is_trusted(&files, id, &key(), "sshd", &after(29, 1_900_000_000)));
    assert!(!is_trusted(&files, id, &key(), "sshd", &after(30, 0)), "the clock was set back");
    assert_eq!(files.session().unwrap().trusted_devices(id, MONTH, &after(30, 0)).unwrap(), []);
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
fn a_stricter_configuration_shortens_what_was_given() {
    let files = host("trust-shrinks");
    let id = enroll(&files, &[]);
    trust_at(&files, id, &key(), "sshd", &then());
    let later = Now { since_boot: then().since_boot + DAY * 7, ..then() };
    let (service, device) = (service("sshd"), key());
    let trusted = |days: u32| {
        let at = Trusting { service: &service, device: &device, at_most: DAY * days };
        files.session().unwrap().trusted(id, &at, &later).unwrap().is_some()
    };
    assert!(trusted(365) && trusted(8) && !trusted(7));
    let listed = |days: u32| files.session().unwrap().trusted_devices(id, DAY * days, &later).unwrap();
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
    assert_eq!(files.session().unwrap().trusted_devices(id, MONTH, &last).unwrap().len(), 1);
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
    let listed = |at: &Now| files.session().unwrap().trusted_devices(id, MONTH, at).unwrap().len();
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
