//! All that is unsafe at the host's edges: the shadow database, which no safe interface reads.
#![allow(unsafe_code)]

use nix::errno::Errno;
use std::ffi::{CStr, CString};
use std::{mem, ptr};
use twostep_core::secret::Secret;
use zeroize::Zeroizing;

/// What shadow(5) says of an account.
#[derive(Clone, Debug)]
pub struct Shadow {
    /// The field for the hash of the password, which may hold none: `!`, `*`, nothing at all.
    pub password: Secret,
    /// How long the account lasts.
    pub aging: Aging,
}

/// How long an account lasts, in days (since 1970); negative for what is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aging {
    /// When the password was last changed.
    pub changed: i64,
    /// How long a password lasts.
    pub longest: i64,
    /// How long the account lasts after that.
    pub inactive: i64,
    /// When the account ends.
    pub expires: i64,
}

/// Room for an entry, with a hash of any kind in it. NSS asks for more where there is not enough.
const ROOM: usize = 1024;
const ROOM_MAX: usize = 1 << 20;

/// The entry of a user, if there is one. A name that is no C string has none.
pub(crate) fn shadow(user: &str) -> Result<Option<Shadow>, Errno> {
    let Ok(name) = CString::new(user) else { return Ok(None) };
    let mut room = ROOM;
    loop {
        // There is a hash in it.
        let mut buffer = Zeroizing::new(vec![0u8; room]);
        // SAFETY: plain numbers and pointers, for which all zeros are good values.
        let mut entry: libc::spwd = unsafe { mem::zeroed() };
        let mut found: *mut libc::spwd = ptr::null_mut();
        // SAFETY: a NUL-terminated name, and live values and room of the length given.
        let code = unsafe {
            libc::getspnam_r(
                name.as_ptr(),
                &raw mut entry,
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                &raw mut found,
            )
        };
        match Errno::from_raw(code) {
            _ if code == 0 && found.is_null() => return Ok(None),
            _ if code == 0 => {
                let password = if entry.sp_pwdp.is_null() {
                    Vec::new()
                } else {
                    // SAFETY: with success the fields of `entry` are NUL-terminated strings in `buffer`, which is alive.
                    unsafe { CStr::from_ptr(entry.sp_pwdp) }.to_bytes().to_vec()
                };
                let aging = Aging {
                    changed: entry.sp_lstchg,
                    longest: entry.sp_max,
                    inactive: entry.sp_inact,
                    expires: entry.sp_expire,
                };
                return Ok(Some(Shadow { password: Secret::new(password), aging }));
            }
            Errno::ERANGE if room < ROOM_MAX => room *= 4,
            // glibc says so where no source knows the user.
            Errno::ENOENT => return Ok(None),
            errno => return Err(errno),
        }
    }
}
