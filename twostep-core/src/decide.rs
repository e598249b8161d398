//! What is demanded of whoever signs in: one pure, total function.

use crate::account::{Account, Enrollment, EnrollmentId, State, Unlisted};
use crate::attempt::{Attempt, ServiceClass};
use crate::event::Reason;
use crate::policy::{Origin, Policy, SELF_SERVICE, Setting, Unenrolled};

/// What is demanded, and why.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Demand {
    /// Nothing: the other modules of the stack decide.
    Nothing(Why),
    /// A code.
    Code(Wanted),
    /// An app password.
    AppPassword(Wanted),
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

/// A demand that an answer can meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Whose credentials meet it.
    pub enrollment: EnrollmentId,
    /// What an answer other than the one demanded is: nothing entered at a prompt, an account password on an app service.
    pub otherwise: Otherwise,
}

/// What becomes of the wrong kind of answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// It is refused.
    Refuse,
    /// The enrollment is pending: it is judged by the rule for the unenrolled.
    AsUnenrolled(Setting<Unenrolled>),
}

/// Decides. Every combination of arguments has an answer, and none that NSS or the store do not positively support is
/// [`Demand::Nothing`].
pub fn decide(policy: &Policy, attempt: &Attempt, account: &Account) -> Demand {
    let rule = match attempt.class {
        ServiceClass::Interactive if attempt.service.as_str() == SELF_SERVICE => &policy.self_service.enroll,
        ServiceClass::Interactive => &policy.interactive.unenrolled,
        ServiceClass::App => &policy.app.unenrolled,
    };
    match (account, attempt.class) {
        (Account::NotInNss(Unlisted::OtherSpelling), _) => deny(Reason::NameSpelling),
        (Account::NotInNss(Unlisted::Unusable), _) => deny(Reason::UserUnknown),
        (Account::NotInNss(Unlisted::Stranger), ServiceClass::Interactive) => deny(Reason::UserUnknown),
        (Account::NotInNss(Unlisted::Stranger), ServiceClass::App) | (Account::NotEnrolled, _) => {
            unenrolled(rule)
        }
        (Account::UidChanged { enrollment, now }, _) => {
            deny(Reason::UidChanged { was: enrollment.uid, is: *now })
        }
        (Account::Enrolled(enrollment), ServiceClass::Interactive) if enrollment.is_app_only() => {
            deny(Reason::AppOnly)
        }
        (Account::Enrolled(enrollment), ServiceClass::Interactive) => Demand::Code(wanted(enrollment, rule)),
        (Account::Enrolled(enrollment), ServiceClass::App) => Demand::AppPassword(wanted(enrollment, rule)),
    }
}

/// What becomes of somebody who is not enrolled, or is treated so.
pub fn unenrolled(rule: &Setting<Unenrolled>) -> Demand {
    match rule.value {
        Unenrolled::Allow => Demand::Nothing(Why { reason: Reason::NotEnrolled, origin: rule.origin }),
        Unenrolled::Deny => Demand::Deny(Why { reason: Reason::NotEnrolledDenied, origin: rule.origin }),
    }
}

fn wanted(enrollment: &Enrollment, rule: &Setting<Unenrolled>) -> Wanted {
    let otherwise = match enrollment.state {
        State::Active => Otherwise::Refuse,
        State::Pending => Otherwise::AsUnenrolled(rule.clone()),
    };
    Wanted { enrollment: enrollment.id, otherwise }
}

fn deny(reason: Reason) -> Demand {
    Demand::Deny(Why { reason, origin: Origin::Always })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attempt::Source;
    use crate::name::{ServiceName, UserName};

    const CLASSES: [ServiceClass; 2] = [ServiceClass::Interactive, ServiceClass::App];
    const RULES: [Unenrolled; 2] = [Unenrolled::Allow, Unenrolled::Deny];

    fn policy(interactive: Unenrolled, app: Unenrolled) -> Policy {
        let mut policy = Policy::defaults();
        policy.interactive.unenrolled = Setting { value: interactive, origin: Origin::Line(2) };
        policy.app.unenrolled = Setting { value: app, origin: Origin::Line(4) };
        policy
    }

    fn attempt(class: ServiceClass) -> Attempt {
        Attempt {
            user: UserName::parse("alice").ok(),
            service: ServiceName::parse("sshd").unwrap(),
            class,
            source: Source::Local,
        }
    }

    fn enrollment(state: State, authenticators: u32) -> Enrollment {
        Enrollment {
            id: EnrollmentId(7),
            user: UserName::parse("alice").unwrap(),
            uid: 1000,
            state,
            authenticators,
        }
    }

    fn accounts() -> Vec<Account> {
        vec![
            Account::NotEnrolled,
            Account::Enrolled(enrollment(State::Pending, 1)),
            Account::Enrolled(enrollment(State::Active, 1)),
            Account::Enrolled(enrollment(State::Active, 0)),
            Account::UidChanged { enrollment: enrollment(State::Active, 1), now: 1001 },
            Account::NotInNss(Unlisted::Unusable),
            Account::NotInNss(Unlisted::OtherSpelling),
            Account::NotInNss(Unlisted::Stranger),
        ]
    }

    /// The whole finite product of the inputs.
    #[test]
    fn nothing_is_demanded_only_where_the_policy_allows_and_nobody_is_enrolled() {
        for class in CLASSES {
            for interactive in RULES {
                for app in RULES {
                    let policy = policy(interactive, app);
                    for account in accounts() {
                        let demand = decide(&policy, &attempt(class), &account);
                        let rule = if class == ServiceClass::App { app } else { interactive };
                        let stranger = account == Account::NotEnrolled
                            || (class == ServiceClass::App
                                && account == Account::NotInNss(Unlisted::Stranger));
                        assert_eq!(
                            matches!(demand, Demand::Nothing(_)),
                            stranger && rule == Unenrolled::Allow,
                            "{class:?} {interactive:?} {app:?} {account:?} gave {demand:?}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_stricter_policy_never_loosens() {
        let strictness = |demand: &Demand| match demand {
            Demand::Nothing(_) => 0,
            Demand::Code(w) | Demand::AppPassword(w) => match &w.otherwise {
                Otherwise::AsUnenrolled(rule) if rule.value == Unenrolled::Allow => 1,
                _ => 2,
            },
            Demand::Deny(_) => 3,
        };
        for class in CLASSES {
            for account in accounts() {
                let loose = decide(&policy(Unenrolled::Allow, Unenrolled::Allow), &attempt(class), &account);
                let strict = decide(&policy(Unenrolled::Deny, Unenrolled::Deny), &attempt(class), &account);
                assert!(strictness(&strict) >= strictness(&loose), "{class:?} {account:?}");
            }
        }
    }

    #[test]
    fn the_enrolled_give_a_code_at_prompts_and_an_app_password_elsewhere() {
        let policy = policy(Unenrolled::Allow, Unenrolled::Allow);
        let account = Account::Enrolled(enrollment(State::Active, 1));
        let wanted = Wanted { enrollment: EnrollmentId(7), otherwise: Otherwise::Refuse };
        assert_eq!(
            decide(&policy, &attempt(ServiceClass::Interactive), &account),
            Demand::Code(wanted.clone())
        );
        assert_eq!(decide(&policy, &attempt(ServiceClass::App), &account), Demand::AppPassword(wanted));
    }

    #[test]
    fn who_has_no_authenticator_is_refused_at_prompts() {
        let account = Account::Enrolled(enrollment(State::Active, 0));
        let demand = decide(&Policy::defaults(), &attempt(ServiceClass::Interactive), &account);
        assert_eq!(demand, deny(Reason::AppOnly));
    }

    #[test]
    fn the_setting_that_decided_is_named() {
        let demand = decide(
            &policy(Unenrolled::Deny, Unenrolled::Allow),
            &attempt(ServiceClass::Interactive),
            &Account::NotEnrolled,
        );
        assert_eq!(demand, Demand::Deny(Why { reason: Reason::NotEnrolledDenied, origin: Origin::Line(2) }));
    }
}
