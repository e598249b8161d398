//! What the tests of several crates need.

use crate::files::{Want, check};
use std::os::unix::fs::PermissionsExt;

/// A fresh folder for one test: below `target`, or below `/tmp` where that is in somebody else's home.
#[must_use]
#[allow(clippy::missing_panics_doc)]
pub fn test_folder(name: &str) -> std::path::PathBuf {
    let target = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/unit-tests");
    std::fs::create_dir_all(&target).unwrap();
    let target = target.canonicalize().unwrap();
    let trusted = match check(&target, Want::GuardedFolder) {
        Ok(_) => target,
        Err(_) => format!("/tmp/twostep-unit-tests.{}", nix::unistd::geteuid()).into(),
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
