//! A connection with a peer that may have sent more than bytes.
//!
//! Whoever writes to a Unix socket can send open files along. None is taken: no room is given for them, and the kernel closes them when the
//! message is read, or when the connection is closed. But it does so within our call, and closing somebody else's file can take as long
//! as he likes: a TCP socket with SO_LINGER, for one. Where the kernel can, such messages are refused ([`crate::ffi::refuse_files`]);
//! where it cannot, the calls that may get stuck are interrupted, again and again, until they come back.

use crate::ffi::Alarm;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;
use twostep_core::protocol::{FromBroker, ToBroker};
use twostep_core::time::Lease;
use twostep_host::link::{Link, LinkError, Peer};
use twostep_host::{monotonic, now};

/// The broker's end.
#[derive(Debug)]
pub(crate) struct Connection {
    link: Link,
    /// Set while it is being closed. It stands after the link, and so is dropped when that is closed.
    closing: Option<Alarm>,
}

impl Connection {
    pub(crate) fn over(link: Link) -> Self {
        Self { link, closing: None }
    }

    pub(crate) fn peer(&self) -> Result<Peer, LinkError> {
        self.link.peer()
    }

    /// See [`Link::send`].
    pub(crate) fn send(&self, message: &FromBroker) -> Result<(), LinkError> {
        self.link.send(message)
    }

    /// See [`Link::receive`]. What comes after a pause of the machine comes too late: whoever has proven something on this connection did so
    /// before it, and the clock of `patience` stood still.
    pub(crate) fn receive(&self, patience: Duration) -> Result<ToBroker, LinkError> {
        let end = monotonic().saturating_add(patience);
        // Wall times are whole seconds.
        let lease = Lease::from(&now(), patience.saturating_add(Duration::from_secs(1)));
        loop {
            self.link.wait_for_message(end.saturating_sub(monotonic()))?;
            let alarm = Alarm::set();
            let received = self.link.receive(Duration::ZERO);
            drop(alarm);
            match received {
                // There was nothing after all.
                Err(LinkError::TimedOut) if monotonic() < end => {}
                Ok(_) if lease.is_over(&now()) => return Err(LinkError::TimedOut),
                received => return received,
            }
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.link.as_fd()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.closing = Some(Alarm::set());
    }
}
