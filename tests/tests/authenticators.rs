//! Several authenticators, and a clock that is not right, at a real sshd.

use twostep_tests::{Host, Phone, Ssh, eventually, in_box};

const PASSWORD: &str = "correct horse";

fn with_alice(host: &Host) -> Phone {
    host.wire_sshd();
    host.start_sshd("");
    host.add_user("alice", PASSWORD);
    host.enroll("alice")
}

fn signs_in(code: &str) -> bool {
    Ssh::to("alice").answers(&[PASSWORD, code]).run("true").success
}

#[test]
fn each_of_several_lets_in_until_it_is_removed() {
    in_box(|host| {
        let mut phone = with_alice(host);
        let made = host.admin_json(&["authenticator", "add", "alice", "tablet", "--activate", "--no-qr"]);
        let mut tablet = Phone::from_enrollment(&made);
        let eight = [
            "authenticator",
            "add",
            "alice",
            "token",
            "--activate",
            "--no-qr",
            "--digits",
            "8",
            "--algorithm",
            "sha256",
        ];
        let mut token = Phone::from_enrollment(&host.admin_json(&eight));
        for device in [&mut phone, &mut tablet, &mut token] {
            assert!(signs_in(&device.fresh_code()));
        }
        let list = host.admin(&["authenticator", "list", "alice"]).expect_success().stdout;
        assert!(["phone", "tablet", "token"].iter().all(|name| list.contains(name)), "{list}");
        host.admin(&["authenticator", "remove", "alice", "tablet", "--yes"]).expect_success();
        assert!(!signs_in(&tablet.fresh_code()));
        host.wait_for_log(&["result=refused", "reason=code-wrong", "user=alice"]);
        assert!(signs_in(&phone.fresh_code()));
        assert!(
            !host.admin(&["authenticator", "add", "alice", "token", "--activate"]).success(),
            "the name is taken"
        );
    });
}

/// How far off the latest code was is seen at once.
#[test]
fn a_phone_whose_clock_is_off_is_seen() {
    in_box(|host| {
        let phone = with_alice(host);
        let step = || twostep_tests::phone::unix_time() / 30;
        // Once more when the step ended before the host had looked at the code.
        eventually("a sign-in that begins and ends in one step", || {
            let begun = step();
            let entered = signs_in(&phone.code_at((begun - 1) * 30));
            (step() == begun).then(|| assert!(entered))
        });
        let shown = host.admin(&["show", "alice"]).expect_success().stdout;
        assert!(shown.contains("1 step (30 s) behind"), "{shown}");
    });
}

/// As if the clock had been ahead once and were right again: told as such, and not held against her.
#[test]
fn a_clock_that_was_set_back_is_named_with_the_remedy() {
    in_box(|host| {
        let mut phone = with_alice(host);
        assert!(signs_in(&phone.fresh_code()));
        let ahead = "import sqlite3; d = sqlite3.connect('/var/lib/twostep/store.db'); \
                     d.execute('UPDATE authenticator SET last_step = last_step + 100'); d.commit()";
        host.command("python3", &["-c", ahead]).expect_success();
        assert!(!signs_in(&phone.fresh_code()));
        let line = host.wait_for_log(&["result=refused", "reason=clock-behind", "user=alice"]);
        assert!(line.value("remedy").is_some_and(|remedy| remedy.contains("clock")), "{line}");
        assert_eq!(host.admin_json(&["show", "alice"])["wrong_codes"], 0);
        let checked = host.admin(&["check"]).stdout;
        assert!(checked.contains("alice") && checked.contains("twostep-admin unlock"), "{checked}");
        // A backup code goes by no clock.
        let set = host.admin_json(&["backup-codes", "alice", "--yes"]);
        let codes = set.as_array().or_else(|| set["backup_codes"].as_array()).expect("codes");
        assert!(signs_in(codes[0].as_str().expect("a code")));
    });
}
