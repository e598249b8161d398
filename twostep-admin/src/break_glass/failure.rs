//! Why the way in was not made, shown or tried.

use std::fmt;
use std::path::PathBuf;
use twostep_core::config::Diagnostic;
use twostep_core::name::ServiceName;
use twostep_store::configuration::ConfigError;

/// What can go wrong.
#[derive(Debug)]
pub(crate) enum BreakGlassFailure {
    /// The file cannot be used.
    Unusable(ConfigError),
    /// What was asked for would be a file with these mistakes.
    NoExemption(Vec<Diagnostic>),
    /// There is no exemption, or none for this service.
    Nothing(PathBuf, Option<ServiceName>),
    /// The exemption names no user.
    NeedsUser,
    /// None of these terminals can be taken.
    NoTerminal(Vec<String>),
    /// The rest of twostep could not be put out of reach, so that nothing would be proven.
    NotHidden(nix::Error),
    /// The way in is shut.
    Refused { user: String, service: String, tty: Option<String> },
}

impl BreakGlassFailure {
    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unusable(ConfigError::Untrusted(untrusted)) => untrusted.remedy(),
            Self::Unusable(_) => {
                "correct the file, or write it again: twostep-admin break-glass make".to_owned()
            }
            Self::NoExemption(mistakes) => mistakes.iter().find_map(|mistake| mistake.hint.clone())?,
            Self::Nothing(..) => "twostep-admin break-glass make".to_owned(),
            Self::NoTerminal(ttys) => {
                format!("somebody is at each of them: log out there, or run it at one ({})", ttys.join(", "))
            }
            Self::NeedsUser => "name one: twostep-admin break-glass try SERVICE USER".to_owned(),
            Self::NotHidden(_) => {
                "no other process is affected; this takes a mount namespace, which root can make on a host but not in every container"
                    .to_owned()
            }
            Self::Refused { service, .. } => {
                format!("journalctl -t pam_twostep -t {service}; look whether the account has a password")
            }
        })
    }
}

impl fmt::Display for BreakGlassFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unusable(error) => write!(f, "no exemption holds\n{error}"),
            Self::NoExemption(mistakes) => {
                let told: Vec<_> = mistakes.iter().map(|mistake| mistake.message.as_str()).collect();
                write!(f, "that is no exemption: {}", told.join("; "))
            }
            Self::Nothing(path, None) => write!(f, "{} has no exemption", path.display()),
            Self::Nothing(path, Some(service)) => {
                write!(f, "{} has no exemption for {service}", path.display())
            }
            Self::NoTerminal(_) => f.write_str("no terminal of the exemption is free to be tried"),
            Self::NeedsUser => {
                f.write_str("the exemption is for everybody: whose login is tried must be said")
            }
            Self::NotHidden(error) => {
                write!(f, "the rest of twostep could not be put out of reach, or back again: {error}")
            }
            Self::Refused { user, service, tty } => {
                let place = tty.as_ref().map(|tty| format!(" at {tty}")).unwrap_or_default();
                write!(f, "the way in is shut: {service} refuses {user}{place}")
            }
        }
    }
}

impl From<BreakGlassFailure> for crate::failure::Failure {
    fn from(failure: BreakGlassFailure) -> Self {
        Self::BreakGlass(Box::new(failure))
    }
}
