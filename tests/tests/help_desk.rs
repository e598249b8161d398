//! A help desk helps, without being root and never whom it must not.

use twostep_tests::callers::{as_user, su};
use twostep_tests::own::{done, enroll, last_line, twostep};
use twostep_tests::{Host, Phone, eventually, in_box};

const PASSWORD: &str = "correct horse";
const BOBS: &str = "battery staple";
const CAROLS: &str = "red stapler";

/// A help desk of carol; her backup codes.
fn with_a_help_desk(host: &Host) {
    host.add_user("carol", CAROLS);
    host.command("groupadd", &["helpdesk"]).expect_success();
    host.command("usermod", &["-aG", "helpdesk", "carol"]).expect_success();
    let text = host.read("/etc/twostep/config.toml").replace("#broker.help_desk =", "broker.help_desk =");
    host.write("/etc/twostep/config.toml", &text);
}

#[test]
fn a_help_desk_helps_those_it_may_help() {
    in_box(|host| {
        with_a_help_desk(host);
        for (user, password) in [("alice", PASSWORD), ("bob", BOBS)] {
            host.add_user(user, password);
        }
        host.command("usermod", &["-aG", "sudo", "bob"]).expect_success();
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
        let mut console = su(host, "bob", "alice");
        console.answer("Password: ", PASSWORD);
        console.answer("Verification code: ", &code);
        assert_eq!(console.end(), Some(0), "{}", console.shown());
        host.wait_for_log(&["result=accepted", "reason=bypass-code", "user=alice", "left=0"]);
        // It is used up, and sets up one phone more.
        let mut console = as_user(host, "alice", "/usr/bin/twostep", &["authenticator", "replace"], &[]);
        console.answer("Password: ", PASSWORD);
        console.answer("Verification code: ", &code);
        console.wait_for("secret  ");
        let secret: String = console.wait_for("\n").chars().filter(|c| !c.is_whitespace()).collect();
        let found = Phone::new(&secret).fresh_code();
        console.answer("Code that the authenticator shows: ", &found);
        assert_eq!(console.end(), Some(0), "{}", console.shown());
        host.wait_for_log(&["reason=authenticator-replace", "user=alice", "by=self"]);

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

/// Groups and configuration are looked at again when the helper has proven who she is: that can take minutes.
#[test]
fn what_changes_while_a_helper_types_counts() {
    in_box(|host| {
        with_a_help_desk(host);
        host.add_user("dora", PASSWORD);
        host.enroll("dora");
        let _broker = host.start_broker();
        let (_, codes) = enroll(host, "carol", CAROLS);
        let bypass = ["help-desk", "bypass", "dora", "--reason", "x", "--for", "2h"];
        let text = host.read("/etc/twostep/config.toml");
        let changes: [(&dyn Fn(), &str); 3] = [
            (
                &|| {
                    host.write(
                        "/etc/twostep/config.toml",
                        &text.replace("\nbroker.help_desk =", "\n#broker.help_desk ="),
                    )
                },
                "for the help desk",
            ),
            (
                &|| {
                    host.write("/etc/twostep/config.toml", &text);
                    host.command("usermod", &["-aG", "sudo", "dora"]).expect_success();
                },
                "to an administrator",
            ),
            (
                &|| {
                    host.command("gpasswd", &["-d", "carol", "helpdesk"]).expect_success();
                },
                "for the help desk",
            ),
        ];
        for ((change, told), code) in changes.iter().zip(&codes) {
            // The second case begins where the first one has left off.
            host.write("/etc/twostep/config.toml", &text);
            let mut console = as_user(host, "carol", "/usr/bin/twostep", &bypass, &[]);
            console.answer("Password: ", CAROLS);
            console.wait_for("Verification code: ");
            change();
            console.type_line(code);
            assert_eq!(console.end(), Some(1), "{}", console.shown());
            assert!(console.shown().contains(told), "{}", console.shown());
            // Of no consequence for the next case.
            host.command("gpasswd", &["-d", "dora", "sudo"]);
        }
        let shown = host.admin_json(&["show", "dora"]);
        assert!(shown["bypass_until"].is_null(), "{shown}");
    });
}

/// One uid, two names: a code that is given for the one would be good for the other.
#[test]
fn nobody_is_reached_by_another_name() {
    in_box(|host| {
        with_a_help_desk(host);
        host.add_user("boss", PASSWORD);
        host.command("usermod", &["-aG", "sudo", "boss"]).expect_success();
        let uid = host.uid("boss").to_string();
        host.command("useradd", &["--non-unique", "--uid", &uid, "worker"]).expect_success();
        host.enroll("worker");
        let _broker = host.start_broker();
        enroll(host, "carol", CAROLS);
        for user in ["boss", "worker"] {
            let aid = ["help-desk", "bypass", user, "--reason", "x", "--for", "2h"];
            let (status, shown) = twostep(host, "carol", &aid, &[]);
            assert!(status == 1 && shown.contains("to an administrator"), "{user}: {shown}");
        }
        host.wait_for_log(&["twostepd[", "refused uid=", "help for somebody who is protected"]);

        // The directory that has boss is down.
        host.admin(&["unenroll", "worker", "--yes"]).expect_success();
        host.enroll("boss");
        let passwd = host.read("/etc/passwd");
        let kept: Vec<&str> = passwd.lines().filter(|line| !line.starts_with("boss:")).collect();
        host.write("/etc/passwd", &format!("{}\n", kept.join("\n")));
        let aid = ["help-desk", "bypass", "worker", "--reason", "x", "--for", "2h"];
        let (status, shown) = twostep(host, "carol", &aid, &[]);
        assert!(status == 1 && shown.contains("to an administrator"), "{shown}");
        // Whose code is asked for at prompts is not told that two-step is off.
        let shown = twostep(host, "worker", &["status"], &[]).1;
        assert!(shown.contains("ask your administrator"), "{shown}");
    });
}

/// Forgetting wrong codes is all that it does: the owner is still told of them, and no code that was used can be used again.
#[test]
fn a_help_desks_unlock_forgets_wrong_codes_and_nothing_else() {
    in_box(|host| {
        with_a_help_desk(host);
        host.add_user("alice", PASSWORD);
        host.wire_su_and_sudo();
        let mut phone = host.enroll("alice");
        let _broker = host.start_broker();
        let (_, codes) = enroll(host, "carol", CAROLS);
        let wrong = phone.wrong_code();
        let mut console = su(host, "carol", "alice");
        console.answer("Password: ", PASSWORD);
        console.answer("Verification code: ", &wrong);
        assert_ne!(console.end(), Some(0));
        let answers = [("Password: ", CAROLS), ("Verification code: ", codes[0].as_str())];
        let shown = done(host, "carol", &["help-desk", "unlock", "alice", "--reason", "INC-1"], &answers);
        assert!(shown.contains("1 wrong code"), "{shown}");
        assert_eq!(host.admin_json(&["show", "alice"])["wrong_codes"], 0);
        let mut console = su(host, "carol", "alice");
        console.answer("Password: ", PASSWORD);
        console.answer("Verification code: ", &phone.fresh_code());
        assert_eq!(console.end(), Some(0));
        assert!(console.shown().contains("1 wrong code was entered"), "{}", console.shown());
    });
}

/// A source for groups that takes its time over those it does not know, as a directory does that is far away, while `/run/slow` is there.
const SLOW: &str = r#"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <nss.h>
#include <unistd.h>
enum nss_status _nss_slow_getgrnam_r(const char *name, struct group *group, char *room, size_t length, int *error) {
    while (access("/run/slow", F_OK) == 0) {
        close(open("/run/slow.asked", O_CREAT | O_WRONLY, 0644));
        usleep(100000);
    }
    *error = ENOENT;
    return NSS_STATUS_NOTFOUND;
}
"#;

/// Groups are asked for one after another, and nobody's login waits for that: the store is closed meanwhile.
#[test]
fn a_directory_that_takes_its_time_holds_no_lock() {
    in_box(|host| {
        with_a_help_desk(host);
        host.add_user("alice", PASSWORD);
        host.enroll("alice");
        host.write("/tmp/slow.c", SLOW);
        let folder =
            host.module_path().parent().and_then(std::path::Path::parent).expect("a folder").to_owned();
        let library = folder.join("libnss_slow.so.2").display().to_string();
        host.command("cc", &["-shared", "-fPIC", "-o", &library, "/tmp/slow.c"]).expect_success();
        host.edit("/etc/nsswitch.conf", |line| {
            if line.starts_with("group:") { "group: files slow".to_owned() } else { line.to_owned() }
        });
        let _broker = host.start_broker();
        enroll(host, "carol", CAROLS);
        host.write("/run/slow", "");
        let shown = ["help-desk", "show", "alice", "--reason", "x"];
        let mut console = as_user(host, "carol", "/usr/bin/twostep", &shown, &[]);
        eventually("the directory to be asked", || std::fs::metadata("/run/slow.asked").ok());
        host.admin(&["unlock", "alice"]).expect_success();
        assert!(done(host, "alice", &["status"], &[]).contains("Two-step verification is on."));
        std::fs::remove_file("/run/slow").expect("remove a file");
        console.wait_for("Password: ");
    });
}

/// What `check` says of a host's sudoers, by the sudo that the host has: message and remedy.
fn grants(host: &Host) -> Vec<(String, String)> {
    let checked = host.admin(&["--json", "check"]).stdout;
    let checked: serde_json::Value = serde_json::from_str(&checked).expect("JSON");
    let findings = checked["findings"].as_array().expect("findings");
    let told = findings.iter().filter(|found| found["id"] == "sudoers-grant-unprotected");
    let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    told.map(|found| (text(&found["message"]), text(&found["remedy"]))).collect()
}

fn sudoers(host: &Host, text: &str) {
    host.write("/etc/sudoers.d/local", text);
    host.set_mode("/etc/sudoers.d/local", 0o440);
}

#[test]
fn whom_sudoers_grants_more_than_the_help_desk_has_is_named_by_check() {
    in_box(|host| {
        for user in ["alice", "bob", "dave", "erin"] {
            host.add_user(user, PASSWORD);
        }
        for group in ["ops", "dba", "oncall", "more"] {
            host.command("groupadd", &[group]).expect_success();
        }
        let gid = host.command("getent", &["group", "dba"]).expect_success().stdout;
        let gid = gid.split(':').nth(2).expect("a gid").to_owned();
        host.command("usermod", &["-aG", "sudo", "erin"]).expect_success();
        let text = format!(
            "# %comment ALL=(ALL) ALL\nDefaults:alice !lecture\nUser_Alias ADMINS = bob, \\\n  %oncall, !alice\n\
             %ops ALL=(ALL) ALL\nADMINS ALL=(root) /usr/bin/apt\n%#{gid} ALL=(postgres) NOPASSWD: /usr/bin/psql\n\
             #{} otherhost=ALL\n+admins ALL=ALL\nerin ALL=ALL\nnobody-here ALL=ALL\n%no-such-group ALL=ALL\nalice ALL=(ALL) !ALL\n\
             %helpdesk ALL=ALL\n@include /etc/more\n",
            host.uid("dave")
        );
        sudoers(host, &text);
        host.write("/etc/more", "%more ALL=ALL\n");
        host.set_mode("/etc/more", 0o440);
        // Where there is no help desk, there is nobody to be protected from it.
        assert_eq!(grants(host), []);

        with_a_help_desk(host);
        let told = grants(host);
        let named = |who: &str| told.iter().any(|(message, _)| message.starts_with(&format!("{who} ")));
        for who in ["%ops", "bob", "%oncall", "%dba", "dave", "+admins", "%more"] {
            assert!(named(who), "{who}: {told:#?}");
        }
        // Root and sudo are the host's own; erin is in sudo.
        assert_eq!(told.len(), 7, "{told:#?}");

        // Of groups the remedy is the line itself.
        let remedy = told.iter().find_map(|(message, remedy)| message.starts_with("%ops ").then_some(remedy));
        let (_, line) = remedy.and_then(|remedy| remedy.split_once("protected = ")).expect("a line");
        let line = &line[..=line.find(']').expect("the end of a list")];
        host.edit("/etc/twostep/config.toml", |text| {
            text.replace("#broker.protected =", &format!("broker.protected = {line}\n#"))
        });
        let told = grants(host);
        assert_eq!(told.len(), 3, "{line}: {told:#?}");
        assert!(told.iter().all(|(message, _)| !message.contains('%')), "{told:#?}");
        assert!(!host.admin(&["check"]).stdout.contains("protected-group-unknown"));

        // What cannot be read is not called fine.
        for broken in ["%ops ALL=((\n", "NO_SUCH_ALIAS ALL=ALL\n"] {
            sudoers(host, broken);
            let told = host.admin(&["check"]).stdout;
            assert!(told.contains("sudoers-not-looked-at"), "{broken}: {told}");
        }
        sudoers(host, "%ops ALL=(ALL) ALL\n");
        host.command("mv", &["/usr/bin/cvtsudoers", "/root"]).expect_success();
        let told = host.admin(&["check"]).stdout;
        assert!(told.contains("cvtsudoers") && told.contains("sudoers-not-looked-at"), "{told}");
    });
}
