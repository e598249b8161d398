//! The module in a process of many threads, which forks.

use std::fs::{self, File, OpenOptions};
use std::path::Path;
use std::thread;
use std::time::Duration;
use twostep_core::policy::Policy;
use twostep_store::host::monotonic;
use twostep_store::vault::Files;
use twostep_tests::pam::{Code, Stacks};
use twostep_tests::process::lock_bytes;
use twostep_tests::wait::eventually;
use twostep_tests::{child, in_box};

const STORE: &str = "/var/lib/twostep/store.db";
const LINE: &str = "auth required pam_twostep.so";
/// Enough to cover the bytes from 1 GiB on by which SQLite locks a file.
const LOCKED: i64 = (1 << 30) + 1024;

/// Another process that holds the store as one that writes does, until it is killed.
fn held_by_another_process() -> child::Child {
    let held = Path::new("/root/held");
    let _none_yet = fs::remove_file(held);
    let holder = child::start(|| {
        let file = OpenOptions::new().read(true).write(true).open(STORE).expect("the store");
        lock_bytes(&file, LOCKED);
        File::create(held).expect("a mark");
        loop {
            thread::sleep(Duration::from_secs(60));
        }
    });
    eventually("another process to hold the store", || held.exists().then_some(()));
    holder
}

fn log_in(stacks: &Stacks, user: &str, answer: &str) -> Code {
    stacks.start_answering("sshd", user, answer).authenticate(0)
}

fn has_store_open() -> bool {
    let descriptors = fs::read_dir("/proc/self/fd").expect("descriptors").flatten();
    descriptors.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|path| path == Path::new(STORE))
}

/// What a child that is forked during a login writes down when it has come to the end of one of its own.
fn ended(file: &str) -> String {
    eventually(format_args!("the forked child to write {file}: it hangs in the module"), || {
        fs::read_to_string(file).ok().filter(|text| !text.is_empty())
    })
}

fn write(file: &str, text: &str) {
    fs::write(format!("{file}.new"), text).expect("a result");
    fs::rename(format!("{file}.new"), file).expect("a result in its place");
}

#[test]
fn a_child_that_was_forked_while_another_thread_had_the_store_does_not_hang() {
    in_box(|host| {
        host.add_user("alice", "correct horse");
        host.add_user("bob", "correct horse");
        host.enroll("alice");
        let code = host.enroll("bob").fresh_code();
        let stacks = Stacks::new().file("sshd", LINE);
        let holder = held_by_another_process();
        // Whoever forks late, on a slow machine, tries again.
        let forked = loop {
            let (has, stacks, code) = ("/root/has", &stacks, &code);
            let forked = thread::scope(|scope| {
                let waiting = scope.spawn(|| log_in(stacks, "alice", "000000"));
                eventually("a thread to have the store open", || {
                    (has_store_open() || waiting.is_finished()).then_some(())
                });
                let forked = child::start(|| {
                    write(has, &has_store_open().to_string());
                    write("/root/first", &format!("{:?}", log_in(stacks, "bob", code)));
                    eventually("to go on", || Path::new("/root/go").exists().then_some(()));
                    write("/root/second", &format!("{:?}", log_in(stacks, "bob", code)));
                    String::new()
                });
                ended(has);
                forked
            });
            if ended(has) == "true" {
                break forked;
            }
            forked.kill();
        };
        assert_eq!(ended("/root/first"), "PAM_AUTHINFO_UNAVAIL");
        host.wait_for_log(&["pam_twostep", "forked while another of its threads had the store open"]);
        holder.kill();
        // Such a process never uses the store itself; twostepd judges for it.
        let broker = host.start_broker();
        File::create("/root/go").expect("a mark");
        assert_eq!(ended("/root/second"), "PAM_SUCCESS");
        forked.join();
        drop(broker);
        // And the process that has forked is as it was.
        assert_eq!(log_in(&stacks, "alice", "000000"), Code::AUTH_ERR);
    });
}

#[test]
fn threads_that_wait_for_a_store_that_is_held_do_not_wait_one_after_another() {
    in_box(|host| {
        host.add_user("alice", "correct horse");
        host.enroll("alice");
        let stacks = Stacks::new().file("sshd", LINE);
        let holder = held_by_another_process();
        let begun = monotonic();
        assert_eq!(log_in(&stacks, "alice", "000000"), Code::AUTHINFO_UNAVAIL);
        let alone = monotonic() - begun;
        let begun = monotonic();
        thread::scope(|scope| {
            let all: Vec<_> = (0..5).map(|_| scope.spawn(|| log_in(&stacks, "alice", "000000"))).collect();
            for one in all {
                assert_eq!(one.join().expect("a thread"), Code::AUTHINFO_UNAVAIL);
            }
        });
        // One after another they would take five times as long.
        let together = monotonic() - begun;
        assert!(together < alone * 3, "one waits {alone:?}, five {together:?}");
        holder.kill();
        assert_eq!(log_in(&stacks, "alice", "000000"), Code::AUTH_ERR);
    });
}

/// The locks that this process has on the store, as the kernel lists them.
fn locks() -> Vec<String> {
    let own = format!(" {} ", std::process::id());
    let all = fs::read_to_string("/proc/locks").expect("/proc/locks");
    // The number at the front is another each time.
    let posix = all.lines().filter(|line| line.contains("POSIX") && line.contains(&own));
    posix.filter_map(|line| line.split_once(": ")).map(|(_, lock)| lock.to_owned()).collect()
}

#[test]
fn a_child_that_closes_what_it_has_inherited_takes_no_lock_from_its_parent() {
    in_box(|host| {
        host.add_user("alice", "correct horse");
        host.enroll("alice");
        let session = Files::of(&Policy::defaults()).session().expect("the store");
        let before = locks();
        assert!(!before.is_empty());
        // By leaving, by closing each, and by exec.
        child::run(String::new);
        child::run(|| {
            let mine = fs::read_dir("/proc/self/fd").expect("descriptors").flatten();
            let mine =
                mine.filter(|entry| fs::read_link(entry.path()).is_ok_and(|path| path == Path::new(STORE)));
            for entry in mine {
                let number = entry.file_name().to_string_lossy().parse().expect("a number");
                twostep_tests::process::close(number);
            }
            assert!(!has_store_open());
            String::new()
        });
        assert!(host.command("true", &[]).success());
        assert_eq!(locks(), before);
        drop(session);
        assert!(locks().is_empty());
    });
}
