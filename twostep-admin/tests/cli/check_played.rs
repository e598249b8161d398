//! check: what is found by playing a service's stacks through, with the files that they include.

use crate::check::{findings, healthy, of_service, one};
use crate::place::Place;

const ACCOUNT: &str = "account required pam_twostep.so\naccount required pam_unix.so\n";

fn with(name: &str, files: &[(&str, &str)]) -> Place {
    let place = healthy(name);
    for (file, text) in files {
        place.write(&format!("pam.d/{file}"), text, 0o644);
    }
    place
}

#[test]
fn a_line_that_ends_the_stack_is_found_however_deep_it_stands() {
    let deep = [
        ("outer", "auth include inner\n"),
        ("inner", "auth required pam_env.so\nauth sufficient pam_unix.so\n"),
    ];
    let place = with("played-deep", &deep);
    let text = format!("auth include outer\nauth required pam_twostep.so\n{ACCOUNT}");
    one(&place, "login", &text, "1 error inner line 2 ends the stack, so that line 2 never asks");
    let text = text.replace("auth include outer", "auth substack outer");
    assert_eq!(of_service(&place, "login", &text), Vec::<String>::new());
}

#[test]
fn a_jump_that_is_one_line_too_long_is_found() {
    let place = healthy("played-jump");
    let stack = |lines: u32| {
        format!(
            "auth [success={lines} default=ignore] pam_unix.so\nauth requisite pam_deny.so\nauth required pam_twostep.so\n\
             auth optional pam_permit.so\n{ACCOUNT}"
        )
    };
    one(
        &place,
        "login",
        &stack(2),
        "1 error who passes pam_unix.so here is never asked for a code by line 3",
    );
    assert_eq!(of_service(&place, "login", &stack(1)), Vec::<String>::new());
    // Over the end there is nothing that lets in, and a wrong password is all the way to the code.
    let text =
        format!("auth [success=1 default=ignore] pam_unix.so\nauth required pam_twostep.so\n{ACCOUNT}");
    one(&place, "login", &text, "and is refused: nothing behind it succeeds");
}

#[test]
fn what_needs_nothing_at_all_is_no_mere_warning() {
    let place = healthy("played-permit");
    let text = format!(
        "auth sufficient pam_permit.so\n@include common-auth\nauth required pam_twostep.so\n{ACCOUNT}"
    );
    one(&place, "login", &text, "1 error who passes pam_permit.so here is never asked for a code by line 3");
    let text = text.replace("pam_permit", "pam_listfile");
    one(
        &place,
        "login",
        &text,
        "1 warning who passes pam_listfile.so here is never asked for a code by line 3",
    );
}

#[test]
fn a_refusal_that_is_forgotten_is_found() {
    let place = healthy("played-reset");
    let text = format!(
        "@include common-auth\nauth required pam_twostep.so\nauth [success=reset default=ignore] pam_group.so\n\
         auth required pam_permit.so\n{ACCOUNT}"
    );
    one(&place, "login", &text, "3 error it undoes what line 2 refuses");
}

#[test]
fn an_expired_password_that_skips_the_account_line_is_found() {
    let expired = "account [success=1 new_authtok_reqd=done default=ignore] pam_unix.so\naccount requisite pam_deny.so\n\
                   account required pam_permit.so\n";
    let place = with("played-expired", &[("common-account", expired)]);
    let auth = "@include common-auth\nauth required pam_twostep.so\n";
    let late = format!("{auth}@include common-account\naccount required pam_twostep.so\n");
    let told = "common-account line 1 ends the stack for an expired password, so that line 4 never asks";
    one(&place, "login", &late, &format!("3 warning {told}"));
    one(&place, "sshd", &late, &format!("3 error {told}"));
    let early = format!("{auth}account required pam_twostep.so\n@include common-account\n");
    assert_eq!(of_service(&place, "sshd", &early), Vec::<String>::new());
}

/// Found in every service, told once.
#[test]
fn what_lies_in_a_common_file_is_told_once() {
    let common = "auth sufficient pam_unix.so\nauth required pam_twostep.so\n";
    let place = with(
        "played-common",
        &[("common-auth", common), ("login", "@include common-auth\n"), ("cron", "@include common-auth\n")],
    );
    let found = findings(&place);
    let told: Vec<_> = found
        .iter()
        .filter(|one| one["message"].as_str().unwrap().contains("who passes pam_unix.so"))
        .collect();
    assert_eq!(told.len(), 1, "{found:#?}");
    assert!(told[0]["subject"].as_str().unwrap().ends_with("/common-auth:1"));
}

#[test]
fn a_file_that_libpam_cannot_read_is_an_error() {
    let place = healthy("played-broken");
    for (text, expected) in [
        ("@include nowhere\n", ":1: @include of nowhere"),
        ("auth required pam_unix.so \\\n", "the line goes on"),
        ("auth include login\n", "a file that includes itself"),
    ] {
        one(&place, "login", text, expected);
    }
}

#[test]
fn app_services_without_a_file_are_told_where_the_rest_is_wired() {
    let place = healthy("played-other");
    place.configure("[app]\nservices = [\"imap\", \"pop3\", \"submission\"]");
    place.write("pam.d/other", "@include common-auth\n@include common-account\n", 0o644);
    let told = |place: &Place| {
        findings(place).iter().any(|one| one["message"].as_str().unwrap().contains("judged by this one"))
    };
    assert!(!told(&place));
    let app = "auth [success=done ignore=ignore default=die] pam_twostep.so app\n@include common-auth\n@include common-account\n";
    place.write("pam.d/imap", app, 0o644);
    assert!(
        findings(&place)
            .iter()
            .any(|one| one["message"].as_str().unwrap().ends_with("enough: pop3, submission"))
    );
    place.write("pam.d/other", "auth required pam_deny.so\n", 0o644);
    assert!(!told(&place));
}
