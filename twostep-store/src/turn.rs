//! Who may run Argon2id now: of all the processes of this host only so many at a time. After a reboot all mail clients come at once, and
//! each run takes memory and a processor.
//!
//! A turn is the lock of one byte of a file beside the store. It belongs to an open file description: threads of one process exclude each
//! other as well, and what ends has given it back. The store's own locks, which belong to processes, know nothing of it.

use crate::StoreError;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc::{F_UNLCK, F_WRLCK, SEEK_SET, c_short, flock};
use std::fs::File;
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;
use twostep_host::{lock_file, monotonic};

/// The file, in the folder of the store.
pub(crate) const FILE: &str = "argon2id.lock";
/// How long a login waits for its turn. Dovecot's clients wait a minute and more; the module waits for the broker for thirty seconds, in
/// which the store may keep it waiting twice as well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);
/// How often it looks whether its turn has come; a run takes some twenty milliseconds.
const PAUSE: Duration = Duration::from_millis(4);

/// A turn. It ends when dropped.
pub(crate) struct Turn {
    file: File,
    byte: u32,
}

impl Drop for Turn {
    fn drop(&mut self) {
        // Closing is not enough: a child that the service has forked meanwhile has the same open file.
        if let Ok(l_type) = c_short::try_from(F_UNLCK) {
            let _closed_anyway = set(&self.file, l_type, self.byte);
        }
    }
}

/// Takes a turn, where there are `at_once` of them, or as many as half the processors, two at least. Waits for it so long at most.
pub(crate) fn take(store: &Path, at_once: Option<u32>, patience: Duration) -> Result<Turn, StoreError> {
    let path = store.with_file_name(FILE);
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly,
        io::ErrorKind::StorageFull => StoreError::Full,
        _ => StoreError::Io(path.clone(), error),
    };
    let file = lock_file::open(&path).map_err(failed)?;
    let turns = at_once.unwrap_or_else(by_processors);
    let end = monotonic().saturating_add(patience);
    loop {
        for turn in 0..turns {
            if lock(&file, turn).map_err(|errno| failed(errno.into()))? {
                return Ok(Turn { file, byte: turn });
            }
        }
        if monotonic() >= end {
            return Err(StoreError::NoTurn { turns, waited: patience });
        }
        thread::sleep(PAUSE);
    }
}

fn by_processors() -> u32 {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    u32::try_from(processors / 2).unwrap_or(u32::MAX).max(2)
}

/// Whether the lock of this byte could be had.
fn lock(file: &File, byte: u32) -> Result<bool, Errno> {
    let l_type = c_short::try_from(F_WRLCK).map_err(|_| Errno::EINVAL)?;
    match set(file, l_type, byte) {
        Ok(()) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(errno) => Err(errno),
    }
}

fn set(file: &File, l_type: c_short, byte: u32) -> Result<(), Errno> {
    let l_whence = c_short::try_from(SEEK_SET).map_err(|_| Errno::EINVAL)?;
    // Of an open file description no pid is told.
    let wanted = flock { l_type, l_whence, l_start: byte.into(), l_len: 1, l_pid: 0 };
    fcntl(file, FcntlArg::F_OFD_SETLK(&wanted)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::test_folder;

    fn at_once(store: &Path, turns: u32) -> Result<Turn, StoreError> {
        take(store, Some(turns), Duration::ZERO)
    }

    #[test]
    fn there_are_so_many_turns_and_no_more() {
        let store = test_folder("turns").join("store.db");
        let first = at_once(&store, 2).unwrap();
        let second = at_once(&store, 2).unwrap();
        assert!(matches!(at_once(&store, 2), Err(StoreError::NoTurn { turns: 2, .. })));
        drop(first);
        let third = at_once(&store, 2).unwrap();
        assert!(at_once(&store, 2).is_err());
        drop((second, third));
        assert!(at_once(&store, 1).is_ok());
    }

    #[test]
    fn whoever_waits_has_a_turn_when_one_ends() {
        let store = test_folder("waiting").join("store.db");
        let first = at_once(&store, 1).unwrap();
        let elsewhere = store.clone();
        let waiting = thread::spawn(move || take(&elsewhere, Some(1), Duration::from_secs(60)).map(drop));
        drop(first);
        assert!(waiting.join().unwrap().is_ok());
    }

    #[test]
    fn a_copy_of_the_descriptor_does_not_keep_a_turn() {
        let store = test_folder("turn-copy").join("store.db");
        let turn = at_once(&store, 1).unwrap();
        let copy = turn.file.try_clone().unwrap();
        drop(turn);
        assert!(at_once(&store, 1).is_ok());
        drop(copy);
    }

    #[test]
    fn a_file_that_others_could_open_is_replaced_and_their_locks_stop_nobody() {
        use std::os::unix::fs::PermissionsExt;
        let store = test_folder("turn-open").join("store.db");
        let path = store.with_file_name(FILE);
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let theirs = File::open(&path).unwrap();
        let l_type = c_short::try_from(nix::libc::F_RDLCK).unwrap();
        (0..2).for_each(|byte| set(&theirs, l_type, byte).unwrap());
        assert!(at_once(&store, 2).is_ok());
    }

    #[test]
    fn a_link_is_not_followed() {
        let folder = test_folder("turn-link");
        std::os::unix::fs::symlink("/dev/null", folder.join(FILE)).unwrap();
        assert!(matches!(at_once(&folder.join("store.db"), 1), Err(StoreError::Io(..))));
    }
}
