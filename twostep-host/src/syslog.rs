//! The syslog line.

use crate::monotonic;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, send, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use syslog::{Facility, LogFormat, Severity};
use twostep_core::event::{self, Event};
use twostep_core::ports::Audit;

const DEV_LOG: &str = "/dev/log";
/// How long a log daemon that does not read may hold a login up: connecting and sending together.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a socket may lie there with nobody behind it, as while a log daemon is started again.
const RESTART: Duration = Duration::from_millis(200);
const BETWEEN_TRIES: Duration = Duration::from_millis(10);

/// Syslog's auth-private facility, over `/dev/log`. Opened for each line and closed again: a module leaves no descriptor, and a log daemon
/// that has been started again is found.
#[derive(Clone, Copy, Debug)]
pub struct Syslog {
    /// The tag before the line: the program's name.
    pub tag: &'static str,
}

impl Audit for Syslog {
    fn record(&self, event: &Event) {
        self.note(event.severity(), &event.line());
    }
}

impl Syslog {
    /// A line that is no verdict.
    pub fn note(&self, severity: event::Severity, text: &str) {
        let severity = match severity {
            event::Severity::Error => Severity::LOG_ERR,
            event::Severity::Warning => Severity::LOG_WARNING,
            event::Severity::Info => Severity::LOG_INFO,
        };
        self.write(severity, text);
    }

    /// A line for whoever looks for a fault, at the debug level.
    pub fn debug(&self, text: &str) {
        self.write(Severity::LOG_DEBUG, text);
    }

    fn write(&self, severity: Severity, line: &str) {
        let sent = |severity: Severity, line: &str| {
            let mut bytes = Vec::new();
            let format = Format { tag: self.tag, pid: std::process::id() };
            format.format(&mut bytes, severity, line).is_ok() && deliver(Path::new(DEV_LOG), &bytes).is_ok()
        };
        // The verdict stands without its line. A process that lives on says later that lines are missing.
        if !sent(severity, line) {
            LOST.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let lost = LOST.swap(0, Ordering::Relaxed);
        if lost > 0
            && !sent(
                Severity::LOG_WARNING,
                &format!("{lost} earlier lines are lost: the log daemon did not take them"),
            )
        {
            LOST.fetch_add(lost, Ordering::Relaxed);
        }
    }
}

/// `<priority>tag[pid]: line`. Without a time: the daemon at `/dev/log` puts its own, and to write local time one would have to
/// read TZ from an environment that is not ours.
struct Format {
    tag: &'static str,
    pid: u32,
}

impl LogFormat<&str> for Format {
    fn format<W: Write>(&self, to: &mut W, severity: Severity, line: &str) -> syslog::Result<()> {
        let priority = Facility::LOG_AUTHPRIV as u8 | severity as u8;
        write!(to, "<{priority}>{}[{}]: {line}", self.tag, self.pid).map_err(syslog::Error::Write)
    }
}

/// How many lines of this process nobody has taken, and nobody knows of.
static LOST: AtomicU32 = AtomicU32::new(0);

/// Sends a line, in the way that the daemon at `path` listens. Nobody there is no reason to wait; a daemon that has just gone is one, for a
/// little while. It never takes longer than [`PATIENCE`].
fn deliver(path: &Path, line: &[u8]) -> Result<(), Errno> {
    let address = UnixAddr::new(path)?;
    let began = monotonic();
    loop {
        let sent = match send_datagram(&address, line, began) {
            // As the C library's syslog(3) does: some daemons have a stream there.
            Err(Errno::EPROTOTYPE) => send_on_stream(&address, line, began),
            other => other,
        };
        let has_gone = matches!(sent, Err(Errno::ECONNREFUSED | Errno::ECONNRESET | Errno::EPIPE));
        if !has_gone || monotonic().saturating_sub(began) >= RESTART {
            return sent;
        }
        std::thread::sleep(BETWEEN_TRIES);
    }
}

fn send_datagram(address: &UnixAddr, line: &[u8], began: Duration) -> Result<(), Errno> {
    let socket = open(SockType::Datagram, address, began)?;
    send_part(&socket, line, began).map(drop)
}

/// On a stream a NUL ends each line.
fn send_on_stream(address: &UnixAddr, line: &[u8], began: Duration) -> Result<(), Errno> {
    let socket = open(SockType::Stream, address, began)?;
    let mut rest = line;
    while !rest.is_empty() {
        let sent = send_part(&socket, rest, began)?;
        rest = rest.get(sent..).unwrap_or_default();
    }
    send_part(&socket, b"\0", began).map(drop)
}

fn open(kind: SockType, address: &UnixAddr, began: Duration) -> Result<OwnedFd, Errno> {
    let socket = socket(AddressFamily::Unix, kind, SockFlag::SOCK_CLOEXEC, None)?;
    // On a Unix socket the time limit for writing holds for connecting too.
    limit(&socket, began)?;
    connect(socket.as_raw_fd(), address)?;
    Ok(socket)
}

/// Sends what there is room for. A daemon that has gone is an error and not a signal: SIGPIPE would end the service.
fn send_part(socket: &OwnedFd, bytes: &[u8], began: Duration) -> Result<usize, Errno> {
    loop {
        limit(socket, began)?;
        match send(socket.as_raw_fd(), bytes, MsgFlags::MSG_NOSIGNAL) {
            Err(Errno::EINTR) => {}
            other => return other,
        }
    }
}

/// Lets the next call wait for what is left of our patience.
fn limit(socket: &OwnedFd, began: Duration) -> Result<(), Errno> {
    let left = PATIENCE.saturating_sub(monotonic().saturating_sub(began));
    // Of zero the kernel thinks that it is no limit.
    let left = i64::try_from(left.as_micros()).ok().filter(|left| *left > 0).ok_or(Errno::ETIMEDOUT)?;
    setsockopt(socket, sockopt::SendTimeout, &TimeVal::new(left / 1_000_000, left % 1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test_folder;
    use nix::sys::socket::{Backlog, bind, listen};
    use std::io::Read;
    use std::os::unix::net::{UnixDatagram, UnixListener};
    use std::path::PathBuf;
    use std::thread;

    fn place(name: &str) -> PathBuf {
        test_folder(&format!("syslog-{name}")).join("log")
    }

    /// What one connection brings.
    fn one(listener: &UnixListener) -> String {
        let mut text = String::new();
        listener.accept().unwrap().0.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_datagram_socket_has_one_line_a_datagram() {
        let path = place("datagram");
        let daemon = UnixDatagram::bind(&path).unwrap();
        deliver(&path, b"one").unwrap();
        deliver(&path, b"two").unwrap();
        let mut buffer = [0; 64];
        for line in ["one", "two"] {
            let length = daemon.recv(&mut buffer).unwrap();
            assert_eq!(std::str::from_utf8(&buffer[..length]), Ok(line));
        }
    }

    #[test]
    fn on_a_stream_a_nul_ends_each_line() {
        let path = place("stream");
        let daemon = UnixListener::bind(&path).unwrap();
        deliver(&path, b"one").unwrap();
        deliver(&path, b"two").unwrap();
        assert_eq!((one(&daemon), one(&daemon)), ("one\0".to_owned(), "two\0".to_owned()));
    }

    /// More than a socket's buffer holds, read late and slowly.
    #[test]
    fn a_line_is_sent_to_its_end() {
        let path = place("long");
        let daemon = UnixListener::bind(&path).unwrap();
        let long = "x".repeat(3 << 20);
        let length = long.len();
        let reader = thread::spawn(move || {
            let mut connection = daemon.accept().unwrap().0;
            thread::sleep(Duration::from_millis(300));
            let mut text = Vec::new();
            connection.read_to_end(&mut text).unwrap();
            text.len()
        });
        deliver(&path, long.as_bytes()).unwrap();
        assert_eq!(reader.join().unwrap(), length + 1);
    }

    #[test]
    fn a_daemon_that_is_started_again_has_the_next_line_and_the_one_meanwhile() {
        let path = place("again");
        drop(UnixListener::bind(&path).unwrap());
        let again = path.clone();
        let daemon = thread::spawn(move || {
            thread::sleep(Duration::from_millis(50));
            std::fs::remove_file(&again).unwrap();
            one(&UnixListener::bind(&again).unwrap())
        });
        // Between the two there is no file for an instant, where nobody waits.
        match deliver(&path, b"meanwhile") {
            Ok(()) => assert_eq!(daemon.join().unwrap(), "meanwhile\0"),
            Err(errno) => assert_eq!(errno, Errno::ENOENT),
        }
    }

    #[test]
    fn who_does_not_read_holds_nobody_up_for_longer_than_two_seconds() {
        for kind in [SockType::Datagram, SockType::Stream] {
            let path = place(&format!("deaf-{kind:?}"));
            let daemon = socket(AddressFamily::Unix, kind, SockFlag::SOCK_CLOEXEC, None).unwrap();
            bind(daemon.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
            if kind == SockType::Stream {
                listen(&daemon, Backlog::new(1).unwrap()).unwrap();
            }
            let mut deliveries = (0..2_000).map(|_| {
                let began = monotonic();
                (deliver(&path, "x".repeat(4_096).as_bytes()), monotonic() - began)
            });
            let (error, took) = deliveries.find(|(sent, _)| sent.is_err()).unwrap();
            assert!(took >= Duration::from_secs(1), "{kind:?} {error:?} {took:?}");
            assert!(took < Duration::from_secs(10), "{kind:?} {error:?} {took:?}");
        }
    }

    #[test]
    fn where_nobody_listens_nobody_waits() {
        let path = place("nobody");
        let began = monotonic();
        assert_eq!(deliver(&path, b"x"), Err(Errno::ENOENT));
        std::fs::write(&path, "no socket").unwrap();
        assert!(deliver(&path, b"x").is_err());
        std::fs::remove_file(&path).unwrap();
        drop(UnixDatagram::bind(&path).unwrap());
        assert_eq!(deliver(&path, b"x"), Err(Errno::ECONNREFUSED));
        assert!(monotonic() - began < Duration::from_secs(2));
    }
}
