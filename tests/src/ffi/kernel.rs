//! The kernel calls that std has no word for: namespaces, mounts, pseudo-terminals, plain fork.

use std::ffi::{CString, c_char, c_int, c_ulong, c_void};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::ptr;

/// Which namespaces the command gets for itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Network {
    /// Its own, with nothing but a loopback device: what a box runs in.
    Private,
    /// The host's: what the base layer is installed in, because apt has to reach a mirror.
    Hosts,
}

/// Makes `command`, once spawned, pid 1 of new mount, pid, uts, ipc (and network) namespaces. The process that is spawned stays
/// between: it waits for pid 1 and ends with its status. When it is killed, or the thread that spawned it ends, the whole box
/// dies with it.
pub(crate) fn in_new_namespaces(command: &mut Command, network: Network) {
    let mut flags = libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWUTS | libc::CLONE_NEWIPC;
    if network == Network::Private {
        flags |= libc::CLONE_NEWNET;
    }
    // SAFETY: the closure runs in the single-threaded child between fork and exec and makes only async-signal-safe calls.
    unsafe {
        command.pre_exec(move || {
            check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL))?;
            check(libc::unshare(flags))?;
            let pid = libc::fork();
            check(pid)?;
            if pid == 0 {
                check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL))?;
                return Ok(());
            }
            // std's spawn() waits until its error pipe closes, and readers of our output until that does.
            libc::close_range(0, libc::c_uint::MAX, 0);
            let mut status = 0;
            while libc::waitpid(pid, &mut status, 0) < 0 {}
            libc::_exit(if libc::WIFEXITED(status) {
                libc::WEXITSTATUS(status)
            } else {
                128 + libc::WTERMSIG(status)
            })
        });
    }
}

/// Makes the cgroup that this process is in the root of all that it and its children see.
pub(crate) fn unshare_cgroups() -> io::Result<()> {
    // SAFETY: takes no pointer.
    check(unsafe { libc::unshare(libc::CLONE_NEWCGROUP) })
}

/// Whether this process may make a box at all.
pub(crate) fn is_root() -> bool {
    // SAFETY: takes no pointer and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// mount(2). `source`, `kind` and `options` may be empty.
pub(crate) fn mount(
    source: &Path,
    target: &Path,
    kind: &str,
    flags: c_ulong,
    options: &str,
) -> io::Result<()> {
    let (source, target) = (c_path(source)?, c_path(target)?);
    let (kind, options) = (CString::new(kind)?, CString::new(options)?);
    // SAFETY: four NUL-terminated strings that outlive the call.
    check(unsafe {
        libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, options.as_ptr().cast::<c_void>())
    })
}

/// Takes a file system, and all that is mounted in it, off `target`.
pub(crate) fn unmount(target: &Path) -> io::Result<()> {
    let target = c_path(target)?;
    // SAFETY: a NUL-terminated string that outlives the call.
    check(unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) })
}

/// Makes `root` the root of this mount namespace and lets go of the old one.
pub(crate) fn pivot_into(root: &Path) -> io::Result<()> {
    std::env::set_current_dir(root)?;
    let here = c".".as_ptr();
    // SAFETY: both arguments are NUL-terminated. With "." twice the old root ends up stacked on the new one (pivot_root(2)).
    check(unsafe { libc::syscall(libc::SYS_pivot_root, here, here) } as c_int)?;
    // SAFETY: a NUL-terminated string; this takes the old root off the top.
    check(unsafe { libc::umount2(here, libc::MNT_DETACH) })?;
    std::env::set_current_dir("/")
}

/// mknod(2) of a character device that everyone may use.
pub(crate) fn make_character_device(path: &Path, major: u32, minor: u32) -> io::Result<()> {
    let name = c_path(path)?;
    // SAFETY: a NUL-terminated string that outlives the call.
    check(unsafe { libc::mknod(name.as_ptr(), libc::S_IFCHR | 0o666, libc::makedev(major, minor)) })?;
    // The umask took bits off.
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o666))
}

/// sethostname(2).
pub(crate) fn set_host_name(name: &str) -> io::Result<()> {
    // SAFETY: pointer and length of one live string; the kernel copies it.
    check(unsafe { libc::sethostname(name.as_ptr().cast::<c_char>(), name.len()) })
}

/// Brings `lo` up, which gives a new network namespace 127.0.0.1 and ::1.
pub(crate) fn bring_loopback_up() -> io::Result<()> {
    // SAFETY: plain socket(2).
    let raw = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    check(raw)?;
    // SAFETY: a descriptor we just made and that nobody else has.
    let socket = unsafe { OwnedFd::from_raw_fd(raw) };
    // SAFETY: ifreq is plain data for which all zeroes is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(c"lo".to_bytes()) {
        *to = *from as c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads an ifreq, which is what it gets.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &mut request) })
}

/// Takes an exclusive lock on `file`, waiting for it. It is let go when the file is closed.
pub(crate) fn lock(file: &File) -> io::Result<()> {
    loop {
        // SAFETY: a descriptor that `file` keeps open.
        match check(unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX) }) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Locks the first `count` bytes of a file, for as long as it is open.
pub(crate) fn lock_bytes(file: &File, count: i64) -> io::Result<()> {
    lock_range(file, libc::F_WRLCK, count)
}

/// The same, exclusive or shared.
pub(crate) fn lock_range(file: &File, kind: c_int, count: i64) -> io::Result<()> {
    // SAFETY: flock is plain data for which all zeroes is a value.
    let mut wanted: libc::flock = unsafe { std::mem::zeroed() };
    wanted.l_type = kind as libc::c_short;
    wanted.l_len = count;
    // SAFETY: a descriptor that `file` keeps open; F_OFD_SETLK reads a flock, which is what it gets.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &wanted) })
}

/// close(2), of whatever it is.
pub(crate) fn close(descriptor: i32) -> io::Result<()> {
    // SAFETY: takes no pointer; a forked child closes what only its parent goes on using.
    check(unsafe { libc::close(descriptor) })
}

/// Waits for any child. `None` when there is none left. Returns pid and exit status, a signal counted as 128 + its number.
pub(crate) fn wait_for_any_child() -> io::Result<Option<(i32, i32)>> {
    loop {
        let mut status = 0;
        // SAFETY: `status` is a live c_int.
        let pid = unsafe { libc::waitpid(-1, &mut status, 0) };
        if pid > 0 {
            return Ok(Some((pid, exit_code(status))));
        }
        match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::ECHILD) => return Ok(None),
            error if error.kind() == io::ErrorKind::Interrupted => {}
            error => return Err(error),
        }
    }
}

/// Waits for one child.
pub(crate) fn wait_for(pid: i32) -> io::Result<i32> {
    loop {
        let mut status = 0;
        // SAFETY: `status` is a live c_int.
        match check(unsafe { libc::waitpid(pid, &mut status, 0) }) {
            Ok(()) => return Ok(exit_code(status)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn exit_code(status: c_int) -> i32 {
    if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 128 + libc::WTERMSIG(status) }
}

/// Sends a signal.
pub(crate) fn kill(pid: i32, signal: c_int) -> io::Result<()> {
    // SAFETY: takes no pointer.
    check(unsafe { libc::kill(pid, signal) })
}

/// Runs `body` in a forked child, which ends with the status it returns. Returns the child's pid.
pub(crate) fn fork_with(body: impl FnOnce() -> i32) -> io::Result<i32> {
    // SAFETY: the child only runs `body` and `_exit`. Where other threads exist it inherits locks they held; `child::run` tells
    // its callers so, and glibc makes malloc usable after fork.
    let pid = unsafe { libc::fork() };
    check(pid)?;
    if pid == 0 {
        let status = body();
        // SAFETY: ends the process at once; no destructor of the parent's data runs twice.
        unsafe { libc::_exit(status) }
    }
    Ok(pid)
}

/// Real, effective and saved uid of this process; supplementary groups are dropped and all gids become `group`.
pub(crate) fn set_ids(group: u32, real: u32, effective: u32, saved: u32) -> io::Result<()> {
    // SAFETY: none of these takes a pointer that is followed (setgroups: a count of zero).
    unsafe {
        check(libc::setgroups(0, ptr::null()))?;
        check(libc::setresgid(group, group, group))?;
        check(libc::setresuid(real, effective, saved))
    }
}

/// A pipe, both ends close-on-exec.
pub(crate) fn pipe() -> io::Result<(File, File)> {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    check(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) })?;
    // SAFETY: two descriptors we just made and that nobody else has.
    Ok(unsafe { (File::from_raw_fd(ends[0]), File::from_raw_fd(ends[1])) })
}

/// Makes everything written to stdout go where stderr goes.
pub(crate) fn send_stdout_to_stderr() -> io::Result<()> {
    // SAFETY: takes no pointer.
    check(unsafe { libc::dup2(libc::STDERR_FILENO, libc::STDOUT_FILENO) })
}

/// Makes a pseudo-terminal of so many columns and rows, 0 where it does not know: our end, and the terminal's.
pub(crate) fn open_terminal(columns: u16, rows: u16) -> io::Result<(File, File)> {
    let (mut ours, mut theirs) = (0, 0);
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: two live c_ints and a live winsize; the optional name and termios are left out.
    check(unsafe { libc::openpty(&mut ours, &mut theirs, ptr::null_mut(), ptr::null(), &size) })?;
    for end in [ours, theirs] {
        // SAFETY: a descriptor we just made. Without this every later command would hold the terminal open.
        check(unsafe { libc::fcntl(end, libc::F_SETFD, libc::FD_CLOEXEC) })?;
    }
    // SAFETY: two descriptors we just made and that nobody else has.
    Ok(unsafe { (File::from_raw_fd(ours), File::from_raw_fd(theirs)) })
}

/// The system calls in which a program waits for several files at once.
#[cfg(target_arch = "x86_64")]
pub(crate) const WAITS_FOR_SEVERAL: [i64; 6] = [
    libc::SYS_poll,
    libc::SYS_ppoll,
    libc::SYS_select,
    libc::SYS_pselect6,
    libc::SYS_epoll_wait,
    libc::SYS_epoll_pwait,
];
/// The system calls in which a program waits for several files at once.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) const WAITS_FOR_SEVERAL: [i64; 3] = [libc::SYS_ppoll, libc::SYS_pselect6, libc::SYS_epoll_pwait];

/// Makes `command`, whose stdin is a terminal, a session leader with that terminal as its controlling one, as getty would.
pub(crate) fn with_controlling_terminal(command: &mut Command) {
    // SAFETY: both calls are async-signal-safe and take no pointer that is followed.
    unsafe {
        command.pre_exec(|| {
            check(libc::setsid())?;
            check(libc::ioctl(libc::STDIN_FILENO, libc::TIOCSCTTY, 0))
        });
    }
}

/// Makes this process a session leader with that terminal as its controlling one.
pub(crate) fn sit_at(terminal: &Path) -> io::Result<()> {
    // SAFETY: takes nothing.
    check(unsafe { libc::setsid() })?;
    let terminal = File::options().read(true).write(true).open(terminal)?;
    // SAFETY: a live descriptor; no pointer is followed.
    check(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSCTTY, 0) })?;
    // Closed with the process: a terminal that nobody has open hangs up.
    std::mem::forget(terminal);
    Ok(())
}

/// Makes `command` run as a user, with resource limits, whose group and only group has the same number. To be called before
/// [`with_controlling_terminal`], which runs after it.
pub(crate) fn with_user_and_limits(command: &mut Command, uid: u32, limits: Vec<(u32, u64)>) {
    // SAFETY: all calls are async-signal-safe; pointers are to live locals, and setgroups' count is zero.
    unsafe {
        command.pre_exec(move || {
            check(libc::setgroups(0, ptr::null()))?;
            check(libc::setgid(uid))?;
            check(libc::setuid(uid))?;
            // By the user, as from a shell: a change of uid beyond RLIMIT_NPROC would make the exec fail.
            for (resource, value) in &limits {
                let limit = libc::rlimit { rlim_cur: *value, rlim_max: *value };
                check(libc::setrlimit(*resource, &raw const limit))?;
            }
            Ok(())
        });
    }
}

/// Connects to a sequenced-packet socket.
pub(crate) fn connect_seqpacket(path: &Path) -> io::Result<OwnedFd> {
    // SAFETY: takes no pointer.
    let socket = unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC, 0) };
    check(socket)?;
    // SAFETY: a descriptor we just made and that nobody else has.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    let address = unix_address(path);
    let length = size_of::<libc::sockaddr_un>() as libc::socklen_t;
    // SAFETY: a live address of the length given, NUL-terminated within it.
    check(unsafe { libc::connect(socket.as_raw_fd(), (&raw const address).cast(), length) })?;
    Ok(socket)
}

/// Listens on a sequenced-packet socket at `path`, which is made.
pub(crate) fn listen_seqpacket(path: &Path) -> io::Result<OwnedFd> {
    // SAFETY: takes no pointer.
    let socket = unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC, 0) };
    check(socket)?;
    // SAFETY: a descriptor we just made and that nobody else has.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    let address = unix_address(path);
    let length = size_of::<libc::sockaddr_un>() as libc::socklen_t;
    // SAFETY: a live address of the length given, NUL-terminated within it.
    unsafe {
        check(libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length))?;
        check(libc::listen(socket.as_raw_fd(), 4))?;
    }
    Ok(socket)
}

/// Accepts a connection.
pub(crate) fn accept(socket: &OwnedFd) -> io::Result<OwnedFd> {
    // SAFETY: the peer's address is not wanted.
    let raw =
        unsafe { libc::accept4(socket.as_raw_fd(), ptr::null_mut(), ptr::null_mut(), libc::SOCK_CLOEXEC) };
    check(raw)?;
    // SAFETY: a descriptor we just got and that nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// Makes `command` find a descriptor as number 3.
pub(crate) fn with_descriptor_3(command: &mut Command, socket: &OwnedFd) {
    let raw = socket.as_raw_fd();
    // SAFETY: async-signal-safe, and takes no pointer. The descriptor is open in the child too, before the exec.
    unsafe {
        command.pre_exec(move || {
            // Where it has that number already, dup2 leaves it as it is: to be closed by the exec.
            check(if raw == 3 { libc::fcntl(raw, libc::F_SETFD, 0) } else { libc::dup2(raw, 3) })
        });
    }
}

fn unix_address(path: &Path) -> libc::sockaddr_un {
    // SAFETY: all zeros is a valid address.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    for (to, from) in address.sun_path.iter_mut().zip(path.as_os_str().as_bytes()) {
        *to = from.cast_signed();
    }
    address
}

/// Sends one packet.
pub(crate) fn send(socket: &OwnedFd, bytes: &[u8]) -> io::Result<()> {
    // SAFETY: a live buffer of the length given.
    let sent =
        unsafe { libc::send(socket.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Sends one packet with an open file along.
pub(crate) fn send_with_file(socket: &OwnedFd, bytes: &[u8], file: BorrowedFd<'_>) -> io::Result<()> {
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let mut room = [0u64; 4];
    // SAFETY: plain numbers and pointers, for which all zeros are good values.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    (message.msg_iov, message.msg_iovlen) = (&raw mut part, 1);
    let size = size_of::<c_int>() as u32;
    // SAFETY: CMSG_SPACE only reckons.
    let space = unsafe { libc::CMSG_SPACE(size) } as usize;
    assert!(space <= size_of_val(&room));
    (message.msg_control, message.msg_controllen) = (room.as_mut_ptr().cast(), space);
    // SAFETY: the room is aligned and large enough for one header and one descriptor; all pointers are to live locals.
    let sent = unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(size) as usize;
        libc::CMSG_DATA(header).cast::<c_int>().write_unaligned(file.as_raw_fd());
        libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT)
    };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Makes two sequenced-packet sockets that are connected to each other.
pub(crate) fn seqpacket_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: room for two descriptors.
    check(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) })?;
    // SAFETY: two descriptors we just made and that nobody else has.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

/// Gives this process user and mount namespaces of its own, in which it is root, as anybody may.
pub(crate) fn become_root_of_own_namespaces() -> io::Result<()> {
    // SAFETY: neither takes a pointer, and neither fails.
    let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
    // SAFETY: none takes a pointer. After a change of uid the files in /proc/self are root's until the process is dumpable again.
    unsafe {
        check(libc::prctl(libc::PR_SET_DUMPABLE, 1))?;
        check(libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS))?;
    }
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
    std::fs::write("/proc/self/gid_map", format!("0 {gid} 1"))
}

/// Has this process killed when its parent ends.
pub(crate) fn die_with_parent() -> io::Result<()> {
    // SAFETY: takes no pointer.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) })
}

/// Lets this process open as many files as it may.
pub(crate) fn raise_open_files() -> io::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: a live rlimit, which is written and then read.
    unsafe {
        check(libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit))?;
        limit.rlim_cur = limit.rlim_max;
        check(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit))
    }
}

/// The instructions of a filter that knows no SO_PASSRIGHTS, as Linux before 6.16: `setsockopt` fails with ENOPROTOOPT.
fn unknown_passrights() -> [libc::sock_filter; 8] {
    const SO_PASSRIGHTS: u32 = 83;
    let [load, equal, result] =
        [libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, libc::BPF_JMP | libc::BPF_JEQ, libc::BPF_RET]
            .map(|code| code as u16);
    let of = |code, k, jf| libc::sock_filter { code, jt: 0, jf, k };
    // Where in `struct seccomp_data` the number of the call is, and the lower halves of its arguments.
    let argument = |number: u32| 16 + 8 * number + if cfg!(target_endian = "big") { 4 } else { 0 };
    [
        of(load, 0, 0),
        of(equal, libc::SYS_setsockopt as u32, 5),
        of(load, argument(1), 0),
        of(equal, libc::SOL_SOCKET as u32, 3),
        of(load, argument(2), 0),
        of(equal, SO_PASSRIGHTS, 1),
        of(result, libc::SECCOMP_RET_ERRNO | libc::ENOPROTOOPT as u32, 0),
        of(result, libc::SECCOMP_RET_ALLOW, 0),
    ]
}

/// Makes `command`, and all that it starts, find a kernel without SO_PASSRIGHTS.
pub(crate) fn without_passrights(command: &mut Command) {
    let filter = unknown_passrights();
    // SAFETY: both calls are async-signal-safe; the instructions live as long as the closure, and the kernel copies them.
    unsafe {
        command.pre_exec(move || {
            let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
            check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
            check(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program))
        });
    }
}

/// Has whoever closes a connection last wait until the other side has read all, for so many seconds.
pub(crate) fn linger(socket: BorrowedFd<'_>, seconds: i32) -> io::Result<()> {
    let linger = libc::linger { l_onoff: 1, l_linger: seconds };
    let length = size_of::<libc::linger>() as libc::socklen_t;
    // SAFETY: a live value of the length given.
    check(unsafe {
        let value = (&raw const linger).cast();
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, value, length)
    })
}

/// Receives one packet; none when nothing comes for so long. A connection that was reset has ended.
pub(crate) fn receive(socket: &OwnedFd, milliseconds: i32) -> io::Result<Option<Vec<u8>>> {
    let mut poll = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one live pollfd, and a count of one.
    check(unsafe { libc::poll(&mut poll, 1, milliseconds) })?;
    if poll.revents == 0 {
        return Ok(None);
    }
    let mut buffer = vec![0; 1 << 17];
    // SAFETY: a live buffer of the length given.
    let got = unsafe { libc::recv(socket.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) };
    match usize::try_from(got) {
        Ok(length) => {
            buffer.truncate(length);
            Ok(Some(buffer))
        }
        Err(_) => match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::ConnectionReset => Ok(Some(Vec::new())),
            error => Err(error),
        },
    }
}

/// Waits until `file` can be read, at most `milliseconds`. False when the time is up.
pub(crate) fn readable_within(file: &File, milliseconds: i32) -> io::Result<bool> {
    let mut poll = libc::pollfd { fd: file.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one live pollfd, and a count of one.
    match unsafe { libc::poll(&mut poll, 1, milliseconds) } {
        0 => Ok(false),
        count if count > 0 => Ok(true),
        _ => match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::Interrupted => Ok(false),
            error => Err(error),
        },
    }
}

fn check(result: c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn c_path(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

/// Loads the system's own SQLite for all to see, as a host process that links it has done.
pub(crate) struct SystemSqlite(*mut c_void);

impl SystemSqlite {
    pub(crate) fn load() -> io::Result<Self> {
        // SAFETY: a NUL-terminated name; the library's initialisers are SQLite's own, which do nothing.
        let library =
            unsafe { libc::dlopen(c"libsqlite3.so.0".as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
        if library.is_null() {
            Err(io::Error::other("libsqlite3.so.0 cannot be loaded"))
        } else {
            Ok(Self(library))
        }
    }

    /// Opens a database in memory and runs a statement; SQLite's result code.
    pub(crate) fn run(&self, statement: &str) -> io::Result<c_int> {
        type Open = extern "C" fn(*const c_char, *mut *mut c_void) -> c_int;
        type Exec = extern "C" fn(*mut c_void, *const c_char, *mut c_void, *mut c_void, *mut c_void) -> c_int;
        type Close = extern "C" fn(*mut c_void) -> c_int;
        let statement = CString::new(statement)?;
        // SAFETY: the three functions have had these signatures since SQLite 3.0; strings are NUL-terminated, and the database
        // is closed before it goes out of scope.
        unsafe {
            let open: Open = std::mem::transmute(self.symbol(c"sqlite3_open")?);
            let exec: Exec = std::mem::transmute(self.symbol(c"sqlite3_exec")?);
            let close: Close = std::mem::transmute(self.symbol(c"sqlite3_close")?);
            let mut database = ptr::null_mut();
            open(c":memory:".as_ptr(), &mut database);
            let code = exec(database, statement.as_ptr(), ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
            close(database);
            Ok(code)
        }
    }

    fn symbol(&self, name: &std::ffi::CStr) -> io::Result<*mut c_void> {
        // SAFETY: a library that stays loaded and a NUL-terminated name.
        let found = unsafe { libc::dlsym(self.0, name.as_ptr()) };
        if found.is_null() { Err(io::Error::other("a function of SQLite is missing")) } else { Ok(found) }
    }
}

/// Maps a file's first page, writes to it, and maps nothing in its place: the page is written to the file while the list of mappings is
/// locked.
pub(crate) fn map_over(file: BorrowedFd<'_>) -> io::Result<()> {
    const LENGTH: usize = 4_096;
    let (both, over) =
        (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_FIXED | libc::MAP_ANONYMOUS | libc::MAP_PRIVATE);
    // SAFETY: a mapping of our own is written to in its bounds, and replaced by another one; nobody else knows its address.
    unsafe {
        let page = libc::mmap(ptr::null_mut(), LENGTH, both, libc::MAP_SHARED, file.as_raw_fd(), 0);
        if page == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        page.cast::<u8>().write_volatile(1);
        libc::mmap(page, LENGTH, both, over, -1, 0);
    }
    Ok(())
}
