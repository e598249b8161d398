//! Keys that are both steps, and what is said when somebody came without a code.

use super::*;
use crate::device::SeenKey;
use crate::device::tests::KEY;

/// `ssh-keygen -t ed25519-sk`
const SECURITY_KEY: &str = "publickey sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fAAAABHNzaDo=";
/// A plain key, with a word in its place that somebody chose.
const SAID: &str = "publickey sk-ssh-ed25519@openssh.com AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";

fn host(configuration: &str) -> Host {
    let mut host = Host::with(State::Active);
    host.configure(configuration);
    host
}

fn with(mode: Mode, info: &str) -> Request<'static> {
    let key = SeenKey::of_auth_info(info.as_bytes());
    Request { mode, key, ..Host::request("alice", ServiceClass::Interactive) }
}

fn enter(host: &mut Host, request: &Request<'_>, steps: Vec<Step>) -> Ending {
    host.play(steps, None, |ports, policy| authenticate(ports, policy, request))
}

fn unrecorded(host: &mut Host, request: &Request<'_>, came: Unrecorded, steps: Vec<Step>) -> Ending {
    host.play(steps, None, |ports, policy| account_without_record(ports, policy, request, came))
}

fn by_key(ending: &Ending) -> bool {
    matches!(ending, Ending::Accept(Record { proof: Proof::Key, todo: None, .. }))
}

const SECURITY_KEYS: &str = "[interactive]\nsecurity_keys = \"enough\"\n";
const SSH_KEYS: &str = "[interactive]\nssh_keys = \"enough\"\n";

#[test]
fn a_security_key_is_both_steps_where_the_configuration_says_so_and_no_other_key_is() {
    let security_key = with(Mode::AfterKey, SECURITY_KEY);
    assert!(accepted(&enter(&mut host(""), &security_key, vec![ask(&code())])));
    let mut lenient = host(SECURITY_KEYS);
    assert!(by_key(&enter(&mut lenient, &security_key, vec![])));
    assert_eq!(
        lenient.last_line(),
        "result=accepted reason=security-key user=alice service=sshd from=203.0.113.9 \
         key=SHA256:/p0CbeE3dk2SyW1OXXsThGc12ezDVD8eGw2/vtztDfk"
    );
    for plain in [KEY, SAID, "publickey sk-ssh-ed25519@openssh.com", ""] {
        assert!(accepted(&enter(&mut host(SECURITY_KEYS), &with(Mode::AfterKey, plain), vec![ask(&code())])));
    }
}

#[test]
fn only_an_after_key_line_takes_a_key_for_both_steps_in_the_auth_phase() {
    for configuration in [SECURITY_KEYS, SSH_KEYS] {
        let request = with(Mode::ByService, SECURITY_KEY);
        assert!(accepted(&enter(&mut host(configuration), &request, vec![ask(&code())])));
    }
}

#[test]
fn any_key_is_both_steps_where_the_configuration_says_so_of_all() {
    let mut host = host(SSH_KEYS);
    assert!(by_key(&enter(&mut host, &with(Mode::AfterKey, KEY), vec![])));
    assert!(host.last_line().contains("result=accepted reason=ssh-key user=alice"), "{}", host.last_line());
    // A key that cannot be read is none.
    for none in ["publickey ssh-ed25519 AAAA", "", "password", "gssapi-with-mic alice@EXAMPLE.ORG"] {
        let ending =
            enter(&mut host, &with(Mode::AfterKey, none), vec![ask("000000"), Step::Tell("not accepted")]);
        assert_eq!(ending, Ending::Refuse, "{none:?}");
    }
}

/// sshd shows nothing of its last method there: what is not shown is not a key.
#[test]
fn the_account_phase_takes_a_key_that_is_shown_and_nothing_else() {
    for came in [Unrecorded::ByKey, Unrecorded::ByPam] {
        let shown = with(Mode::ByService, KEY);
        assert!(by_key(&unrecorded(&mut host(SSH_KEYS), &shown, came, vec![])));
        let refused = |configuration, info| {
            let mut host = host(configuration);
            let ending =
                unrecorded(&mut host, &with(Mode::ByService, info), came, vec![Step::Tell("password")]);
            assert_eq!(ending, Ending::Refuse, "{configuration} {info:?}");
        };
        let of_a_host = KEY.replace("publickey", "hostbased");
        let later = format!("keyboard-interactive/pam\n{KEY}");
        for info in [
            "",
            "password",
            "gssapi-with-mic alice@EXAMPLE.ORG",
            "publickey ssh-ed25519 AAAA",
            &of_a_host,
            &later,
        ] {
            refused(SSH_KEYS, info);
        }
        refused("", KEY);
        // Only an after-key line asks about the kind.
        refused(SECURITY_KEYS, SECURITY_KEY);
    }
}

#[test]
fn a_key_does_not_make_up_for_a_code_that_nobody_judged() {
    let mut host = host(SSH_KEYS);
    host.shelf.failures = 1;
    let request = with(Mode::ByService, KEY);
    let ending = host.play(vec![Step::Tell("not available")], None, |ports, policy| {
        account_unjudged_or_after_key(ports, policy, &request)
    });
    assert_eq!(ending, Ending::Unavailable);
    assert_eq!(host.shelf.failures, 1, "the owner was told in a login that was refused");
}

#[test]
fn rules_come_before_keys() {
    let rule = |decides: &str| format!("{SSH_KEYS}[[rule]]\nfrom = \"203.0.113.0/24\"\n{decides}\n");
    let request = with(Mode::AfterKey, SECURITY_KEY);
    let denied = enter(&mut host(&rule("demand = \"deny\"")), &request, vec![Step::Tell("cannot sign in")]);
    assert_eq!(denied, Ending::Refuse);
    assert!(accepted(&enter(&mut host(&rule("demand = \"code\"")), &request, vec![ask(&code())])));
    let own = "demand = \"code\"\nsecurity_keys = \"enough\"";
    assert!(by_key(&enter(&mut host(&rule(own)), &request, vec![])));
    assert!(accepted(&enter(&mut host(&rule(own)), &with(Mode::AfterKey, KEY), vec![ask(&code())])));
    // Of a group that is not there anybody may be.
    let doubted = format!("{SSH_KEYS}[[rule]]\ngroup = \"mispelt\"\nssh_keys = \"code\"\n");
    assert!(accepted(&enter(&mut host(&doubted), &request, vec![ask(&code())])));
}

#[test]
fn only_an_active_enrollment_of_the_users_own_is_opened_by_a_key() {
    let request = with(Mode::AfterKey, SECURITY_KEY);
    let mut pending = Host::with(State::Pending);
    pending.configure(SSH_KEYS);
    let steps = vec![Step::Tell("being set up"), ask("000000"), Step::Tell("not accepted")];
    assert_eq!(enter(&mut pending, &request, steps), Ending::Refuse);
    let mut app_only = host(SSH_KEYS);
    app_only.shelf.enrollments[0].authenticators = 0;
    assert_eq!(enter(&mut app_only, &request, vec![Step::Tell("cannot sign in")]), Ending::Refuse);
    let mut renumbered = host(SSH_KEYS);
    renumbered.people.0[0].1 = 2000;
    assert_eq!(enter(&mut renumbered, &request, vec![Step::Tell("administrator")]), Ending::Refuse);
    let orphans = Request { user: "al", ..request };
    assert_eq!(enter(&mut renumbered, &orphans, vec![ask(""), Step::Tell("another name")]), Ending::Refuse);
    let mut broken = host(SSH_KEYS);
    broken.shelf.broken = true;
    assert_eq!(
        enter(&mut broken, &with(Mode::AfterKey, KEY), vec![Step::Tell("not available")]),
        Ending::Unavailable
    );
}

#[test]
fn the_owner_who_comes_by_a_key_is_told_of_wrong_codes() {
    let mut host = host(SSH_KEYS);
    host.shelf.failures = 2;
    let request = with(Mode::AfterKey, KEY);
    let ending = enter(&mut host, &request, vec![]);
    let Ending::Accept(record) = ending else { panic!("{ending:?}") };
    assert_eq!(host.shelf.failures, 2, "told before the login as a whole has succeeded");
    let told = vec![Step::Tell("2 wrong codes were entered")];
    let ending = host.play(told, None, |ports, policy| account_with_record(ports, policy, &request, &record));
    assert!(matches!(ending, Ending::Accept(_)));
    assert_eq!(host.shelf.failures, 0);
}

#[test]
fn whoever_was_not_asked_for_a_code_is_not_said_to_have_come_by_a_key() {
    let request = with(Mode::ByService, "");
    let mut host = host("");
    let ending = unrecorded(&mut host, &request, Unrecorded::ByPam, vec![Step::Tell("nobody asked for it")]);
    assert_eq!(ending, Ending::Refuse);
    assert!(
        host.last_line().contains("result=refused reason=code-not-asked user=alice"),
        "{}",
        host.last_line()
    );
    let ending =
        unrecorded(&mut host, &request, Unrecorded::ByKey, vec![Step::Tell("A key alone is not enough")]);
    assert_eq!(ending, Ending::Refuse);
    assert!(host.last_line().contains("reason=key-alone"), "{}", host.last_line());
    host.configure("[interactive]\nunenrolled = \"enroll\"\n");
    let bob = Request { user: "bob", ..request };
    let ending = unrecorded(&mut host, &bob, Unrecorded::ByPam, vec![Step::Tell("ask your administrator")]);
    assert_eq!(ending, Ending::Refuse);
    assert!(host.last_line().contains("cause=\"the code was not asked for\""), "{}", host.last_line());
}
