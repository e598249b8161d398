//! Which host key and store were made on, so that a key that was cloned is noticed. No login asks for it: a backup that is put back on new
//! hardware lets everybody in.

use crate::StoreError;
use crate::rows::{exclusively, one_row};
use crate::vault::Session;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The file in `/etc` that has a host's machine-id.
pub const MACHINE_ID: &str = "machine-id";
/// Its length in hexadecimal digits.
const DIGITS: usize = 32;

/// What a host is known by: random, made at its first boot, and the same until it is installed anew (machine-id(5)).
#[derive(Clone, PartialEq, Eq)]
pub struct MachineId([u8; DIGITS]);

impl MachineId {
    /// Reads one. There is none where the file is missing or empty, says `uninitialized`, or is anything else than 32 lower-case
    /// hexadecimal digits that are not all zero.
    #[must_use]
    pub fn read(path: &Path) -> Option<Self> {
        // One line, and enough of what follows to see that something does.
        let mut text = Vec::with_capacity(DIGITS + 2);
        File::open(path).ok()?.take(DIGITS as u64 + 2).read_to_end(&mut text).ok()?;
        let digits: [u8; DIGITS] = text.strip_suffix(b"\n").unwrap_or(&text).try_into().ok()?;
        let are_digits = digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        (are_digits && digits != [b'0'; DIGITS]).then_some(Self(digits))
    }
}

/// Where key and store come from, as far as that can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// They were made on this host, or adopted by it.
    Here,
    /// They were made on another one.
    Elsewhere,
    /// It was not recorded as yet.
    Unrecorded,
    /// This host has no machine-id.
    Nameless,
}

impl Session {
    /// Where key and store come from; `here` is this host's machine-id.
    ///
    /// # Errors
    /// When the store fails.
    pub fn origin(&self, here: Option<&MachineId>) -> Result<Origin, StoreError> {
        let sql = "SELECT host FROM meta";
        let recorded: Option<Vec<u8>> = self.connection.query_row(sql, [], |row| row.get(0))?;
        Ok(match (here, recorded) {
            (None, _) => Origin::Nameless,
            (Some(_), None) => Origin::Unrecorded,
            (Some(here), Some(recorded)) if recorded == self.digest(here) => Origin::Here,
            (Some(_), Some(_)) => Origin::Elsewhere,
        })
    }

    /// Records that key and store are this host's from now on.
    ///
    /// # Errors
    /// When the store fails.
    pub fn record_host(&self, here: &MachineId) -> Result<(), StoreError> {
        let digest = self.digest(here);
        exclusively(self, || one_row(self.connection.execute("UPDATE meta SET host = ?", [digest])?))
    }

    /// Keyed, so that a copy of the store tells nothing of the host, and bound to this store.
    fn digest(&self, here: &MachineId) -> [u8; 32] {
        self.keys.host.mac(&[&self.store_id, &here.0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::{self, BesideKey};
    use crate::host::testing::test_folder;
    use crate::testing::host;
    use std::fs;

    const HERE: &str = "0123456789abcdef0123456789abcdef\n";

    fn machine(name: &str, text: &str) -> Option<MachineId> {
        let path = test_folder(name).join("machine-id");
        fs::write(&path, text).unwrap();
        MachineId::read(&path)
    }

    #[test]
    fn a_machine_id_is_32_digits_and_nothing_else() {
        assert!(machine("machine-id", HERE).is_some());
        assert!(machine("machine-id", HERE.trim()) == machine("machine-id", HERE));
        for none in [
            "",
            "\n",
            "uninitialized\n",
            "00000000000000000000000000000000\n",
            "0123456789ABCDEF0123456789ABCDEF\n",
            "01234567-89ab-cdef-0123-456789abcdef\n",
            "0123456789abcdef0123456789abcde\n",
            "0123456789abcdef0123456789abcdef0\n",
            "0123456789abcdef0123456789abcdef\n\n",
            " 123456789abcdef0123456789abcdef\n",
        ] {
            assert!(machine("machine-id", none).is_none(), "{none:?}");
        }
        assert!(MachineId::read(Path::new("/nowhere/machine-id")).is_none());
        assert!(MachineId::read(Path::new("/")).is_none());
    }

    #[test]
    fn another_host_is_told_until_it_adopts_the_store_and_logins_do_not_ask() {
        let files = host("origin");
        let here = machine("origin-here", HERE).unwrap();
        let other = machine("origin-other", &HERE.replace('0', "f")).unwrap();
        let session = files.session().unwrap();
        assert_eq!(session.origin(None).unwrap(), Origin::Nameless);
        assert_eq!(session.origin(Some(&here)).unwrap(), Origin::Unrecorded);
        session.record_host(&here).unwrap();
        assert_eq!(session.origin(Some(&here)).unwrap(), Origin::Here);
        assert_eq!(session.origin(Some(&other)).unwrap(), Origin::Elsewhere);
        assert_eq!(session.origin(None).unwrap(), Origin::Nameless);
        session.record_host(&other).unwrap();
        assert_eq!(session.origin(Some(&here)).unwrap(), Origin::Elsewhere);
        drop(session);
        // Nor does making sure of key and store touch it.
        admin::init(&files, BesideKey::Refuse).unwrap();
        assert_eq!(files.session().unwrap().origin(Some(&other)).unwrap(), Origin::Here);
    }

    #[test]
    fn the_store_does_not_show_the_machine_id_and_a_record_holds_for_its_own_store_only() {
        let files = host("origin-bound");
        let here = machine("origin-bound-here", HERE).unwrap();
        files.session().unwrap().record_host(&here).unwrap();
        let bytes = fs::read(&files.paths.store).unwrap();
        assert!(!bytes.windows(DIGITS).any(|part| part == here.0));
        let session = files.session().unwrap();
        let recorded: Vec<u8> =
            session.connection.query_row("SELECT host FROM meta", [], |row| row.get(0)).unwrap();
        drop(session);
        // The same key, another store.
        fs::remove_file(&files.paths.store).unwrap();
        admin::init(&files, BesideKey::NewStore).unwrap();
        let session = files.session().unwrap();
        crate::settings::leave_transaction(&session.connection).unwrap();
        session.connection.execute("UPDATE meta SET host = ?", [recorded]).unwrap();
        assert_eq!(session.origin(Some(&here)).unwrap(), Origin::Elsewhere);
    }
}
