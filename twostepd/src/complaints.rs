//! What is logged about peers that ask what they may not, or too much: each thing about each party once in a while, and all of it
//! together no more than a log can bear.

use crate::limits::{COMPLAINT, COMPLAINTS};
use crate::party::Party;
use std::collections::HashMap;
use std::time::Duration;

/// What was logged lately. Times are those of a clock that only goes forward.
#[derive(Debug, Default)]
pub(crate) struct Complaints {
    known: HashMap<(Party, &'static str), Complaint>,
    /// When the present while began, how many lines there were in it, and what was left out without a line of its own.
    begun: Duration,
    lines: u32,
    left_out: u32,
}

#[derive(Debug)]
struct Complaint {
    at: Duration,
    /// How many times it was not logged since.
    unsaid: u32,
}

/// A line that is to be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    /// How many lines like it were not, since the last.
    pub(crate) more: u32,
    /// How many of other kinds were not that no line will tell of any more.
    pub(crate) left_out: u32,
}

impl Complaints {
    /// Whether this about this party is to be logged now.
    pub(crate) fn due(&mut self, party: Party, what: &'static str, now: Duration) -> Option<Due> {
        if now >= self.begun + COMPLAINT {
            self.turn_over(now);
        }
        if let Some(known) = self.known.get_mut(&(party, what))
            && now < known.at + COMPLAINT
        {
            known.unsaid = known.unsaid.saturating_add(1);
            return None;
        }
        if self.lines >= COMPLAINTS {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        self.lines += 1;
        let before = self.known.insert((party, what), Complaint { at: now, unsaid: 0 });
        let more = before.map_or(0, |before| before.unsaid);
        Some(Due { more, left_out: std::mem::take(&mut self.left_out) })
    }

    /// Forgets what is over, so that the table does not grow.
    fn turn_over(&mut self, now: Duration) {
        (self.begun, self.lines) = (now, 0);
        let left_out = &mut self.left_out;
        self.known.retain(|_, one| {
            let recent = now < one.at + COMPLAINT * 2;
            if !recent {
                *left_out = left_out.saturating_add(one.unsaid);
            }
            recent
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: Party = Party(1000);
    const BOB: Party = Party(1001);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(1_000_000 + seconds)
    }

    fn due(more: u32, left_out: u32) -> Option<Due> {
        Some(Due { more, left_out })
    }

    #[test]
    fn the_same_is_logged_once_a_minute_with_how_many_there_were() {
        let mut complaints = Complaints::default();
        assert_eq!(complaints.due(ALICE, "noise", at(0)), due(0, 0));
        assert_eq!(complaints.due(ALICE, "noise", at(1)), None);
        assert_eq!(complaints.due(BOB, "noise", at(1)), due(0, 0));
        assert_eq!(complaints.due(ALICE, "trespass", at(2)), due(0, 0), "one does not hide the other");
        assert_eq!(complaints.due(ALICE, "noise", at(59)), None);
        assert_eq!(complaints.due(ALICE, "noise", at(60)), due(2, 0));
    }

    #[test]
    fn all_together_are_no_more_than_a_log_can_bear() {
        let mut complaints = Complaints::default();
        let said = (0..COMPLAINTS + 50).filter(|uid| complaints.due(Party(*uid), "noise", at(0)).is_some());
        assert_eq!(said.count(), COMPLAINTS as usize);
        assert_eq!(complaints.due(ALICE, "trespass", at(60)), due(0, 50));
    }

    #[test]
    fn what_is_over_is_forgotten_and_what_was_not_said_is_told_in_the_end() {
        let mut complaints = Complaints::default();
        for uid in 0..100 {
            let _said = complaints.due(Party(uid), "noise", at(0));
            let _unsaid = complaints.due(Party(uid), "noise", at(1));
        }
        assert_eq!(complaints.due(ALICE, "noise", at(300)), due(0, 100));
        assert_eq!(complaints.known.len(), 1);
    }
}
