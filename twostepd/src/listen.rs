//! The socket: the supervisor's, or one of our own.

use crate::ffi;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, getsockname, getsockopt, listen,
    socket, sockopt,
};
use nix::sys::stat::{FchmodatFlags, Mode, fchmodat};
use std::fmt;
use std::fs;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use twostep_host::files::{self, Fault, Untrusted, Want};
use twostep_host::link::SOCKET;
use twostep_host::lock_file;

/// The file whose lock says that a broker listens on a socket of its own beside it.
const LOCK: &str = "twostepd.lock";
/// How many peers can wait to be accepted. The kernel has a limit of its own (net.core.somaxconn).
const BACKLOG: i32 = 512;

/// What peers connect to.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: OwnedFd,
    /// Set where it was made by us.
    own: Option<Own>,
}

/// A socket of our own.
#[derive(Debug)]
struct Own {
    path: PathBuf,
    /// Device and inode: somebody else may have put another one in its place since, systemd for one.
    file: (u64, u64),
    /// Keeps other brokers from making one.
    _lock: Flock<OwnedFd>,
}

/// Why there is none.
#[derive(Debug)]
pub(crate) enum ListenError {
    /// The supervisor has handed over so many descriptors, or not what is wanted.
    Handed(&'static str),
    /// The folder cannot be trusted.
    Untrusted(Untrusted),
    /// Another broker is there.
    Taken(PathBuf),
    /// The kernel refused.
    Failed(&'static str, Errno),
}

impl Listener {
    /// The socket that the supervisor has opened for us (`LISTEN_FDS`), if it has.
    pub(crate) fn handed() -> Result<Option<Self>, ListenError> {
        let Some(count) = handed_count() else { return Ok(None) };
        if count != 1 {
            return Err(ListenError::Handed("the supervisor must hand over exactly one socket"));
        }
        let socket = ffi::handed_descriptor().map_err(|errno| ListenError::Failed("descriptor 3", errno))?;
        let listens = getsockopt(&socket, sockopt::AcceptConn) == Ok(true);
        if !listens || getsockopt(&socket, sockopt::SockType) != Ok(SockType::SeqPacket) {
            return Err(ListenError::Handed("the supervisor's socket must be a ListenSequentialPacket= one"));
        }
        ffi::refuse_files(&socket);
        Ok(Some(Self { socket, own: None }))
    }

    /// Makes one in this folder.
    pub(crate) fn make(runtime: &Path) -> Result<Self, ListenError> {
        let folder = files::check(runtime, Want::GuardedFolder).map_err(ListenError::Untrusted)?.path;
        let path = folder.join(SOCKET);
        let lock = lock(&folder.join(LOCK)).map_err(|errno| match errno {
            Errno::EWOULDBLOCK => ListenError::Taken(path.clone()),
            errno => ListenError::Failed("the lock beside the socket", errno),
        })?;
        clear(&path)?;
        let failed = |what| move |errno| ListenError::Failed(what, errno);
        let socket = seqpacket().map_err(failed("socket"))?;
        ffi::refuse_files(&socket);
        let address = UnixAddr::new(&path).map_err(failed("the socket's path"))?;
        bind(socket.as_raw_fd(), &address).map_err(failed("bind"))?;
        // Anybody may ask; what he may ask is decided by who he is.
        let everybody = Mode::from_bits_truncate(0o666);
        fchmodat(nix::fcntl::AT_FDCWD, &path, everybody, FchmodatFlags::FollowSymlink)
            .map_err(failed("chmod of the socket"))?;
        let backlog = Backlog::new(BACKLOG).map_err(failed("listen"))?;
        listen(&socket, backlog).map_err(failed("listen"))?;
        let file = identity(&path).map_err(|_| ListenError::Failed("the socket's file", Errno::ENOENT))?;
        Ok(Self { socket, own: Some(Own { path, file, _lock: lock }) })
    }

    /// Where it is, whoever made it.
    pub(crate) fn address(&self) -> Option<PathBuf> {
        // Without it nobody can be kept from connecting, which is logged.
        getsockname::<UnixAddr>(self.socket.as_raw_fd()).ok()?.path().map(Path::to_owned)
    }

    /// Whether nobody but root can connect.
    pub(crate) fn is_roots_alone(&self) -> bool {
        // Where that cannot be told, it is taken for open: then the supervisor keeps who waits.
        let mode = self.address().and_then(|path| fs::symlink_metadata(path).ok()).map(|found| found.mode());
        mode.is_some_and(|mode| mode & 0o022 == 0)
    }

    /// Where it is, if it is our own.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.own.as_ref().map(|own| own.path.as_path())
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(own) =
            self.own.as_ref().filter(|own| identity(&own.path).is_ok_and(|now| now == own.file))
        {
            // If it stays, the next broker clears it away.
            let _gone = fs::remove_file(&own.path);
        }
    }
}

/// How many descriptors the supervisor has handed to this process. (sd_listen_fds(3))
#[allow(clippy::disallowed_methods)] // That is how it is said; whoever starts a broker as root could start anything.
fn handed_count() -> Option<u32> {
    // What is missing, or no number, was not said for us.
    let number = |name: &str| std::env::var(name).ok()?.parse::<u32>().ok();
    (number("LISTEN_PID") == Some(std::process::id())).then(|| number("LISTEN_FDS").unwrap_or(0))
}

fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

fn lock(path: &Path) -> Result<Flock<OwnedFd>, Errno> {
    let failed = |error: std::io::Error| error.raw_os_error().map_or(Errno::EINVAL, Errno::from_raw);
    let file = OwnedFd::from(lock_file::open(path).map_err(failed)?);
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| errno)
}

/// Takes away what a broker that was killed has left; never a socket that somebody listens on.
fn clear(path: &Path) -> Result<(), ListenError> {
    match files::check(path, Want::Socket) {
        Ok(_) => {}
        Err(Untrusted { fault: Fault::Absent, .. }) => return Ok(()),
        Err(untrusted) => return Err(ListenError::Untrusted(untrusted)),
    }
    let failed = |what| move |errno| ListenError::Failed(what, errno);
    let address = UnixAddr::new(path).map_err(failed("the socket's path"))?;
    let probe = seqpacket().map_err(failed("socket"))?;
    match connect(probe.as_raw_fd(), &address) {
        Err(Errno::ECONNREFUSED) => nix::unistd::unlink(path).map_err(failed("unlink of the old socket")),
        Ok(()) | Err(Errno::EAGAIN) => Err(ListenError::Taken(path.to_owned())),
        Err(errno) => Err(ListenError::Failed("the old socket", errno)),
    }
}

fn seqpacket() -> Result<OwnedFd, Errno> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handed(what) => write!(f, "{what}; see twostepd.socket"),
            Self::Untrusted(untrusted) => write!(f, "{untrusted}; {}", untrusted.remedy()),
            Self::Taken(path) => write!(
                f,
                "another twostepd listens on {}; end it first (systemctl stop twostepd.socket twostepd)",
                path.display()
            ),
            Self::Failed(what, errno) => write!(f, "{what}: {errno}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use twostep_host::link::Link;
    use twostep_host::testing::test_folder;

    fn me() -> u32 {
        nix::unistd::geteuid().as_raw()
    }

    #[test]
    fn anybody_can_connect_to_a_socket_of_our_own() {
        let folder = test_folder("listen");
        let listener = Listener::make(&folder).unwrap();
        let path = listener.path().unwrap().to_owned();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o666);
        assert!(Link::connect(&path, me()).is_ok());
        drop(listener);
        assert!(!path.exists());
    }

    #[test]
    fn a_second_broker_does_not_take_the_place_of_the_first() {
        let folder = test_folder("listen-twice");
        let first = Listener::make(&folder).unwrap();
        assert!(matches!(Listener::make(&folder), Err(ListenError::Taken(_))));
        assert!(Link::connect(first.path().unwrap(), me()).is_ok());
    }

    #[test]
    fn nor_that_of_one_with_the_supervisors_socket() {
        let folder = test_folder("listen-supervised");
        let path = folder.join(SOCKET);
        let socket = seqpacket().unwrap();
        bind(socket.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
        listen(&socket, Backlog::new(1).unwrap()).unwrap();
        assert!(matches!(Listener::make(&folder), Err(ListenError::Taken(_))));
    }

    #[test]
    fn what_a_killed_broker_has_left_is_no_hindrance() {
        let folder = test_folder("listen-stale");
        let socket = seqpacket().unwrap();
        bind(socket.as_raw_fd(), &UnixAddr::new(&folder.join(SOCKET)).unwrap()).unwrap();
        drop(socket);
        assert!(Listener::make(&folder).is_ok());
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let folder = test_folder("listen-file");
        fs::write(folder.join(SOCKET), "precious").unwrap();
        assert!(matches!(Listener::make(&folder), Err(ListenError::Untrusted(_))));
        assert_eq!(fs::read(folder.join(SOCKET)).unwrap(), b"precious");
    }

    #[test]
    fn a_folder_that_others_can_write_is_no_place() {
        let folder = test_folder("listen-open");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(Listener::make(&folder), Err(ListenError::Untrusted(_))));
    }
}
