//! The edges to the host: clock, NSS, randomness, syslog.

mod clock;
mod nss;
mod syslog;

pub use clock::now;
pub use nss::Nss;
pub use syslog::Syslog;

use twostep_core::random::{Entropy, NoEntropy};

/// The kernel's randomness: getrandom(2).
#[derive(Clone, Copy, Debug, Default)]
pub struct Kernel;

impl Entropy for Kernel {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), NoEntropy> {
        getrandom::fill(buffer).map_err(|_| NoEntropy)
    }
}

/// A fresh folder for one test: below `target`, or below `/tmp` where that is in somebody else's home.
#[cfg(test)]
pub(crate) fn test_folder(name: &str) -> std::path::PathBuf {
    use crate::files::{Want, check};
    use std::os::unix::fs::PermissionsExt;
    let target = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/store-tests");
    std::fs::create_dir_all(&target).unwrap();
    let target = target.canonicalize().unwrap();
    let trusted = match check(&target, Want::GuardedFolder) {
        Ok(_) => target,
        Err(_) => format!("/tmp/twostep-store-tests.{}", nix::unistd::geteuid()).into(),
    };
    let folder = trusted.join(name);
    if let Err(error) = std::fs::remove_dir_all(&folder) {
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    }
    std::fs::create_dir_all(&folder).unwrap();
    // Whatever the umask.
    std::fs::set_permissions(&trusted, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
    folder
}
