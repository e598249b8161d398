//! A real Exim that asks PAM, and a real SMTP client.

use std::fs;
use std::process::Command;

use crate::command;
use crate::host::Host;
use crate::mail::Login;

const LOG: &str = "/var/log/exim4/main.log";

/// Every recipient is refused and there is no router: no mail ever comes in or goes out. PAM gets a list of the user's name and what
/// is sent for the prompts. Neither may name another separator (`<:`) or begin another item (listquote).
const CONFIGURATION: &str = "\
primary_hostname = box
local_interfaces = 127.0.0.1
daemon_smtp_ports = 2525
log_file_path = /var/log/exim4/%s.log
host_lookup =
rfc1413_hosts =
tls_advertise_hosts =
auth_advertise_hosts = *
acl_smtp_rcpt = nobody

begin acl
nobody:
  deny

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${if pam{<: ${listquote{:}{$auth2}}:${listquote{:}{$auth3}}}}
  server_set_id = $auth2
";

impl Host {
    /// Starts Exim on the box's 127.0.0.1, port 2525. It asks PAM as the service `exim`.
    pub fn start_exim(&self) {
        // The one place whose configuration Exim trusts without giving up root before it has read it.
        self.write("/etc/exim4/exim4.conf", CONFIGURATION);
        self.start_daemon("/usr/sbin/exim4", &["-bd"]);
        self.wait_for_port(2525, "Exim");
    }

    /// What Exim itself has logged, for failure messages.
    pub fn exim_log(&self) -> String {
        self.read(LOG)
    }
}

/// Exit status 0 for accepted, 1 for refused; anything else is a broken test.
const SCRIPT: &str = "\
import smtplib, sys
user, password = sys.stdin.read().split('\\n')[:2]
connection = smtplib.SMTP('127.0.0.1', 2525, timeout=300)
try:
    print(*connection.login(user, password))
except smtplib.SMTPAuthenticationError as refusal:
    print(refusal.smtp_code, refusal.smtp_error)
    sys.exit(1)
connection.quit()
";

/// Logs in once at port 2525 with Python's smtplib and AUTH PLAIN. `said` begins with SMTP's code: 235 for accepted, 535 for refused,
/// 435 for "not now".
#[track_caller]
pub fn smtp_login(user: &str, password: &str) -> Login {
    let mut python = Command::new("/usr/bin/python3");
    python.args(["-c", SCRIPT]).current_dir("/");
    let done = command::run_with_input(&mut python, &format!("{user}\n{password}\n"));
    assert!(
        done.status <= 1 && done.stderr.is_empty(),
        "smtplib did not get to an answer: {done}\nExim's log:\n{}",
        fs::read_to_string(LOG).unwrap_or_default()
    );
    Login { success: done.success(), said: done.stdout.trim().to_owned() }
}
