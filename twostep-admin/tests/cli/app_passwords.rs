//! app-password: add, list, revoke.

use crate::place::{Place, author};
use serde_json::json;

fn enrolled(name: &str) -> Place {
    let place = Place::new(name);
    place.run(&["enroll", "root", "--app-only"]).is(0);
    place
}

#[test]
fn it_is_sixteen_letters_and_shown_once() {
    let place = enrolled("app-add");
    let made = place.json(&["app-password", "add", "root", "old phone"]);
    assert_eq!((&made["id"], &made["name"], &made["user"]), (&json!(1), &json!("old phone"), &json!("root")));
    let password = made["password"].as_str().unwrap();
    assert!(password.len() == 16 && password.bytes().all(|letter| letter.is_ascii_lowercase()), "{password}");
    let done = place.run(&["app-password", "add", "root", "laptop"]).is(0);
    let alone = done.stdout.lines().filter(|line| {
        let groups: Vec<&str> = line.split(' ').collect();
        groups.len() == 4 && groups.iter().all(|group| group.len() == 4)
    });
    assert_eq!(alone.count(), 1, "{done:?}");
    let listed = place.run(&["app-password", "list", "root"]).is(0).shows("old phone").shows("laptop");
    assert!(!listed.stdout.contains(password));
}

#[test]
fn the_list_has_times() {
    let place = enrolled("app-list");
    assert_eq!(place.json(&["app-password", "list", "root"]), json!([]));
    place.run(&["app-password", "list", "root"]).is(0).shows("no app passwords");
    place.json(&["app-password", "add", "root", "phone"]);
    let mut list = place.json(&["app-password", "list", "root"]);
    let created = list[0]["created"].take();
    assert!(created.as_str().unwrap().ends_with('Z'), "{created}");
    assert_eq!(
        list,
        json!([{"id": 1, "name": "phone", "created": null, "last_used": null, "last_service": null, "last_from": null}])
    );
}

#[test]
fn a_name_is_taken_once_and_printable() {
    let place = enrolled("app-names");
    place.run(&["app-password", "add", "root", "phone"]).is(0);
    place.run(&["app-password", "add", "root", "phone"]).is(1).says("named \"phone\" already").says("hint:");
    for name in ["", " phone", "a\nb", &"x".repeat(65)] {
        place.run(&["app-password", "add", "root", name]).is(2);
    }
}

#[test]
fn there_is_an_end_of_them() {
    let place = enrolled("app-many");
    let session = place.session();
    let id = session.summaries(None).unwrap()[0].enrollment.id;
    for number in 0..twostep_store::admin::APP_PASSWORDS_MAX {
        let label = twostep_core::app_password::Label::parse(&number.to_string()).unwrap();
        let password = twostep_core::app_password::AppPassword::parse(b"abcdefghijklmnop").unwrap();
        session.add_app_password(id, &label, &password, &author(), twostep_store::host::now().wall).unwrap();
    }
    drop(session);
    place.run(&["app-password", "add", "root", "one more"]).is(1).says("has 50 app passwords");
}

#[test]
fn one_is_revoked_by_name_or_id() {
    let place = enrolled("app-revoke");
    for name in ["phone", "laptop", "tablet"] {
        place.run(&["app-password", "add", "root", name]).is(0);
    }
    place.run_with(&["app-password", "revoke", "root", "phone"], "yes\n").is(2).says("--yes");
    assert_eq!(
        place.json(&["app-password", "revoke", "root", "phone", "--yes"]),
        json!({"user": "root", "revoked": [{"id": 1, "name": "phone"}]})
    );
    place.run(&["app-password", "revoke", "root", "2", "--yes"]).is(0).shows("revoked \"laptop\"");
    place.run(&["app-password", "revoke", "root", "phone", "--yes"]).is(1).says("no app password \"phone\"");
    let left = place.json(&["app-password", "list", "root"]);
    assert_eq!((left.as_array().unwrap().len(), &left[0]["name"]), (1, &json!("tablet")));
}

#[test]
fn a_name_that_is_anothers_id_is_not_guessed_at() {
    let place = enrolled("app-ambiguous");
    place.run(&["app-password", "add", "root", "2"]).is(0);
    place.run(&["app-password", "add", "root", "other"]).is(0);
    place.run(&["app-password", "revoke", "root", "2", "--yes"]).is(1).says("the id of another");
    place.run(&["app-password", "revoke", "root", "1", "--yes"]).is(0);
}

#[test]
fn all_are_revoked_at_once() {
    let place = enrolled("app-all");
    place.run(&["app-password", "revoke", "root", "--all", "--yes"]).is(0).shows("nothing to revoke");
    place.run(&["app-password", "add", "root", "phone"]).is(0);
    place.run(&["app-password", "add", "root", "laptop"]).is(0);
    let revoked = place.json(&["app-password", "revoke", "root", "--all", "--yes"]);
    assert_eq!(revoked["revoked"].as_array().unwrap().len(), 2);
    assert_eq!(place.json(&["app-password", "list", "root"]), json!([]));
    place.run(&["app-password", "revoke", "root", "--yes"]).is(2);
    place.run(&["app-password", "revoke", "root", "phone", "--all", "--yes"]).is(2);
}

#[test]
fn who_is_not_enrolled_has_none() {
    let place = Place::new("app-none");
    for command in [&["add", "root", "x"][..], &["list", "root"], &["revoke", "root", "x", "--yes"]] {
        place
            .run(&[&["app-password"], command].concat())
            .is(1)
            .says("root is not enrolled")
            .says("enroll root");
    }
}
