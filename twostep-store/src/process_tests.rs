use super::*;
use crate::admin::{self, BesideKey};
use crate::rows::exclusively;
use crate::testing::host;
use crate::vault::Files;
use std::sync::mpsc;

thread_local! {
    /// A clock of this thread's own, which runs while it pauses and at no other time.
    static CLOCK: Cell<Duration> = const { Cell::new(Duration::from_secs(1_000)) };
}

fn now() -> Duration {
    CLOCK.get()
}

fn pass(time: Duration) {
    CLOCK.set(CLOCK.get() + time);
}

fn patience() -> Patience {
    Patience { left: Cell::new(BUSY), clock: now, pause: pass }
}

fn word() -> &'static Word {
    Box::leak(Box::new(Word(AtomicU32::new(FREE))))
}

const PARENT: u32 = 100;
const CHILD: u32 = 101;

#[test]
fn every_waiter_gives_up_when_its_own_time_is_over_however_many_wait() {
    let word = word();
    let held = take(word, PARENT, &patience()).unwrap();
    let waits: Vec<_> = (0..5)
        .map(|_| {
            thread::spawn(|| {
                let begun = now();
                let refused = matches!(take(word, PARENT, &patience()), Err(StoreError::Busy));
                (refused, now() - begun)
            })
        })
        .collect();
    for wait in waits {
        assert_eq!(wait.join().unwrap(), (true, BUSY));
    }
    drop(held);
    assert!(take(word, PARENT, &patience()).is_ok());
}

#[test]
fn what_one_thing_was_waited_for_is_not_there_for_the_next() {
    let patience = patience();
    patience.spend(|end| {
        assert_eq!(end, now() + BUSY);
        pass(Duration::from_secs(3));
    });
    assert_eq!(patience.left(), BUSY - Duration::from_secs(3));
    let word = word();
    let _held = take(word, PARENT, &super::tests::patience()).unwrap();
    let begun = now();
    assert!(matches!(take(word, PARENT, &patience), Err(StoreError::Busy)));
    assert_eq!(now() - begun, BUSY - Duration::from_secs(3));
    assert_eq!(patience.left(), Duration::ZERO);
}

#[test]
fn a_turn_that_was_inherited_is_nobodys_and_is_not_waited_for() {
    let word = word();
    let held = take(word, PARENT, &patience()).unwrap();
    assert!(word.is_inherited(CHILD) && !word.is_inherited(PARENT));
    let begun = now();
    assert!(matches!(take(word, CHILD, &patience()), Err(StoreError::Forked)));
    assert_eq!(now(), begun);
    drop(held);
    assert!(!word.is_inherited(CHILD));
    assert!(take(word, CHILD, &patience()).is_ok());
}

fn timeout(files: &Files, patience: Patience) -> i64 {
    let session = files.session_within(patience).unwrap();
    session.connection.query_row("PRAGMA busy_timeout", [], |row| row.get(0)).unwrap()
}

#[test]
fn sqlite_waits_for_what_the_turn_has_left() {
    let files = host("patience");
    admin::init(&files, BesideKey::Refuse).unwrap();
    let tired = patience();
    tired.spend(|_| pass(Duration::from_secs(4)));
    assert_eq!(timeout(&files, tired), 1_000);
    assert_eq!(timeout(&files, patience()), 5_000);
}

#[test]
fn a_commit_begins_the_patience_again() {
    let files = host("patience-again");
    admin::init(&files, BesideKey::Refuse).unwrap();
    let tired = patience();
    tired.spend(|_| pass(Duration::from_secs(4)));
    let session = files.session_within(tired).unwrap();
    exclusively(&session, || Ok(())).unwrap();
    let timeout: i64 = session.connection.query_row("PRAGMA busy_timeout", [], |row| row.get(0)).unwrap();
    assert_eq!(timeout, 5_000);
}

#[test]
fn threads_take_turns() {
    let files = host("turns");
    admin::init(&files, BesideKey::Refuse).unwrap();
    let session = files.session().unwrap();
    let (started, wait) = mpsc::channel();
    let others: Vec<_> = (0..4)
        .map(|_| {
            let (files, started) = (files.clone(), started.clone());
            thread::spawn(move || {
                started.send(()).unwrap();
                files.session().map(drop)
            })
        })
        .collect();
    others.iter().for_each(|_| wait.recv().unwrap());
    drop(session);
    for other in others {
        other.join().unwrap().unwrap();
    }
}
