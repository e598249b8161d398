//! Password and code in one string.

use super::*;

fn sign_in(host: &mut Host, user: &str, sent: &str, steps: Vec<Step>) -> Ending {
    let request = Request { mode: Mode::OnePrompt, ..Host::request(user, ServiceClass::Interactive) };
    let mut all = vec![Step::Ask(ONE_PROMPT, Ok(sent.to_owned()))];
    all.extend(steps);
    host.play(all, None, |ports, policy| authenticate(ports, policy, &request))
}

fn refused() -> Vec<Step> {
    vec![Step::Tell("not accepted")]
}

#[test]
fn a_right_code_is_cut_off_and_the_password_left_to_the_next_module() {
    let mut host = Host::with(State::Active);
    let ending = sign_in(&mut host, "alice", &format!("hunter2{}", code()), vec![]);
    assert!(matches!(&ending, Ending::Ignore(Some(record)) if record.proof == Proof::Code), "{ending:?}");
    assert_eq!(host.handed_on, Some(7));
    assert!(host.last_line().contains("result=accepted reason=code user=alice"), "{}", host.last_line());
    let ending = sign_in(&mut host, "alice", &format!("hunter2{}", code()), refused());
    assert_eq!((ending, host.handed_on), (Ending::Refuse, None), "a code twice");
}

#[test]
fn a_password_alone_is_refused_and_not_counted() {
    let mut host = Host::with(State::Active);
    for sent in ["hunter2", "", "12345", "x12345", "123 45", "ümläut"] {
        assert_eq!(sign_in(&mut host, "alice", sent, refused()), Ending::Refuse, "{sent:?}");
    }
    assert_eq!(host.shelf.failures, 0);
    assert_eq!(sign_in(&mut host, "alice", "hunter2000000", refused()), Ending::Refuse);
    assert_eq!(host.shelf.failures, 1);
}

#[test]
fn who_is_not_enrolled_keeps_the_whole() {
    let mut host = Host::with(State::Active);
    let ending = sign_in(&mut host, "bob", "hunter2123456", vec![]);
    assert!(matches!(ending, Ending::Ignore(Some(_))));
    assert_eq!(host.handed_on, None);
}

#[test]
fn whoever_it_is_for_is_asked_the_same() {
    for user in ["bob", "mallory", "ALICE", ""] {
        let mut host = Host::with(State::Active);
        let _either_way = sign_in(&mut host, user, "hunter2", vec![]);
    }
}

#[test]
fn a_pending_user_may_leave_the_code_out() {
    let mut host = Host::with(State::Pending);
    let request = Request { mode: Mode::OnePrompt, ..Host::request("alice", ServiceClass::Interactive) };
    let steps = vec![Step::Ask(ONE_PROMPT, Ok("hunter2".into()))];
    let ending = host.play(steps, None, |ports, policy| authenticate(ports, policy, &request));
    assert!(matches!(ending, Ending::Ignore(Some(_))));
}
