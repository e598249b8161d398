//! `report refused`: whom this host has refused, at which service, why and when, from the log. The module keeps nothing of a refusal, and
//! neither store nor configuration is needed here: it tells of logins that were refused for want of them, too.

mod arguments;
mod collect;
mod journal;
mod lines;
mod syslog;
mod words;

pub(crate) use arguments::ReportCommand;

use crate::cli::Arguments;
use crate::context;
use crate::failure::Failure;
use crate::output::{Output, Report, ago, table, time};
use arguments::{Refused, Since};
use collect::{Matter, Refusals, Tally};
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;
use std::time::Duration;
use twostep_core::time::UnixTime;
use twostep_store::host;

/// How far back it looks unless told.
const USUALLY: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Carries it out.
pub(crate) fn run(arguments: &Arguments, wanted: &ReportCommand) -> Result<(), Failure> {
    let ReportCommand::Refused(wanted) = wanted;
    let now = host::now().wall;
    let since = match wanted.since {
        Some(Since::Ago(span)) => now.minus(span),
        Some(Since::At(then)) => then,
        None => now.minus(USUALLY),
    };
    let user = wanted.user.as_deref().map(context::canonical).transpose()?;
    let mut refusals = Refusals::since(since, user);
    read(wanted, since, now, &mut refusals)?;
    let rows = refusals.sorted().into_iter().map(|(matter, tally)| Row::of(matter, tally, now)).collect();
    Output::of(arguments).report(&Shown { rows, since })
}

/// Reads the log that is meant.
fn read(wanted: &Refused, since: UnixTime, now: UnixTime, refusals: &mut Refusals) -> Result<(), Failure> {
    let mut take = |at, line| refusals.take(at, line);
    let Some(path) = &wanted.log else {
        return journal::read(Path::new(journal::PROGRAM), since, &mut take);
    };
    let clock = syslog::Clock::of_this_host(now);
    let unread = |error: io::Error| Failure::LogUnread(path.clone(), error);
    if path == Path::new("-") {
        return syslog::read(io::stdin().lock(), &clock, &mut take).map_err(unread);
    }
    let file = File::open(path).map_err(unread)?;
    syslog::read(BufReader::new(file), &clock, &mut take).map_err(unread)
}

struct Shown {
    rows: Vec<Row>,
    since: UnixTime,
}

/// The document is the list; since when is what was asked for.
impl Serialize for Shown {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.rows.serialize(to)
    }
}

/// One matter to tell a user of.
#[derive(Serialize)]
struct Row {
    user: Option<String>,
    service: Option<String>,
    /// `refused` or `unavailable`.
    result: &'static str,
    /// The word in the log.
    reason: String,
    /// Of which app password.
    name: Option<String>,
    cause: Option<String>,
    /// When that app password expired.
    on: Option<String>,
    /// The reason, for people.
    words: String,
    times: u64,
    first: String,
    last: String,
    /// The latest source.
    from: Option<String>,
    /// How many others there were.
    others: usize,
    #[serde(skip)]
    ago: String,
}

impl Row {
    fn of(matter: Matter, tally: Tally, now: UnixTime) -> Self {
        let detail = |key| tally.latest.detail(key).map(str::to_owned);
        Self {
            result: matter.ending.word(),
            name: detail("name"),
            cause: detail("cause"),
            on: detail("on"),
            words: words::of(&tally.latest),
            times: tally.times,
            first: time(tally.first),
            last: time(tally.last),
            others: tally.others(),
            from: tally.latest.from,
            ago: ago(tally.last, now),
            user: matter.user,
            service: matter.service,
            reason: matter.reason,
        }
    }

    fn places(&self) -> String {
        let from = self.from.as_deref().unwrap_or("-");
        match self.others {
            0 => from.to_owned(),
            others => format!("{from} and {others} more"),
        }
    }
}

impl Report for Shown {
    fn text(&self, to: &mut String) {
        if self.rows.is_empty() {
            twostep_terminal::put_line!(to, "nobody was refused since {}", time(self.since));
            return;
        }
        let dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        to.push_str(&table(
            &["USER", "SERVICE", "REASON", "TIMES", "LAST", "FROM"],
            self.rows.iter().map(|row| {
                vec![
                    dash(&row.user),
                    dash(&row.service),
                    row.words.clone(),
                    row.times.to_string(),
                    row.ago.clone(),
                    row.places(),
                ]
            }),
        ));
    }
}
