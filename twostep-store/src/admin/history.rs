//! What was changed, by whom, why.

use crate::StoreError;
use crate::vault::Session;
use rusqlite::{Row, params};
use twostep_core::account::EnrollmentId;
use twostep_core::change::{Action, Author};
use twostep_core::name::UserName;
use twostep_core::time::UnixTime;

/// How many entries are kept of a user: the newest.
pub const HISTORY_KEPT: u32 = 500;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// When.
    pub at: UnixTime,
    /// Whose enrollment.
    pub user: String,
    /// What was done: a word of [`Action`], or one of a newer version.
    pub action: String,
    /// What it was done to.
    pub target: Option<String>,
    /// Who did it.
    pub by: String,
    /// Why.
    pub why: Option<String>,
}

/// A change that is to be remembered.
pub(crate) struct Deed<'a> {
    pub(crate) action: Action,
    pub(crate) target: Option<&'a str>,
    pub(crate) author: &'a Author,
    pub(crate) at: UnixTime,
}

impl Session {
    /// Somebody else's enrollment was looked at.
    ///
    /// # Errors
    /// When the store fails.
    pub fn note_look(&self, user: &UserName, author: &Author, at: UnixTime) -> Result<(), StoreError> {
        crate::rows::exclusively(&self.connection, || {
            remember(self, user.as_str(), &Deed { action: Action::Show, target: None, author, at })
        })
    }

    /// The newest entries, newest first; of all users or of one.
    ///
    /// # Errors
    /// When the store fails.
    pub fn history(&self, user: Option<&UserName>, limit: u32) -> Result<Vec<Past>, StoreError> {
        let sql = "SELECT at, user, action, target, by, why FROM history WHERE ?1 IS NULL OR user = ?1 \
                   ORDER BY id DESC LIMIT ?2";
        let read = |row: &Row<'_>| {
            Ok(Past {
                at: UnixTime(row.get(0)?),
                user: row.get(1)?,
                action: row.get(2)?,
                target: row.get(3)?,
                by: row.get(4)?,
                why: row.get(5)?,
            })
        };
        let values = params![user.map(UserName::as_str), limit];
        let found = self.connection.prepare(sql)?.query_map(values, read)?.collect::<Result<_, _>>()?;
        Ok(found)
    }
}

/// Writes an entry, in the transaction of the change itself.
pub(crate) fn remember(session: &Session, user: &str, deed: &Deed<'_>) -> Result<(), StoreError> {
    let sql = "INSERT INTO history (at, user, action, target, by, why) VALUES (?, ?, ?, ?, ?, ?)";
    let why = deed.author.why.as_ref().map(ToString::to_string);
    let values = params![deed.at.0, user, deed.action.word(), deed.target, deed.author.by.to_string(), why];
    session.connection.execute(sql, values)?;
    let sql = "DELETE FROM history WHERE user = ?1 AND id <= \
               (SELECT id FROM history WHERE user = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)";
    session.connection.execute(sql, params![user, HISTORY_KEPT])?;
    Ok(())
}

/// The same where the user is known by the enrollment, which must be there.
pub(crate) fn remember_of(
    session: &Session,
    of: EnrollmentId,
    deed: &Deed<'_>,
) -> Result<String, StoreError> {
    let user = super::user_of(session, of)?;
    remember(session, &user, deed)?;
    Ok(user)
}
