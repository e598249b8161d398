//! The product's own binaries, built from this workspace.

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Once;

use crate::command;
use crate::ffi::kernel;
use crate::places;
use crate::wait::OrDie;

/// The module as cargo built it.
pub fn module() -> PathBuf {
    places::target().join("release/libpam_twostep.so")
}

/// `twostep-admin` as cargo built it.
pub fn admin() -> PathBuf {
    places::target().join("release/twostep-admin")
}

/// Makes sure, once per process, that module and command are those of the present sources.
pub fn built() {
    static ONCE: Once = Once::new();
    ONCE.call_once(build);
}

fn build() {
    let lock = File::create(places::cache().join("build.lock")).or_die("open target/e2e/build.lock");
    kernel::lock(&lock).or_die("lock target/e2e/build.lock");
    // The cargo that runs the tests, or the one of whoever started the binary by hand.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(places::workspace());
    command.args([
        "build",
        "--quiet",
        "--release",
        "-p",
        "pam_twostep",
        "-p",
        "twostep-admin",
        "--target-dir",
    ]);
    command.arg(places::target());
    let done = command::run(&mut command);
    assert!(done.success(), "the product does not build:\n{}", done.stderr);
}
