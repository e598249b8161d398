//! A store of one's own, and the command that works on it.

use serde_json::Value;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use twostep_core::name::UserName;
use twostep_store::StoreError;
use twostep_store::admin::NewEnrollment;
use twostep_store::configuration;
use twostep_store::files::{self, Want};
use twostep_store::vault::{Files, Session};

/// A folder with a configuration that points into it.
pub(crate) struct Place {
    pub(crate) folder: PathBuf,
}

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The folder for tests below `target`; where that is in somebody else's home, one below `/tmp`.
fn trusted_folder() -> PathBuf {
    let usual = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    if files::check(&usual, Want::GuardedFolder).is_ok() {
        return usual;
    }
    PathBuf::from(format!("/tmp/twostep-cli-tests.{}", nix::unistd::geteuid()))
}

/// The command where any user can run it.
pub(crate) fn program_for_all() -> PathBuf {
    let path = PathBuf::from(format!("/tmp/twostep-admin-for-all.{}", std::process::id()));
    fs::copy(env!("CARGO_BIN_EXE_twostep-admin"), &path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

impl Place {
    /// With key and store.
    pub(crate) fn new(name: &str) -> Self {
        let place = Self::bare(name);
        place.run(&["init"]).is(0);
        place
    }

    /// Without.
    pub(crate) fn bare(name: &str) -> Self {
        let folder = trusted_folder().join("cli").join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        fs::create_dir_all(&folder).unwrap();
        // Whatever the umask: the command trusts no path that others can write.
        for path in [folder.as_path(), folder.parent().unwrap()] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::create_dir_all(folder.join("pam.d")).unwrap();
        let place = Self { folder };
        place.configure("");
        place
    }

    /// Writes the configuration: what is given, and the paths.
    pub(crate) fn configure(&self, text: &str) {
        let path = |name: &str| format!("{:?}", self.folder.join(name));
        let paths = format!(
            "[paths]\nstore = {}\nkey = {}\nroster = {}\nruntime = {}\n",
            path("store/store.db"),
            path("key/master.key"),
            path("roster"),
            path("run"),
        );
        self.write("config.toml", &format!("{text}\n{paths}"), 0o644);
    }

    pub(crate) fn write(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.folder.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    /// Runs it without any input.
    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        self.run_with(arguments, "")
    }

    /// Runs it with `input` on standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Done {
        let config = self.folder.join("config.toml");
        let mut all = vec!["--config", config.to_str().unwrap()];
        all.extend(arguments);
        run(&all, input)
    }

    /// Runs it with `--json`: it must succeed and print one document and nothing else.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let mut all = vec!["--json"];
        all.extend(arguments);
        let done = self.run(&all).is(0);
        assert_eq!(done.stderr, "");
        serde_json::from_str(&done.stdout).unwrap()
    }

    /// The open store, to bring about what the command itself cannot.
    pub(crate) fn session(&self) -> Session {
        let policy = configuration::read(Some(&self.folder.join("config.toml"))).unwrap();
        // All tests are one process, of which one thread uses a store at a time, and a busy machine keeps it long.
        loop {
            match Files::of(&policy).session() {
                Err(StoreError::Busy) => {}
                opened => return opened.unwrap(),
            }
        }
    }

    /// Changes the store by hand, to bring about what a test cannot wait for.
    pub(crate) fn sql(&self, sql: &str) {
        let store = rusqlite::Connection::open(self.folder.join("store/store.db")).unwrap();
        store.execute_batch(sql).unwrap();
    }

    /// Enrolls a user as the account of another uid, or one that there is no account of.
    pub(crate) fn enroll_as(&self, user: &str, uid: u32) {
        let new = NewEnrollment {
            user: &UserName::parse(user).unwrap(),
            uid,
            state: twostep_core::account::State::Active,
            authenticator: None,
            backup_codes: &[],
            at: twostep_store::host::now().wall,
        };
        self.session().enroll(&new, &author()).unwrap();
    }
}

/// Runs the command.
pub(crate) fn run(arguments: &[&str], input: &str) -> Done {
    let mut child = Command::new(env!("CARGO_BIN_EXE_twostep-admin"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads nothing may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Done { status: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

impl Done {
    /// With this exit status.
    #[track_caller]
    pub(crate) fn is(self, status: i32) -> Self {
        assert_eq!(self.status, status, "{self:#?}");
        self
    }

    /// With this on standard error.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "no {text:?} in {self:#?}");
        self
    }

    /// With this on standard output.
    #[track_caller]
    pub(crate) fn shows(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "no {text:?} in {self:#?}");
        self
    }
}

/// Whoever prepares a test.
pub(crate) fn author() -> twostep_core::change::Author {
    twostep_core::change::Author { by: twostep_core::change::By::Administrator("root".to_owned()), why: None }
}
