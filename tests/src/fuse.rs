//! Files whose last close never ends: those of a FUSE file system that an unprivileged user has mounted, and whose server leaves requests
//! unanswered.
//!
//! The server has turned the write-back cache on, and the file has pages that wait to be written: the process that drops the last reference to an
//! open file of it writes them first, and waits for the server in a state that no signal ends. When the server ends, so does the waiting;
//! and it ends with the process that has mounted the file system, however that ends.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use crate::broker::RawLink;
use crate::child::{self, Child};
use crate::ffi::kernel;
use crate::wait::OrDie;

/// What the file system is mounted on.
const FOLDER: &str = "/tmp/fuse";
/// Its one file, as the kernel knows it.
const FILE: u64 = 2;

/// A user who connects to the broker as often as said, each time with a file in the queue that is never closed, and then stays. `sent` is made
/// when all is sent. When the child is killed, everything is closed.
pub fn flood(uid: u32, count: usize, sent: &'static str) -> Child {
    child::start(move || {
        kernel::raise_open_files().or_die("raise a limit");
        child::become_ids(uid, uid, uid, uid);
        mount();
        // A process that has a file open waits for the server as it ends; this one does not.
        start(|| {
            let _writer = connect(count);
            fs::write(sent, "").or_die("tell that all is sent");
            loop {
                std::thread::park();
            }
        });
        loop {
            std::thread::park();
        }
    })
}

/// A user with a process whose list of mappings is locked until the child is killed: a reader of its /proc/PID/maps waits for that.
pub fn lock_maps(uid: u32) -> Child {
    child::start(move || {
        child::become_ids(uid, uid, uid, uid);
        mount();
        start(|| {
            let mut writer = open();
            writer.write_all(&[1; 4_096]).or_die("write to a file on FUSE");
            kernel::map_over(writer.as_fd()).or_die("map a file on FUSE");
            0
        });
        loop {
            std::thread::park();
        }
    })
}

/// Mounts a file system with one file, in namespaces of this process's own, and starts its server.
fn mount() {
    kernel::become_root_of_own_namespaces().or_die("make a user namespace");
    let folder = Path::new(FOLDER);
    fs::create_dir_all(folder).or_die("make a folder");
    let device = File::options().read(true).write(true).open("/dev/fuse").or_die("open /dev/fuse");
    let options = format!("fd={},rootmode=40000,user_id=0,group_id=0", device.as_raw_fd());
    kernel::mount(Path::new("none"), folder, "fuse", libc::MS_NOSUID | libc::MS_NODEV, &options)
        .or_die("mount a FUSE file system");
    start(|| serve(&device));
}

/// Starts a process that ends with this one.
fn start(body: impl FnOnce() -> i32) {
    kernel::fork_with(|| {
        kernel::die_with_parent().or_die("ask for a signal");
        body()
    })
    .or_die("fork");
}

fn open() -> File {
    File::options().read(true).write(true).open(Path::new(FOLDER).join("file")).or_die("open a file on FUSE")
}

/// Sends and connects; returns what has written to the file and what stays connected.
fn connect(count: usize) -> (File, Vec<RawLink>) {
    // To close such a socket is to close the file in its queue. As long as there is nothing to write, files are closed at once.
    let sockets: Vec<OwnedFd> = (0..count)
        .map(|_| {
            let (queue, other) = kernel::seqpacket_pair().or_die("make a socket pair");
            kernel::send_with_file(&other, b"x", open().as_fd()).or_die("send a file");
            queue
        })
        .collect();
    let mut writer = open();
    writer.write_all(&[1; 4_096]).or_die("write to a file on FUSE");
    let mut kept = Vec::new();
    // Some are told that they are too many, some are read, some wait in the queue behind a message; some go at once.
    for (number, socket) in sockets.into_iter().enumerate() {
        if let Ok(link) = RawLink::connect() {
            if number % 3 == 1 {
                link.send(b"");
            }
            link.send_with(if number % 3 == 0 { b"" } else { b"\x01\x04\x00" }, &socket);
            if number % 2 == 0 {
                kept.push(link);
            }
        }
        // Where it was not taken, or was received already, this is the last: then it hangs, which is not to be this loop.
        std::thread::spawn(move || drop(socket));
    }
    (writer, kept)
}

/// Answers what is needed to open the file, until the file system is gone.
fn serve(mut device: &File) -> i32 {
    // As <linux/fuse.h> numbers them.
    const LOOKUP: u32 = 1;
    const FORGET: u32 = 2;
    const GETATTR: u32 = 3;
    const SETATTR: u32 = 4;
    const OPEN: u32 = 14;
    const WRITE: u32 = 16;
    const RELEASE: u32 = 18;
    const INIT: u32 = 26;
    const INTERRUPT: u32 = 36;
    const BATCH_FORGET: u32 = 42;
    let mut request = vec![0; 1 << 20];
    while let Ok(length) = device.read(&mut request) {
        let request = &request[..length];
        let number = |at: usize| u32::from_ne_bytes(request[at..at + 4].try_into().unwrap_or_default());
        let node = u64::from_ne_bytes(request[16..24].try_into().unwrap_or_default());
        let (error, answer) = match number(4) {
            INIT => (0, initial()),
            LOOKUP => (0, [longs(&[FILE, 0, 3_600, 3_600, 0]), attributes(FILE)].concat()),
            GETATTR => (0, [longs(&[3_600, 0]), attributes(node)].concat()),
            OPEN => (0, longs(&[1, 0])),
            FORGET | BATCH_FORGET | INTERRUPT | SETATTR | WRITE | RELEASE => continue,
            _ => (-libc::ENOSYS, Vec::new()),
        };
        let mut whole = Vec::new();
        whole.extend((16 + answer.len() as u32).to_ne_bytes());
        whole.extend(error.to_ne_bytes());
        whole.extend(&request[8..16]);
        whole.extend(answer);
        if device.write_all(&whole).is_err() {
            break;
        }
    }
    0
}

/// `struct fuse_init_out`
fn initial() -> Vec<u8> {
    const WRITEBACK_CACHE: u32 = 1 << 16;
    let mut out = [0u32; 16];
    (out[0], out[1], out[3], out[5], out[6]) = (7, 31, WRITEBACK_CACHE, 4_096, 1);
    out.iter().flat_map(|number| number.to_ne_bytes()).collect()
}

/// `struct fuse_attr`, of the folder or of the file.
fn attributes(node: u64) -> Vec<u8> {
    let mode = if node == FILE { libc::S_IFREG | 0o666 } else { libc::S_IFDIR | 0o755 };
    let mut out = longs(&[node, 0, 0, 0, 0, 0]);
    let rest = [0, 0, 0, mode, 1, 0, 0, 0, 4_096, 0u32];
    out.extend(rest.iter().flat_map(|number| number.to_ne_bytes()));
    out
}

fn longs(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_ne_bytes()).collect()
}
