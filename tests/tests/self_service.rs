//! Users without any privilege look after their own second factor with `twostep`, and a help desk helps them.

use twostep_tests::callers::as_user;
use twostep_tests::{Console, Host, Imap, Phone, in_box};

const PASSWORD: &str = "correct horse";
const BOBS: &str = "battery staple";
const CAROLS: &str = "red stapler";

/// Runs `twostep` as a user on a terminal, gives these answers to these prompts, and returns the exit status and all it showed.
#[track_caller]
fn twostep(host: &Host, user: &str, arguments: &[&str], answers: &[(&str, &str)]) -> (i32, String) {
    let mut console = as_user(host, user, "/usr/bin/twostep", arguments, &[]);
    for (prompt, answer) in answers {
        console.answer(prompt, answer);
    }
    let status = console.end();
    (status.unwrap_or(-1), console.shown().replace('\r', ""))
}

/// Like [`twostep`], which must succeed.
#[track_caller]
fn done(host: &Host, user: &str, arguments: &[&str], answers: &[(&str, &str)]) -> String {
    let (status, shown) = twostep(host, user, arguments, answers);
    assert_eq!(status, 0, "{arguments:?}: {shown}");
    shown
}

/// Enrolls a user by her own hand; her phone, and her backup codes.
#[track_caller]
fn enroll(host: &Host, user: &str, password: &str) -> (Phone, Vec<String>) {
    let mut console = as_user(host, user, "/usr/bin/twostep", &["enroll", "--no-qr"], &[]);
    console.answer("Password: ", password);
    console.wait_for("secret  ");
    let secret: String = console.wait_for("\n").chars().filter(|c| !c.is_whitespace()).collect();
    let mut phone = Phone::new(&secret);
    console.answer("Code that the authenticator shows: ", &phone.wrong_code());
    console.wait_for("2 more tries");
    console.answer("Code that the authenticator shows: ", &phone.fresh_code());
    console.wait_for("Two-step verification is on.");
    finish(console, phone)
}

fn finish(mut console: Console, phone: Phone) -> (Phone, Vec<String>) {
    assert_eq!(console.end(), Some(0), "{}", console.shown());
    let shown = console.shown().replace('\r', "");
    let codes = shown.rsplit("not shown again:").next().unwrap_or_default().split_whitespace();
    let codes: Vec<String> = codes.map(str::to_owned).collect();
    assert_eq!(codes.len(), 10, "{shown}");
    (phone, codes)
}

/// The last line that has anything on it.
fn last_line(shown: &str) -> &str {
    shown.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim()
}

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

#[test]
fn without_the_line_that_asks_for_a_code_nothing_is_changed_for_anybody() {
    in_box(|host| {
        host.add_user("alice", PASSWORD);
        let _broker = host.start_broker();
        let stack = host.read("/etc/pam.d/twostep");
        for (text, told) in [
            (stack.replace("auth     required  pam_twostep.so", "#"), "has no line"),
            (
                stack.replace("auth     required  pam_twostep.so", "auth optional pam_twostep.so"),
                "has no line",
            ),
        ] {
            host.write("/etc/pam.d/twostep", &text);
            let (status, shown) = twostep(host, "alice", &["enroll"], &[]);
            assert!(status == 3 && shown.contains("Please tell your administrator"), "{shown}");
            host.wait_for_log(&["twostepd[", told, "/etc/pam.d/twostep"]);
        }
        std::fs::remove_file("/etc/pam.d/twostep").expect("remove a file");
        assert_eq!(twostep(host, "alice", &["enroll"], &[]).0, 3);
        host.wait_for_log(&["twostepd[", "there is no /etc/pam.d/twostep"]);
    });
}

#[test]
fn where_policy_denies_it_nobody_enrolls_herself() {
    in_box(|host| {
        host.add_user("alice", PASSWORD);
        let text = host.read("/etc/twostep/config.toml").replace("#enroll = \"allow\"", "enroll = \"deny\"");
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
fn a_help_desk_helps_those_it_may_help() {
    in_box(|host| {
        for (user, password) in [("alice", PASSWORD), ("bob", BOBS), ("carol", CAROLS)] {
            host.add_user(user, password);
        }
        host.command("groupadd", &["helpdesk"]).expect_success();
        host.command("usermod", &["-aG", "helpdesk", "carol"]).expect_success();
        host.command("usermod", &["-aG", "sudo", "bob"]).expect_success();
        let text = host.read("/etc/twostep/config.toml").replace("#help_desk =", "help_desk =");
        host.write("/etc/twostep/config.toml", &text);
        let _broker = host.start_broker();
        let mut alices = host.enroll("alice");
        host.enroll("bob");
        host.wire_su_and_sudo();

        // Who is not enrolled herself does not help anybody.
        let bypass = ["help-desk", "bypass", "alice", "--reason", "INC-7: phone lost", "--for", "2h"];
        let (status, shown) = twostep(host, "carol", &bypass, &[]);
        assert!(status == 1 && shown.contains("not on for you"), "{shown}");
        let (_, codes) = enroll(host, "carol", CAROLS);
        let mut codes = codes.iter();
        let mut proof =
            || [("Password: ", CAROLS), ("Verification code: ", codes.next().expect("a code").as_str())];

        let shown = done(host, "carol", &bypass, &proof());
        let code = last_line(&shown).to_owned();
        let mut console = twostep_tests::callers::su(host, "bob", "alice");
        console.answer("Password: ", PASSWORD);
        console.answer("Verification code: ", &code);
        assert_eq!(console.end(), Some(0), "{}", console.shown());
        host.wait_for_log(&["result=accepted", "reason=bypass-code", "user=alice", "left=0"]);

        done(host, "carol", &["help-desk", "unlock", "alice", "--reason", "INC-8"], &proof());
        let shown = done(host, "carol", &["help-desk", "show", "alice", "--reason", "INC-9"], &proof());
        assert!(shown.contains("Two-step verification is on."), "{shown}");
        let history = host.admin(&["history", "alice"]).expect_success().stdout;
        for (action, why) in [("show", "INC-9"), ("unlock", "INC-8"), ("bypass", "INC-7: phone lost")] {
            let found = history.lines().any(|line| line.contains(action) && line.contains(why));
            assert!(found && history.contains("help-desk:carol"), "{action}: {history}");
        }
        host.wait_for_log(&["reason=bypass", "user=alice", "by=help-desk:carol", "INC-7"]);

        // Whoever could do more, and oneself, are not helped; nobody else helps.
        for user in ["bob", "root", "carol"] {
            let aid = ["help-desk", "bypass", user, "--reason", "x", "--for", "2h"];
            let (status, shown) = twostep(host, "carol", &aid, &[]);
            assert!(status == 1 && shown.contains("to an administrator"), "{user}: {shown}");
        }
        let aid = ["help-desk", "show", "carol", "--reason", "x"];
        let (status, shown) = twostep(host, "alice", &aid, &[]);
        assert!(status == 1 && shown.contains("for the help desk"), "{shown}");
        assert!(alices.fresh_code().len() == 6);
    });
}

#[test]
fn commands_of_the_administrators_are_run_after_changes() {
    in_box(|host| {
        host.add_user("alice", PASSWORD);
        host.write("/usr/local/sbin/note", "#!/bin/sh\necho \"$@\" >> /var/log/noted\n");
        host.set_mode("/usr/local/sbin/note", 0o755);
        let text = host.read("/etc/twostep/config.toml").replace(
            "[self_service]",
            "on_create = [\"/usr/local/sbin/note\", \"{event}\", \"{user}\", \"name={name}\"]\n\
             on_revoke = [\"/usr/local/sbin/note\", \"{event}\", \"{user}\", \"name={name}\"]\n[self_service]",
        );
        host.write("/etc/twostep/config.toml", &text);
        let _broker = host.start_broker();
        let (_, codes) = enroll(host, "alice", PASSWORD);
        let answers = [("Password: ", PASSWORD), ("Verification code: ", codes[0].as_str())];
        done(host, "alice", &["app-password", "add", "--", "-x $(reboot)"], &answers);
        // The broker runs nothing; it says that something is due.
        assert!(std::path::Path::new("/run/twostep/hooks.due").exists());
        assert!(!std::path::Path::new("/var/log/noted").exists());
        host.admin(&["hooks"]).expect_success();
        assert_eq!(host.read("/var/log/noted"), "create alice name=-x $(reboot)\n");
        assert!(!std::path::Path::new("/run/twostep/hooks.due").exists());
        // The administrator's own command runs them at once.
        host.admin(&["app-password", "revoke", "alice", "--all", "--yes"]).expect_success();
        assert!(host.read("/var/log/noted").ends_with("revoke alice name=-x $(reboot)\n"));
        // One that fails is tried again, five times in all.
        host.set_mode("/usr/local/sbin/note", 0o644);
        host.add_app_password("alice", "mail");
        for _ in 0..5 {
            host.admin(&["hooks"]);
        }
        host.wait_for_log(&["twostep-admin[", "on_create for user=alice failed, given up"]);
        assert!(host.admin(&["hooks"]).stdout.contains("nothing is due"));
    });
}
