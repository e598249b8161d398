//! The configuration file: checked, read, and judged by [`twostep_core::config`].

use crate::files::{self, Fault, Untrusted, Want};
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use twostep_core::config::{self, Diagnostic};
use twostep_core::policy::Policy;
use twostep_core::time::UnixTime;

/// Where the configuration lies unless somebody says otherwise.
pub const DEFAULT_PATH: &str = "/etc/twostep/config.toml";

/// Why there is no policy.
#[derive(Debug)]
pub enum ConfigError {
    /// The file cannot be trusted, or one that was named is missing.
    Untrusted(Untrusted),
    /// It cannot be read.
    Io(PathBuf, io::Error),
    /// It is longer than [`config::LENGTH_MAX`].
    TooLong(PathBuf),
    /// It is no UTF-8 text.
    NotText(PathBuf),
    /// Its mistakes.
    Mistakes(PathBuf, Vec<Diagnostic>),
}

/// Reads the policy from `named`, or from [`DEFAULT_PATH`]: there, and only there, no file means the defaults.
///
/// # Errors
/// See [`ConfigError`]. There is no half policy.
pub fn read(named: Option<&Path>) -> Result<Policy, ConfigError> {
    let path = named.unwrap_or(Path::new(DEFAULT_PATH));
    let checked = match files::check(path, Want::GuardedFile) {
        Ok(checked) => checked,
        Err(untrusted) if named.is_none() && matches!(untrusted.fault, Fault::Absent | Fault::Missing) => {
            return Ok(Policy::defaults());
        }
        Err(untrusted) => return Err(ConfigError::Untrusted(untrusted)),
    };
    if checked.metadata.len() > config::LENGTH_MAX as u64 {
        return Err(ConfigError::TooLong(path.to_owned()));
    }
    // Only root writes it: what was measured is what is read.
    let bytes = fs::read(path).map_err(|error| ConfigError::Io(path.to_owned(), error))?;
    let text = String::from_utf8(bytes).map_err(|_| ConfigError::NotText(path.to_owned()))?;
    let mut policy =
        config::parse(&text).map_err(|mistakes| ConfigError::Mistakes(path.to_owned(), mistakes))?;
    policy.written = UnixTime(checked.metadata.mtime());
    Ok(policy)
}

impl ConfigError {
    /// The first fault, on one line, for the log.
    #[must_use]
    pub fn cause(&self) -> String {
        match self {
            Self::Mistakes(path, mistakes) => match mistakes.first() {
                Some(first) => format!("{}:{first}", path.display()),
                None => format!("{} cannot be used", path.display()),
            },
            other => other.to_string(),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untrusted(untrusted) => write!(f, "{untrusted}"),
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::TooLong(path) => {
                write!(f, "{} is longer than {} bytes", path.display(), config::LENGTH_MAX)
            }
            Self::NotText(path) => write!(f, "{} is no UTF-8 text", path.display()),
            Self::Mistakes(path, mistakes) => {
                for (number, mistake) in mistakes.iter().enumerate() {
                    if number > 0 {
                        f.write_str("\n")?;
                    }
                    f.write_str(&mistake.render(path))?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test_folder;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_named_file_must_be_there() {
        let path = test_folder("config-missing").join("config.toml");
        assert!(
            matches!(read(Some(&path)), Err(ConfigError::Untrusted(untrusted)) if untrusted.fault == Fault::Absent)
        );
    }

    #[test]
    fn what_others_can_write_is_not_read() {
        let path = test_folder("config-open").join("config.toml");
        fs::write(&path, "[interactive]\nunenrolled = \"deny\"\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(read(Some(&path)).is_ok());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o646)).unwrap();
        assert!(matches!(read(Some(&path)), Err(ConfigError::Untrusted(_))));
    }

    #[test]
    fn mistakes_name_the_file() {
        let path = test_folder("config-mistakes").join("config.toml");
        fs::write(&path, "x = 1\n[app]\ny = 2\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = read(Some(&path)).unwrap_err();
        assert_eq!(error.cause(), format!("{}:1:1: unknown key \"x\"", path.display()));
        assert_eq!(error.to_string().lines().count(), 4);
        fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(matches!(read(Some(&path)), Err(ConfigError::NotText(_))));
    }
}
