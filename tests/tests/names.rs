//! Names cannot be dodged: whoever alice is called, and whoever is called alice.

use twostep_tests::pam::{Code, Item, Stacks};
use twostep_tests::{Host, Phone, in_box};

const PASSWORD: &str = "correct horse";

fn with_alice(host: &Host) -> Phone {
    host.add_user("alice", PASSWORD);
    host.enroll("alice")
}

/// Authenticates with this reply to every prompt, on a stack of the module alone and a permit behind it, which turns an IGNORE into
/// a way in.
fn authenticate(service: &str, user: &str, reply: &str) -> Code {
    let stacks =
        Stacks::new().file("sshd", "auth required pam_twostep.so\nauth optional pam_permit.so").file(
            "imap",
            "auth [success=done ignore=ignore default=die] pam_twostep.so app\nauth optional pam_permit.so",
        );
    stacks.start_answering(service, user, reply).authenticate(0)
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
fn an_orphaned_enrollment_does_not_count_for_who_got_its_uid() {
    in_box(|host| {
        with_alice(host);
        let uid = host.command("id", &["-u", "alice"]).stdout;
        host.command("userdel", &["alice"]).expect_success();
        host.command("useradd", &["--uid", uid.trim(), "carol"]).expect_success();
        assert_eq!(authenticate("sshd", "carol", ""), Code::SUCCESS);
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
