//! One or two real clients for each mail service.

use std::fs;
use std::process::Command;

use crate::mail::imap::Imap;
use crate::mail::{self, Login};
use crate::wait::OrDie;

/// A program that signs in at one of the mail services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailClient {
    /// An IMAP client.
    Imap(Imap),
    /// Python's poplib, with USER and PASS.
    Poplib,
    /// fetchmail, which shows mail and leaves it on the server.
    Fetchmail,
    /// swaks at Dovecot's submission service, with AUTH PLAIN.
    Submission,
    /// A ManageSieve client of a few lines, with AUTHENTICATE PLAIN.
    Sieve,
    /// swaks at Postfix, with AUTH PLAIN.
    Smtp,
}

impl MailClient {
    /// All there are.
    pub const ALL: [Self; 8] = [
        Self::Imap(Imap::Imaplib),
        Self::Imap(Imap::Curl),
        Self::Imap(Imap::Mbsync),
        Self::Poplib,
        Self::Fetchmail,
        Self::Submission,
        Self::Sieve,
        Self::Smtp,
    ];

    /// One for each service.
    pub const ONE_EACH: [Self; 5] =
        [Self::Imap(Imap::Imaplib), Self::Poplib, Self::Submission, Self::Sieve, Self::Smtp];

    /// The PAM service it ends up at.
    pub fn service(self) -> &'static str {
        match self {
            Self::Imap(_) => "imap",
            Self::Poplib | Self::Fetchmail => "pop3",
            Self::Submission => "submission",
            Self::Sieve => "sieve",
            Self::Smtp => "smtp",
        }
    }

    /// Logs in once, looks around and goes.
    #[track_caller]
    pub fn login(self, user: &str, password: &str) -> Login {
        match self {
            Self::Imap(client) => client.login(user, password),
            Self::Poplib => mail::python(POPLIB, &[], user, password),
            Self::Fetchmail => fetchmail(user, password),
            Self::Submission => swaks(587, user, password, &["--quit-after", "AUTH"]),
            Self::Sieve => mail::python(SIEVE, &[], user, password),
            Self::Smtp => swaks(25, user, password, &["--quit-after", "AUTH"]),
        }
    }

    /// Sends a mail, by [`Self::Submission`] or [`Self::Smtp`].
    #[track_caller]
    pub fn send(self, user: &str, password: &str, to: &str, subject: &str) -> Login {
        let port = match self {
            Self::Submission => 587,
            Self::Smtp => 25,
            _ => panic!("{self:?} sends no mail"),
        };
        let (from, subject) = (format!("{user}@box"), format!("Subject: {subject}"));
        swaks(port, user, password, &["--from", &from, "--to", to, "--header", &subject])
    }
}

const POPLIB: &str = "\
import poplib, sys
user, password = sys.stdin.read().split('\\n')[:2]
connection = poplib.POP3('127.0.0.1', 110, timeout=300)
connection.user(user)
try:
    connection.pass_(password)
except poplib.error_proto as refusal:
    print(refusal)
    sys.exit(1)
print(connection.stat())
connection.quit()
";

/// RFC 5804: lines, of which the last of an answer begins with OK, NO or BYE.
const SIEVE: &str = "\
import base64, socket, sys
user, password = sys.stdin.read().split('\\n')[:2]
stream = socket.create_connection(('127.0.0.1', 4190), 300).makefile('rw', newline='\\r\\n')
def ask(command):
    if command:
        stream.write(command + '\\r\\n')
        stream.flush()
    for line in stream:
        if line.split()[0] in ('OK', 'NO', 'BYE'):
            return line
    raise EOFError(command)
ask(None)
response = base64.b64encode(f'\\0{user}\\0{password}'.encode()).decode()
answer = ask(f'AUTHENTICATE \"PLAIN\" \"{response}\"')
print(answer)
if not answer.startswith('OK'):
    sys.exit(1)
print(ask('LISTSCRIPTS'))
ask('LOGOUT')
";

#[track_caller]
fn fetchmail(user: &str, password: &str) -> Login {
    const NO_MAIL: i32 = 1;
    const NOT_AUTHORIZED: i32 = 3;
    let file = "/root/fetchmailrc";
    let configuration = format!(
        "poll 127.0.0.1 protocol POP3 port 110 timeout 300\n\
         user \"{user}\" password \"{password}\" sslproto \"\" keep no rewrite mda \"/bin/cat\"\n"
    );
    fs::write(file, configuration).or_die("write fetchmail's file");
    // It refuses one that others can read.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(file, mode).or_die("close fetchmail's file to others");
    let mut fetchmail = Command::new("/usr/bin/fetchmail");
    fetchmail.args(["--fetchmailrc", file, "--nosyslog"]);
    mail::judge(&mut fetchmail, "", &[0, NO_MAIL], NOT_AUTHORIZED)
}

#[track_caller]
fn swaks(port: u16, user: &str, password: &str, what: &[&str]) -> Login {
    const NO_AUTHENTICATION: i32 = 28;
    let mut swaks = Command::new("/usr/bin/swaks");
    swaks.args(["--server", &format!("127.0.0.1:{port}"), "--ehlo", "box", "--timeout", "300"]);
    swaks.args(["--auth", "PLAIN", "--auth-user", user, "--auth-password", password]).args(what);
    mail::judge(&mut swaks, "", &[0], NO_AUTHENTICATION)
}
