//! Making the key and the store.

pub use crate::database::Upgraded;
use crate::host::Kernel;
use crate::roster::{Others, Wrong};
use crate::schema::Version;
use crate::vault::Files;
use crate::{StoreError, database, files, key_file};
use std::path::Path;
use twostep_core::crypto::MasterKey;

/// What [`init`] found and made.
#[derive(Debug)]
pub struct Made {
    /// Whether the key is new.
    pub key: bool,
    /// Whether the store is new.
    pub store: bool,
    /// The older schema that the store had, and where it is kept as it was.
    pub upgraded: Option<Upgraded>,
    /// The store's schema, where that is a newer minor than this version's: it is left as it is.
    pub newer: Option<Version>,
    /// What was wrong with the roster, which was made anew then; or why it could not be.
    pub roster: Result<Option<Wrong>, StoreError>,
}

/// Whether [`init`] may make a new store where there is a key already. That a store is missing is, as a rule, that it was lost or
/// that its file system is not mounted; a new and empty one would let everybody in who was enrolled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BesideKey {
    /// It is refused.
    Refuse,
    /// The administrator wants it so.
    NewStore,
}

/// Makes the key and the store where they are missing, and brings an older store up to date, of which a copy is kept. Never overwrites,
/// and takes no step back: a store of a newer minor schema stays as it is.
///
/// # Errors
/// When a file cannot be trusted or made; when there is a store but no key for it, or a key but no store.
pub fn init(files: &Files, beside_key: BesideKey) -> Result<Made, StoreError> {
    let no_store = matches!(database::exists(&files.paths.store), Ok(false));
    let (key, new_key) = match key_file::read(&files.paths.key) {
        // A new key for an existing store would lock everybody out for good.
        Err(StoreError::NoKey(path)) if no_store => {
            let key = MasterKey::generate(&mut Kernel)?;
            guarded_parent(&path)?;
            key_file::create(&path, &key)?;
            (key, true)
        }
        read => (read?, false),
    };
    let mut made = Made { key: new_key, store: false, upgraded: None, newer: None, roster: Ok(None) };
    match database::upgrade(&files.paths.store, key.id()) {
        Ok(upgraded) => made.upgraded = upgraded,
        Err(StoreError::NoStore(path)) if new_key || beside_key == BesideKey::NewStore => {
            guarded_parent(&path)?;
            database::create(&path, key.id())?;
            made.store = true;
        }
        Err(error) => return Err(error),
    }
    // A store without its roster is whole: whoever changes an enrollment makes one, and says so where that cannot be.
    // A second store beside the host's own must not take its roster; one that is to replace it may.
    let replaces = made.store && beside_key == BesideKey::NewStore;
    let others = if replaces { Others::TakeOver } else { Others::Leave };
    let session = files.session()?;
    made.newer = session.newer_schema();
    made.roster = session.mend_roster(others);
    Ok(made)
}

fn guarded_parent(path: &Path) -> Result<(), StoreError> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    files::check(folder, files::Want::GuardedFolder)?;
    Ok(())
}
