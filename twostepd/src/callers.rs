//! The users that the configuration grants a service (`[broker] callers`), as they were looked up: they have more places than others.
//!
//! That takes NSS, which can take its time, and is needed before there is a thread for a connection. So it is looked up apart from that: at
//! the start, at SIGHUP, and when a user has no place left.

use crate::limits::{CALLERS, STACK};
use crate::party::Party;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use twostep_core::ports::Directory;
use twostep_host::{Nss, configuration, monotonic};

#[derive(Debug, Default)]
pub(crate) struct Callers(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    uids: HashSet<Party>,
    is_being_read: bool,
    /// When they may be looked up again.
    due_at: Duration,
}

impl Callers {
    pub(crate) fn contain(&self, party: Party) -> bool {
        self.known().uids.contains(&party)
    }

    /// Looks them up in a thread, unless that is being done or was done a moment ago.
    pub(crate) fn look_up(self: &Arc<Self>, config: Option<PathBuf>) {
        {
            let mut known = self.known();
            if known.is_being_read || monotonic() < known.due_at {
                return;
            }
            known.is_being_read = true;
        }
        let callers = Arc::clone(self);
        let look_up = move || {
            let found = find(config.as_deref());
            let mut known = callers.known();
            // While the configuration or a directory is broken, a server keeps its places. Each request has its own line about that.
            known.uids = found.unwrap_or_else(|| std::mem::take(&mut known.uids));
            (known.is_being_read, known.due_at) = (false, monotonic() + CALLERS);
        };
        if std::thread::Builder::new().stack_size(STACK).spawn(look_up).is_err() {
            self.known().is_being_read = false;
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// None where the configuration or NSS fails. A user who does not exist has no uid.
fn find(config: Option<&Path>) -> Option<HashSet<Party>> {
    let callers = configuration::read(config).ok()?.broker.callers;
    let uids = callers.iter().map(|caller| Nss.find(caller.user.as_str()));
    let uids: Result<Vec<_>, _> = uids.collect();
    Some(uids.ok()?.into_iter().flatten().map(|found| Party(found.uid)).collect())
}
