//! getgrouplist(3) and getgrnam_r(3).

use std::ffi::{CStr, CString, c_char};

/// All gids of a user.
pub(crate) fn group_list(user: &str, primary: u32) -> Vec<u32> {
    let (count, gids) = group_list_within(user, primary, 64);
    assert!(count >= 0, "{user} has more than 64 groups");
    gids
}

/// What getgrouplist returns, and what it has put into a list of this length.
pub(crate) fn group_list_within(user: &str, primary: u32, places: usize) -> (i32, Vec<u32>) {
    let name = CString::new(user).unwrap_or_default();
    // One more than it is told of, to see that it keeps to what it is told.
    let mut gids = vec![u32::MAX; places + 1];
    let mut count = places as i32;
    // SAFETY: a string; a list that has the places it is told of; and where it tells how many there are.
    let returned = unsafe { libc::getgrouplist(name.as_ptr(), primary, gids.as_mut_ptr(), &mut count) };
    assert_eq!(gids.pop(), Some(u32::MAX), "written beyond the list");
    gids.truncate(usize::try_from(count).unwrap_or(0));
    (returned, gids)
}

/// A group's members, if there is such a group.
pub(crate) fn group_members(group: &str) -> Option<Vec<String>> {
    let name = CString::new(group).unwrap_or_default();
    let mut room = 64;
    loop {
        let mut buffer = vec![0 as c_char; room];
        // SAFETY: group is plain data for which all zeroes is a value.
        let mut found: libc::group = unsafe { std::mem::zeroed() };
        let mut result = std::ptr::null_mut();
        // SAFETY: a string, a buffer with the length it is told, and two places for results, all of which live.
        let error =
            unsafe { libc::getgrnam_r(name.as_ptr(), &mut found, buffer.as_mut_ptr(), room, &mut result) };
        if error == libc::ERANGE {
            room *= 2;
            continue;
        }
        assert_eq!(error, 0, "getgrnam_r fails for {group}");
        if result.is_null() {
            return None;
        }
        let mut members = Vec::new();
        // SAFETY: glibc has put a list of strings into the buffer, with a null at its end.
        unsafe {
            let mut at = found.gr_mem;
            while !(*at).is_null() {
                members.push(CStr::from_ptr(*at).to_string_lossy().into_owned());
                at = at.add(1);
            }
        }
        return Some(members);
    }
}
