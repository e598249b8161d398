//! Forked children: for what a process can do only once (give up its uid) and for what takes many (a race).
//!
//! A child runs Rust code after a fork, which is sound where the parent has a single thread, as inside of a box. Elsewhere keep to
//! what takes no lock of std's: no printing. The child's closure is dropped in the parent too: what it owns and cleans up when dropped
//! (a folder of stacks) is made within it, or lent to it.

use std::fs::File;
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::ffi::kernel;
use crate::wait::OrDie;

/// A forked child whose result is yet to come.
#[derive(Debug)]
#[must_use = "a child that is not joined stays a zombie"]
pub struct Child {
    pid: i32,
    result: File,
    has_ended: bool,
}

/// Runs `body` in a forked child and returns what it returned.
#[track_caller]
pub fn run(body: impl FnOnce() -> String) -> String {
    start(body).join()
}

/// Starts `body` in a forked child.
#[track_caller]
pub fn start(body: impl FnOnce() -> String) -> Child {
    let (result, mut report) = kernel::pipe().or_die("make a pipe");
    let pid = kernel::fork_with(move || {
        let outcome = catch_unwind(AssertUnwindSafe(body));
        match outcome.map(|text| report.write_all(text.as_bytes())) {
            Ok(Ok(())) => 0,
            _ => 101,
        }
    })
    .or_die("fork");
    Child { pid, result, has_ended: false }
}

impl Child {
    /// Its pid.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Waits for its end and returns what `body` returned; panics where it panicked or was killed.
    #[track_caller]
    pub fn join(mut self) -> String {
        let mut text = String::new();
        self.result.read_to_string(&mut text).or_die("read a child's result");
        let status = self.wait();
        assert!(status == 0, "the child ended with status {status}");
        text
    }

    /// SIGKILL, and waits for its end.
    pub fn kill(mut self) {
        kernel::kill(self.pid, libc::SIGKILL).or_die("kill a child");
        self.wait();
    }

    fn wait(&mut self) -> i32 {
        let status = kernel::wait_for(self.pid).or_die("wait for a child");
        self.has_ended = true;
        status
    }
}

impl Drop for Child {
    /// A test that fails leaves nobody behind who waits for ever, or for whom others do.
    fn drop(&mut self) {
        if !self.has_ended {
            // It may have ended by itself.
            let _gone = kernel::kill(self.pid, libc::SIGKILL);
        }
    }
}

/// Starts `count` children, lets each run `ready` to get set, and then `go` all at once. Returns what each `go` returned.
#[track_caller]
pub fn race<T>(count: usize, ready: impl Fn(usize) -> T, go: impl Fn(T) -> String) -> Vec<String> {
    let (gun, trigger) = kernel::pipe().or_die("make a pipe");
    let (mut here, arrived) = kernel::pipe().or_die("make a pipe");
    let mut trigger = Some(trigger);
    let children: Vec<Child> = (0..count)
        .map(|number| {
            start(|| {
                drop(trigger.take());
                let own = ready(number);
                (&arrived).write_all(b"!").or_die("report ready");
                // Ends when the last holder of the other end, the parent, closes it.
                (&gun).read_to_end(&mut Vec::new()).or_die("wait for the starting gun");
                go(own)
            })
        })
        .collect();
    drop(arrived);
    let mut all = vec![0; count];
    here.read_exact(&mut all).or_die("wait until all children are ready");
    drop(trigger);
    children.into_iter().map(Child::join).collect()
}

/// Makes this process, a forked child, one of another user: real, effective and saved uid as given, all gids `group`, no
/// supplementary groups.
pub fn become_ids(group: u32, real: u32, effective: u32, saved: u32) {
    kernel::set_ids(group, real, effective, saved).or_die("change uids");
}
