//! Users without any privilege look after their own second factor with `twostep`.

use twostep_tests::callers::as_user;
use twostep_tests::own::{done, enroll, last_line, twostep};
use twostep_tests::{Host, Imap, Phone, in_box};

const PASSWORD: &str = "correct horse";
const BOBS: &str = "battery staple";

#[test]
fn a_user_enrolls_reads_mail_and_revokes_without_any_help() {
    in_box(|host| {
        host.add_user("alice", PASSWORD);
        host.wire_dovecot();
        host.start_dovecot();
        let _broker = host.start_broker();
        assert!(done(host, "alice", &["status"], &[]).contains("To turn it on: twostep enroll"));
        let (_phone, codes) = enroll(host, "alice", PASSWORD);
        let mut codes = codes.iter();
        let mut proof =
            || [("Password: ", PASSWORD), ("Verification code: ", codes.next().expect("a code").as_str())];

        let shown = done(host, "alice", &["app-password", "add", "mail"], &proof());
        let app_password = last_line(&shown).to_owned();
        assert_eq!(app_password.len(), 19, "{shown}");
        assert!(Imap::Imaplib.login("alice", &app_password).success, "{}", host.dovecot_log());
        assert!(!Imap::Imaplib.login("alice", PASSWORD).success);
        let shown = done(host, "alice", &["status"], &[]);
        assert!(shown.contains("mail") && shown.contains("just now, imap, 127.0.0.1"), "{shown}");

        done(host, "alice", &["app-password", "rename", "mail", "mail at home"], &proof());
        done(host, "alice", &["app-password", "revoke", "mail at home"], &proof());
        assert!(!Imap::Imaplib.login("alice", &app_password).success);
        host.wait_for_log(&["reason=app-password-revoked", "user=alice"]);

        let shown = done(host, "alice", &["history"], &[]);
        let first = ["app-password-revoke", "app-password-rename", "app-password-add", "enroll"];
        for (line, action) in shown.lines().skip(1).zip(first) {
            assert!(line.contains(action) && line.contains("self"), "{action}: {shown}");
        }
        let line = host.wait_for_log(&["result=changed", "reason=app-password-add", "user=alice", "by=self"]);
        assert!(line.text.starts_with("twostepd["), "{line}");
    });
}

#[test]
fn with_a_wrong_password_or_code_nothing_changes() {
    in_box(|host| {
        host.add_user("alice", PASSWORD);
        host.add_user("bob", BOBS);
        let _broker = host.start_broker();
        // Who is not enrolled gives the password alone.
        let (status, shown) = twostep(host, "bob", &["enroll"], &[("Password: ", "wrong")]);
        assert!(status == 1 && shown.contains("not accepted"), "{shown}");
        assert!(!shown.contains("secret"), "{shown}");
        assert_eq!(host.admin_json(&["show", "bob"])["state"], "none");

        let phone = host.enroll("alice");
        host.add_app_password("alice", "phone");
        let before = host.admin_json(&["show", "alice"]);
        let wrong = phone.wrong_code();
        let changes: [&[&str]; 6] = [
            &["app-password", "add", "other"],
            &["app-password", "revoke", "--all"],
            &["app-password", "rename", "phone", "other"],
            &["backup-codes"],
            &["authenticator", "add", "tablet"],
            &["authenticator", "remove", "phone"],
        ];
        for change in changes {
            let (status, shown) = twostep(host, "alice", change, &[("Password: ", "wrong")]);
            assert!(status == 1 && shown.contains("Nothing was changed"), "{change:?}: {shown}");
        }
        for change in &changes[..3] {
            let answers = [("Password: ", PASSWORD), ("Verification code: ", wrong.as_str())];
            let (status, shown) = twostep(host, "alice", change, &answers);
            assert!(status == 1 && shown.contains("Nothing was changed"), "{change:?}: {shown}");
        }
        host.admin(&["unlock", "alice"]).expect_success();
        let mut after = host.admin_json(&["show", "alice"]);
        after["wrong_codes"] = before["wrong_codes"].clone();
        assert_eq!(before, after);
    });
}

/// What the stack says about a code decides nothing: the broker asks for it itself, by its own configuration.
#[test]
fn no_stack_and_no_other_store_make_a_password_enough() {
    in_box(|host| {
        host.add_user("alice", PASSWORD);
        let before = |host: &Host, config: &[&str]| {
            host.admin_json(&[config, &["show", "alice"]].concat())["backup_codes_left"].clone()
        };
        let wrong = host.enroll("alice").wrong_code();
        let unix =
            "auth sufficient pam_unix.so nodelay\nauth required pam_deny.so\naccount required pam_unix.so\n";
        let ours = "auth required pam_twostep.so\naccount required pam_twostep.so\n";
        let refused = |config: &[&str]| {
            for change in [&["backup-codes"][..], &["app-password", "add", "evil"]] {
                let answers = [("Password: ", PASSWORD), ("Verification code: ", wrong.as_str())];
                let (status, shown) = twostep(host, "alice", &[config, change].concat(), &answers);
                assert!(status == 1 && shown.contains("Nothing was changed"), "{shown}");
            }
            assert_eq!(before(host, config), 10);
            host.admin(&[config, &["unlock", "alice"]].concat()).expect_success();
        };
        let broker = host.start_broker();
        host.write("/etc/pam.d/twostep", unix);
        refused(&[]);
        host.write("/etc/pam.d/twostep", &format!("{unix}{ours}"));
        refused(&[]);
        drop(broker);

        // Enrolled where the broker looks, and not where a line without config= looks.
        host.write(
            "/srv/other.toml",
            "[paths]\nstore = \"/srv/store/store.db\"\nkey = \"/srv/master.key\"\nroster = \"/srv/public\"\n",
        );
        std::fs::create_dir("/srv/store").expect("make a folder");
        host.set_mode("/srv/store", 0o700);
        let other = ["--config", "/srv/other.toml"];
        host.admin(&[&other[..], &["init"]].concat()).expect_success();
        host.admin(&[&other[..], &["enroll", "alice", "--activate", "--no-qr"]].concat()).expect_success();
        host.admin(&["unenroll", "alice", "--yes"]).expect_success();
        let mut command = std::process::Command::new(twostep_tests::broker::TWOSTEPD);
        let _broker = host.start_broker_with(command.args(other));
        host.write(
            "/etc/pam.d/twostep",
            &unix.replace("auth sufficient", "auth required").replace("auth required pam_deny.so", ours),
        );
        refused(&other);
    });
}

#[test]
fn without_a_stack_nothing_is_changed_for_anybody() {
    in_box(|host| {
        host.add_user("alice", PASSWORD);
        let _broker = host.start_broker();
        std::fs::remove_file("/etc/pam.d/twostep").expect("remove a file");
        let (status, shown) = twostep(host, "alice", &["enroll"], &[]);
        assert!(status == 3 && shown.contains("Please tell your administrator"), "{shown}");
        host.wait_for_log(&["twostepd[", "there is no /etc/pam.d/twostep"]);
        // A module that is not there is no wrong password.
        host.write("/etc/pam.d/twostep", "auth required pam_nowhere.so\naccount required pam_nowhere.so\n");
        let (status, shown) = twostep(host, "alice", &["enroll"], &[]);
        assert!(status == 3 && shown.contains("Please tell your administrator"), "{shown}");
    });
}

#[test]
fn a_password_given_as_a_code_is_no_guess() {
    in_box(|host| {
        host.add_user("alice", PASSWORD);
        host.enroll("alice");
        let _broker = host.start_broker();
        let answers = [("Password: ", PASSWORD), ("Verification code: ", PASSWORD)];
        assert_eq!(twostep(host, "alice", &["backup-codes"], &answers).0, 1);
        host.wait_for_log(&["reason=same-as-password", "user=alice", "service=twostep"]);
        assert_eq!(host.admin_json(&["show", "alice"])["wrong_codes"], 0);
    });
}

#[test]
fn whoever_has_the_name_of_somebody_who_is_gone_sees_nothing_of_hers() {
    in_box(|host| {
        host.add_user("dora", PASSWORD);
        host.enroll("dora");
        host.add_app_password("dora", "private matters");
        host.command("userdel", &["dora"]).expect_success();
        host.command("useradd", &["--uid", "4242", "--no-create-home", "dora"]).expect_success();
        let _broker = host.start_broker();
        let shown = done(host, "dora", &["history"], &[]);
        assert!(shown.contains("nothing was changed"), "{shown}");
        let shown = done(host, "dora", &["status"], &[]);
        assert!(shown.contains("for another account") && !shown.contains("private"), "{shown}");
        host.admin(&["settle", "dora", "--keep"]).expect_success();
        assert!(done(host, "dora", &["history"], &[]).contains("private matters"));
    });
}

#[test]
fn who_has_no_authenticator_is_told_at_once_whom_to_ask() {
    in_box(|host| {
        host.add_user("otto", PASSWORD);
        host.add_user("alice", PASSWORD);
        host.enroll("alice");
        host.admin(&["enroll", "otto", "--app-only"]).expect_success();
        let uid = host.uid("alice").to_string();
        host.command("useradd", &["--non-unique", "--uid", &uid, "alias"]).expect_success();
        let _broker = host.start_broker();
        let (status, shown) = twostep(host, "otto", &["app-password", "add", "x"], &[]);
        assert!(status == 1 && shown.contains("ask your administrator"), "{shown}");
        let (status, shown) = twostep(host, "alice", &["--name", "alias", "enroll"], &[]);
        assert!(status == 1 && shown.contains("another name of your uid"), "{shown}");
    });
}

#[test]
fn where_policy_denies_it_nobody_enrolls_herself() {
    in_box(|host| {
        host.add_user("alice", PASSWORD);
        let text = host
            .read("/etc/twostep/config.toml")
            .replace("#self_service.enroll = \"allow\"", "self_service.enroll = \"deny\"");
        host.write("/etc/twostep/config.toml", &text);
        let _broker = host.start_broker();
        let (status, shown) = twostep(host, "alice", &["enroll"], &[]);
        assert!(status == 1 && shown.contains("an administrator turns two-step verification on"), "{shown}");
        assert!(!shown.contains("Password"), "{shown}");
    });
}

#[test]
fn one_phone_more_and_one_fewer() {
    in_box(|host| {
        host.add_user("alice", PASSWORD);
        let _broker = host.start_broker();
        let (_phone, codes) = enroll(host, "alice", PASSWORD);
        let mut console =
            as_user(host, "alice", "/usr/bin/twostep", &["authenticator", "add", "tablet"], &[]);
        console.answer("Password: ", PASSWORD);
        console.answer("Verification code: ", &codes[0]);
        console.wait_for("secret  ");
        let secret: String = console.wait_for("\n").chars().filter(|c| !c.is_whitespace()).collect();
        let mut tablet = Phone::new(&secret);
        console.answer("Code that the authenticator shows: ", &tablet.fresh_code());
        assert_eq!(console.end(), Some(0), "{}", console.shown());
        let answers = [("Password: ", PASSWORD), ("Verification code: ", codes[1].as_str())];
        done(host, "alice", &["authenticator", "remove", "phone"], &answers);
        let shown = done(host, "alice", &["--json", "authenticator", "list"], &[]);
        assert!(shown.contains("tablet") && !shown.contains("\"phone\""), "{shown}");
        let code = tablet.fresh_code();
        let answers = [("Password: ", PASSWORD), ("Verification code: ", code.as_str())];
        let (status, shown) = twostep(host, "alice", &["authenticator", "remove", "tablet"], &answers);
        assert!(status == 1 && shown.contains("last authenticator stays"), "{shown}");
    });
}

#[test]
fn commands_of_the_administrators_are_run_after_changes() {
    in_box(|host| {
        host.add_user("alice", PASSWORD);
        host.write("/usr/local/sbin/note", "#!/bin/sh\necho \"$@\" >> /var/log/noted\n");
        host.set_mode("/usr/local/sbin/note", 0o755);
        let text = host.read("/etc/twostep/config.toml")
            + "[app]\n\
             on_create = [\"/usr/local/sbin/note\", \"{event}\", \"{user}\", \"{name}\"]\n\
             on_revoke = [\"/usr/local/sbin/note\", \"{event}\", \"{user}\", \"{name}\"]\n";
        host.write("/etc/twostep/config.toml", &text);
        let _broker = host.start_broker();
        let (_, codes) = enroll(host, "alice", PASSWORD);
        let answers = [("Password: ", PASSWORD), ("Verification code: ", codes[0].as_str())];
        done(host, "alice", &["app-password", "add", "--", "x $(reboot)"], &answers);
        // The broker runs nothing; it says that something is due.
        assert!(std::path::Path::new("/run/twostep/hooks.due").exists());
        assert!(!std::path::Path::new("/var/log/noted").exists());
        host.admin(&["hooks"]).expect_success();
        assert_eq!(host.read("/var/log/noted"), "create alice x $(reboot)\n");
        assert!(!std::path::Path::new("/run/twostep/hooks.due").exists());
        // The administrator's own command runs them at once.
        host.admin(&["app-password", "revoke", "alice", "--all", "--yes"]).expect_success();
        assert!(host.read("/var/log/noted").ends_with("revoke alice x $(reboot)\n"));
        // One that fails is tried again, five times in all.
        host.set_mode("/usr/local/sbin/note", 0o644);
        host.add_app_password("alice", "mail");
        for _ in 0..5 {
            host.admin(&["hooks"]);
        }
        host.wait_for_log(&["twostep-admin[", "on_create for user=\"alice\" failed, given up"]);
        assert!(host.admin(&["hooks"]).stdout.contains("nothing is due"));
    });
}

const UNENROLL: [&str; 1] = ["unenroll"];
const CONSENT: (&str, &str) = ("Type yes to go on [y/N] ", "y");

/// Has users turn two-step off by themselves, with this besides.
fn let_unenroll(host: &Host, more: &str) {
    let text = host
        .read("/etc/twostep/config.toml")
        .replace("#self_service.unenroll = \"deny\"", "self_service.unenroll = \"allow\"");
    host.write("/etc/twostep/config.toml", &format!("{text}\n{more}"));
}

#[test]
fn two_step_is_turned_off_with_a_fresh_code_where_that_is_allowed() {
    in_box(|host| {
        host.add_user("alice", PASSWORD);
        let before = host.read("/etc/twostep/config.toml");
        let _broker = host.start_broker();
        let (mut phone, codes) = enroll(host, "alice", PASSWORD);
        host.add_app_password("alice", "mail");
        // Nobody has allowed it.
        let (status, shown) = twostep(host, "alice", &UNENROLL, &[]);
        assert!(status == 1 && shown.contains("cannot turn") && !shown.contains("Password"), "{shown}");

        let hooks = "app.on_revoke = [\"/usr/bin/true\", \"{user}\", \"{name}\"]\n";
        host.write("/etc/twostep/config.toml", &format!("{hooks}{before}"));
        let_unenroll(host, "");
        let (status, shown) = twostep(host, "alice", &UNENROLL, &[(CONSENT.0, "")]);
        assert!(status == 1 && shown.contains("Nothing was changed"), "{shown}");
        assert!(
            shown.contains("1 authenticator, 1 app password") && shown.contains("password alone"),
            "{shown}"
        );
        let wrong = phone.wrong_code();
        let answers = [CONSENT, ("Password: ", PASSWORD), ("Verification code: ", wrong.as_str())];
        assert_eq!(twostep(host, "alice", &UNENROLL, &answers).0, 1);
        // What somebody else has handed out is no code of one's own.
        let given = host.admin_json(&["bypass", "alice", "--for", "1h", "--uses", "2"]);
        let given = given["code"].as_str().expect("a code");
        let answers = [CONSENT, ("Password: ", PASSWORD), ("Verification code: ", given)];
        assert_eq!(twostep(host, "alice", &UNENROLL, &answers).0, 1);
        host.wait_for_log(&["result=refused", "reason=bypass-not-enough", "user=alice", "service=twostep"]);
        assert_eq!(host.admin_json(&["show", "alice"])["state"], "active");

        let code = phone.fresh_code();
        let answers = [CONSENT, ("Password: ", PASSWORD), ("Verification code: ", code.as_str())];
        let shown = done(host, "alice", &UNENROLL, &answers);
        assert!(shown.contains("Two-step verification is off."), "{shown}");
        assert_eq!(host.admin_json(&["show", "alice"])["state"], "none");
        host.wait_for_log(&["result=changed", "reason=unenroll", "user=alice", "by=self"]);
        assert!(std::path::Path::new("/run/twostep/hooks.due").exists(), "the app password's command is due");
        assert!(host.admin(&["hooks"]).expect_success().stdout.contains('1'));
        let history = done(host, "alice", &["history"], &[]);
        assert!(history.lines().any(|line| line.contains("unenroll") && line.contains("self")), "{history}");
        // And nothing of before is good for anything in the next one.
        let (_, _) = enroll(host, "alice", PASSWORD);
        let answers = [("Password: ", PASSWORD), ("Verification code: ", codes[0].as_str())];
        assert_eq!(twostep(host, "alice", &["backup-codes"], &answers).0, 1);
    });
}

#[test]
fn nobody_turns_two_step_off_whom_the_policy_demands_it_of_or_who_could_become_root() {
    in_box(|host| {
        host.add_user("alice", PASSWORD);
        host.enroll("alice");
        host.command("groupadd", &["staff2"]).expect_success();
        host.command("usermod", &["-aG", "staff2", "alice"]).expect_success();
        let before = host.read("/etc/twostep/config.toml");
        let _broker = host.start_broker();
        let asked = |host: &Host, more: &str| {
            host.write("/etc/twostep/config.toml", &before);
            let_unenroll(host, more);
            // Anyone who is not refused at once is asked whether it is meant.
            let mut console = as_user(host, "alice", "/usr/bin/twostep", &UNENROLL, &[]);
            let asked = console.type_when_asked(CONSENT.0, "no");
            assert_eq!(console.end(), Some(1), "{}", console.shown());
            assert!(asked || console.shown().contains("cannot turn"), "{}", console.shown());
            asked
        };
        let rule = |condition: &str, unenrolled: &str| {
            format!(
                "[[rule]]\nservice = [\"sshd\"]\n{condition}unenrolled = {unenrolled}\nreason = \"x\"\nowner = \"x\"\n"
            )
        };
        assert!(asked(host, ""));
        assert!(!asked(host, &rule("", "\"deny\"")));
        assert!(!asked(host, &rule("", "\"enroll from 2999-01-01\"")));
        assert!(!asked(host, &rule("user = [\"alice\"]\n", "\"enroll\"")));
        assert!(!asked(host, &rule("group = [\"staff2\"]\n", "\"enroll\"")));
        assert!(asked(host, &rule("user = [\"bob\"]\n", "\"enroll\"")));
        assert!(asked(host, &rule("user = [\"alice\"]\n", "\"allow\"")));
        host.command("usermod", &["-aG", "sudo", "alice"]).expect_success();
        assert!(!asked(host, ""), "a member of a protected group");
    });
}
