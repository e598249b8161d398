//! The roster's file: put in its place whole, or taken away.

use crate::files::{self, Fault, Want};
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;
use twostep_core::policy::Readers;

/// Where the host's own groups stand. No other source is asked: the store is locked meanwhile.
const GROUPS: &str = "/etc/group";

/// Takes it away, if it is there; after a power cut it is not there again.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Ok(()) => File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all(),
        // Of what is not there a read-only file system says that it is read-only.
        Err(error) => match fs::symlink_metadata(path) {
            Err(none) if matches!(none.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Ok(())
            }
            _ => Err(error),
        },
    }
}

/// Puts a new roster in the place of the one that is there. Whoever reads has the old one or the new one.
pub(crate) fn write(folder: &Path, readers: &Readers, bytes: &[u8]) -> Result<(), String> {
    make_folder(folder)?;
    let (mode, gid) = match readers {
        Readers::Everyone => (0o644, None),
        Readers::Group(name) => (0o640, Some(gid_of(name)?)),
    };
    let draft = folder.join(format!("{}.new", twostep_roster::FILE));
    let told = |error: io::Error| format!("{}: {error}", draft.display());
    // Left behind by a writer that died: nobody else writes now.
    remove(&draft).map_err(told)?;
    let put = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(bytes)?;
        fchown(&file, None, gid)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        file.sync_all()?;
        fs::rename(&draft, folder.join(twostep_roster::FILE))?;
        File::open(folder)?.sync_all()
    };
    put().map_err(|error| {
        // The next writer removes it, where this cannot.
        let _left_behind = remove(&draft);
        told(error)
    })
}

/// Whether a file's group and mode are those for these readers.
pub(crate) fn is_for(file: &File, readers: &Readers) -> bool {
    let Ok(metadata) = file.metadata() else { return false };
    let mode = metadata.mode() & 0o7777;
    match readers {
        Readers::Everyone => mode == 0o644,
        Readers::Group(name) => mode == 0o640 && gid_of(name) == Ok(metadata.gid()),
    }
}

fn make_folder(folder: &Path) -> Result<(), String> {
    let guarded = |path| files::check(path, Want::GuardedFolder);
    match guarded(folder) {
        Err(untrusted) if untrusted.fault == Fault::Absent => {
            guarded(folder.parent().unwrap_or(Path::new("/"))).map_err(|untrusted| untrusted.to_string())?;
            // Whatever the umask of whoever has loaded this.
            let made = DirBuilder::new()
                .mode(0o700)
                .create(folder)
                .and_then(|()| fs::set_permissions(folder, Permissions::from_mode(0o755)));
            made.map_err(|error| format!("{}: {error}", folder.display()))
        }
        checked => checked.map(|_| ()).map_err(|untrusted| untrusted.to_string()),
    }
}

fn gid_of(group: &str) -> Result<u32, String> {
    let text = fs::read(GROUPS).map_err(|error| format!("{GROUPS}: {error}"))?;
    let text = String::from_utf8_lossy(&text);
    let fields = |line: &str| {
        let mut fields = line.split(':');
        (fields.next() == Some(group)).then(|| fields.nth(1).and_then(|gid| gid.parse().ok())).flatten()
    };
    text.lines()
        .find_map(fields)
        .ok_or_else(|| format!("[roster] readers: there is no group {group:?} in {GROUPS}"))
}
