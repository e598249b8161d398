//! On whose account a connection goes. This is about sharing the broker, never about what a peer may ask.

use std::fs;
use twostep_host::link::Peer;

/// Whose resources are used: a uid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Party(pub(crate) u32);

/// Nobody knows whose: the process is gone already.
const UNKNOWN: Party = Party(u32::MAX);

/// The party behind a peer. su and sudo are root by their effective uid, but run by somebody, who could run a thousand of them: the real
/// uid tells who. A peer's process can go and its number be given to another meanwhile, which would put one connection on another
/// account, and nothing else.
pub(crate) fn of(peer: Peer) -> Party {
    if peer.uid != 0 {
        return Party(peer.uid);
    }
    fs::read_to_string(format!("/proc/{}/status", peer.pid))
        .ok()
        .as_deref()
        .and_then(real_uid)
        .unwrap_or(UNKNOWN)
}

fn real_uid(status: &str) -> Option<Party> {
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().next()?.parse().ok().map(Party)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_real_uid_is_the_party() {
        assert_eq!(real_uid("Name:\tsu\nUid:\t1000\t0\t0\t0\nGid:\t0\n"), Some(Party(1000)));
        assert_eq!(real_uid("Name:\tsu\n"), None);
        let me = Peer { uid: 0, pid: i32::try_from(std::process::id()).unwrap() };
        assert_eq!(of(me), Party(nix::unistd::getuid().as_raw()));
        assert_eq!(of(Peer { uid: 0, pid: -1 }), UNKNOWN);
        assert_eq!(of(Peer { uid: 33, pid: -1 }), Party(33));
    }
}
