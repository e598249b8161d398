//! The store of twostep: SQLite behind [`twostep_core::ports`], the key file, the checks of every file before it is read, and
//! the edges to the host (clock, NSS, randomness, syslog) that the module and the command share.
//!
//! Nothing here opens the store's files outside SQLite: POSIX locks belong to a process, and closing any descriptor to a file
//! drops all locks the process has on it. Checks look at paths and never open them.
#![deny(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

pub mod admin;
pub mod boot_key;
pub mod configuration;
mod database;
pub mod error;
pub mod files;
pub mod host;
pub mod key_file;
mod login_store;
mod rows;
pub mod settings;
pub mod vault;
mod verdicts;

pub use error::StoreError;
