//! Files of which nothing but the lock is used. Whoever can open one can hold its lock, and stop everybody who waits for it; so nobody but
//! root and the caller may be able to.

use nix::fcntl::OFlag;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// How often another process may put such a file there again while this one takes it away.
const TRIES: u32 = 8;

/// Opens one, made if it is missing, in a folder that nobody else can write. One that others could open is replaced: a lock that they hold
/// on it holds nobody up any more.
///
/// # Errors
/// When it cannot be made or opened, or is no regular file.
pub fn open(path: &Path) -> io::Result<File> {
    for _ in 0..TRIES {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.custom_flags(OFlag::O_NOFOLLOW.bits() | OFlag::O_NONBLOCK.bits()).open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        if is_private(&metadata) {
            return Ok(file);
        }
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Err(io::Error::other("others can open it, and it comes back whenever it is removed"))
}

fn is_private(metadata: &Metadata) -> bool {
    let me = nix::unistd::geteuid().as_raw();
    metadata.mode() & 0o077 == 0 && [0, me].contains(&metadata.uid())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test_folder;
    use nix::fcntl::{Flock, FlockArg};
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_lock_that_others_hold_on_a_file_that_they_could_open_holds_nobody_up() {
        let path = test_folder("lock-file").join("a.lock");
        for mode in [0o644, 0o640, 0o604, 0o660] {
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let theirs = Flock::lock(File::open(&path).unwrap(), FlockArg::LockShared).unwrap();
            let ours = open(&path).unwrap();
            assert_eq!(ours.metadata().unwrap().mode() & 0o7777, 0o600);
            assert!(Flock::lock(ours, FlockArg::LockExclusiveNonblock).is_ok(), "{mode:o}");
            drop(theirs);
        }
    }

    #[test]
    fn one_that_is_private_stays_and_its_lock_counts() {
        let path = test_folder("lock-file-private").join("a.lock");
        let first = Flock::lock(open(&path).unwrap(), FlockArg::LockExclusive).unwrap();
        assert!(Flock::lock(open(&path).unwrap(), FlockArg::LockExclusiveNonblock).is_err());
        drop(first);
        assert!(Flock::lock(open(&path).unwrap(), FlockArg::LockExclusiveNonblock).is_ok());
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let folder = test_folder("lock-file-kinds");
        std::os::unix::fs::symlink("/dev/null", folder.join("link")).unwrap();
        assert!(open(&folder.join("link")).is_err());
        nix::unistd::mkfifo(&folder.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(open(&folder.join("pipe")).is_err());
        assert!(open(&folder).is_err());
    }
}
