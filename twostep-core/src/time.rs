//! Points in time, and how long ago something was when the wall clock cannot be trusted.

use std::time::Duration;

/// Seconds since 1970-01-01 00:00 UTC, as the wall clock has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixTime(pub i64);

impl UnixTime {
    /// This time, `by` earlier.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub_unsigned(by.as_secs()))
    }
}

/// The kernel's name for the running boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootId(pub [u8; 16]);

/// The present, as the edges read it once a login.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// The wall clock.
    pub wall: UnixTime,
    /// Time since boot, suspended time included (`CLOCK_BOOTTIME`).
    pub since_boot: Duration,
    /// Which boot that is; none where `/proc` is not mounted.
    pub boot: Option<BootId>,
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

    /// How long ago `stamp` was. Within one boot the boot clock decides, which nobody can set. Across boots it is the wall clock;
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

    /// How long ago `stamp` was at most, for what is to end: as [`Self::since`], but a stamp of another boot that lies in the wall
    /// clock's future is older than anything.
    #[must_use]
    pub fn since_at_most(&self, stamp: &Stamp) -> Duration {
        let same_boot = self.boot.is_some() && self.boot == stamp.boot;
        if !same_boot && stamp.wall > self.wall { Duration::MAX } else { self.since(stamp) }
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

    fn now(wall: i64, up: u64, boot: u8) -> Now {
        Now { wall: UnixTime(wall), since_boot: Duration::from_secs(up), boot: Some(BootId([boot; 16])) }
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
