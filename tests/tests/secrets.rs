//! Secrets stay where they belong: not in the store's files, not in the log, not in the memory of a process that has logged someone
//! in.

use std::fs;

use twostep_tests::callers::{as_user, su};
use twostep_tests::process::memory_holds;
use twostep_tests::{Console, Done, Host, Imap, OrDie, in_box};

const PASSWORD: &str = "correct horse";

/// Every secret that was handed out, in each form it might be written down in.
fn handed_out(host: &Host) -> (String, String, Vec<(String, Vec<u8>)>) {
    let enrollment = host.admin_json(&["enroll", "alice", "--activate", "--no-qr"]);
    let secret = enrollment["authenticator"]["secret"].as_str().or_die_missing("authenticator.secret");
    let app_password = host.add_app_password("alice", "phone");
    let mut all = vec![
        ("the secret in base32".to_owned(), secret.as_bytes().to_vec()),
        ("the secret".to_owned(), from_base32(&secret)),
        ("the secret in hex".to_owned(), hex(&from_base32(&secret)).into_bytes()),
        ("the app password".to_owned(), app_password.clone().into_bytes()),
    ];
    for code in enrollment["backup_codes"].as_array().into_iter().flatten() {
        let code = code.as_str().or_die_missing("a backup code");
        let plain: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
        all.push((format!("backup code {code}"), code.into_bytes()));
        all.push(("a backup code without dashes".to_owned(), plain.into_bytes()));
    }
    (secret, app_password, all)
}

#[test]
fn no_file_of_the_product_holds_a_secret() {
    in_box(|host| {
        host.add_user("alice", PASSWORD);
        let (_, _, secrets) = handed_out(host);
        let files =
            host.command("find", &["/var/lib", "/run", "/etc/twostep", "-path", "*twostep*", "-type", "f"]);
        let files: Vec<&str> = files.stdout.lines().collect();
        assert!(files.contains(&"/var/lib/twostep/store.db"), "{files:?}");
        for file in files {
            let bytes = fs::read(file).or_die(format_args!("read {file}"));
            for (what, secret) in &secrets {
                assert!(!holds(&bytes, secret), "{what} is in {file}");
            }
        }
    });
}

#[test]
fn after_a_login_neither_log_nor_memory_holds_the_secret() {
    in_box(|host| {
        host.wire_login();
        host.wire_dovecot();
        host.start_dovecot();
        host.add_user("alice", PASSWORD);
        let (secret, app_password, secrets) = handed_out(host);
        let code = twostep_tests::Phone::new(&secret).fresh_code();

        let mut console = Console::login();
        console.answer("login: ", "alice");
        console.answer("Password: ", PASSWORD);
        console.answer("Verification code: ", &code);
        console.wait_for("$ ");
        assert!(Imap::Imaplib.login("alice", &app_password).success);
        assert!(!Imap::Imaplib.login("alice", PASSWORD).success);

        // login stays in memory for as long as the shell runs, and Dovecot's worker for a hundred logins.
        let workers = pids_of(host, "auth");
        assert!(!workers.is_empty(), "Dovecot has no worker");
        for (what, secret) in secrets.iter().take(3) {
            assert!(!memory_holds(console.pid(), secret), "{what} is in login's memory");
            for worker in &workers {
                assert!(!memory_holds(*worker, secret), "{what} is in Dovecot's worker");
            }
        }
        let key = fs::read("/etc/twostep/master.key").or_die("read the key");
        for pid in workers.into_iter().chain([console.pid()]) {
            assert!(!memory_holds(pid, key.trim_ascii()), "the master key's text is in a host's memory");
        }

        for line in host.log_lines() {
            for (what, secret) in &secrets {
                assert!(!holds(line.text.as_bytes(), secret), "{what} was logged: {line}");
            }
            assert!(!line.text.contains(&code) && !line.text.contains(PASSWORD), "{line}");
        }
    });
}

/// The broker lives long, and passwords, codes and new secrets pass through it.
#[test]
fn after_logins_and_changes_the_broker_remembers_nothing() {
    in_box(|host| {
        host.wire_su_and_sudo();
        host.add_user("alice", PASSWORD);
        host.add_user("bob", PASSWORD);
        let broker = host.start_broker();
        let mut console = as_user(host, "alice", "/usr/bin/twostep", &["enroll", "--no-qr"], &[]);
        console.answer("Password: ", PASSWORD);
        console.wait_for("secret  ");
        let secret: String = console.wait_for("\n").chars().filter(|c| !c.is_whitespace()).collect();
        let mut phone = twostep_tests::Phone::new(&secret);
        let first = phone.fresh_code();
        console.answer("Code that the authenticator shows: ", &first);
        assert_eq!(console.end(), Some(0), "{}", console.shown());
        let shown = console.shown().replace('\r', "");
        let codes: Vec<String> = shown
            .rsplit("not shown again:")
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        let mut console = as_user(host, "alice", "/usr/bin/twostep", &["app-password", "add", "mail"], &[]);
        console.answer("Password: ", PASSWORD);
        console.answer("Verification code: ", &codes[0]);
        assert_eq!(console.end(), Some(0), "{}", console.shown());
        let shown = console.shown().replace('\r', "");
        let app_password =
            shown.lines().rev().find(|line| line.len() == 19).or_die_missing("an app password");
        let second = phone.fresh_code();
        let mut console = su(host, "bob", "alice");
        console.answer("Password: ", PASSWORD);
        console.answer("Verification code: ", &second);
        assert_eq!(console.end(), Some(0), "{}", console.shown());

        let plain =
            |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().into_bytes();
        let mut secrets = vec![
            ("the account password", PASSWORD.as_bytes().to_vec()),
            ("the secret in base32", secret.as_bytes().to_vec()),
            ("the secret", from_base32(&secret)),
            ("the app password", app_password.as_bytes().to_vec()),
            ("the app password without blanks", plain(&app_password)),
            (
                "the master key's text",
                fs::read("/etc/twostep/master.key").or_die("read").trim_ascii().to_vec(),
            ),
        ];
        for code in &codes {
            secrets.push(("a backup code", code.as_bytes().to_vec()));
            secrets.push(("a backup code without dashes", plain(code)));
        }
        for (what, secret) in secrets {
            assert!(!memory_holds(broker.pid(), &secret), "{what} is in the broker's memory");
        }
        for line in host.log_lines() {
            assert!(!line.text.contains(&first) && !line.text.contains(&second), "{line}");
        }
    });
}

fn pids_of(host: &Host, name: &str) -> Vec<u32> {
    let Done { stdout, .. } = host.command("sh", &["-c", "grep -lx \"$0\" /proc/[0-9]*/comm", name]);
    stdout.lines().filter_map(|path| path.split('/').nth(2)?.parse().ok()).collect()
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// RFC 4648, without padding.
fn from_base32(text: &str) -> Vec<u8> {
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for digit in text.bytes().filter(|digit| *digit != b'=') {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'2'..=b'7' => digit - b'2' + 26,
            other => panic!("{other} is no base32"),
        };
        bits = bits << 5 | u32::from(value);
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    bytes
}

trait Present {
    fn or_die_missing(self, what: &str) -> String;
}

impl Present for Option<&str> {
    fn or_die_missing(self, what: &str) -> String {
        self.unwrap_or_else(|| panic!("{what} is missing")).to_owned()
    }
}
