//! Where things are on the host: the workspace, cargo's target folder, our cache in it.

use std::path::{Path, PathBuf};

use crate::wait::OrDie;

/// The workspace's folder.
pub(crate) fn workspace() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_path_buf()
}

/// Cargo's target folder, wherever CARGO_TARGET_DIR has it: the one above the running binary where cargo keeps its own notes.
pub(crate) fn target() -> PathBuf {
    let exe = this_program();
    let marked = exe.ancestors().find(|folder| folder.join(".rustc_info.json").exists());
    marked.unwrap_or_else(|| panic!("{} is not below a cargo target folder", exe.display())).to_path_buf()
}

/// Where the cached base layer and the locks are.
pub(crate) fn cache() -> PathBuf {
    let folder = target().join("e2e");
    std::fs::create_dir_all(&folder).or_die(format_args!("make {}", folder.display()));
    folder
}

/// The running test binary.
pub(crate) fn this_program() -> PathBuf {
    std::env::current_exe().or_die("find the running test binary")
}

/// What a box sees of the host's real disk, at the same path: the workspace, and the target folder where that is elsewhere.
pub(crate) fn shared() -> Vec<PathBuf> {
    let (workspace, target) = (workspace(), target());
    if target.starts_with(&workspace) { vec![workspace] } else { vec![workspace, target] }
}
