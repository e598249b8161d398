//! What two configurations demand of the same people, by the function that every login and `explain` call.

use super::snapshot::{Once, Snapshot};
use crate::explain::seat;
use crate::stack::AuthLine;
use crate::stacks::Seen;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use twostep_core::attempt::Source;
use twostep_core::decide::{Demand, Otherwise, Unless};
use twostep_core::event::Reason;
use twostep_core::login::{Request, Word, demand};
use twostep_core::name::{ServiceName, UserName};
use twostep_core::policy::{Policy, SELF_SERVICE};
use twostep_core::protocol::{Echo, Mode};
use twostep_core::time::UnixTime;

/// How many places and users are looked at: what is left out is said.
const PLACES_MAX: usize = 20;
pub(super) const USERS_MAX: usize = 2_000;

/// One of the two, and the lines of the stacks as it has them.
pub(super) struct Side<'a> {
    pub(super) policy: &'a Policy,
    pub(super) stacks: &'a Seen,
}

/// What is asked of somebody.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Outcome {
    /// As `explain` calls it.
    pub(super) demand: &'static str,
    pub(super) words: String,
}

/// What changes for some users at a service.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Change {
    pub(super) service: String,
    /// A network or a terminal that a rule names; null where it is the same everywhere, or elsewhere.
    #[serde(rename = "where")]
    pub(super) place: Option<String>,
    pub(super) before: Outcome,
    pub(super) after: Outcome,
    pub(super) users: Vec<String>,
}

/// Where somebody signs in.
#[derive(Clone, Debug, Default)]
struct Place {
    from: Option<String>,
    tty: Option<String>,
    words: Option<String>,
}

/// Asks both about everybody, everywhere.
pub(super) struct Comparison<'a> {
    pub(super) before: Side<'a>,
    pub(super) after: Side<'a>,
    pub(super) directory: &'a Once<'a>,
    pub(super) vault: Snapshot,
    /// The file in force: lines that name another one go by that.
    pub(super) file: &'a Path,
    pub(super) now: UnixTime,
}

impl Comparison<'_> {
    /// All changes, by service and place.
    pub(super) fn changes(&mut self, users: &BTreeSet<UserName>) -> Vec<Change> {
        let mut grouped: BTreeMap<(String, Option<String>, Outcome, Outcome), Vec<String>> = BTreeMap::new();
        let places = self.places();
        for (service, name, mode) in self.lines() {
            for user in users.iter().take(USERS_MAX) {
                let found: Vec<_> = places
                    .iter()
                    .map(|place| {
                        let before = self.outcome(Which::Before, user, &name, mode, place);
                        let after = self.outcome(Which::After, user, &name, mode, place);
                        (place.words.clone(), before, after)
                    })
                    .collect();
                let (_, before, after) = &found[0];
                let same = found.iter().all(|(_, b, a)| b == before && a == after);
                let told = if same { &found[..1] } else { &found[..] };
                for (place, before, after) in told.iter().filter(|(_, before, after)| before != after) {
                    let elsewhere = || (!same).then(|| "elsewhere".to_owned());
                    let place = place.clone().or_else(elsewhere);
                    let key = (service.clone(), place, before.clone(), after.clone());
                    grouped.entry(key).or_default().push(user.to_string());
                }
            }
        }
        let change =
            |((service, place, before, after), users)| Change { service, place, before, after, users };
        grouped.into_iter().map(change).collect()
    }

    pub(super) fn is_wired_nowhere(&self) -> bool {
        self.lines().is_empty()
    }

    /// Services with a prompt at which this user would be refused, wherever they come from that no rule names.
    pub(super) fn refusals(&mut self, user: &UserName) -> Vec<(String, Outcome)> {
        let mut refused = Vec::new();
        for (service, name, mode) in self.lines() {
            if mode == Mode::App || self.after.policy.app.services.value.contains(&name) {
                continue;
            }
            let outcome = self.outcome(Which::After, user, &name, mode, &Place::default());
            if outcome.demand == "deny" && !refused.iter().any(|(known, _)| *known == service) {
                refused.push((service, outcome));
            }
        }
        refused
    }

    /// Services with a line of ours, each with what kinds of lines it has under either configuration.
    fn lines(&self) -> Vec<(String, ServiceName, Mode)> {
        let mut found: Vec<(String, ServiceName, Mode)> = Vec::new();
        for side in [&self.after, &self.before] {
            for (service, lines) in &side.stacks.lines {
                let Ok(name) = ServiceName::parse(service) else { continue };
                for line in lines.iter().filter(|line| goes_by(line, self.file) && service != SELF_SERVICE) {
                    // What an `after-key` or `one-prompt` line demands is what an ordinary one does.
                    let mode = if line.mode == Mode::App { Mode::App } else { Mode::ByService };
                    if !found.iter().any(|(known, _, kind)| known == service && *kind == mode) {
                        found.push((service.clone(), name.clone(), mode));
                    }
                }
            }
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    }

    /// One that no rule names, and each that a rule does.
    fn places(&self) -> Vec<Place> {
        let mut words = BTreeSet::new();
        let mut places = vec![Place::default()];
        for rule in self.before.policy.rules.iter().chain(&self.after.policy.rules) {
            for network in rule.networks.iter().flatten() {
                places.push(Place {
                    from: Some(network.addr().to_string()),
                    tty: None,
                    words: Some(format!("from {network}")),
                });
            }
            for tty in rule.ttys.iter().flatten().map(|tty| tty.as_str()) {
                places.push(Place {
                    from: None,
                    tty: Some(tty.replace(['*', '?'], "1")),
                    words: Some(format!("at {tty}")),
                });
            }
        }
        places.retain(|place| words.insert(place.words.clone()));
        places.truncate(PLACES_MAX);
        places
    }

    fn outcome(
        &mut self,
        which: Which,
        user: &UserName,
        service: &ServiceName,
        mode: Mode,
        place: &Place,
    ) -> Outcome {
        let policy = match which {
            Which::Before => self.before.policy,
            Which::After => self.after.policy,
        };
        let tty = seat(place.tty.as_deref(), service);
        let request = Request {
            user: user.as_str(),
            service: service.clone(),
            mode,
            source: Source::told(place.from.as_deref(), tty, service, &policy.nat64),
            tty,
            prompt: None,
            echo: Echo::Hidden,
            key: None,
            word: Word::Counts,
        };
        match demand(self.directory, &mut self.vault, policy, &request, self.now) {
            Ok(judged) => told(&judged.demand),
            Err(reason) => refused(&reason),
        }
    }
}

#[derive(Clone, Copy)]
enum Which {
    Before,
    After,
}

fn goes_by(line: &AuthLine, file: &Path) -> bool {
    line.config.as_deref().is_none_or(|config| config == file)
}

fn refused(reason: &Reason) -> Outcome {
    Outcome { demand: "deny", words: format!("refused ({})", reason.word()) }
}

/// A demand, in words that follow "users".
fn told(demand: &Demand) -> Outcome {
    let outcome = |demand, words: String| Outcome { demand, words };
    let pending = |otherwise: &Otherwise| match otherwise {
        Otherwise::AsUnenrolled(Unless::GoOn(_)) => ", unless they leave it out (pending)",
        _ => "",
    };
    match demand {
        Demand::Nothing(aside) => match (&aside.why.reason, aside.denied_from) {
            (Reason::Exempt { .. }, _) => outcome("nothing", "exempt, the password is enough".to_owned()),
            (_, Some(day)) => outcome(
                "nothing",
                format!("not enrolled, the password is enough until {}, then refused", day.date()),
            ),
            _ => outcome("nothing", "not enrolled, the password is enough".to_owned()),
        },
        Demand::Enroll(enroll) => outcome(
            "enroll",
            match enroll.by {
                Some(by) => {
                    format!("not enrolled, asked to set two-step up, which they must from {}", by.date())
                }
                None => "not enrolled, must set two-step up at the login".to_owned(),
            },
        ),
        Demand::Deny(why) => refused(&why.reason),
        Demand::Code(wanted) => {
            let kinds = wanted.trust.iter().flat_map(|trust| &trust.kinds);
            let kinds: Vec<_> = kinds.map(|kind| kind.word()).collect();
            let trust = match kinds.as_slice() {
                [] => String::new(),
                kinds => format!(", unless on a trusted device ({})", kinds.join(", ")),
            };
            outcome("code", format!("asked for a code{}{trust}", pending(&wanted.otherwise)))
        }
        Demand::AppPassword(wanted) => {
            outcome("app-password", format!("asked for an app password{}", pending(&wanted.otherwise)))
        }
    }
}
