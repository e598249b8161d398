//! Closes what may take for ever to close: connections with open files in their queues ([`crate::connection`]).
//!
//! That is done by a process of its own, this program once more, which has neither the store nor the listening socket, and outlives the broker
//! if it must. It is started when it is first needed. It takes whatever it is given at once and keeps it; its threads close it, and hang
//! where that hangs.

use crate::ffi;
use crate::limits::CLOSERS;
use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr, recvmsg,
    sendmsg, setsockopt, socketpair, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

/// The broker's side of it.
#[derive(Debug, Default)]
pub(crate) struct Closer(Mutex<Option<Process>>);

#[derive(Debug)]
struct Process {
    socket: OwnedFd,
    child: Child,
}

impl Closer {
    /// Has a socket closed there. The caller's own descriptor can be closed afterwards: that is not the last.
    pub(crate) fn take(&self, socket: BorrowedFd<'_>, uid: u32) -> Result<(), Errno> {
        let mut process = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(there) = process.as_mut() {
            match there.send(socket, uid) {
                // It was killed, or holds as many as it can: then it closes these, whatever becomes of the next.
                Err(Errno::EPIPE | Errno::ECONNRESET | Errno::EAGAIN) => {
                    let _reaped = there.child.try_wait();
                }
                sent => return sent,
            }
        }
        process.insert(Process::start()?).send(socket, uid)
    }

    /// Whether it has closed all that it was given.
    pub(crate) fn is_done(&self) -> bool {
        let mut process = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Process { child, .. }) = process.as_mut() else { return true };
        let Ok(files) = std::fs::read_dir(format!("/proc/{}/fd", child.id())) else { return true };
        let is_socket = |file: &std::fs::DirEntry| {
            std::fs::read_link(file.path())
                .is_ok_and(|target| target.as_os_str().as_bytes().starts_with(b"socket:"))
        };
        // One is how we speak to it.
        files.flatten().filter(is_socket).count() <= 1
    }
}

impl Process {
    fn start() -> Result<Self, Errno> {
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        setsockopt(&ours, sockopt::SendTimeout, &TimeVal::seconds(1))?;
        let mut command = Command::new("/proc/self/exe");
        command.arg0("twostepd").arg("close").env_clear();
        command.current_dir("/").stdin(theirs).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))?;
        Ok(Self { socket: ours, child })
    }

    fn send(&self, socket: BorrowedFd<'_>, uid: u32) -> Result<(), Errno> {
        let (files, bytes) = ([socket.as_raw_fd()], uid.to_ne_bytes());
        let rights = [ControlMessage::ScmRights(&files)];
        let parts = [IoSlice::new(&bytes)];
        loop {
            match sendmsg::<UnixAddr>(self.socket.as_raw_fd(), &parts, &rights, MsgFlags::MSG_NOSIGNAL, None)
            {
                Err(Errno::EINTR) => {}
                sent => return sent.map(drop),
            }
        }
    }
}

/// The process.
pub(crate) fn child() -> ExitCode {
    match ffi::standard_input().and_then(|broker| run(&broker)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(errno) => {
            eprintln!("twostepd: this is for twostepd itself ({errno})");
            ExitCode::from(2)
        }
    }
}

fn run(broker: &OwnedFd) -> Result<(), Errno> {
    nix::sys::prctl::set_name(c"twostepd")?;
    let (_, limit) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, limit, limit)?;
    // What is held, so that there is always room for one more: the kernel would close here what it has no room for.
    let held = Arc::new(AtomicU64::new(0));
    let mut threads = Threads::default();
    while let Some((socket, uid)) = receive(broker)? {
        held.fetch_add(1, Ordering::Relaxed);
        threads.close(socket, uid, &held);
        while held.load(Ordering::Relaxed) + 32 > limit {
            thread::sleep(Duration::from_millis(50));
        }
    }
    threads.join();
    Ok(())
}

/// The next socket and its peer's uid; none once the broker has gone.
fn receive(broker: &OwnedFd) -> Result<Option<(OwnedFd, u32)>, Errno> {
    let mut room = cmsg_space!(RawFd);
    let mut uid = [0; size_of::<u32>()];
    loop {
        let mut parts = [IoSliceMut::new(&mut uid)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let received = match recvmsg::<()>(broker.as_raw_fd(), &mut parts, Some(&mut room), flags) {
            Err(Errno::EINTR) => continue,
            received => received?,
        };
        let Some(ControlMessageOwned::ScmRights(files)) = received.cmsgs()?.next() else { return Ok(None) };
        let Some(raw) = files.first() else { return Ok(None) };
        return Ok(Some((ffi::own(*raw), u32::from_ne_bytes(uid))));
    }
}

/// Those that close. Peers of one uid are closed by one thread, so that most of the others do not wait behind them.
#[derive(Default)]
struct Threads {
    started: [Option<(mpsc::Sender<OwnedFd>, thread::JoinHandle<()>)>; CLOSERS],
}

impl Threads {
    fn close(&mut self, socket: OwnedFd, uid: u32, held: &Arc<AtomicU64>) {
        let Some(place) = self.started.get_mut(uid as usize % CLOSERS) else { return };
        let (sender, _) = place.get_or_insert_with(|| {
            let (sender, sockets) = mpsc::channel();
            let held = Arc::clone(held);
            let close_all = move || {
                for socket in sockets {
                    drop::<OwnedFd>(socket);
                    held.fetch_sub(1, Ordering::Relaxed);
                }
            };
            (sender, thread::spawn(close_all))
        });
        // Its thread ends no sooner than this sender does.
        let _taken = sender.send(socket);
    }

    /// Waits until all is closed.
    fn join(self) {
        for (sender, thread) in self.started.into_iter().flatten() {
            drop(sender);
            let _ended = thread.join();
        }
    }
}
