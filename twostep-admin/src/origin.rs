//! Where key and store come from, as `check` looks at it: which version has written them.

use crate::check::Finding;
use twostep_core::policy::Policy;
use twostep_store::schema::{SCHEMA, Version};
use twostep_store::vault::Files;

/// All findings about that.
pub(crate) fn check(policy: &Policy) -> Vec<Finding> {
    // A store that does not open is told with its reason elsewhere.
    let Ok(session) = Files::of(policy).session() else { return Vec::new() };
    let store = policy.paths.store.display().to_string();
    session.newer_schema().map(|found| newer(&store, found)).into_iter().collect()
}

fn newer(store: &str, found: Version) -> Finding {
    let message = format!(
        "a newer version has brought it to schema {found}, and this one is of {SCHEMA}: it works with it, and knows nothing of what that version added"
    );
    Finding::note(store, message, "install that version again when it suits; until then nothing need be done")
}
