//! What stands for the host in unit tests.

use twostep_core::name::UserName;
use twostep_core::ports::{Directory, DirectoryFailed, Person};
use twostep_core::rule::Match;
use twostep_core::secret::Secret;

/// A name service that answers, or fails.
pub(crate) struct Answers(pub(crate) Result<Option<Person>, DirectoryFailed>);

impl Directory for Answers {
    fn find(&self, _: &str) -> Result<Option<Person>, DirectoryFailed> {
        self.0.clone()
    }

    fn is_member(&self, _: &UserName, _: &[String]) -> Result<Match, DirectoryFailed> {
        panic!("nobody asks for members")
    }

    fn account_password(&self, _: &UserName) -> Result<Option<Secret>, DirectoryFailed> {
        panic!("nobody asks for passwords")
    }
}
