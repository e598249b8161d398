//! Names that NSS does not know, on app services. A server or directory behind us may take them for somebody who is enrolled.

use super::*;

/// Spellings of alice that some server, directory or collation folds, splits or trims to `alice`.
const OF_ALICE: &[&str] = &[
    "ALICE",
    " alice",
    "alice ",
    // Letters that are compatible with hers (NFKC), accents, and what is ignored in comparisons.
    "ａｌｉｃｅ",
    "ＡＬＩＣＥ",
    "ⓐlice",
    "aliᶜe",
    "álice",
    "a\u{301}lice",
    "alice\u{200b}",
    "\u{feff}alice",
    "al\u{ad}ice",
    "\u{202e}ecila\u{202c}",
    "alice\u{2060}",
    "alice\u{fffd}",
    "аlice",
    "alıce",
    "alice＠example.org",
    "alice\u{a0}",
    "al ice",
    // Domains before and behind.
    "alice@example.org",
    "alice@",
    "alice@example.org.",
    "alice@b@c",
    "alice%example.org",
    "alice%example.org@relay",
    "EXAMPLE\\alice",
    "example.org\\alice",
    "EXAMPLE/alice",
    "EXAMPLE+alice",
    "EXAMPLE\\ALICE@host",
    "\\alice",
    "alice!host",
    "host!alice",
    "bang!host!alice",
    "other@host!alice",
    // What is put behind a name.
    "alice+tag",
    "alice+tag@example.org",
    "alice/resource",
    "alice@example.org/resource",
    "alice.",
    ".alice",
    "alice.@example.org",
    "'alice'",
    "'alice'@example.org",
    // Escapes of addresses and directories.
    "al\\ice",
    "\\61lice",
    "al%69c%65",
    "alice%40example.org",
    "alice%00",
    // Distinguished names, filters, master users, lists.
    "alice,ou=people",
    "cn=alice,dc=example,dc=org",
    "uid=alice",
    "alice*master",
    "alice*",
    "*",
    "ali*",
    "a?ice",
    "al_ce*",
    "alice)(uid=*",
    "(alice)",
    "\"alice\"",
    "\"alice\"@example.org",
    "<alice@example.org>",
    "alice;x",
    "alice#x",
    "alice\\2a",
    "alice\\20",
    "alice&",
    "alice|",
    "alice$",
    "alice~x",
    "alice`",
    "{alice}",
    "[alice]",
    "alice^",
    "alice:x",
    "alice=x",
    // More separators than any name has.
    "a@b%c!d/alice+e",
];

fn does_not_go_on(host: &mut Host, name: &str) {
    for sent in ["hunter2", "abcdefghijklmnop"] {
        let ending = host.by_imap(name, sent);
        assert!(matches!(ending, Ending::UserUnknown | Ending::Refuse), "{name:?}: {ending:?}");
        assert!(!host.last_line().contains("user="), "{}", host.last_line());
    }
}

#[test]
fn no_spelling_of_an_enrolled_user_goes_on_to_the_modules_behind() {
    let mut host = Host::with(State::Active);
    for name in OF_ALICE {
        does_not_go_on(&mut host, name);
    }
}

#[test]
fn nor_does_one_where_virtual_users_and_domain_rules_are_on() {
    for domains in ["\"keep\"", "\"strip\"", "[\"example.org\"]"] {
        let mut host = Host::with(State::Active);
        host.configure(&format!("[app]\nvirtual_users = true\ndomains = {domains}\n"));
        host.policy.argon2id.cost = CHEAP;
        for name in OF_ALICE {
            // What the rule makes alice is alice, and needs her app password.
            assert!(!matches!(host.by_imap(name, "hunter2"), Ending::Ignore(_)), "{domains} {name:?}");
        }
        for name in ["bob@host!alice", "bob*x@example.org", "bob+alice@example.org", "bob@ｅxample.com"] {
            assert!(!matches!(host.by_imap(name, "hunter2"), Ending::Ignore(_)), "{domains} {name:?}");
        }
    }
}

#[test]
fn a_plain_name_that_is_nobodys_goes_on() {
    let mut host = Host::with(State::Active);
    for name in [
        "dave",
        " dave ",
        "Dave",
        "dave@example.org",
        "dave@alice",
        "dave.smith_2@example-mail.org",
        "d.o'brien@example.org",
        "dave+news@example.org",
        "EXAMPLE\\dave",
        "EXAMPLE\\bob",
        "bob@example.org",
        "dave%example.org",
        "alice-work",
        "mal.ice",
    ] {
        assert!(matches!(host.by_imap(name, "hunter2"), Ending::Ignore(_)), "{name:?}");
        assert!(!host.last_line().contains("user="), "{}", host.last_line());
    }
}

#[test]
fn a_name_with_capital_letters_or_a_domain_is_not_dodged_without_them() {
    for (enrolled_as, spellings) in [
        ("Alice", &["ALICE", "alice", "alice@host", "host\\aLice"] as &[_]),
        (
            "EXAMPLE\\alice",
            &["alice", "example\\Alice", "EXAMPLE/alice", "alice@example.org", "EXAMPLE+alice"],
        ),
        (
            "alice@example.org",
            &["alice", "ALICE@Example.ORG", "alice%example.org", "alice+x@example.org", "example.org!alice"],
        ),
    ] {
        let mut host = Host::with(State::Active);
        host.people.0.clear();
        host.shelf.enrollments[0].user = UserName::parse(enrolled_as).unwrap();
        for name in spellings {
            does_not_go_on(&mut host, name);
        }
        assert!(matches!(host.by_imap("dave", "hunter2"), Ending::Ignore(_)));
        assert!(matches!(host.by_imap("dave@example.org", "hunter2"), Ending::Ignore(_)));
    }
    // Another domain is another person's, where the enrollment has one.
    let mut host = Host::with(State::Active);
    host.people.0.clear();
    host.shelf.enrollments[0].user = UserName::parse("alice@example.org").unwrap();
    assert!(matches!(host.by_imap("alice@example.net", "hunter2"), Ending::Ignore(_)));
}

/// What earlier versions let in by a positive word goes on as it did.
#[test]
fn names_that_nss_or_the_store_or_a_rule_has_may_be_odd() {
    let mut host = Host::with(State::Active);
    host.people.0.extend([("EXAMPLE\\alice", 1200), ("j\u{f6}rg", 1201), ("svc*", 1202)]);
    for name in ["EXAMPLE\\alice", "j\u{f6}rg", "svc*"] {
        assert!(matches!(host.by_imap(name, "hunter2"), Ending::Ignore(_)), "{name:?}");
    }
    host.configure(
        "[app]\nvirtual_users = true\n\n[[rule]]\nuser = \"m\u{fc}ller@example.org\"\ndemand = \"nothing\"\n",
    );
    host.policy.argon2id.cost = CHEAP;
    let user = UserName::parse("j\u{f8}rn@example.org").unwrap();
    let id = EnrollmentId(20);
    let uid = crate::account::NO_UID;
    host.shelf.enrollments.push(Enrollment { id, user, uid, state: State::Active, authenticators: 0 });
    assert!(matches!(host.by_imap("J\u{d8}rn@example.org", "abcdefghijklmnop"), Ending::Accept(_)));
    assert_eq!(host.by_imap("j\u{f8}rn@example.org", "hunter2"), Ending::Refuse);
    // A rule settles it before anybody is asked for a password.
    let request = Host::request("m\u{fc}ller@example.org", ServiceClass::App);
    let ending = host.play(vec![], None, |ports, policy| authenticate(ports, policy, &request));
    assert!(matches!(ending, Ending::Ignore(_)), "{}", host.last_line());
    does_not_go_on(&mut host, "m\u{f8}ller@example.org");
}

/// A rule that refuses somebody cannot be dodged by another spelling, and an exemption behind it does not hold for one.
#[test]
fn a_rule_that_refuses_a_user_holds_for_every_spelling() {
    for more in ["", "[app]\nvirtual_users = true\n\n"] {
        let mut host = Host::with(State::Active);
        host.configure(&format!(
            "{more}[[rule]]\nuser = \"bob\"\ndemand = \"deny\"\n\n[[rule]]\nservice = \"imap\"\ndemand = \"nothing\"\n"
        ));
        let long = format!("bob@{}", "x".repeat(300));
        for name in [
            "bob",
            "ｂob",
            "EXAMPLE\\bob",
            "bob+x@example.org",
            "b*b",
            "bob@a@b",
            "bob\n",
            "bob\0x",
            "",
            &long,
        ] {
            let request = Host::request(name, ServiceClass::App);
            let ending = host.play(vec![], None, |ports, policy| authenticate(ports, policy, &request));
            assert!(matches!(ending, Ending::UserUnknown | Ending::Refuse), "{more}{name:?}: {ending:?}");
        }
        let request = Host::request("dave", ServiceClass::App);
        let ending = host.play(vec![], None, |ports, policy| authenticate(ports, policy, &request));
        assert!(matches!(ending, Ending::Ignore(_)), "{}", host.last_line());
    }
}

/// The modules behind get the name as it is, and not what the domain rule has made of it.
#[test]
fn an_exemption_does_not_hold_for_a_name_that_may_be_taken_for_somebody_elses() {
    for exemption in ["user = \"bob\"", "group = \"bob\""] {
        let mut host = Host::with(State::Active);
        host.configure(&format!(
            "[app]\ndomains = \"strip\"\n\n[[rule]]\n{exemption}\ndemand = \"nothing\"\n"
        ));
        let mut ends = |name: &str| {
            let request = Host::request(name, ServiceClass::App);
            host.play(vec![], Some("hunter2"), |ports, policy| authenticate(ports, policy, &request))
        };
        for name in ["bob@host!alice", "bob@\u{ff45}xample.com", "bob@x+alice", "bob@*"] {
            let ending = ends(name);
            assert!(
                matches!(ending, Ending::UserUnknown | Ending::Refuse),
                "{exemption} {name:?}: {ending:?}"
            );
        }
        for name in ["bob", "BOB", " bob", "bob@example.org", "Bob@Example.ORG"] {
            assert!(matches!(ends(name), Ending::Ignore(_)), "{exemption} {name:?}");
        }
    }
}

/// Somebody who is pending gets in by the account password, of whoever the modules behind take the name for.
#[test]
fn a_pending_user_does_not_lead_past_the_enrollment_of_somebody_else() {
    for (naming, uid) in [("", 1000), ("virtual_users = true\n", crate::account::NO_UID)] {
        let mut host = Host::with(State::Pending);
        host.configure(&format!("[app]\ndomains = \"strip\"\n{naming}"));
        host.policy.argon2id.cost = CHEAP;
        host.shelf.enrollments[0].uid = uid;
        if uid == crate::account::NO_UID {
            host.people.0.retain(|(name, _)| *name != "alice");
        }
        let (id, user) = (EnrollmentId(20), UserName::parse("bob").unwrap());
        host.shelf.enrollments.push(Enrollment { id, user, uid: 1001, ..enrolled(State::Active) });
        for bob_is_known in [true, false] {
            host.people.0.retain(|(name, _)| bob_is_known || *name != "bob");
            for name in ["alice@host!bob", "alice@x+bob", "alice@\u{ff45}xample.com"] {
                assert_eq!(host.by_imap(name, "hunter2"), Ending::UserUnknown, "{naming}{name:?}");
            }
        }
        // A directory that folds letters knows ALIAS as alice.
        for name in ["alice@example.org", "ALICE@Example.org", " alice", "alice@alias+ALIAS"] {
            let ending = host.by_imap(name, "hunter2");
            assert!(matches!(ending, Ending::Ignore(_)), "{naming}{name:?}: {ending:?}");
        }
    }
}

#[test]
fn no_spelling_is_anybodys_at_a_prompt() {
    let mut host = Host::with(State::Active);
    for name in OF_ALICE {
        assert_eq!(host.at_prompt(name, vec![]), Ending::UserUnknown, "{name:?}");
        assert!(!host.last_line().contains("user="), "{}", host.last_line());
    }
    assert_eq!(host.shelf.opened, 0);
}
