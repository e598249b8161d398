//! What another user of the host could do with the files of twostep: open them, and hold their locks.

use std::fs::{self, File};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;
use twostep_tests::pam::{Code, Stacks};
use twostep_tests::process::{lock_bytes_shared, lock_whole_shared};
use twostep_tests::wait::eventually;
use twostep_tests::{child, in_box};

const STORE: &str = "/var/lib/twostep";
const NOBODY: u32 = 65_534;
/// What anybody reads, and nobody locks.
const PUBLIC: [&str; 1] = ["/var/lib/twostep-public/roster"];

/// All of twostep's own files.
fn files() -> Vec<PathBuf> {
    let mut folders = vec![PathBuf::from(STORE), "/var/lib/twostep-public".into(), "/run/twostep".into()];
    let mut found = vec![PathBuf::from("/etc/twostep/master.key")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").flatten() {
            let kind = entry.file_type().expect("a kind");
            if kind.is_dir() { folders.push(entry.path()) } else { found.push(entry.path()) }
        }
    }
    found
}

/// The files that nobody, the user, can open to read or to write.
fn open_to_nobody() -> String {
    child::run(|| {
        let files = files();
        child::become_ids(NOBODY, NOBODY, NOBODY, NOBODY);
        let opens = |path: &Path| File::open(path).is_ok() || File::options().write(true).open(path).is_ok();
        let open = files.iter().filter(|path| opens(path));
        open.map(|path| format!("{}\n", path.display())).collect()
    })
}

/// A process of nobody's that holds every lock it can get on these files, and keeps it.
fn held_by_nobody(files: &[&str]) -> child::Child {
    let held = Path::new("/tmp/held");
    let holder = child::start(|| {
        child::become_ids(NOBODY, NOBODY, NOBODY, NOBODY);
        let opened: Vec<File> = files.iter().map(|file| File::open(file).expect("to open it")).collect();
        for file in &opened {
            lock_bytes_shared(file, 256);
            lock_whole_shared(file);
        }
        File::create(held).expect("a mark");
        loop {
            thread::sleep(Duration::from_secs(60));
        }
    });
    eventually("nobody to hold the locks", || held.exists().then_some(()));
    holder
}

fn mode(path: &str) -> u32 {
    fs::symlink_metadata(path).unwrap_or_else(|error| panic!("{path}: {error}")).mode() & 0o7777
}

#[test]
fn a_lock_that_somebody_else_holds_stops_nobody() {
    in_box(|host| {
        host.add_user("alice", "correct horse");
        host.enroll("alice");
        let password = host.add_app_password("alice", "phone");
        host.configure("[app]\non_revoke = [\"/bin/touch\", \"/root/revoked\"]\n");
        // As an earlier version, or somebody who has put files back, may have left it.
        host.set_mode(STORE, 0o755);
        let locks = ["argon2id.lock", "hooks.lock"].map(|name| format!("{STORE}/{name}"));
        let broker_lock = "/run/twostep/twostepd.lock".to_owned();
        let all = [&locks[0], &locks[1], &broker_lock];
        for lock in all {
            host.write(lock, "");
            host.set_mode(lock, 0o644);
        }
        let paths: Vec<&str> =
            all.iter().map(|path| path.as_str()).chain([STORE, "/run/twostep", PUBLIC[0]]).collect();
        let holder = held_by_nobody(&paths);

        let stacks =
            Stacks::new().file("imap", "auth [success=done ignore=ignore default=die] pam_twostep.so app");
        assert_eq!(stacks.start_answering("imap", "alice", &password).authenticate(0), Code::SUCCESS);
        host.command(
            "timeout",
            &["60", "twostep-admin", "app-password", "revoke", "alice", "phone", "--yes"],
        )
        .expect_success();
        host.command("timeout", &["60", "twostep-admin", "hooks"]).expect_success();
        assert!(Path::new("/root/revoked").exists());
        drop(host.start_broker());
        for lock in all {
            assert_eq!(mode(lock), 0o600, "{lock}");
        }
        holder.kill();
    });
}

#[test]
fn nobody_can_open_what_is_not_public_even_where_the_folder_is_open() {
    in_box(|host| {
        host.add_user("alice", "correct horse");
        let mut phone = host.enroll("alice");
        let password = host.add_app_password("alice", "phone");
        host.configure("[app]\non_create = [\"/bin/true\"]\non_revoke = [\"/bin/true\"]\n");
        host.set_mode(STORE, 0o755);
        let broker = host.start_broker();
        let stacks = Stacks::new()
            .file("sshd", "auth required pam_twostep.so")
            .file("imap", "auth [success=done ignore=ignore default=die] pam_twostep.so app");
        let log_in =
            |service: &str, answer: &str| stacks.start_answering(service, "alice", answer).authenticate(0);
        assert_eq!(log_in("sshd", &phone.fresh_code()), Code::SUCCESS);
        assert_eq!(log_in("imap", &password), Code::SUCCESS);
        host.admin(&["app-password", "revoke", "alice", "phone", "--yes"]).expect_success();
        host.admin(&["hooks"]).expect_success();
        // What an upgrade of the schema leaves behind.
        let back = "import sqlite3; c = sqlite3.connect('/var/lib/twostep/store.db'); c.execute('DROP INDEX enrollment_user_part'); c.execute('PRAGMA user_version = 5'); \
                    c.execute('ALTER TABLE meta DROP COLUMN host'); c.commit()";
        host.command("python3", &["-c", back]).expect_success();
        // With any umask.
        let init =
            Command::new("sh").args(["-c", "umask 0; exec twostep-admin init"]).status().expect("init");
        assert!(init.success());
        host.set_mode(STORE, 0o755);

        let all = files();
        let names: Vec<_> = all.iter().filter_map(|path| path.file_name()?.to_str()).collect();
        for made in [
            "store.db",
            "store.db-journal",
            "argon2id.lock",
            "hooks.lock",
            "twostepd.lock",
            "boot.key",
            "store.seen",
        ] {
            assert!(names.contains(&made), "{made}: {names:?}");
        }
        assert!(names.iter().any(|name| name.starts_with("store.db.before-schema-")), "{names:?}");
        let expected: String = PUBLIC.iter().map(|path| format!("{path}\n")).collect();
        assert_eq!(open_to_nobody(), expected);
        for path in &all {
            let metadata = fs::symlink_metadata(path).expect("a file");
            let public =
                PUBLIC.iter().any(|public| path == Path::new(public)) || metadata.file_type().is_socket();
            assert_eq!(metadata.uid(), 0, "{}", path.display());
            assert!(public || metadata.mode() & 0o077 == 0, "{}: {:o}", path.display(), metadata.mode());
        }
        drop(broker);
    });
}

#[test]
fn init_closes_the_folder_of_an_earlier_version_and_nobody_is_locked_out() {
    in_box(|host| {
        host.add_user("alice", "correct horse");
        let mut phone = host.enroll("alice");
        host.set_mode(STORE, 0o755);
        let lock = format!("{STORE}/argon2id.lock");
        host.write(&lock, "");
        host.set_mode(&lock, 0o644);
        let told = host.admin(&["check"]);
        assert!(
            told.stdout.contains("[store-folder-open]") && told.stdout.contains("[store-file-open]"),
            "{told}"
        );
        let stacks = Stacks::new().file("sshd", "auth required pam_twostep.so");
        let log_in = |code: &str| stacks.start_answering("sshd", "alice", code).authenticate(0);
        assert_eq!(log_in(&phone.fresh_code()), Code::SUCCESS);
        let told = host.admin(&["init"]).expect_success();
        assert!(told.stdout.contains(&format!("closed  to others: {STORE}\n")), "{told}");
        assert_eq!(mode(STORE), 0o700);
        let told = host.admin(&["check"]);
        assert!(!told.stdout.contains("[store-fil") && !told.stdout.contains("[store-folder"), "{told}");
        assert_eq!(log_in(&phone.fresh_code()), Code::SUCCESS);
    });
}
