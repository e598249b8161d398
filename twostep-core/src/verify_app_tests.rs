use super::*;
use crate::crypto::MasterKey;
use crate::memory_hard::Hash;
use crate::network;
use crate::random::fake::Counting;
use crate::rule::Glob;
use crate::scope::Scope;
use crate::time::Lease;

const CHEAP: Cost = Cost { memory: 32, passes: 1, lanes: 1 };
const NOW: Now = Now { wall: UnixTime(1_800_000_000), since_boot: Duration::from_secs(100), boot: None };
const RIGHT: &[u8; 16] = b"abcdefghijklmnop";
const WRONG: &[u8; 16] = b"zzzzzzzzzzzzzzzz";

fn stored(id: i64, letters: &[u8]) -> app_password::Stored {
    app_password::Stored {
        id: AppPasswordId(id),
        label: Label::parse("phone").unwrap(),
        hash: Hash::make(letters, CHEAP, &mut Counting(0)).unwrap(),
        boot_tag: None,
        last_used: Some(NOW.wall),
        scope: Scope::default(),
    }
}

fn boot_key(byte: u8) -> BootKey {
    BootKey::of(&MasterKey::new([byte; 32]))
}

fn right() -> AppPassword {
    AppPassword::parse(RIGHT).unwrap()
}

/// What becomes of the right password, sent to imap from 203.0.113.9, and how many were hashed at most.
fn judge(candidates: &AppCandidates) -> (AppVerdict, usize) {
    let (password, service) = (right(), ServiceName::parse("imap").unwrap());
    let source = Source::of_host("203.0.113.9", &[]);
    let login = AppLogin {
        password: &password,
        service: &service,
        source: &source,
        now: &NOW,
        not_before: UnixTime(0),
        cost: CHEAP,
    };
    match look_up(login, candidates) {
        AppLook::Settled(verdict) => (verdict, 0),
        AppLook::ToHash(some) => (some.hash().unwrap(), some.these.len()),
    }
}

fn refused(candidates: &AppCandidates) -> (Reason, usize) {
    match judge(candidates) {
        (AppVerdict::Refused(reason), hashed) => (reason, hashed),
        (accepted, _) => panic!("{accepted:?}"),
    }
}

fn accepted(candidates: &AppCandidates) -> (AppPasswordId, News, usize) {
    match judge(candidates) {
        (AppVerdict::Accepted { id, news, .. }, hashed) => (id, news, hashed),
        (refused, _) => panic!("{refused:?}"),
    }
}

#[test]
fn a_right_one_costs_one_hash_and_from_then_on_none() {
    let mut candidates = AppCandidates {
        live: vec![stored(2, RIGHT)],
        boot_key: Some(boot_key(5)),
        ..AppCandidates::default()
    };
    let tag = right().boot_tag(&boot_key(5), AppPasswordId(2));
    let news = News { use_is_due: true, boot_tag: Some(tag), hash_is_outdated: false };
    assert_eq!(accepted(&candidates), (AppPasswordId(2), news, 1));
    candidates.live[0].boot_tag = Some(tag);
    assert_eq!(accepted(&candidates), (AppPasswordId(2), News::default(), 0));
    // After a reboot there is another key, and nothing that its tags could say.
    candidates.boot_key = Some(boot_key(6));
    assert_eq!(accepted(&candidates).2, 1);
    // Without one every login pays, and nothing is written for it.
    candidates.boot_key = None;
    assert_eq!(accepted(&candidates), (AppPasswordId(2), News::default(), 1));
}

#[test]
fn a_wrong_one_costs_no_hash_even_if_it_shares_the_tag_of_one_that_has_succeeded() {
    let mut candidates = AppCandidates { boot_key: Some(boot_key(5)), ..AppCandidates::default() };
    assert_eq!(refused(&candidates), (Reason::AppPasswordWrong, 0));
    candidates.live.push(stored(2, WRONG));
    assert_eq!(refused(&candidates), (Reason::AppPasswordWrong, 1));
    let other = AppPassword::parse(WRONG).unwrap().boot_tag(&boot_key(5), AppPasswordId(2));
    candidates.live[0].boot_tag = Some(other);
    assert_eq!(refused(&candidates), (Reason::AppPasswordWrong, 0));
    candidates.revoked = Label::parse("old phone").ok();
    assert_eq!(refused(&candidates), (Reason::AppPasswordRevoked { name: "old phone".into() }, 0));
}

#[test]
fn two_that_share_a_tag_are_told_apart() {
    let both = || vec![stored(1, WRONG), stored(2, RIGHT)];
    let mut candidates =
        AppCandidates { live: both(), boot_key: Some(boot_key(5)), ..AppCandidates::default() };
    assert_eq!(accepted(&candidates).0, AppPasswordId(2));
    candidates.live[1].boot_tag = Some(right().boot_tag(&boot_key(5), AppPasswordId(2)));
    assert_eq!(accepted(&candidates), (AppPasswordId(2), News::default(), 0));
}

#[test]
fn what_is_not_good_here_and_now_costs_no_hash() {
    let expired =
        Lease { given: Now { wall: UnixTime(1_000), ..NOW }.stamp(), lifetime: Duration::from_secs(86_400) };
    let name = || "phone".to_owned();
    let service = |text| Scope { services: vec![Glob::service(text).unwrap()], ..Scope::default() };
    let from = |text| Scope { networks: vec![network::parse(text).unwrap()], ..Scope::default() };
    for (scope, reason) in [
        (service("smtp"), Reason::AppPasswordOutOfScope { name: name(), cause: "service" }),
        (from("192.0.2.0/24"), Reason::AppPasswordOutOfScope { name: name(), cause: "address" }),
        (
            Scope { lease: Some(expired), ..Scope::default() },
            Reason::AppPasswordExpired { name: name(), since: UnixTime(87_400) },
        ),
    ] {
        let mut candidates = AppCandidates {
            live: vec![app_password::Stored { scope, ..stored(2, RIGHT) }],
            boot_key: Some(boot_key(5)),
            ..AppCandidates::default()
        };
        assert_eq!(refused(&candidates), (reason.clone(), 0));
        candidates.live[0].boot_tag = Some(right().boot_tag(&boot_key(5), AppPasswordId(2)));
        assert_eq!(refused(&candidates), (reason, 0));
        // One that was limited does not stand in the way of another.
        candidates.live[0].boot_tag = None;
        candidates.live.push(stored(3, RIGHT));
        assert_eq!(accepted(&candidates).0, AppPasswordId(3));
    }
}

#[test]
fn a_time_that_has_certainly_come_ends_it() {
    let soon = Lease { given: NOW.stamp(), lifetime: Duration::from_secs(60) };
    let scope = Scope { lease: Some(soon), ..Scope::default() };
    let mut candidates = AppCandidates {
        live: vec![app_password::Stored { scope, ..stored(2, RIGHT) }],
        ..AppCandidates::default()
    };
    assert_eq!(accepted(&candidates).0, AppPasswordId(2));
    candidates.latest_time = NOW.wall.plus(Duration::from_secs(60));
    assert_eq!(refused(&candidates).0.word(), "app-password-expired");
}

#[test]
fn a_hash_of_another_cost_is_outdated() {
    let dear = Hash { cost: Cost { passes: 2, ..CHEAP }, ..stored(2, RIGHT).hash };
    let tag = right().boot_tag(&boot_key(5), AppPasswordId(2));
    let live = vec![app_password::Stored { hash: dear, boot_tag: Some(tag), ..stored(2, RIGHT) }];
    let candidates = AppCandidates { live, boot_key: Some(boot_key(5)), ..AppCandidates::default() };
    assert_eq!(accepted(&candidates).1, News { hash_is_outdated: true, ..News::default() });
}

#[test]
fn a_use_is_written_at_most_once_in_ten_minutes() {
    let ago = |seconds| Some(NOW.wall.minus(Duration::from_secs(seconds)));
    assert!(use_is_due(None, NOW.wall));
    assert!(!use_is_due(ago(599), NOW.wall));
    assert!(use_is_due(ago(600), NOW.wall));
    assert!(use_is_due(Some(UnixTime(i64::MAX)), NOW.wall));
}
