//! What the tests of several files need.

use crate::admin::{self, BesideKey, NewAppPassword, NewAuthenticator, NewEnrollment};
use crate::host::testing::test_folder;
use crate::schema::{SCHEMA, Version};
use crate::vault::{Files, Session};
use twostep_core::account::{EnrollmentId, State};
use twostep_core::app_password::{AppPassword, AppPasswordId, Label};
use twostep_core::attempt::Source;
use twostep_core::backup_code::BackupCode;
use twostep_core::change::{Author, By};
use twostep_core::memory_hard::DEFAULT_COST;
use twostep_core::name::{Naming, UserName};
use twostep_core::policy::{APP_PASSWORDS_MAX, Argon2id, Hooks, Paths, Policy};
use twostep_core::secret::Secret;
use twostep_core::time::UnixTime;
use twostep_core::totp::Parameters;

/// That of alice's phone.
pub(crate) const SECRET: &[u8] = b"the secret of a phone";

/// Places for a store of a test's own.
pub(crate) fn files(name: &str) -> Files {
    let folder = test_folder(name);
    Files {
        paths: Paths {
            store: folder.join("store.db"),
            key: folder.join("master.key"),
            roster: folder.join("public"),
            runtime: folder.join("run"),
        },
        hooks: Hooks::default(),
        most: APP_PASSWORDS_MAX,
        argon2id: Argon2id { cost: DEFAULT_COST, at_once: None },
        naming: Naming::default(),
        roster: Policy::defaults().roster,
    }
}

/// Whoever prepares a test.
pub(crate) fn author() -> Author {
    Author { by: By::Administrator("root".to_owned()), why: None }
}

/// With key and store.
pub(crate) fn host(name: &str) -> Files {
    let files = files(name);
    admin::init(&files, BesideKey::Refuse).unwrap();
    files
}

/// The schema that a later version may bring without this one having to know it.
pub(crate) const NEXT_MINOR: Version = Version { minor: SCHEMA.minor + 1, ..SCHEMA };
/// One that this version cannot work with.
pub(crate) const NEXT_MAJOR: Version = Version { major: SCHEMA.major + 1, minor: 0 };

/// Says that a store has this schema.
pub(crate) fn set_schema(files: &Files, version: Version) {
    let store = rusqlite::Connection::open(&files.paths.store).unwrap();
    store.pragma_update(None, "user_version", version.number()).unwrap();
}

/// Does what an `init` of the next minor version would.
pub(crate) fn step_to_next_minor(files: &Files) {
    let store = rusqlite::Connection::open(&files.paths.store).unwrap();
    store.execute_batch(include_str!("../sql/tests/next_minor.sql")).unwrap();
    drop(store);
    set_schema(files, NEXT_MINOR);
}

pub(crate) fn alice() -> UserName {
    UserName::parse("alice").unwrap()
}

/// Enrolls alice, uid 1000, with a phone.
pub(crate) fn enroll(files: &Files, backup_codes: &[BackupCode]) -> EnrollmentId {
    let new = NewEnrollment {
        user: &alice(),
        uid: 1000,
        state: State::Active,
        authenticator: Some(NewAuthenticator {
            label: &Label::parse("phone").unwrap(),
            parameters: Parameters::COMMON,
            secret: &Secret::new(SECRET.to_vec()),
            last_step: None,
            confirmed: None,
        }),
        backup_codes,
        at: UnixTime(1_700_000_000),
    };
    files.session().unwrap().enroll(&new, &author()).unwrap().0
}

/// Where she comes from.
pub(crate) fn home() -> Source {
    Source::of_host("203.0.113.9", &[])
}

/// Makes an app password without limits.
pub(crate) fn add_app_password(
    session: &Session,
    of: EnrollmentId,
    name: &str,
) -> (AppPasswordId, AppPassword) {
    let label = Label::parse(name).unwrap();
    session.add_app_password(of, &NewAppPassword::named(&label), &author(), &crate::host::now()).unwrap()
}
