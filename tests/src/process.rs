//! What a process looks like from outside: what it holds, and what is in its memory.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::ffi::kernel::{self, SystemSqlite};
use crate::wait::OrDie;

/// What a guest must leave as it was, one fact a line: descriptors, threads, signal handlers and masks, umask, environment, working
/// directory.
pub fn traces() -> String {
    let mut descriptors: Vec<String> = fs::read_dir("/proc/self/fd")
        .or_die("list descriptors")
        .flatten()
        .filter_map(|entry| {
            // The listing's own descriptor is gone by now.
            let target = fs::read_link(entry.path()).ok()?;
            Some(format!("fd {} {}\n", entry.file_name().display(), target.display()))
        })
        .collect();
    descriptors.sort();
    let status = fs::read_to_string("/proc/self/status").or_die("read /proc/self/status");
    let kept = ["Umask:", "Threads:", "SigBlk:", "SigIgn:", "SigCgt:", "Uid:", "Gid:", "Groups:"];
    let status = status.lines().filter(|line| kept.iter().any(|key| line.starts_with(key)));
    let environment =
        std::env::vars_os().map(|(name, value)| format!("{}={}\n", name.display(), value.display()));
    let folder = std::env::current_dir().or_die("find the working directory");
    let limits = fs::read_to_string("/proc/self/limits").or_die("read /proc/self/limits");
    descriptors
        .into_iter()
        .chain(status.map(|line| format!("{line}\n")))
        .chain(environment)
        .chain([format!("cwd {}\n", folder.display()), limits])
        .collect()
}

/// Whether `needle` is anywhere in the memory that a process can write to: what a core dump of it would show.
pub fn memory_holds(pid: u32, needle: &[u8]) -> bool {
    let memory = File::open(format!("/proc/{pid}/mem")).or_die("open a process' memory");
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).or_die("read a process' map");
    maps.lines().filter(|line| line.contains(" rw")).any(|line| {
        let range = line.split(' ').next().and_then(|range| range.split_once('-'));
        let Some((from, to)) = range else { return false };
        let number = |text| u64::from_str_radix(text, 16).or_die("read an address");
        let (from, to) = (number(from), number(to));
        let mut bytes = vec![0; usize::try_from(to - from).or_die("size a region")];
        // Some regions ([vvar]) are mapped but cannot be read.
        memory.read_exact_at(&mut bytes, from).is_ok()
            && bytes.windows(needle.len()).any(|window| window == needle)
    })
}

/// The system's libsqlite3, loaded into this process as a host that links it would have it.
pub struct ForeignSqlite(SystemSqlite);

impl ForeignSqlite {
    /// Loads it, its symbols visible to all that is loaded later.
    pub fn load() -> Self {
        Self(SystemSqlite::load().or_die("load the system's SQLite"))
    }

    /// Whether it still does what it should.
    pub fn works(&self) -> bool {
        self.0.run("CREATE TABLE t(a); INSERT INTO t VALUES (1)").or_die("call the system's SQLite") == 0
    }
}

impl std::fmt::Debug for ForeignSqlite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ForeignSqlite").finish_non_exhaustive()
    }
}

/// Whether these bytes stand in the part of this thread's stack that earlier calls have used and left.
#[inline(never)]
pub fn dead_stack_holds(bytes: &[u8]) -> bool {
    let here = std::ptr::from_ref(&bytes).addr();
    let maps = std::fs::read_to_string("/proc/self/maps").or_die("read the memory map");
    let bounds = maps.lines().find_map(|line| {
        let (start, end) = line.split(' ').next()?.split_once('-')?;
        let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
        (start..end).contains(&here).then_some(start)
    });
    let start = bounds.ok_or("no mapping holds it").or_die("find the stack");
    let mut memory = std::fs::File::open("/proc/self/mem").or_die("open the memory");
    std::io::Seek::seek(&mut memory, std::io::SeekFrom::Start(start as u64)).or_die("go to the stack");
    // On the heap: a buffer on the stack would overwrite what is looked for.
    let mut dead = vec![0_u8; here - start];
    std::io::Read::read_exact(&mut memory, &mut dead).or_die("read the stack");
    dead.windows(bytes.len()).any(|window| window == bytes)
}

/// Takes the locks of the first `count` bytes of a file, as another process of the host's would. They are let go when it is closed.
#[track_caller]
pub fn lock_bytes(file: &File, count: i64) {
    kernel::lock_bytes(file, count).or_die("lock bytes of a file");
}

/// Makes the node of a virtual console, as udev would.
#[track_caller]
pub fn make_console(number: u32) {
    let path = format!("/dev/tty{number}");
    kernel::make_character_device(Path::new(&path), 4, number).or_die(format_args!("make {path}"));
}

/// Makes this process the leader of a session with that terminal as its controlling one, as getty does. It stays open until the process ends.
#[track_caller]
pub fn sit_at(terminal: &Path) {
    kernel::sit_at(terminal).or_die(format_args!("take {}", terminal.display()));
}
