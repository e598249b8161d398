//! What the store holds, for lists and checks. No secrets.

use crate::StoreError;
use crate::rows::{self, ENROLLMENT};
use crate::vault::Session;
use rusqlite::{Row, params};
use twostep_core::account::{Enrollment, EnrollmentId};
use twostep_core::app_password::Label;
use twostep_core::name::UserName;
use twostep_core::time::{Now, UnixTime};
use twostep_core::totp::{AuthenticatorId, Kind, Offset, Parameters, WINDOW};

/// An enrollment as `list` shows it.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The enrollment itself.
    pub enrollment: Enrollment,
    /// When it was made.
    pub created: UnixTime,
    /// When it became active.
    pub activated: Option<UnixTime>,
    /// How many app passwords it has.
    pub app_passwords: u32,
    /// How many unused backup codes it has.
    pub backup_codes: u32,
    /// Wrong codes that count towards the cap, over all sources.
    pub failures: u32,
}

/// An authenticator as `show` shows it.
#[derive(Clone, Debug)]
pub struct AuthenticatorInfo {
    /// Its id.
    pub id: AuthenticatorId,
    /// What it is called.
    pub label: Label,
    /// How it makes codes.
    pub parameters: Parameters,
    /// When it was made.
    pub created: UnixTime,
    /// When a code of it was accepted last. Where that was before the store wrote times down, the beginning of the code's step.
    pub last_used: Option<UnixTime>,
    /// How far off that code was.
    pub offset: Option<Offset>,
    /// The counter of the code that is expected next, of one that counts.
    pub counter: Option<u64>,
}

impl Session {
    /// A user's authenticators, oldest first, without their secrets.
    ///
    /// # Errors
    /// When the store fails.
    pub fn authenticators(&self, of: EnrollmentId) -> Result<Vec<AuthenticatorInfo>, StoreError> {
        let sql = "SELECT id, label, created, last_step, off_by, used, kind, algorithm, digits, period FROM authenticator \
                   WHERE enrollment = ? ORDER BY id";
        let read = |row: &Row<'_>| {
            let parameters = rows::parameters(row, 6)?;
            let (step, used): (_, Option<i64>) = (rows::step(row, 3)?, row.get(5)?);
            let begun =
                parameters.period().zip(step).map(|(period, step)| step.saturating_mul(period.into()));
            let begun = begun.and_then(|seconds| i64::try_from(seconds).ok());
            let next = step.map_or(0, |last| last.saturating_add(1));
            Ok(AuthenticatorInfo {
                id: AuthenticatorId(row.get(0)?),
                label: rows::label(row, 1)?,
                parameters,
                created: UnixTime(row.get(2)?),
                last_used: used.or(begun).map(UnixTime),
                offset: rows::offset(row, 4, parameters.kind())?,
                counter: (parameters.kind() == Kind::Hotp).then_some(next),
            })
        };
        let found = self.connection.prepare(sql)?.query_map([of.0], read)?.collect::<Result<_, _>>()?;
        Ok(found)
    }

    /// Every enrollment, by name; or the one of this user.
    ///
    /// # Errors
    /// When the store fails.
    pub fn summaries(&self, user: Option<&UserName>) -> Result<Vec<Summary>, StoreError> {
        // The first five columns are those of an enrollment.
        let more = "e.created, e.activated, \
             (SELECT count(*) FROM app_password p WHERE p.enrollment = e.id), \
             (SELECT count(*) FROM backup_code b WHERE b.enrollment = e.id AND b.lifetime IS NULL), \
             (SELECT coalesce(sum(codes), 0) FROM source s WHERE s.enrollment = e.id) FROM enrollment e";
        let columns = ENROLLMENT.replace("FROM enrollment e", &format!(", {more}"));
        // Each with a text of its own, so that none reads more than it must: logins that write wait for it.
        let condition = if user.is_some() { "e.user = ?1" } else { "?1 IS NULL" };
        let sql = format!("{columns} WHERE {condition} ORDER BY e.user");
        let read = |row: &Row<'_>| {
            Ok(Summary {
                enrollment: rows::enrollment(row)?,
                created: UnixTime(row.get(5)?),
                activated: row.get::<_, Option<i64>>(6)?.map(UnixTime),
                app_passwords: row.get(7)?,
                backup_codes: row.get(8)?,
                failures: row.get(9)?,
            })
        };
        let values = [user.map(UserName::as_str)];
        let found = self.connection.prepare(&sql)?.query_map(values, read)?.collect::<Result<_, _>>()?;
        Ok(found)
    }

    /// The latest time that a right code has confirmed, or the store's making: the clock should not be behind it.
    ///
    /// # Errors
    /// When the store fails.
    pub fn latest_time(&self) -> Result<UnixTime, StoreError> {
        Ok(UnixTime(self.connection.query_row("SELECT latest_time FROM meta", [], |row| row.get(0))?))
    }

    /// The same moment, known to be no earlier than the latest time that a right code has confirmed.
    ///
    /// # Errors
    /// When the store fails.
    pub fn present(&self, now: &Now) -> Result<Now, StoreError> {
        Ok(now.no_earlier_than(self.latest_time()?))
    }

    /// How many users have used codes that lie ahead of this clock, so that none of the present is accepted of them, and the first few
    /// by name.
    ///
    /// # Errors
    /// When the store fails.
    pub fn ahead_of(&self, now: UnixTime, few: u32) -> Result<(u32, Vec<UserName>), StoreError> {
        // As `Authenticator::has_seen_later_than` has it.
        let from = "FROM enrollment e WHERE EXISTS (SELECT 1 FROM authenticator a WHERE a.enrollment = e.id \
                    AND a.kind = 'totp' AND a.last_step > max(?1, 0) / a.period + ?2)";
        let window = i64::from(WINDOW);
        let count = format!("SELECT count(*) {from}");
        let count = self.connection.query_row(&count, [now.0, window], |row| row.get(0))?;
        let names = format!("SELECT e.user {from} ORDER BY e.user LIMIT ?3");
        let values = params![now.0, window, few];
        let named = self
            .connection
            .prepare(&names)?
            .query_map(values, |row| rows::user(row, 0))?
            .collect::<Result<_, _>>()?;
        Ok((count, named))
    }

    /// Reads the whole store and opens every secret. What is wrong, as sentences; nothing where all is well.
    ///
    /// # Errors
    /// When the store cannot even be read.
    pub fn damage(&self) -> Result<Vec<String>, StoreError> {
        self.let_others_write()?;
        let mut statement = self.connection.prepare("PRAGMA integrity_check")?;
        let lines: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let mut wrong: Vec<String> = lines.into_iter().filter(|line| line != "ok").collect();
        for summary in self.summaries(None)? {
            if let Err(error) = rows::authenticators(self, summary.enrollment.id) {
                wrong.push(format!("{}: {error}", summary.enrollment.user));
            }
        }
        Ok(wrong)
    }
}
