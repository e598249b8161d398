//! One page: names, and what is said of each.

use crate::bytes::{CHECKSUM, Salt, array, checksum, put, u16_at, u32_at, u64_at};
use crate::{Fault, State, Validity};

/// A page's length in bytes: what a kernel writes at a time.
pub const PAGE_LENGTH: usize = 4096;
/// The longest name of a user, in bytes (glibc's LOGIN_NAME_MAX).
pub const USER_MAX: usize = 256;

const AT_NUMBER: usize = CHECKSUM;
const AT_USED: usize = AT_NUMBER + 4;
const AT_ENTRIES: usize = AT_USED + 2;
/// Flags, length of the name.
const ENTRY_HEAD: usize = 1 + 2;

const ENROLLED: u8 = 1;
const PENDING: u8 = 2;
const APP: u8 = 4;
/// Eight bytes follow the name: until when.
const APP_UNTIL: u8 = 8;

/// A page as it stands in the file.
#[derive(Clone)]
pub struct Page {
    bytes: [u8; PAGE_LENGTH],
}

/// What a page says of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// What is said of just this name.
    pub exact: Option<State>,
    /// Whether it, or one that differs in letter case alone, is there.
    pub alike: bool,
}

/// One name, and what is said of it.
struct Entry<'p> {
    name: &'p [u8],
    state: State,
}

impl Page {
    /// A page without names.
    #[must_use]
    pub fn empty(number: u32) -> Self {
        let mut page = Self { bytes: [0; PAGE_LENGTH] };
        put(&mut page.bytes, AT_NUMBER, &number.to_le_bytes());
        page
    }

    /// Where a page is to be read to: it is copied nowhere else, since some hosts have small stacks.
    pub(crate) fn buffer(&mut self) -> &mut [u8; PAGE_LENGTH] {
        &mut self.bytes
    }

    /// Whether what was read is the page of this number, whole.
    ///
    /// # Errors
    /// When it is not.
    pub(crate) fn check(&self, number: u32, salt: &[u8; 16]) -> Result<(), Fault> {
        let whole =
            || Some(self.sum(salt)? == array(&self.bytes, 0)? && u32_at(&self.bytes, AT_NUMBER)? == number);
        if whole() != Some(true) {
            return Err(Fault::Damaged("a page does not match its checksum"));
        }
        self.each(|_, _| ())
    }

    /// Its bytes, with the checksum that they have under this salt.
    #[must_use]
    pub fn sealed(mut self, salt: &[u8; 16]) -> [u8; PAGE_LENGTH] {
        let sum = self.sum(salt).unwrap_or_default();
        put(&mut self.bytes, 0, &sum);
        self.bytes
    }

    /// Over what is used.
    fn sum(&self, salt: &Salt) -> Option<[u8; CHECKSUM]> {
        self.bytes.get(CHECKSUM..self.end()?).map(|used| checksum(salt, used))
    }

    fn end(&self) -> Option<usize> {
        let end = AT_ENTRIES + usize::from(u16_at(&self.bytes, AT_USED)?);
        (end <= PAGE_LENGTH).then_some(end)
    }

    /// How many bytes its entries take.
    #[must_use]
    pub fn used(&self) -> usize {
        self.end().unwrap_or(AT_ENTRIES) - AT_ENTRIES
    }

    /// Every name on it.
    ///
    /// # Errors
    /// When its entries make no sense.
    pub fn each(&self, mut visit: impl FnMut(&[u8], State)) -> Result<(), Fault> {
        let damaged = Fault::Damaged("the entries of a page make no sense");
        let end = self.end().ok_or(damaged)?;
        let mut rest = self.bytes.get(AT_ENTRIES..end).ok_or(damaged)?;
        while !rest.is_empty() {
            let (entry, after) = entry(rest).ok_or(damaged)?;
            visit(entry.name, entry.state);
            rest = after;
        }
        Ok(())
    }

    /// What is said of a name.
    ///
    /// # Errors
    /// As [`Self::each`].
    pub fn find(&self, name: &[u8]) -> Result<Found, Fault> {
        let mut found = Found { exact: None, alike: false };
        self.each(|other, state| {
            if other.eq_ignore_ascii_case(name) {
                found.alike = true;
                if other == name {
                    found.exact = Some(state);
                }
            }
        })?;
        Ok(found)
    }

    /// The page with this said of a name; with nothing said of it, where that is none. None where there is no room.
    ///
    /// # Errors
    /// As [`Self::each`].
    pub fn with(&self, name: &[u8], state: Option<State>) -> Result<Option<Self>, Fault> {
        let mut new = Self::empty(u32_at(&self.bytes, AT_NUMBER).unwrap_or(0));
        let mut room = true;
        self.each(|other, state| {
            if other != name {
                room &= new.push(other, state);
            }
        })?;
        if let Some(state) = state {
            room &= new.push(name, state);
        }
        Ok(room.then_some(new))
    }

    /// Adds a name that is not there. Whether there was room.
    pub(crate) fn push(&mut self, name: &[u8], state: State) -> bool {
        let mut flags = 0;
        for (flag, set) in [
            (ENROLLED, state.enrolled),
            (PENDING, state.pending),
            (APP, state.app == Validity::Always),
            (APP_UNTIL, matches!(state.app, Validity::Until(_))),
        ] {
            flags |= if set { flag } else { 0 };
        }
        let until = match state.app {
            Validity::Until(end) => Some(end.to_le_bytes()),
            _ => None,
        };
        let until = until.as_ref().map_or(&[][..], |bytes| &bytes[..]);
        let (Some(end), Ok(length)) = (self.end(), u16::try_from(name.len())) else { return false };
        let new = end + ENTRY_HEAD + name.len() + until.len();
        if new > PAGE_LENGTH || name.is_empty() || name.len() > USER_MAX {
            return false;
        }
        put(&mut self.bytes, end, &[flags]);
        put(&mut self.bytes, end + 1, &length.to_le_bytes());
        put(&mut self.bytes, end + ENTRY_HEAD, name);
        put(&mut self.bytes, end + ENTRY_HEAD + name.len(), until);
        // At most a page.
        let used = u16::try_from(new - AT_ENTRIES).unwrap_or(0);
        put(&mut self.bytes, AT_USED, &used.to_le_bytes());
        true
    }
}

/// The first entry, and what follows it.
fn entry(bytes: &[u8]) -> Option<(Entry<'_>, &[u8])> {
    let [flags] = array(bytes, 0)?;
    let length = usize::from(u16_at(bytes, 1)?);
    if length == 0 || length > USER_MAX || flags & !(ENROLLED | PENDING | APP | APP_UNTIL) != 0 {
        return None;
    }
    let name = bytes.get(ENTRY_HEAD..ENTRY_HEAD + length).filter(|name| !name.contains(&0))?;
    let mut rest = bytes.get(ENTRY_HEAD + length..)?;
    let app = match (flags & APP != 0, flags & APP_UNTIL != 0) {
        (false, false) => Validity::Never,
        (true, false) => Validity::Always,
        (false, true) => {
            let end = u64_at(rest, 0)?;
            rest = rest.get(8..)?;
            Validity::Until(end)
        }
        (true, true) => return None,
    };
    let state = State { enrolled: flags & ENROLLED != 0, pending: flags & PENDING != 0, app };
    Some((Entry { name, state }, rest))
}

#[cfg(test)]
#[path = "page_tests.rs"]
pub(crate) mod tests;
