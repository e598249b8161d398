//! What can be wrong with the store, its key and their files: each as a fact with a remedy.

use crate::files::Untrusted;
use crate::schema::Version;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use twostep_core::crypto::KeyId;
use twostep_core::ports::Unavailable;

/// Why the store cannot be used, or a change to it was refused.
#[derive(Debug)]
#[allow(missing_docs)] // The message of each stands in Display.
pub enum StoreError {
    Untrusted(Untrusted),
    NoStore(PathBuf),
    NoKey(PathBuf),
    BadKey(PathBuf),
    Empty(PathBuf),
    Newer { found: Version, known: Version },
    Older { found: Version, known: Version },
    WrongKey { store: KeyId, file: KeyId },
    Sealed { authenticator: i64 },
    Damaged(&'static str),
    Busy,
    Forked,
    Full,
    ReadOnly,
    Sqlite(rusqlite::Error),
    Io(PathBuf, io::Error),
    Entropy,
    NoTurn { turns: u32, waited: Duration },
    Roster { path: PathBuf, cause: String },
    Gone,
}

impl StoreError {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Untrusted(untrusted) => untrusted.remedy(),
            Self::NoStore(_) => "mount its file system, or put it back from a backup; for a new, empty one: twostep-admin init --new-store".into(),
            Self::NoKey(_) => "twostep-admin init for a new host; else put the key back from a backup".into(),
            Self::BadKey(_) | Self::WrongKey { .. } => "put the key back that belongs to this store".into(),
            Self::Empty(_) | Self::Sealed { .. } | Self::Damaged(_) => {
                "put the store back from a backup; twostep-admin check".into()
            }
            Self::Newer { .. } => "install the twostep version that wrote this store, or a newer one".into(),
            Self::Older { .. } => "twostep-admin init brings the store up to date".into(),
            Self::Busy => {
                "find the process that holds the store (fuser); it is held for milliseconds as a rule".into()
            }
            Self::Forked => {
                "twostepd judges the logins of such a process where it runs: systemctl start twostepd.socket".into()
            }
            Self::Full => "make room on the file system of the store".into(),
            Self::ReadOnly => "make the file system of the store writable".into(),
            Self::Sqlite(_) => "twostep-admin check".into(),
            Self::Io(..) => "twostep-admin check".into(),
            Self::Entropy => "getrandom(2) must work".into(),
            Self::NoTurn { .. } => {
                "raise [argon2id] at_once, if the host has processors and memory for more; find processes that are stopped".into()
            }
            Self::Roster { .. } => {
                "mend what the cause names: its folder is to be root's, mode 0755, with room; [roster] readers a group of /etc/group; then twostep-admin roster mend".into()
            }
            Self::Gone => "try again".into(),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untrusted(untrusted) => untrusted.fmt(f),
            Self::NoStore(path) => write!(f, "there is no store at {}", path.display()),
            Self::NoKey(path) => write!(f, "there is no key at {}", path.display()),
            Self::BadKey(path) => write!(f, "{} is no key file of twostep", path.display()),
            Self::Empty(path) => write!(f, "the store {} is empty", path.display()),
            Self::Newer { found, known } => {
                write!(f, "the store was written by a newer version (schema {found}; this one knows {known})")
            }
            Self::Older { found, known } => {
                write!(f, "the store has schema {found}; this version needs {known}")
            }
            Self::WrongKey { store, file } => {
                write!(f, "wrong key: the store belongs to key {store}, the file holds {file}")
            }
            Self::Sealed { authenticator } => {
                write!(
                    f,
                    "the secret of authenticator {authenticator} does not open: its row is damaged or was moved"
                )
            }
            Self::Damaged(what) => write!(f, "the store is damaged: {what}"),
            Self::Busy => {
                write!(f, "the store was locked for longer than {} s", crate::settings::BUSY.as_secs())
            }
            Self::Forked => f.write_str(
                "this process was forked while another of its threads had the store open, and cannot use it",
            ),
            Self::Full => f.write_str("no space left for the store"),
            Self::ReadOnly => f.write_str("the store cannot be written: read-only"),
            Self::Sqlite(error) => write!(f, "the store cannot be used: {error}"),
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Entropy => f.write_str("the kernel gives no randomness"),
            Self::NoTurn { turns, waited } => write!(
                f,
                "no turn at Argon2id within {} s: {turns} logins at a time may run it",
                waited.as_secs()
            ),
            Self::Roster { path, cause } => {
                write!(f, "the roster {} cannot be written: {cause}", path.display())
            }
            Self::Gone => f.write_str("what was to be changed is gone"),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::ReadOnly) => Self::ReadOnly,
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged("SQLite finds it malformed"),
            Some(ErrorCode::NotADatabase) => Self::Damaged("it is no SQLite database"),
            _ => Self::Sqlite(error),
        }
    }
}

impl From<Untrusted> for StoreError {
    fn from(untrusted: Untrusted) -> Self {
        Self::Untrusted(untrusted)
    }
}

impl From<twostep_core::random::NoEntropy> for StoreError {
    fn from(_: twostep_core::random::NoEntropy) -> Self {
        Self::Entropy
    }
}

impl From<StoreError> for Unavailable {
    fn from(error: StoreError) -> Self {
        Self { cause: error.to_string(), remedy: error.remedy() }
    }
}
