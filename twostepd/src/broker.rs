//! What all requests share: the limits, and who is connected.

use crate::budget::{Budget, Kind, Spent};
use crate::complaints::{Complaints, Due};
use crate::connection::Connection;
use crate::declined::Declined;
use crate::limits::{DRAIN, THREADS};
use crate::party::{Caller, Party, UNKNOWN};
use crate::{log, request};
use nix::sys::socket::{Shutdown, shutdown};
use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use twostep_core::name::UserName;
use twostep_core::ports::Directory;
use twostep_core::protocol::{FromBroker, Refusal};
use twostep_host::link::{LinkError, Peer};
use twostep_host::{Nss, configuration, monotonic};

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
    connections: HashMap<u64, Weak<Connection>>,
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

    /// Whether there are as many threads as there may be. Then nobody is accepted: whoever waits is told so by the kernel.
    pub(crate) fn is_crowded(&self) -> bool {
        self.present().connections.len() >= THREADS
    }

    /// Takes a connection, and serves it in a thread of its own. Even whom to turn away is found out there: whatever takes its time, or
    /// is made to by a peer, holds nobody else up.
    pub(crate) fn admit(self: &Arc<Self>, connection: Connection) {
        let guest = self.register(connection);
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

    /// Writes a connection down.
    fn register(self: &Arc<Self>, connection: Connection) -> Guest {
        let connection = Arc::new(connection);
        let mut present = self.present();
        present.next += 1;
        let number = present.next;
        present.connections.insert(number, Arc::downgrade(&connection));
        drop(present);
        Guest { connection, listed: Listed { broker: Arc::clone(self), number } }
    }

    fn arrive(&self, kind: Kind) -> Result<Arrival<'_>, Spent> {
        self.budget().arrive(kind)?;
        Ok(Arrival { broker: self, kind })
    }

    fn seat(&self, party: Party, kind: Kind) -> Result<Seat<'_>, Spent> {
        let seated = self.budget().sit(party, kind);
        match seated {
            // Only now is it looked up whether that user is a server's, who has more places.
            Err(Spent::Connections) if kind == Kind::Plain && self.is_granted(party) => {
                self.budget().sit(party, Kind::Granted)?;
            }
            seated => seated?,
        }
        Ok(Seat { broker: self, party })
    }

    /// Whether the configuration grants a service to this user.
    fn is_granted(&self, party: Party) -> bool {
        let Ok(policy) = configuration::read(self.config.as_deref()) else { return false };
        let is = |user: &UserName| Nss.find(user.as_str()).ok().flatten().is_some_and(|it| it.uid == party.0);
        policy.broker.callers.iter().any(|caller| is(&caller.user))
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
        // Held by none but us by the time they are closed, perhaps: not under the lock.
        let left: Vec<_> = self.present().connections.values().filter_map(Weak::upgrade).collect();
        for connection in &left {
            // Whoever reads from it finds its end, and can still write the verdict.
            let _gone = shutdown(connection.as_fd().as_raw_fd(), Shutdown::Read);
        }
        drop(left);
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

/// A connection that counts, until it is dropped.
struct Arrival<'b> {
    broker: &'b Broker,
    kind: Kind,
}

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        self.broker.budget().leave(self.kind);
    }
}

/// A connection that counts for its party, until it is dropped.
struct Seat<'b> {
    broker: &'b Broker,
    party: Party,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.broker.budget().rise(self.party, monotonic());
    }
}

/// A connection and its thread, however that ends. First it is closed, which can take its time; it is listed as long as that takes.
struct Guest {
    connection: Arc<Connection>,
    listed: Listed,
}

/// That there is a thread for a connection, until it is dropped.
struct Listed {
    broker: Arc<Broker>,
    number: u64,
}

impl Guest {
    fn serve(self) {
        let Self { connection: arrived, listed } = self;
        let broker = Arc::clone(&listed.broker);
        // Without credentials there is nobody to serve.
        let Ok(peer) = arrived.peer() else { return drop(arrived) };
        let caller = Caller::of(peer);
        let arrival = broker.arrive(caller.kind());
        let party = if arrival.is_ok() { caller.party() } else { UNKNOWN };
        let seat = match &arrival {
            Ok(_) => broker.seat(party, caller.kind()),
            Err(spent) => Err(*spent),
        };
        // Declared last, and so closed first: it counts as long as that takes.
        let connection = arrived;
        let asker = Asker { link: &connection, peer, party };
        match &seat {
            Ok(_) => request::serve(&broker, &asker),
            Err(spent) => asker.decline(asker.too_much(&broker, *spent)),
        }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.broker.present().connections.remove(&self.number);
        self.broker.gone.notify_all();
    }
}
