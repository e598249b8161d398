//! Names cannot be dodged: whoever alice is called, and whoever is called alice.

use std::path::Path;
use std::sync::OnceLock;

use twostep_tests::callers::su;
use twostep_tests::own::twostep;
use twostep_tests::pam::{Code, Item, Stacks};
use twostep_tests::process::{make_console, sit_at};
use twostep_tests::{Host, Phone, Ssh, in_box};

const PASSWORD: &str = "correct horse";

fn with_alice(host: &Host) -> Phone {
    host.add_user("alice", PASSWORD);
    host.enroll("alice")
}

/// Authenticates with this reply to every prompt, on a stack of the module alone and a permit behind it, which turns an IGNORE into
/// a way in.
fn authenticate(service: &str, user: &str, reply: &str) -> Code {
    stacks().start_answering(service, user, reply).authenticate(0)
}

/// Sits this process at a virtual console, as login is. The consoles are the kernel's, so that each test has one of its own.
fn sit_at_console(number: u32) {
    make_console(number);
    let console = format!("/dev/tty{number}");
    sit_at(Path::new(&console));
    CONSOLE.set(console).expect("sit at one console");
}

/// The virtual console that this process is at.
static CONSOLE: OnceLock<String> = OnceLock::new();

/// The same as [`authenticate`] there.
fn at_console(user: &str, reply: &str) -> Code {
    let stacks = stacks();
    let mut pam = stacks.start_answering("sshd", user, reply);
    pam.set_item(Item::Tty, CONSOLE.get().expect("sit at a console first"));
    let code = pam.authenticate(0);
    pam.end();
    code
}

fn stacks() -> Stacks {
    Stacks::new().file("sshd", "auth required pam_twostep.so\nauth optional pam_permit.so").file(
        "imap",
        "auth [success=done ignore=ignore default=die] pam_twostep.so app\nauth optional pam_permit.so",
    )
}

#[test]
fn another_spelling_of_alice_does_not_pass_without_her_code() {
    in_box(|host| {
        with_alice(host);
        for name in ["ALICE", "Alice", "alice ", " alice", "alice@host", "alice@localhost"] {
            for service in ["sshd", "imap"] {
                let code = authenticate(service, name, PASSWORD);
                assert_ne!(code, Code::SUCCESS, "{name:?} on {service}");
            }
        }
    });
}

/// What behind us folds letters, cuts names at separators or searches a directory by them would let her account password in.
#[test]
fn what_a_server_or_directory_may_take_for_alice_does_not_pass_without_her_code() {
    in_box(|host| {
        with_alice(host);
        let spellings: [&[u8]; 34] = [
            "ａｌｉｃｅ".as_bytes(),
            "a\u{301}lice".as_bytes(),
            "alice\u{200b}".as_bytes(),
            "\u{202e}ecila".as_bytes(),
            "al\u{ad}ice".as_bytes(),
            "alice＠example.org".as_bytes(),
            b"alic\xe9",
            b"alice\xff",
            b"\xa0alice",
            b"EXAMPLE\\alice",
            b"example.org\\alice",
            b"EXAMPLE/alice",
            b"EXAMPLE+alice",
            b"alice%example.org",
            b"alice!host",
            b"host!alice",
            b"alice/resource",
            b"alice+tag",
            b"alice+tag@example.org",
            b"alice,ou=people",
            b"cn=alice,dc=example",
            b"alice*master",
            b"*",
            b"ali*",
            b"alice)(uid=*",
            b"\"alice\"@example.org",
            b"'alice'",
            b"alice.",
            b"alice@example.org.",
            b"al ice",
            b"al\\ice",
            b"al%69ce",
            b"alice@@",
            &[b'a'; 300],
        ];
        let stack =
            "auth [success=done ignore=ignore default=die] pam_twostep.so app\nauth required pam_permit.so";
        for config in ["", "[app]\nvirtual_users = true\n", "[app]\ndomains = \"strip\"\n"] {
            host.configure(config);
            for name in spellings {
                let stacks = Stacks::new()
                    .file("imap", stack)
                    .file("sshd", "auth required pam_twostep.so\nauth optional pam_permit.so");
                for service in ["imap", "sshd"] {
                    let mut pam = stacks.start_answering(service, "nobody-yet", PASSWORD);
                    pam.set_item(Item::User, name);
                    let shown = String::from_utf8_lossy(name).into_owned();
                    assert_ne!(pam.authenticate(0), Code::SUCCESS, "{shown:?} on {service} with {config:?}");
                }
            }
            // Nobody's name is left to the modules behind.
            for name in ["dave", "dave@example.org", "EXAMPLE\\dave", "d.o'brien+x@example.org"] {
                assert_eq!(authenticate("imap", name, PASSWORD), Code::SUCCESS, "{name:?} with {config:?}");
            }
        }
    });
}

/// A later module, or the directory behind it, may take blanks and control characters off that NSS does not.
#[test]
fn a_name_with_control_characters_does_not_pass_without_her_code() {
    in_box(|host| {
        with_alice(host);
        for name in ["alice\t", "alice\r", "\talice", "alice\u{7f}", ""] {
            for service in ["sshd", "imap"] {
                assert_ne!(authenticate(service, name, PASSWORD), Code::SUCCESS, "{name:?} on {service}");
            }
        }
    });
}

#[test]
fn a_second_name_with_her_uid_shares_her_enrollment() {
    in_box(|host| {
        let mut phone = with_alice(host);
        let uid = host.command("id", &["-u", "alice"]).stdout;
        host.command("useradd", &["--non-unique", "--uid", uid.trim(), "toor"]).expect_success();
        assert_ne!(authenticate("sshd", "toor", ""), Code::SUCCESS);
        assert_ne!(authenticate("imap", "toor", PASSWORD), Code::SUCCESS);
        assert_eq!(authenticate("sshd", "alice", &phone.fresh_code()), Code::SUCCESS);
    });
}

#[test]
fn an_account_deleted_and_made_anew_does_not_inherit_until_it_is_settled() {
    in_box(|host| {
        let mut phone = with_alice(host);
        let app_password = host.add_app_password("alice", "phone");
        host.command("userdel", &["alice"]).expect_success();
        host.command("useradd", &["--uid", "4242", "alice"]).expect_success();
        assert_eq!(authenticate("sshd", "alice", &phone.fresh_code()), Code::AUTH_ERR);
        host.wait_for_log(&["result=refused", "reason=uid-changed ", "user=alice", "is=4242"]);
        assert_ne!(authenticate("imap", "alice", &app_password), Code::SUCCESS);
        assert_ne!(authenticate("imap", "alice", PASSWORD), Code::SUCCESS);
    });
}

#[test]
fn a_new_hire_with_the_uid_of_a_leaver_is_refused_as_orphan_until_it_is_settled() {
    in_box(|host| {
        let phone = with_alice(host);
        let app_password = host.add_app_password("alice", "phone");
        host.command("userdel", &["alice"]).expect_success();
        // adduser gives the uid that has become free to the next one.
        host.add_user("carol", PASSWORD);
        assert_eq!(host.admin_json(&["show", "carol"])["orphan"], "alice");
        for reply in ["", PASSWORD, &phone.wrong_code()] {
            assert_eq!(authenticate("sshd", "carol", reply), Code::AUTH_ERR, "{reply:?}");
            host.wait_for_log(&["result=refused", "reason=orphan ", "user=carol", "orphan=alice"]);
        }
        for reply in [PASSWORD, &app_password] {
            assert_eq!(authenticate("imap", "carol", reply), Code::AUTH_ERR, "{reply:?}");
        }
        // Nor does a first login make her an enrollment over it.
        host.configure("[interactive]\nunenrolled = \"enroll\"\n");
        assert_eq!(authenticate("sshd", "carol", PASSWORD), Code::AUTH_ERR);
        host.admin(&["settle", "alice", "--drop", "--yes"]).expect_success();
        host.configure("");
        assert_eq!(authenticate("sshd", "carol", ""), Code::SUCCESS);
        assert_eq!(authenticate("imap", "carol", PASSWORD), Code::SUCCESS);
    });
}

#[test]
fn a_renamed_user_signs_in_with_the_code_and_not_without() {
    in_box(|host| {
        let mut phone = with_alice(host);
        let app_password = host.add_app_password("alice", "phone");
        host.wire_sshd();
        host.start_sshd("");
        host.command("usermod", &["--login", "alicia", "alice"]).expect_success();
        assert!(!Ssh::to("alicia").answers(&[PASSWORD, ""]).run("true").success);
        assert!(!Ssh::to("alicia").answers(&[PASSWORD, &phone.wrong_code()]).run("true").success);
        host.wait_for_log(&["result=refused", "reason=orphan ", "user=alicia", "cause=code-wrong"]);
        let attempt = Ssh::to("alicia").answers(&[PASSWORD, &phone.fresh_code()]).run("id -un");
        assert!(attempt.success, "{attempt:#?}");
        host.wait_for_log(&["result=accepted", "reason=code ", "user=alicia", "orphan=alice"]);
        assert_ne!(authenticate("imap", "alicia", &app_password), Code::SUCCESS);
        assert_ne!(authenticate("imap", "alicia", PASSWORD), Code::SUCCESS);
        let explained = host.admin(&["explain", "alicia", "sshd"]).stdout;
        assert!(explained.contains("twostep-admin settle alice"), "{explained}");
        host.admin(&["settle", "alice", "--rename", "alicia", "--yes"]).expect_success();
        let attempt = Ssh::to("alicia").answers(&[PASSWORD, &phone.fresh_code()]).run("true");
        assert!(attempt.success, "{attempt:#?}");
        assert_eq!(authenticate("imap", "alicia", &app_password), Code::SUCCESS);
    });
}

#[test]
fn su_to_a_renamed_user_takes_the_code_too_and_twostep_says_so() {
    in_box(|host| {
        let mut phone = with_alice(host);
        host.add_user("bob", PASSWORD);
        host.wire_su_and_sudo();
        let _broker = host.start_broker();
        host.command("usermod", &["--login", "alicia", "alice"]).expect_success();
        for (code, gets_in) in
            [(String::new(), false), (phone.wrong_code(), false), (phone.fresh_code(), true)]
        {
            let mut console = su(host, "bob", "alicia");
            console.answer("Password: ", PASSWORD);
            console.answer("Verification code: ", &code);
            assert_eq!(console.end() == Some(0), gets_in, "{}", console.shown());
        }
        host.wait_for_log(&["result=refused", "reason=orphan ", "user=alicia", "service=su"]);
        let (_, shown) = twostep(host, "alicia", &["status"], &[]);
        assert!(shown.contains("ask your administrator"), "{shown}");
        let (status, shown) = twostep(host, "alicia", &["enroll"], &[]);
        assert!(status == 1 && shown.contains("another name of your uid"), "{shown}");
    });
}

/// The groups of the name service are by names: sshd may let her past with her key. The account line does not.
#[test]
fn a_renamed_user_whom_sshd_takes_for_unenrolled_is_refused_by_the_account_line() {
    in_box(|host| {
        host.wire_groups();
        host.wire_sshd_with_keys();
        host.start_sshd(
            "AuthenticationMethods publickey,keyboard-interactive:pam\nMatch Group twostep-unenrolled\n  \
             AuthenticationMethods publickey\nMatch all",
        );
        let mut phone = with_alice(host);
        host.add_user("bob", PASSWORD);
        let (key, bobs) = (host.give_key("alice"), host.give_key("bob"));
        host.command("usermod", &["--login", "alicia", "alice"]).expect_success();
        assert_eq!(host.twostep_groups("alicia"), ["twostep-unenrolled"]);
        assert!(!Ssh::to("alicia").key(&key).methods("publickey").run("true").success);
        host.wait_for_log(&["result=refused", "reason=key-alone", "user=alicia"]);
        assert!(Ssh::to("bob").key(&bobs).methods("publickey").run("true").success);
        host.admin(&["settle", "alice", "--rename", "alicia", "--yes"]).expect_success();
        let attempt = Ssh::to("alicia").key(&key).answers(&[&phone.fresh_code()]).run("true");
        assert!(attempt.success, "{attempt:#?}");
    });
}

/// A directory has stopped: what it had is found no more, and the source after it says that there is none. Without a network hesiod fails as
/// sssd does that is stopped.
fn directory_stops(host: &Host, passwd: &str, group: &str) {
    for (file, gone) in [("/etc/passwd", passwd), ("/etc/group", group)] {
        let text = host.read(file);
        let kept: Vec<&str> = text.lines().filter(|line| !line.starts_with(&format!("{gone}:"))).collect();
        host.write(file, &format!("{}\n", kept.join("\n")));
    }
    host.switch("passwd", "files hesiod systemd");
    host.switch("group", "files hesiod twostep");
}

/// boss is alice's name in a directory, where she is enrolled; the group `barred` is there as well.
#[test]
fn a_directory_that_is_down_lets_nobody_in_who_is_not_let_in_with_it() {
    in_box(|host| {
        sit_at_console(51);
        host.wire_groups();
        for user in ["boss", "mallory", "bob"] {
            host.add_user(user, PASSWORD);
        }
        let mut phone = host.enroll("boss");
        let mut bobs = host.enroll("bob");
        let uid = host.uid("boss").to_string();
        host.command("useradd", &["--non-unique", "--uid", &uid, "al"]).expect_success();
        host.command("groupadd", &["barred"]).expect_success();
        host.command("gpasswd", &["-a", "mallory", "barred"]).expect_success();
        let rule = "[[rule]]\ngroup = \"barred\"\ndemand = \"deny\"\n";
        host.configure(rule);
        assert_eq!(authenticate("sshd", "mallory", ""), Code::AUTH_ERR);
        assert_eq!(authenticate("sshd", "al", ""), Code::AUTH_ERR);
        assert_eq!(authenticate("sshd", "root", ""), Code::SUCCESS);

        directory_stops(host, "boss", "barred");
        assert_eq!(authenticate("sshd", "mallory", ""), Code::AUTH_ERR);
        host.wait_for_log(&["result=refused", "reason=denied-by-rule", "user=mallory"]);
        assert_eq!(authenticate("sshd", "root", ""), Code::AUTH_ERR);
        assert_eq!(at_console("root", ""), Code::SUCCESS);
        assert_eq!(at_console("mallory", ""), Code::AUTH_ERR);
        host.configure("");
        for reply in ["", PASSWORD, &phone.wrong_code()] {
            assert_eq!(authenticate("sshd", "al", reply), Code::AUTH_ERR, "{reply:?}");
        }
        assert_ne!(authenticate("imap", "al", PASSWORD), Code::SUCCESS);
        assert_eq!(authenticate("sshd", "al", &phone.fresh_code()), Code::SUCCESS);
        // Who is enrolled under a name that is found has nothing to do with it.
        assert_eq!(authenticate("sshd", "bob", &bobs.fresh_code()), Code::SUCCESS);

        // Told what it is to do then, the C library says that it has failed.
        host.configure(rule);
        host.switch("passwd", "files hesiod [UNAVAIL=return TRYAGAIN=return] systemd");
        host.switch("group", "files hesiod [UNAVAIL=return TRYAGAIN=return] twostep");
        for user in ["mallory", "al", "bob", "boss"] {
            assert_eq!(authenticate("sshd", user, ""), Code::AUTHINFO_UNAVAIL, "{user}");
            host.wait_for_log(&["result=unavailable", "reason=nss"]);
        }
        assert_eq!(at_console("root", ""), Code::SUCCESS);
    });
}

/// What `files` says when a file cannot be opened is lost where another source follows.
#[test]
fn a_group_file_that_cannot_be_opened_exempts_nobody_and_bars_whoever_it_may_bar() {
    in_box(|host| {
        sit_at_console(52);
        let mut phone = with_alice(host);
        host.add_user("mallory", PASSWORD);
        host.switch("group", "files systemd");
        let rules = "[[rule]]\ngroup = \"barred\"\ndemand = \"deny\"\n[[rule]]\ngroup = \"robots\"\ndemand = \"nothing\"\n";
        for (group, member) in [("barred", "mallory"), ("robots", "alice")] {
            host.command("groupadd", &[group]).expect_success();
            host.command("gpasswd", &["-a", member, group]).expect_success();
        }
        host.configure(rules);
        assert_eq!(authenticate("sshd", "mallory", ""), Code::AUTH_ERR);
        assert_eq!(authenticate("sshd", "alice", ""), Code::SUCCESS);
        std::fs::rename("/etc/group", "/etc/group.kept").expect("it was there");
        assert_ne!(authenticate("sshd", "mallory", ""), Code::SUCCESS);
        assert_ne!(authenticate("sshd", "alice", ""), Code::SUCCESS);
        assert_eq!(at_console("root", ""), Code::SUCCESS);
        std::fs::rename("/etc/group.kept", "/etc/group").expect("kept");
        host.configure("");
        assert_eq!(authenticate("sshd", "alice", &phone.fresh_code()), Code::SUCCESS);
    });
}

#[test]
fn root_under_its_own_name_is_not_locked_out_by_an_orphan() {
    in_box(|host| {
        sit_at_console(53);
        host.command("useradd", &["--non-unique", "--uid", "0", "toor"]).expect_success();
        let mut phone = host.enroll("toor");
        assert_eq!(authenticate("sshd", "root", ""), Code::AUTH_ERR);
        host.edit("/etc/passwd", |line| line.replace("toor:", "boot:"));
        assert_eq!(authenticate("sshd", "root", ""), Code::SUCCESS);
        assert_eq!(at_console("root", ""), Code::SUCCESS);
        assert_eq!(authenticate("sshd", "boot", ""), Code::AUTH_ERR);
        assert_eq!(authenticate("sshd", "boot", &phone.fresh_code()), Code::SUCCESS);
    });
}

#[test]
fn root_is_sent_one_mail_about_new_orphans() {
    in_box(|host| {
        with_alice(host);
        host.add_user("bob", PASSWORD);
        host.enroll("bob");
        let _ = std::fs::remove_file("/usr/sbin/sendmail");
        host.write("/usr/sbin/sendmail", "#!/bin/sh\ncat >> /tmp/mail\n");
        host.set_mode("/usr/sbin/sendmail", 0o755);
        let mails = || std::fs::read_to_string("/tmp/mail").unwrap_or_default();
        let look = || {
            for _ in 0..2 {
                host.admin(&["hooks"]).expect_success();
            }
            mails().matches("To: root").count()
        };
        assert_eq!(look(), 0);
        host.command("userdel", &["alice"]).expect_success();
        assert_eq!(look(), 1);
        assert!(mails().contains("\n    alice (uid ") && !mails().contains("bob"), "{}", mails());
        host.wait_for_log(&["twostep-admin", "enrollments without an account: alice (uid "]);
        host.command("usermod", &["--login", "robert", "bob"]).expect_success();
        assert_eq!(look(), 2);
        assert!(mails().contains("which is that of robert now"), "{}", mails());
        host.admin(&["settle", "bob", "--rename", "robert", "--yes"]).expect_success();
        host.admin(&["settle", "alice", "--drop", "--yes"]).expect_success();
        assert_eq!(look(), 2);
    });
}

#[test]
fn dovecots_lower_case_name_is_alice() {
    use twostep_tests::Imap;
    in_box(|host| {
        with_alice(host);
        host.wire_dovecot();
        host.start_dovecot();
        let app_password = host.add_app_password("alice", "phone");
        assert!(Imap::Imaplib.login("ALICE", &app_password).success);
        assert!(!Imap::Imaplib.login("ALICE", PASSWORD).success);
    });
}
