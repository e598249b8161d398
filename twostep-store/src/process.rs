//! One user of the store at a time in a process, and how long anybody waits for it.
//!
//! SQLite keeps a table of the locks that the process has on each file, and mutexes around it. A child that was forked while another thread
//! had the store open inherits both as they were, but not the locks: SQLite would read there without a lock, or wait for a mutex that nobody
//! gives back. So SQLite is used under `TURN` only, and where a child finds that taken by its parent, it never touches SQLite.
//!
//! Nothing here waits for a mutex: the word says whose turn it is, by pid, and is looked at again and again.

use crate::StoreError;
use crate::host::monotonic;
use crate::settings::BUSY;
use rusqlite::Connection;
use std::cell::Cell;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

/// The word while it is nobody's turn: no process has this number.
const FREE: u32 = 0;
/// How often a thread looks whether its turn has come; the store is held for a millisecond or two.
const PAUSE: Duration = Duration::from_micros(500);

static TURN: Word = Word(AtomicU32::new(FREE));

/// The pid of the process of which a thread has the store open.
struct Word(AtomicU32);

/// It is this thread's turn, until this is dropped.
pub(crate) struct Turn(&'static Word);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.0.store(FREE, Ordering::Release);
    }
}

/// Waits for the turn of this thread.
pub(crate) fn turn(patience: &Patience) -> Result<Turn, StoreError> {
    take(&TURN, process::id(), patience)
}

/// Whether this process was forked while another thread of its parent had the store open. It stays so until the process ends.
#[must_use]
pub fn has_inherited_turn() -> bool {
    TURN.is_inherited(process::id())
}

impl Word {
    fn is_inherited(&self, me: u32) -> bool {
        ![FREE, me].contains(&self.0.load(Ordering::Relaxed))
    }
}

fn take(word: &'static Word, me: u32, patience: &Patience) -> Result<Turn, StoreError> {
    patience.spend(|end| {
        loop {
            match word.0.compare_exchange(FREE, me, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Ok(Turn(word)),
                Err(holder) if holder != me => return Err(StoreError::Forked),
                Err(_) if patience.now() >= end => return Err(StoreError::Busy),
                Err(_) => (patience.pause)(PAUSE),
            }
        }
    })
}

/// What is left of the time for which a session may wait, for all that it waits for together: its turn in the process, and the locks of
/// other processes. A commit begins it again.
pub(crate) struct Patience {
    left: Cell<Duration>,
    clock: fn() -> Duration,
    pause: fn(Duration),
}

impl Patience {
    pub(crate) fn new() -> Self {
        // All unit tests are one process, and each holds a store of its own for as long as it likes.
        let left = if cfg!(test) { BUSY * 60 } else { BUSY };
        Self { left: Cell::new(left), clock: monotonic, pause: thread::sleep }
    }

    /// So long it lasts still.
    pub(crate) fn left(&self) -> Duration {
        self.left.get()
    }

    /// Does what may have to wait, until then by the clock. The time that it takes is gone.
    pub(crate) fn spend<T>(&self, work: impl FnOnce(Duration) -> T) -> T {
        let begun = self.now();
        let done = work(begun.saturating_add(self.left.get()));
        self.left.set(self.left.get().saturating_sub(self.now().saturating_sub(begun)));
        done
    }

    /// [`Self::spend`] for one statement, and for whatever this connection waits for afterwards.
    pub(crate) fn run(&self, connection: &Connection, sql: &str) -> rusqlite::Result<()> {
        let done = self.spend(|_| connection.execute_batch(sql));
        connection.busy_timeout(self.left.get())?;
        done
    }

    /// A commit has ended one wait: what follows is another one.
    pub(crate) fn renew(&self, connection: &Connection) {
        self.left.set(BUSY);
        // It cannot fail on an open connection; and what was committed stays committed.
        let _shorter_then = connection.busy_timeout(BUSY);
    }

    fn now(&self) -> Duration {
        (self.clock)()
    }
}

#[cfg(test)]
#[path = "process_tests.rs"]
mod tests;
