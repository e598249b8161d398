//! The header: what the groups are called, how many pages there are, and which state of the store the roster belongs to.

use crate::Fault;
use crate::bytes::{CHECKSUM, Salt, array, checksum, name_hash, put, u32_at, u64_at};

/// What is read of the file's beginning, in bytes.
pub const HEADER_LENGTH: usize = 512;
/// The longest name of a group, in bytes (shadow-utils' GROUP_NAME_MAX_LENGTH on Linux).
pub const NAME_MAX: usize = 32;

const MAGIC: &[u8; 16] = b"twostep roster\r\n";
/// The version written, and the only one read.
const VERSION: u32 = 1;
/// The key of the header's own checksum.
const FIXED: &Salt = b"twostep's header";
/// More pages than any roster has: 64 GiB of them.
pub(crate) const PAGES_MAX: u32 = 1 << 24;

const AT_MAGIC: usize = CHECKSUM;
const AT_VERSION: usize = AT_MAGIC + 16;
const AT_PAGES: usize = AT_VERSION + 4;
const AT_SALT: usize = AT_PAGES + 4;
const AT_STAMP: usize = AT_SALT + 16;
const AT_OPEN: usize = AT_STAMP + 8;
const AT_MEMBERS: usize = AT_OPEN + 1;
const AT_GROUPS: usize = AT_MEMBERS + 1;
const GROUP_LENGTH: usize = 4 + 1 + NAME_MAX;
const AT_STORE: usize = AT_GROUPS + 4 * GROUP_LENGTH;

/// The groups there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Whose enrollment is active.
    Enrolled,
    /// Whose enrollment waits for its first code.
    Pending,
    /// Who has an app password that is good.
    App,
    /// Who is not in an intact roster.
    Unenrolled,
}

impl Group {
    /// All of them, as they stand in the header.
    pub const ALL: [Self; 4] = [Self::Enrolled, Self::Pending, Self::App, Self::Unenrolled];

    const fn index(self) -> usize {
        match self {
            Self::Enrolled => 0,
            Self::Pending => 1,
            Self::App => 2,
            Self::Unenrolled => 3,
        }
    }
}

/// The groups' names and gids.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Groups([Named; 4]);

#[derive(Clone, Copy, PartialEq, Eq)]
struct Named {
    gid: u32,
    length: u8,
    name: [u8; NAME_MAX],
}

impl Groups {
    /// These names and gids, in the order of [`Group::ALL`]. A group with an empty name does not exist. None where a name is longer than
    /// [`NAME_MAX`].
    #[must_use]
    pub fn new(all: [(&str, u32); 4]) -> Option<Self> {
        let mut named = [Named { gid: 0, length: 0, name: [0; NAME_MAX] }; 4];
        for (to, (name, gid)) in named.iter_mut().zip(all) {
            if name.len() > NAME_MAX {
                return None;
            }
            *to = Named { gid, length: u8::try_from(name.len()).ok()?, name: [0; NAME_MAX] };
            put(&mut to.name, 0, name.as_bytes());
        }
        Some(Self(named))
    }

    fn named(&self, group: Group) -> Option<&Named> {
        self.0.get(group.index()).filter(|named| named.length > 0)
    }

    /// The group's name, if it exists.
    #[must_use]
    pub fn name(&self, group: Group) -> Option<&[u8]> {
        let named = self.named(group)?;
        named.name.get(..usize::from(named.length))
    }

    /// The group's gid, if it exists.
    #[must_use]
    pub fn gid(&self, group: Group) -> Option<u32> {
        self.named(group).map(|named| named.gid)
    }
}

impl std::fmt::Debug for Groups {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let each = |group| self.name(group).map(|name| (String::from_utf8_lossy(name), self.gid(group)));
        f.debug_list().entries(Group::ALL.map(each)).finish()
    }
}

/// The header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// How many pages follow.
    pub pages: u32,
    /// Random, made with the file: what names are hashed and pages are sealed under.
    pub salt: [u8; 16],
    /// Random, new with every change: the store has the same where it has been changed as well.
    pub stamp: u64,
    /// Whether a change is on its way, or was when its writer died.
    pub open: bool,
    /// Whether the groups list their members and can be enumerated.
    pub members: bool,
    /// The groups.
    pub groups: Groups,
    /// Which store it tells of.
    pub store: [u8; 16],
}

impl Header {
    /// Reads it.
    ///
    /// # Errors
    /// When it is no header, one of another version, or a damaged one.
    pub fn parse(bytes: &[u8; HEADER_LENGTH]) -> Result<Self, Fault> {
        let damaged = Fault::Damaged("its header is cut short");
        let magic: [u8; 16] = array(bytes, AT_MAGIC).ok_or(damaged)?;
        if magic != *MAGIC {
            return Err(Fault::Damaged("it does not begin as a roster does"));
        }
        match u32_at(bytes, AT_VERSION) {
            Some(VERSION) => {}
            other => return Err(Fault::Version(other.unwrap_or(0))),
        }
        let sum: [u8; CHECKSUM] = array(bytes, 0).ok_or(damaged)?;
        if checksum(FIXED, bytes.get(CHECKSUM..).unwrap_or_default()) != sum {
            return Err(Fault::Damaged("its header does not match its checksum"));
        }
        Self::fields(bytes).ok_or(Fault::Damaged("its header makes no sense"))
    }

    fn fields(bytes: &[u8; HEADER_LENGTH]) -> Option<Self> {
        let pages = u32_at(bytes, AT_PAGES).filter(|pages| (1..=PAGES_MAX).contains(pages))?;
        let mut named = [Named { gid: 0, length: 0, name: [0; NAME_MAX] }; 4];
        for (index, to) in named.iter_mut().enumerate() {
            let at = AT_GROUPS + index * GROUP_LENGTH;
            let [length] = array(bytes, at + 4)?;
            *to = Named { gid: u32_at(bytes, at)?, length, name: array(bytes, at + 5)? };
            if usize::from(length) > NAME_MAX || to.name.iter().take(usize::from(length)).any(|b| *b == 0) {
                return None;
            }
        }
        Some(Self {
            pages,
            salt: array(bytes, AT_SALT)?,
            stamp: u64_at(bytes, AT_STAMP)?,
            open: flag(bytes, AT_OPEN)?,
            members: flag(bytes, AT_MEMBERS)?,
            groups: Groups(named),
            store: array(bytes, AT_STORE)?,
        })
    }

    /// Its bytes, checksum and all.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER_LENGTH] {
        let mut bytes = [0; HEADER_LENGTH];
        put(&mut bytes, AT_MAGIC, MAGIC);
        put(&mut bytes, AT_VERSION, &VERSION.to_le_bytes());
        put(&mut bytes, AT_PAGES, &self.pages.to_le_bytes());
        put(&mut bytes, AT_SALT, &self.salt);
        put(&mut bytes, AT_STAMP, &self.stamp.to_le_bytes());
        put(&mut bytes, AT_OPEN, &[u8::from(self.open), u8::from(self.members)]);
        for (index, named) in self.groups.0.iter().enumerate() {
            let at = AT_GROUPS + index * GROUP_LENGTH;
            put(&mut bytes, at, &named.gid.to_le_bytes());
            put(&mut bytes, at + 4, &[named.length]);
            put(&mut bytes, at + 5, &named.name);
        }
        put(&mut bytes, AT_STORE, &self.store);
        let sum = checksum(FIXED, bytes.get(CHECKSUM..).unwrap_or_default());
        put(&mut bytes, 0, &sum);
        bytes
    }

    /// The page that this name is on, if it is on any.
    #[must_use]
    pub fn page_of(&self, name: &[u8]) -> u32 {
        let place = name_hash(&self.salt, name) % u64::from(self.pages.max(1));
        // Smaller than a u32.
        u32::try_from(place).unwrap_or(0)
    }
}

fn flag(bytes: &[u8], at: usize) -> Option<bool> {
    match array(bytes, at)? {
        [0] => Some(false),
        [1] => Some(true),
        _ => None,
    }
}

#[cfg(test)]
#[path = "header_tests.rs"]
pub(crate) mod tests;
