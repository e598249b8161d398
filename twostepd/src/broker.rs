//! What all requests share: the limits, and who is connected.

use crate::budget::{Budget, Spent};
use crate::declined::Declined;
use crate::limits::DRAIN;
use crate::party::Party;
use crate::{log, request};
use nix::sys::socket::{Shutdown, shutdown};
use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use twostep_core::protocol::{FromBroker, Refusal};
use twostep_host::link::{Link, LinkError, Peer};
use twostep_host::monotonic;

/// The broker.
#[derive(Debug, Default)]
pub(crate) struct Broker {
    /// The configuration that was named on the command line.
    pub(crate) config: Option<PathBuf>,
    budget: Mutex<Budget>,
    present: Mutex<Present>,
    /// Told whenever somebody has gone.
    gone: Condvar,
}

#[derive(Debug, Default)]
struct Present {
    links: HashMap<u64, Arc<Link>>,
    next: u64,
}

/// Whoever is at the other end of a connection.
pub(crate) struct Asker<'l> {
    pub(crate) link: &'l Link,
    pub(crate) peer: Peer,
    pub(crate) party: Party,
}

impl Asker<'_> {
    /// The last word on a connection.
    pub(crate) fn refuse(&self, refusal: Refusal, text: &str) {
        let _gone = self.link.send(&FromBroker::Refused { refusal, text: text.to_owned() });
    }

    /// What came of a request.
    pub(crate) fn reply(&self, answer: Result<FromBroker, Declined>) {
        match answer {
            Ok(answer) => match self.link.send(&answer) {
                Err(LinkError::TooLong(_)) => {
                    let Declined { refusal, text } = Declined::unavailable("an answer would be too long");
                    self.refuse(refusal, &text);
                }
                Ok(()) | Err(_) => {}
            },
            Err(Declined { refusal, text }) => self.refuse(refusal, &text),
        }
    }

    /// Logs what this peer is refused, unless the same was logged a moment ago.
    pub(crate) fn complain(&self, broker: &Broker, cause: &'static str) {
        broker.complain(self.party, cause, |more| {
            log::warning(&format!("refused uid={} cause=\"{cause}\" more={more}", self.peer.uid));
        });
    }

    /// The peer has too much of something.
    pub(crate) fn too_much(&self, broker: &Broker, spent: Spent) -> Declined {
        broker.complain(self.party, spent.cause(), |more| {
            let cause = spent.cause();
            log::warning(&format!("refused uid={} cause=\"too many {cause}\" more={more}", self.peer.uid));
        });
        spent.into()
    }

    /// The peer does not keep to the protocol.
    pub(crate) fn refuse_protocol(&self, broker: &Broker, what: &str) {
        broker.complain(self.party, "protocol", |more| {
            log::warning(&format!("refused uid={} cause=\"{what}\" more={more}", self.peer.uid));
        });
        self.refuse(Refusal::Protocol, &format!("The broker does not understand: {what}."));
    }
}

impl Broker {
    pub(crate) fn new(config: Option<PathBuf>) -> Self {
        Self { config, ..Self::default() }
    }

    /// Takes a connection, and serves it in a thread of its own.
    pub(crate) fn admit(self: &Arc<Self>, link: Link) {
        // Without credentials there is nobody to serve.
        let Ok(peer) = link.peer() else { return };
        let party = crate::party::of(peer);
        let admitted = self.budget().connect(party);
        if let Err(spent) = admitted {
            return self.turn_away(&link, peer, party, spent);
        }
        let guest = Guest { broker: Arc::clone(self), link: Arc::new(link), party, number: 0 };
        let guest = guest.registered();
        let thread = std::thread::Builder::new().stack_size(crate::limits::STACK);
        let served = thread.spawn(move || {
            let asker = Asker { link: &guest.link, peer, party };
            request::serve(&guest.broker, &asker);
            twostep_host::scrub_stack();
        });
        if let Err(error) = served {
            log::error(&format!("no thread for a request: {error}"));
        }
    }

    fn turn_away(&self, link: &Link, peer: Peer, party: Party, spent: Spent) {
        let asker = Asker { link, peer, party };
        let Declined { refusal, text } = asker.too_much(self, spent);
        asker.refuse(refusal, &text);
    }

    /// One more request of a user for himself.
    pub(crate) fn own_request(&self, party: Party) -> Result<(), Spent> {
        self.budget().own_request(party, monotonic())
    }

    /// One more proof, until the permit is dropped.
    pub(crate) fn proof(&self, party: Party) -> Result<Permit<'_>, Spent> {
        self.budget().prove(party)?;
        Ok(Permit { broker: self, party })
    }

    /// Logs something about a peer, unless that was done a moment ago; `log` is told how many times it was not.
    pub(crate) fn complain(&self, party: Party, what: &'static str, log: impl FnOnce(u32)) {
        let due = self.budget().complain(party, what, monotonic());
        if let Some(more) = due {
            log(more);
        }
    }

    /// Waits for requests to come to their end; those that wait for somebody's answer for too long get none.
    pub(crate) fn drain(&self) {
        if self.wait_until_all_are_gone(DRAIN) {
            return;
        }
        for link in self.present().links.values() {
            // Whoever reads from it finds its end, and can still write the verdict.
            let _gone = shutdown(link.as_fd().as_raw_fd(), Shutdown::Read);
        }
        if !self.wait_until_all_are_gone(DRAIN) {
            let left = self.present().links.len();
            log::warning(&format!("ends with requests={left} unanswered"));
        }
    }

    fn wait_until_all_are_gone(&self, patience: Duration) -> bool {
        let some = |present: &mut Present| !present.links.is_empty();
        let waited = self.gone.wait_timeout_while(self.present(), patience, some);
        waited.unwrap_or_else(PoisonError::into_inner).0.links.is_empty()
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn present(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A proof that counts, until it is dropped.
pub(crate) struct Permit<'b> {
    broker: &'b Broker,
    party: Party,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.broker.budget().proven(self.party);
    }
}

/// A connection that counts, until it is dropped: however its thread ends.
struct Guest {
    broker: Arc<Broker>,
    link: Arc<Link>,
    party: Party,
    number: u64,
}

impl Guest {
    fn registered(mut self) -> Self {
        let mut present = self.broker.present();
        present.next += 1;
        self.number = present.next;
        present.links.insert(self.number, Arc::clone(&self.link));
        drop(present);
        self
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.broker.budget().disconnect(self.party, monotonic());
        self.broker.present().links.remove(&self.number);
        self.broker.gone.notify_all();
    }
}
