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

/// Writes, and takes back, what a right answer of this kind would write. Every page of it is in the journal then and is written at
/// the commit, whatever the verdict: on a full disk a right answer fails no sooner than a wrong one.
pub(crate) fn rehearse(session: &Session, of: EnrollmentId, kind: Kind) -> Result<(), StoreError> {
    let connection = &session.connection;
    connection.execute_batch("SAVEPOINT rehearsal")?;
    // Values that differ: SQLite does not touch a page for the same ones. And none that take fewer bytes than the real ones will (six
    // for a time or a step, one for an offset): a row that grows may need one more page.
    let steps = "UPDATE authenticator SET last_step = coalesce(last_step, 0) + (1 << 40), off_by = 100, \
                 used = coalesce(used, 0) + (1 << 40) WHERE enrollment = ?";
    connection.execute(steps, [of.0])?;
    connection.execute("UPDATE meta SET latest_time = latest_time + 1", [])?;
    if kind == Kind::BackupCode {
        connection.execute("DELETE FROM backup_code WHERE enrollment = ?", [of.0])?;
        connection.execute("UPDATE source SET failures = failures + 1 WHERE enrollment = ?", [of.0])?;
    }
    connection.execute_batch("ROLLBACK TO rehearsal; RELEASE rehearsal")?;
    Ok(())
}

/// Carries out what a verdict wants.
pub(crate) fn apply(
    session: &Session,
    of: EnrollmentId,
    source: &Source,
    now: &Now,
    changes: &Changes,
) -> Result<(), StoreError> {
    let connection = &session.connection;
    if let Some((authenticator, consumed)) = changes.step {
        consume(session, authenticator, consumed, now.wall)?;
        // A right code says that the clock is right: the phone agrees. What counts knows no time.
        if matches!(consumed.offset, Offset::Steps(_)) {
            connection.execute("UPDATE meta SET latest_time = ?1 WHERE latest_time < ?1", [now.wall.0])?;
        }
    }
    if let Some(code) = changes.backup_code {
        one_row(connection.execute("DELETE FROM backup_code WHERE id = ?", [code.0])?)?;
    }
    if let Some((code, left)) = changes.bypass {
        let sql = "UPDATE backup_code SET uses = ?1 WHERE id = ?2 AND uses = ?1 + 1";
        one_row(connection.execute(sql, params![left, code.0])?)?;
        connection.execute("DELETE FROM backup_code WHERE id = ? AND uses = 0", [code.0])?;
    }
    match &changes.counts {
        Counts::Stay => Ok(()),
        Counts::Failure(record) => {
            keep(session, of, source, record, 1)?;
            forget_surplus(session, of)
        }
        Counts::Success(record) => keep(session, of, source, record, 0),
        Counts::SuccessEverywhere => forget_failures(session, of),
    }
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

/// Keeps a source's new record.
fn keep(
    session: &Session,
    of: EnrollmentId,
    source: &Source,
    record: &Record,
    untold: u32,
) -> Result<(), StoreError> {
    let failure = record.last_failure.as_ref();
    session.connection.execute(
        "INSERT INTO source (enrollment, source, failures, codes, untold, failed_at, failed_since_boot, failed_boot, \
                             last_success) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
         ON CONFLICT DO UPDATE SET failures = ?3, codes = ?4, untold = untold + ?5, failed_at = ?6, \
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
        ],
    )?;
    Ok(())
}

/// How many sources are kept of a user. Wrong codes come to their cap long before that; wrong backup codes have none.
const SOURCES_MAX: u32 = 1_000;
/// The source under which those are counted that are kept no more.
const ELSEWHERE: &str = "elsewhere";

/// Forgets the oldest of too many sources, a tenth at a time, unless they count towards the cap or are known. What the owner has not been
/// told of stays to be told.
fn forget_surplus(session: &Session, of: EnrollmentId) -> Result<(), StoreError> {
    let connection = &session.connection;
    let sql = "SELECT count(*) FROM source WHERE enrollment = ?";
    let count: u32 = connection.query_row(sql, [of.0], |row| row.get(0))?;
    if count <= SOURCES_MAX {
        return Ok(());
    }
    let oldest = "SELECT source FROM source WHERE enrollment = ?1 AND codes = 0 AND last_success IS NULL AND source <> ?2 \
                  ORDER BY failed_at LIMIT ?3";
    let values = params![of.0, ELSEWHERE, SOURCES_MAX / 10];
    let sql = format!(
        "INSERT INTO source (enrollment, source, failures, codes, untold) \
         SELECT ?1, ?2, 0, 0, coalesce(sum(untold), 0) FROM source WHERE enrollment = ?1 AND source IN ({oldest}) \
         ON CONFLICT DO UPDATE SET untold = untold + excluded.untold"
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

/// Does what judging a wrong answer does, for nobody: tries what a right one would write, on somebody's rows or none, takes it back, and
/// commits, so that as many pages go to the disk.
pub(crate) fn pretend(session: &Session, source: &Source, kind: Kind, now: &Now) -> Result<(), StoreError> {
    let connection = &session.connection;
    let somebody: Option<i64> =
        connection.query_row("SELECT min(id) FROM enrollment", [], |row| row.get(0))?;
    let Some(of) = somebody.map(EnrollmentId) else { return Ok(()) };
    rehearse(session, of, kind)?;
    connection.execute_batch("SAVEPOINT pretence")?;
    keep(session, of, source, &throttle::after_failure(&Record::default(), kind, now), 1)?;
    connection.execute_batch("ROLLBACK TO pretence; RELEASE pretence")?;
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
