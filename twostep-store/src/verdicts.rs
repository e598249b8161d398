//! What verdicts change: the consumed step or code, the counts, and what remains when a login has succeeded as a whole.

use crate::StoreError;
use crate::admin::history::{Deed, remember_of};
use crate::rows::one_row;
use crate::trusted;
use crate::vault::Session;
use rusqlite::{Row, params};
use twostep_core::account::EnrollmentId;
use twostep_core::attempt::Source;
use twostep_core::change::{Action, Author, By};
use twostep_core::ports::{Completion, Untold};
use twostep_core::throttle::{self, KNOWN_FOR, Kind, Record};
use twostep_core::time::{Now, UnixTime};
use twostep_core::totp::{AuthenticatorId, Consumed, Offset};
use twostep_core::verify::{Changes, Counts};

/// Added to a number it makes it as wide as any number that a verdict writes, six bytes or more.
const WIDE: i64 = 1 << 46;
/// Stands for NULL while a number is wide.
const NONE: i64 = -1000;
/// More wrong answers from one source than these are not told apart: the sum over all sources stays a number that can be read.
const UNTOLD_MAX: u32 = 1_000_000;

/// Writes everything that a verdict on an answer of this kind can need room for, before it is judged. The failure stands as if the
/// answer were wrong; the numbers that a right one changes are as wide as they can become. [`apply`] makes rows narrower in the same
/// pages, which takes no further page of the store or of its journal. So whether the disk has room does not depend on the verdict.
pub(crate) fn prepare(
    session: &Session,
    of: EnrollmentId,
    source: &Source,
    kind: Kind,
    failure: &Record,
) -> Result<(), StoreError> {
    let connection = &session.connection;
    connection.execute_batch("SAVEPOINT judging")?;
    match kind {
        Kind::Code => {
            let sql = "UPDATE authenticator SET last_step = coalesce(last_step, ?2) + ?3, off_by = coalesce(off_by, ?2) + ?3, \
                       used = coalesce(used, ?2) + ?3 WHERE enrollment = ?1";
            connection.execute(sql, params![of.0, NONE, WIDE])?;
            connection.execute("UPDATE meta SET latest_time = latest_time + ?", [WIDE])?;
        }
        Kind::BackupCode => {
            // Those that were used. To delete one with its verdict could take pages that a wrong answer does not. A bypass code that logins
            // have used up has its lifetime left.
            let sql = "DELETE FROM backup_code WHERE enrollment = ? AND uses = 0 AND lifetime = 0";
            connection.execute(sql, [of.0])?;
            let sql = "UPDATE backup_code SET uses = coalesce(uses, ?2) + ?3 WHERE enrollment = ?1";
            connection.execute(sql, params![of.0, NONE, WIDE])?;
        }
    }
    keep(session, of, source, failure, 1)?;
    forget_surplus(session, of, source)?;
    if kind == Kind::BackupCode {
        // It only makes rows narrower: taken back, all its pages are in the journal.
        connection.execute_batch("SAVEPOINT rehearsal")?;
        forget_failures(session, of)?;
        connection.execute_batch("ROLLBACK TO rehearsal; RELEASE rehearsal")?;
    }
    Ok(())
}

/// Makes the numbers that [`prepare`] has widened what they were.
fn narrow(session: &Session, of: EnrollmentId, kind: Kind) -> Result<(), StoreError> {
    let connection = &session.connection;
    let values = params![of.0, NONE, WIDE];
    match kind {
        Kind::Code => {
            let sql = "UPDATE authenticator SET last_step = nullif(last_step - ?3, ?2), off_by = nullif(off_by - ?3, ?2), \
                       used = nullif(used - ?3, ?2) WHERE enrollment = ?1";
            connection.execute(sql, values)?;
            connection.execute("UPDATE meta SET latest_time = latest_time - ?", [WIDE])?;
        }
        Kind::BackupCode => {
            let sql = "UPDATE backup_code SET uses = nullif(uses - ?3, ?2) WHERE enrollment = ?1";
            connection.execute(sql, values)?;
        }
    }
    Ok(())
}

/// Carries out what a verdict wants, after [`prepare`]. Nothing here may insert or delete a row, or make one wider than it is.
pub(crate) fn apply(
    session: &Session,
    of: EnrollmentId,
    source: &Source,
    kind: Kind,
    now: &Now,
    changes: &Changes,
) -> Result<(), StoreError> {
    let connection = &session.connection;
    if changes.counts == Counts::Stay {
        // It was not judged after all.
        return Ok(connection.execute_batch("ROLLBACK TO judging; RELEASE judging")?);
    }
    narrow(session, of, kind)?;
    if let Some((authenticator, consumed)) = changes.step {
        consume(session, authenticator, consumed, now.wall)?;
        // A right code says that the clock is right: the phone agrees. What counts knows no time.
        if matches!(consumed.offset, Offset::Steps(_)) {
            connection.execute("UPDATE meta SET latest_time = ?1 WHERE latest_time < ?1", [now.wall.0])?;
        }
    }
    if let Some((code, left)) = changes.bypass {
        let sql = "UPDATE backup_code SET uses = ?1 WHERE id = ?2 AND uses = ?1 + 1";
        one_row(connection.execute(sql, params![left, code.0])?)?;
    }
    if let Some(code) = changes.backup_code {
        // Like a bypass code without a use and without a lifetime, which no version accepts. None of these zeros takes room.
        let sql = "UPDATE backup_code SET lifetime = 0, uses = 0, given = 0, given_since_boot = 0 \
                   WHERE id = ? AND (uses IS NULL OR uses = 0 AND lifetime > 0)";
        one_row(connection.execute(sql, [code.0])?)?;
    }
    match &changes.counts {
        Counts::Stay => {}
        Counts::Failure(record) => keep(session, of, source, record, 0)?,
        Counts::Success(record) => keep(session, of, source, record, -1)?,
        Counts::SuccessEverywhere => {
            forget_failures(session, of)?;
            let sql = "UPDATE source SET untold = untold - 1 WHERE enrollment = ? AND source = ?";
            one_row(connection.execute(sql, params![of.0, source.key()])?)?;
        }
    }
    Ok(connection.execute_batch("RELEASE judging")?)
}

/// Writes down that the code of a step or counter was accepted: neither it nor any before it is from now on.
pub(crate) fn consume(
    session: &Session,
    authenticator: AuthenticatorId,
    consumed: Consumed,
    at: UnixTime,
) -> Result<(), StoreError> {
    let step = i64::try_from(consumed.step).map_err(|_| StoreError::Damaged("a step beyond all time"))?;
    let sql = "UPDATE authenticator SET last_step = ?1, off_by = ?3, used = ?4 \
               WHERE id = ?2 AND (last_step IS NULL OR last_step < ?1)";
    let values = [step, authenticator.0, consumed.offset.number(), at.0];
    one_row(session.connection.execute(sql, values)?)
}

/// Keeps a source's new record, and that the owner is to be told of so many more.
fn keep(
    session: &Session,
    of: EnrollmentId,
    source: &Source,
    record: &Record,
    untold: i32,
) -> Result<(), StoreError> {
    let failure = record.last_failure.as_ref();
    session.connection.execute(
        "INSERT INTO source (enrollment, source, failures, codes, untold, failed_at, failed_since_boot, failed_boot, \
                             last_success) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
         ON CONFLICT DO UPDATE SET failures = ?3, codes = ?4, untold = min(untold + ?5, ?10), failed_at = ?6, \
                                   failed_since_boot = ?7, failed_boot = ?8, last_success = ?9",
        params![
            of.0,
            source.key(),
            record.failures,
            record.codes,
            untold,
            failure.map(|stamp| stamp.wall.0),
            failure.and_then(|stamp| i64::try_from(stamp.since_boot.as_secs()).ok()),
            failure.and_then(|stamp| stamp.boot).map(|boot| boot.0),
            record.last_success.map(|time| time.0),
            UNTOLD_MAX,
        ],
    )?;
    Ok(())
}

/// How many sources are kept of a user. Wrong codes come to their cap long before that; wrong backup codes have none.
const SOURCES_MAX: u32 = 1_000;
/// The source under which those are counted that are kept no more.
const ELSEWHERE: &str = "elsewhere";

/// Forgets the oldest of too many sources, a tenth at a time, unless they count towards the cap, are known, or are `but`. What the owner
/// has not been told of stays to be told.
fn forget_surplus(session: &Session, of: EnrollmentId, but: &Source) -> Result<(), StoreError> {
    let connection = &session.connection;
    let sql = "SELECT count(*) FROM source WHERE enrollment = ?";
    let count: u32 = connection.query_row(sql, [of.0], |row| row.get(0))?;
    if count <= SOURCES_MAX {
        return Ok(());
    }
    let oldest = "SELECT source FROM source WHERE enrollment = ?1 AND codes = 0 AND last_success IS NULL \
                  AND source NOT IN (?2, ?4) ORDER BY failed_at LIMIT ?3";
    let values = params![of.0, ELSEWHERE, SOURCES_MAX / 10, but.key()];
    let sql = format!(
        "INSERT INTO source (enrollment, source, failures, codes, untold) \
         SELECT ?1, ?2, 0, 0, coalesce(sum(untold), 0) FROM source WHERE enrollment = ?1 AND source IN ({oldest}) \
         ON CONFLICT DO UPDATE SET untold = min(untold + excluded.untold, {UNTOLD_MAX})"
    );
    connection.execute(&sql, values)?;
    let sql = format!("DELETE FROM source WHERE enrollment = ?1 AND source IN ({oldest})");
    connection.execute(&sql, values)?;
    Ok(())
}

/// Lets all sources begin anew. What the owner has not been told of stays to be told.
pub(crate) fn forget_failures(session: &Session, of: EnrollmentId) -> Result<(), StoreError> {
    let sql = "UPDATE source SET failures = 0, codes = 0, failed_at = NULL, failed_since_boot = NULL, \
               failed_boot = NULL WHERE enrollment = ?";
    session.connection.execute(sql, [of.0])?;
    Ok(())
}

/// Does what judging an answer does, for nobody: prepares it on somebody's rows or none, takes it back, and commits, so that as many
/// pages go to the disk.
pub(crate) fn pretend(session: &Session, source: &Source, kind: Kind, now: &Now) -> Result<(), StoreError> {
    let connection = &session.connection;
    let somebody: Option<i64> =
        connection.query_row("SELECT min(id) FROM enrollment", [], |row| row.get(0))?;
    let Some(of) = somebody.map(EnrollmentId) else { return Ok(()) };
    let failure = throttle::after_failure(&Record::default(), kind, now);
    prepare(session, of, source, kind, &failure)?;
    connection.execute_batch("ROLLBACK TO judging; RELEASE judging")?;
    Ok(())
}

/// Writes down what remains of a login that has succeeded as a whole. Returns what the owner has not been told of until now.
pub(crate) fn complete(
    session: &Session,
    completion: &Completion,
    now: &Now,
) -> Result<Vec<Untold>, StoreError> {
    let (connection, of, at) = (&session.connection, completion.enrollment.0, now.wall);
    let sql =
        "SELECT source, untold FROM source WHERE enrollment = ? AND untold > 0 ORDER BY untold DESC, source";
    let read = |row: &Row<'_>| Ok(Untold { source: row.get(0)?, count: row.get(1)? });
    let untold = connection.prepare(sql)?.query_map([of], read)?.collect::<Result<_, _>>()?;
    if let Some(new) = &completion.trusts {
        trusted::trust(session, completion.enrollment, new, now)?;
    }
    if completion.activates {
        let sql = "UPDATE enrollment SET state = 'active', activated = coalesce(activated, ?) WHERE id = ?";
        one_row(connection.execute(sql, [at.0, of])?)?;
        let author = Author { by: By::Login, why: None };
        let deed = Deed { action: Action::Activated, target: None, author: &author, at };
        let user = remember_of(session, completion.enrollment, &deed)?;
        session.roster.touch(&user);
    }
    if let Some(source) = &completion.makes_known {
        // For an enrollment that is gone the foreign key refuses the row.
        let sql = "INSERT INTO source (enrollment, source, failures, codes, untold, last_success) \
                   VALUES (?1, ?2, 0, 0, 0, ?3) ON CONFLICT DO UPDATE SET last_success = ?3";
        connection.execute(sql, params![of, source.key(), at.0])?;
    }
    connection.execute("UPDATE source SET untold = 0 WHERE enrollment = ? AND untold > 0", [of])?;
    let UnixTime(forgotten) = at.minus(KNOWN_FOR);
    let sql = "DELETE FROM source WHERE enrollment = ? AND failures = 0 AND codes = 0 AND untold = 0 \
               AND coalesce(last_success, 0) < ?";
    connection.execute(sql, [of, forgotten])?;
    Ok(untold)
}

#[cfg(test)]
#[path = "verdicts_tests.rs"]
mod tests;
