//! App passwords at a mail server: what limits them, what comes all at once, and users without an account.

use std::process::Command;

use twostep_tests::mail::postfix;
use twostep_tests::{Dovecot, Host, Imap, MailClient, in_box};

const PASSWORD: &str = "correct horse";
/// Where mail is of those who have no account.
const VIRTUAL_MAIL: &str = "\
userdb {
  driver = passwd
  result_failure = continue
}
userdb {
  driver = static
  args = uid=vmail gid=vmail home=/var/vmail/%u
}
";

/// All five services; alice is enrolled.
fn mail_server(host: &Host) {
    for client in MailClient::ONE_EACH {
        host.wire_mail_service(client.service());
    }
    host.add_user("alice", PASSWORD);
    host.enroll("alice");
    host.command("useradd", &["--system", "--create-home", "--home-dir", "/var/vmail", "vmail"])
        .expect_success();
    host.prepare_postfix();
    host.start_dovecot_with(&Dovecot {
        protocols: "imap pop3 submission sieve",
        more: &[postfix::DOVECOTS_PART, VIRTUAL_MAIL].concat(),
        ..Dovecot::default()
    });
    host.start_postfix();
}

#[test]
fn limits_hold_for_real_clients() {
    in_box(|host| {
        mail_server(host);
        let add = |name: &str, limits: &[&str]| {
            let made = host.admin_json(&[&["app-password", "add", "alice", name], limits].concat());
            made["password"].as_str().expect("a password").to_owned()
        };
        let sending = add("sending", &["--service", "smtp,submission"]);
        for client in MailClient::ONE_EACH {
            let sends = matches!(client, MailClient::Smtp | MailClient::Submission);
            assert_eq!(client.login("alice", &sending).success, sends, "{client:?}");
        }
        host.wait_for_log(&[
            "reason=app-password-out-of-scope",
            "service=imap",
            "name=sending cause=service",
        ]);
        let office = add("office", &["--from", "192.0.2.0/24"]);
        let home = add("home", &["--from", "127.0.0.0/8"]);
        let short = add("short", &["--expires", "1h"]);
        let clients = [MailClient::Imap(Imap::Mbsync), MailClient::Smtp];
        for client in clients {
            assert!(!client.login("alice", &office).success, "{client:?}");
            assert!(client.login("alice", &home).success, "{client:?}");
            assert!(client.login("alice", &short).success, "{client:?}");
        }
        host.wait_for_log(&["service=smtp", "from=127.0.0.1", "name=office cause=address"]);
        host.age_app_password("short");
        for client in clients {
            assert!(!client.login("alice", &short).success, "{client:?}");
        }
        host.wait_for_log(&["reason=app-password-expired", "service=smtp", "name=short"]);

        // The help desk can tell her before she asks.
        let lines = host.log_lines();
        let log: String =
            lines.iter().map(|line| format!("2026-11-24T10:00:00Z box {}\n", line.text)).collect();
        host.write("/tmp/log", &log);
        let report =
            host.admin(&["report", "refused", "--log", "/tmp/log", "--since", "2026-11-01"]).expect_success();
        for told in [
            "\"sending\" outside its scope (service)",
            "\"office\" outside its scope (address)",
            "\"short\" expired",
        ] {
            assert!(report.stdout.contains(told), "{told}: {report}");
        }
    });
}

#[test]
fn virtual_users_read_and_send_mail() {
    in_box(|host| {
        mail_server(host);
        host.configure("[app]\nvirtual_users = true\ndomains = [\"example.org\", \"victim.example\"]\n");
        host.admin(&["enroll", "carol", "--app-only"]).expect_success();
        let phone = host.add_app_password("carol", "phone");
        for client in MailClient::ALL {
            for name in ["carol", "Carol@Example.org"] {
                let login = client.login(name, &phone);
                assert!(login.success, "{client:?} {name}: {login:?}\n{}", host.dovecot_log());
            }
            assert!(!client.login("carol", "abcdefghijklmnop").success, "{client:?}");
        }
        // Whatever domain she writes, it is her own mailbox, and her own name that Postfix sees.
        assert!(Imap::Mbsync.login("carol@victim.example", &phone).success);
        assert!(MailClient::Smtp.login("carol@victim.example", &phone).success);
        let mailboxes = host.command("ls", &["/var/vmail"]).expect_success().stdout;
        assert_eq!(
            mailboxes.split_whitespace().filter(|name| name.starts_with("carol")).collect::<Vec<_>>(),
            ["carol"]
        );
        assert!(!host.postfix_log().contains("sasl_username=carol@"), "{}", host.postfix_log());
        // Somebody with an account, by the address of hers: Dovecot goes on with the name that PAM has then.
        let alices = host.add_app_password("alice", "phone");
        let login = Imap::Mbsync.login("alice@example.org", &alices);
        assert!(login.success && std::fs::exists("/home/alice/Maildir").expect("look"), "{login:?}");
    });
}

/// After a reboot all programs come at once, and none has succeeded since. Dovecot's workers have the memory that its defaults give them.
#[test]
fn a_storm_of_first_logins_is_let_in_and_one_of_refusals_locks_nobody_out() {
    in_box(|host| {
        host.wire_dovecot();
        host.add_user("alice", PASSWORD);
        host.enroll("alice");
        host.start_dovecot();
        host.configure("[argon2id]\nat_once = 1\n");
        let passwords: Vec<String> =
            (0..30).map(|number| host.add_app_password("alice", &format!("device {number}"))).collect();
        let all = |passwords: &[String]| {
            let mut python = Command::new("/usr/bin/python3");
            python.args(["-c", STORM]).current_dir("/");
            let input = format!("alice\n{}\n", passwords.join("\n"));
            let done = twostep_tests::command::run_with_input(&mut python, &input).expect_success();
            done.stdout.trim().to_owned()
        };
        assert_eq!(all(&passwords), "30 in, 0 refused", "{}", host.dovecot_log());
        let wrong = vec!["abcdefghijklmnop".to_owned(); 100];
        assert_eq!(all(&wrong), "0 in, 100 refused");
        assert_eq!(all(&passwords[..1]), "1 in, 0 refused");
        assert_eq!(host.admin_json(&["show", "alice"])["wrong_codes"], 0);
    });
}

/// Signs in with every password at once.
const STORM: &str = "\
import imaplib, sys
from concurrent.futures import ThreadPoolExecutor
user, *passwords = sys.stdin.read().split()
def login(password):
    far = imaplib.IMAP4('127.0.0.1', 143, timeout=300)
    try:
        far.login(user, password)
        far.logout()
        return True
    except imaplib.IMAP4.error:
        return False
with ThreadPoolExecutor(30) as pool:
    results = list(pool.map(login, passwords))
print(f'{sum(results)} in, {len(results) - sum(results)} refused')
";
