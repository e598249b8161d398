use super::*;
use crate::admin::NewEnrollment;
use crate::testing::{add_app_password, alice, author, enroll, host};
use crate::vault::Files;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use twostep_core::account::{EnrollmentId, State as Enrolled};
use twostep_core::app_password::Label;
use twostep_core::change::Action;
use twostep_core::memory_hard::Cost;
use twostep_core::name::UserName;
use twostep_core::policy::Readers;
use twostep_core::ports::{Completion, Store};
use twostep_core::time::UnixTime;
use twostep_roster::Validity;

const ACTIVE: State = State { enrolled: true, pending: false, app: Validity::Never };
const PENDING: State = State { enrolled: false, pending: true, app: Validity::Never };
const NOW: UnixTime = UnixTime(1_700_000_000);

fn told(files: &Files, user: &str) -> Option<State> {
    read(&files.paths.roster).unwrap().find(user.as_bytes()).unwrap().exact
}

fn name(text: &str) -> UserName {
    UserName::parse(text).unwrap()
}

fn enroll_as(files: &Files, user: &str, state: Enrolled) -> EnrollmentId {
    let user = name(user);
    let new =
        NewEnrollment { user: &user, uid: 2_000, state, authenticator: None, backup_codes: &[], at: NOW };
    files.session().unwrap().enroll(&new, &author()).unwrap().0
}

#[track_caller]
fn is_right(files: &Files) {
    assert_eq!(files.session().unwrap().roster_fault().unwrap(), None);
}

fn cheap(name: &str) -> Files {
    let mut files = host(name);
    files.argon2id.cost = Cost { memory: 64, passes: 1, lanes: 1 };
    files
}

#[test]
fn a_new_store_has_a_roster_that_everybody_can_read() {
    let files = host("roster-new");
    is_right(&files);
    let path = files.paths.roster.join("roster");
    assert_eq!(fs::metadata(path).unwrap().mode() & 0o7777, 0o644);
    assert_eq!(fs::metadata(&files.paths.roster).unwrap().mode() & 0o7777, 0o755);
    assert_eq!(told(&files, "alice"), None);
}

#[test]
fn every_change_of_an_enrollment_is_in_the_roster() {
    let files = cheap("roster-changes");
    let id = enroll(&files, &[]);
    assert_eq!(told(&files, "alice"), Some(ACTIVE));
    let bob = enroll_as(&files, "bob", Enrolled::Pending);
    assert_eq!(told(&files, "bob"), Some(PENDING));
    let completion = Completion { enrollment: bob, activates: true, makes_known: None, trusts: None };
    files.session().unwrap().complete(&completion, &crate::host::now()).unwrap();
    assert_eq!(told(&files, "bob"), Some(ACTIVE));
    let (first, _) = add_app_password(&files.session().unwrap(), id, "mail");
    assert_eq!(told(&files, "alice"), Some(State { app: Validity::Always, ..ACTIVE }));
    files.session().unwrap().revoke_app_password(id, first, &author(), NOW).unwrap();
    assert_eq!(told(&files, "alice"), Some(ACTIVE));
    let session = files.session().unwrap();
    session.rename(id, &name("carol"), &author(), NOW).unwrap();
    drop(session);
    assert_eq!((told(&files, "alice"), told(&files, "carol")), (None, Some(ACTIVE)));
    is_right(&files);
    files.session().unwrap().unenroll(id, Action::Unenroll, &author(), NOW).unwrap();
    assert_eq!(told(&files, "carol"), None);
    is_right(&files);
}

#[test]
fn an_app_password_that_expires_is_told_with_its_end() {
    let files = cheap("roster-expiry");
    let id = enroll(&files, &[]);
    let session = files.session().unwrap();
    let label = Label::parse("short").unwrap();
    let now = crate::host::now();
    let end = UnixTime(now.wall.0 + 3_600);
    let new =
        crate::admin::NewAppPassword { expires: Some(end), ..crate::admin::NewAppPassword::named(&label) };
    session.add_app_password(id, &new, &author(), &now).unwrap();
    drop(session);
    assert_eq!(told(&files, "alice").unwrap().app, Validity::Until(end.0.cast_unsigned()));
    add_app_password(&files.session().unwrap(), id, "long");
    assert_eq!(told(&files, "alice").unwrap().app, Validity::Always);
    is_right(&files);
}

#[test]
fn a_change_that_is_refused_leaves_the_roster_as_it_was() {
    let files = host("roster-refused");
    enroll(&files, &[]);
    let user = alice();
    let new = NewEnrollment {
        user: &user,
        uid: 1,
        state: Enrolled::Pending,
        authenticator: None,
        backup_codes: &[],
        at: NOW,
    };
    assert!(files.session().unwrap().enroll(&new, &author()).is_err());
    assert_eq!(told(&files, "alice"), Some(ACTIVE));
    is_right(&files);
}

#[test]
fn a_roster_that_is_missing_damaged_or_of_another_time_is_made_anew_by_the_next_writer() {
    let files = host("roster-mended");
    let path = files.paths.roster.join("roster");
    let old = fs::read(&path).unwrap();
    enroll(&files, &[]);
    let cut = fs::read(&path).unwrap()[..600].to_vec();
    let mut damaged = fs::read(&path).unwrap();
    damaged[4_200] ^= 1;
    let mut spoilt = 0;
    for (number, bytes) in [old, cut, damaged, Vec::new(), b"something else".to_vec()].into_iter().enumerate()
    {
        fs::write(&path, bytes).unwrap();
        let wrong = files.session().unwrap().roster_fault().unwrap();
        spoilt += u32::from(wrong.is_some());
        enroll_as(&files, &format!("user{number}"), Enrolled::Active);
        assert_eq!(told(&files, "alice"), Some(ACTIVE), "{number}: {wrong:?}");
        is_right(&files);
    }
    // What is damaged beyond the page that a writer needs is seen by whoever looks at all of it.
    assert!(spoilt >= 4, "{spoilt}");
    fs::remove_file(&path).unwrap();
    enroll_as(&files, "last", Enrolled::Active);
    is_right(&files);
}

#[test]
fn a_roster_put_back_from_a_backup_is_not_taken_for_todays() {
    let files = host("roster-backup");
    let path = files.paths.roster.join("roster");
    let id = enroll(&files, &[]);
    let backup = fs::read(&path).unwrap();
    files.session().unwrap().unenroll(id, Action::Unenroll, &author(), NOW).unwrap();
    enroll_as(&files, "bob", Enrolled::Active);
    fs::write(&path, backup).unwrap();
    assert_eq!(files.session().unwrap().roster_fault().unwrap(), Some(Wrong::OutOfStep));
    assert_eq!(files.session().unwrap().mend_roster(Others::Leave).unwrap(), Some(Wrong::OutOfStep));
    assert_eq!((told(&files, "alice"), told(&files, "bob")), (None, Some(ACTIVE)));
    assert_eq!(files.session().unwrap().mend_roster(Others::Leave).unwrap(), None);
}

#[test]
fn a_roster_of_another_time_is_seen_by_its_header() {
    let files = host("roster-tended");
    let path = files.paths.roster.join("roster");
    let backup = fs::read(&path).unwrap();
    enroll(&files, &[]);
    assert_eq!(files.session().unwrap().tend_roster().unwrap(), None);
    fs::write(&path, backup).unwrap();
    assert_eq!(files.session().unwrap().tend_roster().unwrap(), Some(Wrong::OutOfStep));
    assert_eq!(told(&files, "alice"), Some(ACTIVE));
    let mut unwanted = files.clone();
    unwanted.roster.keep = false;
    assert_eq!(unwanted.session().unwrap().tend_roster().unwrap(), Some(Wrong::NotWanted));
    assert_eq!(unwanted.session().unwrap().tend_roster().unwrap(), None);
}

#[test]
fn what_the_roster_says_wrong_is_counted() {
    let files = host("roster-apart");
    enroll(&files, &[]);
    enroll_as(&files, "bob", Enrolled::Pending);
    enroll_as(&files, "carol", Enrolled::Active);
    let session = files.session().unwrap();
    let roster = session.roster.open().unwrap();
    let lies = [
        ("alice".to_owned(), None),
        ("bob".to_owned(), Some(ACTIVE)),
        ("carol".to_owned(), Some(PENDING)),
        ("dave".to_owned(), Some(ACTIVE)),
    ];
    Plan::of(roster, &lies).unwrap().finish().unwrap();
    let wrong = session.roster_fault().unwrap().unwrap();
    assert_eq!(wrong, Wrong::Apart(Apart { missing: 1, wrong: 2, extra: 1 }));
    assert!(wrong.loosens());
    session.mend_roster(Others::Leave).unwrap();
    drop(session);
    is_right(&files);
}

#[test]
fn other_settings_make_it_anew() {
    let files = host("roster-settings");
    enroll(&files, &[]);
    let mut other = files.clone();
    other.roster.groups[0] = "two-step".to_owned();
    other.roster.members = true;
    assert_eq!(other.session().unwrap().roster_fault().unwrap(), Some(Wrong::Settings));
    enroll_as(&other, "bob", Enrolled::Active);
    is_right(&other);
    let header = read(&files.paths.roster).unwrap().header;
    assert_eq!((header.groups.name(Group::Enrolled), header.members), (Some(&b"two-step"[..]), true));
}

#[test]
fn where_none_is_to_be_kept_the_one_that_is_there_goes() {
    let files = host("roster-unwanted");
    let mut other = files.clone();
    other.roster.keep = false;
    assert_eq!(other.session().unwrap().roster_fault().unwrap(), Some(Wrong::NotWanted));
    enroll(&other, &[]);
    assert!(!files.paths.roster.join("roster").exists());
    is_right(&other);
    // Kept again, it has whoever came meanwhile.
    enroll_as(&files, "bob", Enrolled::Active);
    assert_eq!(told(&files, "alice"), Some(ACTIVE));
    fs::remove_file(files.paths.roster.join("roster")).unwrap();
    assert_eq!(other.session().unwrap().mend_roster(Others::Leave).unwrap(), None);
}

/// What a writer that dies just before or after the commit leaves behind.
#[test]
fn while_she_is_enrolled_she_is_in_no_group() {
    let files = host("roster-between");
    enroll(&files, &[]);
    let session = files.session().unwrap();
    let change = |user: &str, state| {
        let plan = Plan::of(session.roster.open().unwrap(), &[(user.to_owned(), state)]).unwrap();
        plan.begin(7).unwrap()
    };
    let app = State { app: Validity::Until(9), ..ACTIVE };
    change("bob", Some(ACTIVE));
    assert_eq!(told(&files, "bob"), Some(State::default()));
    change("alice", Some(app)).finish().unwrap();
    assert_eq!(told(&files, "alice"), Some(app));
    change("alice", Some(State { app: Validity::Always, ..PENDING }));
    assert_eq!(told(&files, "alice"), Some(State { app: Validity::Until(9), ..State::default() }));
    change("alice", None);
    assert_eq!(told(&files, "alice"), Some(State::default()));
    assert_eq!(session.roster_fault().unwrap(), Some(Wrong::OutOfStep));
}

#[test]
fn other_readers_make_it_anew() {
    let mut files = host("roster-other-readers");
    let path = files.paths.roster.join("roster");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(files.session().unwrap().roster_fault().unwrap(), Some(Wrong::Settings));
    files.session().unwrap().mend_roster(Others::Leave).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o644);
    files.roster.readers = Readers::Group("no such group".to_owned());
    assert_eq!(files.session().unwrap().roster_fault().unwrap(), Some(Wrong::Settings));
    assert!(files.session().unwrap().mend_roster(Others::Leave).is_err());
}

#[test]
fn two_stores_cannot_share_a_roster() {
    let first = host("roster-first");
    enroll(&first, &[]);
    let mut second = crate::testing::files("roster-second");
    second.paths.roster = first.paths.roster.clone();
    let made = crate::admin::init(&second, crate::admin::BesideKey::Refuse).unwrap();
    assert!(made.store && made.roster.is_err());
    assert_eq!(told(&first, "alice"), Some(ACTIVE));
    let refused = |files: &Files| {
        let user = name("carol");
        let new = NewEnrollment {
            user: &user,
            uid: 3,
            state: Enrolled::Active,
            authenticator: None,
            backup_codes: &[],
            at: NOW,
        };
        files.session().unwrap().enroll(&new, &author()).unwrap_err().to_string()
    };
    assert!(refused(&second).contains("another store's"), "{}", refused(&second));
    second.session().unwrap().mend_roster(Others::TakeOver).unwrap();
    enroll_as(&second, "bob", Enrolled::Active);
    assert!(refused(&first).contains("another store's"), "{}", refused(&first));
    assert_eq!(first.session().unwrap().roster_fault().unwrap(), Some(Wrong::OtherStore));
    assert!(first.session().unwrap().tend_roster().is_err());
    assert!(first.session().unwrap().mend_roster(Others::Leave).is_err());
    assert_eq!(told(&second, "bob"), Some(ACTIVE));
    // Without a roster of its own, it has nothing to do with it.
    let mut without = first.clone();
    without.roster.keep = false;
    without.session().unwrap().mend_roster(Others::Leave).unwrap();
    enroll_as(&without, "dora", Enrolled::Active);
    assert_eq!(told(&second, "bob"), Some(ACTIVE));
    assert_eq!(first.session().unwrap().mend_roster(Others::TakeOver).unwrap(), Some(Wrong::OtherStore));
    assert_eq!((told(&first, "alice"), told(&first, "bob")), (Some(ACTIVE), None));
}

#[test]
fn a_store_has_one_roster_wherever_the_configuration_looks_for_it() {
    let files = host("roster-moved");
    let mut moved = files.clone();
    moved.paths.roster = files.paths.roster.with_file_name("other");
    let user = alice();
    let new = NewEnrollment {
        user: &user,
        uid: 3,
        state: Enrolled::Active,
        authenticator: None,
        backup_codes: &[],
        at: NOW,
    };
    let refused = moved.session().unwrap().enroll(&new, &author()).unwrap_err().to_string();
    assert!(refused.contains("the store's roster is"), "{refused}");
    assert!(moved.session().unwrap().tend_roster().is_err());
    assert!(matches!(
        moved.session().unwrap().mend_roster(Others::Leave).unwrap(),
        Some(Wrong::Elsewhere(_))
    ));
    assert!(!files.paths.roster.join("roster").exists());
    enroll(&moved, &[]);
    assert_eq!(told(&moved, "alice"), Some(ACTIVE));
    // Another configuration that keeps none takes away the one that there is.
    let mut without = files.clone();
    without.roster.keep = false;
    enroll_as(&without, "bob", Enrolled::Active);
    assert!(!moved.paths.roster.join("roster").exists());
}

#[test]
fn a_roster_that_may_be_looser_and_cannot_be_made_anew_is_taken_away() {
    let mut files = host("roster-unmended");
    let path = files.paths.roster.join("roster");
    let old = fs::read(&path).unwrap();
    enroll(&files, &[]);
    fs::write(&path, old).unwrap();
    files.roster.readers = Readers::Group("no such group".to_owned());
    assert!(files.session().unwrap().tend_roster().is_err());
    assert!(!path.exists());
}

/// A page with two users of one change: what the first will be is not written before the commit.
#[test]
fn what_will_be_of_one_user_is_not_written_with_another() {
    let files = host("roster-two");
    enroll(&files, &[]);
    let session = files.session().unwrap();
    let change = |users: &[(String, Option<State>)]| Plan::of(session.roster.open().unwrap(), users).unwrap();
    // As a power cut may have left her: in the roster, and in no group.
    change(&[("alice".to_owned(), Some(State::default()))]).finish().unwrap();
    change(&[("alice".to_owned(), None), ("zoe".to_owned(), Some(ACTIVE))]).begin(7).unwrap();
    assert_eq!(
        (told(&files, "alice"), told(&files, "zoe")),
        (Some(State::default()), Some(State::default()))
    );
}

#[test]
fn its_readers_can_be_a_group_of_the_hosts() {
    let mut files = host("roster-readers");
    let text = fs::read_to_string("/etc/group").unwrap();
    // One that this process may give files to.
    let me = nix::unistd::getegid().as_raw();
    let mine = |line: &&str| line.split(':').nth(2) == Some(&me.to_string());
    let group = text.lines().find(mine).unwrap().split(':').next().unwrap().to_owned();
    files.roster.readers = Readers::Group(group);
    fs::remove_file(files.paths.roster.join("roster")).unwrap();
    enroll(&files, &[]);
    let metadata = fs::metadata(files.paths.roster.join("roster")).unwrap();
    assert_eq!((metadata.mode() & 0o7777, metadata.gid()), (0o640, me));
}

#[test]
fn a_roster_that_cannot_be_written_is_taken_away_or_nothing_is_changed() {
    let mut files = host("roster-stuck");
    let path = files.paths.roster.join("roster");
    // To be made anew for readers that there are not.
    files.roster.readers = Readers::Group("no such group".to_owned());
    files.roster.members = true;
    enroll(&files, &[]);
    assert!(!path.exists());
    assert!(matches!(files.session().unwrap().roster_fault().unwrap(), Some(Wrong::Unusable(Fault::Absent))));
    // A folder in its place can neither be written nor removed.
    fs::create_dir(&path).unwrap();
    fs::write(path.join("file"), "").unwrap();
    let user = name("bob");
    let new = NewEnrollment {
        user: &user,
        uid: 2_000,
        state: Enrolled::Active,
        authenticator: None,
        backup_codes: &[],
        at: NOW,
    };
    let refused = files.session().unwrap().enroll(&new, &author()).unwrap_err().to_string();
    assert!(refused.contains("and it stays"), "{refused}");
    assert!(files.session().unwrap().enrollment(&user).unwrap().is_none());
}

#[test]
fn a_folder_that_others_can_write_has_no_roster() {
    let files = host("roster-open-folder");
    fs::remove_file(files.paths.roster.join("roster")).unwrap();
    fs::set_permissions(&files.paths.roster, fs::Permissions::from_mode(0o777)).unwrap();
    enroll(&files, &[]);
    assert!(!files.paths.roster.join("roster").exists());
}

#[test]
fn a_page_that_is_full_is_no_end() {
    let files = host("roster-full");
    let before = read(&files.paths.roster).unwrap().header.pages;
    for n in 0..30 {
        enroll_as(&files, &format!("{n:0>250}"), Enrolled::Active);
    }
    assert!(read(&files.paths.roster).unwrap().header.pages > before);
    is_right(&files);
}
