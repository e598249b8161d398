//! Who somebody is: what NSS says of a name, what the store says that concerns it, and what the two come to.

use crate::account::{Account, Enrollment, Unlisted};
use crate::event::Reason;
use crate::login::Stop;
use crate::name::{self, UserName};
use crate::ports::{Directory, Person, Store};

/// What NSS says of a name.
pub(crate) enum Resolved {
    /// NSS knows the name.
    Known(Person),
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
            Self::Known(_) => None,
            Self::Strange { plain: Some(_), .. } => Some(Unlisted::OtherSpelling),
            Self::Strange { plain: None, .. } => Some(Unlisted::Stranger),
            Self::Unusable => Some(Unlisted::Unusable),
        }
    }

    /// The canonical name, where there is one.
    pub(crate) fn user(&self) -> Option<&UserName> {
        match self {
            Self::Known(person) => Some(&person.name),
            Self::Strange { .. } | Self::Unusable => None,
        }
    }

    pub(crate) fn into_user(self) -> Option<UserName> {
        match self {
            Self::Known(person) => Some(person.name),
            Self::Strange { .. } | Self::Unusable => None,
        }
    }
}

/// Asks NSS for a name as PAM has it.
pub(crate) fn resolve(directory: &dyn Directory, raw: &str) -> Result<Resolved, Stop> {
    let find = |name: &str| directory.find(name).map_err(|failed| Stop(Reason::Nss { cause: failed.0 }));
    // sshd puts a name with control characters in the place of unknown ones; such names are not looked up at all.
    if raw.is_empty() || raw.len() > name::USER_NAME_MAX || raw.chars().any(char::is_control) {
        return Ok(Resolved::Unusable);
    }
    if let Some(person) = find(raw)? {
        return Ok(Resolved::Known(person));
    }
    let plain_name = name::plain(raw);
    let plain = match &plain_name {
        Some(name) => find(name.as_str())?,
        None => None,
    };
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
    /// Whether somebody is, or was, enrolled under a name that NSS does not know.
    unlisted: bool,
}

impl Facts {
    /// Reads them.
    pub(crate) fn read(store: &mut dyn Store, resolved: &Resolved) -> Result<Self, Stop> {
        match resolved {
            Resolved::Known(person) => Self::of(store, person),
            Resolved::Strange { names, plain } => {
                let mut facts = match plain {
                    Some(person) => Self::of(store, person)?,
                    None => Self::default(),
                };
                for name in names {
                    facts.unlisted |= store.by_name(name)?.is_some();
                }
                Ok(facts)
            }
            Resolved::Unusable => Ok(Self::default()),
        }
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
        Ok(Self { own, sharing, unlisted: false })
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
        Ok(match resolved {
            Resolved::Known(person) => listed(person)?,
            Resolved::Strange { plain, .. } => {
                // Another spelling counts only where somebody is enrolled: names that are none of ours are left to others.
                let enrolled = match plain {
                    Some(person) => listed(person)? != Account::NotEnrolled,
                    None => false,
                };
                let strange = if enrolled || unlisted { Unlisted::OtherSpelling } else { Unlisted::Stranger };
                Account::NotInNss(strange)
            }
            Resolved::Unusable => Account::NotInNss(Unlisted::Unusable),
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
