//! App passwords: added, listed, renamed, revoked.

use super::due::{Occasion, forget_oldest, make_due};
use super::history::{Deed, remember_of};
use super::{Refusal, in_transaction};
use crate::StoreError;
use crate::host::Kernel;
use crate::rows::{self, one_row};
use crate::vault::Session;
use ipnet::IpNet;
use rusqlite::{OptionalExtension, Row, params};
use std::collections::HashSet;
use std::time::Duration;
use twostep_core::account::EnrollmentId;
use twostep_core::app_password::{AppPassword, AppPasswordId, Label};
use twostep_core::change::{Action, Author};
use twostep_core::crypto::Tag;
use twostep_core::memory_hard::Hash;
use twostep_core::name::UserName;
use twostep_core::rule::Glob;
use twostep_core::scope::{ENTRIES_MAX, Scope};
use twostep_core::time::{Lease, Now, UnixTime};

/// How long the name of a revoked app password is kept, in seconds: 90 days.
const REVOKED_KEPT: i64 = 90 * 24 * 60 * 60;

/// An app password as `app-password list` shows it.
#[derive(Clone, Debug)]
pub struct AppPasswordInfo {
    /// Its id.
    pub id: AppPasswordId,
    /// Its name.
    pub name: Label,
    /// When it was made.
    pub created: UnixTime,
    /// Its last use, written at most once in ten minutes.
    pub last_used: Option<LastUse>,
    /// What it is limited to.
    pub scope: Scope,
}

/// A new app password.
#[derive(Clone, Copy, Debug)]
pub struct NewAppPassword<'a> {
    /// Its name.
    pub name: &'a Label,
    /// The services it is limited to; none for all.
    pub services: &'a [Glob],
    /// The networks it is limited to; none for everywhere.
    pub networks: &'a [IpNet],
    /// When it ends to be good.
    pub expires: Option<UnixTime>,
}

impl<'a> NewAppPassword<'a> {
    /// One without limits.
    #[must_use]
    pub fn named(name: &'a Label) -> Self {
        Self { name, services: &[], networks: &[], expires: None }
    }

    /// What it is limited to, if it is made now.
    #[must_use]
    pub fn scope(&self, now: &Now) -> Scope {
        let lifetime = |until: UnixTime| u64::try_from(until.0.saturating_sub(now.wall.0)).unwrap_or(0);
        let lease = |until| Lease { given: now.stamp(), lifetime: Duration::from_secs(lifetime(until)) };
        Scope {
            services: self.services.to_vec(),
            networks: self.networks.to_vec(),
            lease: self.expires.map(lease),
        }
    }
}

/// Which app passwords of all users.
#[derive(Clone, Copy, Debug, Default)]
pub struct Which {
    /// Those that were not used since then, nor made.
    pub unused_since: Option<UnixTime>,
    /// Those that were made before then.
    pub created_before: Option<UnixTime>,
}

/// An app password and whose it is.
#[derive(Clone, Debug)]
pub struct Of {
    /// The user.
    pub user: UserName,
    /// Her enrollment.
    pub enrollment: EnrollmentId,
    /// The app password.
    pub info: AppPasswordInfo,
}

/// A use of an app password.
#[derive(Clone, Debug)]
pub struct LastUse {
    /// When.
    pub at: UnixTime,
    /// The service.
    pub service: String,
    /// From where.
    pub source: String,
}

impl Session {
    /// Makes an app password.
    ///
    /// # Errors
    /// When the name is taken, there are too many, it would be over already, or a hash or the store fails.
    pub fn add_app_password(
        &self,
        of: EnrollmentId,
        new: &NewAppPassword<'_>,
        author: &Author,
        now: &Now,
    ) -> Result<(AppPasswordId, AppPassword), Refusal> {
        if new.services.len().max(new.networks.len()) > ENTRIES_MAX {
            return Err(Refusal::TooManyLimits);
        }
        let scope = new.scope(now);
        let present = self.present(now)?;
        if scope.lease.is_some_and(|lease| lease.is_over(&present)) {
            return Err(Refusal::OverAlready);
        }
        let (password, tag) = self.with_tag_of_its_own(of)?;
        self.let_others_write()?;
        let hash = Hash::make(password.expose(), self.cost, &mut Kernel).map_err(Refusal::Hash)?;
        let id = in_transaction(self, || {
            self.still_there(of)?;
            self.not_taken(of, new.name)?;
            let count = "SELECT count(*) FROM app_password WHERE enrollment = ?";
            if self.connection.query_row(count, [of.0], |row| row.get::<_, u32>(0))? >= self.most {
                return Err(Refusal::TooMany(self.most));
            }
            let id = self.put_app_password(of, new.name, tag, &hash, &scope, now)?;
            let deed = Deed {
                action: Action::AppPasswordAdd,
                target: Some(new.name.as_str()),
                author,
                at: now.wall,
            };
            let user = remember_of(self, of, &deed)?;
            make_due(self, Occasion::Create, &user, new.name.as_str(), now.wall)?;
            self.roster.touch(&user);
            forget_oldest(self, &user)?;
            Ok(id)
        })?;
        Ok((id, password))
    }

    fn put_app_password(
        &self,
        of: EnrollmentId,
        name: &Label,
        tag: Tag,
        Hash { cost, salt, hash }: &Hash,
        scope: &Scope,
        now: &Now,
    ) -> Result<AppPasswordId, StoreError> {
        let sql = "INSERT INTO app_password (enrollment, name, tag, memory, passes, lanes, salt, hash, created, services, networks, \
                   lifetime, given_since_boot, given_boot) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let services: Vec<&str> = scope.services.iter().map(Glob::as_str).collect();
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        self.connection.execute(
            sql,
            params![
                of.0,
                name.as_str(),
                tag.0,
                cost.memory,
                cost.passes,
                cost.lanes,
                salt,
                hash,
                now.wall.0,
                rows::entries(&services),
                rows::entries(&scope.networks),
                scope.lease.map(|lease| seconds(lease.lifetime)),
                seconds(now.since_boot),
                now.boot.map(|boot| boot.0),
            ],
        )?;
        Ok(AppPasswordId(self.connection.last_insert_rowid()))
    }

    /// Makes a password whose tag no other of the user's has, live or revoked: a right one is then hashed once at most, and none is taken
    /// for one that was revoked.
    fn with_tag_of_its_own(&self, of: EnrollmentId) -> Result<(AppPassword, Tag), Refusal> {
        let sql = "SELECT tag FROM app_password WHERE enrollment = ?1 UNION SELECT tag FROM revoked_app_password WHERE enrollment = ?1";
        let taken: HashSet<u16> =
            self.connection.prepare(sql)?.query_map([of.0], |row| row.get(0))?.collect::<Result<_, _>>()?;
        // Whoever has revoked tens of thousands gets one all the same.
        let mut tries = 0..1_000;
        loop {
            let password = AppPassword::generate(&mut Kernel).map_err(StoreError::from)?;
            let tag = password.tag(&self.keys.app_passwords, of);
            if !taken.contains(&tag.0) || tries.next().is_none() {
                return Ok((password, tag));
            }
        }
    }

    /// Gives an app password another name. Returns the one it had.
    ///
    /// # Errors
    /// When the name is taken, the app password is gone, or the store fails.
    pub fn rename_app_password(
        &self,
        of: EnrollmentId,
        id: AppPasswordId,
        name: &Label,
        author: &Author,
        at: UnixTime,
    ) -> Result<Label, Refusal> {
        in_transaction(self, || {
            let before = self.label_of(of, id)?;
            if before == *name {
                return Ok(before);
            }
            self.not_taken(of, name)?;
            let sql = "UPDATE app_password SET name = ? WHERE id = ? AND enrollment = ?";
            one_row(self.connection.execute(sql, params![name.as_str(), id.0, of.0])?)?;
            let target = format!("{before} -> {name}");
            let deed = Deed { action: Action::AppPasswordRename, target: Some(&target), author, at };
            remember_of(self, of, &deed)?;
            Ok(before)
        })
    }

    fn not_taken(&self, of: EnrollmentId, name: &Label) -> Result<(), Refusal> {
        let taken = "SELECT 1 FROM app_password WHERE enrollment = ? AND name = ?";
        match self.connection.query_row(taken, params![of.0, name.as_str()], |_| Ok(())).optional()? {
            Some(()) => Err(Refusal::NameTaken(name.clone())),
            None => Ok(()),
        }
    }

    fn label_of(&self, of: EnrollmentId, id: AppPasswordId) -> Result<Label, StoreError> {
        let sql = "SELECT name FROM app_password WHERE id = ? AND enrollment = ?";
        let found = self.connection.query_row(sql, [id.0, of.0], |row| rows::label(row, 0)).optional()?;
        found.ok_or(StoreError::Gone)
    }

    /// The app password of this name or id.
    ///
    /// # Errors
    /// When there is none, when one is named like another's id, or when the store fails.
    pub fn find_app_password(&self, of: EnrollmentId, which: &str) -> Result<AppPasswordInfo, Refusal> {
        let all = self.app_passwords(of)?;
        super::pick(all, which, |one| (one.name.as_str(), one.id.0))
            .and_then(|found| found.ok_or_else(|| Refusal::NoAppPassword(which.to_owned())))
    }

    /// Revokes one app password; its name stays for the log.
    ///
    /// # Errors
    /// When it is gone already, or the store fails.
    pub fn revoke_app_password(
        &self,
        of: EnrollmentId,
        id: AppPasswordId,
        author: &Author,
        at: UnixTime,
    ) -> Result<(), Refusal> {
        in_transaction(self, || {
            let user = self.revoke(of, id, author, at)?;
            Ok(self.forget_old(&user, at)?)
        })
    }

    /// Revokes all app passwords of a user, and returns them: those of the moment, whoever has made one meanwhile.
    ///
    /// # Errors
    /// When the store fails.
    pub fn revoke_all_app_passwords(
        &self,
        of: EnrollmentId,
        author: &Author,
        at: UnixTime,
    ) -> Result<Vec<AppPasswordInfo>, Refusal> {
        in_transaction(self, || {
            let all = self.app_passwords(of)?;
            let mut user = None;
            for one in &all {
                user = Some(self.revoke(of, one.id, author, at)?);
            }
            if let Some(user) = user {
                self.forget_old(&user, at)?;
            }
            Ok(all)
        })
    }

    fn revoke(
        &self,
        of: EnrollmentId,
        id: AppPasswordId,
        author: &Author,
        at: UnixTime,
    ) -> Result<String, StoreError> {
        let name = self.label_of(of, id)?;
        let sql = "INSERT INTO revoked_app_password (enrollment, name, tag, revoked) \
                   SELECT enrollment, name, tag, ? FROM app_password WHERE id = ? AND enrollment = ?";
        self.connection.execute(sql, params![at.0, id.0, of.0])?;
        one_row(
            self.connection
                .execute("DELETE FROM app_password WHERE id = ? AND enrollment = ?", [id.0, of.0])?,
        )?;
        let deed = Deed { action: Action::AppPasswordRevoke, target: Some(name.as_str()), author, at };
        let user = remember_of(self, of, &deed)?;
        make_due(self, Occasion::Revoke, &user, name.as_str(), at)?;
        self.roster.touch(&user);
        Ok(user)
    }

    /// Forgets what was revoked long ago, and the oldest of what is due of a user.
    fn forget_old(&self, user: &str, at: UnixTime) -> Result<(), StoreError> {
        let old = at.0.saturating_sub(REVOKED_KEPT);
        self.connection.execute("DELETE FROM revoked_app_password WHERE revoked < ?", [old])?;
        forget_oldest(self, user)
    }

    /// A user's app passwords, oldest first.
    ///
    /// # Errors
    /// When the store fails.
    pub fn app_passwords(&self, of: EnrollmentId) -> Result<Vec<AppPasswordInfo>, StoreError> {
        let sql = format!("SELECT {INFO} FROM app_password p WHERE p.enrollment = ? ORDER BY p.id");
        let found = self.connection.prepare(&sql)?.query_map([of.0], info)?.collect::<Result<_, _>>()?;
        Ok(found)
    }

    /// Such app passwords of all users, by user, oldest first.
    ///
    /// # Errors
    /// When the store fails.
    pub fn all_app_passwords(&self, which: Which) -> Result<Vec<Of>, StoreError> {
        self.read_all(which, "e.user, p.id", u32::MAX)
    }

    /// Those of all users that are good until some time, over or not; by user, oldest first.
    ///
    /// # Errors
    /// When the store fails.
    pub fn limited_in_time(&self) -> Result<Vec<Of>, StoreError> {
        let sql = format!(
            "SELECT {INFO}, e.user, e.id FROM app_password p JOIN enrollment e ON e.id = p.enrollment \
             WHERE p.lifetime IS NOT NULL ORDER BY e.user, p.id"
        );
        Ok(self.connection.prepare(&sql)?.query_map([], of)?.collect::<Result<_, _>>()?)
    }

    fn read_all(&self, which: Which, order: &str, most: u32) -> Result<Vec<Of>, StoreError> {
        let sql = format!(
            "SELECT {INFO}, e.user, e.id FROM app_password p JOIN enrollment e ON e.id = p.enrollment \
             WHERE (?1 IS NULL OR max(p.created, coalesce(p.last_used, p.created)) < ?1) AND (?2 IS NULL OR p.created < ?2) \
             ORDER BY {order} LIMIT ?3"
        );
        let Which { unused_since, created_before } = which;
        let values = params![unused_since.map(|at| at.0), created_before.map(|at| at.0), most];
        let found = self.connection.prepare(&sql)?.query_map(values, of)?.collect::<Result<_, _>>()?;
        Ok(found)
    }

    /// Revokes such app passwords of all users, the next few of them in one transaction, and returns those: logins go on between one call
    /// and the next. None are left when none are returned.
    ///
    /// # Errors
    /// When the store fails.
    pub fn revoke_some(&self, which: Which, author: &Author, at: UnixTime) -> Result<Vec<Of>, Refusal> {
        self.let_others_write()?;
        // In this order whoever comes first is found first, without a look at the rest.
        let some = self.read_all(which, "p.id", AT_A_TIME)?;
        in_transaction(self, || {
            some.iter().try_for_each(|one| match self.revoke(one.enrollment, one.info.id, author, at) {
                // Somebody else was faster.
                Err(StoreError::Gone) => Ok(()),
                done => done.map(drop),
            })?;
            Ok(some)
        })
    }
}

/// How many are revoked in one transaction. That takes a tenth of a second or so.
const AT_A_TIME: u32 = 500;

/// The columns that [`info`] reads.
const INFO: &str = "p.id, p.name, p.created, p.last_used, p.last_service, p.last_source, p.services, p.networks, p.lifetime, \
                    p.created, p.given_since_boot, p.given_boot";
const INFO_COLUMNS: usize = 12;

/// [`INFO`], then user and enrollment.
fn of(row: &Row<'_>) -> rusqlite::Result<Of> {
    let (user, enrollment) = (rows::user(row, INFO_COLUMNS)?, EnrollmentId(row.get(INFO_COLUMNS + 1)?));
    Ok(Of { user, enrollment, info: info(row)? })
}

fn info(row: &Row<'_>) -> rusqlite::Result<AppPasswordInfo> {
    let last_used = match (row.get(3)?, row.get(4)?, row.get(5)?) {
        (Some(at), Some(service), Some(source)) => Some(LastUse { at: UnixTime(at), service, source }),
        _ => None,
    };
    Ok(AppPasswordInfo {
        id: AppPasswordId(row.get(0)?),
        name: rows::label(row, 1)?,
        created: UnixTime(row.get(2)?),
        last_used,
        scope: rows::scope(row, 6)?,
    })
}

#[cfg(test)]
#[path = "app_passwords_tests.rs"]
mod tests;
