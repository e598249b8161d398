//! Keys that are both steps (`security_keys`, `ssh_keys`): a real sshd, and those who only look as if they had such a key.

use std::path::{Path, PathBuf};

use twostep_tests::security_key::Owner;
use twostep_tests::wiring::INTERACTIVE_AUTH;
use twostep_tests::{Host, Phone, Ssh, in_box};

const PASSWORD: &str = "correct horse";
const CODE_PROMPT: &str = "(alice@127.0.0.1) Verification code: ";
const KEY_AND_PAM: &str = "AuthenticationMethods publickey,keyboard-interactive:pam";
/// A key, or password and code.
const KEY_OR_PAM: &str = "AuthenticationMethods publickey,keyboard-interactive:pam keyboard-interactive:pam";
const SECURITY_KEYS: &str = "[interactive]\nsecurity_keys = \"enough\"\n";
const SSH_KEYS: &str = "[interactive]\nssh_keys = \"enough\"\n";

/// alice is enrolled; sshd asks PAM after a key.
fn with(host: &Host, configuration: &str, sshd: &str) -> Phone {
    host.configure(configuration);
    host.wire_sshd_with_keys();
    host.start_sshd(sshd);
    host.add_user("alice", PASSWORD);
    host.enroll("alice")
}

/// Lets a public key open alice's account.
fn authorize(host: &Host, public: &Path) {
    let folder = "/home/alice/.ssh";
    host.write(format!("{folder}/authorized_keys"), &host.read(public));
    host.set_mode(folder, 0o700);
    host.command("chown", &["-R", "alice", folder]).expect_success();
}

fn security_key(host: &Host, owner: Owner) -> PathBuf {
    let public = host.make_security_key(owner);
    authorize(host, &public);
    public
}

fn with_key(host: &Host, key: &Path) -> Ssh {
    Ssh::to("alice").key(key).option(&host.agent_option())
}

#[track_caller]
fn opens(host: &Host, ssh: Ssh, reason: &str) {
    let attempt = ssh.run("id -un");
    assert!(attempt.success, "{attempt:#?}\n{}", host.sshd_log());
    assert_eq!(attempt.stdout, "alice\n");
    host.wait_for_log(&["result=accepted", &format!("reason={reason} "), "user=alice", "key="]);
}

/// A code is asked for, and nothing else will do.
#[track_caller]
fn takes_a_code(host: &Host, ssh: &Ssh, phone: &mut Phone) {
    let refused = ssh.clone().answers(&[&phone.wrong_code()]).run("true");
    assert!(!refused.success, "{refused:#?}\n{}", host.sshd_log());
    assert_eq!(refused.prompts, [CODE_PROMPT]);
    let accepted = ssh.clone().answers(&[&phone.fresh_code()]).run("true");
    assert!(accepted.success, "{accepted:#?}\n{}", host.sshd_log());
}

#[test]
fn a_security_key_is_both_steps_where_the_configuration_says_so() {
    in_box(|host| {
        let mut phone = with(host, "", KEY_AND_PAM);
        let key = security_key(host, Owner::Present);
        takes_a_code(host, &with_key(host, &key), &mut phone);
        host.configure(SECURITY_KEYS);
        opens(host, with_key(host, &key), "security-key");
        let mut explained = host.admin_json(&["explain", "alice", "sshd"]);
        assert_eq!(explained["enough"].take(), "security-keys");
    });
}

#[test]
fn a_plain_key_is_no_security_key_whatever_its_comment_says() {
    in_box(|host| {
        let mut phone = with(host, SECURITY_KEYS, KEY_AND_PAM);
        let key = host.give_key("alice");
        let public = host.read(key.with_extension("pub"));
        let fields: Vec<_> = public.split_whitespace().take(2).collect();
        host.write("/root/claims.pub", &format!("{} sk-ssh-ed25519@openssh.com\n", fields.join(" ")));
        authorize(host, Path::new("/root/claims.pub"));
        takes_a_code(host, &Ssh::to("alice").key(&key), &mut phone);
    });
}

/// Signs a public key for alice and returns what ssh is told of the certificate.
fn certify(host: &Host, public: &Path, options: &[&str]) -> String {
    if !Path::new("/root/ca").exists() {
        host.command("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", "/root/ca"]).expect_success();
    }
    let file = public.display().to_string();
    let arguments =
        [&["-q", "-s", "/root/ca", "-I", "sk-ssh-ed25519@openssh.com", "-n", "alice"], options, &[&file]];
    host.command("ssh-keygen", &arguments.concat()).expect_success();
    format!("CertificateFile={}-cert.pub", file.trim_end_matches(".pub"))
}

#[test]
fn a_certificate_counts_for_the_key_in_it_and_wants_a_touch() {
    in_box(|host| {
        let trusts = format!("{KEY_AND_PAM}\nTrustedUserCAKeys /root/ca.pub");
        let mut phone = with(host, SECURITY_KEYS, &trusts);
        let plain = host.give_key("alice");
        let certificate = certify(host, &plain.with_extension("pub"), &[]);
        host.write("/home/alice/.ssh/authorized_keys", "");
        takes_a_code(host, &Ssh::to("alice").key(&plain).option(&certificate), &mut phone);

        let key = host.make_security_key(Owner::Present);
        let certificate = certify(host, &key, &[]);
        opens(host, with_key(host, &key).option(&certificate), "security-key");
        let untouched = certify(host, &key, &["-O", "no-touch-required"]);
        takes_a_code(host, &with_key(host, &key).option(&untouched), &mut phone);
    });
}

/// What `check` asks for.
#[test]
fn sshd_refuses_a_security_key_without_its_pin_where_it_is_told_to() {
    in_box(|host| {
        let verified = format!("{KEY_AND_PAM}\nPubkeyAuthOptions verify-required");
        with(host, SECURITY_KEYS, &verified);
        let stolen = security_key(host, Owner::Present);
        let attempt = with_key(host, &stolen).run("true");
        assert!(!attempt.success, "{attempt:#?}");
        assert!(host.sshd_log().contains("user verification requirement not met"), "{}", host.sshd_log());
        let told = |host: &Host| host.admin(&["check"]).stdout.contains("sshd-security-keys-unverified");
        assert!(!told(host));
        host.edit("/etc/ssh/sshd_config", |line| line.replace("verify-required", "none"));
        assert!(told(host));
    });
}

#[test]
fn a_verified_security_key_passes_verify_required() {
    in_box(|host| {
        with(host, SECURITY_KEYS, &format!("{KEY_AND_PAM}\nPubkeyAuthOptions verify-required"));
        let key = security_key(host, Owner::Verified);
        opens(host, with_key(host, &key), "security-key");
    });
}

#[test]
fn without_a_key_it_is_password_and_code() {
    in_box(|host| {
        let mut phone = with(host, SSH_KEYS, KEY_OR_PAM);
        let refused = Ssh::to("alice").answers(&[PASSWORD, &phone.wrong_code()]).run("true");
        assert!(!refused.success, "{refused:#?}");
        assert!(Ssh::to("alice").answers(&[PASSWORD, &phone.fresh_code()]).run("true").success);
        // A key that does not open the account is none.
        host.give_key("alice");
        let mallorys = PathBuf::from("/root/mallorys");
        let path = mallorys.display().to_string();
        host.command("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &path]).expect_success();
        let attempt = Ssh::to("alice").key(&mallorys).answers(&[PASSWORD, &phone.wrong_code()]).run("true");
        assert!(!attempt.success, "{attempt:#?}");
    });
}

#[test]
fn any_key_is_both_steps_where_the_configuration_says_so() {
    in_box(|host| {
        with(host, SSH_KEYS, KEY_OR_PAM);
        let key = host.give_key("alice");
        opens(host, Ssh::to("alice").key(&key), "ssh-key");
        // It does not go on to keyboard-interactive, although nothing would be asked (docs/configuration.md).
        assert!(!Ssh::to("alice").key(&key).option("BatchMode=yes").run("true").success);
    });
}

#[test]
fn rules_come_before_keys() {
    in_box(|host| {
        let from = |decides| format!("{SSH_KEYS}[[rule]]\nfrom = \"127.0.0.0/8\"\n{decides}\n");
        let mut phone = with(host, &from("demand = \"code\""), KEY_AND_PAM);
        let key = host.give_key("alice");
        takes_a_code(host, &Ssh::to("alice").key(&key), &mut phone);
        host.configure(&from("demand = \"deny\""));
        assert!(!Ssh::to("alice").key(&key).run("true").success);
        host.wait_for_log(&["result=refused", "reason=denied-by-rule", "service=sshd"]);
        host.configure(&from("ssh_keys = \"enough\""));
        opens(host, Ssh::to("alice").key(&key), "ssh-key");
    });
}

/// By its host's key root of a trusted host is everybody, without a key of theirs.
#[test]
fn a_hosts_key_is_no_ssh_key() {
    in_box(|host| {
        host.configure(SSH_KEYS);
        host.wire_sshd();
        host.start_sshd("HostbasedAuthentication yes\nHostbasedUsesNameFromPacketOnly yes");
        host.add_user("alice", PASSWORD);
        host.add_user("bob", PASSWORD);
        host.enroll("alice");
        host.write("/etc/ssh/shosts.equiv", "localhost root\n");
        let key = host.read("/etc/ssh/ssh_host_ed25519_key.pub");
        host.write("/etc/ssh/ssh_known_hosts", &format!("localhost {key}"));
        host.write("/etc/ssh/ssh_config", "EnableSSHKeysign yes\nHostbasedAuthentication yes\n");
        let by_host = |user: &str| Ssh::to(user).methods("hostbased").run("true");
        let bobs = by_host("bob");
        assert!(bobs.success, "{bobs:#?}\n{}", host.sshd_log());
        let alices = by_host("alice");
        assert!(!alices.success, "{alices:#?}");
        host.wait_for_log(&["result=refused", "reason=key-alone", "user=alice"]);
    });
}

/// Nothing in sshd's account phase tells a key from a password whose stack passed our line over: neither lets in.
#[test]
fn what_sshd_does_not_show_lets_nobody_in() {
    in_box(|host| {
        with(host, SSH_KEYS, "");
        host.edit("/etc/pam.d/sshd", |line| match line {
            INTERACTIVE_AUTH => {
                format!("auth [success=1 default=ignore] pam_succeed_if.so quiet user = alice\n{line}")
            }
            line => line.to_owned(),
        });
        let jumped = Ssh::to("alice").answers(&[PASSWORD]).run("true");
        assert!(!jumped.success, "{jumped:#?}");
        host.wait_for_log(&["result=refused", "reason=code-not-asked", "user=alice"]);
        let key = host.give_key("alice");
        let alone = Ssh::to("alice").key(&key).run("true");
        assert!(!alone.success, "{alone:#?}");
        host.wait_for_log(&["result=refused", "reason=key-alone", "user=alice"]);
        let told = host.admin(&["check"]).stdout;
        assert!(told.contains("publickey,keyboard-interactive:pam keyboard-interactive:pam"), "{told}");
    });
}

/// Behind a jump, where sshd shows the key that came before the password.
#[test]
fn the_account_line_takes_a_key_that_sshd_shows() {
    in_box(|host| {
        host.configure(SSH_KEYS);
        host.wire_sshd();
        host.edit("/etc/pam.d/sshd", |line| match line {
            INTERACTIVE_AUTH => {
                format!("auth [success=1 default=ignore] pam_succeed_if.so quiet user = alice\n{line}")
            }
            line => line.to_owned(),
        });
        host.start_sshd(KEY_AND_PAM);
        host.add_user("alice", PASSWORD);
        host.enroll("alice");
        let key = host.give_key("alice");
        opens(host, Ssh::to("alice").key(&key).answers(&[PASSWORD]), "ssh-key");
        host.configure(SECURITY_KEYS);
        assert!(!Ssh::to("alice").key(&key).answers(&[PASSWORD]).run("true").success);
    });
}
