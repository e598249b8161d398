//! `twostep-admin pam` on Debian's own files: a service is wired, tried from a terminal before anybody relies on it, used, and put back.

use twostep_tests::{Console, Host, Phone, Ssh, in_box};

const PASSWORD: &str = "correct horse";
const SSHD: &str = "/etc/pam.d/sshd";

fn alice(host: &Host) -> Phone {
    host.add_user("alice", PASSWORD);
    host.enroll("alice")
}

fn attempt(service: &str) -> Console {
    Console::open("/usr/sbin/twostep-admin", &["pam", "try", service, "alice", "--from", "203.0.113.9"])
}

/// What sshd makes of its own configuration.
fn effective(host: &Host, key: &str) -> String {
    host.command("ssh-keygen", &["-A"]).expect_success();
    std::fs::create_dir_all("/run/sshd").expect("sshd's folder");
    let all = host.command("/usr/sbin/sshd", &["-T"]).expect_success().stdout;
    all.lines().find(|line| line.starts_with(key)).unwrap_or_else(|| panic!("no {key} in\n{all}")).to_owned()
}

#[test]
fn sshd_is_wired_tried_used_and_put_back() {
    in_box(|host| {
        let mut phone = alice(host);
        let (stack, config) = (host.read(SSHD), host.read("/etc/ssh/sshd_config"));
        assert_eq!(effective(host, "kbdinteractiveauthentication"), "kbdinteractiveauthentication no");
        let done = host.admin(&["pam", "enable", "sshd", "--yes"]).expect_success();
        assert!(done.stdout.contains("sshd: password, then code"), "{}", done.stdout);
        assert_eq!(effective(host, "kbdinteractiveauthentication"), "kbdinteractiveauthentication yes");
        assert_eq!(host.read("/etc/ssh/sshd_config"), config);

        let code = phone.fresh_code();
        let mut console = attempt("sshd");
        console.answer("Password: ", PASSWORD);
        console.answer("Verification code: ", &code);
        assert_eq!(console.end(), Some(0), "{}", console.shown());
        assert!(console.shown().contains("alice is let in by sshd"), "{}", console.shown());
        assert!(
            !console.shown().contains(PASSWORD) && !console.shown().contains(&code),
            "{}",
            console.shown()
        );
        host.wait_for_log(&["result=accepted", "user=alice", "service=sshd", "from=203.0.113.9"]);

        // What was tried is used up, as at a login.
        let mut console = attempt("sshd");
        console.answer("Password: ", PASSWORD);
        console.answer("Verification code: ", &code);
        assert_eq!(console.end(), Some(1), "{}", console.shown());
        assert!(console.shown().contains("alice is not let in by sshd"), "{}", console.shown());

        host.start_sshd("");
        assert!(
            Ssh::to("alice").answers(&[PASSWORD, &phone.fresh_code()]).run("true").success,
            "{}",
            host.sshd_log()
        );
        assert!(!Ssh::to("alice").answers(&[PASSWORD, &phone.wrong_code()]).run("true").success);

        host.write("/etc/ssh/sshd_config", &config);
        host.admin(&["pam", "disable", "sshd", "--yes"]).expect_success();
        assert_eq!(host.read(SSHD), stack);
        assert_eq!(effective(host, "kbdinteractiveauthentication"), "kbdinteractiveauthentication no");
        assert!(Ssh::to("alice").answers(&[PASSWORD]).run("true").success, "{}", host.sshd_log());
    });
}

/// Every service of Debian's that asks for a password can be wired by one command, and taken back.
#[test]
fn debians_own_services_can_be_wired_and_are_put_back_to_the_byte() {
    in_box(|host| {
        for service in ["sshd", "login", "su", "su-l", "sudo", "sudo-i", "cron", "chsh", "passwd"] {
            let file = format!("/etc/pam.d/{service}");
            let Ok(before) = std::fs::read_to_string(&file) else { continue };
            let enabled = host.admin(&["pam", "enable", service, "--yes"]);
            if service == "passwd" {
                assert!(!enabled.success(), "{service}: {enabled:?}");
                assert_eq!(host.read(&file), before);
                continue;
            }
            let status = host.admin_json(&["pam", "status", service]);
            assert_eq!(
                (status["wired"].as_bool(), status["demands"].as_str()),
                (Some(true), Some("password, then code")),
                "{status}"
            );
            assert_eq!(status["skipped"].as_array().map(Vec::len), Some(0), "{status}");
            let check = host.admin(&["check", "--json"]).stdout;
            assert!(!check.contains(&format!("{file}:")), "{check}");
            host.admin(&["pam", "disable", service, "--yes"]).expect_success();
            assert_eq!(host.read(&file), before, "{service}");
        }
    });
}

/// su-l includes su's file: a code is asked for once, whichever is wired.
#[test]
fn a_file_that_another_service_includes_is_not_wired_twice() {
    in_box(|host| {
        let done = host.admin(&["pam", "enable", "su", "--yes"]).expect_success();
        assert!(done.stdout.contains("so do now: su-l"), "{done:?}");
        let again = host.admin(&["pam", "enable", "su-l", "--yes"]);
        assert!(!again.success() && again.stderr.contains("/etc/pam.d/su:"), "{again:?}");
        host.admin(&["pam", "disable", "su", "--yes"]).expect_success();
        host.admin(&["pam", "enable", "su-l", "--yes"]).expect_success();
        let twice = host.admin(&["pam", "enable", "su", "--yes"]);
        assert!(
            !twice.success() && twice.stderr.contains("su-l includes it and has a line of its own"),
            "{twice:?}"
        );
    });
}

#[test]
fn a_stack_that_lets_nobody_in_is_told_before_anybody_relies_on_it() {
    in_box(|host| {
        alice(host);
        host.write("/etc/pam.d/vpn", "auth required pam_unix.so \\\n");
        let done = host.admin(&["pam", "try", "vpn", "alice"]);
        assert!(
            !done.success() && done.stderr.contains("libpam does not even begin (PAM_ABORT)"),
            "{done:?}"
        );
        let status = host.admin(&["pam", "status", "vpn"]).expect_success().stdout;
        assert!(
            status.contains("nobody gets in") && status.contains("/etc/pam.d/vpn:1: the line goes on"),
            "{status}"
        );
    });
}

#[test]
fn only_root_tries_a_login_for_somebody_else() {
    in_box(|host| {
        alice(host);
        let done = host.command(
            "setpriv",
            &["--reuid=alice", "--clear-groups", "/usr/sbin/twostep-admin", "pam", "try", "sshd", "alice"],
        );
        assert!(!done.success() && done.stderr == "twostep-admin: run as root\n", "{done:?}");
    });
}
