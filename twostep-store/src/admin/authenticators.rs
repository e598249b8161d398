//! Authenticators, one by one.

use super::history::{Deed, LatestChange, remember_of};
use super::{NewAuthenticator, Refusal, in_transaction};
use crate::StoreError;
use crate::host::Kernel;
use crate::rows::{self, one_row};
use crate::trusted;
use crate::vault::Session;
use crate::verdicts::consume;
use rusqlite::params;
use twostep_core::account::EnrollmentId;
use twostep_core::app_password::Label;
use twostep_core::change::{Action, Author};
use twostep_core::hotp::RESYNC_BY_ADMINISTRATOR;
use twostep_core::time::UnixTime;
use twostep_core::totp::{AuthenticatorId, Kind, Match, Offset, VALUES_MAX};

use super::AuthenticatorInfo;

/// The most authenticators a user can have. How many values they accept together is bounded as well ([`VALUES_MAX`]).
pub const AUTHENTICATORS_MAX: usize = 10;

impl Session {
    /// Adds an authenticator.
    ///
    /// # Errors
    /// As [`Self::has_room_for`].
    pub fn add_authenticator(
        &self,
        of: EnrollmentId,
        new: &NewAuthenticator<'_>,
        author: &Author,
        at: UnixTime,
    ) -> Result<AuthenticatorId, Refusal> {
        in_transaction(self, || self.add(of, new, author, at))
    }

    /// [`Self::add_authenticator`], unless anything was changed of the user's since then that decides who can sign in: who proved it with an
    /// authenticator, or a bypass code, that was taken away meanwhile has proven nothing.
    ///
    /// # Errors
    /// See there; and [`StoreError::Gone`] where something was changed.
    pub fn add_authenticator_since(
        &self,
        of: EnrollmentId,
        new: &NewAuthenticator<'_>,
        since: LatestChange,
        author: &Author,
        at: UnixTime,
    ) -> Result<AuthenticatorId, Refusal> {
        in_transaction(self, || {
            self.unchanged(of, since)?;
            self.add(of, new, author, at)
        })
    }

    fn add(
        &self,
        of: EnrollmentId,
        new: &NewAuthenticator<'_>,
        author: &Author,
        at: UnixTime,
    ) -> Result<AuthenticatorId, Refusal> {
        self.has_room_for(of, new.label, new.parameters.kind())?;
        let id = self.put_authenticator(of, new, at)?;
        trusted::forget_all(self, of)?;
        let target = Some(new.label.as_str());
        remember_of(self, of, &Deed { action: Action::AuthenticatorAdd, target, author, at })?;
        Ok(id)
    }

    /// Puts an authenticator in the place of another one, which is deleted: at no time is there none. It inherits the name if that is its
    /// own. The bypass code, which stood in for the old one, ends with it; backup codes, which are kept apart from it, stay.
    ///
    /// # Errors
    /// When the old one is gone or anything else was changed `since`, its secret is the old one's or another's, the enrollment's
    /// authenticators would accept too many values at a time, or the store fails.
    pub fn replace_authenticator(
        &self,
        of: EnrollmentId,
        old: AuthenticatorId,
        new: &NewAuthenticator<'_>,
        since: LatestChange,
        author: &Author,
        at: UnixTime,
    ) -> Result<AuthenticatorId, Refusal> {
        in_transaction(self, || {
            self.unchanged(of, since)?;
            // While the old one is there: its codes must not go on to be right.
            self.has_no_twin(of, new.secret)?;
            self.has_room_instead_of(of, old, new.parameters.kind())?;
            let sql = "DELETE FROM authenticator WHERE id = ? AND enrollment = ?";
            one_row(self.connection.execute(sql, [old.0, of.0])?)?;
            let id = self.put_authenticator(of, new, at)?;
            self.drop_bypass_code(of)?;
            trusted::forget_all(self, of)?;
            let target = Some(new.label.as_str());
            remember_of(self, of, &Deed { action: Action::AuthenticatorReplace, target, author, at })?;
            Ok(id)
        })
    }

    /// The authenticator to replace: the one of this name or id; without one, the only one there is.
    ///
    /// # Errors
    /// When there is none, or none is named where there are several; or when the store fails.
    pub fn find_replaced(&self, of: EnrollmentId, which: Option<&str>) -> Result<AuthenticatorInfo, Refusal> {
        let mut all = self.authenticators(of)?;
        match (which, all.len()) {
            (_, 0) => Err(Refusal::AppOnly),
            (Some(which), _) => self.find_authenticator(of, which),
            (None, 1) => all.pop().ok_or_else(|| StoreError::Gone.into()),
            (None, _) => Err(Refusal::WhichAuthenticator(all.into_iter().map(|one| one.label).collect())),
        }
    }

    /// Whether an authenticator of this kind can take the place of another one: to be looked at before its secret is shown.
    ///
    /// # Errors
    /// When the other is gone, or the enrollment's would accept too many values at a time; or when the store fails.
    pub fn has_room_instead_of(
        &self,
        of: EnrollmentId,
        old: AuthenticatorId,
        kind: Kind,
    ) -> Result<(), Refusal> {
        let mut all = self.authenticators(of)?;
        let at = all.iter().position(|one| one.id == old).ok_or(StoreError::Gone)?;
        all.remove(at);
        has_room_among(&all, kind)
    }

    /// Whether an authenticator can be added: to be looked at before a secret is shown that would be refused in the end.
    ///
    /// # Errors
    /// When the enrollment is gone or for programs only, the name is taken, there are too many, they would accept too many values at a
    /// time, or the store fails.
    pub fn has_room_for(&self, of: EnrollmentId, label: &Label, kind: Kind) -> Result<(), Refusal> {
        self.still_there(of)?;
        let all = self.authenticators(of)?;
        if all.is_empty() {
            return Err(Refusal::AppOnly);
        }
        if all.iter().any(|one| one.label == *label) {
            return Err(Refusal::LabelTaken(label.clone()));
        }
        has_room_among(&all, kind)
    }

    /// Looks for two successive codes far ahead and takes the counter there (RFC 4226 §7.4): for a token whose button was pressed so
    /// often that none of its codes is accepted any more. Returns the counter of the code that is expected next.
    ///
    /// # Errors
    /// When the authenticator is gone or does not count, the codes are no such, or the store fails.
    pub fn resynchronize(
        &self,
        of: EnrollmentId,
        id: AuthenticatorId,
        codes: (&str, &str),
        author: &Author,
        at: UnixTime,
    ) -> Result<u64, Refusal> {
        in_transaction(self, || {
            let label =
                self.authenticators(of)?.into_iter().find(|one| one.id == id).ok_or(StoreError::Gone)?.label;
            let mut all = rows::authenticators(self, of)?;
            let one = all.iter_mut().find(|one| one.id == id).ok_or(StoreError::Gone)?;
            if one.parameters.kind() != Kind::Hotp {
                return Err(Refusal::NoCounter(label));
            }
            let Match::Code(consumed) = one.resynchronize(codes.0, codes.1, RESYNC_BY_ADMINISTRATOR) else {
                return Err(Refusal::NotSuccessive);
            };
            consume(self, id, consumed, at)?;
            one.last_step = Some(consumed.step);
            let target = Some(label.as_str());
            remember_of(self, of, &Deed { action: Action::AuthenticatorResync, target, author, at })?;
            Ok(one.next_counter())
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
            let all = self.authenticators(of)?;
            let one = all.iter().find(|one| one.id == id).ok_or(StoreError::Gone)?;
            if all.len() == 1 {
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

    pub(super) fn put_authenticator(
        &self,
        of: EnrollmentId,
        new: &NewAuthenticator<'_>,
        at: UnixTime,
    ) -> Result<AuthenticatorId, Refusal> {
        // Every way to an authenticator leads through here.
        self.has_no_twin(of, new.secret)?;
        // The row comes first: its id is part of what the secret is sealed to.
        let sql = "INSERT INTO authenticator (enrollment, label, kind, algorithm, digits, period, secret, last_step, \
                                              off_by, used, created) \
                   VALUES (?, ?, ?, ?, ?, ?, x'', ?, ?, ?, ?)";
        let step = new.last_step.map(i64::try_from).transpose();
        let values = params![
            of.0,
            new.label.as_str(),
            new.parameters.kind().as_str(),
            new.parameters.algorithm().as_str(),
            new.parameters.digits(),
            // What counts has no period, and the column must have one.
            new.parameters.period().unwrap_or(30),
            step.map_err(|_| StoreError::Damaged("a step beyond all time"))?,
            new.confirmed.map(Offset::number),
            new.confirmed.map(|_| at.0),
            at.0,
        ];
        self.connection.execute(sql, values)?;
        let id = self.connection.last_insert_rowid();
        let sealed = self
            .keys
            .authenticators
            .seal(new.secret, &rows::binding(self, id, of), &mut Kernel)
            .map_err(StoreError::from)?;
        one_row(
            self.connection
                .execute("UPDATE authenticator SET secret = ? WHERE id = ?", params![sealed, id])?,
        )?;
        Ok(AuthenticatorId(id))
    }
}

/// Whether there is room for one more of this kind.
fn has_room_among(all: &[AuthenticatorInfo], kind: Kind) -> Result<(), Refusal> {
    if all.len() >= AUTHENTICATORS_MAX {
        return Err(Refusal::TooManyAuthenticators);
    }
    let values: u32 = all.iter().map(|one| one.parameters.kind().values()).sum();
    if values + kind.values() > VALUES_MAX {
        return Err(Refusal::TooManyValues);
    }
    Ok(())
}

#[cfg(test)]
#[path = "authenticators_tests.rs"]
mod tests;
