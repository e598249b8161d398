//! Reading a roster's file. Nothing is kept but the open file and its header, and nothing is taken from the heap.

use crate::{Fault, Found, HEADER_LENGTH, Header, PAGE_LENGTH, Page, State};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Not through a link, and without waiting for somebody to write into a pipe.
const FLAGS: i32 = libc::O_NOFOLLOW | libc::O_NONBLOCK;

/// Where a roster is read from.
pub trait ReadAt {
    /// How often a part is read that does not match its checksum: somebody may be writing it.
    const TRIES: u32;

    /// Fills the buffer with what stands at this offset.
    ///
    /// # Errors
    /// When it cannot be read, or there is less.
    fn fill(&self, buffer: &mut [u8], offset: u64) -> Result<(), Fault>;
}

const SHORT: Fault = Fault::Damaged("it is cut short");

impl ReadAt for File {
    // A write of one page takes a microsecond or two.
    const TRIES: u32 = 32;

    fn fill(&self, buffer: &mut [u8], offset: u64) -> Result<(), Fault> {
        self.read_exact_at(buffer, offset).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => SHORT,
            _ => Fault::of(&error),
        })
    }
}

impl ReadAt for Vec<u8> {
    const TRIES: u32 = 1;

    fn fill(&self, buffer: &mut [u8], offset: u64) -> Result<(), Fault> {
        let from = usize::try_from(offset)
            .ok()
            .and_then(|at| self.get(at..))
            .and_then(|rest| rest.get(..buffer.len()));
        buffer.copy_from_slice(from.ok_or(SHORT)?);
        Ok(())
    }
}

/// Where a page begins in the file, in bytes.
#[must_use]
pub fn page_offset(number: u32) -> u64 {
    (1 + u64::from(number)) * PAGE_LENGTH as u64
}

/// A roster that was opened.
#[derive(Debug)]
pub struct Roster<S = File> {
    source: S,
    /// Its header, as it was then.
    pub header: Header,
}

impl Roster {
    /// Opens it, and reads its header. The file must be `owner`'s, and nobody else's to write.
    ///
    /// # Errors
    /// When it is not, or there is none, or it cannot be read, or is damaged.
    pub fn open(path: &Path, owner: u32) -> Result<Self, Fault> {
        Self::with(path, owner, OpenOptions::new().read(true))
    }

    /// [`Self::open`], for whoever is going to write into it.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_to_write(path: &Path, owner: u32) -> Result<Self, Fault> {
        Self::with(path, owner, OpenOptions::new().read(true).write(true))
    }

    fn with(path: &Path, owner: u32, options: &mut OpenOptions) -> Result<Self, Fault> {
        let file = options.custom_flags(FLAGS).open(path).map_err(|error| Fault::of(&error))?;
        let metadata = file.metadata().map_err(|error| Fault::of(&error))?;
        if !metadata.is_file() || metadata.uid() != owner || metadata.mode() & 0o022 != 0 {
            return Err(Fault::Untrusted);
        }
        Self::of(file)
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.source
    }
}

impl<S: ReadAt> Roster<S> {
    /// Reads the header from there.
    ///
    /// # Errors
    /// When it cannot be read, or is damaged.
    pub fn of(source: S) -> Result<Self, Fault> {
        let header = steady(S::TRIES, || {
            let mut bytes = [0; HEADER_LENGTH];
            source.fill(&mut bytes, 0)?;
            Header::parse(&bytes)
        })?;
        Ok(Self { source, header })
    }

    /// What is said of a user.
    ///
    /// # Errors
    /// When her page cannot be read, or is damaged.
    pub fn find(&self, user: &[u8]) -> Result<Found, Fault> {
        let number = self.header.page_of(user);
        let mut page = Page::empty(number);
        self.load(number, &mut page)?;
        page.find(user)
    }

    /// A page.
    ///
    /// # Errors
    /// When it cannot be read, or is damaged.
    pub fn page(&self, number: u32) -> Result<Page, Fault> {
        let mut page = Page::empty(number);
        self.load(number, &mut page)?;
        Ok(page)
    }

    fn load(&self, number: u32, page: &mut Page) -> Result<(), Fault> {
        steady(S::TRIES, || {
            self.source.fill(page.buffer(), page_offset(number))?;
            page.check(number, &self.header.salt)
        })
    }

    /// Everybody in it, in no order. What was visited before an error came is told all the same.
    ///
    /// # Errors
    /// When a page cannot be read, or is damaged, or holds a name that belongs on another.
    pub fn each(&self, mut visit: impl FnMut(&[u8], State)) -> Result<(), Fault> {
        let mut page = Page::empty(0);
        for number in 0..self.header.pages {
            self.load(number, &mut page)?;
            let mut lost = false;
            page.each(|name, state| {
                lost |= self.header.page_of(name) != number;
                visit(name, state);
            })?;
            if lost {
                return Err(Fault::Damaged("a name is on a page where it is not looked for"));
            }
        }
        Ok(())
    }
}

/// Reads once more what is damaged: it may have been read while it was written.
fn steady<T>(tries: u32, mut read: impl FnMut() -> Result<T, Fault>) -> Result<T, Fault> {
    let mut result = read();
    for _ in 1..tries {
        match result {
            Err(Fault::Damaged(_)) => std::thread::yield_now(),
            _ => break,
        }
        result = read();
    }
    result
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
