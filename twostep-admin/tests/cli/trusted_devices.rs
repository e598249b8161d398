//! trusted-devices: what was trusted at logins, listed and forgotten.

use crate::place::Place;
use serde_json::{Value, json};
use std::time::Duration;
use twostep_core::attempt::Source;
use twostep_core::device::{Device, DeviceKind};
use twostep_core::name::ServiceName;
use twostep_core::ports::{Completion, Store, Trusts};
use twostep_core::time::{Now, UnixTime};

const DAY: u64 = 86_400;

/// root, who has trusted this address at these services for a month, so many days ago.
fn trust(place: &Place, address: &str, services: &[&str], days_ago: u64) {
    let mut session = place.session();
    let enrollment = session.summaries(None).unwrap()[0].enrollment.id;
    let (now, ago) = (twostep_store::host::now(), Duration::from_secs(days_ago * DAY));
    // Of another boot: this host may not have been up for so long.
    let then = Now { wall: now.wall.minus(ago), boot: None, ..now };
    let device = Device::of(&[DeviceKind::Address], None, &Source::of_host(address, &[])).unwrap();
    for service in services {
        let trusts = Some(Trusts {
            device: device.clone(),
            service: ServiceName::parse(service).unwrap(),
            lifetime: Duration::from_secs(30 * DAY),
        });
        let completion = Completion { enrollment, activates: false, makes_known: None, trusts };
        session.complete(&completion, &then).unwrap();
    }
}

fn enrolled(name: &str) -> Place {
    let place = Place::new(name);
    place.run(&["enroll", "root", "--activate"]).is(0);
    place
}

fn list(place: &Place) -> Vec<Value> {
    place.json(&["trusted-devices", "list", "root"]).as_array().unwrap().clone()
}

#[test]
fn they_are_listed_until_the_earlier_of_what_was_given_and_what_is_configured() {
    let place = enrolled("trusted-list");
    assert_eq!(list(&place), Vec::<Value>::new());
    place.run(&["trusted-devices", "list", "root"]).is(0).shows("no trusted devices");
    trust(&place, "203.0.113.9", &["sshd"], 10);
    let one = list(&place).remove(0);
    assert_eq!(
        (&one["id"], &one["service"], &one["kind"], &one["device"]),
        (&json!(1), &json!("sshd"), &json!("address"), &json!("203.0.113.9"))
    );
    let days = |text: &Value| {
        let date = text.as_str().unwrap();
        let part = |range: std::ops::Range<usize>| date[range].parse::<u16>().unwrap();
        let narrow = |range| u8::try_from(part(range)).unwrap();
        UnixTime::of_date(part(0..4), narrow(5..7), narrow(8..10)).unwrap().day()
    };
    assert_eq!(days(&one["until"]) - days(&one["since"]), 30);
    place.configure("[interactive]\ntrust_days = 12");
    let one = list(&place).remove(0);
    assert_eq!(days(&one["until"]) - days(&one["since"]), 12);
    place.run(&["trusted-devices", "list", "root"]).is(0).shows("DEVICE").shows("203.0.113.9");
    place.run(&["show", "root"]).is(0).shows("Trusted devices").shows("203.0.113.9");
    assert_eq!(place.json(&["show", "root"])["trusted_devices"], json!([one]));
    place.configure("[interactive]\ntrust_days = 10");
    assert_eq!(list(&place), Vec::<Value>::new(), "over by the configuration of today");
    assert!(!place.run(&["show", "root"]).is(0).stdout.contains("Trusted devices"));
}

#[test]
fn forgetting_wants_a_yes_and_names_what_is_gone() {
    let place = enrolled("trusted-forget");
    trust(&place, "203.0.113.9", &["sshd"], 0);
    trust(&place, "2001:db8::9", &["sshd", "login"], 0);
    let forget = |more: &[&str]| {
        let mut all = vec!["trusted-devices", "forget", "root"];
        all.extend(more);
        place.run(&all)
    };
    forget(&[]).is(2);
    forget(&["1", "--all"]).is(2);
    forget(&["--all"]).is(2).says("--yes");
    for none in ["99", "203.0.113.10", "SHA256:nothing"] {
        forget(&[none, "--yes"]).is(1).says("there is no trusted device").says("trusted-devices list root");
    }
    assert_eq!(list(&place).len(), 3);
    forget(&["1", "--yes"]).is(0).shows("forgot 203.0.113.9 of root at sshd");
    // At every service, and however it is written.
    let gone = forget(&["2001:DB8:0::9", "--yes", "--json"]).is(0).stdout;
    let gone: Value = serde_json::from_str(&gone).unwrap();
    assert_eq!(
        gone,
        json!({"user": "root", "forgotten": [
            {"id": 2, "service": "sshd", "kind": "address", "device": "2001:db8::9"},
            {"id": 3, "service": "login", "kind": "address", "device": "2001:db8::9"},
        ]})
    );
    forget(&["--all", "--yes"]).is(0).shows("nothing to forget");
    trust(&place, "203.0.113.9", &["sshd", "login"], 0);
    forget(&["--all", "--yes", "--reason", "laptop stolen"]).is(0);
    assert_eq!(list(&place), Vec::<Value>::new());
    let history = place.json(&["history", "root", "--limit", "2"]);
    for past in history.as_array().unwrap() {
        assert_eq!(
            (&past["action"], &past["name"], &past["why"]),
            (&json!("trusted-device-forget"), &json!("203.0.113.9"), &json!("laptop stolen"))
        );
    }
}

#[test]
fn who_is_not_enrolled_trusts_nothing() {
    let place = Place::new("trusted-none");
    place.run(&["trusted-devices", "list", "root"]).is(1).says("root is not enrolled");
    place.run(&["trusted-devices", "forget", "root", "--all", "--yes"]).is(1).says("root is not enrolled");
}
