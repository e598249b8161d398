//! Proof that a peer is who its uid says: password and code, anew, through PAM, before anything is changed for it.
//!
//! libpam is not for threads, its modules leave things behind in a process, and some of them hang: every proof has a process of its
//! own, which is this program once more. It speaks the broker's side of the protocol; the broker hands its questions on to the peer
//! and the answers back, and looks at nothing but whose turn it is.

mod child;

pub(crate) use child::run as child;

use crate::broker::{Asker, Broker};
use crate::budget::Spent;
use crate::limits::{ANSWER, LINGER, PROOF};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use twostep_core::name::UserName;
use twostep_core::policy::SELF_SERVICE;
use twostep_core::protocol::{FromBroker, ToBroker, Verdict};
use twostep_host::files::{self, Untrusted, Want};
use twostep_host::link::{Link, LinkError};
use twostep_host::monotonic;

/// Where PAM looks for a service's stack. Were there none, it would take the one named `other`.
const STACKS: [&str; 2] = ["/etc/pam.d", "/usr/lib/pam.d"];

/// Why there is no proof.
#[derive(Debug)]
pub(crate) enum Unproven {
    /// Password or code were wrong, or the account may not sign in.
    Wrong,
    /// The peer has gone, or takes too long.
    Gone,
    /// Too many at once.
    Busy(Spent),
    /// The stack of the service is missing or does not ask for a code.
    Stack(StackFault),
    /// The child could not be started or does not answer.
    Child(String),
}

/// What is wrong with the stack.
#[derive(Debug)]
pub(crate) enum StackFault {
    /// It is nowhere.
    Missing,
    /// Others could change it.
    Untrusted(Untrusted),
    /// It cannot be read.
    Unreadable(PathBuf),
    /// No `auth` line of it names the module.
    NoLine(PathBuf),
}

/// Has the peer prove that it is `user`.
pub(crate) fn prove(broker: &Broker, asker: &Asker<'_>, user: &UserName) -> Result<(), Unproven> {
    stack_is_ours().map_err(Unproven::Stack)?;
    let _permit = broker.proof(asker.party).map_err(Unproven::Busy)?;
    let mut proof = Proof::begin(broker, user)?;
    match proof.converse(asker) {
        Ok(Verdict::Accepted) => Ok(()),
        Ok(Verdict::Refused | Verdict::UserUnknown | Verdict::Ignored) => Err(Unproven::Wrong),
        Ok(Verdict::TalkFailed) => Err(Unproven::Gone),
        Ok(Verdict::Unavailable) => Err(Unproven::Child("PAM has failed".to_owned())),
        Err(unproven) => Err(unproven),
    }
}

/// The process of one proof. It is gone when this is.
struct Proof {
    child: Child,
    link: Option<Link>,
    until: Duration,
}

impl Proof {
    fn begin(broker: &Broker, user: &UserName) -> Result<Self, Unproven> {
        let failed = |error: &dyn fmt::Display| Unproven::Child(error.to_string());
        let flags = SockFlag::SOCK_CLOEXEC;
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)
            .map_err(|errno| failed(&errno))?;
        let mut command = Command::new("/proc/self/exe");
        if let Some(config) = &broker.config {
            command.arg("--config").arg(config);
        }
        command.arg("prove").arg(user.as_str()).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.current_dir("/").stdin(theirs).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|error| failed(&error))?;
        Ok(Self { child, link: Some(Link::over(ours)), until: monotonic().saturating_add(PROOF) })
    }

    fn left(&self) -> Duration {
        self.until.saturating_sub(monotonic())
    }

    fn converse(&mut self, asker: &Asker<'_>) -> Result<Verdict, Unproven> {
        let child = |error: LinkError| Unproven::Child(error.to_string());
        let gone = |_: LinkError| Unproven::Gone;
        let left = |link: &Self| link.left();
        loop {
            let patience = left(self);
            let Some(link) = &self.link else { return Err(Unproven::Gone) };
            match link.receive(patience).map_err(child)? {
                FromBroker::Verdict { verdict } => return Ok(verdict),
                tell @ FromBroker::Tell { .. } => asker.link.send(&tell).map_err(gone)?,
                ask @ FromBroker::Ask { .. } => {
                    asker.link.send(&ask).map_err(gone)?;
                    match asker.link.receive(ANSWER.min(left(self))).map_err(gone)? {
                        answer @ ToBroker::Answer { .. } => link.send(&answer).map_err(child)?,
                        _ => return Err(Unproven::Gone),
                    }
                }
                _ => return Err(Unproven::Child("its words have no place in a proof".to_owned())),
            }
        }
    }
}

impl Drop for Proof {
    /// The child finds its conversation at an end and comes to its own, so that PAM's modules can write down what they have seen.
    fn drop(&mut self) {
        self.link = None;
        let end = monotonic().saturating_add(LINGER);
        while matches!(self.child.try_wait(), Ok(None)) {
            if monotonic() >= end {
                let _gone_already = self.child.kill();
                let _reaped = self.child.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Whether the stack is there and asks for a code. With a line that is missing, the password alone would change everything.
fn stack_is_ours() -> Result<(), StackFault> {
    let path = STACKS.iter().map(|folder| Path::new(folder).join(SELF_SERVICE)).find(|path| path.exists());
    let path = path.ok_or(StackFault::Missing)?;
    let path = files::check(&path, Want::GuardedFile).map_err(StackFault::Untrusted)?.path;
    let bytes = std::fs::read(&path).map_err(|_| StackFault::Unreadable(path.clone()))?;
    let text = String::from_utf8_lossy(&bytes);
    if text.lines().any(asks_for_a_code) { Ok(()) } else { Err(StackFault::NoLine(path)) }
}

/// An `auth` line with our module that must succeed: `required` or `requisite`, and nothing that takes it back.
fn asks_for_a_code(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let (kind, control, module) = (words.next(), words.next(), words.next());
    let ours = module.is_some_and(|module| module.rsplit('/').next() == Some("pam_twostep.so"));
    kind == Some("auth")
        && matches!(control, Some("required" | "requisite"))
        && ours
        && !words.any(|word| matches!(word, "app" | "after-key"))
}

impl fmt::Display for StackFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => {
                write!(f, "there is no /etc/pam.d/{SELF_SERVICE}; put the one that is shipped there")
            }
            Self::Untrusted(untrusted) => write!(f, "{untrusted}; {}", untrusted.remedy()),
            Self::Unreadable(path) => write!(f, "{} cannot be read", path.display()),
            Self::NoLine(path) => {
                write!(f, "{} has no line \"auth required pam_twostep.so\"; put it there", path.display())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_line_that_must_succeed_asks_for_a_code() {
        assert!(asks_for_a_code("auth required pam_twostep.so"));
        assert!(asks_for_a_code("auth\trequisite  /usr/lib/security/pam_twostep.so  debug"));
        for line in [
            "#auth required pam_twostep.so",
            "-auth required pam_twostep.so",
            "auth optional pam_twostep.so",
            "auth sufficient pam_twostep.so",
            "account required pam_twostep.so",
            "auth required pam_unix.so pam_twostep.so",
            "auth required pam_twostep.so app",
            "auth required pam_twostep.so after-key",
            "",
        ] {
            assert!(!asks_for_a_code(line), "{line}");
        }
    }
}
