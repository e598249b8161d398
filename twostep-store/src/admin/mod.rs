//! What an administrator does with the store. Every change is one transaction.

mod app_passwords;
mod authenticators;
mod bypass;
mod due;
mod enrollments;
mod folder;
pub(crate) mod history;
mod init;
mod reports;
mod secrets;

pub use app_passwords::{AppPasswordInfo, LastUse, NewAppPassword, Of, Which};
pub use authenticators::AUTHENTICATORS_MAX;
pub use due::{Due, FLAG, Occasion, TRIES, Taken, raise_flag};
pub use enrollments::{NewAuthenticator, NewEnrollment};
pub use folder::{close_to_others, open_to_others};
pub use history::{HISTORY_KEPT, LatestChange, Past, Whose};
pub use init::{BesideKey, Made, Upgraded, init};
pub use reports::{AuthenticatorInfo, Summary};
pub use secrets::{Holder, SHARED_LOOK_MAX};

use crate::StoreError;
use crate::rows::exclusively_with;
use crate::settings::Journal;
use crate::vault::Session;
use rusqlite::OptionalExtension;
use std::fmt;
use twostep_core::account::{EnrollmentId, State};
use twostep_core::app_password::Label;
use twostep_core::hotp::RESYNC_BY_ADMINISTRATOR;
use twostep_core::memory_hard::HashError;
use twostep_core::scope::ENTRIES_MAX;
use twostep_core::totp::{Kind, VALUES_MAX};

/// Why a change was not made. Nothing was changed then.
#[derive(Debug)]
pub enum Refusal {
    /// The user is enrolled already.
    AlreadyEnrolled(State),
    /// The user has an app password of that name.
    NameTaken(Label),
    /// The user has as many app passwords as are allowed: so many.
    TooMany(u32),
    /// An app password would be over before it has begun.
    OverAlready,
    /// It would be limited to more services, or networks, than there is room for.
    TooManyLimits,
    /// The name was enrolled for an account of the host before.
    HadAccount,
    /// The user has no app password of that name or id.
    NoAppPassword(String),
    /// The user has an authenticator of that name.
    LabelTaken(Label),
    /// The user has an authenticator with that secret, of this name.
    SecretTaken(Label),
    /// The user has as many authenticators as are allowed.
    TooManyAuthenticators,
    /// With it, too many values would be right at a time.
    TooManyValues,
    /// The authenticator goes by time, not by a counter.
    NoCounter(Label),
    /// They are no two successive codes of the authenticator's next ones.
    NotSuccessive,
    /// The user has no authenticator of that name or id.
    NoAuthenticator(String),
    /// The user has several authenticators, of these names, and none is named.
    WhichAuthenticator(Vec<Label>),
    /// The user trusts no device of that name or id.
    NoDevice(String),
    /// Without it the user could sign in no more.
    LastAuthenticator,
    /// One thing is named like the id of another.
    Ambiguous(String),
    /// The enrollment is for programs only.
    AppOnly,
    /// A bypass code cannot be good for so short or so long a time.
    BypassLifetime,
    /// A bypass code cannot be used so often.
    BypassUses,
    /// The store.
    Store(StoreError),
    /// A hash could not be made.
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

/// The one of this name, or else of this id.
fn pick<T>(all: Vec<T>, which: &str, key: impl Fn(&T) -> (&str, i64)) -> Result<Option<T>, Refusal> {
    let named = all.iter().position(|one| key(one).0 == which);
    let numbered = all.iter().position(|one| key(one).1.to_string() == which);
    match (named, numbered) {
        (Some(named), Some(numbered)) if named != numbered => Err(Refusal::Ambiguous(which.to_owned())),
        (named, numbered) => {
            let at = named.or(numbered);
            Ok(at.and_then(|at| all.into_iter().nth(at)))
        }
    }
}

/// A change of the administrator's: one transaction, and what was overwritten does not stay behind in the journal.
pub(crate) fn in_transaction<T>(
    session: &Session,
    work: impl FnOnce() -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    exclusively_with(session, Journal::Truncate, work)
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyEnrolled(state) => write!(f, "already enrolled ({})", state.as_str()),
            Self::NameTaken(name) => write!(f, "there is an app password named \"{name}\" already"),
            Self::TooMany(most) => {
                write!(f, "a user can have {most} app passwords")
            }
            Self::OverAlready => f.write_str("it would expire before it could be used"),
            Self::TooManyLimits => {
                write!(
                    f,
                    "an app password can be limited to {ENTRIES_MAX} services and {ENTRIES_MAX} networks"
                )
            }
            Self::HadAccount => f.write_str(
                "the name was enrolled for an account of this host before, and is never a virtual user's",
            ),
            Self::NoAppPassword(which) => write!(f, "there is no app password {which:?}"),
            Self::LabelTaken(label) => write!(f, "there is an authenticator named \"{label}\" already"),
            Self::SecretTaken(label) => {
                write!(
                    f,
                    "the authenticator \"{label}\" has that secret already: each code would be accepted twice"
                )
            }
            Self::TooManyAuthenticators => write!(f, "a user can have {AUTHENTICATORS_MAX} authenticators"),
            Self::TooManyValues => write!(
                f,
                "a user's authenticators can accept {VALUES_MAX} values at a time: {} each that counts (HOTP), {} each that goes by time",
                Kind::Hotp.values(),
                Kind::Totp { period: 30 }.values(),
            ),
            Self::NoCounter(label) => {
                write!(f, "the authenticator \"{label}\" goes by time and has no counter")
            }
            Self::NotSuccessive => {
                write!(f, "these are no two successive codes of its next {RESYNC_BY_ADMINISTRATOR}")
            }
            Self::NoAuthenticator(which) => write!(f, "there is no authenticator {which:?}"),
            Self::WhichAuthenticator(labels) => {
                let labels: Vec<String> = labels.iter().map(|label| format!("\"{label}\"")).collect();
                write!(
                    f,
                    "there are several authenticators, name the one that is meant: {}",
                    labels.join(", ")
                )
            }
            Self::NoDevice(which) => write!(f, "there is no trusted device {which:?}"),
            Self::LastAuthenticator => f.write_str("the last authenticator stays: add another one first"),
            Self::Ambiguous(which) => write!(f, "{which:?} is the name of one and the id of another"),
            Self::AppOnly => f.write_str("there is no authenticator: the enrollment is for programs only"),
            Self::BypassLifetime => f.write_str("a bypass code is good for one minute to seven days"),
            Self::BypassUses => f.write_str("a bypass code can be used one to ten times"),
            Self::Store(error) => error.fmt(f),
            Self::Hash(error) => error.fmt(f),
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
