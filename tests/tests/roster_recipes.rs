//! What services make of the groups: sshd, sudo, nscd, and an initgroups line.

use std::fs;

use twostep_tests::{Console, Host, Ssh, in_box};

const PASSWORD: &str = "correct horse";
const PASSWORD_PROMPT: &str = "(alice@127.0.0.1) Password: ";
const CODE_PROMPT: &str = "(alice@127.0.0.1) Verification code: ";
const ROSTER: &str = "/var/lib/twostep-public/roster";
const SSHD: &str = "AuthenticationMethods publickey,keyboard-interactive:pam\n";
/// At the end of sshd_config: a Match block goes on until the next.
const MATCH: &str = "Match Group twostep-unenrolled\n  AuthenticationMethods publickey\nMatch all";

/// sshd by its Match block; alice is enrolled, carol is not; both have keys.
fn with_keys(host: &Host) -> twostep_tests::Phone {
    host.wire_groups();
    host.start_sshd(&format!("{SSHD}{MATCH}"));
    host.add_user("alice", PASSWORD);
    host.add_user("carol", PASSWORD);
    host.enroll("alice")
}

#[test]
fn sshd_lets_the_unenrolled_in_by_key_alone_and_asks_the_enrolled_for_key_and_code() {
    in_box(|host| {
        // With the after-key line the key stands for the password.
        host.wire_sshd_with_keys();
        let mut phone = with_keys(host);
        let (alices, carols) = (host.give_key("alice"), host.give_key("carol"));
        let attempt = Ssh::to("alice").key(&alices).answers(&[&phone.fresh_code()]).run("id -un");
        assert!(attempt.success, "{attempt:#?}\n{}", host.sshd_log());
        assert_eq!(attempt.prompts, [CODE_PROMPT]);
        assert!(!Ssh::to("alice").key(&alices).answers(&[&phone.wrong_code()]).run("true").success);
        assert!(!Ssh::to("alice").key(&alices).methods("publickey").run("true").success);
        let attempt = Ssh::to("carol").key(&carols).methods("publickey").run("id -un");
        assert_eq!((attempt.success, attempt.prompts.len()), (true, 0), "{attempt:#?}\n{}", host.sshd_log());

        // The next login after she was enrolled is asked.
        let mut hers = host.enroll("carol");
        assert!(!Ssh::to("carol").key(&carols).methods("publickey").run("true").success);
        assert!(Ssh::to("carol").key(&carols).answers(&[&hers.fresh_code()]).run("true").success);
    });
}

#[test]
fn without_a_whole_roster_sshd_asks_everyone() {
    in_box(|host| {
        // Password and code after the key.
        host.wire_sshd();
        let mut phone = with_keys(host);
        let (alices, carols) = (host.give_key("alice"), host.give_key("carol"));
        let whole = fs::read(ROSTER).expect("a roster");
        let by_key = |user: &str, key| Ssh::to(user).key(key).methods("publickey").run("true").success;
        assert!(by_key("carol", &carols));
        let mut damaged = whole.clone();
        damaged[100] ^= 1;
        for (what, bytes) in
            [("missing", None), ("cut short", Some(&whole[..5_000])), ("damaged", Some(&damaged[..]))]
        {
            let _ = fs::remove_file(ROSTER);
            if let Some(bytes) = bytes {
                host.write(ROSTER, "");
                fs::write(ROSTER, bytes).expect("written");
            }
            assert!(!by_key("carol", &carols) && !by_key("alice", &alices), "{what}");
            let attempt = Ssh::to("carol").key(&carols).answers(&[PASSWORD]).run("true");
            assert!(attempt.success, "{what}: {attempt:#?}");
        }
        let attempt = Ssh::to("alice").key(&alices).answers(&[PASSWORD, &phone.fresh_code()]).run("true");
        assert_eq!(attempt.prompts, [PASSWORD_PROMPT, CODE_PROMPT]);
        assert!(attempt.success);
        // Whoever changes an enrollment next makes it whole.
        host.admin(&["unenroll", "alice", "--yes"]).expect_success();
        assert!(by_key("carol", &carols) && by_key("alice", &alices));
        host.wait_for_log(&["reason=roster-made-anew"]);
    });
}

/// `sudo -k id -un` by somebody who has the groups of a login.
fn sudo(user: &str, groups: &str) -> Console {
    let words = ["--reuid", user, "--regid", user, "--groups", groups, "sudo", "-k", "id", "-un"];
    let mut command = std::process::Command::new("setpriv");
    command.args(words).current_dir("/").env("LC_ALL", "C.UTF-8").env("TERM", "dumb");
    Console::start(command)
}

#[test]
fn sudo_goes_by_the_groups_of_now_where_it_is_told_to() {
    in_box(|host| {
        host.wire_groups();
        host.wire_su_and_sudo();
        host.add_user("alice", PASSWORD);
        // Who is enrolled may do all, with password and code; who is not, nothing.
        host.write(
            "/etc/sudoers.d/tests",
            "Defaults timestamp_timeout=0,!lecture\n%twostep-enrolled ALL=(ALL) ALL\n",
        );
        host.set_mode("/etc/sudoers.d/tests", 0o440);
        host.write("/etc/sudo.conf", "Set group_source dynamic\n");
        let _broker = host.start_broker();
        let refused = |mut console: Console| {
            console.answer("assword", PASSWORD);
            assert_ne!(console.end(), Some(0), "{}", console.shown());
            assert!(
                console.shown().contains("not in the sudoers file")
                    || console.shown().contains("not allowed"),
                "{}",
                console.shown()
            );
        };
        refused(sudo("alice", "2100000004"));
        let mut phone = host.enroll("alice");
        // The session is from before she was enrolled.
        let mut console = sudo("alice", "2100000004");
        console.answer("assword", PASSWORD);
        console.answer("Verification code: ", &phone.fresh_code());
        assert_eq!(console.end(), Some(0), "{}", console.shown());
        // By sudo's own default a session keeps the groups it was begun with.
        fs::remove_file("/etc/sudo.conf").expect("removed");
        let mut console = sudo("alice", "2100000004");
        console.answer("assword", PASSWORD);
        console.answer("Verification code: ", &phone.fresh_code());
        assert_ne!(console.end(), Some(0), "{}", console.shown());
        // Without a roster nobody is enrolled, and nobody may anything.
        host.write("/etc/sudo.conf", "Set group_source dynamic\n");
        fs::remove_file(ROSTER).expect("removed");
        let mut console = sudo("alice", "2100000001");
        console.answer("assword", PASSWORD);
        console.answer("Verification code: ", &phone.fresh_code());
        assert_ne!(console.end(), Some(0), "{}", console.shown());
    });
}

#[test]
fn an_initgroups_line_of_its_own_must_go_on_to_twostep() {
    in_box(|host| {
        host.wire_groups();
        host.add_user("alice", PASSWORD);
        // She has a group of the host's: the first source has found something.
        host.command("usermod", &["-aG", "users", "alice"]).expect_success();
        host.enroll("alice");
        let with_line = |line: &str| {
            host.edit("/etc/nsswitch.conf", |old| {
                if old.starts_with("initgroups:") { String::new() } else { old.to_owned() }
            });
            let text = host.read("/etc/nsswitch.conf");
            host.write("/etc/nsswitch.conf", &format!("{text}initgroups: {line}\n"));
            (host.twostep_groups("alice"), host.admin(&["check"]).stdout)
        };
        let (groups, check) = with_line("files");
        assert_eq!(groups, [""; 0]);
        assert!(check.contains("initgroups line does not name twostep"), "{check}");
        let (groups, check) = with_line("files twostep");
        assert_eq!(groups, [""; 0]);
        assert!(check.contains("ends at the first source"), "{check}");
        let (groups, check) = with_line("files [SUCCESS=continue] twostep");
        assert_eq!(groups, ["twostep-enrolled"]);
        assert!(!check.contains("initgroups"), "{check}");
    });
}

#[test]
fn nscd_remembers_groups_until_it_is_told_to_forget_them() {
    in_box(|host| {
        host.wire_groups();
        host.add_user("alice", PASSWORD);
        host.write(
            "/etc/nscd.conf",
            "server-user root\nenable-cache group yes\npositive-time-to-live group 3600\nnegative-time-to-live group 60\n\
             enable-cache passwd no\nenable-cache hosts no\nenable-cache services no\nenable-cache netgroup no\n\
             persistent group no\nshared group no\n",
        );
        fs::create_dir_all("/run/nscd").expect("made");
        host.command("nscd", &[]).expect_success();
        twostep_tests::eventually("nscd to answer", || fs::metadata("/run/nscd/socket").ok());
        assert_eq!(host.twostep_groups("alice"), ["twostep-unenrolled"]);
        host.enroll("alice");
        assert_eq!(host.twostep_groups("alice"), ["twostep-unenrolled"], "nscd has forgotten");
        let check = host.admin(&["check"]).stdout;
        assert!(check.contains("nscd remembers who is in which group for 3600 s"), "{check}");
        host.command("nscd", &["-i", "group"]).expect_success();
        assert_eq!(host.twostep_groups("alice"), ["twostep-enrolled"]);
    });
}

#[test]
fn check_finds_groups_that_are_somebody_elses() {
    in_box(|host| {
        host.wire_groups();
        let told = || host.admin(&["check"]).stdout;
        assert!(!told().contains("group twostep"), "{}", told());
        host.write("/etc/group", &format!("{}intruders:x:2100000001:\n", host.read("/etc/group")));
        assert!(
            told().contains("error: group twostep-enrolled: its gid 2100000001 is that of intruders"),
            "{}",
            told()
        );
        host.edit("/etc/group", |line| line.replace(":2100000001:", ":4710:"));
        host.write("/etc/group", &format!("{}twostep-unenrolled:x:4711:\n", host.read("/etc/group")));
        assert!(
            told().contains("error: group twostep-unenrolled: there is another group of this name, gid 4711"),
            "{}",
            told()
        );
        host.edit("/etc/group", |line| line.replace("twostep-unenrolled:", "other:"));
        fs::remove_file(host.name_service_path()).expect("removed");
        assert!(
            told().contains("warning: group twostep-app: the name service does not know it"),
            "{}",
            told()
        );
        host.configure("[roster]\nkeep = false\n");
        assert!(
            told().contains(&format!("error: {ROSTER}: the NSS module reads it, and nobody keeps it")),
            "{}",
            told()
        );
        host.admin(&["roster", "mend"]).expect_success();
        assert!(told().contains("no roster is kept"), "{}", told());
    });
}
