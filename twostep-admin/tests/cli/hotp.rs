//! Authenticators that count: enroll, authenticator add, authenticator resync.

use crate::place::Place;
use serde_json::{Value, json};
use twostep_core::secret::Secret;
use twostep_core::totp::{Algorithm, Authenticator, AuthenticatorId, Kind, Parameters};

/// RFC 4226 appendix D.
const RFC: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

fn token() -> Authenticator {
    Authenticator {
        id: AuthenticatorId(0),
        parameters: Parameters::new(Algorithm::Sha1, 6, Kind::Hotp).unwrap(),
        secret: Secret::new(b"12345678901234567890".to_vec()),
        last_step: None,
    }
}

/// Two codes, the second one of the counter after this one's.
fn two(counter: u64) -> String {
    format!("{} {}\n", *token().code(counter), *token().code(counter + 1))
}

/// With root's token, of which this is the counter of the next code.
fn with_token(name: &str, counter: &str) -> Place {
    let place = Place::new(name);
    let arguments = ["enroll", "root", "--hotp", "--counter", counter, "--activate", "--secret-file", "-"];
    place.run_with(&arguments, RFC).is(0);
    place
}

fn counter(place: &Place) -> Value {
    place.json(&["authenticator", "list", "root"])[0]["counter"].clone()
}

#[test]
fn a_secret_is_made_and_shown_with_its_counter() {
    let place = Place::new("hotp-new");
    let made = place.json(&["enroll", "root", "--hotp", "--counter", "17", "--digits", "8", "--activate"]);
    let shown = &made["authenticator"];
    assert_eq!(
        (&shown["type"], &shown["counter"], &shown["digits"]),
        (&json!("hotp"), &json!(17), &json!(8))
    );
    assert!(shown.get("period").is_none(), "{shown}");
    let uri = shown["uri"].as_str().unwrap();
    assert!(uri.starts_with("otpauth://hotp/") && uri.ends_with("&digits=8&counter=17"), "{uri}");
    let listed = &place.json(&["authenticator", "list", "root"])[0];
    assert_eq!(
        (&listed["counter"], &listed["last_used"], &listed["off_by"]),
        (&json!(17), &Value::Null, &Value::Null)
    );
    let made = place.json(&["authenticator", "add", "root", "token", "--hotp", "--activate"]);
    assert_eq!(made["authenticator"]["counter"], 0);
}

#[test]
fn a_first_code_moves_the_counter_on() {
    let place = Place::new("hotp-confirmed");
    let file = place.write("secret", RFC, 0o600);
    let enroll = ["enroll", "root", "--hotp", "--secret-file", file.to_str().unwrap()];
    // RFC 4226 appendix D: the code of counter 3.
    place
        .run_with(&enroll, "000000\n969 429\n")
        .is(0)
        .says("none of its next codes")
        .shows("otpauth://hotp/");
    let shown = place.json(&["show", "root"]);
    let one = &shown["authenticators"][0];
    assert_eq!((&one["type"], &one["counter"], &one["off_by"]), (&json!("hotp"), &json!(4), &json!(3)));
    assert!(one["last_used"].is_string() && one.get("period").is_none(), "{one}");
    place.run(&["show", "root"]).is(0).shows("counter 4").shows("just now, 3 passed over");
}

#[test]
fn a_token_that_is_far_ahead_is_confirmed_by_two_codes() {
    let place = Place::new("hotp-far");
    let file = place.write("secret", RFC, 0o600);
    let add = ["authenticator", "add", "root", "token", "--hotp", "--secret-file", file.to_str().unwrap()];
    place.run(&["enroll", "root", "--activate"]).is(0);
    place.run_with(&add, &format!("{}\n{}", *token().code(60), two(60))).is(0).says("two successive codes");
    assert_eq!(place.json(&["authenticator", "list", "root"])[1]["counter"], 62);
}

#[test]
fn what_counts_has_no_period_and_what_goes_by_time_no_counter() {
    let place = Place::new("hotp-misuse");
    place.run(&["enroll", "root", "--hotp", "--period", "30", "--activate"]).is(2).says("--period");
    place.run(&["enroll", "root", "--counter", "5", "--activate"]).is(2).says("--hotp");
    place.run(&["enroll", "root", "--hotp", "--app-only"]).is(2);
    place.run(&["enroll", "root", "--hotp", "--counter", "-1", "--activate"]).is(2);
    place.run(&["enroll", "root", "--hotp", "--counter", "9007199254740993", "--activate"]).is(2);
    place.run(&["enroll", "root", "--hotp", "--counter", "9007199254740992", "--activate"]).is(0);
    assert_eq!(counter(&place), 9_007_199_254_740_992_u64);
}

#[test]
fn a_counter_is_found_again_by_two_codes() {
    let place = with_token("hotp-resync", "100");
    let resync = ["authenticator", "resync", "root", "phone"];
    place
        .run_with(&resync, &two(900).replace(' ', "\n"))
        .is(0)
        .shows("counter 902")
        .says("The code after it: ");
    assert_eq!(counter(&place), 902);
    let mut from_input = resync.to_vec();
    from_input.extend(["--codes-file", "-"]);
    place
        .run_with(&from_input, &two(901))
        .is(1)
        .says("no two successive codes of its next 1000")
        .says("hint:");
    let done = place.run_with(&[&["--json"], &from_input[..]].concat(), &two(1_000)).is(0);
    let document: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(document, json!({"user": "root", "id": 1, "name": "phone", "counter": 1_002}));
    let listed = &place.json(&["authenticator", "list", "root"])[0];
    assert_eq!((&listed["off_by"], listed["last_used"].is_string()), (&json!(98), true));
    let past = &place.json(&["history", "root"])[0];
    assert_eq!((&past["action"], &past["name"]), (&json!("authenticator-resync"), &json!("phone")));
}

#[test]
fn what_is_no_pair_of_codes_changes_nothing() {
    let place = with_token("hotp-resync-wrong", "0");
    let resync = ["authenticator", "resync", "root", "phone"];
    place.run_with(&resync, "755224\n").is(1).says("two codes are wanted");
    place.run_with(&resync, "755224\n755224\n").is(1).says("no two successive codes");
    let file = place.write("codes", "755224 287082 359152", 0o644);
    let mut from_file = resync.to_vec();
    from_file.extend(["--codes-file", file.to_str().unwrap()]);
    place.run(&from_file).is(1).says("two codes are wanted").says("warning: others can read");
    place.run(&["--json", "authenticator", "resync", "root", "phone"]).is(2).says("--codes-file");
    place.run(&["authenticator", "resync", "root", "watch"]).is(1).says("no authenticator \"watch\"");
    assert_eq!(counter(&place), 0);
    place.run(&["authenticator", "add", "root", "by time", "--activate"]).is(0);
    place.run(&["authenticator", "resync", "root", "by time"]).is(1).says("goes by time").says("hint:");
}

#[test]
fn no_secret_is_shown_that_there_is_no_room_for() {
    let place = with_token("hotp-room", "0");
    place.run(&["authenticator", "add", "root", "second", "--hotp", "--activate"]).is(0);
    let done =
        place.run(&["authenticator", "add", "root", "third", "--hotp"]).is(1).says("30 values at a time");
    assert_eq!(done.stdout, "");
    place.run(&["authenticator", "add", "root", "second"]).is(1).says("named \"second\" already");
}
