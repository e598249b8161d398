//! A connection with a peer that may have sent more than bytes.
//!
//! Anyone who writes to a Unix socket can send open files along, and the process that drops the last reference to one closes it: the process that
//! receives such a message without taking the files, and the one that closes a socket with such a message in its queue. A close can take an
//! hour (a TCP socket with SO_LINGER) or for ever (a file on a FUSE file system whose server does not answer), and no signal ends the latter.
//! Linux 6.16 and newer can refuse such messages ([`crate::ffi::refuse_files`]). Elsewhere, and for what was sent before that was
//! set, every message is looked at before it is received, and a socket is closed here only if its queue is empty. One with open files in its
//! queue is closed by another process ([`crate::closer`]).

use crate::broker::{Broker, HandedOver};
use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, Shutdown, UnixCredentials, recvmsg, setsockopt, shutdown, sockopt};
use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;
use twostep_core::protocol::{FromBroker, ToBroker};
use twostep_core::time::Lease;
use twostep_host::link::{Link, LinkError, Peer};
use twostep_host::{monotonic, now};

/// How many messages that nobody has asked for are thrown away when a connection is closed. Where there are more, the rest is left to
/// [`crate::closer`]: no peer that keeps to the protocol sends as many.
const UNREAD: usize = 8;

/// The broker's end.
#[derive(Debug)]
pub(crate) struct Connection {
    link: Link,
    /// Set where it is handed over to be closed. It stands after the link, and so is dropped, which releases it, when that is closed.
    handed: Option<HandedOver>,
    broker: Arc<Broker>,
}

/// What is first in a socket's queue.
#[derive(Debug, PartialEq, Eq)]
enum Queued {
    /// A message that is only bytes.
    Bytes,
    /// A message with open files.
    Files,
    /// Nothing yet.
    Nothing,
    /// Nothing, ever again.
    End,
}

impl Connection {
    pub(crate) fn over(link: Link, broker: Arc<Broker>) -> Result<Self, Errno> {
        // From here on every message comes with its sender's credentials, by which an empty message can be told from the end.
        setsockopt(&link, sockopt::PassCred, &true)?;
        Ok(Self { link, handed: None, broker })
    }

    pub(crate) fn peer(&self) -> Result<Peer, LinkError> {
        self.link.peer()
    }

    /// See [`Link::send`].
    pub(crate) fn send(&self, message: &FromBroker) -> Result<(), LinkError> {
        self.link.send(message)
    }

    /// See [`Link::receive`]. A message with open files is not received: for the one who waits it is the end. What comes after a pause of
    /// the machine comes too late: anyone who has proven something on this connection did so before it, and the clock of `patience` stood still.
    pub(crate) fn receive(&self, patience: Duration) -> Result<ToBroker, LinkError> {
        let end = monotonic().saturating_add(patience);
        // Wall times are whole seconds.
        let lease = Lease::from(&now(), patience.saturating_add(Duration::from_secs(1)));
        loop {
            self.link.wait_for_message(end.saturating_sub(monotonic()))?;
            match self.queued()? {
                Queued::Nothing if monotonic() < end => {}
                Queued::Nothing => return Err(LinkError::TimedOut),
                Queued::Files | Queued::End => return Err(LinkError::Closed),
                Queued::Bytes => {
                    let received = self.link.receive(Duration::ZERO)?;
                    return if lease.is_over(&now()) { Err(LinkError::TimedOut) } else { Ok(received) };
                }
            }
        }
    }

    /// Looks at what is first in the queue, without taking it out. There is room for credentials, and none for open files: had there been
    /// any, the kernel says that something was left out (MSG_CTRUNC). They stay in the queue, so that this closes none of them.
    fn queued(&self) -> Result<Queued, Errno> {
        let mut room = cmsg_space!(UnixCredentials);
        let mut byte = [0];
        loop {
            let mut parts = [IoSliceMut::new(&mut byte)];
            let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
            match recvmsg::<()>(self.as_fd().as_raw_fd(), &mut parts, Some(&mut room), flags) {
                Ok(seen) if seen.flags.contains(MsgFlags::MSG_CTRUNC) => return Ok(Queued::Files),
                Ok(seen) if seen.cmsgs()?.next().is_some() => return Ok(Queued::Bytes),
                Ok(_) => return Ok(Queued::End),
                Err(Errno::EAGAIN) => return Ok(Queued::Nothing),
                // That the other side has closed without reading all is said once, before what it has sent itself.
                Err(Errno::EINTR | Errno::ECONNRESET) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Throws away what is in the queue. Whether nothing is left, so that to close the socket closes nothing else.
    fn is_emptied(&self) -> bool {
        for _ in 0..UNREAD {
            match self.queued() {
                Ok(Queued::Nothing | Queued::End) => return true,
                Ok(Queued::Files) | Err(_) => return false,
                Ok(Queued::Bytes) => {
                    // Whatever it was: nobody reads it any more.
                    let _thrown_away = self.link.receive::<ToBroker>(Duration::ZERO);
                }
            }
        }
        false
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.link.as_fd()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Nothing can be added to the queue any more; where it fails the peer has gone, and adds nothing either. What was said to the peer can still be read.
        let _gone = shutdown(self.as_fd().as_raw_fd(), Shutdown::Both);
        if !self.is_emptied() {
            // Then the close here is not the last.
            self.handed = self.broker.hand_over(self);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{
        AddressFamily, ControlMessage, SockFlag, SockType, UnixAddr, send, sendmsg, socketpair,
    };
    use std::fs::File;
    use std::io::{IoSlice, Read};
    use std::os::fd::OwnedFd;

    const SOON: Duration = Duration::from_millis(20);

    fn pair() -> (Connection, OwnedFd) {
        let (ours, peer) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
        (Connection::over(Link::over(ours), Arc::new(Broker::new(None))).unwrap(), peer)
    }

    fn send_bytes(peer: &OwnedFd, bytes: &[u8]) {
        send(peer.as_raw_fd(), bytes, MsgFlags::MSG_NOSIGNAL).unwrap();
    }

    fn send_file(peer: &OwnedFd, bytes: &[u8], file: &impl AsRawFd) {
        let files = [file.as_raw_fd()];
        let rights = [ControlMessage::ScmRights(&files)];
        let parts = [IoSlice::new(bytes)];
        sendmsg::<UnixAddr>(peer.as_raw_fd(), &parts, &rights, MsgFlags::MSG_NOSIGNAL, None).unwrap();
    }

    /// Whether all references to the writing end of a pipe are gone.
    fn is_closed(mut reading: &File) -> bool {
        let flags = nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK);
        nix::fcntl::fcntl(reading, flags).unwrap();
        matches!(reading.read(&mut [0]), Ok(0))
    }

    fn pipe() -> (File, File) {
        let (reading, writing) = nix::unistd::pipe().unwrap();
        (reading.into(), writing.into())
    }

    #[test]
    fn what_is_first_in_the_queue_is_seen_without_taking_it_out() {
        let (broker, peer) = pair();
        assert_eq!(broker.queued(), Ok(Queued::Nothing));
        let (reading, writing) = pipe();
        // Empty messages are told from the end, with and without files.
        send_bytes(&peer, b"");
        send_file(&peer, b"", &writing);
        drop((writing, peer));
        assert_eq!(broker.queued(), Ok(Queued::Bytes));
        assert_eq!(broker.queued(), Ok(Queued::Bytes));
        assert_eq!(broker.link.receive::<ToBroker>(SOON), Err(LinkError::Closed));
        assert_eq!(broker.queued(), Ok(Queued::Files));
        assert_eq!(broker.receive(SOON), Err(LinkError::Closed));
        assert!(!broker.is_emptied());
        assert!(!is_closed(&reading));
        assert_eq!(broker.link.receive::<ToBroker>(SOON), Err(LinkError::Closed));
        assert!(is_closed(&reading));
        assert_eq!(broker.queued(), Ok(Queued::End));
        assert!(broker.is_emptied());
    }

    #[test]
    fn only_bytes_are_thrown_away_and_not_without_end() {
        let (broker, peer) = pair();
        for _ in 0..3 {
            send_bytes(&peer, b"hello");
            send_bytes(&peer, b"");
        }
        assert!(broker.is_emptied());
        for _ in 0..=UNREAD {
            send_bytes(&peer, b"hello");
        }
        assert!(!broker.is_emptied());
    }
}
