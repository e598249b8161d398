//! Running a command to its end.

use std::fmt;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use crate::wait::OrDie;

/// What a command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// Exit status; a signal counts as 128 + its number, as in a shell.
    pub status: i32,
    /// What it wrote to stdout, invalid UTF-8 replaced.
    pub stdout: String,
    /// What it wrote to stderr, invalid UTF-8 replaced.
    pub stderr: String,
}

impl Done {
    /// Whether the exit status was 0.
    pub fn success(&self) -> bool {
        self.status == 0
    }

    /// Itself where the command succeeded; otherwise panics with all it said.
    #[track_caller]
    pub fn expect_success(self) -> Self {
        assert!(self.success(), "the command failed: {self}");
        self
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit status {}\n--- stdout\n{}\n--- stderr\n{}", self.status, self.stdout, self.stderr)
    }
}

/// Runs `command` with an empty stdin.
#[track_caller]
pub fn run(command: &mut Command) -> Done {
    run_with_input(command, "")
}

/// Runs `command` with `input` on stdin. Small inputs only: it is written before anything is read.
#[track_caller]
pub fn run_with_input(command: &mut Command, input: &str) -> Done {
    let name = command.get_program().display().to_string();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .or_die(format_args!("start {name}"));
    if let Some(mut stdin) = child.stdin.take() {
        // A command that ends without reading its input is judged by its status, not by our broken pipe.
        let _ = stdin.write_all(input.as_bytes());
    }
    done(child.wait_with_output().or_die(format_args!("wait for {name}")))
}

fn done(output: Output) -> Done {
    use std::os::unix::process::ExitStatusExt;
    let status = output.status.code().or_else(|| output.status.signal().map(|signal| 128 + signal));
    Done {
        status: status.unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
