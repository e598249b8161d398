//! A whole roster at once.

use crate::header::PAGES_MAX;
use crate::{Header, PAGE_LENGTH, Page, State, page_offset};
use std::fmt;

/// How full pages are made, as one part of so many: what comes later finds room.
const ROOM: usize = 2;

/// More names than a roster, or this process' memory, has room for.
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
        if pages > PAGES_MAX {
            break;
        }
        header.pages = pages;
        if let Some(filled) = fill(&header, users)? {
            return whole(&header, filled);
        }
        pages = pages.saturating_mul(2);
    }
    Err(TooBig)
}

/// The pages, if all names find room on them. Memory that is not there is told, since an abort would end whoever has loaded this.
fn fill(header: &Header, users: &[(impl AsRef<[u8]>, State)]) -> Result<Option<Vec<Page>>, TooBig> {
    let mut pages: Vec<Page> = Vec::new();
    pages.try_reserve_exact(usize::try_from(header.pages).map_err(|_| TooBig)?).map_err(|_| TooBig)?;
    pages.extend((0..header.pages).map(Page::empty));
    for (name, state) in users {
        let place = usize::try_from(header.page_of(name.as_ref())).ok();
        let page = place.and_then(|place| pages.get_mut(place));
        if !page.is_some_and(|page| page.push(name.as_ref(), *state)) {
            return Ok(None);
        }
    }
    Ok(Some(pages))
}

fn whole(header: &Header, pages: Vec<Page>) -> Result<Vec<u8>, TooBig> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact((1 + pages.len()) * PAGE_LENGTH).map_err(|_| TooBig)?;
    bytes.extend_from_slice(&header.to_bytes());
    bytes.resize(PAGE_LENGTH, 0);
    debug_assert_eq!(bytes.len() as u64, page_offset(0));
    for page in pages {
        bytes.extend_from_slice(&page.sealed(&header.salt));
    }
    Ok(bytes)
}

impl fmt::Display for TooBig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("more users than a roster, or the memory, has room for; or a name that is too long")
    }
}

impl std::error::Error for TooBig {}
