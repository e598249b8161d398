//! `twostepd`: the broker. Services that are not wholly root (su, sudo, screen lockers, PostgreSQL, Exim) have their logins judged here,
//! and users change their own enrollment through it.
//!
//! Exit status: 0 ended as told, 2 usage, 3 it could not begin.
#![deny(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod broker;
mod budget;
mod change;
mod declined;
mod ffi;
mod help_desk;
mod limits;
mod listen;
mod log;
mod own;
mod party;
mod prove;
mod request;
mod server;
mod sign_in;
mod subject;
mod talk;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// The local broker of twostep. It stays in the foreground and logs to syslog; SIGHUP checks the configuration anew, SIGTERM ends it.
#[derive(Debug, Parser)]
#[command(name = "twostepd", version)]
struct Arguments {
    /// Configuration to use instead of /etc/twostep/config.toml; it must be there
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// What the broker starts for every proof: PAM's conversation over standard input
    #[command(hide = true)]
    Prove {
        /// Canonical login name
        user: String,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(Part::Prove { user }) = &arguments.part {
        return prove::child(user);
    }
    match server::run(arguments.config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error(&error.to_string());
            eprintln!("twostepd: {error}");
            ExitCode::from(3)
        }
    }
}
