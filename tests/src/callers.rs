//! Programs that are not wholly root: su and sudo, run by a user on a terminal of her own, with access to the process while it waits; and
//! processes of any uids that call libpam.

use std::process::Command;

use crate::child;
use crate::console::Console;
use crate::ffi::kernel;
use crate::host::Host;
use crate::pam::{Code, Stacks};
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
    Console::start(command_as_user(host, user, program, arguments, limits))
}

/// The same command, to be started on a terminal.
pub fn command_as_user(
    host: &Host,
    user: &str,
    program: &str,
    arguments: &[&str],
    limits: &[Limit],
) -> Command {
    let uid = host.uid(user);
    let mut command = Command::new(program);
    command.args(arguments).current_dir("/").env_clear();
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("TERM", "dumb").env("LC_ALL", "C.UTF-8");
    kernel::with_user_and_limits(&mut command, uid, limits.iter().map(|limit| (limit.0, limit.1)).collect());
    command
}

/// `su -c 'id -un' TARGET`
pub fn su(host: &Host, user: &str, target: &str) -> Console {
    as_user(host, user, "/bin/su", &[target, "-c", "id -un"], &[])
}

/// `sudo -k id -un`. Not with `-p`, which replaces every prompt of every module.
pub fn sudo(host: &Host, user: &str) -> Console {
    as_user(host, user, "/usr/bin/sudo", &["-k", "id", "-un"], &[])
}

/// Stacks of services that are not wholly root: the module, and something that says yes.
pub fn stacks() -> Stacks {
    let stack = "auth required pam_twostep.so\naccount required pam_twostep.so\n\
                 auth optional pam_permit.so\naccount optional pam_permit.so";
    let services = ["su", "vlock", "postgresql", "exim", "imap"];
    services.into_iter().fold(Stacks::new(), |stacks, service| stacks.file(service, stack))
}

/// One login by a caller with these uids; what its two phases return.
pub fn login(ids: [u32; 3], service: &str, user: &str, reply: &str) -> String {
    child::run(|| {
        let stacks = stacks();
        let [real, effective, saved] = ids;
        child::become_ids(if effective == 0 { 0 } else { real }, real, effective, saved);
        let mut pam = stacks.start_answering(service, user, reply);
        let auth = pam.authenticate(0);
        let account = if auth == Code::SUCCESS { format!(" {:?}", pam.acct_mgmt(0)) } else { String::new() };
        // The folder of stacks is root's.
        std::mem::forget(stacks);
        drop(pam);
        format!("{auth:?}{account}")
    })
}

/// su by some user.
pub const SU: [u32; 3] = [1234, 0, 0];
