//! Who cannot connect for now: users who have sent so many open files along that are still not closed ([`crate::closer`]).
//!
//! A connection can only be turned away once it is there, and one with open files in its queue can then only be kept, or handed to a process
//! that keeps it. So that they do not become more and more, the kernel is told: the socket's access control list denies those users. su and
//! sudo connect as root, whom it does not concern.

use crate::ffi;
use crate::limits::{BANNED, HELD};
use nix::errno::Errno;
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Counted since nothing was left to be closed.
#[derive(Debug, Default)]
pub(crate) struct Bans {
    socket: Option<PathBuf>,
    /// How many connections of each uid were handed over.
    held: HashMap<u32, usize>,
    banned: BTreeSet<u32>,
    /// Whether somebody waits to lift them.
    pub(crate) is_waited_for: bool,
}

impl Bans {
    /// On the socket at `path`. Those of a broker before this one are lifted: nobody knows when they would be.
    pub(crate) fn on(path: &Path) -> Result<Self, Errno> {
        let bans = Self { socket: Some(path.to_owned()), ..Self::default() };
        bans.apply().map(|()| bans)
    }

    /// One more connection of this uid was handed over. Whether it was kept from connecting for that, just now.
    pub(crate) fn count(&mut self, uid: u32) -> Result<bool, Errno> {
        let held = self.held.entry(uid).or_default();
        *held += 1;
        if *held < HELD || uid == 0 || self.banned.len() >= BANNED || !self.banned.insert(uid) {
            return Ok(false);
        }
        self.apply().map(|()| self.socket.is_some())
    }

    /// Nothing is left to be closed.
    pub(crate) fn lift(&mut self) -> Result<(), Errno> {
        self.held.clear();
        self.banned.clear();
        self.apply()
    }

    fn apply(&self) -> Result<(), Errno> {
        let Some(path) = &self.socket else { return Ok(()) };
        let failed = |error: std::io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(0));
        // As it is now: it may have been closed to all but root meanwhile (ExecStop= of the unit).
        let mode = fs::symlink_metadata(path).map_err(failed)?.permissions().mode();
        ffi::set_access_list(path, &access_list(mode, &self.banned))
    }
}

/// As the kernel stores it (`struct posix_acl_xattr_header` and its entries, little-endian). The mask is what the group may, so that the mode
/// of the file stays as it is.
fn access_list(mode: u32, banned: &BTreeSet<u32>) -> Vec<u8> {
    const VERSION: u32 = 2;
    let [user_obj, user, group_obj, mask, other] = [1, 2, 4, 16, 32];
    const NOBODY: u32 = u32::MAX;
    let [owner, group, others] = [mode >> 6, mode >> 3, mode].map(|bits| (bits & 7) as u16);
    let mut list = VERSION.to_le_bytes().to_vec();
    let mut add = |tag: u16, may: u16, uid: u32| {
        list.extend(tag.to_le_bytes());
        list.extend(may.to_le_bytes());
        list.extend(uid.to_le_bytes());
    };
    add(user_obj, owner, NOBODY);
    banned.iter().for_each(|uid| add(user, 0, *uid));
    add(group_obj, group, NOBODY);
    if !banned.is_empty() {
        add(mask, group, NOBODY);
    }
    add(other, others, NOBODY);
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use twostep_host::testing::test_folder;

    fn has_list(path: &Path) -> bool {
        let done = std::process::Command::new("ls").arg("-l").arg(path).output().unwrap();
        String::from_utf8_lossy(&done.stdout).split(' ').next().is_some_and(|mode| mode.ends_with('+'))
    }

    #[test]
    fn whoever_has_too_many_is_banned_until_nothing_is_left() {
        let path = test_folder("bans").join("socket");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        let mut bans = match Bans::on(&path) {
            // Not on every file system.
            Err(Errno::EOPNOTSUPP) => return,
            bans => bans.unwrap(),
        };
        assert!(!has_list(&path));
        for _ in 1..HELD {
            assert_eq!(bans.count(1000), Ok(false));
        }
        assert_eq!(bans.count(1001), Ok(false));
        assert_eq!(bans.count(1000), Ok(true));
        assert_eq!(bans.count(1000), Ok(false), "once");
        assert!(has_list(&path));
        assert_eq!(mode(), 0o666);
        // Nor are those of an earlier broker left.
        Bans::on(&path).unwrap();
        assert!(!has_list(&path));
        bans.apply().unwrap();
        bans.lift().unwrap();
        assert!(!has_list(&path));
        assert_eq!(mode(), 0o666);
        // What is closed to all but root stays so, whoever is banned and whatever is lifted.
        for _ in 0..HELD {
            bans.count(1000).unwrap();
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        for _ in 0..HELD {
            bans.count(1001).unwrap();
        }
        assert_eq!(mode(), 0o644);
        bans.lift().unwrap();
        assert_eq!(mode(), 0o644);
        for _ in 0..=HELD {
            assert_eq!(bans.count(0), Ok(false), "never root");
        }
    }

    #[test]
    fn they_have_an_end() {
        let mut bans = Bans::default();
        for uid in 1..=BANNED as u32 + 10 {
            for _ in 0..HELD {
                assert_eq!(bans.count(uid), Ok(false), "there is no socket");
            }
        }
        assert_eq!(bans.banned.len(), BANNED);
        assert!(access_list(0o666, &bans.banned).len() < 65_536, "longer than the kernel takes");
    }
}
