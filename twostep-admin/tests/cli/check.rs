//! check: each finding by the stack, configuration or store that brings it about.

use crate::place::{Place, author};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use twostep_core::account::State;
use twostep_core::app_password::Label;
use twostep_core::attempt::Source;
use twostep_core::event::Reason;
use twostep_core::name::UserName;
use twostep_core::ports::Store;
use twostep_core::secret::Secret;
use twostep_core::time::{Now, UnixTime};
use twostep_core::totp::{Authenticator, AuthenticatorId, Offset, Parameters};
use twostep_core::verify::{Answer, verify};
use twostep_store::admin::{NewAuthenticator, NewEnrollment};

const APP: &str = "auth [success=done ignore=ignore default=die] pam_twostep.so app\n";
const COMMON_AUTH: &str =
    "auth [success=1 default=ignore] pam_unix.so\nauth requisite pam_deny.so\nauth required pam_permit.so\n";
const COMMON_ACCOUNT: &str =
    "account [success=1 default=ignore] pam_unix.so\naccount requisite pam_deny.so\n";

/// A healthy store, beside Debian's common files.
pub(crate) fn healthy(name: &str) -> Place {
    let place = Place::new(name);
    place.write("pam.d/common-auth", COMMON_AUTH, 0o644);
    place.write("pam.d/common-account", COMMON_ACCOUNT, 0o644);
    place.write("pam.d/common-session", "session required pam_unix.so\n", 0o644);
    place
}

/// What `check` says of one service, as `line severity message`.
pub(crate) fn of_service(place: &Place, service: &str, text: &str) -> Vec<String> {
    let path = place.write(&format!("pam.d/{service}"), text, 0o644);
    let found = findings(place);
    fs::remove_file(&path).unwrap();
    let of_it = |finding: &Value| {
        let line =
            finding["subject"].as_str()?.strip_prefix(path.to_str()?)?.trim_start_matches(':').to_owned();
        assert!(!finding["remedy"].as_str()?.is_empty());
        Some(format!("{line} {} {}", finding["severity"].as_str()?, finding["message"].as_str()?))
    };
    found.iter().filter_map(of_it).collect()
}

pub(crate) fn findings(place: &Place) -> Vec<Value> {
    let pam = place.folder.join("pam.d");
    let done = place.run(&["check", "--json", "--pam-dir", pam.to_str().unwrap()]);
    let document: Value = serde_json::from_str(&done.stdout).unwrap();
    let findings = document["findings"].as_array().unwrap().clone();
    let errors = findings.iter().any(|finding| finding["severity"] == "error");
    assert_eq!((document["ok"].as_bool(), done.status), (Some(!errors), i32::from(errors)), "{document}");
    findings
}

/// Exactly this one finding.
#[track_caller]
pub(crate) fn one(place: &Place, service: &str, text: &str, expected: &str) {
    let found = of_service(place, service, text);
    assert!(
        found.len() == 1 && found[0].contains(expected),
        "wanted {expected:?}, found {found:#?} in\n{text}"
    );
}

#[test]
fn the_documented_stacks_are_without_fault() {
    let place = healthy("check-good");
    let key = "auth [success=done ignore=ignore default=die] pam_twostep.so after-key\n";
    let ssh = "@include common-auth\nauth required pam_twostep.so\naccount required pam_nologin.so\n\
               account required pam_twostep.so\n@include common-account\n@include common-session\n";
    let imap = format!(
        "{APP}@include common-auth\naccount [success=done ignore=ignore default=die] pam_twostep.so app\n@include common-account\n"
    );
    let su = "auth sufficient pam_rootok.so\n@include common-auth\nauth required pam_twostep.so\n\
              account required pam_twostep.so\n@include common-account\n";
    let red_hat = "auth substack system-auth\nauth required pam_twostep.so [prompt=Your code: ] debug\n\
                   account required pam_twostep.so\naccount include system-auth\n";
    place.write("pam.d/system-auth", "auth sufficient pam_unix.so\nauth required pam_deny.so\n", 0o644);
    for (service, text) in
        [("sshd", ssh), ("sshd", &format!("{key}{ssh}")), ("imap", &imap), ("su", su), ("login", red_hat)]
    {
        assert_eq!(of_service(&place, service, text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn a_control_that_refuses_nobody_is_an_error() {
    let place = healthy("check-control");
    for control in ["optional", "sufficient", "[success=ok default=ignore]"] {
        let text = format!(
            "@include common-auth\nauth {control} pam_twostep.so\naccount required pam_twostep.so\n@include common-account\n"
        );
        one(&place, "login", &text, "2 error with this control a refusal does not refuse");
    }
}

/// libpam's own default is `bad`: what a control does not name is refused, tests/stacks/odd/only-default.
#[test]
fn a_control_without_a_default_refuses_and_one_that_cannot_be_read_refuses_everybody() {
    let place = healthy("check-default");
    let stack = |control: &str| {
        format!(
            "@include common-auth\nauth {control} pam_twostep.so\naccount required pam_twostep.so\n@include common-account\n"
        )
    };
    one(&place, "login", &stack("[success=ok]"), "2 warning users who are not enrolled are refused");
    one(
        &place,
        "login",
        &stack("requird"),
        "2 error libpam cannot read its control (no return value that libpam knows)",
    );
}

#[test]
fn a_password_that_never_comes_to_the_code_is_an_error() {
    let place = healthy("check-bypass");
    let rest = "account required pam_twostep.so\naccount required pam_unix.so\n";
    for (before, expected) in [
        ("auth sufficient pam_unix.so\n", "1 error who passes pam_unix.so here is never asked"),
        (
            "auth [success=1 default=ignore] pam_unix.so\n",
            "1 error who passes pam_unix.so here is never asked",
        ),
        ("auth sufficient pam_u2f.so\nauth required pam_unix.so\n", "1 warning who passes pam_u2f.so here"),
    ] {
        one(&place, "login", &format!("{before}auth required pam_twostep.so\n{rest}"), expected);
    }
    place.write("pam.d/system-auth", "auth sufficient pam_unix.so\nauth required pam_deny.so\n", 0o644);
    let text = format!("auth include system-auth\nauth required pam_twostep.so\n{rest}");
    one(&place, "login", &text, "1 error system-auth line 1 ends the stack, so that line 2 never asks");
    // A jump to the very line is the way around pam_deny.
    let text = format!(
        "auth [success=1 default=ignore] pam_unix.so\nauth requisite pam_deny.so\nauth required pam_twostep.so\n{rest}"
    );
    assert_eq!(of_service(&place, "login", &text), Vec::<String>::new());
}

#[test]
fn the_code_comes_after_the_password() {
    let place = healthy("check-order");
    let rest = "@include common-auth\naccount required pam_twostep.so\n@include common-account\n";
    let text = format!("auth required pam_twostep.so\n{rest}");
    one(&place, "login", &text, "1 warning no password module stands before it");
    let text = format!("auth [success=done ignore=ignore default=die] pam_twostep.so\n{rest}");
    one(&place, "login", &text, "1 error no password module stands before it: a right code is enough");
}

#[test]
fn an_account_line_is_wanted_and_stands_first() {
    let place = healthy("check-account");
    let auth = "@include common-auth\nauth required pam_twostep.so\n";
    one(
        &place,
        "sshd",
        &format!("{auth}@include common-account\n"),
        "2 error no account line: an ssh key alone opens",
    );
    one(&place, "login", &format!("{auth}@include common-account\n"), "2 warning no account line");
    let late = format!("{auth}@include common-account\naccount required pam_twostep.so\n");
    one(&place, "sshd", &late, "4 warning line 3 stands before it");
    let ending = format!(
        "{auth}account [success=done ignore=ignore default=die] pam_twostep.so\n@include common-account\n"
    );
    one(&place, "sshd", &ending, "3 error it ends the account phase");
}

#[test]
fn app_lines_stand_before_the_password_modules() {
    let place = healthy("check-app");
    one(
        &place,
        "imap",
        &format!("@include common-auth\n{APP}"),
        "2 error the password modules (line 1) stand before it",
    );
    for (line, expected) in [
        ("auth required pam_twostep.so app", "1 error an app password is not enough"),
        ("auth sufficient pam_twostep.so app", "1 error with this control a refusal does not refuse"),
        (
            "auth [success=done ignore=done default=die] pam_twostep.so app",
            "1 error users who are not enrolled get in",
        ),
        (
            "auth [success=done default=die] pam_twostep.so app",
            "1 warning whomever the line does not concern is refused",
        ),
        ("auth required pam_twostep.so", "1 error an app password is not enough"),
    ] {
        one(&place, "imap", &format!("{line}\n@include common-auth\n"), expected);
    }
}

#[test]
fn words_and_paths_are_looked_at() {
    let place = healthy("check-words");
    let stack = |words: &str| {
        format!(
            "@include common-auth\nauth required pam_twostep.so {words}\naccount required pam_twostep.so\n@include common-account\n"
        )
    };
    one(&place, "login", &stack("ap"), "2 error the module does not know the word \"ap\"");
    one(&place, "login", &stack("config=/nowhere"), "2 error there is no /nowhere: everybody is refused");
    one(&place, "login", &stack("config=x"), "2 error \"x\" is no absolute path");
    assert_eq!(of_service(&place, "login", &stack("\\\n  prompt=Code")), Vec::<String>::new());
    let dash = stack("").replace("auth required", "-auth required");
    // It fails all the same: tests/stacks/odd/missing-module.
    one(&place, "login", &dash, "2 warning the dash keeps it out of the log");
    let path = stack("").replace("auth required pam", "auth required /nowhere/pam");
    one(&place, "login", &path, "2 error there is no /nowhere/pam_twostep.so");
}

#[test]
fn files_that_others_include_are_judged_by_their_lines_alone() {
    let place = healthy("check-included");
    place.write(
        "pam.d/login",
        "@include common-auth\naccount required pam_twostep.so\n@include common-account\n",
        0o644,
    );
    let text = format!("{COMMON_AUTH}auth required pam_twostep.so\n");
    assert_eq!(of_service(&place, "common-auth", &text), Vec::<String>::new());
    one(
        &place,
        "common-auth",
        &text.replace("auth required pam_twostep", "auth optional pam_twostep"),
        "4 error with this control",
    );
}

#[test]
fn what_editors_leave_behind_is_no_service() {
    let place = healthy("check-left-behind");
    for name in ["sshd~", "sshd.dpkg-old", "sshd.rpmsave"] {
        assert_eq!(of_service(&place, name, "auth optional pam_twostep.so nonsense\n"), Vec::<String>::new());
    }
    assert!(
        findings(&place)
            .iter()
            .any(|finding| finding["message"].as_str().unwrap().contains("no service's file names"))
    );
}

/// The messages about anything else than stacks.
pub(crate) fn messages(place: &Place, severity: &str) -> Vec<String> {
    let of_it = |finding: &Value| {
        (finding["severity"] == severity).then(|| finding["message"].as_str().unwrap().to_owned())
    };
    findings(place).iter().filter_map(of_it).collect()
}

#[test]
fn a_healthy_host_has_no_errors() {
    let place = healthy("check-healthy");
    assert_eq!(messages(&place, "error"), Vec::<String>::new());
    let pam = place.folder.join("pam.d");
    place.run(&["check", "--pam-dir", pam.to_str().unwrap()]).is(0).shows("no errors").shows("hint:");
}

#[test]
fn configuration_mistakes_are_findings_with_their_place() {
    let place = healthy("check-config");
    place.configure("x = 1\ny = 2");
    let found = findings(&place);
    let errors: Vec<_> = found.iter().filter(|finding| finding["severity"] == "error").collect();
    assert_eq!(errors.len(), 2);
    assert!(errors[0]["subject"].as_str().unwrap().ends_with("config.toml:1:1"));
}

#[test]
fn key_and_store_are_looked_at() {
    let place = healthy("check-store");
    let (key, store) = (place.folder.join("key/master.key"), place.folder.join("store/store.db"));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(messages(&place, "error")[0].contains("can be read by others"));
    fs::write(&key, format!("{}\n", "0".repeat(64))).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(messages(&place, "error")[0].contains("wrong key"));
    fs::remove_file(&store).unwrap();
    assert!(messages(&place, "error")[0].contains("there is no store"));
    fs::remove_file(&key).unwrap();
    assert!(messages(&place, "error")[0].contains("there is no key"));
}

#[test]
fn a_folder_that_others_can_look_into_is_a_warning() {
    let place = healthy("check-folder");
    fs::set_permissions(place.folder.join("store"), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(messages(&place, "warning").iter().any(|message| message.contains("can be read by others")));
}

#[test]
fn accounts_that_have_changed_are_warnings() {
    let place = healthy("check-accounts");
    place.enroll_as("root", 4242);
    place.enroll_as("gone-user", 4343);
    let warnings = messages(&place, "warning").join("\n");
    assert!(warnings.contains("was enrolled as uid 4242 and has uid 0 now"), "{warnings}");
    assert!(warnings.contains("has no account any more"), "{warnings}");
    // root is enrolled, if not as uid 0: there is no room for another one under that name.
    place.enroll_as("old-name", 0);
    let warnings = messages(&place, "warning").join("\n");
    assert!(warnings.contains("root, who has its uid, is enrolled as well"), "{warnings}");
}

#[test]
fn an_account_that_was_renamed_is_a_warning_with_the_remedy() {
    let place = healthy("check-renamed");
    place.enroll_as("old-name", 0);
    let found = findings(&place);
    let renamed = found.iter().find(|finding| finding["subject"] == "old-name").unwrap();
    assert_eq!(renamed["severity"], "warning");
    assert_eq!(
        renamed["message"],
        "has no account any more, but root has its uid: if that is a new name, root gives no code"
    );
    let remedy = renamed["remedy"].as_str().unwrap();
    assert!(remedy.contains("twostep-admin settle old-name --rename root"), "{remedy}");
    place.run(&["settle", "old-name", "--rename", "root", "--yes"]).is(0);
    assert!(findings(&place).iter().all(|finding| finding["subject"] != "old-name"));
    // The name was given to another account, and its old one has a new name.
    place.run(&["unenroll", "root", "--yes"]).is(0);
    place.enroll_as("daemon", 0);
    let found = findings(&place);
    let reused = found.iter().find(|finding| finding["subject"] == "daemon").unwrap();
    assert!(reused["remedy"].as_str().unwrap().contains("--rename root"), "{reused}");
}

/// A phone of each of these users whose latest code is of so many seconds from now.
pub(crate) fn enroll_ahead(place: &Place, users: u32, seconds: i64) {
    let period = 30;
    let now = twostep_store::host::now().wall;
    let step = u64::try_from((now.0 + seconds) / period).unwrap();
    for n in 0..users {
        let new = NewEnrollment {
            user: &UserName::parse(&format!("user{n}")).unwrap(),
            uid: 5_000 + n,
            state: State::Active,
            authenticator: Some(NewAuthenticator {
                label: &Label::parse("phone").unwrap(),
                parameters: Parameters::COMMON,
                secret: &Secret::new(b"12345678901234567890".to_vec()),
                last_step: Some(step),
                confirmed: Some(Offset::Steps(0)),
            }),
            backup_codes: &[],
            at: now,
        };
        place.session().enroll(&new, &author()).unwrap();
    }
}

#[test]
fn a_clock_behind_codes_that_were_used_is_an_error_that_names_whose() {
    let place = healthy("check-clock-back");
    enroll_ahead(&place, 7, 3_600);
    let found = findings(&place);
    let clock = found.iter().find(|finding| finding["subject"] == "clock").unwrap();
    assert_eq!(clock["severity"], "error");
    assert_eq!(
        clock["message"],
        "used codes of user0, user1, user2, user3, user4 and 2 more lie ahead of this host's clock: theirs of now are refused"
    );
    assert!(clock["remedy"].as_str().unwrap().contains("twostep-admin unlock USER"));
    for n in 0..6 {
        place.run(&["unlock", &format!("user{n}")]).is(0);
    }
    let errors = messages(&place, "error").join("\n");
    assert!(errors.contains("used codes of user6 lie ahead"), "{errors}");
    place.run(&["unlock", "user6"]).is(0);
    assert_eq!(messages(&place, "error"), Vec::<String>::new());
}

/// The code of the step after the present one is accepted, and no sign of a clock that is wrong; nor is a counter, however high.
#[test]
fn a_code_of_the_next_step_and_a_counter_are_not_ahead() {
    let place = healthy("check-clock-right");
    enroll_ahead(&place, 1, 30);
    place.run(&["enroll", "root", "--hotp", "--counter", "99999999999", "--activate"]).is(0);
    assert_eq!(messages(&place, "error"), Vec::<String>::new());
}

#[test]
fn a_clock_behind_the_latest_code_is_an_error_with_its_time() {
    let place = healthy("check-clock-latest");
    enroll_ahead(&place, 1, 0);
    let (mut session, now) = (place.session(), twostep_store::host::now());
    let ahead = Now { wall: UnixTime(now.wall.0 + 86_400), ..now };
    let enrollment = session.summaries(None).unwrap()[0].enrollment.id;
    let phone = Authenticator {
        id: AuthenticatorId(0),
        parameters: Parameters::COMMON,
        secret: Secret::new(b"12345678901234567890".to_vec()),
        last_step: None,
    };
    let answer = Answer::Code(phone.code(Parameters::COMMON.step_at(ahead.wall).unwrap()));
    let home = Source::of_host("203.0.113.9", &[]);
    let mut judge = |credentials: Option<&_>| verify(&answer, credentials, &ahead).unwrap();
    let outcome = session.judge(enrollment, &home, answer.kind(), &ahead, &mut judge).unwrap();
    assert_eq!(outcome.reason, Reason::Code { authenticator: 1 });
    drop(session);
    let errors = messages(&place, "error").join("\n");
    assert!(
        errors.contains("this host's clock is behind 2") && errors.contains("when a right code came"),
        "{errors}"
    );
    assert!(errors.contains("used codes of user0 lie ahead"), "{errors}");
    place.run(&["unlock", "user0"]).is(0);
    assert_eq!(messages(&place, "error"), Vec::<String>::new());
}

#[test]
fn a_secret_that_does_not_open_is_an_error() {
    let place = healthy("check-damage");
    place.run(&["enroll", "root", "--activate"]).is(0);
    let store = place.folder.join("store/store.db");
    let mut bytes = fs::read(&store).unwrap();
    // Label and algorithm stand in the authenticator's row right before what is sealed, digits and period between them.
    let label = bytes.windows(9).position(|found| found == b"phonesha1").unwrap();
    let at = label + 9 + 20;
    bytes[at] ^= 1;
    fs::write(&store, bytes).unwrap();
    let errors = messages(&place, "error").join("\n");
    assert!(errors.contains("does not open"), "{errors}");
}

/// No broker is there for a store of one's own: what that means goes by who needs one.
#[test]
fn a_broker_that_is_not_there_is_an_error_where_somebody_needs_it() {
    let place = healthy("check-broker");
    fs::create_dir_all(place.folder.join("run")).unwrap();
    let notes = messages(&place, "note").join("\n");
    assert!(notes.contains("users cannot use twostep(1)"), "{notes}");
    assert!(notes.contains("users cannot change anything themselves"), "{notes}");

    let asks = "@include common-auth\nauth required pam_twostep.so\naccount required pam_twostep.so\n@include common-account\n";
    place.write("pam.d/twostep", "@include common-auth\n@include common-account\n", 0o644);
    place.write("pam.d/sshd", asks, 0o644);
    assert_eq!(messages(&place, "error"), Vec::<String>::new());
    assert!(!messages(&place, "note").join("\n").contains("users cannot change anything"));
    place.write("pam.d/su", asks, 0o644);
    place.write("pam.d/postgresql", asks, 0o644);
    let errors = messages(&place, "error").join("\n");
    assert!(errors.ends_with("nobody gets in by su"), "{errors}");
    place.configure("[broker]\ncallers = { root = [\"postgresql\"] }");
    let errors = messages(&place, "error").join("\n");
    assert!(errors.ends_with("nobody gets in by postgresql, su"), "{errors}");
}

#[test]
fn names_that_nss_does_not_know_are_told() {
    let place = healthy("check-broker-names");
    place.configure(
        "[broker]\ncallers = { nobody-here = [\"exim\"] }\nhelp_desk = \"no-desk\"\nprotected = [\"root\", \"no-such\"]",
    );
    let warnings = messages(&place, "warning").join("\n");
    assert!(warnings.contains("callers names this user") && warnings.contains("nobody is of the help desk"));
    let errors = messages(&place, "error").join("\n");
    assert!(errors.contains("the help desk can do nothing"), "{errors}");
}
