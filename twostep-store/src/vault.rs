//! Opening the store: every file checked, key and store matched, one user of it at a time in a process.

use crate::database::{self, StoreId};
use crate::host::Kernel;
use crate::process::{self, Patience};
use crate::roster::Keeping;
use crate::schema::{SCHEMA, Version};
use crate::{StoreError, key_file, turn};
use rusqlite::Connection;
use std::path::PathBuf;
use std::time::Duration;
use twostep_core::app_password::AppPassword;
use twostep_core::crypto::{Purpose, Subkey};
use twostep_core::memory_hard::{Cost, Hash};
use twostep_core::name::Naming;
use twostep_core::policy::{self, Argon2id, Hooks, Paths, Policy};
use twostep_core::ports::{Store, Unavailable, Vault};

/// The store at the places that the configuration names.
#[derive(Clone, Debug)]
pub struct Files {
    /// Those places.
    pub paths: Paths,
    /// Commands that the administrator wants run after changes.
    pub hooks: Hooks,
    /// The most app passwords a user can have.
    pub most: u32,
    /// What hashes cost.
    pub argon2id: Argon2id,
    /// Whom names mean on app services.
    pub naming: Naming,
    /// How the public roster is kept.
    pub roster: policy::Roster,
}

/// The open store. Rolls back what was not committed, and closes, when dropped.
pub struct Session {
    pub(crate) connection: Connection,
    pub(crate) keys: Keys,
    pub(crate) store_id: StoreId,
    schema: Version,
    pub(crate) runtime: PathBuf,
    pub(crate) hooks: Hooks,
    pub(crate) most: u32,
    pub(crate) cost: Cost,
    pub(crate) naming: Naming,
    pub(crate) roster: Keeping,
    pub(crate) patience: Patience,
    // Last, so that it is released when the connection is closed: SQLite's locks belong to the process, and another thread's
    // connection to the same file must not come and go meanwhile.
    _turn: process::Turn,
}

/// The keys derived from the master key, which is not kept.
pub(crate) struct Keys {
    pub(crate) authenticators: Subkey,
    pub(crate) app_passwords: Subkey,
    pub(crate) backup_codes: Subkey,
    pub(crate) login_secrets: Subkey,
    pub(crate) host: Subkey,
    pub(crate) account_passwords: Subkey,
}

impl Files {
    /// Where this policy says.
    #[must_use]
    pub fn of(policy: &Policy) -> Self {
        let (paths, hooks) = (policy.paths.clone(), policy.app.hooks.clone());
        let naming = policy.app.naming.clone();
        let roster = policy.roster.clone();
        Self { paths, hooks, most: policy.app.most, argon2id: policy.argon2id, naming, roster }
    }

    /// Opens the store.
    ///
    /// # Errors
    /// When a file is missing or cannot be trusted, when the key is another store's, when the store is damaged, of another
    /// major schema or an older minor one, or locked for too long.
    pub fn session(&self) -> Result<Session, StoreError> {
        self.session_within(Patience::new())
    }

    pub(crate) fn session_within(&self, patience: Patience) -> Result<Session, StoreError> {
        let turn = process::turn(&patience)?;
        let key = key_file::read(&self.paths.key)?;
        let (connection, schema, meta) =
            patience.spend(|_| database::open(&self.paths.store, patience.left()))?;
        connection.busy_timeout(patience.left())?;
        if meta.key_id != key.id() {
            return Err(StoreError::WrongKey { store: meta.key_id, file: key.id() });
        }
        let keys = Keys {
            authenticators: key.subkey(Purpose::Authenticators),
            app_passwords: key.subkey(Purpose::AppPasswordTags),
            backup_codes: key.subkey(Purpose::BackupCodeTags),
            login_secrets: key.subkey(Purpose::LoginSecrets),
            host: key.subkey(Purpose::Host),
            account_passwords: key.subkey(Purpose::AccountPasswords),
        };
        let runtime = self.paths.runtime.clone();
        let hooks = self.hooks.clone();
        let (most, cost, store_id) = (self.most, self.argon2id.cost, meta.store_id);
        let naming = self.naming.clone();
        let roster = Keeping::of(self.paths.roster.clone(), self.roster.clone());
        Ok(Session {
            connection,
            keys,
            store_id,
            schema,
            runtime,
            hooks,
            most,
            cost,
            naming,
            roster,
            patience,
            _turn: turn,
        })
    }
}

impl Session {
    /// The store's schema, where a newer version has brought it to a newer minor than [`SCHEMA`].
    #[must_use]
    pub fn newer_schema(&self) -> Option<Version> {
        self.schema.is_newer_minor_of(SCHEMA).then_some(self.schema)
    }
}

impl Vault for Files {
    fn open(&mut self) -> Result<Box<dyn Store + '_>, Unavailable> {
        Ok(Box::new(self.session()?))
    }

    fn in_turn(&mut self, work: &mut dyn FnMut()) -> Result<(), Unavailable> {
        let _turn = turn::take(&self.paths.store, self.argon2id.at_once, turn::PATIENCE)?;
        work();
        Ok(())
    }

    fn hash_anew(&mut self, password: &AppPassword) -> Option<Hash> {
        // Whatever keeps it from being made now, the old hash is good: a later login makes it.
        let _turn = turn::take(&self.paths.store, self.argon2id.at_once, Duration::ZERO).ok()?;
        Hash::make(password.expose(), self.argon2id.cost, &mut Kernel).ok()
    }
}

#[cfg(test)]
#[path = "vault_tests.rs"]
mod tests;
