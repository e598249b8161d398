//! Enrolling while signing in, and what is done for strangers, over a real store.

use super::*;
use crate::testing::{alice, author, enroll, host};
use crate::vault::Files;
use rusqlite::types::Value;
use twostep_core::attempt::Source;
use twostep_core::change::Action;
use twostep_core::name::UserName;
use twostep_core::ports::Store;
use twostep_core::throttle::Kind;
use twostep_core::time::UnixTime;
use twostep_core::totp::{Consumed, Offset};

const DAY: i64 = 20_800;
const HOME: Option<&str> = Some("203.0.113.9 ");

fn person(name: &str, uid: u32) -> Person {
    Person { name: UserName::parse(name).unwrap(), uid }
}

fn secret(files: &Files, person: &Person, day: i64) -> Vec<u8> {
    files.session().unwrap().draft(person, day, HOME).unwrap().secret.expose().to_vec()
}

fn enroll_at_login(files: &Files, person: &Person) -> Result<bool, Unavailable> {
    let mut session = files.session().unwrap();
    let draft = session.draft(person, DAY, HOME).unwrap();
    let code = Consumed { step: 60_000_000, offset: Offset::Steps(-1) };
    Store::enroll(&mut session, person, &Confirmed { draft: &draft, code, at: UnixTime(1_800_000_000) })
}

/// Every row of every table.
fn dump(files: &Files) -> Vec<(String, Vec<Value>)> {
    let session = files.session().unwrap();
    let named = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name";
    let mut names = session.connection.prepare(named).unwrap();
    let tables: Vec<String> =
        names.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    let mut rows = Vec::new();
    for table in tables {
        let mut statement =
            session.connection.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2")).unwrap();
        let columns = statement.column_count();
        let read =
            |row: &rusqlite::Row<'_>| (0..columns).map(|at| row.get(at)).collect::<Result<Vec<Value>, _>>();
        rows.extend(statement.query_map([], read).unwrap().map(|row| (table.clone(), row.unwrap())));
    }
    rows
}

#[test]
fn a_draft_is_the_same_all_day_and_anothers_is_another() {
    let files = host("draft");
    let alice = person("alice", 1000);
    let first = secret(&files, &alice, DAY);
    assert_eq!(first.len(), SECRET);
    assert_eq!(secret(&files, &alice, DAY), first);
    for (other, day) in [(&alice, DAY + 1), (&person("bob", 1000), DAY), (&person("alice", 1001), DAY)] {
        assert_ne!(secret(&files, other, day), first, "{other:?} {day}");
    }
    assert_ne!(secret(&host("draft-elsewhere"), &alice, DAY), first, "of another store");
    // Whoever has her password, and comes from elsewhere, is shown another one; where anybody can come from, nobody sees one twice.
    let at = |place| files.session().unwrap().draft(&alice, DAY, place).unwrap().secret.expose().to_vec();
    assert_eq!(at(HOME), first);
    assert_ne!(at(Some("198.51.100.7 ")), first);
    assert_ne!(at(None), at(None));
    // Backup codes are new each time: they are shown when the secret is confirmed.
    let codes =
        |draft: Draft| draft.backup_codes.iter().map(|code| code.expose().to_vec()).collect::<Vec<_>>();
    let mut session = files.session().unwrap();
    let (one, two) =
        (codes(session.draft(&alice, DAY, HOME).unwrap()), codes(session.draft(&alice, DAY, HOME).unwrap()));
    assert_eq!((one.len(), two.len()), (SET, SET));
    assert_ne!(one, two);
}

#[test]
fn who_was_enrolled_once_is_shown_another_secret() {
    let files = host("draft-anew");
    let alice = person("alice", 1000);
    let first = secret(&files, &alice, DAY);
    assert_eq!(enroll_at_login(&files, &alice), Ok(true));
    let session = files.session().unwrap();
    let enrollment = session.enrollment(&alice.name).unwrap().unwrap();
    session.unenroll(enrollment.id, Action::Unenroll, &author(), UnixTime(9)).unwrap();
    drop(session);
    assert_ne!(secret(&files, &alice, DAY), first);
}

#[test]
fn nothing_is_stored_by_a_draft() {
    let files = host("draft-stores-nothing");
    enroll(&files, &[]);
    let before = dump(&files);
    assert!(!before.is_empty());
    secret(&files, &person("bob", 1001), DAY);
    secret(&files, &person("alice", 1000), DAY);
    assert_eq!(dump(&files), before);
}

#[test]
fn a_draft_that_was_confirmed_is_an_enrollment() {
    let files = host("enroll-at-login");
    assert_eq!(enroll_at_login(&files, &person("alice", 1000)), Ok(true));
    let session = files.session().unwrap();
    let summary = session.summaries(None).unwrap().remove(0);
    assert_eq!((summary.enrollment.user, summary.enrollment.uid), (alice(), 1000));
    assert_eq!((summary.enrollment.state, summary.backup_codes), (State::Active, 10));
    let phone = session.authenticators(summary.enrollment.id).unwrap().remove(0);
    assert_eq!((phone.label.as_str(), phone.offset), (LABEL, Some(Offset::Steps(-1))));
    let past = session.history(crate::admin::Whose::All, 1).unwrap().remove(0);
    assert_eq!((past.action.as_str(), past.by.as_str()), ("enroll", "login"));
    let stored = crate::rows::authenticators(&session, summary.enrollment.id).unwrap().remove(0);
    assert_eq!(stored.last_step, Some(60_000_000), "its first code is used up");
}

#[test]
fn nobody_is_enrolled_twice() {
    let files = host("enroll-at-login-twice");
    let alice = person("alice", 1000);
    assert_eq!(enroll_at_login(&files, &alice), Ok(true));
    let before = dump(&files);
    assert_eq!(enroll_at_login(&files, &alice), Ok(false));
    assert_eq!(dump(&files), before);
    // Another name of hers, enrolled since it was decided that she is to enroll.
    let other = person("alice2", 1000);
    let mut session = files.session().unwrap();
    let draft = Draft { newest: EnrollmentId(0), ..session.draft(&other, DAY, HOME).unwrap() };
    let code = Consumed { step: 60_000_000, offset: Offset::Steps(0) };
    let confirmed = Confirmed { draft: &draft, code, at: UnixTime(1_800_000_000) };
    assert_eq!(Store::enroll(&mut session, &other, &confirmed), Ok(false));
    drop(session);
    assert_eq!(dump(&files), before);
    // One that was there before is nobody's by now: of an account that is gone, whose uid she has.
    assert_eq!(enroll_at_login(&files, &other), Ok(true));
    assert_eq!(enroll_at_login(&files, &person("bob", 1001)), Ok(true));
}

#[test]
fn pretending_changes_nothing() {
    let sources = [Source::of_host("203.0.113.9", &[]), Source::of_host("host.example", &[])];
    let pretend = |files: &Files| {
        for source in &sources {
            for kind in [Kind::Code, Kind::BackupCode] {
                files.session().unwrap().pretend(source, kind, &crate::host::now()).unwrap();
            }
        }
    };
    let files = host("pretend");
    let empty = dump(&files);
    pretend(&files);
    assert_eq!(dump(&files), empty, "nobody is there to do it for");
    enroll(&files, &[BackupCode::generate(&mut Kernel).unwrap()]);
    let before = dump(&files);
    pretend(&files);
    assert_eq!(dump(&files), before);
}
