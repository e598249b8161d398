//! The store over real files: what is made, what is refused, what races.

use super::*;
use crate::admin::{self, BesideKey, NewAppPassword, NewAuthenticator, NewEnrollment, Refusal, Whose};
use crate::files::Fault;
use crate::host::{self, Kernel};
use crate::testing::{
    NEXT_MAJOR, SECRET, add_app_password, alice, author, enroll, files, home, host, set_schema,
};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use twostep_core::account::{EnrollmentId, State};
use twostep_core::app_password::Label;
use twostep_core::attempt::Source;
use twostep_core::backup_code::BackupCode;
use twostep_core::change::{Action, Author, By, Why};
use twostep_core::event::Reason;
use twostep_core::name::UserName;
use twostep_core::ports::{Completion, Person, Untold};
use twostep_core::secret::Secret;
use twostep_core::throttle::Kind;
use twostep_core::time::{Now, UnixTime};
use twostep_core::totp::{self, Algorithm, Authenticator, AuthenticatorId, Offset, Parameters};
use twostep_core::verify::{Answer, Rest, verify};

fn phone() -> Authenticator {
    Authenticator {
        id: AuthenticatorId(1),
        parameters: Parameters::COMMON,
        secret: Secret::new(SECRET.to_vec()),
        last_step: None,
    }
}

fn enter(files: &Files, enrollment: EnrollmentId, answer: &Answer, now: &Now) -> Result<Reason, Unavailable> {
    let mut judge = |credentials: Option<&_>| verify(answer, credentials, now).unwrap();
    Ok(files.session()?.judge(enrollment, &home(), answer.kind(), now, &mut judge)?.reason)
}

fn code_of(now: &Now) -> Answer {
    Answer::Code(phone().code(Parameters::COMMON.step_at(now.wall).unwrap()))
}

fn wrong_code() -> Answer {
    Answer::Code("000000x".to_owned().into())
}

#[test]
fn init_makes_what_is_missing_and_overwrites_nothing() {
    let files = files("init");
    let made = admin::init(&files, BesideKey::Refuse).unwrap();
    assert!(made.key && made.store);
    let key = fs::read(&files.paths.key).unwrap();
    let made = admin::init(&files, BesideKey::Refuse).unwrap();
    assert!(!made.key && !made.store && made.upgraded.is_none());
    assert_eq!(fs::read(&files.paths.key).unwrap(), key);
    assert_eq!(fs::metadata(&files.paths.store).unwrap().permissions().mode() & 0o7777, 0o600);
    // A lost key is not replaced: nothing that it sealed would ever open again.
    fs::remove_file(&files.paths.key).unwrap();
    assert!(matches!(admin::init(&files, BesideKey::NewStore), Err(StoreError::NoKey(_))));
}

#[test]
fn every_fault_of_the_files_is_named() {
    let files = host("faults");
    enroll(&files, &[]);
    let Paths { store, key, .. } = &files.paths;
    let (whole, whole_key) = (fs::read(store).unwrap(), fs::read(key).unwrap());
    let put = |path: &Path, content: &[u8], mode: u32| {
        fs::write(path, content).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let open = || files.session().map(|_| ()).unwrap_err();

    put(store, b"", 0o600);
    assert!(matches!(open(), StoreError::Empty(_)));
    put(store, &whole[..whole.len() / 2], 0o600);
    assert!(matches!(open(), StoreError::Damaged(_)), "{}", open());
    put(store, &[0xa5; 9000], 0o600);
    assert!(matches!(open(), StoreError::Damaged(_)), "{}", open());
    put(store, &whole, 0o640);
    assert!(matches!(open(), StoreError::Untrusted(untrusted) if untrusted.fault == Fault::Readable(0o640)));
    put(store, &whole, 0o620);
    assert!(matches!(open(), StoreError::Untrusted(untrusted) if untrusted.fault == Fault::Writable(0o620)));
    fs::rename(store, store.with_extension("elsewhere")).unwrap();
    assert!(matches!(open(), StoreError::NoStore(_)));
    symlink(store.with_extension("elsewhere"), store).unwrap();
    assert!(matches!(open(), StoreError::Untrusted(untrusted) if untrusted.fault == Fault::Link));
    fs::remove_file(store).unwrap();
    put(store, &whole, 0o600);
    assert!(files.session().is_ok());

    put(key, &whole_key, 0o644);
    assert!(matches!(open(), StoreError::Untrusted(untrusted) if untrusted.fault == Fault::Readable(0o644)));
    put(key, "0".repeat(64).as_bytes(), 0o600);
    assert!(matches!(open(), StoreError::WrongKey { .. }));
    fs::remove_file(key).unwrap();
    assert!(matches!(open(), StoreError::NoKey(_)));
    put(key, &whole_key, 0o600);

    set_schema(&files, NEXT_MAJOR);
    let newer = StoreError::Newer { found: NEXT_MAJOR, known: SCHEMA };
    assert_eq!(open().to_string(), newer.to_string());
}

#[test]
fn a_code_is_accepted_once() {
    let files = host("once");
    let id = enroll(&files, &[]);
    let now = host::now();
    assert_eq!(enter(&files, id, &code_of(&now), &now).unwrap(), Reason::Code { authenticator: 1 });
    assert_eq!(enter(&files, id, &code_of(&now), &now).unwrap(), Reason::CodeReplayed);
    assert_eq!(files.session().unwrap().latest_time().unwrap(), now.wall);
}

#[test]
fn of_many_with_the_same_code_one_gets_in() {
    let files = host("race");
    let id = enroll(&files, &[]);
    let now = host::now();
    let accepted: usize = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| matches!(enter(&files, id, &code_of(&now), &now), Ok(Reason::Code { .. })))
            })
            .collect();
        racers.into_iter().map(|racer| usize::from(racer.join().unwrap())).sum()
    });
    assert_eq!(accepted, 1);
}

#[test]
fn failures_are_counted_and_told() {
    let files = host("failures");
    let id = enroll(&files, &[]);
    let now = host::now();
    for _ in 0..3 {
        assert_eq!(enter(&files, id, &wrong_code(), &now).unwrap(), Reason::CodeWrong);
    }
    assert_eq!(files.session().unwrap().summaries(None).unwrap()[0].failures, 3);
    // From another source: the owner is told of what came from the first one, whose count stays.
    let elsewhere = Source::of_host("198.51.100.7", &[]);
    let mut session = files.session().unwrap();
    let mut judge = |credentials: Option<&_>| verify(&code_of(&now), credentials, &now).unwrap();
    let outcome = session.judge(id, &elsewhere, Kind::Code, &now, &mut judge).unwrap();
    assert_eq!(outcome.rest, Some(Rest { untold: 3, makes_known: true }));
    assert_eq!(session.summaries(None).unwrap()[0].failures, 3);
    let completion =
        Completion { enrollment: id, activates: false, makes_known: Some(elsewhere.clone()), trusts: None };
    let untold = Untold { source: "203.0.113.9".to_owned(), count: 3 };
    // Anyone who comes by a key that is enough is told of them, too.
    assert_eq!(session.untold(id).unwrap(), 3);
    assert_eq!(session.complete(&completion, &now).unwrap(), [untold]);
    assert_eq!(session.complete(&completion, &now).unwrap(), []);
    assert_eq!(session.untold(id).unwrap(), 0);
    let later = Now { wall: UnixTime(now.wall.0 + 60), ..now };
    let mut judge = |credentials: Option<&_>| verify(&code_of(&later), credentials, &later).unwrap();
    let outcome = session.judge(id, &elsewhere, Kind::Code, &later, &mut judge).unwrap();
    assert_eq!((outcome.reason, outcome.rest), (Reason::Code { authenticator: 1 }, None));
    session.unlock(id, &author(), later.wall).unwrap();
    assert_eq!(session.summaries(None).unwrap()[0].failures, 0);
}

#[test]
fn a_backup_code_lets_all_sources_begin_anew() {
    let files = host("backup-clears");
    let code = BackupCode::generate(&mut Kernel).unwrap();
    let id = enroll(&files, std::slice::from_ref(&code));
    let now = host::now();
    for n in 0..90 {
        let source = Source::of_host(&format!("198.51.100.{n}"), &[]);
        let mut judge = |credentials: Option<&_>| verify(&wrong_code(), credentials, &now).unwrap();
        let outcome = files.session().unwrap().judge(id, &source, Kind::Code, &now, &mut judge).unwrap();
        assert_eq!(outcome.reason, Reason::CodeWrong);
    }
    assert_eq!(enter(&files, id, &code_of(&now), &now).unwrap(), Reason::Capped);
    assert_eq!(enter(&files, id, &Answer::BackupCode(code), &now).unwrap(), Reason::BackupCode { left: 0 });
    assert_eq!(enter(&files, id, &code_of(&now), &now).unwrap(), Reason::Code { authenticator: 1 });
}

#[test]
fn a_clock_that_ran_ahead_is_taken_back_by_unlock() {
    let files = host("ahead");
    let id = enroll(&files, &[]);
    let now = host::now();
    let ahead = Now { wall: UnixTime(now.wall.0 + 86_400), ..now };
    assert_eq!(enter(&files, id, &code_of(&ahead), &ahead).unwrap(), Reason::Code { authenticator: 1 });
    assert_eq!(enter(&files, id, &code_of(&now), &now).unwrap(), Reason::ClockBehind);
    let session = files.session().unwrap();
    // Who may only forget wrong codes does not say that the clock is right.
    session.unlock(id, &author(), now.wall).unwrap();
    assert_eq!(session.latest_time().unwrap(), ahead.wall);
    session.unlock_by_this_clock(id, &author(), now.wall).unwrap();
    assert_eq!(session.latest_time().unwrap(), now.wall);
    drop(session);
    assert_eq!(enter(&files, id, &code_of(&now), &now).unwrap(), Reason::CodeReplayed);
    let later = Now { wall: UnixTime(now.wall.0 + 60), ..now };
    assert_eq!(enter(&files, id, &code_of(&later), &later).unwrap(), Reason::Code { authenticator: 1 });
}

#[test]
fn a_damaged_step_is_damage() {
    let files = host("negative-step");
    let id = enroll(&files, &[]);
    let session = files.session().unwrap();
    crate::settings::leave_transaction(&session.connection).unwrap();
    session.connection.execute("UPDATE authenticator SET last_step = -1", []).unwrap();
    drop(session);
    let now = host::now();
    assert!(enter(&files, id, &code_of(&now), &now).is_err());
}

#[test]
fn a_lost_store_is_not_made_anew_beside_its_key() {
    let files = host("lost");
    fs::remove_file(&files.paths.store).unwrap();
    assert!(matches!(admin::init(&files, BesideKey::Refuse), Err(StoreError::NoStore(_))));
    assert!(admin::init(&files, BesideKey::NewStore).unwrap().store);
}

#[test]
fn a_store_behind_a_linked_folder_is_found() {
    let files = host("linked");
    let folder = files.paths.store.parent().unwrap();
    let link = folder.with_file_name("linked-way");
    if let Err(error) = fs::remove_file(&link) {
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    }
    symlink(folder, &link).unwrap();
    let paths = Paths { store: link.join("store.db"), key: link.join("master.key"), ..files.paths.clone() };
    assert!(Files { paths, ..files.clone() }.session().is_ok());
    let paths = Paths { store: link.join("none.db"), ..files.paths.clone() };
    assert!(matches!(Files { paths, ..files.clone() }.session(), Err(StoreError::NoStore(_))));
}

#[test]
fn what_an_administrator_removes_does_not_stay_in_the_journal() {
    let files = host("journal");
    let id = enroll(&files, &[]);
    let now = host::now();
    enter(&files, id, &code_of(&now), &now).unwrap();
    let journal = files.paths.store.with_extension("db-journal");
    assert!(fs::metadata(&journal).unwrap().len() > 0);
    files.session().unwrap().unenroll(id, Action::Unenroll, &author(), UnixTime(9)).unwrap();
    assert_eq!(fs::metadata(&journal).unwrap().len(), 0);
}

#[test]
fn five_wrong_codes_throttle_their_source() {
    let files = host("throttle");
    let id = enroll(&files, &[]);
    let now = host::now();
    for _ in 0..5 {
        assert_eq!(enter(&files, id, &wrong_code(), &now).unwrap(), Reason::CodeWrong);
    }
    assert!(matches!(enter(&files, id, &code_of(&now), &now).unwrap(), Reason::Throttled { .. }));
}

#[test]
fn a_locked_store_gives_no_verdict() {
    let files = host("locked");
    let id = enroll(&files, &[]);
    let now = host::now();
    let other = rusqlite::Connection::open(&files.paths.store).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let session = files.session().unwrap();
    session.connection.busy_timeout(std::time::Duration::from_millis(1)).unwrap();
    let mut session = session;
    let refused = session.judge(id, &home(), Kind::Code, &now, &mut |_| panic!("judged without the lock"));
    // The waiting time is set anew by nobody after opening.
    assert!(refused.unwrap_err().cause.contains("locked"));
}

#[test]
fn a_backup_code_works_once_and_a_new_set_kills_the_old() {
    let files = host("backup");
    let codes: Vec<_> = (0..3).map(|_| BackupCode::generate(&mut Kernel).unwrap()).collect();
    let id = enroll(&files, &codes);
    let now = host::now();
    let answer = |n: usize| Answer::BackupCode(codes[n].clone());
    assert_eq!(enter(&files, id, &answer(0), &now).unwrap(), Reason::BackupCode { left: 2 });
    assert_eq!(enter(&files, id, &answer(0), &now).unwrap(), Reason::CodeWrong);
    files
        .session()
        .unwrap()
        .replace_backup_codes(id, &[BackupCode::generate(&mut Kernel).unwrap()], &author(), UnixTime(9))
        .unwrap();
    assert_eq!(enter(&files, id, &answer(1), &now).unwrap(), Reason::CodeWrong);
}

#[test]
fn the_store_holds_no_secret_in_the_clear() {
    let files = host("strings");
    let code = BackupCode::generate(&mut Kernel).unwrap();
    let id = enroll(&files, std::slice::from_ref(&code));
    let (_, password) = add_app_password(&files.session().unwrap(), id, "mail");
    for entry in fs::read_dir(files.paths.store.parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = fs::read(&path).unwrap();
            for secret in [SECRET, code.expose(), password.expose()] {
                assert!(!bytes.windows(secret.len()).any(|part| part == secret), "{}", path.display());
            }
        }
    }
}

#[test]
fn a_secret_moved_to_another_row_does_not_open() {
    let files = host("moved");
    let id = enroll(&files, &[]);
    let bob = NewEnrollment {
        user: &UserName::parse("bob").unwrap(),
        uid: 1001,
        state: State::Active,
        authenticator: None,
        backup_codes: &[],
        at: UnixTime(1),
    };
    let session = files.session().unwrap();
    let (bob, _) = session.enroll(&bob, &author()).unwrap();
    assert!(session.damage().unwrap().is_empty());
    session
        .connection
        .execute("UPDATE authenticator SET enrollment = ? WHERE enrollment = ?", [bob.0, id.0])
        .unwrap();
    assert_eq!(session.damage().unwrap().len(), 1);
    drop(session);
    let now = host::now();
    assert!(enter(&files, bob, &code_of(&now), &now).unwrap_err().cause.contains("does not open"));
}

#[test]
fn what_is_gone_stays_gone() {
    let files = host("unenroll");
    let id = enroll(&files, &[BackupCode::generate(&mut Kernel).unwrap()]);
    let session = files.session().unwrap();
    session.unenroll(id, Action::Unenroll, &author(), UnixTime(9)).unwrap();
    assert!(matches!(
        session.unenroll(id, Action::Unenroll, &author(), UnixTime(9)),
        Err(Refusal::Store(StoreError::Gone))
    ));
    for table in ["authenticator", "backup_code", "app_password", "source"] {
        let sql = format!("SELECT count(*) FROM {table}");
        assert_eq!(session.connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap(), 0, "{table}");
    }
    drop(session);
    assert!(enroll(&files, &[]) != id, "an id was used again");
    let now = host::now();
    assert_eq!(enter(&files, id, &code_of(&now), &now).unwrap(), Reason::EnrollmentChanged);
}

#[test]
fn consumed_is_synced() {
    let files = host("synchronous");
    let session = files.session().unwrap();
    crate::settings::leave_transaction(&session.connection).unwrap();
    crate::settings::prepare_to_write(&session.connection, crate::settings::Journal::Persist).unwrap();
    let read =
        |sql| session.connection.query_row(sql, [], |row| row.get::<_, rusqlite::types::Value>(0)).unwrap();
    assert_eq!(read("PRAGMA synchronous"), rusqlite::types::Value::Integer(2));
    assert_eq!(read("PRAGMA journal_mode"), rusqlite::types::Value::Text("persist".into()));
    assert_eq!(read("PRAGMA trusted_schema"), rusqlite::types::Value::Integer(0));
    assert_eq!(read("PRAGMA foreign_keys"), rusqlite::types::Value::Integer(1));
    assert_eq!(read("SELECT sqlite_compileoption_used('TEMP_STORE=3')"), rusqlite::types::Value::Integer(1));
}

#[test]
fn every_change_is_in_the_history_with_who_did_it() {
    let files = host("history");
    let id = enroll(&files, &[]);
    let session = files.session().unwrap();
    let by_herself = Author { by: By::User, why: None };
    let desk = Author { by: By::HelpDesk("carol".to_owned()), why: Some(Why::parse("INC-7").unwrap()) };
    let name = Label::parse("mail").unwrap();
    let at = Now { wall: UnixTime(10), ..host::now() };
    let (app_id, _) = session.add_app_password(id, &NewAppPassword::named(&name), &by_herself, &at).unwrap();
    let other = Label::parse("mail at home").unwrap();
    assert_eq!(session.rename_app_password(id, app_id, &other, &by_herself, UnixTime(11)).unwrap(), name);
    session.revoke_app_password(id, app_id, &by_herself, UnixTime(12)).unwrap();
    assert_eq!(session.unlock(id, &desk, UnixTime(13)).unwrap(), 0);
    session.unenroll(id, Action::Unenroll, &author(), UnixTime(14)).unwrap();
    let told: Vec<_> = session
        .history(Whose::Name(&alice()), 99)
        .unwrap()
        .into_iter()
        .map(|past| (past.at.0, past.action, past.target, past.by, past.why))
        .collect();
    let entry = |at, action: &str, target: Option<&str>, by: &str, why: Option<&str>| {
        (at, action.to_owned(), target.map(str::to_owned), by.to_owned(), why.map(str::to_owned))
    };
    assert_eq!(
        told[..5],
        [
            entry(14, "unenroll", None, "root", None),
            entry(13, "unlock", None, "help-desk:carol", Some("INC-7")),
            entry(12, "app-password-revoke", Some("mail at home"), "self", None),
            entry(11, "app-password-rename", Some("mail -> mail at home"), "self", None),
            entry(10, "app-password-add", Some("mail"), "self", None),
        ]
    );
    assert_eq!(told[5].1, "enroll");
    assert_eq!(session.history(Whose::All, 2).unwrap().len(), 2);
    assert!(session.history(Whose::Name(&UserName::parse("bob").unwrap()), 9).unwrap().is_empty());
    assert_eq!(session.history(Whose::Person(&alice(), 1000), 99).unwrap().len(), told.len());
    // An account of the same name that is somebody else's.
    assert!(session.history(Whose::Person(&alice(), 1001), 99).unwrap().is_empty());
}

/// She was asked for the password alone, when none of her names was enrolled; by now another one is.
#[test]
fn nobody_enrolls_herself_beside_an_enrollment_of_another_name_of_hers() {
    let files = host("enroll-alias");
    enroll(&files, &[]);
    let new = NewEnrollment {
        user: &UserName::parse("alice2").unwrap(),
        uid: 1000,
        state: State::Active,
        authenticator: None,
        backup_codes: &[],
        at: UnixTime(2),
    };
    let session = files.session().unwrap();
    let herself = Author { by: By::User, why: None };
    assert!(matches!(session.enroll(&new, &herself), Err(Refusal::AlreadyEnrolled(State::Active))));
    session.enroll(&new, &author()).unwrap();
}

#[test]
fn a_settled_user_keeps_her_history() {
    let files = host("history-settled");
    let id = enroll(&files, &[]);
    let session = files.session().unwrap();
    session.keep_for_uid(id, 4242, &author(), UnixTime(3)).unwrap();
    let told = session.history(Whose::Person(&alice(), 4242), 9).unwrap();
    let actions: Vec<_> = told.iter().map(|past| past.action.as_str()).collect();
    assert_eq!(actions, ["settle-keep", "enroll"]);
}

/// `usermod -l`: the same account under another name.
#[test]
fn a_renamed_user_keeps_all_she_has() {
    let files = host("renamed");
    let id = enroll(&files, &[BackupCode::generate(&mut Kernel).unwrap()]);
    let (alicia, other) = (UserName::parse("alicia").unwrap(), UserName::parse("bob").unwrap());
    let mut session = files.session().unwrap();
    let (_, password) = add_app_password(&session, id, "mail");
    // An earlier bearer of the name, whose history is not hers.
    session.note_look(&Person { name: alice(), uid: 900 }, &author(), UnixTime(3)).unwrap();
    let new = NewEnrollment {
        user: &other,
        uid: 1001,
        state: State::Pending,
        authenticator: None,
        backup_codes: &[],
        at: UnixTime(2),
    };
    session.enroll(&new, &author()).unwrap();
    let taken = session.rename(id, &other, &author(), UnixTime(4));
    assert!(matches!(taken, Err(Refusal::AlreadyEnrolled(State::Pending))));
    let gone = session.rename(EnrollmentId(99), &alicia, &author(), UnixTime(4));
    assert!(matches!(gone, Err(Refusal::Store(StoreError::Gone))));

    session.rename(id, &alicia, &author(), UnixTime(4)).unwrap();
    assert_eq!(session.enrollment(&alice()).unwrap(), None);
    let found = session.enrollment(&alicia).unwrap().unwrap();
    assert_eq!((found.id, found.uid, found.state), (id, 1000, State::Active));
    assert_eq!(session.app_candidates(id, &password).unwrap().live.len(), 1);
    assert!(session.damage().unwrap().is_empty());
    let actions = |whose| {
        let told = session.history(whose, 9).unwrap();
        told.into_iter().map(|past| past.action).collect::<Vec<_>>()
    };
    assert_eq!(actions(Whose::Person(&alicia, 1000)), ["settle-rename", "app-password-add", "enroll"]);
    assert_eq!(actions(Whose::Name(&alice())), ["settle-rename", "show"]);
    let past = session.history(Whose::Name(&alicia), 1).unwrap().remove(0);
    assert_eq!(past.target.as_deref(), Some("alice"));
    drop(session);
    let now = host::now();
    assert_eq!(enter(&files, id, &code_of(&now), &now).unwrap(), Reason::Code { authenticator: 1 });
}

/// A user who makes and revokes app passwords all day, or a help desk that looks all day, pushes out nothing that matters.
#[test]
fn what_decides_who_can_sign_in_is_not_pushed_out_by_the_rest() {
    let files = host("history-grave");
    let id = enroll(&files, &[]);
    let session = files.session().unwrap();
    let person = Person { name: alice(), uid: 1000 };
    session.replace_backup_codes(id, &[], &author(), UnixTime(2)).unwrap();
    for at in 0..i64::from(admin::HISTORY_KEPT) + 20 {
        session.note_look(&person, &author(), UnixTime(10 + at)).unwrap();
    }
    let told = session.history(Whose::Name(&alice()), 10_000).unwrap();
    assert_eq!(told.len(), admin::HISTORY_KEPT as usize + 2);
    assert_eq!(
        (told[told.len() - 1].action.as_str(), told[told.len() - 2].action.as_str()),
        ("enroll", "backup-codes")
    );
}

#[test]
fn a_history_does_not_grow_for_ever() {
    let files = host("history-long");
    let id = enroll(&files, &[]);
    let session = files.session().unwrap();
    let sql = "INSERT INTO history (at, user, uid, action, grave, by) \
               VALUES (1, 'alice', 1000, 'unlock', 0, 'root'), (1, 'bob', 1001, 'unlock', 0, 'root')";
    crate::settings::leave_transaction(&session.connection).unwrap();
    for _ in 0..admin::HISTORY_KEPT + 5 {
        session.connection.execute(sql, []).unwrap();
    }
    session.unlock(id, &author(), UnixTime(2)).unwrap();
    let kept = |name| session.history(Whose::Name(&UserName::parse(name).unwrap()), 10_000).unwrap();
    // And the enrolling, which is of the other kind.
    assert_eq!(kept("alice").len(), admin::HISTORY_KEPT as usize + 1);
    assert_eq!(kept("alice")[0].at, UnixTime(2));
    assert_eq!(kept("bob").len(), admin::HISTORY_KEPT as usize + 5);
}

#[test]
fn a_bypass_code_works_as_often_as_it_was_given_for_and_leaves_the_backup_codes_alone() {
    let files = host("bypass");
    let codes = [BackupCode::generate(&mut Kernel).unwrap()];
    let id = enroll(&files, &codes);
    let now = host::now();
    let (first, second) =
        (BackupCode::generate(&mut Kernel).unwrap(), BackupCode::generate(&mut Kernel).unwrap());
    let hour = std::time::Duration::from_secs(3600);
    let session = files.session().unwrap();
    assert_eq!(session.bypass_until(id, &now).unwrap(), None);
    session.give_bypass_code(id, &first, hour, 1, &author(), &now).unwrap();
    let until = session.give_bypass_code(id, &second, hour, 2, &author(), &now).unwrap();
    assert_eq!(until, UnixTime(now.wall.0 + 3600));
    assert_eq!(session.bypass_until(id, &now).unwrap(), Some((until, 2)));
    assert_eq!(session.summaries(None).unwrap()[0].backup_codes, 1);
    session.replace_backup_codes(id, &codes, &author(), UnixTime(9)).unwrap();
    for (lifetime, uses) in [(hour, 0), (hour, 11), (hour * 24 * 8, 1), (hour / 120, 1)] {
        let refused = session.give_bypass_code(id, &first, lifetime, uses, &author(), &now);
        assert!(matches!(refused, Err(Refusal::BypassLifetime | Refusal::BypassUses)), "{lifetime:?} {uses}");
    }
    drop(session);
    let enter =
        |code: &BackupCode, now: &Now| enter(&files, id, &Answer::BackupCode(code.clone()), now).unwrap();
    assert_eq!(enter(&first, &now), Reason::CodeWrong, "the one before is dead");
    assert_eq!(enter(&second, &now), Reason::BypassCode { left: 1 });
    assert_eq!(enter(&second, &now), Reason::BypassCode { left: 0 });
    assert_eq!(enter(&second, &now), Reason::CodeWrong);
    files.session().unwrap().give_bypass_code(id, &first, hour, 1, &author(), &now).unwrap();
    let later = Now { since_boot: now.since_boot + hour, ..now };
    assert_eq!(enter(&first, &later), Reason::BypassOver);
    assert_eq!(files.session().unwrap().bypass_until(id, &later).unwrap(), None);
    assert_eq!(enter(&codes[0], &later), Reason::BackupCode { left: 0 });
}

#[test]
fn authenticators_come_and_go_but_for_the_last() {
    let files = host("authenticators");
    let id = enroll(&files, &[]);
    let session = files.session().unwrap();
    let label = |text: &str| Label::parse(text).unwrap();
    let add = |name: &str| {
        let secret = Secret::new(format!("the secret of {name}").into_bytes());
        let new = NewAuthenticator {
            label: &label(name),
            parameters: Parameters::COMMON,
            secret: &secret,
            last_step: None,
            confirmed: None,
        };
        session.add_authenticator(id, &new, &author(), UnixTime(5))
    };
    let only = session.authenticators(id).unwrap()[0].id;
    let gone = session.remove_authenticator(id, only, &author(), UnixTime(5));
    assert!(matches!(gone, Err(Refusal::LastAuthenticator)));
    let tablet = add("tablet").unwrap();
    assert!(matches!(add("tablet"), Err(Refusal::LabelTaken(_))));
    assert_eq!(session.find_authenticator(id, "tablet").unwrap().id, tablet);
    assert_eq!(session.find_authenticator(id, &tablet.0.to_string()).unwrap().id, tablet);
    assert!(matches!(session.find_authenticator(id, "watch"), Err(Refusal::NoAuthenticator(_))));
    session.remove_authenticator(id, only, &author(), UnixTime(6)).unwrap();
    for n in 1..admin::AUTHENTICATORS_MAX {
        add(&format!("phone {n}")).unwrap();
    }
    assert!(matches!(add("one more"), Err(Refusal::TooManyAuthenticators)));
    assert!(session.damage().unwrap().is_empty());
}

fn token(last_step: Option<u64>) -> Authenticator {
    Authenticator {
        id: AuthenticatorId(2),
        parameters: Parameters::new(Algorithm::Sha1, 6, totp::Kind::Hotp).unwrap(),
        secret: Secret::new(b"the secret of a token".to_vec()),
        last_step,
    }
}

/// Beside the phone, a token whose next counter is 100.
fn add_token(session: &Session, of: EnrollmentId, name: &str) -> Result<AuthenticatorId, Refusal> {
    let Authenticator { parameters, mut secret, last_step, .. } = token(Some(99));
    if name != "token" {
        secret = Secret::new(format!("the secret of {name}").into_bytes());
    }
    let label = Label::parse(name).unwrap();
    let new = NewAuthenticator { label: &label, parameters, secret: &secret, last_step, confirmed: None };
    session.add_authenticator(of, &new, &author(), UnixTime(5))
}

fn code_by_count(counter: u64) -> Answer {
    Answer::Code(token(None).code(counter))
}

#[test]
fn a_code_by_count_is_accepted_once_and_takes_the_earlier_ones_with_it() {
    let files = host("hotp-once");
    let id = enroll(&files, &[]);
    add_token(&files.session().unwrap(), id, "token").unwrap();
    let begun = files.session().unwrap().latest_time().unwrap();
    let now = host::now();
    let enter = |counter| enter(&files, id, &code_by_count(counter), &now).unwrap();
    assert_eq!(enter(103), Reason::Code { authenticator: 2 });
    assert_eq!(enter(103), Reason::CodeReplayed);
    assert_eq!(enter(102), Reason::CodeWrong);
    assert_eq!(enter(104), Reason::Code { authenticator: 2 });
    assert_eq!(enter(115), Reason::Code { authenticator: 2 });
    let session = files.session().unwrap();
    assert_eq!(session.latest_time().unwrap(), begun, "a counter says nothing of the time");
    let shown = &session.authenticators(id).unwrap()[1];
    assert_eq!((shown.last_used, shown.counter), (Some(now.wall), Some(116)));
    assert_eq!(shown.offset, Some(Offset::PassedOver(10)));
}

#[test]
fn of_many_with_the_same_code_by_count_one_gets_in() {
    let files = host("hotp-race");
    let id = enroll(&files, &[]);
    add_token(&files.session().unwrap(), id, "token").unwrap();
    let now = host::now();
    let enter = || matches!(enter(&files, id, &code_by_count(100), &now), Ok(Reason::Code { .. }));
    let accepted: usize = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..4).map(|_| scope.spawn(enter)).collect();
        racers.into_iter().map(|racer| usize::from(racer.join().unwrap())).sum()
    });
    assert_eq!(accepted, 1);
}

#[test]
fn how_far_off_a_code_was_is_written_down() {
    let files = host("offsets");
    let id = enroll(&files, &[]);
    let now = host::now();
    let shown = || files.session().unwrap().authenticators(id).unwrap().remove(0);
    assert_eq!((shown().offset, shown().last_used, shown().counter), (None, None, None));
    for (seconds, off) in [(-30, -1), (0, 0), (30, 1)] {
        let code = code_of(&Now { wall: UnixTime(now.wall.0 + seconds), ..now });
        assert_eq!(enter(&files, id, &code, &now).unwrap(), Reason::Code { authenticator: 1 });
        assert_eq!((shown().offset, shown().last_used), (Some(Offset::Steps(off)), Some(now.wall)));
    }
    // As an older version has left it.
    let session = files.session().unwrap();
    crate::settings::leave_transaction(&session.connection).unwrap();
    let old = "UPDATE authenticator SET last_step = 60000000, off_by = NULL, used = NULL";
    session.connection.execute(old, []).unwrap();
    drop(session);
    assert_eq!((shown().offset, shown().last_used), (None, Some(UnixTime(1_800_000_000))));
}

#[test]
fn two_successive_codes_take_a_counter_that_is_far_ahead_along() {
    let files = host("resync");
    let id = enroll(&files, &[]);
    let session = files.session().unwrap();
    let token_id = add_token(&session, id, "token").unwrap();
    let resync = |one, first: u64, second: u64| {
        let (first, second) = (token(None).code(first), token(None).code(second));
        session.resynchronize(id, one, (&first, &second), &author(), UnixTime(7))
    };
    assert!(matches!(resync(token_id, 500, 502), Err(Refusal::NotSuccessive)));
    assert!(matches!(resync(token_id, 1_200, 1_201), Err(Refusal::NotSuccessive)), "too far");
    assert!(matches!(resync(token_id, 98, 99), Err(Refusal::NotSuccessive)), "used");
    assert!(matches!(resync(AuthenticatorId(1), 500, 501), Err(Refusal::NoCounter(_))));
    assert!(matches!(resync(AuthenticatorId(9), 500, 501), Err(Refusal::Store(StoreError::Gone))));
    assert_eq!(resync(token_id, 1_000, 1_001).unwrap(), 1_002);
    let past = session.history(Whose::Name(&alice()), 1).unwrap().remove(0);
    assert_eq!((past.action.as_str(), past.target.as_deref()), ("authenticator-resync", Some("token")));
    drop(session);
    let now = host::now();
    assert_eq!(enter(&files, id, &code_by_count(1_001), &now).unwrap(), Reason::CodeReplayed);
    assert_eq!(enter(&files, id, &code_by_count(1_002), &now).unwrap(), Reason::Code { authenticator: 2 });
}

#[test]
fn authenticators_accept_no_more_than_thirty_values_together() {
    let files = host("values");
    let id = enroll(&files, &[]);
    let session = files.session().unwrap();
    add_token(&session, id, "first").unwrap();
    add_token(&session, id, "second").unwrap();
    assert!(matches!(add_token(&session, id, "third"), Err(Refusal::TooManyValues)));
    let (common, by_count) = (Parameters::COMMON, token(None).parameters);
    let label = |text: &str| Label::parse(text).unwrap();
    session.has_room_for(id, &label("phone 2"), common.kind()).unwrap();
    let add = |name: &str| {
        let (label, secret) = (label(name), Secret::new(format!("the secret of {name}").into_bytes()));
        let new = NewAuthenticator {
            label: &label,
            parameters: common,
            secret: &secret,
            last_step: None,
            confirmed: None,
        };
        session.add_authenticator(id, &new, &author(), UnixTime(5))
    };
    add("phone 2").unwrap();
    let refused = add("phone 3").unwrap_err();
    assert_eq!(
        refused.to_string(),
        "a user's authenticators can accept 30 values at a time: 11 each that counts (HOTP), 3 each that goes by time"
    );
    let first = session.find_authenticator(id, "first").unwrap().id;
    session.remove_authenticator(id, first, &author(), UnixTime(6)).unwrap();
    session.has_room_for(id, &label("first"), by_count.kind()).unwrap();
    add("phone 3").unwrap();
}

#[test]
fn a_clock_that_ran_ahead_is_told_by_name_and_taken_back_for_what_goes_by_time_only() {
    let files = host("ahead-by-name");
    let id = enroll(&files, &[]);
    add_token(&files.session().unwrap(), id, "token").unwrap();
    let now = host::now();
    let ahead = Now { wall: UnixTime(now.wall.0 + 86_400), ..now };
    enter(&files, id, &code_of(&ahead), &ahead).unwrap();
    let session = files.session().unwrap();
    assert_eq!(session.ahead_of(now.wall, 5).unwrap(), (1, vec![alice()]));
    assert_eq!(session.ahead_of(now.wall, 0).unwrap(), (1, vec![]));
    assert_eq!(session.ahead_of(ahead.wall, 5).unwrap(), (0, vec![]));
    // A counter as high as any step would be.
    crate::settings::leave_transaction(&session.connection).unwrap();
    let high = "UPDATE authenticator SET last_step = 1 << 40 WHERE kind = 'hotp'";
    session.connection.execute(high, []).unwrap();
    session.unlock_by_this_clock(id, &author(), now.wall).unwrap();
    assert_eq!(session.ahead_of(now.wall, 5).unwrap(), (0, vec![]));
    assert_eq!(session.authenticators(id).unwrap()[1].counter, Some((1 << 40) + 1));
}

const FIRST: Version = Version { major: 1, minor: 0 };

#[test]
fn a_store_of_the_first_schema_is_brought_up_to_date_with_all_it_holds() {
    let files = host("upgrade");
    let code = BackupCode::generate(&mut Kernel).unwrap();
    let id = enroll(&files, std::slice::from_ref(&code));
    let old = rusqlite::Connection::open(&files.paths.store).unwrap();
    old.execute_batch(
        "DROP TABLE trusted_device; ALTER TABLE authenticator DROP COLUMN kind; ALTER TABLE authenticator DROP COLUMN off_by; \
         ALTER TABLE authenticator DROP COLUMN used; DROP TABLE history; DROP TABLE due; ALTER TABLE backup_code DROP COLUMN lifetime; \
         ALTER TABLE backup_code DROP COLUMN uses; ALTER TABLE backup_code DROP COLUMN given; \
         ALTER TABLE backup_code DROP COLUMN given_since_boot; ALTER TABLE backup_code DROP COLUMN given_boot; \
         ALTER TABLE app_password DROP COLUMN services; ALTER TABLE app_password DROP COLUMN networks; \
         ALTER TABLE app_password DROP COLUMN lifetime; ALTER TABLE app_password DROP COLUMN given_since_boot; \
         ALTER TABLE app_password DROP COLUMN given_boot; DROP INDEX enrollment_user_part; ALTER TABLE meta DROP COLUMN host; ALTER TABLE meta DROP COLUMN roster; ALTER TABLE meta DROP COLUMN roster_place; PRAGMA user_version = 1",
    )
    .unwrap();
    drop(old);
    let now = host::now();
    assert!(matches!(files.session().map(drop), Err(StoreError::Older { found: FIRST, .. })));
    let copy = |end: &str| files.paths.store.with_file_name(format!("store.db.before-schema-{SCHEMA}{end}"));
    // Without a copy nothing is changed, and where nothing can be changed no copy stays.
    let draft = copy(&format!(".new.{}", std::process::id()));
    fs::create_dir(&draft).unwrap();
    assert!(matches!(admin::init(&files, BesideKey::Refuse), Err(StoreError::Io(..))));
    fs::remove_dir(&draft).unwrap();
    let old = rusqlite::Connection::open(&files.paths.store).unwrap();
    old.execute_batch("CREATE TABLE trusted_device (in_the_way INTEGER)").unwrap();
    assert!(matches!(admin::init(&files, BesideKey::Refuse), Err(StoreError::Sqlite(_))));
    assert!(!copy("").exists());
    old.execute_batch("DROP TABLE trusted_device").unwrap();
    drop(old);
    assert!(matches!(files.session().map(drop), Err(StoreError::Older { found: FIRST, .. })));

    let upgraded = admin::init(&files, BesideKey::Refuse).unwrap().upgraded.unwrap();
    assert_eq!((upgraded.from, &upgraded.kept), (FIRST, &copy("")));
    assert_eq!(fs::metadata(copy("")).unwrap().permissions().mode() & 0o7777, 0o600);
    let again = Answer::BackupCode(BackupCode::parse(code.expose()).unwrap());
    assert_eq!(enter(&files, id, &again, &now).unwrap(), Reason::BackupCode { left: 0 });

    // The way back: the copy is the store again, whole, and what was used since is not. One that is there is never written over.
    fs::copy(copy(""), &files.paths.store).unwrap();
    assert!(matches!(files.session().map(drop), Err(StoreError::Older { found: FIRST, .. })));
    let before = fs::read(copy("")).unwrap();
    assert_eq!(admin::init(&files, BesideKey::Refuse).unwrap().upgraded.unwrap().kept, copy(".2"));
    assert_eq!(fs::read(copy("")).unwrap(), before);
    assert_eq!(admin::init(&files, BesideKey::Refuse).unwrap().upgraded.map(|upgraded| upgraded.from), None);
    let beside = fs::read_dir(files.paths.store.parent().unwrap()).unwrap();
    let left = beside.flatten().filter(|file| file.file_name().to_string_lossy().contains(".new."));
    assert_eq!(left.count(), 0);
    assert_eq!(enter(&files, id, &Answer::BackupCode(code), &now).unwrap(), Reason::BackupCode { left: 0 });
    assert!(files.session().unwrap().damage().unwrap().is_empty());
}

/// A minor step leaves a copy, as any does, and an older minor is refused until it is made.
#[test]
fn a_minor_step_is_made_with_a_copy() {
    let files = host("minor-step");
    let id = enroll(&files, &[]);
    let old = rusqlite::Connection::open(&files.paths.store).unwrap();
    old.execute_batch(
        "DROP INDEX enrollment_user_part; ALTER TABLE meta DROP COLUMN host; PRAGMA user_version = 5",
    )
    .unwrap();
    drop(old);
    let before = Version { major: 5, minor: 0 };
    let refused = files.session().map(drop).unwrap_err();
    assert!(matches!(refused, StoreError::Older { found, known: SCHEMA } if found == before));
    assert!(refused.remedy().contains("twostep-admin init"));
    let made = admin::init(&files, BesideKey::Refuse).unwrap();
    let upgraded = made.upgraded.unwrap();
    assert_eq!((upgraded.from, made.newer), (before, None));
    assert!(
        upgraded.kept.ends_with(format!("store.db.before-schema-{SCHEMA}")),
        "{}",
        upgraded.kept.display()
    );
    let copy = rusqlite::Connection::open(&upgraded.kept).unwrap();
    let number = |store: &rusqlite::Connection| -> i64 {
        store.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
    };
    let session = files.session().unwrap();
    assert_eq!((number(&copy), number(&session.connection)), (5, SCHEMA.number()));
    assert_eq!(session.enrollment(&alice()).unwrap().unwrap().id, id);
    drop(session);
    let made = admin::init(&files, BesideKey::Refuse).unwrap();
    assert!(made.upgraded.is_none() && made.newer.is_none());
}

/// Wrong backup codes count towards no cap: a guesser from everywhere must not fill the store.
#[test]
fn no_more_than_so_many_sources_are_kept_and_the_owner_is_told_of_all() {
    let files = host("many-sources");
    let id = enroll(&files, &[BackupCode::generate(&mut Kernel).unwrap()]);
    let now = host::now();
    let wrong = Answer::BackupCode(BackupCode::generate(&mut Kernel).unwrap());
    let mut session = files.session().unwrap();
    // Not synced to the disk each time: it is the counting that is looked at.
    crate::settings::leave_transaction(&session.connection).unwrap();
    session.connection.pragma_update(None, "synchronous", "OFF").unwrap();
    for n in 0..1_250u32 {
        let source = Source::of_host(&format!("10.0.{}.{}", n / 250, n % 250), &[]);
        let mut judge = |credentials: Option<&_>| verify(&wrong, credentials, &now).unwrap();
        let outcome = session.judge(id, &source, Kind::BackupCode, &now, &mut judge).unwrap();
        assert_eq!(outcome.reason, Reason::CodeWrong);
    }
    let count: u32 =
        session.connection.query_row("SELECT count(*) FROM source", [], |row| row.get(0)).unwrap();
    assert!((900..=1_001).contains(&count), "{count}");
    let completion = Completion::of(id);
    let untold = session.complete(&completion, &now).unwrap();
    assert_eq!(untold.iter().map(|one| one.count).sum::<u32>(), 1_250);
    assert_eq!((untold[0].source.as_str(), untold[0].count >= 200), ("elsewhere", true));
}

/// Its codes would be accepted twice, once by each, whatever else differs; and so would those of other bytes that HMAC takes for the same.
#[test]
fn no_user_has_one_secret_twice_and_users_who_share_one_are_found() {
    let files = host("one-secret-twice");
    let id = enroll(&files, &[]);
    let session = files.session().unwrap();
    let eight = Parameters::new(Algorithm::Sha1, 8, totp::Kind::Totp { period: 60 }).unwrap();
    let sha512 = Parameters::new(Algorithm::Sha512, 6, totp::Kind::Totp { period: 30 }).unwrap();
    let counts = Parameters::new(Algorithm::Sha1, 6, totp::Kind::Hotp).unwrap();
    let add = |label: &str, parameters, secret: &[u8]| {
        let (label, secret) = (Label::parse(label).unwrap(), Secret::new(secret.to_vec()));
        let new =
            NewAuthenticator { label: &label, parameters, secret: &secret, last_step: None, confirmed: None };
        session.add_authenticator(id, &new, &author(), UnixTime(5))
    };
    let filled = [SECRET, &[0; 7]].concat();
    for parameters in [Parameters::COMMON, eight, sha512, counts] {
        for secret in [SECRET, &filled] {
            let refused = add("twin", parameters, secret);
            assert!(matches!(refused, Err(Refusal::SecretTaken(label)) if label.as_str() == "phone"));
        }
    }
    assert!(session.shared_secrets().unwrap().is_empty());
    add("tablet", eight, b"the secret of a tablet").unwrap();
    // Two that an older version has let in, and another user's.
    let sql = "INSERT INTO enrollment (id, user, uid, state, created) VALUES (9, 'bob', 1001, 'active', 0)";
    crate::settings::leave_transaction(&session.connection).unwrap();
    session.connection.execute(sql, []).unwrap();
    for (of, authenticator, secret) in [(id, 7, SECRET), (EnrollmentId(9), 8, &filled[..])] {
        let secret = Secret::new(secret.to_vec());
        let sealed = session
            .keys
            .authenticators
            .seal(&secret, &crate::rows::binding(&session, authenticator, of), &mut Kernel)
            .unwrap();
        let sql = "INSERT INTO authenticator (id, enrollment, label, algorithm, digits, period, secret, created) \
                   VALUES (?1, ?2, 'twin', 'sha1', 8, 30, ?3, 0)";
        session.connection.execute(sql, rusqlite::params![authenticator, of.0, sealed]).unwrap();
    }
    let holder = |user: &str, label: &str| admin::Holder {
        user: UserName::parse(user).unwrap(),
        label: Label::parse(label).unwrap(),
    };
    let shared = [holder("alice", "phone"), holder("alice", "twin"), holder("bob", "twin")];
    assert_eq!(session.shared_secrets().unwrap(), [shared.to_vec()]);
    assert_eq!(session.holders_of(&Secret::new(SECRET.to_vec())).unwrap(), shared);
    assert_eq!(session.holders_of(&Secret::new(b"the secret of a tablet".to_vec())).unwrap().len(), 1);
}
