//! Many people behind one translator, one relay or one service: a thief of bob's password is one of them.

use std::path::Path;

use twostep_tests::pam::{Code, Item, Stacks};
use twostep_tests::{Console, Host, Phone, child, in_box};

const PASSWORD: &str = "correct horse";
/// Two lines of ours, as behind a right password.
const STACK: &str = "auth required pam_twostep.so\nauth optional pam_permit.so\n\
                     account required pam_twostep.so\naccount optional pam_permit.so";

/// What a login comes with.
#[derive(Clone, Copy, Debug)]
struct From<'a> {
    service: &'a str,
    rhost: Option<&'a str>,
    tty: Option<&'a str>,
}

fn ssh(rhost: &str) -> From<'_> {
    From { service: "sshd", rhost: Some(rhost), tty: Some("ssh") }
}

fn at<'a>(service: &'a str, tty: Option<&'a str>) -> From<'a> {
    From { service, rhost: None, tty }
}

/// Signs in with `answer` to everything; the codes of both phases and what was shown.
fn sign_in(from: From<'_>, user: &str, answer: &str) -> (Code, Code, String) {
    let stacks = Stacks::new().file(from.service, STACK);
    let mut pam = stacks.start_answering(from.service, user, answer);
    for (item, value) in [(Item::Rhost, from.rhost), (Item::Tty, from.tty)] {
        if let Some(value) = value {
            pam.set_item(item, value);
        }
    }
    let (auth, account) = (pam.authenticate(0), pam.acct_mgmt(0));
    let shown = pam.heard().join("\n").replace("\\n", "\n");
    pam.end();
    (auth, account, shown)
}

/// The secret that bob is shown when he is to enroll, and leaves it.
#[track_caller]
fn secret(from: From<'_>) -> String {
    child::run(|| {
        let (_, _, shown) = sign_in(from, "bob", "");
        format!("{:?}", Phone::typed_from(&shown))
    })
}

/// What the log says of a wrong code of alice's from there.
#[track_caller]
fn guess(host: &Host, phone: &Phone, from: From<'_>) -> String {
    let before = host.log_lines().len();
    let wrong = phone.wrong_code();
    child::run(|| format!("{:?}", sign_in(from, "alice", &wrong).0));
    let lines = host.log_lines();
    let told = lines[before..].iter().find(|line| line.value("result") == Some("refused"));
    told.and_then(|line| line.value("reason")).unwrap_or_default().to_owned()
}

fn must_enroll(host: &Host) {
    host.configure("[interactive]\nunenrolled = \"enroll\"\n");
    host.add_user("bob", PASSWORD);
}

/// Two addresses of one network that each embed another IPv4 address: thief's and owner's.
const EMBEDDING: [(&str, &str, &str); 4] = [
    ("NAT64", "64:ff9b::c612:1", "64:ff9b::c612:2"),
    // 2001:0:SERVER:FLAGS:PORT:ADDRESS, port and address inverted.
    ("Teredo", "2001:0:c612:909:0:1234:39ed:fffe", "2001:0:c612:909:0:1234:39ed:fffd"),
    ("local NAT64", "64:ff9b:1:c612:0:100::", "64:ff9b:1:c612:0:200::"),
    ("SIIT", "::ffff:0:c612:1", "::ffff:0:c612:2"),
];

#[test]
fn behind_one_translator_a_thief_does_not_see_the_owners_secret() {
    in_box(|host| {
        must_enroll(host);
        for (what, thief, owner) in EMBEDDING {
            assert_ne!(secret(ssh(thief)), secret(ssh(owner)), "{what}");
        }
        // An address that is somebody's shows the same one twice: so does one that is embedded.
        for own in ["198.18.0.2", "64:ff9b::c612:2", "2002:c612:2::1"] {
            assert_eq!(secret(ssh(own)), secret(ssh("198.18.0.2")), "{own}");
        }
        // One that embeds nobody's address is nobody's.
        for nobodys in ["64:ff9b::7f00:1", "64:ff9b::a9fe:1", "2002:a00:1::1", "fec0::1", "::7f00:1"] {
            assert_ne!(secret(ssh(nobodys)), secret(ssh(nobodys)), "{nobodys}");
        }
        // Whose a translator's prefix is says its operator.
        let (thief, owner) = ("2001:db8:64::c612:1", "2001:db8:64::c612:2");
        assert_eq!(secret(ssh(thief)), secret(ssh(owner)), "one /64");
        host.configure(
            "[interactive]\nunenrolled = \"enroll\"\n[places]\nnat64_prefixes = [\"2001:db8:64::/96\"]\n",
        );
        assert_ne!(secret(ssh(thief)), secret(ssh(owner)));
    });
}

/// What is no address and no terminal is everybody's who uses the service.
#[test]
fn a_terminal_that_is_only_said_shows_a_fresh_secret_each_time() {
    in_box(|host| {
        must_enroll(host);
        for tty in ["web", ":0", "xrdp-sesman", "pts/0", "/dev/pts/0", "tty", "tty1", "console", "../null"] {
            let from = at("web", Some(tty));
            assert_ne!(secret(from), secret(from), "{tty}");
        }
        assert_ne!(secret(at("web", None)), secret(at("web", None)));
    });
}

#[test]
fn a_guesser_behind_a_translator_makes_only_himself_wait() {
    in_box(|host| {
        host.add_user("alice", PASSWORD);
        let phone = host.enroll("alice");
        for (what, thief, owner) in EMBEDDING {
            for _ in 0..5 {
                assert_eq!(guess(host, &phone, ssh(thief)), "code-wrong", "{what}");
            }
            assert_eq!(guess(host, &phone, ssh(thief)), "throttled", "{what}");
            assert_eq!(guess(host, &phone, ssh(owner)), "code-wrong", "{what}");
            host.admin(&["unlock", "alice"]).expect_success();
        }
        // Every address that his one IPv4 address gives him is his.
        let his = ["64:ff9b::c612:9", "2002:c612:9::1", "2002:c612:9:ffff::7", "198.18.0.9"];
        for from in his.iter().chain(&["2001:0:c612:909:8000:1:39ed:fff6"]) {
            assert_eq!(guess(host, &phone, ssh(from)), "code-wrong", "{from}");
        }
        for from in his.iter().chain(&["2001:0:c612:a0a:0:2:39ed:fff6"]) {
            assert_eq!(guess(host, &phone, ssh(from)), "throttled", "{from}");
        }
        // A firewall blocks what comes in.
        host.wait_for_log(&["result=refused", "reason=throttled", "user=alice", "from=64:ff9b::c612:9 "]);
    });
}

/// Ninety wrong codes, eighteen addresses of one /96; then the owner, who has been there before, from another.
#[test]
fn the_owner_behind_a_translator_is_known_and_a_guesser_beside_is_not() {
    in_box(|host| {
        host.add_user("alice", PASSWORD);
        let mut phone = host.enroll("alice");
        let owner = ssh("64:ff9b::c612:fff");
        let code = phone.fresh_code();
        let first = child::run(|| format!("{:?}", sign_in(owner, "alice", &code).1));
        assert_eq!(first, format!("{:?}", Code::SUCCESS));
        for n in 0..18 {
            for _ in 0..5 {
                assert_eq!(guess(host, &phone, ssh(&format!("64:ff9b::c612:{:x}", n + 1))), "code-wrong");
            }
        }
        assert_eq!(guess(host, &phone, ssh("64:ff9b::c612:99")), "capped");
        assert_eq!(guess(host, &phone, owner), "code-wrong");
        let code = phone.fresh_code();
        let again = child::run(|| format!("{:?}", sign_in(owner, "alice", &code).1));
        assert_eq!(again, format!("{:?}", Code::SUCCESS));
        // Her right code has cleared nothing of his.
        assert_eq!(guess(host, &phone, ssh("64:ff9b::c612:1")), "capped");
    });
}

#[test]
fn guesses_through_one_service_make_nobody_wait_at_another() {
    in_box(|host| {
        host.wire_login();
        host.add_user("alice", PASSWORD);
        let mut phone = host.enroll("alice");
        let remote = at("xrdp-sesman", Some("xrdp-sesman"));
        for _ in 0..5 {
            assert_eq!(guess(host, &phone, remote), "code-wrong");
        }
        assert_eq!(guess(host, &phone, remote), "throttled");
        assert_eq!(guess(host, &phone, at("web", None)), "code-wrong");
        assert_eq!(guess(host, &phone, at("gdm-password", Some(":0"))), "code-wrong");

        let mut console = Console::login();
        console.answer("login: ", "alice");
        console.answer("Password: ", PASSWORD);
        console.answer("Verification code: ", &phone.fresh_code());
        console.wait_for("$ ");
        // What was not proved clears nothing of what came from elsewhere.
        assert_eq!(guess(host, &phone, remote), "throttled");
    });
}

/// A virtual console that the process has as its controlling terminal, as getty and login have it.
#[test]
fn a_virtual_console_is_a_place_where_it_is_the_processs_own() {
    in_box(|host| {
        must_enroll(host);
        host.add_user("alice", PASSWORD);
        let phone = host.enroll("alice");
        for number in [40, 41] {
            twostep_tests::process::make_console(number);
        }
        let there = |tty: &str| {
            child::run(|| {
                twostep_tests::process::sit_at(Path::new("/dev/tty40"));
                let (_, _, shown) = sign_in(at("login", Some(tty)), "bob", "");
                format!("{:?}", Phone::typed_from(&shown))
            })
        };
        assert_eq!(there("tty40"), there("/dev/tty40"));
        // Another one is only said, and so is this one by whoever is not there.
        assert_ne!(there("tty41"), there("tty41"));
        let said = at("login", Some("tty40"));
        assert_ne!(secret(said), secret(said));

        let exempt = "[[rule]]\ntty = \"tty40\"\ndemand = \"nothing\"\n";
        host.configure(exempt);
        assert_eq!(guess(host, &phone, said), "code-wrong", "an exemption for whoever says so");
        let inside = child::run(|| {
            twostep_tests::process::sit_at(Path::new("/dev/tty40"));
            format!("{:?}", sign_in(said, "alice", "").0)
        });
        assert_eq!(inside, format!("{:?}", Code::SUCCESS));
        let line = host.wait_for_log(&["result=ignored", "reason=exempt"]);
        assert_eq!(line.value("from"), Some("local"), "{line}");
    });
}

/// Whoever holds an IPv4 address has addresses of IPv6 by it: none of these is in the networks of a rule that lets somebody in.
#[test]
fn a_rule_by_network_does_not_loosen_by_an_embedded_address() {
    in_box(|host| {
        host.add_user("alice", PASSWORD);
        let phone = host.enroll("alice");
        host.configure("[[rule]]\nfrom = \"198.18.0.0/16\"\ndemand = \"nothing\"\n");
        let enters = |from: From<'_>| child::run(|| format!("{:?}", sign_in(from, "alice", "").0));
        assert_eq!(enters(ssh("198.18.0.1")), format!("{:?}", Code::SUCCESS));
        for embedding in ["64:ff9b::c612:1", "2002:c612:1::1", "2001:0:1:2:0:1234:39ed:fffe"] {
            assert_eq!(guess(host, &phone, ssh(embedding)), "code-wrong", "{embedding}");
            host.admin(&["unlock", "alice"]).expect_success();
        }
        host.configure("[[rule]]\nfrom = \"198.18.0.0/16\"\ndemand = \"deny\"\n");
        for embedding in ["198.18.0.1", "64:ff9b::c612:1", "2002:c612:1::1"] {
            assert_eq!(guess(host, &phone, ssh(embedding)), "denied-by-rule", "{embedding}");
        }
    });
}
