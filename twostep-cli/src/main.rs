//! `twostep`: the user's own command. It has no privileges: the broker knows by the kernel who asks, and asks for password and code
//! before it changes anything.
//!
//! Exit status: 0 done, 1 refused, 2 usage, 3 the broker cannot be asked.
#![forbid(unsafe_code)]

mod changes;
mod cli;
mod conversation;
mod failure;
mod help_desk;
mod person;
mod status;
mod trusted_devices;

use clap::{CommandFactory, Parser};
use cli::{Arguments, Command};
use conversation::Conversation;
use failure::Failure;
use person::Terminal;
use std::process::ExitCode;
use twostep_terminal::printable;

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{}", printable(&failure.to_string()));
            failure.exit_code()
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    if let Command::Completions { shell } = &arguments.command {
        clap_complete::generate(*shell, &mut Arguments::command(), "twostep", &mut std::io::stdout());
        return Ok(());
    }
    let mut person = Terminal { stdin: arguments.stdin };
    let mut broker = Conversation::open(arguments, &mut person)?;
    match &arguments.command {
        Command::Status => status::status(arguments, &mut broker),
        Command::History { limit } => status::history(arguments, &mut broker, *limit),
        Command::Enroll(wanted) => changes::enroll(arguments, &mut broker, wanted),
        Command::AppPassword(wanted) => changes::app_password(arguments, &mut broker, wanted),
        Command::Authenticator(wanted) => changes::authenticator(arguments, &mut broker, wanted),
        Command::TrustedDevices(wanted) => trusted_devices::run(arguments, &mut broker, wanted),
        Command::BackupCodes => changes::backup_codes(arguments, &mut broker),
        Command::Unenroll => changes::unenroll(arguments, &mut broker),
        Command::HelpDesk(wanted) => help_desk::run(arguments, &mut broker, wanted),
        Command::Completions { .. } => Ok(()),
    }
}
