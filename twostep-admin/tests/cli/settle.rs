//! Accounts that were made anew, renumbered or deleted.

use crate::place::Place;
use serde_json::json;

#[test]
fn nothing_is_settled_where_nothing_has_changed() {
    let place = Place::new("settle-nothing");
    place.run(&["settle", "root", "--keep"]).is(1).says("root is not enrolled");
    place.run(&["enroll", "root", "--activate"]).is(0);
    place.run(&["settle", "root", "--drop", "--yes"]).is(0).shows("nothing to settle");
    assert_eq!(place.json(&["show", "root"])["state"], "active");
    place.run(&["settle", "root"]).is(2);
    place.run(&["settle", "root", "--keep", "--drop"]).is(2);
}

#[test]
fn a_changed_uid_is_told_and_stops_changes() {
    let place = Place::new("settle-told");
    place.enroll_as("root", 4242);
    let shown = place.json(&["show", "root"]);
    assert_eq!(
        (&shown["account"], &shown["enrolled_uid"], &shown["uid"]),
        (&json!("uid-changed"), &json!(4242), &json!(0))
    );
    place.run(&["list"]).is(0).shows("enrolled as uid 4242, is uid 0 now");
    for command in [
        &["enroll", "root", "--activate"][..],
        &["app-password", "add", "root", "x"],
        &["backup-codes", "root"],
    ] {
        place
            .run(command)
            .is(1)
            .says("was enrolled as uid 4242 and has uid 0 now")
            .says("settle root --keep");
    }
    place.run(&["explain", "root", "sshd"]).is(0).shows("uid-changed");
}

#[test]
fn keeping_it_makes_it_hold_for_the_new_uid() {
    let place = Place::new("settle-keep");
    place.enroll_as("root", 4242);
    assert_eq!(
        place.json(&["settle", "root", "--keep"]),
        json!({"user": "root", "settled": "kept", "was": 4242, "is": 0})
    );
    assert_eq!(place.json(&["show", "root"])["account"], "ok");
}

#[test]
fn dropping_it_wants_a_yes() {
    let place = Place::new("settle-drop");
    place.enroll_as("root", 4242);
    place.run_with(&["settle", "root", "--drop"], "yes\n").is(2).says("--yes");
    assert_eq!(place.json(&["settle", "root", "--drop", "--yes"])["settled"], "dropped");
    assert_eq!(place.json(&["show", "root"])["state"], "none");
}

#[test]
fn a_deleted_account_can_be_shown_and_unenrolled() {
    let place = Place::new("settle-gone");
    place.enroll_as("gone-user", 4242);
    let shown = place.json(&["show", "gone-user"]);
    assert_eq!((&shown["account"], &shown["uid"]), (&json!("gone"), &json!(null)));
    place.run(&["settle", "gone-user", "--keep"]).is(1).says("no account any more");
    place
        .run(&["app-password", "add", "gone-user", "x"])
        .is(1)
        .says("hint: twostep-admin settle gone-user --rename NEW, or --drop");
    place.run(&["enroll", "gone-user", "--activate"]).is(1);
    place.run(&["unenroll", "gone-user", "--yes"]).is(0);
    place.run(&["show", "gone-user"]).is(1);
}

#[test]
fn every_command_names_the_same_remedy_for_an_account_that_has_gone() {
    // Gone, with somebody who has its uid, and another uid.
    for (name, user, uid, remedy) in [
        ("gone", "gone-user", 4242, "twostep-admin settle gone-user --rename NEW, or --drop"),
        ("heir", "gone-user", 0, "twostep-admin settle gone-user --rename root, or --drop"),
        ("uid", "root", 4242, "twostep-admin settle root --keep, or --drop"),
    ] {
        let place = Place::new(&format!("settle-remedy-{name}"));
        place.enroll_as(user, uid);
        place.run(&["list"]).is(0).shows(remedy);
        place.run(&["show", user]).is(0).shows(remedy);
        let pam_dir = place.folder.join("pam.d");
        let check = ["check", "--pam-dir", pam_dir.to_str().unwrap()];
        assert!(place.run(&check).stdout.contains(remedy), "{name}: {}", place.run(&check).stdout);
        place.run(&["app-password", "add", user, "x"]).is(1).says(&remedy.replace("root, or", "NEW, or"));
    }
    let place = Place::new("settle-remedy-explain");
    place.enroll_as("gone-user", 1);
    let remedy = "twostep-admin settle gone-user --rename daemon, or --drop";
    for command in [&["show", "daemon"][..], &["explain", "daemon", "sshd"], &["explain", "daemon", "imap"]] {
        place.run(command).is(0).shows(remedy);
    }
}

#[test]
fn a_renamed_account_takes_its_enrollment_along() {
    let place = Place::new("settle-rename");
    place.enroll_as("old-name", 0);
    place.run(&["settle", "old-name", "--rename", "root"]).is(2).says("--yes");
    place.run(&["app-password", "add", "old-name", "x"]).is(1).says("settle old-name --rename NEW");
    assert_eq!(
        place.json(&["settle", "old-name", "--rename", "root", "--yes", "--reason", "married"]),
        json!({"user": "old-name", "settled": "renamed", "renamed_to": "root", "uid": 0})
    );
    let shown = place.json(&["show", "root"]);
    assert_eq!((&shown["account"], &shown["state"]), (&json!("ok"), &json!("active")));
    place.run(&["show", "old-name"]).is(1).says("there is no user");
    let past = &place.json(&["history", "root"])[0];
    assert_eq!(
        (&past["action"], &past["name"], &past["why"]),
        (&json!("settle-rename"), &json!("old-name"), &json!("married"))
    );
    // A name that belongs to another account by now is settled likewise.
    let place = Place::new("settle-rename-reused");
    place.enroll_as("daemon", 0);
    place
        .run(&["settle", "daemon", "--rename", "root", "--yes"])
        .is(0)
        .shows("daemon's enrollment, made for uid 0, is root's");
    assert_eq!(place.json(&["show", "daemon"])["state"], "none");
}

#[test]
fn what_is_no_renaming_is_refused() {
    let place = Place::new("settle-rename-refused");
    place.run(&["settle", "root", "--rename", "daemon"]).is(1).says("root is not enrolled");
    place.enroll_as("root", 0);
    place
        .run(&["settle", "root", "--rename", "daemon"])
        .is(1)
        .says("root is still the name of the account that was enrolled");
    place.enroll_as("old-name", 0);
    place
        .run(&["settle", "old-name", "--rename", "root", "--yes"])
        .is(1)
        .says("root is already enrolled (active)");
    place
        .run(&["settle", "old-name", "--rename", "no-such-user"])
        .is(1)
        .says("there is no user \"no-such-user\"");
    place
        .run(&["settle", "old-name", "--rename", "daemon"])
        .is(1)
        .says("daemon has uid 1, and the enrollment was made for uid 0");
    place.run(&["settle", "old-name", "--rename"]).is(2);
    place.run(&["settle", "old-name", "--rename", "root", "--drop"]).is(2);
    assert_eq!(place.json(&["show", "old-name"])["enrolled_uid"], 0);
}
