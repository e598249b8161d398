//! What happens to users who are not enrolled, and from when on.

use crate::time::UnixTime;

/// What happens to users who are not enrolled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unenrolled {
    /// The module stands aside: the other modules of the stack decide.
    Allow,
    /// They set two-step up when they have given their password, or do not get in.
    Enroll,
    /// They are refused.
    Deny,
}

impl Unenrolled {
    /// Every value with its word.
    pub const WORDS: [(&'static str, Self); 3] =
        [("allow", Self::Allow), ("enroll", Self::Enroll), ("deny", Self::Deny)];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Enroll => "enroll",
            Self::Deny => "deny",
        }
    }
}

/// A value, and others that take its place from a time on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    first: Unenrolled,
    /// Each later than the one before it.
    then: Vec<(UnixTime, Unenrolled)>,
}

impl Schedule {
    /// One value for ever.
    #[must_use]
    pub fn always(first: Unenrolled) -> Self {
        Self { first, then: Vec::new() }
    }

    /// One that changes. None where the times do not follow each other.
    #[must_use]
    pub fn changing(first: Unenrolled, then: Vec<(UnixTime, Unenrolled)>) -> Option<Self> {
        then.is_sorted_by(|(a, _), (b, _)| a < b).then_some(Self { first, then })
    }

    /// What holds at a time.
    #[must_use]
    pub fn at(&self, now: UnixTime) -> Unenrolled {
        let begun = self.then.iter().take_while(|(from, _)| *from <= now);
        begun.last().map_or(self.first, |(_, value)| *value)
    }

    /// Whether a value holds now or will some day.
    #[must_use]
    pub fn comes_to(&self, value: Unenrolled, now: UnixTime) -> bool {
        self.at(now) == value || self.then.iter().any(|(from, later)| *from > now && *later == value)
    }

    /// What comes next, and when.
    #[must_use]
    pub fn next(&self, now: UnixTime) -> Option<(UnixTime, Unenrolled)> {
        self.then.iter().find(|(from, _)| *from > now).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Unenrolled::{Allow, Deny, Enroll};

    #[test]
    fn a_value_holds_from_its_time_on() {
        let schedule = Schedule::changing(Allow, vec![(UnixTime(10), Enroll), (UnixTime(20), Deny)]).unwrap();
        let at = |now| (schedule.at(UnixTime(now)), schedule.next(UnixTime(now)).map(|(at, _)| at.0));
        assert_eq!(at(i64::MIN), (Allow, Some(10)));
        assert_eq!(at(9), (Allow, Some(10)));
        assert_eq!(at(10), (Enroll, Some(20)));
        assert_eq!(at(20), (Deny, None));
        assert_eq!(Schedule::always(Deny).next(UnixTime(0)), None);
        let comes = |value, now| schedule.comes_to(value, UnixTime(now));
        assert!(comes(Allow, 9) && comes(Enroll, 9) && comes(Deny, 9));
        assert!(!comes(Allow, 10) && comes(Enroll, 19) && !comes(Enroll, 20) && comes(Deny, 99));
    }

    #[test]
    fn times_follow_each_other() {
        assert_eq!(Schedule::changing(Allow, vec![(UnixTime(20), Enroll), (UnixTime(10), Deny)]), None);
        assert_eq!(Schedule::changing(Allow, vec![(UnixTime(10), Enroll), (UnixTime(10), Deny)]), None);
    }
}
