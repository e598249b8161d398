//! What all requests share: the limits, and who is connected.

use crate::bans::Bans;
use crate::budget::{Budget, Kind, Spent};
use crate::callers::Callers;
use crate::closer::{Closer, Held};
use crate::complaints::{Complaints, Due};
use crate::connection::Connection;
use crate::declined::Declined;
use crate::limits::{DRAIN, LIFT};
use crate::party::{Caller, Party, UNKNOWN};
use crate::{log, request};
use nix::errno::Errno;
use nix::sys::socket::{Shutdown, shutdown};
use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
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
    complaints: Mutex<Complaints>,
    present: Mutex<Present>,
    /// Told whenever somebody has gone.
    gone: Condvar,
    callers: Arc<Callers>,
    closer: Closer,
    bans: Mutex<Bans>,
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

    /// Serves a connection in a thread of its own, or turns it away. The limits of a uid hold before there is a thread. Nothing is done here
    /// that takes its time, or is made to by a peer: NSS is asked and the configuration is read in threads.
    pub(crate) fn admit(self: &Arc<Self>, link: Link) {
        let connection = match Connection::over(link, Arc::clone(self)) {
            Ok(connection) => connection,
            Err(errno) => {
                return self.complain(UNKNOWN, "socket", |_| log::error(&format!("a socket: {errno}")));
            }
        };
        // Without credentials there is nobody to serve.
        let Ok(peer) = connection.peer() else { return };
        let caller = Caller::of(peer);
        match self.place(caller) {
            Ok(place) => self.serve(connection, Asking { peer, caller, place }),
            Err(spent) => {
                let asker = Asker { link: &connection, peer, party: caller.account() };
                asker.decline(asker.too_much(self, spent));
                if spent == Spent::Connections && caller.kind() == Kind::Plain {
                    self.look_up_callers();
                }
            }
        }
    }

    fn serve(self: &Arc<Self>, connection: Connection, asking: Asking) {
        let guest = self.register(connection, asking);
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
    fn register(self: &Arc<Self>, connection: Connection, asking: Asking) -> Guest {
        let connection = Arc::new(connection);
        let mut present = self.present();
        present.next += 1;
        let number = present.next;
        present.connections.insert(number, Arc::downgrade(&connection));
        drop(present);
        Guest { connection, asking, listed: Listed { broker: Arc::clone(self), number } }
    }

    /// A place for one more connection of this caller's.
    fn place(self: &Arc<Self>, caller: Caller) -> Result<Place, Spent> {
        let (kind, party) = (self.kind(caller), caller.account());
        self.budget().connect(party, kind)?;
        Ok(Place { broker: Arc::clone(self), kind, party })
    }

    /// What kind of process it is, as far as that was looked up.
    fn kind(&self, caller: Caller) -> Kind {
        match caller.kind() {
            Kind::Plain if self.callers.contain(caller.account()) => Kind::Granted,
            kind => kind,
        }
    }

    /// The seat in the common account of all that cannot be told apart, which counts besides the place.
    fn common_seat(&self, kind: Kind) -> Result<Seat<'_>, Spent> {
        self.budget().sit(UNKNOWN, kind)?;
        Ok(Seat { broker: self, party: UNKNOWN })
    }

    /// See [`Callers::look_up`].
    pub(crate) fn look_up_callers(&self) {
        self.callers.look_up(self.config.clone());
    }

    /// Has a connection with open files in its queue closed by a process that may hang, once what is returned is dropped: not before it is
    /// closed here, since the last close is the one that hangs.
    pub(crate) fn hand_over(self: &Arc<Self>, connection: &Connection) -> Option<HandedOver> {
        let uid = connection.peer().map_or(u32::MAX, |peer| peer.uid);
        self.complain(Party(uid), "files", |more| {
            let cause = "open files sent along, or more messages than the protocol has";
            log::warning(&format!("refused uid={uid} cause=\"{cause}\" more={more}"));
        });
        match self.closer.take(connection.as_fd(), uid) {
            Ok(held) => {
                self.count(uid);
                Some(HandedOver { broker: Arc::clone(self), held })
            }
            Err(errno) => {
                self.complain(Party(0), "closer", |more| {
                    let what = "a connection cannot be handed over to be closed";
                    log::error(&format!("{what}: {errno} more={more}"));
                });
                // It stays open then, and is closed with this process.
                std::mem::forget(connection.as_fd().try_clone_to_owned());
                None
            }
        }
    }

    /// Keeps a uid from connecting that has had too many connections handed over, until all of them are closed.
    fn count(self: &Arc<Self>, uid: u32) {
        let banned = self.bans().count(uid);
        match banned {
            Ok(false) => {}
            Ok(true) => self.complain(Party(uid), "ban", |more| {
                let what = "cannot connect until the files it has sent are closed";
                log::warning(&format!("uid={uid} {what} more={more}"));
            }),
            Err(errno) => self.complain(Party(0), "ban", |_| {
                log::error(&format!("uid={uid} cannot be kept from connecting: {errno}"));
            }),
        }
        let broker = Arc::clone(self);
        let lift = move || {
            std::thread::sleep(LIFT);
            while !broker.closer.is_done() {
                std::thread::sleep(LIFT);
            }
            let mut bans = broker.bans();
            bans.is_waited_for = false;
            if let Err(errno) = bans.lift() {
                log::error(&format!("the socket's access control list cannot be reset: {errno}"));
            }
        };
        let mut bans = self.bans();
        if !bans.is_waited_for {
            let thread = std::thread::Builder::new().stack_size(crate::limits::STACK);
            bans.is_waited_for = thread.spawn(lift).is_ok();
        }
    }

    /// Says where the socket is, so that uids can be kept from connecting.
    pub(crate) fn listens_at(&self, path: Option<PathBuf>) {
        let bans = path.ok_or(Errno::ENOENT).and_then(|path| Bans::on(&path));
        match bans {
            Ok(bans) => *self.bans() = bans,
            Err(errno) => {
                log::warning(&format!("nobody can be kept from connecting: access control list: {errno}"))
            }
        }
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
        for connection in &self.left() {
            // Whoever reads from it finds its end, and can still write the verdict.
            let _gone = shutdown(connection.as_fd().as_raw_fd(), Shutdown::Read);
        }
        if !self.wait_until_all_are_gone(DRAIN) {
            let left = self.left();
            log::warning(&format!("ends with requests={} unanswered", left.len()));
            // With the end of this process they are closed, whatever is in their queues: that must not be the last close.
            for connection in &left {
                let uid = connection.peer().map_or(u32::MAX, |peer| peer.uid);
                // Not released: it is held until this process is gone.
                let _closed_here = self.closer.take(connection.as_fd(), uid);
            }
            std::mem::forget(left);
        }
    }

    /// The connections that are there. They are closed by the thread that drops them last, which must not happen under the lock.
    fn left(&self) -> Vec<Arc<Connection>> {
        self.present().connections.values().filter_map(Weak::upgrade).collect()
    }

    fn wait_until_all_are_gone(&self, patience: Duration) -> bool {
        let some = |present: &mut Present| !present.connections.is_empty();
        let waited = self.gone.wait_timeout_while(self.present(), patience, some);
        waited.unwrap_or_else(PoisonError::into_inner).0.connections.is_empty()
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bans(&self) -> MutexGuard<'_, Bans> {
        self.bans.lock().unwrap_or_else(PoisonError::into_inner)
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

/// A connection that another process is to close, as soon as this is dropped.
#[derive(Debug)]
pub(crate) struct HandedOver {
    broker: Arc<Broker>,
    held: Held,
}

impl Drop for HandedOver {
    fn drop(&mut self) {
        self.broker.closer.release(self.held);
    }
}

/// A connection that counts for its uid and for all, until it is dropped.
struct Place {
    broker: Arc<Broker>,
    kind: Kind,
    party: Party,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.broker.budget().disconnect(self.party, self.kind, monotonic());
    }
}

/// A connection that counts for another party besides, until it is dropped.
struct Seat<'b> {
    broker: &'b Broker,
    party: Party,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.broker.budget().rise(self.party, monotonic());
    }
}

/// Who has a connection, and the place that it takes.
struct Asking {
    peer: Peer,
    caller: Caller,
    place: Place,
}

/// A connection and its thread, however that ends. First it is closed; it counts and is listed as long as that takes.
struct Guest {
    connection: Arc<Connection>,
    asking: Asking,
    listed: Listed,
}

/// That there is a thread for a connection, until it is dropped.
struct Listed {
    broker: Arc<Broker>,
    number: u64,
}

impl Guest {
    fn serve(self) {
        let Self { connection: admitted, asking, listed } = self;
        let Asking { peer, caller, place } = asking;
        let broker = Arc::clone(&listed.broker);
        // Only here is NSS asked.
        let party = caller.party();
        let seat = (party != place.party).then(|| broker.common_seat(place.kind)).transpose();
        // Declared last, and so closed first.
        let connection = admitted;
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
