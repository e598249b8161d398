//! On whose account a connection goes. This is about sharing the broker, and never about what a peer may ask.

use std::fs;
use twostep_host::Nss;
use twostep_host::link::Peer;

/// Whose resources are used: a uid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Party(pub(crate) u32);

/// All together who cannot be told apart: processes that are gone already, and uids that NSS does not know. Whoever has subordinate
/// ones (subuid(5)) has 65,536 of those, and is one party all the same.
pub(crate) const UNKNOWN: Party = Party(u32::MAX);

/// The party behind a peer. su and sudo are root by their effective uid, but run by somebody, who could run a thousand of them: the real
/// uid tells who. A peer's process can go and its number be given to another meanwhile, which would put one connection on another
/// account; but then nobody is left at the other end of it.
pub(crate) fn of(peer: Peer) -> Party {
    let uid = if peer.uid == 0 { real_uid_of(peer.pid) } else { Some(peer.uid) };
    match uid {
        Some(0) => Party(0),
        Some(uid) if Nss.by_uid(uid).is_ok_and(|found| found.is_some()) => Party(uid),
        _ => UNKNOWN,
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
        assert_eq!(of(me), Party(nix::unistd::getuid().as_raw()));
        assert_eq!(of(Peer { uid: 0, pid: -1 }), UNKNOWN);
    }

    #[test]
    fn uids_without_a_name_are_one_party() {
        assert_eq!(of(Peer { uid: 1, pid: -1 }), Party(1), "daemon");
        assert_eq!(of(Peer { uid: 165_536, pid: -1 }), UNKNOWN);
        assert_eq!(of(Peer { uid: 165_537, pid: -1 }), UNKNOWN);
    }
}
