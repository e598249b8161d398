//! The whole host at once, by pam-auth-update's profiles: app passwords where the configuration lists app services, a code behind every
//! other password, through Debian's own common files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use twostep_tests::callers::su;
use twostep_tests::own::{done, enroll, twostep};
use twostep_tests::pam::{Code, Item, Stacks, hidden, start_in};
use twostep_tests::{Host, Imap, OrDie, Phone, Ssh, in_box};

const PASSWORD: &str = "correct horse";
const BOBS: &str = "battery staple";
const STORE: &str = "/var/lib/twostep/store.db";
const PROFILES: [&str; 2] = ["twostep-app-passwords", "twostep-code"];

/// Debian's command with its real files, as an administrator or a package's script calls it.
fn pam_auth_update(host: &Host, arguments: &[&str]) {
    for profile in PROFILES {
        let text = fs::read_to_string(
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/pam-configs").join(profile),
        );
        host.write(format!("/usr/share/pam-configs/{profile}"), &text.or_die("read a profile"));
    }
    host.command("env", &[&["DEBIAN_FRONTEND=noninteractive", "pam-auth-update"], arguments].concat())
        .expect_success();
}

fn common_files() -> BTreeMap<String, String> {
    let read = |name: &str| fs::read_to_string(Path::new("/etc/pam.d").join(name)).or_die("read a stack");
    let files = ["common-auth", "common-account", "common-password", "common-session"];
    files.into_iter().map(|name| (name.to_owned(), read(name))).collect()
}

/// alice is enrolled, bob is not; no service's own file names the module.
fn host_wide(host: &Host) -> Phone {
    host.add_user("alice", PASSWORD);
    host.add_user("bob", BOBS);
    host.write("/etc/pam.d/imap", "@include common-auth\n@include common-account\n@include common-session\n");
    pam_auth_update(host, &[&["--enable"], &PROFILES[..]].concat());
    host.enroll("alice")
}

fn ssh(user: &str, answers: &[&str]) -> bool {
    Ssh::to(user).methods("keyboard-interactive").answers(answers).run("true").success
}

#[test]
fn two_profiles_cover_ssh_su_and_mail_and_go_without_a_trace() {
    in_box(|host| {
        let before = common_files();
        let mut phone = host_wide(host);
        host.start_sshd("");
        host.start_dovecot();
        let _broker = host.start_broker();
        let app_password = host.add_app_password("alice", "phone");

        assert!(ssh("alice", &[PASSWORD, &phone.fresh_code()]), "{}", host.sshd_log());
        assert!(!ssh("alice", &[PASSWORD, &phone.wrong_code()]) && !ssh("alice", &[&app_password]));
        assert!(ssh("bob", &[BOBS]), "{}", host.sshd_log());
        let key = host.give_key("alice");
        assert!(!Ssh::to("alice").methods("publickey").key(&key).run("true").success);

        assert!(Imap::Imaplib.login("alice", &app_password).success, "{}", host.dovecot_log());
        assert!(!Imap::Imaplib.login("alice", PASSWORD).success);
        assert!(Imap::Imaplib.login("bob", BOBS).success, "{}", host.dovecot_log());

        let mut console = su(host, "bob", "alice");
        console.answer("Password: ", PASSWORD);
        console.answer("Verification code: ", &phone.fresh_code());
        assert_eq!((console.end(), console.shown().trim_end().ends_with("alice")), (Some(0), true));

        // pam_unix is still asked whether the account has expired.
        host.command("chage", &["-E", "0", "alice"]).expect_success();
        assert!(!ssh("alice", &[PASSWORD, &phone.fresh_code()]));
        assert!(!Imap::Imaplib.login("alice", &app_password).success);
        host.command("chage", &["-E", "-1", "alice"]).expect_success();

        pam_auth_update(host, &[&["--package", "--remove"], &PROFILES[..]].concat());
        assert_eq!(common_files(), before);
        assert!(ssh("alice", &[PASSWORD]));
        assert!(Imap::Imaplib.login("alice", PASSWORD).success, "{}", host.dovecot_log());
    });
}

/// twostepd asks users for the code itself, and says so to the module in the stack that it has them give their password to.
#[test]
fn the_users_own_command_asks_for_one_code() {
    in_box(|host| {
        host_wide(host);
        let _broker = host.start_broker();
        let (_phone, codes) = enroll(host, "bob", BOBS);
        let proof = [("Password: ", BOBS), ("Verification code: ", codes[0].as_str())];
        assert!(done(host, "bob", &["app-password", "add", "mail"], &proof).contains("mail"));
        let proof = [("Password: ", BOBS), ("Verification code: ", codes[0].as_str())];
        let (status, shown) = twostep(host, "bob", &["app-password", "revoke", "mail"], &proof);
        assert!(status == 1 && shown.contains("Nothing was changed"), "{shown}");
    });
}

/// What nobody signs in to with a code is none of the module's business, store or no store.
#[test]
fn cron_needs_no_store() {
    in_box(|host| {
        host_wide(host);
        fs::remove_file(STORE).or_die("remove the store");
        let mut cron = start_in(None, "cron", "alice").expect("libpam begins");
        assert_eq!(cron.acct_mgmt(0), Code::SUCCESS);
        assert_eq!(cron.set_cred(0x2), Code::SUCCESS);
        // The same stack asked for a password is another matter.
        let code = start_in(None, "sshd", "alice").expect("libpam begins").authenticate(0);
        assert_ne!(code, Code::SUCCESS);
    });
}

const LINE: &str = "[success=done ignore=ignore default=die] pam_twostep.so app-services";

/// Whatever service it is not for, the line asks nothing, opens nothing, and takes away nothing that another line has left.
#[test]
fn the_line_does_nothing_on_services_that_are_not_listed() {
    in_box(|host| {
        host.add_user("alice", PASSWORD);
        let mut phone = host.enroll("alice");
        let alone = format!(
            "auth {LINE}\nauth optional pam_permit.so\naccount {LINE}\naccount optional pam_permit.so"
        );
        let after = format!(
            "auth required pam_twostep.so\nauth {LINE}\naccount required pam_twostep.so\naccount {LINE}"
        );
        let only = format!("auth {LINE}\naccount {LINE}");
        let stacks =
            Stacks::new().file("sshd", &alone).file("login", &after).file("ftp", &only).file("imap", &only);

        // A record that an earlier line has left is there for the account phase: it knows that somebody else would be let in.
        let mut pam = stacks.start("login", "alice", [hidden("Verification code: ", &phone.fresh_code())]);
        assert_eq!((pam.authenticate(0), pam.acct_mgmt(0)), (Code::SUCCESS, Code::SUCCESS));
        host.add_user("bob", BOBS);
        assert_eq!(pam.set_item(Item::User, "bob"), Code::SUCCESS);
        assert_eq!(pam.acct_mgmt(0), Code::PERM_DENIED);
        pam.end();

        fs::remove_file(STORE).or_die("remove the store");
        let mut pam = stacks.start("sshd", "alice", []);
        pam.put_env("SSH_AUTH_INFO_0=publickey ssh-ed25519 AAAA");
        assert_eq!((pam.authenticate(0), pam.acct_mgmt(0)), (Code::SUCCESS, Code::SUCCESS));
        pam.end();
        // All that there is, and it says nothing: that is no success.
        let mut pam = stacks.start("ftp", "alice", []);
        assert_eq!((pam.authenticate(0), pam.acct_mgmt(0)), (Code::PERM_DENIED, Code::PERM_DENIED));
        pam.end();
        let mut pam = stacks.start_answering("imap", "alice", "aaaa aaaa aaaa aaaa");
        assert_eq!(pam.authenticate(0), Code::AUTHINFO_UNAVAIL);
        pam.end();

        // Which services are listed stands in the configuration, and without that nobody can tell.
        fs::rename("/etc/twostep/config.toml", "/etc/twostep/lost").or_die("lose the configuration");
        for service in ["sshd", "imap"] {
            let mut pam = stacks.start_answering(service, "alice", PASSWORD);
            assert_eq!(pam.authenticate(0), Code::AUTHINFO_UNAVAIL, "{service}");
            pam.end();
        }
        host.write("/etc/twostep/config.toml", "nonsense");
        let mut pam = stacks.start_answering("sshd", "alice", "x");
        assert_eq!(pam.authenticate(0), Code::AUTHINFO_UNAVAIL);
        assert!(pam.heard().iter().any(|heard| heard.contains("administrator")), "{:?}", pam.heard());
        pam.end();
        host.wait_for_log(&["result=unavailable", "reason=configuration ", "service=sshd"]);
    });
}

/// Whoever was let in by it has her credentials set by it, whatever came before on the handle; for others the modules after it are asked.
#[test]
fn credentials_are_set_by_the_line_that_has_let_in() {
    in_box(|host| {
        host.add_user("alice", PASSWORD);
        host.enroll("alice");
        let app_password = host.add_app_password("alice", "phone");
        let unix = "auth [success=1 default=ignore] pam_unix.so nodelay try_first_pass\nauth requisite pam_deny.so\nauth required pam_permit.so";
        let done = format!("auth {LINE}\n{unix}");
        let jump = format!("auth {}\n{unix}", LINE.replace("success=done", "success=2"));
        let stacks = Stacks::new()
            .file("imap", &done)
            .file("pop3", &jump)
            .file("smtp", &format!("auth {LINE}\nauth required pam_deny.so"));
        for service in ["imap", "pop3", "smtp"] {
            // Wrong first, as with a program that is asked again.
            let mut pam = stacks.start(service, "alice", [hidden("Password: ", "wrong")]);
            assert_ne!(pam.authenticate(0), Code::SUCCESS, "{service}");
            pam.unset_item(Item::AuthTok);
            pam.expect([hidden("Password: ", app_password.as_str())]);
            let both = (pam.authenticate(0), pam.set_cred(0x2));
            assert_eq!(both, (Code::SUCCESS, Code::SUCCESS), "{service}");
            pam.end();
        }
    });
}

/// Servers there are that take the service's name from whoever asks them.
#[test]
fn only_twostepd_has_the_module_do_nothing_for_its_own_service() {
    in_box(|host| {
        host.add_user("alice", PASSWORD);
        let phone = host.enroll("alice");
        let ours = "auth required pam_twostep.so\nauth optional pam_permit.so\naccount required pam_twostep.so\naccount optional pam_permit.so";
        let stacks = Stacks::new().file("twostep", ours).file("sshd", ours);
        for (service, variable, tty) in [
            ("twostep", "TWOSTEP=1", "twostep"),
            ("twostep", "TWOSTEPD=1", "pts/1"),
            ("sshd", "TWOSTEPD=1", "twostep"),
        ] {
            let mut pam =
                stacks.start(service, "alice", [hidden("Verification code: ", &phone.wrong_code())]);
            pam.put_env(variable);
            pam.set_item(Item::Tty, tty);
            assert_ne!(pam.authenticate(0), Code::SUCCESS, "{service}");
            drop(pam);
        }
        let mut pam = stacks.start("twostep", "alice", []);
        pam.put_env("TWOSTEPD=1");
        pam.set_item(Item::Tty, "twostep");
        assert_eq!((pam.authenticate(0), pam.acct_mgmt(0)), (Code::SUCCESS, Code::SUCCESS));
        pam.end();
    });
}
