//! Looking whether the roster says what the store does, and making it anew where it does not.

use super::plan::Plan;
use super::stored::{self, Apart};
use super::{make_anew, misplaced, new_stamp, put_away, read, usable, withdraw};
use crate::vault::Session;
use crate::{StoreError, rows};
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use twostep_roster::Fault;

/// What is wrong with the roster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// There is one, and none is to be kept.
    NotWanted,
    /// It cannot be used.
    Unusable(Fault),
    /// Its writer has died, or the store or the roster is not of the other's time.
    OutOfStep,
    /// The configuration says something else than its header.
    Settings,
    /// It says something else than the store.
    Apart(Apart),
    /// It is of another store.
    OtherStore,
    /// The store's roster is this other file.
    Elsewhere(String),
}

/// What is done about a roster of another store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// It stays: its own store's enrolled would pass for unenrolled.
    Leave,
    /// This store's takes its place.
    TakeOver,
}

/// What became of a roster.
enum Mended {
    Nothing,
    TakenAway(Wrong),
    Anew(Wrong, Box<Plan>),
    /// It could not be made anew, and is gone.
    Failed(StoreError),
}

impl Session {
    /// What is wrong with the roster, if anything is.
    ///
    /// # Errors
    /// When the store fails.
    pub fn roster_fault(&self) -> Result<Option<Wrong>, StoreError> {
        match self.compare()? {
            // A change that is on its way looks like that too: nobody changes anything while this looks again.
            Some(Wrong::OutOfStep | Wrong::Apart(_)) => rows::exclusively(self, || self.compare()),
            other => Ok(other),
        }
    }

    /// Makes the roster anew where anything is wrong with it, and takes away one that is not to be kept, or lies where it did before. Says what
    /// was wrong.
    ///
    /// # Errors
    /// When the store fails, or the roster cannot be written; then one that might let somebody in is taken away. When it is another store's,
    /// and that is not to be taken over.
    pub fn mend_roster(&self, others: Others) -> Result<Option<Wrong>, StoreError> {
        let mended = rows::exclusively(self, || match self.compare()? {
            None => Ok(Mended::Nothing),
            Some(Wrong::OtherStore) if others == Others::Leave => Err(self.roster.failed(Wrong::OtherStore)),
            Some(wrong) => self.mend(wrong),
        })?;
        match mended {
            Mended::Nothing => Ok(None),
            Mended::Failed(error) => Err(error),
            Mended::TakenAway(wrong) => Ok(Some(wrong)),
            Mended::Anew(wrong, plan) => {
                plan.finish().map_err(|error| self.roster.failed(error))?;
                Ok(Some(wrong))
            }
        }
    }

    fn mend(&self, wrong: Wrong) -> Result<Mended, StoreError> {
        let keeping = &self.roster;
        if !keeping.wanted.keep || matches!(wrong, Wrong::Elsewhere(_)) {
            put_away(self)?;
        }
        if !keeping.wanted.keep {
            return Ok(Mended::TakenAway(wrong));
        }
        let anew = || {
            let stamp = new_stamp()?;
            make_anew(self, stamp, &BTreeSet::new(), &wrong.to_string())?;
            let roster = keeping.open().map_err(|fault| keeping.failed(fault))?;
            stored::set_stamp(self, stamp, Some(&keeping.place()))?;
            Plan::of(roster, &[]).map_err(|unfit| keeping.failed(unfit))
        };
        match anew() {
            Ok(plan) => Ok(Mended::Anew(wrong, Box::new(plan))),
            Err(error @ StoreError::Roster { .. }) if wrong.loosens() => {
                withdraw(self, &error)?;
                Ok(Mended::Failed(error))
            }
            Err(error) => Err(error),
        }
    }

    /// [`Self::mend_roster`], where a look at the roster's header is enough to see that it is not of the store's present state.
    ///
    /// # Errors
    /// As [`Self::mend_roster`]; and when the roster lies elsewhere by now, which an administrator has to say.
    pub fn tend_roster(&self) -> Result<Option<Wrong>, StoreError> {
        if self.roster.wanted.keep {
            if let Some(wrong) = misplaced(self)? {
                return Err(self.roster.failed(wrong));
            }
            if usable(self, read(&self.roster.folder))?.is_ok() {
                return Ok(None);
            }
        }
        // Whether it is wrong, or only being changed, is seen when nobody else changes it.
        self.mend_roster(Others::Leave)
    }

    /// Where the roster is.
    #[must_use]
    pub fn roster_path(&self) -> PathBuf {
        self.roster.path()
    }

    fn compare(&self) -> Result<Option<Wrong>, StoreError> {
        let keeping = &self.roster;
        if !keeping.wanted.keep {
            let there = |place: &String| Path::new(place).symlink_metadata().is_ok();
            return Ok(stored::place(self)?.filter(there).map(|_| Wrong::NotWanted));
        }
        if let Some(wrong) = misplaced(self)? {
            return Ok(Some(wrong));
        }
        // Only read: a file system that cannot be written is no fault of what is on it.
        match usable(self, read(&keeping.folder))? {
            // What is told wrong is worse than what is told otherwise than is wanted.
            Err(Wrong::Settings) => {
                let apart =
                    read(&keeping.folder).map(|roster| stored::apart(self, &roster)).unwrap_or(Ok(None))?;
                Ok(Some(apart.unwrap_or(Wrong::Settings)))
            }
            Err(wrong) => Ok(Some(wrong)),
            Ok(roster) => stored::apart(self, &roster),
        }
    }
}

impl Wrong {
    /// Whether somebody who is enrolled may be taken for somebody who is not.
    #[must_use]
    pub fn loosens(&self) -> bool {
        match self {
            Self::NotWanted | Self::OutOfStep | Self::Apart(_) | Self::OtherStore | Self::Elsewhere(_) => {
                true
            }
            Self::Unusable(_) | Self::Settings => false,
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotWanted => f.write_str("there is one, and [roster] keep is false: nobody keeps it up to date"),
            Self::Unusable(fault) => fault.fmt(f),
            Self::OutOfStep => {
                f.write_str("it is not of the store's present state: its writer died, or one of the two was put back from a backup")
            }
            Self::Settings => f.write_str("[roster] in the configuration wants other groups, members or readers"),
            Self::Apart(apart) => apart.fmt(f),
            Self::OtherStore => f.write_str(
                "it is another store's: give this one a [paths] roster of its own, or [roster] keep = false; or twostep-admin roster mend --take-over",
            ),
            Self::Elsewhere(place) => {
                write!(f, "the store's roster is {place}: twostep-admin roster mend moves it to where [paths] roster says")
            }
        }
    }
}
