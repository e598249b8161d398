//! Whether the caller can do anything here at all: told at once, instead of by the first file that cannot be read.

use crate::cli::{Arguments, Command};
use crate::context::named;
use crate::failure::Failure;
use nix::unistd::{geteuid, getresuid};
use std::fs::metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Refuses anyone who is not root. A configuration of the caller's own, with a store of their own, is theirs to use; and logs are read
/// by anyone who may read them.
pub(crate) fn check(arguments: &Arguments) -> Result<(), Failure> {
    if matches!(arguments.command, Command::Completions { .. }) {
        return Ok(());
    }
    let ids = getresuid().map_err(|_| Failure::NotRoot)?;
    // Set-uid: somebody else gave root's uid away with this program.
    if ids.real != ids.effective || ids.effective != ids.saved {
        return Err(Failure::NotRoot);
    }
    // In a user namespace uid 0 is somebody else, and what is really root's is nobody's.
    let is_root = is_wholly_root() && owner(Path::new("/")) == Some(0);
    if is_root || matches!(arguments.command, Command::Report(_)) {
        return Ok(());
    }
    let own = |path: &Path| owner(path).is_none_or(|uid| uid == geteuid().as_raw());
    if named(arguments).is_some_and(|path| own(&path)) { Ok(()) } else { Err(Failure::NotRoot) }
}

/// Only such a process is to libpam what a service of this host is.
pub(crate) fn is_wholly_root() -> bool {
    getresuid().is_ok_and(|uids| [uids.real, uids.effective, uids.saved].iter().all(|uid| uid.is_root()))
}

fn owner(path: &Path) -> Option<u32> {
    // A file that cannot be looked at is not said to be the caller's own.
    metadata(path).ok().map(|metadata| metadata.uid())
}
