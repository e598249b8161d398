//! Rows to values and back, for what more than one place reads.

use crate::StoreError;
use crate::roster;
use crate::schema;
use crate::settings::{self, Journal};
use crate::vault::Session;
use rusqlite::Row;
use rusqlite::types::Type;
use std::time::Duration;
use twostep_core::account::{Enrollment, EnrollmentId, State};
use twostep_core::app_password::Label;
use twostep_core::backup_code::Bypass;
use twostep_core::crypto::Tag;
use twostep_core::memory_hard::{Cost, Hash};
use twostep_core::name::UserName;
use twostep_core::network;
use twostep_core::rule::Glob;
use twostep_core::scope::Scope;
use twostep_core::throttle::Record;
use twostep_core::time::{BootId, Lease, Stamp, UnixTime};
use twostep_core::totp::{Algorithm, Authenticator, AuthenticatorId, Kind, Offset, Parameters};

/// The columns that [`enrollment`] reads.
pub(crate) const ENROLLMENT: &str = "SELECT e.id, e.user, e.uid, e.state, \
     (SELECT count(*) FROM authenticator a WHERE a.enrollment = e.id) FROM enrollment e";

pub(crate) fn enrollment(row: &Row<'_>) -> rusqlite::Result<Enrollment> {
    let state: String = row.get(3)?;
    Ok(Enrollment {
        id: EnrollmentId(row.get(0)?),
        user: user(row, 1)?,
        uid: row.get(2)?,
        state: match state.as_str() {
            "pending" => State::Pending,
            "active" => State::Active,
            _ => return Err(damaged(3, &"unknown state")),
        },
        authenticators: row.get(4)?,
    })
}

/// A user's name in column `at`.
pub(crate) fn user(row: &Row<'_>, at: usize) -> rusqlite::Result<UserName> {
    UserName::parse(&row.get::<_, String>(at)?).map_err(|error| damaged(at, &error))
}

/// What a sealed secret is bound to: this store, this row, this enrollment. Renaming a user changes none of them.
pub(crate) fn binding(session: &Session, id: i64, enrollment: EnrollmentId) -> Vec<u8> {
    [&b"authenticator"[..], &session.store_id, &id.to_be_bytes(), &enrollment.0.to_be_bytes()].concat()
}

/// The enrollment's authenticators with their secrets opened.
pub(crate) fn authenticators(session: &Session, of: EnrollmentId) -> Result<Vec<Authenticator>, StoreError> {
    let sql = "SELECT id, secret, last_step, kind, algorithm, digits, period FROM authenticator WHERE enrollment = ? ORDER BY id";
    let mut statement = session.connection.prepare(sql)?;
    let mut rows = statement.query([of.0])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        let sealed: Vec<u8> = row.get(1)?;
        let secret = session
            .keys
            .authenticators
            .open(&sealed, &binding(session, id, of))
            .map_err(|_| StoreError::Sealed { authenticator: id })?;
        let last_step = step(row, 2)?;
        found.push(Authenticator {
            id: AuthenticatorId(id),
            parameters: parameters(row, 3)?,
            secret,
            last_step,
        });
    }
    Ok(found)
}

/// `kind, algorithm, digits, period` from column `at` on.
pub(crate) fn parameters(row: &Row<'_>, at: usize) -> rusqlite::Result<Parameters> {
    let (kind, algorithm): (String, String) = (row.get(at)?, row.get(at + 1)?);
    let kind = match kind.as_str() {
        "totp" => Kind::Totp { period: row.get(at + 3)? },
        "hotp" => Kind::Hotp,
        _ => return Err(damaged(at, &"unknown kind of authenticator")),
    };
    let algorithm = Algorithm::parse(&algorithm).ok_or_else(|| damaged(at + 1, &"unknown algorithm"))?;
    Parameters::new(algorithm, row.get(at + 2)?, kind).map_err(|_| damaged(at, &"impossible parameters"))
}

/// `last_step` in column `at`.
pub(crate) fn step(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<u64>> {
    row.get::<_, Option<i64>>(at)?.map(|step| whole(at, step)).transpose()
}

/// `off_by` in column `at`, of an authenticator of this kind.
pub(crate) fn offset(row: &Row<'_>, at: usize, kind: Kind) -> rusqlite::Result<Option<Offset>> {
    let read = |number| Offset::of(kind, number).ok_or_else(|| damaged(at, &"impossible offset"));
    row.get::<_, Option<i64>>(at)?.map(read).transpose()
}

/// How many digits the codes of the enrollment's authenticators have.
pub(crate) fn code_digits(session: &Session, of: EnrollmentId) -> Result<Vec<u8>, StoreError> {
    let sql = "SELECT DISTINCT digits FROM authenticator WHERE enrollment = ?";
    let found =
        session.connection.prepare(sql)?.query_map([of.0], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(found)
}

/// `memory, passes, lanes, salt, hash` from column `at` on.
pub(crate) fn hash(row: &Row<'_>, at: usize) -> rusqlite::Result<Hash> {
    let cost = Cost { memory: row.get(at)?, passes: row.get(at + 1)?, lanes: row.get(at + 2)? };
    Ok(Hash { cost, salt: row.get(at + 3)?, hash: row.get(at + 4)? })
}

/// `lifetime, uses, given, given_since_boot, given_boot` from column `at` on: none for a plain backup code.
pub(crate) fn bypass(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Bypass>> {
    let Some(lifetime) = row.get::<_, Option<i64>>(at)? else { return Ok(None) };
    let lifetime = Duration::from_secs(whole(at, lifetime)?);
    Ok(Some(Bypass { lease: Lease { given: stamp(row, at + 2)?, lifetime }, uses: row.get(at + 1)? }))
}

/// `lifetime, given, given_since_boot, given_boot` from column `at` on.
pub(crate) fn lease(row: &Row<'_>, at: usize) -> rusqlite::Result<Lease> {
    let lifetime = Duration::from_secs(whole(at, row.get(at)?)?);
    Ok(Lease { given: stamp(row, at + 1)?, lifetime })
}

/// A time by both clocks, and the boot, from column `at` on.
fn stamp(row: &Row<'_>, at: usize) -> rusqlite::Result<Stamp> {
    Ok(Stamp {
        wall: UnixTime(row.get(at)?),
        since_boot: Duration::from_secs(whole(at + 1, row.get(at + 1)?)?),
        boot: row.get::<_, Option<[u8; 16]>>(at + 2)?.map(BootId),
    })
}

/// `services, networks, lifetime, created, given_since_boot, given_boot` from column `at` on.
pub(crate) fn scope(row: &Row<'_>, at: usize) -> rusqlite::Result<Scope> {
    let entries = |at| Ok::<_, rusqlite::Error>(row.get::<_, Option<String>>(at)?.unwrap_or_default());
    let (services, networks): (String, String) = (entries(at)?, entries(at + 1)?);
    let each = |text: &'_ str| {
        text.split(',').filter(|entry| !entry.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    let services = each(&services).iter().map(|text| Glob::service(text)).collect::<Result<_, _>>();
    let networks = each(&networks).iter().map(|text| network::parse(text)).collect::<Result<_, _>>();
    let lease = row.get::<_, Option<i64>>(at + 2)?.is_some().then(|| lease(row, at + 2)).transpose()?;
    Ok(Scope {
        services: services.map_err(|error| damaged(at, &error))?,
        networks: networks.map_err(|error| damaged(at + 1, &error))?,
        lease,
    })
}

/// Entries as [`scope`] reads them.
pub(crate) fn entries<T: ToString>(all: &[T]) -> Option<String> {
    (!all.is_empty()).then(|| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
}

pub(crate) fn tag(row: &Row<'_>, at: usize) -> rusqlite::Result<Tag> {
    row.get(at).map(Tag)
}

pub(crate) fn label(row: &Row<'_>, at: usize) -> rusqlite::Result<Label> {
    row.get(at).map(Label::stored)
}

/// `failures, codes, failed_at, failed_since_boot, failed_boot, last_success` from column 0 on.
pub(crate) fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let failed: Option<i64> = row.get(2)?;
    let last_failure = failed.map(|_| stamp(row, 2)).transpose()?;
    Ok(Record {
        failures: row.get(0)?,
        codes: row.get(1)?,
        last_failure,
        last_success: row.get::<_, Option<i64>>(5)?.map(UnixTime),
    })
}

/// A number that cannot be negative.
fn whole(column: usize, number: i64) -> rusqlite::Result<u64> {
    u64::try_from(number).map_err(|_| damaged(column, &"negative"))
}

/// Runs `work` in one transaction that excludes every other writer, and commits. Whatever fails leaves nothing behind.
pub(crate) fn exclusively<T>(
    session: &Session,
    work: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    exclusively_with(session, Journal::Persist, work)
}

/// [`exclusively`], for work whose refusals need not be the store's, with the journal as it is to be afterwards.
pub(crate) fn exclusively_with<T, E: From<StoreError>>(
    session: &Session,
    journal: Journal,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    begin(session, journal)?;
    // Between the reading and this the store may have been brought to a schema that is written otherwise.
    let fits = schema::still_fits(&session.connection).map_err(E::from);
    let done = fits.and_then(|()| work()).and_then(|result| {
        commit(session)?;
        Ok(result)
    });
    if done.is_err() {
        // What is told is why it failed. A transaction that cannot be taken back ends with the connection, before anything else is written.
        let _open_still = settings::leave_transaction(&session.connection);
    }
    session.roster.tell();
    done
}

fn begin(session: &Session, journal: Journal) -> Result<(), StoreError> {
    settings::leave_transaction(&session.connection)?;
    settings::prepare_to_write(&session.connection, journal)?;
    session.roster.begin();
    Ok(session.patience.run(&session.connection, "BEGIN IMMEDIATE")?)
}

fn commit(session: &Session) -> Result<(), StoreError> {
    let published = roster::publish(session)?;
    session.patience.run(&session.connection, "COMMIT")?;
    published.finish();
    session.patience.renew(&session.connection);
    Ok(())
}

/// Exactly one row was to be changed.
pub(crate) fn one_row(changed: usize) -> Result<(), StoreError> {
    if changed == 1 { Ok(()) } else { Err(StoreError::Gone) }
}

fn damaged(column: usize, what: &dyn std::fmt::Display) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, what.to_string().into())
}
