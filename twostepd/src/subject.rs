//! Whom a request for oneself is about.

use crate::broker::{Asker, Broker};
use crate::declined::Declined;
use twostep_core::account::{Enrollment, EnrollmentId, State};
use twostep_core::policy::Policy;
use twostep_core::ports::{Directory, Person};
use twostep_host::{Nss, configuration};
use twostep_store::vault::{Files, Session};

/// The peer's own user, and the policy of the moment.
pub(crate) struct Subject {
    pub(crate) person: Person,
    pub(crate) policy: Policy,
}

/// What the store says of the subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing.
    NotEnrolled,
    /// Made, first code not yet seen.
    Pending,
    /// On.
    Active(Enrollment),
    /// Made for another uid.
    Unsettled,
}

impl Subject {
    /// The user of the peer's uid; where that has several names, the one that is asked for.
    pub(crate) fn of(broker: &Broker, asker: &Asker<'_>, named: Option<&str>) -> Result<Self, Declined> {
        if asker.peer.uid != 0 {
            broker.own_request(asker.party)?;
        }
        let policy = configuration::read(broker.config.as_deref())?;
        let uid = asker.peer.uid;
        let person = match named {
            None => Nss.by_uid(uid)?,
            Some(name) if name.chars().any(char::is_control) => None,
            Some(name) => Nss.find(name)?.filter(|person| person.uid == uid),
        };
        let person = person.ok_or_else(|| match named {
            Some(_) => Declined::not_allowed("That is not your own name."),
            None => Declined::not_allowed("Nobody has your uid."),
        })?;
        Ok(Self { person, policy })
    }

    /// Opens the store. Nobody is asked anything meanwhile: every login that writes waits for its end.
    pub(crate) fn session(&self) -> Result<Session, Declined> {
        Ok(Files::of(&self.policy).session()?)
    }

    /// How the subject stands now.
    pub(crate) fn standing(&self, session: &Session) -> Result<Standing, Declined> {
        Ok(match session.enrollment(&self.person.name)? {
            None => Standing::NotEnrolled,
            Some(found) if found.uid != self.person.uid => Standing::Unsettled,
            Some(found) if found.state == State::Pending => Standing::Pending,
            Some(found) => Standing::Active(found),
        })
    }

    /// The enrollment, which must be on.
    pub(crate) fn active(&self, session: &Session) -> Result<Enrollment, Declined> {
        match self.standing(session)? {
            Standing::Active(found) => Ok(found),
            Standing::NotEnrolled => Err(Declined::conflict(
                "Two-step verification is not on for you. To turn it on: twostep enroll",
            )),
            Standing::Pending => Err(Declined::conflict(
                "Two-step verification has been prepared for you: sign in once with a code first.",
            )),
            Standing::Unsettled => Err(unsettled()),
        }
    }

    /// The same enrollment as before, still on.
    pub(crate) fn still_active(&self, session: &Session, before: EnrollmentId) -> Result<(), Declined> {
        if self.active(session)?.id == before {
            return Ok(());
        }
        Err(Declined::conflict("Two-step verification was set up anew meanwhile. Please try again."))
    }
}

pub(crate) fn unsettled() -> Declined {
    Declined::conflict("Your enrollment was made for another account. Please ask your administrator.")
}
