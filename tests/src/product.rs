//! The product's own binaries, built from this workspace.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Once;

use crate::boxes;
use crate::command;
use crate::ffi::kernel;
use crate::places;
use crate::wait::OrDie;

/// The module as cargo built it.
pub fn module() -> PathBuf {
    places::target().join("release/libpam_twostep.so")
}

/// The NSS module as cargo built it.
pub fn name_service() -> PathBuf {
    places::target().join("release/libnss_twostep.so")
}

/// `twostep-admin` as cargo built it.
pub fn admin() -> PathBuf {
    places::target().join("release/twostep-admin")
}

/// `twostep` as cargo built it.
pub fn users_command() -> PathBuf {
    places::target().join("release/twostep")
}

/// `twostepd` as cargo built it.
pub fn broker() -> PathBuf {
    places::target().join("release/twostepd")
}

/// Makes sure, once per process, that module and command are those of the present sources. [`crate::in_box`] does so by itself; a test
/// that has another use for them calls it before [`crate::in_bare_box`], inside of which it does nothing.
pub fn built() {
    static ONCE: Once = Once::new();
    if !boxes::is_outside() {
        return;
    }
    ONCE.call_once(build);
}

/// The versions that [`packages`] makes of the same binaries.
pub const VERSIONS: [&str; 2] = ["1.0", "1.1"];

/// Folders with one Debian package each, of the versions 1.0 and 1.1. Made, once per process, outside of a box by [`crate::on_clean_host`]; good
/// inside as well.
pub fn packages() -> [PathBuf; 2] {
    static ONCE: Once = Once::new();
    let folders = VERSIONS.map(|version| places::cache().join(format!("package-{version}")));
    if boxes::is_outside() {
        ONCE.call_once(|| {
            let _lock = locked();
            for (version, folder) in VERSIONS.iter().zip(&folders) {
                let mut command = Command::new("packaging/deb/build.sh");
                command
                    .current_dir(places::workspace())
                    .arg(folder)
                    .env("CARGO_TARGET_DIR", places::target());
                // Not squeezed: that takes longer than all the rest.
                command.env("DEB_VERSION", version).env("DPKG_DEB_COMPRESSOR_TYPE", "none");
                command::run(&mut command).expect_success();
            }
        });
    }
    folders
}

/// A module that panics where its line says `provoke=panic`, built for tests only and never installed by anyone.
///
/// To be called before [`crate::in_box`]; the path is good inside as well.
pub fn provoking_module() -> PathBuf {
    let module = places::cache().join("libpam_twostep_provoke.so");
    if !boxes::is_outside() {
        return module;
    }
    let _lock = locked();
    cargo(&["build", "--quiet", "-p", "pam_twostep", "--features", "provoke"]);
    // Copied away, since the next build without the feature has the same name.
    let built = places::target().join("debug/libpam_twostep.so");
    fs::copy(&built, &module).or_die(format_args!("copy {}", built.display()));
    module
}

fn build() {
    let _lock = locked();
    cargo(&[
        "build",
        "--quiet",
        "--release",
        "-p",
        "pam_twostep",
        "-p",
        "nss_twostep",
        "-p",
        "twostep-admin",
        "-p",
        "twostepd",
        "-p",
        "twostep-cli",
    ]);
}

/// Keeps other test processes from building at the same time for as long as it lives.
fn locked() -> File {
    let lock = File::create(places::cache().join("build.lock")).or_die("open target/e2e/build.lock");
    kernel::lock(&lock).or_die("lock target/e2e/build.lock");
    lock
}

fn cargo(arguments: &[&str]) {
    // The cargo that runs the tests, or the one of whoever started the binary by hand.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(places::workspace());
    command.args(arguments).arg("--target-dir").arg(places::target());
    let done = command::run(&mut command);
    assert!(done.success(), "the product does not build:\n{}", done.stderr);
}
