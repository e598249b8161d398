//! Somebody has alice's password, a thousand addresses and all the time in the world.

use std::fmt::Write as _;

use twostep_tests::pam::{Code, Item, Stacks};
use twostep_tests::{Host, Phone, Ssh, child, in_box};

const PASSWORD: &str = "correct horse";
const ADDRESSES: usize = 1_000;
const GUESSES: usize = 10_000;
/// What docs/threat-model.md says.
const HEARD: u64 = 90;

/// Ten thousand guesses through the real module, each address ten times. The password was right: a stack without one.
fn guess(phone: &Phone) -> String {
    let wrong = phone.wrong_code();
    child::run(|| {
        let stacks = Stacks::new().file("sshd", "auth required pam_twostep.so");
        let mut told = String::new();
        for n in 0..GUESSES {
            let mut pam = stacks.start_answering("sshd", "alice", wrong.as_str());
            pam.set_item(Item::Rhost, format!("198.18.{}.{}", n % ADDRESSES / 250, n % ADDRESSES % 250));
            if pam.authenticate(0) != Code::AUTH_ERR {
                // Writing to a String cannot fail.
                let _ = write!(told, "{n} ");
            }
            pam.end();
        }
        told
    })
}

fn wrong_codes(host: &Host) -> Option<u64> {
    host.admin_json(&["show", "alice"])["wrong_codes"].as_u64()
}

#[test]
fn ninety_guesses_are_heard_and_the_owner_gets_in_all_the_same() {
    in_box(|host| {
        host.configure("[interactive]\ntrust = [\"key\"]\n");
        host.wire_sshd_with_keys();
        host.start_sshd("AuthenticationMethods publickey,keyboard-interactive:pam keyboard-interactive:pam");
        host.add_address("192.0.2.77");
        host.add_user("alice", PASSWORD);
        let mut phone = host.enroll("alice");
        let key = host.give_key("alice");
        // At home she trusts her laptop's key; her office is known from an earlier login.
        assert!(Ssh::to("alice").key(&key).answers(&[&phone.fresh_code(), "y"]).run("true").success);
        let office = || Ssh::to("alice").option("BindAddress=192.0.2.77");
        let set = host.admin_json(&["backup-codes", "alice", "--yes"]);
        let codes = set.as_array().or_else(|| set["backup_codes"].as_array()).expect("codes");
        let backup_code = |at: usize| codes[at].as_str().expect("a code");
        assert!(office().answers(&[PASSWORD, backup_code(0)]).run("true").success);

        assert_eq!(guess(&phone), "", "guesses that were not plainly refused");
        assert_eq!(wrong_codes(host), Some(HEARD));
        let lines = host.log_lines();
        let count = |reason: &str| lines.iter().filter(|line| line.value("reason") == Some(reason)).count();
        assert_eq!(count("code-wrong") as u64, HEARD, "each of them with a chance of three in a million");
        assert_eq!(count("code-wrong") + count("capped") + count("throttled"), GUESSES);

        // Her trusted key needs no code, and she is told.
        let laptop = Ssh::to("alice").key(&key).run("true");
        assert!(laptop.success, "{laptop:#?}");
        let told = format!("{HEARD} wrong codes were entered since your last sign-in, from 198.18.0.");
        assert!(laptop.stderr.contains(&told) && laptop.stderr.contains("and elsewhere."), "{laptop:#?}");
        // From a known place her code is heard.
        let attempt = office().answers(&[PASSWORD, &phone.fresh_code()]).run("true");
        assert!(attempt.success, "{attempt:#?}");
        // From an unknown one only a backup code is, and then all begin anew.
        host.add_address("192.0.2.78");
        let cafe = || Ssh::to("alice").option("BindAddress=192.0.2.78");
        assert!(!cafe().answers(&[PASSWORD, &phone.wrong_code()]).run("true").success);
        host.wait_for_log(&["result=refused", "reason=capped", "user=alice", "from=192.0.2.78"]);
        assert!(cafe().answers(&[PASSWORD, backup_code(1)]).run("true").success);
        assert_eq!(wrong_codes(host), Some(0));
        assert!(cafe().answers(&[PASSWORD, &phone.fresh_code()]).run("true").success);
    });
}

/// From one address: five are free, then one waits, and is told how long.
#[test]
fn from_one_address_one_waits_and_others_do_not() {
    in_box(|host| {
        host.wire_sshd();
        host.start_sshd("");
        host.add_address("192.0.2.77");
        host.add_user("alice", PASSWORD);
        let mut phone = host.enroll("alice");
        let guesser = || Ssh::to("alice").option("BindAddress=192.0.2.77");
        for _ in 0..5 {
            let attempt = guesser().answers(&[PASSWORD, &phone.wrong_code()]).run("true");
            assert!(
                !attempt.success && attempt.stderr.contains("That code was not accepted."),
                "{attempt:#?}"
            );
        }
        // Even a right one is not heard now; whoever may wait is told so, and nothing is counted.
        let attempt = guesser().answers(&[PASSWORD, &phone.fresh_code()]).run("true");
        assert!(!attempt.success, "{attempt:#?}");
        assert!(attempt.stderr.contains("Too many wrong codes. Please try again in "), "{attempt:#?}");
        assert_eq!(wrong_codes(host), Some(5));
        // The owner is elsewhere. Her success does not help the guesser.
        assert!(Ssh::to("alice").answers(&[PASSWORD, &phone.fresh_code()]).run("true").success);
        assert!(!guesser().answers(&[PASSWORD, &phone.wrong_code()]).run("true").success);
        host.wait_for_log(&["result=refused", "reason=throttled", "from=192.0.2.77"]);
        host.admin(&["unlock", "alice"]).expect_success();
        assert!(guesser().answers(&[PASSWORD, &phone.fresh_code()]).run("true").success);
    });
}

/// Many wrong answers to the module; the password was right. Each must be plainly refused.
fn refused(answer: &str, from: &str, times: usize) -> String {
    child::run(|| {
        let stacks = Stacks::new().file("sshd", "auth required pam_twostep.so");
        let mut told = String::new();
        for n in 0..times {
            let mut pam = stacks.start_answering("sshd", "alice", answer);
            pam.set_item(Item::Rhost, from);
            if pam.authenticate(0) != Code::AUTH_ERR {
                // Writing to a String cannot fail.
                let _ = write!(told, "{n} ");
            }
            pam.end();
        }
        told
    })
}

/// Backup codes that are wrong make nobody wait; and where wrong codes do, the owner's backup code and the help desk's bypass code do not.
#[test]
fn a_guesser_at_a_shared_source_keeps_no_backup_code_out_and_with_wrong_ones_nothing() {
    const WRONG: &str = "2222-2222-22222";
    in_box(|host| {
        host.wire_sshd();
        host.start_sshd("");
        host.add_user("alice", PASSWORD);
        let mut phone = host.enroll("alice");
        let set = host.admin_json(&["backup-codes", "alice", "--yes"]);
        let codes = set.as_array().or_else(|| set["backup_codes"].as_array()).expect("codes");
        let backup_code = |at: usize| codes[at].as_str().expect("a code");
        let owner = |answer: &str| Ssh::to("alice").answers(&[PASSWORD, answer]).run("true");
        // All come through this host's loopback, as through a proxy.
        assert_eq!(refused(WRONG, "127.0.0.1", 300), "");
        let attempt = owner(&phone.fresh_code());
        assert!(attempt.success, "{attempt:#?}");
        assert!(
            attempt.stderr.contains("300 wrong codes were entered since your last sign-in"),
            "{attempt:#?}"
        );
        assert_eq!(refused(WRONG, "127.0.0.1", 300), "");
        assert!(owner(backup_code(0)).success);
        assert!(!host.log_lines().iter().any(|line| line.value("reason") == Some("throttled")));

        // Wrong codes do keep a code out there.
        let wait = || {
            assert_eq!(refused(&phone.wrong_code(), "127.0.0.1", 12), "");
            assert_eq!(refused(WRONG, "127.0.0.1", 20), "");
            let attempt = owner(&phone.wrong_code());
            assert!(attempt.stderr.contains("or enter a backup code now"), "{attempt:#?}");
        };
        wait();
        assert!(owner(backup_code(1)).success);
        wait();
        let bypass = host.admin_json(&["bypass", "alice", "--for", "1h"]);
        assert!(owner(bypass["code"].as_str().expect("a code")).success);
        // Either lets all sources begin anew.
        assert!(owner(&phone.fresh_code()).success);
    });
}
