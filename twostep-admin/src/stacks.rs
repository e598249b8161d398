//! The folder of PAM stacks.

use crate::check::{Finding, Id};
use crate::pam::host::{Stacks, is_left_behind};
use crate::pam::judge;
use crate::stack::{AuthLine, Stack, base};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::Path;
use twostep_core::policy::Policy;
use twostep_core::time::UnixTime;
use twostep_stacks::{Code, Entry, Handler, Phase, can_return};

pub(crate) const MODULE: &str = "pam_twostep.so";

/// What was seen in a folder of stacks.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) findings: Vec<Finding>,
    /// All services that have a file.
    pub(crate) services: BTreeSet<String>,
    /// Those whose file names the module, or brings it in to do something for them.
    pub(crate) wired: BTreeSet<String>,
    /// Whether any stack has the module in a password line.
    pub(crate) changes_passwords: bool,
    /// The module's auth lines, by service, wherever they stand.
    pub(crate) lines: BTreeMap<String, Vec<AuthLine>>,
}

/// Looks at a folder of stacks.
pub(crate) fn check(folder: &Path, policy: Option<&Policy>, config: &Path, now: UnixTime) -> Seen {
    let host = Stacks::of(folder).listing(policy, config);
    let files = match read(folder) {
        Ok(files) => files,
        Err(error) => {
            let message = format!("cannot be read: {error}");
            let finding = Finding::error(Id::StacksUnreadable, folder.display(), message, "run it as root");
            return Seen { findings: vec![finding], ..Seen::default() };
        }
    };
    let included: HashSet<&str> = files
        .values()
        .flatten()
        .filter_map(|entry| match entry {
            Entry::Include(include) => include.file.as_deref().map(base),
            Entry::Module(_) | Entry::Bad(_) => None,
        })
        .collect();
    let changes_passwords = files.values().flatten().any(|entry| {
        matches!(entry, Entry::Module(line) if line.phase == Phase::Password && base(&line.module) == MODULE)
    });
    let mut seen = Seen { services: files.keys().cloned().collect(), changes_passwords, ..Seen::default() };
    for (name, entries) in &files {
        let mut stack = Stack {
            path: folder.join(name),
            entries,
            files: &files,
            policy,
            config,
            name,
            now,
            findings: Vec::new(),
            lines: Vec::new(),
        };
        let included = included.contains(name.as_str());
        let names = stack.check(included);
        let is_service = !included || ASKED_FOR.contains(&name.as_str());
        if is_service && stack.play(&host).unwrap_or(names) {
            seen.wired.insert(name.clone());
        }
        for finding in stack.findings {
            // What lies in a file that many include is told once.
            if !seen.findings.contains(&finding) {
                seen.findings.push(finding);
            }
        }
        if !stack.lines.is_empty() {
            seen.lines.insert(name.clone(), stack.lines);
        }
    }
    seen.findings.extend(policy.and_then(|policy| left_to_other(policy, &host, &seen)));
    if seen.wired.is_empty() {
        let remedy = "twostep-admin pam enable SERVICE puts the lines in: sshd, su, sudo, login, imap; man pam_twostep shows them";
        seen.findings.push(Finding::note(
            Id::NothingWired,
            folder.display(),
            format!("no service's file names {MODULE}: nothing asks for a code"),
            remedy,
        ));
    }
    seen
}

/// Services whose files others include, too.
pub(crate) const ASKED_FOR: [&str; 5] = ["login", "runuser", "sshd", "su", "sudo"];

/// App services without a file of their own beside one that has it: Dovecot asks by the protocol's name, for each another service.
fn left_to_other(policy: &Policy, host: &Stacks, seen: &Seen) -> Option<Finding> {
    let services = policy.app.services.value.iter().map(|service| service.as_str());
    let (with, without): (Vec<_>, Vec<_>) = services.partition(|service| seen.services.contains(*service));
    let without: Vec<_> = without.into_iter().filter(|service| host.vendors(service).is_none()).collect();
    if without.is_empty() || !with.iter().any(|service| seen.wired.contains(*service)) {
        return None;
    }
    // As it is read for one of them.
    let other = host.read(without.first()?).ok()?;
    let chain = other.chain(Phase::Auth);
    let possible = |handler: &Handler| judge::possible(handler, Phase::Auth);
    let opens = can_return(chain, &possible, &[Code::SUCCESS]).unwrap_or(true);
    (opens && !chain.iter().any(judge::is_ours)).then(|| {
        Finding::warning(
            Id::LeftToOther,
            host.path("other").display(),
            format!(
                "app services without a file of their own are judged by this one, where the account password is enough: {}",
                without.join(", ")
            ),
            format!("give each its file, as {} has one: twostep-admin pam enable SERVICE; or deny everybody here", with.join(", ")),
        )
    })
}

/// Files by their names.
pub(crate) type Files = BTreeMap<String, Vec<Entry>>;

fn read(folder: &Path) -> std::io::Result<Files> {
    let mut files = Files::new();
    for file in fs::read_dir(folder)? {
        let file = file?;
        let Ok(name) = file.file_name().into_string() else { continue };
        if is_left_behind(&name) || !file.path().is_file() {
            continue;
        }
        let text = fs::read(file.path())?;
        files.insert(name, twostep_stacks::parse(&String::from_utf8_lossy(&text)));
    }
    Ok(files)
}
