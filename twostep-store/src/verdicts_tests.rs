//! What a verdict needs of the disk, and what it leaves.

use super::*;
use crate::admin::NewAuthenticator;
use crate::host::{self, Kernel};
use crate::testing::{SECRET, author, enroll, home, host};
use crate::vault::Files;
use std::fs;
use std::time::Duration;
use twostep_core::app_password::Label;
use twostep_core::backup_code::BackupCode;
use twostep_core::event::Reason;
use twostep_core::memory_hard::Cost;
use twostep_core::ports::Store;
use twostep_core::secret::Secret;
use twostep_core::totp::{self, Algorithm, Authenticator, Parameters};
use twostep_core::verify::{Answer, Operation, verify, verify_for};

/// A store with a phone, a token, a backup code and a bypass code of alice's, and so much of others' and from other sources that rows
/// lie at the ends of pages somewhere.
struct State {
    files: Files,
    of: EnrollmentId,
    /// The right answers.
    right: Vec<Answer>,
    now: Now,
    pages: u32,
    /// What they are entered for.
    operation: Operation,
}

/// What an answer came to, and how much room the store and its journal take then.
#[derive(Debug)]
struct Outcome {
    result: Result<Reason, String>,
    pages: u32,
    journal: u64,
}

impl State {
    fn of(name: &str, filling: usize) -> Self {
        let mut files = host(name);
        files.argon2id.cost = Cost { memory: 32, passes: 1, lanes: 1 };
        let now = host::now();
        let (code, bypass) =
            (BackupCode::generate(&mut Kernel).unwrap(), BackupCode::generate(&mut Kernel).unwrap());
        let of = enroll(&files, std::slice::from_ref(&code));
        let session = files.session().unwrap();
        let token = Parameters::new(Algorithm::Sha1, 6, totp::Kind::Hotp).unwrap();
        let new = NewAuthenticator {
            label: &Label::parse("token").unwrap(),
            parameters: token,
            secret: &Secret::new(b"the secret of a token".to_vec()),
            last_step: None,
            confirmed: None,
        };
        session.add_authenticator(of, &new, &author(), now.wall).unwrap();
        let hour = Duration::from_secs(3600);
        session.give_bypass_code(of, &bypass, hour, 2, &author(), &now).unwrap();
        fill(&session, of, filling);
        let authenticator = |id, parameters, secret: &[u8]| Authenticator {
            id: AuthenticatorId(id),
            parameters,
            secret: Secret::new(secret.to_vec()),
            last_step: None,
        };
        let step = Parameters::COMMON.step_at(now.wall).unwrap();
        let right = vec![
            Answer::Code(authenticator(1, Parameters::COMMON, SECRET).code(step)),
            Answer::Code(authenticator(2, token, b"the secret of a token").code(3)),
            Answer::BackupCode(code),
            Answer::BackupCode(bypass),
        ];
        let pages = session.connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        drop(session);
        Self { files, of, right, now, pages, operation: Operation::SignIn }
    }

    /// Enters `answer` into a copy of the store that has no journal yet and may have `most` pages.
    fn enter(&self, answer: &Answer, source: &Source, most: u32) -> Outcome {
        let store = &self.files.paths.store;
        let (kept, journal) = (store.with_extension("kept"), store.with_extension("db-journal"));
        fs::copy(store, &kept).unwrap();
        let _ = fs::remove_file(&journal);
        let mut session = self.files.session().unwrap();
        crate::settings::leave_transaction(&session.connection).unwrap();
        session.connection.pragma_update(None, "synchronous", "OFF").unwrap();
        let limit = format!("PRAGMA max_page_count = {most}");
        session.connection.query_row(&limit, [], |_| Ok(())).unwrap();
        let mut judge =
            |credentials: Option<&_>| verify_for(self.operation, answer, credentials, &self.now).unwrap();
        let result = session.judge(self.of, source, answer.kind(), &self.now, &mut judge);
        let pages = session.connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        drop(session);
        let journal = fs::metadata(&journal).map_or(0, |file| file.len());
        fs::rename(&kept, store).unwrap();
        Outcome { result: result.map(|outcome| outcome.reason).map_err(|no| no.cause), pages, journal }
    }
}

/// Rows of others before and behind alice's, and sources of hers.
fn fill(session: &Session, of: EnrollmentId, rows: usize) {
    let connection = &session.connection;
    crate::settings::leave_transaction(connection).unwrap();
    for n in 0..rows {
        let sql = "INSERT INTO source (enrollment, source, failures, codes, untold, failed_at, failed_since_boot, failed_boot) \
                   VALUES (?1, ?2, 1, ?3, 1, 1700000000, 5, zeroblob(16))";
        let source = format!("{}.0.113.{n}", n * 7 % 256);
        connection.execute(sql, params![of.0, source, i64::from(n % 40 == 0)]).unwrap();
        let sql = "INSERT INTO enrollment (user, uid, state, created) VALUES (?1, ?2, 'active', 0)";
        connection.execute(sql, params![format!("user{n}"), 2000 + i64::try_from(n).unwrap()]).unwrap();
        let other = connection.last_insert_rowid();
        let sql = "INSERT INTO authenticator (enrollment, label, algorithm, digits, period, secret, created) \
                   VALUES (?1, 'phone', 'sha1', 6, 30, zeroblob(?2), 0)";
        connection.execute(sql, [other, 50 + other * 13 % 40]).unwrap();
        let sql = "INSERT INTO backup_code (enrollment, tag, memory, passes, lanes, salt, hash) \
                   VALUES (?1, 1, 19456, 2, 1, zeroblob(16), zeroblob(32))";
        connection.execute(sql, [other]).unwrap();
    }
    // Hers go to the end of their pages, where those that were before them were.
    let sql =
        "UPDATE authenticator SET label = label || substr(hex(zeroblob(99)), 1, ?2) WHERE enrollment = ?1";
    connection.execute(sql, params![of.0, i64::try_from(rows % 40).unwrap()]).unwrap();
}

fn wrong(right: &Answer) -> Answer {
    match right {
        Answer::BackupCode(_) => Answer::BackupCode(BackupCode::generate(&mut Kernel).unwrap()),
        _ => Answer::Code("00000x".to_owned().into()),
    }
}

/// A name as long as one can be.
fn named() -> Source {
    Source::of_host(&"long.".repeat(60), &[])
}

/// Where a new source goes between others.
fn between() -> Source {
    Source::of_host("100.0.113.1", &[])
}

#[test]
fn a_right_answer_needs_the_pages_that_a_wrong_one_needs() {
    let (mut grown, mut journals) = (0, std::collections::BTreeSet::new());
    for filling in (0..48).step_by(2) {
        let state = State::of("same-pages", filling);
        for (kind, right) in state.right.iter().enumerate() {
            for source in [home(), between(), named()] {
                let accepted = state.enter(right, &source, u32::MAX - 2);
                let refused = state.enter(&wrong(right), &source, u32::MAX - 2);
                let what = format!("{filling} rows, answer {kind}, from {source}: {accepted:?} {refused:?}");
                assert_eq!(refused.result, Ok(Reason::CodeWrong), "{what}");
                assert!(accepted.result.is_ok() && accepted.result != refused.result, "{what}");
                assert_eq!(accepted.pages, refused.pages, "{what}");
                assert_eq!(accepted.journal, refused.journal, "{what}");
                journals.insert(accepted.journal);
                if accepted.pages == state.pages {
                    continue;
                }
                grown += 1;
                // With one page fewer neither is heard, and both are refused alike.
                for answer in [right, &wrong(right)] {
                    let full = state.enter(answer, &source, accepted.pages - 1);
                    assert!(
                        full.result.as_ref().is_err_and(|cause| cause.contains("no space left")),
                        "{what}: {full:?}"
                    );
                }
            }
        }
    }
    // Or nothing was tried.
    assert!(grown > 20 && journals.len() > 3, "{grown} grew, journals of {journals:?} bytes");
}

/// A bypass code that logins have used up, as the proof of a replacement.
#[test]
fn a_code_that_proves_a_replacement_needs_the_pages_that_a_wrong_one_needs() {
    for filling in (0..48).step_by(6) {
        let state =
            State { operation: Operation::ReplaceAuthenticator, ..State::of("replacement-pages", filling) };
        let session = state.files.session().unwrap();
        crate::settings::leave_transaction(&session.connection).unwrap();
        session.connection.execute("UPDATE backup_code SET uses = 0 WHERE lifetime > 0", []).unwrap();
        drop(session);
        let right = &state.right[3];
        for source in [home(), between(), named()] {
            let accepted = state.enter(right, &source, u32::MAX - 2);
            let refused = state.enter(&wrong(right), &source, u32::MAX - 2);
            let what = format!("{filling} rows, from {source}: {accepted:?} {refused:?}");
            assert_eq!(accepted.result, Ok(Reason::BypassCode { left: 0 }), "{what}");
            assert_eq!(refused.result, Ok(Reason::CodeWrong), "{what}");
            assert_eq!((accepted.pages, accepted.journal), (refused.pages, refused.journal), "{what}");
        }
    }
}

/// What is there but for the count of failures.
fn rest(state: &State) -> String {
    let session = state.files.session().unwrap();
    let mut all = String::new();
    for table in ["authenticator", "backup_code", "meta"] {
        let mut statement = session.connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            (0..columns).for_each(|at| all += &format!("{:?} ", row.get_ref(at).unwrap()));
        }
    }
    all
}

fn untold(state: &State) -> u32 {
    let session = state.files.session().unwrap();
    let sql = "SELECT coalesce(sum(untold), 0) FROM source WHERE enrollment = ?";
    session.connection.query_row(sql, [state.of.0], |row| row.get(0)).unwrap()
}

fn judged(state: &State, answer: &Answer, now: &Now) -> Reason {
    let mut session = state.files.session().unwrap();
    let mut judge = |credentials: Option<&_>| verify(answer, credentials, now).unwrap();
    session.judge(state.of, &home(), answer.kind(), now, &mut judge).unwrap().reason
}

#[test]
fn a_wrong_answer_changes_nothing_but_the_count_and_one_that_is_not_judged_nothing() {
    let state = State::of("rest", 3);
    let before = (rest(&state), untold(&state));
    for (wrongs, right) in (1..).zip(&state.right) {
        assert_eq!(judged(&state, &wrong(right), &state.now), Reason::CodeWrong);
        assert_eq!((rest(&state), untold(&state)), (before.0.clone(), before.1 + wrongs));
    }
    let before = (rest(&state), untold(&state));
    assert_eq!(judged(&state, &Answer::Empty, &state.now), Reason::Empty);
    assert_eq!((rest(&state), untold(&state)), before);
    // A right one is no failure that the owner is told of.
    for right in &state.right {
        assert_ne!(judged(&state, right, &state.now), Reason::CodeWrong);
        assert_eq!(untold(&state), before.1);
    }
}

#[test]
fn wrong_backup_codes_without_end_can_be_counted_and_told() {
    let state = State::of("without-end", 0);
    let session = state.files.session().unwrap();
    crate::settings::leave_transaction(&session.connection).unwrap();
    for source in ["elsewhere", &home().key()] {
        let sql =
            "INSERT INTO source (enrollment, source, failures, codes, untold) VALUES (?1, ?2, 0, 0, ?3)";
        session.connection.execute(sql, params![state.of.0, source, UNTOLD_MAX]).unwrap();
    }
    drop(session);
    assert_eq!(judged(&state, &wrong(&state.right[2]), &state.now), Reason::CodeWrong);
    assert_eq!(untold(&state), 2 * UNTOLD_MAX);
}
