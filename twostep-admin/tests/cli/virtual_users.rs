//! Users of mail alone, who have no account on the host.

use crate::place::Place;
use serde_json::json;

const ON: &str = "[app]\nvirtual_users = true\ndomains = [\"example.org\"]";

#[test]
fn they_are_enrolled_where_the_configuration_has_them() {
    let place = Place::new("virtual-enroll");
    let enroll = ["enroll", "Carol@Example.ORG", "--app-only"];
    place.run(&enroll).is(1).says("no user \"Carol@Example.ORG\"").says("[app] virtual_users = true");
    place.configure(ON);
    place.run(&["enroll", "carol", "--activate"]).is(1).says("has no account").says("--app-only");
    place.run(&enroll).is(0).shows("carol has no account on this host, and is a virtual user.");
    place.run(&["enroll", "carol", "--app-only"]).is(1).says("carol is already enrolled");
    let shown = place.json(&["show", "carol@example.org"]);
    assert_eq!((&shown["user"], &shown["account"]), (&json!("carol"), &json!("virtual")));
    assert_eq!((&shown["uid"], &shown["enrolled_uid"]), (&json!(null), &json!(null)));
    place.run(&["show", "carol"]).is(0).shows("virtual, app-only");
    place.run(&["list"]).is(0).shows("virtual, app-only");
    place.run(&["app-password", "add", "CAROL", "phone"]).is(0);
    assert_eq!(place.json(&["app-password", "list"])[0]["user"], json!("carol"));
    place.run(&["settle", "carol", "--keep"]).is(0).shows("nothing to settle");
    place.run(&["unenroll", "carol@example.org", "--yes"]).is(0);
    place.run(&["enroll", "carol", "--app-only"]).is(0);
}

#[test]
fn the_host_s_own_names_are_never_theirs() {
    let place = Place::new("virtual-collision");
    place.configure(ON);
    // Root has an account, whatever stands behind the @.
    place.run(&["enroll", "root@example.org", "--app-only"]).is(0);
    assert_eq!(place.json(&["show", "root"])["enrolled_uid"], json!(0));
    // A name that had one is not taken over.
    place.sql("UPDATE enrollment SET user = 'gone'; UPDATE history SET user = 'gone'");
    place.run(&["enroll", "gone", "--app-only"]).is(1);
    place.run(&["unenroll", "gone", "--yes"]).is(0);
    place
        .run(&["enroll", "gone", "--app-only"])
        .is(1)
        .says("never a virtual user's")
        .says("user@example.org");
    // And one that gets an account is refused until somebody has settled it.
    place.run(&["enroll", "carol", "--app-only"]).is(0);
    place.sql("UPDATE enrollment SET user = 'root'; UPDATE history SET user = 'root'");
    place.run(&["show", "root"]).is(0).shows("enrolled as a virtual user, is uid 0 now");
    place.run(&["app-password", "add", "root", "x"]).is(1).says("was enrolled as a virtual user");
    place.run(&["check"]).shows("was enrolled as a virtual user");
    place
        .run(&["settle", "root", "--keep"])
        .is(0)
        .shows("kept: root's enrollment was made for a virtual user");
    place.run(&["app-password", "add", "root", "x"]).is(0);
}

#[test]
fn check_says_where_they_cannot_sign_in() {
    let place = Place::new("virtual-check");
    place.configure(ON);
    place.run(&["enroll", "carol", "--app-only"]).is(0);
    assert!(!place.run(&["check"]).stdout.contains("virtual users"));
    place.configure("");
    place.run(&["check"]).shows("1 enrolled virtual users (no account on this host) cannot sign in anywhere");
}

#[test]
fn explain_knows_them() {
    let place = Place::new("virtual-explain");
    place.configure(ON);
    place.run(&["enroll", "carol", "--app-only"]).is(0);
    place.run(&["explain", "carol@example.org", "imap"]).is(0).shows("app password");
    place.run(&["explain", "carol", "sshd"]).is(0).shows("NSS does not know the name");
}

#[test]
fn check_says_whom_a_changed_domain_rule_has_put_out_of_reach() {
    let place = Place::new("virtual-rule-changed");
    place.configure("[app]\nvirtual_users = true");
    place.run(&["enroll", "carol@example.org", "--app-only"]).is(0);
    assert!(!place.run(&["check"]).stdout.contains("carol"));
    place.configure(ON);
    place.run(&["check"]).shows(
        "carol@example.org: is enrolled as a virtual user, but that name means carol by [app] domains",
    );
}

#[test]
fn check_knows_rules_for_them() {
    let place = Place::new("virtual-rules");
    let rule = |name: &str| format!("{ON}\n[[rule]]\nuser = \"{name}\"\ndemand = \"deny\"\n");
    place.configure(&rule("carol"));
    assert!(!place.run(&["check"]).stdout.contains("names the user"));
    place.configure(&rule("Carol@example.org"));
    place.run(&["check"]).shows(
        "names the user Carol@example.org, whom NSS does not know; the virtual user of that name is carol",
    );
}

#[test]
fn check_misses_the_line_by_which_a_changed_password_is_seen() {
    let place = Place::new("password-line");
    place.configure("[app]\nrevoke_on_password_change = true");
    let pam = place.folder.join("pam.d");
    let check = || place.run(&["check", "--pam-dir", pam.to_str().unwrap()]).stdout;
    assert!(
        check()
            .contains("[app] revoke_on_password_change: no PAM stack has pam_twostep.so in a password line")
    );
    place.write("pam.d/passwd", "password required pam_unix.so\npassword required pam_twostep.so\n", 0o644);
    assert!(!check().contains("revoke_on_password_change"), "{}", check());
}
