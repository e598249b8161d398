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

/// A fresh folder for one test, in a place whose every parent is guarded (unlike `/tmp`).
#[cfg(test)]
pub(crate) fn test_folder(name: &str) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/store-tests").join(name);
    if let Err(error) = std::fs::remove_dir_all(&folder) {
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    }
    std::fs::create_dir_all(&folder).unwrap();
    let folder = folder.canonicalize().unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
    folder
}
