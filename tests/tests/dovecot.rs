//! Reading mail: a real Dovecot, real IMAP clients.

use twostep_tests::log::AUTHPRIV;
use twostep_tests::{Host, Imap, Phone, in_box};

const PASSWORD: &str = "correct horse";
const CLIENTS: [Imap; 2] = [Imap::Imaplib, Imap::Curl];

/// alice is enrolled, bob is not; Dovecot takes app passwords.
fn with_alice_and_bob(host: &Host) -> Phone {
    host.wire_dovecot();
    host.start_dovecot();
    host.add_user("alice", PASSWORD);
    host.add_user("bob", PASSWORD);
    host.enroll("alice")
}

/// `abcdefghijklmnop` as people copy it from the screen.
fn in_groups_of_four(password: &str) -> String {
    let groups: Vec<String> =
        password.as_bytes().chunks(4).map(|group| String::from_utf8_lossy(group).into()).collect();
    groups.join(" ")
}

#[test]
fn the_account_password_of_an_enrolled_user_is_refused() {
    in_box(|host| {
        with_alice_and_bob(host);
        for client in CLIENTS {
            let login = client.login("alice", PASSWORD);
            assert!(!login.success, "{client:?}: {login:?}");
        }
        let line = host.wait_for_log(&[
            "result=refused",
            "reason=not-an-app-password",
            "user=alice",
            "service=imap",
        ]);
        assert_eq!(line.facility, AUTHPRIV);
        assert_eq!(line.value("from"), Some("127.0.0.1"));
    });
}

#[test]
fn an_app_password_lets_in_every_time() {
    in_box(|host| {
        with_alice_and_bob(host);
        let app_password = host.add_app_password("alice", "phone");
        for client in CLIENTS {
            for _ in 0..2 {
                let login = client.login("alice", &app_password);
                assert!(login.success, "{client:?}: {login:?}\n{}", host.dovecot_log());
            }
        }
        host.wait_for_log(&[
            "result=accepted",
            "reason=app-password ",
            "user=alice",
            "service=imap",
            "phone",
        ]);
    });
}

#[test]
fn an_app_password_is_taken_with_blanks_and_in_capitals() {
    in_box(|host| {
        with_alice_and_bob(host);
        let app_password = host.add_app_password("alice", "phone");
        let grouped = in_groups_of_four(&app_password);
        assert!(Imap::Imaplib.login("alice", &grouped).success);
        assert!(Imap::Curl.login("alice", &grouped.to_uppercase().replace(' ', "-")).success);
    });
}

#[test]
fn after_revocation_an_app_password_is_refused_and_the_others_go_on() {
    in_box(|host| {
        with_alice_and_bob(host);
        let old = host.add_app_password("alice", "old phone");
        let new = host.add_app_password("alice", "new phone");
        assert!(Imap::Imaplib.login("alice", &old).success);
        host.admin(&["app-password", "revoke", "alice", "old phone", "--yes"]).expect_success();
        for client in CLIENTS {
            assert!(!client.login("alice", &old).success);
            assert!(client.login("alice", &new).success);
        }
        host.wait_for_log(&["result=refused", "reason=app-password-revoked", "user=alice", "old phone"]);
    });
}

#[test]
fn an_app_password_that_nobody_made_is_refused() {
    in_box(|host| {
        with_alice_and_bob(host);
        host.add_app_password("alice", "phone");
        assert!(!Imap::Imaplib.login("alice", "abcdefghijklmnop").success);
    });
}

#[test]
fn an_app_password_is_good_for_its_own_user_only() {
    in_box(|host| {
        with_alice_and_bob(host);
        host.enroll("bob");
        let bobs = host.add_app_password("bob", "phone");
        assert!(!Imap::Imaplib.login("alice", &bobs).success);
        assert!(Imap::Imaplib.login("bob", &bobs).success);
    });
}

#[test]
fn a_code_from_the_phone_is_refused() {
    in_box(|host| {
        let mut phone = with_alice_and_bob(host);
        let code = phone.fresh_code();
        for client in CLIENTS {
            assert!(!client.login("alice", &code).success);
        }
        assert!(!Imap::Imaplib.login("alice", &format!("{PASSWORD}{code}")).success);
    });
}

#[test]
fn who_is_not_enrolled_gets_in_with_the_password() {
    in_box(|host| {
        with_alice_and_bob(host);
        for client in CLIENTS {
            let login = client.login("bob", PASSWORD);
            assert!(login.success, "{client:?}: {login:?}\n{}", host.dovecot_log());
            assert!(!client.login("bob", "wrong horse").success);
        }
    });
}

/// One of Dovecot's workers answers up to a hundred logins: nothing of one may be left for the next.
#[test]
fn one_worker_serves_many_users_without_mixing_them_up() {
    in_box(|host| {
        with_alice_and_bob(host);
        let app_password = host.add_app_password("alice", "phone");
        for _ in 0..3 {
            assert!(Imap::Imaplib.login("alice", &app_password).success);
            assert!(!Imap::Imaplib.login("bob", &app_password).success);
            assert!(Imap::Imaplib.login("bob", PASSWORD).success);
            assert!(!Imap::Imaplib.login("alice", PASSWORD).success);
        }
    });
}
