//! Why a configuration was neither looked at nor changed.

use crate::pam::failure::PamFailure;
use std::fmt;
use std::io;
use std::path::PathBuf;
use twostep_store::configuration::ConfigError;

/// What can go wrong with `config`.
#[derive(Debug)]
pub(crate) enum ConfigFailure {
    /// A file cannot be read.
    Unread(PathBuf, io::Error),
    /// A file beside the configuration cannot be written.
    Unwritten(PathBuf, io::Error),
    /// The file, or its place, cannot be used.
    Configuration(ConfigError),
    /// Nobody is at a terminal.
    NotInteractive,
    /// Somebody else edits it.
    Locked(PathBuf),
    /// Somebody else has changed the file while it was edited.
    Changed { file: PathBuf, copy: PathBuf },
    /// The new file could not be written.
    NotInstalled { failure: PamFailure, copy: PathBuf },
    /// A variable names an editor that is not run.
    BadEditor { variable: &'static str, name: String, why: String },
    /// There is none.
    NoEditor,
    /// It failed.
    Editor { name: String, why: String },
}

impl ConfigFailure {
    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unread(..) => "name a file that you can read, or - for standard input".to_owned(),
            Self::Unwritten(..) => "run it as root; make room if the disk is full".to_owned(),
            Self::Configuration(ConfigError::Untrusted(untrusted)) => untrusted.remedy(),
            Self::Configuration(_) => "move it away, or make it shorter".to_owned(),
            Self::NotInteractive => {
                "run it at a terminal and without --json; programs write a file, look at it with `twostep-admin config check FILE`, and put it in place with mv"
                    .to_owned()
            }
            Self::Locked(_) => "wait until they are done: fuser -v shows who holds the lock file beside it".to_owned(),
            Self::Changed { copy, .. } => format!("run it again: it goes on with your text, {}, and shows how it differs from the file of now", copy.display()),
            Self::NotInstalled { copy, .. } => {
                format!("the file in force is as it was, and your text in {}: make room, and run it again", copy.display())
            }
            Self::BadEditor { variable, .. } => {
                format!("{variable}=/usr/bin/vi names one, or unset {variable}; nobody but root may be able to change it")
            }
            Self::NoEditor => "install one, or name it by its path in VISUAL".to_owned(),
            Self::Editor { .. } => "nothing was put in force".to_owned(),
        })
    }
}

impl fmt::Display for ConfigFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unread(path, error) => write!(f, "{} cannot be read: {error}", path.display()),
            Self::Unwritten(path, error) => write!(f, "{} cannot be written: {error}", path.display()),
            Self::Configuration(error) => error.fmt(f),
            Self::NotInteractive => f.write_str("config edit is for a person at a terminal"),
            Self::Locked(path) => write!(f, "somebody else is editing {}", path.display()),
            Self::Changed { file, .. } => {
                write!(
                    f,
                    "{} has been changed by somebody else meanwhile: nothing was written",
                    file.display()
                )
            }
            Self::NotInstalled { failure, .. } => failure.fmt(f),
            Self::BadEditor { variable, name, why } => {
                write!(f, "the editor {name:?} that {variable} names is not run: {why}")
            }
            Self::NoEditor => f.write_str("there is no editor"),
            Self::Editor { name, why } => write!(f, "the editor {name:?} failed: {why}"),
        }
    }
}

impl From<ConfigFailure> for crate::failure::Failure {
    fn from(failure: ConfigFailure) -> Self {
        Self::Config(Box::new(failure))
    }
}
