//! check: lines with `one-prompt` and `echo`, and the account line where users set two-step up at a login.

use crate::check::{healthy, of_service, one};

const CODE: &str = "auth required pam_twostep.so";
const REST: &str = "account required pam_twostep.so\n@include common-account\n";

#[test]
fn a_line_for_password_and_code_in_one_stands_before_the_password_modules() {
    let place = healthy("check-one-prompt");
    for line in [
        "auth required pam_twostep.so one-prompt",
        "auth requisite pam_twostep.so one-prompt echo [prompt=Password and code: ]",
        "auth [success=done ignore=ignore default=die] pam_twostep.so one-prompt",
    ] {
        let text = format!("{line}\n@include common-auth\n{CODE}\n{REST}");
        assert_eq!(of_service(&place, "vpn", &text), Vec::<String>::new(), "{line}");
    }
    let unjudged = format!("auth required pam_twostep.so one-prompt\n@include common-auth\n{REST}");
    one(&place, "vpn", &unjudged, "1 error no line after the password modules judges the code");
    let late = format!("@include common-auth\nauth required pam_twostep.so one-prompt\n{REST}");
    one(&place, "vpn", &late, "2 error the password modules (line 1) stand before it and take the code");
    let alone = format!("auth required pam_twostep.so one-prompt\nauth required pam_permit.so\n{REST}");
    one(&place, "vpn", &alone, "1 error no password module stands after it");
    for (control, expected) in [
        ("optional", "with this control a refusal does not refuse"),
        ("sufficient", "with this control a refusal does not refuse"),
        ("[success=ok ignore=ok default=die]", "nobody looks at the password"),
        ("[success=ok ignore=done default=die]", "nobody looks at the password"),
        ("[success=ok ignore=1 default=die]", "nobody looks at the password"),
        ("[success=ok default=die]", "everybody is refused"),
    ] {
        let text = format!("auth {control} pam_twostep.so one-prompt\n@include common-auth\n{CODE}\n{REST}");
        one(&place, "vpn", &text, &format!("1 error {expected}"));
    }
}

#[test]
fn a_password_module_that_asks_again_is_a_warning() {
    let place = healthy("check-one-prompt-again");
    let stack = |module: &str| {
        format!("auth required pam_twostep.so one-prompt\nauth required {module}\n{CODE}\n{REST}")
    };
    for taken in [
        "pam_unix.so",
        "pam_unix.so nullok",
        "pam_sss.so",
        "pam_krb5.so try_first_pass",
        "pam_ldap.so use_first_pass",
        "pam_winbind.so krb5_auth try_first_pass",
    ] {
        assert_eq!(of_service(&place, "vpn", &stack(taken)), Vec::<String>::new(), "{taken}");
    }
    for again in ["pam_krb5.so minimum_uid=1000", "pam_ldap.so", "pam_winbind.so", "pam_sss.so prompt_always"]
    {
        one(&place, "vpn", &stack(again), "asks for the password again: line 1 has it already");
    }
    // The first one of a file that is included is named where it stands.
    place.write("pam.d/directory-auth", "auth sufficient pam_krb5.so\nauth required pam_unix.so\n", 0o644);
    place.write(
        "pam.d/vpn",
        &format!("auth required pam_twostep.so one-prompt\n@include directory-auth\n{CODE}\n{REST}"),
        0o644,
    );
    let found = crate::check::findings(&place);
    let subject = |finding: &serde_json::Value| finding["subject"].as_str().unwrap().to_owned();
    let asks =
        found.iter().find(|one| one["message"].as_str().unwrap().contains("for the password again")).unwrap();
    assert!(subject(asks).ends_with("/directory-auth:1"), "{asks}");
}

#[test]
fn words_that_say_how_a_line_works_stand_alone() {
    let place = healthy("check-one-mode");
    let text = format!("auth required pam_twostep.so one-prompt after-key\n@include common-auth\n{REST}");
    let found = of_service(&place, "vpn", &text).join("\n");
    assert!(
        found.contains("1 error one line is app, app-services, after-key or one-prompt, and says so once"),
        "{found}"
    );
    let text = format!("@include common-auth\nauth required pam_twostep.so echo\n{REST}");
    assert_eq!(of_service(&place, "login", &text), Vec::<String>::new());
    let text = text.replace("echo", "Echo");
    one(&place, "login", &text, "2 error the module does not know the word \"Echo\"");
}

/// Enrolling at a login happens in the account phase.
#[test]
fn where_users_set_two_step_up_at_a_login_the_account_line_must_be_there() {
    let place = healthy("check-enroll-account");
    let auth = "@include common-auth\nauth required pam_twostep.so\n";
    let (without, with) = (format!("{auth}@include common-account\n"), format!("{auth}{REST}"));
    one(&place, "login", &without, "2 warning no account line");
    for configuration in [
        "[interactive]\nunenrolled = \"enroll\"",
        "[interactive]\nunenrolled = \"enroll from 2999-12-01\"",
        "[[rule]]\ngroup = \"root\"\nunenrolled = \"enroll\"",
        "[interactive]\nunenrolled = \"enroll\"\n[[rule]]\nservice = \"login\"\ntrust = \"key\"",
    ] {
        place.configure(configuration);
        one(&place, "login", &without, "2 error no account line, where users set two-step up");
        assert_eq!(of_service(&place, "login", &with), Vec::<String>::new());
        let one_prompt = "auth required pam_twostep.so one-prompt\n@include common-auth\nauth required pam_twostep.so\n@include common-account\n";
        one(&place, "login", one_prompt, "1 error no account line, where users set two-step up");
    }
    let sshd = of_service(&place, "sshd", &without).join("\n");
    assert!(sshd.contains("by password alone") && sshd.contains("an ssh key alone opens"), "{sshd}");
    for configuration in [
        "[interactive]\nunenrolled = [\"enroll\", \"deny from 2020-01-01\"]",
        "[interactive]\nunenrolled = \"enroll\"\n[[rule]]\nservice = \"log*\"\nunenrolled = \"allow\"",
        "[interactive]\nunenrolled = \"enroll\"\n[[rule]]\nservice = \"login\"\ndemand = \"deny\"",
        "[[rule]]\nservice = \"sshd\"\nunenrolled = \"enroll\"",
        "[[rule]]\nunenrolled = \"enroll\"\nuntil = 2020-01-01",
        "[app]\nunenrolled = \"enroll\"",
    ] {
        place.configure(configuration);
        one(&place, "login", &without, "2 warning no account line: a first code");
    }
}
