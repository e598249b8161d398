//! libpam's C interface, as a program sees it that asks for a login; the kernel's word for its clock; and descriptors of whoever has started
//! us. All unsafe code of this crate is here.

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;
use zeroize::Zeroizing;

/// What a module says or asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// A question whose answer is not shown.
    Hidden,
    /// A question.
    Shown,
    /// A message about something that went wrong.
    Error,
    /// A message.
    Info,
}

/// Who answers.
pub(crate) trait Person {
    /// The answer to a question; whatever it is, after a message. None ends the conversation.
    fn hear(&mut self, style: Style, text: &str) -> Option<Zeroizing<String>>;
}

/// An item of the handle that is a text.
#[derive(Clone, Copy, Debug)]
#[repr(i32)]
pub(crate) enum Item {
    User = 2,
    Tty = 3,
    Rhost = 4,
    Ruser = 8,
}

/// A phase that changes nothing by itself.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Phase {
    Auth,
    Account,
}

/// Has no descriptor but the first three outlive an exec, whoever has opened it. A kernel before 5.11 leaves them as they are.
pub(crate) fn keep_descriptors_to_ourselves() {
    // SAFETY: it marks descriptors, closes none, and reads no memory of ours. glibc before 2.34 has no function for it.
    // An older kernel has no such call, and there is no other way for all of them at once.
    let _best_effort =
        unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
}

const PAM_SUCCESS: c_int = 0;
const PAM_BUF_ERR: c_int = 5;
const PAM_CONV_ERR: c_int = 19;

#[repr(C)]
struct Message {
    style: c_int,
    text: *const c_char,
}

#[repr(C)]
struct Response {
    text: *mut c_char,
    retcode: c_int,
}

#[repr(C)]
struct Conversation {
    call: extern "C" fn(c_int, *mut *const Message, *mut *mut Response, *mut c_void) -> c_int,
    data: *mut c_void,
}

enum RawHandle {}

#[link(name = "pam")]
unsafe extern "C" {
    fn pam_start(
        service: *const c_char,
        user: *const c_char,
        conversation: *const Conversation,
        handle: *mut *mut RawHandle,
    ) -> c_int;
    fn pam_end(handle: *mut RawHandle, status: c_int) -> c_int;
    fn pam_authenticate(handle: *mut RawHandle, flags: c_int) -> c_int;
    fn pam_acct_mgmt(handle: *mut RawHandle, flags: c_int) -> c_int;
    fn pam_set_item(handle: *mut RawHandle, item: c_int, value: *const c_void) -> c_int;
    fn pam_get_item(handle: *const RawHandle, item: c_int, value: *mut *const c_void) -> c_int;
}

/// While this is held, the keys that end a program at the terminal do not end this one: they are the editor's.
pub(crate) struct WithoutInterrupts([(Signal, SigAction); 2]);

impl WithoutInterrupts {
    /// A child that was started before keeps them.
    pub(crate) fn begin() -> nix::Result<Self> {
        let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
        let set = |signal| {
            // SAFETY: ignoring a signal runs no code of ours.
            unsafe { sigaction(signal, &ignore) }.map(|before| (signal, before))
        };
        Ok(Self([set(Signal::SIGINT)?, set(Signal::SIGQUIT)?]))
    }
}

impl Drop for WithoutInterrupts {
    fn drop(&mut self) {
        for (signal, before) in &self.0 {
            // SAFETY: it is what was there before; this program has no handlers. It fails for a signal that does not exist only.
            let _ = unsafe { sigaction(*signal, before) };
        }
    }
}

/// Whether something (NTP, as a rule) keeps this host's clock, by the kernel's word (adjtimex(2)). Where it gives none, it is taken to be so.
pub(crate) fn clock_is_synchronised() -> bool {
    // SAFETY: timex is plain data for which all zeroes is a value; with no mode set, the call only fills it in.
    let (state, status) = unsafe {
        let mut clock: libc::timex = std::mem::zeroed();
        (libc::adjtimex(&mut clock), clock.status)
    };
    state == -1 || (state != libc::TIME_ERROR && status & libc::STA_UNSYNC == 0)
}

/// A PAM transaction.
pub(crate) struct Handle {
    raw: *mut RawHandle,
    /// Made by `Box::into_raw`: libpam holds the pointer as long as the handle lives.
    person: *mut Box<dyn Person>,
    last: c_int,
}

impl Handle {
    /// pam_start(3).
    ///
    /// # Errors
    /// What it returns.
    pub(crate) fn start(service: &str, user: &str, person: Box<dyn Person>) -> Result<Self, c_int> {
        let text = |value: &str| CString::new(value).map_err(|_| PAM_CONV_ERR);
        let (service, user) = (text(service)?, text(user)?);
        let person = Box::into_raw(Box::new(person));
        let conversation = Conversation { call: converse, data: person.cast() };
        let mut raw = ptr::null_mut();
        // SAFETY: two NUL-terminated strings and a pam_conv, all of which libpam copies; `data` in it points to a box that is freed
        // only after pam_end, in `drop`.
        let status = unsafe { pam_start(service.as_ptr(), user.as_ptr(), &conversation, &mut raw) };
        let handle = Self { raw, person, last: status };
        if status == PAM_SUCCESS { Ok(handle) } else { Err(status) }
    }

    /// pam_authenticate(3) or pam_acct_mgmt(3).
    pub(crate) fn call(&mut self, phase: Phase) -> c_int {
        // SAFETY: the handle is live until pam_end in `drop`.
        self.last = unsafe {
            match phase {
                Phase::Auth => pam_authenticate(self.raw, 0),
                Phase::Account => pam_acct_mgmt(self.raw, 0),
            }
        };
        self.last
    }

    /// pam_set_item(3). A text that can be none is left out.
    pub(crate) fn set(&mut self, item: Item, value: &str) {
        let Ok(value) = CString::new(value) else { return };
        // SAFETY: a live handle and a NUL-terminated string, which libpam copies.
        unsafe { pam_set_item(self.raw, item as c_int, value.as_ptr().cast()) };
    }

    /// pam_get_item(3).
    pub(crate) fn get(&self, item: Item) -> Option<String> {
        let mut value = ptr::null();
        // SAFETY: a live handle and room for one pointer.
        let status = unsafe { pam_get_item(self.raw, item as c_int, &mut value) };
        if status != PAM_SUCCESS || value.is_null() {
            return None;
        }
        // SAFETY: every [`Item`] is a string; it is valid until it is set again, and copied here.
        Some(unsafe { CStr::from_ptr(value.cast()) }.to_string_lossy().into_owned())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if !self.raw.is_null() {
            // SAFETY: a live handle, which nobody uses after this.
            unsafe { pam_end(self.raw, self.last) };
        }
        // SAFETY: made by Box::into_raw in `start`; libpam has forgotten it in pam_end.
        drop(unsafe { Box::from_raw(self.person) });
    }
}

extern "C" fn converse(
    count: c_int,
    messages: *mut *const Message,
    responses: *mut *mut Response,
    data: *mut c_void,
) -> c_int {
    let Some(count) = usize::try_from(count).ok().filter(|count| (1..=32).contains(count)) else {
        return PAM_CONV_ERR;
    };
    if messages.is_null() || responses.is_null() || data.is_null() {
        return PAM_CONV_ERR;
    }
    // SAFETY: `data` is what `start` gave libpam, a box that lives until pam_end; only libpam's calls come here, one at a time.
    let person = unsafe { &mut *data.cast::<Box<dyn Person>>() };
    // SAFETY: calloc of a nonzero size; whoever called frees array and texts with free(3).
    let array = unsafe { libc::calloc(count, size_of::<Response>()) }.cast::<Response>();
    if array.is_null() {
        return PAM_BUF_ERR;
    }
    for index in 0..count {
        // SAFETY: Linux-PAM hands over an array of `count` pointers to messages; in those that are read here the text ends with a NUL.
        let (style, text) = unsafe {
            match (*messages.add(index)).as_ref() {
                Some(message) if (1..=4).contains(&message.style) && !message.text.is_null() => {
                    (message.style, CStr::from_ptr(message.text).to_string_lossy().into_owned())
                }
                _ => (0, String::new()),
            }
        };
        let answer = match style {
            1 => person.hear(Style::Hidden, &text),
            2 => person.hear(Style::Shown, &text),
            3 => person.hear(Style::Error, &text),
            4 => person.hear(Style::Info, &text),
            // What there is besides, a binary prompt or a choice, is no text, and nobody at a terminal could answer it.
            _ => None,
        };
        let copied = answer.map(|answer| copy(&answer)).filter(|copy| !copy.is_null());
        let Some(copied) = copied else {
            free(array, index);
            return PAM_CONV_ERR;
        };
        // SAFETY: `index` is below `count`, the length of the zeroed array.
        unsafe { (*array.add(index)).text = copied };
    }
    // SAFETY: room for one pointer, as the interface has it.
    unsafe { *responses = array };
    PAM_SUCCESS
}

/// In malloc's memory, up to a NUL; null where there is none.
fn copy(text: &str) -> *mut c_char {
    let bytes = text.as_bytes();
    // SAFETY: room for the text and a NUL, both written within it.
    unsafe {
        let copy = libc::malloc(bytes.len() + 1).cast::<u8>();
        if !copy.is_null() {
            ptr::copy_nonoverlapping(bytes.as_ptr(), copy, bytes.len());
            *copy.add(bytes.len()) = 0;
        }
        copy.cast()
    }
}

/// Gives back an array whose first `filled` texts are there, and wipes them.
fn free(array: *mut Response, filled: usize) {
    for index in 0..filled {
        // SAFETY: made by calloc with more than `filled` entries, whose texts come from `copy` and end with a NUL.
        unsafe {
            let text = (*array.add(index)).text;
            libc::explicit_bzero(text.cast(), libc::strlen(text));
            libc::free(text.cast());
        }
    }
    // SAFETY: from calloc, and nobody has it but us.
    unsafe { libc::free(array.cast()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Parrot;

    impl Person for Parrot {
        fn hear(&mut self, _: Style, text: &str) -> Option<Zeroizing<String>> {
            Some(Zeroizing::new(text.to_owned()))
        }
    }

    /// What a message of this style is told, and the answer.
    fn told(style: c_int, text: &[u8]) -> (c_int, Option<String>) {
        let mut person: Box<dyn Person> = Box::new(Parrot);
        let message = Message { style, text: text.as_ptr().cast() };
        let (mut messages, mut responses): ([*const Message; 1], _) = ([&message], ptr::null_mut());
        let data = (&raw mut person).cast();
        let status = converse(1, messages.as_mut_ptr(), &mut responses, data);
        if responses.is_null() {
            return (status, None);
        }
        // SAFETY: converse has made an array of one response with a text that ends with a NUL.
        let answer = unsafe { CStr::from_ptr((*responses).text) }.to_string_lossy().into_owned();
        free(responses, 1);
        (status, Some(answer))
    }

    #[test]
    fn what_is_no_text_is_not_read_as_one() {
        for style in 1..=4 {
            assert_eq!(told(style, b"text\0"), (PAM_SUCCESS, Some("text".to_owned())));
        }
        // Linux-PAM's radio type and binary prompt, and nothing that there is.
        for style in [0, 5, 7, -1] {
            assert_eq!(told(style, b"\xffno text"), (PAM_CONV_ERR, None));
        }
        let mut person: Box<dyn Person> = Box::new(Parrot);
        let no_text = Message { style: 1, text: ptr::null() };
        for message in [&raw const no_text, ptr::null()] {
            let (mut messages, mut responses) = ([message], ptr::null_mut());
            let data = (&raw mut person).cast();
            assert_eq!(converse(1, messages.as_mut_ptr(), &mut responses, data), PAM_CONV_ERR);
            assert!(responses.is_null());
        }
    }
}
