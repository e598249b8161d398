//! Who somebody is: what NSS says of a name, what the store says that concerns it, and what the two come to.

use crate::account::{Account, Enrollment, NO_UID, State, Unlisted};
use crate::attempt::ServiceClass;
use crate::event::Reason;
use crate::login::Stop;
use crate::name::{self, Naming, UserName};
use crate::ports::{Directory, Person, Store};
use crate::spelling::Readings;

/// What NSS says of a name.
pub(crate) enum Resolved {
    /// NSS knows the name.
    Known(Person),
    /// NSS knows the user that the name means on app services, and not the name.
    Meant {
        /// Her.
        person: Person,
        /// The name as given, and the same in lower case.
        given: Vec<UserName>,
        /// Whom else it may be taken for.
        likeness: Likeness,
    },
    /// It is a name of somebody whom NSS does not know, where there can be such users.
    Virtual {
        /// Under which the store may know her.
        name: UserName,
        /// The name as given, and the same in lower case, where these are others.
        given: Vec<UserName>,
        /// Whom else it may be taken for.
        likeness: Likeness,
    },
    /// NSS does not know it as it stands.
    Strange {
        /// The name as given, and the same in lower case.
        given: Vec<UserName>,
        /// Whom it may be taken for.
        likeness: Likeness,
    },
    /// No name at all.
    Unusable,
}

/// Whom servers and directories behind us may take a name for.
pub(crate) struct Likeness {
    /// None where that may be anybody.
    readings: Option<Readings>,
    /// Whom NSS knows by what may be made of it.
    people: Vec<Person>,
}

impl Likeness {
    fn find(
        raw: &str,
        naming: &Naming,
        meant: Option<&UserName>,
        find: impl Fn(&str) -> Result<Option<Person>, Stop>,
    ) -> Result<Self, Stop> {
        let readings = Readings::of(raw, naming);
        let mut people: Vec<Person> = Vec::new();
        let accounts = readings.iter().flat_map(Readings::accounts);
        for name in accounts.filter(|name| Some(*name) != meant) {
            people.extend(find(name.as_str())?.filter(|person| !people.contains(person)));
        }
        Ok(Self { readings, people })
    }

    /// The same, but for the one whom it means.
    fn besides(mut self, own: &UserName) -> Self {
        if let Some(readings) = &mut self.readings {
            readings.leave_out(own);
        }
        self
    }

    /// Whether it may be taken for anybody.
    pub(crate) fn is_anybodys(&self) -> bool {
        self.readings.is_none()
    }

    /// Whom NSS knows by what may be made of it.
    pub(crate) fn people(&self) -> &[Person] {
        &self.people
    }
}

impl Resolved {
    /// What kind of unknown name it is, as far as NSS tells.
    pub(crate) fn unlisted(&self) -> Option<Unlisted> {
        match self {
            Self::Known(_) | Self::Meant { .. } | Self::Virtual { .. } => None,
            Self::Strange { likeness, .. } if !likeness.people.is_empty() => Some(Unlisted::OtherSpelling),
            Self::Strange { .. } => Some(Unlisted::Stranger),
            Self::Unusable => Some(Unlisted::Unusable),
        }
    }

    /// Whom the name may be taken for, where NSS does not know it as it stands.
    pub(crate) fn likeness(&self) -> Option<&Likeness> {
        match self {
            Self::Meant { likeness, .. }
            | Self::Virtual { likeness, .. }
            | Self::Strange { likeness, .. } => Some(likeness),
            Self::Known(_) | Self::Unusable => None,
        }
    }

    /// The canonical name that NSS has, where there is one. That of a virtual user is known no earlier than the store has it: it may
    /// be anything at all that somebody typed.
    pub(crate) fn user(&self) -> Option<&UserName> {
        match self {
            Self::Known(person) | Self::Meant { person, .. } => Some(&person.name),
            Self::Virtual { .. } | Self::Strange { .. } | Self::Unusable => None,
        }
    }

    /// The name of whoever it is, if it is found that she exists.
    pub(crate) fn into_user(self, account: &Account) -> Option<UserName> {
        match (self, account) {
            (Self::Known(person) | Self::Meant { person, .. }, _) => Some(person.name),
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
    let lower = raw.trim().to_lowercase();
    // What can be nobody's name, the store has nobody under.
    let as_given = [raw, raw.trim(), &lower].into_iter().filter_map(|name| UserName::parse(name).ok());
    let meant = if naming.is_plain() { None } else { naming.user(raw) };
    let mut given: Vec<UserName> = as_given.filter(|name| Some(name) != meant.as_ref()).collect();
    given.dedup();
    let likeness = Likeness::find(raw, naming, meant.as_ref(), find)?;
    if let Some(name) = meant.as_ref().filter(|name| name.as_str() != raw)
        && let Some(person) = find(name.as_str())?
    {
        let likeness = likeness.besides(&person.name);
        return Ok(Resolved::Meant { person, given, likeness });
    }
    Ok(match meant.filter(|_| naming.virtual_users) {
        Some(name) => Resolved::Virtual { likeness: likeness.besides(&name), name, given },
        None => Resolved::Strange { given, likeness },
    })
}

/// What the store says that concerns a name, as one clean reading.
#[derive(Default)]
pub(crate) struct Facts {
    /// The enrollment under the name itself.
    own: Option<Enrollment>,
    /// Enrollments under other names, for the same uid, where they can make a difference.
    sharing: Vec<Enrollment>,
    /// The enrollment under the name of a virtual user.
    meant: Option<Enrollment>,
    /// Whom the store has under the name as given, which NSS does not know.
    given: Option<Enrollment>,
    /// Whom it has under what may be made of the name.
    alike: Option<Enrollment>,
    /// What it says of those whom NSS knows by what may be made of the name.
    people: Vec<(Person, Self)>,
}

impl Facts {
    /// Reads them. At a prompt a name that NSS does not know is refused whoever has another like it.
    pub(crate) fn read(
        store: &mut dyn Store,
        resolved: &Resolved,
        class: ServiceClass,
    ) -> Result<Self, Stop> {
        let (mut facts, given) = match resolved {
            Resolved::Known(person) => return Self::of(store, person),
            Resolved::Unusable => return Ok(Self::default()),
            Resolved::Meant { person, given, .. } => (Self::of(store, person)?, given),
            Resolved::Virtual { given, .. } | Resolved::Strange { given, .. } => (Self::default(), given),
        };
        if let Resolved::Virtual { name, .. } = resolved {
            facts.meant = store.by_name(name)?;
        }
        for name in given {
            facts.given = store.by_name(name)?.or(facts.given);
        }
        if let Some(Likeness { readings, people }) = resolved.likeness() {
            if let (Some(readings), ServiceClass::App) = (readings, class) {
                facts.alike = store.alike(readings)?;
            }
            for person in people {
                facts.people.push((person.clone(), Self::of(store, person)?));
            }
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
        // Whoever has an enrollment as strict as any needs no other: a directory that is down, and has the other names, is not asked.
        let is_settled = own.as_ref().is_some_and(|own| own.uid != person.uid || own.state == State::Active);
        let sharing = by_uid.into_iter().filter(|other| !is_settled && other.user != person.name).collect();
        Ok(Self { own, sharing, ..Self::default() })
    }

    /// Whether NSS must be asked about other names.
    pub(crate) fn needs_directory(&self) -> bool {
        !self.sharing.is_empty() || self.people.iter().any(|(_, facts)| facts.needs_directory())
    }

    /// What they come to, NSS having been asked about the other names.
    pub(crate) fn account(self, directory: &dyn Directory, resolved: &Resolved) -> Result<Account, Stop> {
        let Self { own, sharing, meant, given, alike, people } = self;
        let listed = |person: &Person| {
            let (mut others, mut orphans) = (Vec::new(), Vec::new());
            for other in sharing {
                match still_holds(directory, &other) {
                    Ok(true) => others.push(other),
                    // Nor by a directory that fails: names of uid 0 that hold are the host's own, which are found before.
                    _ if is_root(person) => {}
                    Ok(false) => orphans.push(other),
                    Err(stop) => return Err(stop),
                }
            }
            Ok::<_, Stop>(Account::settle(own, person.uid, others, orphans))
        };
        let other_spelling = Ok(Account::NotInNss(Unlisted::OtherSpelling));
        let mut found = Account::NotInNss(Unlisted::Stranger);
        match (resolved, &meant, &given) {
            (Resolved::Known(person), ..) => return listed(person),
            (Resolved::Unusable, ..) => return Ok(Account::NotInNss(Unlisted::Unusable)),
            // Whoever is enrolled under a name as it was given is not made somebody else by a rule that came later.
            (Resolved::Meant { .. } | Resolved::Virtual { .. }, _, Some(_)) => return other_spelling,
            (Resolved::Meant { person, .. }, ..) => found = listed(person)?,
            // A name that was enrolled with a uid is never a virtual user's.
            (Resolved::Virtual { .. }, Some(meant), _) if meant.is_virtual() => {
                found = Account::Enrolled(meant.clone());
            }
            (Resolved::Virtual { .. }, Some(_), _) => return other_spelling,
            (Resolved::Strange { .. }, ..) => {
                if let Some(found) = given.as_ref().or(alike.as_ref()) {
                    let strange =
                        if found.is_virtual() { Unlisted::Virtual } else { Unlisted::OtherSpelling };
                    return Ok(Account::NotInNss(strange));
                }
            }
            (Resolved::Virtual { .. }, None, None) => {}
        }
        if !found.may_go_on() {
            return Ok(found);
        }
        // The modules after us get the name as it is. Whoever is enrolled is not dodged by what they may take for her name.
        if alike.is_some() || resolved.likeness().is_some_and(Likeness::is_anybodys) {
            return other_spelling;
        }
        // Another spelling counts only where somebody is enrolled: names that are none of ours are left to others.
        let is_meant = |person: &Person| resolved.user() == Some(&person.name);
        for (person, facts) in people.into_iter().filter(|(person, _)| !is_meant(person)) {
            if facts.account(directory, &Resolved::Known(person))? != Account::NotEnrolled {
                return other_spelling;
            }
        }
        Ok(found)
    }
}

/// Uid 0 under its own name, which no orphan locks out.
fn is_root(person: &Person) -> bool {
    person.uid == 0 && person.name.as_str() == "root"
}

/// Whether an enrollment's own name still has its uid. If not it is an orphan.
fn still_holds(directory: &dyn Directory, enrollment: &Enrollment) -> Result<bool, Stop> {
    match directory.find(enrollment.user.as_str()) {
        Ok(found) => Ok(found.is_some_and(|person| person.uid == enrollment.uid)),
        Err(failed) => Err(Stop(Reason::Nss { cause: failed.0 })),
    }
}
