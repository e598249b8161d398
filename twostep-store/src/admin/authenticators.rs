//! Authenticators, one by one.

use super::history::{Deed, remember_of};
use super::{NewAuthenticator, Refusal, in_transaction};
use crate::StoreError;
use crate::host::Kernel;
use crate::rows::{self, one_row};
use crate::trusted;
use crate::vault::Session;
use rusqlite::{OptionalExtension, params};
use twostep_core::account::EnrollmentId;
use twostep_core::change::{Action, Author};
use twostep_core::time::UnixTime;
use twostep_core::totp::AuthenticatorId;

use super::AuthenticatorInfo;

/// The most authenticators a user can have: every one makes three more codes of a million right.
pub const AUTHENTICATORS_MAX: u32 = 10;

impl Session {
    /// Adds an authenticator.
    ///
    /// # Errors
    /// When the name is taken, there are too many, the enrollment is for programs only, or the store fails.
    pub fn add_authenticator(
        &self,
        of: EnrollmentId,
        new: &NewAuthenticator<'_>,
        author: &Author,
        at: UnixTime,
    ) -> Result<AuthenticatorId, Refusal> {
        in_transaction(self, || {
            self.still_there(of)?;
            let count = self.authenticator_count(of)?;
            if count >= AUTHENTICATORS_MAX {
                return Err(Refusal::TooManyAuthenticators);
            }
            if count == 0 {
                return Err(Refusal::AppOnly);
            }
            let taken = "SELECT 1 FROM authenticator WHERE enrollment = ? AND label = ?";
            let values = params![of.0, new.label.as_str()];
            if self.connection.query_row(taken, values, |_| Ok(())).optional()?.is_some() {
                return Err(Refusal::LabelTaken(new.label.clone()));
            }
            let id = self.put_authenticator(of, new, at)?;
            trusted::forget_all(self, of)?;
            let target = Some(new.label.as_str());
            remember_of(self, of, &Deed { action: Action::AuthenticatorAdd, target, author, at })?;
            Ok(id)
        })
    }

    /// Removes an authenticator; never the last one, whose owner could sign in no more.
    ///
    /// # Errors
    /// When it is the last one or gone already, or the store fails.
    pub fn remove_authenticator(
        &self,
        of: EnrollmentId,
        id: AuthenticatorId,
        author: &Author,
        at: UnixTime,
    ) -> Result<(), Refusal> {
        in_transaction(self, || {
            let one =
                self.authenticators(of)?.into_iter().find(|one| one.id == id).ok_or(StoreError::Gone)?;
            if self.authenticator_count(of)? <= 1 {
                return Err(Refusal::LastAuthenticator);
            }
            let sql = "DELETE FROM authenticator WHERE id = ? AND enrollment = ?";
            one_row(self.connection.execute(sql, [id.0, of.0])?)?;
            trusted::forget_all(self, of)?;
            let target = Some(one.label.as_str());
            remember_of(self, of, &Deed { action: Action::AuthenticatorRemove, target, author, at })?;
            Ok(())
        })
    }

    /// The authenticator of this name or id.
    ///
    /// # Errors
    /// When there is none, when one is named like another's id, or when the store fails.
    pub fn find_authenticator(&self, of: EnrollmentId, which: &str) -> Result<AuthenticatorInfo, Refusal> {
        let all = self.authenticators(of)?;
        super::pick(all, which, |one| (one.label.as_str(), one.id.0))
            .and_then(|found| found.ok_or_else(|| Refusal::NoAuthenticator(which.to_owned())))
    }

    fn authenticator_count(&self, of: EnrollmentId) -> Result<u32, StoreError> {
        let sql = "SELECT count(*) FROM authenticator WHERE enrollment = ?";
        Ok(self.connection.query_row(sql, [of.0], |row| row.get(0))?)
    }

    pub(super) fn put_authenticator(
        &self,
        of: EnrollmentId,
        new: &NewAuthenticator<'_>,
        at: UnixTime,
    ) -> Result<AuthenticatorId, StoreError> {
        // The row comes first: its id is part of what the secret is sealed to.
        let sql = "INSERT INTO authenticator (enrollment, label, algorithm, digits, period, secret, last_step, created) \
                   VALUES (?, ?, ?, ?, ?, x'', ?, ?)";
        let step = new.confirmed_step.and_then(|step| i64::try_from(step).ok());
        let values = params![
            of.0,
            new.label.as_str(),
            new.parameters.algorithm().as_str(),
            new.parameters.digits(),
            new.parameters.period(),
            step,
            at.0,
        ];
        self.connection.execute(sql, values)?;
        let id = self.connection.last_insert_rowid();
        let sealed = self.keys.authenticators.seal(new.secret, &rows::binding(self, id, of), &mut Kernel)?;
        one_row(
            self.connection
                .execute("UPDATE authenticator SET secret = ? WHERE id = ?", params![sealed, id])?,
        )?;
        Ok(AuthenticatorId(id))
    }
}
