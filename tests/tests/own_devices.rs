//! Users without any privilege look after their own trusted devices with `twostep`.

use serde_json::{Value, json};
use twostep_tests::own::{done, enroll, twostep};
use twostep_tests::{Host, Ssh, in_box};

const PASSWORD: &str = "correct horse";
const BOBS: &str = "battery staple";
const HOME: &str = "192.0.2.77";

/// What `twostep --json trusted-devices list` prints for a user.
#[track_caller]
fn devices(host: &Host, user: &str) -> Vec<Value> {
    let shown = done(host, user, &["--json", "trusted-devices", "list"], &[]);
    match serde_json::from_str(shown.trim()) {
        Ok(Value::Array(all)) => all,
        _ => panic!("no list: {shown}"),
    }
}

/// sshd with password and code, where an address can be trusted.
fn with_addresses(host: &Host) {
    host.configure("[interactive]\ntrust = [\"address\"]\n[broker]\nhelp_desk = \"helpdesk\"\n");
    host.add_address(HOME);
    host.wire_sshd();
    host.start_sshd("");
}

/// A client at an address that is its own. The host's own loopback is nobody's, and not trusted.
fn from_home(user: &str) -> Ssh {
    Ssh::to(user).option(&format!("BindAddress={HOME}"))
}

/// Has a user trust the address that all come from here, at a login.
#[track_caller]
fn trust(user: &str, password: &str, code: &str) {
    let attempt = from_home(user).answers(&[password, code, "y"]).run("true");
    assert!(attempt.success, "{attempt:#?}");
}

#[test]
fn a_user_sees_a_key_she_trusts_and_after_forgetting_it_gives_a_code_again() {
    in_box(|host| {
        host.configure("[interactive]\ntrust = [\"key\"]\n");
        host.wire_sshd_with_keys();
        host.start_sshd("AuthenticationMethods publickey,keyboard-interactive:pam");
        host.add_user("alice", PASSWORD);
        let _broker = host.start_broker();
        let (mut phone, codes) = enroll(host, "alice", PASSWORD);
        assert!(!done(host, "alice", &["status"], &[]).contains("Trusted devices"));
        let shown = done(host, "alice", &["trusted-devices", "list"], &[]);
        assert!(shown.contains("no trusted devices"), "{shown}");

        let key = host.give_key("alice");
        let fingerprint = host.command("ssh-keygen", &["-lf", &format!("{}.pub", key.display())]).stdout;
        let fingerprint = fingerprint.split(' ').nth(1).unwrap_or_default();
        let first = Ssh::to("alice").key(&key).answers(&[&phone.fresh_code(), "y"]).run("true");
        assert!(first.success, "{first:#?}");
        let again = Ssh::to("alice").key(&key).run("true");
        assert!(again.success, "{again:#?}\n{}", host.sshd_log());

        let shown = done(host, "alice", &["status"], &[]);
        let (_, trusted) = shown.split_once("Trusted devices").unwrap_or_default();
        let words: Vec<_> = trusted.split_whitespace().collect();
        assert_eq!(words.get(6..9), Some(&["sshd", "key", fingerprint][..]), "{shown}");
        let listed = devices(host, "alice");
        assert_eq!(listed.len(), 1, "{listed:?}");
        assert_eq!(
            (&listed[0]["service"], &listed[0]["kind"], &listed[0]["device"]),
            (&json!("sshd"), &json!("key"), &json!(fingerprint))
        );
        // The same as the administrator sees.
        assert_eq!(host.admin_json(&["trusted-devices", "list", "alice"]), Value::Array(listed));

        let proof = [("Password: ", PASSWORD), ("Verification code: ", codes[0].as_str())];
        let shown = done(host, "alice", &["trusted-devices", "forget", fingerprint], &proof);
        assert!(shown.contains(&format!("forgot {fingerprint} at sshd")), "{shown}");
        let logged =
            host.wait_for_log(&["result=changed", "reason=trusted-device-forget", "user=alice", "by=self"]);
        assert!(logged.text.starts_with("twostepd[") && logged.text.contains(fingerprint), "{logged}");
        let shown = done(host, "alice", &["history", "--limit", "1"], &[]);
        assert!(shown.contains("trusted-device-forget") && shown.contains("self"), "{shown}");

        assert_eq!(devices(host, "alice"), Vec::<Value>::new());
        let refused = Ssh::to("alice").key(&key).answers(&[&phone.wrong_code()]).run("true");
        assert!(!refused.success, "{refused:#?}");
        let asked = Ssh::to("alice").key(&key).answers(&[&phone.fresh_code(), "n"]).run("true");
        assert!(asked.success, "{asked:#?}");
    });
}

#[test]
fn what_does_not_fit_or_is_not_proven_forgets_nothing() {
    in_box(|host| {
        with_addresses(host);
        host.add_user("alice", PASSWORD);
        host.add_user("bob", BOBS);
        let _broker = host.start_broker();
        let (_, alices) = enroll(host, "alice", PASSWORD);
        let (mut phone, _) = enroll(host, "bob", BOBS);
        trust("bob", BOBS, &phone.fresh_code());
        let before = devices(host, "bob");
        assert_eq!(before.len(), 1);
        let id = before[0]["id"].to_string();

        // What is not there, and what is somebody else's, is told before anything is asked.
        for (user, which) in [("alice", id.as_str()), ("alice", HOME), ("bob", "203.0.113.9")] {
            let (status, shown) = twostep(host, user, &["trusted-devices", "forget", which], &[]);
            assert!(status == 1 && shown.contains("There is no trusted device"), "{user} {which}: {shown}");
        }
        let (status, shown) = twostep(host, "alice", &["--name", "bob", "trusted-devices", "list"], &[]);
        assert!(status == 1 && shown.contains("not your own name"), "{shown}");

        let forget = ["trusted-devices", "forget", id.as_str()];
        let (status, shown) = twostep(host, "bob", &forget, &[("Password: ", "wrong")]);
        assert!(status == 1 && shown.contains("Nothing was changed"), "{shown}");
        for change in [&forget[..], &["trusted-devices", "forget", "--all"]] {
            // That the address is trusted is no proof, though it lets bob in without a code.
            let wrong = phone.wrong_code();
            let answers = [("Password: ", BOBS), ("Verification code: ", wrong.as_str())];
            let (status, shown) = twostep(host, "bob", change, &answers);
            assert!(status == 1 && shown.contains("Nothing was changed"), "{shown}");
        }
        assert_eq!(devices(host, "bob"), before);

        // Nothing there is no failure of `--all`.
        let proof = [("Password: ", PASSWORD), ("Verification code: ", alices[0].as_str())];
        let shown = done(host, "alice", &["trusted-devices", "forget", "--all"], &proof);
        assert!(shown.contains("nothing to forget"), "{shown}");
        assert_eq!(devices(host, "bob"), before);
    });
}

#[test]
fn a_help_desk_sees_trusted_devices_and_their_owner_forgets_them_all() {
    in_box(|host| {
        host.command("groupadd", &["helpdesk"]).expect_success();
        with_addresses(host);
        host.add_user("alice", PASSWORD);
        host.add_user("carol", BOBS);
        host.command("usermod", &["-aG", "helpdesk", "carol"]).expect_success();
        let _broker = host.start_broker();
        let (mut phone, codes) = enroll(host, "alice", PASSWORD);
        let (_, carols) = enroll(host, "carol", BOBS);
        trust("alice", PASSWORD, &phone.fresh_code());

        let proof = [("Password: ", BOBS), ("Verification code: ", carols[0].as_str())];
        let shown = done(host, "carol", &["help-desk", "show", "alice", "--reason", "INC-9"], &proof);
        let (_, trusted) = shown.split_once("Trusted devices").unwrap_or_default();
        assert!(trusted.contains("sshd") && trusted.contains(HOME), "{shown}");

        let proof = [("Password: ", PASSWORD), ("Verification code: ", codes[0].as_str())];
        let shown = done(host, "alice", &["--json", "trusted-devices", "forget", "--all"], &proof);
        assert!(shown.contains("\"forgotten\"") && shown.contains(HOME), "{shown}");
        assert_eq!(devices(host, "alice"), Vec::<Value>::new());
        let refused = from_home("alice").answers(&[PASSWORD, &phone.wrong_code()]).run("true");
        assert!(!refused.success, "{refused:#?}");
    });
}
