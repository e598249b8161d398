//! `pam enable` and `pam disable`: what is to be changed is shown, asked about, kept as it was, written whole, and looked at again.

use crate::cli::Arguments;
use crate::consent;
use crate::context;
use crate::failure::Failure;
use crate::output::{Output, Report};
use crate::pam::arguments::{Disable, Enable};
use crate::pam::diff;
use crate::pam::edit::{self, Edit, Wiring};
use crate::pam::failure::PamFailure;
use crate::pam::files::{self, Backup};
use crate::pam::host::Stacks;
use crate::pam::judge;
use crate::pam::sshd::{self, Sshd};
use crate::pam::status::Meaning;
use crate::services;
use crate::stacks::ASKED_FOR;
use serde::Serialize;
use std::path::Path;
use twostep_core::rule::Glob;
use twostep_stacks::Phase;
use twostep_terminal::put_line;

/// Puts our lines in.
pub(crate) fn enable(arguments: &Arguments, wanted: &Enable) -> Result<(), Failure> {
    let policy = context::policy(arguments)?;
    let output = Output::of(arguments);
    let service = wanted.service.as_str();
    let wiring = match (wanted.interactive, wanted.app) {
        (true, _) => Wiring::Interactive,
        (_, true) => Wiring::App,
        _ if policy.app.services.value.contains(&wanted.service) => Wiring::App,
        _ => Wiring::Interactive,
    };
    let host =
        Stacks::of(&wanted.places.pam_dir).listing(Some(&policy), &context::configuration_path(arguments));
    let path = host.path(service);
    if let Some(by) = host.included_files().remove(service).filter(|_| !ASKED_FOR.contains(&service)) {
        return Err(PamFailure::Included(path, by).into());
    }
    let old = files::read(&path)?;
    // What is made here for a mistyped name, nobody would ever ask for.
    let unknown = services::of(&host, Some(&policy)).unknown(&Glob::new(service));
    if let Some(unknown) = unknown.filter(|unknown| old.is_none() && unknown.meant.is_some()) {
        return Err(Failure::ServiceUnknown(unknown));
    }
    let base = match &old {
        Some(text) => text.clone(),
        None => new_file(&host, service, wiring).ok_or_else(|| PamFailure::NoFile(path.clone()))?,
    };
    let of_sshd = if service == "sshd" { sshd::look(&wanted.places.ssh_dir) } else { Sshd::Nothing };
    let (new, changes) = match (Edit { host: &host, service, path: &path }.wire(&base, wiring), &of_sshd) {
        // By pam-auth-update's profile or by hand: what is missing is sshd's own file.
        (Err(PamFailure::Wired { .. }), Sshd::Write(_)) => (base, false),
        (wired, _) => (wired?, true),
    };
    let also = if changes { included_by(&host, service, &path, &new)? } else { Vec::new() };
    if changes {
        output.say(&diff::unified(&path.display().to_string(), old.as_deref().unwrap_or(""), &new))?;
    }
    output.say(&proposed(&of_sshd))?;
    consent::obtain(wanted.consent, "These lines are put in.")?;
    let backup = Backup::of(&wanted.places.backups, service);
    unchanged(&path, old.as_deref())?;
    if changes {
        backup.keep(old.as_deref(), &new)?;
        files::replace(&path, &new)?;
    }
    let mut done = Changed { also, ..Changed::new(&host, service, Some(&policy)) };
    if service == "sshd" && wiring == Wiring::Interactive {
        done.keys = Some(
            "who is enrolled and comes with a key alone is refused from now on; man pam_twostep has the lines for key and code",
        );
    }
    done.kept = (changes && old.is_some()).then(|| backup.before().display().to_string());
    match of_sshd {
        Sshd::Write(file) => {
            sshd::write(&file)?;
            done.sshd = Some(
                "written; sshd -t && systemctl reload ssh puts it into force (sshd on Red Hat)".to_owned(),
            );
        }
        Sshd::ByHand(why) => done.sshd = Some(format!("{why}: put there, above it, {}", in_a_row())),
        Sshd::Nothing => {}
    }
    output.report(&done)
}

/// Services that get our lines with the file, since they include it.
fn included_by(host: &Stacks, service: &str, path: &Path, new: &str) -> Result<Vec<String>, PamFailure> {
    let mut also = Vec::new();
    for name in host.names().unwrap_or_default().into_iter().filter(|name| name != service) {
        let Ok(read) = host.read_with(&name, path, new) else { continue };
        let places = read.chain(Phase::Auth).iter().filter(|handler| judge::is_ours(handler));
        let (here, elsewhere): (Vec<_>, Vec<_>) =
            places.partition(|handler| Path::new(&*handler.place.file) == path);
        match (here.is_empty(), elsewhere.is_empty()) {
            (true, _) => {}
            (false, true) => also.push(name),
            (false, false) => return Err(PamFailure::Twice(path.to_owned(), name)),
        }
    }
    Ok(also)
}

/// What a new file is made from: the packages' own, or the common ones. libpam asks `other` until then.
fn new_file(host: &Stacks, service: &str, wiring: Wiring) -> Option<String> {
    if let Some(vendors) = host.vendors(service) {
        return files::read(&vendors).ok().flatten();
    }
    // A prompt that nobody has yet is no service.
    if wiring == Wiring::Interactive {
        return None;
    }
    if host.included("common-auth").is_some() {
        return Some("@include common-auth\n@include common-account\n@include common-session\n".to_owned());
    }
    let file = ["password-auth", "system-auth"].into_iter().find(|file| host.included(file).is_some())?;
    Some(format!("auth     include  {file}\naccount  include  {file}\nsession  include  {file}\n"))
}

fn proposed(of_sshd: &Sshd) -> String {
    match of_sshd {
        Sshd::Nothing => String::new(),
        Sshd::Write(file) => {
            let file = file.display().to_string();
            diff::unified(&file, "", sshd::text())
        }
        Sshd::ByHand(why) => format!("sshd: {why}. Put there, above it: {}\n", in_a_row()),
    }
}

fn in_a_row() -> String {
    let lines = sshd::text().lines().filter(|line| !line.starts_with('#'));
    lines.collect::<Vec<_>>().join(", ")
}

/// Takes our lines out.
pub(crate) fn disable(arguments: &Arguments, wanted: &Disable) -> Result<(), Failure> {
    let policy = context::policy(arguments).ok();
    let output = Output::of(arguments);
    let service = wanted.service.as_str();
    let host =
        Stacks::of(&wanted.places.pam_dir).listing(policy.as_ref(), &context::configuration_path(arguments));
    let path = host.path(service);
    let now = files::read(&path)?.ok_or_else(|| PamFailure::NoFile(path.clone()))?;
    let backup = Backup::of(&wanted.places.backups, service);
    let whole = backup.whole(&now)?;
    let changed_since = whole.is_none();
    let old = match whole {
        Some(before) => before,
        None => Some(edit::unwire(&now, &path)?),
    };
    let remains = old.as_deref().unwrap_or("");
    output.say(&diff::unified(&path.display().to_string(), &now, remains))?;
    if changed_since {
        output.say("The file was changed after `pam enable`: only its lines are taken out.\n")?;
    }
    consent::obtain(wanted.consent, "Nobody is asked for a second step there any more.")?;
    unchanged(&path, Some(&now))?;
    put_back(&path, old.as_deref())?;
    backup.forget()?;
    let mut done = Changed::new(&host, service, policy.as_ref());
    if service == "sshd"
        && let Some(file) = sshd::remove(&wanted.places.ssh_dir)?
    {
        done.sshd = Some(format!(
            "{} is gone; systemctl reload ssh puts that into force (sshd on Red Hat)",
            file.display()
        ));
    }
    output.report(&done)
}

/// Whether the file is still what was shown: a person may take her time to say yes.
fn unchanged(path: &Path, shown: Option<&str>) -> Result<(), PamFailure> {
    if files::read(path)?.as_deref() == shown { Ok(()) } else { Err(PamFailure::Changed(path.to_owned())) }
}

fn put_back(path: &Path, old: Option<&str>) -> Result<(), PamFailure> {
    match old {
        Some(text) => files::replace(path, text),
        None => files::remove(path),
    }
}

/// What a service demands from now on.
#[derive(Serialize)]
struct Changed {
    now: Meaning,
    /// Services that include the file.
    also: Vec<String>,
    /// Where the file is as it was.
    kept: Option<String>,
    /// What becomes of those who come with a key.
    keys: Option<&'static str>,
    sshd: Option<String>,
}

impl Changed {
    fn new(host: &Stacks, service: &str, policy: Option<&twostep_core::policy::Policy>) -> Self {
        Self { now: Meaning::of(host, service, policy), also: Vec::new(), kept: None, keys: None, sshd: None }
    }
}

impl Report for Changed {
    fn text(&self, to: &mut String) {
        self.now.text(to);
        if !self.also.is_empty() {
            put_line!(to, "so do now: {}", self.also.join(", "));
        }
        if let Some(kept) = &self.kept {
            put_line!(to, "as it was: {kept}");
        }
        if let Some(sshd) = &self.sshd {
            put_line!(to, "sshd_config: {sshd}");
        }
        if let Some(keys) = self.keys {
            put_line!(to, "keys: {keys}");
        }
        if self.now.is_wired() {
            let service = self.now.service();
            put_line!(to, "before you close this shell: twostep-admin pam try {service} USER");
        }
    }
}
