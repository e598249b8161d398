//! The C library's look-ups of users, groups and shadow entries. nix has them too, and gives up at answers of a MiB: a group with 50,000 members would
//! refuse every login that asks for it. All unsafe code of this crate is here.
#![allow(unsafe_code)]

use libc::{c_char, c_int, gid_t, group, passwd, size_t, uid_t};
use nix::errno::Errno;
use std::ffi::{CStr, CString};
use std::{mem, ptr};
use twostep_core::secret::Secret;
use zeroize::Zeroizing;

/// Where a buffer begins, in bytes: as much as most entries take.
const FIRST: usize = 4 * 1024;
/// The largest one: a group of some millions of members.
const LARGEST: usize = 128 * 1024 * 1024;
/// How many groups of a user there is room for at first, and at most. The kernel takes 65,536.
const FEW: usize = 64;
const MANY: usize = 1024 * 1024;

/// A user as NSS has it.
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Whether its password is said to stand in the shadow database.
    pub(crate) is_shadowed: bool,
}

/// A group as NSS has it.
pub(crate) struct Group {
    pub(crate) gid: u32,
    /// Whether its own list has the member that was asked for.
    pub(crate) lists_member: bool,
}

/// getpwnam_r(3).
pub(crate) fn user_by_name(name: &CStr) -> Result<Option<User>, Errno> {
    // SAFETY: the name ends in a NUL, and the rest is as `look_up` promises.
    let call =
        |entry, buffer, size, found| unsafe { libc::getpwnam_r(name.as_ptr(), entry, buffer, size, found) };
    look_up(call, user)?.transpose()
}

/// getpwuid_r(3).
pub(crate) fn user_by_uid(uid: uid_t) -> Result<Option<User>, Errno> {
    // SAFETY: as `look_up` promises.
    let call = |entry, buffer, size, found| unsafe { libc::getpwuid_r(uid, entry, buffer, size, found) };
    look_up(call, user)?.transpose()
}

/// getgrnam_r(3), and whether `member` is in the group's list.
pub(crate) fn group_by_name(name: &CStr, member: Option<&CStr>) -> Result<Option<Group>, Errno> {
    // SAFETY: the name ends in a NUL, and the rest is as `look_up` promises.
    let call =
        |entry, buffer, size, found| unsafe { libc::getgrnam_r(name.as_ptr(), entry, buffer, size, found) };
    look_up(call, |entry: &group| Group {
        gid: entry.gr_gid,
        lists_member: member.is_some_and(|member| lists(entry, member)),
    })
}

/// getgrouplist(3): the gids of a user, `primary` among them. It cannot say that a source has failed.
pub(crate) fn gids(name: &CStr, primary: gid_t) -> Result<Vec<gid_t>, Errno> {
    let mut room = FEW;
    while room <= MANY {
        let mut gids: Vec<gid_t> = vec![0; room];
        let mut count = c_int::try_from(room).map_err(|_| Errno::ERANGE)?;
        // SAFETY: the name ends in a NUL, and there is room for as many gids as `count` says.
        let done = unsafe { libc::getgrouplist(name.as_ptr(), primary, gids.as_mut_ptr(), &raw mut count) };
        let count = usize::try_from(count).map_err(|_| Errno::ERANGE)?;
        if done >= 0 && count <= room {
            gids.truncate(count);
            return Ok(gids);
        }
        // It has said how many there are; there can be more by the next time.
        room = count.max(room * 2);
    }
    Err(Errno::ERANGE)
}

/// Makes a look-up with as much room as it takes, and reads the entry while its buffer is there. `call` is given an entry and a buffer of
/// `size` bytes to write, and a place for the pointer to the entry that was found, all of which live as long as it runs.
fn look_up<E, T>(
    call: impl Fn(*mut E, *mut c_char, size_t, *mut *mut E) -> c_int,
    read: impl Fn(&E) -> T,
) -> Result<Option<T>, Errno> {
    let mut size = FIRST;
    loop {
        // The process may have a limit, and must outlive an answer that is beyond it.
        let mut buffer: Vec<c_char> = Vec::new();
        buffer.try_reserve_exact(size).map_err(|_| Errno::ENOMEM)?;
        let mut entry = mem::MaybeUninit::<E>::zeroed();
        let mut found: *mut E = ptr::null_mut();
        match call(entry.as_mut_ptr(), buffer.as_mut_ptr(), size, &raw mut found) {
            0 => {
                // SAFETY: null, or the entry, which the call has filled in; what it points to lies in the buffer, which is still there.
                return Ok(unsafe { found.as_ref() }.map(read));
            }
            libc::ERANGE if size < LARGEST => size *= 4,
            error => return Err(Errno::from_raw(error)),
        }
    }
}

/// An NSS module that leaves the name out has failed.
fn user(entry: &passwd) -> Result<User, Errno> {
    if entry.pw_name.is_null() {
        return Err(Errno::EBADMSG);
    }
    // SAFETY: the C library has filled the entry in: its name is a text in the buffer.
    let name = unsafe { CStr::from_ptr(entry.pw_name) }.to_string_lossy().into_owned();
    // SAFETY: the same of its password, which can be missing.
    let password = (!entry.pw_passwd.is_null()).then(|| unsafe { CStr::from_ptr(entry.pw_passwd) });
    let is_shadowed = password.is_some_and(|password| password == c"x");
    Ok(User { name, uid: entry.pw_uid, gid: entry.pw_gid, is_shadowed })
}

/// Whether a group's own list has a member.
fn lists(entry: &group, member: &CStr) -> bool {
    let mut at = entry.gr_mem;
    if at.is_null() {
        return false;
    }
    loop {
        // SAFETY: the list is an array of texts in the buffer, whose last element is null; nothing behind that is read.
        let listed = unsafe { *at };
        if listed.is_null() {
            return false;
        }
        // SAFETY: not null, so a text; and not the last element, so that there is one behind it.
        let (listed, next) = unsafe { (CStr::from_ptr(listed), at.add(1)) };
        if listed == member {
            return true;
        }
        at = next;
    }
}

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

/// The entry of a user, if there is one. A name that is no C string has none. ENOENT is a source that is not there, as with users.
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
            errno => return Err(errno),
        }
    }
}
