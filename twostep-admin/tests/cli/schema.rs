//! Stores of other versions: newer minor ones are worked with, others are refused with what to do.

use crate::place::Place;
use serde_json::json;
use std::fs;
use twostep_store::schema::{SCHEMA, Version};

const NEXT_MINOR: Version = Version { minor: SCHEMA.minor + 1, ..SCHEMA };
const NEXT_MAJOR: Version = Version { major: SCHEMA.major + 1, minor: 0 };

/// A store of this schema, which is written with all that a newer minor one has.
fn newer(name: &str) -> Place {
    let place = Place::new(name);
    place.sql(include_str!("../../../twostep-store/sql/tests/next_minor.sql"));
    set(&place, NEXT_MINOR);
    place
}

fn set(place: &Place, version: Version) {
    place.sql(&format!("PRAGMA user_version = {}", version.number()));
}

#[test]
fn a_store_of_a_newer_minor_schema_is_worked_with_and_check_says_so() {
    let place = newer("newer-minor");
    place.run(&["enroll", "daemon", "--activate"]).is(0);
    let added = place.json(&["app-password", "add", "daemon", "mail"]);
    assert!(added["password"].is_string(), "{added}");
    for command in [
        &["show", "daemon"][..],
        &["list"],
        &["app-password", "rename", "daemon", "mail", "mail at home"],
        &["app-password", "list"],
        &["app-password", "revoke", "daemon", "mail at home", "--yes"],
        &["backup-codes", "daemon", "--yes"],
        &["bypass", "daemon", "--for", "15m"],
        &["authenticator", "list", "daemon"],
        &["trusted-devices", "list", "daemon"],
        &["unlock", "daemon"],
        &["history", "daemon"],
        &["hooks"],
        &["roster", "show"],
        &["roster", "mend"],
        &["explain", "daemon", "sshd"],
        &["unenroll", "daemon", "--yes"],
    ] {
        let done = place.run(command);
        assert_eq!(done.status, 0, "{command:?}: {done:#?}");
    }
    let told = format!(
        "note: {}: a newer version has brought it to schema {NEXT_MINOR}",
        place.folder.join("store/store.db").display()
    );
    assert!(place.run(&["check"]).stdout.contains(&told));
    assert!(!Place::new("present-schema").run(&["check"]).stdout.contains("a newer version"));
}

/// What the package of the version before does when it is put back.
#[test]
fn init_leaves_a_newer_minor_schema_alone_and_succeeds() {
    let place = newer("newer-minor-init");
    let before = fs::read(place.folder.join("store/store.db")).unwrap();
    place.run(&["init"]).is(0).shows("left    the store as it is").shows(&format!("schema {NEXT_MINOR}"));
    let made = place.json(&["init"]);
    assert_eq!(
        (&made["newer_schema"], &made["upgraded_from"]),
        (&json!(NEXT_MINOR.to_string()), &json!(null))
    );
    assert_eq!((&made["store"]["made"], &made["kept"]), (&json!(false), &json!(null)));
    assert_eq!(fs::read(place.folder.join("store/store.db")).unwrap(), before);
    assert!(!place.run(&["init"]).stdout.contains("up to date"));
}

#[test]
fn another_major_schema_is_refused_by_every_command() {
    let place = Place::new("other-major");
    for (version, told, hint) in [
        (
            NEXT_MAJOR,
            format!("written by a newer version (schema {NEXT_MAJOR}; this one knows {SCHEMA})"),
            "install the twostep version",
        ),
        (
            Version { major: SCHEMA.major - 1, minor: 999 },
            format!("this version needs {SCHEMA}"),
            "twostep-admin init",
        ),
    ] {
        set(&place, version);
        for command in [&["list"][..], &["enroll", "daemon", "--activate"], &["unlock", "daemon"]] {
            place.run(command).is(3).says(&told).says(hint);
        }
        place.run(&["check"]).is(1).shows(&told);
    }
    set(&place, NEXT_MAJOR);
    place.run(&["init"]).is(3).says("written by a newer version");
}
