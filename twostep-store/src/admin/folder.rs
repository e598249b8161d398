//! The store's folder, which nobody but root is to enter, and what twostep has made in it.

use crate::StoreError;
use crate::files::{self, Want};
use std::ffi::OsStr;
use std::fs::{self, DirEntry, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use twostep_core::policy::Policy;

/// Files of which nothing but the lock is used.
const LOCKS: [&str; 2] = [crate::turn::FILE, "hooks.lock"];
/// Where `pam enable` keeps what it has replaced.
const BACKUPS: &str = "pam-backups";

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
            // Whoever has it open could hold its lock as long as it is in use. Whoever needs it makes another.
            fs::remove_file(path).map_err(failed)?;
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

/// Whether twostep makes files of this name beside the store: journal, copies and drafts begin with the store's name.
fn is_ours(store: &Path, name: &OsStr) -> bool {
    let begins = |stem: Option<&OsStr>| stem.is_some_and(|stem| name.as_bytes().starts_with(stem.as_bytes()));
    begins(store.file_name())
        || begins(store.file_stem())
        || LOCKS.iter().any(|lock| name == *lock)
        || name == BACKUPS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::host;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o7777
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
        assert_eq!(close_to_others(&store).unwrap().len(), 5);
        assert_eq!((mode(folder), mode(&folder.join("store.db-journal"))), (0o700, 0o600));
        assert_eq!(mode(&folder.join("store.db.before-schema-5.1")), 0o600);
        // A lock is another file from now on.
        assert!(!folder.join("argon2id.lock").exists() && !folder.join("hooks.lock").exists());
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
}
