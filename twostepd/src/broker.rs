//! What all requests share: the limits, and who is connected.

use crate::budget::{Budget, Kind, Place, Spent};
use crate::complaints::{Complaints, Due};
use crate::connection::Connection;
use crate::declined::Declined;
use crate::limits::{DRAIN, THREADS};
use crate::party::Party;
use crate::{log, request};
use nix::sys::socket::{Shutdown, shutdown};
use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use twostep_core::protocol::{FromBroker, Refusal};
use twostep_host::link::{LinkError, Peer};
use twostep_host::monotonic;

/// The broker.
#[derive(Debug, Default)]
pub(crate) struct Broker {
    /// The configuration that was named on the command line.
    pub(crate) config: Option<PathBuf>,
    budget: Mutex<Budget>,
    complaints: Mutex<Complaints>,
    present: Mutex<Present>,
    /// Told whenever somebody has gone.
    gone: Condvar,
}

#[derive(Debug, Default)]
struct Present {
    connections: HashMap<u64, Arc<Connection>>,
    next: u64,
}

/// Whoever is at the other end of a connection.
pub(crate) struct Asker<'l> {
    pub(crate) link: &'l Connection,
    pub(crate) peer: Peer,
    pub(crate) party: Party,
}

impl Asker<'_> {
    /// The last word on a connection.
    pub(crate) fn refuse(&self, refusal: Refusal, text: &str) {
        let _gone = self.link.send(&FromBroker::Refused { refusal, text: text.to_owned() });
    }

    /// [`Self::refuse`]
    fn decline(&self, Declined { refusal, text }: Declined) {
        self.refuse(refusal, &text);
    }

    /// What came of a request.
    pub(crate) fn reply(&self, answer: Result<FromBroker, Declined>) {
        match answer {
            Ok(answer) => {
                if let Err(LinkError::TooLong(_)) = self.link.send(&answer) {
                    self.decline(Declined::unavailable("an answer would be too long"));
                }
            }
            Err(declined) => self.decline(declined),
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

    /// Takes a connection, and serves it in a thread of its own. Even whom to turn away is found out there: whatever takes its time, or
    /// is made to by a peer, holds nobody else up.
    pub(crate) fn admit(self: &Arc<Self>, connection: Connection) {
        let Some(guest) = self.register(connection) else { return };
        let thread = std::thread::Builder::new().stack_size(crate::limits::STACK);
        let served = thread.spawn(move || {
            guest.serve();
            twostep_host::scrub_stack();
        });
        if let Err(error) = served {
            let line = |more| log::error(&format!("no thread for a request: {error} more={more}"));
            self.complain(Party(0), "thread", line);
        }
    }

    /// Writes a connection down, unless there are more than there are threads for.
    fn register(self: &Arc<Self>, connection: Connection) -> Option<Guest> {
        let connection = Arc::new(connection);
        let mut present = self.present();
        if present.connections.len() >= THREADS {
            drop(present);
            let line = |more| log::warning(&format!("a connection is closed: too many threads more={more}"));
            self.complain(Party(0), "threads", line);
            let Declined { refusal, text } = Spent::Full.into();
            let _gone = connection.send(&FromBroker::Refused { refusal, text });
            return None;
        }
        present.next += 1;
        let number = present.next;
        present.connections.insert(number, Arc::clone(&connection));
        drop(present);
        Some(Guest { broker: Arc::clone(self), connection, number })
    }

    fn enter(&self, place: Place) -> Result<Seat<'_>, Spent> {
        self.budget().connect(place)?;
        Ok(Seat { broker: self, place })
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
        let due =
            self.complaints.lock().unwrap_or_else(PoisonError::into_inner).due(party, what, monotonic());
        let Some(Due { more, left_out }) = due else { return };
        log(more);
        if left_out > 0 {
            log::warning(&format!("lines left out about what peers may not ask: {left_out}"));
        }
    }

    /// Waits for requests to come to their end; those that wait for somebody's answer for too long get none.
    pub(crate) fn drain(&self) {
        if self.wait_until_all_are_gone(DRAIN) {
            return;
        }
        for connection in self.present().connections.values() {
            // Whoever reads from it finds its end, and can still write the verdict.
            let _gone = shutdown(connection.as_fd().as_raw_fd(), Shutdown::Read);
        }
        if !self.wait_until_all_are_gone(DRAIN) {
            let left = self.present().connections.len();
            log::warning(&format!("ends with requests={left} unanswered"));
        }
    }

    fn wait_until_all_are_gone(&self, patience: Duration) -> bool {
        let some = |present: &mut Present| !present.connections.is_empty();
        let waited = self.gone.wait_timeout_while(self.present(), patience, some);
        waited.unwrap_or_else(PoisonError::into_inner).0.connections.is_empty()
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

/// A connection that has a place, until it is dropped: however its thread ends.
struct Seat<'b> {
    broker: &'b Broker,
    place: Place,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.broker.budget().disconnect(self.place, monotonic());
    }
}

/// A connection that is waited for at the end, until it is dropped.
struct Guest {
    broker: Arc<Broker>,
    connection: Arc<Connection>,
    number: u64,
}

impl Guest {
    fn serve(&self) {
        // Without credentials there is nobody to serve.
        let Ok(peer) = self.connection.peer() else { return };
        let party = crate::party::of(peer);
        let asker = Asker { link: &self.connection, peer, party };
        let kind = if peer.uid == 0 { Kind::Root } else { Kind::Plain };
        match self.broker.enter(Place { party, kind }) {
            Ok(_seat) => request::serve(&self.broker, &asker),
            Err(spent) => {
                asker.decline(asker.too_much(&self.broker, spent));
            }
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.broker.present().connections.remove(&self.number);
        self.broker.gone.notify_all();
    }
}
