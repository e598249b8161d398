//! What an administrator does with the store. Every change is one transaction.

mod app_passwords;
mod enrollments;
mod init;
mod reports;

pub use app_passwords::{APP_PASSWORDS_MAX, AppPasswordInfo, LastUse};
pub use enrollments::{NewAuthenticator, NewEnrollment};
pub use init::{BesideKey, Made, init};
pub use reports::{AuthenticatorInfo, Summary};

use crate::StoreError;
use crate::rows::exclusively_and_clean;
use crate::vault::Session;
use rusqlite::OptionalExtension;
use std::fmt;
use twostep_core::account::{EnrollmentId, State};
use twostep_core::app_password::Label;
use twostep_core::memory_hard::HashError;

/// Why a change was not made. Nothing was changed then.
#[derive(Debug)]
pub enum Refusal {
    /// The user is enrolled already.
    AlreadyEnrolled(State),
    /// The user has an app password of that name.
    NameTaken(Label),
    /// The user has as many app passwords as are allowed.
    TooMany,
    /// The store.
    Store(StoreError),
    /// No memory for a hash.
    Hash(HashError),
}

impl Session {
    /// Ends the read transaction that opening has begun: a login that writes waits for its end, and what follows takes its time.
    fn let_others_write(&self) -> Result<(), StoreError> {
        Ok(crate::settings::leave_transaction(&self.connection)?)
    }

    fn still_there(&self, id: EnrollmentId) -> Result<(), StoreError> {
        let sql = "SELECT 1 FROM enrollment WHERE id = ?";
        self.connection.query_row(sql, [id.0], |_| Ok(())).optional()?.ok_or(StoreError::Gone)
    }
}

/// [`exclusively_and_clean`], for work whose refusals are not the store's.
fn in_transaction<T>(session: &Session, work: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
    let mut refused = None;
    let done = exclusively_and_clean(&session.connection, || {
        work().map_err(|refusal| match refusal {
            Refusal::Store(error) => error,
            other => {
                refused = Some(other);
                StoreError::Gone
            }
        })
    });
    match refused {
        Some(refusal) => Err(refusal),
        None => Ok(done?),
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyEnrolled(state) => write!(f, "already enrolled ({})", state.as_str()),
            Self::NameTaken(name) => write!(f, "there is an app password named \"{name}\" already"),
            Self::TooMany => write!(f, "a user can have {APP_PASSWORDS_MAX} app passwords"),
            Self::Store(error) => error.fmt(f),
            Self::Hash(_) => f.write_str("no memory for Argon2id"),
        }
    }
}

impl std::error::Error for Refusal {}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}
