//! A real PostgreSQL that asks PAM, and psql.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::command;
use crate::console::Console;
use crate::host::Host;
use crate::mail::Login;
use crate::wait::OrDie;

const CLUSTER: &str = "/var/lib/postgresql/tests";
const LOG: &str = "/var/lib/postgresql/tests.log";

/// Nothing here outlives its box, so nothing waits for a disk; the compiler for queries is not in the base layer.
const CONFIGURATION: &str = "\
listen_addresses = '127.0.0.1'
port = 5432
unix_socket_directories = '/var/lib/postgresql/tests'
fsync = off
autovacuum = off
authentication_timeout = 600
jit = off
";

/// The server's own user comes in by its socket and makes roles; everybody else gives a secret over TCP.
const WHO_MAY: &str = "\
local  all       postgres                peer
host   backups   all       127.0.0.1/32  pam  pamservice=backups
host   all       all       127.0.0.1/32  pam  pamservice=postgresql
";

/// A database of the cluster that [`Host::start_postgres`] makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    /// `postgres`, which asks PAM as the service `postgresql`.
    Main,
    /// `backups`, which asks PAM as the service `backups`.
    Backups,
}

impl Host {
    /// Makes a cluster with these roles and starts it on the box's 127.0.0.1, port 5432. It runs, and asks PAM, as the user postgres.
    pub fn start_postgres(&self, roles: &[&str]) {
        let mut initdb = as_postgres("initdb");
        initdb.args(["--pgdata", CLUSTER, "--username", "postgres", "--no-locale", "--encoding", "UTF8"]);
        command::run(initdb.args(["--no-sync", "--auth", "reject"])).expect_success();
        self.write(format!("{CLUSTER}/postgresql.conf"), CONFIGURATION);
        self.write(format!("{CLUSTER}/pg_hba.conf"), WHO_MAY);
        // Ends when the server answers, which keeps no descriptor of ours.
        let mut start = as_postgres("pg_ctl");
        start.args(["start", "--wait", "--silent", "--pgdata", CLUSTER, "--log", LOG]);
        command::run(&mut start).expect_success();
        let roles: String = roles.iter().map(|role| format!("CREATE ROLE {role} LOGIN;\n")).collect();
        let mut psql = as_postgres("psql");
        psql.args(["-X", "-q", "-h", CLUSTER, "-v", "ON_ERROR_STOP=1", "postgres"]);
        command::run_with_input(&mut psql, &format!("{roles}CREATE DATABASE backups;\n")).expect_success();
    }

    /// What PostgreSQL itself has logged, for failure messages.
    pub fn postgres_log(&self) -> String {
        self.read(LOG)
    }
}

impl Database {
    /// Logs in once with psql and asks who it is.
    #[track_caller]
    pub fn login(self, user: &str, password: &str) -> Login {
        const NO_CONNECTION: i32 = 2;
        let mut psql = self.psql(user);
        psql.arg("--no-password").env("PGPASSWORD", password);
        let done = command::run(&mut psql);
        let refused =
            done.status == NO_CONNECTION && done.stderr.contains("PAM authentication failed for user");
        assert!(
            refused || done.success() && done.stdout.trim() == user,
            "psql got neither in nor refused: {done}\nPostgreSQL's log:\n{}",
            fs::read_to_string(LOG).unwrap_or_default()
        );
        Login { success: done.success(), said: format!("{}{}", done.stdout, done.stderr).trim().to_owned() }
    }

    /// psql on a terminal, which asks its user.
    pub fn login_at_a_terminal(self, user: &str) -> Console {
        Console::start(self.psql(user))
    }

    fn psql(self, user: &str) -> Command {
        let database = match self {
            Self::Main => "postgres",
            Self::Backups => "backups",
        };
        let mut psql = Command::new(programs().join("psql"));
        psql.args(["-X", "-q", "-t", "-A", "-P", "pager=off", "-h", "127.0.0.1", "-U", user, "-d", database]);
        psql.args(["-c", "SELECT session_user"]).current_dir("/").env_clear();
        psql.env("LC_ALL", "C.UTF-8").env("TERM", "dumb").env("PGCONNECT_TIMEOUT", "300");
        psql
    }
}

/// One of PostgreSQL's programs, as the user postgres with that user's groups, as an init system starts it.
fn as_postgres(program: &str) -> Command {
    let mut setpriv = Command::new("setpriv");
    setpriv.args(["--reuid", "postgres", "--regid", "postgres", "--init-groups"]);
    setpriv.arg(programs().join(program)).current_dir("/");
    setpriv
}

/// Where the newest PostgreSQL's programs are; on Debian they have the version in their path.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").or_die("list /usr/lib/postgresql").flatten();
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let servers = versions.map(|entry| entry.path()).filter(|path| path.join("bin/initdb").exists());
    let newest = servers.max_by_key(version);
    newest.unwrap_or_else(|| panic!("there is no PostgreSQL below /usr/lib/postgresql")).join("bin")
}
