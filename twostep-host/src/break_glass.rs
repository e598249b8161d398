//! break-glass.toml: checked as the configuration is, and read by itself.

use crate::configuration::{ConfigError, trusted_text};
use crate::files::{self, Want};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use twostep_core::break_glass::{Exemption, LENGTH_MAX};
use twostep_core::config::break_glass::parse;

/// Where the module looks. Nothing in the configuration or on a module's line moves it, since either may be what is wrong.
pub const PATH: &str = "/etc/twostep/break-glass.toml";

/// The exemptions in the file at `path`; none where there is no file.
///
/// # Errors
/// See [`ConfigError`]. A file with one fault has no exemption at all.
pub fn read(path: &Path) -> Result<Vec<Exemption>, ConfigError> {
    // Most hosts have no such file, and whatever is wrong with the folders above it is no matter then.
    if fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        return Ok(Vec::new());
    }
    let checked = files::check(path, Want::GuardedFile).map_err(ConfigError::Untrusted)?;
    let text = trusted_text(path, &checked, LENGTH_MAX)?;
    parse(&text).map_err(|mistakes| ConfigError::Mistakes(path.to_owned(), mistakes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test_folder;
    use std::os::unix::fs::{PermissionsExt, symlink};

    const TEXT: &str = "[[exemption]]\nservice = \"login\"\ntty = \"tty1\"\nreason = \"r\"\nowner = \"o\"\n";

    #[test]
    fn a_file_that_others_could_have_made_has_no_exemption() {
        let folder = test_folder("break-glass");
        let path = folder.join("break-glass.toml");
        assert_eq!(read(&path).unwrap(), Vec::new());
        let write = |text: &[u8], mode: u32| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        };
        write(TEXT.as_bytes(), 0o644);
        assert_eq!(read(&path).unwrap().len(), 1);
        for mode in [0o664, 0o646, 0o666] {
            write(TEXT.as_bytes(), mode);
            assert!(matches!(read(&path), Err(ConfigError::Untrusted(_))), "{mode:o}");
        }
        write(TEXT.as_bytes(), 0o644);
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o775)).unwrap();
        assert!(read(&path).is_err());
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        let link = folder.join("link.toml");
        symlink(&path, &link).unwrap();
        assert!(read(&link).is_err());
    }

    #[test]
    fn a_file_that_is_no_text_or_too_long_or_has_a_mistake_has_no_exemption() {
        let path = test_folder("break-glass-text").join("break-glass.toml");
        let write = |text: &[u8]| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        };
        write(&[0xff, 0xfe]);
        assert!(matches!(read(&path), Err(ConfigError::NotText(_))));
        write(format!("{TEXT}{}", "#".repeat(LENGTH_MAX)).as_bytes());
        assert!(matches!(read(&path), Err(ConfigError::TooLong(..))));
        write(format!("{TEXT}x = 1\n").as_bytes());
        assert!(matches!(read(&path), Err(ConfigError::Mistakes(..))));
    }
}
