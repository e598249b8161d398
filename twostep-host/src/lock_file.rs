//! Files of which nothing but the lock is used. Whoever can open one can hold its lock, and stop everybody who waits for it; so nobody but
//! root and the caller may be able to.

use crate::monotonic;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::thread;
use std::time::Duration;

/// How often another process may put such a file there again while this one takes it away.
const TRIES: u32 = 8;
/// How long the others who replace one are waited for, and how often it is looked whether they are done.
const PATIENCE: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(2);

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
        remove(path, &metadata)?;
    }
    Err(io::Error::other("others can open it, and it comes back whenever it is removed"))
}

/// Takes away the file that was found there, and no other that somebody has put in its place since: two who replace one at the same time would
/// hold the locks of two files.
fn remove(path: &Path, found: &Metadata) -> io::Result<()> {
    let _others_wait = one_at_a_time(path);
    let is_found = |now: &Metadata| (now.dev(), now.ino()) == (found.dev(), found.ino());
    match fs::symlink_metadata(path).map(|now| is_found(&now)) {
        Ok(false) => Ok(()),
        Ok(true) => fs::remove_file(path),
        Err(error) => Err(error),
    }
    .or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// Waits until nobody else replaces a lock file in this folder, which is seen by the folder's own lock. Whoever can read the folder can hold that
/// for ever, and whom AppArmor confines may not be able to open it: then it is done all the same.
fn one_at_a_time(path: &Path) -> Option<Flock<File>> {
    let mut folder = File::open(path.parent()?).ok()?;
    let end = monotonic().saturating_add(PATIENCE);
    loop {
        match Flock::lock(folder, FlockArg::LockExclusiveNonblock) {
            Ok(guard) => return Some(guard),
            Err((unlocked, Errno::EAGAIN)) if monotonic() < end => folder = unlocked,
            Err(_) => return None,
        }
        thread::sleep(PAUSE);
    }
}

fn is_private(metadata: &Metadata) -> bool {
    let me = nix::unistd::geteuid().as_raw();
    metadata.mode() & 0o077 == 0 && [0, me].contains(&metadata.uid())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test_folder;
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

    /// Both have found the old one, and the second takes away what the first has made.
    #[test]
    fn two_who_replace_one_have_the_lock_of_one_file() {
        let path = test_folder("lock-file-two").join("a.lock");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let second_has_found = File::open(&path).unwrap().metadata().unwrap();
        let old = File::open(&path).unwrap();
        let first = Flock::lock(open(&path).unwrap(), FlockArg::LockExclusive).unwrap();
        remove(&path, &second_has_found).unwrap();
        assert!(Flock::lock(open(&path).unwrap(), FlockArg::LockExclusiveNonblock).is_err());
        drop((first, old));
    }

    #[test]
    fn many_who_replace_one_at_once_have_the_same() {
        let path = test_folder("lock-file-many").join("a.lock");
        for _ in 0..20 {
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
            let start = std::sync::Barrier::new(8);
            let files: Vec<_> = thread::scope(|scope| {
                let begin = || scope.spawn(|| (start.wait(), open(&path).unwrap()).1);
                let all: Vec<_> = (0..8).map(|_| begin()).collect();
                all.into_iter().map(|one| one.join().unwrap()).collect()
            });
            let inodes: std::collections::BTreeSet<_> =
                files.iter().map(|file| file.metadata().unwrap().ino()).collect();
            assert_eq!(inodes.len(), 1);
        }
    }

    #[test]
    fn who_holds_the_lock_of_the_folder_holds_nobody_up() {
        let path = test_folder("lock-file-folder").join("a.lock");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let folder = File::open(path.parent().unwrap()).unwrap();
        let held = Flock::lock(folder, FlockArg::LockShared).unwrap();
        assert_eq!(open(&path).unwrap().metadata().unwrap().mode() & 0o7777, 0o600);
        drop(held);
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
