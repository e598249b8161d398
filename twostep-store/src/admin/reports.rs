//! What the store holds, for lists and checks. No secrets.

use crate::StoreError;
use crate::rows::{self, ENROLLMENT};
use crate::vault::Session;
use rusqlite::Row;
use twostep_core::account::{Enrollment, EnrollmentId};
use twostep_core::app_password::Label;
use twostep_core::name::UserName;
use twostep_core::time::UnixTime;
use twostep_core::totp::{AuthenticatorId, Parameters};

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
    /// The beginning of the latest step of which a code was accepted.
    pub last_used: Option<UnixTime>,
}

impl Session {
    /// A user's authenticators, oldest first, without their secrets.
    ///
    /// # Errors
    /// When the store fails.
    pub fn authenticators(&self, of: EnrollmentId) -> Result<Vec<AuthenticatorInfo>, StoreError> {
        let sql = "SELECT id, label, algorithm, digits, period, created, last_step FROM authenticator \
                   WHERE enrollment = ? ORDER BY id";
        let read = |row: &Row<'_>| {
            let parameters = rows::parameters(row, 2)?;
            let step: Option<i64> = row.get(6)?;
            Ok(AuthenticatorInfo {
                id: AuthenticatorId(row.get(0)?),
                label: rows::label(row, 1)?,
                parameters,
                created: UnixTime(row.get(5)?),
                last_used: step.map(|step| UnixTime(step.saturating_mul(i64::from(parameters.period())))),
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
