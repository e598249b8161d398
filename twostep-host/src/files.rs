//! Whether a file can be trusted: who owns it and every folder on the way, and who else could change or replace it.
//!
//! Only paths are looked at (lstat on every prefix); nothing is opened.

use std::fmt;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Component, Path, PathBuf};

/// What a file is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// A regular file that nobody but its owner can read or write: the store, the key.
    PrivateFile,
    /// A regular file that nobody but its owner can write: the configuration.
    GuardedFile,
    /// A folder that nobody but its owner can enter.
    PrivateFolder,
    /// A folder in which nobody but its owner can make or replace anything.
    GuardedFolder,
    /// A socket that anybody may connect to.
    Socket,
}

/// Why a file is not trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untrusted {
    /// The file or folder with the fault, which may be one on the way.
    pub path: PathBuf,
    /// The fault.
    pub fault: Fault,
}

/// What is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not there, in a folder that is.
    Absent,
    /// A folder on the way is not there.
    Missing,
    /// It belongs to this uid, which is neither root nor the caller.
    Owner(u32),
    /// Others can write it (its permission bits).
    Writable(u32),
    /// Others can read it (its permission bits).
    Readable(u32),
    /// It is a symbolic link.
    Link,
    /// It is not what it is to be: this is what was wanted.
    Kind(&'static str),
    /// The links on the way have no end.
    Loop,
    /// The path is not absolute.
    Relative,
    /// It cannot be looked at.
    Failed(io::ErrorKind),
}

/// A file that was checked.
#[derive(Debug)]
pub struct Checked {
    /// Where it lies: the path without the links that were on the way.
    pub path: PathBuf,
    /// What lstat says of it.
    pub metadata: Metadata,
}

/// The longest chain of links on the way.
const LINKS_MAX: usize = 16;

/// Checks `path` and every folder above it, whose owners must be root or the caller. Links on the way are followed where nobody but root or the caller could change them;
/// the last part must not be one.
///
/// # Errors
/// The first fault found, from `/` down.
pub fn check(path: &Path, want: Want) -> Result<Checked, Untrusted> {
    if !path.is_absolute() {
        return Err(Untrusted { path: path.to_owned(), fault: Fault::Relative });
    }
    let me = nix::unistd::geteuid().as_raw();
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        match walk(&path, want, me)? {
            Walk::Done(metadata) => return Ok(Checked { path, metadata }),
            Walk::Elsewhere(target) => path = target,
        }
    }
    Err(Untrusted { path, fault: Fault::Loop })
}

/// Checks what lies under a name in a folder that was checked just now, so that the way there need not be walked again.
///
/// # Errors
/// The first fault found.
pub fn check_in(folder: &Checked, name: &str, want: Want) -> Result<Checked, Untrusted> {
    let path = folder.path.join(name);
    let metadata = look(&path, Fault::Absent, nix::unistd::geteuid().as_raw())?;
    let judged = if metadata.is_symlink() { Err(Fault::Link) } else { judge(&metadata, Place::End(want)) };
    match judged {
        Ok(()) => Ok(Checked { path, metadata }),
        Err(fault) => Err(Untrusted { path, fault }),
    }
}

/// What lstat says, if it is there and belongs to root or the caller.
fn look(path: &Path, absent: Fault, me: u32) -> Result<Metadata, Untrusted> {
    let untrusted = |fault| Untrusted { path: path.to_owned(), fault };
    let metadata = fs::symlink_metadata(path).map_err(|error| {
        untrusted(match error.kind() {
            io::ErrorKind::NotFound => absent,
            kind => Fault::Failed(kind),
        })
    })?;
    if metadata.uid() != 0 && metadata.uid() != me {
        return Err(untrusted(Fault::Owner(metadata.uid())));
    }
    Ok(metadata)
}

enum Walk {
    Done(Metadata),
    /// A link on the way leads here instead.
    Elsewhere(PathBuf),
}

fn walk(path: &Path, want: Want, me: u32) -> Result<Walk, Untrusted> {
    let mut here = PathBuf::new();
    let mut parts = path.components().peekable();
    while let Some(part) = parts.next() {
        match part {
            Component::ParentDir => {
                here.pop();
                continue;
            }
            part => here.push(part),
        }
        let untrusted = |fault| Untrusted { path: here.clone(), fault };
        let last = parts.peek().is_none();
        let metadata = look(&here, if last { Fault::Absent } else { Fault::Missing }, me)?;
        if metadata.is_symlink() {
            if last {
                return Err(untrusted(Fault::Link));
            }
            let target = fs::read_link(&here).map_err(|error| untrusted(Fault::Failed(error.kind())))?;
            here.pop();
            here.push(target);
            here.extend(parts);
            return Ok(Walk::Elsewhere(here));
        }
        let wanted = match parts.clone().count() {
            0 => Place::End(want),
            1 => Place::End(Want::GuardedFolder),
            _ => Place::Way,
        };
        judge(&metadata, wanted).map_err(untrusted)?;
        if last {
            return Ok(Walk::Done(metadata));
        }
    }
    Err(Untrusted { path: path.to_owned(), fault: Fault::Relative })
}

/// Where on its path a file or folder stands.
#[derive(Clone, Copy)]
enum Place {
    /// At the end, or as the folder that holds the end: SQLite makes its journal there.
    End(Want),
    /// Further up. There a sticky folder (`/tmp`) is good as well: what stands in it and belongs to root or the caller, as the next
    /// part must, nobody else can replace.
    Way,
}

fn judge(metadata: &Metadata, place: Place) -> Result<(), Fault> {
    let (folder, private) = match place {
        Place::End(Want::Socket) if metadata.file_type().is_socket() => return Ok(()),
        Place::End(Want::Socket) => return Err(Fault::Kind("a socket")),
        Place::End(Want::PrivateFile) => (false, true),
        Place::End(Want::GuardedFile) => (false, false),
        Place::End(Want::PrivateFolder) => (true, true),
        Place::End(Want::GuardedFolder) | Place::Way => (true, false),
    };
    match (folder, metadata.is_dir(), metadata.is_file()) {
        (true, false, _) => return Err(Fault::Kind("a folder")),
        (false, _, false) => return Err(Fault::Kind("a regular file")),
        _ => {}
    }
    let mode = metadata.mode() & 0o7777;
    let sticky = matches!(place, Place::Way) && mode & 0o1000 != 0;
    if mode & 0o022 != 0 && !sticky {
        return Err(Fault::Writable(mode));
    }
    if private && mode & 0o077 != 0 {
        return Err(Fault::Readable(mode));
    }
    Ok(())
}

impl Untrusted {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        let path = self.path.display();
        match self.fault {
            Fault::Absent | Fault::Missing => {
                format!("make {path}, or point [paths] elsewhere; twostep-admin init makes what is missing")
            }
            Fault::Owner(_) => format!("chown root: {path}"),
            Fault::Writable(_) => format!("chmod go-w {path}"),
            Fault::Readable(_) => format!("chmod go= {path}"),
            Fault::Link => format!("put the file itself at {path}"),
            Fault::Kind(wanted) => format!("put {wanted} at {path}"),
            Fault::Loop | Fault::Relative | Fault::Failed(_) => format!("look at {path} as root"),
        }
    }
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.path.display())?;
        match &self.fault {
            Fault::Absent | Fault::Missing => f.write_str("is missing"),
            Fault::Owner(uid) => write!(f, "belongs to uid {uid}, not to root"),
            Fault::Writable(mode) => write!(f, "can be written by others (mode {mode:04o})"),
            Fault::Readable(mode) => write!(f, "can be read by others (mode {mode:04o})"),
            Fault::Link => f.write_str("is a symbolic link"),
            Fault::Kind(wanted) => write!(f, "is not {wanted}"),
            Fault::Loop => f.write_str("lies behind too many links"),
            Fault::Relative => f.write_str("is not an absolute path"),
            Fault::Failed(kind) => write!(f, "cannot be looked at: {kind}"),
        }
    }
}

/// A short word for what a path is, for messages.
#[must_use]
pub fn kind_of(metadata: &Metadata) -> &'static str {
    let kind = metadata.file_type();
    if kind.is_dir() {
        "folder"
    } else if kind.is_symlink() {
        "link"
    } else if kind.is_fifo() {
        "pipe"
    } else {
        "file"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test_folder;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn file(path: &Path, mode: u32) {
        fs::write(path, "x").unwrap();
        chmod(path, mode);
    }

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn fault(path: &Path, want: Want) -> Fault {
        check(path, want).unwrap_err().fault
    }

    #[test]
    fn a_private_file_is_private() {
        let folder = test_folder("private");
        let path = folder.join("key");
        assert_eq!(fault(&path, Want::PrivateFile), Fault::Absent);
        assert_eq!(fault(&path.join("x"), Want::PrivateFile), Fault::Missing);
        file(&path, 0o600);
        assert!(check(&path, Want::PrivateFile).is_ok());
        chmod(&path, 0o640);
        assert_eq!(fault(&path, Want::PrivateFile), Fault::Readable(0o640));
        assert!(check(&path, Want::GuardedFile).is_ok());
        chmod(&path, 0o664);
        assert_eq!(fault(&path, Want::GuardedFile), Fault::Writable(0o664));
        chmod(&path, 0o602);
        assert_eq!(fault(&path, Want::PrivateFile), Fault::Writable(0o602));
    }

    #[test]
    fn what_lies_in_a_checked_folder_is_checked_alike() {
        let folder = test_folder("within");
        let checked = check(&folder, Want::GuardedFolder).unwrap();
        let fault = |name| check_in(&checked, name, Want::PrivateFile).unwrap_err().fault;
        assert_eq!(fault("key"), Fault::Absent);
        file(&folder.join("key"), 0o600);
        assert_eq!(check_in(&checked, "key", Want::PrivateFile).unwrap().path, checked.path.join("key"));
        chmod(&folder.join("key"), 0o640);
        assert_eq!(fault("key"), Fault::Readable(0o640));
        symlink("key", folder.join("link")).unwrap();
        assert_eq!(fault("link"), Fault::Link);
        fs::create_dir(folder.join("folder")).unwrap();
        assert_eq!(fault("folder"), Fault::Kind("a regular file"));
    }

    #[test]
    fn a_folder_that_others_can_write_spoils_what_is_in_it() {
        let folder = test_folder("folder");
        let path = folder.join("open/inner/key");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        file(&path, 0o600);
        assert!(check(&path, Want::PrivateFile).is_ok());
        for mode in [0o777, 0o775] {
            chmod(&folder.join("open"), mode);
            let untrusted = check(&path, Want::PrivateFile).unwrap_err();
            assert_eq!(untrusted, Untrusted { path: folder.join("open"), fault: Fault::Writable(mode) });
        }
        // A sticky folder further up lets nobody replace what is ours; the one that holds the file is where the journal is made.
        chmod(&folder.join("open"), 0o1777);
        assert!(check(&path, Want::PrivateFile).is_ok());
        chmod(&folder.join("open/inner"), 0o1777);
        assert_eq!(fault(&path, Want::PrivateFile), Fault::Writable(0o1777));
    }

    #[test]
    fn links_are_followed_on_the_way_and_refused_at_the_end() {
        let folder = test_folder("links");
        fs::create_dir(folder.join("real")).unwrap();
        file(&folder.join("real/key"), 0o600);
        symlink("real", folder.join("way")).unwrap();
        symlink("key", folder.join("real/end")).unwrap();
        symlink("loop", folder.join("loop")).unwrap();
        assert!(check(&folder.join("way/key"), Want::PrivateFile).is_ok());
        assert_eq!(fault(&folder.join("way/end"), Want::PrivateFile), Fault::Link);
        assert_eq!(fault(&folder.join("loop/key"), Want::PrivateFile), Fault::Loop);
        chmod(&folder.join("real"), 0o777);
        assert_eq!(fault(&folder.join("way/key"), Want::PrivateFile), Fault::Writable(0o777));
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let folder = test_folder("kinds");
        assert_eq!(fault(&folder, Want::GuardedFile), Fault::Kind("a regular file"));
        file(&folder.join("f"), 0o600);
        assert_eq!(fault(&folder.join("f/g"), Want::GuardedFile), Fault::Kind("a folder"));
        assert_eq!(fault(Path::new("relative"), Want::GuardedFile), Fault::Relative);
    }
}
