//! Trusted devices: read at logins, written at their end, listed and forgotten by administrators.

use crate::StoreError;
use crate::admin::history::{Deed, remember_of};
use crate::admin::{Refusal, in_transaction};
use crate::rows;
use crate::vault::Session;
use rusqlite::{OptionalExtension, Row, params};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;
use twostep_core::account::EnrollmentId;
use twostep_core::change::{Action, Author, By};
use twostep_core::device::Device;
use twostep_core::name::UserName;
use twostep_core::ports::{Trusted, Trusting, Trusts};
use twostep_core::secret::Secret;
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

/// Stands in the column `device` between a device and [`fingerprint`]. In no device does it follow a blank.
const PASSWORD: &str = "password:";

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

/// A trusted device and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedDeviceOf {
    /// The user.
    pub user: UserName,
    /// The device.
    pub device: TrustedDevice,
    enrollment: EnrollmentId,
}

/// A row: a device with what it was trusted with.
struct Written {
    one: TrustedDevice,
    password: Option<String>,
}

/// Whether a device is trusted.
pub(crate) fn trusted(
    session: &Session,
    of: EnrollmentId,
    at: &Trusting<'_>,
    now: &Now,
) -> Result<Option<Trusted>, StoreError> {
    let sql = "SELECT lifetime, given, given_since_boot, given_boot, \
                      (SELECT coalesce(sum(untold), 0) FROM source s WHERE s.enrollment = t.enrollment), \
                      (SELECT latest_time FROM meta) \
               FROM trusted_device t WHERE enrollment = ? AND service = ? AND kind = ? AND device = ?";
    let password = at.password.map(|password| fingerprint(session, of, password));
    let device = written(at.device, password.as_deref());
    let values = params![of.0, at.service.as_str(), at.device.kind().word(), device];
    let read = |row: &Row<'_>| Ok((rows::lease(row, 0)?, row.get(4)?, UnixTime(row.get(5)?)));
    let found = session.connection.query_row(sql, values, read).optional()?;
    Ok(found.and_then(|(lease, untold, latest)| {
        let is_over = bounded(lease, at.at_most).is_over(&now.no_earlier_than(latest));
        (!is_over).then_some(Trusted { untold })
    }))
}

/// What is kept of an account's password: a keyed hash over the one in shadow(5), which is worth nothing in another store, or to whoever
/// lacks the key.
fn fingerprint(session: &Session, of: EnrollmentId, password: &Secret) -> String {
    let mac =
        session.keys.account_passwords.mac(&[&session.store_id, &of.0.to_be_bytes(), password.expose()]);
    mac.iter().take(16).fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _written = write!(text, "{byte:02x}");
        text
    })
}

/// A device as the column `device` has it: with the account password it was trusted with. With another password no row is found, by this
/// version nor by those that know nothing of passwords: these too ask for a code then.
fn written(device: &Device, password: Option<&str>) -> String {
    match password {
        Some(password) => format!("{device} {PASSWORD}{password}"),
        None => device.to_string(),
    }
}

/// Takes [`written`] apart.
fn read_device(text: String) -> (String, Option<String>) {
    match text.rsplit_once(' ').and_then(|(device, last)| Some((device, last.strip_prefix(PASSWORD)?))) {
        Some((device, password)) => (device.to_owned(), Some(password.to_owned())),
        None => (text, None),
    }
}

/// Where the configuration has become stricter since, that counts.
fn bounded(lease: Lease, at_most: Duration) -> Lease {
    Lease { lifetime: lease.lifetime.min(at_most), ..lease }
}

/// Trusts a device from now on. Fails where the authenticator that vouches for it was removed while its owner was asked.
pub(crate) fn trust(session: &Session, of: EnrollmentId, new: &Trusts, now: &Now) -> Result<(), StoreError> {
    let (connection, now) = (&session.connection, session.present(now)?);
    let still_there = "SELECT 1 FROM authenticator WHERE id = ? AND enrollment = ?";
    let voucher = connection.query_row(still_there, [new.authenticator.0, of.0], |_| Ok(()));
    voucher.optional()?.ok_or(StoreError::Gone)?;
    let Lease { given, lifetime } = Lease::from(&now, new.lifetime);
    let password = new.password.as_ref().map(|password| fingerprint(session, of, password));
    let device = new.device.to_string();
    // Services that can read the account's entry and such as cannot (SELinux) leave each other's alone.
    let has_another =
        |row: &Written| row.password.as_ref().zip(password.as_ref()).is_some_and(|(a, b)| a != b);
    let is_this = |one: &TrustedDevice| one.service == new.service.as_str() && one.device == device;
    let is_of_no_use = |row: &Written| {
        row.one.lease.is_over(&now) || has_another(row) || (is_this(&row.one) && row.password != password)
    };
    for row in all(session, of)?.iter().filter(|row| is_of_no_use(row)) {
        connection.execute("DELETE FROM trusted_device WHERE id = ?", [row.one.id])?;
    }
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
            written(&new.device, password.as_deref()),
            whole(lifetime.as_secs()),
            given.wall.0,
            whole(given.since_boot.as_secs()),
            given.boot.map(|boot| boot.0),
        ],
    )?;
    let sql = "DELETE FROM trusted_device WHERE enrollment = ?1 AND id NOT IN \
               (SELECT id FROM trusted_device WHERE enrollment = ?1 ORDER BY given DESC, id DESC LIMIT ?2)";
    connection.execute(sql, params![of.0, TRUSTED_MAX])?;
    let author = Author { by: By::Login, why: None };
    let deed =
        Deed { action: Action::TrustedDeviceAdd, target: Some(&device), author: &author, at: now.wall };
    remember_of(session, of, &deed)?;
    Ok(())
}

/// Forgets all: the authenticators have changed.
pub(crate) fn forget_all(session: &Session, of: EnrollmentId) -> Result<(), StoreError> {
    session.connection.execute("DELETE FROM trusted_device WHERE enrollment = ?", [of.0])?;
    Ok(())
}

/// `id, service, kind, device, lifetime, given, given_since_boot, given_boot` from column 0 on.
fn row(row: &Row<'_>) -> rusqlite::Result<Written> {
    let (device, password) = read_device(row.get(3)?);
    let (id, service, kind, lease) = (row.get(0)?, row.get(1)?, row.get(2)?, rows::lease(row, 4)?);
    Ok(Written { one: TrustedDevice { id, service, kind, device, lease }, password })
}

fn all(session: &Session, of: EnrollmentId) -> Result<Vec<Written>, StoreError> {
    let sql = "SELECT id, service, kind, device, lifetime, given, given_since_boot, given_boot FROM trusted_device \
               WHERE enrollment = ? ORDER BY id";
    let found = session.connection.prepare(sql)?.query_map([of.0], row)?.collect::<Result<_, _>>()?;
    Ok(found)
}

/// How many are forgotten in one transaction.
const AT_A_TIME: u32 = 500;

impl Session {
    /// A user's trusted devices whose time is not over, oldest first, none for longer than `at_most`; those that were given with the account
    /// password of today, hashed, or with none.
    ///
    /// # Errors
    /// When the store fails.
    pub fn trusted_devices(
        &self,
        of: EnrollmentId,
        at_most: Duration,
        password: Option<&Secret>,
        now: &Now,
    ) -> Result<Vec<TrustedDevice>, StoreError> {
        let (now, password) = (self.present(now)?, password.map(|password| fingerprint(self, of, password)));
        // Those of services that cannot read the account's entry (SELinux, with sshd) hold there, whoever else can.
        let may_hold = |row: &Written| row.password.is_none() || row.password == password;
        let of_today = all(self, of)?.into_iter().filter(may_hold);
        let bounded =
            of_today.map(|Written { one, .. }| TrustedDevice { lease: bounded(one.lease, at_most), ..one });
        Ok(bounded.filter(|one| !one.lease.is_over(&now)).collect())
    }

    /// The trusted devices of all users, those whose time is over among them, by user.
    ///
    /// # Errors
    /// When the store fails.
    pub fn all_trusted_devices(&self) -> Result<Vec<TrustedDeviceOf>, StoreError> {
        self.read_all_devices("e.user, t.id", u32::MAX)
    }

    /// Forgets trusted devices of all users, the next few in one transaction, and returns those: logins go on between one call and the
    /// next. None are left when none are returned.
    ///
    /// # Errors
    /// When the store fails.
    pub fn forget_some_devices(
        &self,
        author: &Author,
        at: UnixTime,
    ) -> Result<Vec<TrustedDeviceOf>, Refusal> {
        in_transaction(self, || {
            let some = self.read_all_devices("t.id", AT_A_TIME)?;
            some.iter().try_for_each(|of| self.forget_device(of.enrollment, &of.device, author, at))?;
            Ok(some)
        })
    }

    fn read_all_devices(&self, order: &str, most: u32) -> Result<Vec<TrustedDeviceOf>, StoreError> {
        let sql = format!(
            "SELECT t.id, t.service, t.kind, t.device, t.lifetime, t.given, t.given_since_boot, t.given_boot, e.user, e.id \
             FROM trusted_device t JOIN enrollment e ON e.id = t.enrollment ORDER BY {order} LIMIT ?"
        );
        let read = |found: &Row<'_>| {
            let (user, enrollment) = (rows::user(found, 8)?, EnrollmentId(found.get(9)?));
            Ok(TrustedDeviceOf { user, device: row(found)?.one, enrollment })
        };
        let found = self.connection.prepare(&sql)?.query_map([most], read)?.collect::<Result<_, _>>()?;
        Ok(found)
    }

    fn forget_device(
        &self,
        of: EnrollmentId,
        one: &TrustedDevice,
        author: &Author,
        at: UnixTime,
    ) -> Result<(), StoreError> {
        self.connection.execute("DELETE FROM trusted_device WHERE id = ?", [one.id])?;
        let target = Some(one.device.as_str());
        remember_of(self, of, &Deed { action: Action::TrustedDeviceForget, target, author, at })?;
        Ok(())
    }

    /// The trusted devices that are meant, those whose time is over among them: where `trust_days` is raised again, they would be back.
    ///
    /// # Errors
    /// When one is called that is not there, or the store fails.
    pub fn find_devices(&self, of: EnrollmentId, which: Devices<'_>) -> Result<Vec<TrustedDevice>, Refusal> {
        let mut found: Vec<_> = all(self, of)?.into_iter().map(|row| row.one).collect();
        if let Devices::Called(name) = which {
            // As they are written down: there is more than one way to write an address of IPv6.
            let address = name.parse::<IpAddr>().map(|address| address.to_canonical().to_string());
            let device = address.as_deref().unwrap_or(name);
            found.retain(|one| is_called(&one.device, device) || one.id.to_string() == name);
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
            found.iter().try_for_each(|one| self.forget_device(of, one, author, at))?;
            Ok(found)
        })
    }
}

/// Whether a device is the one of this name. A key by its fingerprint alone is that key with every certificate, too.
fn is_called(device: &str, name: &str) -> bool {
    device
        .strip_prefix(name)
        .is_some_and(|rest| rest.is_empty() || (!name.is_empty() && rest.starts_with(' ')))
}

#[cfg(test)]
#[path = "trusted_tests.rs"]
mod tests;
