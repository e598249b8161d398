//! What the store says of what the roster tells.

use super::Wrong;
use crate::StoreError;
use crate::rows;
use crate::vault::Session;
use rusqlite::{OptionalExtension, Row, params};
use std::collections::HashMap;
use std::fmt;
use twostep_roster::{Roster, State, Validity};

/// `lasts`: until when an app password of hers is good by the wall clock; -1 for good; NULL where she has none.
const STATE: &str = "SELECT e.user, e.state, \
     (SELECT CASE WHEN total(p.lifetime IS NULL) > 0 THEN -1 ELSE max(p.created + p.lifetime) END \
      FROM app_password p WHERE p.enrollment = e.id) FROM enrollment e";

fn state(row: &Row<'_>) -> rusqlite::Result<(String, State)> {
    let enrollment: String = row.get(1)?;
    let app = match row.get::<_, Option<i64>>(2)? {
        None => Validity::Never,
        Some(end) => u64::try_from(end).map_or(Validity::Always, Validity::Until),
    };
    // A state that is not known is an enrollment all the same.
    let pending = enrollment == "pending";
    Ok((row.get(0)?, State { enrolled: !pending, pending, app }))
}

/// Of one user; none where she is not enrolled.
pub(crate) fn state_of(session: &Session, user: &str) -> Result<Option<State>, StoreError> {
    let sql = format!("{STATE} WHERE e.user = ?");
    let found = session.connection.query_row(&sql, params![user], state).optional()?;
    Ok(found.map(|(_, state)| state))
}

/// Of all who are enrolled.
pub(crate) fn everybody(session: &Session) -> Result<Vec<(String, State)>, StoreError> {
    let mut statement = session.connection.prepare(STATE)?;
    Ok(statement.query_map([], state)?.collect::<Result<_, _>>()?)
}

/// Which state of the roster belongs to the store; 0 for none.
pub(crate) fn stamp(session: &Session) -> Result<u64, StoreError> {
    let read = |row: &Row<'_>| row.get::<_, i64>(0);
    Ok(session.connection.query_row("SELECT roster FROM meta", [], read)?.cast_unsigned())
}

/// Writes down which state of the roster belongs to the store, and where that is.
pub(crate) fn set_stamp(session: &Session, stamp: u64, place: Option<&str>) -> Result<(), StoreError> {
    let values = params![stamp.cast_signed(), place];
    let changed = session.connection.execute("UPDATE meta SET roster = ?, roster_place = ?", values)?;
    rows::one_row(changed)
}

/// The file that the roster was last written to.
pub(crate) fn place(session: &Session) -> Result<Option<String>, StoreError> {
    Ok(session.connection.query_row("SELECT roster_place FROM meta", [], |row| row.get(0))?)
}

/// How the roster differs from the store, in users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Apart {
    /// Who are enrolled and not in it.
    pub missing: usize,
    /// Of whom it says something else than the store.
    pub wrong: usize,
    /// Who are in it and not enrolled.
    pub extra: usize,
}

pub(crate) fn apart(session: &Session, roster: &Roster) -> Result<Option<Wrong>, StoreError> {
    let mut stored: HashMap<Vec<u8>, State> =
        everybody(session)?.into_iter().map(|(user, state)| (user.into_bytes(), state)).collect();
    let mut apart = Apart::default();
    let read = roster.each(|user, told| match stored.remove(user) {
        Some(state) if state == told => {}
        Some(_) => apart.wrong += 1,
        None => apart.extra += 1,
    });
    apart.missing = stored.len();
    Ok(match read {
        Err(fault) => Some(Wrong::Unusable(fault)),
        Ok(()) => (apart != Apart::default()).then_some(Wrong::Apart(apart)),
    })
}

impl fmt::Display for Apart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { missing, wrong, extra } = self;
        write!(
            f,
            "it differs from the store: {missing} enrolled users are not in it, {extra} are who are not enrolled, and of {wrong} it says something else"
        )
    }
}
