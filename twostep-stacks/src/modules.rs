//! What is known of other people's modules.

use crate::code::Code;
use crate::parse::Phase;

/// Modules that take the account password.
const PASSWORD_MODULES: [&str; 7] = [
    "pam_unix.so",
    "pam_sss.so",
    "pam_ldap.so",
    "pam_krb5.so",
    "pam_winbind.so",
    "pam_systemd_home.so",
    "pam_pwdfile.so",
];

/// Whether a module, by its file name, takes the account password.
pub fn takes_password(module: &str) -> bool {
    PASSWORD_MODULES.contains(&module)
}

/// All that a module can return in a phase, by its manual page and its source; none where anything is possible.
pub fn results(module: &str, phase: Phase) -> Option<&'static [Code]> {
    const SUCCESS: &[Code] = &[Code::SUCCESS];
    const IGNORE: &[Code] = &[Code::IGNORE];
    const REFUSAL: &[Code] = &[Code::AUTH_ERR];
    Some(match (module, phase) {
        ("pam_permit.so", _) => SUCCESS,
        ("pam_deny.so", _) => REFUSAL,
        ("pam_warn.so" | "pam_echo.so", _) => IGNORE,
        ("pam_env.so" | "pam_faildelay.so", Phase::Auth) => IGNORE,
        ("pam_rootok.so", _) => &[Code::SUCCESS, Code::AUTH_ERR],
        ("pam_localuser.so", _) => &[Code::SUCCESS, Code::PERM_DENIED, Code::USER_UNKNOWN],
        _ => return None,
    })
}
