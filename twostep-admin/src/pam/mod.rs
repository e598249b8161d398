//! The wiring: PAM stacks as they are, and as they are to be.

mod arguments;
mod attempt;
pub(crate) mod diff;
mod edit;
mod enable;
pub(crate) mod failure;
pub(crate) mod files;
pub(crate) mod host;
pub(crate) mod judge;
mod naming;
mod sshd;
mod status;

pub(crate) use arguments::PamCommand;
pub(crate) use attempt::{Attempt, Terminal};
pub(crate) use host::Stacks;

use crate::cli::Arguments;
use crate::failure::Failure;

/// Carries one of them out.
pub(crate) fn run(arguments: &Arguments, command: &PamCommand) -> Result<(), Failure> {
    match command {
        PamCommand::Status(wanted) => status::run(arguments, wanted),
        PamCommand::Files(wanted) => naming::run(arguments, wanted),
        PamCommand::Enable(wanted) => enable::enable(arguments, wanted),
        PamCommand::Disable(wanted) => enable::disable(arguments, wanted),
        PamCommand::Try(wanted) => attempt::run(arguments, wanted),
    }
}
