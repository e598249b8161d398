//! A connection between the broker and a peer: whole messages, each within a time limit.
//!
//! The socket is a sequenced-packet one: the kernel keeps messages apart, so that there is no half message to wait for. Descriptors that
//! a peer might send along are closed by the kernel, since no room is given for them. That can take for ever: who does not trust the peer
//! looks first, as twostepd's `connection.rs` does.

use crate::clock::monotonic;
use crate::files::{self, Fault, Untrusted, Want};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, getsockopt, recv, send, setsockopt,
    socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};
use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;
use twostep_core::protocol::{Malformed, Message};
use zeroize::Zeroizing;

/// The socket's name in the `runtime` folder.
pub const SOCKET: &str = "twostepd.sock";
/// How long a peer waits to be connected; then the broker has too many waiting already.
pub const CONNECT: Duration = Duration::from_secs(5);
/// How long a message may take to be written: the other side has stopped reading.
pub const WRITE: Duration = Duration::from_secs(5);

/// A connection.
#[derive(Debug)]
pub struct Link {
    socket: OwnedFd,
}

/// Who is at the other end, as the kernel has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The effective uid it connected, or began to listen, with.
    pub uid: u32,
    /// Its process then.
    pub pid: i32,
}

/// Why there is no connection or no message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkError {
    /// The socket's place cannot be trusted, or there is none.
    Untrusted(Untrusted),
    /// A process of this uid listens there, which is not the one it must be.
    Stranger(u32),
    /// Nobody listens.
    NobodyThere,
    /// The other side has not taken or sent a message in time.
    TimedOut,
    /// The other side has gone.
    Closed,
    /// What came is no message.
    Malformed(Malformed),
    /// A message of ours is too long.
    TooLong(Malformed),
    /// The kernel refused.
    Failed(Errno),
}

impl Link {
    /// Connects to the socket at `path`, which must belong to `owner`, as must the process behind it.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub fn connect(path: &Path, owner: u32) -> Result<Self, LinkError> {
        let checked = files::check(path, Want::Socket).map_err(LinkError::Untrusted)?;
        let uid = std::os::unix::fs::MetadataExt::uid(&checked.metadata);
        if uid != owner {
            return Err(LinkError::Untrusted(Untrusted { path: checked.path, fault: Fault::Owner(uid) }));
        }
        let socket = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)?;
        // On a Unix socket the time limit for writing holds for connecting too.
        let seconds = i64::try_from(CONNECT.as_secs()).unwrap_or(i64::MAX);
        setsockopt(&socket, sockopt::SendTimeout, &TimeVal::seconds(seconds))?;
        let address = UnixAddr::new(&checked.path)?;
        retried(|| connect(socket.as_raw_fd(), &address)).map_err(|errno| match errno {
            Errno::EAGAIN => LinkError::TimedOut,
            Errno::ECONNREFUSED | Errno::ENOENT => LinkError::NobodyThere,
            other => LinkError::Failed(other),
        })?;
        let link = Self { socket };
        match link.peer()?.uid {
            uid if uid == owner => Ok(link),
            uid => Err(LinkError::Stranger(uid)),
        }
    }

    /// A connection that is there already.
    #[must_use]
    pub fn over(socket: OwnedFd) -> Self {
        Self { socket }
    }

    /// Who is at the other end.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn peer(&self) -> Result<Peer, LinkError> {
        let credentials = getsockopt(&self.socket, sockopt::PeerCredentials)?;
        Ok(Peer { uid: credentials.uid(), pid: credentials.pid() })
    }

    /// Sends a message.
    ///
    /// # Errors
    /// [`LinkError::TimedOut`] when the other side does not take it within [`WRITE`]; see the others.
    pub fn send<M: Message>(&self, message: &M) -> Result<(), LinkError> {
        let bytes = message.encode().map_err(LinkError::TooLong)?;
        let deadline = Deadline::after(WRITE);
        loop {
            match send(self.socket.as_raw_fd(), &bytes, MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT) {
                Ok(_whole) => return Ok(()),
                Err(Errno::EAGAIN) => self.wait(PollFlags::POLLOUT, &deadline)?,
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Receives a message.
    ///
    /// # Errors
    /// [`LinkError::TimedOut`] when none has come within `patience`; see the others.
    pub fn receive<M: Message>(&self, patience: Duration) -> Result<M, LinkError> {
        let deadline = Deadline::after(patience);
        let mut buffer = Zeroizing::new(vec![0; M::MAX]);
        loop {
            // MSG_TRUNC: the length that the message has, though it be longer than the room for it.
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
            match recv(self.socket.as_raw_fd(), &mut buffer, flags) {
                Ok(0) => return Err(LinkError::Closed),
                Ok(length) => {
                    let bytes = buffer.get(..length).ok_or(LinkError::Malformed(Malformed::Long))?;
                    return M::decode(bytes).map_err(LinkError::Malformed);
                }
                Err(Errno::EAGAIN) => self.wait(PollFlags::POLLIN, &deadline)?,
                // The other side has closed without reading all we said. The kernel says so once, and before it gives out what the
                // other side has said itself: its last word, then the end.
                Err(Errno::EINTR | Errno::ECONNRESET) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Waits until there is a message to receive, or the end.
    ///
    /// # Errors
    /// [`LinkError::TimedOut`] when none has come within `patience`.
    pub fn wait_for_message(&self, patience: Duration) -> Result<(), LinkError> {
        let deadline = Deadline::after(patience);
        loop {
            let left = deadline.left().ok_or(LinkError::TimedOut)?;
            if self.poll(PollFlags::POLLIN, left)? {
                return Ok(());
            }
        }
    }

    fn wait(&self, what: PollFlags, deadline: &Deadline) -> Result<(), LinkError> {
        let left = deadline.left().ok_or(LinkError::TimedOut)?;
        self.poll(what, left).map(drop)
    }

    /// Whether it is ready before `left` has gone by, or a signal has come.
    fn poll(&self, what: PollFlags, left: Duration) -> Result<bool, LinkError> {
        // Rounded up: a rest of less than a millisecond must not spin.
        let left = left.saturating_add(Duration::from_millis(1));
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(self.socket.as_fd(), what)], timeout) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::EINTR) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A point of the clock that no one can set.
struct Deadline(Duration);

impl Deadline {
    fn after(patience: Duration) -> Self {
        Self(monotonic().saturating_add(patience))
    }

    fn left(&self) -> Option<Duration> {
        self.0.checked_sub(monotonic()).filter(|left| !left.is_zero())
    }
}

fn retried<T>(mut call: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            done => return done,
        }
    }
}

impl From<Errno> for LinkError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::EPIPE | Errno::ECONNRESET | Errno::ENOTCONN => Self::Closed,
            other => Self::Failed(other),
        }
    }
}

impl LinkError {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Untrusted(Untrusted { fault: Fault::Absent | Fault::Missing, .. }) | Self::NobodyThere => {
                "start the broker: systemctl start twostepd.socket".to_owned()
            }
            Self::Untrusted(untrusted) => untrusted.remedy(),
            Self::Stranger(_) => {
                "find out who listens there (ss -xlp), and start twostepd as root".to_owned()
            }
            Self::TimedOut => "see the log of twostepd".to_owned(),
            Self::Closed => "try again; see the log of twostepd".to_owned(),
            Self::Malformed(_) | Self::TooLong(_) => {
                "restart twostepd: it is to be of the same version".to_owned()
            }
            Self::Failed(_) => "see the log of twostepd".to_owned(),
        }
    }
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untrusted(untrusted) => untrusted.fmt(f),
            Self::Stranger(uid) => write!(f, "a process of uid {uid} listens on the broker's socket"),
            Self::NobodyThere => f.write_str("nobody listens on the broker's socket"),
            Self::TimedOut => f.write_str("the other side did not answer in time"),
            Self::Closed => f.write_str("the other side has closed the connection"),
            Self::Malformed(malformed) => malformed.fmt(f),
            Self::TooLong(_) => f.write_str("a message would be too long"),
            Self::Failed(errno) => write!(f, "the broker's socket: {errno}"),
        }
    }
}

impl std::error::Error for LinkError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test_folder;
    use nix::sys::socket::{Backlog, bind, listen, socketpair};
    use twostep_core::protocol::{Answer, FromBroker, ToBroker, Verdict};

    const SOON: Duration = Duration::from_millis(20);

    fn pair() -> (Link, Link) {
        let (a, b) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
        (Link::over(a), Link::over(b))
    }

    #[test]
    fn a_message_comes_out_as_it_went_in() {
        let (broker, peer) = pair();
        peer.send(&ToBroker::Answer { answer: Answer::PasswordAgain }).unwrap();
        peer.send(&ToBroker::Answer { answer: Answer::Failed }).unwrap();
        assert_eq!(broker.receive(SOON), Ok(ToBroker::Answer { answer: Answer::PasswordAgain }));
        assert_eq!(broker.receive(SOON), Ok(ToBroker::Answer { answer: Answer::Failed }));
    }

    #[test]
    fn a_silent_side_is_not_waited_for_longer_than_said() {
        let (broker, peer) = pair();
        assert_eq!(broker.receive::<ToBroker>(SOON), Err(LinkError::TimedOut));
        drop(peer);
        assert_eq!(broker.receive::<ToBroker>(SOON), Err(LinkError::Closed));
        assert_eq!(broker.send(&FromBroker::Verdict { verdict: Verdict::Refused }), Err(LinkError::Closed));
    }

    #[test]
    fn the_last_word_of_a_side_that_did_not_listen_is_heard() {
        let (broker, peer) = pair();
        peer.send(&ToBroker::Answer { answer: Answer::Failed }).unwrap();
        let last = FromBroker::Verdict { verdict: Verdict::Refused };
        broker.send(&last).unwrap();
        drop(broker);
        assert_eq!(peer.receive::<FromBroker>(SOON), Ok(last));
        assert_eq!(peer.receive::<FromBroker>(SOON), Err(LinkError::Closed));
    }

    #[test]
    fn what_is_too_long_is_no_message() {
        let (broker, peer) = pair();
        send(peer.socket.as_raw_fd(), &vec![1; 20_000], MsgFlags::empty()).unwrap();
        assert_eq!(broker.receive::<ToBroker>(SOON), Err(LinkError::Malformed(Malformed::Long)));
        send(peer.socket.as_raw_fd(), &[9, 9], MsgFlags::empty()).unwrap();
        assert_eq!(broker.receive::<ToBroker>(SOON), Err(LinkError::Malformed(Malformed::Version(9))));
    }

    #[test]
    fn only_the_right_owner_is_spoken_to() {
        let path = test_folder("link").join(SOCKET);
        let me = nix::unistd::geteuid().as_raw();
        assert!(
            matches!(Link::connect(&path, me), Err(LinkError::Untrusted(untrusted)) if untrusted.fault == Fault::Absent)
        );
        let listener =
            socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None).unwrap();
        bind(listener.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
        assert_eq!(Link::connect(&path, me).map(drop), Err(LinkError::NobodyThere));
        listen(&listener, Backlog::new(4).unwrap()).unwrap();
        assert_eq!(Link::connect(&path, me).unwrap().peer().unwrap().uid, me);
        assert!(
            matches!(Link::connect(&path, me + 1), Err(LinkError::Untrusted(untrusted)) if untrusted.fault == Fault::Owner(me))
        );
    }

    #[test]
    fn a_regular_file_is_no_socket() {
        let path = test_folder("link-file").join(SOCKET);
        std::fs::write(&path, "").unwrap();
        assert!(matches!(Link::connect(&path, 0), Err(LinkError::Untrusted(_))));
    }
}
