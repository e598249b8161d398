//! The file that is edited, in a private copy beside it, until it takes its place.

use super::ConfigFailure;
use crate::pam::files;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use twostep_core::config::LENGTH_MAX;
use twostep_store::configuration::ConfigError;
use twostep_store::files::{Fault, Want, check};
use twostep_store::host::lock_file;

/// What is edited where there is no file yet: with it as with none, the defaults hold.
const SHIPPED: &str = include_str!("../../../packaging/config.toml");

/// A configuration being edited. Nobody else edits it meanwhile.
pub(super) struct Draft {
    /// The file in force, where it really is.
    path: PathBuf,
    /// What was in it; none where there was no file.
    original: Option<Vec<u8>>,
    copy: PathBuf,
    _lock: Flock<File>,
}

impl Draft {
    /// Locks and reads the file.
    ///
    /// # Errors
    /// When it, or a folder on the way, could be changed by others: what is written there would not stay what was agreed to. When somebody
    /// else edits it.
    pub(super) fn begin(named: &Path) -> Result<Self, ConfigFailure> {
        let path = place(named)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let beside = |kind: &str| path.with_file_name(format!(".{kind}.{name}"));
        let lock = beside("lock");
        let file = lock_file::open(&lock).map_err(|error| ConfigFailure::Unwritten(lock.clone(), error))?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock)
            .map_err(|_| ConfigFailure::Locked(path.clone()))?;
        let copy = beside("edit");
        let original = read(&path)?;
        Ok(Self { path, original, copy, _lock: lock })
    }

    /// The copy.
    pub(super) fn copy(&self) -> &Path {
        &self.copy
    }

    /// Whether an edit that was not finished has left its text.
    ///
    /// # Errors
    /// When something else is in its place.
    pub(super) fn is_left(&self) -> Result<bool, ConfigFailure> {
        Ok(read(&self.copy)?.is_some_and(|left| left != self.begins_with()))
    }

    /// Makes the copy, with what the file has now.
    ///
    /// # Errors
    /// When it cannot be written: nothing has been typed yet.
    pub(super) fn make_copy(&self) -> Result<(), ConfigFailure> {
        self.forget();
        let mut options = OpenOptions::new();
        let made = options.write(true).create_new(true).mode(0o600).open(&self.copy);
        let written = made.and_then(|mut file| {
            file.write_all(self.begins_with())?;
            file.sync_all()
        });
        written.map_err(|error| {
            self.forget();
            ConfigFailure::Unwritten(self.copy.clone(), error)
        })
    }

    /// What the editor has left.
    ///
    /// # Errors
    /// When the copy is gone, or cannot be read.
    pub(super) fn text(&self) -> Result<Vec<u8>, ConfigFailure> {
        let gone = || ConfigFailure::Unread(self.copy.clone(), ErrorKind::NotFound.into());
        read(&self.copy)?.ok_or_else(gone)
    }

    /// What the file has now; or what one begins with where there is none.
    pub(super) fn begins_with(&self) -> &[u8] {
        self.original.as_deref().unwrap_or(SHIPPED.as_bytes())
    }

    /// What is in force; nothing where there is no file.
    pub(super) fn in_force(&self) -> &[u8] {
        self.original.as_deref().unwrap_or_default()
    }

    /// Puts a text in force. Returns where the file is kept as it was.
    ///
    /// # Errors
    /// When somebody else has changed the file meanwhile, or it cannot be written. It is as it was then, and so is the copy.
    pub(super) fn install(&self, text: &str) -> Result<Option<PathBuf>, ConfigFailure> {
        place(&self.path)?;
        if read(&self.path)? != self.original {
            return Err(ConfigFailure::Changed { file: self.path.clone(), copy: self.copy.clone() });
        }
        let unwritten = |failure| ConfigFailure::NotInstalled { failure, copy: self.copy.clone() };
        let before = self.original.as_deref().map(|bytes| {
            let name = self.path.file_name().unwrap_or_default().to_string_lossy();
            let before = self.path.with_file_name(format!("{name}.before"));
            files::replace_as(&before, &self.path, bytes).map(|()| before)
        });
        let before = before.transpose().map_err(unwritten)?;
        files::replace(&self.path, text).map_err(unwritten)?;
        self.forget();
        Ok(before)
    }

    /// Throws the copy away.
    pub(super) fn forget(&self) {
        // It may not be there. One that stays is offered by the next `config edit`.
        let _ = fs::remove_file(&self.copy);
    }
}

/// Where the file is, or would be: checked as every login checks it.
fn place(named: &Path) -> Result<PathBuf, ConfigFailure> {
    let untrusted = |untrusted| ConfigFailure::Configuration(ConfigError::Untrusted(untrusted));
    match check(named, Want::GuardedFile) {
        Ok(checked) => Ok(checked.path),
        Err(absent) if absent.fault == Fault::Absent => {
            let folder = named.parent().unwrap_or(Path::new("/"));
            let folder = check(folder, Want::GuardedFolder).map_err(untrusted)?.path;
            Ok(folder.join(named.file_name().unwrap_or_default()))
        }
        Err(other) => Err(untrusted(other)),
    }
}

/// What is in a file, which is no link and no pipe; none where there is none.
fn read(path: &Path) -> Result<Option<Vec<u8>>, ConfigFailure> {
    let unread = |error| ConfigFailure::Unread(path.to_owned(), error);
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unread(error)),
        Ok(metadata) if !metadata.is_file() => {
            return Err(unread(io::Error::other("it is not a regular file")));
        }
        Ok(metadata) if metadata.len() > LENGTH_MAX as u64 => {
            return Err(ConfigFailure::Configuration(ConfigError::TooLong(path.to_owned(), LENGTH_MAX)));
        }
        Ok(_) => {}
    }
    fs::read(path).map(Some).map_err(unread)
}
