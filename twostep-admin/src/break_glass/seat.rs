//! The terminal at which a login is tried. It must be this process's own, as getty makes it login's: one that is only said is no proof.

use super::BreakGlassFailure;
use crate::ffi::{Person, Style};
use crate::pam::Terminal;
use nix::errno::Errno;
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcgetsid, tcsetattr};
use nix::unistd::{getsid, setsid};
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, exit};
use twostep_store::host::terminal::is_at;
use zeroize::Zeroizing;

/// A place to sign in at.
pub(super) struct Seat {
    /// What the service would tell.
    pub(super) tty: Option<String>,
    /// The one who answers, at the terminal where the command was typed.
    pub(super) person: Box<dyn Person>,
    /// A terminal that nobody has open hangs up.
    pub(super) _taken: Option<File>,
}

impl Seat {
    /// No terminal: a service that is reached from a network.
    pub(super) fn nowhere() -> Self {
        Self { tty: None, person: Box::new(Terminal), _taken: None }
    }

    /// The one of these where the command was typed; or else one that is free, which is taken until the process ends.
    pub(super) fn at(ttys: &[String]) -> Result<Self, BreakGlassFailure> {
        if let Some(here) = ttys.iter().find(|tty| is_at(tty)) {
            return Ok(Self { tty: Some(here.clone()), ..Self::nowhere() });
        }
        // A shell has made this process the leader of a group, which cannot begin a session. Its child is none.
        if setsid() == Err(Errno::EPERM) {
            again();
        }
        // Consoles with a low number are those where somebody sits.
        let taken = ttys.iter().rev().find_map(|tty| Some((tty, take(tty)?)));
        let (tty, file) = taken.ok_or_else(|| BreakGlassFailure::NoTerminal(ttys.to_vec()))?;
        Ok(Self { tty: Some(tty.clone()), person: Box::new(Elsewhere), _taken: Some(file) })
    }
}

/// Makes it this session's terminal, which the kernel does at opening where no other session has it.
fn take(tty: &str) -> Option<File> {
    let mut options = File::options();
    // A serial line is not waited for.
    options.read(true).write(true).custom_flags(libc::O_NONBLOCK);
    let file = options.open(Path::new("/dev").join(tty)).ok()?;
    (tcgetsid(&file) == getsid(None)).then_some(file)
}

/// The same command once more, as a process of its own.
fn again() -> ! {
    let status = Command::new("/proc/self/exe").args(std::env::args_os().skip(1)).status();
    exit(status.ok().and_then(|status| status.code()).unwrap_or(1))
}

/// Somebody at a terminal that is not this process's own any more.
struct Elsewhere;

impl Person for Elsewhere {
    fn hear(&mut self, style: Style, text: &str) -> Option<Zeroizing<String>> {
        let stdin = io::stdin();
        match (style, tcgetattr(&stdin)) {
            (Style::Hidden, Ok(shown)) => {
                let mut hidden = shown.clone();
                // No signal either: it would end the command before the letters are shown again.
                hidden.local_flags.remove(LocalFlags::ECHO | LocalFlags::ISIG);
                tcsetattr(&stdin, SetArg::TCSAFLUSH, &hidden).ok()?;
                let answer = Terminal.hear(Style::Shown, text);
                // A terminal that has gone has no letters to show.
                let _ = tcsetattr(&stdin, SetArg::TCSANOW, &shown);
                eprintln!();
                answer
            }
            (Style::Hidden, Err(_)) => Terminal.hear(Style::Shown, text),
            (style, _) => Terminal.hear(style, text),
        }
    }
}
