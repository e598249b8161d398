//! Secrets that are there more than once.
//!
//! The store keeps no fingerprint of them: opening ten authenticators of a user costs nothing, and those of all users are compared by
//! `check`, which opens them anyway.

use super::Refusal;
use crate::StoreError;
use crate::rows;
use crate::vault::Session;
use rusqlite::Row;
use std::collections::HashMap;
use twostep_core::account::EnrollmentId;
use twostep_core::app_password::Label;
use twostep_core::likeness::Likeness;
use twostep_core::name::UserName;
use twostep_core::secret::Secret;

/// Up to how many authenticators are all looked at when one is added, which takes 0.2 s. With more, `check` finds what is shared.
pub const SHARED_LOOK_MAX: u32 = 10_000;

/// Whose a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The user.
    pub user: UserName,
    /// What the authenticator is called.
    pub label: Label,
}

impl Session {
    /// Whether none of the enrollment's authenticators makes the codes of this secret.
    ///
    /// # Errors
    /// When one does, which is named; or when the store fails.
    pub fn has_no_twin(&self, of: EnrollmentId, secret: &Secret) -> Result<(), Refusal> {
        let new = Likeness::of(secret);
        for one in rows::authenticators(self, of)? {
            if Likeness::of(&one.secret).shares_codes_with(&new) {
                let sql = "SELECT label FROM authenticator WHERE id = ?";
                let label = self.connection.query_row(sql, [one.id.0], |row| rows::label(row, 0))?;
                return Err(Refusal::SecretTaken(label));
            }
        }
        Ok(())
    }

    /// Who has an authenticator that makes the codes of this secret. Where there are more than [`SHARED_LOOK_MAX`], nobody is looked at.
    ///
    /// # Errors
    /// When the store fails.
    pub fn holders_of(&self, secret: &Secret) -> Result<Vec<Holder>, StoreError> {
        let count: u32 =
            self.connection.query_row("SELECT count(*) FROM authenticator", [], |row| row.get(0))?;
        let (new, mut found) = (Likeness::of(secret), Vec::new());
        if count <= SHARED_LOOK_MAX {
            self.each_secret(|holder, likeness| {
                if likeness.shares_codes_with(&new) {
                    found.push(holder);
                }
            })?;
        }
        Ok(found)
    }

    /// Secrets that are there more than once: who has each.
    ///
    /// # Errors
    /// When the store fails.
    pub fn shared_secrets(&self) -> Result<Vec<Vec<Holder>>, StoreError> {
        let (mut seen, mut groups) = (HashMap::new(), Vec::<Vec<Holder>>::new());
        self.each_secret(|holder, likeness| {
            let known = likeness.marks().find_map(|mark| seen.get(&mark).copied());
            let at = known.unwrap_or(groups.len());
            seen.extend(likeness.marks().map(|mark| (mark, at)));
            match groups.get_mut(at) {
                Some(group) => group.push(holder),
                None => groups.push(vec![holder]),
            }
        })?;
        groups.retain(|group| group.len() > 1);
        Ok(groups)
    }

    /// Shows every secret that opens; those that do not are damage ([`Self::damage`]).
    fn each_secret(&self, mut look: impl FnMut(Holder, Likeness)) -> Result<(), StoreError> {
        let sql = "SELECT e.user, a.label, a.id, a.enrollment, a.secret FROM authenticator a \
                   JOIN enrollment e ON e.id = a.enrollment ORDER BY a.id";
        let mut statement = self.connection.prepare(sql)?;
        let read = |row: &Row<'_>| {
            let holder = Holder { user: rows::user(row, 0)?, label: rows::label(row, 1)? };
            Ok((holder, row.get::<_, i64>(2)?, EnrollmentId(row.get(3)?), row.get::<_, Vec<u8>>(4)?))
        };
        for row in statement.query_map([], read)? {
            let (holder, id, of, sealed) = row?;
            if let Ok(secret) = self.keys.authenticators.open(&sealed, &rows::binding(self, id, of)) {
                look(holder, Likeness::of(&secret));
            }
        }
        Ok(())
    }
}
