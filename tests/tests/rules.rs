//! `[[rule]]`, with real services.

use std::fs;

use twostep_tests::callers::su;
use twostep_tests::pam::{Code, Item, Stacks};
use twostep_tests::{Console, Host, Phone, Ssh, in_box};

const PASSWORD: &str = "correct horse";
const BOBS: &str = "battery staple";

fn people(host: &Host) -> Phone {
    host.add_user("alice", PASSWORD);
    host.add_user("bob", BOBS);
    host.enroll("alice")
}

/// One service that an administrator can get in by, with the store, the key and the broker gone.
#[test]
fn a_break_glass_service_works_with_the_store_gone() {
    in_box(|host| {
        host.configure(
            "[[rule]]\nservice = \"login\"\nuser = \"alice\"\ndemand = \"nothing\"\nreason = \"break glass\"\nowner = \"ops\"\n\
             [[rule]]\nservice = \"su\"\nuser = [\"alice\"]\ndemand = \"nothing\"\n",
        );
        people(host);
        host.wire_login();
        host.wire_su_and_sudo();
        host.wire_sshd();
        host.start_sshd("");
        fs::remove_dir_all("/var/lib/twostep").expect("the store was there");
        fs::remove_file("/etc/twostep/master.key").expect("the key was there");

        let mut console = Console::login();
        console.answer("login: ", "alice");
        console.answer("Password: ", PASSWORD);
        console.wait_for("$ ");
        let line = host.wait_for_log(&["result=ignored", "reason=exempt", "user=alice", "service=login"]);
        assert_eq!(line.value("rule"), Some("4"));
        // su asks twostepd for everything else; that it is not there does not matter here.
        let mut console = su(host, "bob", "alice");
        console.answer("Password: ", PASSWORD);
        assert_eq!(console.end(), Some(0), "{}", console.shown());
        let mut console = su(host, "alice", "bob");
        console.answer("Password: ", BOBS);
        assert_ne!(console.end(), Some(0), "{}", console.shown());
        assert!(!Ssh::to("alice").answers(&[PASSWORD]).run("true").success);
        host.wait_for_log(&["result=unavailable", "reason=store", "service=sshd"]);
    });
}

#[test]
fn rules_go_by_address_group_and_day_and_the_first_one_decides() {
    in_box(|host| {
        let mut phone = people(host);
        host.command("groupadd", &["robots"]).expect_success();
        host.command("gpasswd", &["-a", "alice", "robots"]).expect_success();
        host.wire_sshd();
        host.start_sshd("");
        let mut signs_in = |rules: &str, with_code: bool| {
            host.configure(rules);
            let code = if with_code { Some(phone.fresh_code()) } else { None };
            let answers: Vec<&str> = [PASSWORD].into_iter().chain(code.as_deref()).collect();
            Ssh::to("alice").answers(&answers).run("true").success
        };
        assert!(signs_in(
            "[[rule]]\ngroup = \"robots\"\nfrom = \"127.0.0.0/8\"\ndemand = \"nothing\"\nuntil = 2099-12-31\n",
            false
        ));
        assert!(signs_in(
            "[[rule]]\ngroup = \"robots\"\nfrom = \"10.0.0.0/8\"\ndemand = \"nothing\"\n",
            true
        ));
        assert!(signs_in("[[rule]]\ngroup = \"robots\"\ndemand = \"nothing\"\nuntil = 2026-01-31\n", true));
        assert!(signs_in("[[rule]]\nservice = \"ssh*\"\ntty = \"ssh\"\ndemand = \"nothing\"\n", false));
        let deny = "[[rule]]\nuser = \"alice\"\ndemand = \"deny\"\n";
        assert!(!signs_in(&format!("{deny}[[rule]]\ngroup = \"robots\"\ndemand = \"nothing\"\n"), false));
        host.wait_for_log(&["result=refused", "reason=denied-by-rule", "user=alice", "rule=3"]);
        let explained = host.admin(&["explain", "alice", "sshd", "--from", "127.0.0.1"]).stdout;
        assert!(
            explained.contains("/etc/twostep/config.toml:1\n")
                && explained.contains("/etc/twostep/config.toml:3\n"),
            "{explained}"
        );
    });
}

#[test]
fn a_rule_refuses_the_unenrolled_on_one_service_and_from_a_day_on() {
    in_box(|host| {
        people(host);
        host.wire_sshd();
        host.start_sshd("");
        host.configure("[[rule]]\nservice = \"sshd\"\nunenrolled = \"deny from 2099-01-01\"\n");
        let attempt = Ssh::to("bob").answers(&[BOBS]).run("true");
        assert!(attempt.success, "{attempt:#?}");
        assert!(attempt.stderr.contains("will be needed here from 2099-01-01 on ("), "{attempt:#?}");
        host.configure("[[rule]]\nservice = \"sshd\"\nunenrolled = \"deny from 2026-02-01\"\n");
        assert!(!Ssh::to("bob").answers(&[BOBS]).run("true").success);
        host.wait_for_log(&["result=refused", "reason=not-enrolled", "user=bob"]);
    });
}

/// sshd is `interactive` everywhere, but for one user it takes an app password; and a code behind `app` would stand for the password.
#[test]
fn a_rule_at_odds_with_the_line_lets_nobody_in() {
    in_box(|host| {
        let mut phone = people(host);
        host.configure("[[rule]]\nservice = \"imap\"\ndemand = \"code\"\n");
        let stacks = Stacks::new().file(
            "imap",
            "auth [success=done ignore=ignore default=die] pam_twostep.so app\nauth required pam_deny.so\n\
             account required pam_permit.so",
        );
        for answer in [phone.fresh_code(), PASSWORD.to_owned()] {
            let mut pam = stacks.start_answering("imap", "alice", &answer);
            pam.set_item(Item::Rhost, "127.0.0.1");
            assert_eq!(pam.authenticate(0), Code::AUTHINFO_UNAVAIL);
            pam.end();
        }
        host.wait_for_log(&["result=unavailable", "reason=rule-at-odds", "service=imap", "rule=3"]);
    });
}

/// Nobody is refused for how large an entry is, and nobody found in one by another name than the gid's.
#[test]
fn groups_and_lists_of_groups_are_of_any_size() {
    in_box(|host| {
        people(host);
        host.add_user("carol", BOBS);
        let names: Vec<String> = (0..120_000).map(|number| format!("m{number:06}")).collect();
        let mut text = host.read("/etc/group");
        text += &format!("crowd:x:70000:{},bob\n", names.join(","));
        text += &format!("others:x:70001:{}\n", names.join(","));
        // Who is of the second group of a name is not of the first one.
        text += "twice:x:70002:\ntwice:x:70003:bob\n";
        text.extend((0..3_000).map(|number| format!("g{number}:x:{}:bob\n", 100_000 + number)));
        host.write("/etc/group", &text);
        let stacks = Stacks::new().file("sshd", "auth required pam_twostep.so\nauth optional pam_permit.so");
        let authenticate = |user: &str, reply: &str| {
            let mut pam = stacks.start_answering("sshd", user, reply);
            let code = pam.authenticate(0);
            pam.end();
            code
        };
        let deny =
            |group: &str| host.configure(&format!("[[rule]]\ngroup = \"{group}\"\ndemand = \"deny\"\n"));
        for (group, bobs) in [
            ("crowd", Code::AUTH_ERR),
            ("others", Code::SUCCESS),
            ("g2999", Code::AUTH_ERR),
            ("twice", Code::SUCCESS),
        ] {
            deny(group);
            assert_eq!(authenticate("bob", ""), bobs, "{group}");
            assert_eq!(authenticate("carol", ""), Code::SUCCESS, "{group}");
        }
        host.wait_for_log(&["result=refused", "reason=denied-by-rule", "user=bob"]);
        deny("crwod");
        assert_eq!(authenticate("bob", ""), Code::AUTH_ERR, "a misspelt group");
        let check = host.admin(&["check"]).stdout;
        assert!(check.contains("error: /etc/twostep/config.toml:1: names the group crwod"), "{check}");
    });
}
