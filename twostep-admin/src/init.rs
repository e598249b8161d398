//! `init`: makes what is missing, and nothing else.

use crate::audit;
use crate::cli::Init;
use crate::context::Context;
use crate::failure::Failure;
use crate::hooks;
use crate::origin;
use crate::output::Report;
use serde::Serialize;
use std::fs::{DirBuilder, Permissions, set_permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use twostep_core::change::Action;
use twostep_store::StoreError;
use twostep_store::admin::{self, BesideKey};
use twostep_store::files::{self, Want};
use twostep_store::origin::{MACHINE_ID, MachineId, Origin};
use twostep_store::roster::Wrong;
use twostep_store::schema::SCHEMA;
use twostep_terminal::put_line;

/// Carries it out.
pub(crate) fn run(context: &Context, wanted: &Init) -> Result<(), Failure> {
    let paths = &context.files.paths;
    let mut folders = Vec::new();
    for (file, mode) in [(&paths.key, 0o755), (&paths.store, 0o700)] {
        folders.extend(folder_for(file, mode)?);
    }
    let closed = admin::close_to_others(&paths.store);
    let beside_key = if wanted.new_store { BesideKey::NewStore } else { BesideKey::Refuse };
    let made = admin::init(&context.files, beside_key)?;
    if made.key || made.store || made.upgraded.is_some() {
        audit::record(None, Action::Init, None, context.author.clone());
    }
    let host = Host::settle(context, wanted)?;
    hooks::remember_seen(&context.session()?);
    context.output.report(&Initialised {
        folders: folders.iter().map(|folder| folder.display().to_string()).collect(),
        key: Part { path: paths.key.display().to_string(), made: made.key },
        store: Part { path: paths.store.display().to_string(), made: made.store },
        upgraded_from: made.upgraded.as_ref().map(|upgraded| upgraded.from.to_string()),
        kept: made.upgraded.map(|upgraded| upgraded.kept.display().to_string()),
        newer_schema: made.newer.map(|schema| schema.to_string()),
        host,
        roster: Roster::of(context, made.roster),
        // The rest is as it is to be; and `check` has it.
        unclosed: closed.as_ref().err().map(ToString::to_string),
        closed: closed.unwrap_or_default().iter().map(|path| path.display().to_string()).collect(),
    })
}

/// Makes the folder that a file is to lie in, where only that one is missing.
fn folder_for(file: &Path, mode: u32) -> Result<Option<&Path>, StoreError> {
    let Some(folder) = file.parent() else { return Ok(None) };
    let Some(above) = folder.parent().filter(|_| folder.symlink_metadata().is_err()) else { return Ok(None) };
    files::check(above, Want::GuardedFolder)?;
    let failed = |error| StoreError::Io(folder.to_owned(), error);
    DirBuilder::new().mode(0o700).create(folder).map_err(failed)?;
    // The umask has its say when a folder is made, not here.
    set_permissions(folder, Permissions::from_mode(mode)).map_err(failed)?;
    Ok(Some(folder))
}

#[derive(Serialize)]
struct Initialised {
    folders: Vec<String>,
    key: Part,
    store: Part,
    /// The schema it had.
    upgraded_from: Option<String>,
    /// The store as it was before.
    kept: Option<String>,
    /// The schema that it has, where a newer version has made that of it.
    newer_schema: Option<String>,
    host: Host,
    roster: Roster,
    /// What others could open or enter, and cannot any more.
    closed: Vec<String>,
    /// Why it could not be taken away from them.
    unclosed: Option<String>,
}

/// Which host key and store belong to.
#[derive(Serialize)]
struct Host {
    /// Whether that is this one; nothing where it cannot be told.
    here: Option<bool>,
    /// Whether it was recorded just now.
    recorded: bool,
    /// Why it could not be recorded; the rest is as it is to be.
    fault: Option<String>,
}

impl Host {
    /// Looks, and records this host where none is, or where the administrator says so.
    fn settle(context: &Context, wanted: &Init) -> Result<Self, Failure> {
        let path = wanted.etc.join(MACHINE_ID);
        let machine = MachineId::read(&path);
        let session = context.session()?;
        let found = session.origin(machine.as_ref())?;
        let known = |here| Self { here, recorded: false, fault: None };
        let Some(machine) = machine else {
            return if wanted.adopt_host { Err(Failure::NoMachineId(path)) } else { Ok(known(None)) };
        };
        match found {
            Origin::Here => Ok(known(Some(true))),
            Origin::Elsewhere if !wanted.adopt_host => Ok(known(Some(false))),
            _ => match session.record_host(&machine) {
                Ok(()) => {
                    if found == Origin::Elsewhere {
                        audit::record(None, Action::AdoptHost, None, context.author.clone());
                    }
                    Ok(Self { recorded: true, ..known(Some(true)) })
                }
                Err(error) if wanted.adopt_host => Err(error.into()),
                Err(error) => Ok(Self { fault: Some(error.to_string()), ..known(None) }),
            },
        }
    }

    fn text(&self, store_made: bool, to: &mut String) {
        if let Some(fault) = &self.fault {
            put_line!(to, "not recorded which host key and store belong to: {fault}");
        }
        // Of a new store that goes without saying.
        if self.recorded && !store_made {
            to.push_str("recorded that key and store belong to this host\n");
        }
        if self.here == Some(false) {
            put_line!(to, "{}\n  hint: {}", origin::ELSEWHERE, origin::ADOPT);
        }
    }
}

#[derive(Serialize)]
struct Roster {
    path: String,
    made: bool,
    /// Why it could not be made; the rest is as it is to be.
    fault: Option<String>,
}

impl Roster {
    fn of(context: &Context, mended: Result<Option<Wrong>, StoreError>) -> Self {
        let path = context.policy.paths.roster.join(twostep_roster::FILE).display().to_string();
        let made = context.policy.roster.keep && matches!(mended, Ok(Some(_)));
        Self { path, made, fault: mended.err().map(|error| format!("{error}\n  hint: {}", error.remedy())) }
    }
}

#[derive(Serialize)]
struct Part {
    path: String,
    made: bool,
}

impl Report for Initialised {
    fn text(&self, to: &mut String) {
        for folder in &self.folders {
            put_line!(to, "made    folder {folder}");
        }
        for path in &self.closed {
            put_line!(to, "closed  to others: {path}");
        }
        if let Some(fault) = &self.unclosed {
            put_line!(to, "not closed to others: {fault}\n  hint: twostep-admin check");
        }
        for (what, part) in [("key", &self.key), ("store", &self.store)] {
            let did = if part.made { "made" } else { "found" };
            put_line!(to, "{did:<7} {what} {}", part.path);
        }
        match &self.roster {
            Roster { fault: Some(fault), .. } => put_line!(to, "no roster: {fault}"),
            Roster { made: true, path, .. } => put_line!(to, "made    roster {path}"),
            _ => {}
        }
        if let Some(from) = &self.upgraded_from {
            put_line!(to, "brought the store up to date from schema {from}");
        }
        if let Some(kept) = &self.kept {
            put_line!(to, "kept    the store as it was: {kept}");
        }
        if let Some(newer) = &self.newer_schema {
            put_line!(
                to,
                "left    the store as it is: a newer version has brought it to schema {newer}; this one, of {SCHEMA}, works with it"
            );
        }
        self.host.text(self.store.made, to);
        if self.store.made && !self.key.made {
            to.push_str("The key was there already: nobody is enrolled in this new store.\n");
        }
        if self.key.made {
            to.push_str("Back the key up apart from the store: without it every enrollment is lost.\n");
        }
    }
}
