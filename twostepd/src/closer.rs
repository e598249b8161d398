//! Closes what may take for ever to close: connections with open files in their queues ([`crate::connection`]).
//!
//! That is done by a process of its own, this program once more, which has neither the store nor the listening socket, and outlives the broker
//! if it must. It is started when it is first needed. It takes whatever it is given at once and keeps it until the broker has closed its own
//! descriptor, or is gone: the last close is never the broker's. Then its threads close it, and hang where that hangs.

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
use nix::unistd::getppid;
use std::collections::HashMap;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

/// How long to wait for what has no other sign.
const SOON: Duration = Duration::from_millis(50);

/// The broker's side of it.
#[derive(Debug, Default)]
pub(crate) struct Closer {
    process: Mutex<Option<Process>>,
    next: AtomicU64,
}

/// One of the sockets that were handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Held(u64);

#[derive(Debug)]
struct Process {
    socket: OwnedFd,
    child: Child,
}

impl Closer {
    /// Has a socket held there until it is released, which the caller does after closing its own descriptor; or until the broker is
    /// gone.
    pub(crate) fn take(&self, socket: BorrowedFd<'_>, uid: u32) -> Result<Held, Errno> {
        let held = Held(self.next.fetch_add(1, Ordering::Relaxed));
        let mut process = self.process();
        if let Some(there) = process.as_mut() {
            match there.send(Some(socket), uid, held) {
                // It was killed, or holds as many as it can: then it closes these, whatever becomes of the next.
                Err(Errno::EPIPE | Errno::ECONNRESET | Errno::EAGAIN) => {
                    // One that lives on is a child of process 1 after us.
                    let _reaped = there.child.try_wait();
                }
                sent => return sent.map(|()| held),
            }
        }
        process.insert(Process::start()?).send(Some(socket), uid, held).map(|()| held)
    }

    /// Has it closed: the broker has no descriptor of it any more.
    pub(crate) fn release(&self, held: Held) {
        if let Some(there) = self.process().as_ref() {
            // Where that fails it is closed once the broker is gone.
            let _told = there.send(None, 0, held);
        }
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it has closed all that it was given.
    pub(crate) fn is_done(&self) -> bool {
        let mut process = self.process();
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

    /// A socket to hold; or none, where the one that is held can be closed.
    fn send(&self, socket: Option<BorrowedFd<'_>>, uid: u32, Held(number): Held) -> Result<(), Errno> {
        let files: Vec<RawFd> = socket.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&files)];
        let rights = if files.is_empty() { &[][..] } else { &rights[..] };
        let (uid, number) = (uid.to_ne_bytes(), number.to_ne_bytes());
        let parts = [IoSlice::new(&uid), IoSlice::new(&number)];
        loop {
            match sendmsg::<UnixAddr>(self.socket.as_raw_fd(), &parts, rights, MsgFlags::MSG_NOSIGNAL, None) {
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
    let parent = getppid();
    nix::sys::prctl::set_name(c"twostepd")?;
    let (_, limit) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, limit, limit)?;
    // What is held, so that there is always room for one more: the kernel would close here what it has no room for.
    let count = Arc::new(AtomicU64::new(0));
    let mut waiting = HashMap::new();
    let mut threads = Threads::default();
    while let Some(told) = receive(broker)? {
        match told {
            Told::Hold(held, socket, uid) => {
                count.fetch_add(1, Ordering::Relaxed);
                waiting.insert(held, (socket, uid));
            }
            Told::Close(held) => {
                if let Some((socket, uid)) = waiting.remove(&held) {
                    threads.close(socket, uid, &count);
                }
            }
        }
        while count.load(Ordering::Relaxed) + 32 > limit {
            thread::sleep(SOON);
        }
    }
    // The broker has others of these descriptors until its last thread is gone. Who has no parent any more is a child of process 1.
    while getppid() == parent && parent.as_raw() != 1 {
        thread::sleep(SOON);
    }
    for (socket, uid) in waiting.into_values() {
        threads.close(socket, uid, &count);
    }
    threads.join();
    Ok(())
}

/// What the broker says.
enum Told {
    /// A socket, and its peer's uid.
    Hold(Held, OwnedFd, u32),
    /// It has closed its own descriptor.
    Close(Held),
}

/// What the broker says next; nothing once it has gone, or has another process for this.
fn receive(broker: &OwnedFd) -> Result<Option<Told>, Errno> {
    let mut room = cmsg_space!(RawFd);
    let (mut uid, mut number) = ([0; size_of::<u32>()], [0; size_of::<u64>()]);
    loop {
        let mut parts = [IoSliceMut::new(&mut uid), IoSliceMut::new(&mut number)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let received = match recvmsg::<()>(broker.as_raw_fd(), &mut parts, Some(&mut room), flags) {
            Err(Errno::EINTR) => continue,
            received => received?,
        };
        if received.bytes == 0 {
            return Ok(None);
        }
        let socket = match received.cmsgs()?.next() {
            Some(ControlMessageOwned::ScmRights(files)) => files.first().map(|raw| ffi::own(*raw)),
            _ => None,
        };
        let held = Held(u64::from_ne_bytes(number));
        let hold = |socket| Told::Hold(held, socket, u32::from_ne_bytes(uid));
        return Ok(Some(socket.map_or(Told::Close(held), hold)));
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
            // It ends by a panic at worst, which has closed what it held.
            let _ended = thread.join();
        }
    }
}
