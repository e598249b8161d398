//! App passwords: what they are limited to, what they cost, and what ends them. Through the real libpam, and passwd.

use std::fs::{self, File, OpenOptions};
use twostep_tests::callers::as_user;
use twostep_tests::own::{done, last_line, twostep};
use twostep_tests::pam::{Code, Item, Stacks};
use twostep_tests::{Host, Phone, child, in_box};

const PASSWORD: &str = "correct horse";
const STORE: &str = "/var/lib/twostep/store.db";
const TURNS: &str = "/var/lib/twostep/argon2id.lock";
const APP: &str = "[success=done ignore=ignore default=die]  pam_twostep.so app";

fn with_alice(host: &Host) -> Phone {
    host.add_user("alice", PASSWORD);
    host.enroll("alice")
}

/// A login as Dovecot does it: auth, then account. Behind our line there is nobody who would let anyone in.
fn login(service: &str, user: &str, password: &str, from: Option<&str>) -> Code {
    let stack = format!("auth {APP}\nauth required pam_deny.so\naccount {APP}\naccount required pam_unix.so");
    let stacks = Stacks::new().file(service, &stack);
    let mut pam = stacks.start_answering(service, user, password);
    if let Some(from) = from {
        pam.set_item(Item::Rhost, from);
    }
    match pam.authenticate(0) {
        Code::SUCCESS => pam.acct_mgmt(0),
        refused => refused,
    }
}

fn add(host: &Host, user: &str, name: &str, limits: &[&str]) -> String {
    let made = host.admin_json(&[&["app-password", "add", user, name], limits].concat());
    made["password"].as_str().expect("a password").to_owned()
}

#[test]
fn an_app_password_is_good_for_what_it_is_limited_to() {
    in_box(|host| {
        with_alice(host);
        let mail = add(host, "alice", "mail", &["--service", "imap,smtp*"]);
        for (service, code) in [("imap", Code::SUCCESS), ("smtps", Code::SUCCESS), ("xmpp", Code::AUTH_ERR)] {
            assert_eq!(login(service, "alice", &mail, None), code, "{service}");
        }
        host.wait_for_log(&[
            "reason=app-password-out-of-scope",
            "user=alice",
            "service=xmpp",
            "name=mail cause=service",
        ]);

        let office = add(host, "alice", "office", &["--from", "192.0.2.0/24,2001:db8::/32"]);
        for (from, code) in [
            (Some("192.0.2.7"), Code::SUCCESS),
            (Some("::ffff:192.0.2.7"), Code::SUCCESS),
            (Some("2001:db8::7"), Code::SUCCESS),
            (Some("198.51.100.7"), Code::AUTH_ERR),
            (Some("office.example"), Code::AUTH_ERR),
            (None, Code::AUTH_ERR),
        ] {
            assert_eq!(login("imap", "alice", &office, from), code, "{from:?}");
        }
        host.wait_for_log(&["from=198.51.100.7", "name=office cause=address"]);
        host.wait_for_log(&["from=unknown", "name=office cause=no-address"]);

        let short = add(host, "alice", "short", &["--expires", "1h"]);
        assert_eq!(login("imap", "alice", &short, None), Code::SUCCESS);
        host.age_app_password("short");
        assert_eq!(login("imap", "alice", &short, None), Code::AUTH_ERR);
        host.wait_for_log(&["reason=app-password-expired", "user=alice", "name=short on="]);
        let list = host.admin(&["app-password", "list", "alice"]).expect_success().stdout;
        assert!(list.contains("expired") && list.contains("just now, imap, 192.0.2.7"), "{list}");
    });
}

/// SQLite's own count of transactions that have changed the file.
fn writes() -> u32 {
    let bytes = fs::read(STORE).expect("read the store");
    u32::from_be_bytes(bytes[24..28].try_into().expect("four bytes"))
}

/// Takes every turn at Argon2id there is: whoever wants one has to wait.
fn take_all_turns() -> File {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(TURNS)
        .expect("open the file of the turns");
    twostep_tests::process::lock_bytes(&file, 256);
    file
}

#[test]
fn what_a_login_costs_is_counted() {
    in_box(|host| {
        with_alice(host);
        let phone = host.add_app_password("alice", "phone");
        let old = host.add_app_password("alice", "old phone");
        host.admin(&["app-password", "revoke", "alice", "old phone", "--yes"]).expect_success();
        let office = add(host, "alice", "office", &["--from", "192.0.2.0/24"]);
        let before = writes();
        assert_eq!(login("imap", "alice", &phone, None), Code::SUCCESS);
        assert_eq!(writes(), before + 1, "the first login since boot is written, once");
        // From here on nobody has a turn at Argon2id, and nobody needs one.
        let turns = take_all_turns();
        for (sent, code) in [
            (phone.as_str(), Code::SUCCESS),
            ("abcdefghijklmnop", Code::AUTH_ERR),
            (old.as_str(), Code::AUTH_ERR),
            (office.as_str(), Code::AUTH_ERR),
            (PASSWORD, Code::AUTH_ERR),
            ("", Code::AUTH_ERR),
        ] {
            assert_eq!(login("imap", "alice", sent, None), code, "{sent:?}");
        }
        assert_eq!(writes(), before + 1, "a refusal, or a second login, was written");
        // Whoever does need one waits, and is refused in the end.
        assert_eq!(login("imap", "alice", &office, Some("192.0.2.7")), Code::AUTHINFO_UNAVAIL);
        host.wait_for_log(&["result=unavailable", "reason=store ", "no turn at Argon2id within 15 s"]);
        drop(turns);
        assert_eq!(login("imap", "alice", &office, Some("192.0.2.7")), Code::SUCCESS);
    });
}

#[test]
fn a_boot_key_that_is_not_to_be_had_costs_a_hash_and_nothing_else() {
    in_box(|host| {
        with_alice(host);
        let phone = host.add_app_password("alice", "phone");
        assert_eq!(login("imap", "alice", &phone, None), Code::SUCCESS);
        let key = "/run/twostep/private/boot.key";
        let first = fs::read(key).expect("a boot key");
        for break_it in
            ["chmod 0644 KEY", "chown nobody KEY", "chmod 0755 FOLDER", "rm -r FOLDER", "ln -s /tmp FOLDER"]
        {
            let line = break_it.replace("KEY", key).replace("FOLDER", "/run/twostep/private");
            host.command("sh", &["-c", &line]).expect_success();
            assert_eq!(login("imap", "alice", &phone, None), Code::SUCCESS, "{line}");
            assert_eq!(login("imap", "alice", "abcdefghijklmnop", None), Code::AUTH_ERR, "{line}");
            host.command("sh", &["-c", "rm -rf /run/twostep/private; mkdir -m 0700 /run/twostep/private"])
                .expect_success();
            assert_eq!(login("imap", "alice", &phone, None), Code::SUCCESS);
        }
        assert_ne!(fs::read(key).expect("a boot key"), first, "as after a reboot");
        // On a disk it would survive one.
        host.command("sh", &["-c", "rm /run/twostep/private/boot.key; mkdir -m 0700 /mnt/private; mount -t ramfs none /mnt/private; \
                                    chmod 0700 /mnt/private; mount --bind /mnt/private /run/twostep/private"])
            .expect_success();
        assert_eq!(login("imap", "alice", &phone, None), Code::SUCCESS);
        assert!(!fs::exists(key).expect("look for a boot key"));
    });
}

#[test]
fn a_hash_is_brought_to_what_is_configured() {
    in_box(|host| {
        with_alice(host);
        let phone = host.add_app_password("alice", "phone");
        let costs = || {
            let script = format!(
                "import sqlite3; print(sqlite3.connect('{STORE}').execute('SELECT memory, passes FROM app_password').fetchall())"
            );
            host.command("python3", &["-c", &script]).expect_success().stdout.trim().to_owned()
        };
        assert_eq!(costs(), "[(19456, 2)]");
        host.configure("[argon2id]\nmemory_kib = 9216\npasses = 4\n");
        assert_eq!(login("imap", "alice", "abcdefghijklmnop", None), Code::AUTH_ERR);
        assert_eq!(costs(), "[(19456, 2)]");
        assert_eq!(login("imap", "alice", &phone, None), Code::SUCCESS);
        assert_eq!(costs(), "[(9216, 4)]");
        let before = writes();
        assert_eq!(login("imap", "alice", &phone, None), Code::SUCCESS);
        assert_eq!(writes(), before);
    });
}

#[test]
fn a_changed_account_password_ends_them_all_where_that_is_wanted() {
    in_box(|host| {
        with_alice(host);
        let text = host.read("/etc/pam.d/passwd");
        host.write("/etc/pam.d/passwd", &format!("{text}\npassword required pam_twostep.so\n"));
        let text = host.read("/etc/pam.d/chpasswd");
        host.write("/etc/pam.d/chpasswd", &format!("{text}\npassword required pam_twostep.so\n"));
        let phone = host.add_app_password("alice", "phone");
        host.set_password("alice", "another horse");
        assert_eq!(login("imap", "alice", &phone, None), Code::SUCCESS, "it was not wanted");

        host.configure("[app]\nrevoke_on_password_change = true\n");
        // By root, in process.
        host.command("sh", &["-c", "echo 'alice:third horse of 3' | chpasswd"]).expect_success();
        assert_eq!(login("imap", "alice", &phone, None), Code::AUTH_ERR);
        let line = host.wait_for_log(&[
            "result=changed reason=app-password-revoke",
            "user=alice",
            "by=password-change",
            "name=phone",
        ]);
        assert!(line.text.starts_with("pam_twostep["), "{line}");

        // By herself: passwd is not wholly root, and asks the broker. Without it nothing is changed.
        let tablet = host.add_app_password("alice", "tablet");
        let mut passwd = as_user(host, "alice", "/usr/bin/passwd", &[], &[]);
        passwd.answer("Current password: ", "third horse of 3");
        passwd.wait_for("password unchanged");
        assert_ne!(passwd.end(), Some(0));
        assert_eq!(login("imap", "alice", &tablet, None), Code::SUCCESS);
        let broker = host.start_broker();
        let mut passwd = as_user(host, "alice", "/usr/bin/passwd", &[], &[]);
        passwd.answer("Current password: ", "third horse of 3");
        passwd.answer("New password: ", "fourth horse of 4");
        passwd.answer("Retype new password: ", "fourth horse of 4");
        passwd.wait_for("Your app passwords have ended");
        assert_eq!(passwd.end(), Some(0), "{}", passwd.shown());
        assert_eq!(login("imap", "alice", &tablet, None), Code::AUTH_ERR);
        host.wait_for_log(&[&format!("from=uid:{}", host.uid("alice")), "by=password-change", "name=tablet"]);

        // Nobody but root says so of anybody.
        let laptop = host.add_app_password("alice", "laptop");
        let uid = host.uid("alice");
        let code = child::run(|| {
            let stacks = Stacks::new().only("passwd", "pam_twostep.so");
            child::become_ids(uid, uid, uid, uid);
            let code = stacks.start("passwd", "alice", []).chauthtok(0);
            // The folder of stacks is root's.
            std::mem::forget(stacks);
            format!("{code:?}")
        });
        assert_eq!(code, format!("{:?}", Code::AUTHTOK_ERR));
        assert_eq!(login("imap", "alice", &laptop, None), Code::SUCCESS);
        drop(broker);
    });
}

#[test]
fn users_limit_their_own() {
    in_box(|host| {
        let mut phone = with_alice(host);
        let _broker = host.start_broker();
        let code = phone.fresh_code();
        let proof = [("Password: ", PASSWORD), ("Verification code: ", code.as_str())];
        let shown = done(
            host,
            "alice",
            &["app-password", "add", "mail", "--service", "imap", "--expires", "2999-12-31"],
            &proof,
        );
        let mail = last_line(&shown).to_owned();
        assert_eq!(login("imap", "alice", &mail, None), Code::SUCCESS);
        assert_eq!(login("smtp", "alice", &mail, None), Code::AUTH_ERR);
        let shown = done(host, "alice", &["app-password", "list"], &[]);
        assert!(shown.contains("imap, until 2999-12-31"), "{shown}");
        // A mistyped service is told before anything is asked.
        let (status, told) =
            twostep(host, "alice", &["app-password", "add", "phone", "--service", "imaps"], &[]);
        assert_eq!(status, 1, "{told}");
        assert!(told.contains("no PAM service named imaps; most likely imap is meant"), "{told}");
    });
}

#[test]
fn virtual_users_have_no_account_and_are_let_past_pam_unix() {
    in_box(|host| {
        with_alice(host);
        host.configure("[app]\nvirtual_users = true\ndomains = [\"example.org\"]\n");
        host.admin(&["enroll", "carol", "--app-only"]).expect_success();
        let carols = host.add_app_password("carol", "phone");
        let alices = host.add_app_password("alice", "phone");
        for name in ["carol", "Carol@example.org"] {
            assert_eq!(login("imap", name, &carols, None), Code::SUCCESS, "{name}");
            assert_eq!(login("imap", name, &alices, None), Code::AUTH_ERR, "{name}");
        }
        host.wait_for_log(&["result=accepted reason=app-password ", "user=carol", "service=imap"]);
        // Of whom NSS knows, pam_unix is asked by the name that it knows: so that an expired account is seen.
        assert_eq!(login("imap", "ALICE@example.org", &alices, None), Code::SUCCESS);
        host.command("chage", &["--expiredate", "1", "alice"]).expect_success();
        assert_eq!(login("imap", "ALICE@example.org", &alices, None), Code::ACCT_EXPIRED);
        // At a prompt there is no such user; and an account of that name takes the enrollment from nobody.
        let stacks = Stacks::new().file("sshd", "auth required pam_twostep.so\nauth optional pam_permit.so");
        assert_eq!(
            stacks.start_answering("sshd", "carol", carols.as_str()).authenticate(0),
            Code::USER_UNKNOWN
        );
        host.add_user("carol", PASSWORD);
        assert_eq!(login("imap", "carol", &carols, None), Code::AUTH_ERR);
        host.wait_for_log(&["reason=uid-changed", "user=carol", "was=virtual"]);
    });
}
