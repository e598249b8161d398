//! The arguments of `report`.

use clap::{Args, Subcommand};
use jiff::Timestamp;
use std::path::PathBuf;
use std::time::Duration;
use twostep_core::time::{UnixTime, duration};

#[derive(Debug, Subcommand)]
pub(crate) enum ReportCommand {
    /// List who was refused where, why and when, from the log: newest first
    Refused(Refused),
}

#[derive(Debug, Args)]
pub(crate) struct Refused {
    /// Read this file of syslog's, or standard input (-), instead of the journal
    #[arg(long, value_name = "FILE|-")]
    pub(crate) log: Option<PathBuf>,
    /// How far back: 12h, 7d; 2026-11-20; 2026-11-20T08:00:00Z. 7d unless given
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub(crate) since: Option<Since>,
    /// Only this user
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
}

/// From when on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// This long ago.
    Ago(Duration),
    /// Since then.
    At(UnixTime),
}

fn since(text: &str) -> Result<Since, &'static str> {
    let at = |text: &str| text.parse::<Timestamp>().ok().map(|then| Since::At(UnixTime(then.as_second())));
    duration(text)
        .map(Since::Ago)
        .or_else(|| at(text))
        .or_else(|| at(&format!("{text}T00:00:00Z")))
        .ok_or("12h, 7d, 2026-11-20 or 2026-11-20T08:00:00Z is wanted")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_in_three_ways() {
        assert_eq!(since("12h"), Ok(Since::Ago(Duration::from_secs(43_200))));
        assert_eq!(since("2026-12-01"), Ok(Since::At(UnixTime(1_796_083_200))));
        assert_eq!(since("2026-12-01T01:00:00+01:00"), Ok(Since::At(UnixTime(1_796_083_200))));
        for bad in ["", "yesterday", "12", "2026-13-01", "2026-12-01 08:00", "2026-12-01T08:00"] {
            assert!(since(bad).is_err(), "{bad:?}");
        }
    }
}
