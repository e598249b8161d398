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

/// All that a module can return in a phase; none where anything is possible. Only what is certain is here: whatever is left out could hide a
/// way past a line.
pub fn results(module: &str, phase: Phase) -> Option<&'static [Code]> {
    const SUCCESS: &[Code] = &[Code::SUCCESS];
    const IGNORE: &[Code] = &[Code::IGNORE];
    const REFUSAL: &[Code] = &[Code::AUTH_ERR];
    Some(match (module, phase) {
        ("pam_permit.so", _) => SUCCESS,
        ("pam_deny.so", _) => REFUSAL,
        ("pam_warn.so", _) | ("pam_env.so", Phase::Auth) => IGNORE,
        _ => return None,
    })
}
