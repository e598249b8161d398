//! The clocks.

use nix::time::{ClockId, clock_gettime};
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use twostep_core::time::{BootId, Now, UnixTime};

/// Reads the wall clock, the boot clock and the boot's name.
#[must_use]
pub fn now() -> Now {
    // Neither clock can fail on Linux; a clock that did would read as 1970, at which no phone shows a matching code.
    let read = |id| clock_gettime(id).map_or(Duration::ZERO, Duration::from);
    let wall = i64::try_from(read(ClockId::CLOCK_REALTIME).as_secs()).unwrap_or(i64::MAX);
    Now { wall: UnixTime(wall), since_boot: read(ClockId::CLOCK_BOOTTIME), boot: boot_id(), ..Now::default() }
}

/// A clock that nobody can set, for time limits.
#[must_use]
pub fn monotonic() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::MAX, Duration::from)
}

/// Read once: no process outlives the boot, and opening that file is a twentieth of what a login with an app password costs.
fn boot_id() -> Option<BootId> {
    static KNOWN: AtomicBool = AtomicBool::new(false);
    static HALVES: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
    let [high, low] = &HALVES;
    if KNOWN.load(Ordering::Acquire) {
        let id = u128::from(high.load(Ordering::Relaxed)) << 64 | u128::from(low.load(Ordering::Relaxed));
        return Some(BootId(id.to_be_bytes()));
    }
    // What could not be read is not kept: the next caller tries again. No lock: a child that is forked meanwhile would wait for it for ever,
    // and all who write here write the same.
    let read = read_boot_id()?;
    let id = u128::from_be_bytes(read.0);
    high.store((id >> 64) as u64, Ordering::Relaxed);
    low.store((id & u128::from(u64::MAX)) as u64, Ordering::Relaxed);
    KNOWN.store(true, Ordering::Release);
    Some(read)
}

fn read_boot_id() -> Option<BootId> {
    let text = fs::read("/proc/sys/kernel/random/boot_id").ok()?;
    let mut digits = text.iter().filter_map(|byte| (*byte as char).to_digit(16));
    let mut id = [0u8; 16];
    for byte in &mut id {
        *byte = u8::try_from(digits.next()? << 4 | digits.next()?).ok()?;
    }
    digits.next().is_none().then_some(BootId(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clocks_run() {
        let now = now();
        assert!(now.wall.0 > 1_700_000_000 && !now.since_boot.is_zero() && now.boot.is_some());
    }

    #[test]
    fn the_boot_is_the_same_when_it_is_remembered() {
        assert_eq!(boot_id(), read_boot_id());
        assert_eq!(boot_id(), read_boot_id());
    }
}
