//! A real mail server: Dovecot's IMAP, POP3, submission and ManageSieve, and a Postfix that asks it; with real clients.

use std::fs;
use std::process::Command;

use crate::command::{self, Done};
use crate::dovecot::Login;
use crate::host::Host;
use crate::wiring::{APP_ACCOUNT, APP_AUTH};

/// As docs/mail.md has it, but for what waits or punishes: that is off. On port 1143 comes the webmail.
const DOVECOT: &str = r#"
protocols = imap pop3 submission sieve
listen = 127.0.0.1
base_dir = /run/dovecot
log_path = /var/log/dovecot.log
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain
auth_failure_delay = 0
mail_location = maildir:~/Maildir
first_valid_uid = 500
submission_relay_host = 127.0.0.1
submission_relay_port = 25
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service imap-login {
  inet_listener imap {
    port = 143
  }
  inet_listener webmail {
    port = 1143
  }
}
service auth {
  unix_listener /var/spool/postfix/private/auth {
    mode = 0660
    user = postfix
    group = postfix
  }
}
passdb {
  driver = pam
  args = session=yes failure_show_msg=yes %{if;%a;==;1143;webmail;%s}
}
passdb {
  driver = static
  args = nopassword=y nodelay=y reason=Application-specific	password	required
  result_success = return-fail
}
userdb {
  driver = passwd
  result_failure = continue
}
userdb {
  driver = static
  args = uid=vmail gid=vmail home=/var/vmail/%u
}
"#;

const MAIN_CF: &str = "\
compatibility_level = 3.6
myhostname = box
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination = box
alias_maps =
home_mailbox = Maildir/
maillog_file = /var/log/postfix.log
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_relay_restrictions = permit_sasl_authenticated, reject
";

/// Nothing is delivered: people sign in, and that is all.
const MASTER_CF: &str = "\
25        inet       n  -  n  -  -  smtpd
rewrite   unix       -  -  n  -  -  trivial-rewrite
proxymap  unix       -  -  n  -  -  proxymap
anvil     unix       -  -  n  -  1  anvil
postlog   unix-dgram n  -  n  -  1  postlogd
";

/// The PAM services that ask.
const SERVICES: [&str; 6] = ["imap", "pop3", "submission", "sieve", "smtp", "webmail"];

impl Host {
    /// App passwords for all of them. Besides, who is not enrolled has the account password.
    pub fn wire_mail(&self) {
        let stack = format!(
            "{APP_AUTH} [prompt=Application-specific password required]\n@include common-auth\n\
             {APP_ACCOUNT}\n@include common-account\n@include common-session\n"
        );
        SERVICES.iter().for_each(|service| self.write(format!("/etc/pam.d/{service}"), &stack));
    }

    /// Starts Dovecot and Postfix on the box's 127.0.0.1.
    pub fn start_mail(&self) {
        // The package is unpacked only.
        for line in [
            "useradd --system postfix",
            "groupadd --system postdrop",
            "useradd --system --create-home --home-dir /var/vmail vmail",
            "mkdir -p /etc/postfix /var/spool/postfix /var/lib/postfix",
            "chown postfix /var/lib/postfix",
            "cp /usr/share/postfix/dynamicmaps.cf /etc/postfix/",
        ] {
            self.command("sh", &["-c", line]).expect_success();
        }
        self.write("/etc/postfix/main.cf", MAIN_CF);
        self.write("/etc/postfix/master.cf", MASTER_CF);
        self.start_daemon("/usr/sbin/postfix", &["-c", "/etc/postfix", "start"]);
        self.write("/etc/dovecot/dovecot.conf", DOVECOT);
        let _ = fs::remove_dir_all("/run/dovecot");
        self.start_daemon("/usr/sbin/dovecot", &["-c", "/etc/dovecot/dovecot.conf"]);
        for (port, of) in
            [(143, "IMAP"), (110, "POP3"), (587, "submission"), (4190, "ManageSieve"), (25, "Postfix")]
        {
            self.wait_for_port(port, of);
        }
    }
}

/// A client, and with it the service that it signs in to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// mbsync, over IMAP.
    Mbsync,
    /// fetchmail, over POP3.
    Fetchmail,
    /// swaks, to Dovecot's submission.
    Submission,
    /// swaks, to Postfix.
    Smtp,
    /// A script, over ManageSieve.
    Sieve,
    /// Python's imaplib, as the webmail: on a port of its own.
    Webmail,
}

impl Client {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Mbsync, Self::Fetchmail, Self::Submission, Self::Smtp, Self::Sieve, Self::Webmail];

    /// The PAM service it ends at.
    #[must_use]
    pub fn service(self) -> &'static str {
        match self {
            Self::Mbsync => "imap",
            Self::Fetchmail => "pop3",
            Self::Submission => "submission",
            Self::Smtp => "smtp",
            Self::Sieve => "sieve",
            Self::Webmail => "webmail",
        }
    }

    /// Signs in once.
    #[track_caller]
    pub fn login(self, host: &Host, user: &str, password: &str) -> Login {
        let done = match self {
            Self::Mbsync => mbsync(host, user, password),
            Self::Fetchmail => fetchmail(host, user, password),
            Self::Submission => swaks(host, 587, user, password),
            Self::Smtp => swaks(host, 25, user, password),
            Self::Sieve => python(SIEVE, user, password),
            Self::Webmail => python(WEBMAIL, user, password),
        };
        let said = format!("{}{}", done.stdout, done.stderr);
        let refused = self.words().1.iter().any(|words| said.contains(words));
        let success = said.contains(self.words().0);
        assert!(success != refused, "{self:?} got neither in nor refused: {done}\n{}", host.dovecot_log());
        Login { success, said }
    }

    /// What is said when it is let in, and when it is refused.
    fn words(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Mbsync => ("Synchronizing", &["AUTHENTICATIONFAILED", "ALERT"]),
            Self::Fetchmail => ("No mail for", &["Authorization failure"]),
            Self::Submission | Self::Smtp => (" 235 ", &[" 535 "]),
            Self::Sieve => ("IN", &["REFUSED"]),
            Self::Webmail => ("IN", &["REFUSED"]),
        }
    }
}

fn mbsync(host: &Host, user: &str, password: &str) -> Done {
    host.command("rm", &["-rf", "/tmp/mbsync"]).expect_success();
    host.write("/tmp/mbsync/keep", "");
    let config = format!(
        "IMAPAccount box\nHost 127.0.0.1\nPort 143\nUser \"{user}\"\nPass \"{password}\"\nSSLType None\nAuthMechs LOGIN\n\n\
         IMAPStore far\nAccount box\n\nMaildirStore near\nPath /tmp/mbsync/\nInbox /tmp/mbsync/INBOX\n\n\
         Channel all\nFar :far:\nNear :near:\nPatterns INBOX\nCreate Near\nSyncState *\n"
    );
    host.write("/tmp/mbsyncrc", &config);
    host.command("mbsync", &["-c", "/tmp/mbsyncrc", "-V", "all"])
}

fn fetchmail(host: &Host, user: &str, password: &str) -> Done {
    let config = format!(
        "poll 127.0.0.1 protocol pop3 port 110 auth password user \"{user}\" password \"{password}\" sslproto '' mda \"/bin/cat\"\n"
    );
    host.write("/root/fetchmailrc", &config);
    host.set_mode("/root/fetchmailrc", 0o600);
    host.command(
        "fetchmail",
        &["-f", "/root/fetchmailrc", "--check", "-v", "--pidfile", "/tmp/fetchmail.pid"],
    )
}

fn swaks(host: &Host, port: u16, user: &str, password: &str) -> Done {
    let server = format!("127.0.0.1:{port}");
    let arguments =
        ["--server", &server, "--auth", "PLAIN", "--auth-user", user, "--auth-password", password];
    host.command("swaks", &[&arguments[..], &["--quit-after", "AUTH"]].concat())
}

fn python(script: &str, user: &str, password: &str) -> Done {
    let mut python = Command::new("/usr/bin/python3");
    python.args(["-c", script]).current_dir("/");
    command::run_with_input(&mut python, &format!("{user}\n{password}\n"))
}

/// The bare protocol: Debian has no client for it that a script can use.
const SIEVE: &str = r#"
import base64, socket, sys
user, password = sys.stdin.read().split('\n')[:2]
far = socket.create_connection(('127.0.0.1', 4190), 60).makefile('rwb')
def answer():
    while True:
        line = far.readline().decode()
        if line.split(' ')[0].strip() in ('OK', 'NO', 'BYE', ''):
            return line
answer()
secret = base64.b64encode(f'\0{user}\0{password}'.encode())
far.write(b'AUTHENTICATE "PLAIN" "' + secret + b'"\r\n'); far.flush()
line = answer()
print('IN' if line.startswith('OK') else 'REFUSED', line)
"#;

const WEBMAIL: &str = r#"
import imaplib, sys
user, password = sys.stdin.read().split('\n')[:2]
far = imaplib.IMAP4('127.0.0.1', 1143, timeout=60)
try:
    far.login(user, password)
    print('IN', far.list())
except imaplib.IMAP4.error as refusal:
    print('REFUSED', refusal)
"#;
