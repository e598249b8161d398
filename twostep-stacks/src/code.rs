//! What modules return.

use std::fmt;

/// A return value that libpam knows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(u8);

/// In the order of their numbers, as a control spells them.
const NAMES: [&str; Code::COUNT] = [
    "success",
    "open_err",
    "symbol_err",
    "service_err",
    "system_err",
    "buf_err",
    "perm_denied",
    "auth_err",
    "cred_insufficient",
    "authinfo_unavail",
    "user_unknown",
    "maxtries",
    "new_authtok_reqd",
    "acct_expired",
    "session_err",
    "cred_unavail",
    "cred_expired",
    "cred_err",
    "no_module_data",
    "conv_err",
    "authtok_err",
    "authtok_recover_err",
    "authtok_lock_busy",
    "authtok_disable_aging",
    "try_again",
    "ignore",
    "abort",
    "authtok_expired",
    "module_unknown",
    "bad_item",
    "conv_again",
    "incomplete",
];

impl Code {
    /// How many there are.
    pub const COUNT: usize = 32;
    /// The module is content.
    pub const SUCCESS: Self = Self(0);
    /// What libpam makes of a line that it cannot read, and of a stack that decides nothing.
    pub const PERM_DENIED: Self = Self(6);
    /// The usual refusal.
    pub const AUTH_ERR: Self = Self(7);
    /// What the module asks is not there.
    pub const AUTHINFO_UNAVAIL: Self = Self(9);
    /// No such user.
    pub const USER_UNKNOWN: Self = Self(10);
    /// The password has expired: the caller has it changed, and lets in.
    pub const NEW_AUTHTOK_REQD: Self = Self(12);
    /// The account has expired.
    pub const ACCT_EXPIRED: Self = Self(13);
    /// Nobody answers, or not with a text.
    pub const CONV_ERR: Self = Self(19);
    /// None of the module's business.
    pub const IGNORE: Self = Self(25);
    /// Nothing works.
    pub const ABORT: Self = Self(26);
    /// The module cannot be loaded, or lacks the function.
    pub const MODULE_UNKNOWN: Self = Self(28);
    /// The module waits for its caller: a phase is broken off, to be resumed.
    pub const INCOMPLETE: Self = Self(31);

    /// All of them, by number.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT).filter_map(|number| u8::try_from(number).ok().map(Self))
    }

    /// By its number.
    pub fn from_number(number: i32) -> Option<Self> {
        u8::try_from(number).ok().filter(|number| usize::from(*number) < Self::COUNT).map(Self)
    }

    /// As a control spells it: `auth_err`.
    pub fn name(self) -> &'static str {
        NAMES.get(usize::from(self.0)).copied().unwrap_or("?")
    }

    /// Its number.
    pub fn number(self) -> u8 {
        self.0
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PAM_{}", self.name().to_ascii_uppercase())
    }
}
