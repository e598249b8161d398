//! The roster and the store stay together, whoever dies, and whoever reads meanwhile.

use std::fs;
use std::path::Path;

use twostep_core::account::State as Enrolled;
use twostep_core::change::{Action, Author, By};
use twostep_core::name::UserName;
use twostep_store::admin::NewEnrollment;
use twostep_store::host;
use twostep_store::vault::Files;
use twostep_tests::groups::{gids_of, members_of};
use twostep_tests::{Host, child, in_box};

const STORE: &str = "/var/lib/twostep";
const PUBLIC: &str = "/var/lib/twostep-public";
const ENROLLED: u32 = 2_100_000_001;
const UNENROLLED: u32 = 2_100_000_004;

fn copy(from: &str, to: &str) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir(to).expect("made");
    for file in fs::read_dir(from).expect("listed") {
        let file = file.expect("a name");
        fs::copy(file.path(), Path::new(to).join(file.file_name())).expect("copied");
    }
}

/// What the store says, by a look that changes nothing but what a dead writer's journal makes it take back.
fn enrolled(host: &Host, user: &str) -> bool {
    host.admin_json(&["show", user])["state"] == "active"
}

/// Runs a command again and again, killed at its first, second, ... call to the kernel that changes anything; and each time: the roster
/// has given no group that the store does not, and the next writer brings them together.
fn killed_everywhere(host: &Host, command: &[&str], user: &str) -> u32 {
    copy(STORE, "/root/store");
    copy(PUBLIC, "/root/public");
    let calls = "write,pwrite64,fsync,fdatasync,rename,unlink,unlinkat,ftruncate,fchown,fchmod";
    for nth in 1.. {
        for (from, to, mode) in [("/root/store", STORE, 0o700), ("/root/public", PUBLIC, 0o755)] {
            copy(from, to);
            host.set_mode(to, mode);
        }
        let (trace, inject) = (format!("trace={calls}"), format!("inject={calls}:signal=KILL:when={nth}"));
        let traced = ["-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject, "/usr/sbin/twostep-admin"];
        let done = host.command("strace", &[&traced, command].concat());
        if done.success() {
            return nth;
        }
        let seen: Vec<u32> = child::run(|| format!("{:?}", gids_of(user, 7)))
            .trim_matches(['[', ']'])
            .split(", ")
            .filter_map(|gid| gid.parse().ok())
            .collect();
        let enrolled = enrolled(host, user);
        let wrong = if enrolled { UNENROLLED } else { ENROLLED };
        assert!(!seen.contains(&wrong), "{command:?} killed at {nth}: {enrolled}, and has {seen:?}");
        host.admin(&["enroll", "other", "--app-only"]).expect_success();
        let shown = host.admin_json(&["roster", "show"]);
        assert!(shown["fault"].is_null(), "{command:?} killed at {nth}: {shown}");
    }
    0
}

/// bob is enrolled, alice and whoever comes as the next writer are not. No backup codes, which take time to hash.
fn with_bob(host: &Host) {
    host.wire_groups();
    host.configure("[app]\nvirtual_users = true\n");
    host.add_user("alice", "x");
    host.add_user("bob", "x");
    host.admin(&["enroll", "bob", "--app-only"]).expect_success();
}

#[test]
fn whoever_is_killed_while_enrolling_somebody_leaves_no_door_open() {
    in_box(|host| {
        with_bob(host);
        let steps = killed_everywhere(host, &["enroll", "alice", "--app-only"], "alice");
        assert!((15..200).contains(&steps), "{steps}");
    });
}

#[test]
fn whoever_is_killed_while_unenrolling_somebody_leaves_no_door_open() {
    in_box(|host| {
        with_bob(host);
        let steps = killed_everywhere(host, &["unenroll", "bob", "--yes"], "bob");
        assert!((15..200).contains(&steps), "{steps}");
    });
}

#[test]
fn whoever_is_killed_while_making_the_roster_anew_leaves_no_door_open() {
    in_box(|host| {
        with_bob(host);
        fs::remove_file(format!("{PUBLIC}/roster")).expect("removed");
        let steps = killed_everywhere(host, &["enroll", "alice", "--app-only"], "alice");
        assert!((15..200).contains(&steps), "{steps}");
    });
}

fn files() -> Files {
    Files::of(&twostep_store::configuration::read(None).expect("a configuration"))
}

fn author() -> Author {
    Author { by: By::Administrator("root".to_owned()), why: None }
}

fn enroll(files: &Files, user: &str, uid: u32) -> twostep_core::account::EnrollmentId {
    let name = UserName::parse(user).expect("a name");
    let new = NewEnrollment {
        user: &name,
        uid,
        state: Enrolled::Active,
        authenticator: None,
        backup_codes: &[],
        at: host::now().wall,
    };
    let session = files.session().expect("a store");
    session.enroll(&new, &author()).expect("enrolled").0
}

/// Readers that never stop, while ten thousand are enrolled and some of them go again: a page at a time, and a whole new roster when a
/// page is full.
#[test]
fn readers_never_see_a_torn_roster() {
    in_box(|host| {
        host.wire_groups();
        host.configure("[roster]\nmembers = true\n");
        host.admin(&["roster", "mend"]).expect_success();
        let store = files();
        for n in 0..100 {
            enroll(&store, &format!("always{n}"), 5_000 + n);
        }
        let going = "/run/going";
        host.write(going, "");
        let by_name = || {
            child::start(|| {
                let mut looks = 0u64;
                while Path::new(going).exists() {
                    let n = looks % 100;
                    assert_eq!(gids_of(&format!("always{n}"), 7), [7, ENROLLED]);
                    assert_eq!(gids_of(&format!("never{n}"), 7), [7, UNENROLLED]);
                    looks += 1;
                }
                looks.to_string()
            })
        };
        let all_members = child::start(|| {
            let mut looks = 0u64;
            while Path::new(going).exists() {
                let members = members_of("twostep-enrolled").expect("the group is there");
                let known = |name: &String| name.starts_with("always") || name.starts_with("new");
                assert!(members.iter().all(known), "a name that nobody has");
                assert_eq!(members.iter().filter(|name| name.starts_with("always")).count(), 100);
                looks += 1;
            }
            looks.to_string()
        });
        let readers = [by_name(), by_name()];
        let writer = child::run(|| {
            for n in 0..10_000 {
                let id = enroll(&store, &format!("new{n}"), 10_000 + n);
                if n % 3 == 0 {
                    let session = store.session().expect("a store");
                    session.unenroll(id, Action::Unenroll, &author(), host::now().wall).expect("unenrolled");
                }
            }
            "done".to_owned()
        });
        assert_eq!(writer, "done");
        fs::remove_file(going).expect("removed");
        for reader in readers {
            let looks: u64 = reader.join().parse().expect("a number");
            assert!(looks > 100, "{looks}");
        }
        let looks: u64 = all_members.join().parse().expect("a number");
        assert!(looks > 10, "{looks}");
        let shown = host.admin_json(&["roster", "show"]);
        assert!(shown["fault"].is_null(), "{shown}");
        assert_eq!(shown["groups"][0]["users"], 100 + 10_000 - 3_334, "{shown}");
    });
}
