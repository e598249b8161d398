//! Asking everybody, so that strangers do not see who is enrolled.

use super::*;

fn host(state: State, more: &str) -> Host {
    let mut host = Host::with(state);
    host.configure(&format!("[interactive]\nask_everyone = true\n{more}"));
    host
}

#[test]
fn everybody_is_asked_the_same_and_told_nothing() {
    let users = ["alice", "bob", "mallory", "ALICE", "\u{8}\n\r\u{7f}INCORRECT", ""];
    for entered in ["000000", "", "abcd efgh ijkl mnop", "abcd-efgh-jkmnp", "hunter2"] {
        for user in users {
            let mut host = host(State::Active, "");
            let ending = host.at_prompt(user, vec![ask(entered)]);
            match user {
                // Not enrolled, and allowed: what she enters does not matter.
                "bob" => assert!(matches!(ending, Ending::Ignore(Some(_))), "{entered:?}"),
                _ => assert_eq!(ending, Ending::Refuse, "{user:?} {entered:?}"),
            }
            // What is judged costs as much for nobody as for somebody.
            let judged = matches!(entered, "000000" | "abcd-efgh-jkmnp" | "hunter2");
            let (cost, opened) = match user {
                // The password again is a guess of nobody's.
                "alice" if entered != "hunter2" => (host.shelf.failures, 1 + usize::from(judged)),
                _ => (host.shelf.pretended as u32, 1 + usize::from(judged)),
            };
            assert_eq!((cost, host.shelf.opened), (u32::from(judged), opened), "{user:?} {entered:?}");
        }
    }
}

#[test]
fn a_right_code_still_lets_in() {
    let mut host = host(State::Active, "");
    assert!(accepted(&host.at_prompt("alice", vec![ask(&code())])));
}

#[test]
fn a_pending_user_is_asked_as_everybody_is() {
    let mut host = host(State::Pending, "");
    assert!(matches!(host.at_prompt("alice", vec![ask("")]), Ending::Ignore(Some(_))));
}

#[test]
fn whoever_is_refused_anyway_is_asked_before() {
    let mut host = host(State::Active, "unenrolled = \"deny\"\n");
    assert_eq!(host.at_prompt("bob", vec![ask("000000")]), Ending::Refuse);
    assert!(host.last_line().contains("reason=not-enrolled user=bob"), "{}", host.last_line());
    host.people.0[0].1 = 2000;
    assert_eq!(host.at_prompt("alice", vec![ask("000000")]), Ending::Refuse);
    assert!(host.last_line().contains("reason=uid-changed"), "{}", host.last_line());
}

#[test]
fn where_nothing_can_be_written_nobody_gets_in() {
    let mut host = host(State::Active, "");
    host.shelf.read_only = true;
    for user in ["alice", "bob", "mallory"] {
        let ending = host.at_prompt(user, vec![ask("000000"), Step::Tell(UNAVAILABLE_TEXT)]);
        assert_eq!(ending, Ending::Unavailable, "{user}");
    }
}

#[test]
fn whoever_has_shown_a_key_is_no_stranger() {
    let mut host = host(State::Active, "");
    let request = Request { mode: Mode::AfterKey, ..Host::request("bob", ServiceClass::Interactive) };
    let ending = host.play(vec![], None, |ports, policy| authenticate(ports, policy, &request));
    assert!(matches!(ending, Ending::Accept(Record { proof: Proof::Key, .. })));
}

/// Whoever must wait is not judged, which is quicker: it must not be seen.
#[test]
fn what_is_not_heard_costs_as_much() {
    let mut host = host(State::Active, "");
    host.shelf.unheard = true;
    assert_eq!(host.at_prompt("alice", vec![ask("000000")]), Ending::Refuse);
    assert_eq!((host.shelf.failures, host.shelf.pretended), (0, 1));
}

#[test]
fn a_trusted_device_is_asked_as_well() {
    let mut host = host(State::Active, "trust = [\"address\"]\n");
    let address = crate::device::Device::Address("203.0.113.9".parse().unwrap());
    host.shelf.trusted.push((ServiceName::parse("sshd").unwrap(), address, None));
    assert!(matches!(
        host.at_prompt("alice", vec![ask("")]),
        Ending::Accept(Record { proof: Proof::Device, .. })
    ));
}

/// A rule that wants to know who it is must not tell who is somebody.
#[test]
fn rules_that_name_people_do_not_tell_of_them() {
    let rules = "[[rule]]\nuser = \"bob\"\ndemand = \"deny\"\n";
    for user in ["alice", "bob", "BOB", "mallory", "MALLORY", "\u{8}\n\r\u{7f}INCORRECT"] {
        let mut host = host(State::Active, rules);
        assert_eq!(host.at_prompt(user, vec![ask("000000")]), Ending::Refuse, "{user:?}");
        let request = Host::request(user, ServiceClass::Interactive);
        let settled = host.play(vec![], None, |ports, policy| settle(ports, policy, &request));
        assert_eq!(settled, Settled::Open(ServiceClass::Interactive), "{user:?}");
    }
}
