//! break-glass, and what explain and check say of it.

use crate::check::healthy;
use crate::place::{Done, Place};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;

const LOGIN: &str = "@include common-auth\nauth required pam_twostep.so\naccount required pam_twostep.so\n@include common-account\n";

/// A place whose `/etc` is its own folder.
fn place(name: &str) -> Place {
    let place = healthy(name);
    fs::create_dir_all(place.folder.join("twostep")).unwrap();
    fs::set_permissions(place.folder.join("twostep"), fs::Permissions::from_mode(0o755)).unwrap();
    place.write("pam.d/login", LOGIN, 0o644);
    place
}

fn run(place: &Place, arguments: &[&str]) -> Done {
    let path = |name: &str| place.folder.join(name).display().to_string();
    let (etc, pam, trials) = (path(""), path("pam.d"), path("tried"));
    let mut all = arguments.to_vec();
    all.extend(["--etc", &etc, "--trials", &trials, "--pam-dir", &pam]);
    place.run(&all)
}

fn made(place: &Place) -> String {
    fs::read_to_string(place.folder.join("twostep/break-glass.toml")).unwrap()
}

#[test]
fn make_writes_a_file_that_can_be_used_at_once() {
    let place = place("break-glass-make");
    run(&place, &["break-glass", "show"]).is(0).shows("has no exemption");
    let all = ["break-glass", "make", "--owner", "o\"p\\s", "--reason", "INC-1: the \"way\" in"];
    run(&place, &all).is(0).shows("no code for root at tty1, tty2, tty3, tty4, tty5, tty6 (login)");
    let file = place.folder.join("twostep/break-glass.toml");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o644);
    let shown: Value =
        serde_json::from_str(&run(&place, &["--json", "break-glass", "show"]).is(0).stdout).unwrap();
    let one = &shown["exemptions"][0];
    assert_eq!(
        (&one["service"], &one["user"], &one["owner"], &one["reason"], &one["tried"]),
        (&json!("login"), &json!(["root"]), &json!("o\"p\\s"), &json!("INC-1: the \"way\" in"), &Value::Null)
    );
    run(&place, &["break-glass", "show"]).is(0).shows("never tried");
}

#[test]
fn make_replaces_a_file_only_when_that_was_agreed_to() {
    let place = place("break-glass-replace");
    let first = ["break-glass", "make", "--owner", "ops"];
    run(&place, &first).is(0);
    let before = made(&place);
    // The same again changes nothing, and asks nothing.
    run(&place, &first).is(0);
    let other = ["break-glass", "make", "--owner", "ops", "--tty", "ttyS0,tty1", "--user", "root,alice"];
    run(&place, &other).is(2).shows("+tty = [\"ttyS0\", \"tty1\"]").says("--yes");
    assert_eq!(made(&place), before);
    run(&place, &[&other[..], &["--yes"]].concat()).is(0);
    assert!(made(&place).contains("user = [\"root\", \"alice\"]"));
    // One with mistakes, that others can write, is replaced as well.
    place.write("twostep/break-glass.toml", "nonsense", 0o666);
    run(&place, &["break-glass", "show"]).is(3).says("no exemption holds").says("hint:");
    run(&place, &[&first[..], &["--yes"]].concat()).is(0);
    run(&place, &["break-glass", "show"]).is(0).shows("never tried");
    let mode = fs::metadata(place.folder.join("twostep/break-glass.toml")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o644);
}

#[test]
fn make_opens_nothing_that_is_wider_than_a_console() {
    let place = place("break-glass-wide");
    for (arguments, told) in [
        (&["--service", "sshd"][..], "never asks at a terminal"),
        (&["--tty", "pts/1"], "no terminal of this host"),
        (&["--tty", "tty*"], "no terminal of this host"),
        (&["--user", " root"], "no user name"),
        (&["--service", "sudo", "--tty", "tty1"], "never asks at a terminal"),
    ] {
        run(&place, &[&["break-glass", "make"], arguments].concat()).is(1).says(told);
        assert!(!place.folder.join("twostep/break-glass.toml").exists(), "{arguments:?}");
    }
    run(&place, &["break-glass", "make", "--service", "sshd-rescue", "--user", "root"])
        .is(0)
        .shows("root from anywhere (sshd-rescue)");
}

#[test]
fn try_says_what_there_is_to_try() {
    let place = place("break-glass-nothing");
    let done = run(&place, &["break-glass", "try"]).is(1);
    assert!(done.stderr.contains("has no exemption") || done.stderr.contains("only root"), "{done:?}");
}

#[test]
fn explain_names_the_exemption_whatever_else_is_broken() {
    let place = place("break-glass-explain");
    run(&place, &["break-glass", "make", "--owner", "ops"]).is(0);
    place.configure("mistake = 1");
    let etc = place.folder.display().to_string();
    let explain = |tty: &str| place.run(&["--json", "explain", "root", "login", "--tty", tty, "--etc", &etc]);
    let told: Value = serde_json::from_str(&explain("/dev/tty1").is(0).stdout).unwrap();
    let line = format!("{etc}/twostep/break-glass.toml:6");
    assert_eq!(
        (&told["demand"], &told["reason"], &told["origin"]),
        (&json!("nothing"), &json!("break-glass"), &json!(line))
    );
    explain("tty7").is(3);
    explain("pts/1").is(3);
    place.run(&["explain", "root", "login", "--tty", "tty1", "--from", "203.0.113.9", "--etc", &etc]).is(3);
    place.run(&["explain", "root", "login", "--tty", "tty1", "--etc", &etc]).is(0).shows("owner: ops");
}
