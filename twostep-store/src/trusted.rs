//! Trusted devices: read at logins, written at their end, listed and forgotten by administrators.

use crate::StoreError;
use crate::admin::history::{Deed, remember_of};
use crate::admin::{Refusal, in_transaction};
use crate::rows;
use crate::vault::Session;
use rusqlite::{OptionalExtension, Row, params};
use std::net::IpAddr;
use std::time::Duration;
use twostep_core::account::EnrollmentId;
use twostep_core::change::{Action, Author, By};
use twostep_core::ports::{Trusted, Trusting, Trusts};
use twostep_core::time::{Lease, Now, UnixTime};

/// How many trusted devices a user has at most; the oldest goes when there is one more.
pub const TRUSTED_MAX: u32 = 50;

/// Which of a user's trusted devices.
#[derive(Clone, Copy, Debug)]
pub enum Devices<'a> {
    /// All of them.
    All,
    /// The one of this id; or this fingerprint or address, at every service.
    Called(&'a str),
}

/// A trusted device as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedDevice {
    /// Its id.
    pub id: i64,
    /// Where it is trusted.
    pub service: String,
    /// `key` or `address`.
    pub kind: String,
    /// The fingerprint, or the address.
    pub device: String,
    /// Since when, and how long.
    pub lease: Lease,
}

/// Whether a device is trusted.
pub(crate) fn trusted(
    session: &Session,
    of: EnrollmentId,
    at: &Trusting<'_>,
    now: &Now,
) -> Result<Option<Trusted>, StoreError> {
    let sql = "SELECT lifetime, given, given_since_boot, given_boot, \
                      (SELECT coalesce(sum(untold), 0) FROM source s WHERE s.enrollment = t.enrollment) \
               FROM trusted_device t WHERE enrollment = ? AND service = ? AND kind = ? AND device = ?";
    let values = params![of.0, at.service.as_str(), at.device.kind().word(), at.device.to_string()];
    let read = |row: &Row<'_>| Ok((rows::lease(row, 0)?, row.get(4)?));
    let found = session.connection.query_row(sql, values, read).optional()?;
    Ok(found
        .and_then(|(lease, untold)| (!bounded(lease, at.at_most).is_over(now)).then_some(Trusted { untold })))
}

/// Where the configuration has become stricter since, that counts.
fn bounded(lease: Lease, at_most: Duration) -> Lease {
    Lease { lifetime: lease.lifetime.min(at_most), ..lease }
}

/// Trusts a device from now on.
pub(crate) fn trust(session: &Session, of: EnrollmentId, new: &Trusts, now: &Now) -> Result<(), StoreError> {
    let (connection, given) = (&session.connection, now.stamp());
    let sql = "INSERT INTO trusted_device (enrollment, service, kind, device, lifetime, given, given_since_boot, given_boot) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) \
               ON CONFLICT DO UPDATE SET lifetime = ?5, given = ?6, given_since_boot = ?7, given_boot = ?8";
    let whole = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
    connection.execute(
        sql,
        params![
            of.0,
            new.service.as_str(),
            new.device.kind().word(),
            new.device.to_string(),
            whole(new.lifetime.as_secs()),
            given.wall.0,
            whole(given.since_boot.as_secs()),
            given.boot.map(|boot| boot.0),
        ],
    )?;
    for one in all(session, of)?.iter().filter(|one| one.lease.is_over(now)) {
        connection.execute("DELETE FROM trusted_device WHERE id = ?", [one.id])?;
    }
    let sql = "DELETE FROM trusted_device WHERE enrollment = ?1 AND id NOT IN \
               (SELECT id FROM trusted_device WHERE enrollment = ?1 ORDER BY given DESC, id DESC LIMIT ?2)";
    connection.execute(sql, params![of.0, TRUSTED_MAX])?;
    let (author, target) = (Author { by: By::Login, why: None }, new.device.to_string());
    let deed =
        Deed { action: Action::TrustedDeviceAdd, target: Some(&target), author: &author, at: now.wall };
    remember_of(session, of, &deed)?;
    Ok(())
}

/// Forgets all: the authenticators have changed.
pub(crate) fn forget_all(session: &Session, of: EnrollmentId) -> Result<(), StoreError> {
    session.connection.execute("DELETE FROM trusted_device WHERE enrollment = ?", [of.0])?;
    Ok(())
}

fn all(session: &Session, of: EnrollmentId) -> Result<Vec<TrustedDevice>, StoreError> {
    let sql = "SELECT id, service, kind, device, lifetime, given, given_since_boot, given_boot FROM trusted_device \
               WHERE enrollment = ? ORDER BY id";
    let read = |row: &Row<'_>| {
        Ok(TrustedDevice {
            id: row.get(0)?,
            service: row.get(1)?,
            kind: row.get(2)?,
            device: row.get(3)?,
            lease: rows::lease(row, 4)?,
        })
    };
    let found = session.connection.prepare(sql)?.query_map([of.0], read)?.collect::<Result<_, _>>()?;
    Ok(found)
}

impl Session {
    /// A user's trusted devices whose time is not over, oldest first, none for longer than `at_most`.
    ///
    /// # Errors
    /// When the store fails.
    pub fn trusted_devices(
        &self,
        of: EnrollmentId,
        at_most: Duration,
        now: &Now,
    ) -> Result<Vec<TrustedDevice>, StoreError> {
        let bounded =
            all(self, of)?.into_iter().map(|one| TrustedDevice { lease: bounded(one.lease, at_most), ..one });
        Ok(bounded.filter(|one| !one.lease.is_over(now)).collect())
    }

    /// The trusted devices that are meant, those whose time is over among them: where `trust_days` is raised again, they would be back.
    ///
    /// # Errors
    /// When one is called that is not there, or the store fails.
    pub fn find_devices(&self, of: EnrollmentId, which: Devices<'_>) -> Result<Vec<TrustedDevice>, Refusal> {
        let mut found = all(self, of)?;
        if let Devices::Called(name) = which {
            // As they are written down: there is more than one way to write an address of IPv6.
            let address = name.parse::<IpAddr>().map(|address| address.to_canonical().to_string());
            let device = address.as_deref().unwrap_or(name);
            found.retain(|one| one.device == device || one.id.to_string() == name);
            if found.is_empty() {
                return Err(Refusal::NoDevice(name.to_owned()));
            }
        }
        Ok(found)
    }

    /// Forgets trusted devices, and returns them.
    ///
    /// # Errors
    /// As [`Self::find_devices`]; nothing is forgotten then.
    pub fn forget_devices(
        &self,
        of: EnrollmentId,
        which: Devices<'_>,
        author: &Author,
        at: UnixTime,
    ) -> Result<Vec<TrustedDevice>, Refusal> {
        in_transaction(self, || {
            let found = self.find_devices(of, which)?;
            for one in &found {
                self.connection.execute("DELETE FROM trusted_device WHERE id = ?", [one.id])?;
                let target = Some(one.device.as_str());
                remember_of(self, of, &Deed { action: Action::TrustedDeviceForget, target, author, at })?;
            }
            Ok(found)
        })
    }
}

#[cfg(test)]
#[path = "trusted_tests.rs"]
mod tests;
