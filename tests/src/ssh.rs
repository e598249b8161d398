//! A real sshd and real OpenSSH clients.
//!
//! The client has no terminal; it asks through `SSH_ASKPASS`, a script that notes each prompt and hands out the next answer.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::command;
use crate::console::Console;
use crate::host::Host;
use crate::wait::OrDie;

const KNOWN_HOSTS: &str = "/root/.ssh/known_hosts";
const LOG: &str = "/var/log/sshd.log";

impl Host {
    /// Starts sshd on the box's 127.0.0.1, port 22, asking by keyboard-interactive through PAM. What is in `more` comes first in
    /// sshd_config, where the first value of an option counts.
    pub fn start_sshd(&self, more: &str) {
        let key = "/etc/ssh/ssh_host_ed25519_key";
        if !Path::new(key).exists() {
            self.command("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", key]).expect_success();
        }
        self.write(KNOWN_HOSTS, &format!("127.0.0.1 {}", self.read(format!("{key}.pub"))));
        self.write(
            "/etc/ssh/sshd_config",
            &format!(
                "{more}\n\
                 ListenAddress 127.0.0.1\nPort 22\nPidFile /run/sshd.pid\nHostKey {key}\nUseDNS no\nMaxStartups 200\n\
                 LoginGraceTime 600\n\
                 UsePAM yes\nKbdInteractiveAuthentication yes\nPasswordAuthentication no\nPrintMotd no\n\
                 Subsystem sftp /usr/lib/openssh/sftp-server\n"
            ),
        );
        self.start_daemon("/usr/sbin/sshd", &["-f", "/etc/ssh/sshd_config", "-E", LOG]);
        self.wait_for_port(22, "sshd");
    }

    /// What sshd itself has logged, for failure messages.
    pub fn sshd_log(&self) -> String {
        self.read(LOG)
    }

    /// Makes a key pair that opens the user's account and returns the private key's path.
    pub fn give_key(&self, user: &str) -> PathBuf {
        let key = PathBuf::from(format!("/root/key-of-{user}"));
        let path = key.display().to_string();
        self.command("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &path]).expect_success();
        let public = self.read(format!("{path}.pub"));
        let folder = format!("/home/{user}/.ssh");
        self.write(format!("{folder}/authorized_keys"), &public);
        self.set_mode(&folder, 0o700);
        self.command("chown", &["-R", user, &folder]).expect_success();
        key
    }
}

/// One connection to be made by a real client: who comes, with what.
#[derive(Clone, Debug)]
#[must_use = "nothing happens until run(), scp() or sftp()"]
pub struct Ssh {
    user: String,
    answers: Vec<String>,
    methods: &'static str,
    key: Option<PathBuf>,
    options: Vec<String>,
}

/// What came of a connection.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Whether the remote command ran and succeeded.
    pub success: bool,
    /// Each prompt as ssh showed it, in order: `(alice@127.0.0.1) Password: `.
    pub prompts: Vec<String>,
    /// The remote command's output.
    pub stdout: String,
    /// What ssh printed: banners, PAM's messages, its own complaint.
    pub stderr: String,
}

impl Ssh {
    /// As `user`, by password and code: keyboard-interactive, tried once.
    pub fn to(user: &str) -> Self {
        Self {
            user: user.to_owned(),
            answers: Vec::new(),
            methods: "keyboard-interactive",
            key: None,
            options: Vec::new(),
        }
    }

    /// What the user types at each prompt. A connection that asks more or less often than this fails the test.
    pub fn answers(mut self, answers: &[&str]) -> Self {
        self.answers = answers.iter().map(|&answer| answer.to_owned()).collect();
        self
    }

    /// Shows a key first; where the server wants more than that, goes on with keyboard-interactive.
    pub fn key(mut self, key: &Path) -> Self {
        self.key = Some(key.to_path_buf());
        self.methods = "publickey,keyboard-interactive";
        self
    }

    /// Offers these methods only, in this order.
    pub fn methods(mut self, methods: &'static str) -> Self {
        self.methods = methods;
        self
    }

    /// One more `-o` option.
    pub fn option(mut self, option: &str) -> Self {
        self.options.push(option.to_owned());
        self
    }

    /// `ssh user@127.0.0.1 command`.
    #[track_caller]
    pub fn run(self, remote: &str) -> Attempt {
        let mut ssh = Command::new("ssh");
        ssh.args(self.common_options()).arg(self.destination()).arg(remote);
        self.attempt(ssh, "")
    }

    /// `scp from user@127.0.0.1:to`.
    #[track_caller]
    pub fn scp(self, from: &str, to: &str) -> Attempt {
        let mut scp = Command::new("scp");
        scp.arg("-q").args(self.common_options()).arg(from).arg(format!("{}:{to}", self.destination()));
        self.attempt(scp, "")
    }

    /// `sftp user@127.0.0.1` with these commands on stdin.
    #[track_caller]
    pub fn sftp(self, commands: &str) -> Attempt {
        let mut sftp = Command::new("sftp");
        sftp.args(self.common_options()).arg(self.destination());
        self.attempt(sftp, commands)
    }

    /// `ssh -t user@127.0.0.1 command` on a terminal, for whoever answers what is not known before. The answers are not used.
    pub fn on_terminal(self, remote: &str) -> Console {
        let mut ssh = self.for_terminal(remote);
        ssh.env("LC_ALL", "C.UTF-8").env("TERM", "dumb");
        Console::start(ssh)
    }

    /// The same command, to be started on a terminal.
    pub fn for_terminal(self, remote: &str) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.current_dir("/").arg("-t").args(self.common_options()).arg(self.destination()).arg(remote);
        ssh
    }

    fn destination(&self) -> String {
        format!("{}@127.0.0.1", self.user)
    }

    fn common_options(&self) -> Vec<String> {
        let mut options = vec![
            format!("UserKnownHostsFile={KNOWN_HOSTS}"),
            "StrictHostKeyChecking=yes".to_owned(),
            format!("PreferredAuthentications={}", self.methods),
            // One round: a refusal ends the connection instead of asking again.
            "NumberOfPasswordPrompts=1".to_owned(),
            "IdentitiesOnly=yes".to_owned(),
            "ConnectTimeout=300".to_owned(),
        ];
        match &self.key {
            Some(key) => options.push(format!("IdentityFile={}", key.display())),
            None => options.push("PubkeyAuthentication=no".to_owned()),
        }
        // ssh takes the first value of an option it meets.
        let all = self.options.iter().cloned().chain(options);
        all.flat_map(|option| ["-o".to_owned(), option]).collect()
    }

    #[track_caller]
    fn attempt(self, mut client: Command, input: &str) -> Attempt {
        let askpass = Askpass::new(&self.answers);
        client.current_dir("/").env("SSH_ASKPASS", &askpass.script).env("SSH_ASKPASS_REQUIRE", "force");
        let done = command::run_with_input(&mut client, input);
        let attempt = Attempt {
            success: done.success(),
            prompts: askpass.prompts(),
            stdout: done.stdout,
            stderr: done.stderr,
        };
        assert_eq!(
            attempt.prompts.len(),
            self.answers.len(),
            "{} was asked other than expected: {attempt:#?}\nsshd's log:\n{}",
            self.user,
            fs::read_to_string(LOG).unwrap_or_default()
        );
        attempt
    }
}

/// The script that ssh calls for each prompt, in a folder with the answers.
struct Askpass {
    folder: PathBuf,
    script: PathBuf,
}

impl Askpass {
    fn new(answers: &[String]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let folder = PathBuf::from(format!(
            "/tmp/askpass-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        ));
        fs::create_dir(&folder).or_die("make a folder for prompts");
        for (index, answer) in answers.iter().enumerate() {
            fs::write(folder.join(format!("answer-{index}")), answer).or_die("write an answer");
        }
        let script = folder.join("askpass");
        let text = format!(
            "#!/bin/sh\ncd {} || exit 1\nset -- \"$1\" prompt-*\n[ -e \"$2\" ] && n=$(($# - 1)) || n=0\n\
             printf %s \"$1\" >prompt-$n\n[ -e answer-$n ] && cat answer-$n && echo\n",
            folder.display()
        );
        fs::write(&script, text).or_die("write the askpass script");
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&script, executable).or_die("make the askpass script executable");
        Self { folder, script }
    }

    fn prompts(&self) -> Vec<String> {
        (0..)
            .map_while(|index| fs::read_to_string(self.folder.join(format!("prompt-{index}"))).ok())
            .collect()
    }
}
