//! The roster, read through glibc by the real NSS module.

use std::fs;
use std::os::unix::fs::FileExt;

use twostep_tests::callers::Limit;
use twostep_tests::groups::{gids_of, gids_within, members_of};
use twostep_tests::process::traces;
use twostep_tests::{Host, Ssh, callers, child, in_box, own};

const PASSWORD: &str = "correct horse";
const ROSTER: &str = "/var/lib/twostep-public/roster";
const ENROLLED: u32 = 2_100_000_001;
const UNENROLLED: u32 = 2_100_000_004;

/// Cancels two hundred threads that look up groups all the time.
const CANCEL: &str = r#"
#include <grp.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
static void *look(void *none) {
    for (;;) {
        gid_t gids[64];
        int count = 64;
        getgrouplist("alice", 7, gids, &count);
        pthread_testcancel();
    }
    return none;
}
int main(void) {
    for (int n = 0; n < 200; n++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, look, NULL)) return 1;
        usleep(500);
        pthread_cancel(thread);
        pthread_join(thread, NULL);
    }
    puts("survived");
    return 0;
}
"#;

/// alice is enrolled and active, bob is pending, carol is not enrolled.
fn people(host: &Host) {
    host.wire_groups();
    ["alice", "bob", "carol"].iter().for_each(|user| host.add_user(user, PASSWORD));
    host.enroll("alice");
    host.admin(&["enroll", "bob", "--pending", "--no-qr"]).expect_success();
}

/// What a child of this process sees, by a glibc that has just begun.
fn gids(user: &str) -> Vec<u32> {
    let text = child::run(|| format!("{:?}", gids_of(user, 7)));
    text.trim_matches(['[', ']']).split(", ").filter_map(|gid| gid.parse().ok()).collect()
}

#[test]
fn enrollment_is_groups_for_root_and_for_nobody() {
    in_box(|host| {
        people(host);
        host.add_app_password("alice", "mail");
        for who in ["root", "nobody"] {
            let ours = |user| -> Vec<String> {
                let groups = host.groups_as(who, user).into_iter();
                groups.filter(|group| group.starts_with("twostep-")).collect()
            };
            assert_eq!(ours("alice"), ["twostep-enrolled", "twostep-app"], "{who}");
            assert_eq!(ours("bob"), ["twostep-pending"], "{who}");
            assert_eq!(ours("carol"), ["twostep-unenrolled"], "{who}");
            let getent = |key: &str| host.as_other(who, &["getent", "group", key]).stdout;
            assert_eq!(getent("twostep-enrolled"), "twostep-enrolled:*:2100000001:\n");
            assert_eq!(getent("2100000004"), "twostep-unenrolled:*:2100000004:\n");
            assert_eq!(getent("2100000005"), "");
            assert_eq!(getent("users"), "users:x:100:\n");
            let initgroups = host.as_other(who, &["getent", "initgroups", "alice"]).stdout;
            assert!(initgroups.ends_with(" 2100000001 2100000003\n"), "{initgroups}");
            // Not asked for by name, they are not there: nobody wants a million members by accident.
            assert!(!host.as_other(who, &["getent", "group"]).stdout.contains("twostep-"));
        }
        // The unenrolled are whoever the roster does not name; but no name that a directory could take for another.
        assert_eq!(gids("nosuchuser"), [7, UNENROLLED]);
        assert_eq!(gids("ALICE"), [7]);
        assert_eq!(gids("alice@example.org"), [7]);
        assert_eq!(gids("EXAMPLE\\alice"), [7]);
        assert_eq!(gids("carol@example.org"), [7, UNENROLLED]);
        assert_eq!(gids("caröl"), [7]);
        assert_eq!(gids("ca rol"), [7]);
        assert_eq!(gids(""), [7]);
        assert_eq!(gids(&"x".repeat(257)), [7]);
    });
}

#[test]
fn every_way_to_enroll_is_seen_at_the_next_look() {
    in_box(|host| {
        people(host);
        host.wire_sshd();
        host.start_sshd("");
        // At a login: the pending give their first code.
        let shown = host.admin_json(&["enroll", "carol", "--pending", "--no-qr"]);
        assert_eq!(host.twostep_groups("carol"), ["twostep-pending"]);
        let mut phone = twostep_tests::Phone::from_enrollment(&shown);
        assert!(Ssh::to("carol").answers(&[PASSWORD, &phone.fresh_code()]).run("true").success);
        assert_eq!(host.twostep_groups("carol"), ["twostep-enrolled"]);
        // By her own hand, through the broker.
        host.add_user("dora", PASSWORD);
        let _broker = host.start_broker();
        own::enroll(host, "dora", PASSWORD);
        assert_eq!(host.twostep_groups("dora"), ["twostep-enrolled"]);
        // And back.
        host.admin(&["unenroll", "dora", "--yes"]).expect_success();
        assert_eq!(host.twostep_groups("dora"), ["twostep-unenrolled"]);
        let shown = host.admin_json(&["roster", "show"]);
        assert!(shown["fault"].is_null(), "{shown}");
        assert_eq!(shown["groups"][0]["users"], 2, "{shown}");
    });
}

#[test]
fn groups_can_list_their_members_and_be_enumerated() {
    in_box(|host| {
        people(host);
        host.configure(
            "[app]\nvirtual_users = true\n[roster]\nmembers = true\nunenrolled = \"\"\nenrolled = \"two-step\"\nfirst_gid = 70000\n",
        );
        assert!(host.admin(&["roster", "mend"]).expect_success().stdout.contains("made anew"));
        let getent = |key: &[&str]| host.command("getent", &[&["group"], key].concat()).stdout;
        assert_eq!(getent(&["two-step"]), "two-step:*:70000:alice\n");
        let all = getent(&[]);
        assert!(
            all.contains("\ntwo-step:*:70000:alice\ntwostep-pending:*:70001:bob\ntwostep-app:*:70002:\n"),
            "{all}"
        );
        assert_eq!(all.matches("twostep-").count(), 2, "{all}");
        assert_eq!(gids("carol"), [7]);
        // More members than fit into what is offered at first.
        for n in 0..100 {
            host.admin(&["enroll", "--app-only", &format!("user{n}")]).expect_success();
        }
        assert_eq!(members_of("two-step").map(|all| all.len()), Some(101));
    });
}

#[test]
fn where_the_roster_is_missing_or_damaged_nobody_is_in_its_groups() {
    in_box(|host| {
        people(host);
        type Spoil<'a> = &'a dyn Fn(&[u8]);
        let spoilt: [(&str, Spoil); 6] = [
            ("missing", &|_| fs::remove_file(ROSTER).expect("removed")),
            ("empty", &|_| fs::write(ROSTER, "").expect("written")),
            ("cut short", &|whole| fs::write(ROSTER, &whole[..4_100]).expect("written")),
            ("a bit", &|whole| {
                let mut bytes = whole.to_vec();
                bytes[4_096 + 30] ^= 4;
                fs::write(ROSTER, bytes).expect("written");
            }),
            ("somebody else's", &|_| {
                host.command("chown", &["nobody", ROSTER]).expect_success();
            }),
            ("a pipe", &|_| {
                fs::remove_file(ROSTER).expect("removed");
                host.command("mkfifo", &[ROSTER]).expect_success();
            }),
        ];
        for (what, spoil) in spoilt {
            assert_eq!(host.twostep_groups("carol"), ["twostep-unenrolled"], "{what}");
            spoil(&fs::read(ROSTER).expect("a roster"));
            for user in ["alice", "bob", "carol"] {
                assert_eq!(host.twostep_groups(user), [""; 0], "{what}: {user}");
            }
            // What others know is found all the same.
            assert_eq!(host.groups_as("nobody", "carol"), ["carol"], "{what}");
            let none = host.command("getent", &["group", "nosuchgroup"]);
            assert_eq!((none.status, none.stdout.as_str()), (2, ""), "{what}");
            let checked = host.admin(&["check"]).stdout;
            assert!(checked.contains(&format!("warning: {ROSTER}: ")), "{what}: {checked}");
            host.admin(&["roster", "mend"]).expect_success();
            assert_eq!(host.twostep_groups("alice"), ["twostep-enrolled"], "{what}");
            assert!(!host.admin(&["check"]).stdout.contains(ROSTER));
        }
        host.wait_for_log(&["twostep-store", "result=changed", "reason=roster-made-anew", "cut short"]);
    });
}

#[test]
fn a_roster_for_a_group_is_read_by_that_group_alone() {
    in_box(|host| {
        people(host);
        host.configure("[roster]\nreaders = \"mail\"\n");
        assert!(host.admin(&["check"]).stdout.contains("wants other groups, members or readers"));
        host.admin(&["roster", "mend"]).expect_success();
        let as_group = |group: &str| {
            let change = ["--reuid", "nobody", "--regid", group, "--clear-groups", "id", "-Gn", "alice"];
            host.command("setpriv", &change).expect_success().stdout
        };
        assert_eq!(as_group("mail"), "alice twostep-enrolled\n");
        assert_eq!(as_group("nogroup"), "alice\n");
        assert_eq!(host.twostep_groups("alice"), ["twostep-enrolled"]);
    });
}

#[test]
fn the_module_is_a_good_guest() {
    in_box(|host| {
        people(host);
        let told = child::run(|| {
            // glibc loads it at the first look.
            gids_of("alice", 7);
            let before = traces();
            for _ in 0..1_000 {
                assert_eq!(gids_of("alice", 7), [7, ENROLLED]);
            }
            assert_eq!(members_of("twostep-enrolled"), Some(Vec::new()));
            assert_eq!(members_of("nosuchgroup"), None);
            // A caller's own group is told once, and no more is written than there is room for.
            assert_eq!(gids_of("alice", ENROLLED), [ENROLLED]);
            assert_eq!(gids_within("alice", 7, 1), (-1, vec![7, u32::MAX][..1].to_vec()));
            assert_eq!(gids_within("alice", 7, 2), (2, vec![7, ENROLLED]));
            (traces() == before).to_string()
        });
        assert_eq!(told, "true");
        // Many threads at once, from the first look on.
        let told = child::run(|| {
            let look = || {
                (0..200).all(|_| gids_of("alice", 7) == [7, ENROLLED] && members_of("twostep-app").is_some())
            };
            let threads: Vec<_> = (0..8).map(|_| std::thread::spawn(look)).collect();
            let looked: Vec<_> =
                threads.into_iter().map(|thread| thread.join().is_ok_and(|all| all)).collect();
            format!("{looked:?}")
        });
        assert_eq!(told, format!("{:?}", [true; 8]));
        // Threads of a daemon that are cancelled in the middle of a look-up.
        host.write("/root/cancel.c", CANCEL);
        host.command("cc", &["-o", "/root/cancel", "/root/cancel.c", "-pthread"]).expect_success();
        assert_eq!(host.command("/root/cancel", &[]).expect_success().stdout, "survived\n");
        fs::remove_file(ROSTER).expect("removed");
        assert_eq!(host.command("/root/cancel", &[]).expect_success().stdout, "survived\n");
        host.admin(&["roster", "mend"]).expect_success();
        // Some hosts call it on small stacks.
        let told = child::run(|| {
            gids_of("alice", 7);
            let on_small = std::thread::Builder::new().stack_size(16 * 1024);
            let looked = on_small.spawn(|| gids_of("alice", 7)).expect("a thread").join().expect("a look");
            format!("{looked:?}")
        });
        assert_eq!(told, format!("{:?}", [7, ENROLLED]));
        // Without a descriptor left nobody is in any group, and nothing ends.
        let mut console = callers::as_user(host, "alice", "/usr/bin/id", &["-Gn", "alice"], &[Limit(7, 3)]);
        assert!(console.end().is_some(), "{}", console.shown());
        let exported = host.command(
            "sh",
            &["-c", &format!("nm -D --defined-only {} | cut -d' ' -f3", host.name_service_path().display())],
        );
        let mut exported: Vec<_> = exported.stdout.lines().map(str::to_owned).collect();
        exported.sort();
        let expected = ["endgrent", "getgrent_r", "getgrgid_r", "getgrnam_r", "initgroups_dyn", "setgrent"];
        assert_eq!(exported, expected.map(|name| format!("_nss_twostep_{name}")));
    });
}

/// Many times: bytes anywhere in the file, through glibc.
#[test]
fn a_damaged_roster_never_puts_the_enrolled_among_the_unenrolled() {
    in_box(|host| {
        people(host);
        host.configure("[app]\nvirtual_users = true\n");
        for n in 0..100 {
            host.admin(&["enroll", "--app-only", &format!("user{n}")]).expect_success();
        }
        let whole = fs::read(ROSTER).expect("a roster");
        let told = child::run(|| {
            let file = fs::OpenOptions::new().write(true).open(ROSTER).expect("opened");
            let mut seed = 1u64;
            let mut dice = move |below: usize| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (seed >> 33) as usize % below
            };
            let (mut right, mut silent) = (0, 0);
            for _ in 0..3_000 {
                let at = if dice(2) == 0 { dice(512) } else { dice(whole.len()) };
                file.write_all_at(&[dice(256) as u8], at as u64).expect("written");
                match gids_of("alice", 7)[..] {
                    [7, ENROLLED] => right += 1,
                    [7] => silent += 1,
                    ref other => return format!("{other:?}"),
                }
                file.write_all_at(&whole[at..=at], at as u64).expect("written back");
            }
            assert!(right > 500 && silent > 500, "{right} {silent}");
            "done".to_owned()
        });
        assert_eq!(told, "done");
    });
}
