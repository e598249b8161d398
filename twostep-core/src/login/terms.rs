//! Which rule holds for a login, what NSS and the store say of whoever signs in, and what is demanded.

use super::{Request, Stop};
use crate::account::{Account, NO_UID};
use crate::attempt::{Attempt, ServiceClass, Source};
use crate::decide::{Demand, Terms, decide};
use crate::event::Reason;
use crate::name::{Domains, Naming, UserName};
use crate::policy::{Policy, SELF_SERVICE};
use crate::ports::{Directory, Person, Vault};
use crate::rule::{self, By, Choice, Inquiry, Match, Rule, Scene, Tty};
use crate::time::UnixTime;
use crate::who::{Facts, Likeness, Resolved, resolve};

/// What the policy demands of an attempt, and by what.
#[derive(Debug)]
pub struct Judged<'p> {
    /// The canonical name, where there is one.
    pub user: Option<UserName>,
    /// The rule that matches.
    pub rule: Option<&'p Rule>,
    /// What kind of service it is.
    pub class: ServiceClass,
    /// What is demanded.
    pub demand: Demand,
}

/// What the policy demands of this attempt: the same reading and deciding as in a login, without asking anybody.
///
/// # Errors
/// The reason why that cannot be told: NSS or the store failed, or the rule is at odds with the module's line.
pub fn demand<'p>(
    directory: &dyn Directory,
    vault: &mut dyn Vault,
    policy: &'p Policy,
    request: &Request<'_>,
    now: UnixTime,
) -> Result<Judged<'p>, Reason> {
    let mut asked = Asked::new(directory, request.user, naming(policy, request));
    let now = now.max(policy.written);
    let (terms, rule) = choose(policy, request, &mut asked, now).map_err(|stop| stop.0)?;
    let read = Read::of(&terms, request, now);
    let (user, demand) = read.demand(directory, vault, asked).map_err(|stop| stop.0)?;
    Ok(Judged { user, rule, class: terms.class, demand })
}

/// Names mean whom NSS says they do.
pub(super) const PLAIN: &Naming = &Naming { virtual_users: false, domains: Domains::Keep };

/// Whom names mean at this line. What a rule makes an app service, where neither line nor list does, has the names of NSS only: they are
/// needed to find the rule.
pub(super) fn naming<'p>(policy: &'p Policy, request: &Request<'_>) -> &'p Naming {
    let class = Terms::of(policy, None, request.mode, &request.service).map(|terms| terms.class);
    if class == Ok(ServiceClass::App) { &policy.app.naming } else { PLAIN }
}

/// The rule that matches, and what follows from it.
pub(super) fn choose<'p>(
    policy: &'p Policy,
    request: &Request<'_>,
    asked: &mut Asked<'_>,
    at: UnixTime,
) -> Result<(Terms, Option<&'p Rule>), Stop> {
    let Request { service, source, tty, .. } = request;
    let tty = if matches!(source, Source::Caller(_)) { Tty::Doubted } else { *tty };
    let none = Choice { rule: None, doubted: Vec::new() };
    let choice = if service.as_str() == SELF_SERVICE {
        none
    } else {
        rule::choose(&policy.rules, &Scene { service, tty, source, at }, asked)?
    };
    let of = |rule| Terms::of(policy, rule, request.mode, service).map_err(Stop);
    let mut terms = of(choice.rule)?;
    for doubted in choice.doubted {
        terms = terms.and_at_least(of(Some(doubted))?, at).map_err(Stop)?;
    }
    Ok((terms, choice.rule))
}

/// A name that NSS is asked about no earlier than somebody wants to know, and once.
pub(super) struct Asked<'d> {
    directory: &'d dyn Directory,
    raw: &'d str,
    naming: &'d Naming,
    resolved: Option<Resolved>,
    groups: Groups,
}

/// Whether this process asks NSS about groups. In one that some user has started, with limits of her choice, an answer is not to be
/// trusted: getgrouplist(3) cannot say that it has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Groups {
    Asked,
    /// No rule has asked yet.
    NotAsked,
    /// One has, and had no answer.
    LeftToBroker,
}

impl<'d> Asked<'d> {
    pub(super) fn new(directory: &'d dyn Directory, raw: &'d str, naming: &'d Naming) -> Self {
        Self { directory, raw, naming, resolved: None, groups: Groups::Asked }
    }

    /// One that is not asked about groups.
    pub(super) fn without_groups(directory: &'d dyn Directory, raw: &'d str, naming: &'d Naming) -> Self {
        Self { groups: Groups::NotAsked, ..Self::new(directory, raw, naming) }
    }

    /// Whether a rule wanted to know of a group, and nobody was asked.
    pub(super) fn is_left_to_broker(&self) -> bool {
        self.groups == Groups::LeftToBroker
    }

    pub(super) fn resolve(&mut self) -> Result<&Resolved, Stop> {
        if self.resolved.is_none() {
            self.resolved = Some(resolve(self.directory, self.raw, self.naming)?);
        }
        self.resolved.as_ref().ok_or_else(|| super::internal("a name that was resolved is not there"))
    }

    pub(super) fn into_resolved(mut self) -> Result<Resolved, Stop> {
        match self.resolved.take() {
            Some(resolved) => Ok(resolved),
            None => resolve(self.directory, self.raw, self.naming),
        }
    }

    /// The canonical name, as far as it is known by now.
    pub(super) fn user(&self) -> Option<UserName> {
        self.resolved.as_ref().and_then(Resolved::user).cloned()
    }

    /// Whom the name may be taken for, where NSS does not know it as it stands.
    fn likeness(&self) -> Option<&Likeness> {
        self.resolved.as_ref().and_then(Resolved::likeness)
    }

    /// Whether a rule about some users may be about whomever the modules after us make of the name.
    fn is_doubted(&self, is: impl Fn(&Person) -> bool) -> bool {
        self.likeness().is_some_and(|likeness| likeness.is_anybodys() || likeness.people().iter().any(is))
    }

    /// Who it is, for a rule. Whoever would be somebody if only the name were written plainly is not passed off as nobody: a
    /// rule that refuses could be dodged so.
    fn person(&mut self) -> Result<Option<Person>, Stop> {
        match self.resolve()? {
            Resolved::Known(person) | Resolved::Meant { person, .. } => Ok(Some(person.clone())),
            // No account has this uid, so that she shares it with nobody.
            Resolved::Virtual { name, .. } => Ok(Some(Person { name: name.clone(), uid: NO_UID })),
            Resolved::Strange { likeness, .. } if !likeness.people().is_empty() => {
                Err(Stop(Reason::NameSpelling))
            }
            Resolved::Strange { .. } | Resolved::Unusable => Ok(None),
        }
    }
}

impl Inquiry for Asked<'_> {
    type Error = Stop;

    fn is_any_of(&mut self, users: &[UserName], by: By) -> Result<Match, Stop> {
        let person = self.person()?;
        if person.as_ref().is_some_and(|person| users.contains(&person.name)) {
            return Ok(Match::Yes);
        }
        if by == By::Name {
            return Ok(Match::No);
        }
        // What a rule that exempts must not make of a name, another one may.
        if self.is_doubted(|other| users.contains(&other.name)) {
            return Ok(Match::Doubted);
        }
        let Some(person) = person else { return Ok(Match::No) };
        for user in users {
            let found = self.directory.find(user.as_str());
            let found = found.map_err(|failed| Stop(Reason::Nss { cause: failed.0 }))?;
            let is_hers = match found {
                Some(one) => one.uid == person.uid,
                None => {
                    !self.naming.is_plain() && self.naming.user(user.as_str()).as_ref() == Some(&person.name)
                }
            };
            if is_hers {
                return Ok(Match::Doubted);
            }
        }
        Ok(Match::No)
    }

    fn is_member_of(&mut self, groups: &[String], by: By) -> Result<Match, Stop> {
        let person = self.person()?;
        if person.is_some() && self.groups != Groups::Asked {
            self.groups = Groups::LeftToBroker;
            return Err(super::internal("a rule asks about groups where nobody can be asked"));
        }
        // Groups are of accounts: of a virtual user it may be that whom the modules after us make of her name.
        let is_member = |of: &Person| {
            let answer = self.directory.is_member(&of.name, groups);
            answer.map_err(|failed| Stop(Reason::Nss { cause: failed.0 }))
        };
        if let Some(person) = person.filter(|person| person.uid != NO_UID)
            && is_member(&person)?
        {
            return Ok(Match::Yes);
        }
        let Some(likeness) = self.likeness().filter(|_| by == By::NameOrUid) else { return Ok(Match::No) };
        for other in likeness.people() {
            if is_member(other)? {
                return Ok(Match::Doubted);
            }
        }
        Ok(if likeness.is_anybodys() { Match::Doubted } else { Match::No })
    }
}

/// A reading of NSS and store that ends in a demand.
pub(super) struct Read<'t> {
    pub(super) terms: &'t Terms,
    pub(super) at: UnixTime,
    /// Whether the store is read for names that strangers make up too, so that they cost the same.
    pub(super) veiled: bool,
    pub(super) request: &'t Request<'t>,
}

impl<'t> Read<'t> {
    pub(super) fn of(terms: &'t Terms, request: &'t Request<'t>, at: UnixTime) -> Self {
        Self { terms, at, veiled: false, request }
    }

    pub(super) fn demand(
        &self,
        directory: &dyn Directory,
        vault: &mut dyn Vault,
        asked: Asked<'_>,
    ) -> Result<(Option<UserName>, Demand), Stop> {
        if let Some(settled) = self.terms.settled() {
            return Ok((asked.user(), settled.clone()));
        }
        let resolved = asked.into_resolved()?;
        if let (Some(unlisted), ServiceClass::Interactive, false) =
            (resolved.unlisted(), self.terms.class, self.veiled)
        {
            // Refused whatever the store says, so that it is not opened for names that strangers make up.
            return Ok((None, self.decide(None, &Account::NotInNss(unlisted))));
        }
        // Read and closed again before NSS is asked anything more: a directory that hangs must not hold the store's lock.
        let facts = Facts::read(&mut *vault.open()?, &resolved, self.terms.class)?;
        let account = facts.account(directory, &resolved)?;
        let user = resolved.into_user(&account);
        let demand = self.decide(user.clone(), &account);
        Ok((user, demand))
    }

    pub(super) fn decide(&self, user: Option<UserName>, account: &Account) -> Demand {
        let (service, source) = (self.request.service.clone(), self.request.source.clone());
        decide(self.terms, &Attempt { user, service, source, at: self.at }, account)
    }
}
