//! The folder of PAM stacks.

use crate::check::Finding;
use crate::stack::{Stack, base};
use crate::stack_file::{self, Entry};
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;
use twostep_core::policy::Policy;

pub(crate) const MODULE: &str = "pam_twostep.so";

/// All findings in a folder of stacks.
pub(crate) fn check(folder: &Path, policy: Option<&Policy>) -> Vec<Finding> {
    let files = match read(folder) {
        Ok(files) => files,
        Err(error) => {
            let message = format!("cannot be read: {error}");
            return vec![Finding::error(folder.display(), message, "run it as root")];
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
    let mut findings = Vec::new();
    let mut named = false;
    for (name, entries) in &files {
        let mut stack =
            Stack { path: folder.join(name), entries, files: &files, policy, name, findings: Vec::new() };
        named |= stack.check(included.contains(name.as_str()));
        findings.append(&mut stack.findings);
    }
    if !named {
        let remedy = "README.md has the lines for sshd and Dovecot";
        findings.push(Finding::note(
            folder.display(),
            format!("no file names {MODULE}: nothing asks for a code"),
            remedy,
        ));
    }
    findings
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
