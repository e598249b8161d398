//! Everything that is read and written, over a store that a later version has brought to its next minor schema: this one goes on with it.

use super::tests::sources;
use super::*;
use crate::admin::{
    self, BesideKey, NewAppPassword, NewAuthenticator, NewEnrollment, Occasion, Refusal, Taken, Which, Whose,
};
use crate::host::{self, Kernel};
use crate::origin::{MachineId, Origin};
use crate::roster::Others;
use crate::testing::{
    NEXT_MAJOR, NEXT_MINOR, SECRET, add_app_password, alice, author, enroll, home, host, set_schema,
    step_to_next_minor,
};
use crate::trusted::Devices;
use crate::vault::{Files, Session};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use twostep_core::account::{EnrollmentId, NO_UID, State};
use twostep_core::app_password::Label;
use twostep_core::backup_code::BackupCode;
use twostep_core::change::Action;
use twostep_core::device::Device;
use twostep_core::event::Reason;
use twostep_core::hook::Command;
use twostep_core::memory_hard::Cost;
use twostep_core::name::{Naming, ServiceName, UserName};
use twostep_core::policy::{Argon2id, Hooks};
use twostep_core::ports::{Completion, Confirmed, Person, Store, Trusting, Trusts, Use};
use twostep_core::secret::Secret;
use twostep_core::spelling::Readings;
use twostep_core::throttle::Kind;
use twostep_core::time::{Now, UnixTime};
use twostep_core::totp::{self, Algorithm, Authenticator, AuthenticatorId, Consumed, Offset, Parameters};
use twostep_core::verify::{Answer, verify};

const WEEK: Duration = Duration::from_secs(7 * 86_400);

/// A store of the next minor schema, in which alice is enrolled as it was written before that step, and commands are due.
fn newer_host(name: &str) -> (Files, EnrollmentId, Vec<BackupCode>) {
    let command = || Some(Command { words: vec!["/bin/true".to_owned()] });
    let files = Files {
        hooks: Hooks { on_create: command(), on_revoke: command() },
        argon2id: Argon2id { cost: Cost { memory: 32, passes: 1, lanes: 1 }, at_once: None },
        ..host(name)
    };
    let codes: Vec<_> = (0..2).map(|_| BackupCode::generate(&mut Kernel).unwrap()).collect();
    let id = enroll(&files, &codes);
    step_to_next_minor(&files);
    let session = files.session().unwrap();
    crate::settings::leave_transaction(&session.connection).unwrap();
    session.connection.execute("INSERT INTO next_thing VALUES (NULL, ?, NULL, 1)", [id.0]).unwrap();
    drop(session);
    (files, id, codes)
}

fn number(session: &Session, sql: &str) -> i64 {
    session.connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// The schema is the next minor one still, nothing is damaged, and what this version does not know is as the step has made it.
fn is_whole(files: &Files) {
    let session = files.session().unwrap();
    assert_eq!(session.newer_schema(), Some(NEXT_MINOR));
    assert_eq!(session.damage().unwrap(), Vec::<String>::new());
    for (table, column) in [
        ("meta", "next_count"),
        ("enrollment", "next_enrollment_count"),
        ("authenticator", "next_authenticator_count"),
        ("backup_code", "next_code_count"),
        ("app_password", "next_password_count"),
        ("revoked_app_password", "next_revoked_count"),
        ("source", "next_source_count"),
        ("history", "next_history_count"),
        ("due", "next_due_count"),
        ("trusted_device", "next_device_count"),
    ] {
        assert_eq!(
            number(&session, &format!("SELECT count(*) FROM {table} WHERE {column} IS NOT 7")),
            0,
            "{table}"
        );
    }
}

fn enter(files: &Files, of: EnrollmentId, answer: &Answer, now: &Now) -> Reason {
    let mut judge = |credentials: Option<&_>| verify(answer, credentials, now).unwrap();
    files.session().unwrap().judge(of, &home(), answer.kind(), now, &mut judge).unwrap().reason
}

fn phone_code(now: &Now) -> Answer {
    let phone = Authenticator {
        id: AuthenticatorId(1),
        parameters: Parameters::COMMON,
        secret: Secret::new(SECRET.to_vec()),
        last_step: None,
    };
    Answer::Code(phone.code(Parameters::COMMON.step_at(now.wall).unwrap()))
}

fn label(text: &str) -> Label {
    Label::parse(text).unwrap()
}

fn person(name: &str, uid: u32) -> Person {
    Person { name: UserName::parse(name).unwrap(), uid }
}

#[test]
fn logins_go_on_after_a_minor_step() {
    let (files, id, codes) = newer_host("newer-logins");
    let now = host::now();
    let mut session = files.session().unwrap();
    assert_eq!(session.by_name(&alice()).unwrap().unwrap().id, id);
    assert_eq!(session.by_uid(1000).unwrap().len(), 1);
    assert_eq!(session.alike(&Readings::of("ALICE", &Naming::default()).unwrap()).unwrap().unwrap().id, id);
    assert_eq!(session.code_digits(id).unwrap(), [6]);
    drop(session);
    assert_eq!(enter(&files, id, &Answer::Code("000000x".to_owned().into()), &now), Reason::CodeWrong);
    assert_eq!(enter(&files, id, &phone_code(&now), &now), Reason::Code { authenticator: 1 });
    assert_eq!(enter(&files, id, &phone_code(&now), &now), Reason::CodeReplayed);
    let first = Answer::BackupCode(codes[0].clone());
    assert_eq!(enter(&files, id, &first, &now), Reason::BackupCode { left: 1 });
    assert_eq!(enter(&files, id, &first, &now), Reason::CodeWrong);
    let mut session = files.session().unwrap();
    session.pretend(&home(), Kind::Code, &now).unwrap();
    session.pretend(&home(), Kind::BackupCode, &now).unwrap();
    let (service, device) =
        (ServiceName::parse("sshd").unwrap(), Device::Address("203.0.113.9".parse().unwrap()));
    let password = Some(Secret::new(b"$y$hash".to_vec()));
    let trusts = Trusts {
        device: device.clone(),
        service: service.clone(),
        password: password.clone(),
        authenticator: AuthenticatorId(1),
        lifetime: WEEK,
    };
    let completion =
        Completion { enrollment: id, activates: true, makes_known: Some(home()), trusts: Some(trusts) };
    assert!(session.untold(id).unwrap() > 0);
    // Trusted anew, it is the same row.
    assert!(!session.complete(&completion, &now).unwrap().is_empty());
    assert!(session.complete(&completion, &now).unwrap().is_empty());
    let at = Trusting { service: &service, device: &device, password: password.as_ref(), at_most: WEEK };
    assert!(session.trusted(id, &at, &now).unwrap().is_some());
    assert_eq!(session.forget_trusted(id, now.wall).unwrap(), ["203.0.113.9"]);
    drop(session);
    is_whole(&files);
}

#[test]
fn who_enrolls_at_a_login_is_enrolled() {
    let (files, ..) = newer_host("newer-enrolling");
    let mut session = files.session().unwrap();
    let bob = person("bob", 1001);
    let draft = session.draft(&bob, 20_800, Some("203.0.113.9 ")).unwrap();
    let code = Consumed { step: 60_000_000, offset: Offset::Steps(0) };
    let confirmed = Confirmed { draft: &draft, code, at: UnixTime(1_800_000_000) };
    assert!(Store::enroll(&mut session, &bob, &confirmed).unwrap());
    assert!(!Store::enroll(&mut session, &bob, &confirmed).unwrap());
    drop(session);
    is_whole(&files);
}

/// So many sources come that the oldest are put together.
#[test]
fn many_sources_are_put_together() {
    let (files, id, _) = newer_host("newer-sources");
    let session = files.session().unwrap();
    crate::settings::leave_transaction(&session.connection).unwrap();
    let sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1100) \
               INSERT INTO source (enrollment, source, failures, codes, untold, failed_at) SELECT ?, i, 1, 0, 1, i FROM n";
    session.connection.execute(sql, [id.0]).unwrap();
    drop(session);
    let wrong = Answer::BackupCode(BackupCode::generate(&mut Kernel).unwrap());
    assert_eq!(enter(&files, id, &wrong, &host::now()), Reason::CodeWrong);
    let session = files.session().unwrap();
    assert_eq!(number(&session, "SELECT untold FROM source WHERE source = 'elsewhere'"), 100);
    drop(session);
    is_whole(&files);
}

#[test]
fn app_passwords_are_made_used_renamed_and_revoked() {
    let (mut files, id, _) = newer_host("newer-app-passwords");
    let mut session = files.session().unwrap();
    let (mail, password) = add_app_password(&session, id, "mail");
    let until = label("until");
    let new =
        NewAppPassword { expires: Some(UnixTime(host::now().wall.0 + 900)), ..NewAppPassword::named(&until) };
    session.add_app_password(id, &new, &author(), &host::now()).unwrap();
    assert_eq!(session.limited_in_time().unwrap().len(), 1);
    assert_eq!(session.app_candidates(id, &password).unwrap().live[0].id, mail);
    drop(session);
    files.argon2id.cost.passes = 2;
    let hash = twostep_core::ports::Vault::hash_anew(&mut files, &password);
    let mut session = files.session().unwrap();
    let used = Use { at: UnixTime(77), service: "imap", source: "203.0.113.9", boot_tag: None, hash };
    session.record_use(mail, &used).unwrap();
    assert_eq!(session.app_candidates(id, &password).unwrap().live[0].hash.cost.passes, 2);
    session.rename_app_password(id, mail, &label("mail at home"), &author(), UnixTime(78)).unwrap();
    assert_eq!(session.find_app_password(id, "mail at home").unwrap().id, mail);
    session.revoke_app_password(id, mail, &author(), UnixTime(79)).unwrap();
    assert_eq!(session.app_candidates(id, &password).unwrap().revoked, Some(label("mail at home")));
    session.revoke_app_passwords(id, UnixTime(80)).unwrap();
    add_app_password(&session, id, "one");
    assert_eq!(session.revoke_all_app_passwords(id, &author(), UnixTime(81)).unwrap().len(), 1);
    add_app_password(&session, id, "two");
    assert_eq!(session.all_app_passwords(Which::default()).unwrap().len(), 1);
    let which = Which { created_before: Some(UnixTime(i64::MAX)), unused_since: None };
    assert_eq!(session.revoke_some(which, &author(), UnixTime(82)).unwrap().len(), 1);
    assert!(session.app_passwords(id).unwrap().is_empty());

    let Some(Taken::Due(due)) = session.take_due(0).unwrap() else { panic!("nothing is due") };
    assert_eq!((due.occasion, due.name.as_str()), (Occasion::Create, "mail"));
    session.due_done(due.id).unwrap();
    assert!(session.take_due(due.id).unwrap().is_some());
    drop(session);
    is_whole(&files);
}

#[test]
fn an_administrator_does_what_she_did_before() {
    let (files, id, _) = newer_host("newer-admin");
    let now = host::now();
    let session = files.session().unwrap();
    let by_count = Parameters::new(Algorithm::Sha1, 6, totp::Kind::Hotp).unwrap();
    let (token, secret) = (label("token"), Secret::new(b"the secret of a token".to_vec()));
    let new = NewAuthenticator {
        label: &token,
        parameters: by_count,
        secret: &secret,
        last_step: Some(9),
        confirmed: None,
    };
    session.has_room_for(id, &token, totp::Kind::Hotp).unwrap();
    session.has_no_twin(id, &secret).unwrap();
    let token = session.add_authenticator(id, &new, &author(), now.wall).unwrap();
    assert_eq!(session.find_authenticator(id, "token").unwrap().id, token);
    let counted = Authenticator { id: token, parameters: by_count, secret: secret.clone(), last_step: None };
    let code = |counter| counted.code(counter);
    let next = session.resynchronize(id, token, (&code(300), &code(301)), &author(), now.wall).unwrap();
    assert_eq!(next, 302);
    assert_eq!(session.authenticators(id).unwrap().len(), 2);
    assert_eq!(session.ahead_of(now.wall, 5).unwrap(), (0, vec![]));
    assert!(session.shared_secrets().unwrap().is_empty());
    assert_eq!(session.holders_of(&secret).unwrap().len(), 1);
    session.has_room_instead_of(id, token, totp::Kind::Hotp).unwrap();
    let other = NewAuthenticator { secret: &Secret::new(b"the secret of another".to_vec()), ..new };
    let token = session.find_replaced(id, Some("token")).unwrap().id;
    let since = session.latest_change(id).unwrap();
    let token = session.replace_authenticator(id, token, &other, since, &author(), now.wall).unwrap();
    session.remove_authenticator(id, token, &author(), now.wall).unwrap();
    let since = session.latest_change(id).unwrap();
    let token = session.add_authenticator_since(id, &other, since, &author(), now.wall).unwrap();
    session.remove_authenticator(id, token, &author(), now.wall).unwrap();

    let codes = [BackupCode::generate(&mut Kernel).unwrap()];
    session.replace_backup_codes(id, &codes, &author(), now.wall).unwrap();
    let bypass = BackupCode::generate(&mut Kernel).unwrap();
    session.give_bypass_code(id, &bypass, Duration::from_secs(900), 2, &author(), &now).unwrap();
    assert!(session.bypass_until(id, &now).unwrap().is_some());
    drop(session);
    assert!(matches!(
        enter(&files, id, &Answer::BackupCode(bypass.clone()), &now),
        Reason::BypassCode { .. }
    ));
    assert!(matches!(enter(&files, id, &Answer::BackupCode(bypass), &now), Reason::BypassCode { .. }));

    let session = files.session().unwrap();
    session.unlock(id, &author(), now.wall).unwrap();
    session.unlock_by_this_clock(id, &author(), now.wall).unwrap();
    assert_eq!(session.latest_time().unwrap(), UnixTime(0));
    assert_eq!(session.present(&now).unwrap().latest(), now.wall);
    session.note_look(&person("alice", 1000), &author(), now.wall).unwrap();
    session.keep_for_uid(id, 1002, &author(), now.wall).unwrap();
    assert!(session.any_of_uid(1002).unwrap());
    let alicia = UserName::parse("alicia").unwrap();
    session.rename(id, &alicia, &author(), now.wall).unwrap();
    assert_eq!(session.names_of_uid(1002).unwrap(), std::slice::from_ref(&alicia));
    assert!(session.had_account(&alice()).unwrap());
    assert_eq!(session.summaries(Some(&alicia)).unwrap().len(), 1);
    assert!(session.history(Whose::All, 99).unwrap().len() >= 9);
    drop(session);
    is_whole(&files);
}

#[test]
fn the_host_is_recorded_and_compared() {
    let (files, ..) = newer_host("newer-origin");
    let path = files.paths.runtime.with_file_name("machine-id");
    fs::write(&path, "0123456789abcdef0123456789abcdef\n").unwrap();
    let here = MachineId::read(&path).unwrap();
    let session = files.session().unwrap();
    session.record_host(&here).unwrap();
    assert_eq!(session.origin(Some(&here)).unwrap(), Origin::Here);
    assert_eq!(session.remember_seen().unwrap(), None);
    assert_eq!(session.restored().unwrap(), None);
    drop(session);
    is_whole(&files);
}

#[test]
fn trusted_devices_are_listed_and_forgotten() {
    let (files, id, _) = newer_host("newer-devices");
    let now = host::now();
    let trusts = |text: &str| Trusts {
        device: Device::Address(text.parse().unwrap()),
        service: ServiceName::parse("sshd").unwrap(),
        password: None,
        authenticator: AuthenticatorId(1),
        lifetime: WEEK,
    };
    let mut session = files.session().unwrap();
    for address in ["203.0.113.9", "203.0.113.10"] {
        let completion = Completion { trusts: Some(trusts(address)), ..Completion::of(id) };
        session.complete(&completion, &now).unwrap();
    }
    assert_eq!(session.trusted_devices(id, WEEK, None, &now).unwrap().len(), 2);
    assert_eq!(session.all_trusted_devices().unwrap().len(), 2);
    assert_eq!(session.find_devices(id, Devices::All).unwrap().len(), 2);
    let one = Devices::Called("203.0.113.9");
    assert_eq!(session.forget_devices(id, one, &author(), now.wall).unwrap().len(), 1);
    assert_eq!(session.forget_some_devices(&author(), now.wall).unwrap().len(), 1);
    drop(session);
    is_whole(&files);
}

#[test]
fn enrollments_come_and_go_with_what_a_later_version_keeps_of_them() {
    let (files, id, _) = newer_host("newer-enrollments");
    let session = files.session().unwrap();
    let bob = UserName::parse("bob@example.org").unwrap();
    let new = NewEnrollment {
        user: &bob,
        uid: NO_UID,
        state: State::Active,
        authenticator: None,
        backup_codes: &[],
        at: UnixTime(50),
    };
    let (virtual_user, _) = session.enroll(&new, &author()).unwrap();
    assert!(matches!(session.enroll(&new, &author()), Err(Refusal::AlreadyEnrolled(_))));
    add_app_password(&session, virtual_user, "mail");
    add_app_password(&session, id, "mail");
    assert_eq!(session.enrollment(&alice()).unwrap().unwrap().id, id);
    assert_eq!(number(&session, "SELECT count(*) FROM next_thing"), 1);
    session.unenroll(id, Action::Unenroll, &author(), UnixTime(9)).unwrap();
    assert_eq!(number(&session, "SELECT count(*) FROM next_thing"), 0);
    session.unenroll(virtual_user, Action::SettleDrop, &author(), UnixTime(9)).unwrap();
    drop(session);
    is_whole(&files);
}

#[test]
fn the_roster_is_kept_and_made_anew() {
    let (files, id, _) = newer_host("newer-roster");
    let session = files.session().unwrap();
    assert_eq!(session.roster_fault().unwrap().map(|wrong| wrong.to_string()), None);
    add_app_password(&session, id, "mail");
    assert!(session.tend_roster().unwrap().is_none());
    fs::remove_file(session.roster_path()).unwrap();
    assert!(session.tend_roster().unwrap().is_some());
    fs::remove_file(session.roster_path()).unwrap();
    assert!(session.mend_roster(Others::Leave).unwrap().is_some());
    assert!(session.roster_fault().unwrap().is_none());
    drop(session);
    is_whole(&files);
}

/// Otherwise a package could not be put back to the version before.
#[test]
fn init_leaves_a_newer_minor_schema_as_it_is_and_says_so() {
    let (files, ..) = newer_host("newer-init");
    let before = fs::read(&files.paths.store).unwrap();
    for beside_key in [BesideKey::Refuse, BesideKey::NewStore] {
        let made = admin::init(&files, beside_key).unwrap();
        assert!(!made.key && !made.store && made.upgraded.is_none());
        assert_eq!(made.newer, Some(NEXT_MINOR));
    }
    assert_eq!(fs::read(&files.paths.store).unwrap(), before, "the store was written");
    let beside = fs::read_dir(files.paths.store.parent().unwrap()).unwrap().flatten();
    assert!(!beside.into_iter().any(|file| file.file_name().to_string_lossy().contains("before-schema")));
    is_whole(&files);
    // A newer major is nothing that it could leave alone.
    set_schema(&files, NEXT_MAJOR);
    assert!(matches!(
        admin::init(&files, BesideKey::Refuse),
        Err(StoreError::Newer { found: NEXT_MAJOR, known: SCHEMA })
    ));
    assert!(matches!(files.session().map(drop), Err(StoreError::Newer { .. })));
}

/// Whoever has the store open when it is brought up to date writes nothing that belongs to the schema of before.
#[test]
fn what_was_opened_before_a_step_is_written_after_a_minor_one_only() {
    let files = host("newer-meanwhile");
    let id = enroll(&files, &[]);
    let session = files.session().unwrap();
    crate::settings::leave_transaction(&session.connection).unwrap();
    step_to_next_minor(&files);
    session.unlock(id, &author(), UnixTime(5)).unwrap();
    set_schema(&files, NEXT_MAJOR);
    let refused = session.unlock(id, &author(), UnixTime(6)).unwrap_err();
    assert!(matches!(refused, Refusal::Store(StoreError::Newer { found: NEXT_MAJOR, .. })));
    set_schema(&files, NEXT_MINOR);
    assert_eq!(session.history(Whose::Name(&alice()), 9).unwrap()[0].at, UnixTime(5));
}

/// Whatever is added to the store's interface has its place in the tests above.
#[test]
fn nothing_that_reads_or_writes_the_store_is_left_out_here() {
    let here = include_str!("newer_minor_tests.rs");
    let called = |name: &str| here.contains(&format!(".{name}(")) || here.contains(&format!("::{name}("));
    let mut found = 0;
    for (path, text) in sources(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")) {
        // Of a trait's own functions, only those of the store.
        for (header, prefix) in [("impl Session {", "    pub fn "), ("impl Store for Session {", "    fn ")] {
            for part in text.split(header).skip(1) {
                let body = part.split("\n}\n").next().unwrap_or_default();
                for method in body.split(prefix).skip(1) {
                    let (name, rest) = method.split_once('(').unwrap();
                    assert!(
                        !rest.trim_start().starts_with('&') || called(name),
                        "{name} of {}",
                        path.display()
                    );
                    found += 1;
                }
            }
        }
    }
    assert!(found >= 50, "{found}");
}
