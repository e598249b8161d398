//! The day on which a phone is lost, and a thief on that day: a bypass code signs in and sets another phone up.

use twostep_tests::callers::as_user;
use twostep_tests::console::Console;
use twostep_tests::own::{done, enroll, last_line, twostep};
use twostep_tests::{Host, Phone, Ssh, in_box};

const PASSWORD: &str = "correct horse";
const REPLACE: [&str; 2] = ["authenticator", "replace"];
const NEW_CODE: &str = "Code that the authenticator shows: ";

fn signs_in(code: &str) -> bool {
    Ssh::to("alice").answers(&[PASSWORD, code]).run("true").success
}

/// A bypass code for alice, given by an administrator.
fn bypass(host: &Host, uses: &str) -> String {
    let given = host.admin_json(&["bypass", "alice", "--for", "1h", "--uses", uses]);
    given["code"].as_str().expect("a code").to_owned()
}

/// One that a login has used up.
fn used_up(host: &Host) -> String {
    let code = bypass(host, "1");
    assert!(signs_in(&code));
    code
}

/// Alice with `twostep`, who has given password and code.
fn proven(host: &Host, arguments: &[&str], code: &str) -> Console {
    let mut console = as_user(host, "alice", "/usr/bin/twostep", arguments, &[]);
    console.answer("Password: ", PASSWORD);
    console.answer("Verification code: ", code);
    console
}

/// The phone whose secret is being shown.
fn shown_phone(console: &mut Console) -> Phone {
    console.wait_for("secret  ");
    let secret: String = console.wait_for("\n").chars().filter(|c| !c.is_whitespace()).collect();
    Phone::new(&secret)
}

fn is_refused(host: &Host, arguments: &[&str], code: &str) {
    let (status, shown) =
        twostep(host, "alice", arguments, &[("Password: ", PASSWORD), ("Verification code: ", code)]);
    assert!(
        status == 1 && shown.contains("not accepted") && !shown.contains("secret"),
        "{arguments:?}: {shown}"
    );
}

/// What alice's authenticators are called.
fn names(host: &Host) -> Vec<String> {
    let listed = host.admin_json(&["authenticator", "list", "alice"]);
    let all = listed.as_array().expect("a list").iter();
    all.map(|one| one["label"].as_str().expect("a name").to_owned()).collect()
}

fn begin(host: &Host) -> Phone {
    host.add_user("alice", PASSWORD);
    host.wire_sshd();
    host.start_sshd("");
    host.enroll("alice")
}

#[test]
fn one_bypass_code_covers_a_login_and_the_next_phone() {
    in_box(|host| {
        let mut lost = begin(host);
        let _broker = host.start_broker();
        let shown = host.admin(&["bypass", "alice", "--for", "1h"]).expect_success().stdout;
        assert!(shown.contains("twostep authenticator replace"), "{shown}");
        let code = last_line(&shown).to_owned();
        let attempt = Ssh::to("alice").answers(&[PASSWORD, &code]).run("true");
        assert!(attempt.success, "{attempt:#?}");
        let told = "used up for signing in. Is your phone lost?";
        assert!(
            attempt.stderr.contains(told) && attempt.stderr.contains("twostep authenticator replace"),
            "{attempt:#?}"
        );

        let mut console = proven(host, &REPLACE, &code);
        let mut found = shown_phone(&mut console);
        // Until the first code has come, nothing has changed: the lost phone, were it found, still lets in.
        assert!(signs_in(&lost.fresh_code()));
        console.answer(NEW_CODE, &found.wrong_code());
        console.answer(NEW_CODE, &found.fresh_code());
        assert_eq!(console.end(), Some(0), "{}", console.shown());
        assert!(console.shown().contains("replaced \"phone\""), "{}", console.shown());
        assert!(!console.shown().contains("used up for signing in"), "{}", console.shown());

        assert!(signs_in(&found.fresh_code()));
        assert!(!signs_in(&lost.fresh_code()));
        assert!(!signs_in(&code));
        assert_eq!(names(host), ["phone"]);
        assert_eq!(host.admin_json(&["show", "alice"])["backup_codes_left"], 10);
        host.wait_for_log(&[
            "result=changed",
            "reason=authenticator-replace",
            "user=alice",
            "by=self",
            "name=phone",
        ]);
        let history = done(host, "alice", &["history"], &[]);
        assert!(
            history.lines().any(|line| line.contains("authenticator-replace") && line.contains("self")),
            "{history}"
        );
    });
}

/// Somebody has looked over the owner's shoulder while the code was entered at a login.
#[test]
fn a_bypass_code_that_was_seen_proves_nothing_but_one_replacement() {
    in_box(|host| {
        begin(host);
        let policy = host
            .read("/etc/twostep/config.toml")
            .replace("#self_service.unenroll = \"deny\"", "self_service.unenroll = \"allow\"");
        host.write("/etc/twostep/config.toml", &policy);
        host.add_app_password("alice", "mail");
        let _broker = host.start_broker();
        let code = used_up(host);
        for change in [
            &["app-password", "add", "evil"][..],
            &["app-password", "revoke", "mail"],
            &["backup-codes"],
            &["authenticator", "add", "evil"],
        ] {
            is_refused(host, change, &code);
        }
        let (status, shown) = twostep(
            host,
            "alice",
            &["unenroll"],
            &[("Type yes to go on [y/N] ", "yes"), ("Password: ", PASSWORD), ("Verification code: ", &code)],
        );
        assert!(status == 1 && shown.contains("not accepted"), "{shown}");
        assert!(!signs_in(&code));
        // Its wrong tries are told to the owner.
        assert_eq!(host.admin_json(&["show", "alice"])["state"], "active");
        let (status, shown) = twostep(host, "alice", &REPLACE, &[("Password: ", "wrong")]);
        assert!(status == 1 && !shown.contains("secret"), "{shown}");
        // What has proven one replacement, whatever became of it, proves no other.
        let mut console = proven(host, &REPLACE, &code);
        shown_phone(&mut console);
        is_refused(host, &REPLACE, &code);
        // A new one ends it even while a secret is on the screen.
        let other = used_up(host);
        let mut thief = proven(host, &REPLACE, &other);
        let mut thiefs = shown_phone(&mut thief);
        let last = bypass(host, "1");
        thief.answer(NEW_CODE, &thiefs.fresh_code());
        assert_eq!(thief.end(), Some(1), "{}", thief.shown());
        assert!(thief.shown().contains("changed at the same time"), "{}", thief.shown());
        is_refused(host, &REPLACE, &other);
        assert_eq!(names(host), ["phone"]);
        assert!(signs_in(&last));
    });
}

/// Both have a session: the owner with a bypass code, and the thief who has found the phone.
#[test]
fn of_two_who_replace_a_phone_the_second_is_refused() {
    in_box(|host| {
        let mut lost = begin(host);
        let _broker = host.start_broker();
        let code = used_up(host);
        let mut thief = proven(host, &REPLACE, &lost.fresh_code());
        let mut adder = proven(host, &["authenticator", "add", "mine"], &lost.fresh_code());
        let mut owner = proven(host, &REPLACE, &code);
        let mut owners = shown_phone(&mut owner);
        owner.answer(NEW_CODE, &owners.fresh_code());
        assert_eq!(owner.end(), Some(0), "{}", owner.shown());
        for console in [&mut thief, &mut adder] {
            let mut thiefs = shown_phone(console);
            console.answer(NEW_CODE, &thiefs.fresh_code());
            assert_eq!(console.end(), Some(1), "{}", console.shown());
            assert!(console.shown().contains("changed at the same time"), "{}", console.shown());
            assert!(!signs_in(&thiefs.fresh_code()));
        }
        assert_eq!(names(host), ["phone"]);
        assert!(signs_in(&owners.fresh_code()));
    });
}

/// Anyone who has the lost phone and a session waits with a secret on the screen until the phone is off.
#[test]
fn what_a_removed_phone_has_proven_makes_no_new_one() {
    in_box(|host| {
        let mut lost = begin(host);
        host.admin_json(&["authenticator", "add", "alice", "tablet", "--activate", "--no-qr"]);
        let _broker = host.start_broker();
        let mut thief = proven(host, &["authenticator", "add", "mine"], &lost.fresh_code());
        let mut thiefs = shown_phone(&mut thief);
        host.admin(&["authenticator", "remove", "alice", "phone", "--yes"]).expect_success();
        thief.answer(NEW_CODE, &thiefs.fresh_code());
        assert_eq!(thief.end(), Some(1), "{}", thief.shown());
        assert!(thief.shown().contains("changed at the same time"), "{}", thief.shown());
        assert_eq!(names(host), ["tablet"]);
    });
}

#[test]
fn of_several_one_is_named_and_any_code_of_ones_own_proves_it() {
    in_box(|host| {
        host.add_user("alice", PASSWORD);
        let _broker = host.start_broker();
        let (_phone, codes) = enroll(host, "alice", PASSWORD);
        let tablet = host.admin_json(&["authenticator", "add", "alice", "tablet", "--activate", "--no-qr"]);
        let mut tablet = Phone::from_enrollment(&tablet);
        let (status, shown) = twostep(host, "alice", &REPLACE, &[]);
        assert!(status == 1 && shown.contains("\"phone\", \"tablet\""), "{shown}");
        let (status, shown) = twostep(host, "alice", &["authenticator", "replace", "watch"], &[]);
        assert!(status == 1 && shown.contains("no authenticator"), "{shown}");
        for code in [codes[0].clone(), tablet.fresh_code()] {
            let mut console = proven(host, &["authenticator", "replace", "phone"], &code);
            let mut new = shown_phone(&mut console);
            console.answer(NEW_CODE, &new.fresh_code());
            assert_eq!(console.end(), Some(0), "{}", console.shown());
            assert_eq!(names(host), ["tablet", "phone"]);
        }
    });
}

#[test]
fn an_administrator_replaces_a_phone_with_one_command() {
    in_box(|host| {
        let mut lost = begin(host);
        let code = bypass(host, "2");
        assert!(signs_in(&code));
        let mut console =
            Console::open("/usr/sbin/twostep-admin", &["authenticator", "replace", "alice", "--no-qr"]);
        let mut new = shown_phone(&mut console);
        assert!(signs_in(&lost.fresh_code()));
        console.answer(NEW_CODE, &new.fresh_code());
        assert_eq!(console.end(), Some(0), "{}", console.shown());
        assert!(signs_in(&new.fresh_code()));
        for code in [&lost.fresh_code(), &code] {
            assert!(!signs_in(code));
        }
        assert_eq!(names(host), ["phone"]);
        host.wait_for_log(&["twostep-admin[", "reason=authenticator-replace", "user=alice", "name=phone"]);
        // Without a first code nothing is replaced.
        assert!(!host.admin(&["authenticator", "replace", "alice", "--no-qr"]).success());
        assert_eq!(host.admin(&["--json", "authenticator", "replace", "alice"]).status, 2);
        assert!(signs_in(&new.fresh_code()));
        host.admin(&["enroll", "root", "--app-only"]).expect_success();
        assert!(!host.admin(&["authenticator", "replace", "root"]).success());
    });
}
