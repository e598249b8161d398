//! Real IMAP clients.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::mail::{self, Login};
use crate::wait::OrDie;

/// An IMAP client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imap {
    /// Python's imaplib, with the LOGIN command.
    Imaplib,
    /// `curl imap://`, with AUTHENTICATE PLAIN.
    Curl,
    /// mbsync, which copies mail to a folder (`/root/mail`), with the LOGIN command.
    Mbsync,
}

impl Imap {
    /// Logs in once on port 143 and lists folders.
    #[track_caller]
    pub fn login(self, user: &str, password: &str) -> Login {
        match self {
            Self::Imaplib => imaplib(143, user, password),
            Self::Curl => curl(user, password),
            Self::Mbsync => mbsync(user, password),
        }
    }
}

const SCRIPT: &str = "\
import imaplib, sys
user, password = sys.stdin.read().split('\\n')[:2]
connection = imaplib.IMAP4('127.0.0.1', int(sys.argv[1]), timeout=300)
try:
    connection.login(user, password)
except imaplib.IMAP4.error as refusal:
    print(refusal)
    sys.exit(1)
print(connection.list())
connection.logout()
";

/// Like [`Imap::Imaplib`], on any port: what a webmail program does.
#[track_caller]
pub fn imaplib(port: u16, user: &str, password: &str) -> Login {
    mail::python(SCRIPT, &[&port.to_string()], user, password)
}

#[track_caller]
fn curl(user: &str, password: &str) -> Login {
    const LOGIN_DENIED: i32 = 67;
    let mut curl = Command::new("/usr/bin/curl");
    curl.args(["--silent", "--show-error", "--max-time", "300", "--config", "-", "imap://127.0.0.1/"]);
    let quoted = format!("{user}:{password}").replace('\\', "\\\\").replace('"', "\\\"");
    mail::judge(&mut curl, &format!("user = \"{quoted}\"\n"), &[0], LOGIN_DENIED)
}

/// LOGIN, since the other ways are in modules of the SASL library that mbsync does not depend on.
#[track_caller]
fn mbsync(user: &str, password: &str) -> Login {
    const FAILED: i32 = 1;
    let password = password.replace('\\', "\\\\").replace('"', "\\\"");
    fs::create_dir_all("/root/mail").or_die("make /root/mail");
    let configuration = format!(
        "\
IMAPAccount box
Host 127.0.0.1
Port 143
User {user}
Pass \"{password}\"
SSLType None
AuthMechs LOGIN
Timeout 300

IMAPStore far
Account box

MaildirStore near
Path /root/mail/
Inbox /root/mail/INBOX

Channel all
Far :far:
Near :near:
Patterns *
Create Near
Sync Pull
SyncState *
"
    );
    fs::write("/root/mbsyncrc", configuration).or_die("write /root/mbsyncrc");
    let mut mbsync = Command::new("/usr/bin/mbsync");
    let login = mail::judge(mbsync.args(["--config", "/root/mbsyncrc", "--all"]), "", &[0], FAILED);
    // Its one exit status for everything that fails must not hide a broken configuration.
    assert!(login.success || login.said.contains("NO "), "mbsync was not refused by the server: {login:?}");
    login
}

/// An IMAP client that has logged in and waits for mail (IDLE).
#[derive(Debug)]
pub struct ImapSession {
    child: Child,
    output: BufReader<ChildStdout>,
}

/// Says "in" when it waits and then everything that the server says, until the server ends the connection.
const IDLING: &str = "\
import imaplib, sys
user, password = sys.stdin.read().split('\\n')[:2]
connection = imaplib.IMAP4('127.0.0.1', 143, timeout=300)
connection.login(user, password)
connection.select()
connection.send(b'idle IDLE\\r\\n')
while not connection.readline().startswith(b'+'):
    pass
print('in', flush=True)
while line := connection.file.readline():
    print(line, flush=True)
";

impl ImapSession {
    /// Logs in on port 143, which must succeed, and waits for mail.
    #[track_caller]
    pub fn idle(user: &str, password: &str) -> Self {
        let mut python = Command::new("/usr/bin/python3");
        python.args(["-c", IDLING]).current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = python.spawn().or_die("start python3");
        let mut input = child.stdin.take().unwrap_or_else(|| panic!("python3 has no stdin"));
        input.write_all(format!("{user}\n{password}\n").as_bytes()).or_die("hand over the password");
        drop(input);
        let output = child.stdout.take().unwrap_or_else(|| panic!("python3 has no stdout"));
        let mut session = Self { child, output: BufReader::new(output) };
        let mut line = String::new();
        session.output.read_line(&mut line).or_die("read what the IMAP client says");
        assert_eq!(line, "in\n", "no IMAP session was begun\n{}", mail::servers_logs());
        session
    }

    /// Waits until the server has ended the session, and returns what it said since it was begun. The client gives up after five
    /// minutes.
    #[track_caller]
    pub fn wait_for_end(mut self) -> String {
        let mut said = String::new();
        self.output.read_to_string(&mut said).or_die("read what the IMAP client says");
        let status = self.child.wait().or_die("wait for the IMAP client");
        assert!(status.success(), "the server did not end the IMAP session\n{}", mail::servers_logs());
        said
    }
}
