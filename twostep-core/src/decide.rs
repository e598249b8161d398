//! What is demanded of whoever signs in: pure, total functions.

use crate::account::{Account, Enrollment, EnrollmentId, State, Unlisted};
use crate::attempt::{Attempt, ServiceClass};
use crate::device::DeviceKind;
use crate::event::Reason;
use crate::name::{ServiceName, UserName};
use crate::policy::{Interactive, KeyWorth, Origin, Policy, SELF_SERVICE, Setting};
use crate::protocol::Mode;
use crate::rule::{Demanded, Rule};
use crate::schedule::{Schedule, Unenrolled};
use crate::time::UnixTime;
use std::cmp::Ordering;
use std::time::Duration;

/// What is demanded, and why.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Demand {
    /// Nothing: the other modules of the stack decide.
    Nothing(Aside),
    /// A code.
    Code(Wanted),
    /// An app password.
    AppPassword(Wanted),
    /// That two-step be set up, when the login is otherwise complete.
    Enroll(Enroll),
    /// No answer would do.
    Deny(Why),
}

/// A reason and the setting it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// The reason.
    pub reason: Reason,
    /// Where it was decided.
    pub origin: Origin,
}

/// Why nothing is demanded, and how long that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// Why.
    pub why: Why,
    /// From when on nobody gets in who is not enrolled, where that is known already.
    pub denied_from: Option<UnixTime>,
}

/// A demand that an answer can meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Whose credentials meet it.
    pub enrollment: EnrollmentId,
    /// What an answer other than the one demanded is: nothing entered at a prompt, an account password on an app service.
    pub otherwise: Otherwise,
    /// What need not give a code, if it was trusted before.
    pub trust: Option<Trust>,
    /// The ssh keys that need not give a code.
    pub enough: Option<Enough>,
    /// The name that the enrollment was made for, where that has gone: it was made for the uid of whoever signs in.
    pub orphan: Option<UserName>,
}

/// What becomes of the wrong kind of answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// It is refused.
    Refuse,
    /// The enrollment is pending: it is judged as that of somebody who is not enrolled.
    AsUnenrolled(Unless),
}

/// What somebody who is pending may do without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unless {
    /// Go on without a code.
    GoOn(Origin),
    /// Nothing.
    Refuse(Origin),
}

/// What can be trusted, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// What. Never empty.
    pub kinds: Vec<DeviceKind>,
    /// How long.
    pub lifetime: Duration,
}

/// Which ssh keys are both steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enough {
    /// Which.
    pub keys: Keys,
    /// Where that was decided.
    pub origin: Origin,
}

/// Some ssh keys, the fewer first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Keys {
    /// Security keys.
    Security,
    /// All.
    All,
}

impl Keys {
    /// As JSON has it: the setting that says so.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Security => "security-keys",
            Self::All => "ssh-keys",
        }
    }
}

/// That somebody is to set two-step up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enroll {
    /// Until when she gets in without; none where she does not.
    pub by: Option<UnixTime>,
    /// Where that was decided.
    pub origin: Origin,
}

/// What holds for a login before anything is known of who signs in but what a rule has asked: the rule that matches, and behind it the
/// rest of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What kind of service it is.
    pub class: ServiceClass,
    /// What happens to the unenrolled.
    pub unenrolled: Setting<Schedule>,
    /// What can be trusted. An app service trusts nothing.
    pub trust: Option<Trust>,
    /// Which ssh keys are both steps. None is, on an app service.
    pub enough: Option<Enough>,
    /// What the rule has decided by itself.
    settled: Option<Demand>,
}

impl Terms {
    /// Brings rule and configuration together with the word on the module's line.
    ///
    /// # Errors
    /// [`Reason::AtOdds`] where the rule demands what that line cannot ask for: on a line for app passwords, by its word or by the list,
    /// success is enough, so that a code taken there would stand for the password.
    pub fn of(
        policy: &Policy,
        rule: Option<&Rule>,
        mode: Mode,
        service: &ServiceName,
    ) -> Result<Self, Reason> {
        if service.as_str() == SELF_SERVICE {
            let (class, unenrolled) = (ServiceClass::Interactive, policy.self_service.enroll.clone());
            return Ok(Self { class, unenrolled, trust: None, enough: None, settled: None });
        }
        let demand = rule.and_then(|rule| rule.demand.as_ref());
        let by_rule = match demand.map(|demand| demand.value) {
            Some(Demanded::Code) => Some(ServiceClass::Interactive),
            Some(Demanded::AppPassword) => Some(ServiceClass::App),
            Some(Demanded::Nothing | Demanded::Deny) | None => None,
        };
        // Where the line says nothing, the list does: it was put before the password modules for that.
        let listed = policy.app.services.value.contains(service).then_some(ServiceClass::App);
        let class = match (mode.class().or(listed), by_rule) {
            (Some(line), Some(wanted)) if line != wanted => {
                return Err(Reason::AtOdds { rule: demand.map_or(Origin::Always, |demand| demand.origin) });
            }
            (Some(class), _) | (None, Some(class)) => class,
            (None, None) => ServiceClass::Interactive,
        };
        let (unenrolled, trust) = match class {
            ServiceClass::Interactive => (&policy.interactive.unenrolled, Some(&policy.interactive.trust)),
            ServiceClass::App => (&policy.app.unenrolled, None),
        };
        let unenrolled = rule.and_then(|rule| rule.unenrolled.as_ref()).unwrap_or(unenrolled).clone();
        let trust = trust
            .map(|trust| rule.and_then(|rule| rule.trust.as_ref()).unwrap_or(trust).value.clone())
            .filter(|kinds| !kinds.is_empty())
            .map(|kinds| Trust { kinds, lifetime: policy.interactive.trust_for });
        let settled = demand.and_then(|demand| match demand.value {
            Demanded::Nothing => {
                let why = Why { reason: Reason::Exempt { rule: demand.origin }, origin: demand.origin };
                Some(Demand::Nothing(Aside { why, denied_from: None }))
            }
            Demanded::Deny => Some(Demand::Deny(Why {
                reason: Reason::DeniedByRule { rule: demand.origin },
                origin: demand.origin,
            })),
            Demanded::Code | Demanded::AppPassword => None,
        });
        let enough =
            if class == ServiceClass::Interactive { Enough::of(&policy.interactive, rule) } else { None };
        Ok(Self { class, unenrolled, trust, enough, settled })
    }

    /// These terms, and in no part less than `other`: what may hold as well.
    ///
    /// # Errors
    /// [`Reason::AtOdds`] where the one is for a code and the other for an app password.
    pub fn and_at_least(self, other: Self, at: UnixTime) -> Result<Self, Reason> {
        let rank = |terms: &Self| match terms.settled {
            Some(Demand::Nothing(_)) => 0,
            None => 1,
            Some(_) => 2,
        };
        match rank(&self).cmp(&rank(&other)) {
            Ordering::Less => return Ok(other),
            Ordering::Greater => return Ok(self),
            Ordering::Equal if self.settled.is_some() => return Ok(self),
            Ordering::Equal => {}
        }
        if self.class != other.class {
            return Err(Reason::AtOdds { rule: other.unenrolled.origin });
        }
        let strictness = |schedule: &Schedule| match (schedule.at(at), schedule.next(at)) {
            (Unenrolled::Allow, Some((_, Unenrolled::Enroll))) => 1,
            (Unenrolled::Allow, _) => 0,
            (Unenrolled::Enroll, _) => 2,
            (Unenrolled::Deny, _) => 3,
        };
        let (mine, others) = (strictness(&self.unenrolled.value), strictness(&other.unenrolled.value));
        let unenrolled = if mine >= others { self.unenrolled } else { other.unenrolled };
        let trust = self.trust.zip(other.trust).map(|(mine, others)| Trust {
            kinds: mine.kinds.into_iter().filter(|kind| others.kinds.contains(kind)).collect(),
            lifetime: mine.lifetime.min(others.lifetime),
        });
        let enough = self
            .enough
            .zip(other.enough)
            .map(|(mine, others)| if mine.keys <= others.keys { mine } else { others });
        Ok(Self { unenrolled, trust: trust.filter(|trust| !trust.kinds.is_empty()), enough, ..self })
    }

    /// What is decided already, whoever signs in and whatever the store says: it need not be opened.
    #[must_use]
    pub fn settled(&self) -> Option<&Demand> {
        self.settled.as_ref()
    }

    /// What becomes of somebody who is not enrolled.
    fn unenrolled(&self, at: UnixTime) -> Demand {
        let Setting { value: schedule, origin } = &self.unenrolled;
        let origin = *origin;
        let next = schedule.next(at);
        match (schedule.at(at), self.class) {
            (Unenrolled::Allow, class) => {
                if let (Some((by, Unenrolled::Enroll)), ServiceClass::Interactive) = (next, class) {
                    return Demand::Enroll(Enroll { by: Some(by), origin });
                }
                let denied_from = next.filter(|(_, value)| *value == Unenrolled::Deny).map(|(from, _)| from);
                Demand::Nothing(Aside { why: Why { reason: Reason::NotEnrolled, origin }, denied_from })
            }
            (Unenrolled::Enroll, ServiceClass::Interactive) => Demand::Enroll(Enroll { by: None, origin }),
            // A program cannot be shown a QR code.
            (Unenrolled::Enroll | Unenrolled::Deny, _) => {
                Demand::Deny(Why { reason: Reason::NotEnrolledDenied, origin })
            }
        }
    }

    /// What becomes of somebody who is pending and gives something else than what is demanded.
    fn unless(&self, at: UnixTime) -> Unless {
        let origin = self.unenrolled.origin;
        match self.unenrolled.value.at(at) {
            Unenrolled::Allow => Unless::GoOn(origin),
            Unenrolled::Enroll | Unenrolled::Deny => Unless::Refuse(origin),
        }
    }

    fn wanted(&self, enrollment: &Enrollment, at: UnixTime) -> Wanted {
        let (otherwise, trust, enough) = match enrollment.state {
            State::Active => (Otherwise::Refuse, self.trust.clone(), self.enough),
            State::Pending => (Otherwise::AsUnenrolled(self.unless(at)), None, None),
        };
        Wanted { enrollment: enrollment.id, otherwise, trust, enough, orphan: None }
    }
}

impl Enough {
    /// What a rule says of keys itself comes first. One that demands a code, and says nothing of keys, demands it of all; and one that takes
    /// no security key for enough takes no other either, unless it says so.
    fn of(interactive: &Interactive, rule: Option<&Rule>) -> Option<Self> {
        let of_rule = rule.and_then(|rule| rule.security_keys.as_ref());
        let code = of_rule.is_some_and(|worth| worth.value == KeyWorth::Code)
            || rule
                .and_then(|rule| rule.demand.as_ref())
                .is_some_and(|demand| demand.value == Demanded::Code);
        let said = |by_rule: Option<&Setting<KeyWorth>>, otherwise: &Setting<KeyWorth>, keys| {
            let said = by_rule.or((!code).then_some(otherwise))?;
            (said.value == KeyWorth::Enough).then_some(Self { keys, origin: said.origin })
        };
        let all = said(rule.and_then(|rule| rule.ssh_keys.as_ref()), &interactive.ssh_keys, Keys::All);
        all.or_else(|| said(of_rule, &interactive.security_keys, Keys::Security))
    }
}

/// Decides. Every combination of arguments has an answer, and none that the configuration, NSS or the store do not positively support
/// is [`Demand::Nothing`].
pub fn decide(terms: &Terms, attempt: &Attempt, account: &Account) -> Demand {
    if let Some(settled) = terms.settled() {
        return settled.clone();
    }
    match (account, terms.class) {
        (Account::NotInNss(Unlisted::OtherSpelling), _) => deny(Reason::NameSpelling),
        (Account::NotInNss(Unlisted::Unusable), _) => deny(Reason::UserUnknown),
        (Account::NotInNss(Unlisted::Stranger | Unlisted::Virtual), ServiceClass::Interactive) => {
            deny(Reason::UserUnknown)
        }
        (Account::NotInNss(Unlisted::Virtual), ServiceClass::App) => deny(Reason::VirtualUsersOff),
        (Account::NotInNss(Unlisted::Stranger), ServiceClass::App) | (Account::NotEnrolled, _) => {
            terms.unenrolled(attempt.at)
        }
        (Account::UidChanged { enrollment, now }, _) => {
            deny(Reason::UidChanged { was: enrollment.uid, is: *now })
        }
        // A code of it tells a renamed user from one who was given the uid. A program has none to give.
        (Account::Orphan(enrollment), ServiceClass::Interactive) if !enrollment.is_app_only() => {
            let orphan = Some(enrollment.user.clone());
            Demand::Code(Wanted { trust: None, enough: None, orphan, ..terms.wanted(enrollment, attempt.at) })
        }
        (Account::Orphan(enrollment), class) => {
            let cause = if class == ServiceClass::App { "app-service" } else { "app-only" };
            deny(Reason::Orphan { of: enrollment.user.clone(), cause })
        }
        (Account::Enrolled(enrollment), ServiceClass::Interactive) if enrollment.is_app_only() => {
            deny(Reason::AppOnly)
        }
        (Account::Enrolled(enrollment), ServiceClass::Interactive) => {
            Demand::Code(terms.wanted(enrollment, attempt.at))
        }
        (Account::Enrolled(enrollment), ServiceClass::App) => {
            Demand::AppPassword(terms.wanted(enrollment, attempt.at))
        }
    }
}

fn deny(reason: Reason) -> Demand {
    Demand::Deny(Why { reason, origin: Origin::Always })
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
