//! The store of twostep: SQLite behind [`twostep_core::ports`], and the key file.
//!
//! Nothing here opens the store's files outside SQLite: POSIX locks belong to a process, and closing any descriptor to a file
//! drops all locks the process has on it. Checks look at paths and never open them.
#![deny(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

pub mod admin;
mod at_login;
pub mod boot_key;
mod database;
pub mod error;
pub mod key_file;
mod login_store;
pub mod origin;
pub mod process;
pub mod roster;
mod rows;
pub mod schema;
pub mod seen;
pub mod settings;
#[cfg(test)]
mod testing;
pub mod trusted;
mod turn;
pub mod vault;
mod verdicts;

pub use error::StoreError;
pub use twostep_host as host;
pub use twostep_host::{break_glass, configuration, files};
