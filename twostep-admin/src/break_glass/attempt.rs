//! `break-glass try`: a login by an exemption, through the service's real stack, while everything else of twostep's is out of reach.

use super::arguments::Try;
use super::hidden::Hidden;
use super::seat::Seat;
use super::trials::{Shape, Trials};
use super::{BreakGlassFailure, described, file_in, read};
use crate::audit;
use crate::cli::Arguments;
use crate::failure::Failure;
use crate::output::{Output, Report};
use crate::pam::failure::PamFailure;
use crate::pam::{Attempt, Stacks, judge};
use crate::privileges::is_wholly_root;
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};
use twostep_core::break_glass::Exemption;
use twostep_core::change::Action;
use twostep_stacks::{Handler, Part, Phase};
use twostep_store::host;
use twostep_terminal::put_line;

/// Carries it out. Exit status 1 where the exemption does not let in.
pub(crate) fn run(arguments: &Arguments, wanted: &Try) -> Result<(), Failure> {
    if !is_wholly_root() {
        return Err(Failure::NotRoot);
    }
    let file = file_in(&wanted.places.etc);
    let exemption = chosen(&file, wanted)?;
    let first = exemption.users.iter().flatten().next().map(ToString::to_string);
    let user = wanted.user.clone().or(first).ok_or(BreakGlassFailure::NeedsUser)?;
    let Seat { tty, person, _taken } = match (&wanted.tty, &exemption.ttys) {
        (Some(tty), Some(_)) => Seat::at(&[plain(tty).to_owned()])?,
        (None, Some(ttys)) => Seat::at(ttys)?,
        (_, None) => Seat::nowhere(),
    };
    let stacks = Stacks::of(&wanted.places.pam_dir);
    let (shape, configurations) = (Shape::of(&exemption, &stacks), configurations(&exemption, &stacks));
    eprintln!(
        "For this login, twostep's configuration is broken on purpose, and its key, store and broker are out of reach; other logins \
         are not affected. Only the exemption can let {user} in."
    );
    if !is_wired(&exemption, &stacks) {
        eprintln!(
            "The stack of {} has no line of twostep's: nobody is asked for a code there anyway.",
            exemption.service
        );
    }
    let text = fs::read_to_string(&file).map_err(|error| PamFailure::Unread(file.clone(), error))?;
    let hidden = Hidden::but(&text, &configurations).map_err(BreakGlassFailure::NotHidden)?;
    let attempt =
        Attempt { service: exemption.service.as_str(), user: &user, tty: tty.as_deref(), from: None };
    let tried = attempt.go_through(person);
    hidden.end().map_err(BreakGlassFailure::NotHidden)?;
    let service = exemption.service.to_string();
    if !tried?.let_in {
        return Err(BreakGlassFailure::Refused { user, service, tty }.into());
    }
    // A record that cannot be read is replaced: its exemptions then count as never tried.
    let trials = Trials::read(&wanted.places.trials).unwrap_or_default();
    trials.add(&wanted.places.trials, shape, host::now().wall)?;
    let author = audit::author(arguments.reason.clone());
    audit::record(None, Action::BreakGlassTry, Some(described(&exemption)), author);
    Output::of(arguments).report(&Holds { user, service, tty, let_in: true })
}

fn chosen(file: &Path, wanted: &Try) -> Result<Exemption, BreakGlassFailure> {
    let is_wanted = |one: &Exemption| {
        let at = |tty: &String| one.ttys.iter().flatten().any(|one| one == plain(tty));
        wanted.service.as_ref().is_none_or(|service| one.service == *service)
            && wanted.tty.as_ref().is_none_or(at)
            && wanted.user.as_ref().is_none_or(|user| one.is_for(user))
    };
    let found = read(file)?.into_iter().find(is_wanted);
    found.ok_or_else(|| BreakGlassFailure::Nothing(file.to_owned(), wanted.service.clone()))
}

fn plain(tty: &str) -> &str {
    tty.strip_prefix("/dev/").unwrap_or(tty)
}

/// What the service's stack calls, in the phases that are tried.
fn lines(exemption: &Exemption, stacks: &Stacks) -> Vec<Handler> {
    let Ok(service) = stacks.read(exemption.service.as_str()) else { return Vec::new() };
    [Phase::Auth, Phase::Account].into_iter().flat_map(|phase| service.chain(phase).to_vec()).collect()
}

/// Whether the service asks for a code at all.
pub(super) fn is_wired(exemption: &Exemption, stacks: &Stacks) -> bool {
    lines(exemption, stacks).iter().any(judge::is_ours)
}

/// Configurations that lines name.
fn configurations(exemption: &Exemption, stacks: &Stacks) -> Vec<PathBuf> {
    let lines = lines(exemption, stacks);
    let words = lines.iter().filter_map(|handler| match &handler.part {
        Part::Module { words, .. } => Some(words),
        _ => None,
    });
    words.flatten().filter_map(|word| word.strip_prefix("config=").map(PathBuf::from)).collect()
}

#[derive(Serialize)]
struct Holds {
    user: String,
    service: String,
    tty: Option<String>,
    let_in: bool,
}

impl Report for Holds {
    fn text(&self, to: &mut String) {
        let place = self.tty.as_ref().map(|tty| format!(" at {tty}")).unwrap_or_default();
        put_line!(to, "The way in holds: {} lets {} in{place} without a code.", self.service, self.user);
        put_line!(
            to,
            "The log has a warning of it, reason=break-glass: journalctl -t pam_twostep --since -2min"
        );
    }
}
