//! The public roster beside the store. Whoever is about to be enrolled is in it before that is committed, and who was enrolled is out of it
//! after that is; meanwhile she is in no group at all that is not hers both before and after: neither what loosens for the unenrolled nor
//! what is granted to the enrolled goes to somebody by mistake.
//!
//! A change goes: the header takes a new stamp and the mark that a change is on its way; pages take what holds before and after, and are
//! synced; the store commits the same stamp; pages take what is true now, and the mark goes. Whoever dies on the way leaves the
//! mark, or a stamp that is not the store's, and the next writer makes the roster anew from the store. All but the last step is
//! under the store's write lock, so that there is one writer. The last one need not be: whoever finds the mark makes another file, so that a
//! late step writes into one that nobody opens any more. Nobody may mend a marked roster in place.

mod file;
mod mend;
mod plan;
mod stored;

pub use mend::{Others, Wrong};
pub use stored::Apart;

use crate::StoreError;
use crate::host::{Kernel, Syslog};
use crate::vault::Session;
use plan::{Plan, Unfit};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use twostep_core::event::{Event, Reason};
use twostep_core::policy;
use twostep_core::ports::Audit;
use twostep_core::random::Entropy;
use twostep_roster::{Fault, Group, Groups, Header, Roster, State};

/// How the roster is kept, and whom the transaction that is open has to do with.
pub(crate) struct Keeping {
    folder: PathBuf,
    wanted: policy::Roster,
    touched: RefCell<BTreeSet<String>>,
    news: RefCell<Vec<Reason>>,
}

/// What has been written already of a change, and what is to be once it is committed.
pub(crate) struct Published(Option<Plan>);

impl Keeping {
    pub(crate) fn of(folder: PathBuf, wanted: policy::Roster) -> Self {
        Self { folder, wanted, touched: RefCell::default(), news: RefCell::default() }
    }

    /// Something that the roster tells of this user is about to change, in the transaction that is open.
    pub(crate) fn touch(&self, user: &str) {
        self.touched.borrow_mut().insert(user.to_owned());
    }

    /// Forgets what an earlier transaction has touched.
    pub(crate) fn begin(&self) {
        self.touched.borrow_mut().clear();
    }

    fn path(&self) -> PathBuf {
        self.beside(twostep_roster::FILE)
    }

    /// A file in the roster's folder.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The path, as the store writes it down.
    fn place(&self) -> String {
        self.path().to_string_lossy().into_owned()
    }

    /// For the log, once the store is not locked any more: a log daemon may be slow.
    fn tell_later(&self, reason: Reason) {
        self.news.borrow_mut().push(reason);
    }

    /// Tells the log what has become of the roster.
    pub(crate) fn tell(&self) {
        for reason in self.news.take() {
            let event = Event { reason, user: None, service: None, source: None };
            Syslog { tag: "twostep-store" }.record(&event);
        }
    }

    fn open(&self) -> Result<Roster, Fault> {
        Roster::open_to_write(&self.path(), nix::unistd::geteuid().as_raw())
    }

    /// Whether this roster is as the configuration wants it: groups, and readers.
    fn suits(&self, roster: &Roster) -> bool {
        self.fits(&roster.header) && file::is_for(roster.file(), &self.wanted.readers)
    }

    fn groups(&self) -> Result<Groups, StoreError> {
        // The configuration has seen to their lengths.
        Groups::new(self.wanted.named()).ok_or_else(|| self.failed("a group's name is too long"))
    }

    /// Whether a header says what the configuration does.
    fn fits(&self, header: &Header) -> bool {
        self.groups().is_ok_and(|groups| groups == header.groups) && header.members == self.wanted.members
    }

    fn failed(&self, cause: impl ToString) -> StoreError {
        StoreError::Roster { path: self.path(), cause: cause.to_string() }
    }
}

/// Writes what holds before and after the open transaction. The transaction is to be committed next.
///
/// # Errors
/// When the roster can neither be written nor taken away, or is another store's, or lies elsewhere: then the transaction must not be
/// committed.
pub(crate) fn publish(session: &Session) -> Result<Published, StoreError> {
    let keeping = &session.roster;
    let touched = keeping.touched.take();
    if touched.is_empty() {
        return Ok(Published(None));
    }
    if !keeping.wanted.keep {
        put_away(session)?;
        return Ok(Published(None));
    }
    // Two that keep each other's roster would take turns at leaving people out.
    if let Some(wrong @ (Wrong::Elsewhere(_) | Wrong::OtherStore)) = misplaced(session)? {
        return Err(keeping.failed(wrong));
    }
    match prepare(session, &touched) {
        Ok(plan) => Ok(Published(Some(plan))),
        // What the store says of itself is not the roster's fault.
        Err(error @ StoreError::Roster { .. }) => {
            withdraw(session, &error)?;
            Ok(Published(None))
        }
        Err(error) => Err(error),
    }
}

/// Whether the roster of this configuration is another store's, or the store's roster another one.
fn misplaced(session: &Session) -> Result<Option<Wrong>, StoreError> {
    let keeping = &session.roster;
    if let Some(place) = stored::place(session)?.filter(|place| *place != keeping.place()) {
        return Ok(Some(Wrong::Elsewhere(place)));
    }
    let others = read(&keeping.folder).is_ok_and(|roster| roster.header.store != session.store_id);
    Ok(others.then_some(Wrong::OtherStore))
}

/// Takes the store's roster away, wherever it was written to.
fn put_away(session: &Session) -> Result<(), StoreError> {
    let keeping = &session.roster;
    if let Some(place) = stored::place(session)? {
        remove_ours(session, Path::new(&place)).map_err(|error| keeping.failed(error))?;
        stored::set_stamp(session, 0, None)?;
    }
    Ok(())
}

/// Removes a roster, unless it is another store's.
fn remove_ours(session: &Session, path: &Path) -> std::io::Result<()> {
    match Roster::open(path, nix::unistd::geteuid().as_raw()) {
        Ok(roster) if roster.header.store != session.store_id => Ok(()),
        _ => file::remove(path),
    }
}

/// Takes the roster away that could not be written: one that is missing opens no door, one that is out of date might.
fn withdraw(session: &Session, why: &StoreError) -> Result<(), StoreError> {
    let keeping = &session.roster;
    file::remove(&keeping.path()).map_err(|error| keeping.failed(format!("{why}; and it stays: {error}")))?;
    stored::set_stamp(session, 0, Some(&keeping.place()))?;
    keeping.tell_later(Reason::RosterLost { cause: why.to_string(), remedy: why.remedy() });
    Ok(())
}

fn prepare(session: &Session, touched: &BTreeSet<String>) -> Result<Plan, StoreError> {
    let keeping = &session.roster;
    let stamp = new_stamp()?;
    let users = touched.iter().map(|user| Ok((user.clone(), stored::state_of(session, user)?)));
    let users: Vec<_> = users.collect::<Result<_, StoreError>>()?;
    let known = usable(session, keeping.open())?.map_err(|wrong| wrong.to_string());
    let plan = match known.and_then(|roster| Plan::of(roster, &users).map_err(|unfit| unfit.to_string())) {
        Ok(plan) => plan,
        Err(why) => {
            make_anew(session, stamp, touched, &why)?;
            let roster = keeping.open().map_err(|fault| keeping.failed(fault))?;
            Plan::of(roster, &users).map_err(|unfit: Unfit| keeping.failed(unfit))?
        }
    };
    let plan = plan.begin(stamp).map_err(|error| keeping.failed(error))?;
    stored::set_stamp(session, stamp, Some(&keeping.place()))?;
    Ok(plan)
}

impl Published {
    /// The transaction was committed.
    pub(crate) fn finish(self) {
        if let Some(plan) = self.0 {
            // What stays of it says less than the store and is marked as such: the next writer makes it anew.
            let _unfinished = plan.finish();
        }
    }
}

/// The roster, if it is this store's and says what the configuration wants. Within a transaction.
fn usable(session: &Session, opened: Result<Roster, Fault>) -> Result<Result<Roster, Wrong>, StoreError> {
    let stamp = stored::stamp(session)?;
    Ok(opened.map_err(Wrong::Unusable).and_then(|roster| {
        if roster.header.store != session.store_id {
            Err(Wrong::OtherStore)
        } else if roster.header.open || stamp == 0 || roster.header.stamp != stamp {
            Err(Wrong::OutOfStep)
        } else if !session.roster.suits(&roster) {
            Err(Wrong::Settings)
        } else {
            Ok(roster)
        }
    }))
}

/// Makes the whole roster anew, marked as being changed, with these users in it and in no group.
fn make_anew(
    session: &Session,
    stamp: u64,
    changing: &BTreeSet<String>,
    why: &str,
) -> Result<(), StoreError> {
    let keeping = &session.roster;
    let mut users = stored::everybody(session)?;
    users.retain(|(user, _)| !changing.contains(user));
    users.extend(changing.iter().map(|user| (user.clone(), State::default())));
    let mut salt = [0; 16];
    Kernel.fill(&mut salt)?;
    let (groups, members) = (keeping.groups()?, keeping.wanted.members);
    let store = session.store_id;
    let header = Header { pages: 1, salt, stamp, open: true, members, groups, store };
    let bytes = twostep_roster::build(header, &users).map_err(|error| keeping.failed(error))?;
    file::write(&keeping.folder, &keeping.wanted.readers, &bytes).map_err(|cause| keeping.failed(cause))?;
    keeping.tell_later(Reason::RosterMadeAnew { cause: why.to_owned() });
    Ok(())
}

fn new_stamp() -> Result<u64, StoreError> {
    let mut bytes = [0; 8];
    Kernel.fill(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes).max(1))
}

/// The roster that the configuration names, as anybody reads it.
///
/// # Errors
/// When there is none that can be used.
pub fn read(folder: &Path) -> Result<Roster, Fault> {
    Roster::open(&folder.join(twostep_roster::FILE), nix::unistd::geteuid().as_raw())
}

/// How many users are in each of the groups that list somebody: the enrolled, the pending, those with an app password.
///
/// # Errors
/// When the roster cannot be read to its end.
pub fn count(roster: &Roster, now: u64) -> Result<[u64; 3], Fault> {
    let mut counts = [0; 3];
    roster.each(|_, state| {
        for (count, group) in counts.iter_mut().zip([Group::Enrolled, Group::Pending, Group::App]) {
            *count += u64::from(state.is_in(group, now));
        }
    })?;
    Ok(counts)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
