//! Whether the store is older than this host has seen it: put back from a backup, it lets in what was revoked or used up since.
//!
//! What was seen last is written to a file apart from the store, beside the roster: the newest change of the history and the latest time that
//! a right code has confirmed. Both only grow, as long as the store is the same one. A backup that has both, store and this file, shows
//! nothing.

use crate::files::{self, Want};
use crate::vault::Session;
use crate::{StoreError, key_file};
use rusqlite::{OptionalExtension, Row};
use std::fs;
use std::path::{Path, PathBuf};
use twostep_core::time::UnixTime;

/// The file, in the folder of the roster.
const FILE: &str = "store.seen";
/// Longer than what is written there.
const LENGTH_MAX: u64 = 256;

/// How far a store has come.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mark {
    /// The store's id, in hexadecimal digits.
    store: String,
    /// The newest change of the history, and when it was; zeros where there is none.
    change: (i64, i64),
    /// The latest time that a right code has confirmed.
    latest: i64,
}

/// The store is older than it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Up to when the store that is there now knows what happened.
    pub ends: UnixTime,
    /// Up to when it did when it was last looked at.
    pub seen: UnixTime,
    /// The file that says so.
    pub file: PathBuf,
}

impl Session {
    /// Whether this host has seen the store further than it is now.
    ///
    /// # Errors
    /// When the store fails.
    pub fn restored(&self) -> Result<Option<Restored>, StoreError> {
        let file = self.roster.beside(FILE);
        match read(&file).filter(|seen| seen.store == hex(&self.store_id)) {
            Some(seen) => self.compare_with(seen, file),
            None => Ok(None),
        }
    }

    /// The same; where it has not, writes down how far the store is now.
    ///
    /// # Errors
    /// When the store fails, or the file cannot be written.
    pub fn remember_seen(&self) -> Result<Option<Restored>, StoreError> {
        if let Some(restored) = self.restored()? {
            return Ok(Some(restored));
        }
        let file = self.roster.beside(FILE);
        let mark = self.mark()?;
        // Without a roster there need not be a folder for one.
        if !file.parent().is_some_and(Path::is_dir) {
            return Ok(None);
        }
        if read(&file).as_ref() != Some(&mark) {
            write(&file, &mark).map_err(|error| StoreError::Io(file, error))?;
        }
        Ok(None)
    }

    fn compare_with(&self, seen: Mark, file: PathBuf) -> Result<Option<Restored>, StoreError> {
        let now = self.mark()?;
        let sql = "SELECT at FROM history WHERE id = ?";
        let at: Option<i64> = self.connection.query_row(sql, [seen.change.0], |row| row.get(0)).optional()?;
        let restored = match now.change.0 {
            newest if newest < seen.change.0 => true,
            // `unlock` takes a latest time back, and is a change.
            newest if newest == seen.change.0 && now.latest < seen.latest => true,
            // It has come as far since, by other changes. One that is gone has made room for newer ones.
            _ => at.is_some_and(|at| at != seen.change.1),
        };
        let ends = |mark: &Mark| UnixTime(mark.change.1.max(mark.latest));
        Ok(restored.then(|| Restored { ends: ends(&now), seen: ends(&seen), file }))
    }

    fn mark(&self) -> Result<Mark, StoreError> {
        let sql = "SELECT id, at FROM history ORDER BY id DESC LIMIT 1";
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let change = self.connection.query_row(sql, [], read).optional()?.unwrap_or_default();
        Ok(Mark { store: hex(&self.store_id), change, latest: self.latest_time()?.0 })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What was seen; nothing where there is no such file, or one that somebody else could have written.
fn read(file: &Path) -> Option<Mark> {
    let checked = files::check(file, Want::PrivateFile).ok()?;
    if checked.metadata.len() > LENGTH_MAX {
        return None;
    }
    let text = fs::read_to_string(&checked.path).ok()?;
    let mut words = text.split_whitespace();
    let store = words.next()?.to_owned();
    let mut number = || words.next()?.parse().ok();
    Some(Mark { store, change: (number()?, number()?), latest: number()? })
}

fn write(file: &Path, mark: &Mark) -> std::io::Result<()> {
    let Mark { store, change: (id, at), latest } = mark;
    let draft = file.with_extension("seen.draft");
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    key_file::create_private(&draft, format!("{store} {id} {at} {latest}\n").as_bytes())?;
    fs::rename(&draft, file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::{self, BesideKey};
    use crate::rows::exclusively;
    use crate::testing::{add_app_password, author, enroll, host};
    use crate::vault::Files;

    fn put_back(files: &Files, backup: &Path) {
        fs::copy(backup, &files.paths.store).unwrap();
    }

    fn backup(files: &Files) -> PathBuf {
        let copy = files.paths.store.with_extension("copy");
        fs::copy(&files.paths.store, &copy).unwrap();
        copy
    }

    fn confirm(files: &Files, time: i64) {
        let session = files.session().unwrap();
        exclusively(&session, || {
            session.connection.execute("UPDATE meta SET latest_time = ?", [time])?;
            Ok(())
        })
        .unwrap();
    }

    #[test]
    fn a_store_that_was_put_back_is_noticed_until_its_mark_is_removed() {
        let files = host("seen");
        let id = enroll(&files, &[]);
        let session = files.session().unwrap();
        let (app_id, _) = add_app_password(&session, id, "phone");
        assert_eq!(session.remember_seen().unwrap(), None);
        drop(session);
        let backup = backup(&files);
        let session = files.session().unwrap();
        session.revoke_app_password(id, app_id, &author(), UnixTime(2_000_000_000)).unwrap();
        assert_eq!(session.remember_seen().unwrap(), None);
        drop(session);
        put_back(&files, &backup);
        let session = files.session().unwrap();
        let restored = session.restored().unwrap().unwrap();
        assert_eq!(restored.seen, UnixTime(2_000_000_000));
        assert!(restored.ends < restored.seen);
        // It stays noticed, whatever happens to the store from now on.
        assert_eq!(session.remember_seen().unwrap(), Some(restored.clone()));
        for name in ["one", "two", "three"] {
            add_app_password(&session, id, name);
        }
        assert!(session.remember_seen().unwrap().is_some());
        fs::remove_file(&restored.file).unwrap();
        assert_eq!(session.remember_seen().unwrap(), None);
        assert_eq!(session.restored().unwrap(), None);
    }

    #[test]
    fn codes_that_were_used_since_are_seen_as_well() {
        let files = host("seen-codes");
        enroll(&files, &[]);
        confirm(&files, 1_800_000_000);
        files.session().unwrap().remember_seen().unwrap();
        let backup = backup(&files);
        confirm(&files, 1_800_000_090);
        assert_eq!(files.session().unwrap().remember_seen().unwrap(), None);
        put_back(&files, &backup);
        let restored = files.session().unwrap().restored().unwrap().unwrap();
        assert_eq!((restored.ends.0, restored.seen.0), (1_800_000_000, 1_800_000_090));
    }

    #[test]
    fn another_store_in_its_place_and_a_mark_that_others_wrote_say_nothing() {
        let files = host("seen-other");
        enroll(&files, &[]);
        files.session().unwrap().remember_seen().unwrap();
        let mark = files.session().unwrap().roster.beside(FILE);
        fs::remove_file(&files.paths.store).unwrap();
        admin::init(&files, BesideKey::NewStore).unwrap();
        let session = files.session().unwrap();
        assert_eq!(session.restored().unwrap(), None);
        assert_eq!(session.remember_seen().unwrap(), None);
        for nonsense in ["", "x", "x 1 2", "x y z w", "\u{0}"] {
            fs::write(&mark, nonsense).unwrap();
            assert_eq!(session.remember_seen().unwrap(), None, "{nonsense:?}");
            assert_eq!(read(&mark), Some(session.mark().unwrap()));
        }
    }
}
