//! Trusted devices.

use super::*;
use crate::device::{DeviceKind, Fingerprint};

const KEY: &[u8] =
    b"publickey ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
const TRUST_KEY: &str = "Trust whoever has this ssh key (SHA256:…";
const TRUST_ADDRESS: &str = "Trust whoever comes from this address (203.0.113.9) for 30 days…";

fn after_key() -> Request<'static> {
    let key = Fingerprint::of_auth_info(KEY);
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
