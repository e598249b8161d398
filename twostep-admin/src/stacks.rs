//! The folder of PAM stacks.

use crate::check::Finding;
use crate::stack::{AuthLine, Stack, base};
use crate::stack_file::{self, Entry, Phase};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::Path;
use twostep_core::policy::Policy;
use twostep_core::time::UnixTime;

pub(crate) const MODULE: &str = "pam_twostep.so";

/// What was seen in a folder of stacks.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) findings: Vec<Finding>,
    /// All services that have a file.
    pub(crate) services: BTreeSet<String>,
    /// Those whose own file names the module.
    pub(crate) wired: BTreeSet<String>,
    /// Whether any stack has the module in a password line.
    pub(crate) changes_passwords: bool,
    /// The module's auth lines, by service.
    pub(crate) lines: BTreeMap<String, Vec<AuthLine>>,
}

/// Looks at a folder of stacks.
pub(crate) fn check(folder: &Path, policy: Option<&Policy>, now: UnixTime) -> Seen {
    let files = match read(folder) {
        Ok(files) => files,
        Err(error) => {
            let message = format!("cannot be read: {error}");
            let finding = Finding::error(folder.display(), message, "run it as root");
            return Seen { findings: vec![finding], ..Seen::default() };
        }
    };
    let included: HashSet<&str> = files
        .values()
        .flatten()
        .filter_map(|entry| match entry {
            Entry::Include(include) => Some(base(&include.file)),
            Entry::Module(_) => None,
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
            name,
            now,
            findings: Vec::new(),
            lines: Vec::new(),
        };
        if stack.check(included.contains(name.as_str())) {
            seen.wired.insert(name.clone());
        }
        seen.findings.append(&mut stack.findings);
        if !stack.lines.is_empty() {
            seen.lines.insert(name.clone(), stack.lines);
        }
    }
    if seen.wired.is_empty() {
        let remedy = "README.md has the lines for sshd, su, sudo and Dovecot";
        seen.findings.push(Finding::note(
            folder.display(),
            format!("no service's file names {MODULE}: nothing asks for a code"),
            remedy,
        ));
    }
    seen
}

/// Files by their names.
pub(crate) type Files = BTreeMap<String, Vec<Entry>>;

fn read(folder: &Path) -> std::io::Result<Files> {
    let mut files = Files::new();
    for file in fs::read_dir(folder)? {
        let file = file?;
        let Ok(name) = file.file_name().into_string() else { continue };
        // What editors and packagers leave behind is no service that anybody asks for.
        let left_behind =
            name.contains('~') || [".dpkg-", ".rpm", ".ucf-", ".bak"].iter().any(|part| name.contains(part));
        if left_behind || !file.path().is_file() {
            continue;
        }
        let text = fs::read(file.path())?;
        files.insert(name, stack_file::parse(&String::from_utf8_lossy(&text)));
    }
    Ok(files)
}
