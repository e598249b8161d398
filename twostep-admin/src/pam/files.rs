//! Stacks on the disk: read, written whole or not at all, and kept as they were.

use crate::pam::failure::PamFailure;
use nix::unistd::{Gid, Uid, fchown};
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use twostep_store::files::{Want, check};

/// The text of a file that may be edited: none where there is no file.
///
/// # Errors
/// When it is a link, or no file, or cannot be read.
pub(crate) fn read(path: &Path) -> Result<Option<String>, PamFailure> {
    let unread = |error| PamFailure::Unread(path.to_owned(), error);
    let kind = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        metadata => metadata.map_err(unread)?.file_type(),
    };
    if kind.is_symlink() {
        let target = fs::read_link(path).map_err(unread)?;
        return Err(PamFailure::Link(path.to_owned(), fs::canonicalize(path).unwrap_or(target)));
    }
    if !kind.is_file() {
        return Err(unread(io::Error::other("it is no file")));
    }
    fs::read_to_string(path).map(Some).map_err(unread)
}

/// Puts a file in place of the old one, with the owner and mode of that; a new one is root's and can be read by all.
///
/// # Errors
/// When the folder cannot be written. The old file is there then as it was.
pub(crate) fn replace(path: &Path, text: &str) -> Result<(), PamFailure> {
    replace_as(path, path, text.as_bytes())
}

/// The same with the owner and mode of another file.
///
/// # Errors
/// See [`replace`].
pub(crate) fn replace_as(path: &Path, model: &Path, bytes: &[u8]) -> Result<(), PamFailure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = path.with_file_name(format!(".{name}.twostep-new"));
    let written =
        write(&new, model, bytes).and_then(|()| fs::rename(&new, path)).and_then(|()| sync_folder(path));
    written.map_err(|error| {
        // It may never have been made.
        let _ = fs::remove_file(&new);
        PamFailure::Unwritten(path.to_owned(), error)
    })
}

fn write(new: &Path, old: &Path, bytes: &[u8]) -> io::Result<()> {
    // What an earlier run left behind when it was killed.
    if let Err(error) = fs::remove_file(new)
        && error.kind() != ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(new)?;
    file.write_all(bytes)?;
    let mode = match fs::symlink_metadata(old) {
        Ok(old) => {
            fchown(&file, Some(Uid::from_raw(old.uid())), Some(Gid::from_raw(old.gid())))?;
            old.mode() & 0o7777
        }
        Err(_) => 0o644,
    };
    file.set_permissions(Permissions::from_mode(mode))?;
    file.sync_all()
}

/// Removes a file.
///
/// # Errors
/// When that does not work; that it is not there is none.
pub(crate) fn remove(path: &Path) -> Result<(), PamFailure> {
    match fs::remove_file(path).and_then(|()| sync_folder(path)) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(PamFailure::Unwritten(path.to_owned(), error))
        }
        _ => Ok(()),
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(path))?.sync_all()
}

/// What a file was before `pam enable`, and what it made of it.
pub(crate) struct Backup {
    folder: PathBuf,
    service: String,
}

impl Backup {
    pub(crate) fn of(folder: &Path, service: &str) -> Self {
        Self { folder: folder.to_owned(), service: service.to_owned() }
    }

    /// Where the file is kept as it was.
    pub(crate) fn before(&self) -> PathBuf {
        self.folder.join(format!("{}.before", self.service))
    }

    fn after(&self) -> PathBuf {
        self.folder.join(format!("{}.after", self.service))
    }

    /// That there was no file. Not told by a `before` that is missing, which may have been lost.
    fn none(&self) -> PathBuf {
        self.folder.join(format!("{}.none", self.service))
    }

    /// Keeps both. Killed in between, it leaves no `after`, and nothing is put back whole.
    pub(crate) fn keep(&self, before: Option<&str>, after: &str) -> Result<(), PamFailure> {
        let unwritten = |error| PamFailure::Unwritten(self.folder.clone(), error);
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).map_err(unwritten)?;
        self.trusted()?;
        self.forget()?;
        match before {
            Some(text) => replace(&self.before(), text)?,
            None => replace(&self.none(), "")?,
        }
        replace(&self.after(), after)
    }

    /// What lies here becomes a stack again: nobody else may have put it here.
    fn trusted(&self) -> Result<(), PamFailure> {
        check(&self.folder, Want::PrivateFolder).map(|_| ()).map_err(PamFailure::Untrusted)
    }

    /// What the file was, where it is still what `pam enable` made of it: the outer none for "it is not", or "nothing is known".
    pub(crate) fn whole(&self, now: &str) -> Result<Option<Option<String>>, PamFailure> {
        match read(&self.after())? {
            Some(after) if after == now => {
                self.trusted()?;
                match read(&self.before())? {
                    Some(before) => Ok(Some(Some(before))),
                    None => Ok(read(&self.none())?.map(|_| None)),
                }
            }
            _ => Ok(None),
        }
    }

    /// Forgets both.
    pub(crate) fn forget(&self) -> Result<(), PamFailure> {
        remove(&self.after())?;
        remove(&self.none())?;
        remove(&self.before())
    }
}
