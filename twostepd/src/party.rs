//! On whose account a connection goes. This is about sharing the broker, and never about what a peer may ask.

use crate::budget::Kind;
use std::fs;
use twostep_host::Nss;
use twostep_host::link::Peer;

/// Whose resources are used: a uid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Party(pub(crate) u32);

/// All together who cannot be told apart: processes that are gone already, and uids that NSS does not know. Whoever has subordinate
/// ones (subuid(5)) has 65,536 of those, and is one party all the same.
pub(crate) const UNKNOWN: Party = Party(u32::MAX);

/// Who runs the process at the other end of a connection, as far as the kernel tells at once. su and sudo are root by their effective uid,
/// but run by somebody, who could run a thousand of them: the real uid tells who. A peer's process can go and its number be given to another
/// meanwhile, which would put one connection on another account; but then nobody is left at the other end of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    effective: u32,
    real: Option<u32>,
}

impl Caller {
    pub(crate) fn of(peer: Peer) -> Self {
        let real = if peer.uid == 0 { real_uid_of(peer.pid) } else { Some(peer.uid) };
        Self { effective: peer.uid, real }
    }

    /// What kind of process it is.
    pub(crate) fn kind(self) -> Kind {
        match (self.effective, self.real) {
            (0, Some(0)) => Kind::Root,
            (0, _) => Kind::SetUid,
            _ => Kind::Plain,
        }
    }

    /// On whose account it goes, by the uid alone.
    pub(crate) fn account(self) -> Party {
        self.real.map_or(UNKNOWN, Party)
    }

    /// The party. NSS is asked, which can take its time.
    pub(crate) fn party(self) -> Party {
        match self.account() {
            Party(0) => Party(0),
            Party(uid) if Nss.by_uid(uid).is_ok_and(|found| found.is_some()) => Party(uid),
            _ => UNKNOWN,
        }
    }
}

fn real_uid_of(pid: i32) -> Option<u32> {
    fs::read_to_string(format!("/proc/{pid}/status")).ok().as_deref().and_then(real_uid)
}

fn real_uid(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_real_uid_is_the_party() {
        assert_eq!(real_uid("Name:\tsu\nUid:\t1000\t0\t0\t0\nGid:\t0\n"), Some(1000));
        assert_eq!(real_uid("Name:\tsu\n"), None);
        let me = Peer { uid: 0, pid: i32::try_from(std::process::id()).unwrap() };
        assert_eq!(Caller::of(me).party(), Party(nix::unistd::getuid().as_raw()));
        let gone = Caller::of(Peer { uid: 0, pid: -1 });
        assert_eq!((gone.party(), gone.kind()), (UNKNOWN, Kind::SetUid));
    }

    #[test]
    fn uids_without_a_name_are_one_party() {
        assert_eq!(Caller::of(Peer { uid: 1, pid: -1 }).party(), Party(1), "daemon");
        assert_eq!(Caller::of(Peer { uid: 165_536, pid: -1 }).party(), UNKNOWN);
        assert_eq!(Caller::of(Peer { uid: 165_537, pid: -1 }).party(), UNKNOWN);
    }
}
