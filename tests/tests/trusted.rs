//! Trusted devices: a real sshd with keys, certificates and addresses.

use std::path::Path;
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

        let other = Path::new("/root/other");
        host.command("ssh-keygen", &["-q", "-t", "ecdsa", "-N", "", "-f", "/root/other"]).expect_success();
        let public = host.read("/home/alice/.ssh/authorized_keys") + &host.read("/root/other.pub");
        host.write("/home/alice/.ssh/authorized_keys", &public);
        assert!(!Ssh::to("alice").key(other).answers(&[&phone.wrong_code()]).run("true").success);

        host.admin(&["authenticator", "add", "alice", "tablet", "--activate", "--no-qr"]).expect_success();
        assert_eq!(devices(host), 0);
        assert!(!Ssh::to("alice").key(&key).answers(&[&phone.wrong_code()]).run("true").success);
    });
}

fn fingerprint(host: &Host, file: &str) -> String {
    let shown = host.command("ssh-keygen", &["-lf", file]).stdout;
    shown.split(' ').nth(1).unwrap_or_default().to_owned()
}

/// Has an authority sign alice's key, for an hour, as it does every hour.
fn certify(host: &Host, authority: &str, key: &Path) {
    let public = format!("{}.pub", key.display());
    host.command(
        "ssh-keygen",
        &["-q", "-s", authority, "-I", "alice", "-n", "alice", "-V", "-1m:+1h", &public],
    )
    .expect_success();
}

#[test]
fn a_renewed_certificate_keeps_its_trust_and_the_key_alone_or_another_authority_has_none() {
    in_box(|host| {
        host.command("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", "/root/ca"]).expect_success();
        host.command("ssh-keygen", &["-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", "/root/other-ca"])
            .expect_success();
        let authorities = host.read("/root/ca.pub") + &host.read("/root/other-ca.pub");
        host.write("/etc/ssh/authorities", &authorities);
        host.configure("[interactive]\ntrust = [\"key\"]\n");
        host.wire_sshd_with_keys();
        host.start_sshd(
            "AuthenticationMethods publickey,keyboard-interactive:pam\nTrustedUserCAKeys /etc/ssh/authorities",
        );
        host.add_user("alice", PASSWORD);
        let mut phone = host.enroll("alice");
        let key = host.give_key("alice");
        let is_asked = |phone: &mut Phone| {
            let attempt = Ssh::to("alice").key(&key).answers(&[&phone.wrong_code()]).run("true");
            assert!(!attempt.success, "{attempt:#?}");
        };

        // A client shows the key alone first, where that is accepted.
        let authorized = "/home/alice/.ssh/authorized_keys";
        let plain = host.read(authorized);
        host.write(authorized, "");
        certify(host, "/root/ca", &key);
        let first = Ssh::to("alice").key(&key).answers(&[&phone.fresh_code(), "y"]).run("true");
        assert!(first.success, "{first:#?}\n{}", host.sshd_log());
        let certificate = format!("{}-cert.pub", key.display());
        let device =
            format!("{} certified by {}", fingerprint(host, &certificate), fingerprint(host, "/root/ca.pub"));
        assert!(first.prompts[1].contains(&format!("({device})")), "{first:#?}");
        let again = Ssh::to("alice").key(&key).run("true");
        assert!(again.success, "{again:#?}");
        let line = host.wait_for_log(&["result=accepted", "reason=trusted-device", "user=alice"]);
        assert_eq!(line.value("device"), Some(device.as_str()));

        certify(host, "/root/ca", &key);
        let renewed = Ssh::to("alice").key(&key).run("true");
        assert!(renewed.success, "{renewed:#?}\n{}", host.sshd_log());
        certify(host, "/root/other-ca", &key);
        is_asked(&mut phone);
        host.command("rm", &[&certificate]).expect_success();
        host.write(authorized, &plain);
        is_asked(&mut phone);

        // Nor does the plain key's trust reach to its certificates.
        let alone = Ssh::to("alice").key(&key).answers(&[&phone.fresh_code(), "y"]).run("true");
        assert!(alone.success, "{alone:#?}");
        host.write(authorized, "");
        certify(host, "/root/other-ca", &key);
        is_asked(&mut phone);
        assert_eq!(devices(host), 2);
        // By its fingerprint alone all that is trusted of a key is forgotten.
        let key = fingerprint(host, &certificate);
        host.admin(&["trusted-devices", "forget", "alice", &key, "--yes"]).expect_success();
        assert_eq!(devices(host), 0);
    });
}

/// No line of ours hears of these changes.
#[test]
fn a_changed_account_password_ends_the_trust_however_it_is_changed() {
    in_box(|host| {
        let mut phone = with_keys(host, "[\"key\"]");
        let key = host.give_key("alice");
        let hash = host.command("openssl", &["passwd", "-6", "another horse"]).stdout;
        let mut trust = || {
            let login = Ssh::to("alice").key(&key).answers(&[&phone.fresh_code(), "y"]).run("true");
            assert!(login.success, "{login:#?}\n{}", host.sshd_log());
            assert!(Ssh::to("alice").key(&key).run("true").success);
            assert_eq!(devices(host), 1);
        };
        let is_asked = || {
            assert_eq!(devices(host), 0);
            assert!(!Ssh::to("alice").key(&key).answers(&[""]).run("true").success);
        };
        trust();
        host.set_password("alice", "another horse of hers");
        is_asked();
        trust();
        host.command("usermod", &["-p", hash.trim(), "alice"]).expect_success();
        is_asked();
        trust();
        host.command("sh", &["-c", "printf 'another horse\\nanother horse\\n' | passwd alice"])
            .expect_success();
        is_asked();
    });
}

/// An account whose password is not this host's, as of a directory without shadow entries; by root and by herself.
#[test]
fn the_password_line_ends_the_trust_of_an_account_without_a_shadow_entry() {
    in_box(|host| {
        let mut phone = with_keys(host, "[\"key\"]");
        for service in ["passwd", "chpasswd"] {
            let path = format!("/etc/pam.d/{service}");
            host.write(&path, "password required pam_permit.so\npassword required pam_twostep.so\n");
        }
        let key = host.give_key("alice");
        host.command("sh", &["-c", "sed -i /^alice:/d /etc/shadow"]).expect_success();
        host.write("/etc/pam.d/account-of-sshd", "account required pam_permit.so\n");
        let stack =
            host.read("/etc/pam.d/sshd").replace("@include common-account", "@include account-of-sshd");
        host.write("/etc/pam.d/sshd", &stack);
        let mut trust = || {
            let login = Ssh::to("alice").key(&key).answers(&[&phone.fresh_code(), "y"]).run("true");
            assert!(login.success, "{login:#?}\n{}", host.sshd_log());
            assert!(Ssh::to("alice").key(&key).run("true").success);
            assert_eq!(devices(host), 1);
        };
        trust();
        host.command("sh", &["-c", "echo alice:another | chpasswd"]).expect_success();
        assert_eq!(devices(host), 0);
        let line = ["result=changed reason=trusted-device-forget", "user=alice", "by=password-change"];
        host.wait_for_log(&line);
        trust();
        let _broker = host.start_broker();
        host.command("runuser", &["-u", "alice", "--", "passwd"]).expect_success();
        assert_eq!(devices(host), 0);
        host.wait_for_log(&[&format!("from=uid:{}", host.uid("alice")), line[0], line[2]]);
    });
}

/// The boot clock stood still, as it does while a virtual machine is paused.
#[test]
fn a_paused_machine_stretches_neither_trust_nor_a_bypass_code() {
    in_box(|host| {
        let mut phone = with_keys(host, "[\"key\"]");
        let key = host.give_key("alice");
        assert!(Ssh::to("alice").key(&key).answers(&[&phone.fresh_code(), "y"]).run("true").success);
        assert!(Ssh::to("alice").key(&key).run("true").success);
        host.change_store("UPDATE trusted_device SET given = given - 300 * 86400", &[]);
        assert!(!Ssh::to("alice").key(&key).answers(&[&phone.wrong_code()]).run("true").success);
        let given = host.admin_json(&["bypass", "alice", "--for", "1h", "--uses", "2"]);
        let code = given["code"].as_str().unwrap_or_default();
        assert!(Ssh::to("alice").key(&key).answers(&[code]).run("true").success, "{given}");
        host.change_store(
            "UPDATE backup_code SET given = given - 30 * 86400 WHERE lifetime IS NOT NULL",
            &[],
        );
        assert!(!Ssh::to("alice").key(&key).answers(&[code]).run("true").success);
        host.wait_for_log(&["result=refused", "reason=bypass-over", "user=alice"]);
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
        let other = Path::new("/root/other");
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
