//! All that is unsafe in the broker: descriptors that others have opened for us, and libpam as a program calls it.
#![allow(unsafe_code)]

use libc::{c_char, c_int, c_void};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use std::borrow::Cow;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
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

/// Sets the access control list of a file, which is no symbolic link.
pub(crate) fn set_access_list(path: &Path, list: &[u8]) -> Result<(), Errno> {
    let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
    // SAFETY: two NUL-terminated strings, and a live buffer of the length given.
    Errno::result(unsafe {
        let name = c"system.posix_acl_access".as_ptr();
        libc::lsetxattr(path.as_ptr(), name, list.as_ptr().cast(), list.len(), 0)
    })
    .map(drop)
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
const PAM_TEXT_INFO: c_int = 4;
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
    if messages.is_null() || responses.is_null() || data.is_null() {
        return PAM_CONV_ERR;
    }
    let mut answers = Vec::with_capacity(count);
    for index in 0..count {
        // SAFETY: Linux-PAM passes an array of `count` pointers to messages, all alive during the call.
        let Some((style, text)) = (unsafe { text_of(*messages.add(index)) }) else { return PAM_CONV_ERR };
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
    // A NUL within would end it: what is not whole is no answer.
    if answers.iter().flatten().any(|answer| answer.expose().contains(&0)) {
        return PAM_CONV_ERR;
    }
    // SAFETY: whoever called the conversation frees array and texts with free(3), so they come from calloc; the array has `count`
    // zeroed entries, of which `zip` never goes beyond the last.
    unsafe {
        let array = libc::calloc(count, size_of::<RawResponse>()).cast::<RawResponse>();
        if array.is_null() {
            return PAM_BUF_ERR;
        }
        for (index, answer) in (0..count).zip(&answers) {
            let Some(answer) = answer else { continue };
            let bytes = answer.expose();
            let text = libc::calloc(bytes.len() + 1, 1).cast::<u8>();
            if text.is_null() {
                discard(array, index);
                return PAM_BUF_ERR;
            }
            ptr::copy_nonoverlapping(bytes.as_ptr(), text, bytes.len());
            (*array.add(index)).text = text.cast();
        }
        *responses = array;
    }
    PAM_SUCCESS
}

/// Style and text of a message. None for what is no text: a binary prompt or a choice (PAM_BINARY_PROMPT, PAM_RADIO_TYPE), whose bytes end
/// with no NUL, and what libpam does not know itself.
///
/// # Safety
/// Null, or a message of libpam's whose text, where it is one, ends with a NUL.
unsafe fn text_of<'m>(message: *const RawMessage) -> Option<(c_int, Cow<'m, str>)> {
    // SAFETY: as the caller promises.
    unsafe {
        let RawMessage { style, text } = *message.as_ref()?;
        let is_text = (PAM_PROMPT_ECHO_OFF..=PAM_TEXT_INFO).contains(&style) && !text.is_null();
        is_text.then(|| (style, CStr::from_ptr(text).to_string_lossy()))
    }
}

/// Wipes the first `filled` texts and frees all.
///
/// # Safety
/// The array and its texts are calloc's; a text is null or ends with a NUL.
unsafe fn discard(array: *mut RawResponse, filled: usize) {
    // SAFETY: as the caller promises.
    unsafe {
        for index in 0..filled {
            let text = (*array.add(index)).text;
            if !text.is_null() {
                libc::explicit_bzero(text.cast(), libc::strlen(text));
                libc::free(text.cast());
            }
        }
        libc::free(array.cast());
    }
}

#[cfg(test)]
#[path = "ffi_tests.rs"]
mod tests;
