use super::*;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use std::collections::VecDeque;
use std::io;
use std::thread;
use twostep_core::protocol::Refusal;
use twostep_core::protocol::own::ForgottenDevice;
use twostep_host::link::LinkError;

/// Answers from a list, and keeps what was said. The list must be used up.
#[derive(Default)]
struct Script {
    answers: VecDeque<&'static str>,
    seen: Vec<String>,
}

impl Person for Script {
    fn hidden(&mut self, prompt: &str) -> io::Result<Secret> {
        self.shown(prompt)
    }

    fn shown(&mut self, prompt: &str) -> io::Result<Secret> {
        self.seen.push(prompt.to_owned());
        let answer = self.answers.pop_front().ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(Secret::new(answer.as_bytes().to_vec()))
    }

    fn tell(&mut self, text: &str) {
        self.seen.push(text.to_owned());
    }
}

/// What a broker says and is told, in order.
enum Turn {
    Says(FromBroker),
    Hears(ToBroker),
}

use Turn::{Hears, Says};

fn ask(prompt: &str) -> Turn {
    Says(FromBroker::Ask { ask: Ask::Hidden { prompt: prompt.to_owned().into() } })
}

fn answer(text: &str) -> Turn {
    let text = Secret::new(text.as_bytes().to_vec());
    Hears(ToBroker::Answer { answer: Answer::Text { text } })
}

/// Runs `body` against a broker that keeps to the turns and then closes.
fn against<T>(
    answers: &[&'static str],
    turns: Vec<Turn>,
    body: impl FnOnce(&mut Conversation<'_>) -> T,
) -> (T, Vec<String>) {
    let (ours, theirs) =
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
    let broker = thread::spawn(move || {
        let link = Link::over(theirs);
        for turn in turns {
            match turn {
                Says(words) => link.send(&words).unwrap(),
                Hears(words) => assert_eq!(link.receive::<ToBroker>(Duration::from_secs(5)), Ok(words)),
            }
        }
    });
    let mut script = Script { answers: answers.iter().copied().collect(), ..Script::default() };
    let result = body(&mut Conversation { link: Link::over(ours), person: &mut script, name: None });
    broker.join().unwrap();
    assert!(script.answers.is_empty(), "never asked for: {:?}", script.answers);
    (result, script.seen)
}

const CHANGE: Change = Change::BackupCodes;

fn request() -> Turn {
    Hears(ToBroker::Change { user: None, change: CHANGE })
}

#[test]
fn questions_are_answered_until_there_is_a_result() {
    let done = Done::BackupCodes { codes: vec![Secret::new(b"abcd".to_vec())] };
    let turns = vec![
        request(),
        ask("Password: "),
        answer("hunter2"),
        Says(FromBroker::Tell { text: "hello".to_owned() }),
        ask("Verification code: "),
        answer("123456"),
        Says(FromBroker::Done { done: done.clone() }),
    ];
    let (result, seen) = against(&["hunter2", "123456"], turns, |broker| broker.change(CHANGE));
    assert_eq!(result.unwrap(), done);
    assert_eq!(seen, ["Password: ", "hello", "Verification code: "]);
}

#[test]
fn a_trusted_device_is_forgotten_after_password_and_code() {
    let change = || Change::ForgetTrustedDevice { which: "203.0.113.9".to_owned() };
    let device = ForgottenDevice {
        id: 3,
        service: "sshd".to_owned(),
        kind: "address".to_owned(),
        device: "203.0.113.9".to_owned(),
    };
    let done = Done::Forgotten { devices: vec![device] };
    let turns = vec![
        Hears(ToBroker::Change { user: None, change: change() }),
        ask("Password: "),
        answer("hunter2"),
        ask("Verification code: "),
        answer("123456"),
        Says(FromBroker::Done { done: done.clone() }),
    ];
    let (result, seen) = against(&["hunter2", "123456"], turns, |broker| broker.change(change()));
    assert_eq!(result.unwrap(), done);
    assert_eq!(seen, ["Password: ", "Verification code: "]);
}

#[test]
fn a_refusal_is_told_as_it_is() {
    let text = "The password or the code was not accepted. Nothing was changed.".to_owned();
    let turns =
        vec![request(), Says(FromBroker::Refused { refusal: Refusal::NotProven, text: text.clone() })];
    let (result, _) = against(&[], turns, |broker| broker.change(CHANGE));
    let failure = result.unwrap_err();
    assert!(matches!(&failure, Failure::Refused(Refusal::NotProven, told) if *told == text));
    assert!(failure.to_string().starts_with("twostep: The password"), "{failure}");
}

#[test]
fn a_broker_that_goes_away_in_the_middle_is_a_failure() {
    let turns = vec![request(), ask("Password: "), answer("hunter2")];
    let (result, _) = against(&["hunter2"], turns, |broker| broker.change(CHANGE));
    assert!(matches!(result.unwrap_err(), Failure::Link(LinkError::Closed)));
}

#[test]
fn its_last_word_is_heard_though_it_has_gone() {
    let text = "Too late.".to_owned();
    let turns = vec![
        request(),
        ask("Password: "),
        Says(FromBroker::Refused { refusal: Refusal::Protocol, text: text.clone() }),
    ];
    let (result, _) = against(&["hunter2"], turns, |broker| broker.change(CHANGE));
    assert!(matches!(result.unwrap_err(), Failure::Refused(Refusal::Protocol, told) if told == text));
}

#[test]
fn who_does_not_answer_changes_nothing() {
    let turns = vec![request(), ask("Password: "), Hears(ToBroker::Answer { answer: Answer::Failed })];
    let (result, _) = against(&[], turns, |broker| broker.change(CHANGE));
    let failure = result.unwrap_err();
    assert!(failure.to_string().contains("nothing was changed"), "{failure}");
}

#[test]
fn an_answer_that_has_no_place_is_a_failure() {
    let turns = vec![request(), Says(FromBroker::History { entries: Vec::new() })];
    let (result, _) = against(&[], turns, |broker| broker.change(CHANGE));
    assert!(matches!(result.unwrap_err(), Failure::Strange));
}

#[test]
fn a_new_authenticator_is_confirmed_in_a_few_tries() {
    let confirm = |code: &str| Hears(ToBroker::Confirm { code: Secret::new(code.as_bytes().to_vec()) });
    let turns = vec![
        confirm("111111"),
        Says(FromBroker::WrongCode { left: 1 }),
        confirm("123456"),
        Says(FromBroker::Done { done: Done::AuthenticatorAdded { id: 7 } }),
    ];
    let (result, seen) = against(&["111111", "123456"], turns, |broker| broker.confirm());
    assert_eq!(result.unwrap(), Done::AuthenticatorAdded { id: 7 });
    assert!(seen.contains(&"That is not the code; 1 more try.".to_owned()), "{seen:?}");
}
