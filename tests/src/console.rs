//! A real `/bin/login` on a pseudo-terminal, and whoever types there.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::ffi::kernel;
use crate::log;
use crate::wait::{OrDie, PATIENCE};

/// How long one look at the terminal takes when nothing happens there.
const LOOK: Duration = Duration::from_millis(20);

/// A terminal with a program on it.
#[derive(Debug)]
pub struct Console {
    terminal: File,
    /// The other end, as programs on it name it: `/dev/pts/3`.
    device: PathBuf,
    /// The same as the kernel names it in /proc/PID/stat.
    number: u32,
    child: Child,
    /// The program and its arguments, for failure messages.
    program: String,
    /// All that the terminal was sent.
    sent: Vec<u8>,
    /// The same as text, up to the last character that has come whole.
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

    /// Starts a command on a terminal of its own, which does not know its size.
    pub fn start(command: Command) -> Self {
        Self::start_sized(command, 0, 0)
    }

    /// Starts a command on a terminal of its own, of so many columns and rows.
    pub fn start_sized(mut command: Command, columns: u16, rows: u16) -> Self {
        let (terminal, theirs) = kernel::open_terminal(columns, rows).or_die("make a pseudo-terminal");
        let number = theirs.metadata().or_die("look at a terminal").rdev();
        let (major, minor) = (libc::major(number), libc::minor(number));
        let device = PathBuf::from(format!("/dev/pts/{minor}"));
        let number = major << 8 | minor & 0xff | (minor & !0xff) << 12;
        let stream = || Stdio::from(theirs.try_clone().or_die("copy a descriptor"));
        command.stdin(stream()).stdout(stream()).stderr(stream());
        kernel::with_controlling_terminal(&mut command);
        let child = command.spawn().or_die("start a program on a terminal");
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let program = words.map(|word| word.display().to_string()).collect::<Vec<_>>().join(" ");
        Self { terminal, device, number, child, program, sent: Vec::new(), shown: String::new(), read: 0 }
    }

    /// Waits until the terminal shows `text` beyond what was waited for before; returns what it showed up to and with it.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(passed) = self.pass(text) {
                return passed;
            }
            if !self.listen() {
                self.give_up(format_args!("ended without showing {text:?}"));
            }
            if Instant::now() >= deadline {
                self.give_up(format_args!("did not show {text:?} in {} s", PATIENCE.as_secs()));
            }
        }
    }

    /// Types a line as soon as it is waited for: login, su and others throw away what was typed before that.
    #[track_caller]
    pub fn type_line(&mut self, line: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.awaits_a_line() {
            // What is shown meanwhile is read, or the program would stop when the terminal is full.
            if !self.listen() {
                self.give_up(format_args!("ended before a line could be typed"));
            }
            if Instant::now() >= deadline {
                self.give_up(format_args!("did not wait for a line in {} s", PATIENCE.as_secs()));
            }
        }
        self.terminal.write_all(format!("{line}\n").as_bytes()).or_die("type a line");
    }

    /// Waits for a prompt and answers it.
    #[track_caller]
    pub fn answer(&mut self, prompt: &str, line: &str) {
        self.wait_for(prompt);
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
                _ if Instant::now() < deadline => {}
                _ => self.give_up(format_args!("did not end in {} s", PATIENCE.as_secs())),
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
        while self.pass(prompt).is_none() {
            if !self.listen() {
                return false;
            }
            if Instant::now() >= deadline {
                self.give_up(format_args!("neither showed {prompt:?} nor ended in {} s", PATIENCE.as_secs()));
            }
        }
        self.type_line(line);
        true
    }

    /// The pid of the program on the terminal.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything shown so far.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Everything that the terminal was sent so far.
    pub fn sent(&self) -> &[u8] {
        &self.sent
    }

    /// What was shown up to and with `text`, beyond what was passed before.
    fn pass(&mut self, text: &str) -> Option<String> {
        let end = self.read + self.shown[self.read..].find(text)? + text.len();
        let passed = self.shown[self.read..end].to_owned();
        self.read = end;
        Some(passed)
    }

    /// Whether a program on this terminal sleeps until something is typed.
    fn awaits_a_line(&self) -> bool {
        let processes = fs::read_dir("/proc").or_die("list processes").flatten().map(|entry| entry.path());
        processes.filter(|process| process.join("syscall").exists()).any(|process| self.is_read_by(&process))
    }

    /// Whether a process has this terminal open and sleeps until there is something to read, there or at several places.
    fn is_read_by(&self, process: &Path) -> bool {
        // A process may end at any time.
        let text = |file: &str| fs::read_to_string(process.join(file)).unwrap_or_default();
        let is_ours = |descriptor: &str| {
            let file = fs::read_link(process.join("fd").join(descriptor)).unwrap_or_default();
            // proc(5): the terminal is the fifth after the name, which is in brackets and may hold anything.
            let terminal =
                || text("stat").rsplit(')').next().and_then(|rest| rest.split(' ').nth(5)?.parse().ok());
            file == self.device || file == Path::new("/dev/tty") && terminal() == Some(self.number)
        };
        // The call's number and its arguments in hexadecimal, or `running`.
        let call = text("syscall");
        let mut words = call.split_whitespace();
        let Some(Ok(number)) = words.next().map(str::parse) else { return false };
        if number == libc::SYS_read {
            let descriptor = words.next().and_then(|word| i32::from_str_radix(&word[2..], 16).ok());
            descriptor.is_some_and(|descriptor| is_ours(&descriptor.to_string()))
        } else {
            kernel::WAITS_FOR_SEVERAL.contains(&number) && is_ours("0")
        }
    }

    /// Fails the test: what the program did not do, and all there is to see.
    #[track_caller]
    fn give_up(&self, what: std::fmt::Arguments) -> ! {
        panic!(
            "`{}` {what}; its terminal showed:\n{}\n{}",
            self.program,
            self.shown,
            log::tails("/".as_ref())
        )
    }

    /// Reads once; false when nobody holds the terminal's other end any more.
    fn listen(&mut self) -> bool {
        let look = i32::try_from(LOOK.as_millis()).unwrap_or(i32::MAX);
        if !kernel::readable_within(&self.terminal, look).or_die("wait for the terminal") {
            return true;
        }
        let mut buffer = [0; 4096];
        match self.terminal.read(&mut buffer) {
            // Linux reports a hang-up as EIO.
            Ok(0) | Err(_) => false,
            Ok(length) => {
                self.sent.extend_from_slice(&buffer[..length]);
                // A character may come in two pieces.
                let whole = match str::from_utf8(&self.sent) {
                    Err(error) if error.error_len().is_none() => error.valid_up_to(),
                    _ => self.sent.len(),
                };
                self.shown = String::from_utf8_lossy(&self.sent[..whole]).into_owned();
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
