//! How much each party uses of the broker, and where it ends.

use crate::limits::{
    CONNECTIONS, CONNECTIONS_KEPT, CONNECTIONS_PARTY, CONNECTIONS_PLAIN, CONNECTIONS_PLAIN_PARTY,
    CONNECTIONS_ROOT, OWN_BURST, OWN_EVERY, PROOFS, PROOFS_PARTY,
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
    /// Of these, those that are not even root by their effective uid.
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

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A process of root's own.
    Root,
    /// One that is root by its effective uid, and run by somebody else: su, sudo.
    SetUid,
    /// One of a user to whom the configuration grants a service.
    Granted,
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

impl Kind {
    /// Whether it is not even root by its effective uid.
    fn is_plain(self) -> bool {
        matches!(self, Self::Granted | Self::Plain)
    }
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
    /// One more connection. Anyone who has many uids and connects with all of them takes no place from su and sudo.
    pub(crate) fn connect(&mut self, party: Party, kind: Kind) -> Result<(), Spent> {
        let all = if kind == Kind::Root { CONNECTIONS } else { CONNECTIONS - CONNECTIONS_KEPT };
        if self.connections >= all || (kind.is_plain() && self.plain >= CONNECTIONS_PLAIN) {
            return Err(Spent::Full);
        }
        self.sit(party, kind)?;
        self.connections += 1;
        self.plain += usize::from(kind.is_plain());
        Ok(())
    }

    /// One fewer.
    pub(crate) fn disconnect(&mut self, party: Party, kind: Kind, now: Duration) {
        self.rise(party, now);
        self.connections = self.connections.saturating_sub(1);
        self.plain = self.plain.saturating_sub(usize::from(kind.is_plain()));
    }

    /// One more of that party's.
    pub(crate) fn sit(&mut self, party: Party, kind: Kind) -> Result<(), Spent> {
        let limit = match kind {
            Kind::Root => CONNECTIONS_ROOT,
            Kind::SetUid | Kind::Granted => CONNECTIONS_PARTY,
            Kind::Plain => CONNECTIONS_PLAIN_PARTY,
        };
        let account = self.parties.entry(party).or_default();
        if account.connections >= limit {
            return Err(Spent::Connections);
        }
        account.connections += 1;
        Ok(())
    }

    /// One fewer of that party's.
    pub(crate) fn rise(&mut self, party: Party, now: Duration) {
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

    /// A whole connection, of somebody's su.
    fn su(budget: &mut Budget, party: Party) -> Result<(), Spent> {
        budget.connect(party, if party == ROOT { Kind::Root } else { Kind::SetUid })
    }

    #[test]
    fn one_party_does_not_use_what_is_anothers() {
        let mut budget = Budget::default();
        for _ in 0..CONNECTIONS_PARTY {
            su(&mut budget, ALICE).unwrap();
        }
        assert_eq!(su(&mut budget, ALICE), Err(Spent::Connections));
        assert_eq!(su(&mut budget, BOB), Ok(()));
        budget.disconnect(ALICE, Kind::SetUid, at(0));
        assert_eq!(su(&mut budget, ALICE), Ok(()));
    }

    #[test]
    fn all_together_have_an_end() {
        let mut budget = Budget::default();
        let mut connected = 0;
        for uid in 1..100 {
            while su(&mut budget, Party(uid)).is_ok() {
                connected += 1;
            }
        }
        assert_eq!(connected, CONNECTIONS - CONNECTIONS_KEPT);
        for _ in 0..CONNECTIONS_KEPT {
            assert_eq!(su(&mut budget, ROOT), Ok(()));
        }
        assert_eq!(su(&mut budget, ROOT), Err(Spent::Full));
    }

    #[test]
    fn whoever_has_many_uids_takes_no_place_from_su() {
        let mut budget = Budget::default();
        let mut connected = 0;
        for uid in 100_000..100_100 {
            while budget.connect(Party(uid), Kind::Plain).is_ok() {
                connected += 1;
            }
        }
        assert_eq!(connected, CONNECTIONS_PLAIN);
        assert_eq!(su(&mut budget, ALICE), Ok(()));
        budget.disconnect(Party(100_000), Kind::Plain, at(0));
        assert_eq!(budget.connect(BOB, Kind::Plain), Ok(()));
    }

    #[test]
    fn a_user_of_a_server_has_more_places_than_any_other() {
        let mut budget = Budget::default();
        let places = |budget: &mut Budget, party, kind| {
            (0..CONNECTIONS).take_while(|_| budget.connect(party, kind).is_ok()).count()
        };
        assert_eq!(places(&mut budget, ALICE, Kind::Plain), CONNECTIONS_PLAIN_PARTY);
        assert_eq!(places(&mut budget, BOB, Kind::Granted), CONNECTIONS_PARTY);
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
        su(&mut budget, ALICE).unwrap();
        budget.own_request(ALICE, at(0)).unwrap();
        budget.disconnect(ALICE, Kind::SetUid, at(1));
        assert_eq!(budget.parties.len(), 1);
        su(&mut budget, BOB).unwrap();
        budget.disconnect(BOB, Kind::SetUid, at(10));
        assert!(budget.parties.is_empty());
    }
}
