//! A real twostepd, and raw connections to its socket.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::ffi::kernel;
use crate::host::Host;
use crate::wait::{OrDie, eventually};

/// Where it is installed in a box.
pub const TWOSTEPD: &str = "/usr/sbin/twostepd";
/// Where peers find it.
pub const SOCKET: &str = "/run/twostep/twostepd.sock";

/// A running broker; killed when dropped.
#[derive(Debug)]
pub struct Broker {
    process: Child,
}

impl Host {
    /// Starts twostepd as any supervisor would and waits until peers can connect.
    pub fn start_broker(&self) -> Broker {
        self.start_broker_with(Command::new(TWOSTEPD).args::<_, &str>([]))
    }

    /// Starts a command that becomes twostepd.
    pub fn start_broker_with(&self, command: &mut Command) -> Broker {
        let output = std::fs::File::create("/var/log/twostepd.output").or_die("make a file");
        let both = output.try_clone().or_die("copy a descriptor");
        command.current_dir("/").env_clear().stdin(Stdio::null()).stdout(output).stderr(both);
        let mut process = command.spawn().or_die("start twostepd");
        eventually("twostepd to listen", || {
            if let Ok(Some(status)) = process.try_wait() {
                panic!("twostepd ended ({status}): {}", self.read("/var/log/twostepd.output"));
            }
            kernel::connect_seqpacket(Path::new(SOCKET)).ok()
        });
        Broker { process }
    }
}

impl Broker {
    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: i32) {
        kernel::kill(self.process.id().cast_signed(), signal).or_die("send twostepd a signal");
    }

    /// SIGTERM, and waits for its end; its exit status.
    pub fn stop(mut self) -> Option<i32> {
        self.signal(libc::SIGTERM);
        self.process.wait().or_die("wait for twostepd").code()
    }

    /// SIGKILL, and waits for its end: the socket's file stays behind.
    pub fn kill(mut self) {
        self.process.kill().or_die("kill twostepd");
        self.process.wait().or_die("wait for twostepd");
    }

    /// Memory that is its own alone, in KiB.
    pub fn memory(&self) -> u64 {
        let file = format!("/proc/{}/smaps_rollup", self.process.id());
        let text = std::fs::read_to_string(&file).or_die(format_args!("read {file}"));
        let of = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key));
            line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0)
        };
        of("Private_Clean:") + of("Private_Dirty:")
    }

    /// How many threads it has.
    pub fn threads(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/task", self.process.id())).or_die("list threads").count()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Makes a command find a kernel that cannot refuse messages with open files, as Linux before 6.16.
pub fn on_an_old_kernel(command: &mut Command) -> &mut Command {
    kernel::without_passrights(command);
    command
}

/// A connection that takes an hour to close, since what was written to it is never read; and its other end.
pub fn a_file_that_is_slow_to_close() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).or_die("listen");
    let ours = TcpStream::connect(listener.local_addr().or_die("see where it listens")).or_die("connect");
    let (theirs, _) = listener.accept().or_die("accept");
    ours.set_nonblocking(true).or_die("set a flag");
    while (&ours).write(&[0; 65_536]).is_ok() {}
    kernel::linger(ours.as_fd(), 3_600).or_die("set SO_LINGER");
    (ours, theirs)
}

/// Somebody else's socket in the broker's place.
#[derive(Debug)]
pub struct FalseBroker(std::os::fd::OwnedFd);

impl FalseBroker {
    /// Listens where the broker would, as the user this process is.
    pub fn listen() -> Self {
        Self(kernel::listen_seqpacket(Path::new(SOCKET)).or_die("listen in the broker's place"))
    }

    /// Waits for a peer.
    pub fn accept(&self) -> RawLink {
        RawLink(kernel::accept(&self.0).or_die("accept a peer"))
    }

    /// Hands the socket to a command, as a supervisor does.
    pub fn hand_to(&self, command: &mut Command) {
        kernel::with_descriptor_3(command, &self.0);
    }
}

/// A connection whose messages are bytes, for peers that do as they please.
#[derive(Debug)]
pub struct RawLink(std::os::fd::OwnedFd);

impl RawLink {
    /// Connects with the uids this process has.
    pub fn connect() -> std::io::Result<Self> {
        kernel::connect_seqpacket(Path::new(SOCKET)).map(Self)
    }

    /// The socket itself, for those who speak the protocol.
    pub fn into_socket(self) -> std::os::fd::OwnedFd {
        self.0
    }

    /// Sends one packet; false when nobody takes it.
    pub fn send(&self, bytes: &[u8]) -> bool {
        kernel::send(&self.0, bytes).is_ok()
    }

    /// Sends one packet with an open file along; false when nobody takes it.
    pub fn send_with(&self, bytes: &[u8], file: &impl AsFd) -> bool {
        kernel::send_with_file(&self.0, bytes, file.as_fd()).is_ok()
    }

    /// The next packet, empty at the end of the connection; `None` when nothing comes for so long.
    pub fn receive(&self, milliseconds: i32) -> Option<Vec<u8>> {
        kernel::receive(&self.0, milliseconds).or_die("receive")
    }
}
