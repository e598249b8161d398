//! How much each party uses of the broker, and where it ends.

use crate::limits::{
    CONNECTIONS, CONNECTIONS_KEPT, CONNECTIONS_PARTY, CONNECTIONS_PLAIN, CONNECTIONS_ROOT, OWN_BURST,
    OWN_EVERY, PROOFS, PROOFS_PARTY,
};
use crate::party::Party;
use std::collections::HashMap;
use std::time::Duration;

/// How often those who use nothing are forgotten.
const SWEEP: Duration = Duration::from_secs(1);

/// What all parties use. Times are those of a clock that only goes forward.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    connections: usize,
    /// Of these, those of [`Kind::Plain`].
    plain: usize,
    proofs: usize,
    parties: HashMap<Party, Account>,
    /// When those who use nothing were last forgotten.
    swept: Duration,
}

/// What one party uses.
#[derive(Debug, Default)]
struct Account {
    connections: usize,
    proofs: usize,
    /// When the requests of its own will all be paid for.
    paid_at: Duration,
}

/// A connection that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// For whom.
    pub(crate) party: Party,
    /// Who is at the other end.
    pub(crate) kind: Kind,
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A process that is root by its effective uid, whoever runs it: su, sudo.
    Root,
    /// Any other.
    Plain,
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
    pub(crate) fn connect(&mut self, Place { party, kind }: Place) -> Result<(), Spent> {
        let (limit, all) = match party {
            Party(0) => (CONNECTIONS_ROOT, CONNECTIONS),
            _ => (CONNECTIONS_PARTY, CONNECTIONS - CONNECTIONS_KEPT),
        };
        let account = self.parties.entry(party).or_default();
        if account.connections >= limit {
            return Err(Spent::Connections);
        }
        // Whoever has many uids and connects with all of them takes no place from su and sudo.
        if self.connections >= all || (kind == Kind::Plain && self.plain >= CONNECTIONS_PLAIN) {
            return Err(Spent::Full);
        }
        account.connections += 1;
        self.connections += 1;
        self.plain += usize::from(kind == Kind::Plain);
        Ok(())
    }

    /// One fewer.
    pub(crate) fn disconnect(&mut self, Place { party, kind }: Place, now: Duration) {
        self.connections = self.connections.saturating_sub(1);
        self.plain = self.plain.saturating_sub(usize::from(kind == Kind::Plain));
        if let Some(account) = self.parties.get_mut(&party) {
            account.connections = account.connections.saturating_sub(1);
        }
        // Who uses nothing and owes nothing is forgotten, so that the table does not grow; not at every turn, which would cost more the
        // larger it is.
        if now >= self.swept + SWEEP {
            self.swept = now;
            self.parties
                .retain(|_, account| account.connections > 0 || account.proofs > 0 || account.paid_at > now);
        }
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

    fn su(party: Party) -> Place {
        Place { party, kind: Kind::Root }
    }

    #[test]
    fn one_party_does_not_use_what_is_anothers() {
        let mut budget = Budget::default();
        for _ in 0..CONNECTIONS_PARTY {
            budget.connect(su(ALICE)).unwrap();
        }
        assert_eq!(budget.connect(su(ALICE)), Err(Spent::Connections));
        assert_eq!(budget.connect(su(BOB)), Ok(()));
        budget.disconnect(su(ALICE), at(0));
        assert_eq!(budget.connect(su(ALICE)), Ok(()));
    }

    #[test]
    fn all_together_have_an_end() {
        let mut budget = Budget::default();
        let mut connected = 0;
        for uid in 1..100 {
            while budget.connect(su(Party(uid))).is_ok() {
                connected += 1;
            }
        }
        assert_eq!(connected, CONNECTIONS - CONNECTIONS_KEPT);
        for _ in 0..CONNECTIONS_KEPT {
            assert_eq!(budget.connect(su(ROOT)), Ok(()));
        }
        assert_eq!(budget.connect(su(ROOT)), Err(Spent::Full));
    }

    #[test]
    fn whoever_has_many_uids_takes_no_place_from_su() {
        let mut budget = Budget::default();
        let mut connected = 0;
        for uid in 100_000..100_100 {
            while budget.connect(Place { party: Party(uid), kind: Kind::Plain }).is_ok() {
                connected += 1;
            }
        }
        assert_eq!(connected, CONNECTIONS_PLAIN);
        assert_eq!(budget.connect(su(ALICE)), Ok(()));
        budget.disconnect(Place { party: Party(100_000), kind: Kind::Plain }, at(0));
        assert_eq!(budget.connect(Place { party: BOB, kind: Kind::Plain }), Ok(()));
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
    fn who_uses_nothing_is_forgotten() {
        let mut budget = Budget::default();
        budget.connect(su(ALICE)).unwrap();
        budget.own_request(ALICE, at(0)).unwrap();
        budget.disconnect(su(ALICE), at(1));
        assert_eq!(budget.parties.len(), 1);
        budget.connect(su(BOB)).unwrap();
        budget.disconnect(su(BOB), at(10));
        assert!(budget.parties.is_empty());
    }
}
