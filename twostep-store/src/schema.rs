//! The schema: its versions, and the steps from each to the next. docs/store.md says what a step may do.

use crate::StoreError;
use rusqlite::Connection;
use std::fmt;
use std::path::Path;

/// A version of the schema. A module reads and writes stores of its own major whose minor is its own or a newer one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Goes up with a step that an older module cannot work with.
    pub major: u16,
    /// Goes up with a step that older modules of the same major need not know of; 0 to 999.
    pub minor: u16,
}

/// The last version whose number is that of the major alone; those before it have no minor.
const LAST_PLAIN: Version = Version { major: 5, minor: 0 };
/// What a major counts in `user_version`, from then on.
const MAJOR: i64 = 1000;

impl Version {
    /// As `user_version` has it.
    #[must_use]
    pub fn number(self) -> i64 {
        if self <= LAST_PLAIN {
            return i64::from(self.major);
        }
        i64::from(self.major) * MAJOR + i64::from(self.minor)
    }

    /// That of a `user_version`; nothing for one that no store of ours has.
    pub(crate) fn of(number: i64) -> Option<Self> {
        let (major, minor) = if number < MAJOR { (number, 0) } else { (number / MAJOR, number % MAJOR) };
        let version = Self { major: u16::try_from(major).ok()?, minor: u16::try_from(minor).ok()? };
        (version.major > 0).then_some(version)
    }

    /// Whether `self` is of the major of `other` and knows more.
    #[must_use]
    pub fn is_newer_minor_of(self, other: Self) -> bool {
        self.major == other.major && self.minor > other.minor
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// What brings a store from the version before to this one.
pub(crate) struct Step {
    pub(crate) to: Version,
    pub(crate) sql: &'static str,
}

const fn step(major: u16, minor: u16, sql: &'static str) -> Step {
    Step { to: Version { major, minor }, sql }
}

/// In the order in which they are applied. Once a major has a successor, it gets no minor any more.
pub(crate) const STEPS: [Step; 7] = [
    step(1, 0, include_str!("../sql/0001.sql")),
    step(2, 0, include_str!("../sql/0002.sql")),
    step(3, 0, include_str!("../sql/0003.sql")),
    step(4, 0, include_str!("../sql/0004.sql")),
    step(5, 0, include_str!("../sql/0005.sql")),
    step(5, 1, include_str!("../sql/0005.1.sql")),
    step(5, 2, include_str!("../sql/0005.2.sql")),
];

/// The schema this version writes.
pub const SCHEMA: Version = match STEPS.last() {
    Some(last) => last.to,
    None => LAST_PLAIN,
};

/// Applies what a store of version `from` lacks; all of it where it is new. Within a transaction, which counts `user_version` up as well.
pub(crate) fn apply(transaction: &Connection, from: Option<Version>) -> Result<(), StoreError> {
    for step in STEPS.iter().filter(|step| Some(step.to) > from) {
        transaction.execute_batch(step.sql)?;
    }
    transaction.pragma_update(None, "user_version", SCHEMA.number())?;
    Ok(())
}

/// The version of an open store.
pub(crate) fn version(connection: &Connection, path: &Path) -> Result<Version, StoreError> {
    match connection.query_row("PRAGMA user_version", [], |row| row.get(0))? {
        0 => Err(StoreError::Empty(path.to_owned())),
        number => Version::of(number).ok_or(StoreError::Damaged("it does not say which schema it has")),
    }
}

/// Whether this version can work with a store of that one, be it that the store knows more.
///
/// # Errors
/// When it cannot.
pub(crate) fn fits(found: Version) -> Result<(), StoreError> {
    if found == SCHEMA || found.is_newer_minor_of(SCHEMA) {
        Ok(())
    } else if found > SCHEMA {
        Err(StoreError::Newer { found, known: SCHEMA })
    } else {
        // An older minor too: what this version reads is not in it.
        Err(StoreError::Older { found, known: SCHEMA })
    }
}

/// [`fits`], of a store that was opened before: whoever has brought it up to date since was not waiting for us.
pub(crate) fn still_fits(connection: &Connection) -> Result<(), StoreError> {
    fits(version(connection, Path::new(connection.path().unwrap_or_default()))?)
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "newer_minor_tests.rs"]
mod newer_minor_tests;
