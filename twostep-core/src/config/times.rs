//! Dates and times, and values that change with them.

use super::{Reader, Value};
use crate::policy::Setting;
use crate::schedule::{Schedule, Unenrolled};
use crate::time::UnixTime;
use toml_datetime::{Datetime, Offset};

/// What can be written for a time.
pub const TIMES: &str = "a date, 2026-12-31 (by UTC), or a time with its offset, 2026-12-31T08:00:00+01:00";

/// A point in time, or a whole day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The point.
    Time(UnixTime),
    /// From its beginning to that of the next one.
    Day(UnixTime),
}

impl Moment {
    /// Reads one, as [`TIMES`] has it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().as_ref().and_then(moment)
    }

    /// When it begins.
    #[must_use]
    pub fn begins(self) -> UnixTime {
        match self {
            Self::Time(at) | Self::Day(at) => at,
        }
    }

    /// When what is to last until then is over: of a day, when that is.
    #[must_use]
    pub fn is_over(self) -> UnixTime {
        match self {
            Self::Time(at) => at,
            Self::Day(begins) => begins.plus(DAY),
        }
    }
}

const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

impl Reader<'_> {
    /// `"allow"`, `"enroll from 2026-12-01"`, or a list of such, the first without a date.
    pub(super) fn schedule(&mut self, key: &str, value: &Value<'_>, setting: &mut Setting<Schedule>) {
        let before = self.mistakes.len();
        let steps = self.entries(value, |reader, item, text| reader.step(key, item, text));
        if self.mistakes.len() > before {
            return;
        }
        let origin = self.origin(value);
        match schedule(steps) {
            Ok(value) => *setting = Setting { value, origin },
            Err((message, hint)) => {
                self.mistake(value.span().start, message.to_owned(), Some(hint.to_owned()));
            }
        }
    }

    fn step(&mut self, key: &str, item: &Value<'_>, text: &str) -> Option<(Unenrolled, Option<UnixTime>)> {
        let (word, date) = match text.split_once(" from ") {
            Some((word, date)) => (word, Some(date)),
            None => (text, None),
        };
        let Some((_, value)) = Unenrolled::WORDS.iter().find(|(known, _)| *known == word) else {
            self.unknown_word(key, item, text, &Unenrolled::WORDS);
            return None;
        };
        let Some(date) = date else { return Some((*value, None)) };
        match Moment::parse(date) {
            Some(moment) => Some((*value, Some(moment.begins()))),
            None => {
                let message = format!("{date:?} is no time that can be used here");
                self.mistake(item.span().start, message, Some(TIMES.to_owned()));
                None
            }
        }
    }

    /// A time at which something ends: of a day, when that day is over.
    pub(super) fn end(&mut self, value: &Value<'_>) -> Option<UnixTime> {
        let found = value.get_ref().as_datetime().and_then(moment);
        if found.is_none() {
            let message = format!("no time that can be used here, but {}", value.get_ref().type_str());
            self.mistake(value.span().start, message, Some(format!("{TIMES}; without quotes")));
        }
        found.map(Moment::is_over)
    }
}

type Fault = (&'static str, &'static str);

fn schedule(steps: Vec<(Unenrolled, Option<UnixTime>)>) -> Result<Schedule, Fault> {
    let follow = ("the dates do not follow each other", "earlier ones first, each with a date but the first");
    let mut steps = steps.into_iter();
    let (first, mut then) = match steps.next() {
        Some((first, None)) => (first, Vec::new()),
        Some((Unenrolled::Allow, Some(_))) => {
            return Err(("what holds before that date is not said", "[\"deny\", \"allow from 2026-12-01\"]"));
        }
        Some((stricter, Some(from))) => (Unenrolled::Allow, vec![(from, stricter)]),
        None => return Err(follow),
    };
    for (value, from) in steps {
        then.push((from.ok_or(follow)?, value));
    }
    Schedule::changing(first, then).ok_or(follow)
}

fn moment(written: &Datetime) -> Option<Moment> {
    let date = written.date?;
    let midnight = UnixTime::of_date(date.year, date.month, date.day)?;
    match (written.time, written.offset) {
        (None, None) => Some(Moment::Day(midnight)),
        (Some(time), Some(offset)) => {
            let minutes = match offset {
                Offset::Z => 0,
                Offset::Custom { minutes } => i64::from(minutes),
            };
            let seconds = i64::from(time.hour) * 3_600
                + i64::from(time.minute) * 60
                + i64::from(time.second.unwrap_or(0));
            Some(Moment::Time(UnixTime(midnight.0 + seconds - minutes * 60)))
        }
        // Whose clock would that be?
        _ => None,
    }
}
