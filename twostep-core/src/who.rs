//! Who somebody is: what NSS says of a name, what the store says that concerns it, and what the two come to.

use crate::account::{Account, Enrollment, NO_UID, Unlisted};
use crate::event::Reason;
use crate::login::Stop;
use crate::name::{self, Naming, UserName};
use crate::ports::{Directory, Person, Store};
use std::slice;

/// What NSS says of a name.
pub(crate) enum Resolved {
    /// NSS knows the name.
    Known(Person),
    /// NSS knows the user that the name means on app services, and not the name.
    Meant(Person),
    /// It is a name of somebody whom NSS does not know, where there can be such users.
    Virtual {
        /// Under which the store may know her.
        name: UserName,
        /// Whom NSS knows under the plainly written name.
        plain: Option<Person>,
    },
    /// NSS does not know it as it stands.
    Strange {
        /// Names under which the store may know somebody: the name as given, and written plainly.
        names: Vec<UserName>,
        /// Whom NSS knows under the plainly written name.
        plain: Option<Person>,
    },
    /// No name at all.
    Unusable,
}

impl Resolved {
    /// What kind of unknown name it is, as far as NSS tells.
    pub(crate) fn unlisted(&self) -> Option<Unlisted> {
        match self {
            Self::Known(_) | Self::Meant(_) | Self::Virtual { .. } => None,
            Self::Strange { plain: Some(_), .. } => Some(Unlisted::OtherSpelling),
            Self::Strange { plain: None, .. } => Some(Unlisted::Stranger),
            Self::Unusable => Some(Unlisted::Unusable),
        }
    }

    /// The canonical name that NSS has, where there is one. That of a virtual user is known no earlier than the store has it: it may
    /// be anything at all that somebody typed.
    pub(crate) fn user(&self) -> Option<&UserName> {
        match self {
            Self::Known(person) | Self::Meant(person) => Some(&person.name),
            Self::Virtual { .. } | Self::Strange { .. } | Self::Unusable => None,
        }
    }

    /// The name of whoever it is, if it is found that she exists.
    pub(crate) fn into_user(self, account: &Account) -> Option<UserName> {
        match (self, account) {
            (Self::Known(person) | Self::Meant(person), _) => Some(person.name),
            (Self::Virtual { name, .. }, Account::Enrolled(_)) => Some(name),
            (Self::Virtual { .. } | Self::Strange { .. } | Self::Unusable, _) => None,
        }
    }

    /// Whether it is this user, who has given proof under this name before.
    pub(crate) fn is(&self, user: Option<&UserName>) -> bool {
        match self {
            Self::Virtual { name, .. } => user.is_none_or(|user| user == name),
            other => other.user() == user,
        }
    }
}

/// Asks NSS for a name as PAM has it.
pub(crate) fn resolve(directory: &dyn Directory, raw: &str, naming: &Naming) -> Result<Resolved, Stop> {
    let find = |name: &str| match directory.find(name) {
        Ok(Some(Person { uid: NO_UID, .. })) => {
            Err(Stop(Reason::Nss { cause: "an account has the uid -1".to_owned() }))
        }
        found => found.map_err(|failed| Stop(Reason::Nss { cause: failed.0 })),
    };
    // sshd puts a name with control characters in the place of unknown ones; such names are not looked up at all.
    if raw.is_empty() || raw.len() > name::USER_NAME_MAX || raw.chars().any(char::is_control) {
        return Ok(Resolved::Unusable);
    }
    if let Some(person) = find(raw)? {
        return Ok(Resolved::Known(person));
    }
    let meant = if naming.is_plain() { None } else { naming.user(raw) };
    if let Some(name) = meant.as_ref().filter(|name| name.as_str() != raw)
        && let Some(person) = find(name.as_str())?
    {
        return Ok(Resolved::Meant(person));
    }
    let plain_name = name::plain(raw);
    let plain = match &plain_name {
        Some(name) if Some(name) == meant.as_ref() => None,
        Some(name) => find(name.as_str())?,
        None => None,
    };
    if let Some(name) = meant.filter(|_| naming.virtual_users) {
        return Ok(Resolved::Virtual { name, plain });
    }
    let names = UserName::parse(raw).ok().into_iter().chain(plain_name).collect();
    Ok(Resolved::Strange { names, plain })
}

/// What the store says that concerns a name, as one clean reading.
#[derive(Default)]
pub(crate) struct Facts {
    /// The enrollment under the name itself.
    own: Option<Enrollment>,
    /// Enrollments under other names, for the same uid.
    sharing: Vec<Enrollment>,
    /// Whom the store has under a name that NSS does not know.
    unlisted: Option<Enrollment>,
}

impl Facts {
    /// Reads them.
    pub(crate) fn read(store: &mut dyn Store, resolved: &Resolved) -> Result<Self, Stop> {
        let (names, plain) = match resolved {
            Resolved::Known(person) | Resolved::Meant(person) => return Self::of(store, person),
            Resolved::Virtual { name, plain } => (slice::from_ref(name), plain),
            Resolved::Strange { names, plain } => (names.as_slice(), plain),
            Resolved::Unusable => return Ok(Self::default()),
        };
        let mut facts = match plain {
            Some(person) => Self::of(store, person)?,
            None => Self::default(),
        };
        for name in names {
            facts.unlisted = store.by_name(name)?.or(facts.unlisted);
        }
        Ok(facts)
    }

    /// The two ways to an enrollment must agree: where the index of one of them is damaged, nobody is "not enrolled".
    fn of(store: &mut dyn Store, person: &Person) -> Result<Self, Stop> {
        let own = store.by_name(&person.name)?;
        let by_uid = store.by_uid(person.uid)?;
        let by_both = by_uid.iter().find(|enrollment| enrollment.user == person.name);
        if by_both != own.as_ref().filter(|own| own.uid == person.uid) {
            return Err(Stop(Reason::Store {
                cause: "the store is damaged: its indexes disagree".to_owned(),
                remedy: "put the store back from a backup; twostep-admin check".to_owned(),
            }));
        }
        let sharing = by_uid.into_iter().filter(|enrollment| enrollment.user != person.name).collect();
        Ok(Self { own, sharing, unlisted: None })
    }

    /// Whether NSS must be asked about other names.
    pub(crate) fn needs_directory(&self) -> bool {
        !self.sharing.is_empty()
    }

    /// What they come to, NSS having been asked about the other names.
    pub(crate) fn account(self, directory: &dyn Directory, resolved: &Resolved) -> Result<Account, Stop> {
        let unlisted = self.unlisted;
        let listed = |person: &Person| {
            let mut others = Vec::new();
            for other in self.sharing {
                if still_holds(directory, &other)? {
                    others.push(other);
                }
            }
            Ok::<_, Stop>(Account::settle(self.own, person.uid, others))
        };
        let (plain, is_virtual) = match resolved {
            Resolved::Known(person) | Resolved::Meant(person) => return listed(person),
            Resolved::Unusable => return Ok(Account::NotInNss(Unlisted::Unusable)),
            Resolved::Virtual { plain, .. } => (plain, true),
            Resolved::Strange { plain, .. } => (plain, false),
        };
        Ok(match (unlisted, plain) {
            (Some(found), _) if found.is_virtual() && is_virtual => Account::Enrolled(found),
            (Some(found), _) if found.is_virtual() => Account::NotInNss(Unlisted::Virtual),
            // A name that was enrolled with a uid is never a virtual user's.
            (Some(_), _) => Account::NotInNss(Unlisted::OtherSpelling),
            // Another spelling counts only where somebody is enrolled: names that are none of ours are left to others.
            (None, Some(person)) if listed(person)? != Account::NotEnrolled => {
                Account::NotInNss(Unlisted::OtherSpelling)
            }
            (None, _) => Account::NotInNss(Unlisted::Stranger),
        })
    }
}

/// Whether an enrollment's own name still has its uid. If not it is an orphan and never counts for somebody else.
fn still_holds(directory: &dyn Directory, enrollment: &Enrollment) -> Result<bool, Stop> {
    match directory.find(enrollment.user.as_str()) {
        Ok(found) => Ok(found.is_some_and(|person| person.uid == enrollment.uid)),
        Err(failed) => Err(Stop(Reason::Nss { cause: failed.0 })),
    }
}
