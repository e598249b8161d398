//! App services: app passwords, and whose they are.

use super::*;

#[test]
fn app_services_take_app_passwords_and_nothing_else() {
    let mut host = Host::with(State::Active);
    assert!(matches!(
        host.by_imap("alice", "ABCD-efgh-ijkl-mnop"),
        Ending::Accept(Record { proof: Proof::AppPassword, .. })
    ));
    assert_eq!(
        host.last_line(),
        "result=accepted reason=app-password user=alice service=imap from=203.0.113.9 name=mail"
    );
    for (sent, word) in [
        ("hunter2", "not-an-app-password"),
        ("bbbbbbbbbbbbbbbb", "app-password-wrong"),
        ("", "empty"),
        (&code(), "not-an-app-password"),
    ] {
        assert_eq!(host.by_imap("alice", sent), Ending::Refuse, "{sent:?}");
        assert!(host.last_line().contains(&format!("result=refused reason={word} ")), "{}", host.last_line());
    }
    assert!(matches!(host.by_imap("bob", "hunter2"), Ending::Ignore(_)));
    assert_eq!(host.shelf.failures, 0, "app passwords count towards no lock");
}

#[test]
fn a_pending_users_account_password_follows_the_rule_for_the_unenrolled() {
    let mut host = Host::with(State::Pending);
    assert!(matches!(host.by_imap("alice", "abcdefghijklmnop"), Ending::Accept(_)));
    assert!(matches!(host.by_imap("alice", "hunter2"), Ending::Ignore(_)));
    assert_eq!(host.by_imap("alice", ""), Ending::Refuse);
    host.policy.app.unenrolled =
        Setting { value: Schedule::always(Unenrolled::Deny), origin: Origin::Line(1) };
    assert_eq!(host.by_imap("alice", "hunter2"), Ending::Refuse);
}

#[test]
fn names_cannot_be_dodged_on_app_services() {
    let mut host = Host::with(State::Active);
    for spelling in ["ALICE", "alice ", "alice@host"] {
        assert_eq!(host.by_imap(spelling, "hunter2"), Ending::UserUnknown, "{spelling:?}");
        assert_eq!(host.by_imap(spelling, "abcdefghijklmnop"), Ending::UserUnknown, "{spelling:?}");
    }
    for name in ["alice\t", "", "\u{8}\n\r\u{7f}INCORRECT", &"a".repeat(300)] {
        assert_eq!(host.by_imap(name, "hunter2"), Ending::UserUnknown, "{name:?}");
    }
    // An account that was deleted is not a stranger either; a real stranger is left to the other modules.
    host.people.0.retain(|(name, _)| *name == "bob");
    assert_eq!(host.by_imap("alice", "hunter2"), Ending::UserUnknown);
    assert!(matches!(host.by_imap("carol@example.org", "x"), Ending::Ignore(_)));
}

/// How many runs of Argon2id, and how many writes, one login costs.
fn costs(host: &mut Host, sent: &str) -> (usize, usize) {
    (host.shelf.hashed, host.shelf.used) = (0, 0);
    let _ = host.by_imap("alice", sent);
    (host.shelf.hashed, host.shelf.used)
}

#[test]
fn a_right_app_password_costs_one_hash_and_then_none_and_a_wrong_one_nothing() {
    let mut host = Host::with(State::Active);
    for (sent, cost) in [
        ("hunter2", (0, 0)),
        ("", (0, 0)),
        ("abcdefghijklmnop", (1, 1)),
        ("abcdefghijklmnop", (0, 0)),
        // The shelf has one app password, whatever the tag of what is sent: the worst case.
        ("bbbbbbbbbbbbbbbb", (0, 0)),
        ("abcdefghijklmnop", (0, 0)),
    ] {
        assert_eq!(costs(&mut host, sent), cost, "{sent:?}");
    }
    host.shelf.app_password.as_mut().unwrap().last_used = Some(NOW.minus(Duration::from_secs(600)));
    assert_eq!(costs(&mut host, "abcdefghijklmnop"), (0, 1));
}

#[test]
fn a_hash_follows_the_configuration_at_the_next_login() {
    let mut host = Host::with(State::Active);
    assert_eq!(costs(&mut host, "abcdefghijklmnop"), (1, 1));
    host.shelf.cost = Cost { passes: 2, ..CHEAP };
    host.policy.argon2id.cost = host.shelf.cost;
    assert_eq!(costs(&mut host, "bbbbbbbbbbbbbbbb"), (0, 0));
    assert_eq!(costs(&mut host, "abcdefghijklmnop"), (1, 1));
    assert_eq!(host.shelf.app_password.as_ref().unwrap().hash.cost, host.shelf.cost);
    assert_eq!(costs(&mut host, "abcdefghijklmnop"), (0, 0));
    host.shelf.app_password.as_mut().unwrap().boot_tag = None;
    assert_eq!(costs(&mut host, "abcdefghijklmnop"), (1, 1), "the new hash is not the password's");
}

#[test]
fn what_is_not_good_here_is_named_in_the_log() {
    let mut host = Host::with(State::Active);
    let scope = Scope { services: vec![crate::rule::Glob::service("smtp").unwrap()], ..Scope::default() };
    host.shelf.app_password = Some(app_password::Stored { scope, ..app_password() });
    assert_eq!(host.by_imap("alice", "abcdefghijklmnop"), Ending::Refuse);
    assert_eq!(
        host.last_line(),
        "result=refused reason=app-password-out-of-scope user=alice service=imap from=203.0.113.9 name=mail cause=service"
    );
    assert_eq!((host.shelf.hashed, host.shelf.used), (0, 0));
}

/// A host with the virtual users bob@example.org and carol, besides alice and bob.
fn with_virtual_users(domains: &str) -> Host {
    let mut host = Host::with(State::Active);
    host.configure(&format!("[app]\nvirtual_users = true\ndomains = {domains}\n"));
    host.policy.argon2id.cost = CHEAP;
    for (id, name) in [(20, "bob@example.org"), (21, "carol")] {
        let (id, user) = (EnrollmentId(id), UserName::parse(name).unwrap());
        host.shelf.enrollments.push(Enrollment {
            id,
            user,
            uid: crate::account::NO_UID,
            state: State::Active,
            authenticators: 0,
        });
    }
    host
}

#[test]
fn a_virtual_user_is_let_past_the_modules_that_do_not_know_her() {
    let mut host = with_virtual_users("\"keep\"");
    for name in ["bob@example.org", " Bob@Example.ORG ", "carol", "CAROL"] {
        let ending = host.by_imap(name, "abcdefghijklmnop");
        let Ending::Accept(record) = ending else { panic!("{name:?}: {ending:?}") };
        let canonical = name.trim().to_lowercase();
        assert_eq!((record.proof, record.raw.as_str()), (Proof::VirtualUser, canonical.as_str()));
        assert_eq!(host.renamed.as_deref(), (canonical != name).then_some(canonical.as_str()));
        assert!(
            host.last_line().contains("result=accepted reason=app-password user="),
            "{}",
            host.last_line()
        );
        assert!(matches!(record.settles(&canonical), Some(Ending::Accept(_))));
        let request = Request { user: name, ..Host::request(name, ServiceClass::App) };
        let account =
            host.play(vec![], None, |ports, policy| account_with_record(ports, policy, &request, &record));
        assert!(matches!(account, Ending::Accept(_)));
        let other = Request { user: "dave", ..Host::request("dave", ServiceClass::App) };
        let account =
            host.play(vec![], None, |ports, policy| account_with_record(ports, policy, &other, &record));
        assert_eq!(account, Ending::Refuse, "{}", host.last_line());
        assert_eq!(host.by_imap(name, "hunter2"), Ending::Refuse);
    }
    // Whoever is not enrolled is the other modules' affair, and is not named: it may be a password in the wrong place.
    assert!(matches!(host.by_imap("dave@example.org", "hunter2"), Ending::Ignore(_)));
    assert!(!host.last_line().contains("user="), "{}", host.last_line());
    assert_eq!(host.at_prompt("carol", vec![]), Ending::UserUnknown);
}

#[test]
fn the_domain_rule_makes_several_names_one_user() {
    for domains in ["\"strip\"", "[\"example.org\", \"example.net\"]"] {
        let mut host = with_virtual_users(domains);
        for name in ["carol", "carol@example.org", "Carol@Example.NET"] {
            assert!(matches!(host.by_imap(name, "abcdefghijklmnop"), Ending::Accept(_)), "{name:?}");
            assert!(host.last_line().contains(" user=carol "), "{}", host.last_line());
            // Whatever stood behind the @ is gone: the service would open the mailbox that it names.
            assert_eq!(host.renamed.as_deref(), (name != "carol").then_some("carol"));
        }
        // Of a user whom NSS knows, the modules after us are told the name that it knows.
        let Ending::Accept(record) = host.by_imap("Alice@Example.org", "abcdefghijklmnop") else {
            panic!("{}", host.last_line())
        };
        assert_eq!((record.proof, record.raw.as_str()), (Proof::AppPassword, "alice"));
        assert_eq!(host.renamed.as_deref(), Some("alice"));
        assert_eq!(record.settles("alice"), Some(Ending::Ignore(None)));
        assert_eq!(host.by_imap("alice@example.org", "hunter2"), Ending::Refuse);
    }
}

#[test]
fn a_name_of_another_domain_is_nobody_elses() {
    let mut host = with_virtual_users("[\"example.org\"]");
    assert!(matches!(host.by_imap("dave@example.com", "abcdefghijklmnop"), Ending::Ignore(_)));
    // But no way round somebody who is enrolled, with an account or without: the modules after us may make the same of both names.
    for name in ["alice@example.com", "carol@example.com", "ｃarol", "c\u{e1}rol", "carol\u{200b}", "car ol"]
    {
        assert_eq!(host.by_imap(name, "hunter2"), Ending::UserUnknown, "{name:?}");
        assert!(host.last_line().contains("reason=name-spelling"), "{}", host.last_line());
    }
}

#[test]
fn whoever_is_enrolled_under_a_name_stays_that_when_the_rule_changes() {
    // bob@example.org was enrolled under "keep"; NSS knows a bob besides.
    for domains in ["\"strip\"", "[\"example.org\"]"] {
        let mut host = with_virtual_users(domains);
        for known in [true, false] {
            for sent in ["hunter2", "abcdefghijklmnop"] {
                assert_eq!(
                    host.by_imap("bob@example.org", sent),
                    Ending::UserUnknown,
                    "{domains} {known} {sent}"
                );
                assert!(host.last_line().contains("reason=name-spelling"), "{}", host.last_line());
                // And one domain more is no way back to it.
                for name in ["bob@example.org@example.org", "bob@example.org@x"] {
                    let ending = host.by_imap(name, sent);
                    assert!(!matches!(ending, Ending::Accept(_)), "{domains} {known} {name} {sent}");
                }
            }
            host.people.0.retain(|(name, _)| *name != "bob");
        }
    }
}

#[test]
fn a_name_that_was_enrolled_with_a_uid_is_never_a_virtual_users() {
    // An account is gone; its name had capital letters, or a domain.
    for (was, names) in
        [("Dave", ["Dave", " Dave"]), ("dave@example.org", ["dave@example.org", "Dave@Example.org"])]
    {
        for domains in ["\"keep\"", "\"strip\""] {
            let mut host = with_virtual_users(domains);
            let user = UserName::parse(was).unwrap();
            host.shelf.enrollments.push(Enrollment {
                id: EnrollmentId(30),
                user,
                uid: 1030,
                ..enrolled(State::Active)
            });
            for name in names {
                for sent in ["hunter2", "abcdefghijklmnop"] {
                    let ending = host.by_imap(name, sent);
                    assert_eq!(ending, Ending::UserUnknown, "{was} {domains} {name} {sent}");
                }
            }
        }
    }
    // Another name than that of an account that is gone, but for its domain.
    let mut host = with_virtual_users("\"keep\"");
    host.people.0.retain(|(name, _)| *name != "alice");
    assert_eq!(host.by_imap("alice@example.com", "hunter2"), Ending::UserUnknown);
}

#[test]
fn a_virtual_user_is_refused_however_the_name_is_written_where_there_are_none() {
    let mut host = with_virtual_users("\"keep\"");
    host.policy.app.naming.virtual_users = false;
    for name in ["bob@example.org", "BOB@example.org", " bob@example.org", "Carol"] {
        assert_eq!(host.by_imap(name, "hunter2"), Ending::Refuse, "{name:?}");
        assert!(host.last_line().contains("reason=virtual-users-off "), "{}", host.last_line());
    }
}

#[test]
fn a_name_of_nss_always_wins() {
    let mut host = with_virtual_users("\"keep\"");
    host.people.0.push(("carol", 1007));
    assert_eq!(host.by_imap("carol", "abcdefghijklmnop"), Ending::Refuse);
    assert!(
        host.last_line()
            .contains("reason=uid-changed user=carol service=imap from=203.0.113.9 was=virtual is=1007"),
        "{}",
        host.last_line()
    );
    // The other way round: what was enrolled with a uid is no virtual user's when NSS does not know it any more.
    host.people.0.retain(|(name, _)| *name != "alice");
    assert_eq!(host.by_imap("alice", "abcdefghijklmnop"), Ending::UserUnknown);
    host.people.0.push(("nobody-at-all", crate::account::NO_UID));
    assert_eq!(host.by_imap("nobody-at-all", "abcdefghijklmnop"), Ending::Unavailable);
}

#[test]
fn virtual_users_are_refused_where_there_are_to_be_none() {
    let mut host = with_virtual_users("\"keep\"");
    host.policy.app.naming.virtual_users = false;
    assert_eq!(host.by_imap("carol", "abcdefghijklmnop"), Ending::Refuse);
    assert!(host.last_line().contains("reason=virtual-users-off "), "{}", host.last_line());
}

#[test]
fn rules_know_virtual_users_by_name() {
    let mut host = with_virtual_users("\"keep\"");
    let rules = crate::config::parse("[[rule]]\nuser = \"carol\"\ndemand = \"deny\"\n").unwrap().rules;
    host.policy.rules = rules;
    let request = Host::request("carol", ServiceClass::App);
    let ending = host.play(vec![], None, |ports, policy| authenticate(ports, policy, &request));
    assert_eq!(ending, Ending::Refuse);
    assert!(host.last_line().contains("reason=denied-by-rule"), "{}", host.last_line());
    assert!(matches!(host.by_imap("bob@example.org", "abcdefghijklmnop"), Ending::Accept(_)));
    // Groups are of accounts; a rule that refuses one holds for what may be made of a name (everybody is of a group of her own name).
    host.policy.rules = crate::config::parse("[[rule]]\ngroup = \"bob\"\ndemand = \"deny\"\n").unwrap().rules;
    let request = Host::request("bob@example.com", ServiceClass::App);
    let ending = host.play(vec![], None, |ports, policy| authenticate(ports, policy, &request));
    assert_eq!(ending, Ending::Refuse);
    // A rule that refuses holds for a name however it is written there, and for what the modules after us may make of one.
    for (rule, name) in
        [("Bob@Example.org", "bob@example.org"), ("CAROL", "carol"), ("bob", "bob@example.com")]
    {
        let text = format!("[[rule]]\nuser = \"{rule}\"\ndemand = \"deny\"\n");
        host.policy.rules = crate::config::parse(&text).unwrap().rules;
        let request = Host::request(name, ServiceClass::App);
        let ending = host.play(vec![], None, |ports, policy| authenticate(ports, policy, &request));
        assert_eq!(ending, Ending::Refuse, "{rule} {name}");
        // And none is exempt by such a likeness.
        host.policy.rules = crate::config::parse(&text.replace("deny", "nothing")).unwrap().rules;
        assert_eq!(host.by_imap("bob@example.org", "hunter2"), Ending::Refuse, "{rule}");
    }
}

fn change(host: &mut Host, user: &str, change: Change, steps: Vec<Step>) -> Ending {
    let request = Request {
        service: ServiceName::parse("passwd").unwrap(),
        ..Host::request(user, ServiceClass::Interactive)
    };
    host.play(steps, None, |ports, policy| change_password(ports, policy, &request, change))
}

#[test]
fn a_changed_account_password_ends_them_where_that_is_wanted() {
    let mut host = Host::with(State::Active);
    host.shelf.app_password = Some(app_password());
    for step in [Change::Before, Change::After] {
        assert_eq!(change(&mut host, "alice", step, vec![]), Ending::Ignore(None));
    }
    assert_eq!((host.shelf.opened, host.last_line().as_str()), (0, ""), "it was not wanted");
    host.policy.app.revoke_on_password_change = true;
    assert_eq!(change(&mut host, "alice", Change::Before, vec![]), Ending::Ignore(None));
    assert!(host.shelf.app_password.is_some());
    let told = vec![Step::Tell("ended with the old password. A program needs a new one")];
    assert_eq!(change(&mut host, "alice", Change::After, told), Ending::Ignore(None));
    assert!(host.shelf.app_password.is_none());
    assert_eq!(
        host.last_line(),
        "result=changed reason=app-password-revoke user=alice service=passwd from=203.0.113.9 by=password-change name=mail"
    );
    for other in ["bob", "mallory"] {
        assert_eq!(change(&mut host, other, Change::After, vec![]), Ending::Ignore(None));
    }
}

#[test]
fn a_password_is_not_changed_where_they_could_not_be_ended() {
    let mut host = Host::with(State::Active);
    host.policy.app.revoke_on_password_change = true;
    host.shelf.broken = true;
    let told = || vec![Step::Tell(UNAVAILABLE_TEXT)];
    assert_eq!(change(&mut host, "alice", Change::Before, told()), Ending::Unavailable);
    assert!(host.last_line().contains("reason=store"), "{}", host.last_line());
    (host.shelf.broken, host.shelf.read_only) = (false, true);
    assert_eq!(change(&mut host, "alice", Change::After, told()), Ending::Unavailable);
}

#[test]
fn they_end_with_the_password_whether_trusted_devices_could_be_forgotten_or_not() {
    let mut host = Host::with(State::Active);
    host.policy.app.revoke_on_password_change = true;
    host.shelf.app_password = Some(app_password());
    host.shelf.keeps_devices = true;
    let told = vec![Step::Tell("ended with the old password"), Step::Tell(UNAVAILABLE_TEXT)];
    assert_eq!(change(&mut host, "alice", Change::After, told), Ending::Unavailable);
    assert!(host.shelf.app_password.is_none());
    assert!(host.last_line().contains("reason=store"), "{}", host.last_line());
}
