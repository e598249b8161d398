//! A file that syslog writes. Its times are those of the file's own format, the sender's tag is what the sender says.

use super::lines;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use std::fs;
use std::io::{self, BufRead};
use twostep_core::log_line::LogLine;
use twostep_core::time::UnixTime;

/// The tags of lines that are ours to tell of.
pub(crate) const TAGS: [&str; 2] = ["pam_twostep", "twostepd"];

/// The zone that log daemons write local time in.
const LOCAL_TIME: &str = "/etc/localtime";
/// How far a line may lie in the future and still be this year's: clocks are set back now and then.
const AHEAD: i64 = 24 * 60 * 60;

/// What a time without a year and a zone is read by.
pub(crate) struct Clock {
    now: UnixTime,
    zone: TimeZone,
}

impl Clock {
    /// In the host's zone, whatever the environment says of another: the log daemon has not seen that.
    pub(crate) fn of_this_host(now: UnixTime) -> Self {
        let zone = fs::read(LOCAL_TIME).ok().and_then(|data| TimeZone::tzif("local", &data).ok());
        Self { now, zone: zone.unwrap_or(TimeZone::UTC) }
    }

    /// The latest such time that does not lie in the future.
    fn latest(&self, month: i8, day: i8, [hour, minute, second]: [i8; 3]) -> Option<UnixTime> {
        let end = self.now.0.saturating_add(AHEAD);
        let this_year = Timestamp::from_second(end).ok()?.to_zoned(self.zone.clone()).year();
        // The 29th of February may be eight years away, where a century has no leap year.
        (0..=8).find_map(|back| {
            let time = DateTime::new(this_year - back, month, day, hour, minute, second, 0).ok()?;
            let at = time.to_zoned(self.zone.clone()).ok()?.timestamp().as_second();
            (at <= end).then_some(UnixTime(at))
        })
    }
}

/// Gives every line of ours, and its time, to `take`.
pub(crate) fn read(
    reader: impl BufRead,
    clock: &Clock,
    take: &mut dyn FnMut(UnixTime, LogLine),
) -> io::Result<()> {
    lines::each(reader, |text| {
        if let Some((at, line)) = parse(text, clock) {
            take(at, line);
        }
    })
}

/// `TIME host tag[pid]: line`. The line is read first: most are somebody else's.
fn parse(text: &str, clock: &Clock) -> Option<(UnixTime, LogLine)> {
    let iso = text.starts_with(|c: char| c.is_ascii_digit());
    let (stamp, rest) =
        if iso { text.split_once(' ')? } else { (text.get(..15)?, text.get(15..)?.strip_prefix(' ')?) };
    let (host, rest) = rest.split_once(' ')?;
    let (tag, line) = rest.split_once(": ")?;
    // Where there is no host, another program's tag would stand in its place.
    if host.ends_with(':') || !is_ours(tag) {
        return None;
    }
    let line = LogLine::parse(line)?;
    let at =
        if iso { UnixTime(stamp.parse::<Timestamp>().ok()?.as_second()) } else { traditional(stamp, clock)? };
    Some((at, line))
}

/// `pam_twostep[4711]`
fn is_ours(tag: &str) -> bool {
    let Some((name, pid)) = tag.strip_suffix(']').and_then(|tag| tag.split_once('[')) else { return false };
    TAGS.contains(&name) && !pid.is_empty() && pid.bytes().all(|b| b.is_ascii_digit())
}

/// `Nov  4 13:45:01` (RFC 3164 §4.1.2).
fn traditional(stamp: &str, clock: &Clock) -> Option<UnixTime> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?;
    let mut words = stamp.split_ascii_whitespace();
    let month = words.next()?;
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let day = number(words.next()?)?;
    let mut parts = words.next()?.splitn(3, ':').map(number);
    let time = [parts.next()??, parts.next()??, parts.next()??];
    clock.latest(i8::try_from(month).ok()?, day, time)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "result=refused reason=code-wrong user=alice service=sshd from=192.0.2.1";

    /// 2026-11-24 14:00:00 UTC, in a zone one hour ahead.
    fn clock() -> Clock {
        Clock { now: UnixTime(1_795_528_800), zone: TimeZone::fixed(jiff::tz::offset(1)) }
    }

    fn at(text: &str) -> Option<String> {
        let found = parse(&format!("{text}: {LINE}"), &clock());
        found.map(|(at, _)| Timestamp::from_second(at.0).unwrap().to_string())
    }

    #[test]
    fn both_formats_are_read() {
        let is = |text: &str, time: &str| assert_eq!(at(text).as_deref(), Some(time), "{text}");
        is("2026-11-24T13:45:01.123456+00:00 box pam_twostep[1]", "2026-11-24T13:45:01Z");
        is("2026-11-24T13:45:01+01:00 box twostepd[1]", "2026-11-24T12:45:01Z");
        is("2026-11-24T13:45:01Z box pam_twostep[1]", "2026-11-24T13:45:01Z");
        is("Nov 24 13:45:01 box pam_twostep[1]", "2026-11-24T12:45:01Z");
        is("Nov  4 13:45:01 box twostepd[1]", "2026-11-04T12:45:01Z");
    }

    #[test]
    fn a_year_that_is_not_there_is_the_latest_that_was() {
        let is = |text: &str, time: &str| assert_eq!(at(text).as_deref(), Some(time), "{text}");
        is("Jan  1 13:45:01 box pam_twostep[1]", "2026-01-01T12:45:01Z");
        is("Dec 31 23:30:00 box pam_twostep[1]", "2025-12-31T22:30:00Z");
        is("Feb 29 12:00:00 box pam_twostep[1]", "2024-02-29T11:00:00Z");
        // A little ahead: the clock was set back.
        is("Nov 25 12:00:00 box pam_twostep[1]", "2026-11-25T11:00:00Z");
    }

    #[test]
    fn other_programs_lines_are_not_ours() {
        for other in [
            "Nov 24 13:45:01 box sshd[1]",
            "Nov 24 13:45:01 box sshd[1]: pam_twostep[1]",
            "Nov 24 13:45:01 box sshd[1]: Invalid user pam_twostep[1]",
            "Nov 24 13:45:01 box xpam_twostep[1]",
            "Nov 24 13:45:01 box pam_twostep",
            "Nov 24 13:45:01 box pam_twostep[]",
            "Nov 24 13:45:01 box pam_twostep[x]",
            "Nov 24 13:45:01 sshd[1]: pam_twostep[1]",
            "Nov 24 13:45:01 pam_twostep[1]",
            "Foo 24 13:45:01 box pam_twostep[1]",
            "Nov 31 13:45:01 box pam_twostep[1]",
            "Nov 24 13:45 box pam_twostep[1]",
            "Nov 24 -1:+5:01 box pam_twostep[1]",
            "Nov 2\u{fc} 13:45:01 box pam_twostep[1]",
            "2026-11-24 13:45:01 box pam_twostep[1]",
            "2026-11-24T13:45:01 box pam_twostep[1]",
            "pam_twostep[1]",
            "",
        ] {
            assert_eq!(at(other), None, "{other:?}");
        }
    }
}
