//! The edges to the host that the module, the broker and the commands share: clocks, NSS, randomness, syslog, the checks of every
//! file before it is read, the configuration file, the broker's socket. No SQLite.
#![deny(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

pub mod break_glass;
mod clock;
pub mod configuration;
mod ffi;
pub mod files;
pub mod link;
pub mod lock_file;
mod nss;
mod syslog;
pub mod terminal;
#[cfg(any(test, feature = "testing"))]
#[allow(clippy::unwrap_used)]
pub mod testing;

pub use clock::{monotonic, now};
pub use ffi::{Aging, Shadow};
pub use nss::{Membership, Nss};
pub use syslog::Syslog;
pub use twostep_core::event::Severity;

use twostep_core::known_services::KnownServices;
use twostep_core::policy::Policy;
use twostep_core::random::{Entropy, NoEntropy};

/// The kernel's randomness: getrandom(2).
#[derive(Clone, Copy, Debug, Default)]
pub struct Kernel;

impl Entropy for Kernel {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), NoEntropy> {
        getrandom::fill(buffer).map_err(|_| NoEntropy)
    }
}

/// What authenticators show beside the user's name: the configured issuer, or this host's name.
#[must_use]
pub fn issuer(policy: &Policy) -> String {
    let host = || nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    let name = policy.issuer.clone().or_else(host).unwrap_or_default();
    // A label is split at its first colon.
    if name.is_empty() { "twostep".to_owned() } else { name.replace(':', "-") }
}

/// The PAM services of this host: what has a file, the packages' own too, and what the configuration lists.
#[must_use]
pub fn known_services(policy: &Policy) -> KnownServices {
    // A folder that is missing has no names, and a name that is no UTF-8 is no service's.
    let folders =
        ["/etc/pam.d", "/usr/lib/pam.d"].into_iter().filter_map(|folder| std::fs::read_dir(folder).ok());
    let files = folders.flatten().filter_map(|file| file.ok()?.file_name().into_string().ok());
    KnownServices::of(files, &policy.app.services.value)
}

/// How deep the frames that hold secrets reach, in bytes, with room to spare; some hosts call us on small stacks.
const DEPTH: usize = 32 * 1024;

/// Overwrites the part of the stack that a login has used and left. Buffers on the heap wipe themselves; but a value that is moved
/// leaves its old place as it was, and hash functions keep the block they work on in their frame.
#[inline(never)]
pub fn scrub_stack() {
    // The black box keeps the compiler from seeing that nobody reads it, and from putting it where it keeps constants, which it may do
    // with what is only lent for reading. One memset, where wiping byte by byte takes 60 µs.
    std::hint::black_box(&mut [0u8; DEPTH]);
}
