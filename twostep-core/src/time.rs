//! Points in time, and how long ago something was when the wall clock cannot be trusted.

use std::time::Duration;

/// Seconds since 1970-01-01 00:00 UTC, as the wall clock has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixTime(pub i64);

impl UnixTime {
    /// This time, `by` earlier.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub_unsigned(by.as_secs()))
    }
}

const DAY: i64 = 24 * 60 * 60;

impl UnixTime {
    /// This time, `by` later.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add_unsigned(by.as_secs()))
    }

    /// The beginning of a day, 00:00 UTC. None where the calendar has no such day.
    #[must_use]
    pub fn of_date(year: u16, month: u8, day: u8) -> Option<Self> {
        let (y, m, d) = (i64::from(year), i64::from(month), i64::from(day));
        let leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
        let longest = match month {
            4 | 6 | 9 | 11 => 30,
            2 => 28 + i64::from(leap),
            1..=12 => 31,
            _ => return None,
        };
        if !(1..=longest).contains(&d) {
            return None;
        }
        // Years that begin in March have their odd day at the end: 153 days in five months, 1461 in four years.
        let (y, m) = if m > 2 { (y, m - 3) } else { (y - 1, m + 9) };
        let days =
            365 * y + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400) + (153 * m + 2) / 5 + d - 1;
        Some(Self((days - DAYS_TO_1970) * DAY))
    }

    /// The day that this time falls in, in days since 1970-01-01, UTC.
    #[must_use]
    pub fn day(self) -> i64 {
        self.0.div_euclid(DAY)
    }

    /// That day as people write it, by UTC: `2026-12-01`.
    #[must_use]
    pub fn date(self) -> String {
        let days = self.day().saturating_add(DAYS_TO_1970);
        let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let (in_month, of_year) =
            (day - (153 * month + 2) / 5 + 1, era.saturating_mul(400).saturating_add(year));
        let (year, month) =
            if month < 10 { (of_year, month + 3) } else { (of_year.saturating_add(1), month - 9) };
        format!("{year:04}-{month:02}-{in_month:02}")
    }

    /// The last day, by UTC, of something that ends at this time.
    #[must_use]
    pub fn last_day(self) -> String {
        self.minus(Duration::from_secs(1)).date()
    }

    /// How many days are left until `later`, a part of a day counted as one; none after it.
    #[must_use]
    pub fn days_until(self, later: Self) -> u64 {
        u64::try_from(later.0.saturating_sub(self.0)).unwrap_or(0).div_ceil(DAY.unsigned_abs())
    }
}

/// From the first of March of the year 0 to 1970-01-01.
const DAYS_TO_1970: i64 = 719_468;

/// The kernel's name for the running boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootId(pub [u8; 16]);

/// The present, as the edges read it once a login.
#[derive(Clone, Copy, Debug, Default)]
pub struct Now {
    /// The wall clock.
    pub wall: UnixTime,
    /// Time since boot, suspended time included (`CLOCK_BOOTTIME`).
    pub since_boot: Duration,
    /// Which boot that is; none where `/proc` is not mounted.
    pub boot: Option<BootId>,
    /// A time that has certainly passed, whatever the wall clock says: see [`Self::no_earlier_than`].
    pub not_before: UnixTime,
}

/// When something happened, by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// By the wall clock.
    pub wall: UnixTime,
    /// By the boot clock of `boot`.
    pub since_boot: Duration,
    /// The boot it happened in.
    pub boot: Option<BootId>,
}

impl Now {
    /// The stamp of something that happens now.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        Stamp { wall: self.wall, since_boot: self.since_boot, boot: self.boot }
    }

    /// The same moment, known to be `at` or later: when a right code of anybody's confirmed the clock, or when the configuration was
    /// written.
    #[must_use]
    pub fn no_earlier_than(self, at: UnixTime) -> Self {
        Self { not_before: self.not_before.max(at), ..self }
    }

    /// The latest time that is known to have come.
    #[must_use]
    pub fn latest(&self) -> UnixTime {
        self.wall.max(self.not_before)
    }

    /// For throttles, which must not let a changed clock shorten a wait: how long ago `stamp` was. What ends a [`Lease`] is another
    /// question. Within one boot the boot clock decides, which nobody can set. Across boots it is the wall clock;
    /// a stamp that lies in its future (the clock was wrong then, or is now) is taken to be no older than this boot.
    #[must_use]
    pub fn since(&self, stamp: &Stamp) -> Duration {
        if self.boot.is_some() && self.boot == stamp.boot {
            return self.since_boot.saturating_sub(stamp.since_boot);
        }
        match u64::try_from(self.wall.0.saturating_sub(stamp.wall.0)) {
            Ok(seconds) => Duration::from_secs(seconds),
            Err(_) => self.since_boot,
        }
    }
}

/// Something that is good for a while from when it was given: a bypass code, a trusted device, an app password with an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// When it was given, by both clocks.
    pub given: Stamp,
    /// How long it is good for.
    pub lifetime: Duration,
}

impl Lease {
    /// One that begins now. Where the wall clock is known to be behind, it begins at the latest time that is known to have come: it
    /// would be over at once otherwise.
    #[must_use]
    pub fn from(now: &Now, lifetime: Duration) -> Self {
        Self { given: Stamp { wall: now.latest(), ..now.stamp() }, lifetime }
    }

    /// Whether it has ended. Whichever clock says so first ends it, since each can stand still or be wrong: the boot clock stands still
    /// while a virtual machine is paused, and the wall clock can be set.
    ///
    /// - The wall clock, or a time that has certainly passed, has reached its end.
    /// - The boot clock has run for its lifetime, within the boot it was given in.
    /// - In another boot the wall clock is before the time it was given: how long ago that was cannot be known.
    #[must_use]
    pub fn is_over(&self, now: &Now) -> bool {
        let same_boot = now.boot.is_some() && now.boot == self.given.boot;
        let ran_out = same_boot && now.since_boot.saturating_sub(self.given.since_boot) >= self.lifetime;
        let unknown = !same_boot && now.wall < self.given.wall;
        now.latest() >= self.until() || ran_out || unknown
    }

    /// Until when it is good, by the wall clock.
    #[must_use]
    pub fn until(&self) -> UnixTime {
        self.given.wall.plus(self.lifetime)
    }
}

/// Reads how long something is to last, as people write it: `90m`, `2h`, `1h30m`, `7d`.
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    let (mut all, mut rest) = (0u64, text);
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at_checked(end)?;
        let unit = tail.chars().next()?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 60 * 60,
            'd' => 24 * 60 * 60,
            _ => return None,
        };
        all = all.checked_add(number.parse::<u64>().ok()?.checked_mul(seconds)?)?;
        rest = tail.get(unit.len_utf8()..)?;
    }
    (!text.is_empty()).then_some(Duration::from_secs(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        let seconds = |text| duration(text).map(|time| time.as_secs());
        assert_eq!(seconds("90m"), Some(5_400));
        assert_eq!(seconds("1h30m"), Some(5_400));
        assert_eq!(seconds("7d"), Some(604_800));
        for bad in
            ["", "2", "h", "2x", "2h3", "-2h", "2 h", "99999999999999999999h", "18446744073709551615d", "2é"]
        {
            assert_eq!(seconds(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        // Some that can be looked up: `date -u -d 2026-12-01 +%s`.
        for ((year, month, day), seconds) in [
            ((1970, 1, 1), 0),
            ((2000, 2, 29), 951_782_400),
            ((2026, 12, 1), 1_796_083_200),
            ((2100, 3, 1), 4_107_542_400),
        ] {
            assert_eq!(UnixTime::of_date(year, month, day), Some(UnixTime(seconds)));
            assert_eq!(UnixTime(seconds + 86_399).date(), format!("{year}-{month:02}-{day:02}"));
        }
        for (year, month, day) in
            [(2026, 2, 29), (2100, 2, 29), (2026, 4, 31), (2026, 13, 1), (2026, 0, 1), (2026, 1, 0)]
        {
            assert_eq!(UnixTime::of_date(year, month, day), None, "{year}-{month}-{day}");
        }
        // Every day of eight hundred years, there and back.
        let mut at = UnixTime::of_date(1601, 1, 1).unwrap();
        for _ in 0..292_194 {
            let date = at.date();
            let part = |range: std::ops::Range<usize>| date[range].parse::<u16>().unwrap();
            let day = |range| u8::try_from(part(range)).unwrap();
            assert_eq!(UnixTime::of_date(part(0..4), day(5..7), day(8..10)), Some(at), "{date}");
            at = at.plus(Duration::from_secs(86_400));
        }
    }

    #[test]
    fn the_last_day_is_the_one_before_the_end() {
        let end = UnixTime::of_date(2027, 7, 1).unwrap();
        assert_eq!(
            (end.last_day(), UnixTime(end.0 + 1).last_day()),
            ("2027-06-30".into(), "2027-07-01".into())
        );
    }

    #[test]
    fn a_part_of_a_day_left_is_a_day() {
        let left = |from, to| UnixTime(from).days_until(UnixTime(to));
        assert_eq!((left(0, 1), left(0, 86_400), left(0, 86_401), left(5, 5), left(9, 5)), (1, 1, 2, 0, 0));
    }

    fn now(wall: i64, up: u64, boot: u8) -> Now {
        let boot = Some(BootId([boot; 16]));
        Now { wall: UnixTime(wall), since_boot: Duration::from_secs(up), boot, not_before: UnixTime(0) }
    }

    /// An hour, given at 1,000,000 by the wall clock and 100 s after the first boot.
    #[test]
    fn a_lease_ends_by_whichever_clock_says_so_first() {
        let lease = Lease::from(&now(1_000_000, 100, 1), Duration::from_secs(3_600));
        assert_eq!(lease.until(), UnixTime(1_003_600));
        for (what, at, over) in [
            ("just given", now(1_000_000, 100, 1), false),
            ("its last second", now(1_003_599, 3_699, 1), false),
            ("an hour later", now(1_003_600, 3_700, 1), true),
            ("the machine was paused for 30 days: the boot clock stood still", now(3_592_000, 110, 1), true),
            (
                "it is restored from a snapshot of 30 days ago, and the clock is right",
                now(3_592_000, 50, 1),
                true,
            ),
            (
                "it is restored, and the clock is not corrected yet: nobody can know",
                now(1_000_010, 50, 1),
                false,
            ),
            ("the clock was set back: the boot clock runs on", now(5, 3_700, 1), true),
            ("the clock was set back a little while ago", now(999_000, 110, 1), false),
            ("rebooted", now(1_003_500, 5, 2), false),
            ("rebooted, an hour later", now(1_003_600, 5, 2), true),
            ("rebooted, and the clock is behind", now(999_999, 5, 2), true),
            (
                "rebooted, no boot known, and the clock is behind",
                Now { boot: None, ..now(999_999, 5, 1) },
                true,
            ),
            ("no boot known", Now { boot: None, ..now(1_000_010, 9_999, 1) }, false),
            (
                "a code has confirmed a later time",
                now(1_000_010, 110, 1).no_earlier_than(UnixTime(1_003_600)),
                true,
            ),
            (
                "and one that is not late enough",
                now(1_000_010, 110, 1).no_earlier_than(UnixTime(1_003_599)),
                false,
            ),
            (
                "rebooted, the clock stands where it stood",
                now(1_000_001, 5, 2).no_earlier_than(UnixTime(1_003_600)),
                true,
            ),
        ] {
            assert_eq!(lease.is_over(&at), over, "{what}");
        }
    }

    #[test]
    fn a_lease_given_while_the_clock_is_behind_begins_at_the_latest_time_known() {
        let behind = now(1_000, 100, 1).no_earlier_than(UnixTime(1_000_000));
        let lease = Lease::from(&behind, Duration::from_secs(3_600));
        assert!(!lease.is_over(&behind));
        assert!(lease.is_over(&now(1_000, 3_700, 1)), "the boot clock");
        assert!(lease.is_over(&now(1_003_600, 110, 1)), "the clock was corrected an hour later");
        assert!(lease.is_over(&now(2_000, 5, 2)), "the clock is behind in the next boot");
    }

    #[test]
    fn no_number_is_too_large_for_a_lease() {
        let ever = Lease::from(&now(i64::MAX, u64::MAX, 1), Duration::MAX);
        assert!(ever.is_over(&now(i64::MAX, 0, 1)));
        assert!(!Lease::from(&now(0, 0, 1), Duration::MAX).is_over(&now(1, 1, 1)));
    }

    #[test]
    fn within_a_boot_a_changed_wall_clock_changes_nothing() {
        let then = now(1_000_000, 50, 1).stamp();
        assert_eq!(now(5, 60, 1).since(&then), Duration::from_secs(10));
        assert_eq!(now(9_000_000, 60, 1).since(&then), Duration::from_secs(10));
    }

    #[test]
    fn across_boots_the_wall_clock_counts() {
        let then = now(1_000, 50, 1).stamp();
        assert_eq!(now(1_600, 5, 2).since(&then), Duration::from_secs(600));
    }

    #[test]
    fn a_stamp_from_the_future_is_as_old_as_this_boot() {
        let then = now(2_000_000, 50, 1).stamp();
        assert_eq!(now(1_000, 33, 2).since(&then), Duration::from_secs(33));
    }
}
