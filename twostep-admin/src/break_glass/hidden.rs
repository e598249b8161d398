//! A mount namespace in which twostep has nothing but its exemptions.

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use twostep_store::break_glass;
use twostep_store::configuration::DEFAULT_PATH;

/// A configuration that cannot be used.
const BROKEN: &str = "broken on purpose by `twostep-admin break-glass try`\n";
/// Key and configuration, the store, the broker's socket and the boot key.
const FOLDERS: [&str; 3] = ["/etc/twostep", "/var/lib/twostep", "/run/twostep"];

/// From here on this process sees a host without twostep's files, and no other process does.
#[must_use = "what is written before it ends is lost"]
pub(super) struct Hidden {
    outside: File,
}

impl Hidden {
    /// Puts everything out of reach but these exemptions. Configurations that lines name elsewhere are replaced as well.
    pub(super) fn but(exemptions: &str, configurations: &[PathBuf]) -> Result<Self, Errno> {
        let outside = File::open("/proc/self/ns/mnt").map_err(errno)?;
        unshare(CloneFlags::CLONE_NEWNS)?;
        let hidden = Self { outside };
        let nothing: Option<&str> = None;
        mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)?;
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        for folder in FOLDERS.into_iter().filter(|folder| Path::new(folder).is_dir()) {
            mount(Some("tmpfs"), folder, Some("tmpfs"), flags, Some("mode=0755,size=1m"))?;
        }
        fs::write(break_glass::PATH, exemptions).map_err(errno)?;
        fs::write(DEFAULT_PATH, BROKEN).map_err(errno)?;
        // Whatever the umask: what others can write exempts nobody.
        fs::set_permissions(break_glass::PATH, fs::Permissions::from_mode(0o644)).map_err(errno)?;
        for file in configurations.iter().filter(|file| file.as_path() != Path::new(DEFAULT_PATH)) {
            // One that is not there is broken already.
            if file.exists() {
                mount(Some(DEFAULT_PATH), file, nothing, MsFlags::MS_BIND, nothing)?;
            }
        }
        Ok(hidden)
    }

    /// Back to the host as it is.
    pub(super) fn end(self) -> Result<(), Errno> {
        setns(&self.outside, CloneFlags::CLONE_NEWNS)
    }
}

fn errno(error: std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}
