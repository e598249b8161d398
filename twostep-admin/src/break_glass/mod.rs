//! `break-glass`: the logins that hold when everything else refuses everybody.

mod arguments;
mod attempt;
pub(crate) mod check;
mod failure;
mod hidden;
mod make;
mod seat;
mod show;
mod trials;

pub(crate) use arguments::BreakGlassCommand;
pub(crate) use failure::BreakGlassFailure;
pub(crate) use trials::PATH as TRIALS;

use crate::cli::Arguments;
use crate::failure::Failure;
use std::path::{Path, PathBuf};
use twostep_core::break_glass::Exemption;
use twostep_store::break_glass;

/// Carries one of them out.
pub(crate) fn run(arguments: &Arguments, command: &BreakGlassCommand) -> Result<(), Failure> {
    match command {
        BreakGlassCommand::Make(wanted) => make::run(arguments, wanted),
        BreakGlassCommand::Show(places) => show::run(arguments, places),
        BreakGlassCommand::Try(wanted) => attempt::run(arguments, wanted),
    }
}

/// Where the file is, below this host's `/etc` or the one of a test.
pub(crate) fn file_in(etc: &Path) -> PathBuf {
    let path = Path::new(break_glass::PATH);
    etc.join(path.strip_prefix("/etc").unwrap_or(path))
}

/// The exemptions in force.
fn read(file: &Path) -> Result<Vec<Exemption>, BreakGlassFailure> {
    break_glass::read(file).map_err(BreakGlassFailure::Unusable)
}

/// The users of an exemption, and where it holds for them.
fn described(exemption: &Exemption) -> String {
    let users = exemption.users.as_ref().map_or_else(|| "everybody".to_owned(), |users| joined(users));
    match &exemption.ttys {
        Some(ttys) => format!("{users} at {} ({})", joined(ttys), exemption.service),
        None => format!("{users} from anywhere ({})", exemption.service),
    }
}

fn joined(all: &[impl ToString]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
