//! What stands behind our account line, and phases that a service leaves out.

use twostep_tests::callers::su;
use twostep_tests::pam::{Code, ESTABLISH_CRED, Stacks};
use twostep_tests::{Host, Ssh, in_box};

const PASSWORD: &str = "correct horse";
const BOBS: &str = "battery staple";
const SSHD: &str = "/etc/pam.d/sshd";

fn state(host: &Host, user: &str) -> String {
    host.admin_json(&["show", user])["state"].as_str().unwrap_or_default().to_owned()
}

/// Has pam_access refuse a user, behind all other account lines.
fn refuse_behind(host: &Host, file: &str, user: &str) {
    host.write("/etc/security/behind.conf", &format!("-:{user}:ALL\n"));
    let text = host.read(file);
    let line = "account required pam_access.so accessfile=/etc/security/behind.conf";
    host.write(file, &format!("{text}\n{line}\n"));
}

/// A thief has bob's password, and comes from where bob may not sign in; or bob has left, and his account has expired.
#[test]
fn whoever_the_account_modules_behind_us_refuse_does_not_enroll_in_the_owners_place() {
    in_box(|host| {
        host.configure("[interactive]\nunenrolled = \"enroll\"\n");
        host.wire_sshd();
        let without = host.read(SSHD);
        refuse_behind(host, SSHD, "bob");
        host.start_sshd("");
        host.add_user("bob", BOBS);
        let refused = || {
            let attempt = Ssh::to("bob").answers(&[BOBS]).run("true");
            assert!(!attempt.success, "{attempt:#?}");
            assert!(!attempt.stderr.contains("authenticator app"), "{attempt:#?}");
            assert!(
                !attempt.prompts.iter().any(|prompt| prompt.contains("authenticator app")),
                "{attempt:#?}"
            );
            assert_eq!(state(host, "bob"), "none");
            assert_eq!(host.admin_json(&["history"]).as_array().map(Vec::len), Some(0));
        };
        refused();
        host.wait_for_log(&["result=refused", "reason=not-set-up", "user=bob", "another module"]);
        host.write(SSHD, &without);
        host.command("chage", &["--expiredate", "1", "bob"]).expect_success();
        refused();

        // Where nobody refuses him, or his password alone has expired, he is asked to set it up.
        host.command("chage", &["--expiredate", "-1", "bob"]).expect_success();
        let mut console = Ssh::to("bob").on_terminal("true");
        console.answer("Password: ", BOBS);
        console.answer("The code that it shows now: ", "");
        console.wait_for("Two-step verification was not set up");
        console.signal(libc::SIGKILL);
        console.end();
    });
}

#[test]
fn nor_by_su_through_twostepd() {
    in_box(|host| {
        host.configure("[interactive]\nunenrolled = \"enroll\"\n");
        host.wire_su_and_sudo();
        refuse_behind(host, "/etc/pam.d/su", "bob");
        host.add_user("alice", PASSWORD);
        host.add_user("bob", BOBS);
        let _broker = host.start_broker();
        let mut console = su(host, "alice", "bob");
        console.answer("Password: ", BOBS);
        assert_ne!(console.end(), Some(0), "{}", console.shown());
        assert!(!console.shown().contains("authenticator app"), "{}", console.shown());
        assert_eq!(state(host, "bob"), "none");
        host.wait_for_log(&["result=refused", "reason=not-set-up", "user=bob", "another module"]);
    });
}

/// What a right code and the password have begun, where the account is refused behind us.
#[test]
fn a_login_refused_behind_us_activates_nothing_and_trusts_nothing() {
    in_box(|host| {
        host.configure("[interactive]\ntrust = [\"address\"]\n");
        host.add_address("192.0.2.77");
        host.wire_sshd();
        let without = host.read(SSHD);
        refuse_behind(host, SSHD, "ALL");
        host.start_sshd("");
        host.add_user("alice", PASSWORD);
        host.add_user("pat", BOBS);
        let mut alice = host.enroll("alice");
        let mut pat = twostep_tests::Phone::from_enrollment(&host.admin_json(&[
            "enroll",
            "pat",
            "--pending",
            "--no-qr",
        ]));
        let log_in = |user: &str, answers: &[&str]| {
            Ssh::to(user).option("BindAddress=192.0.2.77").answers(answers).run("true")
        };
        let attempt = log_in("alice", &[PASSWORD, &alice.fresh_code()]);
        assert!(!attempt.success, "{attempt:#?}");
        let attempt = log_in("pat", &[BOBS, &pat.fresh_code()]);
        assert!(!attempt.success, "{attempt:#?}");
        let devices =
            || host.admin_json(&["trusted-devices", "list", "alice"]).as_array().map_or(0, Vec::len);
        assert_eq!((state(host, "pat").as_str(), devices()), ("pending", 0));
        host.write(SSHD, &without);
        assert!(log_in("alice", &[PASSWORD, &alice.fresh_code(), "y"]).success);
        assert!(log_in("pat", &[BOBS, &pat.fresh_code()]).success);
        assert_eq!((state(host, "pat").as_str(), devices()), ("active", 1));
    });
}

/// As sshd does, whose session process has not authenticated anybody on its handle; and cron, and su from root.
#[test]
fn a_line_that_has_done_nothing_does_not_lead_past_modules_with_credentials() {
    in_box(|host| {
        host.add_user("alice", PASSWORD);
        host.enroll("alice");
        let app_password = host.add_app_password("alice", "phone");
        let probe = "auth required pam_debug.so auth=success cred=success";
        let line = |word: &str| {
            format!("auth [success=done ignore=ignore default=die] pam_twostep.so {word}\n{probe}")
        };
        let stacks = Stacks::new()
            .file("imap", &line("app"))
            .file("smtp", &line("app-services"))
            .file("key", &line("after-key"))
            .file("one", &format!("auth required pam_twostep.so one-prompt\n{probe}"))
            .file("sshd", &format!("auth required pam_twostep.so\n{probe}"))
            .file("alone", "auth required pam_twostep.so");
        for service in ["imap", "smtp", "key", "one", "sshd"] {
            let mut pam = stacks.start_answering(service, "alice", "");
            assert_eq!(pam.set_cred(ESTABLISH_CRED), Code::SUCCESS, "{service}");
            assert!(
                pam.heard().iter().any(|text| text.contains("cred=success")),
                "{service}: {:?}",
                pam.heard()
            );
        }
        assert_eq!(stacks.start_answering("alone", "alice", "").set_cred(ESTABLISH_CRED), Code::SUCCESS);
        // Once it has let in, it has the last word, as in the auth phase.
        for service in ["imap", "smtp"] {
            let mut pam = stacks.start_answering(service, "alice", app_password.as_str());
            assert_eq!(pam.authenticate(0), Code::SUCCESS, "{service}");
            assert_eq!(pam.set_cred(ESTABLISH_CRED), Code::SUCCESS, "{service}");
            assert!(!pam.heard().iter().any(|text| text.contains("cred=")), "{service}: {:?}", pam.heard());
        }
        // A key without `SSH_AUTH_INFO_0`: the line ignores, and the modules behind it decide and have their credentials set.
        let mut pam = stacks.start_answering("key", "alice", "");
        assert_eq!((pam.authenticate(0), pam.set_cred(ESTABLISH_CRED)), (Code::SUCCESS, Code::SUCCESS));
        assert!(pam.heard().iter().any(|text| text.contains("cred=success")), "{:?}", pam.heard());
    });
}

/// docs/configuration.md says so: setting up happens in the account phase. A service that never calls it lets in who is not enrolled, and
/// libpam leaves us no later phase to refuse in: where the auth phase has ignored, what setcred says is ignored.
#[test]
fn a_service_without_an_account_phase_enrolls_nobody_and_needs_deny() {
    in_box(|host| {
        host.add_user("bob", BOBS);
        let stacks =
            Stacks::new().file("sshd", "auth required pam_unix.so nodelay\nauth required pam_twostep.so");
        for (unenrolled, code) in [("enroll", Code::SUCCESS), ("deny", Code::AUTH_ERR)] {
            host.configure(&format!("[interactive]\nunenrolled = \"{unenrolled}\"\n"));
            let mut pam = stacks.start_answering("sshd", "bob", BOBS);
            assert_eq!(pam.authenticate(0), code, "{unenrolled}");
            assert_eq!(state(host, "bob"), "none");
        }
    });
}
