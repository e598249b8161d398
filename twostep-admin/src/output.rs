//! What goes to standard output: text for people, or one JSON document.

use crate::cli::Arguments;
use crate::failure::Failure;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use std::io::{self, IsTerminal, Write};
use twostep_core::time::UnixTime;
use zeroize::Zeroizing;

/// How to print.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    format: Format,
}

/// For whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// People.
    Text,
    /// Programs.
    Json,
}

/// What a command has to say, both ways.
pub(crate) trait Report: Serialize {
    /// The lines that people read.
    fn text(&self, to: &mut String);
}

/// Room for what is printed at once, so that a text with secrets is not moved about in memory.
const ROOM: usize = 32 << 10;

impl Output {
    /// As the arguments say.
    pub(crate) fn of(arguments: &Arguments) -> Self {
        Self { format: if arguments.json { Format::Json } else { Format::Text } }
    }

    /// For whom it is.
    pub(crate) fn format(self) -> Format {
        self.format
    }

    /// Prints the one report of a command.
    pub(crate) fn report(self, report: &impl Report) -> Result<(), Failure> {
        let mut text = Zeroizing::new(String::with_capacity(ROOM));
        match self.format {
            Format::Text => report.text(&mut text),
            Format::Json => {
                let mut bytes = Zeroizing::new(Vec::with_capacity(ROOM));
                serde_json::to_writer(&mut *bytes, report)
                    .map_err(|error| Failure::Output(io::Error::other(error)))?;
                bytes.push(b'\n');
                return write(&bytes);
            }
        }
        write(text.as_bytes())
    }

    /// Prints text before the report: not in JSON.
    pub(crate) fn say(self, text: &str) -> Result<(), Failure> {
        match self.format {
            Format::Text => write(text.as_bytes()),
            Format::Json => Ok(()),
        }
    }
}

/// Whether people see standard output as it is printed.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

fn write(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(Failure::Output)
}

/// A table without lines, which `awk` can read too.
pub(crate) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header);
    table.add_rows(rows);
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// RFC 3339 in UTC: `2026-03-14T15:09:26Z`.
pub(crate) fn time(time: UnixTime) -> String {
    match jiff::Timestamp::from_second(time.0) {
        Ok(stamp) => stamp.to_string(),
        Err(_) => format!("@{}", time.0),
    }
}

/// [`time`], of what may not have happened.
pub(crate) fn time_or_none(when: Option<UnixTime>) -> Option<String> {
    when.map(time)
}
