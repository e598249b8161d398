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
        json!([{"id": 1, "name": "phone", "created": null, "last_used": null, "last_service": null, "last_from": null,
                "services": [], "networks": [], "expires": null, "expired": false}])
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
    for number in 0..twostep_core::policy::APP_PASSWORDS_MAX {
        let label = twostep_core::app_password::Label::parse(&number.to_string()).unwrap();
        let new = twostep_store::admin::NewAppPassword::named(&label);
        session.add_app_password(id, &new, &author(), &twostep_store::host::now()).unwrap();
    }
    drop(session);
    place
        .run(&["app-password", "add", "root", "one more"])
        .is(1)
        .says("as many app passwords as there can be: 50");
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

#[test]
fn it_can_be_limited_to_services_networks_and_a_time() {
    let place = enrolled("app-limits");
    let limits =
        ["--service", "imap,smtp*", "--from", "192.0.2.0/24", "--from", "2001:db8::/32", "--expires"];
    let add = |name, expires| [&["app-password", "add", "root", name], &limits[..], &[expires]].concat();
    let made = place.run(&add("laptop", "2999-12-31")).is(0);
    made.shows("It is good for: imap, smtp*, from 192.0.2.0/24, 2001:db8::/32, until 2999-12-31.");
    place.run(&add("tablet", "90d")).is(0);
    let list = place.json(&["app-password", "list", "root"]);
    assert_eq!(list[0]["services"], json!(["imap", "smtp*"]));
    assert_eq!(list[0]["networks"], json!(["192.0.2.0/24", "2001:db8::/32"]));
    assert_eq!((&list[0]["expires"], &list[0]["expired"]), (&json!("3000-01-01T00:00:00Z"), &json!(false)));
    place.run(&["app-password", "list", "root"]).is(0).shows("until 2999-12-31");
    // What cannot be meant is said at once, and nothing is made.
    for bad in [
        ["--service", "a/b"],
        ["--service", "imaps"],
        ["--from", "office.example"],
        ["--from", "192.0.2.1/24"],
        ["--from", "::ffff:192.0.2.0/120"],
        ["--expires", "soon"],
        ["--expires", "2027-06-30T10:00:00"],
    ] {
        place.run(&[&["app-password", "add", "root", "x"], &bad[..]].concat()).is(2);
    }
    place.run(&["app-password", "add", "root", "x", "--expires", "2020-01-01"]).is(1).says("expire before");
    let services = vec!["imap"; 17].join(",");
    place.run(&["app-password", "add", "root", "x", "--service", &services]).is(1).says("limited to 16");
    assert_eq!(place.json(&["app-password", "list", "root"]).as_array().unwrap().len(), 2);
}

#[test]
fn how_many_there_can_be_is_configured() {
    let place = enrolled("app-most");
    place.configure("[app]\nmax_app_passwords = 1");
    place.run(&["app-password", "add", "root", "one"]).is(0);
    place
        .run(&["app-password", "add", "root", "two"])
        .is(1)
        .says("as there can be: 1")
        .says("max_app_passwords");
}

#[test]
fn those_that_nobody_uses_are_found() {
    let place = enrolled("app-unused");
    place.run(&["app-password", "add", "root", "phone"]).is(0);
    place.run(&["app-password", "list", "--unused", "90d"]).is(0).shows("no app passwords");
    place.run(&["app-password", "list", "root", "--unused", "90d"]).is(0).shows("no app passwords");
    place.run(&["app-password", "list"]).is(0).shows("USER").shows("root").shows("never");
    let sql = "UPDATE app_password SET created = 1, last_used = 2, last_service = 'imap', last_source = '203.0.113.9'";
    place.sql(sql);
    place.run(&["app-password", "list", "--unused", "90d"]).is(0).shows("years ago, imap, 203.0.113.9");
    let list = place.json(&["app-password", "list", "--unused", "90d"]);
    assert_eq!((&list[0]["user"], &list[0]["name"]), (&json!("root"), &json!("phone")));
    place.run(&["app-password", "list", "--unused", "soon"]).is(2);
}

#[test]
fn after_an_incident_all_that_are_so_old_are_revoked() {
    let place = enrolled("app-incident");
    place.run(&["app-password", "add", "root", "old"]).is(0);
    place.sql("UPDATE app_password SET created = 1000");
    place.run(&["app-password", "add", "root", "new"]).is(0);
    let revoke = ["app-password", "revoke", "--all-users", "--created-before", "2020-01-01"];
    let dry = place.run(&[&revoke[..], &["--dry-run"]].concat()).is(0);
    dry.shows(
        "would be revoked: 1 app password of 1 user, made before 2020-01-01T00:00:00Z. Nothing was changed.",
    );
    assert_eq!(place.json(&["app-password", "list"]).as_array().unwrap().len(), 2);
    place.run(&revoke).is(2).says("nobody to ask");
    let done = place.json(&[&revoke[..], &["--yes"]].concat());
    assert_eq!((&done["dry_run"], &done["revoked"][0]["name"]), (&json!(false), &json!("old")));
    let left = place.json(&["app-password", "list"]);
    assert_eq!((left.as_array().unwrap().len(), &left[0]["name"]), (1, &json!("new")));
    place.run(&["history", "root"]).is(0).shows("app-password-revoke");
    // An age; and what does not go together.
    place.run(&["app-password", "revoke", "--all-users", "--created-before", "2h", "--yes"]).is(0);
    for bad in [
        &["app-password", "revoke", "--all-users"][..],
        &["app-password", "revoke", "root", "--created-before", "2h"],
        &["app-password", "revoke", "root", "--all-users", "--created-before", "2h"],
        &["app-password", "revoke", "root", "new", "--dry-run"],
        &["app-password", "revoke", "--all"],
        &["app-password", "revoke"],
    ] {
        place.run(bad).is(2);
    }
}

#[test]
fn a_service_that_is_nearly_called_as_another_is_refused_and_an_unknown_one_told_of() {
    let place = Place::new("app-service-names");
    place.run(&["enroll", "root", "--app-only"]).is(0);
    let add =
        |name: &str, services: &str| place.run(&["app-password", "add", "root", name, "--service", services]);
    for (services, message, meant) in [
        ("imaps", "this host has no PAM service named imaps", "most likely imap is meant"),
        ("imap,smtps", "this host has no PAM service named smtps", "most likely smtp is meant"),
    ] {
        add("phone", services).is(2).says(message).says(meant);
    }
    assert_eq!(place.json(&["app-password", "list", "root"]), serde_json::json!([]));
    for (name, services) in [("a", "imap"), ("b", "imap*,smtp"), ("c", "*")] {
        assert_eq!(add(name, services).is(0).stderr, "", "{services}");
    }
    add("d", "nextcloud").is(0).says("warning: this host has no PAM service named nextcloud");
    // Where the configuration has it, it is known, however it is called.
    place.configure("[app]\nservices = [\"imap\", \"imaps\"]");
    assert_eq!(add("e", "imaps").is(0).stderr, "");
    place.run(&["explain", "root", "imap4"]).is(0).says("most likely imap is meant");
    place.run(&["explain", "root", "nextcloud"]).is(0).says("no PAM service named nextcloud");
    let pam_dir = place.folder.join("pam.d");
    let pam =
        |words: &[&str]| place.run(&[&["pam"], words, &["--pam-dir", pam_dir.to_str().unwrap()]].concat());
    pam(&["enable", "imap4", "--app", "--yes"]).is(2).says("most likely imap is meant");
    pam(&["status", "imap4"]).is(0).says("most likely imap is meant");
}
