//! What an administrator does with the store. Every change is one transaction.

use crate::host::Kernel;
use crate::login_store::enrollment_by_name;
use crate::rows::{self, ENROLLMENT, exclusively_and_clean, one_row};
use crate::vault::{Files, Session};
use crate::verdicts::forget_failures;
use crate::{StoreError, database, key_file};
use rusqlite::{OptionalExtension, Row, params};
use std::fmt;
use std::path::Path;
use twostep_core::account::{Enrollment, EnrollmentId, State};
use twostep_core::app_password::{AppPassword, AppPasswordId, Label};
use twostep_core::backup_code::BackupCode;
use twostep_core::crypto::MasterKey;
use twostep_core::memory_hard::{DEFAULT_COST, Hash, HashError};
use twostep_core::name::UserName;
use twostep_core::secret::Secret;
use twostep_core::time::UnixTime;
use twostep_core::totp::{AuthenticatorId, Parameters};

/// The most app passwords a user can have.
pub const APP_PASSWORDS_MAX: u32 = 50;
/// How long the name of a revoked app password is kept, in seconds: 90 days.
const REVOKED_KEPT: i64 = 90 * 24 * 60 * 60;

/// Why a change was not made. Nothing was changed then.
#[derive(Debug)]
pub enum Refusal {
    /// The user is enrolled already.
    AlreadyEnrolled(State),
    /// The user has an app password of that name.
    NameTaken(Label),
    /// The user has as many app passwords as are allowed.
    TooMany,
    /// The store.
    Store(StoreError),
    /// No memory for a hash.
    Hash(HashError),
}

/// What [`init`] found and made.
#[derive(Debug)]
pub struct Made {
    /// Whether the key is new.
    pub key: bool,
    /// Whether the store is new.
    pub store: bool,
    /// The older schema that the store had.
    pub upgraded_from: Option<i64>,
}

/// A new enrollment.
#[derive(Debug)]
pub struct NewEnrollment<'a> {
    /// The canonical name.
    pub user: &'a UserName,
    /// Its uid.
    pub uid: u32,
    /// Pending or active.
    pub state: State,
    /// Its first authenticator; none makes it app-only.
    pub authenticator: Option<NewAuthenticator<'a>>,
    /// Its backup codes.
    pub backup_codes: &'a [BackupCode],
    /// When.
    pub at: UnixTime,
}

/// A new authenticator.
#[derive(Debug)]
pub struct NewAuthenticator<'a> {
    /// What it is called.
    pub label: &'a Label,
    /// How it makes codes.
    pub parameters: Parameters,
    /// Its secret.
    pub secret: &'a Secret,
    /// The step of the code that confirmed it, which is consumed.
    pub confirmed_step: Option<u64>,
}

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

/// Whether [`init`] may make a new store where there is a key already. That a store is missing is, as a rule, that it was lost or
/// that its file system is not mounted; a new and empty one would let everybody in who was enrolled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BesideKey {
    /// It is refused.
    Refuse,
    /// The administrator wants it so.
    NewStore,
}

/// Makes the key and the store where they are missing, and brings an older store up to date. Never overwrites.
///
/// # Errors
/// When a file cannot be trusted or made; when there is a store but no key for it, or a key but no store.
pub fn init(files: &Files, beside_key: BesideKey) -> Result<Made, StoreError> {
    let no_store = matches!(database::exists(&files.paths.store), Ok(false));
    let (key, new_key) = match key_file::read(&files.paths.key) {
        // A new key for an existing store would lock everybody out for good.
        Err(StoreError::NoKey(path)) if no_store => {
            let key = MasterKey::generate(&mut Kernel)?;
            guarded_parent(&path)?;
            key_file::create(&path, &key)?;
            (key, true)
        }
        read => (read?, false),
    };
    let mut made = Made { key: new_key, store: false, upgraded_from: None };
    match database::upgrade(&files.paths.store, key.id()) {
        Ok(from) => made.upgraded_from = from,
        Err(StoreError::NoStore(path)) if new_key || beside_key == BesideKey::NewStore => {
            guarded_parent(&path)?;
            database::create(&path, key.id())?;
            made.store = true;
        }
        Err(error) => return Err(error),
    }
    files.session().map(|_| made)
}

fn guarded_parent(path: &Path) -> Result<(), StoreError> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    crate::files::check(folder, crate::files::Want::GuardedFolder)?;
    Ok(())
}

impl Session {
    /// The enrollment made for this name.
    ///
    /// # Errors
    /// As every call here: when the store cannot be read or written.
    pub fn enrollment(&self, user: &UserName) -> Result<Option<Enrollment>, StoreError> {
        enrollment_by_name(self, user)
    }

    /// Enrolls a user.
    ///
    /// # Errors
    /// When she is enrolled already, or a hash or the store fails.
    pub fn enroll(
        &self,
        new: &NewEnrollment<'_>,
    ) -> Result<(EnrollmentId, Option<AuthenticatorId>), Refusal> {
        let hashes = self.hash_all(new.backup_codes)?;
        in_transaction(self, || {
            if let Some(found) = self.enrollment(new.user)? {
                return Err(Refusal::AlreadyEnrolled(found.state));
            }
            let activated = (new.state == State::Active).then_some(new.at.0);
            let sql = "INSERT INTO enrollment (user, uid, state, created, activated) VALUES (?, ?, ?, ?, ?)";
            let values = params![new.user.as_str(), new.uid, new.state.as_str(), new.at.0, activated];
            self.connection.execute(sql, values)?;
            let id = EnrollmentId(self.connection.last_insert_rowid());
            let authenticator = new
                .authenticator
                .as_ref()
                .map(|new_one| self.add_authenticator(id, new_one, new.at))
                .transpose()?;
            self.put_backup_codes(id, new.backup_codes, &hashes)?;
            Ok((id, authenticator))
        })
    }

    fn add_authenticator(
        &self,
        of: EnrollmentId,
        new: &NewAuthenticator<'_>,
        at: UnixTime,
    ) -> Result<AuthenticatorId, StoreError> {
        // The row comes first: its id is part of what the secret is sealed to.
        let sql = "INSERT INTO authenticator (enrollment, label, algorithm, digits, period, secret, last_step, created) \
                   VALUES (?, ?, ?, ?, ?, x'', ?, ?)";
        let step = new.confirmed_step.and_then(|step| i64::try_from(step).ok());
        let values = params![
            of.0,
            new.label.as_str(),
            new.parameters.algorithm().as_str(),
            new.parameters.digits(),
            new.parameters.period(),
            step,
            at.0,
        ];
        self.connection.execute(sql, values)?;
        let id = self.connection.last_insert_rowid();
        let sealed = self.keys.authenticators.seal(new.secret, &rows::binding(self, id, of), &mut Kernel)?;
        one_row(
            self.connection
                .execute("UPDATE authenticator SET secret = ? WHERE id = ?", params![sealed, id])?,
        )?;
        Ok(AuthenticatorId(id))
    }

    /// Replaces the backup codes: the old set is dead.
    ///
    /// # Errors
    /// When a hash or the store fails.
    pub fn replace_backup_codes(&self, of: EnrollmentId, codes: &[BackupCode]) -> Result<(), Refusal> {
        let hashes = self.hash_all(codes)?;
        in_transaction(self, || {
            self.still_there(of)?;
            self.connection.execute("DELETE FROM backup_code WHERE enrollment = ?", [of.0])?;
            Ok(self.put_backup_codes(of, codes, &hashes)?)
        })
    }

    fn put_backup_codes(
        &self,
        of: EnrollmentId,
        codes: &[BackupCode],
        hashes: &[Hash],
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO backup_code (enrollment, tag, memory, passes, lanes, salt, hash) VALUES (?, ?, ?, ?, ?, ?, ?)";
        let mut statement = self.connection.prepare(sql)?;
        for (code, hash) in codes.iter().zip(hashes) {
            let tag = code.tag(&self.keys.backup_codes, of).0;
            let Hash { cost, salt, hash } = hash;
            statement.execute(params![of.0, tag, cost.memory, cost.passes, cost.lanes, salt, hash])?;
        }
        Ok(())
    }

    /// Turns two-step off: authenticators, backup codes, app passwords and counters go with the enrollment.
    ///
    /// # Errors
    /// When the enrollment is gone already, or the store fails.
    pub fn unenroll(&self, id: EnrollmentId) -> Result<(), Refusal> {
        in_transaction(self, || {
            Ok(one_row(self.connection.execute("DELETE FROM enrollment WHERE id = ?", [id.0])?)?)
        })
    }

    /// Settles an enrollment whose uid no longer matches: from now on it is for this one.
    ///
    /// # Errors
    /// When the enrollment is gone, or the store fails.
    pub fn keep_for_uid(&self, id: EnrollmentId, uid: u32) -> Result<(), Refusal> {
        in_transaction(self, || {
            Ok(one_row(
                self.connection.execute("UPDATE enrollment SET uid = ? WHERE id = ?", params![uid, id.0])?,
            )?)
        })
    }

    /// Forgets the wrong codes of all sources; and, where a clock that ran ahead has consumed codes of the future, takes those back
    /// as far as the present, together with the latest time seen. The administrator says with it that the clock is right now.
    ///
    /// # Errors
    /// When the enrollment is gone, or the store fails.
    pub fn unlock(&self, id: EnrollmentId, now: UnixTime) -> Result<(), Refusal> {
        in_transaction(self, || {
            self.still_there(id)?;
            forget_failures(self, id)?;
            self.connection.execute("UPDATE source SET untold = 0 WHERE enrollment = ?", [id.0])?;
            // The newest step that could have been accepted at this time: no code that was used can be used again.
            let sql = "UPDATE authenticator SET last_step = ?1 / period + 1 WHERE enrollment = ?2 AND last_step > ?1 / period + 1";
            self.connection.execute(sql, [now.0, id.0])?;
            self.connection.execute("UPDATE meta SET latest_time = ?1 WHERE latest_time > ?1", [now.0])?;
            Ok(())
        })
    }

    /// Adds an app password.
    ///
    /// # Errors
    /// When the name is taken, there are too many, or a hash or the store fails.
    pub fn add_app_password(
        &self,
        of: EnrollmentId,
        name: &Label,
        password: &AppPassword,
        at: UnixTime,
    ) -> Result<AppPasswordId, Refusal> {
        self.let_others_write()?;
        let Hash { cost, salt, hash } =
            Hash::make(password.expose(), DEFAULT_COST, &mut Kernel).map_err(Refusal::Hash)?;
        let tag = password.tag(&self.keys.app_passwords, of).0;
        in_transaction(self, || {
            self.still_there(of)?;
            let taken = "SELECT 1 FROM app_password WHERE enrollment = ? AND name = ?";
            if self
                .connection
                .query_row(taken, params![of.0, name.as_str()], |_| Ok(()))
                .optional()?
                .is_some()
            {
                return Err(Refusal::NameTaken(name.clone()));
            }
            let count = "SELECT count(*) FROM app_password WHERE enrollment = ?";
            if self.connection.query_row(count, [of.0], |row| row.get::<_, u32>(0))? >= APP_PASSWORDS_MAX {
                return Err(Refusal::TooMany);
            }
            let sql = "INSERT INTO app_password (enrollment, name, tag, memory, passes, lanes, salt, hash, created) \
                       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
            let values =
                params![of.0, name.as_str(), tag, cost.memory, cost.passes, cost.lanes, salt, hash, at.0];
            self.connection.execute(sql, values)?;
            Ok(AppPasswordId(self.connection.last_insert_rowid()))
        })
    }

    /// Revokes one app password; its name stays for the log.
    ///
    /// # Errors
    /// When it is gone already, or the store fails.
    pub fn revoke_app_password(
        &self,
        of: EnrollmentId,
        id: AppPasswordId,
        at: UnixTime,
    ) -> Result<(), Refusal> {
        in_transaction(self, || Ok(self.revoke(of, id, at)?))
    }

    /// Revokes all app passwords of a user, and returns them: those of the moment, whoever has made one meanwhile.
    ///
    /// # Errors
    /// When the store fails.
    pub fn revoke_all_app_passwords(
        &self,
        of: EnrollmentId,
        at: UnixTime,
    ) -> Result<Vec<AppPasswordInfo>, Refusal> {
        in_transaction(self, || {
            let all = self.app_passwords(of)?;
            all.iter().try_for_each(|one| self.revoke(of, one.id, at))?;
            Ok(all)
        })
    }

    fn revoke(&self, of: EnrollmentId, id: AppPasswordId, at: UnixTime) -> Result<(), StoreError> {
        let sql = "INSERT INTO revoked_app_password (enrollment, name, tag, revoked) \
                   SELECT enrollment, name, tag, ? FROM app_password WHERE id = ? AND enrollment = ?";
        self.connection.execute(sql, params![at.0, id.0, of.0])?;
        one_row(
            self.connection
                .execute("DELETE FROM app_password WHERE id = ? AND enrollment = ?", [id.0, of.0])?,
        )?;
        let old = at.0.saturating_sub(REVOKED_KEPT);
        self.connection.execute("DELETE FROM revoked_app_password WHERE revoked < ?", [old])?;
        Ok(())
    }

    /// A user's app passwords, oldest first.
    ///
    /// # Errors
    /// When the store fails.
    pub fn app_passwords(&self, of: EnrollmentId) -> Result<Vec<AppPasswordInfo>, StoreError> {
        let sql = "SELECT id, name, created, last_used, last_service, last_source FROM app_password \
                   WHERE enrollment = ? ORDER BY id";
        let read = |row: &Row<'_>| {
            let last_used = match (row.get(3)?, row.get(4)?, row.get(5)?) {
                (Some(at), Some(service), Some(source)) => {
                    Some(LastUse { at: UnixTime(at), service, source })
                }
                _ => None,
            };
            Ok(AppPasswordInfo {
                id: AppPasswordId(row.get(0)?),
                name: rows::label(row, 1)?,
                created: UnixTime(row.get(2)?),
                last_used,
            })
        };
        let found = self.connection.prepare(sql)?.query_map([of.0], read)?.collect::<Result<_, _>>()?;
        Ok(found)
    }

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
             (SELECT count(*) FROM backup_code b WHERE b.enrollment = e.id), \
             (SELECT coalesce(sum(codes), 0) FROM source s WHERE s.enrollment = e.id) FROM enrollment e";
        let columns = ENROLLMENT.replace("FROM enrollment e", &format!(", {more}"));
        let sql = format!("{columns} WHERE ?1 IS NULL OR e.user = ?1 ORDER BY e.user");
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

    /// Hashes outside any transaction.
    fn hash_all(&self, codes: &[BackupCode]) -> Result<Vec<Hash>, Refusal> {
        self.let_others_write()?;
        let hash =
            |code: &BackupCode| Hash::make(code.expose(), DEFAULT_COST, &mut Kernel).map_err(Refusal::Hash);
        codes.iter().map(hash).collect()
    }

    /// Ends the read transaction that opening has begun: a login that writes waits for its end, and what follows takes its time.
    fn let_others_write(&self) -> Result<(), StoreError> {
        Ok(crate::settings::leave_transaction(&self.connection)?)
    }

    fn still_there(&self, id: EnrollmentId) -> Result<(), StoreError> {
        let sql = "SELECT 1 FROM enrollment WHERE id = ?";
        self.connection.query_row(sql, [id.0], |_| Ok(())).optional()?.ok_or(StoreError::Gone)
    }
}

/// [`exclusively_and_clean`], for work whose refusals are not the store's.
fn in_transaction<T>(session: &Session, work: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
    let mut refused = None;
    let done = exclusively_and_clean(&session.connection, || {
        work().map_err(|refusal| match refusal {
            Refusal::Store(error) => error,
            other => {
                refused = Some(other);
                StoreError::Gone
            }
        })
    });
    match refused {
        Some(refusal) => Err(refusal),
        None => Ok(done?),
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyEnrolled(state) => write!(f, "already enrolled ({})", state.as_str()),
            Self::NameTaken(name) => write!(f, "there is an app password named \"{name}\" already"),
            Self::TooMany => write!(f, "a user can have {APP_PASSWORDS_MAX} app passwords"),
            Self::Store(error) => error.fmt(f),
            Self::Hash(_) => f.write_str("no memory for Argon2id"),
        }
    }
}

impl std::error::Error for Refusal {}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}
