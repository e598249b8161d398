//! Exim's `pam` condition: a real server, which asks PAM as the user Debian-exim and so through the broker, and a real SMTP client.

use twostep_tests::exim::smtp_login;
use twostep_tests::{Broker, Host, Phone, in_box};

const PASSWORD: &str = "correct horse";
const BOBS: &str = "battery staple";
/// SMTP's codes (RFC 4954 section 6): 535 sends a mail program's user for another password, 435 has it try again later.
const REFUSED: &str = "535 ";
const NOT_NOW: &str = "435 ";

/// alice is enrolled, bob is not. How Exim's service is wired is up to the test.
fn with_alice_and_bob(host: &Host) -> (Phone, Broker) {
    host.add_user("alice", PASSWORD);
    host.add_user("bob", BOBS);
    host.start_exim();
    (host.enroll("alice"), host.start_broker())
}

#[track_caller]
fn gets_in(host: &Host, user: &str, secret: &str) {
    let login = smtp_login(user, secret);
    assert!(login.success && login.said.starts_with("235 "), "{login:?}\n{}", host.exim_log());
}

#[track_caller]
fn is_told(answer: &str, user: &str, secret: &str) {
    let login = smtp_login(user, secret);
    assert!(!login.success && login.said.starts_with(answer), "{login:?}");
}

#[test]
fn an_app_password_gets_in_and_neither_account_password_nor_code_does() {
    in_box(|host| {
        host.wire_app_service("exim");
        host.grant_servers();
        let (mut phone, _broker) = with_alice_and_bob(host);
        let app_password = host.add_app_password("alice", "laptop");
        for _ in 0..2 {
            gets_in(host, "alice", &app_password);
        }
        let line = host.wait_for_log(&["result=accepted", "reason=app-password ", "service=exim"]);
        assert_eq!((line.value("user"), line.value("name")), (Some("alice"), Some("laptop")));
        // Exim tells PAM nothing of the client.
        assert_eq!(line.value("from"), Some("unknown"));

        is_told(REFUSED, "alice", PASSWORD);
        host.wait_for_log(&["result=refused", "reason=not-an-app-password", "user=alice", "service=exim"]);
        is_told(REFUSED, "alice", &phone.fresh_code());
        is_told(REFUSED, "alice", "");
        host.wait_for_log(&["result=refused", "reason=empty", "user=alice", "service=exim"]);
    });
}

#[test]
fn an_account_that_has_expired_does_not_get_in() {
    in_box(|host| {
        host.wire_app_service("exim");
        host.grant_servers();
        let (_phone, _broker) = with_alice_and_bob(host);
        let app_password = host.add_app_password("alice", "laptop");
        gets_in(host, "alice", &app_password);
        host.command("chage", &["--expiredate", "1", "alice"]).expect_success();
        is_told(REFUSED, "alice", &app_password);
        host.wait_for_log(&["result=refused", "reason=account-expired", "user=alice", "service=exim"]);
    });
}

#[test]
fn a_revoked_app_password_is_refused_and_so_is_somebody_elses() {
    in_box(|host| {
        host.wire_app_service("exim");
        host.grant_servers();
        let (_phone, _broker) = with_alice_and_bob(host);
        host.enroll("bob");
        let old = host.add_app_password("alice", "old laptop");
        let new = host.add_app_password("alice", "new laptop");
        gets_in(host, "alice", &old);
        host.admin(&["app-password", "revoke", "alice", "old laptop", "--yes"]).expect_success();
        is_told(REFUSED, "alice", &old);
        host.wait_for_log(&["result=refused", "reason=app-password-revoked", "user=alice", "old laptop"]);
        is_told(REFUSED, "bob", &new);
        host.wait_for_log(&["result=refused", "reason=app-password-wrong", "user=bob", "service=exim"]);
        gets_in(host, "alice", &new);
    });
}

#[test]
fn who_is_not_enrolled_does_not_get_in_where_only_app_passwords_do() {
    in_box(|host| {
        host.wire_app_service("exim");
        host.grant_servers();
        let (_phone, _broker) = with_alice_and_bob(host);
        is_told(REFUSED, "bob", BOBS);
        host.wait_for_log(&["result=ignored", "reason=not-enrolled", "user=bob", "service=exim"]);
        is_told(REFUSED, "nobody-here", BOBS);
    });
}

/// See the test of the same name in postgresql.rs.
#[test]
fn pam_unix_refuses_everybody_where_exim_cannot_read_the_shadow_file() {
    in_box(|host| {
        host.wire_app_service_with_account_passwords("exim");
        host.grant_servers();
        let (_phone, _broker) = with_alice_and_bob(host);
        is_told(REFUSED, "bob", BOBS);
        is_told(REFUSED, "alice", &host.add_app_password("alice", "laptop"));
        host.wait_for_log(&["result=accepted", "reason=app-password ", "user=alice", "service=exim"]);
        host.wait_for_log(&["unix_chkpwd[", "could not obtain user info (alice)"]);
    });
}

#[test]
fn in_the_group_shadow_exim_takes_the_account_password_of_who_is_not_enrolled() {
    in_box(|host| {
        host.wire_app_service_with_account_passwords("exim");
        host.grant_servers();
        host.let_read_shadow("Debian-exim");
        let (_phone, _broker) = with_alice_and_bob(host);
        gets_in(host, "bob", BOBS);
        is_told(REFUSED, "bob", PASSWORD);
        gets_in(host, "alice", &host.add_app_password("alice", "laptop"));
        is_told(REFUSED, "alice", PASSWORD);
    });
}

#[test]
fn a_code_gets_in_once_where_the_service_takes_codes() {
    in_box(|host| {
        host.wire_code_service("exim");
        host.grant_servers();
        let (mut phone, _broker) = with_alice_and_bob(host);
        let code = phone.fresh_code();
        gets_in(host, "alice", &code);
        host.wait_for_log(&["result=accepted", "reason=code ", "user=alice", "service=exim", "from=unknown"]);
        is_told(REFUSED, "alice", &code);
        host.wait_for_log(&["result=refused", "reason=code-replayed", "user=alice", "service=exim"]);
        is_told(REFUSED, "alice", &phone.wrong_code());
        host.wait_for_log(&["result=refused", "reason=code-wrong", "user=alice", "service=exim"]);
        is_told(REFUSED, "bob", BOBS);
    });
}

/// Exim has one secret to give: a second prompt gets nothing, which is no try.
#[test]
fn where_password_and_code_are_asked_for_the_code_is_empty() {
    in_box(|host| {
        host.wire_password_and_code_service("exim");
        host.grant_servers();
        host.let_read_shadow("Debian-exim");
        let (_phone, _broker) = with_alice_and_bob(host);
        is_told(REFUSED, "alice", PASSWORD);
        host.wait_for_log(&["result=refused", "reason=empty", "user=alice", "service=exim"]);
        assert_eq!(host.admin_json(&["show", "alice"])["wrong_codes"], 0);
        gets_in(host, "bob", BOBS);
    });
}

/// The condition's argument is a list. A name or a secret that is one itself is taken as it stands.
#[test]
fn a_name_with_separators_in_it_is_nobodys() {
    in_box(|host| {
        host.wire_app_service("exim");
        host.grant_servers();
        let (_phone, _broker) = with_alice_and_bob(host);
        let app_password = host.add_app_password("alice", "laptop");
        for name in [format!("alice:{app_password}"), format!("<;alice;{app_password}"), ":alice".to_owned()]
        {
            is_told(REFUSED, &name, &app_password);
        }
        is_told(REFUSED, "alice", &format!("{app_password}:"));
        assert!(!host.log_lines().iter().any(|line| line.text.contains("result=accepted")));
    });
}

/// Which is also how one sees that it is Debian-exim that asks.
#[test]
fn a_service_that_is_not_granted_is_refused() {
    in_box(|host| {
        host.wire_app_service("exim");
        host.grant("Debian-exim", &["smtp"]);
        let (_phone, _broker) = with_alice_and_bob(host);
        let app_password = host.add_app_password("alice", "laptop");
        is_told(NOT_NOW, "alice", &app_password);
        let line = host.wait_for_log(&["result=refused", "reason=not-allowed", "service=exim"]);
        let uid = host.uid("Debian-exim").to_string();
        assert_eq!((line.value("user"), line.value("uid")), (Some("alice"), Some(uid.as_str())));
        assert!(line.value("remedy").is_some_and(|remedy| remedy.contains("[broker] callers")), "{line}");
        // What is granted holds from the next login on.
        host.grant("Debian-exim", &["exim"]);
        gets_in(host, "alice", &app_password);
    });
}

#[test]
fn without_a_grant_exim_asks_for_nobody() {
    in_box(|host| {
        host.wire_app_service("exim");
        let (_phone, _broker) = with_alice_and_bob(host);
        let app_password = host.add_app_password("alice", "laptop");
        is_told(NOT_NOW, "alice", &app_password);
        host.wait_for_log(&["result=refused", "reason=not-allowed", "user=alice", "service=exim"]);
        for (user, secret) in [("bob", BOBS), ("nobody-here", BOBS), ("root", PASSWORD)] {
            is_told(NOT_NOW, user, secret);
        }
        assert!(!host.log_lines().iter().any(|line| line.text.contains("result=accepted")));
    });
}

#[test]
fn without_the_broker_clients_are_told_to_come_back() {
    in_box(|host| {
        host.wire_app_service("exim");
        host.grant_servers();
        let (_phone, broker) = with_alice_and_bob(host);
        let app_password = host.add_app_password("alice", "laptop");
        gets_in(host, "alice", &app_password);
        broker.kill();
        for (user, secret) in [("alice", app_password.as_str()), ("bob", BOBS)] {
            is_told(NOT_NOW, user, secret);
        }
        let line = host.wait_for_log(&["result=unavailable", "reason=broker ", "service=exim"]);
        assert!(line.text.starts_with("pam_twostep[") && line.value("remedy").is_some(), "{line}");
        let _broker = host.start_broker();
        gets_in(host, "alice", &app_password);
    });
}
