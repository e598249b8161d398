//! libpam's C interface, as an application sees it.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;
use std::ptr;

/// What a conversation returns for one message.
pub(crate) enum Response {
    /// These bytes and a NUL.
    Bytes(Vec<u8>),
    /// A null pointer in place of the text.
    Null,
}

/// Gets each call of the conversation whole: style and text of every message. An error is the code the conversation function
/// returns instead of responses; `Ok(None)` is success without a response array.
pub(crate) trait Conversation {
    fn converse(&mut self, messages: &[(c_int, Vec<u8>)]) -> Result<Option<Vec<Response>>, c_int>;
}

const PAM_SUCCESS: c_int = 0;
const PAM_BUF_ERR: c_int = 5;

#[repr(C)]
struct Message {
    style: c_int,
    text: *const c_char,
}

#[repr(C)]
struct RawResponse {
    text: *mut c_char,
    retcode: c_int,
}

#[repr(C)]
struct RawConversation {
    call: extern "C" fn(c_int, *mut *const Message, *mut *mut RawResponse, *mut c_void) -> c_int,
    data: *mut c_void,
}

enum RawHandle {}

#[link(name = "pam")]
unsafe extern "C" {
    fn pam_start_confdir(
        service: *const c_char,
        user: *const c_char,
        conversation: *const RawConversation,
        folder: *const c_char,
        handle: *mut *mut RawHandle,
    ) -> c_int;
    fn pam_end(handle: *mut RawHandle, status: c_int) -> c_int;
    fn pam_authenticate(handle: *mut RawHandle, flags: c_int) -> c_int;
    fn pam_setcred(handle: *mut RawHandle, flags: c_int) -> c_int;
    fn pam_acct_mgmt(handle: *mut RawHandle, flags: c_int) -> c_int;
    fn pam_open_session(handle: *mut RawHandle, flags: c_int) -> c_int;
    fn pam_close_session(handle: *mut RawHandle, flags: c_int) -> c_int;
    fn pam_chauthtok(handle: *mut RawHandle, flags: c_int) -> c_int;
    fn pam_set_item(handle: *mut RawHandle, item: c_int, value: *const c_void) -> c_int;
    fn pam_get_item(handle: *const RawHandle, item: c_int, value: *mut *const c_void) -> c_int;
    fn pam_putenv(handle: *mut RawHandle, pair: *const c_char) -> c_int;
    fn pam_getenvlist(handle: *mut RawHandle) -> *mut *mut c_char;
}

/// The calls that take nothing but flags.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    Authenticate,
    SetCred,
    AcctMgmt,
    OpenSession,
    CloseSession,
    ChAuthTok,
}

/// A PAM handle with its conversation.
pub(crate) struct Handle<C: Conversation> {
    raw: *mut RawHandle,
    /// Made by `Box::into_raw`: libpam holds the pointer as long as the handle lives.
    conversation: *mut C,
}

impl<C: Conversation> Handle<C> {
    pub(crate) fn start(
        service: &str,
        user: Option<&str>,
        folder: Option<&Path>,
        conversation: C,
    ) -> Result<Self, c_int> {
        let text = |value: &str| CString::new(value).unwrap_or_default();
        let (service, user) = (text(service), user.map(text));
        let folder = folder.map(|folder| text(&folder.display().to_string()));
        let conversation = Box::into_raw(Box::new(conversation));
        let raw_conversation = RawConversation { call: converse::<C>, data: conversation.cast() };
        let mut raw = ptr::null_mut();
        // SAFETY: NUL-terminated strings (user and folder may be null) and a pam_conv, all of which libpam copies; `data` in it points to a
        // box that is freed only after pam_end.
        let status = unsafe {
            pam_start_confdir(
                service.as_ptr(),
                user.as_ref().map_or(ptr::null(), |user| user.as_ptr()),
                &raw_conversation,
                folder.as_ref().map_or(ptr::null(), |folder| folder.as_ptr()),
                &mut raw,
            )
        };
        let handle = Self { raw, conversation };
        if status == PAM_SUCCESS { Ok(handle) } else { Err(status) }
    }

    pub(crate) fn call(&mut self, call: Call, flags: c_int) -> c_int {
        let function = match call {
            Call::Authenticate => pam_authenticate,
            Call::SetCred => pam_setcred,
            Call::AcctMgmt => pam_acct_mgmt,
            Call::OpenSession => pam_open_session,
            Call::CloseSession => pam_close_session,
            Call::ChAuthTok => pam_chauthtok,
        };
        // SAFETY: the handle is live until pam_end in `end` or `drop`.
        unsafe { function(self.raw, flags) }
    }

    pub(crate) fn set_item(&mut self, item: c_int, value: Option<&[u8]>) -> c_int {
        let value = value.map(|bytes| CString::new(bytes).unwrap_or_default());
        let pointer = value.as_ref().map_or(ptr::null(), |value| value.as_ptr());
        // SAFETY: a live handle and a NUL-terminated string, which libpam copies, or null, which unsets the item.
        unsafe { pam_set_item(self.raw, item, pointer.cast()) }
    }

    pub(crate) fn item(&self, item: c_int) -> Option<Vec<u8>> {
        let mut value = ptr::null();
        // SAFETY: a live handle and room for one pointer.
        let status = unsafe { pam_get_item(self.raw, item, &mut value) };
        if status != PAM_SUCCESS || value.is_null() {
            return None;
        }
        // SAFETY: only asked for items that are strings; valid until the item is set again, and copied here.
        Some(unsafe { CStr::from_ptr(value.cast()) }.to_bytes().to_vec())
    }

    pub(crate) fn put_env(&mut self, pair: &str) -> c_int {
        let pair = CString::new(pair).unwrap_or_default();
        // SAFETY: a live handle and a NUL-terminated string, which libpam copies.
        unsafe { pam_putenv(self.raw, pair.as_ptr()) }
    }

    pub(crate) fn env(&mut self) -> Vec<String> {
        let mut pairs = Vec::new();
        // SAFETY: a live handle. The result is a malloc'd, null-terminated array of malloc'd strings, ours to free.
        unsafe {
            let list = pam_getenvlist(self.raw);
            let mut next = list;
            while !next.is_null() && !(*next).is_null() {
                pairs.push(CStr::from_ptr(*next).to_string_lossy().into_owned());
                libc::free((*next).cast());
                next = next.add(1);
            }
            libc::free(list.cast());
        }
        pairs
    }

    pub(crate) fn conversation(&self) -> &C {
        // SAFETY: made by Box::into_raw, freed only in `drop`. libpam's callback, the only other user, does not run now.
        unsafe { &*self.conversation }
    }

    pub(crate) fn conversation_mut(&mut self) -> &mut C {
        // SAFETY: as in `conversation`, and `self` is borrowed mutably.
        unsafe { &mut *self.conversation }
    }

    pub(crate) fn end(&mut self, status: c_int) -> c_int {
        let raw = std::mem::replace(&mut self.raw, ptr::null_mut());
        if raw.is_null() {
            return PAM_SUCCESS;
        }
        // SAFETY: a live handle, which nobody uses again: `raw` is null from now on.
        unsafe { pam_end(raw, status) }
    }
}

impl<C: Conversation> Drop for Handle<C> {
    fn drop(&mut self) {
        self.end(PAM_SUCCESS);
        // SAFETY: made by Box::into_raw in `start`; libpam forgot it in pam_end.
        drop(unsafe { Box::from_raw(self.conversation) });
    }
}

extern "C" fn converse<C: Conversation>(
    count: c_int,
    messages: *mut *const Message,
    responses: *mut *mut RawResponse,
    data: *mut c_void,
) -> c_int {
    let count = usize::try_from(count).unwrap_or(0);
    let mut seen = Vec::with_capacity(count);
    for index in 0..count {
        // SAFETY: Linux-PAM passes an array of `count` pointers to messages with NUL-terminated texts, all alive during the call.
        seen.push(unsafe {
            let message = &**messages.add(index);
            (message.style, CStr::from_ptr(message.text).to_bytes().to_vec())
        });
    }
    // SAFETY: `data` is the box made in `start`; libpam calls us from one thread and never within the conversation.
    let conversation = unsafe { &mut *data.cast::<C>() };
    let answers = match conversation.converse(&seen) {
        Err(code) => return code,
        Ok(None) => {
            // SAFETY: room for one pointer, as the interface has it.
            unsafe { *responses = ptr::null_mut() };
            return PAM_SUCCESS;
        }
        Ok(Some(answers)) => answers,
    };
    // SAFETY: whoever called the conversation frees array and texts with free(3), so they come from calloc and malloc; the
    // array has `count` zeroed entries, and `zip` never goes beyond it.
    unsafe {
        let array = libc::calloc(count.max(1), size_of::<RawResponse>()).cast::<RawResponse>();
        if array.is_null() {
            return PAM_BUF_ERR;
        }
        for (index, answer) in (0..count).zip(answers) {
            if let Response::Bytes(bytes) = answer {
                let text = libc::malloc(bytes.len() + 1).cast::<u8>();
                if text.is_null() {
                    return PAM_BUF_ERR;
                }
                ptr::copy_nonoverlapping(bytes.as_ptr(), text, bytes.len());
                *text.add(bytes.len()) = 0;
                (*array.add(index)).text = text.cast();
            }
        }
        *responses = array;
    }
    PAM_SUCCESS
}
