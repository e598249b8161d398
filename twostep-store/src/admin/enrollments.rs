//! Enrollments and their backup codes.

use super::due::{Occasion, forget_oldest, make_due};
use super::history::{Deed, remember, remember_of};
use super::{Refusal, in_transaction};
use crate::host::Kernel;
use crate::login_store::{enrollment_by_name, enrollments_by_uid};
use crate::rows::{self, one_row};
use crate::vault::Session;
use crate::verdicts::forget_failures;
use crate::{StoreError, trusted};
use rusqlite::{OptionalExtension, Row, params};
use twostep_core::account::{Enrollment, EnrollmentId, NO_UID, State};
use twostep_core::app_password::Label;
use twostep_core::backup_code::BackupCode;
use twostep_core::change::{Action, Author, By};
use twostep_core::memory_hard::Hash;
use twostep_core::name::UserName;
use twostep_core::secret::Secret;
use twostep_core::time::UnixTime;
use twostep_core::totp::{AuthenticatorId, Offset, Parameters};

/// A new enrollment.
#[derive(Debug)]
pub struct NewEnrollment<'a> {
    /// The canonical name.
    pub user: &'a UserName,
    /// Its uid; [`NO_UID`] for a virtual user.
    pub uid: u32,
    /// Pending or active.
    pub state: State,
    /// Its first authenticator; none makes it app-only.
    pub authenticator: Option<NewAuthenticator<'a>>,
    /// Its backup codes.
    pub backup_codes: &'a [BackupCode],
    /// When.
    pub at: UnixTime,
}

/// A new authenticator.
#[derive(Debug)]
pub struct NewAuthenticator<'a> {
    /// What it is called.
    pub label: &'a Label,
    /// How it makes codes.
    pub parameters: Parameters,
    /// Its secret.
    pub secret: &'a Secret,
    /// The step or counter that is consumed: of the code that confirmed it, or the counter before its first one.
    pub last_step: Option<u64>,
    /// How far off the code was that confirmed it, where one has.
    pub confirmed: Option<Offset>,
}

impl Session {
    /// The enrollment made for this name.
    ///
    /// # Errors
    /// As every call here: when the store cannot be read or written.
    pub fn enrollment(&self, user: &UserName) -> Result<Option<Enrollment>, StoreError> {
        enrollment_by_name(self, user)
    }

    /// Whether anything was made for this uid, under whatever name.
    ///
    /// # Errors
    /// When the store fails.
    pub fn any_of_uid(&self, uid: u32) -> Result<bool, StoreError> {
        Ok(!enrollments_by_uid(self, uid)?.is_empty())
    }

    /// The names that were enrolled for this uid.
    ///
    /// # Errors
    /// When the store fails.
    pub fn names_of_uid(&self, uid: u32) -> Result<Vec<UserName>, StoreError> {
        Ok(enrollments_by_uid(self, uid)?.into_iter().map(|one| one.user).collect())
    }

    /// Whether anything was ever enrolled for an account of the host under this name, or one that means the same: it is never a virtual
    /// user's then.
    ///
    /// # Errors
    /// When the store fails.
    pub fn had_account(&self, name: &UserName) -> Result<bool, StoreError> {
        let sql = "SELECT DISTINCT user FROM history WHERE grave = 1 AND uid <> ?";
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query([NO_UID])?;
        while let Some(row) = rows.next()? {
            let had = rows::user(row, 0)?;
            if had == *name || self.naming.user(had.as_str()).is_some_and(|meant| meant == *name) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Enrolls a user.
    ///
    /// # Errors
    /// When she is enrolled already, or a hash or the store fails.
    pub fn enroll(
        &self,
        new: &NewEnrollment<'_>,
        author: &Author,
    ) -> Result<(EnrollmentId, Option<AuthenticatorId>), Refusal> {
        // Another name of hers may have been enrolled since she was asked for the password alone.
        self.enroll_unless(new, author, |_| author.by == By::User)
    }

    /// Enrolls a user, unless she is enrolled, or another name of her uid is and that is a `conflict`.
    pub(crate) fn enroll_unless(
        &self,
        new: &NewEnrollment<'_>,
        author: &Author,
        conflict: impl Fn(&Enrollment) -> bool,
    ) -> Result<(EnrollmentId, Option<AuthenticatorId>), Refusal> {
        // It takes a reading of the whole history.
        if new.uid == NO_UID && self.enrollment(new.user)?.is_none() && self.had_account(new.user)? {
            return Err(Refusal::HadAccount);
        }
        let hashes = self.hash_all(new.backup_codes)?;
        in_transaction(self, || {
            if let Some(found) = self.enrollment(new.user)? {
                return Err(Refusal::AlreadyEnrolled(found.state));
            }
            // No virtual user has to do with another.
            if new.uid != NO_UID
                && let Some(found) = enrollments_by_uid(self, new.uid)?.into_iter().find(&conflict)
            {
                return Err(Refusal::AlreadyEnrolled(found.state));
            }
            let activated = (new.state == State::Active).then_some(new.at.0);
            let sql = "INSERT INTO enrollment (user, uid, state, created, activated) VALUES (?, ?, ?, ?, ?)";
            let values = params![new.user.as_str(), new.uid, new.state.as_str(), new.at.0, activated];
            self.connection.execute(sql, values)?;
            self.roster.touch(new.user.as_str());
            let id = EnrollmentId(self.connection.last_insert_rowid());
            let authenticator = new
                .authenticator
                .as_ref()
                .map(|new_one| self.put_authenticator(id, new_one, new.at))
                .transpose()?;
            self.put_backup_codes(id, new.backup_codes, &hashes)?;
            let deed = Deed { action: Action::Enroll, target: None, author, at: new.at };
            remember(self, new.user.as_str(), new.uid, &deed)?;
            Ok((id, authenticator))
        })
    }

    /// Replaces the backup codes: the old set is dead.
    ///
    /// # Errors
    /// When a hash or the store fails.
    pub fn replace_backup_codes(
        &self,
        of: EnrollmentId,
        codes: &[BackupCode],
        author: &Author,
        at: UnixTime,
    ) -> Result<(), Refusal> {
        let hashes = self.hash_all(codes)?;
        in_transaction(self, || {
            self.still_there(of)?;
            // Whatever is none of a bypass code's, which somebody else has given for a while.
            let sql = "DELETE FROM backup_code WHERE enrollment = ? AND coalesce(lifetime, 0) = 0";
            self.connection.execute(sql, [of.0])?;
            self.put_backup_codes(of, codes, &hashes)?;
            remember_of(self, of, &Deed { action: Action::BackupCodes, target: None, author, at })?;
            Ok(())
        })
    }

    fn put_backup_codes(
        &self,
        of: EnrollmentId,
        codes: &[BackupCode],
        hashes: &[Hash],
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO backup_code (enrollment, tag, memory, passes, lanes, salt, hash) VALUES (?, ?, ?, ?, ?, ?, ?)";
        let mut statement = self.connection.prepare(sql)?;
        for (code, hash) in codes.iter().zip(hashes) {
            let tag = code.tag(&self.keys.backup_codes, of).0;
            let Hash { cost, salt, hash } = hash;
            statement.execute(params![of.0, tag, cost.memory, cost.passes, cost.lanes, salt, hash])?;
        }
        Ok(())
    }

    /// Turns two-step off, by `action`: authenticators, backup codes, app passwords and counters go with the enrollment.
    ///
    /// # Errors
    /// When the enrollment is gone already, or the store fails.
    pub fn unenroll(
        &self,
        id: EnrollmentId,
        action: Action,
        author: &Author,
        at: UnixTime,
    ) -> Result<(), Refusal> {
        in_transaction(self, || {
            let user = remember_of(self, id, &Deed { action, target: None, author, at })?;
            for one in self.app_passwords(id)? {
                make_due(self, Occasion::Revoke, &user, one.name.as_str(), at)?;
            }
            forget_oldest(self, &user)?;
            self.roster.touch(&user);
            Ok(one_row(self.connection.execute("DELETE FROM enrollment WHERE id = ?", [id.0])?)?)
        })
    }

    /// Settles an enrollment whose uid no longer matches: from now on it is for this one.
    ///
    /// # Errors
    /// When the enrollment is gone, or the store fails.
    pub fn keep_for_uid(
        &self,
        id: EnrollmentId,
        uid: u32,
        author: &Author,
        at: UnixTime,
    ) -> Result<(), Refusal> {
        in_transaction(self, || {
            let user = remember_of(self, id, &Deed { action: Action::SettleKeep, target: None, author, at })?;
            // Whoever says that it is the same person says so of what was done for her.
            let sql = "UPDATE history SET uid = ?1 WHERE user = ?2 AND uid = (SELECT uid FROM enrollment WHERE id = ?3)";
            self.connection.execute(sql, params![uid, user, id.0])?;
            // Given at another account, which had keys and a password of its own.
            trusted::forget_all(self, id)?;
            Ok(one_row(
                self.connection.execute("UPDATE enrollment SET uid = ? WHERE id = ?", params![uid, id.0])?,
            )?)
        })
    }

    /// Settles an enrollment whose account was renamed: from now on it is under this name, with all that it has. Whether the name is the
    /// same account's is for the caller to see.
    ///
    /// # Errors
    /// When somebody is enrolled under that name, the enrollment is gone, or the store fails.
    pub fn rename(
        &self,
        id: EnrollmentId,
        to: &UserName,
        author: &Author,
        at: UnixTime,
    ) -> Result<(), Refusal> {
        in_transaction(self, || {
            if let Some(found) = self.enrollment(to)? {
                return Err(Refusal::AlreadyEnrolled(found.state));
            }
            let sql = "SELECT user, uid FROM enrollment WHERE id = ?";
            let read = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, u32>(1)?));
            let found = self.connection.query_row(sql, [id.0], read).optional()?;
            let (was, uid) = found.ok_or(StoreError::Gone)?;
            // What was done for her goes with her; what was done for others of that name, under another uid, does not.
            let sql = "UPDATE history SET user = ?1 WHERE user = ?2 AND uid = ?3";
            self.connection.execute(sql, params![to.as_str(), was, uid])?;
            let sql = "UPDATE enrollment SET user = ?1 WHERE id = ?2";
            self.roster.touch(&was);
            self.roster.touch(to.as_str());
            one_row(self.connection.execute(sql, params![to.as_str(), id.0])?)?;
            let deed = Deed { action: Action::SettleRename, target: Some(&was), author, at };
            remember_of(self, id, &deed)?;
            // The old name has had an account, and is remembered for that.
            let deed = Deed { action: Action::SettleRename, target: Some(to.as_str()), author, at };
            Ok(remember(self, &was, uid, &deed)?)
        })
    }

    /// Forgets the wrong codes of all sources. The owner is still told of them at her next login. Returns how many have counted
    /// towards the cap.
    ///
    /// # Errors
    /// When the enrollment is gone, or the store fails.
    pub fn unlock(&self, id: EnrollmentId, author: &Author, at: UnixTime) -> Result<u32, Refusal> {
        in_transaction(self, || self.forget(id, author, at))
    }

    /// [`Self::unlock`]; and, where a clock that ran ahead has consumed codes of the future, takes those back as far as the present,
    /// together with the latest time seen. Whoever does it says with it that the clock is right now, which nobody but an administrator
    /// can say.
    ///
    /// # Errors
    /// As [`Self::unlock`].
    pub fn unlock_by_this_clock(
        &self,
        id: EnrollmentId,
        author: &Author,
        now: UnixTime,
    ) -> Result<u32, Refusal> {
        in_transaction(self, || {
            let forgotten = self.forget(id, author, now)?;
            // The newest step that could have been accepted at this time: no code that was used can be used again. A counter is no time.
            let sql = "UPDATE authenticator SET last_step = ?1 / period + 1 \
                       WHERE enrollment = ?2 AND kind = 'totp' AND last_step > ?1 / period + 1";
            self.connection.execute(sql, [now.0, id.0])?;
            self.connection.execute("UPDATE meta SET latest_time = ?1 WHERE latest_time > ?1", [now.0])?;
            Ok(forgotten)
        })
    }

    fn forget(&self, id: EnrollmentId, author: &Author, at: UnixTime) -> Result<u32, Refusal> {
        remember_of(self, id, &Deed { action: Action::Unlock, target: None, author, at })?;
        let sql = "SELECT coalesce(sum(codes), 0) FROM source WHERE enrollment = ?";
        let forgotten = self.connection.query_row(sql, [id.0], |row| row.get(0))?;
        forget_failures(self, id)?;
        Ok(forgotten)
    }

    /// Hashes outside any transaction.
    fn hash_all(&self, codes: &[BackupCode]) -> Result<Vec<Hash>, Refusal> {
        self.let_others_write()?;
        let hash =
            |code: &BackupCode| Hash::make(code.expose(), self.cost, &mut Kernel).map_err(Refusal::Hash);
        codes.iter().map(hash).collect()
    }
}
