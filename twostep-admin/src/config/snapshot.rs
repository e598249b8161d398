//! Who is enrolled, and what NSS says of them, read once: what a configuration would demand is asked thousands of times over, and no login
//! that writes is to wait for that.

use std::cell::RefCell;
use std::collections::HashMap;
use twostep_core::account::{Enrollment, EnrollmentId};
use twostep_core::app_password::{AppPassword, AppPasswordId, Label};
use twostep_core::attempt::Source;
use twostep_core::memory_hard::Hash;
use twostep_core::name::UserName;
use twostep_core::ports::{
    Completion, Confirmed, Directory, DirectoryFailed, Draft, Person, Store, Trusted, Trusting, Unavailable,
    Untold, Use, Vault,
};
use twostep_core::rule::Match;
use twostep_core::secret::Secret;
use twostep_core::spelling::Readings;
use twostep_core::throttle::Kind;
use twostep_core::time::{Now, UnixTime};
use twostep_core::verify::{CodeCredentials, CodeOutcome};
use twostep_core::verify_app::AppCandidates;

/// The enrollments of a store. Only enrolled users can be asked.
pub(super) struct Snapshot(pub(super) Vec<Enrollment>);

impl Vault for Snapshot {
    fn open(&mut self) -> Result<Box<dyn Store + '_>, Unavailable> {
        Ok(Box::new(Opened(&self.0)))
    }

    fn in_turn(&mut self, _: &mut dyn FnMut()) -> Result<(), Unavailable> {
        nothing()
    }

    fn hash_anew(&mut self, _: &AppPassword) -> Option<Hash> {
        None
    }
}

struct Opened<'a>(&'a [Enrollment]);

/// What no demand depends on.
fn nothing<T>() -> Result<T, Unavailable> {
    Err(Unavailable { cause: "nobody signs in here".to_owned(), remedy: String::new() })
}

impl Store for Opened<'_> {
    fn by_name(&mut self, name: &UserName) -> Result<Option<Enrollment>, Unavailable> {
        Ok(self.0.iter().find(|one| one.user == *name).cloned())
    }

    /// Names are asked about as they are written, and in no other spelling.
    fn alike(&mut self, _: &Readings) -> Result<Option<Enrollment>, Unavailable> {
        Ok(None)
    }

    fn by_uid(&mut self, uid: u32) -> Result<Vec<Enrollment>, Unavailable> {
        Ok(self.0.iter().filter(|one| one.uid == uid).cloned().collect())
    }

    fn judge(
        &mut self,
        _: EnrollmentId,
        _: &Source,
        _: Kind,
        _: &Now,
        _: &mut dyn FnMut(Option<&CodeCredentials>) -> CodeOutcome,
    ) -> Result<CodeOutcome, Unavailable> {
        nothing()
    }

    fn app_candidates(&mut self, _: EnrollmentId, _: &AppPassword) -> Result<AppCandidates, Unavailable> {
        nothing()
    }

    fn record_use(&mut self, _: AppPasswordId, _: &Use<'_>) -> Result<(), Unavailable> {
        nothing()
    }

    fn revoke_app_passwords(&mut self, _: EnrollmentId, _: UnixTime) -> Result<Vec<Label>, Unavailable> {
        nothing()
    }

    fn forget_trusted(&mut self, _: EnrollmentId, _: UnixTime) -> Result<Vec<String>, Unavailable> {
        nothing()
    }

    fn trusted(
        &mut self,
        _: EnrollmentId,
        _: &Trusting<'_>,
        _: &Now,
    ) -> Result<Option<Trusted>, Unavailable> {
        nothing()
    }

    fn pretend(&mut self, _: &Source, _: Kind, _: &Now) -> Result<(), Unavailable> {
        nothing()
    }

    fn draft(&mut self, _: &Person, _: i64, _: Option<&str>) -> Result<Draft, Unavailable> {
        nothing()
    }

    fn code_digits(&mut self, _: EnrollmentId) -> Result<Vec<u8>, Unavailable> {
        nothing()
    }

    fn untold(&mut self, _: EnrollmentId) -> Result<u32, Unavailable> {
        nothing()
    }

    fn enroll(&mut self, _: &Person, _: &Confirmed<'_>) -> Result<bool, Unavailable> {
        nothing()
    }

    fn complete(&mut self, _: &Completion, _: &Now) -> Result<Vec<Untold>, Unavailable> {
        nothing()
    }
}

type Found = Result<Option<Person>, DirectoryFailed>;
type Member = Result<Match, DirectoryFailed>;

/// A name service that is asked each question once.
pub(super) struct Once<'d> {
    directory: &'d dyn Directory,
    found: RefCell<HashMap<String, Found>>,
    members: RefCell<HashMap<(UserName, Vec<String>), Member>>,
}

impl<'d> Once<'d> {
    pub(super) fn of(directory: &'d dyn Directory) -> Self {
        Self { directory, found: RefCell::default(), members: RefCell::default() }
    }
}

impl Directory for Once<'_> {
    fn find(&self, name: &str) -> Found {
        let mut found = self.found.borrow_mut();
        found.entry(name.to_owned()).or_insert_with(|| self.directory.find(name)).clone()
    }

    fn is_member(&self, user: &UserName, groups: &[String]) -> Member {
        let mut members = self.members.borrow_mut();
        let asked = (user.clone(), groups.to_vec());
        members.entry(asked).or_insert_with(|| self.directory.is_member(user, groups)).clone()
    }

    fn account_password(&self, user: &UserName) -> Result<Option<Secret>, DirectoryFailed> {
        self.directory.account_password(user)
    }
}
