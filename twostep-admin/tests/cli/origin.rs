//! Which host key and store belong to, as init records it and check compares it.

use crate::place::Place;
use serde_json::json;
use twostep_store::schema::SCHEMA;

const HERE: &str = "0123456789abcdef0123456789abcdef\n";
const OTHER: &str = "fedcba9876543210fedcba9876543210\n";

/// What `check` says on a host with this machine-id, of the key alone.
fn checked(place: &Place, machine_id: &str) -> String {
    place.write("machine-id", machine_id, 0o444);
    let (etc, pam) = (place.folder.display().to_string(), place.folder.join("pam.d").display().to_string());
    let told = place.run(&["check", "--etc", &etc, "--pam-dir", &pam]).stdout;
    told.lines().filter(|line| line.contains("master.key: ") || line.contains("machine-id: ")).collect()
}

/// `init` on a host with this machine-id.
fn init(place: &Place, machine_id: &str, more: &[&str]) -> serde_json::Value {
    place.write("machine-id", machine_id, 0o444);
    let etc = place.folder.display().to_string();
    place.json(&[&["init", "--etc", &etc], more].concat())["host"].clone()
}

#[test]
fn a_cloned_key_is_told_and_nobody_is_refused_until_the_host_adopts_it() {
    let place = Place::bare("origin");
    assert_eq!(init(&place, HERE, &[]), json!({ "here": true, "recorded": true, "fault": null }));
    assert_eq!(init(&place, HERE, &[]), json!({ "here": true, "recorded": false, "fault": null }));
    assert_eq!(checked(&place, HERE), "");

    let told = checked(&place, OTHER);
    assert!(told.starts_with("warning: ") && told.contains("made on another host"), "{told}");
    place.run(&["enroll", "daemon", "--activate"]).is(0);
    // It says so, and leaves it as it is: a package's script runs it.
    for _ in 0..2 {
        assert_eq!(init(&place, OTHER, &[]), json!({ "here": false, "recorded": false, "fault": null }));
    }
    let etc = place.folder.display().to_string();
    place.run(&["init", "--etc", &etc]).is(0).shows("made on another host").shows("init --adopt-host");
    assert!(checked(&place, HERE).is_empty());

    assert_eq!(
        init(&place, OTHER, &["--adopt-host"]),
        json!({ "here": true, "recorded": true, "fault": null })
    );
    assert_eq!(checked(&place, OTHER), "");
    assert!(checked(&place, HERE).contains("made on another host"));
    assert_eq!(
        init(&place, OTHER, &["--adopt-host"]),
        json!({ "here": true, "recorded": false, "fault": null })
    );
}

#[test]
fn without_a_machine_id_nothing_is_recorded_and_check_has_a_note() {
    let place = Place::bare("origin-nameless");
    for none in ["", "uninitialized\n"] {
        assert_eq!(init(&place, none, &[]), json!({ "here": null, "recorded": false, "fault": null }));
        let told = checked(&place, none);
        assert!(told.starts_with("note: ") && told.contains("no machine-id"), "{told}");
    }
    let told = checked(&place, HERE);
    assert!(told.starts_with("note: ") && told.contains("not recorded"), "{told}");
    let etc = place.folder.display().to_string();
    place.write("machine-id", "", 0o444);
    place.run(&["init", "--adopt-host", "--etc", &etc]).is(1).says("no machine-id").says("hint:");
    place.run(&["init", "--adopt-host", "--etc", "/nowhere"]).is(1).says("/nowhere/machine-id");
    assert_eq!(init(&place, HERE, &[]), json!({ "here": true, "recorded": true, "fault": null }));
}

/// A store of before 5.1 is brought up to date on the host that it is on.
#[test]
fn a_store_of_before_is_recorded_when_it_is_brought_up_to_date() {
    let place = Place::new("origin-older");
    place.sql("DROP INDEX enrollment_user_part; ALTER TABLE meta DROP COLUMN host; PRAGMA user_version = 5");
    place.run(&["list"]).is(3).says("schema 5.0").says("twostep-admin init");
    place.write("machine-id", HERE, 0o444);
    let etc = place.folder.display().to_string();
    let made = place.json(&["init", "--etc", &etc]);
    assert_eq!((&made["upgraded_from"], &made["host"]["recorded"]), (&json!("5.0"), &json!(true)));
    assert!(place.folder.join(format!("store/store.db.before-schema-{SCHEMA}")).exists());
    assert_eq!(checked(&place, HERE), "");
}
