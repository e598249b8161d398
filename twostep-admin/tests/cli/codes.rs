//! backup-codes and unlock.

use crate::place::Place;
use serde_json::{Value, json};
use std::collections::HashSet;

#[test]
fn a_new_set_has_ten_others() {
    let place = Place::new("backup-codes");
    let codes = |document: &Value| -> HashSet<String> {
        let set = document["backup_codes"].as_array().unwrap();
        set.iter().map(|code| code.as_str().unwrap().to_owned()).collect()
    };
    let first = codes(&place.json(&["enroll", "root", "--activate"]));
    place.run_with(&["backup-codes", "root"], "yes\n").is(2).says("--yes");
    let second = codes(&place.json(&["backup-codes", "root", "--yes"]));
    assert!(first.len() == 10 && second.len() == 10 && first.is_disjoint(&second));
    place.run(&["backup-codes", "root", "--yes"]).is(0).shows("not shown again");
}

#[test]
fn the_first_set_needs_no_yes() {
    let place = Place::new("backup-codes-first");
    place.run(&["backup-codes", "root"]).is(1).says("root is not enrolled");
    place.run(&["enroll", "root", "--app-only"]).is(0);
    place.run(&["backup-codes", "root"]).is(1).says("app-only");
}

#[test]
fn unlocking_says_how_much_was_forgotten() {
    let place = Place::new("unlock");
    place.run(&["unlock", "root"]).is(1).says("root is not enrolled");
    place.run(&["enroll", "root", "--activate"]).is(0);
    assert_eq!(place.json(&["unlock", "root"]), json!({"user": "root", "failures_forgotten": 0}));
}
