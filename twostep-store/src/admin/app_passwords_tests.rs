use super::*;
use crate::admin::{BesideKey, Due, NewEnrollment, Taken};
use crate::testing::{add_app_password, alice, author, enroll, host};
use crate::vault::Files;
use crate::{StoreError, admin};
use std::time::Duration;
use twostep_core::account::{NO_UID, State};
use twostep_core::app_password::BootKey;
use twostep_core::change::Action;
use twostep_core::crypto::MasterKey;
use twostep_core::hook::Command;
use twostep_core::memory_hard::{Cost, HashError};
use twostep_core::network;
use twostep_core::policy::Hooks;
use twostep_core::ports::{Store, Use, Vault};
use twostep_core::scope::Outside;
use twostep_core::time::BootId;

fn now(wall: i64) -> Now {
    Now {
        wall: UnixTime(wall),
        since_boot: Duration::from_secs(7),
        boot: Some(BootId([3; 16])),
        ..Now::default()
    }
}

fn label(text: &str) -> Label {
    Label::parse(text).unwrap()
}

#[test]
fn app_passwords_are_found_used_and_revoked() {
    let files = host("app-passwords");
    let id = enroll(&files, &[]);
    let mut session = files.session().unwrap();
    let (app_id, password) = add_app_password(&session, id, "old phone");
    let again = session.add_app_password(id, &NewAppPassword::named(&label("old phone")), &author(), &now(5));
    assert!(matches!(again, Err(Refusal::NameTaken(_))));
    assert_eq!(session.app_candidates(id, &password).unwrap().live[0].id, app_id);
    // Without a tmpfs there is no boot key, and nothing else is lost.
    assert!(session.app_candidates(id, &password).unwrap().boot_key.is_none());
    let tag = password.boot_tag(&BootKey::of(&MasterKey::new([1; 32])), app_id);
    let used =
        Use { at: UnixTime(77), service: "imap", source: "203.0.113.9", boot_tag: Some(tag), hash: None };
    session.record_use(app_id, &used).unwrap();
    assert_eq!(session.app_candidates(id, &password).unwrap().live[0].boot_tag, Some(tag));
    let last = session.app_passwords(id).unwrap()[0].last_used.clone().unwrap();
    assert_eq!((last.at, last.service.as_str()), (UnixTime(77), "imap"));
    session.revoke_app_password(id, app_id, &author(), UnixTime(99)).unwrap();
    assert!(session.record_use(app_id, &used).is_err(), "a revoked app password was used");
    let candidates = session.app_candidates(id, &password).unwrap();
    assert!(candidates.live.is_empty());
    assert_eq!(candidates.revoked, Some(label("old phone")));
}

#[test]
fn what_it_is_limited_to_comes_back_as_it_was_given() {
    let files = host("limits");
    let id = enroll(&files, &[]);
    let services = ["imap", "smtp*"].map(|text| Glob::service(text).unwrap());
    let networks = ["192.0.2.0/24", "2001:db8::/32"].map(|text| network::parse(text).unwrap());
    let name = label("laptop");
    let new = NewAppPassword {
        name: &name,
        services: &services,
        networks: &networks,
        expires: Some(UnixTime(160)),
    };
    let mut session = files.session().unwrap();
    let (_, password) = session.add_app_password(id, &new, &author(), &now(100)).unwrap();
    let scope = session.app_candidates(id, &password).unwrap().live[0].scope.clone();
    assert_eq!((scope.services.as_slice(), scope.networks.as_slice()), (&services[..], &networks[..]));
    assert_eq!(scope, session.app_passwords(id).unwrap()[0].scope);
    let lease = scope.lease.unwrap();
    assert_eq!((lease.given, lease.lifetime), (now(100).stamp(), Duration::from_secs(60)));
    let late = NewAppPassword { expires: Some(UnixTime(100)), ..new };
    let refused = session.add_app_password(id, &late, &author(), &now(100));
    assert!(matches!(refused, Err(Refusal::OverAlready)));
    let many = vec![services[0].clone(); ENTRIES_MAX + 1];
    let refused =
        session.add_app_password(id, &NewAppPassword { services: &many, ..new }, &author(), &now(100));
    assert!(matches!(refused, Err(Refusal::TooManyLimits)));
}

#[test]
fn a_limit_that_cannot_be_read_lets_nobody_in() {
    let files = host("damaged-limit");
    let id = enroll(&files, &[]);
    let mut session = files.session().unwrap();
    let (_, password) = add_app_password(&session, id, "laptop");
    for damage in ["services = 'a/b'", "networks = 'home.example'", "lifetime = -1"] {
        crate::settings::leave_transaction(&session.connection).unwrap();
        session.connection.execute(&format!("UPDATE app_password SET {damage}"), []).unwrap();
        assert!(session.app_candidates(id, &password).is_err(), "{damage}");
        session
            .connection
            .execute("UPDATE app_password SET services = NULL, networks = NULL, lifetime = NULL", [])
            .unwrap();
    }
    assert!(session.app_candidates(id, &password).is_ok());
}

#[test]
fn there_is_a_limit_to_how_many() {
    let files = Files { most: 2, argon2id: cheap(), ..host("most") };
    let id = enroll(&files, &[]);
    let session = files.session().unwrap();
    add_app_password(&session, id, "one");
    add_app_password(&session, id, "two");
    let refused = session.add_app_password(id, &NewAppPassword::named(&label("three")), &author(), &now(5));
    assert!(matches!(refused, Err(Refusal::TooMany(2))));
}

fn cheap() -> twostep_core::policy::Argon2id {
    twostep_core::policy::Argon2id { cost: Cost { memory: 32, passes: 1, lanes: 1 }, at_once: None }
}

#[test]
fn no_two_of_a_user_share_a_tag() {
    let files = Files { most: 1_000, argon2id: cheap(), ..host("tags") };
    let id = enroll(&files, &[]);
    let session = files.session().unwrap();
    // Most tags are taken.
    let sql = "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 39999) \
               INSERT INTO revoked_app_password (enrollment, name, tag, revoked) SELECT ?, 'old', i, 0 FROM n";
    crate::settings::leave_transaction(&session.connection).unwrap();
    session.connection.execute(sql, [id.0]).unwrap();
    let tags: Vec<u16> = (0..3)
        .map(|n| {
            let (app_id, _) = add_app_password(&session, id, &format!("{n}"));
            let sql = "SELECT tag FROM app_password WHERE id = ?";
            session.connection.query_row(sql, [app_id.0], |row| row.get(0)).unwrap()
        })
        .collect();
    assert!(tags.iter().all(|tag| *tag >= 40_000), "{tags:?}");
    assert_eq!(tags.iter().collect::<HashSet<_>>().len(), 3);
}

#[test]
fn a_hash_is_made_anew_as_it_is_configured() {
    let mut files = Files { argon2id: cheap(), ..host("anew") };
    let id = enroll(&files, &[]);
    let (app_id, password) = add_app_password(&files.session().unwrap(), id, "mail");
    files.argon2id.cost.passes = 3;
    let hash = files.hash_anew(&password).unwrap();
    let used =
        Use { at: UnixTime(77), service: "imap", source: "local", boot_tag: None, hash: Some(hash.clone()) };
    let mut session = files.session().unwrap();
    session.record_use(app_id, &used).unwrap();
    let stored = session.app_candidates(id, &password).unwrap().live[0].hash.clone();
    assert_eq!((stored.cost.passes, &stored), (3, &hash));
    assert_eq!(stored.matches(password.expose()), Ok(true));
    drop(session);
    // Nobody waits for it.
    files.argon2id.at_once = Some(1);
    let turn = crate::turn::take(&files.paths.store, Some(1), Duration::ZERO).unwrap();
    assert!(files.hash_anew(&password).is_none());
    drop(turn);
    let mut done = 0;
    files.in_turn(&mut || done += 1).unwrap();
    assert_eq!(done, 1);
}

#[test]
fn those_of_all_users_are_found_by_age_and_revoked_together() {
    let files = Files { argon2id: cheap(), ..host("of-all") };
    let id = enroll(&files, &[]);
    let bob = virtual_user(&files, "bob@example.org").unwrap();
    let mut session = files.session().unwrap();
    for (of, name, made) in [(id, "old", 100), (id, "used", 100), (id, "new", 500), (bob, "old", 100)] {
        let name = label(name);
        session.add_app_password(of, &NewAppPassword::named(&name), &author(), &now(made)).unwrap();
    }
    let used = session.find_app_password(id, "used").unwrap().id;
    let at = Use { at: UnixTime(450), service: "imap", source: "local", boot_tag: None, hash: None };
    session.record_use(used, &at).unwrap();
    let names =
        |all: Vec<Of>| all.into_iter().map(|of| format!("{} {}", of.user, of.info.name)).collect::<Vec<_>>();
    let unused = Which { unused_since: Some(UnixTime(400)), ..Which::default() };
    assert_eq!(names(session.all_app_passwords(unused).unwrap()), ["alice old", "bob@example.org old"]);
    let before = Which { created_before: Some(UnixTime(500)), ..Which::default() };
    let expected = ["alice old", "alice used", "bob@example.org old"];
    assert_eq!(names(session.all_app_passwords(before).unwrap()), expected);
    assert_eq!(names(session.revoke_some(before, &author(), UnixTime(600)).unwrap()), expected);
    assert!(session.revoke_some(before, &author(), UnixTime(600)).unwrap().is_empty());
    assert_eq!(names(session.all_app_passwords(Which::default()).unwrap()), ["alice new"]);
}

/// After an incident: more than one transaction takes, and more than is due otherwise.
#[test]
fn very_many_are_revoked_in_portions_and_all_that_is_due_is_kept() {
    let files = Files {
        hooks: Hooks { on_revoke: Some(Command { words: vec!["/bin/true".to_owned()] }), on_create: None },
        ..host("very-many")
    };
    let id = enroll(&files, &[]);
    let session = files.session().unwrap();
    crate::settings::leave_transaction(&session.connection).unwrap();
    let sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10_700) \
               INSERT INTO app_password (enrollment, name, tag, memory, passes, lanes, salt, hash, created) \
               SELECT ?, i, i, 1, 1, 1, x'00', x'00', 100 FROM n";
    session.connection.execute(&sql.replace("10_700", "10700"), [id.0]).unwrap();
    drop(session);
    let which = Which { created_before: Some(UnixTime(500)), ..Which::default() };
    let mut portions = Vec::new();
    loop {
        // Each is a session of its own: whoever signs in meanwhile has a turn.
        let some = files.session().unwrap().revoke_some(which, &author(), UnixTime(600)).unwrap().len();
        if some == 0 {
            break;
        }
        portions.push(some);
    }
    assert_eq!((portions.iter().sum::<usize>(), portions.iter().max()), (10_700, Some(&500)));
    let session = files.session().unwrap();
    let due: u32 = session.connection.query_row("SELECT count(*) FROM due", [], |row| row.get(0)).unwrap();
    assert_eq!(due, 10_700);
    // Nor does what somebody else does afterwards take any of it away.
    let bob = virtual_user_in(&session, "bob");
    let (app_id, _) = add_app_password(&session, bob, "mail");
    session.revoke_app_password(bob, app_id, &author(), UnixTime(601)).unwrap();
    let due: u32 = session.connection.query_row("SELECT count(*) FROM due", [], |row| row.get(0)).unwrap();
    assert_eq!(due, 10_701);
}

fn virtual_user_in(session: &Session, name: &str) -> EnrollmentId {
    let user = UserName::parse(name).unwrap();
    session.enroll(&new_virtual_user(&user), &author()).unwrap().0
}

fn virtual_user(files: &Files, name: &str) -> Result<EnrollmentId, Refusal> {
    let user = UserName::parse(name).unwrap();
    files.session().unwrap().enroll(&new_virtual_user(&user), &author()).map(|(id, _)| id)
}

fn new_virtual_user(user: &UserName) -> NewEnrollment<'_> {
    NewEnrollment {
        user,
        uid: NO_UID,
        state: State::Active,
        authenticator: None,
        backup_codes: &[],
        at: UnixTime(50),
    }
}

#[test]
fn a_name_that_had_an_account_is_never_a_virtual_users() {
    let files = host("virtual");
    let id = enroll(&files, &[]);
    assert!(matches!(virtual_user(&files, "alice"), Err(Refusal::AlreadyEnrolled(_))));
    let alicia = UserName::parse("alicia").unwrap();
    files.session().unwrap().rename(id, &alicia, &author(), UnixTime(2)).unwrap();
    assert!(matches!(virtual_user(&files, "alice"), Err(Refusal::HadAccount)));
    files.session().unwrap().unenroll(id, Action::Unenroll, &author(), UnixTime(3)).unwrap();
    assert!(matches!(virtual_user(&files, "alicia"), Err(Refusal::HadAccount)));
    // Nor is one that means the same.
    let naming =
        twostep_core::name::Naming { virtual_users: true, domains: twostep_core::name::Domains::Strip };
    let files = Files { naming, ..files };
    for name in ["Dave", "erin@corp.example"] {
        let user = UserName::parse(name).unwrap();
        let new = NewEnrollment {
            user: &user,
            uid: 1030,
            state: State::Active,
            authenticator: None,
            backup_codes: &[],
            at: UnixTime(4),
        };
        files.session().unwrap().enroll(&new, &author()).unwrap();
    }
    assert!(matches!(virtual_user(&files, "dave"), Err(Refusal::HadAccount)));
    assert!(matches!(virtual_user(&files, "erin"), Err(Refusal::HadAccount)));
    // There can be many, and one can come back.
    let bob = virtual_user(&files, "bob").unwrap();
    virtual_user(&files, "carol").unwrap();
    files.session().unwrap().unenroll(bob, Action::Unenroll, &author(), UnixTime(4)).unwrap();
    assert!(virtual_user(&files, "bob").is_ok());
    assert!(files.session().unwrap().enrollment(&alice()).unwrap().is_none());
}

fn taken(session: &Session) -> Option<Due> {
    match session.take_due(0).unwrap()? {
        Taken::Due(due) => Some(due),
        damaged => panic!("{damaged:?}"),
    }
}

#[test]
fn a_damaged_row_of_what_is_due_is_no_revocation_and_keeps_nothing_after_it() {
    let files = Files {
        hooks: Hooks { on_revoke: Some(Command { words: vec!["/bin/true".to_owned()] }), on_create: None },
        ..host("due-damaged")
    };
    let id = enroll(&files, &[]);
    let session = files.session().unwrap();
    let (app_id, _) = add_app_password(&session, id, "mail");
    crate::settings::leave_transaction(&session.connection).unwrap();
    let damage = "PRAGMA ignore_check_constraints = ON;
                  INSERT INTO due (at, event, user, name) VALUES (1, 'crevoke', 'alice', 'mail');
                  INSERT INTO due (at, event, user, name, tries) VALUES (1, 'revoke', 'bob', 'x', -1);
                  PRAGMA ignore_check_constraints = OFF;";
    session.connection.execute_batch(damage).unwrap();
    session.revoke_app_password(id, app_id, &author(), UnixTime(6)).unwrap();
    let mut rows = Vec::new();
    let due = loop {
        match session.take_due(0).unwrap().unwrap() {
            Taken::Damaged { row, .. } => rows.push(row),
            Taken::Due(due) => break due,
        }
    };
    assert_eq!(
        rows,
        [
            r#"event="crevoke" user="alice" name="mail" tries=0"#,
            r#"event="revoke" user="bob" name="x" tries=-1"#
        ]
    );
    assert_eq!((due.occasion, due.user.as_str()), (Occasion::Revoke, "alice"));
}

#[test]
fn a_refusal_comes_out_of_a_transaction_as_what_it_is() {
    let files = host("refusal");
    let session = files.session().unwrap();
    let refused = |refusal| crate::admin::in_transaction::<()>(&session, || Err(refusal)).unwrap_err();
    assert!(matches!(refused(Refusal::HadAccount), Refusal::HadAccount));
    assert!(matches!(refused(Refusal::Hash(HashError::Entropy)), Refusal::Hash(HashError::Entropy)));
    assert!(matches!(refused(Refusal::Store(StoreError::Full)), Refusal::Store(StoreError::Full)));
}

#[test]
fn commands_are_due_where_the_administrator_wants_them() {
    let files = host("due");
    let wanting = Files {
        hooks: Hooks { on_revoke: Some(Command { words: vec!["/bin/true".to_owned()] }), on_create: None },
        ..files.clone()
    };
    let id = enroll(&wanting, &[]);
    let session = wanting.session().unwrap();
    let (app_id, _) = add_app_password(&session, id, "mail");
    assert_eq!(session.take_due(0).unwrap(), None, "nobody wants to know of new ones");
    session.revoke_app_password(id, app_id, &author(), UnixTime(6)).unwrap();
    let due = taken(&session).unwrap();
    assert_eq!((due.user.as_str(), due.name.as_str(), due.tries), ("alice", "mail", 0));
    assert_eq!(session.take_due(due.id).unwrap(), None);
    assert_eq!(taken(&session).unwrap().tries, 1, "a try is counted when it begins");
    session.due_done(due.id).unwrap();
    assert_eq!(session.take_due(0).unwrap(), None);
    let (other, _) = add_app_password(&session, id, "mail");
    drop(session);
    files.session().unwrap().revoke_app_password(id, other, &author(), UnixTime(6)).unwrap();
    assert_eq!(wanting.session().unwrap().take_due(0).unwrap(), None, "nobody wanted to know");
}

#[test]
fn app_passwords_of_the_third_schema_stay_good() {
    let files = host("third-schema");
    let id = enroll(&files, &[]);
    let (app_id, password) = add_app_password(&files.session().unwrap(), id, "mail");
    let old = rusqlite::Connection::open(&files.paths.store).unwrap();
    let columns = ["services", "networks", "lifetime", "given_since_boot", "given_boot"];
    columns.iter().for_each(|column| {
        old.execute(&format!("ALTER TABLE app_password DROP COLUMN {column}"), []).unwrap();
    });
    old.execute_batch("UPDATE app_password SET boot_tag = randomblob(32); DROP INDEX enrollment_user_part; ALTER TABLE meta DROP COLUMN host; ALTER TABLE meta DROP COLUMN roster; ALTER TABLE meta DROP COLUMN roster_place; PRAGMA user_version = 3")
        .unwrap();
    drop(old);
    assert!(matches!(files.session().map(drop), Err(StoreError::Older { found, .. }) if found.major == 3));
    admin::init(&files, BesideKey::Refuse).unwrap();
    let candidates = files.session().unwrap().app_candidates(id, &password).unwrap();
    assert_eq!((candidates.live[0].id, candidates.live[0].boot_tag), (app_id, None));
    assert_eq!(candidates.live[0].scope, Scope::default());
    let service = twostep_core::name::ServiceName::parse("imap").unwrap();
    let source = twostep_core::attempt::Source::Service(service.clone());
    assert_eq!(candidates.live[0].scope.refuses(&service, &source, &now(9)), None::<Outside>);
}

/// A command that would run what users choose stays due for as long as it is one, however often it is taken.
#[test]
fn what_is_skipped_is_not_tried() {
    let command = |word: &str| Some(Command { words: vec!["/bin/sh".into(), "-c".into(), word.into()] });
    let wanting = |word: &str, files: Files| Files {
        hooks: Hooks { on_revoke: command(word), on_create: None },
        ..files
    };
    let files = wanting("tell {name}", host("due-skipped"));
    let id = enroll(&files, &[]);
    let session = files.session().unwrap();
    let (app_id, _) = add_app_password(&session, id, "mail");
    session.revoke_app_password(id, app_id, &author(), UnixTime(6)).unwrap();
    for _ in 0..3 {
        assert_eq!(taken(&session).unwrap().tries, 0);
    }
    drop(session);
    let session = wanting("tell \"$TWOSTEP_NAME\"", files).session().unwrap();
    assert_eq!([0, 1].map(|_| taken(&session).unwrap().tries), [0, 1]);
}
