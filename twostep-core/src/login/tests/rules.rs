//! What rules do to a login.

use super::*;

#[test]
fn an_exempt_service_never_opens_the_store() {
    for mode in [Mode::ByService, Mode::App, Mode::AfterKey, Mode::OnePrompt] {
        for user in ["alice", "bob", "mallory", "nss-is-down", "", "\u{8}\n\r\u{7f}INCORRECT"] {
            for service in ["sshd", "imap"] {
                for ask_everyone in ["true", "false"] {
                    let mut host = Host::with(State::Active);
                    host.shelf.broken = true;
                    host.configure(&format!(
                        "[interactive]\nask_everyone = {ask_everyone}\n[[rule]]\nservice = \"{service}\"\ndemand = \"nothing\"\n"
                    ));
                    let service = ServiceName::parse(service).unwrap();
                    let request = Request { mode, service, ..Host::request(user, ServiceClass::Interactive) };
                    let ending =
                        host.play(vec![], None, |ports, policy| authenticate(ports, policy, &request));
                    let expected = if mode == Mode::AfterKey { Proof::Key } else { Proof::None };
                    match &ending {
                        Ending::Ignore(None) if mode == Mode::OnePrompt => continue,
                        Ending::Ignore(Some(record)) | Ending::Accept(record) => {
                            assert_eq!(record.proof, expected)
                        }
                        other => panic!("{mode:?} {user:?}: {other:?}"),
                    }
                    let settled = host.play(vec![], None, |ports, policy| settle(ports, policy, &request));
                    assert_eq!(settled, Settled::Ended(Box::new(ending)));
                    let after_key = host.play(vec![], None, |ports, policy| {
                        account_without_record(ports, policy, &request, Unrecorded::ByKey)
                    });
                    assert_eq!(after_key, Ending::Ignore(None));
                    assert_eq!(host.shelf.opened, 0, "{mode:?} {user:?}");
                }
            }
        }
    }
}

#[test]
fn an_exemption_is_logged_with_its_line() {
    let mut host = Host::with(State::Active);
    host.configure("\n[[rule]]\nuser = \"alice\"\ndemand = \"nothing\"\n");
    assert!(matches!(host.at_prompt("alice", vec![]), Ending::Ignore(_)));
    assert_eq!(
        host.last_line(),
        "result=ignored reason=exempt user=alice service=sshd from=203.0.113.9 rule=4"
    );
    // An alias that NSS resolves is alice; another name of her uid is another name, and shares the enrollment.
    assert!(matches!(host.at_prompt("ALIAS", vec![]), Ending::Ignore(_)));
    assert!(accepted(&host.at_prompt("al", vec![ask(&code())])));
}

#[test]
fn a_rule_that_refuses_cannot_be_dodged_by_spelling() {
    let mut host = Host::with(State::Active);
    host.configure("[[rule]]\nuser = \"bob\"\ndemand = \"deny\"\n");
    assert_eq!(host.at_prompt("bob", vec![Step::Tell("cannot sign in here")]), Ending::Refuse);
    assert!(
        host.last_line().contains("result=refused reason=denied-by-rule user=bob"),
        "{}",
        host.last_line()
    );
    for spelling in ["BOB", " bob ", "bob@host"] {
        let request = Host::request(spelling, ServiceClass::App);
        let ending = host.play(vec![], None, |ports, policy| authenticate(ports, policy, &request));
        assert_eq!(ending, Ending::UserUnknown, "{spelling:?}");
        assert!(host.last_line().contains("reason=name-spelling"), "{}", host.last_line());
    }
    assert_eq!(host.shelf.opened, 0);
    let request = Host::request("bob", ServiceClass::Interactive);
    let settled =
        host.play(vec![Step::Tell("cannot sign in")], None, |ports, policy| settle(ports, policy, &request));
    assert_eq!(settled, Settled::Ended(Box::new(Ending::Refuse)));
}

#[test]
fn a_group_that_cannot_be_asked_about_lets_nobody_in() {
    let mut host = Host::with(State::Active);
    host.configure(
        "[[rule]]\ngroup = \"nss-is-down\"\ndemand = \"nothing\"\n[[rule]]\ndemand = \"nothing\"\n",
    );
    assert_eq!(host.at_prompt("bob", vec![Step::Tell("not available")]), Ending::Unavailable);
    assert!(host.last_line().contains("reason=nss user=bob"), "{}", host.last_line());
    // Where it is not asked, the broker is to decide.
    let request = Host::request("bob", ServiceClass::Interactive);
    assert_eq!(settle_of(&mut host, &request), Settled::Open(ServiceClass::Interactive));
    // Rules before it, which need no groups, are settled all the same.
    host.configure(
        "[[rule]]\nuser = \"bob\"\ndemand = \"nothing\"\n[[rule]]\ngroup = \"bob\"\ndemand = \"deny\"\n",
    );
    assert!(matches!(settle_of(&mut host, &request), Settled::Ended(_)));
}

#[test]
fn a_code_is_not_taken_where_it_would_stand_for_the_password() {
    let mut host = Host::with(State::Active);
    host.configure("[[rule]]\nservice = \"imap\"\ndemand = \"code\"\n");
    let request = Host::request("alice", ServiceClass::App);
    let ending = host.play(vec![], None, |ports, policy| authenticate(ports, policy, &request));
    assert_eq!(ending, Ending::Unavailable);
    assert!(host.last_line().starts_with("result=unavailable reason=rule-at-odds"), "{}", host.last_line());
    // A line without a word was put where app passwords are taken, if the list has the service.
    let request = Request { mode: Mode::ByService, ..request };
    let ending = host.play(vec![], Some("hunter2"), |ports, policy| authenticate(ports, policy, &request));
    assert_eq!(ending, Ending::Unavailable);
}

#[test]
fn a_rule_makes_an_app_service_of_a_service() {
    let mut host = Host::with(State::Active);
    host.configure("[[rule]]\nservice = \"sshd\"\ndemand = \"app-password\"\n");
    let request = Host::request("alice", ServiceClass::Interactive);
    let ending =
        host.play(vec![], Some("abcdefghijklmnop"), |ports, policy| authenticate(ports, policy, &request));
    assert!(matches!(ending, Ending::Accept(Record { proof: Proof::AppPassword, .. })));
    assert_eq!(settle_of(&mut host, &request), Settled::Open(ServiceClass::App));
}

fn settle_of(host: &mut Host, request: &Request<'_>) -> Settled {
    host.play(vec![], None, |ports, policy| settle(ports, policy, request))
}

#[test]
fn a_clock_before_the_configuration_was_written_opens_no_door() {
    let mut host = Host::with(State::Active);
    // The time of these tests is 2027-01-15. The clock is right, then it is set back.
    host.configure("[interactive]\nunenrolled = \"deny from 2027-02-01\"\n[[rule]]\nuser = \"al\"\ndemand = \"nothing\"\nuntil = 2027-01-31\n");
    assert!(matches!(host.at_prompt("bob", vec![]), Ending::Ignore(_)));
    assert!(matches!(host.at_prompt("al", vec![]), Ending::Ignore(_)));
    host.policy.written = UnixTime::of_date(2027, 2, 1).unwrap();
    assert_eq!(host.at_prompt("bob", vec![Step::Tell("not set up")]), Ending::Refuse);
    assert!(accepted(&host.at_prompt("al", vec![ask(&code())])));
}

#[test]
fn no_rule_holds_for_proofs_of_the_broker() {
    let mut host = Host::with(State::Active);
    host.configure("[[rule]]\ndemand = \"nothing\"\n");
    let service = ServiceName::parse(crate::policy::SELF_SERVICE).unwrap();
    let request = Request { service, ..Host::request("alice", ServiceClass::Interactive) };
    let ending = host.play(vec![ask(&code())], None, |ports, policy| authenticate(ports, policy, &request));
    assert!(accepted(&ending));
}

#[test]
fn who_will_be_refused_soon_is_told() {
    let mut host = Host::with(State::Active);
    host.configure("[interactive]\nunenrolled = \"deny from 2027-01-18\"\n");
    let Ending::Ignore(Some(record)) = host.at_prompt("bob", vec![]) else { panic!() };
    let told = vec![Step::Tell("will be needed here from 2027-01-18 on (3 days left)")];
    assert_eq!(host.account("bob", &record, told), Ending::Ignore(None));
}

/// alice has two names.
#[test]
fn what_refuses_is_not_dodged_by_another_name_of_the_uid() {
    let mut host = Host::with(State::Active);
    host.configure("[[rule]]\nuser = \"alice\"\ndemand = \"deny\"\n");
    for name in ["alice", "al", "ALIAS"] {
        assert_eq!(host.at_prompt(name, vec![Step::Tell("cannot sign in here")]), Ending::Refuse, "{name}");
    }
    assert!(matches!(host.at_prompt("bob", vec![]), Ending::Ignore(_)));
    // Nor is what makes anything stricter.
    host.shelf.enrollments.clear();
    host.configure("[[rule]]\nuser = \"alice\"\nunenrolled = \"deny\"\ntrust = []\n");
    assert_eq!(host.at_prompt("al", vec![Step::Tell("not set up")]), Ending::Refuse);
    // What lets in is for the name alone.
    host.configure(
        "[interactive]\nunenrolled = \"deny\"\n[[rule]]\nuser = \"alice\"\nunenrolled = \"allow\"\n",
    );
    assert_eq!(host.at_prompt("al", vec![Step::Tell("not set up")]), Ending::Refuse);
    assert!(matches!(host.at_prompt("alice", vec![]), Ending::Ignore(_)));
}

#[test]
fn a_terminal_says_nothing_where_the_caller_chooses_it() {
    let mut host = Host::with(State::Active);
    host.configure("[[rule]]\ntty = \"*\"\ndemand = \"nothing\"\n");
    let request =
        Request { source: Source::Caller(1234), ..Host::request("alice", ServiceClass::Interactive) };
    let ending =
        host.play(vec![ask(&code())], Some("hunter2"), |ports, policy| authenticate(ports, policy, &request));
    assert!(accepted(&ending));
    assert!(matches!(host.at_prompt("alice", vec![]), Ending::Ignore(_)));
    // Against her it counts, wherever she says that she sits.
    host.configure("[[rule]]\ntty = \"nowhere\"\ndemand = \"deny\"\n");
    let ending = host.play(vec![Step::Tell("cannot sign in")], Some("hunter2"), |ports, policy| {
        authenticate(ports, policy, &request)
    });
    assert_eq!(ending, Ending::Refuse);
    host.shelf.last_step = None;
    assert!(accepted(&host.at_prompt("alice", vec![ask(&code())])));
}

/// Rules about terminals in front of others, at su.
#[test]
fn a_terminal_that_is_doubted_neither_enrolls_nor_passes_over_a_refusal() {
    let mut host = Host::with(State::Active);
    let su = Request { source: Source::Caller(1234), ..Host::request("bob", ServiceClass::Interactive) };
    let tell = || vec![Step::Tell("not set up for you")];
    host.configure(
        "[interactive]\nunenrolled = \"deny\"\n[[rule]]\ntty = \"tty1\"\nunenrolled = \"enroll\"\n",
    );
    assert_eq!(host.play(tell(), None, |ports, policy| authenticate(ports, policy, &su)), Ending::Refuse);
    let refusing = "[[rule]]\nservice = \"sshd\"\ndemand = \"deny\"\n";
    host.configure(&format!("[[rule]]\ntty = \"tty1\"\ndemand = \"code\"\n{refusing}"));
    let alice = Request { user: "alice", ..su.clone() };
    let steps = vec![Step::Tell("cannot sign in here")];
    assert_eq!(host.play(steps, None, |ports, policy| authenticate(ports, policy, &alice)), Ending::Refuse);
    // Nor is a code that is demanded at a terminal passed over for an exemption behind it.
    host.configure("[[rule]]\ntty = \"tty1\"\ndemand = \"code\"\n[[rule]]\ndemand = \"nothing\"\n");
    let ending =
        host.play(vec![ask(&code())], Some("hunter2"), |ports, policy| authenticate(ports, policy, &alice));
    assert!(accepted(&ending));
    assert_eq!(settle_of(&mut host, &alice), Settled::Open(ServiceClass::Interactive));
}

#[test]
fn nobody_turns_two_step_off_of_whom_anything_may_demand_it() {
    let may = |text: &str| {
        let mut host = Host::with(State::Active);
        host.configure(text);
        let alice = host.people.find("alice").unwrap().unwrap();
        may_unenroll(&host.people, &host.policy, &alice, NOW)
    };
    assert_eq!(may(""), Ok(false), "unless that was allowed");
    let allowed = |more: &str| may(&format!("[self_service]\nunenroll = \"allow\"\n{more}"));
    let rule =
        |more: &str| allowed(&format!("[[rule]]\nservice = \"su\"\nfrom = [\"192.0.2.0/24\"]\n{more}\n"));
    assert_eq!(allowed(""), Ok(true));
    for section in ["interactive", "app"] {
        for demanded in ["enroll", "deny", "deny from 2999-01-01"] {
            assert_eq!(
                allowed(&format!("[{section}]\nunenrolled = \"{demanded}\"\n")),
                Ok(false),
                "{demanded}"
            );
        }
    }
    // Their name, another one of the uid, a group of theirs, one that nobody knows, and no condition.
    for about in ["user = \"alice\"", "user = \"al\"", "group = \"alice\"", "group = \"mispelt\"", ""] {
        assert_eq!(rule(&format!("{about}\nunenrolled = \"enroll\"")), Ok(false), "{about}");
    }
    for harmless in [
        "user = \"bob\"\nunenrolled = \"deny\"",
        "group = \"bob\"\nunenrolled = \"deny\"",
        "user = \"alice\"\nunenrolled = \"allow\"",
        "unenrolled = \"deny\"\nuntil = 2020-01-01",
        "demand = \"code\"",
    ] {
        assert_eq!(rule(harmless), Ok(true), "{harmless}");
    }
    assert!(rule("group = \"nss-is-down\"\nunenrolled = \"deny\"").is_err());
}
