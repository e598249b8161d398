//! Signing in over ssh: a real sshd, real OpenSSH clients.

use twostep_tests::log::AUTHPRIV;
use twostep_tests::pam::{Code, Stacks};
use twostep_tests::{Host, Phone, Ssh, in_box};

const PASSWORD: &str = "correct horse";
const PASSWORD_PROMPT: &str = "(alice@127.0.0.1) Password: ";
const CODE_PROMPT: &str = "(alice@127.0.0.1) Verification code: ";
const NOT_ACCEPTED: &str = "That code was not accepted.";

/// alice is enrolled, bob is not; sshd asks for password and code.
fn with_alice_and_bob(host: &Host) -> Phone {
    host.wire_sshd();
    host.start_sshd("");
    people(host)
}

/// The same, where a key counts as the password.
fn with_keys_as_the_first_step(host: &Host) -> Phone {
    host.wire_sshd_with_keys();
    host.start_sshd("AuthenticationMethods publickey,keyboard-interactive:pam");
    people(host)
}

fn people(host: &Host) -> Phone {
    host.add_user("alice", PASSWORD);
    host.add_user("bob", PASSWORD);
    host.enroll("alice")
}

#[test]
fn password_and_code_let_in() {
    in_box(|host| {
        let mut phone = with_alice_and_bob(host);
        let attempt = Ssh::to("alice").answers(&[PASSWORD, &phone.fresh_code()]).run("id -un");
        assert!(attempt.success, "{attempt:#?}");
        assert_eq!(attempt.prompts, [PASSWORD_PROMPT, CODE_PROMPT]);
        assert_eq!(attempt.stdout, "alice\n");
        let line = host.wait_for_log(&["result=accepted", "reason=code ", "user=alice", "service=sshd"]);
        assert_eq!(line.facility, AUTHPRIV);
        assert_eq!(line.value("from"), Some("127.0.0.1"));
    });
}

#[test]
fn the_same_code_again_is_refused() {
    in_box(|host| {
        let mut phone = with_alice_and_bob(host);
        let code = phone.fresh_code();
        assert!(Ssh::to("alice").answers(&[PASSWORD, &code]).run("true").success);
        let again = Ssh::to("alice").answers(&[PASSWORD, &code]).run("true");
        assert!(!again.success, "{again:#?}");
        assert!(again.stderr.contains(NOT_ACCEPTED), "{again:#?}");
        host.wait_for_log(&["result=refused", "reason=code-replayed", "user=alice", "service=sshd"]);
        assert!(Ssh::to("alice").answers(&[PASSWORD, &phone.fresh_code()]).run("true").success);
    });
}

#[test]
fn a_wrong_code_is_refused() {
    in_box(|host| {
        let phone = with_alice_and_bob(host);
        let attempt = Ssh::to("alice").answers(&[PASSWORD, &phone.wrong_code()]).run("true");
        assert!(!attempt.success, "{attempt:#?}");
        assert!(attempt.stderr.contains(NOT_ACCEPTED), "{attempt:#?}");
        host.wait_for_log(&["result=refused", "reason=code-wrong", "user=alice", "service=sshd"]);
    });
}

#[test]
fn the_password_alone_is_refused() {
    in_box(|host| {
        with_alice_and_bob(host);
        let attempt = Ssh::to("alice").answers(&[PASSWORD, ""]).run("true");
        assert!(!attempt.success, "{attempt:#?}");
        assert_eq!(attempt.prompts, [PASSWORD_PROMPT, CODE_PROMPT]);
        host.wait_for_log(&["result=refused", "reason=empty", "user=alice", "service=sshd"]);
    });
}

#[test]
fn the_password_typed_again_for_the_code_is_refused() {
    in_box(|host| {
        with_alice_and_bob(host);
        assert!(!Ssh::to("alice").answers(&[PASSWORD, PASSWORD]).run("true").success);
        host.wait_for_log(&["result=refused", "reason=same-as-password", "user=alice", "service=sshd"]);
    });
}

/// openssh-portable#405: the method `password` hands one string to every prompt.
#[test]
fn the_method_password_opens_nothing() {
    in_box(|host| {
        host.wire_sshd();
        host.start_sshd("PasswordAuthentication yes");
        people(host);
        assert!(!Ssh::to("alice").methods("password").answers(&[PASSWORD]).run("true").success);
        assert!(Ssh::to("bob").methods("password").answers(&[PASSWORD]).run("true").success);
    });
}

#[test]
fn a_wrong_password_is_refused_whatever_the_code() {
    in_box(|host| {
        with_alice_and_bob(host);
        let attempt = Ssh::to("alice").answers(&["wrong horse"]).run("true");
        assert!(!attempt.success, "{attempt:#?}");
    });
}

#[test]
fn an_app_password_is_refused_at_the_prompt() {
    in_box(|host| {
        with_alice_and_bob(host);
        let app_password = host.add_app_password("alice", "mail");
        let attempt = Ssh::to("alice").answers(&[PASSWORD, &app_password]).run("true");
        assert!(!attempt.success, "{attempt:#?}");
        host.wait_for_log(&["result=refused", "reason=app-password-at-prompt", "user=alice", "service=sshd"]);
        assert!(!Ssh::to("alice").answers(&[&app_password]).run("true").success);
    });
}

#[test]
fn a_backup_code_lets_in_once() {
    in_box(|host| {
        with_alice_and_bob(host);
        let set = host.admin_json(&["backup-codes", "alice", "--yes"]);
        let codes = set.as_array().or_else(|| set["backup_codes"].as_array());
        let Some(code) = codes.and_then(|codes| codes.first()?.as_str()) else {
            panic!("no backup codes in {set}");
        };
        assert!(Ssh::to("alice").answers(&[PASSWORD, code]).run("true").success);
        assert!(!Ssh::to("alice").answers(&[PASSWORD, code]).run("true").success);
    });
}

#[test]
fn who_is_not_enrolled_gets_in_with_the_password_and_is_asked_for_no_more() {
    in_box(|host| {
        with_alice_and_bob(host);
        let attempt = Ssh::to("bob").answers(&[PASSWORD]).run("id -un");
        assert!(attempt.success, "{attempt:#?}");
        assert_eq!(attempt.stdout, "bob\n");
    });
}

#[test]
fn after_unenrolling_the_password_is_enough_again() {
    in_box(|host| {
        with_alice_and_bob(host);
        host.admin(&["unenroll", "alice", "--yes"]).expect_success();
        assert!(Ssh::to("alice").answers(&[PASSWORD]).run("true").success);
    });
}

#[test]
fn a_name_nobody_has_is_refused_and_not_logged() {
    in_box(|host| {
        with_alice_and_bob(host);
        assert!(!Ssh::to("nobody-of-that-name").answers(&[PASSWORD]).run("true").success);
        let ours = host
            .log_lines()
            .into_iter()
            .find(|line| line.text.contains("twostep") && line.text.contains("nobody-of-that-name"));
        assert_eq!(ours, None);
    });
}

#[test]
fn scp_and_sftp_work_with_a_code() {
    in_box(|host| {
        let mut phone = with_alice_and_bob(host);
        host.write("/tmp/letter", "dear alice");
        let scp = Ssh::to("alice").answers(&[PASSWORD, &phone.fresh_code()]).scp("/tmp/letter", "by-scp");
        assert!(scp.success, "{scp:#?}");
        assert_eq!(host.read("/home/alice/by-scp"), "dear alice");
        let sftp =
            Ssh::to("alice").answers(&[PASSWORD, &phone.fresh_code()]).sftp("put /tmp/letter by-sftp\n");
        assert!(sftp.success, "{sftp:#?}");
        assert_eq!(host.read("/home/alice/by-sftp"), "dear alice");
    });
}

#[test]
fn a_key_alone_is_refused_with_advice_for_the_enrolled_and_enough_for_others() {
    in_box(|host| {
        with_alice_and_bob(host);
        let alices = host.give_key("alice");
        let attempt = Ssh::to("alice").key(&alices).run("true");
        assert!(!attempt.success, "{attempt:#?}");
        assert!(attempt.stderr.contains("-o PubkeyAuthentication=no"), "{attempt:#?}");
        host.wait_for_log(&["result=refused", "reason=key-alone", "user=alice", "service=sshd"]);

        let bobs = host.give_key("bob");
        let attempt = Ssh::to("bob").key(&bobs).run("true");
        assert!(attempt.success, "{attempt:#?}");
    });
}

#[test]
fn after_a_key_the_code_is_asked_for_and_no_password() {
    in_box(|host| {
        let mut phone = with_keys_as_the_first_step(host);
        let key = host.give_key("alice");
        let attempt = Ssh::to("alice").key(&key).answers(&[&phone.fresh_code()]).run("id -un");
        assert!(attempt.success, "{attempt:#?}\n{}", host.sshd_log());
        assert_eq!(attempt.prompts, [CODE_PROMPT]);
        assert_eq!(attempt.stdout, "alice\n");
        assert!(!Ssh::to("alice").key(&key).answers(&[&phone.wrong_code()]).run("true").success);
    });
}

#[test]
fn after_a_key_who_is_not_enrolled_is_asked_for_nothing() {
    in_box(|host| {
        with_keys_as_the_first_step(host);
        let key = host.give_key("bob");
        let attempt = Ssh::to("bob").key(&key).run("id -un");
        assert!(attempt.success, "{attempt:#?}\n{}", host.sshd_log());
    });
}

#[test]
fn cron_is_let_through_the_account_phase_even_with_the_store_gone() {
    in_box(|host| {
        people(host);
        let stacks = Stacks::new().file(
            "cron",
            "account required pam_twostep.so\naccount required pam_permit.so\nsession required pam_permit.so",
        );
        let account_phase = || {
            let mut pam = stacks.start("cron", "alice", []);
            pam.set_item(twostep_tests::pam::Item::Tty, "cron");
            let code = pam.acct_mgmt(0);
            pam.end();
            code
        };
        assert_eq!(account_phase(), Code::SUCCESS);
        std::fs::remove_dir_all("/var/lib/twostep").expect("the store was there");
        assert_eq!(account_phase(), Code::SUCCESS);
        let verdict = host.log_lines().into_iter().find(|line| line.value("service") == Some("cron"));
        assert_eq!(verdict, None, "what is none of our business is not logged");
    });
}
