//! A group's record in the caller's buffer: strings from its beginning, the list of members from its end.

use std::ffi::c_char;
use std::mem::{MaybeUninit, align_of, size_of};

/// The caller's buffer, as far as it is free.
pub(crate) struct Record<'b> {
    free: &'b mut [MaybeUninit<u8>],
}

/// There is no room for it. The caller comes again with more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoRoom;

const POINTER: usize = size_of::<*mut c_char>();

impl<'b> Record<'b> {
    /// With an empty list of members at its end.
    pub(crate) fn new(buffer: &'b mut [MaybeUninit<u8>]) -> Result<Self, NoRoom> {
        // The end is moved down to where a pointer can stand.
        let end = buffer.as_ptr_range().end.addr();
        let length = buffer.len().checked_sub(end % align_of::<*mut c_char>()).ok_or(NoRoom)?;
        let mut record = Self { free: buffer.get_mut(..length).ok_or(NoRoom)? };
        record.member(std::ptr::null_mut())?;
        Ok(record)
    }

    /// Puts a string there, with its NUL. Where it stands.
    pub(crate) fn string(&mut self, text: &[u8]) -> Result<*mut c_char, NoRoom> {
        if text.contains(&0) || self.free.len() <= text.len() {
            return Err(NoRoom);
        }
        let (place, free) = std::mem::take(&mut self.free).split_at_mut(text.len() + 1);
        self.free = free;
        let with_nul = text.iter().chain([&0]);
        place.iter_mut().zip(with_nul).for_each(|(to, from)| *to = MaybeUninit::new(*from));
        Ok(place.as_mut_ptr().cast())
    }

    /// Puts a member before those that are there.
    pub(crate) fn member(&mut self, name: *mut c_char) -> Result<(), NoRoom> {
        let at = self.free.len().checked_sub(POINTER).ok_or(NoRoom)?;
        let (free, place) = std::mem::take(&mut self.free).split_at_mut(at);
        self.free = free;
        let bytes = name.expose_provenance().to_ne_bytes();
        place.iter_mut().zip(bytes).for_each(|(to, from)| *to = MaybeUninit::new(from));
        Ok(())
    }

    /// Where the list of members begins.
    pub(crate) fn members(self) -> *mut *mut c_char {
        self.free.as_mut_ptr_range().end.cast()
    }
}

#[cfg(test)]
#[allow(unsafe_code)] // Reads what it has written, as a caller does.
#[path = "record_tests.rs"]
mod tests;
