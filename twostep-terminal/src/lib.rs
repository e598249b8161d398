//! What both commands print, and how: text for people or one JSON document, tables, times, secrets in groups.
#![forbid(unsafe_code)]

mod bypass;
mod limits;
mod output;
mod text;
mod trusted;

pub use bypass::BypassCode;
pub use limits::{Expiry, Limits};
pub use output::{Format, Output, Report, is_terminal};
pub use text::{ago, backup_codes, counted, grouped, one_line, printable, table, time, time_or_none};
pub use trusted::TrustedDevice;
