//! What goes to standard output: text for people, or one JSON document.

use serde::Serialize;
use std::io::{self, Write};
use zeroize::Zeroizing;

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output {
    /// For whom.
    pub format: Format,
}

/// For whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// People.
    Text,
    /// Programs.
    Json,
}

/// What a command has to say, both ways.
pub trait Report: Serialize {
    /// The lines that people read.
    fn text(&self, to: &mut String);
}

/// Room for what is printed at once, so that a text with secrets is not moved about in memory.
const ROOM: usize = 32 << 10;

impl Output {
    /// Prints the one report of a command.
    ///
    /// # Errors
    /// When standard output takes no more.
    pub fn report(self, report: &impl Report) -> io::Result<()> {
        let mut text = Zeroizing::new(String::with_capacity(ROOM));
        match self.format {
            Format::Text => report.text(&mut text),
            Format::Json => {
                let mut bytes = Zeroizing::new(Vec::with_capacity(ROOM));
                serde_json::to_writer(&mut *bytes, report).map_err(io::Error::other)?;
                bytes.push(b'\n');
                return write(&bytes);
            }
        }
        write(text.as_bytes())
    }

    /// Prints text before the report: not in JSON.
    ///
    /// # Errors
    /// As [`Self::report`].
    pub fn say(self, text: &str) -> io::Result<()> {
        match self.format {
            Format::Text => write(text.as_bytes()),
            Format::Json => Ok(()),
        }
    }
}

fn write(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush())
}
