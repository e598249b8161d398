//! explain.

use crate::place::Place;
use serde_json::json;

#[test]
fn who_is_not_enrolled_follows_the_policy() {
    let place = Place::new("explain-none");
    let told = place.json(&["explain", "root", "sshd"]);
    assert_eq!(
        (&told["demand"], &told["reason"], &told["origin"], &told["class"]),
        (&json!("nothing"), &json!("not-enrolled"), &json!("default"), &json!("interactive"))
    );
    place.configure("[interactive]\nunenrolled = \"deny\"\n[app]\nservices = [\"sshd2\"]");
    let told = place.json(&["explain", "root", "sshd", "--from", "203.0.113.9"]);
    let line = format!("{}:2", place.folder.join("config.toml").display());
    assert_eq!(
        (&told["demand"], &told["reason"], &told["origin"], &told["from"]),
        (&json!("deny"), &json!("not-enrolled"), &json!(line), &json!("203.0.113.9"))
    );
    assert_eq!(place.json(&["explain", "root", "sshd2"])["class"], "app");
}

#[test]
fn the_enrolled_give_a_code_or_an_app_password() {
    let place = Place::new("explain-enrolled");
    place.run(&["enroll", "root", "--activate"]).is(0);
    assert_eq!(place.json(&["explain", "root", "sshd"])["demand"], "code");
    let told = place.json(&["explain", "root", "imap"]);
    assert_eq!((&told["demand"], &told["otherwise"]), (&json!("app-password"), &json!("refused")));
    place.run(&["explain", "root", "imap"]).is(0).shows("an app password is asked for");
}

#[test]
fn keys_that_are_enough_are_told_with_the_line_that_says_so() {
    let place = Place::new("explain-keys");
    place.run(&["enroll", "root", "--activate"]).is(0);
    let told = || {
        let told = place.json(&["explain", "root", "sshd"]);
        (told["enough"].clone(), told["enough_origin"].clone())
    };
    let line = |number: usize| json!(format!("{}:{number}", place.folder.join("config.toml").display()));
    assert_eq!(told(), (json!(null), json!(null)));
    place.configure("[interactive]\nsecurity_keys = \"enough\"");
    assert_eq!(told(), (json!("security-keys"), line(2)));
    place
        .run(&["explain", "root", "sshd"])
        .is(0)
        .shows("A security key (sk-...) is enough at an after-key line");
    place.configure("[interactive]\nssh_keys = \"enough\"\n[[rule]]\nservice = \"vpn\"\ndemand = \"code\"");
    assert_eq!(told(), (json!("ssh-keys"), line(2)));
    place.run(&["explain", "root", "sshd"]).is(0).shows("A copy of the key file");
    assert_eq!(place.json(&["explain", "root", "vpn"])["enough"], json!(null));
    assert_eq!(place.json(&["explain", "root", "imap"])["enough"], json!(null));
}

#[test]
fn the_pending_may_go_on_where_the_unenrolled_may() {
    let place = Place::new("explain-pending");
    place.run(&["enroll", "root", "--pending"]).is(0);
    let told = place.json(&["explain", "root", "sshd"]);
    assert_eq!(
        (&told["demand"], &told["reason"], &told["otherwise"]),
        (&json!("code"), &json!("pending"), &json!("nothing"))
    );
}

#[test]
fn unknown_names_are_refused_at_prompts_only() {
    let place = Place::new("explain-unknown");
    assert_eq!(place.json(&["explain", "no-such-user", "sshd"])["reason"], "user-unknown");
    assert_eq!(place.json(&["explain", "no-such-user", "imap"])["demand"], "nothing");
    place.run(&["enroll", "root", "--activate"]).is(0);
    assert_eq!(place.json(&["explain", "ROOT ", "imap"])["reason"], "name-spelling");
}

#[test]
fn without_a_store_it_is_a_refusal_and_status_3() {
    let place = Place::bare("explain-no-store");
    let done = place.run(&["explain", "root", "sshd", "--json"]).is(3);
    let told: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!((&told["demand"], &told["reason"]), (&json!("deny"), &json!("store")));
    place.configure("unknown = 1");
    let done = place.run(&["explain", "root", "sshd", "--json"]).is(3).says("unknown key");
    let told: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!((&told["demand"], &told["reason"]), (&json!("deny"), &json!("configuration")));
}

#[test]
fn an_address_is_a_literal() {
    let place = Place::new("explain-from");
    place.run(&["explain", "root", "sshd", "--from", "host.example.org"]).is(2);
    place.run(&["explain", "root", "no/service"]).is(2);
}

/// root is spared at a terminal of this host, and nowhere else, whatever a service says of where it is.
#[test]
fn a_terminal_is_only_one_of_this_host_where_a_service_could_prove_it() {
    let place = Place::new("explain-console");
    place.configure("[[rule]]\ngroup = \"no-such-group-here\"\ndemand = \"deny\"\n");
    let demand = |service: &str, tty: &str| {
        place.json(&["explain", "root", service, "--tty", tty])["demand"].as_str().unwrap().to_owned()
    };
    for tty in ["tty1", "/dev/ttyS0", "hvc0"] {
        assert_eq!(demand("login", tty), "nothing", "{tty}");
    }
    for (service, tty) in
        [("login", "pts/1"), ("xrdp-sesman", "web"), ("gdm-password", ":0"), ("su", "tty1"), ("sudo", "tty1")]
    {
        assert_eq!(demand(service, tty), "deny", "{service} {tty}");
    }
}
