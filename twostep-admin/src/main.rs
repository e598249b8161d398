//! `twostep-admin`: the administrator's command of twostep.
//!
//! Exit status: 0 done, 1 refused or not found, 2 usage, 3 no store (or no configuration, or NSS failed).
#![deny(unsafe_code)]

mod app_passwords;
mod audit;
mod authenticators;
mod backup_codes;
mod break_glass;
mod broker;
mod bypass;
mod check;
mod cli;
mod config;
mod confirm;
mod consent;
mod context;
mod deadlines;
mod enroll;
mod explain;
mod failure;
// libpam has a C interface only.
#[allow(unsafe_code)]
mod ffi;
mod health;
mod history;
mod hooks;
mod included;
mod init;
mod name_service;
mod neighbours;
mod nss;
mod origin;
mod orphans;
mod output;
mod pam;
mod privileges;
mod report;
mod resync;
mod roster;
mod rules;
mod seed;
mod seeded;
mod services;
mod settle;
mod show;
mod sshd_config;
mod stack;
mod stack_account;
mod stack_before;
mod stack_play;
mod stacks;
mod sudoers;
#[cfg(test)]
mod testing;
mod trusted_devices;
mod unenroll;
mod unlock;

use clap::{CommandFactory, Parser};
use cli::{
    AppPasswordCommand, Arguments, AuthenticatorCommand, Command, RosterCommand, TrustedDevicesCommand,
};
use context::Context;
use failure::Failure;
use std::process::ExitCode;
use twostep_terminal::printable;

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("{}", printable(&failure.to_string()));
            failure.exit_code()
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    privileges::check(arguments)?;
    // These do without a configuration that can be read.
    match &arguments.command {
        Command::Explain(wanted) => return explain::run(arguments, wanted),
        Command::Check(wanted) => return check::run(arguments, wanted),
        Command::Config(wanted) => return config::run(arguments, wanted),
        Command::Pam(wanted) => return pam::run(arguments, wanted).map(|()| ExitCode::SUCCESS),
        Command::BreakGlass(wanted) => {
            return break_glass::run(arguments, wanted).map(|()| ExitCode::SUCCESS);
        }
        Command::Report(wanted) => return report::run(arguments, wanted).map(|()| ExitCode::SUCCESS),
        Command::Completions { shell } => {
            clap_complete::generate(
                *shell,
                &mut Arguments::command(),
                "twostep-admin",
                &mut std::io::stdout(),
            );
            return Ok(ExitCode::SUCCESS);
        }
        _ => {}
    }
    let context = Context::open(arguments)?;
    let done = match &arguments.command {
        Command::Explain(_)
        | Command::Check(_)
        | Command::Config(_)
        | Command::Pam(_)
        | Command::BreakGlass(_)
        | Command::Report(_)
        | Command::Completions { .. } => Ok(()),
        Command::Init(wanted) => init::run(&context, wanted),
        Command::Enroll(wanted) => enroll::run(&context, wanted),
        Command::Settle(wanted) => settle::run(&context, wanted),
        Command::Unenroll(wanted) => unenroll::run(&context, wanted),
        Command::Show(wanted) => show::one(&context, wanted),
        Command::List(wanted) => show::all(&context, wanted),
        Command::AppPassword(AppPasswordCommand::Add(wanted)) => app_passwords::add(&context, wanted),
        Command::AppPassword(AppPasswordCommand::List(wanted)) => app_passwords::list(&context, wanted),
        Command::AppPassword(AppPasswordCommand::Revoke(wanted)) => app_passwords::revoke(&context, wanted),
        Command::AppPassword(AppPasswordCommand::Rename(wanted)) => app_passwords::rename(&context, wanted),
        Command::Authenticator(AuthenticatorCommand::Add(wanted)) => authenticators::add(&context, wanted),
        Command::Authenticator(AuthenticatorCommand::List(wanted)) => authenticators::list(&context, wanted),
        Command::Authenticator(AuthenticatorCommand::Replace(wanted)) => {
            authenticators::replace(&context, wanted)
        }
        Command::Authenticator(AuthenticatorCommand::Remove(wanted)) => {
            authenticators::remove(&context, wanted)
        }
        Command::Authenticator(AuthenticatorCommand::Resync(wanted)) => resync::run(&context, wanted),
        Command::TrustedDevices(TrustedDevicesCommand::List(wanted)) => {
            trusted_devices::list(&context, wanted)
        }
        Command::TrustedDevices(TrustedDevicesCommand::Forget(wanted)) => {
            trusted_devices::forget(&context, wanted)
        }
        Command::Bypass(wanted) => bypass::run(&context, wanted),
        Command::History(wanted) => history::run(&context, wanted),
        Command::Roster(RosterCommand::Show) => roster::show(&context),
        Command::Roster(RosterCommand::Mend(wanted)) => roster::mend(&context, wanted),
        Command::Hooks => hooks::run(&context),
        Command::BackupCodes(wanted) => backup_codes::run(&context, wanted),
        Command::Unlock(wanted) => unlock::run(&context, wanted),
    };
    // Last of all: a new app password has been shown by now, however long these commands take.
    if makes_due(&arguments.command) {
        hooks::run_due(&context);
    }
    done.map(|()| ExitCode::SUCCESS)
}

/// Whether a command can make commands of the administrator's due.
fn makes_due(command: &Command) -> bool {
    matches!(
        command,
        Command::AppPassword(AppPasswordCommand::Add(_) | AppPasswordCommand::Revoke(_))
            | Command::Settle(_)
            | Command::Unenroll(_)
    )
}
