//! What goes to standard output: text for people, or one JSON document.

use crate::cli::Arguments;
use crate::failure::Failure;

pub(crate) use twostep_terminal::{Format, Report, ago, counted, table, time, time_or_none};

/// How to print.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output(twostep_terminal::Output);

impl Output {
    /// As the arguments say.
    pub(crate) fn of(arguments: &Arguments) -> Self {
        let format = if arguments.json { Format::Json } else { Format::Text };
        Self(twostep_terminal::Output { format })
    }

    /// For whom it is.
    pub(crate) fn format(self) -> Format {
        self.0.format
    }

    /// Prints the one report of a command.
    pub(crate) fn report(self, report: &impl Report) -> Result<(), Failure> {
        self.0.report(report).map_err(Failure::Output)
    }

    /// Prints text of our own with a QR code in it: not in JSON.
    pub(crate) fn draw(self, text: &str) -> Result<(), Failure> {
        self.0.draw(text).map_err(Failure::Output)
    }

    /// Prints text before the report: not in JSON.
    pub(crate) fn say(self, text: &str) -> Result<(), Failure> {
        self.0.say(text).map_err(Failure::Output)
    }
}
