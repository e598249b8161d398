//! Every bound there is, in one place. docs/broker.md lists them.

use std::time::Duration;

/// Connections at once.
pub(crate) const CONNECTIONS: usize = 2048;
/// How many of them are kept for root's own processes.
pub(crate) const CONNECTIONS_KEPT: usize = 256;
/// Descriptors beside those of connections: the store's, NSS's, the log's.
pub(crate) const DESCRIPTORS_SPARE: u64 = 512;
/// Connections at once of root's own processes.
pub(crate) const CONNECTIONS_ROOT: usize = 512;
/// Connections at once of any other user's processes, su and sudo run by that user among them.
pub(crate) const CONNECTIONS_PARTY: usize = 128;
/// Connections at once of a user's processes that are not even root by their effective uid; unless a service was granted to that user.
pub(crate) const CONNECTIONS_PLAIN_PARTY: usize = 32;
/// Connections at once of all these together.
pub(crate) const CONNECTIONS_PLAIN: usize = 1024;
/// Threads that close what may take for ever to close, in a process of their own.
pub(crate) const CLOSERS: usize = 16;
/// Connections of one uid that are held there, as far as they are still not closed: then it can connect no more for the time being.
pub(crate) const HELD: usize = 32;
/// Uids that can be kept from connecting.
pub(crate) const BANNED: usize = 4096;
/// Requests that a user can make for himself at a stretch.
pub(crate) const OWN_BURST: u32 = 20;
/// After which he gets one more each time this has gone by.
pub(crate) const OWN_EVERY: Duration = Duration::from_secs(3);
/// Processes at once in which a password is asked for, before a change.
pub(crate) const PROOFS: usize = 64;
/// Of these, for one user.
pub(crate) const PROOFS_PARTY: usize = 2;
/// Entries of a history in one answer.
pub(crate) const HISTORY: u32 = 200;

/// How long a new connection may stay without a request.
pub(crate) const FIRST: Duration = Duration::from_secs(5);
/// How long a person has for an answer.
pub(crate) const ANSWER: Duration = Duration::from_secs(180);
/// How long the modules behind ours have until the account phase.
pub(crate) const COMMIT: Duration = Duration::from_secs(180);
/// How long the password of a proof may take in all.
pub(crate) const PROOF: Duration = Duration::from_secs(120);
/// How long a person has for a code of a new authenticator: a phone is to be found, an app installed on it.
pub(crate) const CONFIRM: Duration = Duration::from_secs(360);
/// How long its process may take to come to its end once nobody speaks to it any more; then it is killed.
pub(crate) const LINGER: Duration = Duration::from_secs(5);
/// How long requests have to come to their end after SIGTERM; then the same once more for those that wait for an answer and get none.
pub(crate) const DRAIN: Duration = Duration::from_secs(10);
/// How often one and the same complaint about a peer is logged.
pub(crate) const COMPLAINT: Duration = Duration::from_secs(60);
/// How many complaints there are in that time, about all peers together.
pub(crate) const COMPLAINTS: u32 = 200;
/// How often it is looked up at most who the users of `[broker] callers` are.
pub(crate) const CALLERS: Duration = Duration::from_secs(1);

/// How often it is looked whether all of them are closed.
pub(crate) const LIFT: Duration = Duration::from_secs(1);

/// How many codes of a new authenticator can be tried.
pub(crate) const CONFIRM_TRIES: u8 = 3;

/// The stack of a thread, in bytes. A login uses less than 64 KiB of it.
pub(crate) const STACK: usize = 512 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use twostep_core::protocol::REQUEST_MAX;
    use twostep_host::link::{CONNECT, WRITE};

    /// Every limit: its name, and how it stands in a table of docs/broker.md or docs/protocol.md.
    fn documented() -> Vec<(&'static str, &'static str, String)> {
        let seconds = |limit: Duration| format!("{} s", limit.as_secs_f64());
        let descriptors = CONNECTIONS as u64 + DESCRIPTORS_SPARE;
        vec![
            ("CONNECTIONS", "connections at once", CONNECTIONS.to_string()),
            ("CONNECTIONS_KEPT", "of these, kept for root's own processes", CONNECTIONS_KEPT.to_string()),
            (
                "DESCRIPTORS_SPARE",
                "descriptors it wants, those of connections among them",
                descriptors.to_string(),
            ),
            ("CONNECTIONS_ROOT", "connections at once of root's own processes", CONNECTIONS_ROOT.to_string()),
            (
                "CONNECTIONS_PARTY",
                "connections at once of any other user's processes",
                CONNECTIONS_PARTY.to_string(),
            ),
            (
                "CONNECTIONS_PLAIN",
                "connections at once of all processes that are not root by their effective uid",
                CONNECTIONS_PLAIN.to_string(),
            ),
            (
                "CONNECTIONS_PLAIN_PARTY",
                "of these, those of one user, unless `[broker] callers` names that user",
                CONNECTIONS_PLAIN_PARTY.to_string(),
            ),
            (
                "CLOSERS",
                "threads of the process that closes connections with open files in them",
                CLOSERS.to_string(),
            ),
            (
                "HELD",
                "connections with open files of one uid, until it can connect no more",
                HELD.to_string(),
            ),
            ("BANNED", "uids that cannot connect for that", BANNED.to_string()),
            ("LIFT", "until they can again, once all such connections are closed", seconds(LIFT)),
            ("OWN_BURST", "requests for oneself at a stretch, unless by uid 0", OWN_BURST.to_string()),
            ("OWN_EVERY", "then one more every", seconds(OWN_EVERY)),
            (
                "PROOFS",
                "processes at once in which a password is asked for, before a change",
                PROOFS.to_string(),
            ),
            ("PROOFS_PARTY", "of these, for one user", PROOFS_PARTY.to_string()),
            ("HISTORY", "entries of a history in one answer", HISTORY.to_string()),
            ("FIRST", "a new connection without a request", seconds(FIRST)),
            ("FIRST", "the broker for the first message", seconds(FIRST)),
            ("ANSWER", "an answer of a person's", seconds(ANSWER)),
            ("ANSWER", "the broker for `Answer`", seconds(ANSWER)),
            ("CONFIRM", "a code of a new authenticator, each", seconds(CONFIRM)),
            ("CONFIRM", "the broker for each `Confirm`", seconds(CONFIRM)),
            ("COMMIT", "from the verdict of the auth phase to the account phase", seconds(COMMIT)),
            ("COMMIT", "the broker for `Commit`", seconds(COMMIT)),
            ("PROOF", "the password of a proof in all", seconds(PROOF)),
            ("PROOF", "the broker for the password of a proof", seconds(PROOF)),
            (
                "LINGER",
                "the process of a proof, once nobody speaks to it any more; then it is killed",
                seconds(LINGER),
            ),
            ("DRAIN", "requests that run at SIGTERM; then the same once more", seconds(DRAIN)),
            ("COMPLAINT", "between two lines in the log about what one user may not ask", seconds(COMPLAINT)),
            ("COMPLAINTS", "of such lines in that time, about all users together", COMPLAINTS.to_string()),
            (
                "CALLERS",
                "the uids of users in `[broker] callers` are looked up for these limits, at most every",
                seconds(CALLERS),
            ),
            ("CONFIRM_TRIES", "codes of a new authenticator that can be tried", CONFIRM_TRIES.to_string()),
            (
                "STACK",
                "stack of a thread, of which every connection has one",
                format!("{} KiB", STACK / 1024),
            ),
            // Of others, which the broker keeps to.
            ("REQUEST_MAX", "a message to the broker", format!("{REQUEST_MAX} bytes")),
            ("CONNECT", "the module and `twostep` to be connected", seconds(CONNECT)),
            ("CONNECT", "too many wait to be accepted", seconds(CONNECT)),
            ("WRITE", "a message that the other side does not take", seconds(WRITE)),
            ("WRITE", "either side for the other to take a message", seconds(WRITE)),
        ]
    }

    #[test]
    fn every_limit_is_documented() {
        let documents = [include_str!("../../docs/broker.md"), include_str!("../../docs/protocol.md")];
        let documented = documented();
        for (name, what, limit) in &documented {
            let row = format!("| {what} | {limit} |");
            assert!(documents.iter().any(|text| text.lines().any(|line| line == row)), "{name}: {row}");
        }
        let all = include_str!("limits.rs").lines().filter_map(|line| line.strip_prefix("pub(crate) const "));
        for name in all.filter_map(|line| line.split(':').next()) {
            assert!(documented.iter().any(|(known, ..)| *known == name), "{name} is in no document");
        }
    }
}
