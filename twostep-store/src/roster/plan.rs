//! What a change writes into pages that are there: before it is committed, and after.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::os::unix::fs::FileExt;
use twostep_roster::{Fault, Header, Page, Roster, State, page_offset};

/// A change of some pages.
pub(crate) struct Plan {
    roster: Roster,
    pages: BTreeMap<u32, Change>,
}

/// One page's.
struct Change {
    /// What is there.
    was: Page,
    /// What holds before and after; none where that is what is there.
    before: Option<Page>,
    /// What is true after it.
    after: Page,
}

/// Why pages that are there will not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// A page is full.
    Full,
    /// A page cannot be read.
    Fault(Fault),
}

impl From<Fault> for Unfit {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Plan {
    /// To say this of these users; nothing, of those for whom that is none.
    pub(crate) fn of(roster: Roster, users: &[(String, Option<State>)]) -> Result<Self, Unfit> {
        let mut plan = Self { roster, pages: BTreeMap::new() };
        for (user, state) in users {
            plan.add(user.as_bytes(), *state)?;
        }
        Ok(plan)
    }

    fn add(&mut self, user: &[u8], state: Option<State>) -> Result<(), Unfit> {
        let number = self.roster.header.page_of(user);
        let Change { was, before, after } = match self.pages.remove(&number) {
            Some(change) => change,
            None => {
                let was = self.roster.page(number)?;
                Change { before: None, after: was.clone(), was }
            }
        };
        // Not what will be there afterwards, which another user on this page may have changed already.
        let there = before.as_ref().unwrap_or(&was);
        let old = there.find(user)?.exact;
        // In the roster, and in no group that is not hers both before and after.
        let both = match (old, state) {
            (None, None) => None,
            (old, new) => Some(old.unwrap_or_default().and(new.unwrap_or_default())),
        };
        let before = if both == old { before } else { Some(there.with(user, both)?.ok_or(Unfit::Full)?) };
        let after = after.with(user, state)?.ok_or(Unfit::Full)?;
        self.pages.insert(number, Change { was, before, after });
        Ok(())
    }

    /// Marks the roster as being changed, and writes what holds before and after. On return that will survive a power cut.
    pub(crate) fn begin(mut self, stamp: u64) -> io::Result<Self> {
        self.roster.header = Header { stamp, open: true, ..self.roster.header };
        self.write_header()?;
        let mut written = false;
        for (number, change) in &self.pages {
            if let Some(page) = &change.before {
                self.write_page(*number, page)?;
                written = true;
            }
        }
        // The mark alone can be lost: the store's stamp will not be the roster's then.
        if written {
            self.roster.file().sync_data()?;
        }
        Ok(self)
    }

    /// Writes what is true now, and takes the mark away. Not synced: what is lost of it says less, or has the mark.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        for (number, change) in &self.pages {
            self.write_page(*number, &change.after)?;
        }
        self.roster.header.open = false;
        self.write_header()
    }

    fn write_header(&self) -> io::Result<()> {
        self.roster.file().write_all_at(&self.roster.header.to_bytes(), 0)
    }

    fn write_page(&self, number: u32, page: &Page) -> io::Result<()> {
        let bytes = page.clone().sealed(&self.roster.header.salt);
        self.roster.file().write_all_at(&bytes, page_offset(number))
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("a page is full: it is made with more of them"),
            Self::Fault(fault) => fault.fmt(f),
        }
    }
}
