//! Why nothing came of it: a fact, and what to do about it.

use std::fmt;
use std::io;
use std::process::ExitCode;
use twostep_core::protocol::Refusal;
use twostep_host::configuration::ConfigError;
use twostep_host::link::LinkError;
use twostep_terminal::printable;

/// Everything that can go wrong.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The broker will not do it.
    Refused(Refusal, String),
    /// The broker cannot be asked.
    Link(LinkError),
    /// The broker has said something that has no place here.
    Strange,
    /// The configuration says where the broker is.
    Configuration(ConfigError),
    /// Nobody answers the questions.
    NoAnswer(io::ErrorKind),
    /// The output could not be written.
    Output(io::Error),
}

impl Failure {
    /// The exit status.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Refused(Refusal::Unavailable | Refusal::Version | Refusal::Protocol, _) => 3,
            Self::Refused(..) | Self::NoAnswer(_) | Self::Output(_) => 1,
            Self::Link(_) | Self::Strange | Self::Configuration(_) => 3,
        })
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Refused(Refusal::Policy, _) => "ask your administrator".to_owned(),
            Self::Refused(Refusal::NotProven, _) => "try again with the next code".to_owned(),
            Self::Refused(Refusal::Conflict, _) => "twostep status shows what there is".to_owned(),
            Self::Refused(Refusal::Version | Refusal::Protocol, _) | Self::Strange => {
                "tell your administrator: twostepd and this command are not of the same version".to_owned()
            }
            Self::NoAnswer(io::ErrorKind::NotConnected) => {
                "use a terminal (ssh -t), or --stdin in a script".to_owned()
            }
            Self::Refused(..) | Self::Output(_) | Self::NoAnswer(_) => return None,
            Self::Link(error) => format!("tell your administrator: {}", error.remedy()),
            Self::Configuration(_) => "tell your administrator: twostep-admin check".to_owned(),
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("twostep: ")?;
        match self {
            Self::Refused(_, text) => f.write_str(&printable(text)),
            Self::Link(error) => error.fmt(f),
            Self::Strange => f.write_str("the broker's answer has no place here"),
            Self::Configuration(error) => error.fmt(f),
            Self::NoAnswer(io::ErrorKind::NotConnected) => {
                f.write_str("standard input is no terminal: nothing was asked, and nothing changed")
            }
            Self::NoAnswer(kind) => write!(f, "no answer was given ({kind}): nothing was changed"),
            Self::Output(error) => write!(f, "the output could not be written: {error}"),
        }?;
        match self.hint() {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl From<LinkError> for Failure {
    fn from(error: LinkError) -> Self {
        Self::Link(error)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Configuration(error)
    }
}
