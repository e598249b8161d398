//! The entry points, as glibc calls them (nss.h; "NSS Modules Interface" in its manual), and all that is unsafe about them.

use crate::answer::{self, Key};
use crate::record::{NoRoom, Record};
use libc::{ENOENT, ENOMEM, ERANGE, gid_t, group, size_t};
use std::ffi::{CStr, c_char, c_int, c_long};
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use twostep_roster::{Fault, Group, Roster};

/// `enum nss_status`.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// Again, with more room or memory.
    TryAgain = -2,
    /// Nothing can be said.
    Unavailable = -1,
    /// There is no such thing.
    NotFound = 0,
    /// Here it is.
    Success = 1,
}

/// How a call ended, and the error number that goes with it.
type Ended = (Status, c_int);

const NOT_FOUND: Ended = (Status::NotFound, ENOENT);
/// How far an enumeration has come, in this process: glibc has one at a time, under a lock of its own.
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// The groups of `user`, added to `*groups`, which has `*size` places of which `*start` are taken.
///
/// # Safety
/// As glibc calls it: `user` is a string; `start`, `size`, `groups` and `errnop` point to values that are the caller's; `*groups` came from
/// malloc and has room for `*size`.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn _nss_twostep_initgroups_dyn(
    user: *const c_char,
    group: gid_t,
    start: *mut c_long,
    size: *mut c_long,
    groups: *mut *mut gid_t,
    limit: c_long,
    errnop: *mut c_int,
) -> Status {
    // SAFETY: this function's own contract.
    let mut list = unsafe { List { start: &mut *start, size: &mut *size, groups: &mut *groups, limit } };
    // SAFETY: the same.
    let user = unsafe { CStr::from_ptr(user) }.to_bytes();
    // SAFETY: the same.
    unsafe { finish(errnop, || initgroups(user, group, &mut list)) }
}

fn initgroups(user: &[u8], primary: gid_t, list: &mut List<'_>) -> Ended {
    let gids = match answer::roster().and_then(|roster| answer::gids_of(&roster, user)) {
        Ok(gids) => gids,
        Err(fault) => return (Status::Unavailable, number(fault)),
    };
    let mut ended = NOT_FOUND;
    for gid in gids.as_slice().iter().filter(|gid| **gid != primary) {
        match list.push(*gid) {
            Ok(()) => ended = (Status::Success, 0),
            Err(Full::Limit) => return (Status::Success, 0),
            Err(Full::Memory) => return (Status::TryAgain, ENOMEM),
        }
    }
    ended
}

/// The caller's list of gids.
struct List<'c> {
    start: &'c mut c_long,
    size: &'c mut c_long,
    groups: &'c mut *mut gid_t,
    limit: c_long,
}

enum Full {
    /// The caller wants no more.
    Limit,
    Memory,
}

impl List<'_> {
    fn push(&mut self, gid: gid_t) -> Result<(), Full> {
        if *self.start >= *self.size {
            self.grow()?;
        }
        let at = usize::try_from(*self.start).map_err(|_| Full::Memory)?;
        // SAFETY: `*groups` has room for `*size` gids, and `*start` is below that.
        unsafe { (*self.groups).add(at).write(gid) };
        *self.start += 1;
        Ok(())
    }

    fn grow(&mut self) -> Result<(), Full> {
        if self.limit > 0 && *self.size >= self.limit {
            return Err(Full::Limit);
        }
        let double = (*self.size).max(8).checked_mul(2).ok_or(Full::Memory)?;
        let new = if self.limit > 0 { double.min(self.limit) } else { double };
        let bytes = usize::try_from(new).ok().and_then(|new| new.checked_mul(size_of::<gid_t>()));
        // SAFETY: the array came from malloc, and is the caller's to be moved.
        let moved = unsafe { libc::realloc((*self.groups).cast(), bytes.ok_or(Full::Memory)?) };
        if moved.is_null() {
            return Err(Full::Memory);
        }
        *self.groups = moved.cast();
        *self.size = new;
        Ok(())
    }
}

/// The group of this name.
///
/// # Safety
/// As glibc calls it: `name` is a string, `result` and `errnop` are the caller's, `buffer` has `length` bytes.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn _nss_twostep_getgrnam_r(
    name: *const c_char,
    result: *mut group,
    buffer: *mut c_char,
    length: size_t,
    errnop: *mut c_int,
) -> Status {
    // SAFETY: this function's own contract.
    unsafe {
        let name = CStr::from_ptr(name).to_bytes();
        finish(errnop, || look_up(Key::Name(name), result, space(buffer, length)))
    }
}

/// The group of this gid.
///
/// # Safety
/// As [`_nss_twostep_getgrnam_r`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn _nss_twostep_getgrgid_r(
    gid: gid_t,
    result: *mut group,
    buffer: *mut c_char,
    length: size_t,
    errnop: *mut c_int,
) -> Status {
    // SAFETY: this function's own contract.
    unsafe { finish(errnop, || look_up(Key::Gid(gid), result, space(buffer, length))) }
}

/// Begins an enumeration.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn _nss_twostep_setgrent(_stay_open: c_int) -> Status {
    NEXT.store(0, Ordering::Relaxed);
    Status::Success
}

/// Ends it.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn _nss_twostep_endgrent() -> Status {
    NEXT.store(0, Ordering::Relaxed);
    Status::Success
}

/// The next group, where they can be enumerated.
///
/// # Safety
/// As [`_nss_twostep_getgrnam_r`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn _nss_twostep_getgrent_r(
    result: *mut group,
    buffer: *mut c_char,
    length: size_t,
    errnop: *mut c_int,
) -> Status {
    let next = || {
        let place = NEXT.load(Ordering::Relaxed);
        // SAFETY: this function's own contract.
        let ended = unsafe { look_up(Key::Place(place), result, space(buffer, length)) };
        if ended.0 == Status::Success {
            NEXT.store(place + 1, Ordering::Relaxed);
        }
        ended
    };
    // SAFETY: this function's own contract.
    unsafe { finish(errnop, next) }
}

/// # Safety
/// `buffer` is null or has `length` bytes, which are nobody else's while the slice lives.
unsafe fn space<'b>(buffer: *mut c_char, length: size_t) -> &'b mut [MaybeUninit<u8>] {
    if buffer.is_null() {
        return &mut [];
    }
    // SAFETY: this function's own contract; what is not initialised may be so here.
    unsafe { std::slice::from_raw_parts_mut(buffer.cast(), length) }
}

/// # Safety
/// `result` is the caller's to be written to.
unsafe fn look_up(key: Key<'_>, result: *mut group, buffer: &mut [MaybeUninit<u8>]) -> Ended {
    // A name that cannot be found for want of a roster is one of another source's: to say more would make the whole look-up fail.
    let Ok(roster) = answer::roster() else { return NOT_FOUND };
    let Some(of) = answer::group(&roster, key) else { return NOT_FOUND };
    match record(&roster, of, buffer) {
        Ok(found) => {
            // SAFETY: this function's own contract.
            unsafe { result.write(found) };
            (Status::Success, 0)
        }
        Err(NoRecord::NoRoom) => (Status::TryAgain, ERANGE),
        Err(NoRecord::Unreadable) => NOT_FOUND,
    }
}

enum NoRecord {
    NoRoom,
    Unreadable,
}

impl From<NoRoom> for NoRecord {
    fn from(_: NoRoom) -> Self {
        Self::NoRoom
    }
}

fn record(roster: &Roster, of: Group, buffer: &mut [MaybeUninit<u8>]) -> Result<group, NoRecord> {
    let groups = &roster.header.groups;
    let (Some(name), Some(gid)) = (groups.name(of), groups.gid(of)) else { return Err(NoRecord::Unreadable) };
    let mut record = Record::new(buffer)?;
    let gr_name = record.string(name)?;
    // No password is right: newgrp lets nobody in by one.
    let gr_passwd = record.string(b"*")?;
    let mut room = Ok(());
    let all = answer::members(roster, of, |user| {
        if room.is_ok() {
            room = record.string(user).and_then(|place| record.member(place));
        }
    });
    room?;
    all.map_err(|_| NoRecord::Unreadable)?;
    Ok(group { gr_name, gr_passwd, gr_gid: gid, gr_mem: record.members() })
}

/// Tells how it ended; a panic ends in nothing being said.
///
/// # Safety
/// `errnop` is the caller's to be written to.
unsafe fn finish(errnop: *mut c_int, call: impl FnOnce() -> Ended) -> Status {
    silence_panics();
    // Opening and reading are points at which a thread may be cancelled, and that unwinding cannot pass through Rust: it would abort the
    // whole process. A thread that is to be cancelled is so as soon as this is over.
    let uncancelled = Uncancelled::new();
    let caught = catch_unwind(AssertUnwindSafe(call));
    drop(uncancelled);
    let (status, number) = caught.unwrap_or_else(|payload| {
        // Dropping a payload can panic in its turn; leaking it cannot.
        std::mem::forget(payload);
        (Status::Unavailable, ENOENT)
    });
    if status != Status::Success {
        // SAFETY: this function's own contract.
        unsafe { errnop.write(number) };
    }
    status
}

/// While it lives, this thread is not cancelled.
struct Uncancelled {
    before: c_int,
}

/// `PTHREAD_CANCEL_DISABLE`, as glibc has it on every architecture.
const CANCEL_DISABLE: c_int = 1;

unsafe extern "C" {
    fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
}

impl Uncancelled {
    fn new() -> Self {
        let mut before = 0;
        // SAFETY: a state that there is, and a place for the one before; it cannot fail then (pthread_setcancelstate(3)).
        unsafe { pthread_setcancelstate(CANCEL_DISABLE, &mut before) };
        Self { before }
    }
}

impl Drop for Uncancelled {
    fn drop(&mut self) {
        let mut ours = 0;
        // SAFETY: the state that this thread was in.
        unsafe { pthread_setcancelstate(self.before, &mut ours) };
    }
}

/// The hook is of the std that is linked into this module: a host that is written in Rust keeps its own.
///
/// Nobody waits for anybody here: a process may have been forked from a thread while another one was at it.
fn silence_panics() {
    static SILENT: AtomicBool = AtomicBool::new(false);
    if !SILENT.swap(true, Ordering::Relaxed) {
        std::panic::set_hook(Box::new(|_| ()));
    }
}

fn number(fault: Fault) -> c_int {
    match fault {
        Fault::Io(number) if number > 0 => number,
        _ => ENOENT,
    }
}
