//! Password and code in one string: taken apart by one line, judged by another.

use super::*;

fn split(host: &mut Host, user: &str, sent: &str) -> Option<(usize, usize)> {
    let request = Request { mode: Mode::OnePrompt, ..Host::request(user, ServiceClass::Interactive) };
    let steps = vec![Step::Ask(ONE_PROMPT, Ok(sent.to_owned()))];
    let lines = host.lines.0.borrow().len();
    let ending = host.play(steps, None, |ports, policy| authenticate(ports, policy, &request));
    // Whoever has to give a code, or cannot get in at all, must come past the line that judges.
    let unjudged = |record: &Record| record.todo == Some(Todo::Unjudged);
    match &ending {
        Ending::Ignore(None) => assert_eq!(user, "bob"),
        Ending::Ignore(Some(record)) if unjudged(record) => assert_ne!(user, "bob"),
        other => panic!("{user:?}: {other:?}"),
    }
    assert_eq!(host.lines.0.borrow().len(), lines, "the line that judges has its say in the log");
    host.handed_on
}

#[test]
fn the_code_is_cut_off_and_nobody_judges_it_yet() {
    for state in [State::Active, State::Pending] {
        let mut host = Host::with(state);
        assert_eq!(split(&mut host, "alice", &format!("hunter2{}", code())), Some((7, 7)));
        assert_eq!(split(&mut host, "alice", "hunter2000000"), Some((7, 7)));
        assert_eq!(split(&mut host, "alice", "hunter2abcd-efgh-jkmnp"), Some((7, 7)));
        assert_eq!(split(&mut host, "alice", "hunter2"), None);
        assert_eq!((host.shelf.failures, host.shelf.last_step), (0, None));
    }
}

#[test]
fn whoever_gives_no_code_keeps_the_whole_and_is_asked_the_same() {
    for user in ["bob", "mallory", "ALICE", ""] {
        let mut host = Host::with(State::Active);
        assert_eq!(split(&mut host, user, "hunter2123456"), None, "{user:?}");
    }
}

/// Nobody is told by it who exists: a rule that names users asks who it is before anybody is asked for a password.
#[test]
fn whoever_cannot_be_anybody_is_asked_where_a_rule_names_users_too() {
    for user in ["bob", "mallory", "ALICE", "alice\n", ""] {
        let mut host = Host::with(State::Active);
        host.configure("[[rule]]\nuser = \"al\"\ndemand = \"deny\"\n");
        assert_eq!(split(&mut host, user, "hunter2123456"), None, "{user:?}");
    }
}

/// Where everybody is asked, what could be a code is not asked for again of anybody.
#[test]
fn strangers_do_not_see_whose_code_was_cut_off() {
    for user in ["bob", "mallory", "MALLORY", "ALICE", "al", "al\n", ""] {
        let mut host = Host::with(State::Active);
        host.shelf.enrollments.clear();
        host.configure("[interactive]\nask_everyone = true\n[[rule]]\nuser = \"al\"\ndemand = \"deny\"\n");
        host.shelf.opened = 0;
        assert_eq!(split(&mut host, user, "hunter2123456"), Some((13, 7)), "{user:?}");
        assert_eq!(host.shelf.opened, 2, "{user:?}");
        assert_eq!(split(&mut host, user, "hunter2"), None, "{user:?}");
    }
}

/// The line that judges is not there, or was passed over.
#[test]
fn a_code_that_nobody_has_judged_lets_nobody_in() {
    let mut host = Host::with(State::Active);
    let request = Request { mode: Mode::OnePrompt, ..Host::request("alice", ServiceClass::Interactive) };
    let steps = vec![Step::Ask(ONE_PROMPT, Ok("hunter2".to_owned()))];
    let ending = host.play(steps, None, |ports, policy| authenticate(ports, policy, &request));
    let Ending::Ignore(Some(record)) = ending else { panic!("{ending:?}") };
    assert_eq!(host.account("alice", &record, vec![Step::Tell("not available")]), Ending::Unavailable);
    assert!(
        host.last_line().starts_with("result=unavailable reason=code-unjudged user=alice"),
        "{}",
        host.last_line()
    );
    // Nor does it let in whoever is to set two-step up, or is refused without it.
    for unenrolled in ["enroll", "deny"] {
        host.configure(&format!("[interactive]\nunenrolled = \"{unenrolled}\"\n"));
        let request = Request { user: "bob", ..request.clone() };
        let steps = vec![Step::Ask(ONE_PROMPT, Ok("hunter2".to_owned()))];
        let ending = host.play(steps, None, |ports, policy| authenticate(ports, policy, &request));
        assert!(
            matches!(ending, Ending::Ignore(Some(Record { todo: Some(Todo::Unjudged), .. }))),
            "{ending:?}"
        );
    }
}

#[test]
fn on_a_trusted_device_all_of_it_is_the_password() {
    let mut host = Host::with(State::Active);
    host.configure("[interactive]\ntrust = [\"address\"]\n");
    let address = crate::device::Device::Address("203.0.113.9".parse().unwrap());
    host.shelf.trusted.push((ServiceName::parse("sshd").unwrap(), address, None));
    assert_eq!(split(&mut host, "alice", "hunter2123456"), None);
}

#[test]
fn where_the_store_cannot_be_read_nobody_gets_in() {
    let mut host = Host::with(State::Active);
    host.shelf.broken = true;
    let request = Request { mode: Mode::OnePrompt, ..Host::request("alice", ServiceClass::Interactive) };
    let steps = vec![Step::Ask(ONE_PROMPT, Ok("hunter2123456".into())), Step::Tell("not available")];
    let ending = host.play(steps, None, |ports, policy| authenticate(ports, policy, &request));
    assert_eq!(ending, Ending::Unavailable);
}

/// sshd has one handle for all methods: a try by password that failed leaves what a key finds.
#[test]
fn a_key_after_a_try_that_failed_lets_in_whom_a_key_alone_lets_in() {
    for (user, unenrolled, lets_in) in [
        ("alice", "allow", false),
        ("bob", "allow", true),
        ("bob", "enroll from 2027-02-01", true),
        ("bob", "enroll", false),
        ("bob", "deny", false),
    ] {
        let mut host = Host::with(State::Active);
        host.configure(&format!("[interactive]\nunenrolled = \"{unenrolled}\"\n"));
        let request = Host::request(user, ServiceClass::Interactive);
        let told = match (lets_in, unenrolled) {
            (true, "allow") => vec![],
            (true, _) => vec![Step::Tell("will be needed here")],
            (false, _) => vec![Step::Tell(UNAVAILABLE_TEXT)],
        };
        let ending =
            host.play(told, None, |ports, policy| account_unjudged_or_after_key(ports, policy, &request));
        assert_eq!(ending == Ending::Ignore(None), lets_in, "{user} {unenrolled}: {ending:?}");
        assert_eq!(host.last_line().contains("reason=code-unjudged"), !lets_in, "{}", host.last_line());
    }
}
