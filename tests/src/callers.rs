//! su and sudo, run by a user on a terminal of her own, with access to the process while it waits.

use std::process::Command;

use crate::console::Console;
use crate::ffi::kernel;
use crate::host::Host;
use crate::wait::OrDie;

/// A resource limit, as setrlimit(2) numbers them, and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(pub u32, pub u64);

impl Host {
    /// su and sudo ask for password and code, by Debian's own files and our two lines.
    pub fn wire_su_and_sudo(&self) {
        for file in ["/etc/pam.d/su", "/etc/pam.d/sudo"] {
            self.wire(file, &[], &[crate::wiring::INTERACTIVE_AUTH]);
        }
        // Asked every time, and by everybody for everything.
        self.write("/etc/sudoers.d/tests", "Defaults timestamp_timeout=0,!lecture\nALL ALL=(ALL) ALL\n");
        self.set_mode("/etc/sudoers.d/tests", 0o440);
    }

    /// The uid of a user.
    pub fn uid(&self, user: &str) -> u32 {
        let text = self.command("id", &["-u", user]).expect_success().stdout;
        text.trim().parse().or_die("read a uid")
    }
}

/// Runs a program as a user on a terminal.
pub fn as_user(host: &Host, user: &str, program: &str, arguments: &[&str], limits: &[Limit]) -> Console {
    let uid = host.uid(user);
    let mut command = Command::new(program);
    command.args(arguments).current_dir("/").env_clear();
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("TERM", "dumb").env("LC_ALL", "C.UTF-8");
    kernel::with_user_and_limits(&mut command, uid, limits.iter().map(|limit| (limit.0, limit.1)).collect());
    Console::start(command)
}

/// `su -c 'id -un' TARGET`
pub fn su(host: &Host, user: &str, target: &str) -> Console {
    as_user(host, user, "/bin/su", &[target, "-c", "id -un"], &[])
}

/// `sudo -k id -un`. Not with `-p`, which replaces every prompt of every module.
pub fn sudo(host: &Host, user: &str) -> Console {
    as_user(host, user, "/usr/bin/sudo", &["-k", "id", "-un"], &[])
}
