//! The public roster: who is enrolled, for everybody to read. No secret is in it.
//!
//! One file: a header, and pages that hold names. A name's page follows from its hash, so that looking one up, or changing it, reads one
//! page whatever the number of users. Every part carries a checksum of its own: whoever reads without a lock while it is written sees a
//! part as it was before or as it is after, or reads once more. docs/roster.md has the format byte by byte.
//!
//! Reading takes no memory from the heap: the name service is loaded into processes that may have none left.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod build;
mod bytes;
mod header;
mod page;
mod reader;

pub use build::{TooBig, build};
pub use header::{Group, Groups, HEADER_LENGTH, Header, NAME_MAX};
pub use page::{Found, PAGE_LENGTH, Page, USER_MAX};
pub use reader::{ReadAt, Roster, page_offset};

use std::fmt;
use std::io;

/// The file's name in the roster's folder.
pub const FILE: &str = "roster";
/// Where the name service looks: it has no arguments.
pub const PATH: &str = match option_env!("TWOSTEP_ROSTER") {
    Some(path) => path,
    None => "/var/lib/twostep-public/roster",
};

/// What the roster says of one user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Enrolled, and active.
    pub enrolled: bool,
    /// Enrolled, and the first code has not been seen.
    pub pending: bool,
    /// Whether there is an app password.
    pub app: Validity,
}

/// Until when at least one of a user's app passwords is good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Validity {
    /// There is none.
    #[default]
    Never,
    /// Until this second (Unix time).
    Until(u64),
    /// For good.
    Always,
}

impl State {
    /// What both say. Of somebody of whom nothing is said but that she is in the roster, no group is right, not even that of the unenrolled.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            enrolled: self.enrolled && other.enrolled,
            pending: self.pending && other.pending,
            app: self.app.min(other.app),
        }
    }

    /// Whether the user is in this group at this time (Unix seconds). [`Group::Unenrolled`] holds those who are not in the roster.
    #[must_use]
    pub fn is_in(self, group: Group, now: u64) -> bool {
        match group {
            Group::Enrolled => self.enrolled,
            Group::Pending => self.pending,
            Group::App => match self.app {
                Validity::Never => false,
                Validity::Until(end) => now < end,
                Validity::Always => true,
            },
            Group::Unenrolled => false,
        }
    }
}

/// Why the roster says nothing. Then nobody is in any of its groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is none.
    Absent,
    /// It cannot be read: the kernel's error number.
    Io(i32),
    /// It is no regular file, or somebody else could have written it.
    Untrusted,
    /// It is of a version that this one does not know.
    Version(u32),
    /// It is damaged: what is wrong.
    Damaged(&'static str),
}

impl Fault {
    fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Absent,
            _ => Self::Io(error.raw_os_error().unwrap_or(0)),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("there is none"),
            Self::Io(number) => write!(f, "it cannot be read: {}", io::Error::from_raw_os_error(*number)),
            Self::Untrusted => f.write_str("it is no regular file of root's that nobody else can write"),
            Self::Version(version) => write!(f, "it is of version {version}, which is not known here"),
            Self::Damaged(what) => write!(f, "it is damaged: {what}"),
        }
    }
}

impl std::error::Error for Fault {}
