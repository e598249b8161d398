//! Servers that ask PAM as users of their own, and so get at the store through twostepd only.

use crate::host::Host;
use crate::wiring::{APP_ACCOUNT, APP_AUTH, INTERACTIVE_ACCOUNT, INTERACTIVE_AUTH};

const CONFIGURATION: &str = "/etc/twostep/config.toml";

impl Host {
    /// Grants PostgreSQL and Exim their services, with the very line that the installed configuration shows.
    pub fn grant_servers(&self) {
        let before = self.read(CONFIGURATION);
        let after = before.replace("\n#broker.callers = ", "\nbroker.callers = ");
        assert!(before != after && after.contains("postgres = [") && after.contains("Debian-exim = ["));
        self.write(CONFIGURATION, &after);
    }

    /// Grants one server's user these services, and nobody else anything.
    pub fn grant(&self, server: &str, services: &[&str]) {
        let granted = format!("broker.callers = {{ {server} = {services:?} }}");
        self.edit(CONFIGURATION, |line| {
            if line.trim_start_matches('#').starts_with("broker.callers = ") {
                granted.clone()
            } else {
                line.to_owned()
            }
        });
        assert!(self.read(CONFIGURATION).contains(&granted));
    }

    /// A service that takes app passwords and nothing else. A server that is not root can neither check an account password nor see
    /// whether an account has expired, so nothing of pam_unix's is in it.
    pub fn wire_app_service(&self, service: &str) {
        self.list_app_service(service);
        let stack = format!(
            "{APP_AUTH}\nauth     required  pam_deny.so\n{APP_ACCOUNT}\naccount  required  pam_permit.so\n"
        );
        self.write(format!("/etc/pam.d/{service}"), &stack);
    }

    /// A service that takes app passwords, and account passwords of who is not enrolled, as mail servers that are root have it.
    pub fn wire_app_service_with_account_passwords(&self, service: &str) {
        self.list_app_service(service);
        let stack = format!("{APP_AUTH}\n@include common-auth\n{APP_ACCOUNT}\n@include common-account\n");
        self.write(format!("/etc/pam.d/{service}"), &stack);
    }

    /// A service that takes a code and asks for nothing else, for clients that send one secret. Who is not enrolled has no code, and is
    /// refused by the line after ours: without it PAM would call that a failure of its own (Exim: "try again later").
    pub fn wire_code_service(&self, service: &str) {
        let ours = APP_AUTH.trim_end_matches(" app");
        let stack = format!("{ours}\nauth     required  pam_deny.so\n{INTERACTIVE_ACCOUNT}\n");
        self.write(format!("/etc/pam.d/{service}"), &stack);
    }

    /// A service that asks for the password, then for a code, as ssh does.
    pub fn wire_password_and_code_service(&self, service: &str) {
        let stack = format!(
            "@include common-auth\n{INTERACTIVE_AUTH}\n{INTERACTIVE_ACCOUNT}\n@include common-account\n"
        );
        self.write(format!("/etc/pam.d/{service}"), &stack);
    }

    /// Lets a server's user read the shadow file, which its pam_unix needs. To be called before the server starts.
    pub fn let_read_shadow(&self, server: &str) {
        self.command("usermod", &["--append", "--groups", "shadow", server]).expect_success();
    }

    fn list_app_service(&self, service: &str) {
        let first = format!("app.services = [\"{service}\"]");
        self.edit(CONFIGURATION, |line| match line.strip_prefix("app.services = [") {
            Some(others) => format!("app.services = [\"{service}\", {others}"),
            None if line.starts_with("#app.services = ") => first.clone(),
            None => line.to_owned(),
        });
        assert!(self.read(CONFIGURATION).contains(&format!("\napp.services = [\"{service}\"")));
    }
}
