//! Bypass codes: given by an administrator or the help desk, for a day without the phone.

use super::history::{Deed, remember_of};
use super::{Refusal, in_transaction};
use crate::StoreError;
use crate::host::Kernel;
use crate::vault::Session;
use crate::{rows, trusted};
use rusqlite::{OptionalExtension, Row, params};
use std::time::Duration;
use twostep_core::account::EnrollmentId;
use twostep_core::backup_code::{BYPASS_LIFETIME, BYPASS_USES, BackupCode, Bypass};
use twostep_core::change::{Action, Author};
use twostep_core::memory_hard::Hash;
use twostep_core::time::{Lease, Now, UnixTime};

impl Session {
    /// Gives a bypass code; one that was given before is dead. Returns until when it is good.
    ///
    /// # Errors
    /// When lifetime or uses are out of their bounds, the enrollment has no authenticator to stand in for, or a hash or the store
    /// fails.
    pub fn give_bypass_code(
        &self,
        of: EnrollmentId,
        code: &BackupCode,
        lifetime: Duration,
        uses: u32,
        author: &Author,
        now: &Now,
    ) -> Result<UnixTime, Refusal> {
        if !BYPASS_LIFETIME.contains(&lifetime) {
            return Err(Refusal::BypassLifetime);
        }
        if !BYPASS_USES.contains(&uses) {
            return Err(Refusal::BypassUses);
        }
        self.let_others_write()?;
        let Hash { cost, salt, hash } =
            Hash::make(code.expose(), self.cost, &mut Kernel).map_err(Refusal::Hash)?;
        let bypass = Bypass { lease: Lease::from(&self.present(now)?, lifetime), uses };
        in_transaction(self, || {
            self.still_there(of)?;
            let sql = "SELECT count(*) FROM authenticator WHERE enrollment = ?";
            if self.connection.query_row(sql, [of.0], |row| row.get::<_, u32>(0))? == 0 {
                return Err(Refusal::AppOnly);
            }
            self.drop_bypass_code(of)?;
            // What was lost with the phone needs no code by its owner's trust.
            trusted::forget_all(self, of)?;
            let sql = "INSERT INTO backup_code (enrollment, tag, memory, passes, lanes, salt, hash, \
                       lifetime, uses, given, given_since_boot, given_boot) \
                       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
            let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
            let values = params![
                of.0,
                code.tag(&self.keys.backup_codes, of).0,
                cost.memory,
                cost.passes,
                cost.lanes,
                salt,
                hash,
                seconds(lifetime),
                uses,
                bypass.lease.given.wall.0,
                seconds(bypass.lease.given.since_boot),
                bypass.lease.given.boot.map(|boot| boot.0),
            ];
            self.connection.execute(sql, values)?;
            remember_of(self, of, &Deed { action: Action::Bypass, target: None, author, at: now.wall })?;
            Ok(bypass.lease.until())
        })
    }

    /// The live bypass code, if there is one: until when it is good, and how often; at last for nothing but a replacement any more.
    ///
    /// # Errors
    /// When the store fails.
    pub fn bypass_until(&self, of: EnrollmentId, now: &Now) -> Result<Option<(UnixTime, u32)>, StoreError> {
        let sql = "SELECT lifetime, uses, given, given_since_boot, given_boot FROM backup_code \
                   WHERE enrollment = ? AND lifetime > 0 ORDER BY id DESC LIMIT 1";
        let read = |row: &Row<'_>| rows::bypass(row, 0);
        let found = self.connection.query_row(sql, [of.0], read).optional()?.flatten();
        let now = self.present(now)?;
        Ok(found
            .filter(|bypass| !bypass.lease.is_over(&now))
            .map(|bypass| (bypass.lease.until(), bypass.uses)))
    }

    pub(super) fn drop_bypass_code(&self, of: EnrollmentId) -> Result<usize, StoreError> {
        let sql = "DELETE FROM backup_code WHERE enrollment = ? AND lifetime IS NOT NULL";
        Ok(self.connection.execute(sql, [of.0])?)
    }
}
