//! PostgreSQL's `pam` method: a real server, which asks PAM as the user postgres and so through the broker, and a real psql.

use twostep_tests::{Broker, Database, Host, Phone, in_box};

const PASSWORD: &str = "correct horse";
const BOBS: &str = "battery staple";

/// alice is enrolled, bob is not; both are roles, and so is carol, who has no account. Who asks for what is up to the test.
fn with_alice_and_bob(host: &Host) -> (Phone, Broker) {
    host.add_user("alice", PASSWORD);
    host.add_user("bob", BOBS);
    host.start_postgres(&["alice", "bob", "carol"]);
    (host.enroll("alice"), host.start_broker())
}

#[track_caller]
fn gets_in(host: &Host, user: &str, secret: &str) {
    let login = Database::Main.login(user, secret);
    assert!(login.success, "{login:?}\n{}", host.postgres_log());
}

#[track_caller]
fn is_refused(user: &str, secret: &str) {
    assert!(!Database::Main.login(user, secret).success, "{user} got in");
}

#[test]
fn an_app_password_gets_in_and_neither_account_password_nor_code_does() {
    in_box(|host| {
        host.wire_app_service("postgresql");
        host.grant_servers();
        let (mut phone, _broker) = with_alice_and_bob(host);
        let app_password = host.add_app_password("alice", "psql");
        for _ in 0..2 {
            gets_in(host, "alice", &app_password);
        }
        let line = host.wait_for_log(&["result=accepted", "reason=app-password ", "service=postgresql"]);
        assert_eq!((line.value("user"), line.value("name")), (Some("alice"), Some("psql")));
        assert_eq!(line.value("from"), Some("127.0.0.1"));

        is_refused("alice", PASSWORD);
        let line = host.wait_for_log(&["result=refused", "reason=not-an-app-password", "service=postgresql"]);
        assert_eq!((line.value("user"), line.value("from")), (Some("alice"), Some("127.0.0.1")));
        is_refused("alice", &phone.fresh_code());
    });
}

#[test]
fn a_revoked_app_password_is_refused() {
    in_box(|host| {
        host.wire_app_service("postgresql");
        host.grant_servers();
        let (_phone, _broker) = with_alice_and_bob(host);
        let old = host.add_app_password("alice", "old laptop");
        let new = host.add_app_password("alice", "new laptop");
        gets_in(host, "alice", &old);
        host.admin(&["app-password", "revoke", "alice", "old laptop", "--yes"]).expect_success();
        is_refused("alice", &old);
        gets_in(host, "alice", &new);
        let line = host.wait_for_log(&["result=refused", "reason=app-password-revoked", "old laptop"]);
        assert_eq!((line.value("user"), line.value("from")), (Some("alice"), Some("127.0.0.1")));
    });
}

#[test]
fn an_app_password_opens_no_role_but_its_owners() {
    in_box(|host| {
        host.wire_app_service("postgresql");
        host.grant_servers();
        let (_phone, _broker) = with_alice_and_bob(host);
        host.enroll("bob");
        let app_password = host.add_app_password("alice", "psql");
        is_refused("bob", &app_password);
        let line = host.wait_for_log(&["result=refused", "reason=app-password-wrong", "service=postgresql"]);
        assert_eq!((line.value("user"), line.value("from")), (Some("bob"), Some("127.0.0.1")));
        for role in ["carol", "postgres"] {
            is_refused(role, &app_password);
        }
        gets_in(host, "alice", &app_password);
    });
}

#[test]
fn who_is_not_enrolled_does_not_get_in_where_only_app_passwords_do() {
    in_box(|host| {
        host.wire_app_service("postgresql");
        host.grant_servers();
        let (_phone, _broker) = with_alice_and_bob(host);
        is_refused("bob", BOBS);
        let line = host.wait_for_log(&["result=ignored", "reason=not-enrolled", "service=postgresql"]);
        assert_eq!((line.value("user"), line.value("from")), (Some("bob"), Some("127.0.0.1")));
    });
}

/// pam_unix's helper tells the user postgres about nobody else: neither whether a password is right nor whether an account has expired.
/// So an account line of pam_unix's refuses right app passwords, too.
#[test]
fn pam_unix_refuses_everybody_where_postgres_cannot_read_the_shadow_file() {
    in_box(|host| {
        host.wire_app_service_with_account_passwords("postgresql");
        host.grant_servers();
        let (_phone, _broker) = with_alice_and_bob(host);
        is_refused("bob", BOBS);
        is_refused("alice", &host.add_app_password("alice", "psql"));
        host.wait_for_log(&["result=accepted", "reason=app-password ", "user=alice", "from=127.0.0.1"]);
        host.wait_for_log(&["unix_chkpwd[", "could not obtain user info (alice)"]);
    });
}

/// The server cannot see it, and there is no pam_unix in its stack that could: the broker does.
#[test]
fn an_account_that_has_expired_does_not_get_in() {
    in_box(|host| {
        host.wire_app_service("postgresql");
        host.grant_servers();
        let (_phone, _broker) = with_alice_and_bob(host);
        let app_password = host.add_app_password("alice", "psql");
        gets_in(host, "alice", &app_password);
        host.command("chage", &["--expiredate", "1", "alice"]).expect_success();
        is_refused("alice", &app_password);
        host.wait_for_log(&["result=refused", "reason=account-expired", "user=alice", "service=postgresql"]);
        host.command("chage", &["--expiredate", "-1", "alice"]).expect_success();
        gets_in(host, "alice", &app_password);
        // passwd says that there is an entry, and it is not found: nobody knows whether the account has expired.
        host.edit("/etc/shadow", |line| line.replace("alice:", "alice-is-away:"));
        is_refused("alice", &app_password);
        host.wait_for_log(&["result=unavailable", "reason=nss", "user=alice", "getspnam_r"]);
        host.edit("/etc/shadow", |line| line.replace("alice-is-away:", "alice:"));
        gets_in(host, "alice", &app_password);
    });
}

#[test]
fn in_the_group_shadow_postgres_takes_the_account_password_of_who_is_not_enrolled() {
    in_box(|host| {
        host.wire_app_service_with_account_passwords("postgresql");
        host.grant_servers();
        host.let_read_shadow("postgres");
        let (_phone, _broker) = with_alice_and_bob(host);
        gets_in(host, "bob", BOBS);
        is_refused("bob", PASSWORD);
        gets_in(host, "alice", &host.add_app_password("alice", "psql"));
        is_refused("alice", PASSWORD);
        host.command("chage", &["--expiredate", "1", "alice"]).expect_success();
        is_refused("alice", &host.add_app_password("alice", "another"));
    });
}

#[test]
fn a_code_gets_in_once_where_the_service_takes_codes() {
    in_box(|host| {
        host.wire_code_service("postgresql");
        host.grant_servers();
        let (mut phone, _broker) = with_alice_and_bob(host);
        let code = phone.fresh_code();
        gets_in(host, "alice", &code);
        let line = host.wait_for_log(&["result=accepted", "reason=code ", "service=postgresql"]);
        assert_eq!((line.value("user"), line.value("from")), (Some("alice"), Some("127.0.0.1")));
        is_refused("alice", &code);
        host.wait_for_log(&["result=refused", "reason=code-replayed", "user=alice", "from=127.0.0.1"]);
        is_refused("alice", &phone.wrong_code());
        host.wait_for_log(&["result=refused", "reason=code-wrong", "user=alice", "from=127.0.0.1"]);
        is_refused("alice", &host.add_app_password("alice", "psql"));
        host.wait_for_log(&["result=refused", "reason=app-password-at-prompt", "user=alice"]);
        gets_in(host, "alice", &phone.fresh_code());

        // Who is not enrolled, or is nobody at all, has no code.
        for (role, secret) in [("bob", BOBS), ("carol", PASSWORD), ("bob", &phone.wrong_code())] {
            is_refused(role, secret);
        }
    });
}

/// psql connects without a secret first, and asks its user when it is asked for one: that is no try.
#[test]
fn psql_that_has_to_ask_its_user_first_costs_no_try() {
    in_box(|host| {
        host.wire_code_service("postgresql");
        host.grant_servers();
        let (mut phone, _broker) = with_alice_and_bob(host);
        let mut psql = Database::Main.login_at_a_terminal("alice");
        psql.wait_for("Password for user alice: ");
        host.wait_for_log(&["result=refused", "reason=conversation", "user=alice", "from=127.0.0.1"]);
        assert_eq!(host.admin_json(&["show", "alice"])["wrong_codes"], 0);
        psql.type_line(&phone.fresh_code());
        assert_eq!(psql.end(), Some(0), "{}", psql.shown());
        assert!(psql.shown().trim_end().ends_with("alice"), "{}", psql.shown());
    });
}

/// psql answers every prompt of one login with the same secret.
#[test]
fn where_password_and_code_are_asked_for_psql_does_not_get_in() {
    in_box(|host| {
        host.wire_password_and_code_service("postgresql");
        host.grant_servers();
        host.let_read_shadow("postgres");
        let (mut phone, _broker) = with_alice_and_bob(host);
        is_refused("alice", PASSWORD);
        host.wait_for_log(&["result=refused", "reason=same-as-password", "user=alice", "from=127.0.0.1"]);
        is_refused("alice", &phone.fresh_code());
        assert_eq!(host.admin_json(&["show", "alice"])["wrong_codes"], 0);
        gets_in(host, "bob", BOBS);
    });
}

#[test]
fn a_service_that_is_not_granted_is_refused() {
    in_box(|host| {
        for service in ["backups", "postgresql"] {
            host.wire_app_service(service);
        }
        host.grant_servers();
        let (_phone, _broker) = with_alice_and_bob(host);
        let app_password = host.add_app_password("alice", "psql");
        assert!(!Database::Backups.login("alice", &app_password).success);
        let line = host.wait_for_log(&["result=refused", "reason=not-allowed", "service=backups"]);
        assert_eq!(line.value("user"), Some("alice"));
        assert_eq!(line.value("uid"), Some(host.uid("postgres").to_string().as_str()));
        assert!(line.value("remedy").is_some_and(|remedy| remedy.contains("[broker] callers")), "{line}");
        gets_in(host, "alice", &app_password);

        // What is granted holds from the next login on.
        host.grant("postgres", &["postgresql", "backups"]);
        assert!(Database::Backups.login("alice", &app_password).success, "{}", host.postgres_log());
    });
}

#[test]
fn without_a_grant_postgres_asks_for_nobody_but_itself() {
    in_box(|host| {
        host.wire_app_service("postgresql");
        let (_phone, _broker) = with_alice_and_bob(host);
        let app_password = host.add_app_password("alice", "psql");
        is_refused("alice", &app_password);
        let uid = host.uid("postgres").to_string();
        let line = host.wait_for_log(&["result=refused", "reason=not-allowed", "service=postgresql"]);
        assert_eq!((line.value("user"), line.value("uid")), (Some("alice"), Some(uid.as_str())));
        // Nothing was judged, so nothing was learnt and nothing counted.
        assert!(!host.log_lines().iter().any(|line| line.text.contains("result=accepted")));
        is_refused("carol", &app_password);

        host.enroll("postgres");
        gets_in(host, "postgres", &host.add_app_password("postgres", "psql"));
        let line = host.wait_for_log(&["result=accepted", "reason=app-password ", "user=postgres"]);
        assert_eq!(line.value("from"), Some(format!("uid:{uid}").as_str()));
    });
}

#[test]
fn without_the_broker_nobody_gets_in_and_nobody_waits() {
    in_box(|host| {
        host.wire_app_service("postgresql");
        host.grant_servers();
        let (_phone, broker) = with_alice_and_bob(host);
        let app_password = host.add_app_password("alice", "psql");
        gets_in(host, "alice", &app_password);
        broker.kill();
        for (role, secret) in [("alice", app_password.as_str()), ("bob", BOBS), ("postgres", PASSWORD)] {
            is_refused(role, secret);
        }
        let line = host.wait_for_log(&["result=unavailable", "reason=broker ", "service=postgresql"]);
        // Whoever had waited for an answer would say so.
        assert!(line.text.contains("nobody listens"), "{line}");
        assert_eq!(line.value("from"), Some("127.0.0.1"));
        assert!(line.text.starts_with("pam_twostep[") && line.value("remedy").is_some(), "{line}");
        let _broker = host.start_broker();
        gets_in(host, "alice", &app_password);
    });
}
