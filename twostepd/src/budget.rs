//! How much each party uses of the broker, and where it ends.

use crate::limits::{
    COMPLAINT, CONNECTIONS, CONNECTIONS_KEPT, CONNECTIONS_PARTY, CONNECTIONS_ROOT, OWN_BURST, OWN_EVERY,
    PROOFS, PROOFS_PARTY,
};
use crate::party::Party;
use std::collections::HashMap;
use std::time::Duration;

/// What all parties use. Times are those of a clock that only goes forward.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    connections: usize,
    proofs: usize,
    parties: HashMap<Party, Account>,
}

/// What one party uses.
#[derive(Debug, Default)]
struct Account {
    connections: usize,
    proofs: usize,
    /// When the requests of its own will all be paid for.
    paid_at: Duration,
    /// What was logged about it, by what it was.
    complaints: HashMap<&'static str, Complaint>,
}

/// A complaint that is not repeated for a while.
#[derive(Debug)]
struct Complaint {
    /// When it was last logged.
    at: Duration,
    /// How many times it was not since.
    unsaid: u32,
}

/// What there is too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spent {
    /// The broker has as many connections as it takes.
    Full,
    /// The party has as many connections as it may have.
    Connections,
    /// The party asks too often.
    Requests,
    /// There are as many processes for passwords as there may be.
    Proofs,
    /// The party has as many of them as it may have.
    OwnProofs,
}

impl Spent {
    /// For the log.
    pub(crate) fn cause(self) -> &'static str {
        match self {
            Self::Full => "connections of all",
            Self::Connections => "connections",
            Self::Requests => "requests",
            Self::Proofs => "proofs of all",
            Self::OwnProofs => "proofs",
        }
    }
}

impl Budget {
    /// One more connection.
    pub(crate) fn connect(&mut self, party: Party) -> Result<(), Spent> {
        let (limit, all) = match party {
            Party(0) => (CONNECTIONS_ROOT, CONNECTIONS),
            _ => (CONNECTIONS_PARTY, CONNECTIONS - CONNECTIONS_KEPT),
        };
        let account = self.parties.entry(party).or_default();
        if account.connections >= limit {
            return Err(Spent::Connections);
        }
        if self.connections >= all {
            return Err(Spent::Full);
        }
        account.connections += 1;
        self.connections += 1;
        Ok(())
    }

    /// One fewer.
    pub(crate) fn disconnect(&mut self, party: Party, now: Duration) {
        self.connections = self.connections.saturating_sub(1);
        if let Some(account) = self.parties.get_mut(&party) {
            account.connections = account.connections.saturating_sub(1);
        }
        // Who uses nothing and owes nothing is forgotten, so that the table does not grow.
        self.parties.retain(|_, account| {
            let recent = account.complaints.values().any(|one| one.unsaid > 0 || one.at + COMPLAINT > now);
            account.connections > 0 || account.proofs > 0 || account.paid_at > now || recent
        });
    }

    /// A request of a user for himself: some at a stretch, then one now and then.
    pub(crate) fn own_request(&mut self, party: Party, now: Duration) -> Result<(), Spent> {
        let account = self.parties.entry(party).or_default();
        let paid_at = account.paid_at.max(now) + OWN_EVERY;
        if paid_at > now + OWN_EVERY * OWN_BURST {
            return Err(Spent::Requests);
        }
        account.paid_at = paid_at;
        Ok(())
    }

    /// A proof begins.
    pub(crate) fn prove(&mut self, party: Party) -> Result<(), Spent> {
        let account = self.parties.entry(party).or_default();
        if account.proofs >= PROOFS_PARTY {
            return Err(Spent::OwnProofs);
        }
        if self.proofs >= PROOFS {
            return Err(Spent::Proofs);
        }
        account.proofs += 1;
        self.proofs += 1;
        Ok(())
    }

    /// It has ended.
    pub(crate) fn proven(&mut self, party: Party) {
        self.proofs = self.proofs.saturating_sub(1);
        if let Some(account) = self.parties.get_mut(&party) {
            account.proofs = account.proofs.saturating_sub(1);
        }
    }

    /// Whether this complaint about this party is to be logged, and how many of the same were not since the last.
    pub(crate) fn complain(&mut self, party: Party, what: &'static str, now: Duration) -> Option<u32> {
        let complaints = &mut self.parties.entry(party).or_default().complaints;
        match complaints.get_mut(what) {
            Some(known) if now < known.at + COMPLAINT => {
                known.unsaid = known.unsaid.saturating_add(1);
                None
            }
            Some(known) => {
                known.at = now;
                Some(std::mem::take(&mut known.unsaid))
            }
            None => {
                complaints.insert(what, Complaint { at: now, unsaid: 0 });
                Some(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: Party = Party(1000);
    const BOB: Party = Party(1001);
    const ROOT: Party = Party(0);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(1_000_000 + seconds)
    }

    #[test]
    fn one_party_does_not_use_what_is_anothers() {
        let mut budget = Budget::default();
        for _ in 0..CONNECTIONS_PARTY {
            budget.connect(ALICE).unwrap();
        }
        assert_eq!(budget.connect(ALICE), Err(Spent::Connections));
        assert_eq!(budget.connect(BOB), Ok(()));
        budget.disconnect(ALICE, at(0));
        assert_eq!(budget.connect(ALICE), Ok(()));
    }

    #[test]
    fn all_together_have_an_end() {
        let mut budget = Budget::default();
        let mut connected = 0;
        for uid in 1..100 {
            while budget.connect(Party(uid)).is_ok() {
                connected += 1;
            }
        }
        assert_eq!(connected, CONNECTIONS - CONNECTIONS_KEPT);
        for _ in 0..CONNECTIONS_KEPT {
            assert_eq!(budget.connect(ROOT), Ok(()));
        }
        assert_eq!(budget.connect(ROOT), Err(Spent::Full));
    }

    #[test]
    fn requests_for_oneself_are_few_in_the_long_run() {
        let mut budget = Budget::default();
        for _ in 0..OWN_BURST {
            budget.own_request(ALICE, at(0)).unwrap();
        }
        assert_eq!(budget.own_request(ALICE, at(0)), Err(Spent::Requests));
        assert_eq!(budget.own_request(BOB, at(0)), Ok(()));
        assert_eq!(budget.own_request(ALICE, at(0) + OWN_EVERY), Ok(()));
        assert_eq!(budget.own_request(ALICE, at(0) + OWN_EVERY), Err(Spent::Requests));
        let rested = at(0) + OWN_EVERY * (OWN_BURST + 1);
        for _ in 0..OWN_BURST {
            budget.own_request(ALICE, rested).unwrap();
        }
    }

    #[test]
    fn proofs_are_few_at_once() {
        let mut budget = Budget::default();
        for _ in 0..PROOFS_PARTY {
            budget.prove(ALICE).unwrap();
        }
        assert_eq!(budget.prove(ALICE), Err(Spent::OwnProofs));
        budget.proven(ALICE);
        assert_eq!(budget.prove(ALICE), Ok(()));
        let mut others = 0;
        while budget.prove(Party(2000 + others)).is_ok() {
            others += 1;
        }
        assert_eq!(others as usize, PROOFS - PROOFS_PARTY);
        assert_eq!(budget.prove(BOB), Err(Spent::Proofs));
    }

    #[test]
    fn a_complaint_is_logged_once_a_minute_with_how_many_there_were() {
        let mut budget = Budget::default();
        assert_eq!(budget.complain(ALICE, "noise", at(0)), Some(0));
        assert_eq!(budget.complain(ALICE, "noise", at(1)), None);
        assert_eq!(budget.complain(BOB, "noise", at(1)), Some(0));
        assert_eq!(budget.complain(ALICE, "trespass", at(2)), Some(0), "one does not hide the other");
        assert_eq!(budget.complain(ALICE, "noise", at(59)), None);
        assert_eq!(budget.complain(ALICE, "noise", at(60)), Some(2));
    }

    #[test]
    fn who_uses_nothing_is_forgotten() {
        let mut budget = Budget::default();
        budget.connect(ALICE).unwrap();
        budget.own_request(ALICE, at(0)).unwrap();
        budget.disconnect(ALICE, at(1));
        assert_eq!(budget.parties.len(), 1);
        budget.connect(BOB).unwrap();
        budget.disconnect(BOB, at(10));
        assert!(budget.parties.is_empty());
    }
}
