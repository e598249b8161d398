//! config check: mistakes, what would change, and for which users, and an exit status. It writes nothing.

use crate::place::Place;
use serde_json::Value;
use std::fs;

const SSHD: &str = "auth required pam_unix.so\nauth required pam_twostep.so\n";
const IMAP: &str = "auth sufficient pam_twostep.so app\nauth required pam_unix.so\n";
/// Accounts that every host has.
const USERS: [&str; 2] = ["daemon", "root"];

fn with_services(name: &str) -> Place {
    let place = Place::new(name);
    place.write("pam.d/sshd", SSHD, 0o644);
    place.write("pam.d/imap", IMAP, 0o644);
    place
}

/// The configuration in force, and a new one with the same paths.
fn candidate(place: &Place, text: &str) -> String {
    let paths = fs::read_to_string(place.folder.join("config.toml")).unwrap();
    let (_, paths) = paths.split_once("[paths]").unwrap();
    place.write("new.toml", &format!("{text}\n[paths]{paths}"), 0o644).to_str().unwrap().to_owned()
}

fn check(place: &Place, text: &str) -> Value {
    let file = candidate(place, text);
    place.json(&["config", "check", &file, "--pam-dir", place.folder.join("pam.d").to_str().unwrap()])
}

/// For whom of the accounts that every host has there is a change: service, place, before, after, users.
fn changes(told: &Value) -> Vec<(String, String, String, String, Vec<String>)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let change = |one: &Value| {
        let users = one["users"].as_array().unwrap().iter().map(text);
        let users: Vec<_> = users.filter(|user| USERS.contains(&user.as_str())).collect();
        let words = |side: &str| text(&one[side]["words"]);
        let change = (text(&one["service"]), text(&one["where"]), words("before"), words("after"), users);
        (!change.4.is_empty()).then_some(change)
    };
    told["changes"].as_array().unwrap().iter().filter_map(change).collect()
}

fn change(
    service: &str,
    place: &str,
    before: &str,
    after: &str,
    users: &[&str],
) -> (String, String, String, String, Vec<String>) {
    let own = str::to_owned;
    (own(service), own(place), own(before), own(after), users.iter().map(|user| own(user)).collect())
}

const ALLOWED: &str = "not enrolled, the password is enough";
const EXEMPT: &str = "exempt, the password is enough";

#[test]
fn every_mistake_is_told_with_file_line_key_and_remedy() {
    let place = Place::bare("config-check-mistakes");
    let file = place.write("new.toml", "[interactive]\ntrust = []\n[interactive]\n", 0o644);
    let done = place.run(&["config", "check", file.to_str().unwrap()]).is(1);
    let told =
        format!("{}:3:2: the section [interactive] was begun on line 1 already\n  hint: ", file.display());
    done.shows(&told).shows("1 mistake; as the configuration it would refuse every login");
    let done = place.run_with(&["--json", "config", "check", "-"], "isuer = 1\n").is(1);
    let told: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!((told["ok"].as_bool(), told["mistakes"][0]["line"].as_u64()), (Some(false), Some(1)));
    assert!(told["mistakes"][0]["hint"].as_str().unwrap().contains("known here"), "{told}");
    place.run_with(&["config", "check", "-"], "[interactive]\n").is(0).shows("standard input: no mistakes");
    place.run(&["config", "check", "/no/such/file"]).is(1).says("cannot be read").says("hint:");
    place.run(&["config", "check", place.folder.to_str().unwrap()]).is(1).says("cannot be read");
    place.run_with(&["config", "check", "-"], &"#".repeat((1 << 20) + 1)).is(3).says("longer than");
}

#[test]
fn the_file_in_force_is_looked_at_by_default_with_its_owner_and_mode() {
    let place = Place::bare("config-check-in-force");
    place.run(&["config", "check"]).is(0).shows("config.toml: no mistakes");
    place.configure("nonsense");
    place.run(&["config", "check"]).is(1).shows("config.toml:1:");
    place.configure("");
    fs::set_permissions(
        place.folder.join("config.toml"),
        std::os::unix::fs::PermissionsExt::from_mode(0o666),
    )
    .unwrap();
    place.run(&["config", "check"]).is(3).says("can be written by others");
}

#[test]
fn it_needs_no_store_and_makes_none() {
    let place = Place::bare("config-check-no-store");
    place.write("pam.d/sshd", SSHD, 0o644);
    let told = check(&place, "[[rule]]\nuser = \"daemon\"\nunenrolled = \"deny\"\n");
    assert_eq!(changes(&told), [change("sshd", "", ALLOWED, "refused (not-enrolled)", &["daemon"])]);
    assert!(told["warnings"][0].as_str().unwrap().contains("as if nobody were"), "{told}");
    for made in ["store", "key", "roster", "run", ".lock.config.toml", ".edit.config.toml"] {
        assert!(!place.folder.join(made).exists(), "{made}");
    }
}

#[test]
fn whoever_is_asked_for_something_else_is_told_by_service_and_place() {
    let place = with_services("config-check-people");
    place.run(&["enroll", "daemon", "--activate"]).is(0);
    place.configure("[[rule]]\nservice = \"sshd\"\nuser = \"daemon\"\ndemand = \"nothing\"\n");
    // The exemption goes; those who are not enrolled are refused at prompts, but from the office.
    let told = check(
        &place,
        "[interactive]\nunenrolled = \"deny\"\n[[rule]]\nservice = \"sshd\"\nuser = \"root\"\nfrom = \"192.0.2.0/24\"\ndemand = \"nothing\"\n",
    );
    assert_eq!(
        changes(&told),
        [
            change("sshd", "", EXEMPT, "asked for a code", &["daemon"]),
            change("sshd", "elsewhere", ALLOWED, "refused (not-enrolled)", &["root"]),
            change("sshd", "from 192.0.2.0/24", ALLOWED, EXEMPT, &["root"]),
        ]
    );
    let rules = &told["rules"];
    assert_eq!(rules["added"][0], "service sshd; from 192.0.2.0/24; user root; demand nothing");
    assert_eq!(rules["removed"][0], "service sshd; user daemon; demand nothing");
    assert_eq!(told["settings"][0]["key"], "[interactive] unenrolled");
    let file = candidate(&place, "");
    let pam = place.folder.join("pam.d");
    let done = place.run(&["config", "check", &file, "--pam-dir", pam.to_str().unwrap()]).is(0);
    done.shows("sshd: 1 user more asked for a code (until now: exempt, the password is enough): daemon\n");
}

#[test]
fn dates_and_app_services_are_told() {
    let place = with_services("config-check-app");
    place.run(&["enroll", "daemon", "--activate"]).is(0);
    let told = check(
        &place,
        "[app]\nunenrolled = \"deny from 2099-01-01\"\n[[rule]]\nuser = \"root\"\nunenrolled = [\"allow\", \"enroll from 2099-01-01\"]\n",
    );
    let mut found = changes(&told);
    found.retain(|one| one.4 == ["root"]);
    let by = "not enrolled, asked to set two-step up, which they must from 2099-01-01";
    assert_eq!(found, [change("sshd", "", ALLOWED, by, &["root"])]);
    // What is no app service any more asks for a code.
    place.write("pam.d/smtp", SSHD, 0o644);
    let told = check(&place, "[app]\nservices = [\"imap\"]\n");
    assert_eq!(
        changes(&told),
        [change("smtp", "", "asked for an app password", "asked for a code", &["daemon"])]
    );
}

#[test]
fn grants_and_paths_that_change_are_told_with_what_that_means() {
    let place = with_services("config-check-settings");
    let text = "[broker]\nhelp_desk = \"daemon\"\ncallers = { daemon = [\"imap\"] }\nprotected = [\"root\"]\n[self_service]\nenroll = \"deny\"\n";
    let file = candidate(&place, text);
    let new =
        fs::read_to_string(&file).unwrap().replace("store.db", "other.db").replace("master.key", "other.key");
    fs::write(&file, new).unwrap();
    let done = place
        .run(&["config", "check", &file, "--pam-dir", place.folder.join("pam.d").to_str().unwrap()])
        .is(0);
    for told in [
        "  [self_service] enroll: allow -> deny\n",
        "  [broker] callers: none -> daemon: imap\n",
        "  [broker] help_desk: nobody -> daemon\n    members see enrollments",
        "-> root\n    the help desk can give bypass codes",
        "store.db -> ",
        "in a new one nobody is enrolled",
        "without the key of the store",
    ] {
        assert!(done.stdout.contains(told), "no {told:?} in {}", done.stdout);
    }
}

#[test]
fn lines_of_another_configuration_are_none_of_its_business() {
    let place = Place::new("config-check-other");
    let line = format!("{} config=/etc/twostep/other.toml\n", SSHD.trim_end());
    place.write("pam.d/sshd", &line, 0o644);
    let told = check(&place, "[interactive]\nunenrolled = \"deny\"\n");
    assert_eq!(changes(&told), []);
    assert!(told["warnings"][0].as_str().unwrap().contains("nothing is demanded of anybody"), "{told}");
}

#[test]
fn what_check_has_an_error_for_is_told_and_fails() {
    let place = with_services("config-check-errors");
    let pam = place.folder.join("pam.d");
    let status = |text: &str, status: i32| {
        let file = candidate(&place, text);
        place.run(&["config", "check", &file, "--pam-dir", pam.to_str().unwrap()]).is(status)
    };
    status("[[rule]]\nservice = \"imap\"\ndemand = \"code\"\n", 1).shows("[rule-refuses-everybody]");
    // A directory may be down.
    status("[[rule]]\nservice = \"sshd\"\ngroup = \"no-such-group\"\ndemand = \"code\"\n", 0)
        .shows("[rule-group-unknown]");
    place.configure("nonsense");
    let paths = "[paths]\nstore = \"/x/y\"\n";
    let file = place.write("new.toml", paths, 0o644);
    place.run(&["config", "check", file.to_str().unwrap()]).is(0).shows("the file in force cannot be used");
}
