//! The store's folder, which nobody but root is to enter, and what twostep has made in it.

use crate::StoreError;
use crate::files::{self, Want};
use crate::host::lock_file;
use std::ffi::OsStr;
use std::fs::{self, DirEntry, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use twostep_core::policy::Policy;

/// Files of which nothing but the lock is used.
const LOCKS: [&str; 2] = [crate::turn::FILE, "hooks.lock"];
/// What SQLite puts behind the store's name.
const SQLITES: [&[u8]; 3] = [b"-journal", b"-wal", b"-shm"];
/// What else twostep keeps there: what `pam enable` has replaced, which orphans root was told of, which break-glass logins were tried.
const OTHERS: [&str; 3] = ["pam-backups", "orphans.told", "break-glass.tried"];

/// What others can enter or read of the store's folder, although it is twostep's own: the folder, its lock files, the journal, and copies of
/// the store. The store itself is not among them: one that others could read is refused, and an administrator has to see that.
///
/// # Errors
/// When the folder cannot be looked at.
pub fn open_to_others(store: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let Some(folder) = store.parent() else { return Ok(Vec::new()) };
    let metadata = files::check(folder, Want::GuardedFolder)?.metadata;
    let entries = entries(folder)?;
    let is_own = is_default(store) || entries.iter().all(|entry| is_ours(store, &entry.file_name()));
    let others = |mode: u32| mode & 0o077 != 0;
    let mut open = Vec::new();
    if is_own && others(metadata.mode()) {
        open.push(folder.to_owned());
    }
    for entry in entries {
        let is_file = entry.metadata().is_ok_and(|found| found.is_file() && others(found.mode()));
        if is_file && entry.path() != store && is_ours(store, &entry.file_name()) {
            open.push(entry.path());
        }
    }
    Ok(open)
}

/// Takes all of that away from others, and says what it was.
///
/// # Errors
/// When a file or the folder cannot be changed.
pub fn close_to_others(store: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let open = open_to_others(store)?;
    for path in &open {
        let failed = |error| StoreError::Io(path.clone(), error);
        let is_lock = path.file_name().is_some_and(|name| LOCKS.iter().any(|lock| name == *lock));
        if is_lock {
            // Whoever has it open could hold its lock as long as it is in use: it becomes another file.
            drop(lock_file::open(path).map_err(failed)?);
            continue;
        }
        // By its path: opening and closing what belongs to the store would drop SQLite's locks on it.
        let mode = fs::symlink_metadata(path).map_err(failed)?.mode() & 0o700;
        fs::set_permissions(path, Permissions::from_mode(mode)).map_err(failed)?;
    }
    Ok(open)
}

fn entries(folder: &Path) -> Result<Vec<DirEntry>, StoreError> {
    let failed = |error| StoreError::Io(folder.to_owned(), error);
    fs::read_dir(folder).map_err(failed)?.collect::<Result<_, _>>().map_err(failed)
}

fn is_default(store: &Path) -> bool {
    store == Policy::defaults().paths.store
}

/// Whether twostep makes files of this name beside the store, or it is a copy of the store. What somebody else keeps in the same folder is left
/// alone, although its name may begin like the store's.
fn is_ours(store: &Path, name: &OsStr) -> bool {
    // What is behind the name of the store, or behind that without its extension: drafts have another one.
    let behind = |stem: Option<&OsStr>| name.as_bytes().strip_prefix(stem?.as_bytes());
    let is_copy = |rest: &[u8]| rest.starts_with(b".") && store.extension().is_some();
    let of_store = |rest: &[u8]| {
        rest.is_empty() || rest.starts_with(b".before-schema-") || SQLITES.contains(&rest) || is_copy(rest)
    };
    behind(store.file_name()).is_some_and(of_store)
        || behind(store.file_stem()).is_some_and(|rest| rest.starts_with(b".new."))
        || LOCKS.iter().chain(&OTHERS).any(|ours| name == *ours)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::host;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o7777
    }

    fn inode(path: &Path) -> u64 {
        fs::symlink_metadata(path).unwrap().ino()
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    /// A store in a folder of its own.
    fn store(name: &str) -> PathBuf {
        let folder = host(name).paths.store.parent().unwrap().join("own");
        fs::create_dir(&folder).unwrap();
        for name in
            ["store.db", "store.db-journal", "argon2id.lock", "hooks.lock", "store.db.before-schema-5.1"]
        {
            fs::write(folder.join(name), "x").unwrap();
            set_mode(&folder.join(name), 0o644);
        }
        set_mode(&folder, 0o755);
        folder.join("store.db")
    }

    #[test]
    fn all_that_is_ours_is_taken_away_from_others() {
        let store = store("folder-own");
        let folder = store.parent().unwrap();
        // Open while it is replaced: its number is nobody else's then.
        let lock = fs::File::open(folder.join("argon2id.lock")).unwrap();
        let before = inode(&folder.join("argon2id.lock"));
        assert_eq!(close_to_others(&store).unwrap().len(), 5);
        drop(lock);
        assert_eq!((mode(folder), mode(&folder.join("store.db-journal"))), (0o700, 0o600));
        assert_eq!(mode(&folder.join("store.db.before-schema-5.1")), 0o600);
        // A lock is another file from now on.
        assert_ne!(inode(&folder.join("argon2id.lock")), before);
        assert_eq!((mode(&folder.join("argon2id.lock")), mode(&folder.join("hooks.lock"))), (0o600, 0o600));
        // That somebody could read the store is for an administrator to see.
        assert_eq!(mode(&store), 0o644);
        assert!(open_to_others(&store).unwrap().is_empty());
    }

    #[test]
    fn a_folder_that_is_shared_stays_as_it_is() {
        let store = store("folder-shared");
        let folder = store.parent().unwrap();
        fs::write(folder.join("ledger.csv"), "x").unwrap();
        set_mode(&folder.join("ledger.csv"), 0o644);
        assert_eq!(close_to_others(&store).unwrap().len(), 4);
        assert_eq!((mode(folder), mode(&folder.join("ledger.csv"))), (0o755, 0o644));
    }
    #[test]
    fn what_others_keep_beside_the_store_is_left_alone_whatever_it_is_called() {
        for (name, theirs, ours) in [
            ("store.db", "store-of-wine.csv", "store.db.bak"),
            ("users", "users.csv", "users.before-schema-5.2"),
        ] {
            let folder = host("folder-theirs").paths.store.parent().unwrap().join("shared");
            fs::create_dir(&folder).unwrap();
            for file in [name, theirs, ours] {
                fs::write(folder.join(file), "x").unwrap();
                set_mode(&folder.join(file), 0o644);
            }
            set_mode(&folder, 0o755);
            assert_eq!(close_to_others(&folder.join(name)).unwrap(), [folder.join(ours)]);
            assert_eq!((mode(&folder), mode(&folder.join(theirs))), (0o755, 0o644), "{theirs}");
        }
    }

    #[test]
    fn what_the_commands_keep_beside_the_store_makes_no_shared_folder_of_it() {
        let store = store("folder-kept");
        let folder = store.parent().unwrap();
        for kept in OTHERS {
            fs::write(folder.join(kept), "x").unwrap();
        }
        assert!(open_to_others(&store).unwrap().contains(&folder.to_owned()));
    }
}
