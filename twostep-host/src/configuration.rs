//! The configuration file: checked, read, and judged by [`twostep_core::config`].

use crate::files::{self, Checked, Fault, Untrusted, Want};
use std::fmt;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
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
    /// It is longer than so many bytes.
    TooLong(PathBuf, usize),
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
    match file(named)? {
        Some((path, checked)) => parsed(path, &checked),
        None => Ok(Policy::defaults()),
    }
}

/// The same for a process that reads it again and again: the file is checked each time, and read and parsed when it is another than the
/// time before.
///
/// # Errors
/// See [`ConfigError`]. A file with a fault is not remembered.
pub fn read_again(named: Option<&Path>) -> Result<Arc<Policy>, ConfigError> {
    let Some((path, checked)) = file(named)? else { return Ok(Arc::new(Policy::defaults())) };
    let state = State::of(&checked.metadata);
    if let Some(policy) = recalled(path, &state) {
        return Ok(policy);
    }
    let policy = Arc::new(parsed(path, &checked)?);
    if state.is_settled(crate::now().wall) {
        remember(Remembered { path: path.to_owned(), state, policy: Arc::clone(&policy) });
    }
    Ok(policy)
}

/// The file, where there is one, checked but for what is in it.
fn file(named: Option<&Path>) -> Result<Option<(&Path, Checked)>, ConfigError> {
    let path = named.unwrap_or(Path::new(DEFAULT_PATH));
    match files::check(path, Want::GuardedFile) {
        Ok(checked) => Ok(Some((path, checked))),
        Err(untrusted) if named.is_none() && matches!(untrusted.fault, Fault::Absent | Fault::Missing) => {
            Ok(None)
        }
        Err(untrusted) => Err(ConfigError::Untrusted(untrusted)),
    }
}

/// The text of a file that was checked.
pub(crate) fn trusted_text(path: &Path, checked: &Checked, longest: usize) -> Result<String, ConfigError> {
    if checked.metadata.len() > longest as u64 {
        return Err(ConfigError::TooLong(path.to_owned(), longest));
    }
    // Only root writes it: what was measured is what is read.
    let bytes = fs::read(path).map_err(|error| ConfigError::Io(path.to_owned(), error))?;
    String::from_utf8(bytes).map_err(|_| ConfigError::NotText(path.to_owned()))
}

fn parsed(path: &Path, checked: &Checked) -> Result<Policy, ConfigError> {
    let text = trusted_text(path, checked, config::LENGTH_MAX)?;
    let mut policy =
        config::parse(&text).map_err(|mistakes| ConfigError::Mistakes(path.to_owned(), mistakes))?;
    policy.written = UnixTime(checked.metadata.mtime());
    Ok(policy)
}

/// By what it is seen that a file is still what it was. Whoever writes it changes `ctime`, which nobody can set.
#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    file: (u64, u64),
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// How long, in seconds, a file must have been as it is before that is remembered: two changes within one tick of the file system's clock,
/// 2 s at most (FAT), would look like one.
const SETTLED: i64 = 10;

impl State {
    fn of(metadata: &Metadata) -> Self {
        Self {
            file: (metadata.dev(), metadata.ino()),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    fn is_settled(&self, now: UnixTime) -> bool {
        self.changed.0.saturating_add(SETTLED) < now.0 && self.modified.0.saturating_add(SETTLED) < now.0
    }
}

/// A policy as it was parsed from a file in this state.
struct Remembered {
    path: PathBuf,
    state: State,
    policy: Arc<Policy>,
}

static REMEMBERED: Mutex<Option<Remembered>> = Mutex::new(None);

/// Nobody is waited for: a process that forks while another of its threads is here would wait for ever.
fn recalled(path: &Path, state: &State) -> Option<Arc<Policy>> {
    let remembered = REMEMBERED.try_lock().ok()?;
    let same = remembered.as_ref().filter(|known| known.path == path && known.state == *state)?;
    Some(Arc::clone(&same.policy))
}

fn remember(new: Remembered) {
    if let Ok(mut remembered) = REMEMBERED.try_lock() {
        *remembered = Some(new);
    }
}

impl ConfigError {
    /// The first fault and what to do about it, on one line, for the log.
    #[must_use]
    pub fn cause(&self) -> String {
        match self {
            Self::Mistakes(path, mistakes) => match mistakes.as_slice() {
                [first, others @ ..] => {
                    let mut cause = first.render(path).replace("\n  hint: ", "; ");
                    if !others.is_empty() {
                        cause.push_str(&format!("; {} more: twostep-admin config check", others.len()));
                    }
                    cause
                }
                [] => format!("{} cannot be used", path.display()),
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
            Self::TooLong(path, longest) => write!(f, "{} is longer than {longest} bytes", path.display()),
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

    /// The only test that remembers anything, so that nobody comes in between.
    #[test]
    fn a_policy_is_remembered_for_one_file_in_one_state() {
        let path = test_folder("config-remembered").join("config.toml");
        let write = |text: &str| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        };
        let issuer = || read_again(Some(&path)).unwrap().issuer.clone();
        write("issuer = \"one\"\n");
        // What was changed just now is not remembered: a second change might look the same.
        assert_eq!(issuer().as_deref(), Some("one"));
        let state = State::of(&fs::symlink_metadata(&path).unwrap());
        assert!(recalled(&path, &state).is_none());

        let mut known = Policy::defaults();
        known.issuer = Some("remembered".to_owned());
        let policy = Arc::new(known);
        remember(Remembered { path: path.clone(), state: state.clone(), policy });
        assert_eq!(issuer().as_deref(), Some("remembered"));
        let of = |change: fn(&mut State)| {
            let mut other = state.clone();
            change(&mut other);
            other
        };
        let others = [
            of(|state| state.file.0 += 1),
            of(|state| state.file.1 += 1),
            of(|state| state.length += 1),
            of(|state| state.modified.0 += 1),
            of(|state| state.modified.1 += 1),
            of(|state| state.changed.0 += 1),
            of(|state| state.changed.1 += 1),
        ];
        assert!(others.iter().all(|other| recalled(&path, other).is_none()));
        assert!(recalled(&path.with_file_name("other.toml"), &state).is_none());

        // The file is checked all the same, and another one is another policy.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o646)).unwrap();
        assert!(matches!(read_again(Some(&path)), Err(ConfigError::Untrusted(_))));
        write("issuer = \"three\"\n");
        assert_eq!(issuer().as_deref(), Some("three"));
        write("nonsense");
        assert!(matches!(read_again(Some(&path)), Err(ConfigError::Mistakes(..))));
        fs::remove_file(&path).unwrap();
        assert!(read_again(Some(&path)).is_err());
    }

    #[test]
    fn a_file_that_was_changed_just_now_is_not_settled() {
        let at = |seconds: i64| State { file: (1, 2), length: 3, modified: (50, 0), changed: (seconds, 0) };
        assert!(!at(1000).is_settled(UnixTime(1000)));
        assert!(!at(1000).is_settled(UnixTime(1000 + SETTLED)));
        assert!(at(1000).is_settled(UnixTime(1000 + SETTLED + 1)));
        // A clock that is behind the file.
        assert!(!at(1000).is_settled(UnixTime(900)));
        assert!(!State { modified: (2000, 0), ..at(1000) }.is_settled(UnixTime(1500)));
    }

    #[test]
    fn mistakes_name_the_file() {
        let path = test_folder("config-mistakes").join("config.toml");
        fs::write(&path, "x = 1\n[app]\ny = 2\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = read(Some(&path)).unwrap_err();
        let cause = error.cause();
        let begins = format!("{}:1:1: unknown key \"x\"; known here: \"issuer\", ", path.display());
        assert!(
            cause.starts_with(&begins) && cause.ends_with("; 1 more: twostep-admin config check"),
            "{cause}"
        );
        assert_eq!(cause.lines().count(), 1);
        assert_eq!(error.to_string().lines().count(), 4);
        fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(matches!(read(Some(&path)), Err(ConfigError::NotText(_))));
    }
}
