//! The middle of what was measured: one disturbed run does not move it.

use std::time::Duration;

/// The middle, in microseconds; none of no runs.
pub(crate) fn microseconds(runs: &[Duration]) -> Option<f64> {
    let mut sorted = runs.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).map(|middle| middle.as_secs_f64() * 1e6)
}
