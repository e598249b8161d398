//! What both commands print, and how: text for people or one JSON document, tables, times, secrets in groups.
#![forbid(unsafe_code)]

mod bypass;
mod limits;
mod output;
mod qr;
mod text;
mod trusted;

pub use bypass::BypassCode;
pub use limits::{Expiry, Limits};
pub use output::{Format, Output, Report};
pub use qr::{Canvas, FIRST_CODE, NoCanvas, new_secret};
pub use text::{ago, backup_codes, counted, grouped, printable, table, time, time_or_none};
pub use trusted::TrustedDevice;
