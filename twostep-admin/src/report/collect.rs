//! What was refused, added up: as much memory as there are matters to tell of, however long the log is.

use std::collections::{BTreeSet, HashMap};
use twostep_core::event::Ending;
use twostep_core::log_line::LogLine;
use twostep_core::name::UserName;
use twostep_core::time::UnixTime;

/// How many sources of one matter are told apart.
const SOURCES_MAX: usize = 100;

/// What belongs together in one row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Matter {
    /// Whose login; none for strangers.
    pub(crate) user: Option<String>,
    /// Where to; none for strangers, who try everything.
    pub(crate) service: Option<String>,
    /// Refused, or no verdict.
    pub(crate) ending: End,
    /// The word in the log.
    pub(crate) reason: String,
    /// Which app password.
    name: Option<String>,
    /// Why it was out of scope.
    cause: Option<String>,
}

/// The endings that are told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum End {
    Refused,
    Unavailable,
}

impl End {
    fn of(ending: Ending) -> Option<Self> {
        match ending {
            Ending::Refused => Some(Self::Refused),
            Ending::Unavailable => Some(Self::Unavailable),
            Ending::Accepted | Ending::Ignored | Ending::Changed => None,
        }
    }

    /// The word in the log.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Refused => Ending::Refused.word(),
            Self::Unavailable => Ending::Unavailable.word(),
        }
    }
}

impl Matter {
    fn of(line: &LogLine) -> Option<Self> {
        let ending = End::of(line.ending)?;
        let stranger = line.user.is_none() && line.reason == "user-unknown";
        let scope = line.reason == "app-password-out-of-scope";
        Some(Self {
            user: line.user.clone(),
            service: line.service.clone().filter(|_| !stranger),
            ending,
            reason: line.reason.clone(),
            name: line.detail("name").map(str::to_owned),
            cause: line.detail("cause").filter(|_| scope).map(str::to_owned),
        })
    }
}

/// How often a matter came up, when, from where.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) times: u64,
    pub(crate) first: UnixTime,
    pub(crate) last: UnixTime,
    /// The latest line.
    pub(crate) latest: LogLine,
    sources: BTreeSet<String>,
}

impl Tally {
    fn new(at: UnixTime, line: LogLine) -> Self {
        Self { times: 1, first: at, last: at, sources: line.from.iter().cloned().collect(), latest: line }
    }

    fn add(&mut self, at: UnixTime, line: LogLine) {
        self.times += 1;
        self.first = self.first.min(at);
        if let Some(from) = line.from.as_ref().filter(|_| self.sources.len() < SOURCES_MAX) {
            self.sources.insert(from.clone());
        }
        if at >= self.last {
            self.last = at;
            self.latest = line;
        }
    }

    /// How many sources there were besides the latest.
    pub(crate) fn others(&self) -> usize {
        self.sources.iter().filter(|from| self.latest.from.as_ref() != Some(from)).count()
    }
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Refusals {
    since: UnixTime,
    user: Option<UserName>,
    found: HashMap<Matter, Tally>,
}

impl Refusals {
    /// Nothing as yet: of one user, or of all.
    pub(crate) fn since(since: UnixTime, user: Option<UserName>) -> Self {
        Self { since, user, found: HashMap::new() }
    }

    /// Takes a line of the log in, if it is one to tell of.
    pub(crate) fn take(&mut self, at: UnixTime, line: LogLine) {
        let another = self.user.as_ref().is_some_and(|user| line.user.as_deref() != Some(user.as_str()));
        if at < self.since || another {
            return;
        }
        let Some(matter) = Matter::of(&line) else { return };
        match self.found.get_mut(&matter) {
            Some(tally) => tally.add(at, line),
            None => {
                self.found.insert(matter, Tally::new(at, line));
            }
        }
    }

    /// By user, the one with the newest matter first, and each one's newest first.
    pub(crate) fn sorted(self) -> Vec<(Matter, Tally)> {
        let mut newest: HashMap<Option<String>, UnixTime> = HashMap::new();
        for (matter, tally) in &self.found {
            let of_user = newest.entry(matter.user.clone()).or_insert(tally.last);
            *of_user = tally.last.max(*of_user);
        }
        let mut rows: Vec<_> = self.found.into_iter().collect();
        rows.sort_by_cached_key(|(matter, tally)| {
            let group = newest.get(&matter.user).copied().unwrap_or(tally.last);
            let names = [&matter.service, &matter.name, &matter.cause].map(Clone::clone);
            (back(group), matter.user.clone(), back(tally.last), matter.reason.clone(), names)
        });
        rows
    }
}

/// A key by which the newest comes first.
fn back(at: UnixTime) -> std::cmp::Reverse<UnixTime> {
    std::cmp::Reverse(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusals(lines: &[(i64, &str)]) -> Vec<(Matter, Tally)> {
        let mut all = Refusals::since(UnixTime(1_000), None);
        for (at, line) in lines {
            all.take(UnixTime(*at), LogLine::parse(line).unwrap());
        }
        all.sorted()
    }

    #[test]
    fn the_user_with_the_newest_matter_comes_first() {
        let rows = refusals(&[
            (1_001, "result=refused reason=code-wrong user=alice service=sshd from=192.0.2.1"),
            (1_005, "result=refused reason=code-wrong user=bob service=sshd from=192.0.2.1"),
            (1_002, "result=refused reason=empty user=bob service=sshd from=192.0.2.1"),
            (1_009, "result=refused reason=code-wrong user=alice service=login from=local"),
            (1_008, "result=accepted reason=code user=carol service=login from=local"),
            (999, "result=refused reason=code-wrong user=dave service=sshd from=192.0.2.1"),
        ]);
        let told: Vec<_> = rows.iter().map(|(m, t)| (m.user.as_deref().unwrap(), t.last.0)).collect();
        assert_eq!(told, [("alice", 1_009), ("alice", 1_001), ("bob", 1_005), ("bob", 1_002)]);
    }

    #[test]
    fn strangers_are_one_row_and_a_broken_host_is_another() {
        let rows = refusals(&[
            (1_001, "result=refused reason=user-unknown service=sshd from=192.0.2.1"),
            (1_002, "result=refused reason=user-unknown service=login from=192.0.2.2"),
            (1_003, "result=unavailable reason=store service=sshd from=192.0.2.2 cause=x remedy=y"),
        ]);
        let told: Vec<_> = rows.iter().map(|(m, t)| (m.reason.as_str(), t.times, t.others())).collect();
        assert_eq!(told, [("store", 1, 0), ("user-unknown", 2, 1)]);
    }

    #[test]
    fn app_passwords_are_told_apart_and_no_more() {
        let line = |name: &str, cause: &str, from: &str| {
            format!(
                "result=refused reason=app-password-out-of-scope user=a service=imap from={from} name={name} cause={cause}"
            )
        };
        let mut all = Refusals::since(UnixTime(0), None);
        for number in 0..1_000 {
            let from = format!("2001:db8::{number:x}");
            all.take(UnixTime(number), LogLine::parse(&line("phone", "address", &from)).unwrap());
        }
        all.take(UnixTime(1), LogLine::parse(&line("phone", "service", "192.0.2.1")).unwrap());
        all.take(UnixTime(1), LogLine::parse(&line("laptop", "service", "192.0.2.1")).unwrap());
        let rows = all.sorted();
        assert_eq!((rows.len(), rows[0].1.times, rows[0].1.others()), (3, 1_000, SOURCES_MAX));
        assert_eq!((rows[0].1.first, rows[0].1.last), (UnixTime(0), UnixTime(999)));
    }
}
