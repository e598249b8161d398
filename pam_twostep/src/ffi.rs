//! All that is unsafe in this module: the six entry points, the calls to libpam that pam-bindings has not, and the standard
//! descriptors.
#![allow(unsafe_code)]

use crate::Twostep;
use crate::phases::Kept;
use libc::{c_char, c_int, c_void};
use pam::constants::{PAM_ERROR_MSG, PAM_SILENT, PAM_TEXT_INFO, PamMessageStyle};
use pam::module::PamHandle;
use std::cell::Cell;
use std::ffi::{CStr, CString};
use twostep_core::secret::Secret;
use zeroize::{Zeroize, Zeroizing};

// Defines pam_sm_authenticate and its five sisters, which check their arguments and hand over to `impl PamHooks for Twostep`.
pam::pam_hooks!(Twostep);

const PAM_SUCCESS: c_int = 0;
const PAM_BUF_ERR: c_int = 5;
const PAM_USER: c_int = 2;
const PAM_CONV: c_int = 5;
const PAM_AUTHTOK: c_int = 6;
const KEPT: &str = "pam_twostep";
const CODE: &str = "pam_twostep code";

unsafe extern "C" {
    fn pam_get_authtok(
        handle: *mut PamHandle,
        item: c_int,
        token: *mut *const c_char,
        prompt: *const c_char,
    ) -> c_int;
    fn pam_set_item(handle: *mut PamHandle, item: c_int, value: *const c_void) -> c_int;
    fn pam_prompt(
        handle: *mut PamHandle,
        style: c_int,
        response: *mut *mut c_char,
        format: *const c_char,
        ...
    ) -> c_int;
    fn pam_getenv(handle: *mut PamHandle, name: *const c_char) -> *const c_char;
}

/// PAM_AUTHTOK, or the answer to one prompt without echo, which becomes PAM_AUTHTOK for the modules after us.
pub(crate) fn password(handle: &mut PamHandle, prompt: &str) -> Option<Secret> {
    let prompt = CString::new(prompt).ok()?;
    let mut token: *const c_char = std::ptr::null();
    // SAFETY: the handle is the one that libpam gave this call; `token` is valid for writing; the prompt ends with NUL and outlives
    // the call.
    let code = unsafe { pam_get_authtok(handle, PAM_AUTHTOK, &raw mut token, prompt.as_ptr()) };
    if code != PAM_SUCCESS || token.is_null() {
        return None;
    }
    // SAFETY: on success libpam has set it to its own NUL-terminated copy, which lives until the item is set anew; it is copied here.
    let bytes = unsafe { CStr::from_ptr(token) }.to_bytes();
    Some(Secret::new(bytes.to_vec()))
}

/// One question, of which nothing is left behind: libpam wipes its copy of the prompt, which may have a secret in it, and here the answer
/// is wiped. No answer at all is an empty one; none where the service could not ask.
pub(crate) fn ask(handle: &mut PamHandle, style: PamMessageStyle, prompt: &str) -> Option<Secret> {
    let bytes = with_nul(prompt.as_bytes());
    let prompt = CStr::from_bytes_with_nul(&bytes).ok()?;
    let mut response: *mut c_char = std::ptr::null_mut();
    // SAFETY: the handle is the one that libpam gave this call; `response` is valid for writing; the format takes one string, and prompt
    // and format end with NUL and outlive the call.
    let code = unsafe {
        pam_prompt(std::ptr::from_mut(handle), style, &raw mut response, c"%s".as_ptr(), prompt.as_ptr())
    };
    // What a conversation leaves behind that says it has failed is not touched: it may have freed it.
    (code == PAM_SUCCESS).then(|| taken(response).unwrap_or_else(|| Secret::new(Vec::new())))
}

/// Copies a response, wipes it and frees it.
fn taken(response: *mut c_char) -> Option<Secret> {
    if response.is_null() {
        return None;
    }
    // SAFETY: what a conversation returns is a NUL-terminated string from malloc(3), which is ours now (pam_conv(3)).
    let length = unsafe { CStr::from_ptr(response) }.to_bytes().len();
    // SAFETY: those bytes are that string's, and nobody else reads or writes them.
    let bytes = unsafe { std::slice::from_raw_parts_mut(response.cast::<u8>(), length) };
    let answer = Secret::new(bytes.to_vec());
    bytes.zeroize();
    // SAFETY: see above; it is not used again.
    unsafe { libc::free(response.cast()) };
    Some(answer)
}

fn with_nul(text: &[u8]) -> Zeroizing<Vec<u8>> {
    // Its room is made at once: a vector that grows leaves copies of itself behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() + 1));
    bytes.extend_from_slice(text);
    bytes.push(0);
    bytes
}

/// Sets PAM_AUTHTOK, for the modules after us.
#[must_use]
pub(crate) fn set_password(handle: &mut PamHandle, password: &Secret) -> bool {
    let bytes = with_nul(password.expose());
    let Ok(text) = CStr::from_bytes_with_nul(&bytes) else { return false };
    // SAFETY: the handle is the one that libpam gave this call; the value ends with NUL, and libpam copies it.
    unsafe { pam_set_item(handle, PAM_AUTHTOK, text.as_ptr().cast()) == PAM_SUCCESS }
}

/// Sets PAM_USER, for the modules after us and the service.
#[must_use]
pub(crate) fn set_user(handle: &mut PamHandle, user: &str) -> bool {
    let Ok(user) = CString::new(user) else { return false };
    // SAFETY: the handle is the one that libpam gave this call; the value ends with NUL, and libpam copies it.
    unsafe { pam_set_item(handle, PAM_USER, user.as_ptr().cast()) == PAM_SUCCESS }
}

/// A variable of the PAM environment, which is not the process's.
pub(crate) fn environment(handle: &PamHandle, name: &CStr) -> Option<Vec<u8>> {
    // SAFETY: pam_getenv reads the handle and changes nothing; the name ends with NUL.
    let value = unsafe { pam_getenv(std::ptr::from_ref(handle).cast_mut(), name.as_ptr()) };
    if value.is_null() {
        return None;
    }
    // SAFETY: libpam returns a NUL-terminated string of its own; it is copied before libpam is called again.
    Some(unsafe { CStr::from_ptr(value) }.to_bytes().to_vec())
}

/// Drops what an earlier auth phase left on the handle.
#[must_use]
pub(crate) fn forget_kept(handle: &mut PamHandle) -> bool {
    handle.set_data::<Option<Kept>>(KEPT, Box::new(None)).is_ok()
}

/// Leaves something for the account phase.
#[must_use]
pub(crate) fn keep(handle: &mut PamHandle, kept: Kept) -> bool {
    handle.set_data::<Option<Kept>>(KEPT, Box::new(Some(kept))).is_ok()
}

/// What the auth phase left.
pub(crate) fn kept(handle: &PamHandle) -> Option<Kept> {
    // SAFETY: under this name only the two functions above store, and both store an `Option<Kept>`. Another module that used the
    // name could break this, as it could anything in the process.
    unsafe { handle.get_data::<Option<Kept>>(KEPT) }.ok().and_then(Clone::clone)
}

/// Keeps a code that came with the password for the line after the password modules, or forgets the one that was kept.
#[must_use]
pub(crate) fn keep_code(handle: &mut PamHandle, code: Option<Secret>) -> bool {
    handle.set_data::<Option<Secret>>(CODE, Box::new(code)).is_ok()
}

/// Takes the code that came with the password. It is there once. None where there is none.
pub(crate) fn take_code(handle: &mut PamHandle) -> Option<Secret> {
    // SAFETY: under this name only the function above stores, and it stores an `Option<Secret>`.
    let code = unsafe { handle.get_data::<Option<Secret>>(CODE) }.ok().and_then(Clone::clone)?;
    keep_code(handle, None).then_some(code)
}

/// Whether sshd shows, in its account phase, that it has had PAM ask for a password on this handle. It says nothing of its last method, but
/// its conversation has data while keyboard-interactive asks, and has none after a key; and pam_unix notes for its own account phase that it
/// was called. A sign that is not there proves nothing: words hang on this, and no verdict does.
pub(crate) fn has_authenticated(handle: &PamHandle) -> bool {
    let mut conversation: *const c_void = std::ptr::null();
    // SAFETY: the handle is the one that libpam gave this call; `conversation` is valid for writing.
    let found = unsafe { pam_get_item(handle, PAM_CONV, &raw mut conversation) } == PAM_SUCCESS;
    // SAFETY: libpam's own copy of a `struct pam_conv`, or null.
    let talk = unsafe { conversation.cast::<Conversation>().as_ref() };
    let mut noted: *const c_void = std::ptr::null();
    // SAFETY: as above; the name ends with NUL. What is noted is another module's, and not looked at.
    let by_unix = unsafe { pam_get_data(handle, c"unix_setcred_return".as_ptr(), &raw mut noted) };
    (found && talk.is_some_and(|talk| !talk.data.is_null())) || by_unix == PAM_SUCCESS
}

/// PAM_SERVICE, PAM_USER, PAM_TTY, PAM_RHOST, PAM_RUSER, PAM_XDISPLAY: what the modules of an account phase judge a login by.
const DESCRIBES_LOGIN: [c_int; 6] = [1, PAM_USER, 3, 4, 8, 11];
const PAM_NEW_AUTHTOK_REQD: c_int = 12;
const PAM_CONV_ERR: c_int = 19;

/// `struct pam_message`
#[repr(C)]
struct Message {
    style: c_int,
    text: *const c_char,
}

/// `struct pam_response`
#[repr(C)]
struct Response {
    text: *mut c_char,
    code: c_int,
}

/// `struct pam_conv`. A service's own may have no function, which is null.
#[repr(C)]
struct Conversation {
    converse:
        Option<unsafe extern "C" fn(c_int, *const *const Message, *mut *mut c_void, *mut c_void) -> c_int>,
    data: *mut c_void,
}

unsafe extern "C" {
    fn pam_start(
        service: *const c_char,
        user: *const c_char,
        conversation: *const Conversation,
        handle: *mut *mut PamHandle,
    ) -> c_int;
    fn pam_end(handle: *mut PamHandle, code: c_int) -> c_int;
    fn pam_acct_mgmt(handle: *mut PamHandle, flags: c_int) -> c_int;
    fn pam_get_item(handle: *const PamHandle, item: c_int, value: *mut *const c_void) -> c_int;
    fn pam_get_data(handle: *const PamHandle, name: *const c_char, data: *mut *const c_void) -> c_int;
}

thread_local! {
    /// The handle on which [`account_accepts`] is asking, while it does.
    static TRIAL: Cell<*const PamHandle> = const { Cell::new(std::ptr::null()) };
}

/// Whether it is [`account_accepts`] that has called this phase.
pub(crate) fn is_trial(handle: &PamHandle) -> bool {
    std::ptr::eq(TRIAL.get(), handle)
}

/// Asks libpam, on a handle of its own, whether the account phase of this login would let it in, so that the modules behind our line have
/// their say before ours has done anything. Nobody is asked or told anything. An expired password is for the service to have changed.
pub(crate) fn account_accepts(handle: &PamHandle) -> bool {
    let item = |item| {
        let mut value: *const c_void = std::ptr::null();
        // SAFETY: the handle is the one that libpam gave this call; `value` is valid for writing. The value is libpam's, and lives
        // until the item is set, which nobody does meanwhile.
        let code = unsafe { pam_get_item(handle, item, &raw mut value) };
        if code == PAM_SUCCESS { value } else { std::ptr::null() }
    };
    let [service, user, ..] = DESCRIBES_LOGIN.map(item);
    let mut trial: *mut PamHandle = std::ptr::null_mut();
    let silent = Conversation { converse: Some(ask_nobody), data: std::ptr::null_mut() };
    if service.is_null() || user.is_null() {
        return false;
    }
    // SAFETY: service and user are NUL-terminated strings of libpam's; it copies them and the conversation; `trial` is valid for writing.
    let begun = unsafe { pam_start(service.cast(), user.cast(), &raw const silent, &raw mut trial) };
    if begun != PAM_SUCCESS || trial.is_null() {
        return false;
    }
    for (number, value) in DESCRIBES_LOGIN.into_iter().zip(DESCRIBES_LOGIN.map(item)).skip(2) {
        if !value.is_null() {
            // SAFETY: `trial` was begun above; all these items are NUL-terminated strings, which libpam copies.
            unsafe { pam_set_item(trial, number, value) };
        }
    }
    TRIAL.set(trial);
    // SAFETY: `trial` was begun above, and is ended once, below.
    let code = unsafe { pam_acct_mgmt(trial, PAM_SILENT as c_int) };
    TRIAL.set(std::ptr::null());
    // SAFETY: as above; it is not used again.
    unsafe { pam_end(trial, code) };
    matches!(code, PAM_SUCCESS | PAM_NEW_AUTHTOK_REQD)
}

/// The conversation of [`account_accepts`]: it cannot ask, and swallows what is told. To that it answers as services do: there are modules
/// that look into the answer to a message.
unsafe extern "C" fn ask_nobody(
    count: c_int,
    messages: *const *const Message,
    responses: *mut *mut c_void,
    _: *mut c_void,
) -> c_int {
    let Some(number) = usize::try_from(count).ok().filter(|number| *number > 0) else { return PAM_CONV_ERR };
    if messages.is_null() {
        return PAM_CONV_ERR;
    }
    for at in 0..number {
        // SAFETY: libpam hands over `count` pointers to messages (pam_conv(3)).
        let message = unsafe { (*messages.add(at)).as_ref() };
        if !message.is_some_and(|message| matches!(message.style, PAM_TEXT_INFO | PAM_ERROR_MSG)) {
            return PAM_CONV_ERR;
        }
    }
    if !responses.is_null() {
        // SAFETY: calloc takes no pointer. All zeros are answers without a text.
        let empty = unsafe { libc::calloc(number, size_of::<Response>()) };
        if empty.is_null() {
            return PAM_BUF_ERR;
        }
        // SAFETY: it is valid for writing (pam_conv(3)). Whoever calls frees what is there.
        unsafe { *responses = empty };
    }
    PAM_SUCCESS
}

/// While it lives, this thread is not cancelled: the C library's unwinding cannot pass through Rust, and would abort the whole process. A
/// thread that is to be cancelled is so once this is over.
pub(crate) struct Uncancelled {
    before: c_int,
}

/// `PTHREAD_CANCEL_DISABLE`, as glibc has it on every architecture.
const CANCEL_DISABLE: c_int = 1;

unsafe extern "C" {
    fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
}

impl Uncancelled {
    pub(crate) fn new() -> Self {
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

/// Keeps descriptors 0 to 2 taken while we work: in a service that runs with one of them closed, SQLite would open and leave
/// `/dev/null` there.
pub(crate) struct StandardDescriptors {
    filled: Vec<c_int>,
}

impl StandardDescriptors {
    /// Fills those that are closed.
    pub(crate) fn fill() -> Self {
        let mut filled = Vec::new();
        for descriptor in 0..=2 {
            // SAFETY: F_GETFD takes no pointer; on a closed descriptor it fails and does nothing.
            if unsafe { libc::fcntl(descriptor, libc::F_GETFD) } != -1 {
                continue;
            }
            // SAFETY: the path ends with NUL. The lowest free descriptor is taken, which is this one or another of the three.
            let opened = unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) };
            if opened >= 0 {
                filled.push(opened);
            }
        }
        Self { filled }
    }
}

impl Drop for StandardDescriptors {
    fn drop(&mut self) {
        for descriptor in &self.filled {
            // SAFETY: we opened it and gave it to nobody.
            unsafe { libc::close(*descriptor) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_that_looks_into_the_answer_to_a_message_finds_one_and_no_question_is_answered() {
        let says = |style| {
            let message = Message { style, text: c"your password expires soon".as_ptr() };
            let mut responses: *mut c_void = std::ptr::null_mut();
            let messages = [&raw const message];
            // SAFETY: one message, and a place for its answer.
            let code = unsafe { ask_nobody(1, messages.as_ptr(), &raw mut responses, std::ptr::null_mut()) };
            // SAFETY: null, or room for one answer, which is freed below.
            let answer = unsafe { responses.cast::<Response>().as_ref() }.map(|one| one.text.is_null());
            // SAFETY: null, or from calloc; not used again.
            unsafe { libc::free(responses) };
            (code, answer)
        };
        for told in [PAM_TEXT_INFO, PAM_ERROR_MSG] {
            assert_eq!(says(told), (PAM_SUCCESS, Some(true)));
        }
        // Hidden, shown, a choice, bytes.
        for asked in [1, 2, 5, 7] {
            assert_eq!(says(asked), (PAM_CONV_ERR, None));
        }
        // No messages, none where there should be some, and one that is null.
        for (count, messages) in
            [(0, std::ptr::null()), (1, std::ptr::null()), (1, [std::ptr::null()].as_ptr())]
        {
            // SAFETY: null, or as many messages as said; and no place for an answer.
            let none = unsafe { ask_nobody(count, messages, std::ptr::null_mut(), std::ptr::null_mut()) };
            assert_eq!(none, PAM_CONV_ERR);
        }
    }

    #[test]
    fn a_conversation_is_looked_at_whatever_is_missing_in_it() {
        let mut something = 0;
        let something: *mut c_void = (&raw mut something).cast();
        for (data, expected) in [(std::ptr::null_mut(), false), (something, true)] {
            let conversation = Conversation { converse: None, data };
            let mut handle: *mut PamHandle = std::ptr::null_mut();
            // SAFETY: the strings end with NUL; libpam copies them and the conversation; `handle` is valid for writing.
            let begun = unsafe {
                pam_start(c"sshd".as_ptr(), c"alice".as_ptr(), &raw const conversation, &raw mut handle)
            };
            assert_eq!(begun, PAM_SUCCESS);
            // SAFETY: it was begun just now.
            assert_eq!(has_authenticated(unsafe { &*handle }), expected);
            // SAFETY: not used again.
            unsafe { pam_end(handle, PAM_SUCCESS) };
        }
    }
}
