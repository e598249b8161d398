//! App passwords: added, listed, renamed, revoked.

use super::due::{Occasion, make_due};
use super::history::{Deed, remember_of};
use super::{Refusal, in_transaction};
use crate::StoreError;
use crate::host::Kernel;
use crate::rows::{self, one_row};
use crate::vault::Session;
use rusqlite::{OptionalExtension, Row, params};
use twostep_core::account::EnrollmentId;
use twostep_core::app_password::{AppPassword, AppPasswordId, Label};
use twostep_core::change::{Action, Author};
use twostep_core::memory_hard::{DEFAULT_COST, Hash};
use twostep_core::time::UnixTime;

/// The most app passwords a user can have.
pub const APP_PASSWORDS_MAX: u32 = 50;
/// How long the name of a revoked app password is kept, in seconds: 90 days.
const REVOKED_KEPT: i64 = 90 * 24 * 60 * 60;

/// An app password as `app-password list` shows it.
#[derive(Clone, Debug)]
pub struct AppPasswordInfo {
    /// Its id.
    pub id: AppPasswordId,
    /// Its name.
    pub name: Label,
    /// When it was made.
    pub created: UnixTime,
    /// Its last use, written at most once in ten minutes.
    pub last_used: Option<LastUse>,
}

/// A use of an app password.
#[derive(Clone, Debug)]
pub struct LastUse {
    /// When.
    pub at: UnixTime,
    /// The service.
    pub service: String,
    /// From where.
    pub source: String,
}

impl Session {
    /// Adds an app password.
    ///
    /// # Errors
    /// When the name is taken, there are too many, or a hash or the store fails.
    pub fn add_app_password(
        &self,
        of: EnrollmentId,
        name: &Label,
        password: &AppPassword,
        author: &Author,
        at: UnixTime,
    ) -> Result<AppPasswordId, Refusal> {
        self.let_others_write()?;
        let Hash { cost, salt, hash } =
            Hash::make(password.expose(), DEFAULT_COST, &mut Kernel).map_err(Refusal::Hash)?;
        let tag = password.tag(&self.keys.app_passwords, of).0;
        in_transaction(self, || {
            self.still_there(of)?;
            self.not_taken(of, name)?;
            let count = "SELECT count(*) FROM app_password WHERE enrollment = ?";
            if self.connection.query_row(count, [of.0], |row| row.get::<_, u32>(0))? >= APP_PASSWORDS_MAX {
                return Err(Refusal::TooMany);
            }
            let sql = "INSERT INTO app_password (enrollment, name, tag, memory, passes, lanes, salt, hash, created) \
                       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
            let values =
                params![of.0, name.as_str(), tag, cost.memory, cost.passes, cost.lanes, salt, hash, at.0];
            self.connection.execute(sql, values)?;
            let id = AppPasswordId(self.connection.last_insert_rowid());
            let deed = Deed { action: Action::AppPasswordAdd, target: Some(name.as_str()), author, at };
            let user = remember_of(self, of, &deed)?;
            make_due(self, Occasion::Create, &user, name.as_str(), at)?;
            Ok(id)
        })
    }

    /// Gives an app password another name. Returns the one it had.
    ///
    /// # Errors
    /// When the name is taken, the app password is gone, or the store fails.
    pub fn rename_app_password(
        &self,
        of: EnrollmentId,
        id: AppPasswordId,
        name: &Label,
        author: &Author,
        at: UnixTime,
    ) -> Result<Label, Refusal> {
        in_transaction(self, || {
            let before = self.label_of(of, id)?;
            if before == *name {
                return Ok(before);
            }
            self.not_taken(of, name)?;
            let sql = "UPDATE app_password SET name = ? WHERE id = ? AND enrollment = ?";
            one_row(self.connection.execute(sql, params![name.as_str(), id.0, of.0])?)?;
            let target = format!("{before} -> {name}");
            let deed = Deed { action: Action::AppPasswordRename, target: Some(&target), author, at };
            remember_of(self, of, &deed)?;
            Ok(before)
        })
    }

    fn not_taken(&self, of: EnrollmentId, name: &Label) -> Result<(), Refusal> {
        let taken = "SELECT 1 FROM app_password WHERE enrollment = ? AND name = ?";
        match self.connection.query_row(taken, params![of.0, name.as_str()], |_| Ok(())).optional()? {
            Some(()) => Err(Refusal::NameTaken(name.clone())),
            None => Ok(()),
        }
    }

    fn label_of(&self, of: EnrollmentId, id: AppPasswordId) -> Result<Label, StoreError> {
        let sql = "SELECT name FROM app_password WHERE id = ? AND enrollment = ?";
        let found = self.connection.query_row(sql, [id.0, of.0], |row| rows::label(row, 0)).optional()?;
        found.ok_or(StoreError::Gone)
    }

    /// The app password of this name or id.
    ///
    /// # Errors
    /// When there is none, when one is named like another's id, or when the store fails.
    pub fn find_app_password(&self, of: EnrollmentId, which: &str) -> Result<AppPasswordInfo, Refusal> {
        let all = self.app_passwords(of)?;
        super::pick(all, which, |one| (one.name.as_str(), one.id.0))
            .and_then(|found| found.ok_or_else(|| Refusal::NoAppPassword(which.to_owned())))
    }

    /// Revokes one app password; its name stays for the log.
    ///
    /// # Errors
    /// When it is gone already, or the store fails.
    pub fn revoke_app_password(
        &self,
        of: EnrollmentId,
        id: AppPasswordId,
        author: &Author,
        at: UnixTime,
    ) -> Result<(), Refusal> {
        in_transaction(self, || Ok(self.revoke(of, id, author, at)?))
    }

    /// Revokes all app passwords of a user, and returns them: those of the moment, whoever has made one meanwhile.
    ///
    /// # Errors
    /// When the store fails.
    pub fn revoke_all_app_passwords(
        &self,
        of: EnrollmentId,
        author: &Author,
        at: UnixTime,
    ) -> Result<Vec<AppPasswordInfo>, Refusal> {
        in_transaction(self, || {
            let all = self.app_passwords(of)?;
            all.iter().try_for_each(|one| self.revoke(of, one.id, author, at))?;
            Ok(all)
        })
    }

    fn revoke(
        &self,
        of: EnrollmentId,
        id: AppPasswordId,
        author: &Author,
        at: UnixTime,
    ) -> Result<(), StoreError> {
        let name = self.label_of(of, id)?;
        let sql = "INSERT INTO revoked_app_password (enrollment, name, tag, revoked) \
                   SELECT enrollment, name, tag, ? FROM app_password WHERE id = ? AND enrollment = ?";
        self.connection.execute(sql, params![at.0, id.0, of.0])?;
        one_row(
            self.connection
                .execute("DELETE FROM app_password WHERE id = ? AND enrollment = ?", [id.0, of.0])?,
        )?;
        let old = at.0.saturating_sub(REVOKED_KEPT);
        self.connection.execute("DELETE FROM revoked_app_password WHERE revoked < ?", [old])?;
        let deed = Deed { action: Action::AppPasswordRevoke, target: Some(name.as_str()), author, at };
        let user = remember_of(self, of, &deed)?;
        make_due(self, Occasion::Revoke, &user, name.as_str(), at)
    }

    /// A user's app passwords, oldest first.
    ///
    /// # Errors
    /// When the store fails.
    pub fn app_passwords(&self, of: EnrollmentId) -> Result<Vec<AppPasswordInfo>, StoreError> {
        let sql = "SELECT id, name, created, last_used, last_service, last_source FROM app_password \
                   WHERE enrollment = ? ORDER BY id";
        let read = |row: &Row<'_>| {
            let last_used = match (row.get(3)?, row.get(4)?, row.get(5)?) {
                (Some(at), Some(service), Some(source)) => {
                    Some(LastUse { at: UnixTime(at), service, source })
                }
                _ => None,
            };
            Ok(AppPasswordInfo {
                id: AppPasswordId(row.get(0)?),
                name: rows::label(row, 1)?,
                created: UnixTime(row.get(2)?),
                last_used,
            })
        };
        let found = self.connection.prepare(sql)?.query_map([of.0], read)?.collect::<Result<_, _>>()?;
        Ok(found)
    }
}
