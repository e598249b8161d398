//! enroll, unenroll, show, list.

use crate::place::Place;
use serde_json::{Value, json};
use twostep_core::secret::Secret;
use twostep_core::time::UnixTime;
use twostep_core::totp::{Authenticator, AuthenticatorId, Parameters};
use twostep_store::host;

/// RFC 6238 appendix B.
const RFC: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

/// What a phone with that secret shows in so many seconds.
fn code_in(seconds: i64) -> String {
    let phone = Authenticator {
        id: AuthenticatorId(0),
        parameters: Parameters::COMMON,
        secret: Secret::new(b"12345678901234567890".to_vec()),
        last_step: None,
    };
    phone.code(Parameters::COMMON.step_at(UnixTime(host::now().wall.0 + seconds)).unwrap()).to_string()
}

#[test]
fn a_secret_that_was_given_comes_back_as_json_and_uri() {
    let place = Place::new("enroll-rfc");
    let done = place
        .run_with(
            &["--json", "enroll", "root", "--secret-file", "-", "--activate", "--label", "old token"],
            "gezd gnbv gy3t qojq gezd gnbv gy3t qojq\n",
        )
        .is(0);
    let mut made: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(made["backup_codes"].as_array_mut().unwrap().drain(..).count(), 10);
    let uri = made["authenticator"]["uri"].take();
    assert_eq!(
        made,
        json!({
            "user": "root", "uid": 0, "state": "active", "app_only": false, "backup_codes": [],
            "authenticator": {
                "id": 1, "type": "totp", "label": "old token", "algorithm": "sha1", "digits": 6, "period": 30,
                "secret": RFC, "uri": null,
            },
        })
    );
    let uri = uri.as_str().unwrap();
    assert!(uri.starts_with("otpauth://totp/") && uri.ends_with(&format!(":root?secret={RFC}")), "{uri}");
}

#[test]
fn a_new_secret_is_as_long_as_its_hash() {
    let place = Place::new("enroll-lengths");
    for (algorithm, letters) in [("sha1", 32), ("sha256", 52), ("sha512", 103)] {
        let made = place.json(&[
            "enroll",
            "root",
            "--activate",
            "--algorithm",
            algorithm,
            "--digits",
            "8",
            "--period",
            "60",
        ]);
        let authenticator = &made["authenticator"];
        assert_eq!(authenticator["secret"].as_str().unwrap().len(), letters, "{algorithm}");
        assert_eq!((&authenticator["digits"], &authenticator["period"]), (&json!(8), &json!(60)));
        place.run(&["unenroll", "root", "--yes"]).is(0);
    }
}

#[test]
fn the_issuer_is_the_configured_one() {
    let place = Place::new("enroll-issuer");
    place.configure("issuer = \"Example Ltd\"");
    let made = place.json(&["enroll", "root", "--pending"]);
    assert_eq!(made["state"], "pending");
    let uri = made["authenticator"]["uri"].as_str().unwrap();
    assert!(uri.starts_with("otpauth://totp/Example%20Ltd:root?"), "{uri}");
}

#[test]
fn a_right_first_code_enrolls_and_is_consumed() {
    let place = Place::new("enroll-confirmed");
    let file = place.write("secret", RFC, 0o600);
    let enroll = ["enroll", "root", "--secret-file", file.to_str().unwrap()];
    let code = code_in(0);
    let done = place.run_with(&enroll, &format!("000000\n {} {}\n", &code[..3], &code[3..])).is(0);
    let done = done.shows("GEZD GNBV GY3T QOJQ").shows("otpauth://totp/").shows("root is enrolled (active)");
    assert!(!done.stdout.contains('\u{1b}'), "no QR code where nobody sees it");
    let shown = place.json(&["show", "root"]);
    let phone = &shown["authenticators"][0];
    assert!(phone["last_used"].is_string() && phone["off_by"] == 0, "{shown}");
    place.run(&["show", "root"]).is(0).shows("LAST CODE").shows("just now, on time");
    assert_eq!(shown["backup_codes_left"], 10);
}

#[test]
fn three_wrong_codes_store_nothing() {
    let place = Place::new("enroll-wrong");
    place.run_with(&["enroll", "root"], "1\n2\n3\n4\n").is(1).says("nothing was stored").says("hint:");
    place.run_with(&["enroll", "root"], "").is(1).says("nothing was stored");
    assert_eq!(place.json(&["show", "root"])["state"], "none");
}

#[test]
fn a_phone_whose_clock_is_wrong_is_told_so_and_not_accepted() {
    let place = Place::new("enroll-drift");
    let file = place.write("secret", RFC, 0o600);
    let code = code_in(300);
    place
        .run_with(&["enroll", "root", "--secret-file", file.to_str().unwrap()], &format!("{code}\n"))
        .is(1)
        .says("differ by about 300 seconds (the phone is ahead)");
    assert_eq!(place.json(&["show", "root"])["state"], "none");
}

#[test]
fn bad_secrets_are_refused() {
    let place = Place::new("enroll-bad-secret");
    let enroll = ["enroll", "root", "--activate", "--secret-file", "-"];
    place.run_with(&enroll, "GEZDGNBV\n").is(1).says("the secret has 5 bytes").says("16 to 128");
    place.run_with(&enroll, "certainly not!\n").is(1).says("no base32");
    place.run(&["enroll", "root", "--activate", "--secret-file", "/nowhere"]).is(1).says("/nowhere");
    let file = place.write("open", RFC, 0o644);
    place
        .run(&["enroll", "root", "--activate", "--secret-file", file.to_str().unwrap()])
        .is(0)
        .says("warning: others can read");
}

#[test]
fn without_a_mode_json_cannot_ask() {
    let place = Place::new("enroll-json-mode");
    let done = place.run(&["enroll", "root", "--json"]).is(2).says("--activate, --pending or --app-only");
    assert_eq!(done.stdout, "");
    place.run(&["enroll", "root", "--secret-file", "-"]).is(2).says("standard input");
}

#[test]
fn nobody_is_enrolled_twice() {
    let place = Place::new("enroll-twice");
    place.run(&["enroll", "root", "--pending", "--no-qr"]).is(0).shows("(pending)");
    place
        .run(&["enroll", "root", "--activate"])
        .is(1)
        .says("root is already enrolled (pending)")
        .says("hint:");
}

#[test]
fn who_never_sees_a_prompt_gets_no_authenticator() {
    let place = Place::new("enroll-app-only");
    let made = place.json(&["enroll", "root", "--app-only"]);
    assert_eq!((&made["authenticator"], &made["backup_codes"]), (&Value::Null, &json!([])));
    let shown = place.json(&["show", "root"]);
    assert_eq!((&shown["state"], &shown["app_only"]), (&json!("active"), &json!(true)));
    place.run(&["enroll", "root", "--app-only", "--digits", "8"]).is(2);
}

#[test]
fn strangers_are_not_enrolled() {
    let place = Place::new("enroll-stranger");
    for command in [
        &["enroll", "no-such-user", "--activate"][..],
        &["show", "no-such-user"],
        &["unlock", "no-such-user"],
    ] {
        place.run(command).is(1).says("there is no user \"no-such-user\"").says("getent");
    }
    place.run(&["show", "a:b"]).is(1).says("no user name");
}

#[test]
fn unenrolling_wants_a_yes_and_leaves_nothing() {
    let place = Place::new("unenroll");
    place.run(&["unenroll", "root", "--yes"]).is(1).says("root is not enrolled");
    place.run(&["enroll", "root", "--activate"]).is(0);
    place.run(&["app-password", "add", "root", "phone"]).is(0);
    place.run_with(&["unenroll", "root"], "yes\n").is(2).says("--yes");
    assert_eq!(place.json(&["show", "root"])["state"], "active");
    assert_eq!(place.json(&["unenroll", "root", "--yes"]), json!({"user": "root", "state": "none"}));
    place.run(&["enroll", "root", "--activate"]).is(0);
    assert_eq!(place.json(&["app-password", "list", "root"]), json!([]));
}

#[test]
fn who_is_not_enrolled_is_shown_as_such() {
    let place = Place::new("show-none");
    let shown = place.json(&["show", "root"]);
    assert_eq!((&shown["user"], &shown["state"], &shown["uid"]), (&json!("root"), &json!("none"), &json!(0)));
    place.run(&["show", "root"]).is(0).shows("none");
}

#[test]
fn the_list_is_by_state() {
    let place = Place::new("list");
    assert_eq!(place.json(&["list"]), json!([]));
    place.run(&["list"]).is(0).shows("nobody");
    place.run(&["enroll", "root", "--activate"]).is(0);
    place.run(&["enroll", "daemon", "--pending"]).is(0);
    let users = |arguments: &[&str]| -> Vec<String> {
        let list = place.json(arguments);
        list.as_array().unwrap().iter().map(|one| one["user"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(users(&["list"]), ["daemon", "root"]);
    assert_eq!(users(&["list", "--state", "active"]), ["root"]);
    assert_eq!(users(&["list", "--state", "pending"]), ["daemon"]);
    assert!(!users(&["list", "--state", "none"]).contains(&"root".to_owned()));
    place.run(&["unenroll", "root", "--yes"]).is(0);
    // Root has a shell everywhere.
    assert!(users(&["list", "--state", "none"]).contains(&"root".to_owned()));
    place.run(&["list"]).is(0).shows("USER").shows("daemon");
}

#[test]
fn a_secret_that_the_user_has_is_refused_and_one_of_anothers_is_warned_about() {
    let place = Place::new("one-secret-twice");
    let secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    place.enroll_as("carol", 4_000);
    place.run_with(&["enroll", "root", "--activate", "--secret-file", "-"], secret).is(0);
    for more in [&[][..], &["--digits", "8"], &["--period", "60"], &["--algorithm", "sha512"], &["--hotp"]] {
        let add = ["authenticator", "add", "root", "twin", "--activate", "--secret-file", "-"];
        place
            .run_with(&[&add[..], more].concat(), secret)
            .is(1)
            .says("\"phone\" has that secret already")
            .says("twostep-admin authenticator list root");
    }
    assert_eq!(place.json(&["authenticator", "list", "root"]).as_array().unwrap().len(), 1);
    // Moved to another account, it is another's.
    place.sql("UPDATE enrollment SET user = 'somebody', uid = 4001 WHERE user = 'root'");
    place
        .run_with(&["enroll", "root", "--activate", "--secret-file", "-"], secret)
        .is(0)
        .says("\"phone\" of somebody has this secret as well");
}
