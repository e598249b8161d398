//! What a login reads and writes: [`twostep_core::ports::Store`] over the open database.

use crate::admin::{Occasion, Refusal};
use crate::rows::{self, ENROLLMENT, exclusively, one_row};
use crate::trusted::Devices;
use crate::vault::Session;
use crate::{StoreError, at_login, boot_key, trusted, verdicts};
use rusqlite::{OptionalExtension, Row, Statement, params};
use twostep_core::account::{Enrollment, EnrollmentId};
use twostep_core::app_password::{self, AppPassword, AppPasswordId, BootTag, Label};
use twostep_core::attempt::Source;
use twostep_core::backup_code::{self, BackupCodeId};
use twostep_core::change::{Author, By};
use twostep_core::memory_hard::Hash;
use twostep_core::name::UserName;
use twostep_core::ports::{
    Completion, Confirmed, Draft, Person, Store, Trusted, Trusting, Unavailable, Untold, Use,
};
use twostep_core::spelling::Readings;
use twostep_core::throttle::{self, Allowance, Kind, Tally};
use twostep_core::time::{Now, UnixTime};
use twostep_core::verify::{Changes, CodeCredentials, CodeOutcome};
use twostep_core::verify_app::AppCandidates;

impl Store for Session {
    fn by_name(&mut self, name: &UserName) -> Result<Option<Enrollment>, Unavailable> {
        Ok(enrollment_by_name(self, name)?)
    }

    fn alike(&mut self, readings: &Readings) -> Result<Option<Enrollment>, Unavailable> {
        Ok(enrollment_alike(self, readings)?)
    }

    fn by_uid(&mut self, uid: u32) -> Result<Vec<Enrollment>, Unavailable> {
        Ok(enrollments_by_uid(self, uid)?)
    }

    fn judge(
        &mut self,
        enrollment: EnrollmentId,
        source: &Source,
        kind: Kind,
        now: &Now,
        judge: &mut dyn FnMut(Option<&CodeCredentials>) -> CodeOutcome,
    ) -> Result<CodeOutcome, Unavailable> {
        // Whoever must wait is told so without a write, and without keeping those who write waiting: what is not judged changes nothing.
        if let Some(credentials) = self.unheard(enrollment, source, kind, now)? {
            let outcome = judge(Some(&credentials));
            if outcome.changes == Changes::default() {
                return Ok(outcome);
            }
        }
        Ok(exclusively(self, || {
            let Some(credentials) = credentials(self, enrollment, source, kind)? else {
                return Ok(judge(None));
            };
            let failure = throttle::after_failure(&credentials.tally.here, kind, now);
            verdicts::prepare(self, enrollment, source, kind, &failure)?;
            let outcome = judge(Some(&credentials));
            verdicts::apply(self, enrollment, source, kind, now, &outcome.changes)?;
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
        let tag = used.boot_tag.map(BootTag::to_bytes);
        Ok(exclusively(self, || {
            one_row(self.connection.execute(sql, params![used.at.0, used.service, used.source, tag, id.0])?)?;
            if let Some(Hash { cost, salt, hash }) = &used.hash {
                let sql = "UPDATE app_password SET memory = ?, passes = ?, lanes = ?, salt = ?, hash = ? WHERE id = ?";
                let values = params![cost.memory, cost.passes, cost.lanes, salt, hash, id.0];
                one_row(self.connection.execute(sql, values)?)?;
            }
            Ok(())
        })?)
    }

    fn revoke_app_passwords(&mut self, of: EnrollmentId, at: UnixTime) -> Result<Vec<Label>, Unavailable> {
        let author = Author { by: By::PasswordChange, why: None };
        match self.revoke_all_app_passwords(of, &author, at) {
            Ok(all) => {
                // Where it cannot be raised, a timer runs the commands all the same.
                let _unraised = self.raise_flag(Occasion::Revoke);
                Ok(all.into_iter().map(|one| one.name).collect())
            }
            Err(refusal) => Err(unavailable(refusal)),
        }
    }

    fn forget_trusted(&mut self, of: EnrollmentId, at: UnixTime) -> Result<Vec<String>, Unavailable> {
        let author = Author { by: By::PasswordChange, why: None };
        let forgotten = self.forget_devices(of, Devices::All, &author, at).map_err(unavailable)?;
        Ok(forgotten.into_iter().map(|one| one.device).collect())
    }

    fn trusted(
        &mut self,
        enrollment: EnrollmentId,
        at: &Trusting<'_>,
        now: &Now,
    ) -> Result<Option<Trusted>, Unavailable> {
        Ok(trusted::trusted(self, enrollment, at, now)?)
    }

    fn pretend(&mut self, source: &Source, kind: Kind, now: &Now) -> Result<(), Unavailable> {
        Ok(exclusively(self, || verdicts::pretend(self, source, kind, now))?)
    }

    fn draft(&mut self, person: &Person, day: i64, place: Option<&str>) -> Result<Draft, Unavailable> {
        Ok(at_login::draft(self, person, day, place)?)
    }

    fn code_digits(&mut self, enrollment: EnrollmentId) -> Result<Vec<u8>, Unavailable> {
        Ok(rows::code_digits(self, enrollment)?)
    }

    fn enroll(&mut self, person: &Person, confirmed: &Confirmed<'_>) -> Result<bool, Unavailable> {
        at_login::enroll(self, person, confirmed)
    }

    fn untold(&mut self, enrollment: EnrollmentId) -> Result<u32, Unavailable> {
        let sql = "SELECT coalesce(sum(untold), 0) FROM source WHERE enrollment = ?";
        let read = self.connection.query_row(sql, [enrollment.0], |row| row.get(0));
        Ok(read.map_err(StoreError::from)?)
    }

    fn complete(&mut self, completion: &Completion, now: &Now) -> Result<Vec<Untold>, Unavailable> {
        Ok(exclusively(self, || verdicts::complete(self, completion, now))?)
    }
}

fn unavailable(refusal: Refusal) -> Unavailable {
    match refusal {
        Refusal::Store(error) => error.into(),
        other => Unavailable { cause: other.to_string(), remedy: "twostep-admin check".to_owned() },
    }
}

impl Session {
    /// The credentials, where an answer of this kind from there is not heard at the moment.
    fn unheard(
        &self,
        of: EnrollmentId,
        source: &Source,
        kind: Kind,
        now: &Now,
    ) -> Result<Option<CodeCredentials>, StoreError> {
        let (tally, ..) = tally(self, of, source)?;
        match throttle::allowance(&tally, kind, now) {
            Allowance::Open => Ok(None),
            Allowance::Wait(_) | Allowance::Capped => credentials(self, of, source, kind),
        }
    }
}

pub(crate) fn enrollment_by_name(
    session: &Session,
    name: &UserName,
) -> Result<Option<Enrollment>, StoreError> {
    let sql = format!("{ENROLLMENT} WHERE e.user = ?");
    Ok(session.connection.query_row(&sql, [name.as_str()], rows::enrollment).optional()?)
}

/// What a name is found by without its domain: the index has the same words.
const USER_PART: &str = r"lower(substr(user, 1 + instr(user, '\')))";

fn enrollment_alike(session: &Session, readings: &Readings) -> Result<Option<Enrollment>, StoreError> {
    let select = format!("SELECT user FROM enrollment WHERE {USER_PART}");
    let mut same = session.connection.prepare(&format!("{select} = ?1"))?;
    // Whatever begins so, and goes on with @: A is the next character.
    let mut of_domain =
        session.connection.prepare(&format!("{select} >= ?1 || '@' AND {USER_PART} < ?1 || 'A'"))?;
    for part in readings.without_domain() {
        let found = first_alike(&mut same, part, readings)?;
        let found = match found {
            None if readings.is_of_any_domain() => first_alike(&mut of_domain, part, readings)?,
            found => found,
        };
        if let Some(name) = found {
            return enrollment_by_name(session, &name);
        }
    }
    Ok(None)
}

fn first_alike(
    statement: &mut Statement<'_>,
    part: &str,
    readings: &Readings,
) -> Result<Option<UserName>, StoreError> {
    for name in statement.query_map([part], |row| rows::user(row, 0))? {
        let name = name?;
        if readings.may_be(&name) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

pub(crate) fn enrollments_by_uid(session: &Session, uid: u32) -> Result<Vec<Enrollment>, StoreError> {
    let mut statement = session.connection.prepare(&format!("{ENROLLMENT} WHERE e.uid = ?"))?;
    let found = statement.query_map([uid], rows::enrollment)?.collect::<Result<_, _>>()?;
    Ok(found)
}

fn credentials(
    session: &Session,
    of: EnrollmentId,
    source: &Source,
    kind: Kind,
) -> Result<Option<CodeCredentials>, StoreError> {
    let connection = &session.connection;
    let exists =
        connection.query_row("SELECT 1 FROM enrollment WHERE id = ?", [of.0], |_| Ok(())).optional()?;
    if exists.is_none() {
        return Ok(None);
    }
    let backup_codes = match kind {
        Kind::BackupCode => backup_codes(session, of)?,
        Kind::Code => Vec::new(),
    };
    let (tally, untold, latest_time) = tally(session, of, source)?;
    Ok(Some(CodeCredentials {
        enrollment: of,
        authenticators: rows::authenticators(session, of)?,
        backup_codes,
        backup_key: session.keys.backup_codes.clone(),
        tally,
        untold,
        latest_time,
    }))
}

/// What has come from there and from everywhere; how many wrong codes the owner has not been told of; the latest time seen.
fn tally(session: &Session, of: EnrollmentId, source: &Source) -> Result<(Tally, u32, UnixTime), StoreError> {
    let connection = &session.connection;
    let sql = "SELECT failures, codes, failed_at, failed_since_boot, failed_boot, last_success FROM source \
               WHERE enrollment = ? AND source = ?";
    let values = params![of.0, source.key()];
    // Whence nothing has come yet, nothing has failed yet.
    let here = connection.query_row(sql, values, rows::record).optional()?.unwrap_or_default();
    let sql = "SELECT coalesce(sum(codes), 0), coalesce(sum(untold), 0), (SELECT latest_time FROM meta) FROM source \
               WHERE enrollment = ?";
    let (all_codes, untold, latest_time) =
        connection.query_row(sql, [of.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok((Tally { here, standing: source.standing(), all_codes }, untold, UnixTime(latest_time)))
}

fn backup_codes(session: &Session, of: EnrollmentId) -> Result<Vec<backup_code::Stored>, StoreError> {
    let sql = "SELECT id, tag, memory, passes, lanes, salt, hash, lifetime, uses, given, given_since_boot, given_boot \
               FROM backup_code WHERE enrollment = ? AND (uses IS NOT 0 OR lifetime > 0)";
    let read = |row: &Row<'_>| {
        Ok(backup_code::Stored {
            id: BackupCodeId(row.get(0)?),
            tag: rows::tag(row, 1)?,
            hash: rows::hash(row, 2)?,
            bypass: rows::bypass(row, 7)?,
        })
    };
    let found = session.connection.prepare(sql)?.query_map([of.0], read)?.collect::<Result<_, _>>()?;
    Ok(found)
}

fn app_candidates(
    session: &Session,
    of: EnrollmentId,
    password: &AppPassword,
) -> Result<AppCandidates, StoreError> {
    let connection = &session.connection;
    let tag = password.tag(&session.keys.app_passwords, of).0;
    let sql = "SELECT id, name, memory, passes, lanes, salt, hash, boot_tag, last_used, services, networks, lifetime, created, \
               given_since_boot, given_boot FROM app_password WHERE enrollment = ? AND tag = ?";
    let live: Vec<_> = connection
        .prepare(sql)?
        .query_map(params![of.0, tag], |row| {
            let boot_tag = row.get_ref(7)?.as_blob_or_null()?.and_then(BootTag::from_bytes);
            Ok(app_password::Stored {
                id: AppPasswordId(row.get(0)?),
                label: rows::label(row, 1)?,
                hash: rows::hash(row, 2)?,
                boot_tag,
                last_used: row.get::<_, Option<i64>>(8)?.map(UnixTime),
                scope: rows::scope(row, 9)?,
            })
        })?
        .collect::<Result<_, _>>()?;
    if live.is_empty() {
        // No app password is made with the tag of one that was revoked.
        return Ok(AppCandidates { revoked: revoked(session, of, tag)?, ..AppCandidates::default() });
    }
    let latest_time =
        if live.iter().any(|one| one.scope.lease.is_some()) { session.latest_time()? } else { UnixTime(0) };
    // Without a boot key every login pays for its hash, which is all that is lost; `check` says why there is none.
    let boot_key = boot_key::obtain(&session.runtime).ok();
    Ok(AppCandidates { live, revoked: None, boot_key, latest_time })
}

/// The name of a revoked app password with this tag.
fn revoked(session: &Session, of: EnrollmentId, tag: u16) -> Result<Option<Label>, StoreError> {
    let sql = "SELECT name FROM revoked_app_password WHERE enrollment = ? AND tag = ? ORDER BY revoked DESC LIMIT 1";
    Ok(session.connection.query_row(sql, params![of.0, tag], |row| rows::label(row, 0)).optional()?)
}

#[cfg(test)]
#[path = "login_store_tests.rs"]
mod tests;
