//! `config`: a configuration is looked at before it is in force, and edited so that none with a mistake ever is.

mod arguments;
mod compared;
mod demands;
mod draft;
mod edit;
mod editor;
mod failure;
mod inspect;
mod settings;
mod snapshot;

pub(crate) use arguments::ConfigCommand;
pub(crate) use failure::ConfigFailure;

use crate::cli::Arguments;
use crate::failure::Failure;
use std::process::ExitCode;

/// Carries one of them out.
pub(crate) fn run(arguments: &Arguments, command: &ConfigCommand) -> Result<ExitCode, Failure> {
    match command {
        ConfigCommand::Check(wanted) => inspect::run(arguments, wanted),
        ConfigCommand::Edit(wanted) => edit::run(arguments, wanted),
    }
}
