//! The PAM stacks of a box, wired as the documentation tells administrators to, into Debian's own files.

use crate::host::Host;

/// After the password modules: asks for the code.
pub const INTERACTIVE_AUTH: &str = "auth     required   pam_twostep.so";
/// Before pam_unix's account line, because an expired password ends the stack there.
pub const INTERACTIVE_ACCOUNT: &str = "account  required   pam_twostep.so";
/// Before the password modules: who has shown a key needs no password, but the code.
pub const AFTER_KEY_AUTH: &str =
    "auth     [success=done ignore=ignore default=die]  pam_twostep.so after-key";
/// Before the password modules: takes password and code apart.
pub const ONE_PROMPT_AUTH: &str = "auth     required   pam_twostep.so one-prompt";
/// Before the password modules: an app password, or on to the account password for those who may.
pub const APP_AUTH: &str = "auth     [success=done ignore=ignore default=die]  pam_twostep.so app";
/// Before pam_unix's account line, which does not know virtual mail users.
pub const APP_ACCOUNT: &str = "account  [success=done ignore=ignore default=die]  pam_twostep.so app";

impl Host {
    /// Password, then code, for ssh.
    pub fn wire_sshd(&self) {
        self.wire("/etc/pam.d/sshd", &[], &[INTERACTIVE_AUTH]);
    }

    /// Like [`Host::wire_sshd`], with the line for those who come with a key.
    pub fn wire_sshd_with_keys(&self) {
        self.wire("/etc/pam.d/sshd", &[AFTER_KEY_AUTH], &[INTERACTIVE_AUTH]);
    }

    /// Password, then code, on the console.
    pub fn wire_login(&self) {
        self.wire_login_without_us();
        self.wire("/etc/pam.d/login", &[], &[INTERACTIVE_AUTH]);
    }

    /// Debian's own stack for the console, without the three seconds it takes for each refusal.
    pub fn wire_login_without_us(&self) {
        self.edit("/etc/pam.d/login", |line| {
            if line.contains("pam_faildelay.so") { format!("# {line}") } else { line.to_owned() }
        });
    }

    /// App passwords for IMAP.
    pub fn wire_dovecot(&self) {
        self.wire_mail_service("imap");
    }

    /// App passwords for a mail service that Dovecot asks about.
    pub fn wire_mail_service(&self, service: &str) {
        self.write(
            format!("/etc/pam.d/{service}"),
            &format!(
                "{APP_AUTH}\n@include common-auth\n{APP_ACCOUNT}\n@include common-account\n@include common-session\n"
            ),
        );
    }

    /// Puts the line for clients with one prompt into a stack that is wired already.
    pub fn wire_one_prompt(&self, file: &str) {
        self.edit(file, |line| match line.trim() {
            "@include common-auth" => format!("{ONE_PROMPT_AUTH}\n{line}"),
            _ => line.to_owned(),
        });
    }

    /// Has a stack go on after a wrong password, as many do, where Debian's ends.
    pub fn go_on_after_wrong_passwords(&self, file: &str) {
        self.edit(file, |line| match line.trim() {
            "@include common-auth" => "auth required pam_unix.so nodelay".to_owned(),
            _ => line.to_owned(),
        });
    }

    /// Puts lines before and after the password modules of a Debian file, and our account line before pam_unix's.
    pub(crate) fn wire(&self, file: &str, before_password: &[&str], after_password: &[&str]) {
        self.edit(file, |line| {
            let mut lines = Vec::new();
            match line.trim() {
                "@include common-auth" => {
                    lines.extend(before_password);
                    lines.push(line);
                    lines.extend(after_password);
                }
                "@include common-account" => lines.extend([INTERACTIVE_ACCOUNT, line]),
                _ => lines.push(line),
            }
            lines.join("\n")
        });
        let text = self.read(file);
        for line in [INTERACTIVE_AUTH, INTERACTIVE_ACCOUNT] {
            assert!(text.contains(line), "{file} is not Debian's; this line found no place in it: {line}");
        }
    }
}
