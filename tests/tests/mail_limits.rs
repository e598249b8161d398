//! A mail server as a whole: each of its services takes app passwords, by real clients.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use twostep_tests::mail::Client;
use twostep_tests::{Host, Imap, in_box};

const PASSWORD: &str = "correct horse";

/// alice is enrolled, bob is not.
fn mail_server(host: &Host) {
    host.add_user("alice", PASSWORD);
    host.add_user("bob", PASSWORD);
    host.enroll("alice");
    host.wire_mail();
    host.configure(
        "[app]\nservices = [\"imap\", \"pop3\", \"submission\", \"sieve\", \"smtp\", \"webmail\"]\n",
    );
    host.start_mail();
}

#[test]
fn every_service_takes_app_passwords_until_they_are_revoked() {
    in_box(|host| {
        mail_server(host);
        let phone = host.add_app_password("alice", "phone");
        for client in Client::ALL {
            let login = client.login(host, "alice", &phone);
            assert!(login.success, "{client:?}: {login:?}");
            assert!(!client.login(host, "alice", PASSWORD).success, "{client:?}");
            let service = format!("service={}", client.service());
            host.wait_for_log(&["result=accepted reason=app-password ", &service]);
            host.wait_for_log(&["result=refused reason=not-an-app-password", "user=alice", &service]);
            assert!(client.login(host, "bob", PASSWORD).success, "{client:?}: who is not enrolled");
        }
        host.admin(&["app-password", "revoke", "alice", "phone", "--yes"]).expect_success();
        for client in Client::ALL {
            assert!(!client.login(host, "alice", &phone).success, "{client:?}");
            let service = format!("service={}", client.service());
            host.wait_for_log(&["reason=app-password-revoked", "user=alice", &service, "name=phone"]);
        }
    });
}

#[test]
fn limits_hold_for_real_clients() {
    in_box(|host| {
        mail_server(host);
        let add = |name: &str, limits: &[&str]| {
            let made = host.admin_json(&[&["app-password", "add", "alice", name], limits].concat());
            made["password"].as_str().expect("a password").to_owned()
        };
        // For the webmail alone: whoever reads it there has nothing for the rest.
        let webmail = add("webmail", &["--service", "webmail"]);
        for client in Client::ALL {
            assert_eq!(
                client.login(host, "alice", &webmail).success,
                client == Client::Webmail,
                "{client:?}"
            );
        }
        host.wait_for_log(&[
            "reason=app-password-out-of-scope",
            "service=smtp",
            "name=webmail cause=service",
        ]);
        let elsewhere = add("office", &["--from", "192.0.2.0/24"]);
        let here = add("home", &["--from", "127.0.0.0/8"]);
        let short = add("short", &["--expires", "1h"]);
        for client in [Client::Mbsync, Client::Smtp] {
            assert!(!client.login(host, "alice", &elsewhere).success, "{client:?}");
            assert!(client.login(host, "alice", &here).success, "{client:?}");
            assert!(client.login(host, "alice", &short).success, "{client:?}");
        }
        host.wait_for_log(&["service=smtp", "from=127.0.0.1", "name=office cause=address"]);
        let sql = "UPDATE app_password SET created = created - 3600, given_since_boot = given_since_boot - 3600 WHERE name = 'short'";
        let script = format!(
            "import sqlite3; c = sqlite3.connect('/var/lib/twostep/store.db'); c.execute(\"{sql}\"); c.commit()"
        );
        host.command("python3", &["-c", &script]).expect_success();
        for client in [Client::Mbsync, Client::Smtp] {
            assert!(!client.login(host, "alice", &short).success, "{client:?}");
        }
        host.wait_for_log(&["reason=app-password-expired", "service=smtp", "name=short"]);
        let list = host.admin(&["app-password", "list", "alice"]).expect_success().stdout;
        assert!(list.contains("just now, webmail, 127.0.0.1"), "{list}");
    });
}

#[test]
fn who_is_refused_reads_what_is_needed() {
    in_box(|host| {
        mail_server(host);
        for (client, password) in [(Imap::Imaplib, PASSWORD), (Imap::Imaplib, "abcdefghijklmnop")] {
            let login = client.login("alice", password);
            assert!(!login.success, "{login:?}");
            assert!(
                login.said.replace("\\t", " ").contains("Application-specific password required"),
                "{login:?}"
            );
        }
        // The help desk sees the same before anybody calls.
        let log: String =
            host.log_lines().iter().map(|line| format!("2026-11-24T10:00:00Z box {}\n", line.text)).collect();
        host.write("/tmp/log", &log);
        let report =
            host.admin(&["report", "refused", "--log", "/tmp/log", "--since", "2026-11-01"]).expect_success();
        assert!(report.stdout.contains("account password used instead of an app password"), "{report}");
    });
}

#[test]
fn revoking_ends_the_session_that_is_open() {
    in_box(|host| {
        mail_server(host);
        host.write(
            "/usr/local/sbin/end-mail-sessions",
            "#!/bin/sh\ndoveadm auth cache flush \"$1\"\ndoveadm kick \"$1\"\n",
        );
        host.set_mode("/usr/local/sbin/end-mail-sessions", 0o755);
        let text = host.read("/etc/twostep/config.toml");
        host.configure(&format!("{text}on_revoke = [\"/usr/local/sbin/end-mail-sessions\", \"{{user}}\"]\n"));
        let phone = host.add_app_password("alice", "phone");
        let mut idle = Command::new("/usr/bin/python3")
            .args(["-c", IDLE])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start python3");
        idle.stdin
            .take()
            .expect("its input")
            .write_all(format!("alice\n{phone}\n").as_bytes())
            .expect("write to it");
        let mut said = BufReader::new(idle.stdout.take().expect("its output")).lines();
        assert_eq!(said.next().expect("a line").expect("text"), "in");
        host.admin(&["app-password", "revoke", "alice", "phone", "--yes"]).expect_success();
        let end = said.next().expect("a line").expect("text");
        assert!(end.starts_with("over"), "{end}");
        idle.wait().expect("its end");
    });
}

/// Waits for the server to end the session.
const IDLE: &str = "\
import imaplib, sys
user, password = sys.stdin.read().split('\\n')[:2]
far = imaplib.IMAP4('127.0.0.1', 143, timeout=60)
far.login(user, password)
print('in', flush=True)
far.send(b'x IDLE\\r\\n')
while True:
    line = far.readline()
    if not line or line.startswith(b'* BYE'):
        print('over', line)
        break
";

#[test]
fn virtual_users_read_and_send_mail() {
    in_box(|host| {
        mail_server(host);
        let text = host.read("/etc/twostep/config.toml");
        host.configure(&format!("{text}virtual_users = true\ndomains = [\"example.org\"]\n"));
        host.admin(&["enroll", "carol", "--app-only"]).expect_success();
        let phone = host.add_app_password("carol", "phone");
        for client in Client::ALL {
            for name in ["carol", "Carol@Example.org"] {
                let login = client.login(host, name, &phone);
                assert!(login.success, "{client:?} {name}: {login:?}\n{}", host.dovecot_log());
            }
            assert!(!client.login(host, "carol", "abcdefghijklmnop").success, "{client:?}");
        }
        // Somebody with an account, by the address of hers: Dovecot goes on with the name that PAM has then.
        let alices = host.add_app_password("alice", "phone");
        let login = Client::Mbsync.login(host, "alice@example.org", &alices);
        assert!(login.success && std::fs::exists("/home/alice/Maildir").expect("look"), "{login:?}");
    });
}

/// After a reboot all programs come at once, and none has succeeded since. Dovecot's workers have the memory that its defaults give them.
#[test]
fn a_storm_of_first_logins_is_let_in_and_one_of_refusals_locks_nobody_out() {
    in_box(|host| {
        mail_server(host);
        let text = host.read("/etc/twostep/config.toml");
        host.configure(&format!("{text}[argon2id]\nat_once = 1\n"));
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
    far = imaplib.IMAP4('127.0.0.1', 143, timeout=60)
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
