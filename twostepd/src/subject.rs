//! Whom a request for oneself is about.

use crate::broker::{Asker, Broker};
use crate::declined::Declined;
use twostep_core::account::{Enrollment, EnrollmentId, State};
use twostep_core::policy::Policy;
use twostep_core::ports::{Directory, Person};
use twostep_core::schedule::Unenrolled;
use twostep_host::{Nss, configuration, now};
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
    /// Nothing of this name, but another name of the same uid is enrolled.
    OtherName,
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
            broker.own_request(asker.party).map_err(|spent| asker.too_much(broker, spent))?;
        }
        let policy = configuration::read(broker.config.as_deref())?;
        let uid = asker.peer.uid;
        let person = match named {
            None => Nss.by_uid(uid)?,
            Some(name) => find(name)?.filter(|person| person.uid == uid),
        };
        let person = person.ok_or_else(|| match named {
            Some(_) => {
                asker.complain(broker, "asked for somebody else's name");
                Declined::not_allowed("That is not your own name.")
            }
            None => {
                asker.complain(broker, "a uid without a name");
                Declined::not_allowed("Nobody has your uid.")
            }
        })?;
        Ok(Self { person, policy })
    }

    /// The same user by the configuration and the user database of now: somebody has taken her time to answer.
    pub(crate) fn again(&self, broker: &Broker, asker: &Asker<'_>) -> Result<Self, Declined> {
        let policy = configuration::read(broker.config.as_deref())?;
        let person = Nss.find(self.person.name.as_str())?.filter(|person| person.uid == asker.peer.uid);
        let person = person.ok_or_else(|| Declined::not_allowed("That is not your own name."))?;
        Ok(Self { person, policy })
    }

    /// Opens the store. Nobody is asked anything meanwhile: every login that writes waits for its end.
    pub(crate) fn session(&self) -> Result<Session, Declined> {
        Ok(Files::of(&self.policy).session()?)
    }

    /// How the subject stands now.
    pub(crate) fn standing(&self, session: &Session) -> Result<Standing, Declined> {
        Ok(match session.enrollment(&self.person.name)? {
            None if session.any_of_uid(self.person.uid)? => Standing::OtherName,
            None => Standing::NotEnrolled,
            Some(found) if found.uid != self.person.uid => Standing::Unsettled,
            Some(found) if found.state == State::Pending => Standing::Pending,
            Some(found) => Standing::Active(found),
        })
    }

    /// The enrollment, which must be on and have an authenticator: without one there is no code to prove anything by.
    pub(crate) fn active(&self, session: &Session) -> Result<Enrollment, Declined> {
        Err(Declined::conflict(match self.standing(session)? {
            Standing::Active(found) if found.is_app_only() => {
                "You have app passwords only, and no authenticator. Please ask your administrator."
            }
            Standing::Active(found) => return Ok(found),
            Standing::NotEnrolled => "Two-step verification is not on for you. To turn it on: twostep enroll",
            Standing::OtherName => OTHER_NAME,
            Standing::Pending => PENDING,
            Standing::Unsettled => UNSETTLED,
        }))
    }

    /// The same enrollment as before, still on.
    pub(crate) fn still_active(&self, session: &Session, before: EnrollmentId) -> Result<(), Declined> {
        if self.active(session)?.id == before {
            return Ok(());
        }
        Err(Declined::conflict("Two-step verification was set up anew meanwhile. Please try again."))
    }

    /// That the subject can enroll herself, by the configuration and by the store.
    pub(crate) fn can_enroll(&self, session: &Session) -> Result<(), Declined> {
        if self.policy.self_service.enroll.value.at(now().wall) == Unenrolled::Deny {
            return Err(Declined::policy("Here an administrator turns two-step verification on for you."));
        }
        Err(Declined::conflict(match self.standing(session)? {
            Standing::NotEnrolled => return Ok(()),
            Standing::OtherName => OTHER_NAME,
            Standing::Pending => PENDING,
            Standing::Unsettled => UNSETTLED,
            Standing::Active(_) => "Two-step verification is on already.",
        }))
    }
}

const OTHER_NAME: &str =
    "Two-step verification is on for another name of your uid. Please ask your administrator.";
const PENDING: &str =
    "Two-step verification has been prepared for you: the first code at a login turns it on.";
const UNSETTLED: &str = "Your enrollment was made for another account. Please ask your administrator.";

/// Looks a name up as a peer gave it.
pub(crate) fn find(name: &str) -> Result<Option<Person>, Declined> {
    // What is no name is not looked up.
    if name.is_empty() || name.chars().any(char::is_control) {
        return Ok(None);
    }
    Ok(Nss.find(name)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use twostep_core::account::State;
    use twostep_core::change::{Action, Author, By};
    use twostep_core::name::UserName;
    use twostep_core::time::UnixTime;
    use twostep_host::testing::test_folder;
    use twostep_store::admin::{self, BesideKey, NewEnrollment};
    use twostep_store::schema::{SCHEMA, Version};

    /// The broker runs on with the version of before, until somebody starts it anew.
    #[test]
    fn a_store_of_a_newer_minor_schema_is_opened_and_changed_and_others_are_refused() {
        let folder = test_folder("broker-schema");
        let mut policy = Policy::defaults();
        policy.paths.store = folder.join("store.db");
        policy.paths.key = folder.join("master.key");
        policy.paths.roster = folder.join("public");
        let user = UserName::parse("alice").unwrap();
        let subject = Subject { person: Person { name: user.clone(), uid: 1000 }, policy };
        admin::init(&Files::of(&subject.policy), BesideKey::Refuse).unwrap();
        let store = rusqlite::Connection::open(folder.join("store.db")).unwrap();
        store.execute_batch(include_str!("../../twostep-store/sql/tests/next_minor.sql")).unwrap();
        let set = |version: Version| store.pragma_update(None, "user_version", version.number()).unwrap();

        set(Version { minor: SCHEMA.minor + 1, ..SCHEMA });
        let session = subject.session().unwrap();
        let author = Author { by: By::User, why: None };
        let new = NewEnrollment {
            user: &user,
            uid: 1000,
            state: State::Active,
            authenticator: None,
            backup_codes: &[],
            at: UnixTime(5),
        };
        let (id, _) = session.enroll(&new, &author).unwrap();
        assert!(matches!(subject.standing(&session).unwrap(), Standing::Active(found) if found.id == id));
        session.unenroll(id, Action::Unenroll, &author, UnixTime(6)).unwrap();
        drop(session);
        for other in
            [Version { major: SCHEMA.major + 1, minor: 0 }, Version { major: SCHEMA.major - 1, minor: 0 }]
        {
            set(other);
            assert!(subject.session().is_err(), "{other}");
        }
    }
}
