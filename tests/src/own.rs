//! `twostep`, run by a user on a terminal of her own.

use crate::callers::as_user;
use crate::console::Console;
use crate::host::Host;
use crate::phone::Phone;

/// Runs `twostep` as a user on a terminal, gives these answers to these prompts, and returns the exit status and all it showed.
#[track_caller]
pub fn twostep(host: &Host, user: &str, arguments: &[&str], answers: &[(&str, &str)]) -> (i32, String) {
    let mut console = as_user(host, user, "/usr/bin/twostep", arguments, &[]);
    for (prompt, answer) in answers {
        console.answer(prompt, answer);
    }
    let status = console.end();
    (status.unwrap_or(-1), console.shown().replace('\r', ""))
}

/// Like [`twostep`], which must succeed.
#[track_caller]
pub fn done(host: &Host, user: &str, arguments: &[&str], answers: &[(&str, &str)]) -> String {
    let (status, shown) = twostep(host, user, arguments, answers);
    assert_eq!(status, 0, "{arguments:?}: {shown}");
    shown
}

/// Enrolls a user by her own hand, with a wrong first code before the right one; her phone, and her backup codes.
#[track_caller]
pub fn enroll(host: &Host, user: &str, password: &str) -> (Phone, Vec<String>) {
    let mut console = as_user(host, user, "/usr/bin/twostep", &["enroll", "--no-qr"], &[]);
    console.answer("Password: ", password);
    console.wait_for("secret  ");
    let secret: String = console.wait_for("\n").chars().filter(|c| !c.is_whitespace()).collect();
    let mut phone = Phone::new(&secret);
    console.answer("Code that the authenticator shows: ", &phone.wrong_code());
    console.wait_for("2 more tries");
    console.answer("Code that the authenticator shows: ", &phone.fresh_code());
    console.wait_for("Two-step verification is on.");
    finish(console, phone)
}

fn finish(mut console: Console, phone: Phone) -> (Phone, Vec<String>) {
    assert_eq!(console.end(), Some(0), "{}", console.shown());
    let shown = console.shown().replace('\r', "");
    let codes = shown.rsplit("not shown again:").next().unwrap_or_default().split_whitespace();
    let codes: Vec<String> = codes.map(str::to_owned).collect();
    assert_eq!(codes.len(), 10, "{shown}");
    (phone, codes)
}

/// The last line that has anything on it.
pub fn last_line(shown: &str) -> &str {
    shown.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim()
}
