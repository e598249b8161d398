//! All that is unsafe in the broker: descriptors that others have opened for us, and libpam as a program calls it.
#![allow(unsafe_code)]

use crate::limits::INTERRUPT;
use libc::{c_char, c_int, c_void};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use std::ffi::CStr;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use twostep_core::secret::Secret;

/// Where a supervisor's first socket is. (sd_listen_fds(3))
const HANDED: RawFd = 3;

/// The socket that a supervisor has handed over; children do not get it.
pub(crate) fn handed_descriptor() -> Result<OwnedFd, Errno> {
    // SAFETY: F_GETFD takes no pointer, and fails on a closed descriptor.
    Errno::result(unsafe { libc::fcntl(HANDED, libc::F_GETFD) })?;
    // SAFETY: it is open, and this is called once, at the start, where nobody else has taken it over.
    let socket = unsafe { OwnedFd::from_raw_fd(HANDED) };
    fcntl(socket.as_fd(), FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    let flags = fcntl(socket.as_fd(), FcntlArg::F_GETFL)?;
    let flags = nix::fcntl::OFlag::from_bits_retain(flags) | nix::fcntl::OFlag::O_NONBLOCK;
    fcntl(socket.as_fd(), FcntlArg::F_SETFL(flags))?;
    Ok(socket)
}

/// Takes over a descriptor that the kernel has just given us.
pub(crate) fn own(descriptor: RawFd) -> OwnedFd {
    // SAFETY: callers pass what accept4 has returned, which nobody else owns.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}

/// Keeps the allocator from making room anew for every thread: many threads wait here, and few work.
pub(crate) fn few_arenas() {
    // SAFETY: mallopt only takes numbers; called before there is a second thread.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, 2) };
}

/// Has messages with open files refused on this socket, and on those that are accepted from it (SO_PASSRIGHTS; Linux 6.16). Older kernels
/// do not know how.
pub(crate) fn refuse_files(socket: &OwnedFd) {
    const SO_PASSRIGHTS: c_int = 83;
    let no: c_int = 0;
    // SAFETY: a live descriptor, and a pointer to a live int of the length given.
    let _unknown_here = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_PASSRIGHTS,
            (&raw const no).cast(),
            size_of::<c_int>() as libc::socklen_t,
        )
    };
}

/// Makes the signal by which [`Alarm`] interrupts threads one that does nothing.
pub(crate) fn prepare_alarms() -> Result<(), Errno> {
    extern "C" fn nothing(_: c_int) {}
    let handler = SigHandler::Handler(nothing);
    let action = SigAction::new(handler, SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: the handler does nothing at all; and nobody else in this program uses the signal.
    unsafe { sigaction(Signal::SIGALRM, &action) }.map(drop)
}

/// While it is there, this thread is sent a signal again and again: whatever it waits for in the kernel comes to an end.
#[derive(Debug)]
pub(crate) struct Alarm(Option<libc::timer_t>);

// SAFETY: the number of a timer of this process's, which any thread may delete.
unsafe impl Send for Alarm {}
// SAFETY: as above; through a shared reference nothing can be done with it.
unsafe impl Sync for Alarm {}

impl Alarm {
    /// Sets it. Where the kernel has no timer to spare there is none: then calls take as long as they take.
    pub(crate) fn set() -> Self {
        // SAFETY: plain numbers and pointers, for which all zeros are good values.
        let mut event: libc::sigevent = unsafe { mem::zeroed() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = libc::SIGALRM;
        // SAFETY: takes nothing, and cannot fail.
        event.sigev_notify_thread_id = unsafe { libc::gettid() };
        let mut timer: libc::timer_t = ptr::null_mut();
        // SAFETY: pointers to live values of the right types.
        if unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer) } != 0 {
            return Self(None);
        }
        let every = libc::timespec {
            tv_sec: libc::time_t::try_from(INTERRUPT.as_secs()).unwrap_or(1),
            tv_nsec: INTERRUPT.subsec_nanos().into(),
        };
        let times = libc::itimerspec { it_interval: every, it_value: every };
        // SAFETY: the timer made above, and a pointer to a live value.
        let _set = unsafe { libc::timer_settime(timer, 0, &raw const times, ptr::null_mut()) };
        Self(Some(timer))
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Some(timer) = self.0 {
            // SAFETY: made in `set`, and deleted once.
            unsafe { libc::timer_delete(timer) };
        }
    }
}

/// Takes over what is on standard input, where the child of a proof finds its end of the conversation: programs that PAM's modules start
/// find nothing there.
pub(crate) fn standard_input() -> Result<OwnedFd, Errno> {
    let ours = nix::unistd::dup(std::io::stdin())?;
    fcntl(ours.as_fd(), FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    let nothing = nix::fcntl::open("/dev/null", nix::fcntl::OFlag::O_RDONLY, nix::sys::stat::Mode::empty())?;
    nix::unistd::dup2_stdin(&nothing)?;
    Ok(ours)
}

/// What PAM asks or says, and what the person answers. None where that cannot be done.
pub(crate) trait Person {
    /// Asks something.
    fn answer(&mut self, prompt: &str, echo: Echo) -> Option<Secret>;

    /// Says something.
    fn tell(&mut self, text: &str) -> Option<()>;
}

/// Whether an answer is shown as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Echo {
    /// It is.
    Shown,
    /// It is not.
    Hidden,
}

/// A PAM handle with its conversation.
pub(crate) struct Pam<P: Person> {
    handle: *mut Handle,
    /// Made by `Box::into_raw`: libpam holds the pointer as long as the handle lives.
    person: *mut P,
    status: c_int,
}

/// What libpam has returned instead of success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PamCode(pub(crate) c_int);

/// The account is in order but for its password, which has expired.
pub(crate) const PAM_NEW_AUTHTOK_REQD: PamCode = PamCode(12);
/// Items, with the numbers that Linux-PAM gives them.
pub(crate) const PAM_USER: c_int = 2;
/// See [`PAM_USER`].
pub(crate) const PAM_TTY: c_int = 3;
/// See [`PAM_USER`].
pub(crate) const PAM_RUSER: c_int = 8;

impl<P: Person> Pam<P> {
    pub(crate) fn start(service: &CStr, user: &CStr, person: P) -> Result<Self, PamCode> {
        let person = Box::into_raw(Box::new(person));
        let conversation = RawConversation { call: converse::<P>, data: person.cast() };
        let mut handle = ptr::null_mut();
        // SAFETY: NUL-terminated strings and a pam_conv, which libpam copies; `data` in it points to a box that is freed only after
        // pam_end.
        let code =
            unsafe { pam_start(service.as_ptr(), user.as_ptr(), &raw const conversation, &raw mut handle) };
        // Made in any case, so that the box is freed.
        let pam = Self { handle, person, status: code };
        result(code).map(|()| pam)
    }

    pub(crate) fn authenticate(&mut self) -> Result<(), PamCode> {
        // SAFETY: the handle is live until `drop`.
        self.status = unsafe { pam_authenticate(self.handle, 0) };
        result(self.status)
    }

    pub(crate) fn account(&mut self) -> Result<(), PamCode> {
        // SAFETY: as in `authenticate`.
        self.status = unsafe { pam_acct_mgmt(self.handle, 0) };
        result(self.status)
    }

    pub(crate) fn set(&mut self, item: c_int, value: &CStr) -> Result<(), PamCode> {
        // SAFETY: a live handle and a NUL-terminated string, which libpam copies.
        result(unsafe { pam_set_item(self.handle, item, value.as_ptr().cast()) })
    }

    /// Sets a variable of the PAM environment: `NAME=VALUE`.
    pub(crate) fn put_variable(&mut self, assignment: &CStr) -> Result<(), PamCode> {
        // SAFETY: a live handle and a NUL-terminated string, which libpam copies.
        result(unsafe { pam_putenv(self.handle, assignment.as_ptr()) })
    }

    /// PAM_USER, which modules can change.
    pub(crate) fn user(&self) -> Option<String> {
        let mut value = ptr::null();
        // SAFETY: a live handle and room for one pointer.
        let code = unsafe { pam_get_item(self.handle, PAM_USER, &raw mut value) };
        if code != PAM_SUCCESS || value.is_null() {
            return None;
        }
        // SAFETY: this item is a string; it lives until it is set anew, and is copied here.
        unsafe { CStr::from_ptr(value.cast()) }.to_str().ok().map(str::to_owned)
    }
}

impl<P: Person> Drop for Pam<P> {
    fn drop(&mut self) {
        if !self.handle.is_null() {
            // SAFETY: a live handle, which nobody uses again.
            unsafe { pam_end(self.handle, self.status) };
        }
        // SAFETY: made by Box::into_raw in `start`; libpam forgot it in pam_end.
        drop(unsafe { Box::from_raw(self.person) });
    }
}

fn result(code: c_int) -> Result<(), PamCode> {
    if code == PAM_SUCCESS { Ok(()) } else { Err(PamCode(code)) }
}

const PAM_SUCCESS: c_int = 0;
const PAM_BUF_ERR: c_int = 5;
const PAM_CONV_ERR: c_int = 19;
const PAM_PROMPT_ECHO_OFF: c_int = 1;
const PAM_PROMPT_ECHO_ON: c_int = 2;
/// PAM_MAX_NUM_MSG
const MESSAGES_MAX: usize = 32;

enum Handle {}

#[repr(C)]
struct RawMessage {
    style: c_int,
    text: *const c_char,
}

#[repr(C)]
struct RawResponse {
    text: *mut c_char,
    code: c_int,
}

#[repr(C)]
struct RawConversation {
    call: extern "C" fn(c_int, *mut *const RawMessage, *mut *mut RawResponse, *mut c_void) -> c_int,
    data: *mut c_void,
}

#[link(name = "pam")]
unsafe extern "C" {
    fn pam_start(
        service: *const c_char,
        user: *const c_char,
        conversation: *const RawConversation,
        handle: *mut *mut Handle,
    ) -> c_int;
    fn pam_end(handle: *mut Handle, status: c_int) -> c_int;
    fn pam_authenticate(handle: *mut Handle, flags: c_int) -> c_int;
    fn pam_acct_mgmt(handle: *mut Handle, flags: c_int) -> c_int;
    fn pam_set_item(handle: *mut Handle, item: c_int, value: *const c_void) -> c_int;
    fn pam_putenv(handle: *mut Handle, assignment: *const c_char) -> c_int;
    fn pam_get_item(handle: *const Handle, item: c_int, value: *mut *const c_void) -> c_int;
}

/// The conversation function. Whatever goes wrong in it is PAM_CONV_ERR; nothing unwinds into libpam.
extern "C" fn converse<P: Person>(
    count: c_int,
    messages: *mut *const RawMessage,
    responses: *mut *mut RawResponse,
    data: *mut c_void,
) -> c_int {
    let count = match usize::try_from(count) {
        Ok(count) if (1..=MESSAGES_MAX).contains(&count) => count,
        _ => return PAM_CONV_ERR,
    };
    let mut answers = Vec::with_capacity(count);
    for index in 0..count {
        // SAFETY: Linux-PAM passes an array of `count` pointers to messages with NUL-terminated texts, all alive during the call.
        let (style, text) = unsafe {
            let message = &**messages.add(index);
            (message.style, CStr::from_ptr(message.text).to_string_lossy())
        };
        // SAFETY: `data` is the box made in `start`; libpam calls us from one thread and never within the conversation.
        let person = unsafe { &mut *data.cast::<P>() };
        let answer = catch_unwind(AssertUnwindSafe(|| match style {
            PAM_PROMPT_ECHO_OFF => person.answer(&text, Echo::Hidden).map(Some),
            PAM_PROMPT_ECHO_ON => person.answer(&text, Echo::Shown).map(Some),
            _ => person.tell(&text).map(|()| None),
        }));
        match answer {
            Ok(Some(answer)) => answers.push(answer),
            Ok(None) => return PAM_CONV_ERR,
            Err(payload) => {
                std::mem::forget(payload);
                return PAM_CONV_ERR;
            }
        }
    }
    // SAFETY: whoever called the conversation frees array and texts with free(3), so they come from calloc; the array has `count`
    // zeroed entries, of which `zip` never goes beyond the last. What is not handed over is freed.
    unsafe {
        let array = libc::calloc(count, size_of::<RawResponse>()).cast::<RawResponse>();
        if array.is_null() {
            return PAM_BUF_ERR;
        }
        for (index, answer) in (0..count).zip(&answers) {
            let Some(answer) = answer else { continue };
            // A NUL within would end it: what is not whole is no answer.
            let bytes = answer.expose();
            let text = libc::calloc(bytes.len() + 1, 1).cast::<u8>();
            if text.is_null() || bytes.contains(&0) {
                libc::free(text.cast());
                for earlier in 0..index {
                    libc::free((*array.add(earlier)).text.cast());
                }
                libc::free(array.cast());
                return PAM_CONV_ERR;
            }
            ptr::copy_nonoverlapping(bytes.as_ptr(), text, bytes.len());
            (*array.add(index)).text = text.cast();
        }
        *responses = array;
    }
    PAM_SUCCESS
}

#[cfg(test)]
#[path = "ffi_tests.rs"]
mod tests;
