//! Waiting for something, and giving up with a message that says what it was.

use std::fmt::Display;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::log;

/// How long a test waits for what is sure to come. Far more than any machine needs, however busy, so that only a real failure meets it.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// How long may take what somebody could otherwise make last for minutes. It takes a second; the rest is for a busy machine.
const SOON: Duration = Duration::from_secs(15);

/// Runs `body`, which is not to take long; panics with `what` where it did.
#[track_caller]
pub fn soon<T>(what: impl Display, body: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let done = body();
    let took = begun.elapsed();
    println!("{what} took {} ms", took.as_millis());
    assert!(took < SOON, "{what} took {} s", took.as_secs());
    done
}

/// Calls `look` until it finds something; panics with `what` and the end of every log when [`PATIENCE`] is over.
#[track_caller]
pub fn eventually<T>(what: impl Display, look: impl FnMut() -> Option<T>) -> T {
    let found = found_within(PATIENCE, look);
    found.unwrap_or_else(|| {
        panic!("waited {} s in vain for {what}\n{}", PATIENCE.as_secs(), log::tails("/".as_ref()))
    })
}

/// Calls `look` until it finds something, or until so much time is over.
pub(crate) fn found_within<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        sleep(Duration::from_millis(10));
    }
}

/// For what cannot fail in a box that works: the value, or a panic that says what was being done.
pub trait OrDie<T> {
    /// The value; otherwise panics with `cannot {doing}: {error}`.
    fn or_die(self, doing: impl Display) -> T;
}

impl<T, E: Display> OrDie<T> for Result<T, E> {
    #[track_caller]
    fn or_die(self, doing: impl Display) -> T {
        match self {
            Ok(value) => value,
            Err(error) => panic!("cannot {doing}: {error}"),
        }
    }
}
