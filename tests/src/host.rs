//! What a test does with its box.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::command::{self, Done};
use crate::log::{self, LogLine};
use crate::phone::Phone;
use crate::product;
use crate::wait::{OrDie, PATIENCE, eventually, found_within};

/// The throw-away host a test runs on. There is one a process, so it holds nothing but what was found out about the machine.
#[derive(Debug)]
pub struct Host {
    modules: PathBuf,
}

impl Host {
    /// Makes the fresh root a host that answers quickly: pam_unix does not punish a wrong password with two seconds, and
    /// login not with three.
    pub(crate) fn set_up() -> Self {
        let host = Self::as_it_is();
        host.edit("/etc/pam.d/common-auth", |line| {
            if line.contains("pam_unix.so") { format!("{line} nodelay") } else { line.to_owned() }
        });
        // login(1) gives up after a minute in all, and a test types more than one login.
        host.edit("/etc/login.defs", |line| {
            if line.starts_with("LOGIN_TIMEOUT") { "LOGIN_TIMEOUT 600".to_owned() } else { line.to_owned() }
        });
        host
    }

    /// A root that nothing is changed in.
    pub(crate) fn as_it_is() -> Self {
        Self { modules: module_folder() }
    }

    /// Puts module, command, configuration and folders in their places and makes the store.
    pub fn install_product(&self) {
        self.copy(&product::module(), &self.module_path(), 0o644);
        self.copy(&product::admin(), Path::new("/usr/sbin/twostep-admin"), 0o755);
        self.copy(&product::users_command(), Path::new("/usr/bin/twostep"), 0o755);
        self.copy(&product::broker(), Path::new(crate::broker::TWOSTEPD), 0o755);
        let stack = crate::places::workspace().join("packaging/pam.d/twostep");
        self.copy(&stack, Path::new("/etc/pam.d/twostep"), 0o644);
        for (folder, mode) in [
            ("/etc/twostep", 0o755),
            ("/var/lib/twostep", 0o700),
            ("/run/twostep", 0o755),
            ("/run/twostep/private", 0o700),
        ] {
            fs::create_dir_all(folder).or_die(format_args!("make {folder}"));
            self.set_mode(folder, mode);
        }
        let configuration = crate::places::workspace().join("packaging/config.toml");
        if configuration.exists() {
            self.copy(&configuration, Path::new("/etc/twostep/config.toml"), 0o644);
        }
        self.admin(&["init"]).expect_success();
    }

    /// Replaces the configuration.
    pub fn configure(&self, text: &str) {
        self.write("/etc/twostep/config.toml", text);
        // Its age counts: a clock that is behind it is taken to be wrong.
        self.command("touch", &["-d", "2026-01-01", "/etc/twostep/config.toml"]).expect_success();
    }

    /// Gives the box's loopback another address, for clients that come from elsewhere (`-o BindAddress`).
    pub fn add_address(&self, address: &str) {
        self.command("ip", &["address", "add", &format!("{address}/32"), "dev", "lo"]).expect_success();
    }

    /// Where the module is, or would be, installed.
    pub fn module_path(&self) -> PathBuf {
        self.modules.join("pam_twostep.so")
    }

    /// Where the NSS module is, or would be, installed.
    pub fn name_service_path(&self) -> PathBuf {
        self.modules.parent().unwrap_or(&self.modules).join("libnss_twostep.so.2")
    }

    /// Puts the NSS module in its place, and has the host ask it for groups.
    pub fn wire_groups(&self) {
        self.copy(&product::name_service(), &self.name_service_path(), 0o644);
        self.switch_groups("files twostep");
    }

    /// Where the host looks for groups.
    pub fn switch_groups(&self, sources: &str) {
        self.switch("group", sources);
    }

    /// Where the host looks for what a database has.
    pub fn switch(&self, database: &str, sources: &str) {
        self.edit("/etc/nsswitch.conf", |line| {
            if line.starts_with(&format!("{database}:")) {
                format!("{database}: {sources}")
            } else {
                line.to_owned()
            }
        });
        assert!(self.read("/etc/nsswitch.conf").contains(&format!("{database}: {sources}\n")));
    }

    /// Makes a user with a home folder and a password (sha512crypt with its smallest cost).
    pub fn add_user(&self, name: &str, password: &str) {
        self.command("useradd", &["--create-home", "--shell", "/bin/sh", name]).expect_success();
        self.set_password(name, password);
    }

    /// Gives a user another password.
    pub fn set_password(&self, name: &str, password: &str) {
        let mut chpasswd = Command::new("chpasswd");
        chpasswd.args(["--crypt-method", "SHA512", "--sha-rounds", "1000"]);
        command::run_with_input(&mut chpasswd, &format!("{name}:{password}\n")).expect_success();
    }

    /// Turns two-step on for a user as an administrator would and hands over the phone.
    pub fn enroll(&self, user: &str) -> Phone {
        Phone::from_enrollment(&self.admin_json(&["enroll", user, "--activate", "--no-qr"]))
    }

    /// Makes an app password and returns it, without blanks.
    pub fn add_app_password(&self, user: &str, name: &str) -> String {
        let made = self.admin_json(&["app-password", "add", user, name]);
        match made["password"].as_str() {
            Some(password) => password.to_owned(),
            None => panic!("`app-password add` gave no password: {made}"),
        }
    }

    /// Makes app passwords of a name an hour older, as far as the store knows.
    pub fn age_app_password(&self, name: &str) {
        // This machine may have booted less than an hour ago.
        self.change_store(
            "UPDATE app_password SET created = created - 3600, given_since_boot = max(given_since_boot - 3600, 0) WHERE name = ?",
            &[name],
        );
    }

    /// Runs a statement on the store, past the product.
    pub fn change_store(&self, sql: &str, values: &[&str]) {
        let script = format!(
            "import sqlite3, sys; c = sqlite3.connect('/var/lib/twostep/store.db'); c.execute('{sql}', sys.argv[1:]); c.commit()"
        );
        self.command("python3", &[&["-c", script.as_str()], values].concat()).expect_success();
    }

    /// Runs `twostep-admin`.
    pub fn admin(&self, arguments: &[&str]) -> Done {
        self.command("/usr/sbin/twostep-admin", arguments)
    }

    /// Runs `twostep-admin --json`, which must succeed, and returns the document it prints.
    pub fn admin_json(&self, arguments: &[&str]) -> Value {
        let done = self.admin(&[&["--json"], arguments].concat()).expect_success();
        serde_json::from_str(&done.stdout).or_die(format_args!("read as JSON: {}", done.stdout))
    }

    /// Runs any command of the box.
    pub fn command(&self, program: &str, arguments: &[&str]) -> Done {
        command::run(Command::new(program).args(arguments).current_dir("/"))
    }

    /// Starts a daemon that goes to the background by itself. Its output goes to a file: a pipe would stay open with it.
    pub(crate) fn start_daemon(&self, program: &str, arguments: &[&str]) {
        let name = program.rsplit('/').next().unwrap_or(program);
        let output = format!("/var/log/{name}.output");
        let file = fs::File::create(&output).or_die(format_args!("make {output}"));
        let both = file.try_clone().or_die("copy a descriptor");
        let mut command = Command::new(program);
        command.args(arguments).current_dir("/").stdin(Stdio::null()).stdout(file).stderr(both);
        let status = command.status().or_die(format_args!("start {program}"));
        assert!(status.success(), "{program} did not start ({status}):\n{}", self.read(&output));
    }

    /// Writes a file, with its folders; root owns it, mode 0644.
    pub fn write(&self, path: impl AsRef<Path>, text: &str) {
        let path = path.as_ref();
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).or_die(format_args!("make {}", folder.display()));
        }
        fs::write(path, text).or_die(format_args!("write {}", path.display()));
        self.set_mode(path, 0o644);
    }

    /// Reads a file.
    pub fn read(&self, path: impl AsRef<Path>) -> String {
        let path = path.as_ref();
        fs::read_to_string(path).or_die(format_args!("read {}", path.display()))
    }

    /// Replaces every line of a file.
    pub fn edit(&self, path: &str, change: impl Fn(&str) -> String) {
        let text: String = self.read(path).lines().map(|line| change(line) + "\n").collect();
        fs::write(path, text).or_die(format_args!("write {path}"));
    }

    /// chmod.
    pub fn set_mode(&self, path: impl AsRef<Path>, mode: u32) {
        let path = path.as_ref();
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
            .or_die(format_args!("set the mode of {}", path.display()));
    }

    /// Everything sent to /dev/log so far, in order.
    pub fn log_lines(&self) -> Vec<LogLine> {
        log::lines()
    }

    /// The first logged line that holds each of `parts`; waits for it, and panics with the whole log when it does not come.
    #[track_caller]
    pub fn wait_for_log(&self, parts: &[&str]) -> LogLine {
        let holds = |line: &LogLine| parts.iter().all(|part| line.text.contains(part));
        let logged = found_within(PATIENCE, || self.log_lines().into_iter().find(holds));
        logged.unwrap_or_else(|| {
            let all: String = self.log_lines().iter().map(|line| format!("  {line}\n")).collect();
            panic!("no line with {parts:?} was logged in {} s, but these:\n{all}", PATIENCE.as_secs())
        })
    }

    /// Waits until something listens on a port of the box's loopback.
    pub(crate) fn wait_for_port(&self, port: u16, of: &str) {
        eventually(format_args!("{of} to listen on port {port}"), || {
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
    }

    fn copy(&self, from: &Path, to: &Path, mode: u32) {
        fs::copy(from, to).or_die(format_args!("copy {} to {}", from.display(), to.display()));
        self.set_mode(to, mode);
    }
}

/// libpam's own folder, which has the architecture in its name: wherever pam_unix is.
fn module_folder() -> PathBuf {
    let mut candidates = vec![PathBuf::from("/usr/lib/security"), PathBuf::from("/usr/lib64/security")];
    candidates.extend(
        fs::read_dir("/usr/lib").or_die("list /usr/lib").flatten().map(|e| e.path().join("security")),
    );
    let found = candidates.into_iter().find(|folder| folder.join("pam_unix.so").exists());
    found.unwrap_or_else(|| panic!("pam_unix.so is nowhere below /usr/lib"))
}
