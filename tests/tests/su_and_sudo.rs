//! su and sudo, which are root by their effective uid only: Debian's own files, our two lines, a real twostepd.

use twostep_tests::broker::SOCKET;
use twostep_tests::callers::{Limit, as_user, su, sudo};
use twostep_tests::{Console, Host, Phone, Ssh, in_box};

const PASSWORD: &str = "correct horse";
const BOBS: &str = "battery staple";

/// alice is enrolled, bob is not.
fn with_alice_and_bob(host: &Host) -> Phone {
    host.wire_su_and_sudo();
    host.add_user("alice", PASSWORD);
    host.add_user("bob", BOBS);
    host.enroll("alice")
}

#[track_caller]
fn ends_as(console: &mut Console, user: &str) {
    let status = console.end();
    assert!(status == Some(0) && console.shown().trim_end().ends_with(user), "{}", console.shown());
}

#[track_caller]
fn is_refused(console: &mut Console) {
    let status = console.end();
    assert!(status.is_some_and(|status| status != 0), "{status:?}: {}", console.shown());
}

#[test]
fn su_asks_for_password_and_code() {
    in_box(|host| {
        let mut phone = with_alice_and_bob(host);
        let _broker = host.start_broker();
        let mut console = su(host, "bob", "alice");
        console.answer("Password: ", PASSWORD);
        console.answer("Verification code: ", &phone.fresh_code());
        ends_as(&mut console, "alice");
        let line = host.wait_for_log(&["result=accepted", "reason=code ", "user=alice", "service=su"]);
        assert!(line.text.starts_with("pam_twostep["), "{line}");

        let mut console = su(host, "bob", "alice");
        console.answer("Password: ", PASSWORD);
        console.answer("Verification code: ", &phone.wrong_code());
        is_refused(&mut console);
        host.wait_for_log(&["result=refused", "reason=code-wrong ", "user=alice", "service=su"]);

        // Who is not enrolled is asked for the password only.
        let mut console = su(host, "alice", "bob");
        console.answer("Password: ", BOBS);
        ends_as(&mut console, "bob");
    });
}

#[test]
fn sudo_asks_for_password_and_code() {
    in_box(|host| {
        let mut phone = with_alice_and_bob(host);
        let _broker = host.start_broker();
        let mut console = sudo(host, "alice");
        console.answer("password for alice: ", PASSWORD);
        console.answer("Verification code: ", &phone.fresh_code());
        ends_as(&mut console, "root");
        host.wait_for_log(&["result=accepted", "reason=code ", "user=alice", "service=sudo"]);
        let mut console = sudo(host, "bob");
        console.answer("password for bob: ", BOBS);
        ends_as(&mut console, "root");
    });
}

/// A user does to su whatever she likes, in mid-prompt and at once after typing: sshd, which is wholly root, is as quick as ever, and
/// so is the next su.
#[test]
fn whoever_stops_kills_or_starves_su_blocks_nobody() {
    in_box(|host| {
        let mut phone = with_alice_and_bob(host);
        host.wire_sshd();
        host.start_sshd("");
        let _broker = host.start_broker();
        let wrong = phone.wrong_code();
        let mut frozen = Vec::new();
        let mut typed = 0;
        for round in 0..8 {
            // Stopped while the prompt stands, and while the answer is judged, for ever.
            let mut console = su(host, "bob", "alice");
            console.answer("Password: ", PASSWORD);
            console.wait_for("Verification code: ");
            if round % 2 == 1 {
                console.type_line(&wrong);
                typed += 1;
            }
            console.signal(libc::SIGSTOP);
            frozen.push(console);
            // Killed likewise.
            let mut console = su(host, "bob", "alice");
            console.answer("Password: ", PASSWORD);
            console.wait_for("Verification code: ");
            console.signal(libc::SIGKILL);
        }
        assert!(typed > 0);
        let attempt = Ssh::to("bob").answers(&[BOBS]).run("true");
        assert!(attempt.success, "{attempt:?}");
        let code = phone.fresh_code();
        let attempt = Ssh::to("alice").answers(&[PASSWORD, &code]).run("true");
        assert!(attempt.success, "{attempt:?}");
        let mut console = su(host, "alice", "bob");
        console.answer("Password: ", BOBS);
        ends_as(&mut console, "bob");
    });
}

/// What is typed is counted, whatever becomes of su: a guess whose outcome nobody waits for is a guess.
#[test]
fn no_guess_goes_uncounted() {
    in_box(|host| {
        let phone = with_alice_and_bob(host);
        let _broker = host.start_broker();
        let wrong = phone.wrong_code();
        for typed in 1..=4 {
            let mut console = su(host, "bob", "alice");
            console.answer("Password: ", PASSWORD);
            console.answer("Verification code: ", &wrong);
            // As soon as su has passed it on, it is killed: the refusal is never seen.
            twostep_tests::eventually("the guess to be counted", || {
                let shown = host.admin_json(&["show", "alice"]);
                (shown["wrong_codes"].as_u64() == Some(typed)).then_some(())
            });
            console.signal(libc::SIGKILL);
        }
        // The fifth is free, the sixth must wait.
        for reason in ["code-wrong", "throttled"] {
            let mut console = su(host, "bob", "alice");
            console.answer("Password: ", PASSWORD);
            console.answer("Verification code: ", &wrong);
            is_refused(&mut console);
            host.wait_for_log(&[&format!("reason={reason} "), "user=alice", "service=su"]);
        }
    });
}

/// Killed sooner or later after the guess was typed: whoever has seen that it was wrong has had it counted.
#[test]
fn no_outcome_is_seen_before_it_is_counted() {
    in_box(|host| {
        let phone = with_alice_and_bob(host);
        let broker = host.start_broker();
        let wrong = phone.wrong_code();
        let mut seen = 0;
        for round in 0..24 {
            host.admin(&["unlock", "alice"]).expect_success();
            let mut console = su(host, "bob", "alice");
            console.answer("Password: ", PASSWORD);
            console.wait_for("Verification code: ");
            console.type_line(&wrong);
            // The last rounds let it come to its end.
            if round < 20 {
                std::thread::sleep(std::time::Duration::from_micros(400 * round));
                console.signal(libc::SIGKILL);
            }
            console.end();
            let told = console.shown().contains("failure");
            twostep_tests::eventually("the broker to be done with it", || {
                (broker.threads() == 1).then_some(())
            });
            let counted = host.admin_json(&["show", "alice"])["wrong_codes"].as_u64();
            assert!(counted == Some(1) || (!told && counted == Some(0)), "round {round}: {counted:?}");
            seen += u32::from(told);
        }
        assert!(seen >= 4, "{seen} of 24 were seen");
    });
}

/// Resource limits survive the exec of a setuid program. Whatever they break is a refusal, and leaves the store as it was.
#[test]
fn no_resource_limit_lets_anybody_in_or_spoils_the_store() {
    in_box(|host| {
        let mut phone = with_alice_and_bob(host);
        let _broker = host.start_broker();
        let wrong = phone.wrong_code();
        let mebibyte = 1 << 20;
        let limits = [
            Limit(libc::RLIMIT_FSIZE, 0),
            Limit(libc::RLIMIT_NOFILE, 4),
            Limit(libc::RLIMIT_NOFILE, 8),
            Limit(libc::RLIMIT_AS, 12 * mebibyte),
            Limit(libc::RLIMIT_AS, 20 * mebibyte),
            Limit(libc::RLIMIT_DATA, mebibyte),
            Limit(libc::RLIMIT_STACK, 64 << 10),
            Limit(libc::RLIMIT_NPROC, 0),
            Limit(libc::RLIMIT_MEMLOCK, 0),
            Limit(libc::RLIMIT_CPU, 1),
        ];
        for limit in limits {
            let mut console =
                as_user(host, "bob", "/bin/su", &["alice", "-c", "id -un"], std::slice::from_ref(&limit));
            // It may not come as far as the prompts.
            console.type_when_asked("Password: ", PASSWORD);
            console.type_when_asked("Verification code: ", &wrong);
            let status = console.end();
            assert!(status != Some(0), "{limit:?}: {}", console.shown());
        }
        host.admin(&["unlock", "alice"]).expect_success();
        host.admin(&["check"]);
        let mut console = su(host, "bob", "alice");
        console.answer("Password: ", PASSWORD);
        console.answer("Verification code: ", &phone.fresh_code());
        ends_as(&mut console, "alice");
    });
}

#[test]
fn without_a_broker_nobody_who_needs_one_gets_in_and_all_others_do() {
    in_box(|host| {
        let mut phone = with_alice_and_bob(host);
        host.wire_sshd();
        host.start_sshd("");
        for (user, target, password) in [("bob", "alice", PASSWORD), ("alice", "bob", BOBS)] {
            let mut console = su(host, user, target);
            console.answer("Password: ", password);
            is_refused(&mut console);
            assert!(console.shown().contains("not available at the moment"), "{}", console.shown());
        }
        let line = host.wait_for_log(&["result=unavailable", "reason=broker ", "service=su"]);
        assert_eq!(line.value("remedy"), Some("start the broker: systemctl start twostepd.socket"), "{line}");
        let attempt = Ssh::to("alice").answers(&[PASSWORD, &phone.fresh_code()]).run("true");
        assert!(attempt.success, "{attempt:?}");

        // A broker that was killed leaves its socket behind; the next one takes its place.
        host.start_broker().kill();
        assert!(std::path::Path::new(SOCKET).exists());
        let mut console = su(host, "bob", "alice");
        console.answer("Password: ", PASSWORD);
        is_refused(&mut console);
        let _broker = host.start_broker();
        let mut console = su(host, "bob", "alice");
        console.answer("Password: ", PASSWORD);
        console.answer("Verification code: ", &phone.fresh_code());
        ends_as(&mut console, "alice");
    });
}

/// What sudo is told on top, in a file that it reads last.
fn sudoers(host: &Host, defaults: &str) {
    host.write("/etc/sudoers.d/zz", &format!("Defaults {defaults}\n"));
    host.set_mode("/etc/sudoers.d/zz", 0o440);
}

/// As docs/troubleshooting.md says: sudo shows the text of `-p` instead of every prompt, and does not tell the module. `SUDO_PROMPT` is
/// for the password alone.
#[test]
fn sudo_shows_the_text_of_its_option_at_both_prompts() {
    in_box(|host| {
        let mut phone = with_alice_and_bob(host);
        let _broker = host.start_broker();
        let mut console =
            as_user(host, "alice", "/usr/bin/sudo", &["-k", "-p", "secret please: ", "id", "-un"], &[]);
        console.answer("secret please: ", PASSWORD);
        console.answer("secret please: ", &phone.fresh_code());
        ends_as(&mut console, "root");
        assert!(!console.shown().contains("Verification code"), "{}", console.shown());

        let environment = ["SUDO_PROMPT=secret please: ", "sudo", "-k", "id", "-un"];
        let mut console = as_user(host, "alice", "/usr/bin/env", &environment, &[]);
        console.answer("secret please: ", PASSWORD);
        console.answer("Verification code: ", &phone.fresh_code());
        ends_as(&mut console, "root");

        sudoers(host, "passprompt=\"company: \", passprompt_override");
        let mut console = sudo(host, "alice");
        console.answer("company: ", PASSWORD);
        console.answer("company: ", &phone.fresh_code());
        ends_as(&mut console, "root");

        // Anyone who takes the second prompt for the password's again has lost nothing.
        let mut console =
            as_user(host, "alice", "/usr/bin/sudo", &["-k", "-p", "secret please: ", "id"], &[]);
        console.answer("secret please: ", PASSWORD);
        console.answer("secret please: ", PASSWORD);
        console.wait_for("secret please: ");
        console.signal(libc::SIGKILL);
        assert_eq!(host.admin_json(&["show", "alice"])["wrong_codes"].as_u64(), Some(0));
    });
}

/// With targetpw sudo is like su: the code is that of the user the command runs as.
#[test]
fn whose_code_sudo_asks_for_is_whose_password_it_asks_for() {
    in_box(|host| {
        let mut phone = with_alice_and_bob(host);
        let _broker = host.start_broker();
        let is_told = || host.admin(&["check"]).stdout.contains("sudo-asks-for-another");
        assert!(!is_told());
        for option in ["targetpw", "runaspw, runas_default=bob", "rootpw"] {
            sudoers(host, option);
            assert!(is_told(), "{option}");
        }
        sudoers(host, "targetpw");
        // alice, who is enrolled, becomes bob without a code; bob becomes alice with hers.
        let mut console = as_user(host, "alice", "/usr/bin/sudo", &["-k", "-u", "bob", "id", "-un"], &[]);
        console.answer("password for bob: ", BOBS);
        ends_as(&mut console, "bob");
        let mut console = as_user(host, "bob", "/usr/bin/sudo", &["-k", "-u", "alice", "id", "-un"], &[]);
        console.answer("password for alice: ", PASSWORD);
        console.answer("Verification code: ", &phone.fresh_code());
        ends_as(&mut console, "alice");
        sudoers(host, "!targetpw");
        assert!(!is_told());
    });
}

/// For a while, on one terminal; never with `timestamp_timeout=0`.
#[test]
fn sudos_timestamp_skips_password_and_code() {
    in_box(|host| {
        let mut phone = with_alice_and_bob(host);
        let _broker = host.start_broker();
        let twice = ["-c", "sudo id -un && sudo echo as $(sudo id -un)"];
        sudoers(host, "timestamp_timeout=15");
        let mut console = as_user(host, "alice", "/bin/sh", &twice, &[]);
        console.answer("password for alice: ", PASSWORD);
        console.answer("Verification code: ", &phone.fresh_code());
        ends_as(&mut console, "as root");

        sudoers(host, "timestamp_timeout=0");
        let mut console = as_user(host, "alice", "/bin/sh", &["-c", "sudo id -un && sudo id -un"], &[]);
        for _ in 0..2 {
            console.answer("password for alice: ", PASSWORD);
            console.answer("Verification code: ", &phone.fresh_code());
        }
        ends_as(&mut console, "root");
    });
}
