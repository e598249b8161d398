//! The database file: made, opened, brought up to date.

use crate::files::{self, Fault, Want};
use crate::host::Kernel;
use crate::schema::{self, SCHEMA, Version};
use crate::settings::{self, BUSY};
use crate::{StoreError, key_file};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use twostep_core::crypto::KeyId;
use twostep_core::random::Entropy;

/// Sixteen random bytes that name a store.
pub(crate) type StoreId = [u8; 16];

/// What every opening reads first.
pub(crate) struct Meta {
    pub(crate) store_id: StoreId,
    pub(crate) key_id: KeyId,
}

/// Opens a store of this version's schema, or of a newer minor of it. On return a read transaction is open: what is read belongs together.
pub(crate) fn open(path: &Path, patience: Duration) -> Result<(Connection, Version, Meta), StoreError> {
    let connection = connect(path, patience)?;
    connection.execute_batch("BEGIN")?;
    let version = schema::version(&connection, path)?;
    schema::fits(version)?;
    let meta = meta(&connection)?;
    Ok((connection, version, meta))
}

/// Whether there is something at the store's place.
pub(crate) fn exists(path: &Path) -> Result<bool, StoreError> {
    match files::check(path, Want::PrivateFile) {
        Err(untrusted) if untrusted.fault == Fault::Absent => Ok(false),
        Err(untrusted) if untrusted.fault == Fault::Missing => Err(untrusted.into()),
        _ => Ok(true),
    }
}

/// Makes a new store, complete or not at all. Never over another.
pub(crate) fn create(path: &Path, key_id: KeyId) -> Result<(), StoreError> {
    let failed = |error| StoreError::Io(path.to_owned(), error);
    // Built beside its place and linked there when it is whole.
    let draft = path.with_extension(format!("new.{}", std::process::id()));
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    key_file::create_private(&draft, b"").map_err(failed)?;
    let built = build(&draft, key_id).and_then(|()| fs::hard_link(&draft, path).map_err(failed));
    let removed = fs::remove_file(&draft).map_err(failed);
    built.and(removed)?;
    sync_folder(path)
}

fn build(draft: &Path, key_id: KeyId) -> Result<(), StoreError> {
    let mut connection = Connection::open_with_flags(draft, settings::open_flags())?;
    settings::prepare(&connection, BUSY)?;
    // 1 KiB pages: a login changes a row here and there, and every page it touches is written twice and synced.
    connection.execute_batch("PRAGMA page_size = 1024;")?;
    connection.query_row("PRAGMA journal_mode = MEMORY", [], |_| Ok(()))?;
    let transaction = connection.transaction()?;
    schema::apply(&transaction, None)?;
    transaction.commit()?;
    let mut store_id: StoreId = [0; 16];
    Kernel.fill(&mut store_id)?;
    let sql = "INSERT INTO meta (only, store_id, key_id, latest_time) VALUES (1, ?, ?, 0)";
    connection.execute(sql, (store_id, key_id.0))?;
    connection.close().map_err(|(_, error)| error.into())
}

/// What became of a store of an older schema.
#[derive(Debug)]
pub struct Upgraded {
    /// The schema it had.
    pub from: Version,
    /// Where it is kept as it was.
    pub kept: PathBuf,
}

/// Brings a store of an older schema up to date, in one transaction, if it belongs to this key, and keeps it beside its place as it was.
/// Nothing where it is up to date, or knows more than this version.
pub(crate) fn upgrade(path: &Path, key_id: KeyId) -> Result<Option<Upgraded>, StoreError> {
    let mut connection = connect(path, BUSY)?;
    let found = schema::version(&connection, path)?;
    let is_older = match schema::fits(found) {
        Ok(()) => false,
        Err(StoreError::Older { .. }) => true,
        Err(error) => return Err(error),
    };
    match meta(&connection)?.key_id {
        store if store != key_id => return Err(StoreError::WrongKey { store, file: key_id }),
        _ if is_older => {}
        _ => return Ok(None),
    }
    settings::prepare_to_write(&connection, settings::Journal::Truncate)?;
    // From here on nobody else writes: what is kept is what is changed.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Read anew: whoever else has begun at the same time is done by now.
    let from = schema::version(&transaction, path)?;
    if from >= SCHEMA {
        return Ok(None);
    }
    // SQLite follows no link, not even above the store.
    let kept = keep(&files::check(path, Want::PrivateFile)?.path)?;
    let changed = schema::apply(&transaction, Some(from)).and_then(|()| Ok(transaction.commit()?));
    if let Err(error) = changed {
        // Where the disk is full, one more copy at every try would keep it so.
        let _ = fs::remove_file(&kept);
        return Err(error);
    }
    Ok(Some(Upgraded { from, kept }))
}

/// Copies the store to a name beside it that nothing has yet: complete or not at all, and without what was deleted from it. The caller
/// holds the lock for writing, so that nothing is written meanwhile.
fn keep(path: &Path) -> Result<PathBuf, StoreError> {
    let beside = |end: &str| {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".before-schema-{SCHEMA}{end}"));
        path.with_file_name(name)
    };
    let draft = beside(&format!(".new.{}", std::process::id()));
    let failed = |error| StoreError::Io(draft.clone(), error);
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    // SQLite takes an empty file, with its mode, for one that is to be made.
    key_file::create_private(&draft, b"").map_err(failed)?;
    let linked = copy(path, &draft).and_then(|()| {
        let names = (1u32..).map(|n| if n == 1 { beside("") } else { beside(&format!(".{n}")) });
        for name in names {
            match fs::hard_link(&draft, &name) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                linked => return linked.map(|()| name).map_err(failed),
            }
        }
        Err(StoreError::Gone)
    });
    let removed = fs::remove_file(&draft).map_err(failed);
    let kept = linked?;
    removed?;
    sync_folder(path)?;
    Ok(kept)
}

fn copy(path: &Path, draft: &Path) -> Result<(), StoreError> {
    // A second connection, since VACUUM runs in no transaction. It is of the same SQLite, which knows of the first one's locks.
    let reader = connect(path, BUSY)?;
    let name = draft.to_str().ok_or(StoreError::Damaged("its path is no text"))?;
    reader.execute("VACUUM INTO ?", [name])?;
    reader.close().map_err(|(_, error)| error)?;
    fs::File::open(draft)
        .and_then(|file| file.sync_all())
        .map_err(|error| StoreError::Io(draft.to_owned(), error))
}

fn connect(path: &Path, patience: Duration) -> Result<Connection, StoreError> {
    let files::Checked { path, metadata } =
        files::check(path, Want::PrivateFile).map_err(|untrusted| match untrusted.fault {
            Fault::Absent => StoreError::NoStore(path.to_owned()),
            _ => untrusted.into(),
        })?;
    // SQLite takes an empty file for a new database; here it is a store that was lost.
    if metadata.len() == 0 {
        return Err(StoreError::Empty(path));
    }
    let connection = Connection::open_with_flags(&path, settings::open_flags())?;
    settings::prepare(&connection, patience)?;
    Ok(connection)
}

fn meta(connection: &Connection) -> Result<Meta, StoreError> {
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, StoreId>(0)?, row.get::<_, [u8; 8]>(1)?));
    connection
        .query_row("SELECT store_id, key_id FROM meta", [], read)
        .optional()?
        .map(|(store_id, key_id)| Meta { store_id, key_id: KeyId(key_id) })
        .ok_or(StoreError::Damaged("it does not say which store it is"))
}

fn sync_folder(path: &Path) -> Result<(), StoreError> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| StoreError::Io(folder.to_owned(), error))
}
