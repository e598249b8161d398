//! Why a request is not carried out: a word for programs, a sentence for people, and a line in the log where somebody must act.

use crate::budget::Spent;
use crate::log;
use crate::prove::Unproven;
use twostep_core::ports::DirectoryFailed;
use twostep_core::protocol::Refusal;
use twostep_core::random::NoEntropy;
use twostep_host::configuration::ConfigError;
use twostep_store::{StoreError, admin};

/// Why not.
#[derive(Debug)]
pub(crate) struct Declined {
    pub(crate) refusal: Refusal,
    pub(crate) text: String,
}

impl Declined {
    /// What was asked does not fit what there is.
    pub(crate) fn conflict(text: impl Into<String>) -> Self {
        Self { refusal: Refusal::Conflict, text: text.into() }
    }

    /// The configuration does not let users do this.
    pub(crate) fn policy(text: impl Into<String>) -> Self {
        Self { refusal: Refusal::Policy, text: text.into() }
    }

    /// This peer may not ask this.
    pub(crate) fn not_allowed(text: impl Into<String>) -> Self {
        Self { refusal: Refusal::NotAllowed, text: text.into() }
    }

    /// The conversation ends here: the peer does not keep to it, or is gone.
    pub(crate) fn out_of_turn() -> Self {
        Self { refusal: Refusal::Protocol, text: "The answer did not come, or was none.".to_owned() }
    }

    /// Password or code were wrong.
    pub(crate) fn not_proven() -> Self {
        let text = "The password or the code was not accepted. Nothing was changed.".to_owned();
        Self { refusal: Refusal::NotProven, text }
    }

    /// Somebody must act: the cause is for the log only.
    pub(crate) fn unavailable(cause: &str) -> Self {
        log::error(&format!("a request of a user's failed: {cause}"));
        Self::unavailable_and_logged()
    }

    /// The same, where the log has it already.
    pub(crate) fn unavailable_and_logged() -> Self {
        Self {
            refusal: Refusal::Unavailable,
            text: "That is not possible at the moment. Please tell your administrator.".to_owned(),
        }
    }
}

impl From<ConfigError> for Declined {
    fn from(error: ConfigError) -> Self {
        Self::unavailable(&error.cause())
    }
}

impl From<DirectoryFailed> for Declined {
    fn from(DirectoryFailed(cause): DirectoryFailed) -> Self {
        Self::unavailable(&format!("NSS: {cause}"))
    }
}

impl From<StoreError> for Declined {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Gone => {
                Self::conflict("Something else was changed at the same time. Please try again.")
            }
            error => Self::unavailable(&format!("{error}; {}", error.remedy())),
        }
    }
}

impl From<admin::Refusal> for Declined {
    fn from(refusal: admin::Refusal) -> Self {
        match refusal {
            admin::Refusal::Store(error) => error.into(),
            admin::Refusal::Hash(error) => Self::unavailable(&format!("{error}; {}", error.remedy())),
            refusal => Self::conflict(sentence(&refusal.to_string())),
        }
    }
}

impl From<NoEntropy> for Declined {
    fn from(_: NoEntropy) -> Self {
        Self::unavailable("the kernel gives no randomness")
    }
}

impl From<Spent> for Declined {
    fn from(spent: Spent) -> Self {
        let text = match spent {
            Spent::Full | Spent::Proofs => "The broker is busy with others. Please try again later.",
            Spent::Connections | Spent::Requests | Spent::OwnProofs => {
                "Too many requests of yours. Please wait a little."
            }
        };
        Self { refusal: Refusal::Busy, text: text.to_owned() }
    }
}

impl From<Unproven> for Declined {
    fn from(unproven: Unproven) -> Self {
        match unproven {
            Unproven::Wrong => Self::not_proven(),
            Unproven::Gone => Self::out_of_turn(),
            Unproven::Busy(spent) => spent.into(),
            Unproven::Stack(fault) => Self::unavailable(&fault.to_string()),
            Unproven::Child(cause) => Self::unavailable(&format!("the process of a proof: {cause}")),
            Unproven::Unavailable => Self::unavailable_and_logged(),
        }
    }
}

/// A message of ours as a sentence.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}.", letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_told_what_is_wrong_and_nothing_of_the_host() {
        let taken = Declined::from(admin::Refusal::TooMany(50));
        assert_eq!(
            (taken.refusal, taken.text.as_str()),
            (Refusal::Conflict, "A user can have 50 app passwords.")
        );
        let broken = Declined::from(StoreError::ReadOnly);
        assert_eq!(broken.refusal, Refusal::Unavailable);
        assert!(!broken.text.contains("file"), "{}", broken.text);
    }
}
