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
/// Requests that a user can make for himself at a stretch.
pub(crate) const OWN_BURST: u32 = 20;
/// After which he gets one more each time this has gone by.
pub(crate) const OWN_EVERY: Duration = Duration::from_secs(3);
/// Proofs (password and code for a change) at once.
pub(crate) const PROOFS: usize = 16;
/// Proofs at once of one user.
pub(crate) const PROOFS_PARTY: usize = 2;

/// How long a new connection may stay without a request.
pub(crate) const FIRST: Duration = Duration::from_secs(5);
/// How long a person has for an answer.
pub(crate) const ANSWER: Duration = Duration::from_secs(180);
/// How long the modules behind ours have until the account phase.
pub(crate) const COMMIT: Duration = Duration::from_secs(180);
/// How long a proof may take in all.
pub(crate) const PROOF: Duration = Duration::from_secs(300);
/// How long its process may take to come to its end once nobody speaks to it any more; then it is killed.
pub(crate) const LINGER: Duration = Duration::from_secs(5);
/// How long requests have to come to their end after SIGTERM; then the same once more for those that wait for an answer and get none.
pub(crate) const DRAIN: Duration = Duration::from_secs(10);
/// How often one and the same complaint about a peer is logged.
pub(crate) const COMPLAINT: Duration = Duration::from_secs(60);

/// How many codes of a new authenticator can be tried.
pub(crate) const CONFIRM_TRIES: u8 = 3;

/// The stack of a thread, in bytes. A login uses less than 64 KiB of it.
pub(crate) const STACK: usize = 512 * 1024;
