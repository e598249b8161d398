//! What goes to standard output: text for people, or one JSON document.

use crate::text::printable;
use serde::Serialize;
use std::io::{self, Write};
use twostep_core::text::disturbs;
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
    /// Whether there is a QR code in it, whose colours are escape sequences. All else in it must be text that is [`printable`] already.
    const DRAWS: bool = false;

    /// The lines that people read.
    fn text(&self, to: &mut String);
}

/// Room for what is printed at once, so that a text with secrets is not moved about in memory.
const ROOM: usize = 32 << 10;

impl Output {
    /// Prints the one report of a command. Whatever names and texts of other people are in it, a terminal shows letters.
    ///
    /// # Errors
    /// When standard output takes no more.
    pub fn report<R: Report>(self, report: &R) -> io::Result<()> {
        match self.format {
            Format::Text => {
                let mut text = Zeroizing::new(String::with_capacity(ROOM));
                report.text(&mut text);
                if R::DRAWS { self.draw(&text) } else { self.say(&text) }
            }
            Format::Json => {
                let mut bytes = Zeroizing::new(Vec::with_capacity(ROOM));
                serde_json::to_writer(&mut *bytes, report).map_err(io::Error::other)?;
                bytes.push(b'\n');
                let json = str::from_utf8(&bytes).map_err(io::Error::other)?;
                if json.trim_end().contains(disturbs) {
                    write(escaped(json).as_bytes())
                } else {
                    write(&bytes)
                }
            }
        }
    }

    /// Prints text before the report, made [`printable`]: not in JSON.
    ///
    /// # Errors
    /// As [`Self::report`].
    pub fn say(self, text: &str) -> io::Result<()> {
        self.draw(&Zeroizing::new(printable(text)))
    }

    /// Prints text of our own as it is, a QR code with its colours.
    ///
    /// # Errors
    /// As [`Self::report`].
    pub fn draw(self, text: &str) -> io::Result<()> {
        match self.format {
            Format::Text => write(text.as_bytes()),
            Format::Json => Ok(()),
        }
    }
}

/// The same document without letters that would disturb a terminal. Such a letter is nowhere but in a string, where `\\u` stands for it.
fn escaped(json: &str) -> Zeroizing<String> {
    let mut shown = Zeroizing::new(String::with_capacity(2 * json.len()));
    for c in json.trim_end().chars() {
        if disturbs(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| shown.push_str(&format!("\\u{unit:04x}")));
        } else {
            shown.push(c);
        }
    }
    shown.push('\n');
    shown
}

fn write(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_of_json_stays_what_it_is_and_disturbs_no_terminal() {
        let value = serde_json::json!({ "name": "a\u{7f}\u{9b}2J\u{202e}\u{e0001}\tü\n" });
        let shown = escaped(&(value.to_string() + "\n"));
        assert!(!shown.trim_end().contains(disturbs), "{}", *shown);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }
}
