//! Trusted devices: a real sshd with keys, and addresses.

use twostep_tests::{Host, Phone, Ssh, in_box};

const PASSWORD: &str = "correct horse";

fn with_keys(host: &Host, trust: &str) -> Phone {
    host.configure(&format!("[interactive]\ntrust = {trust}\n"));
    host.wire_sshd_with_keys();
    host.start_sshd("AuthenticationMethods publickey,keyboard-interactive:pam");
    host.add_user("alice", PASSWORD);
    host.enroll("alice")
}

fn devices(host: &Host) -> usize {
    host.admin_json(&["trusted-devices", "list", "alice"]).as_array().map_or(0, Vec::len)
}

#[test]
fn a_key_is_trusted_after_a_code_until_it_is_forgotten() {
    in_box(|host| {
        let mut phone = with_keys(host, "[\"key\"]");
        let key = host.give_key("alice");
        let first = Ssh::to("alice").key(&key).answers(&[&phone.fresh_code(), "y"]).run("true");
        assert!(first.success, "{first:#?}");
        let fingerprint = host.command("ssh-keygen", &["-lf", &format!("{}.pub", key.display())]).stdout;
        let fingerprint = fingerprint.split(' ').nth(1).unwrap_or_default();
        assert!(
            first.prompts[1].contains(fingerprint) && first.prompts[1].contains("for 30 days"),
            "{first:#?}"
        );
        let again = Ssh::to("alice").key(&key).run("true");
        assert!(again.success, "{again:#?}\n{}", host.sshd_log());
        let line =
            host.wait_for_log(&["result=accepted", "reason=trusted-device", "user=alice", "service=sshd"]);
        assert_eq!(line.value("device"), Some(fingerprint));
        host.wait_for_log(&["result=changed", "reason=trusted-device-add", "user=alice", "by=login"]);

        host.admin(&["trusted-devices", "forget", "alice", fingerprint, "--yes"]).expect_success();
        let asked = Ssh::to("alice").key(&key).answers(&[&phone.fresh_code(), "n"]).run("true");
        assert!(asked.success, "{asked:#?}");
        assert_eq!(devices(host), 0);
    });
}

#[test]
fn another_key_another_service_and_new_authenticators_ask_again() {
    in_box(|host| {
        let mut phone = with_keys(host, "[\"key\"]");
        let key = host.give_key("alice");
        assert!(Ssh::to("alice").key(&key).answers(&[&phone.fresh_code(), "yes"]).run("true").success);
        assert_eq!(devices(host), 1);

        let other = std::path::Path::new("/root/other");
        host.command("ssh-keygen", &["-q", "-t", "ecdsa", "-N", "", "-f", "/root/other"]).expect_success();
        let public = host.read("/home/alice/.ssh/authorized_keys") + &host.read("/root/other.pub");
        host.write("/home/alice/.ssh/authorized_keys", &public);
        assert!(!Ssh::to("alice").key(other).answers(&[&phone.wrong_code()]).run("true").success);

        host.admin(&["authenticator", "add", "alice", "tablet", "--activate", "--no-qr"]).expect_success();
        assert_eq!(devices(host), 0);
        assert!(!Ssh::to("alice").key(&key).answers(&[&phone.wrong_code()]).run("true").success);
    });
}

/// A wrong password after the code, with `required` lines: the login as a whole fails, and the device is not trusted; nobody is asked
/// either, since the question alone would tell that the code was right.
#[test]
fn nothing_is_trusted_by_a_login_that_fails() {
    in_box(|host| {
        host.configure("[interactive]\ntrust = [\"address\"]\n");
        host.wire_sshd();
        host.go_on_after_wrong_passwords("/etc/pam.d/sshd");
        host.start_sshd("");
        host.add_user("alice", PASSWORD);
        let mut phone = host.enroll("alice");
        host.add_address("192.0.2.77");
        let home = Ssh::to("alice").option("BindAddress=192.0.2.77");
        let attempt = home.answers(&["wrong horse", &phone.fresh_code()]).run("true");
        assert!(!attempt.success, "{attempt:#?}");
        assert_eq!(devices(host), 0);
    });
}

/// With `UseDNS` sshd hands PAM a name; the address is in SSH_CONNECTION.
#[test]
fn an_address_is_trusted_where_that_is_configured_even_with_names() {
    in_box(|host| {
        host.configure("[interactive]\ntrust = [\"address\"]\ntrust_days = 7\n");
        host.add_address("192.0.2.77");
        host.add_address("192.0.2.78");
        host.write("/etc/hosts", "127.0.0.1 localhost\n192.0.2.77 home.example\n192.0.2.78 cafe.example\n");
        host.wire_sshd();
        host.start_sshd("UseDNS yes");
        host.add_user("alice", PASSWORD);
        let mut phone = host.enroll("alice");
        let home = || Ssh::to("alice").option("BindAddress=192.0.2.77");
        let first = home().answers(&[PASSWORD, &phone.fresh_code(), "y"]).run("true");
        assert!(first.success, "{first:#?}");
        assert!(first.prompts[2].contains("(192.0.2.77) for 7 days"), "{first:#?}");
        let line = host.wait_for_log(&["result=accepted", "reason=code ", "user=alice"]);
        assert_eq!(line.value("from"), Some("192.0.2.77"));
        let again = home().answers(&[PASSWORD]).run("true");
        assert!(again.success, "{again:#?}");
        // The password is still needed, and another address asks.
        assert!(!home().answers(&["wrong horse"]).run("true").success);
        let cafe = Ssh::to("alice").option("BindAddress=192.0.2.78");
        assert!(!cafe.answers(&[PASSWORD, &phone.wrong_code()]).run("true").success);
        // Whoever comes from the host itself could be anybody behind a proxy on it: nothing to trust.
        assert!(Ssh::to("alice").answers(&[PASSWORD, &phone.fresh_code()]).run("true").success);
        // Where the administrator thinks better of it, that holds at once.
        host.configure("[interactive]\ntrust = []\n");
        assert!(!home().answers(&[PASSWORD, &phone.wrong_code()]).run("true").success);
    });
}

/// Many wrong codes from everywhere: whoever has a trusted device gets in all the same, and is told.
#[test]
fn a_guesser_does_not_lock_out_a_trusted_device() {
    in_box(|host| {
        let mut phone = with_keys(host, "[\"key\"]");
        let key = host.give_key("alice");
        assert!(Ssh::to("alice").key(&key).answers(&[&phone.fresh_code(), "y"]).run("true").success);
        let other = std::path::Path::new("/root/other");
        host.command("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", "/root/other"]).expect_success();
        let public = host.read("/home/alice/.ssh/authorized_keys") + &host.read("/root/other.pub");
        host.write("/home/alice/.ssh/authorized_keys", &public);
        for _ in 0..6 {
            assert!(!Ssh::to("alice").key(other).answers(&[&phone.wrong_code()]).run("true").success);
        }
        host.wait_for_log(&["result=refused", "reason=throttled", "user=alice"]);
        let owner = Ssh::to("alice").key(&key).run("true");
        assert!(owner.success, "{owner:#?}");
        assert!(
            owner.stderr.contains("5 wrong codes were entered since your last sign-in, from 127.0.0.1."),
            "{owner:#?}"
        );
    });
}
