//! The key file: one line of 64 hexadecimal digits, apart from the store.

use crate::StoreError;
use crate::files::{self, Checked, Fault, Untrusted, Want};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use twostep_core::crypto::MasterKey;
use zeroize::Zeroizing;

/// Reads the key, after its file and every folder on the way were checked.
///
/// # Errors
/// When it is missing, others could read or change it, or it is no key.
pub fn read(path: &Path) -> Result<MasterKey, StoreError> {
    read_checked(files::check(path, Want::PrivateFile))
}

/// [`read`], of a key in a folder that was checked just now.
pub(crate) fn read_in(folder: &Checked, name: &str) -> Result<MasterKey, StoreError> {
    read_checked(files::check_in(folder, name, Want::PrivateFile))
}

fn read_checked(checked: Result<Checked, Untrusted>) -> Result<MasterKey, StoreError> {
    let checked = checked.map_err(|untrusted| match untrusted.fault {
        Fault::Absent => StoreError::NoKey(untrusted.path),
        _ => untrusted.into(),
    })?;
    let path = checked.path.as_path();
    let mut text = Zeroizing::new([0u8; 80]);
    let mut length = 0;
    let mut file = File::open(path).map_err(|error| StoreError::Io(path.to_owned(), error))?;
    while let Some(rest) = text.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(n) => length += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(StoreError::Io(path.to_owned(), error)),
        }
    }
    // It ends within the room there is; an empty line would be no key.
    let line = text.get(..length).unwrap_or_default();
    let digits = line.strip_suffix(b"\n").unwrap_or(line);
    MasterKey::from_hex(digits).ok_or_else(|| StoreError::BadKey(path.to_owned()))
}

/// Writes a new key: complete or not at all, and never over another.
///
/// # Errors
/// When there is one, or it cannot be written.
pub fn create(path: &Path, key: &MasterKey) -> Result<(), StoreError> {
    let failed = |error| StoreError::Io(path.to_owned(), error);
    let hex = key.to_hex();
    let mut text = Zeroizing::new(Vec::with_capacity(hex.expose().len() + 1));
    text.extend_from_slice(hex.expose());
    text.push(b'\n');
    create_private(path, &text).map_err(failed)
}

/// Makes a file of mode 0600 with this content, complete or not at all. Fails with `AlreadyExists` where there is one.
pub(crate) fn create_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let draft = path.with_extension(format!("new.{}", std::process::id()));
    // Left over from a process with this number that was killed in here.
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
        // A hard link, unlike a rename, never replaces what is there.
        .and_then(|()| fs::hard_link(&draft, path));
    let removed = fs::remove_file(&draft);
    written.and(removed)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::test_folder;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_written_once_and_read_back() {
        let path = test_folder("key-once").join("master.key");
        assert!(matches!(read(&path), Err(StoreError::NoKey(_))));
        let key = MasterKey::new([9; 32]);
        create(&path, &key).unwrap();
        assert_eq!(read(&path).unwrap().id(), key.id());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert!(
            matches!(create(&path, &MasterKey::new([8; 32])), Err(StoreError::Io(_, error)) if error.kind() == io::ErrorKind::AlreadyExists)
        );
        assert_eq!(read(&path).unwrap().id(), key.id());
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let path = test_folder("key-bad").join("master.key");
        for content in [
            "",
            "abc\n",
            &"0".repeat(63),
            &"0".repeat(65),
            &"x".repeat(64),
            &format!("{}\n\n", "0".repeat(64)),
        ] {
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            assert!(matches!(read(&path), Err(StoreError::BadKey(_))), "{content:?}");
        }
        fs::write(&path, "0".repeat(64)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).unwrap();
        assert!(matches!(read(&path), Err(StoreError::Untrusted(_))));
    }
}
