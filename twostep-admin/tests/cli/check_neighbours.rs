//! check: what other programs' configuration does to our lines, and what changes by itself.

use crate::check::healthy;
use crate::place::Place;
use serde_json::Value;
use std::fs;

const INTERACTIVE: &str = "@include common-auth\nauth required pam_twostep.so\naccount required pam_twostep.so\n@include common-account\n";
const AFTER_KEY: &str = "auth [success=done ignore=ignore default=die] pam_twostep.so after-key\n";
const APP: &str = "auth [success=done ignore=ignore default=die] pam_twostep.so app\n\
                   account [success=done ignore=ignore default=die] pam_twostep.so app\n\
                   @include common-auth\n@include common-account\n";

/// What is said of this host's programs, as `severity message`.
fn told(place: &Place) -> Vec<String> {
    let (etc, pam) = (place.folder.display().to_string(), place.folder.join("pam.d").display().to_string());
    let done = place.run(&["check", "--json", "--etc", &etc, "--pam-dir", &pam]);
    let document: Value = serde_json::from_str(&done.stdout).unwrap();
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let findings = document["findings"].as_array().unwrap().iter();
    findings
        .map(|finding| {
            format!(
                "{} {}: {}",
                text(finding, "severity"),
                text(finding, "subject"),
                text(finding, "message")
            )
        })
        .collect()
}

#[track_caller]
fn says(place: &Place, severity: &str, part: &str) {
    let told = told(place);
    let found = told.iter().any(|finding| finding.starts_with(severity) && finding.contains(part));
    assert!(found, "no {severity} with {part:?} in {told:#?}");
}

#[track_caller]
fn is_silent(place: &Place, part: &str) {
    let told = told(place);
    assert!(!told.iter().any(|finding| finding.contains(part)), "{part:?} in {told:#?}");
}

fn with_sshd(name: &str, stack: &str) -> Place {
    let place = healthy(name);
    place.write("pam.d/sshd", stack, 0o644);
    fs::create_dir_all(place.folder.join("ssh/sshd_config.d")).unwrap();
    place
}

fn sshd(place: &Place, text: &str) {
    place.write("ssh/sshd_config", text, 0o644);
}

const GOOD: &str = "Include FOLDER/ssh/sshd_config.d/*.conf\nUsePAM yes\nKbdInteractiveAuthentication no\n";
const BY_KEY_AND_CODE: &str =
    "KbdInteractiveAuthentication yes\nAuthenticationMethods publickey,keyboard-interactive:pam\n";

#[test]
fn sshd_must_ask_pam_by_a_method_that_can_ask_for_a_code() {
    let place = with_sshd("sshd-config", INTERACTIVE);
    sshd(&place, "Port 22\n");
    says(&place, "error", "sshd does not ask PAM");
    sshd(&place, "UsePAM no\nUsePAM yes\n");
    says(&place, "error", "sshd_config:1: sshd does not ask PAM");
    sshd(&place, "UsePAM yes\nChallengeResponseAuthentication no\n");
    is_silent(&place, "does not ask PAM");
    says(&place, "error", "sshd_config:2: sshd has no way to ask for a code");
    // Of each keyword the first value counts, whichever file has it.
    place.write("ssh/sshd_config.d/00-twostep.conf", BY_KEY_AND_CODE, 0o644);
    sshd(&place, &GOOD.replace("FOLDER", &place.folder.display().to_string()));
    is_silent(&place, "no way to ask");
    sshd(&place, "Include sshd_config.d/*.conf\nUsePAM yes\n");
    is_silent(&place, "no way to ask");
    sshd(&place, "KbdInteractiveAuthentication no\nInclude sshd_config.d/*.conf\nUsePAM yes\n");
    says(&place, "error", "no way to ask");
    // What stands in a Match block is not for all.
    sshd(&place, "UsePAM yes\nMatch User bob\nKbdInteractiveAuthentication no\n");
    is_silent(&place, "no way to ask");
    // Where sshd is not wired, it is nobody's business.
    fs::remove_file(place.folder.join("pam.d/sshd")).unwrap();
    sshd(&place, "UsePAM no\n");
    is_silent(&place, "does not ask PAM");
}

#[test]
fn keys_are_looked_at_together_with_the_stack() {
    let place = with_sshd("sshd-keys", INTERACTIVE);
    sshd(&place, "UsePAM yes\n");
    says(&place, "note", "comes with a key alone is refused");
    sshd(&place, "UsePAM yes\nPubkeyAuthentication no\n");
    is_silent(&place, "key alone");
    sshd(&place, &format!("UsePAM yes\n{BY_KEY_AND_CODE}"));
    is_silent(&place, "key alone");
    place.write("pam.d/sshd", &format!("{AFTER_KEY}{INTERACTIVE}"), 0o644);
    is_silent(&place, "after-key");
    sshd(&place, "UsePAM yes\nAuthenticationMethods publickey\n");
    says(
        &place,
        "warning",
        "sshd_config:2: the stack has an after-key line, but sshd never asks PAM after a key",
    );
}

#[test]
fn sshd_must_ask_security_keys_for_their_pin_wherever_it_takes_them() {
    let place = with_sshd("sshd-security-keys", &format!("{AFTER_KEY}{INTERACTIVE}"));
    let part = "does not ask for its PIN";
    let lacking = || -> Vec<String> {
        let lines = told(&place).into_iter().filter(|told| told.contains(part));
        lines.filter_map(|told| Some(told.split_once("ssh/")?.1.split(": ").next()?.to_owned())).collect()
    };
    let keys = |options: &str| sshd(&place, &format!("UsePAM yes\n{BY_KEY_AND_CODE}{options}"));
    keys("");
    is_silent(&place, part);
    place.configure("[[rule]]\ngroup = \"root\"\nsecurity_keys = \"enough\"\n");
    assert_eq!(lacking(), ["sshd_config"]);
    keys("PubkeyAuthOptions touch-required\nPubkeyAuthOptions verify-required\n");
    assert_eq!(lacking(), ["sshd_config:4"], "the first value counts");
    keys("pubkeyauthoptions touch-required verify-required\nPubkeyAuthOptions none\n");
    assert!(lacking().is_empty());
    keys(
        "PubkeyAuthOptions verify-required\nMatch User bob\nPubkeyAuthOptions none\nMatch Group x\nPubkeyAuthOptions touch-required\n",
    );
    assert_eq!(lacking(), ["sshd_config:6", "sshd_config:8"]);
    keys("Match User bob\nPubkeyAuthOptions verify-required\n");
    assert_eq!(lacking(), ["sshd_config"], "of everybody but bob");
    keys("Match all\nPubkeyAuthOptions verify-required\n");
    assert!(lacking().is_empty());
}

#[test]
fn what_takes_a_key_or_password_and_code_is_told() {
    let place = with_sshd("sshd-key-or", &format!("{AFTER_KEY}{INTERACTIVE}"));
    place.configure("[interactive]\nssh_keys = \"enough\"\n");
    sshd(&place, "UsePAM yes\nAuthenticationMethods publickey keyboard-interactive:pam\n");
    says(&place, "warning", "sshd never asks PAM after a key");
    sshd(
        &place,
        "UsePAM yes\nAuthenticationMethods publickey,keyboard-interactive:pam keyboard-interactive:pam\n",
    );
    is_silent(&place, "after a key");
}

#[test]
fn a_match_block_for_who_is_not_enrolled_must_not_go_by_absence() {
    let place = with_sshd("sshd-match", INTERACTIVE);
    sshd(&place, "UsePAM yes\nMatch Group *,!twostep-enrolled\nAuthenticationMethods publickey\n");
    says(&place, "warning", "sshd_config:2: goes by who is not in twostep-enrolled");
    sshd(&place, "UsePAM yes\nMatch Group twostep-unenrolled\nAuthenticationMethods publickey\n");
    is_silent(&place, "goes by who");
}

fn with_dovecot(name: &str, main: &str, passdb: &str) -> Place {
    let place = healthy(name);
    place.write("pam.d/imap", APP, 0o644);
    fs::create_dir_all(place.folder.join("dovecot/conf.d")).unwrap();
    place.write(
        "dovecot/dovecot.conf",
        &format!("{main}\n!include conf.d/*.conf\n!include_try local.conf\n"),
        0o644,
    );
    place.write(
        "dovecot/conf.d/10-auth.conf",
        "#auth_cache_size = 10M\n!include auth-system.conf.ext\n",
        0o644,
    );
    place.write("dovecot/conf.d/auth-system.conf.ext", passdb, 0o644);
    place
}

#[test]
fn dovecot_must_not_remember_passwords() {
    let passdb = "passdb {\n  driver = pam\n  args = session=yes %s\n}\n";
    let place = with_dovecot("dovecot-cache", "", passdb);
    is_silent(&place, "Dovecot");
    place.write("dovecot/local.conf", "auth_cache_size = 10M\n", 0o644);
    says(&place, "warning", "local.conf:1: Dovecot remembers passwords");
    place.write("dovecot/local.conf", "auth_cache_size = 10M\nauth_cache_size = 0\n", 0o644);
    is_silent(&place, "Dovecot");
}

#[test]
fn dovecot_must_ask_for_a_service_that_is_wired() {
    let place = with_dovecot("dovecot-service", "", "passdb {\n  driver = pam\n}\n");
    says(&place, "error", "auth-system.conf.ext:1: Dovecot asks PAM for the service dovecot whatever");
    for good in ["args = session=yes %s", "args = *", "args = imap", "args = max_requests=5 imap"] {
        place.write(
            "dovecot/conf.d/auth-system.conf.ext",
            &format!("passdb {{\n driver = pam\n {good}\n}}\n"),
            0o644,
        );
        is_silent(&place, "Dovecot");
    }
    place.write("dovecot/conf.d/auth-system.conf.ext", "passdb {\n driver = pam\n args = mail\n}\n", 0o644);
    says(&place, "error", "asks PAM for the service mail whatever");
    place.write(
        "dovecot/conf.d/auth-system.conf.ext",
        "passdb pam {\n  service_name = %{protocol}\n}\npassdb {\n driver = passwd-file\n}\n",
        0o644,
    );
    says(&place, "error", "the service dovecot");
    place.write(
        "dovecot/conf.d/auth-system.conf.ext",
        "passdb {\n  driver = pam\n  args = dovecot\n}\n",
        0o644,
    );
    place.write("pam.d/dovecot", APP, 0o644);
    is_silent(&place, "Dovecot");
}

#[test]
fn saslauthd_must_not_remember_passwords() {
    let place = with_dovecot("sasl", "", "");
    fs::create_dir_all(place.folder.join("default")).unwrap();
    place.write("default/saslauthd", "OPTIONS=\"-c -m /run/saslauthd\"\n", 0o644);
    says(&place, "warning", "default/saslauthd: saslauthd remembers passwords");
    place.write("default/saslauthd", "#OPTIONS=\"-c\"\nOPTIONS=\"-m /run/saslauthd\"\n", 0o644);
    is_silent(&place, "saslauthd");
}

#[test]
fn a_faillock_that_mail_programs_reset_is_told() {
    let place = with_dovecot("faillock", "", "");
    is_silent(&place, "pam_faillock");
    place.write(
        "pam.d/common-account",
        "account required pam_faillock.so\naccount required pam_unix.so\n",
        0o644,
    );
    says(&place, "warning", "every login at imap has pam_faillock forget");
}

#[test]
fn what_changes_within_a_week_is_told() {
    let place = healthy("deadline");
    let day = |days: i64| {
        let at = twostep_store::host::now().wall.0 + days * 86_400;
        twostep_core::time::UnixTime(at).date()
    };
    place.configure(&format!("[interactive]\nunenrolled = [\"allow\", \"deny from {}\"]\n", day(5)));
    says(&place, "note", "who is not enrolled is refused ([interactive] unenrolled)");
    place.configure(&format!("[interactive]\nunenrolled = [\"allow\", \"deny from {}\"]\n", day(20)));
    is_silent(&place, "who is not enrolled is refused");
}

#[test]
fn expired_app_passwords_are_named() {
    let place = healthy("expired");
    place.configure("[app]\nvirtual_users = true\n");
    place.run(&["enroll", "vera@example.org", "--app-only"]).is(0);
    place.run(&["app-password", "add", "vera@example.org", "old phone", "--expires", "1h"]).is(0);
    is_silent(&place, "expired and");
    place.sql("UPDATE app_password SET lifetime = 1, created = created - 7200, given_since_boot = 0, given_boot = NULL");
    says(&place, "note", "expired and of no use any more: vera@example.org's \"old phone\"");
}
