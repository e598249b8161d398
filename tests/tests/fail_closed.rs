//! Errors close the door: whatever is broken, through the real libpam, nobody gets in, nothing is ignored, and one line in the log
//! says why.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::process::{Child, Command, Stdio};

use twostep_tests::pam::{Code, Item, Reply, Stacks};
use twostep_tests::{Host, OrDie, Phone, child, in_box, product};

const STORE: &str = "/var/lib/twostep/store.db";
const STORE_FOLDER: &str = "/var/lib/twostep";
const KEY: &str = "/etc/twostep/master.key";
const CONFIGURATION: &str = "/etc/twostep/config.toml";

/// alice is enrolled, bob is not.
fn with_alice_and_bob(host: &Host) -> Phone {
    host.add_user("alice", "correct horse");
    host.add_user("bob", "correct horse");
    host.enroll("alice")
}

/// The three ways the module stands in a stack. Alone and `required`, so that libpam returns just what it returned; a lone IGNORE
/// would show as PERM_DENIED, and is told apart by the permit after it.
fn stacks() -> Stacks {
    let stack =
        |arguments: &str| format!("auth required pam_twostep.so {arguments}\nauth optional pam_permit.so");
    Stacks::new().file("sshd", &stack("")).file("imap", &stack("app")).file("sshd-key", &stack("after-key"))
}

/// One authentication with this reply to everything; the code and all that was said.
fn authenticate(service: &str, user: &str, reply: impl Into<Reply>) -> (Code, Vec<String>) {
    let stacks = stacks();
    let mut pam = stacks.start_answering(service, user, reply);
    pam.set_item(Item::Rhost, "203.0.113.9");
    if service == "sshd-key" {
        pam.put_env("SSH_AUTH_INFO_0=publickey ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB");
    }
    let code = pam.authenticate(0);
    let heard = pam.heard().to_vec();
    pam.end();
    (code, heard)
}

/// Enrolled or not, by prompt, key or app password, with the right answer: refused as unavailable, logged with this reason.
#[track_caller]
fn nobody_gets_in(host: &Host, phone: &Phone, reason: &str) {
    for service in ["sshd", "imap", "sshd-key"] {
        for user in ["alice", "bob"] {
            let (code, heard) =
                authenticate(service, user, &phone.code_at(twostep_tests::phone::unix_time()));
            assert_eq!(code, Code::AUTHINFO_UNAVAIL, "{service}, {user}: {heard:?}");
            let line = host.wait_for_log(&[
                "result=unavailable",
                &format!("reason={reason} "),
                &format!("service={service}"),
            ]);
            assert_eq!(line.severity, 3, "{line}");
            // Whoever sits at a prompt is told that it is not her fault; a program is not.
            let told = heard.iter().any(|heard| heard.contains("administrator"));
            assert_eq!(told, service != "imap", "{service}, {user}, {reason}: {heard:?}");
        }
    }
}

macro_rules! with_the_store {
    ($($name:ident: $mishap:expr;)*) => {
        $(
            #[test]
            fn $name() {
                in_box(|host| {
                    let phone = with_alice_and_bob(host);
                    let mishap: fn() = $mishap;
                    mishap();
                    nobody_gets_in(host, &phone, "store");
                });
            }
        )*
    };
}

with_the_store! {
    a_missing_store_lets_nobody_in: || fs::remove_file(STORE).or_die("remove the store");
    an_empty_store_lets_nobody_in: || fs::write(STORE, "").or_die("empty the store");
    a_truncated_store_lets_nobody_in: || {
        let bytes = fs::read(STORE).or_die("read the store");
        fs::write(STORE, &bytes[..bytes.len() / 3]).or_die("truncate the store");
    };
    a_store_of_noise_lets_nobody_in: || {
        let noise: Vec<u8> = (0..40_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        fs::write(STORE, noise).or_die("overwrite the store");
    };
    a_store_of_another_owner_lets_nobody_in: || chown(STORE, Some(65534), None).or_die("give the store away");
    a_store_that_its_group_may_write_lets_nobody_in: || mode(STORE, 0o660);
    a_store_that_everyone_may_write_lets_nobody_in: || mode(STORE, 0o606);
    a_store_behind_a_symlink_lets_nobody_in: || {
        fs::rename(STORE, "/var/lib/twostep/elsewhere.db").or_die("move the store");
        symlink("/var/lib/twostep/elsewhere.db", STORE).or_die("link to the store");
    };
    a_store_in_a_folder_that_others_may_write_lets_nobody_in: || mode(STORE_FOLDER, 0o777);
    a_store_in_a_folder_of_another_owner_lets_nobody_in: || {
        chown(STORE_FOLDER, Some(65534), None).or_die("give the store's folder away");
    };
    a_store_of_a_newer_version_lets_nobody_in: || sql("PRAGMA user_version = 9999");
    a_store_of_an_older_minor_schema_lets_nobody_in: || sql("PRAGMA user_version = 5");
    a_missing_key_lets_nobody_in: || fs::remove_file(KEY).or_die("remove the key");
    an_empty_key_lets_nobody_in: || fs::write(KEY, "").or_die("empty the key");
    a_key_that_everyone_may_read_lets_nobody_in: || mode(KEY, 0o644);
    a_key_of_another_owner_lets_nobody_in: || chown(KEY, Some(65534), None).or_die("give the key away");
}

#[test]
fn the_key_of_another_store_lets_nobody_in() {
    in_box(|host| {
        let phone = with_alice_and_bob(host);
        fs::rename(STORE_FOLDER, "/var/lib/twostep-kept").or_die("put the store aside");
        fs::remove_file(KEY).or_die("remove the key");
        fs::create_dir(STORE_FOLDER).or_die("make another store's folder");
        mode(STORE_FOLDER, 0o700);
        host.admin(&["init"]).expect_success();
        fs::remove_dir_all(STORE_FOLDER).or_die("remove the other store");
        fs::rename("/var/lib/twostep-kept", STORE_FOLDER).or_die("put the store back");
        nobody_gets_in(host, &phone, "store");
    });
}

#[test]
fn a_store_that_stays_locked_lets_nobody_in() {
    in_box(|host| {
        let mut phone = with_alice_and_bob(host);
        let _held = Locked::new();
        let (code, _) = authenticate("sshd", "alice", &phone.fresh_code());
        assert_eq!(code, Code::AUTHINFO_UNAVAIL);
        host.wait_for_log(&["result=unavailable", "reason=store ", "service=sshd"]);
    });
}

/// Where the code cannot be consumed, whether it was right must not be told.
fn right_and_wrong_look_alike(host: &Host, phone: &mut Phone) {
    let right = authenticate("sshd", "alice", &phone.fresh_code());
    let first = host.wait_for_log(&["result=unavailable", "user=alice", "service=sshd"]);
    let wrong = authenticate("sshd", "alice", &phone.wrong_code());
    assert_eq!(right, wrong);
    assert_eq!(right.0, Code::AUTHINFO_UNAVAIL);
    let lines: Vec<_> =
        host.log_lines().into_iter().filter(|line| line.text.contains("result=unavailable")).collect();
    let texts: Vec<&str> =
        lines.iter().filter_map(|line| line.text.split_once("result=").map(|(_, rest)| rest)).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert_eq!(texts[0], texts[1], "{first}");
}

/// Whatever an earlier login has left room for in the journal.
fn on_a_full_file_system(host: &Host, before: fn(&mut Phone)) {
    let mut phone = with_alice_and_bob(host);
    move_store_to_tmpfs(host);
    before(&mut phone);
    let mut filler = Command::new("dd");
    filler.args(["if=/dev/zero", &format!("of={STORE_FOLDER}/filler"), "bs=4k"]).stderr(Stdio::null());
    filler.status().or_die("fill the file system");
    let right = authenticate("sshd", "alice", &phone.fresh_code());
    let wrong = authenticate("sshd", "alice", &phone.wrong_code());
    // With room in the journal both can be told, without it neither.
    let told = right.0 == Code::SUCCESS && wrong.0 == Code::AUTH_ERR;
    assert!(told || (right == wrong && right.0 == Code::AUTHINFO_UNAVAIL), "{right:?} {wrong:?}");
    fs::remove_file(format!("{STORE_FOLDER}/filler")).or_die("make room");
    assert_eq!(authenticate("sshd", "alice", &phone.fresh_code()).0, Code::SUCCESS);
}

#[test]
fn on_a_full_file_system_right_and_wrong_codes_look_alike() {
    in_box(|host| {
        let mut phone = with_alice_and_bob(host);
        move_store_to_tmpfs(host);
        let mut filler = Command::new("dd");
        filler.args(["if=/dev/zero", &format!("of={STORE_FOLDER}/filler"), "bs=4k"]).stderr(Stdio::null());
        filler.status().or_die("fill the file system");
        right_and_wrong_look_alike(host, &mut phone);
        fs::remove_file(format!("{STORE_FOLDER}/filler")).or_die("make room");
        assert_eq!(authenticate("sshd", "alice", &phone.fresh_code()).0, Code::SUCCESS);
    });
}

#[test]
fn on_a_full_file_system_they_look_alike_after_a_wrong_code() {
    in_box(|host| {
        on_a_full_file_system(host, |phone| {
            assert_eq!(authenticate("sshd", "alice", &phone.wrong_code()).0, Code::AUTH_ERR);
        })
    });
}

#[test]
fn on_a_full_file_system_they_look_alike_after_a_right_code() {
    in_box(|host| {
        on_a_full_file_system(host, |phone| {
            assert_eq!(authenticate("sshd", "alice", &phone.fresh_code()).0, Code::SUCCESS);
        })
    });
}

#[test]
fn on_a_read_only_file_system_right_and_wrong_codes_look_alike() {
    in_box(|host| {
        let mut phone = with_alice_and_bob(host);
        move_store_to_tmpfs(host);
        host.command("mount", &["-o", "remount,ro", STORE_FOLDER]).expect_success();
        right_and_wrong_look_alike(host, &mut phone);
        host.command("mount", &["-o", "remount,rw", STORE_FOLDER]).expect_success();
        assert_eq!(authenticate("sshd", "alice", &phone.fresh_code()).0, Code::SUCCESS);
    });
}

#[test]
fn a_right_app_password_whose_use_cannot_be_written_lets_nobody_in() {
    in_box(|host| {
        with_alice_and_bob(host);
        let app_password = host.add_app_password("alice", "phone");
        move_store_to_tmpfs(host);
        host.command("mount", &["-o", "remount,ro", STORE_FOLDER]).expect_success();
        assert_eq!(authenticate("imap", "alice", &app_password).0, Code::AUTHINFO_UNAVAIL);
        host.wait_for_log(&[
            "result=unavailable",
            "reason=store ",
            "user=alice",
            "service=imap",
            "read-only",
        ]);
        host.command("mount", &["-o", "remount,rw", STORE_FOLDER]).expect_success();
        let held = Locked::new();
        assert_eq!(authenticate("imap", "alice", &app_password).0, Code::AUTHINFO_UNAVAIL);
        drop(held);
        assert_eq!(authenticate("imap", "alice", &app_password).0, Code::SUCCESS);
    });
}

#[test]
fn a_configuration_that_cannot_be_understood_lets_nobody_in() {
    in_box(|host| {
        let phone = with_alice_and_bob(host);
        for text in [
            "[interactive\n",
            "[interactive]\nunenroled = \"allow\"\n",
            "[interactive]\nunenrolled = 1\n",
            "\u{0}",
        ] {
            host.write(CONFIGURATION, text);
            nobody_gets_in(host, &phone, "configuration");
        }
        fs::write(CONFIGURATION, b"issuer = \"\xff\"\n").or_die("write the configuration");
        nobody_gets_in(host, &phone, "configuration");
    });
}

#[test]
fn a_configuration_that_cannot_be_read_or_trusted_lets_nobody_in() {
    in_box(|host| {
        let phone = with_alice_and_bob(host);
        host.write(CONFIGURATION, "");
        mode(CONFIGURATION, 0o666);
        nobody_gets_in(host, &phone, "configuration");
        mode(CONFIGURATION, 0o644);
        chown(CONFIGURATION, Some(65534), None).or_die("give the configuration away");
        nobody_gets_in(host, &phone, "configuration");
        fs::remove_file(CONFIGURATION).or_die("remove the configuration");
        fs::create_dir(CONFIGURATION).or_die("put a folder in its place");
        nobody_gets_in(host, &phone, "configuration");
    });
}

/// One authentication with these words after the module's name.
fn with_arguments(arguments: &str) -> Code {
    let stacks = Stacks::new()
        .file("sshd", &format!("auth required pam_twostep.so {arguments}\nauth optional pam_permit.so"));
    stacks.start_answering("sshd", "bob", "").authenticate(0)
}

#[test]
fn a_configuration_that_is_named_and_not_there_lets_nobody_in() {
    in_box(|host| {
        with_alice_and_bob(host);
        assert_eq!(with_arguments("config=/etc/twostep/none.toml"), Code::AUTHINFO_UNAVAIL);
        host.wait_for_log(&["result=unavailable", "reason=configuration ", "none.toml"]);
    });
}

#[test]
fn without_a_configuration_at_the_usual_place_the_defaults_hold() {
    in_box(|host| {
        with_alice_and_bob(host);
        let _ = fs::remove_file(CONFIGURATION);
        assert_eq!(with_arguments(""), Code::SUCCESS);
    });
}

#[test]
fn a_word_the_module_does_not_know_lets_nobody_in() {
    in_box(|host| {
        with_alice_and_bob(host);
        for arguments in ["nullok", "ap", "app=yes", "debug,app", "config", "prompt"] {
            assert_eq!(with_arguments(arguments), Code::AUTHINFO_UNAVAIL, "{arguments}");
        }
        host.wait_for_log(&["result=unavailable", "reason=argument ", "word=nullok"]);
    });
}

#[test]
fn a_conversation_that_gives_no_code_is_refused() {
    in_box(|host| {
        with_alice_and_bob(host);
        let strange: [(&str, Reply); 9] = [
            ("fails", Reply::Fails(Code::CONV_ERR)),
            ("is out of memory", Reply::Fails(Code::BUF_ERR)),
            ("null", Reply::Null),
            ("no responses", Reply::NoResponses),
            ("empty", "".into()),
            ("64 KiB", vec![b'1'; 64 * 1024].into()),
            ("not UTF-8", vec![0xff, 0xfe, 0x80].into()),
            ("control characters", "\u{8}\n\r\u{7f}INCORRECT".into()),
            ("blanks", "      ".into()),
        ];
        for (what, reply) in strange {
            for service in ["sshd", "imap", "sshd-key"] {
                let (code, heard) = authenticate(service, "alice", reply.clone());
                let refused = [Code::AUTH_ERR, Code::CONV_ERR, Code::AUTHINFO_UNAVAIL, Code::MAXTRIES];
                assert!(refused.contains(&code), "{what} on {service}: {code:?}, {heard:?}");
            }
        }
        for line in host.log_lines() {
            assert!(!line.text.contains("111111111") && !line.text.contains("INCORRECT"), "{line}");
        }
    });
}

#[test]
fn no_user_an_empty_one_and_one_that_nss_does_not_know_are_refused_at_prompts() {
    in_box(|host| {
        with_alice_and_bob(host);
        let stacks = stacks();
        for user in
            [None, Some(""), Some("nobody-of-that-name"), Some("\u{8}\n\r\u{7f}INCORRECT"), Some("al\nice")]
        {
            let mut pam = match user {
                Some(user) => stacks.start_answering("sshd", user, ""),
                None => stacks.start_for("sshd", None, []),
            };
            let code = pam.authenticate(0);
            assert!(
                code != Code::SUCCESS && code != Code::IGNORE && code != Code::PERM_DENIED,
                "{user:?}: {code:?}"
            );
        }
    });
}

#[test]
fn when_nss_fails_nobody_gets_in() {
    in_box(|host| {
        let mut phone = with_alice_and_bob(host);
        // nss_files reports a missing file as a failure; a name that is not in it would be an answer. Without a service after it:
        // glibc tells only how the last one ended.
        host.edit("/etc/nsswitch.conf", |line| {
            if line.starts_with("passwd:") { "passwd: files".to_owned() } else { line.to_owned() }
        });
        fs::rename("/etc/passwd", "/etc/passwd.gone").or_die("take /etc/passwd away");
        for service in ["sshd", "imap"] {
            assert_eq!(
                authenticate(service, "bob", &phone.fresh_code()).0,
                Code::AUTHINFO_UNAVAIL,
                "{service}"
            );
            host.wait_for_log(&["result=unavailable", "reason=nss ", &format!("service={service}")]);
        }
    });
}

#[test]
fn a_caller_that_is_not_wholly_root_gets_nobody_in() {
    in_box(|host| {
        let phone = with_alice_and_bob(host);
        let code = phone.code_at(twostep_tests::phone::unix_time());
        let mut refused = 0;
        for (real, effective, saved) in [(1000, 0, 0), (0, 1000, 0), (0, 0, 1000), (1000, 1000, 1000)] {
            let got = child::run(|| {
                let stacks = stacks();
                child::become_ids(0, real, effective, saved);
                let mut pam = stacks.start_answering("sshd", "alice", &code);
                let text = format!("{:?}", pam.authenticate(0));
                drop(pam);
                // The folder of stacks is root's.
                std::mem::forget(stacks);
                text
            });
            assert_eq!(got, "PAM_AUTHINFO_UNAVAIL", "uids {real} {effective} {saved}");
            let told = ["result=unavailable", "reason=broker ", "twostepd.sock is missing"];
            let refusals = || {
                host.log_lines()
                    .iter()
                    .filter(|line| told.iter().all(|part| line.text.contains(part)))
                    .count()
            };
            refused += 1;
            assert_eq!(refusals(), refused, "uids {real} {effective} {saved}");
        }
        // The code was not touched.
        assert_eq!(authenticate("sshd", "alice", &code).0, Code::SUCCESS);
    });
}

#[test]
fn a_panic_in_the_module_is_a_refusal() {
    let module = product::provoking_module();
    in_box(|host| {
        with_alice_and_bob(host);
        let line = format!("{} provoke=panic", module.display());
        let stacks = Stacks::new().only("sshd", &line);
        for user in ["alice", "bob"] {
            let mut pam = stacks.start_answering("sshd", user, "123456");
            assert_eq!(pam.authenticate(0), Code::AUTHINFO_UNAVAIL);
            assert_ne!(pam.acct_mgmt(0), Code::SUCCESS);
        }
        host.wait_for_log(&["result=unavailable", "reason=internal "]);
    });
}

#[test]
fn every_entry_point_answers_for_a_broken_store() {
    in_box(|host| {
        with_alice_and_bob(host);
        fs::remove_file(STORE).or_die("remove the store");
        let stacks = Stacks::new().only("sshd", "pam_twostep.so");
        let mut pam = stacks.start_answering("sshd", "alice", "123456");
        assert_eq!(pam.authenticate(0), Code::AUTHINFO_UNAVAIL);
        assert_ne!(pam.acct_mgmt(0), Code::SUCCESS);
        for code in [pam.open_session(0), pam.close_session(0), pam.chauthtok(0)] {
            assert_ne!(code, Code::MODULE_UNKNOWN);
            assert_ne!(code, Code::SYMBOL_ERR);
        }
    });
}

fn mode(path: &str, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .or_die(format_args!("set the mode of {path}"));
}

/// Runs SQL on the store with another SQLite than the product's.
fn sql(statement: &str) {
    let script = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()";
    let status = Command::new("/usr/bin/python3")
        .args(["-c", script, STORE, statement])
        .status()
        .or_die("run python3");
    assert!(status.success());
}

/// Puts the store onto a small file system of its own.
fn move_store_to_tmpfs(host: &Host) {
    let bytes = fs::read(STORE).or_die("read the store");
    host.command("mount", &["-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", STORE_FOLDER])
        .expect_success();
    fs::write(STORE, bytes).or_die("write the store");
    mode(STORE, 0o600);
}

/// Another process that holds the store exclusively until dropped.
struct Locked(Child);

impl Locked {
    fn new() -> Self {
        let script = "import sqlite3, sys, time\n\
                      c = sqlite3.connect(sys.argv[1], isolation_level=None)\n\
                      c.execute('BEGIN EXCLUSIVE')\nprint('held', flush=True)\ntime.sleep(1e6)";
        let mut python = Command::new("/usr/bin/python3");
        python.args(["-c", script, STORE]).stdout(Stdio::piped());
        let mut child = python.spawn().or_die("start python3");
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).or_die("hear from python3");
        }
        assert_eq!(line, "held\n");
        Self(child)
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
