//! What was changed, by whom, why.

use crate::StoreError;
use crate::vault::Session;
use rusqlite::{OptionalExtension, Row, params};
use twostep_core::account::EnrollmentId;
use twostep_core::change::{Action, Author};
use twostep_core::name::UserName;
use twostep_core::ports::Person;
use twostep_core::time::UnixTime;

/// How many entries are kept of a user: the newest of what decides who can sign in ([`Action::is_grave`]), and as many of the rest.
pub const HISTORY_KEPT: u32 = 500;

/// Whose history.
#[derive(Clone, Copy, Debug)]
pub enum Whose<'a> {
    /// Everybody's.
    All,
    /// That of a name, whoever bore it.
    Name(&'a UserName),
    /// That of a name while it was this uid's.
    Person(&'a UserName, u32),
}

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

/// The latest change of a user's that decides who can sign in ([`Action::is_grave`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatestChange(i64);

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
    pub fn note_look(&self, of: &Person, author: &Author, at: UnixTime) -> Result<(), StoreError> {
        crate::rows::exclusively(self, || {
            let deed = Deed { action: Action::Show, target: None, author, at };
            remember(self, of.name.as_str(), of.uid, &deed)
        })
    }

    /// The latest change of this enrollment's user that decides who can sign in.
    ///
    /// # Errors
    /// When the enrollment is gone, or the store fails.
    pub fn latest_change(&self, of: EnrollmentId) -> Result<LatestChange, StoreError> {
        let sql = "SELECT (SELECT coalesce(max(id), 0) FROM history WHERE user = e.user AND grave = 1) \
                   FROM enrollment e WHERE e.id = ?";
        let found = self.connection.query_row(sql, [of.0], |row| row.get(0).map(LatestChange)).optional()?;
        found.ok_or(StoreError::Gone)
    }

    /// That there was none since then.
    pub(super) fn unchanged(&self, of: EnrollmentId, since: LatestChange) -> Result<(), StoreError> {
        if self.latest_change(of)? == since { Ok(()) } else { Err(StoreError::Gone) }
    }

    /// The newest entries, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub fn history(&self, whose: Whose<'_>, limit: u32) -> Result<Vec<Past>, StoreError> {
        // Each with a text of its own, so that none reads more than it must: logins that write wait for it.
        let (condition, user, uid) = match whose {
            Whose::All => ("?1 IS NULL AND ?2 IS NULL", None, None),
            Whose::Name(user) => ("user = ?1 AND ?2 IS NULL", Some(user.as_str()), None),
            Whose::Person(user, uid) => ("user = ?1 AND uid = ?2", Some(user.as_str()), Some(uid)),
        };
        let sql = format!(
            "SELECT at, user, action, target, by, why FROM history WHERE {condition} ORDER BY id DESC LIMIT ?3"
        );
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
        let values = params![user, uid, limit];
        let found = self.connection.prepare(&sql)?.query_map(values, read)?.collect::<Result<_, _>>()?;
        Ok(found)
    }
}

/// Writes an entry, in the transaction of the change itself.
pub(crate) fn remember(session: &Session, user: &str, uid: u32, deed: &Deed<'_>) -> Result<(), StoreError> {
    let sql =
        "INSERT INTO history (at, user, uid, action, grave, target, by, why) VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
    let Deed { action, target, author, at } = deed;
    let (by, why) = (author.by.to_string(), author.why.as_ref().map(ToString::to_string));
    let values = params![at.0, user, uid, action.word(), action.is_grave(), target, by, why];
    session.connection.execute(sql, values)?;
    let sql = "DELETE FROM history WHERE user = ?1 AND grave = ?2 AND id <= \
               (SELECT id FROM history WHERE user = ?1 AND grave = ?2 ORDER BY id DESC LIMIT 1 OFFSET ?3)";
    session.connection.execute(sql, params![user, action.is_grave(), HISTORY_KEPT])?;
    Ok(())
}

/// The same where the user is known by the enrollment, which must be there.
pub(crate) fn remember_of(
    session: &Session,
    of: EnrollmentId,
    deed: &Deed<'_>,
) -> Result<String, StoreError> {
    let sql = "SELECT user, uid FROM enrollment WHERE id = ?";
    let read = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get(1)?));
    let (user, uid) = session.connection.query_row(sql, [of.0], read).optional()?.ok_or(StoreError::Gone)?;
    remember(session, &user, uid, deed)?;
    Ok(user)
}
