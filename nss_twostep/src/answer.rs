//! What is answered, from the roster alone.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use twostep_roster::{Fault, Group, PATH, Roster, USER_MAX};

/// Root's uid: whose file the roster must be.
const ROOT: u32 = 0;

/// How a group is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Key<'a> {
    Name(&'a [u8]),
    Gid(u32),
    /// By its place among those there are, where groups can be enumerated.
    Place(usize),
}

/// The gids of a user's groups.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Gids {
    all: [u32; Group::ALL.len()],
    count: usize,
}

impl Gids {
    fn push(&mut self, gid: u32) {
        if let Some(place) = self.all.get_mut(self.count) {
            *place = gid;
            self.count += 1;
        }
    }

    pub(crate) fn as_slice(&self) -> &[u32] {
        self.all.get(..self.count).unwrap_or_default()
    }
}

pub(crate) fn roster() -> Result<Roster, Fault> {
    Roster::open(Path::new(PATH), ROOT)
}

/// The groups a user is in.
pub(crate) fn gids_of(roster: &Roster, user: &[u8]) -> Result<Gids, Fault> {
    let mut gids = Gids::default();
    if user.is_empty() || user.len() > USER_MAX {
        return Ok(gids);
    }
    let groups = &roster.header.groups;
    let found = roster.find(user)?;
    if let Some(state) = found.exact {
        let now = now();
        let of = Group::ALL.into_iter().filter(|group| state.is_in(*group, now));
        of.filter_map(|group| groups.gid(group)).for_each(|gid| gids.push(gid));
    } else if !found.alike && user.iter().all(u8::is_ascii_graphic) && !has_enrolled_part(roster, user)? {
        // The one group that loosens: a name that a directory might take for another one is not in it.
        groups.gid(Group::Unenrolled).into_iter().for_each(|gid| gids.push(gid));
    }
    Ok(gids)
}

/// Whether what stands before an `@`, or behind a backslash, is somebody in the roster: `alice@example.org` and `EXAMPLE\alice` may be alice.
fn has_enrolled_part(roster: &Roster, user: &[u8]) -> Result<bool, Fault> {
    let before = user.iter().position(|byte| *byte == b'@').and_then(|at| user.get(..at));
    let behind = user.iter().rposition(|byte| *byte == b'\\').and_then(|at| user.get(at + 1..));
    for part in [before, behind].into_iter().flatten().filter(|part| !part.is_empty()) {
        if roster.find(part)?.alike {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The group that is asked for, if it is one of ours.
pub(crate) fn group(roster: &Roster, key: Key<'_>) -> Option<Group> {
    let groups = &roster.header.groups;
    let mut all = Group::ALL.into_iter().filter(|group| groups.gid(*group).is_some());
    match key {
        Key::Name(name) => all.find(|group| groups.name(*group) == Some(name)),
        Key::Gid(gid) => all.find(|group| groups.gid(*group) == Some(gid)),
        Key::Place(place) => all.nth(place).filter(|_| roster.header.members),
    }
}

/// A group's members, where they are listed; those who are not enrolled never are.
pub(crate) fn members(roster: &Roster, group: Group, mut visit: impl FnMut(&[u8])) -> Result<(), Fault> {
    if !roster.header.members || group == Group::Unenrolled {
        return Ok(());
    }
    let now = now();
    roster.each(|name, state| {
        if state.is_in(group, now) {
            visit(name);
        }
    })
}

/// Unix seconds.
#[allow(clippy::disallowed_methods)] // The edge: nothing but this asks for the time here.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
