//! A real Postfix that has Dovecot judge passwords.

use std::fs;

use crate::host::Host;
use crate::wait::OrDie;

/// What a Dovecot must have in its configuration.
pub const DOVECOTS_PART: &str = "\
service auth {
  unix_listener /var/spool/postfix/private/auth {
    mode = 0660
    user = postfix
    group = postfix
  }
}
submission_relay_host = 127.0.0.1
submission_relay_port = 10025
";

/// Mail is taken for the people of the box only, and on port 25 only from those who have signed in.
const MAIN: &str = "\
compatibility_level = 3.6
myhostname = box
mydestination = box
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
home_mailbox = Maildir/
maillog_file = /var/log/postfix.log
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_relay_restrictions = permit_sasl_authenticated, reject
";

/// Dovecot's submission service hands over what it has taken at port 10025.
const MASTER: &str = "\
25        inet       n  -  n  -     -  smtpd
10025     inet       n  -  n  -     -  smtpd -o smtpd_sasl_auth_enable=no -o smtpd_relay_restrictions=permit_mynetworks,reject
cleanup   unix       n  -  n  -     0  cleanup
qmgr      unix       n  -  n  300   1  qmgr
rewrite   unix       -  -  n  -     -  trivial-rewrite
bounce    unix       -  -  n  -     0  bounce
defer     unix       -  -  n  -     0  bounce
trace     unix       -  -  n  -     0  bounce
error     unix       -  -  n  -     -  error
retry     unix       -  -  n  -     -  error
proxymap  unix       -  -  n  -     -  proxymap
local     unix       -  n  n  -     -  local
anvil     unix       -  -  n  -     1  anvil
postlog   unix-dgram n  -  n  -     1  postlogd
";

impl Host {
    /// Makes Postfix's users, folders and configuration, which Dovecot with [`DOVECOTS_PART`] needs before it starts.
    pub fn prepare_postfix(&self) {
        // No script of its package's was run.
        self.command("useradd", &["--system", "postfix"]).expect_success();
        self.command("groupadd", &["--system", "postdrop"]).expect_success();
        for folder in ["/var/spool/postfix/private", "/var/lib/postfix"] {
            fs::create_dir_all(folder).or_die(format_args!("make {folder}"));
            self.set_mode(folder, 0o700);
            self.command("chown", &["postfix", folder]).expect_success();
        }
        fs::copy("/usr/share/postfix/dynamicmaps.cf", "/etc/postfix/dynamicmaps.cf")
            .or_die("copy dynamicmaps.cf");
        self.write("/etc/postfix/main.cf", MAIN);
        // Whoever reads it waits two seconds where it is younger than that, lest it is still being written.
        self.command("touch", &["-d", "2026-01-01", "/etc/postfix/main.cf"]).expect_success();
        self.write("/etc/postfix/master.cf", MASTER);
    }

    /// Starts Postfix on the box's 127.0.0.1, port 25. To be called when Dovecot runs: without its socket, Postfix waits for a minute
    /// before it tries again.
    pub fn start_postfix(&self) {
        self.start_daemon("/usr/sbin/postfix", &["start"]);
        self.wait_for_port(25, "Postfix");
    }

    /// What Postfix itself has logged, for failure messages.
    pub fn postfix_log(&self) -> String {
        self.read("/var/log/postfix.log")
    }
}
