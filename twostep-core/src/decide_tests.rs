//! The laws of deciding, over the whole finite product of what goes into it.

use super::*;
use crate::attempt::Source;
use crate::name::UserName;
use crate::rule::{Demanded, Rule};

const MODES: [Mode; 4] = [Mode::ByService, Mode::App, Mode::AfterKey, Mode::OnePrompt];
/// An interactive service, one of the list of app services, and that of the broker's own.
const SERVICES: [&str; 3] = ["sshd", "imap", SELF_SERVICE];
/// Before, between and after the times of the schedules.
const TIMES: [UnixTime; 3] = [UnixTime(5), UnixTime(15), UnixTime(25)];

fn schedules() -> Vec<Schedule> {
    use Unenrolled::{Allow, Deny, Enroll};
    let changing = |first, then: &[(i64, Unenrolled)]| {
        let then = then.iter().map(|(at, value)| (UnixTime(*at), *value)).collect();
        Schedule::changing(first, then).unwrap()
    };
    vec![
        Schedule::always(Allow),
        Schedule::always(Enroll),
        Schedule::always(Deny),
        changing(Allow, &[(10, Enroll), (20, Deny)]),
        changing(Allow, &[(10, Deny)]),
        changing(Deny, &[(10, Allow), (20, Enroll)]),
    ]
}

fn policy(interactive: &Schedule, app: &Schedule, own: Unenrolled, trust: &[DeviceKind]) -> Policy {
    let mut policy = Policy::defaults();
    let set = |value: &Schedule, line| Setting { value: value.clone(), origin: Origin::Line(line) };
    policy.interactive.unenrolled = set(interactive, 2);
    policy.app.unenrolled = set(app, 4);
    policy.self_service.enroll = set(&Schedule::always(own), 6);
    policy.interactive.trust = Setting { value: trust.to_vec(), origin: Origin::Line(3) };
    // As often as not, so that there are no more cases of it.
    let worth = if trust.is_empty() { KeyWorth::Code } else { KeyWorth::Enough };
    policy.interactive.ssh_keys = Setting { value: worth, origin: Origin::Line(5) };
    policy
}

/// No rule, and rules of every kind.
fn rules() -> Vec<Option<Rule>> {
    let mut rules = vec![None];
    let demands = Demanded::WORDS.map(|(_, value)| Some(value)).into_iter().chain([None]);
    let line = |value| Setting { value, origin: Origin::Line(9) };
    for demand in demands {
        for unenrolled in schedules().into_iter().map(Some).chain([None]) {
            for (trust, ssh_keys, security_keys) in [
                (None, None, None),
                (Some(vec![]), Some(KeyWorth::Code), Some(KeyWorth::Enough)),
                (Some(vec![DeviceKind::Key]), Some(KeyWorth::Enough), None),
            ] {
                rules.push(Some(Rule {
                    origin: Origin::Line(8),
                    services: None,
                    ttys: None,
                    networks: None,
                    users: None,
                    groups: None,
                    demand: demand.map(|value| Setting { value, origin: Origin::Line(9) }),
                    unenrolled: unenrolled.clone().map(|value| Setting { value, origin: Origin::Line(9) }),
                    trust: trust.map(line),
                    ssh_keys: ssh_keys.map(|value| Setting { value, origin: Origin::Line(9) }),
                    security_keys: security_keys.map(|value| Setting { value, origin: Origin::Line(9) }),
                    until: None,
                    reason: None,
                    owner: None,
                }));
            }
        }
    }
    rules
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
        Account::NotInNss(Unlisted::Virtual),
        Account::NotInNss(Unlisted::Stranger),
    ]
}

fn attempt(service: &ServiceName, at: UnixTime) -> Attempt {
    Attempt { user: UserName::parse("alice").ok(), service: service.clone(), source: Source::Local, at }
}

/// All terms there are, each with how it came about.
fn all_terms() -> Vec<(Terms, ServiceName, Option<Rule>)> {
    let (schedules, rules) = (schedules(), rules());
    let mut all: Vec<(Terms, ServiceName, Option<Rule>)> = Vec::new();
    for interactive in &schedules {
        for app in &schedules {
            for own in [Unenrolled::Allow, Unenrolled::Deny] {
                for trust in [&[][..], &[DeviceKind::Key, DeviceKind::Address]] {
                    let policy = policy(interactive, app, own, trust);
                    for service in SERVICES.map(|name| ServiceName::parse(name).unwrap()) {
                        for mode in MODES {
                            for rule in &rules {
                                match Terms::of(&policy, rule.as_ref(), mode, &service) {
                                    Ok(terms) => all.push((terms, service.clone(), rule.clone())),
                                    Err(reason) => assert_at_odds(&reason, mode, &service, rule.as_ref()),
                                }
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(all.len() > 100_000, "{}", all.len());
    // Most of them are alike, and what follows goes by them alone.
    all.sort_by_cached_key(|one| format!("{one:?}"));
    all.dedup();
    all
}

fn assert_at_odds(reason: &Reason, mode: Mode, service: &ServiceName, rule: Option<&Rule>) {
    assert_eq!(*reason, Reason::AtOdds { rule: Origin::Line(9) });
    let demand = rule.and_then(|rule| rule.demand.as_ref()).map(|demand| demand.value);
    let expected = match mode {
        Mode::App => Some(Demanded::Code),
        Mode::AfterKey | Mode::OnePrompt => Some(Demanded::AppPassword),
        Mode::ByService if service.as_str() == "imap" => Some(Demanded::Code),
        Mode::ByService => None,
    };
    assert_eq!((demand, demand.is_some()), (expected, true), "{mode:?}");
}

/// No error, and nothing that is not known, leads to `Nothing`.
#[test]
fn nothing_is_demanded_only_where_a_rule_exempts_or_nobody_is_enrolled_and_the_policy_allows_that() {
    for (terms, service, rule) in all_terms() {
        let demanded = rule.as_ref().and_then(|rule| rule.demand.as_ref()).map(|demand| demand.value);
        // No rule holds for the service of the broker's own.
        let exempt = demanded == Some(Demanded::Nothing) && service.as_str() != SELF_SERVICE;
        for at in TIMES {
            for account in accounts() {
                let demand = decide(&terms, &attempt(&service, at), &account);
                let nobody = account == Account::NotEnrolled
                    || (terms.class == ServiceClass::App && account == Account::NotInNss(Unlisted::Stranger));
                let allowed = terms.unenrolled.value.at(at) == Unenrolled::Allow;
                if matches!(demand, Demand::Nothing(_)) {
                    assert!(exempt || (nobody && allowed), "{terms:?} {account:?} {at:?}");
                }
                assert_eq!(
                    matches!(demand, Demand::Enroll(_)),
                    terms.settled().is_none()
                        && nobody
                        && terms.class == ServiceClass::Interactive
                        && account == Account::NotEnrolled
                        && (terms.unenrolled.value.at(at) == Unenrolled::Enroll
                            || allowed
                                && terms.unenrolled.value.next(at).map(|next| next.1)
                                    == Some(Unenrolled::Enroll)),
                    "{terms:?} {account:?} {at:?}"
                );
                if let Demand::Enroll(Enroll { by, .. }) = demand {
                    assert_eq!(
                        by.is_some(),
                        allowed,
                        "let in without although the time has come: {terms:?} {at:?}"
                    );
                }
            }
        }
    }
}

/// Which of two demands on the same account asks for more.
fn strictness(demand: &Demand) -> u8 {
    match demand {
        Demand::Nothing(_) => 0,
        Demand::Enroll(Enroll { by: Some(_), .. }) => 1,
        Demand::Enroll(Enroll { by: None, .. }) => 2,
        Demand::Code(wanted) | Demand::AppPassword(wanted) => {
            let refuses = !matches!(wanted.otherwise, Otherwise::AsUnenrolled(Unless::GoOn(_)));
            3 + u8::from(refuses) + u8::from(wanted.trust.is_none()) + u8::from(wanted.enough.is_none())
        }
        Demand::Deny(_) => 7,
    }
}

/// What a rule, or the configuration without one, asks for by itself: each part by how strict it is.
fn parts(terms: &Terms, at: UnixTime) -> [u8; 4] {
    let settled = match terms.settled() {
        Some(Demand::Nothing(_)) => 0,
        Some(_) => 2,
        None => 1,
    };
    let unenrolled = match (terms.unenrolled.value.at(at), terms.unenrolled.value.next(at)) {
        (Unenrolled::Allow, Some((_, Unenrolled::Enroll))) => 1,
        (Unenrolled::Allow, _) => 0,
        (Unenrolled::Enroll, _) => 2,
        (Unenrolled::Deny, _) => 3,
    };
    let keys = terms.enough.map_or(2, |enough| u8::from(enough.keys == Keys::Security));
    [settled, unenrolled, u8::from(terms.trust.is_none()), keys]
}

#[test]
fn a_stricter_rule_in_front_never_loosens() {
    let mut compared = 0u64;
    let accounts = accounts();
    for class in [ServiceClass::Interactive, ServiceClass::App] {
        for at in TIMES {
            // What is decided follows from these alone.
            let service = ServiceName::parse("sshd").unwrap();
            let mut known: Vec<([u8; 4], Vec<u8>)> = all_terms()
                .into_iter()
                .filter(|(terms, ..)| terms.class == class)
                .map(|(terms, ..)| {
                    let decided =
                        accounts.iter().map(|account| decide(&terms, &attempt(&service, at), account));
                    (parts(&terms, at), decided.map(|demand| strictness(&demand)).collect())
                })
                .collect();
            known.sort();
            known.dedup();
            for (loose, before) in &known {
                for (strict, after) in &known {
                    // Whoever exempts or refuses leaves no room for the other parts.
                    let stricter = strict.iter().zip(loose).all(|(strict, loose)| strict >= loose);
                    if stricter {
                        compared += 1;
                        let loosened = after.iter().zip(before).find(|(after, before)| after < before);
                        assert_eq!(loosened, None, "{class:?} {at:?}: {strict:?} in front of {loose:?}");
                    }
                }
            }
        }
    }
    assert!(compared > 100, "{compared}");
}

/// Rules that match in doubt are joined so with the one that matches.
#[test]
fn what_two_sets_of_terms_have_in_common_is_no_less_than_either() {
    let service = ServiceName::parse("sshd").unwrap();
    let mut compared = 0;
    for class in [ServiceClass::Interactive, ServiceClass::App] {
        for at in TIMES {
            // One of each kind.
            let mut kinds: Vec<([u8; 4], Terms)> = Vec::new();
            for (terms, ..) in all_terms().into_iter().filter(|(terms, ..)| terms.class == class) {
                let parts = parts(&terms, at);
                if kinds.iter().all(|(known, _)| *known != parts) {
                    kinds.push((parts, terms));
                }
            }
            for (_, one) in &kinds {
                for (_, other) in &kinds {
                    let both = one.clone().and_at_least(other.clone(), at).unwrap();
                    for account in accounts() {
                        let strict =
                            |terms: &Terms| strictness(&decide(terms, &attempt(&service, at), &account));
                        assert!(
                            strict(&both) >= strict(one).max(strict(other)),
                            "{one:?} and {other:?}: {both:?}"
                        );
                        compared += 1;
                    }
                }
            }
        }
    }
    assert!(compared > 10_000, "{compared}");
}

#[test]
fn the_codes_of_who_is_not_enrolled_are_not_asked_for() {
    for (terms, service, _) in all_terms() {
        for at in TIMES {
            for account in [Account::NotEnrolled, Account::NotInNss(Unlisted::Stranger)] {
                let demand = decide(&terms, &attempt(&service, at), &account);
                assert!(!matches!(demand, Demand::Code(_) | Demand::AppPassword(_)), "{terms:?}");
            }
        }
    }
}

#[test]
fn an_enrollment_is_never_passed_over_but_by_an_exemption() {
    let there =
        [Account::Enrolled(enrollment(State::Active, 1)), Account::Enrolled(enrollment(State::Active, 0))];
    for (terms, service, _) in all_terms() {
        for account in &there {
            let demand = decide(&terms, &attempt(&service, TIMES[0]), account);
            let exempt = matches!(terms.settled(), Some(Demand::Nothing(_)));
            assert_eq!(
                matches!(demand, Demand::Nothing(_) | Demand::Enroll(_)),
                exempt,
                "{terms:?} {account:?}"
            );
            if let Demand::Code(wanted) | Demand::AppPassword(wanted) = demand {
                assert_eq!(wanted.otherwise, Otherwise::Refuse);
            }
        }
    }
}

#[test]
fn only_the_active_on_interactive_services_can_trust_a_device_or_come_by_a_key_alone() {
    for (terms, service, _) in all_terms() {
        for account in accounts() {
            if let Demand::Code(wanted) | Demand::AppPassword(wanted) =
                decide(&terms, &attempt(&service, TIMES[0]), &account)
                && (wanted.trust.is_some() || wanted.enough.is_some())
            {
                assert_eq!(account, Account::Enrolled(enrollment(State::Active, 1)));
                assert_eq!(terms.class, ServiceClass::Interactive);
                assert_ne!(service.as_str(), SELF_SERVICE);
            }
        }
    }
}

/// What a rule says of keys itself holds; where it demands a code and says nothing of keys, a code is demanded of anyone who has one, too.
#[test]
fn a_rule_that_demands_a_code_demands_it_of_keys_too() {
    use KeyWorth::{Code, Enough as BothSteps};
    let mut policy = Policy::defaults();
    let set = |value, line| Setting { value, origin: Origin::Line(line) };
    policy.interactive.security_keys = set(BothSteps, 1);
    policy.interactive.ssh_keys = set(BothSteps, 2);
    let service = ServiceName::parse("sshd").unwrap();
    let enough = |policy: &Policy, demand: Option<Demanded>, security_keys, ssh_keys| {
        let line = |value| Setting { value, origin: Origin::Line(9) };
        let first = rules().into_iter().flatten().next().unwrap();
        let rule = Rule {
            demand: demand.map(|value| Setting { value, origin: Origin::Line(8) }),
            security_keys: Option::<KeyWorth>::map(security_keys, line),
            ssh_keys: Option::<KeyWorth>::map(ssh_keys, line),
            ..first
        };
        let terms = Terms::of(policy, Some(&rule), Mode::AfterKey, &service).unwrap();
        terms.enough.map(|enough| (enough.keys, enough.origin))
    };
    let code = Some(Demanded::Code);
    assert_eq!(enough(&policy, None, None, None), Some((Keys::All, Origin::Line(2))));
    assert_eq!(enough(&policy, code, None, None), None);
    assert_eq!(enough(&policy, code, Some(BothSteps), None), Some((Keys::Security, Origin::Line(9))));
    assert_eq!(enough(&policy, code, None, Some(BothSteps)), Some((Keys::All, Origin::Line(9))));
    assert_eq!(enough(&policy, None, None, Some(Code)), Some((Keys::Security, Origin::Line(1))));
    assert_eq!(enough(&policy, None, Some(Code), Some(Code)), None);
    // Not to be passed over by what the configuration says of any key.
    assert_eq!(enough(&policy, None, Some(Code), None), None);
    assert_eq!(enough(&policy, None, Some(Code), Some(BothSteps)), Some((Keys::All, Origin::Line(9))));
    assert_eq!(enough(&Policy::defaults(), None, None, None), None);
}

#[test]
fn the_setting_that_decided_is_named() {
    let (deny, allow) = (Schedule::always(Unenrolled::Deny), Schedule::always(Unenrolled::Allow));
    let policy = policy(&deny, &allow, Unenrolled::Allow, &[]);
    let service = ServiceName::parse("sshd").unwrap();
    let by = |rule: Option<&Rule>| {
        let terms = Terms::of(&policy, rule, Mode::ByService, &service).unwrap();
        decide(&terms, &attempt(&service, UnixTime(0)), &Account::NotEnrolled)
    };
    let why = |reason, line| Demand::Deny(Why { reason, origin: Origin::Line(line) });
    assert_eq!(by(None), why(Reason::NotEnrolledDenied, 2));
    let refusing = rules()
        .into_iter()
        .flatten()
        .find(|rule| rule.demand.as_ref().is_some_and(|demand| demand.value == Demanded::Deny));
    assert_eq!(by(refusing.as_ref()), why(Reason::DeniedByRule { rule: Origin::Line(9) }, 9));
}
