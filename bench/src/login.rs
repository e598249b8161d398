//! One login: `pam_start_confdir`, `pam_authenticate`, `pam_acct_mgmt` where that succeeded, `pam_end`.

use std::fs;
use std::io::{Read, Write};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use twostep_tests::OrDie;
use twostep_tests::pam::{Code, Item, Stacks};

/// Who signs in, through which stack, from where, and what is typed at every prompt.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub(crate) stack: String,
    pub(crate) user: String,
    pub(crate) answer: String,
}

/// What became of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Code,
    pub(crate) took: Duration,
}

/// PAM's name for the service; the stack is the login's own. Beside it lies an `other`, as on every host: without one libpam logs a
/// line for each login.
const SERVICE: &str = "bench";
/// The same address each time: what a person's logins are like.
const FROM: &str = "192.0.2.7";

impl Login {
    /// In this process, where libpam has loaded modules before. It unloads them at `pam_end`; ours stays (`-z nodelete`).
    pub(crate) fn here(&self) -> Outcome {
        let stacks = Stacks::new().file(SERVICE, &self.stack).only("other", "pam_deny.so");
        let begin = Instant::now();
        let mut pam = stacks.start_answering(SERVICE, &self.user, &self.answer);
        pam.set_item(Item::Rhost, FROM);
        let mut code = pam.authenticate(0);
        if code == Code::SUCCESS {
            code = pam.acct_mgmt(0);
        }
        pam.end();
        Outcome { code, took: begin.elapsed() }
    }

    /// In a process of its own, which measures itself: what sshd pays, since each of its logins is a new process. Also returns the
    /// process' largest size in kilobytes.
    pub(crate) fn fresh(&self) -> (Outcome, u64) {
        let program = std::env::current_exe().or_die("find the running program");
        let mut child = Command::new(program)
            .arg("--login")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .or_die("start a process for one login");
        let told = format!("{}\n{}\n{}", self.user, self.answer, self.stack);
        child.stdin.take().expect("its stdin is a pipe").write_all(told.as_bytes()).or_die("tell a login");
        let done = child.wait_with_output().or_die("wait for a login");
        assert!(done.status.success(), "a process for one login ended with {}", done.status);
        let text = String::from_utf8_lossy(&done.stdout);
        let numbers: Vec<u64> =
            text.split_whitespace().map(|word| word.parse().or_die("read a login's figures")).collect();
        let &[code, nanoseconds, kilobytes] = numbers.as_slice() else { panic!("a login told {text:?}") };
        let code = Code(i32::try_from(code).or_die("read a PAM code"));
        (Outcome { code, took: Duration::from_nanos(nanoseconds) }, kilobytes)
    }
}

/// The other side of [`Login::fresh`].
pub(crate) fn one_from_stdin() -> ExitCode {
    let mut told = String::new();
    std::io::stdin().read_to_string(&mut told).or_die("read a login");
    let mut parts = told.splitn(3, '\n').map(str::to_owned);
    let mut next = || parts.next().expect("user, answer and stack are told");
    let (user, answer, stack) = (next(), next(), next());
    let Outcome { code, took } = Login { stack, user, answer }.here();
    println!("{} {} {}", code.0, took.as_nanos(), largest_size());
    ExitCode::SUCCESS
}

fn largest_size() -> u64 {
    let status = fs::read_to_string("/proc/self/status").or_die("read /proc/self/status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel tells VmHWM");
    line.trim().trim_end_matches(" kB").parse().or_die("read VmHWM")
}
