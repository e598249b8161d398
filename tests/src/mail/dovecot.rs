//! A real Dovecot.

use std::fs;

use crate::host::Host;

/// What a Dovecot has beside what all of them here have in common.
#[derive(Clone, Copy, Debug)]
pub struct Dovecot<'a> {
    /// `protocols`: of imap, pop3, submission and sieve those that are wanted.
    pub protocols: &'a str,
    /// The last of the PAM passdb's `args`, which names the PAM service, with what may stand before it.
    pub pam: &'a str,
    /// What stands before that passdb in the configuration.
    pub more: &'a str,
    /// What is told to refused clients instead of Dovecot's own words. The passdb's `failure_show_msg` ought to do that, but Dovecot
    /// 2.3.19 drops all that a failed passdb has said; what an earlier passdb said that left the decision to the next one stays. Its
    /// `args` are parted at blanks, so the text comes by the environment.
    pub refusal: Option<&'a str>,
}

impl Default for Dovecot<'_> {
    fn default() -> Self {
        Self { protocols: "imap", pam: "%s", more: "", refusal: None }
    }
}

impl Dovecot<'_> {
    /// Everything of Dovecot's own that waits or punishes is off: tests are about our answers.
    fn configuration(&self) -> String {
        let Self { protocols, pam, more, refusal } = self;
        let refusal = if refusal.is_some() { REFUSAL } else { "" };
        format!(
            "\
protocols = {protocols}
listen = 127.0.0.1
base_dir = /run/dovecot
log_path = /var/log/dovecot.log
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain
auth_failure_delay = 0
mail_location = maildir:~/Maildir
first_valid_uid = 500
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
{more}{refusal}passdb {{
  driver = pam
  args = session=yes setcred=yes failure_show_msg=yes {pam}
}}
userdb {{
  driver = passwd
}}
"
        )
    }
}

/// Accepts nobody: `noauthenticate`, and no password that could be right.
const REFUSAL: &str = "\
import_environment = TZ REFUSAL
passdb {
  driver = static
  args = noauthenticate reason=%{env:REFUSAL}
}
";

impl Host {
    /// Starts Dovecot on the box's 127.0.0.1, port 143, asking PAM as the service `imap`.
    pub fn start_dovecot(&self) {
        self.start_dovecot_with(&Dovecot::default());
    }

    /// The same, but refusals are told at once. Dovecot keeps them back even where their delay is set to none, and tells them in heaps,
    /// twice a second.
    pub fn start_dovecot_that_refuses_at_once(&self) {
        let more = "passdb {\n  driver = static\n  args = noauthenticate nodelay=y\n}\n";
        self.start_dovecot_with(&Dovecot { more, ..Dovecot::default() });
    }

    /// Starts a Dovecot with more than IMAP, on its usual ports of the box's 127.0.0.1. To be called once in a box.
    pub fn start_dovecot_with(&self, dovecot: &Dovecot) {
        self.write("/etc/dovecot/dovecot.conf", &dovecot.configuration());
        // What an earlier run left there costs the first login five seconds.
        let _ = fs::remove_dir_all("/run/dovecot");
        let refusal = format!("REFUSAL={}", dovecot.refusal.unwrap_or_default());
        let command = [&refusal, "/usr/sbin/dovecot", "-c", "/etc/dovecot/dovecot.conf"];
        self.start_daemon("/usr/bin/env", &command);
        for (protocol, port) in [("imap", 143), ("pop3", 110), ("submission", 587), ("sieve", 4190)] {
            if dovecot.protocols.split(' ').any(|one| one == protocol) {
                self.wait_for_port(port, &format!("Dovecot's {protocol}"));
            }
        }
    }

    /// What Dovecot itself has logged, for failure messages.
    pub fn dovecot_log(&self) -> String {
        self.read("/var/log/dovecot.log")
    }
}
