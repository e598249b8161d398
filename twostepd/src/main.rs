//! `twostepd`: the broker. Services that are not wholly root (su, sudo, screen lockers, PostgreSQL, Exim) have their logins judged here,
//! and users change their own enrollment through it.
//!
//! Exit status: 0 ended as told, 2 usage, 3 it could not begin.
#![deny(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod bans;
mod broker;
mod budget;
mod callers;
mod change;
mod closer;
mod complaints;
mod connection;
mod declined;
mod expiry;
mod ffi;
mod help_desk;
mod limits;
mod listen;
mod log;
mod names;
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
    /// What the broker starts to close connections that may take for ever to close; it takes them from standard input
    #[command(hide = true)]
    Close,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match &arguments.part {
        Some(Part::Prove { user }) => return prove::child(user),
        Some(Part::Close) => return closer::child(),
        None => {}
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_fit_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_manual_has_every_option() {
        let manual = include_str!("../../docs/man/twostepd.8");
        let mut command = Arguments::command();
        // With those that clap has of its own.
        command.build();
        for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            let long = argument.get_long().map(|long| format!("Fl Fl {long}"));
            let short = argument.get_short().map(|short| format!("Fl {short} "));
            for option in long.into_iter().chain(short) {
                assert!(
                    manual.lines().any(|line| line.starts_with(".It") && line.contains(&option)),
                    "{option}"
                );
            }
        }
    }
}
