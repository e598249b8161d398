//! `roster`: the public roster, which the NSS module reads.

use crate::cli::RosterMend;
use crate::context::Context;
use crate::failure::Failure;
use crate::hooks;
use crate::output::{Report, table};
use serde::Serialize;
use twostep_core::policy::Readers;
use twostep_store::roster::{self, Others, Wrong};
use twostep_store::vault::Session;
use twostep_terminal::put_line;

/// Shows it: where it is, its groups, and whether it says what the store does.
pub(crate) fn show(context: &Context) -> Result<(), Failure> {
    let session = context.session()?;
    let (path, fault) = (session.roster_path(), session.roster_fault()?);
    drop(session);
    let now = u64::try_from(context.now.wall.0).unwrap_or(0);
    let wanted = &context.policy.roster;
    let read = roster::read(&context.policy.paths.roster).and_then(|roster| roster::count(&roster, now));
    let counts =
        read.map_or([None; 4], |[enrolled, pending, app]| [Some(enrolled), Some(pending), Some(app), None]);
    let named = wanted.named().into_iter().zip(counts).filter(|((name, _), _)| !name.is_empty());
    let groups = named.map(|((name, gid), users)| Group { name: name.to_owned(), gid, users });
    context.output.report(&Shown {
        path: path.display().to_string(),
        readers: match &wanted.readers {
            Readers::Everyone => "everyone".to_owned(),
            Readers::Group(group) => group.clone(),
        },
        groups: groups.collect(),
        fault: fault.map(|wrong| wrong.to_string()),
    })
}

/// Makes it anew where anything is wrong with it.
pub(crate) fn mend(context: &Context, wanted: &RosterMend) -> Result<(), Failure> {
    let session = context.session()?;
    let others = if wanted.take_over { Others::TakeOver } else { Others::Leave };
    let wrong = session.mend_roster(others)?;
    hooks::remember_seen(&session);
    report_mended(context, &session, wrong)
}

fn report_mended(context: &Context, session: &Session, wrong: Option<Wrong>) -> Result<(), Failure> {
    context.output.report(&Mended {
        path: session.roster_path().display().to_string(),
        taken_away: !context.policy.roster.keep && wrong.is_some(),
        was: wrong.map(|wrong| wrong.to_string()),
    })
}

#[derive(Serialize)]
struct Shown {
    path: String,
    readers: String,
    groups: Vec<Group>,
    fault: Option<String>,
}

#[derive(Serialize)]
struct Group {
    name: String,
    gid: u32,
    /// None for the group of everybody else, and where the roster cannot be read.
    users: Option<u64>,
}

impl Report for Shown {
    fn text(&self, to: &mut String) {
        put_line!(to, "roster  {}", self.path);
        put_line!(to, "readers {}", self.readers);
        match &self.fault {
            None => put_line!(to, "state   as the store has it"),
            Some(fault) => put_line!(to, "state   {fault}\n  hint: twostep-admin roster mend"),
        }
        let users = |group: &Group| group.users.map_or_else(|| "-".to_owned(), |users| users.to_string());
        let rows =
            self.groups.iter().map(|group| vec![group.name.clone(), group.gid.to_string(), users(group)]);
        to.push_str(&table(&["GROUP", "GID", "USERS"], rows));
    }
}

#[derive(Serialize)]
struct Mended {
    path: String,
    taken_away: bool,
    was: Option<String>,
}

impl Report for Mended {
    fn text(&self, to: &mut String) {
        match &self.was {
            None => put_line!(to, "{}: nothing was wrong with it", self.path),
            Some(was) if self.taken_away => put_line!(to, "{}: taken away: {was}", self.path),
            Some(was) => put_line!(to, "{}: made anew: {was}", self.path),
        }
    }
}
