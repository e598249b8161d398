//! Stacks of administrators who come from elsewhere: a line before ours jumps over it for some logins, and the account line refuses the
//! enrolled. What it says of that must be true: nobody is told of a key who came with a password.

use std::path::PathBuf;

use twostep_tests::ssh::Attempt;
use twostep_tests::wiring::INTERACTIVE_AUTH;
use twostep_tests::{Host, Phone, Ssh, in_box};

const PASSWORD: &str = "correct horse";
const ACCESS_FILE: &str = "/etc/security/access-code.conf";
/// Jumps as they are written where the code is another module's, and what ends the stack before the password modules.
const PAM_ACCESS: &str =
    "auth [success=1 default=ignore] pam_access.so accessfile=/etc/security/access-code.conf";
const PAM_SUCCEED_IF: &str = "auth [success=1 default=ignore] pam_succeed_if.so quiet user = alice";

/// alice is enrolled, and this line stands right before the one that asks for the code.
fn with_jump(host: &Host, jump: &str, sshd: &str) -> Phone {
    host.write(ACCESS_FILE, "+:ALL:127.0.0.1\n-:ALL:ALL\n");
    host.wire_sshd();
    put_before(host, INTERACTIVE_AUTH, jump);
    start(host, sshd)
}

fn put_before(host: &Host, line: &str, new: &str) {
    host.edit(
        "/etc/pam.d/sshd",
        |there| if there == line { format!("{new}\n{there}") } else { there.to_owned() },
    );
    assert!(host.read("/etc/pam.d/sshd").contains(&format!("{new}\n{line}\n")));
}

fn start(host: &Host, sshd: &str) -> Phone {
    host.start_sshd(sshd);
    host.add_user("alice", PASSWORD);
    host.enroll("alice")
}

#[track_caller]
fn refused_for(host: &Host, attempt: &Attempt, reason: &str) {
    assert!(!attempt.success, "{attempt:#?}");
    let lines: Vec<_> =
        host.log_lines().into_iter().filter(|line| line.value("service") == Some("sshd")).collect();
    let reasons: Vec<_> = lines.iter().filter_map(|line| line.value("reason")).collect();
    assert_eq!(reasons.last(), Some(&reason), "{attempt:#?}\n{lines:#?}\n{}", host.sshd_log());
}

#[track_caller]
fn not_asked(host: &Host, attempt: &Attempt) {
    refused_for(host, attempt, "code-not-asked");
    assert!(attempt.stderr.contains("nobody asked for it"), "{attempt:#?}");
    assert!(!attempt.stderr.contains("key alone"), "{attempt:#?}");
}

#[test]
fn a_password_that_jumps_over_the_code_by_pam_access_is_not_said_to_be_a_key() {
    in_box(|host| {
        with_jump(host, PAM_ACCESS, "");
        not_asked(host, &Ssh::to("alice").answers(&[PASSWORD]).run("true"));
    });
}

#[test]
fn a_password_that_jumps_over_the_code_by_pam_succeed_if_is_not_said_to_be_a_key() {
    in_box(|host| {
        with_jump(host, PAM_SUCCEED_IF, "");
        not_asked(host, &Ssh::to("alice").answers(&[PASSWORD]).run("true"));
    });
}

/// sshd's own method `password` calls PAM in the process that a key login ends in, with a conversation that tells nothing.
#[test]
fn nor_is_one_by_the_method_password() {
    in_box(|host| {
        with_jump(host, PAM_ACCESS, "PasswordAuthentication yes");
        not_asked(host, &Ssh::to("alice").methods("password").answers(&[PASSWORD]).run("true"));
    });
}

/// Nothing of the password modules is left on the handle: they were never called.
#[test]
fn nor_is_whoever_a_sufficient_line_lets_in_without_a_password() {
    in_box(|host| {
        host.wire_sshd();
        put_before(host, "@include common-auth", "auth sufficient pam_exec.so quiet /bin/true");
        start(host, "");
        not_asked(host, &Ssh::to("alice").run("true"));
    });
}

#[test]
fn nor_is_a_password_after_a_key() {
    in_box(|host| {
        with_jump(host, PAM_ACCESS, "AuthenticationMethods publickey,keyboard-interactive:pam");
        let key = host.give_key("alice");
        not_asked(host, &Ssh::to("alice").key(&key).answers(&[PASSWORD]).run("true"));
    });
}

#[test]
fn a_key_beside_the_same_jump_is_a_key_alone() {
    in_box(|host| {
        with_jump(host, PAM_ACCESS, "");
        let key = host.give_key("alice");
        let attempt = Ssh::to("alice").key(&key).run("true");
        refused_for(host, &attempt, "key-alone");
        assert!(attempt.stderr.contains("-o PubkeyAuthentication=no"), "{attempt:#?}");
    });
}

/// Anyone who must enroll is told what stands in the way, too.
#[test]
fn whoever_must_enroll_is_not_said_to_have_a_key_either() {
    in_box(|host| {
        host.configure("[interactive]\nunenrolled = \"enroll\"\n");
        with_jump(host, "auth [success=1 default=ignore] pam_succeed_if.so quiet user = bob", "");
        host.add_user("bob", PASSWORD);
        let attempt = Ssh::to("bob").answers(&[PASSWORD]).run("true");
        refused_for(host, &attempt, "not-set-up");
        assert!(!attempt.stderr.contains("PubkeyAuthentication"), "{attempt:#?}");
        host.wait_for_log(&["reason=not-set-up", "user=bob", "cause=\"the code was not asked for\""]);
    });
}

/// docs/options.md: what to write in the place of the jump.
#[test]
fn a_rule_lets_in_whom_the_jump_was_for() {
    in_box(|host| {
        host.configure("[[rule]]\nservice = \"sshd\"\nfrom = \"127.0.0.0/8\"\ndemand = \"nothing\"\n");
        host.wire_sshd();
        start(host, "");
        let attempt = Ssh::to("alice").answers(&[PASSWORD]).run("id -un");
        assert!(attempt.success, "{attempt:#?}\n{}", host.sshd_log());
        let key: PathBuf = host.give_key("alice");
        assert!(Ssh::to("alice").key(&key).run("true").success);
        host.wait_for_log(&["result=ignored", "reason=exempt", "service=sshd"]);
    });
}

#[test]
fn check_names_the_jump_and_the_rule_to_write() {
    in_box(|host| {
        with_jump(host, PAM_ACCESS, "");
        for command in [&["check"][..], &["pam", "status", "sshd"]] {
            let done = host.admin(command);
            let told = format!("{}{}", done.stdout, done.stderr);
            assert!(told.contains("pam_access.so") && told.contains("demand = \"nothing\""), "{told}");
        }
    });
}
