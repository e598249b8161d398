//! The throw-away root, made ready: a real disk under what is synced, people, the rivals, two stores of ours.

use crate::rivals::GoogleAuthenticator;
use crate::users::Users;
use std::fs;
use std::path::PathBuf;
use twostep_tests::{Host, OrDie};

/// Everybody's account password.
pub(crate) const PASSWORD: &str = "correct horse";
/// Enrolled with us.
pub(crate) const ALICE: &str = "alice";
/// Enrolled nowhere.
pub(crate) const BOB: &str = "bob";
/// Her password is sha512crypt with the system's own cost.
pub(crate) const SHA: &str = "sharon";
/// His is yescrypt.
pub(crate) const YES: &str = "yves";

/// What the logins run against.
pub(crate) struct Site {
    /// pam_google_authenticator as its tool sets it up: no reuse, three tries in thirty seconds, the small window.
    pub(crate) strict: GoogleAuthenticator,
    /// The same, with reuse allowed and no limit: it writes nothing.
    pub(crate) loose: GoogleAuthenticator,
    /// Our store with a thousand users.
    pub(crate) thousand: Users,
    /// Our store with a million.
    pub(crate) million: Users,
}

impl Site {
    /// Makes all of it.
    pub(crate) fn set_up(host: &Host) -> Self {
        put_on_disk(host, &["/var/lib/twostep", "/home"]);
        for name in [ALICE, BOB, SHA, YES, "greta", "gustav"] {
            host.add_user(name, PASSWORD);
        }
        for (name, method) in [(SHA, "SHA512"), (YES, "YESCRYPT")] {
            set_password(host, name, method);
        }
        let site = Self {
            strict: GoogleAuthenticator::set_up(
                host,
                "greta",
                &["--disallow-reuse", "--rate-limit=3", "--rate-time=30"],
            ),
            loose: GoogleAuthenticator::set_up(host, "gustav", &["--allow-reuse", "--no-rate-limit"]),
            thousand: Users::make(host, "thousand", 1_000),
            million: Users::make(host, "million", 1_000_000),
        };
        // What the making left to be written must not be written by the first logins that sync.
        host.command("sync", &[]).expect_success();
        site
    }
}

impl Site {
    /// Takes what was made off the disk.
    pub(crate) fn clear(self) {
        clear();
    }
}

/// For those who sign in through Dovecot: yves, whoever else is named, and our two stores.
pub(crate) fn for_mail(host: &Host, names: &[&str]) -> [Users; 2] {
    put_on_disk(host, &["/var/lib/twostep"]);
    for name in [ALICE, YES].iter().chain(names) {
        host.add_user(name, PASSWORD);
    }
    set_password(host, YES, "YESCRYPT");
    [Users::make(host, "thousand", 1_000), Users::make(host, "million", 1_000_000)]
}

/// For look-ups of groups: our store and the roster, on the disk.
pub(crate) fn for_roster(host: &Host) {
    put_on_disk(host, &["/var/lib/twostep", "/var/lib/twostep-public"]);
    host.admin(&["init", "--new-store"]).expect_success();
}

/// Sets everybody's password with the system's own cost.
fn set_password(host: &Host, name: &str, method: &str) {
    let line = format!("echo '{name}:{PASSWORD}' | chpasswd --crypt-method {method}");
    host.command("sh", &["-c", &line]).expect_success();
}

/// For those who need no rivals: alice, bob, and our store with a thousand users.
pub(crate) fn ours_alone(host: &Host) -> Users {
    put_on_disk(host, &["/var/lib/twostep"]);
    for name in [ALICE, BOB] {
        host.add_user(name, PASSWORD);
    }
    let users = Users::make(host, "thousand", 1_000);
    host.command("sync", &[]).expect_success();
    users
}

/// Takes what was made off the disk.
pub(crate) fn clear() {
    fs::remove_dir_all(disk()).or_die("remove this run's files");
}

/// Where the box has the real disk.
const WAY_IN: &str = "/mnt";

fn disk() -> PathBuf {
    PathBuf::from(WAY_IN).join("bench")
}

/// Lays folders of the real disk over those of the box, which are on a tmpfs, where a sync costs nothing. The box shows the target
/// folder read-only; for this one program a part of it becomes writable.
fn put_on_disk(host: &Host, folders: &[&str]) {
    let program = std::env::current_exe().or_die("find the running program");
    let target = program.ancestors().nth(2).expect("the program lies in target/PROFILE").to_owned();
    let mount = |arguments: &[&str]| host.command("mount", arguments).expect_success();
    mount(&["--bind", &target.display().to_string(), WAY_IN]);
    mount(&["-o", "remount,bind,rw", WAY_IN]);
    let disk = disk();
    if disk.exists() {
        fs::remove_dir_all(&disk).or_die("remove an earlier run's files");
    }
    for folder in folders {
        let real = disk.join(folder.trim_start_matches('/').replace('/', "-"));
        fs::create_dir_all(&real).or_die("make a folder on the disk");
        host.set_mode(&real, if *folder == "/var/lib/twostep" { 0o700 } else { 0o755 });
        mount(&["--bind", &real.display().to_string(), folder]);
        mount(&["-o", "remount,bind,rw", folder]);
    }
}
