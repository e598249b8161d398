//! What the store knows of a user, as far as the decision needs it.

use crate::name::UserName;

/// The uid of an enrollment of a virtual user: `(uid_t)-1`, which no account has (POSIX chown and setreuid mean "none" by it).
pub const NO_UID: u32 = u32::MAX;

/// An enrollment's immutable id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EnrollmentId(pub i64);

/// Whether the enrollment has seen its first code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Made, first code not yet seen.
    Pending,
    /// On.
    Active,
}

impl State {
    /// The word that the store, JSON and tables use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
        }
    }
}

/// One enrollment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrollment {
    /// Its id, which never changes.
    pub id: EnrollmentId,
    /// The name it was made for.
    pub user: UserName,
    /// The uid it was made for; [`NO_UID`] for a virtual user.
    pub uid: u32,
    /// How far it is.
    pub state: State,
    /// How many authenticators it has. An active one without any is *app-only*.
    pub authenticators: u32,
}

impl Enrollment {
    /// Whether it is for somebody who never sees a prompt.
    #[must_use]
    pub fn is_app_only(&self) -> bool {
        self.state == State::Active && self.authenticators == 0
    }

    /// Whether it is for somebody whom NSS does not know.
    #[must_use]
    pub fn is_virtual(&self) -> bool {
        self.uid == NO_UID
    }

    /// Stricter is larger: what asks for a code in any case comes last.
    fn strictness(&self) -> u8 {
        match self.state {
            State::Active => 1,
            State::Pending => 0,
        }
    }
}

/// What a clean read of the store and NSS say of whoever signs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    /// No enrollment concerns this user.
    NotEnrolled,
    /// This enrollment holds. Its name may be another name of the same uid.
    Enrolled(Enrollment),
    /// This enrollment was made for the uid, and its own name has gone: NSS does not know it, or knows it with another uid. Either the
    /// account was renamed, or its uid was given to somebody else, or the directory that has the name is down. Nothing tells which.
    Orphan(Enrollment),
    /// The name has an enrollment that was made for another uid: the account was deleted and made anew, or renumbered.
    UidChanged {
        /// The enrollment in question.
        enrollment: Enrollment,
        /// The uid the name has now.
        now: u32,
    },
    /// NSS does not know the name as it stands.
    NotInNss(Unlisted),
}

/// What a name is that NSS does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unlisted {
    /// No name at all: empty, too long, or with control characters. Modules after us could read anything into it.
    Unusable,
    /// Written plainly, or in the store, it is somebody's name.
    OtherSpelling,
    /// It is an enrolled virtual user's, where the configuration has no such users, or not on this service.
    Virtual,
    /// Nobody's here.
    Stranger,
}

impl Account {
    /// Whether an app service can leave it to the modules after us: somebody who is pending is as if not enrolled.
    #[must_use]
    pub fn may_go_on(&self) -> bool {
        match self {
            Self::NotEnrolled | Self::NotInNss(Unlisted::Stranger) => true,
            Self::Enrolled(enrollment) => enrollment.state == State::Pending,
            Self::Orphan(_) | Self::UidChanged { .. } | Self::NotInNss(_) => false,
        }
    }

    /// Settles which enrollment holds for a name with this uid: its own if that is as strict as any other, then the strictest of
    /// the `others` that share the uid, then the strictest of `orphans`, whose own name no longer has that uid. Of equals the newest
    /// holds, so that it is the same one whenever somebody signs in.
    #[must_use]
    pub fn settle(
        own: Option<Enrollment>,
        uid: u32,
        others: Vec<Enrollment>,
        orphans: Vec<Enrollment>,
    ) -> Self {
        if let Some(enrollment) = own.as_ref().filter(|own| own.uid != uid) {
            return Self::UidChanged { enrollment: enrollment.clone(), now: uid };
        }
        let rank = |one: &Enrollment, standing: u8| (one.strictness(), standing, one.id);
        let orphans = orphans.into_iter().map(|one| (rank(&one, 0), Self::Orphan(one)));
        let others = others.into_iter().map(|one| (rank(&one, 1), Self::Enrolled(one)));
        let own = own.map(|one| (rank(&one, 2), Self::Enrolled(one)));
        orphans
            .chain(others)
            .chain(own)
            .max_by_key(|(rank, _)| *rank)
            .map_or(Self::NotEnrolled, |(_, account)| account)
    }
}

/// What to do about an enrollment whose account has gone. `heir` is the name that has its uid now, where that is known.
#[must_use]
pub fn settle_gone(user: &str, heir: Option<&str>) -> String {
    let heir = heir.unwrap_or("NEW");
    format!("twostep-admin settle {user} --rename {heir}, or --drop")
}

/// What to do about an enrollment that was made for another uid than the account has.
#[must_use]
pub fn settle_uid(user: &str, heir: Option<&str>) -> String {
    let rename = heir.map_or_else(String::new, |heir| format!(", or --rename {heir}"));
    format!("twostep-admin settle {user} --keep, or --drop{rename}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enrollment(id: i64, user: &str, uid: u32, state: State) -> Enrollment {
        Enrollment {
            id: EnrollmentId(id),
            user: UserName::parse(user).unwrap(),
            uid,
            state,
            authenticators: 1,
        }
    }

    #[test]
    fn an_own_enrollment_holds() {
        let own = enrollment(1, "alice", 1000, State::Active);
        let other = enrollment(2, "al", 1000, State::Active);
        assert_eq!(Account::settle(Some(own.clone()), 1000, vec![other], vec![]), Account::Enrolled(own));
    }

    #[test]
    fn two_names_with_one_uid_share_the_stricter() {
        let root = enrollment(1, "root", 0, State::Active);
        let toor = enrollment(2, "toor", 0, State::Pending);
        assert_eq!(Account::settle(None, 0, vec![root.clone()], vec![]), Account::Enrolled(root.clone()));
        assert_eq!(Account::settle(Some(toor), 0, vec![root.clone()], vec![]), Account::Enrolled(root));
    }

    #[test]
    fn an_orphan_holds_where_nothing_as_strict_does_and_of_two_the_newest() {
        let gone = enrollment(1, "alice", 1000, State::Active);
        let later = enrollment(3, "alicia", 1000, State::Active);
        let pending = enrollment(4, "al", 1000, State::Pending);
        let other = enrollment(2, "ally", 1000, State::Active);
        let settle = |own: Option<&Enrollment>, others: &[&Enrollment], orphans: &[&Enrollment]| {
            let owned = |all: &[&Enrollment]| all.iter().map(|one| (*one).clone()).collect();
            Account::settle(own.cloned(), 1000, owned(others), owned(orphans))
        };
        assert_eq!(settle(None, &[], &[&gone]), Account::Orphan(gone.clone()));
        assert_eq!(settle(None, &[], &[&later, &gone, &pending]), Account::Orphan(later.clone()));
        assert_eq!(settle(None, &[&other], &[&later]), Account::Enrolled(other.clone()));
        assert_eq!(settle(Some(&other), &[], &[&later]), Account::Enrolled(other));
        assert_eq!(settle(Some(&pending), &[], &[&gone]), Account::Orphan(gone));
        assert_eq!(settle(Some(&pending), &[], &[]), Account::Enrolled(pending));
    }

    #[test]
    fn a_reused_name_does_not_inherit() {
        let old = enrollment(1, "alice", 1000, State::Active);
        assert_eq!(
            Account::settle(Some(old.clone()), 1007, vec![], vec![]),
            Account::UidChanged { enrollment: old, now: 1007 }
        );
    }

    #[test]
    fn nobody_is_not_enrolled() {
        assert_eq!(Account::settle(None, 1000, vec![], vec![]), Account::NotEnrolled);
    }
}
