//! A real `/bin/login` on a pseudo-terminal, and whoever types there.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::ffi::kernel;
use crate::wait::{OrDie, PATIENCE};

/// A terminal with a program on it.
#[derive(Debug)]
pub struct Console {
    terminal: File,
    child: Child,
    /// All that the terminal has shown.
    shown: String,
    /// How much of it [`Console::wait_for`] has passed.
    read: usize,
}

impl Console {
    /// A console login, as getty starts it.
    pub fn login() -> Self {
        Self::open("/bin/login", &[])
    }

    /// Runs any program on a terminal of its own.
    pub fn open(program: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).current_dir("/").env("TERM", "dumb");
        Self::start(command)
    }

    /// Starts a command on a terminal of its own.
    pub fn start(mut command: Command) -> Self {
        let (terminal, theirs) = kernel::open_terminal().or_die("make a pseudo-terminal");
        let stream = || Stdio::from(theirs.try_clone().or_die("copy a descriptor"));
        command.stdin(stream()).stdout(stream()).stderr(stream());
        kernel::with_controlling_terminal(&mut command);
        let child = command.spawn().or_die("start a program on a terminal");
        Self { terminal, child, shown: String::new(), read: 0 }
    }

    /// Waits until the terminal shows `text` beyond what was waited for before; returns what it showed up to and with it.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.shown[self.read..].find(text) {
                let end = self.read + at + text.len();
                let passed = self.shown[self.read..end].to_owned();
                self.read = end;
                return passed;
            }
            let alive = self.listen();
            assert!(
                alive && Instant::now() < deadline,
                "the terminal never showed {text:?}; it showed:\n{}",
                self.shown
            );
        }
    }

    /// Types a line.
    pub fn type_line(&mut self, line: &str) {
        self.terminal.write_all(format!("{line}\n").as_bytes()).or_die("type a line");
    }

    /// Waits for a prompt and answers it.
    #[track_caller]
    pub fn answer(&mut self, prompt: &str, line: &str) {
        self.wait_for(prompt);
        // login flushes what was typed ahead when it turns echo off; the prompt is written before that.
        std::thread::sleep(Duration::from_millis(100));
        self.type_line(line);
    }

    /// Waits for the program's end; its exit status. What it showed is in [`Console::shown`].
    #[track_caller]
    pub fn end(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let alive = self.listen();
            match self.child.try_wait().or_die("wait for a program") {
                Some(status) if !alive => return status.code(),
                _ => {
                    assert!(Instant::now() < deadline, "the program never ended; it showed:\n{}", self.shown)
                }
            }
        }
    }

    /// Sends the program a signal.
    pub fn signal(&self, signal: i32) {
        kernel::kill(self.child.id().cast_signed(), signal).or_die("send a signal");
    }

    /// Answers a prompt if it comes before the program ends; whether it came.
    #[track_caller]
    pub fn type_when_asked(&mut self, prompt: &str, line: &str) -> bool {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.shown[self.read..].find(prompt) {
                self.read += at + prompt.len();
                std::thread::sleep(Duration::from_millis(100));
                self.type_line(line);
                return true;
            }
            if !self.listen() {
                return false;
            }
            assert!(Instant::now() < deadline, "the terminal showed:\n{}", self.shown);
        }
    }

    /// The pid of the program on the terminal.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything shown so far.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Reads once; false when nobody holds the terminal's other end any more.
    fn listen(&mut self) -> bool {
        if !kernel::readable_within(&self.terminal, 200).or_die("wait for the terminal") {
            return true;
        }
        let mut buffer = [0; 4096];
        match self.terminal.read(&mut buffer) {
            // Linux reports a hang-up as EIO.
            Ok(0) | Err(_) => false,
            Ok(length) => {
                self.shown.push_str(&String::from_utf8_lossy(&buffer[..length]));
                true
            }
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
