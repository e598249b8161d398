//! Whoever sits in front of the command.

use std::io::{self, BufRead, IsTerminal, Write};
use twostep_core::secret::Secret;
use twostep_terminal::printable;
use zeroize::Zeroizing;

/// Is asked, and told.
pub(crate) trait Person {
    /// Asks for something that is not shown while it is typed.
    fn hidden(&mut self, prompt: &str) -> io::Result<Secret>;

    /// Asks for something that is.
    fn shown(&mut self, prompt: &str) -> io::Result<Secret>;

    /// Says something, which is not the result of the command.
    fn tell(&mut self, text: &str);
}

/// Somebody at a terminal; or a script that says so, which gives one line of standard input for every prompt. What is said goes to
/// standard error.
pub(crate) struct Terminal {
    /// Whether standard input is read though it is no terminal. Not as a matter of course: with `ssh host twostep ...` the terminal is
    /// at the other end, and shows what is typed there.
    pub(crate) stdin: bool,
}

impl Terminal {
    fn is_there(&self) -> io::Result<()> {
        if self.stdin || io::stdin().is_terminal() {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::NotConnected, "standard input is no terminal"))
    }
}

impl Person for Terminal {
    fn hidden(&mut self, prompt: &str) -> io::Result<Secret> {
        self.is_there()?;
        if !io::stdin().is_terminal() {
            return self.shown(prompt);
        }
        eprint!("{}", printable(prompt));
        let typed = Zeroizing::new(rpassword::read_password()?);
        Ok(Secret::new(typed.as_bytes().to_vec()))
    }

    fn shown(&mut self, prompt: &str) -> io::Result<Secret> {
        self.is_there()?;
        eprint!("{}", printable(prompt));
        io::stderr().flush()?;
        // Its room is made at once: a string that grows leaves copies of itself behind.
        let mut line = Zeroizing::new(String::with_capacity(2048));
        if io::stdin().lock().read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Secret::new(line.trim_end_matches(['\n', '\r']).as_bytes().to_vec()))
    }

    fn tell(&mut self, text: &str) {
        eprintln!("{}", printable(text));
    }
}
