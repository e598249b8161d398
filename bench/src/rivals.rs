//! pam_google_authenticator, set up by its own tool.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use twostep_tests::phone::unix_time;
use twostep_tests::{Host, OrDie, Phone};

/// One of its users.
pub(crate) struct GoogleAuthenticator {
    pub(crate) user: &'static str,
    /// The secret file as the tool wrote it.
    pristine: Vec<u8>,
    path: PathBuf,
    owner: (u32, u32),
    phone: Phone,
}

impl GoogleAuthenticator {
    /// Runs `google-authenticator` for a user who is there.
    pub(crate) fn set_up(host: &Host, user: &'static str, options: &[&str]) -> Self {
        let home = PathBuf::from("/home").join(user);
        let path = home.join(".google_authenticator");
        let secret = format!("--secret={}", path.display());
        let common = ["--time-based", "--minimal-window", "--force", "--quiet", "--no-confirm", &secret];
        host.command("google-authenticator", &[&common, options].concat()).expect_success();
        let home = fs::metadata(home).or_die("look at a home");
        let pristine = fs::read(&path).or_die("read what google-authenticator wrote");
        let text = String::from_utf8_lossy(&pristine);
        let phone = Phone::new(text.lines().next().unwrap_or_default());
        let made = Self { user, owner: (home.uid(), home.gid()), phone, pristine, path };
        made.reset();
        made
    }

    /// Puts the secret file back as the tool wrote it, so that no code is used up and no try counted; synced, so that the login
    /// that follows syncs nothing but its own.
    pub(crate) fn reset(&self) {
        let draft = self.path.with_extension("draft");
        let mut file = File::create(&draft).or_die("write a secret file");
        file.write_all(&self.pristine).or_die("write a secret file");
        chown(&draft, Some(self.owner.0), Some(self.owner.1)).or_die("give a secret file to its user");
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o400)).or_die("guard a secret file");
        file.sync_all().or_die("sync a secret file");
        fs::rename(&draft, &self.path).or_die("put a secret file in place");
        let home = self.path.parent().expect("a secret file lies in a home");
        File::open(home).and_then(|home| home.sync_all()).or_die("sync a home");
    }

    /// The present code.
    pub(crate) fn code(&self) -> String {
        self.phone.code_at(unix_time())
    }

    /// A code of no time near.
    pub(crate) fn wrong_code(&self) -> String {
        self.phone.wrong_code()
    }
}
