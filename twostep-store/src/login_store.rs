//! What a login reads and writes: [`twostep_core::ports::Store`] over the open database.

use crate::rows::{self, ENROLLMENT, exclusively};
use crate::vault::Session;
use crate::{StoreError, boot_key};
use rusqlite::{OptionalExtension, params};
use twostep_core::account::{Enrollment, EnrollmentId};
use twostep_core::app_password::{self, AppPassword, AppPasswordId};
use twostep_core::backup_code::{self, BackupCodeId};
use twostep_core::name::UserName;
use twostep_core::ports::{Store, Unavailable, Use};
use twostep_core::throttle::{KNOWN_FOR, Record, Tally};
use twostep_core::time::{Now, UnixTime};
use twostep_core::verify::{AppCandidates, Changes, CodeCredentials, CodeOutcome};

impl Store for Session {
    fn by_name(&mut self, name: &UserName) -> Result<Option<Enrollment>, Unavailable> {
        Ok(enrollment_by_name(self, name)?)
    }

    fn by_uid(&mut self, uid: u32) -> Result<Vec<Enrollment>, Unavailable> {
        Ok(enrollments_by_uid(self, uid)?)
    }

    fn judge(
        &mut self,
        enrollment: EnrollmentId,
        source: &str,
        now: &Now,
        judge: &mut dyn FnMut(Option<&CodeCredentials>) -> CodeOutcome,
    ) -> Result<CodeOutcome, Unavailable> {
        Ok(exclusively(&self.connection, || {
            let credentials = credentials(self, enrollment, source)?;
            let outcome = judge(credentials.as_ref());
            if credentials.is_some() {
                apply(self, enrollment, source, now, &outcome.changes)?;
            }
            Ok(outcome)
        })?)
    }

    fn app_candidates(
        &mut self,
        enrollment: EnrollmentId,
        password: &AppPassword,
    ) -> Result<AppCandidates, Unavailable> {
        Ok(app_candidates(self, enrollment, password)?)
    }

    fn record_use(&mut self, id: AppPasswordId, used: &Use<'_>) -> Result<(), Unavailable> {
        let sql = "UPDATE app_password SET last_used = ?, last_service = ?, last_source = ?, boot_tag = coalesce(?, boot_tag) \
                   WHERE id = ?";
        Ok(exclusively(&self.connection, || {
            let values = params![used.at.0, used.service, used.source, used.boot_tag, id.0];
            one_row(self.connection.execute(sql, values)?)
        })?)
    }

    fn activate(&mut self, enrollment: EnrollmentId, at: UnixTime) -> Result<(), Unavailable> {
        let sql = "UPDATE enrollment SET state = 'active', activated = coalesce(activated, ?) WHERE id = ?";
        Ok(exclusively(&self.connection, || one_row(self.connection.execute(sql, [at.0, enrollment.0])?))?)
    }
}

pub(crate) fn enrollment_by_name(
    session: &Session,
    name: &UserName,
) -> Result<Option<Enrollment>, StoreError> {
    let sql = format!("{ENROLLMENT} WHERE e.user = ?");
    Ok(session.connection.query_row(&sql, [name.as_str()], rows::enrollment).optional()?)
}

fn enrollments_by_uid(session: &Session, uid: u32) -> Result<Vec<Enrollment>, StoreError> {
    let mut statement = session.connection.prepare(&format!("{ENROLLMENT} WHERE e.uid = ?"))?;
    let found = statement.query_map([uid], rows::enrollment)?.collect::<Result<_, _>>()?;
    Ok(found)
}

fn credentials(
    session: &Session,
    of: EnrollmentId,
    source: &str,
) -> Result<Option<CodeCredentials>, StoreError> {
    let connection = &session.connection;
    let exists =
        connection.query_row("SELECT 1 FROM enrollment WHERE id = ?", [of.0], |_| Ok(())).optional()?;
    if exists.is_none() {
        return Ok(None);
    }
    let sql = "SELECT id, tag, memory, passes, lanes, salt, hash FROM backup_code WHERE enrollment = ?";
    let backup_codes = connection
        .prepare(sql)?
        .query_map([of.0], |row| {
            Ok(backup_code::Stored {
                id: BackupCodeId(row.get(0)?),
                tag: rows::tag(row, 1)?,
                hash: rows::hash(row, 2)?,
            })
        })?
        .collect::<Result<_, _>>()?;
    let sql = "SELECT codes, backup_codes, failed_at, failed_since_boot, failed_boot, last_success FROM source \
               WHERE enrollment = ? AND source = ?";
    let here = connection.query_row(sql, params![of.0, source], rows::record).optional()?.unwrap_or_default();
    let sql = "SELECT coalesce(sum(codes), 0), coalesce(sum(backup_codes), 0), coalesce(sum(untold), 0) FROM source \
               WHERE enrollment = ?";
    let (all_codes, all_backup_codes, untold) =
        connection.query_row(sql, [of.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(Some(CodeCredentials {
        enrollment: of,
        authenticators: rows::authenticators(session, of)?,
        backup_codes,
        backup_key: session.keys.backup_codes.clone(),
        tally: Tally { here, all_codes, all_backup_codes },
        untold,
    }))
}

fn apply(
    session: &Session,
    of: EnrollmentId,
    source: &str,
    now: &Now,
    changes: &Changes,
) -> Result<(), StoreError> {
    let connection = &session.connection;
    if let Some((authenticator, step)) = changes.step {
        let step = i64::try_from(step).map_err(|_| StoreError::Damaged("a step beyond all time"))?;
        one_row(connection.execute(
            "UPDATE authenticator SET last_step = ?1 WHERE id = ?2 AND (last_step IS NULL OR last_step < ?1)",
            [step, authenticator.0],
        )?)?;
        // A right code says that the clock is right: the phone agrees.
        connection.execute("UPDATE meta SET latest_time = ?1 WHERE latest_time < ?1", [now.wall.0])?;
    }
    if let Some(code) = changes.backup_code {
        one_row(connection.execute("DELETE FROM backup_code WHERE id = ?", [code.0])?)?;
    }
    if let Some(here) = &changes.here {
        keep(session, of, source, here, now)?;
    }
    Ok(())
}

/// Keeps a source's new record. A success also settles what the owner has been told, and forgets sources long unused.
fn keep(
    session: &Session,
    of: EnrollmentId,
    source: &str,
    here: &Record,
    now: &Now,
) -> Result<(), StoreError> {
    let connection = &session.connection;
    let success = here.last_failure.is_none();
    let failure = here.last_failure.as_ref();
    connection.execute(
        "INSERT INTO source (enrollment, source, codes, backup_codes, untold, failed_at, failed_since_boot, failed_boot, \
                             last_success) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
         ON CONFLICT DO UPDATE SET codes = ?3, backup_codes = ?4, untold = untold + ?5, failed_at = ?6, \
                                   failed_since_boot = ?7, failed_boot = ?8, last_success = ?9",
        params![
            of.0,
            source,
            here.codes,
            here.backup_codes,
            u32::from(!success),
            failure.map(|stamp| stamp.wall.0),
            failure.and_then(|stamp| i64::try_from(stamp.since_boot.as_secs()).ok()),
            failure.and_then(|stamp| stamp.boot).map(|boot| boot.0),
            here.last_success.map(|time| time.0),
        ],
    )?;
    if success {
        connection.execute("UPDATE source SET untold = 0 WHERE enrollment = ? AND untold > 0", [of.0])?;
        let UnixTime(forget) = now.wall.minus(KNOWN_FOR);
        connection.execute(
            "DELETE FROM source WHERE enrollment = ? AND codes = 0 AND backup_codes = 0 AND last_success < ?",
            [of.0, forget],
        )?;
    }
    Ok(())
}

fn app_candidates(
    session: &Session,
    of: EnrollmentId,
    password: &AppPassword,
) -> Result<AppCandidates, StoreError> {
    let connection = &session.connection;
    let tag = password.tag(&session.keys.app_passwords, of).0;
    let sql = "SELECT id, name, memory, passes, lanes, salt, hash, boot_tag, last_used FROM app_password \
               WHERE enrollment = ? AND tag = ?";
    let live: Vec<_> = connection
        .prepare(sql)?
        .query_map(params![of.0, tag], |row| {
            Ok(app_password::Stored {
                id: AppPasswordId(row.get(0)?),
                label: rows::label(row, 1)?,
                hash: rows::hash(row, 2)?,
                boot_tag: row.get(7)?,
                last_used: row.get::<_, Option<i64>>(8)?.map(UnixTime),
            })
        })?
        .collect::<Result<_, _>>()?;
    let revoked = connection
        .query_row(
            "SELECT name FROM revoked_app_password WHERE enrollment = ? AND tag = ? ORDER BY revoked DESC LIMIT 1",
            params![of.0, tag],
            |row| rows::label(row, 0),
        )
        .optional()?;
    // Without a boot key every login pays for its hash, which is all that is lost; `check` says why there is none.
    let boot_key = if live.is_empty() { None } else { boot_key::obtain(&session.runtime).ok() };
    Ok(AppCandidates { live, revoked, boot_key })
}

pub(crate) fn one_row(changed: usize) -> Result<(), StoreError> {
    if changed == 1 { Ok(()) } else { Err(StoreError::Gone) }
}
