//! check, pam status and pam enable on a host whose common files have both profiles of pam-auth-update's, or one of them.

use crate::check::{findings, healthy};
use crate::place::{Done, Place};

/// As pam-auth-update writes it.
const AUTH: &str = "auth\t[success=2 ignore=ignore default=die]\tpam_twostep.so app-services\n\
                    auth\t[success=1 default=ignore]\tpam_unix.so nullok try_first_pass\n\
                    auth\trequisite\t\t\tpam_deny.so\n\
                    auth\trequired\t\t\tpam_permit.so\n\
                    auth\trequired\tpam_twostep.so \n\
                    auth\toptional\t\t\tpam_cap.so \n";
const ACCOUNT: &str = "account\trequired\tpam_twostep.so \n\
                       account\t[success=2 ignore=ignore default=die]\tpam_twostep.so app-services\n\
                       account\t[success=1 new_authtok_reqd=done default=ignore]\tpam_unix.so \n\
                       account\trequisite\t\t\tpam_deny.so\n\
                       account\trequired\t\t\tpam_permit.so\n";
/// Without the profile twostep-code.
const APP_LINES: fn(&str) -> String = |text| {
    let lines = text.split_inclusive('\n').filter(|line| !line.contains("required\tpam_twostep.so"));
    lines.collect()
};

fn host_wide(name: &str, auth: &str, account: &str) -> Place {
    let place = healthy(name);
    place.write("pam.d/common-auth", auth, 0o644);
    place.write("pam.d/common-account", account, 0o644);
    for service in ["sshd", "su", "imap", "other"] {
        let rootok = if service == "su" { "auth sufficient pam_rootok.so\n" } else { "" };
        let text =
            format!("{rootok}@include common-auth\n@include common-account\n@include common-session\n");
        place.write(&format!("pam.d/{service}"), &text, 0o644);
    }
    place
}

fn pam(place: &Place, arguments: &[&str]) -> Done {
    let at = |name: &str| place.folder.join(name).to_str().unwrap().to_owned();
    let (dir, backups, ssh) = (at("pam.d"), at("backups"), at("ssh"));
    let mut all = [&["pam"], arguments, &["--pam-dir", &dir]].concat();
    if arguments[0] != "status" {
        all.extend(["--backups", &backups, "--ssh-dir", &ssh]);
    }
    place.run(&all)
}

/// What check says of the stacks themselves.
fn of_stacks(place: &Place) -> Vec<String> {
    let folder = place.folder.join("pam.d");
    let text = |finding: &serde_json::Value| {
        let subject = finding["subject"].as_str()?.strip_prefix(folder.to_str()?)?.to_owned();
        Some(format!("{subject} {}", finding["message"].as_str()?))
    };
    findings(place).iter().filter_map(text).collect()
}

#[test]
fn both_profiles_are_without_fault_and_mean_what_each_service_is() {
    let place = host_wide("wide-both", AUTH, ACCOUNT);
    assert_eq!(of_stacks(&place), Vec::<String>::new());
    pam(&place, &["status", "sshd"]).is(0).shows("sshd: password, then code\n");
    pam(&place, &["status", "su"]).is(0).shows("su: password, then code\n");
    pam(&place, &["status", "imap"])
        .is(0)
        .shows("imap: app password; the account password from those who may give it\n");
    // Their lines are there; what sshd itself lacks is proposed, once.
    pam(&place, &["enable", "sshd", "--yes"]).is(1).says("common-auth");
    pam(&place, &["enable", "imap", "--yes"]).is(1).says("common-auth");
    std::fs::create_dir_all(place.folder.join("ssh/sshd_config.d")).unwrap();
    place.write("ssh/sshd_config", "Include /etc/ssh/sshd_config.d/*.conf\n", 0o644);
    let stack = std::fs::read_to_string(place.folder.join("pam.d/sshd")).unwrap();
    let done = pam(&place, &["enable", "sshd", "--yes"]).is(0).shows("KbdInteractiveAuthentication yes");
    assert!(!done.stdout.contains("pam.d/sshd\n") && !done.stdout.contains("as it was"), "{}", done.stdout);
    assert_eq!(std::fs::read_to_string(place.folder.join("pam.d/sshd")).unwrap(), stack);
    assert!(place.folder.join("ssh/sshd_config.d/00-twostep.conf").exists());
    pam(&place, &["enable", "sshd", "--yes"]).is(1).says("common-auth");
}

#[test]
fn the_profile_for_app_passwords_alone_asks_for_no_code_anywhere_else() {
    let place = host_wide("wide-app", &APP_LINES(AUTH), &APP_LINES(ACCOUNT));
    assert_eq!(of_stacks(&place), Vec::<String>::new());
    pam(&place, &["status", "sshd"]).is(0).shows("sshd: not wired: password\n");
    pam(&place, &["status", "imap"])
        .is(0)
        .shows("imap: app password; the account password from those who may give it\n");
    // sshd gets its lines as on any other host.
    pam(&place, &["enable", "sshd", "--yes"]).is(0).shows("sshd: password, then code");
    assert_eq!(of_stacks(&place), Vec::<String>::new());
}

/// The list in the configuration decides what the line does, and for which services.
#[test]
fn a_service_that_is_taken_off_the_list_is_asked_for_a_code() {
    let place = host_wide("wide-list", AUTH, ACCOUNT);
    place.configure("[app]\nservices = [\"xmpp\"]");
    pam(&place, &["status", "imap"]).is(0).shows("imap: password, then code\n");
    place.configure("[app]\nservices = [\"sshd\"]");
    pam(&place, &["status", "sshd"]).is(0).shows("sshd: app password; the account password");
}

#[test]
fn whoever_has_both_the_profile_and_a_line_by_hand_is_told_of_two_codes() {
    let place = host_wide("wide-twice", AUTH, ACCOUNT);
    let twice = "@include common-auth\nauth required pam_twostep.so\n@include common-account\n";
    place.write("pam.d/sshd", twice, 0o644);
    let found = of_stacks(&place);
    assert!(
        found.iter().any(|said| said.starts_with("/sshd:2 ") && said.contains("asked for another one here")),
        "{found:?}"
    );
    // On an app service the second line finds the same app password once more.
    place.write("pam.d/sshd", "@include common-auth\n@include common-account\n", 0o644);
    place.write("pam.d/imap", twice, 0o644);
    assert!(!of_stacks(&place).iter().any(|said| said.contains("asked for another")));
    // Nor is it two codes where only one of the lines is come to.
    let either = "auth [success=2 default=ignore] pam_succeed_if.so user ingroup x\n\
                  auth required pam_unix.so\nauth [success=done default=die] pam_twostep.so\n\
                  auth required pam_unix.so\nauth required pam_twostep.so\naccount required pam_twostep.so\n";
    place.write("pam.d/imap", "@include common-auth\n@include common-account\n", 0o644);
    place.write("pam.d/vpn", either, 0o644);
    assert!(!of_stacks(&place).iter().any(|said| said.contains("asked for another")));
}

/// What hangs on a service's lines does so wherever they stand.
#[test]
fn lines_of_common_files_count_for_the_services_that_include_them() {
    let place = host_wide("wide-missing", AUTH, &APP_LINES(ACCOUNT));
    let found = of_stacks(&place);
    assert!(
        found.iter().any(|said| said.starts_with("/common-auth:5 no account line: an ssh key")),
        "{found:?}"
    );

    let place = host_wide("wide-rules", AUTH, ACCOUNT);
    place.configure("[[rule]]\nuser = [\"root\"]\ndemand = \"app-password\"\n");
    let said: Vec<String> = findings(&place)
        .iter()
        .filter_map(|finding| finding["message"].as_str().map(str::to_owned))
        .collect();
    let of_sshd = "line 5 of common-auth, in the stack sshd, takes, but the password modules refuse";
    assert!(said.iter().any(|said| said.contains(of_sshd)), "{said:?}");
    assert!(!said.iter().any(|said| said.contains("in the stack imap")), "{said:?}");
}

/// The broker judges su's logins, whose own file names the module nowhere.
#[test]
fn a_broker_that_is_not_there_is_an_error_for_services_that_include_a_line() {
    let place = host_wide("wide-broker", AUTH, ACCOUNT);
    std::fs::create_dir_all(place.folder.join("run")).unwrap();
    let said = |place: &Place| {
        findings(place).iter().any(|finding| {
            finding["message"].as_str().is_some_and(|said| said.ends_with("nobody gets in by su"))
        })
    };
    assert!(said(&place));
    let place = host_wide("wide-broker-app", &APP_LINES(AUTH), &APP_LINES(ACCOUNT));
    std::fs::create_dir_all(place.folder.join("run")).unwrap();
    assert!(!said(&place));
}
