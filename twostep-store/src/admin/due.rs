//! Commands of the administrator's that are due: written in the transaction of what makes them due, run by somebody else later.

use crate::StoreError;
use crate::rows::exclusively;
use crate::vault::Session;
use nix::fcntl::OFlag;
use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension, Row, params};
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use twostep_core::hook::Command;
use twostep_core::policy::Hooks;
use twostep_core::time::UnixTime;

/// The file in the `runtime` folder by which the broker says that something is due, for a supervisor to watch.
pub const FLAG: &str = "hooks.due";
/// How many times a command is tried.
pub const TRIES: u32 = 5;
/// How many can be due of one user; the oldest goes where there would be more.
const DUE_MAX: u32 = 500;

/// What makes a command due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// An app password was made.
    Create,
    /// One was revoked.
    Revoke,
}

/// A command that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Its id.
    pub id: i64,
    /// Why.
    pub occasion: Occasion,
    /// Whose app password.
    pub user: String,
    /// What that is, or was, called.
    pub name: String,
    /// How often it was tried.
    pub tries: u32,
}

/// What was taken of the commands that are due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// One to be run.
    Due(Due),
    /// A row that says nothing that could be run. It has been deleted.
    Damaged {
        /// Its id.
        id: i64,
        /// All that it says, for the log.
        row: String,
    },
}

impl Occasion {
    fn parse(word: &str) -> Option<Self> {
        [Self::Create, Self::Revoke].into_iter().find(|occasion| occasion.word() == word)
    }

    /// The word for it: `{event}` of the command.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Revoke => "revoke",
        }
    }

    /// Whether the administrator wants a command run for it.
    #[must_use]
    pub fn is_wanted(self, hooks: &Hooks) -> bool {
        self.command(hooks).is_some()
    }

    /// The administrator's command for it.
    #[must_use]
    pub fn command(self, hooks: &Hooks) -> Option<&Command> {
        match self {
            Self::Create => hooks.on_create.as_ref(),
            Self::Revoke => hooks.on_revoke.as_ref(),
        }
    }
}

/// Says that something is due, to whoever watches for it.
///
/// # Errors
/// When the file cannot be written: somebody must run `twostep-admin hooks`.
pub fn raise_flag(runtime: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).custom_flags(OFlag::O_NOFOLLOW.bits());
    options.open(runtime.join(FLAG)).map(drop)
}

impl Session {
    /// The same, where such an occasion makes anything due.
    pub(crate) fn raise_flag(&self, occasion: Occasion) -> io::Result<()> {
        if occasion.is_wanted(&self.hooks) { raise_flag(&self.runtime) } else { Ok(()) }
    }

    /// Takes the oldest command that is due after `after`, and counts the try: a runner that is killed meanwhile has used it up. One that is
    /// skipped ([`Command::refusal`]) is not tried, and stays due. A damaged row is nobody's command: it is taken away.
    ///
    /// # Errors
    /// When the store fails.
    pub fn take_due(&self, after: i64) -> Result<Option<Taken>, StoreError> {
        exclusively(self, || {
            let sql = "SELECT id, event, user, name, tries FROM due WHERE id > ? ORDER BY id LIMIT 1";
            let found = self.connection.query_row(sql, [after], read).optional()?;
            match &found {
                Some(Taken::Due(due))
                    if due.occasion.command(&self.hooks).and_then(Command::refusal).is_none() =>
                {
                    self.connection.execute("UPDATE due SET tries = tries + 1 WHERE id = ?", [due.id])?;
                }
                Some(Taken::Damaged { id, .. }) => {
                    self.connection.execute("DELETE FROM due WHERE id = ?", [id])?;
                }
                _ => {}
            }
            Ok(found)
        })
    }

    /// It was run, or is given up.
    ///
    /// # Errors
    /// When the store fails.
    pub fn due_done(&self, id: i64) -> Result<(), StoreError> {
        exclusively(self, || {
            self.connection.execute("DELETE FROM due WHERE id = ?", [id])?;
            Ok(())
        })
    }
}

/// `id, event, user, name, tries`.
fn read(row: &Row<'_>) -> rusqlite::Result<Taken> {
    let id = row.get(0)?;
    let text = |at| row.get::<_, String>(at).ok();
    let due = || {
        let occasion = Occasion::parse(&text(1)?)?;
        Some(Due { id, occasion, user: text(2)?, name: text(3)?, tries: row.get(4).ok()? })
    };
    if let Some(due) = due() {
        return Ok(Taken::Due(due));
    }
    let mut said = String::new();
    for (at, column) in ["event", "user", "name", "tries"].into_iter().enumerate() {
        said.push_str(&format!("{}{column}={}", if at == 0 { "" } else { " " }, shown(row.get_ref(at + 1)?)));
    }
    Ok(Taken::Damaged { id, row: said })
}

/// A value, quoted and without what a terminal or a log would take for something else.
fn shown(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => format!("{:?}", String::from_utf8_lossy(bytes)),
    }
}

/// Makes a command due, where the administrator wants one.
pub(crate) fn make_due(
    session: &Session,
    occasion: Occasion,
    user: &str,
    name: &str,
    at: UnixTime,
) -> Result<(), StoreError> {
    if !occasion.is_wanted(&session.hooks) {
        return Ok(());
    }
    let sql = "INSERT INTO due (at, event, user, name) VALUES (?, ?, ?, ?)";
    session.connection.execute(sql, params![at.0, occasion.word(), user, name])?;
    Ok(())
}

/// Keeps a user from filling the store, who can make and revoke by the hundred: the oldest of what she has made due goes.
pub(crate) fn forget_oldest(session: &Session, user: &str) -> Result<(), StoreError> {
    let sql = "DELETE FROM due WHERE user = ?1 AND id <= (SELECT id FROM due WHERE user = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)";
    session.connection.execute(sql, params![user, DUE_MAX])?;
    Ok(())
}
