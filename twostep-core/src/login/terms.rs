//! Which rule holds for a login, what NSS and the store say of whoever signs in, and what is demanded.

use super::{Request, Stop};
use crate::account::{Account, NO_UID};
use crate::attempt::{Attempt, ServiceClass, Source};
use crate::decide::{Demand, Terms, decide};
use crate::event::Reason;
use crate::name::{Domains, Naming, UserName};
use crate::policy::{Policy, SELF_SERVICE, Setting};
use crate::ports::{Directory, DirectoryFailed, Person, Vault};
use crate::rule::{self, By, Choice, Inquiry, Match, Rule, Scene, Tty};
use crate::schedule::{Schedule, Unenrolled};
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

/// Whether users may turn their own two-step off, and nothing that may hold for this one at any service, now or later, demands that they
/// are enrolled.
///
/// # Errors
/// When NSS failed.
pub fn may_unenroll(
    directory: &dyn Directory,
    policy: &Policy,
    person: &Person,
    now: UnixTime,
) -> Result<bool, DirectoryFailed> {
    let at = now.max(policy.written);
    let demands = |setting: &Setting<Schedule>| {
        [Unenrolled::Enroll, Unenrolled::Deny].iter().any(|value| setting.value.comes_to(*value, at))
    };
    let of_all = [&policy.interactive.unenrolled, &policy.app.unenrolled];
    if !policy.self_service.unenroll || of_all.into_iter().any(demands) {
        return Ok(false);
    }
    for rule in policy.rules.iter().filter(|rule| !rule.is_over(at)) {
        if rule.unenrolled.as_ref().is_some_and(demands) && may_be_about(directory, rule, person)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a rule may be about somebody, wherever they sign in.
fn may_be_about(directory: &dyn Directory, rule: &Rule, person: &Person) -> Result<bool, DirectoryFailed> {
    if let Some(users) = &rule.users {
        let mut named = users.contains(&person.name);
        for user in users {
            named |= directory.find(user.as_str())?.is_some_and(|found| found.uid == person.uid);
        }
        if !named {
            return Ok(false);
        }
    }
    match &rule.groups {
        Some(groups) => Ok(directory.is_member(&person.name, groups)? > Match::No),
        None => Ok(true),
    }
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
        asked.at_console = *source == Source::Local;
        rule::choose(&policy.rules, &Scene { service, tty, source, at }, asked)?
    };
    let of = |rule| Terms::of(policy, rule, request.mode, service).map_err(Stop);
    let mut terms = of(choice.rule)?;
    let spared = asked.is_root_at_console();
    for doubted in choice.doubted {
        let both = of(Some(doubted)).and_then(|other| terms.clone().and_at_least(other, at).map_err(Stop));
        terms = if spared { without_refusal(terms, both, at) } else { both? };
    }
    Ok((terms, choice.rule))
}

/// What a rule that matches in doubt adds to `terms`, but for what refuses: nobody could get in any more to put the rule right.
fn without_refusal(terms: Terms, both: Result<Terms, Stop>, at: UnixTime) -> Terms {
    match both {
        Ok(both) if matches!(both.settled(), Some(Demand::Deny(_))) => terms,
        Ok(mut both) => {
            if both.unenrolled.value.at(at) == Unenrolled::Deny {
                both.unenrolled = match terms.settled() {
                    // What the rest of the configuration would do to whoever is not enrolled is nothing to somebody who is exempt.
                    Some(Demand::Nothing(aside)) => {
                        Setting { value: Schedule::always(Unenrolled::Allow), origin: aside.why.origin }
                    }
                    _ => terms.unenrolled,
                };
            }
            both
        }
        // The rule is at odds with the module's line.
        Err(_) => terms,
    }
}

/// A name that NSS is asked about no earlier than somebody wants to know, and once.
pub(super) struct Asked<'d> {
    directory: &'d dyn Directory,
    raw: &'d str,
    naming: &'d Naming,
    resolved: Option<Resolved>,
    groups: Groups,
    at_console: bool,
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
        Self { directory, raw, naming, resolved: None, groups: Groups::Asked, at_console: false }
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

    /// Whether it is uid 0 at a terminal of this host, as far as a rule has asked who it is: the last way in, where groups are not found.
    fn is_root_at_console(&self) -> bool {
        self.at_console && matches!(&self.resolved, Some(Resolved::Known(person)) if person.uid == 0)
    }

    /// Whom the name may be taken for, where NSS does not know it as it stands.
    fn likeness(&self) -> Option<&Likeness> {
        self.resolved.as_ref().and_then(Resolved::likeness)
    }

    /// Whether a rule about some users may be about whomever the modules after us make of the name.
    fn is_doubted(&self, is: impl Fn(&Person) -> bool) -> bool {
        self.likeness().is_some_and(|likeness| likeness.is_anybodys() || likeness.people().iter().any(is))
    }

    /// How surely a rule is about somebody who is one of those that it names. The modules after us get the name as it was given. Where the
    /// domain rule has cut it, and they may take it for somebody else's, it is no name for an exemption.
    fn named(&self, person: &Person, by: By) -> Match {
        let is_plain = self.raw.trim().to_lowercase() == person.name.as_str().to_lowercase();
        if by == By::Name && !is_plain && self.is_doubted(|other| other != person) {
            return Match::Doubted;
        }
        Match::Yes
    }

    fn member(&self, of: &UserName, groups: &[String]) -> Result<Match, Stop> {
        match self.directory.is_member(of, groups) {
            Ok(found) => Ok(found),
            Err(_) if self.is_root_at_console() => Ok(Match::Doubted),
            Err(failed) => Err(Stop(Reason::Nss { cause: failed.0 })),
        }
    }

    /// The same of somebody whom NSS knows. If it has lost the name by now, the directory is down that may have both.
    fn known_member(&self, of: &UserName, groups: &[String]) -> Result<Match, Stop> {
        let found = self.member(of, groups)?;
        if found > Match::No {
            return Ok(found);
        }
        match self.directory.find(of.as_str()) {
            Ok(Some(_)) => Ok(Match::No),
            Ok(None) => Ok(Match::Doubted),
            Err(_) if self.is_root_at_console() => Ok(Match::Doubted),
            Err(failed) => Err(Stop(Reason::Nss { cause: failed.0 })),
        }
    }

    /// Whether a name that NSS does not know is this one, as it was given.
    fn is_given(&self, user: &UserName) -> bool {
        matches!(&self.resolved, Some(Resolved::Strange { given, .. }) if given.contains(user))
    }

    /// A name that NSS does not know.
    fn unlisted(&self) -> Option<UserName> {
        match self.resolved.as_ref() {
            Some(Resolved::Virtual { name, .. }) => Some(name.clone()),
            Some(Resolved::Strange { given, .. }) => given.first().cloned(),
            _ => None,
        }
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
            Resolved::Strange { .. } => Ok(None),
            // Nobody can tell what the modules after us make of it.
            Resolved::Unusable => Err(Stop(Reason::UserUnknown)),
        }
    }
}

impl Inquiry for Asked<'_> {
    type Error = Stop;

    fn is_any_of(&mut self, users: &[UserName], by: By) -> Result<Match, Stop> {
        let person = self.person()?;
        if let Some(person) = person.as_ref().filter(|person| users.contains(&person.name)) {
            return Ok(self.named(person, by));
        }
        if by == By::Name {
            return Ok(Match::No);
        }
        // What a rule that exempts must not make of a name, another one may.
        if self.is_doubted(|other| users.contains(&other.name)) {
            return Ok(Match::Doubted);
        }
        let Some(person) = person else {
            // A directory that is down knows nobody: the very name may be the one that is meant.
            let named = users.iter().any(|user| self.is_given(user));
            return Ok(if named { Match::Doubted } else { Match::No });
        };
        for user in users {
            let found = match self.directory.find(user.as_str()) {
                Ok(found) => found,
                // Its own name is found. Whether the other is a second one of uid 0, nobody can tell.
                Err(_) if self.is_root_at_console() => return Ok(Match::Doubted),
                Err(failed) => return Err(Stop(Reason::Nss { cause: failed.0 })),
            };
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
        // Groups are of accounts: a virtual user is in none.
        let person = self.person()?.filter(|person| person.uid != NO_UID);
        let surest = person.as_ref().map_or(Match::Yes, |person| self.named(person, by));
        let known = person.map(|person| person.name);
        let mut doubted = Vec::new();
        if by == By::NameOrUid {
            if self.likeness().is_some_and(Likeness::is_anybodys) {
                return Ok(Match::Doubted);
            }
            let alike = self.likeness().map(Likeness::people).unwrap_or_default();
            doubted.extend(alike.iter().map(|person| person.name.clone()));
            // The directory may be down that has both the name and the group: a group that is not found tells.
            if known.is_none() && doubted.is_empty() {
                doubted.extend(self.unlisted());
            }
        }
        if known.is_none() && doubted.is_empty() {
            return Ok(Match::No);
        }
        if self.groups != Groups::Asked {
            self.groups = Groups::LeftToBroker;
            return Err(super::internal("a rule asks about groups where nobody can be asked"));
        }
        let mut found = known.map_or(Ok(Match::No), |name| self.known_member(&name, groups))?.min(surest);
        for name in doubted {
            found = found.max(self.member(&name, groups)?.min(Match::Doubted));
        }
        Ok(found)
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
