//! report refused.

use crate::place::{Place, run};
use serde_json::json;
use twostep_core::attempt::Source;
use twostep_core::event::{Event, Reason};
use twostep_core::name::{ServiceName, UserName};
use twostep_core::time::UnixTime;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

fn event(reason: Reason, user: Option<&str>, service: &str, from: &str) -> String {
    let user = user.map(|user| UserName::parse(user).unwrap());
    let (service, source) = (ServiceName::parse(service).ok(), Some(Source::of_host(from, &[])));
    Event { reason, user, service, source }.line()
}

fn before(seconds: i64) -> UnixTime {
    UnixTime(twostep_store::host::now().wall.0 - seconds)
}

/// As rsyslog writes it now.
fn line(seconds: i64, tag: &str, text: &str) -> String {
    format!("{} box {tag}[4711]: {text}\n", twostep_terminal::time(before(seconds)))
}

/// As it wrote it before.
fn old_line(seconds: i64, tag: &str, text: &str) -> String {
    let at = jiff::Timestamp::from_second(before(seconds).0).unwrap();
    let local = at.to_zoned(jiff::tz::TimeZone::system()).strftime("%b %e %H:%M:%S").to_string();
    format!("{local} box {tag}[4711]: {text}\n")
}

fn log() -> String {
    let phone = || Reason::AppPasswordRevoked { name: "old phone".into() };
    let scope = "result=refused reason=app-password-out-of-scope user=alice service=smtp from=192.0.2.1 \
                 name=laptop cause=no-address";
    [
        line(9 * DAY, "pam_twostep", &event(Reason::Capped, Some("alice"), "sshd", "192.0.2.1")),
        old_line(3 * DAY + 12 * HOUR, "pam_twostep", &event(phone(), Some("alice"), "imap", "192.0.2.1")),
        line(3 * DAY + HOUR, "pam_twostep", &event(phone(), Some("alice"), "imap", "2001:db8::7")),
        line(2 * DAY + HOUR, "twostepd", &event(Reason::CodeWrong, Some("bob"), "postgresql", "192.0.2.3")),
        line(30 * HOUR, "pam_twostep", scope),
        line(5 * HOUR, "pam_twostep", &event(Reason::UserUnknown, None, "sshd", "192.0.2.9")),
        line(4 * HOUR, "pam_twostep", &event(Reason::UserUnknown, None, "login", "192.0.2.8")),
        line(3 * HOUR, "pam_twostep", &event(Reason::Key, Some("alice"), "sshd", "192.0.2.1")),
    ]
    .concat()
}

#[test]
fn it_lists_by_user_the_newest_first() {
    let done = run(&["report", "refused", "--log", "-"], &log()).is(0);
    let rows: Vec<Vec<&str>> = done
        .stdout
        .lines()
        .map(|row| row.split("  ").map(str::trim).filter(|w| !w.is_empty()).collect())
        .collect();
    assert_eq!(
        rows,
        [
            vec!["USER", "SERVICE", "REASON", "TIMES", "LAST", "FROM"],
            vec!["-", "-", "no such user", "2", "4 hours ago", "192.0.2.8 and 1 more"],
            vec![
                "alice",
                "smtp",
                "app password \"laptop\" outside its scope (no address)",
                "1",
                "1 day ago",
                "192.0.2.1"
            ],
            vec![
                "alice",
                "imap",
                "revoked app password \"old phone\"",
                "2",
                "3 days ago",
                "2001:db8::7 and 1 more"
            ],
            vec!["bob", "postgresql", "wrong code", "1", "2 days ago", "192.0.2.3"],
        ]
    );
}

#[test]
fn programs_are_told_the_words_of_the_log() {
    let place = Place::bare("report-json");
    let file = place.write("auth.log", &log(), 0o600);
    let file = file.to_str().unwrap();
    let mut list = place.json(&["report", "refused", "--log", file, "--user", "alice", "--since", "4d"]);
    assert_eq!(list.as_array().unwrap().len(), 2);
    for key in ["first", "last"] {
        assert!(list[0][key].take().as_str().unwrap().ends_with('Z'));
    }
    assert_eq!(
        list[0],
        json!({
            "user": "alice", "service": "smtp", "result": "refused", "reason": "app-password-out-of-scope",
            "name": "laptop", "cause": "no-address", "on": null,
            "words": "app password \"laptop\" outside its scope (no address)",
            "times": 1, "first": null, "last": null, "from": "192.0.2.1", "others": 0,
        })
    );
    assert_eq!(place.json(&["report", "refused", "--log", file, "--since", "1h"]), json!([]));
    place.run(&["report", "refused", "--log", file, "--since", "1h"]).is(0).shows("nobody was refused since");
    let all = place.json(&["report", "refused", "--log", file, "--since", "2020-01-01"]);
    assert!(all.as_array().unwrap().iter().any(|row| row["reason"] == "capped"), "{all}");
}

/// Neither is the file's first line read wrongly, nor anything in it believed that another program has written.
#[test]
fn hostile_lines_are_passed_over() {
    let wrong = event(Reason::CodeWrong, Some("mallory"), "sshd", "192.0.2.66");
    let name = format!("x\" {wrong}");
    let mut text = [
        line(HOUR, "sshd", &wrong),
        line(HOUR, "sshd", &format!("Invalid user pam_twostep[1]: {wrong}")),
        line(HOUR, "pam_twostep", &event(Reason::AppPassword { name }, Some("alice"), "imap", "192.0.2.1")),
        line(HOUR, "pam_twostep", &wrong[..wrong.find("user=").unwrap() + 3]),
        line(HOUR, "pam_twostep", &wrong.repeat(1_500)),
        format!("{}\n", "pam_twostep[1]: ".repeat(7_000)),
    ]
    .concat();
    text.push_str(&line(HOUR, "pam_twostep", &event(Reason::Empty, Some("alice"), "sshd", "192.0.2.1")));
    let done = run(&["report", "refused", "--log", "-", "--json"], &text).is(0);
    let list: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!((list.as_array().unwrap().len(), &list[0]["reason"]), (1, &json!("empty")), "{list}");
}

#[test]
fn it_tells_of_a_configuration_that_refuses_everybody() {
    let place = Place::bare("report-broken");
    place.configure("nonsense");
    let broken = Reason::Configuration { cause: "config.toml:1:1: unknown key".into() };
    let file =
        place.write("log", &line(HOUR, "pam_twostep", &event(broken, None, "sshd", "192.0.2.1")), 0o600);
    let done = place.run(&["report", "refused", "--log", file.to_str().unwrap()]).is(0);
    done.shows("nobody gets in: configuration (config.toml:1:1: unknown key)").shows("sshd");
}

#[test]
fn a_file_that_is_not_there_is_told() {
    run(&["report", "refused", "--log", "/nowhere/auth.log"], "")
        .is(1)
        .says("/nowhere/auth.log: No such file");
    for arguments in [&["report"][..], &["report", "refused", "--since", "yesterday"]] {
        run(arguments, "").is(2);
    }
}
