//! The users to whom the configuration grants a service (`[broker] callers`), as they were looked up: they have more places than others.
//!
//! That takes NSS, which can take its time, and is needed before there is a thread for a connection. So it is looked up apart from that: at
//! the start, at SIGHUP, and when a user has no place left.

use crate::limits::{CALLERS, STACK};
use crate::party::Party;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use twostep_core::name::UserName;
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
            let policy = configuration::read(config.as_deref());
            let names = policy.map(|policy| policy.broker.callers).unwrap_or_default();
            let uid = |name: &UserName| Nss.find(name.as_str()).ok().flatten().map(|found| Party(found.uid));
            let uids = names.iter().filter_map(|caller| uid(&caller.user)).collect();
            *callers.known() = Known { uids, is_being_read: false, due_at: monotonic() + CALLERS };
        };
        if std::thread::Builder::new().stack_size(STACK).spawn(look_up).is_err() {
            self.known().is_being_read = false;
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
