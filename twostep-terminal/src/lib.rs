//! What both commands print, and how: text for people or one JSON document, tables, times, secrets in groups.
#![forbid(unsafe_code)]

mod bypass;
mod limits;
mod output;
mod qr;
mod table;
#[cfg(feature = "testing")]
pub mod testing;
mod text;
mod trusted;

pub use bypass::{AFTER_REPLACEMENT, BypassCode};
pub use limits::{Expiry, Limits};
pub use output::{Format, Output, Report};
pub use qr::{Canvas, FIRST_CODE, NoCanvas, new_secret};
pub use table::table;
pub use text::{ago, backup_codes, counted, grouped, one_line, printable, time, time_or_none};
pub use trusted::TrustedDevice;
