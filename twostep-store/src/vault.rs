//! Opening the store: every file checked, key and store matched, one user of it at a time in a process.

use crate::database::{self, StoreId};
use crate::{StoreError, key_file};
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use twostep_core::crypto::{Purpose, Subkey};
use twostep_core::policy::{Hooks, Paths, Policy};
use twostep_core::ports::{Store, Unavailable, Vault};

/// The store at the places that the configuration names.
#[derive(Clone, Debug)]
pub struct Files {
    /// Those places.
    pub paths: Paths,
    /// Commands that the administrator wants run after changes.
    pub hooks: Hooks,
}

/// The open store. Rolls back what was not committed, and closes, when dropped.
pub struct Session {
    pub(crate) connection: Connection,
    pub(crate) keys: Keys,
    pub(crate) store_id: StoreId,
    pub(crate) runtime: PathBuf,
    pub(crate) hooks: Hooks,
    // Last, so that it is released when the connection is closed: SQLite's locks belong to the process, and another thread's
    // connection to the same file must not come and go meanwhile.
    _turn: MutexGuard<'static, ()>,
}

/// The keys derived from the master key, which is not kept.
pub(crate) struct Keys {
    pub(crate) authenticators: Subkey,
    pub(crate) app_passwords: Subkey,
    pub(crate) backup_codes: Subkey,
    pub(crate) login_secrets: Subkey,
}

static TURN: Mutex<()> = Mutex::new(());

impl Files {
    /// Where this policy says.
    #[must_use]
    pub fn of(policy: &Policy) -> Self {
        Self { paths: policy.paths.clone(), hooks: policy.app.hooks.clone() }
    }

    /// Opens the store.
    ///
    /// # Errors
    /// When a file is missing or cannot be trusted, when the key is another store's, when the store is damaged, of another
    /// schema, or locked for too long.
    pub fn session(&self) -> Result<Session, StoreError> {
        // Whoever panicked while it was its turn has dropped its connection on the way out.
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let key = key_file::read(&self.paths.key)?;
        let (connection, meta) = database::open(&self.paths.store)?;
        if meta.key_id != key.id() {
            return Err(StoreError::WrongKey { store: meta.key_id, file: key.id() });
        }
        let keys = Keys {
            authenticators: key.subkey(Purpose::Authenticators),
            app_passwords: key.subkey(Purpose::AppPasswordTags),
            backup_codes: key.subkey(Purpose::BackupCodeTags),
            login_secrets: key.subkey(Purpose::LoginSecrets),
        };
        let runtime = self.paths.runtime.clone();
        let hooks = self.hooks.clone();
        Ok(Session { connection, keys, store_id: meta.store_id, runtime, hooks, _turn: turn })
    }
}

impl Vault for Files {
    fn open(&mut self) -> Result<Box<dyn Store + '_>, Unavailable> {
        Ok(Box::new(self.session()?))
    }
}

#[cfg(test)]
#[path = "vault_tests.rs"]
mod tests;
