//! The key of this boot, under which app passwords that have succeeded are recognised without Argon2id.
//!
//! It lies in the runtime folder and nowhere else, and only if that is a tmpfs: it must not survive a reboot or come into a backup.
//! Where anything about that is wrong there is no key, and every login pays for its hash.

use crate::files::{self, Checked, Want};
use crate::host::Kernel;
use crate::{StoreError, key_file};
use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use std::io;
use std::path::Path;
use twostep_core::app_password::BootKey;
use twostep_core::crypto::MasterKey;

const FOLDER: &str = "private";
const FILE: &str = "boot.key";

/// The key for boot tags, made if there is none yet.
///
/// # Errors
/// Why there is none; that costs speed and nothing else.
pub fn obtain(runtime: &Path) -> Result<BootKey, StoreError> {
    let folder = folder(runtime)?;
    let key = match key_file::read_in(&folder, FILE) {
        Err(StoreError::NoKey(path)) => {
            match key_file::create(&path, &MasterKey::generate(&mut Kernel)?) {
                // Somebody else was faster: hers it is.
                Err(StoreError::Io(_, error)) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => made?,
            }
            key_file::read_in(&folder, FILE)?
        }
        read => read?,
    };
    Ok(BootKey::of(&key))
}

/// Whether there can be a boot key; nothing is made.
///
/// # Errors
/// See [`obtain`].
pub fn check(runtime: &Path) -> Result<(), StoreError> {
    folder(runtime).map(drop)
}

/// The folder that it lies in, checked.
fn folder(runtime: &Path) -> Result<Checked, StoreError> {
    let folder = files::check(&runtime.join(FOLDER), Want::PrivateFolder)?;
    match statfs(&folder.path) {
        Ok(found) if found.filesystem_type() == TMPFS_MAGIC => Ok(folder),
        Ok(_) => Err(StoreError::Io(folder.path, io::Error::other("it is not on a tmpfs"))),
        Err(errno) => Err(StoreError::Io(folder.path, errno.into())),
    }
}
