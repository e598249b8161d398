//! How SQLite is used, and why so. docs/store.md has the measurements.

use crate::StoreError;
use rusqlite::{Connection, OpenFlags};
use std::time::Duration;

/// How long one waits for the store: for other threads and for other processes together.
pub const BUSY: Duration = Duration::from_secs(5);

/// Never created by opening, never through a link, no mutex of SQLite's own (a connection stays in one thread).
pub(crate) fn open_flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW
        | OpenFlags::SQLITE_OPEN_EXRESCODE
}

/// Set on every connection, which waits so long for others at most.
pub(crate) fn prepare(connection: &Connection, patience: Duration) -> rusqlite::Result<()> {
    connection.busy_timeout(patience)?;
    // A damaged page is found when it is read, not when it has led somewhere.
    connection.execute_batch("PRAGMA cell_size_check = ON")
}

/// What becomes of the rollback journal after a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Journal {
    /// It stays, with a zeroed header: the cheapest for logins.
    Persist,
    /// It is emptied: nothing that an administrator has removed stays in it.
    Truncate,
}

/// Set before a connection writes. A rollback journal that stays: a login opens, writes and closes, so that a write-ahead log would
/// be checkpointed or recovered every time. `FULL`, SQLite's default, syncs the journal's zeroed header, or its emptiness, too: a consumed code stays
/// consumed when the power goes.
pub(crate) fn prepare_to_write(connection: &Connection, journal: Journal) -> Result<(), StoreError> {
    let wanted = match journal {
        Journal::Persist => "persist",
        Journal::Truncate => "truncate",
    };
    let mode: String =
        connection.query_row(&format!("PRAGMA journal_mode = {wanted}"), [], |row| row.get(0))?;
    if mode == wanted { Ok(()) } else { Err(StoreError::Damaged("it is in another journal mode")) }
}

/// Ends whatever transaction is open, without keeping what it did.
pub(crate) fn leave_transaction(connection: &Connection) -> rusqlite::Result<()> {
    if connection.is_autocommit() { Ok(()) } else { connection.execute_batch("ROLLBACK") }
}
