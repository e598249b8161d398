//! Mail by its five services: real Dovecot and Postfix, and the programs that people have for them.

use std::collections::HashMap;
use std::fs;

use twostep_tests::mail::imap::imaplib;
use twostep_tests::mail::postfix;
use twostep_tests::{Dovecot, Host, Imap, ImapSession, MailClient, eventually, in_box};

const PASSWORD: &str = "correct horse";
const REFUSAL: &str = "Application-specific password required";

/// Every service takes app passwords; alice is enrolled, bob is not.
fn with_all_services(host: &Host, dovecot: &Dovecot) {
    for client in MailClient::ONE_EACH {
        host.wire_mail_service(client.service());
    }
    host.add_user("alice", PASSWORD);
    host.add_user("bob", PASSWORD);
    host.enroll("alice");
    host.prepare_postfix();
    host.start_dovecot_with(&Dovecot {
        protocols: "imap pop3 submission sieve",
        more: postfix::DOVECOTS_PART,
        ..*dovecot
    });
    host.start_postfix();
}

fn logs(host: &Host) -> String {
    format!("{}{}", host.dovecot_log(), host.postfix_log())
}

#[test]
fn an_app_password_opens_every_service_until_it_is_revoked() {
    in_box(|host| {
        with_all_services(host, &Dovecot::default());
        let mut made = HashMap::new();
        for client in MailClient::ALL {
            let service = client.service();
            let app_password = made.entry(service).or_insert_with(|| host.add_app_password("alice", service));
            let login = client.login("alice", app_password);
            assert!(login.success, "{client:?}: {login:?}\n{}", logs(host));
            let accepted = "result=accepted reason=app-password user=alice";
            host.wait_for_log(&[&format!("{accepted} service={service} from=127.0.0.1 name={service}")]);
        }
        let list = host.admin_json(&["app-password", "list", "alice"]);
        let list = list.as_array().unwrap_or_else(|| panic!("no list, but {list}"));
        assert_eq!(list.len(), made.len(), "{list:?}");
        for one in list {
            assert!(one["last_service"] == one["name"] && one["last_from"] == "127.0.0.1", "{list:?}");
        }

        // Nothing is started anew, and Dovecot's worker has just seen each of them to be right.
        for client in MailClient::ONE_EACH {
            let service = client.service();
            host.admin(&["app-password", "revoke", "alice", service, "--yes"]).expect_success();
            let login = client.login("alice", &made[service]);
            assert!(!login.success, "{client:?}: {login:?}\n{}", logs(host));
            let refused = "result=refused reason=app-password-revoked user=alice";
            host.wait_for_log(&[&format!("{refused} service={service} from=127.0.0.1 name={service}")]);
        }
    });
}

#[test]
fn the_account_password_opens_every_service_for_who_is_not_enrolled_and_none_for_who_is() {
    in_box(|host| {
        with_all_services(host, &Dovecot::default());
        for client in MailClient::ALL {
            let login = client.login("alice", PASSWORD);
            assert!(!login.success, "{client:?}: {login:?}\n{}", logs(host));
            let refused = "result=refused reason=not-an-app-password user=alice";
            host.wait_for_log(&[&format!("{refused} service={} from=127.0.0.1", client.service())]);
            let login = client.login("bob", PASSWORD);
            assert!(login.success, "{client:?}: {login:?}\n{}", logs(host));
        }
    });
}

/// Sent by both ways out, read by both ways in.
#[test]
fn mail_goes_from_one_user_to_another_with_app_passwords() {
    in_box(|host| {
        with_all_services(host, &Dovecot::default());
        host.enroll("bob");
        let alices = host.add_app_password("alice", "laptop");
        let bobs = host.add_app_password("bob", "laptop");
        for (client, subject) in [(MailClient::Submission, "one"), (MailClient::Smtp, "another")] {
            assert!(!client.send("alice", PASSWORD, "bob@box", "none").success, "{client:?}");
            let sent = client.send("alice", &alices, "bob@box", subject);
            assert!(sent.success, "{client:?}: {sent:?}\n{}", logs(host));
        }
        eventually("two mails to arrive", || {
            let arrived = fs::read_dir("/home/bob/Maildir/new").ok()?.count();
            (arrived == 2).then_some(())
        });
        let seen = MailClient::Fetchmail.login("bob", &bobs);
        assert!(seen.success && seen.said.contains("2 messages"), "{seen:?}\n{}", logs(host));
        let seen = Imap::Mbsync.login("bob", &bobs);
        assert!(seen.success, "{seen:?}\n{}", logs(host));
        let copied = host.command("grep", &["-rhE", "^Subject: (one|another|none)$", "/root/mail/INBOX"]);
        let mut subjects: Vec<&str> = copied.stdout.lines().collect();
        subjects.sort_unstable();
        assert_eq!(subjects, ["Subject: another", "Subject: one"], "{copied}");
    });
}

#[test]
fn a_refused_program_shows_what_is_wanted() {
    in_box(|host| {
        with_all_services(host, &Dovecot { refusal: Some(REFUSAL), ..Dovecot::default() });
        let app_password = host.add_app_password("alice", "phone");
        assert!(Imap::Imaplib.login("alice", &app_password).success, "{}", logs(host));
        host.admin(&["app-password", "revoke", "alice", "phone", "--yes"]).expect_success();
        for password in [PASSWORD, &app_password, ""] {
            let login = Imap::Imaplib.login("alice", password);
            // Programs must show their users what comes with this word (RFC 3501 7.1).
            assert!(!login.success && login.said == format!("b'[ALERT] {REFUSAL}'"), "{login:?}");
        }
        for client in [MailClient::Poplib, MailClient::Submission, MailClient::Sieve, MailClient::Smtp] {
            let login = client.login("alice", PASSWORD);
            assert!(!login.success && login.said.contains(REFUSAL), "{client:?}: {login:?}");
        }
        // What says so lets in nobody by itself. It knows nobody either: who only mistyped is told the same.
        let login = Imap::Imaplib.login("bob", "wrong horse");
        assert!(!login.success && login.said.contains(REFUSAL), "{login:?}");
        assert!(!Imap::Imaplib.login("nobody-of-that-name", PASSWORD).success);
        assert!(Imap::Imaplib.login("bob", PASSWORD).success, "{}", logs(host));
    });
}

/// doveadm says 68 where nobody is to be kicked, which is no failure.
const END_SESSIONS: &str = "\
#!/bin/sh
/usr/bin/doveadm auth cache flush \"$1\" || exit
/usr/bin/doveadm kick \"$1\"
case $? in
0 | 68) ;;
*) exit 1 ;;
esac
";

#[test]
fn revocation_ends_open_sessions_and_what_dovecot_remembers() {
    in_box(|host| {
        host.wire_dovecot();
        host.add_user("alice", PASSWORD);
        host.enroll("alice");
        let app_password = host.add_app_password("alice", "phone");
        host.start_dovecot_with(&Dovecot {
            pam: "cache_key=%u%s %s",
            more: "auth_cache_size = 1M\n",
            ..Dovecot::default()
        });
        // The second login is Dovecot's own: nobody asks us.
        for _ in 0..2 {
            assert!(Imap::Imaplib.login("alice", &app_password).success, "{}", host.dovecot_log());
        }
        let asked = |host: &Host| {
            let lines = host.log_lines();
            lines.iter().filter(|line| line.text.contains("reason=app-password ")).count()
        };
        assert_eq!(asked(host), 1, "{}", host.dovecot_log());

        let session = ImapSession::idle("alice", &app_password);
        host.write("/usr/local/sbin/end-mail-sessions", END_SESSIONS);
        host.set_mode("/usr/local/sbin/end-mail-sessions", 0o755);
        host.configure("[app]\non_revoke = [\"/usr/local/sbin/end-mail-sessions\", \"{user}\"]\n");
        let revoked = host.admin(&["app-password", "revoke", "alice", "phone", "--yes"]).expect_success();
        assert_eq!(revoked.stderr, "", "{revoked}");
        let said = session.wait_for_end();
        assert!(said.contains("* BYE "), "{said}");
        assert!(!Imap::Imaplib.login("alice", &app_password).success, "{}", host.dovecot_log());
        host.wait_for_log(&["reason=app-password-revoked", "user=alice", "service=imap"]);

        // Nothing is open and nothing is remembered: no failure either.
        host.add_app_password("alice", "tablet");
        let revoked = host.admin(&["app-password", "revoke", "alice", "tablet", "--yes"]).expect_success();
        assert_eq!(revoked.stderr, "", "{revoked}");
    });
}

/// Webmail has a port of its own, and by that a PAM service of its own, which can have other rules.
#[test]
fn webmail_has_a_service_of_its_own() {
    in_box(|host| {
        host.wire_dovecot();
        host.wire_mail_service("webmail");
        host.add_user("alice", PASSWORD);
        host.enroll("alice");
        host.start_dovecot_with(&Dovecot {
            pam: "%{if;%a;eq;1143;webmail;%s}",
            more: "service imap-login {\n  inet_listener webmail {\n    port = 1143\n  }\n}\n",
            ..Dovecot::default()
        });
        let app_password = host.add_app_password("alice", "webmail");
        let webmail = |password: &str| imaplib(1143, "alice", password);
        assert!(webmail(&app_password).success, "{}", host.dovecot_log());
        let list = host.admin_json(&["app-password", "list", "alice"]);
        assert_eq!(list[0]["last_service"], "webmail", "{list}");
        assert!(!webmail(PASSWORD).success);
        host.wait_for_log(&["reason=not-an-app-password", "user=alice", "service=webmail"]);

        host.configure("[[rule]]\nservice = \"webmail\"\ndemand = \"deny\"\n");
        assert!(!webmail(&app_password).success);
        host.wait_for_log(&["reason=denied-by-rule", "service=webmail"]);
        assert!(Imap::Imaplib.login("alice", &app_password).success, "{}", host.dovecot_log());
    });
}
