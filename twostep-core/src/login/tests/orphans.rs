//! Enrollments whose name has gone, and groups that are not found: absence never loosens.

use super::*;

/// alice was enrolled and has gone; her uid is carol's now.
fn gone(state: State, more: &str) -> Host {
    let mut host = Host::with(state);
    host.configure(more);
    host.people = People(vec![("carol", 1000), ("bob", 1001), ("root", 0)], Ok(None));
    host
}

const OTHER_NAME: Step = Step::Tell("under another name");

#[test]
fn a_renamed_user_signs_in_with_her_code_and_not_without() {
    let mut host = gone(State::Active, "");
    for entered in ["", "000000", "hunter2", "abcd efgh ijkl mnop"] {
        assert_eq!(host.at_prompt("carol", vec![ask(entered), OTHER_NAME]), Ending::Refuse, "{entered:?}");
        let line = host.last_line();
        assert!(line.starts_with("result=refused reason=orphan user=carol"), "{line}");
        assert!(line.contains(" orphan=alice cause="), "{line}");
    }
    let ending = host.at_prompt("carol", vec![ask(&code())]);
    assert!(accepted(&ending));
    let line = host.last_line();
    assert!(line.starts_with("result=accepted reason=code user=carol"), "{line}");
    assert!(line.contains(" authenticator=3 orphan=alice "), "{line}");
    // Nobody else has to do with it.
    assert!(matches!(host.at_prompt("bob", vec![]), Ending::Ignore(_)));
}

#[test]
fn an_app_service_refuses_whoever_has_the_uid_of_an_orphan() {
    for state in [State::Active, State::Pending] {
        let mut host = gone(state, "");
        for password in ["hunter2", "abcdefghijklmnop"] {
            assert_eq!(host.by_imap("carol", password), Ending::Refuse);
            assert!(host.last_line().contains("reason=orphan user=carol"), "{}", host.last_line());
        }
    }
    let mut host = gone(State::Active, "");
    host.shelf.enrollments[0].authenticators = 0;
    assert_eq!(host.by_imap("carol", "abcdefghijklmnop"), Ending::Refuse);
    assert_eq!(host.at_prompt("carol", vec![OTHER_NAME]), Ending::Refuse);
    assert!(host.last_line().contains("cause=app-only"), "{}", host.last_line());
}

#[test]
fn an_orphan_that_was_pending_is_asked_for_as_a_pending_one_is() {
    let mut host = gone(State::Pending, "");
    let told = || Step::Tell("being set up");
    assert!(matches!(host.at_prompt("carol", vec![told(), ask("")]), Ending::Ignore(_)));
    assert_eq!(host.at_prompt("carol", vec![told(), ask("000000"), OTHER_NAME]), Ending::Refuse);
    let mut host = gone(State::Pending, "[interactive]\nunenrolled = \"enroll\"\n");
    assert_eq!(host.at_prompt("carol", vec![told(), ask(""), OTHER_NAME]), Ending::Refuse);
    assert!(host.last_line().contains("reason=orphan"), "{}", host.last_line());
}

#[test]
fn an_orphan_trusts_no_device_and_a_key_alone_is_not_enough() {
    let mut host = gone(State::Active, "[interactive]\ntrust = [\"address\"]\n");
    let device = Device::Address("203.0.113.9".parse().unwrap());
    host.shelf.trusted.push((ServiceName::parse("sshd").unwrap(), device, None));
    let Ending::Accept(record) = host.at_prompt("carol", vec![ask(&code())]) else { panic!("refused") };
    assert_eq!(host.account("carol", &record, vec![]), Ending::Accept(record));
    let request = Host::request("carol", ServiceClass::Interactive);
    let step = Step::Tell("A key alone");
    let ending = host.play(vec![step], None, |ports, policy| {
        account_without_record(ports, policy, &request, Unrecorded::ByKey)
    });
    assert_eq!(ending, Ending::Refuse);
}

#[test]
fn whoever_has_an_enrollment_of_her_own_is_not_concerned() {
    let mut host = gone(State::Active, "");
    let carol = UserName::parse("carol").unwrap();
    host.shelf.enrollments.push(Enrollment { id: EnrollmentId(8), user: carol, ..enrolled(State::Active) });
    // The directory that would know of alice fails, and is not asked.
    host.shelf.enrollments[0].user = UserName::parse("nss-is-down").unwrap();
    assert!(accepted(&host.at_prompt("carol", vec![ask(&code())])));
    assert!(!host.last_line().contains("orphan"), "{}", host.last_line());
}

#[test]
fn nobody_is_enrolled_over_an_orphan() {
    let mut host = gone(State::Active, "[interactive]\nunenrolled = \"enroll\"\n");
    assert_eq!(host.at_prompt("carol", vec![ask("000000"), OTHER_NAME]), Ending::Refuse);
    assert_eq!(host.shelf.enrollments.len(), 1);
}

#[test]
fn root_under_its_own_name_is_not_locked_out_by_an_orphan_and_another_name_is_asked() {
    let mut host = gone(State::Active, "");
    host.shelf.enrollments[0].uid = 0;
    host.people.0.push(("toor", 0));
    assert!(matches!(host.at_prompt("root", vec![]), Ending::Ignore(_)));
    assert!(matches!(host.by_imap("root", "hunter2"), Ending::Ignore(_)));
    assert_eq!(host.at_prompt("toor", vec![ask(""), OTHER_NAME]), Ending::Refuse);
    // Nor by one whose name is a directory's that fails.
    host.shelf.enrollments[0].user = UserName::parse("nss-is-down").unwrap();
    assert!(matches!(host.at_prompt("root", vec![]), Ending::Ignore(_)));
    assert_eq!(host.at_prompt("toor", vec![Step::Tell(UNAVAILABLE_TEXT)]), Ending::Unavailable);
}

/// root or carol, at a terminal of this host or from elsewhere.
fn signs_in(host: &mut Host, user: &str, console: bool, steps: Vec<Step>) -> Ending {
    let mut request = Host::request(user, ServiceClass::Interactive);
    if console {
        request.source = Source::Local;
    }
    host.play(steps, None, |ports, policy| authenticate(ports, policy, &request))
}

#[test]
fn a_rule_whose_group_is_not_found_may_be_for_anybody() {
    let deny = "[[rule]]\ngroup = [\"mispelt\", \"carol\"]\ndemand = \"deny\"\n";
    let mut host = gone(State::Active, deny);
    let no = || vec![Step::Tell("cannot sign in here")];
    for user in ["carol", "bob"] {
        assert_eq!(signs_in(&mut host, user, true, no()), Ending::Refuse, "{user}");
        assert!(host.last_line().contains("reason=denied-by-rule"), "{}", host.last_line());
    }
    assert_eq!(signs_in(&mut host, "root", false, no()), Ending::Refuse);
    assert!(matches!(signs_in(&mut host, "root", true, vec![]), Ending::Ignore(_)));
    // Of a group that is found it is a member, at a console too.
    host.configure("[[rule]]\ngroup = \"root\"\ndemand = \"deny\"\n");
    assert_eq!(signs_in(&mut host, "root", true, no()), Ending::Refuse);
}

#[test]
fn a_rule_whose_group_is_not_found_exempts_nobody() {
    let mut host = Host::with(State::Active);
    host.configure("[[rule]]\ngroup = \"mispelt\"\ndemand = \"nothing\"\n");
    assert!(accepted(&host.at_prompt("alice", vec![ask(&code())])));
    host.configure(
        "[interactive]\ntrust = [\"key\"]\n[[rule]]\ngroup = \"mispelt\"\nunenrolled = \"deny\"\n",
    );
    assert_eq!(host.at_prompt("bob", vec![Step::Tell("not set up")]), Ending::Refuse);
}

#[test]
fn root_at_a_console_gets_in_whatever_a_doubtful_rule_demands() {
    for rule in ["demand = \"deny\"", "demand = \"app-password\"", "unenrolled = \"deny\""] {
        for group in ["mispelt", "nss-is-down"] {
            let mut host = gone(State::Active, &format!("[[rule]]\ngroup = \"{group}\"\n{rule}\n"));
            assert!(matches!(signs_in(&mut host, "root", true, vec![]), Ending::Ignore(_)), "{rule} {group}");
            let steps = match (group, rule) {
                ("nss-is-down", _) | (_, "demand = \"app-password\"") => UNAVAILABLE_TEXT,
                (_, "demand = \"deny\"") => "cannot sign in here",
                _ => "not set up",
            };
            assert!(!matches!(
                signs_in(&mut host, "root", false, vec![Step::Tell(steps)]),
                Ending::Ignore(_) | Ending::Accept(_)
            ));
        }
    }
}

#[test]
fn root_at_a_console_gets_in_where_the_directory_of_a_user_that_a_rule_names_fails() {
    for rule in
        ["demand = \"deny\"", "demand = \"app-password\"", "unenrolled = \"deny\"", "demand = \"code\""]
    {
        let mut host = gone(State::Active, &format!("[[rule]]\nuser = \"nss-is-down\"\n{rule}\n"));
        assert!(matches!(signs_in(&mut host, "root", true, vec![]), Ending::Ignore(_)), "{rule}");
        let no = || vec![Step::Tell(UNAVAILABLE_TEXT)];
        assert_eq!(signs_in(&mut host, "root", false, no()), Ending::Unavailable, "{rule}");
        assert_eq!(signs_in(&mut host, "carol", true, no()), Ending::Unavailable, "{rule}");
    }
}

#[test]
fn root_at_a_console_that_is_exempt_is_not_refused_by_a_doubtful_rule_before() {
    let exempt = "[interactive]\nunenrolled = \"deny\"\n[[rule]]\ngroup = \"mispelt\"\ndemand = \"code\"\n\
                  [[rule]]\nuser = \"root\"\ndemand = \"nothing\"\n";
    let mut host = gone(State::Active, exempt);
    assert!(matches!(signs_in(&mut host, "root", true, vec![]), Ending::Ignore(_)), "{}", host.last_line());
    // From elsewhere the stricter of both holds.
    assert_eq!(signs_in(&mut host, "root", false, vec![Step::Tell("not set up")]), Ending::Refuse);
}

#[test]
fn whoever_is_not_found_any_more_is_not_taken_for_no_member() {
    let mut host = Host::with(State::Active);
    assert!(matches!(host.at_prompt("LOST", vec![]), Ending::Ignore(_)));
    host.configure("[[rule]]\ngroup = \"barred\"\ndemand = \"deny\"\n");
    assert_eq!(host.at_prompt("LOST", vec![Step::Tell("cannot sign in here")]), Ending::Refuse);
    assert!(host.last_line().contains("reason=denied-by-rule"), "{}", host.last_line());
    assert!(matches!(host.at_prompt("bob", vec![]), Ending::Ignore(_)));
}

/// Where accounts and groups come from a directory that is down, the modules after us may still know the password.
#[test]
fn a_name_that_is_not_found_does_not_dodge_a_rule_that_refuses_it() {
    for rule in ["group = \"mispelt\"", "user = \"dora\""] {
        let mut host = Host::with(State::Active);
        host.configure(&format!("[[rule]]\n{rule}\ndemand = \"deny\"\n"));
        let request = Host::request("dora", ServiceClass::App);
        let ending = host.play(vec![], None, |ports, policy| authenticate(ports, policy, &request));
        assert_eq!(ending, Ending::Refuse, "{rule}");
        assert!(host.last_line().contains("reason=denied-by-rule"), "{}", host.last_line());
    }
}
