//! What SQLite's journal modes and page sizes cost a login: open, read, close; and open, verify, consume or count, close.
//!
//! The statements are those of a login, the schema is the product's; checks of files, keys and codes are left out, since they cost
//! the same in all modes.

use crate::median::microseconds;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use twostep_tests::OrDie;

const SCHEMA: &str = include_str!("../../twostep-store/sql/0001.sql");
const USERS: i64 = 1_000;
const ROUNDS: i64 = 200;

#[derive(Clone, Copy)]
struct Mode {
    title: &'static str,
    journal: &'static str,
    synchronous: &'static str,
    after_close: AfterClose,
}

/// What becomes of a write-ahead log when the last connection closes, as it does after every login.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AfterClose {
    /// It is brought into the database and removed, or there is none.
    Gone,
    /// It is left for the next who opens, and brought into the database when it has this many pages.
    Left(u32),
}
use AfterClose::{Gone, Left};

const MODES: [Mode; 7] = [
    Mode { title: "DELETE", journal: "DELETE", synchronous: "FULL", after_close: Gone },
    // Only this is as safe as PERSIST with FULL: the folder is synced after the journal's unlink.
    Mode { title: "DELETE, EXTRA", journal: "DELETE", synchronous: "EXTRA", after_close: Gone },
    Mode { title: "TRUNCATE", journal: "TRUNCATE", synchronous: "FULL", after_close: Gone },
    Mode { title: "PERSIST", journal: "PERSIST", synchronous: "FULL", after_close: Gone },
    Mode { title: "WAL", journal: "WAL", synchronous: "FULL", after_close: Gone },
    Mode { title: "WAL left, to 1000", journal: "WAL", synchronous: "FULL", after_close: Left(1000) },
    Mode { title: "WAL left, to 32", journal: "WAL", synchronous: "FULL", after_close: Left(32) },
];

struct Contestant {
    mode: Mode,
    page: u32,
    path: PathBuf,
    read: Vec<Duration>,
    right: Vec<Duration>,
    wrong: Vec<Duration>,
}

/// Measures and prints.
pub(crate) fn run() {
    let program = std::env::current_exe().or_die("find the running program");
    let folder =
        program.ancestors().nth(2).expect("the program lies in target/PROFILE").join("bench-journal");
    if folder.exists() {
        fs::remove_dir_all(&folder).or_die("remove an earlier run's files");
    }
    fs::create_dir_all(&folder).or_die("make a folder on the disk");
    let mut contestants: Vec<Contestant> = [1024, 4096]
        .into_iter()
        .flat_map(|page| MODES.map(|mode| (page, mode)))
        .enumerate()
        .map(|(number, (page, mode))| Contestant::new(mode, page, folder.join(format!("{number}.db"))))
        .collect();
    for round in 0..ROUNDS {
        for one in &mut contestants {
            one.turn(round);
        }
    }
    println!("\nOpen, work, close a store of {USERS} users; medians of {ROUNDS} runs, in µs.\n");
    println!("{:>5}  {:18} {:>8} {:>8} {:>8}", "page", "journal", "read", "right", "wrong");
    for one in &contestants {
        let middle = |runs| microseconds(runs).expect("everybody had a turn");
        let (read, right, wrong) = (middle(&one.read), middle(&one.right), middle(&one.wrong));
        println!("{:>5}  {:18} {read:>8.0} {right:>8.0} {wrong:>8.0}", one.page, one.mode.title);
    }
    fs::remove_dir_all(&folder).or_die("remove what was measured");
}

impl Contestant {
    fn new(mode: Mode, page: u32, path: PathBuf) -> Self {
        make(&path, page).or_die("make a store");
        Self { mode, page, path, read: Vec::new(), right: Vec::new(), wrong: Vec::new() }
    }

    fn turn(&mut self, round: i64) {
        let user = round * 7 % USERS;
        let timed = |work: &dyn Fn(&Connection) -> rusqlite::Result<()>| {
            let begin = Instant::now();
            let connection = open(&self.path, self.mode).or_die("open a store");
            work(&connection).or_die("use a store");
            connection.close().map_err(|(_, error)| error).or_die("close a store");
            begin.elapsed()
        };
        let read = timed(&|connection| {
            connection.execute_batch("BEGIN")?;
            look_up(connection, user)
        });
        let right = timed(&|connection| verify(connection, user, Some(round)));
        let wrong = timed(&|connection| verify(connection, user, None));
        self.read.push(read);
        self.right.push(right);
        self.wrong.push(wrong);
    }
}

fn make(path: &Path, page: u32) -> rusqlite::Result<()> {
    let connection = Connection::open(path)?;
    connection.execute_batch(&format!("PRAGMA page_size = {page};"))?;
    connection.execute_batch(SCHEMA)?;
    connection.execute_batch(&format!(
        "BEGIN;
         INSERT INTO meta VALUES (1, randomblob(16), randomblob(8), 0);
         INSERT INTO enrollment (id, user, uid, state, created, activated)
             WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {USERS})
             SELECT i + 1, printf('user%07d', i), 100000 + i, 'active', 1700000000, 1700000000 FROM n;
         INSERT INTO authenticator (enrollment, label, algorithm, digits, period, secret, created)
             SELECT id, 'phone', 'sha1', 6, 30, randomblob(60), 1700000000 FROM enrollment;
         INSERT INTO backup_code (enrollment, tag, memory, passes, lanes, salt, hash)
             SELECT e.id, abs(random()) % 65536, 19456, 2, 1, randomblob(16), randomblob(32)
             FROM enrollment e, enrollment ten WHERE ten.id <= 10;
         INSERT INTO source (enrollment, source, failures, codes, untold, last_success)
             SELECT id, '192.0.2.7', 0, 0, 0, 1700000000 FROM enrollment;
         COMMIT;"
    ))
}

fn open(path: &Path, mode: Mode) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    if let Left(pages) = mode.after_close {
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.query_row(&format!("PRAGMA wal_autocheckpoint = {pages}"), [], |_| Ok(()))?;
    }
    connection.execute_batch(&format!("PRAGMA synchronous = {};", mode.synchronous))?;
    connection.query_row(&format!("PRAGMA journal_mode = {}", mode.journal), [], |_| Ok(()))?;
    Ok(connection)
}

fn look_up(connection: &Connection, user: i64) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA user_version", [], |_| Ok(()))?;
    connection.query_row("SELECT store_id, key_id FROM meta", [], |_| Ok(()))?;
    let name = format!("user{user:07}");
    connection.query_row("SELECT id, uid, state FROM enrollment WHERE user = ?", [name], |_| Ok(()))?;
    connection.query_row("SELECT id, user, state FROM enrollment WHERE uid = ?", [100_000 + user], |_| Ok(()))
}

/// `step` is consumed; without one a failure is counted.
fn verify(connection: &Connection, user: i64, step: Option<i64>) -> rusqlite::Result<()> {
    let id = user + 1;
    connection.execute_batch("BEGIN IMMEDIATE")?;
    look_up(connection, user)?;
    let mut codes = connection.prepare("SELECT id, tag, salt, hash FROM backup_code WHERE enrollment = ?")?;
    let mut rows = codes.query([id])?;
    while rows.next()?.is_some() {}
    let of_source = "SELECT failures, last_success FROM source WHERE enrollment = ? AND source = '192.0.2.7'";
    connection.query_row(of_source, [id], |_| Ok(())).optional()?;
    connection
        .query_row("SELECT secret, last_step FROM authenticator WHERE enrollment = ?", [id], |_| Ok(()))?;
    let failures = match step {
        Some(step) => {
            connection
                .execute("UPDATE authenticator SET last_step = ? WHERE enrollment = ?", params![step, id])?;
            connection.execute("UPDATE meta SET latest_time = ?", [1_700_000_000 + step])?;
            0
        }
        None => 1,
    };
    let count = "INSERT INTO source (enrollment, source, failures, codes, untold) VALUES (?1, '192.0.2.7', ?2, 0, ?2) \
                 ON CONFLICT DO UPDATE SET codes = ?2, untold = ?2";
    connection.execute(count, [id, failures])?;
    connection.execute_batch("COMMIT")
}
