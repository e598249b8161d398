//! A store of ours with many users, one of whom signs in.

use crate::site::ALICE;
use rusqlite::{Connection, OpenFlags, Params, params};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use twostep_core::account::{EnrollmentId, State};
use twostep_core::app_password::{AppPassword, Label};
use twostep_core::backup_code::BackupCode;
use twostep_core::change::{Author, By};
use twostep_core::name::UserName;
use twostep_core::secret::Secret;
use twostep_core::totp::Parameters;
use twostep_store::admin::{self, NewAppPassword, NewAuthenticator, NewEnrollment};
use twostep_store::host::{Kernel, now};
use twostep_store::vault::{Files, Session};
use twostep_tests::phone::unix_time;
use twostep_tests::{Host, OrDie, Phone};

/// RFC 6238's own secret, as bytes and in base32.
const SECRET: &[u8] = b"12345678901234567890";
const BASE32: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const PERIOD: u64 = 30;

/// Such a store. Alice's row lies in the middle of all.
pub(crate) struct Users {
    /// The configuration that names this store; for the module's `config=`.
    pub(crate) config: PathBuf,
    /// An app password whose boot tag is left alone.
    pub(crate) warm: String,
    /// One whose boot tag is taken away before each login.
    pub(crate) cold: String,
    /// One that alice has not.
    pub(crate) stranger: String,
    /// One of alice's backup codes, which is put back before each login.
    pub(crate) backup_code: String,
    store: PathBuf,
    phone: Phone,
    alice: i64,
    backup_row: BackupRow,
}

struct BackupRow {
    id: i64,
    tag: i64,
    cost: [i64; 3],
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Users {
    /// Makes the store through the product, and fills it up with `count` users by SQL: rows like any other's, but sealed by nobody.
    pub(crate) fn make(host: &Host, name: &str, count: u32) -> Self {
        let config = PathBuf::from(format!("/etc/twostep/{name}.toml"));
        let store = PathBuf::from(format!("/var/lib/twostep/{name}.db"));
        let text = host.read("/etc/twostep/config.toml");
        let line = format!("paths.store = \"{}\"", store.display());
        // A store has a roster of its own.
        let roster = format!("paths.roster = \"/var/lib/twostep-public-{name}\"");
        let text = text.replace("#paths.store = \"/var/lib/twostep/store.db\"", &line);
        host.write(&config, &text.replace("#paths.roster = \"/var/lib/twostep-public\"", &roster));
        let files = files(&config);
        assert!(files.paths.store == store, "the packaged configuration shows no line for the store");
        admin::init(&files, admin::BesideKey::NewStore).or_die("make a store");

        let half = count / 2;
        fill(&store, 0, half);
        let alice = Alice::enroll(&files);
        fill(&store, half, count - 1);
        let backup_row = alice.backup_row(&store);
        Self {
            config,
            warm: alice.warm,
            cold: alice.cold,
            stranger: alice.stranger,
            backup_code: alice.backup_code,
            store,
            phone: Phone::new(BASE32),
            alice: alice.id,
            backup_row,
        }
    }

    /// Enrolls somebody with so many app passwords, and returns the last.
    pub(crate) fn enroll(&self, name: &str, app_passwords: u32) -> String {
        let session = files(&self.config).session().or_die("open a store");
        let id = enroll(&session, name, &[]);
        let made =
            (1..=app_passwords).map(|number| add_app_password(&session, id, &format!("client {number}")));
        made.last().expect("one app password at least")
    }

    /// Alice's code of now, none of hers being used up and no failure counted.
    pub(crate) fn code(&self) -> String {
        self.forget();
        self.phone.code_at(unix_time())
    }

    /// Alice's code of now, used up.
    pub(crate) fn used_code(&self) -> String {
        self.forget();
        // The next step's too: it may begin before the login does.
        let step = i64::try_from(unix_time() / PERIOD + 1).or_die("count a step");
        self.edit("UPDATE authenticator SET last_step = ? WHERE enrollment = ?", params![step, self.alice]);
        self.phone.code_at(unix_time())
    }

    /// A code of no time near; no failure is counted, so that the throttle lets it be judged.
    pub(crate) fn wrong_code(&self) -> String {
        self.forget();
        self.phone.wrong_code()
    }

    /// The backup code, there again.
    pub(crate) fn backup_code(&self) -> String {
        self.forget();
        let BackupRow { id, tag, cost: [memory, passes, lanes], salt, hash } = &self.backup_row;
        let sql = "INSERT OR REPLACE INTO backup_code (id, enrollment, tag, memory, passes, lanes, salt, hash) \
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
        self.edit(sql, params![id, self.alice, tag, memory, passes, lanes, salt, hash]);
        self.backup_code.clone()
    }

    /// The app password that this boot has not seen.
    pub(crate) fn cold(&self) -> String {
        self.edit("UPDATE app_password SET boot_tag = NULL WHERE name = 'cold'", []);
        self.cold.clone()
    }

    /// What earlier logins left: used steps, counted failures. That the address is known stays.
    fn forget(&self) {
        self.edit("UPDATE authenticator SET last_step = NULL WHERE enrollment = ?", [self.alice]);
        let sql = "UPDATE source SET failures = 0, codes = 0, untold = 0, failed_at = NULL, failed_since_boot = NULL, \
                   failed_boot = NULL WHERE enrollment = ?";
        self.edit(sql, [self.alice]);
    }

    /// Synced like the product's own writing, so that the login that follows syncs nothing but its own.
    fn edit(&self, sql: &str, values: impl Params) {
        let connection = Connection::open_with_flags(&self.store, OpenFlags::SQLITE_OPEN_READ_WRITE)
            .or_die("open a store");
        connection.execute_batch("PRAGMA synchronous = FULL").or_die("ask for syncs");
        connection.query_row("PRAGMA journal_mode = PERSIST", [], |_| Ok(())).or_die("choose a journal");
        connection.execute(sql, values).or_die("reset a row");
    }
}

struct Alice {
    id: i64,
    warm: String,
    cold: String,
    stranger: String,
    backup_code: String,
}

impl Alice {
    fn enroll(files: &Files) -> Self {
        let codes: Vec<BackupCode> =
            (0..10).map(|_| BackupCode::generate(&mut Kernel).expect("the kernel has randomness")).collect();
        let session = files.session().or_die("open a store");
        let id = enroll(&session, ALICE, &codes);
        let first = codes.first().expect("there are ten");
        Self {
            id: id.0,
            warm: add_app_password(&session, id, "warm"),
            cold: add_app_password(&session, id, "cold"),
            stranger: text(&new_app_password()),
            backup_code: first.grouped().to_string(),
        }
    }

    /// The row of the first backup code.
    fn backup_row(&self, store: &PathBuf) -> BackupRow {
        let connection =
            Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_WRITE).or_die("open a store");
        let sql = "SELECT id, tag, memory, passes, lanes, salt, hash FROM backup_code WHERE enrollment = ? ORDER BY id LIMIT 1";
        let read = |row: &rusqlite::Row<'_>| {
            Ok(BackupRow {
                id: row.get(0)?,
                tag: row.get(1)?,
                cost: [row.get(2)?, row.get(3)?, row.get(4)?],
                salt: row.get(5)?,
                hash: row.get(6)?,
            })
        };
        connection.query_row(sql, [self.id], read).or_die("find a backup code")
    }
}

fn files(config: &Path) -> Files {
    let policy = twostep_store::configuration::read(Some(config));
    let Ok(policy) = policy else { panic!("{} cannot be used", config.display()) };
    Files::of(&policy)
}

/// Enrolls somebody with a phone.
fn enroll(session: &Session, name: &str, backup_codes: &[BackupCode]) -> EnrollmentId {
    let new = NewEnrollment {
        user: &UserName::parse(name).unwrap_or_else(|_| panic!("{name} is no name")),
        uid: fs::metadata(format!("/home/{name}")).or_die("find a user's uid").uid(),
        state: State::Active,
        authenticator: Some(NewAuthenticator {
            label: &label("phone"),
            parameters: Parameters::COMMON,
            secret: &Secret::new(SECRET.to_vec()),
            last_step: None,
            confirmed: None,
        }),
        backup_codes,
        at: now().wall,
    };
    let Ok((id, _)) = session.enroll(&new, &author()) else { panic!("{name} cannot be enrolled") };
    id
}

fn add_app_password(session: &Session, id: EnrollmentId, name: &str) -> String {
    let name = label(name);
    let Ok((_, password)) = session.add_app_password(id, &NewAppPassword::named(&name), &author(), &now())
    else {
        panic!("the app password {name} cannot be made");
    };
    text(&password)
}

fn new_app_password() -> AppPassword {
    AppPassword::generate(&mut Kernel).expect("the kernel has randomness")
}

fn text(password: &AppPassword) -> String {
    String::from_utf8_lossy(password.expose()).into_owned()
}

fn label(text: &str) -> Label {
    Label::parse(text).unwrap_or_else(|_| panic!("{text} is no label"))
}

pub(crate) fn author() -> Author {
    Author { by: By::Administrator("bench".to_owned()), why: None }
}

/// Users number `from` to `to`, each with an authenticator, an app password and one address signed in from.
pub(crate) fn fill(store: &Path, from: u32, to: u32) {
    let connection =
        Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_WRITE).or_die("open a store");
    let batch = format!(
        "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA cache_size = -300000;
         BEGIN;
         INSERT INTO enrollment (user, uid, state, created, activated)
             WITH RECURSIVE n (i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {to})
             SELECT printf('user%07d', i), 100000 + i, 'active', 1700000000, 1700000000 FROM n;
         CREATE TEMP TABLE new AS SELECT id FROM enrollment
             WHERE uid BETWEEN 100000 + {from} AND 100000 + {to} AND user LIKE 'user%';
         INSERT INTO authenticator (enrollment, label, algorithm, digits, period, secret, last_step, created)
             SELECT id, 'phone', 'sha1', 6, 30, randomblob(60), 56000000, 1700000000 FROM new;
         INSERT INTO app_password (enrollment, name, tag, memory, passes, lanes, salt, hash, created)
             SELECT id, 'laptop', abs(random()) % 65536, 19456, 2, 1, randomblob(16), randomblob(32), 1700000000 FROM new;
         INSERT INTO source (enrollment, source, failures, codes, untold, last_success)
             SELECT id, '198.51.100.' || (id % 256), 0, 0, 0, 1700000000 FROM new;
         DROP TABLE new;
         COMMIT;"
    );
    connection.execute_batch(&batch).or_die("fill a store");
}
