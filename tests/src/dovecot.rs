//! A real Dovecot and two real IMAP clients.

use std::fs;
use std::process::Command;

use crate::command;
use crate::host::Host;

/// Everything of Dovecot's own that waits or punishes is off: tests are about our answers.
const CONFIGURATION: &str = "\
protocols = imap
listen = 127.0.0.1
base_dir = /run/dovecot
log_path = /var/log/dovecot.log
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain
auth_failure_delay = 0
mail_location = maildir:~/Maildir
first_valid_uid = 500
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
passdb {
  driver = pam
  args = session=yes setcred=yes failure_show_msg=yes %s
}
userdb {
  driver = passwd
}
";

/// Has a refusal told at once: when PAM has refused, a second one refuses as well, and adds the field for that. Dovecot keeps refusals back
/// even where their delay is set to none, and tells them in heaps, twice a second.
const AT_ONCE: &str = "\
passdb {
  driver = static
  args = nopassword nodelay
  result_success = return-fail
}
";

impl Host {
    /// Starts Dovecot on the box's 127.0.0.1, port 143, asking PAM as the service `imap`.
    pub fn start_dovecot(&self) {
        self.start_dovecot_as(CONFIGURATION);
    }

    /// The same, but refusals are not kept back for a while.
    pub fn start_dovecot_that_refuses_at_once(&self) {
        self.start_dovecot_as(&[CONFIGURATION, AT_ONCE].concat());
    }

    fn start_dovecot_as(&self, configuration: &str) {
        self.write("/etc/dovecot/dovecot.conf", configuration);
        // What an earlier run left there costs the first login five seconds.
        let _ = fs::remove_dir_all("/run/dovecot");
        self.start_daemon("/usr/sbin/dovecot", &["-c", "/etc/dovecot/dovecot.conf"]);
        self.wait_for_port(143, "Dovecot");
    }

    /// What Dovecot itself has logged, for failure messages.
    pub fn dovecot_log(&self) -> String {
        self.read("/var/log/dovecot.log")
    }
}

/// An IMAP client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imap {
    /// Python's imaplib, with the LOGIN command.
    Imaplib,
    /// `curl imap://`, with AUTHENTICATE PLAIN.
    Curl,
}

/// What a client was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Whether the login was accepted.
    pub success: bool,
    /// The server's or the client's words about it.
    pub said: String,
}

impl Imap {
    /// Logs in once on port 143 and lists folders.
    #[track_caller]
    pub fn login(self, user: &str, password: &str) -> Login {
        match self {
            Self::Imaplib => imaplib(user, password),
            Self::Curl => curl(user, password),
        }
    }
}

/// Exit status 0 for accepted, 1 for refused; anything else is a broken test.
const SCRIPT: &str = "\
import imaplib, sys
user, password = sys.stdin.read().split('\\n')[:2]
connection = imaplib.IMAP4('127.0.0.1', 143, timeout=60)
try:
    connection.login(user, password)
except imaplib.IMAP4.error as refusal:
    print(refusal)
    sys.exit(1)
print(connection.list())
connection.logout()
";

#[track_caller]
fn imaplib(user: &str, password: &str) -> Login {
    let mut python = Command::new("/usr/bin/python3");
    python.args(["-c", SCRIPT]).current_dir("/");
    let done = command::run_with_input(&mut python, &format!("{user}\n{password}\n"));
    // Python's own exit status for an uncaught exception is 1 as well.
    assert!(done.status <= 1 && done.stderr.is_empty(), "imaplib did not get to an answer: {done}");
    Login { success: done.success(), said: done.stdout.trim().to_owned() }
}

#[track_caller]
fn curl(user: &str, password: &str) -> Login {
    const LOGIN_DENIED: i32 = 67;
    let mut curl = Command::new("/usr/bin/curl");
    curl.args(["--silent", "--show-error", "--max-time", "60", "--config", "-", "imap://127.0.0.1/"])
        .current_dir("/");
    let quoted = format!("{user}:{password}").replace('\\', "\\\\").replace('"', "\\\"");
    let done = command::run_with_input(&mut curl, &format!("user = \"{quoted}\"\n"));
    assert!(
        done.success() || done.status == LOGIN_DENIED,
        "curl got neither in nor refused: {done}\nDovecot's log:\n{}",
        fs::read_to_string("/var/log/dovecot.log").unwrap_or_default()
    );
    Login { success: done.success(), said: format!("{}{}", done.stdout, done.stderr).trim().to_owned() }
}
