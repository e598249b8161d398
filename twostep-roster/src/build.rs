//! A whole roster at once.

use crate::{Header, PAGE_LENGTH, Page, State, page_offset};
use std::fmt;

/// How full pages are made, as one part of so many: what comes later finds room.
const ROOM: usize = 2;

/// More names than a roster has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooBig;

/// The bytes of a roster with these names, each of which must be there once. How many pages the header has follows from them.
///
/// # Errors
/// When there are too many, or names are longer than [`crate::USER_MAX`].
pub fn build(mut header: Header, users: &[(impl AsRef<[u8]>, State)]) -> Result<Vec<u8>, TooBig> {
    // Flags, length and name; a time for some.
    let size: usize = users.iter().map(|(name, _)| name.as_ref().len() + 11).sum();
    let mut pages = u32::try_from(size * ROOM / PAGE_LENGTH + 1).map_err(|_| TooBig)?;
    // Some page is fuller than the others: rarely too full.
    for _ in 0..8 {
        header.pages = pages;
        if let Some(filled) = fill(&header, users) {
            return Ok(whole(&header, filled));
        }
        pages = pages.checked_mul(2).ok_or(TooBig)?;
    }
    Err(TooBig)
}

fn fill(header: &Header, users: &[(impl AsRef<[u8]>, State)]) -> Option<Vec<Page>> {
    let mut pages: Vec<Page> = (0..header.pages).map(Page::empty).collect();
    for (name, state) in users {
        let page = pages.get_mut(usize::try_from(header.page_of(name.as_ref())).ok()?)?;
        page.push(name.as_ref(), *state).then_some(())?;
    }
    Some(pages)
}

fn whole(header: &Header, pages: Vec<Page>) -> Vec<u8> {
    let mut bytes = header.to_bytes().to_vec();
    bytes.resize(PAGE_LENGTH, 0);
    debug_assert_eq!(bytes.len() as u64, page_offset(0));
    for page in pages {
        bytes.extend_from_slice(&page.sealed(&header.salt));
    }
    bytes
}

impl fmt::Display for TooBig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("more users than a roster has room for, or a name that is too long")
    }
}

impl std::error::Error for TooBig {}
