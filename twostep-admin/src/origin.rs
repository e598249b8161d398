//! Where key and store come from, as `check` looks at it: which version has written them, and on which host.

use crate::check::{Finding, Id};
use std::path::Path;
use twostep_core::policy::Policy;
use twostep_store::origin::{MACHINE_ID, MachineId, Origin};
use twostep_store::schema::{SCHEMA, Version};
use twostep_store::vault::Files;

/// What is to be known of a key that comes from elsewhere.
pub(crate) const ELSEWHERE: &str = "key and store were made on another host: where that one, an image or another copy of it exists, this key is not this host's alone";
/// And what to do about it.
pub(crate) const ADOPT: &str = "after a move or a restored backup: twostep-admin init --adopt-host; for a clone, a key and a store of its own: /usr/share/doc/twostep/docs/packages.md, \"Images and first boot\"";

/// All findings about that. `etc` is where this host's own files are.
pub(crate) fn check(policy: &Policy, etc: &Path) -> Vec<Finding> {
    // A store that does not open is told with its reason elsewhere.
    let Ok(session) = Files::of(policy).session() else { return Vec::new() };
    let store = policy.paths.store.display().to_string();
    let mut findings: Vec<_> = session.newer_schema().map(|found| newer(&store, found)).into_iter().collect();
    let path = etc.join(MACHINE_ID);
    match session.origin(MachineId::read(&path).as_ref()) {
        Ok(origin) => findings.extend(cloned(origin, policy, &path)),
        Err(error) => {
            findings.push(Finding::error(Id::StoreUnusable, store, error.to_string(), error.remedy()))
        }
    }
    findings
}

fn newer(store: &str, found: Version) -> Finding {
    let message = format!(
        "a newer version has brought it to schema {found}, and this one is of {SCHEMA}: it works with it, and knows nothing of what that version added"
    );
    Finding::note(
        Id::StoreNewer,
        store,
        message,
        "install that version again when it suits; until then nothing need be done",
    )
}

/// A key that another host has, too.
fn cloned(origin: Origin, policy: &Policy, machine_id: &Path) -> Option<Finding> {
    let key = policy.paths.key.display();
    match origin {
        Origin::Here => None,
        Origin::Elsewhere => Some(Finding::warning(Id::KeyOfAnotherHost, key, ELSEWHERE, ADOPT)),
        Origin::Unrecorded => {
            let message =
                "it is not recorded which host key and store belong to: a clone of them would not be noticed";
            Some(Finding::note(Id::HostNotRecorded, key, message, "twostep-admin init records it"))
        }
        Origin::Nameless => {
            let message = "missing, empty or no machine-id: a key that was cloned is not noticed";
            let remedy = "systemd-machine-id-setup, then twostep-admin init";
            Some(Finding::note(Id::MachineIdMissing, machine_id.display(), message, remedy))
        }
    }
}
