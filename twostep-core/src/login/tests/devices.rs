//! Trusted devices.

use super::*;
use crate::device::{DeviceKind, SeenKey};

const KEY: &[u8] =
    b"publickey ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
const TRUST_KEY: &str = "Trust whoever has this ssh key (SHA256:…";
const TRUST_ADDRESS: &str = "Trust whoever comes from this address (203.0.113.9) for 30 days…";

fn after_key() -> Request<'static> {
    let key = SeenKey::of_auth_info(KEY);
    Request { mode: Mode::AfterKey, key, ..Host::request("alice", ServiceClass::Interactive) }
}

fn host(kinds: &str) -> Host {
    let mut host = Host::with(State::Active);
    host.configure(&format!("[interactive]\ntrust = {kinds}\n"));
    host
}

fn enter(host: &mut Host, request: &Request<'_>, steps: Vec<Step>) -> Ending {
    host.play(steps, None, |ports, policy| authenticate(ports, policy, request))
}

fn end(host: &mut Host, request: &Request<'_>, ending: Ending, steps: Vec<Step>) -> Ending {
    let Ending::Accept(record) = ending else { panic!("{ending:?}") };
    host.play(steps, None, |ports, policy| account_with_record(ports, policy, request, &record))
}

#[test]
fn a_key_that_was_trusted_needs_no_code() {
    let (mut host, request) = (host("[\"key\"]"), after_key());
    let ending = enter(&mut host, &request, vec![ask(&code())]);
    assert!(host.shelf.trusted.is_empty(), "trusted before the login as a whole has succeeded");
    let yes = vec![Step::Ask(TRUST_KEY, Ok("Yes".into()))];
    assert!(matches!(end(&mut host, &request, ending, yes), Ending::Accept(_)));
    assert_eq!(host.shelf.trusted[0].1.kind(), DeviceKind::Key);
    assert!(host.last_line().contains("reason=trusted-device-add user=alice"), "{}", host.last_line());
    let ending = enter(&mut host, &request, vec![]);
    assert!(matches!(&ending, Ending::Accept(Record { proof: Proof::Device, todo: None, .. })), "{ending:?}");
    assert!(host.last_line().contains("result=accepted reason=trusted-device"), "{}", host.last_line());
}

#[test]
fn nothing_is_trusted_where_the_modules_behind_refuse_the_account() {
    let (mut host, request) = (host("[\"key\"]"), after_key());
    let ending = enter(&mut host, &request, vec![ask(&code())]);
    host.refused_behind = true;
    assert!(matches!(end(&mut host, &request, ending, vec![]), Ending::Accept(_)));
    assert!(host.shelf.trusted.is_empty() && host.shelf.completed.is_empty());
}

#[test]
fn whoever_does_not_say_yes_trusts_nothing() {
    for answer in [Ok("n"), Ok(""), Ok("yep"), Err(TalkFailed)] {
        let (mut host, request) = (host("[\"key\"]"), after_key());
        let ending = enter(&mut host, &request, vec![ask(&code())]);
        let no = vec![Step::Ask(TRUST_KEY, answer.map(str::to_owned))];
        host.shelf.completed.clear();
        assert!(matches!(end(&mut host, &request, ending, no), Ending::Accept(_)));
        assert!(host.shelf.trusted.is_empty());
    }
}

#[test]
fn trust_is_bound_to_the_service_and_the_device_and_to_what_is_allowed_today() {
    let (mut host, request) = (host("[\"key\", \"address\"]"), after_key());
    let ending = enter(&mut host, &request, vec![ask(&code())]);
    let _in = end(&mut host, &request, ending, vec![Step::Ask(TRUST_KEY, Ok("y".into()))]);
    host.shelf.last_step = None;
    let service = ServiceName::parse("cockpit").unwrap();
    assert!(accepted(&enter(&mut host, &Request { service, ..request.clone() }, vec![ask(&code())])));
    host.shelf.last_step = None;
    assert!(accepted(&enter(&mut host, &Request { key: None, ..request.clone() }, vec![ask(&code())])));
    host.shelf.last_step = None;
    host.configure("[interactive]\ntrust = [\"key\"]\n[[rule]]\nservice = \"sshd\"\ntrust = []\n");
    assert!(accepted(&enter(&mut host, &request, vec![ask(&code())])));
}

#[test]
fn an_address_is_trusted_only_where_that_is_configured() {
    let request = Host::request("alice", ServiceClass::Interactive);
    let mut keys = host("[\"key\"]");
    let ending = enter(&mut keys, &request, vec![ask(&code())]);
    let _in = end(&mut keys, &request, ending, vec![]);
    let mut host = host("[\"address\"]");
    let ending = enter(&mut host, &request, vec![ask(&code())]);
    let _in = end(&mut host, &request, ending, vec![Step::Ask(TRUST_ADDRESS, Ok("y".into()))]);
    assert!(matches!(
        enter(&mut host, &request, vec![]),
        Ending::Accept(Record { proof: Proof::Device, .. })
    ));
    let elsewhere = Request { source: Source::of_host("203.0.113.10", &[]), ..request };
    assert_eq!(enter(&mut host, &elsewhere, vec![ask("000000"), Step::Tell("not accepted")]), Ending::Refuse);
}

#[test]
fn the_owner_of_a_trusted_device_is_told_of_wrong_codes_too() {
    let (mut host, request) = (host("[\"key\"]"), after_key());
    let ending = enter(&mut host, &request, vec![ask(&code())]);
    let _in = end(&mut host, &request, ending, vec![Step::Ask(TRUST_KEY, Ok("y".into()))]);
    host.shelf.failures = 3;
    let ending = enter(&mut host, &request, vec![]);
    let _in = end(&mut host, &request, ending, vec![Step::Tell("3 wrong codes were entered")]);
}

#[test]
fn trust_ends_when_the_account_password_is_another_one() {
    let (mut host, request) = (host("[\"key\"]"), after_key());
    host.people.1 = Ok(Some("$y$one"));
    let ending = enter(&mut host, &request, vec![ask(&code())]);
    let _in = end(&mut host, &request, ending, vec![Step::Ask(TRUST_KEY, Ok("y".into()))]);
    let is_asked = |host: &mut Host| {
        let ending = enter(host, &request, vec![ask("000000"), Step::Tell("not accepted")]);
        assert_eq!(ending, Ending::Refuse);
        host.shelf.failures = 0;
    };
    for other in [Ok(Some("$y$two")), Ok(None), Err(DirectoryFailed("down".to_owned()))] {
        host.people.1 = other;
        is_asked(&mut host);
    }
    host.people.1 = Ok(Some("$y$one"));
    assert!(matches!(
        enter(&mut host, &request, vec![]),
        Ending::Accept(Record { proof: Proof::Device, .. })
    ));
}

/// Who knows the old password, and a code, has the prompt stand until its owner has changed it.
#[test]
fn who_signs_in_with_the_old_password_is_not_trusted_with_the_new_one() {
    let (mut host, request) = (host("[\"key\"]"), after_key());
    host.people.1 = Ok(Some("$y$old"));
    let ending = enter(&mut host, &request, vec![ask(&code())]);
    host.people.1 = Ok(Some("$y$new"));
    let _in = end(&mut host, &request, ending, vec![Step::Ask(TRUST_KEY, Ok("y".into()))]);
    let ending = enter(&mut host, &request, vec![ask("000000"), Step::Tell("not accepted")]);
    assert_eq!(ending, Ending::Refuse);
}

#[test]
fn nobody_is_asked_to_trust_while_the_password_cannot_be_recorded() {
    let (mut host, request) = (host("[\"key\"]"), after_key());
    host.people.1 = Err(DirectoryFailed("down".to_owned()));
    let ending = enter(&mut host, &request, vec![ask(&code())]);
    assert!(matches!(end(&mut host, &request, ending, vec![]), Ending::Accept(_)));
    assert!(host.shelf.trusted.is_empty());
}

/// An account of a directory, without a shadow entry: only the password line hears of a change.
#[test]
fn a_changed_password_that_we_hear_of_ends_trust_whether_app_passwords_end_or_not() {
    let (mut host, request) = (host("[\"key\"]"), after_key());
    let ending = enter(&mut host, &request, vec![ask(&code())]);
    let _in = end(&mut host, &request, ending, vec![Step::Ask(TRUST_KEY, Ok("y".into()))]);
    let change = |host: &mut Host, change| {
        let service = ServiceName::parse("passwd").unwrap();
        let request = Request { service, ..Host::request("alice", ServiceClass::Interactive) };
        host.play(vec![], None, |ports, policy| change_password(ports, policy, &request, change))
    };
    let opened = host.shelf.opened;
    assert_eq!(change(&mut host, Change::Before), Ending::Ignore(None));
    assert_eq!(host.shelf.opened, opened, "nobody keeps a password for want of a store");
    host.shelf.read_only = true;
    assert_eq!(change(&mut host, Change::After), Ending::Ignore(None));
    assert!(host.last_line().contains("reason=store"), "{}", host.last_line());
    host.shelf.read_only = false;
    assert_eq!(change(&mut host, Change::After), Ending::Ignore(None));
    assert!(host.shelf.trusted.is_empty());
    let line = host.last_line();
    assert!(line.contains("reason=trusted-device-forget user=alice service=passwd"), "{line}");
    assert!(line.contains("by=password-change"), "{line}");
}
