//! The account password, through PAM in a process of its own.

use super::Unproven;
use crate::broker::Asker;
use crate::limits::{ANSWER, LINGER, PROOF};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use std::fmt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use twostep_core::name::UserName;
use twostep_core::policy::SELF_SERVICE;
use twostep_core::protocol::{Answer, Ask, FromBroker, ToBroker, Verdict};
use twostep_core::secret::Secret;
use twostep_host::files::{self, Untrusted, Want};
use twostep_host::link::{Link, LinkError};
use twostep_host::monotonic;

/// Where PAM looks for a service's stack. Were there none, it would take the one named `other`.
const STACKS: [&str; 2] = ["/etc/pam.d", "/usr/lib/pam.d"];
/// How many answers a stack can ask for.
const ANSWERS_MAX: usize = 16;

/// What is wrong with the stack.
#[derive(Debug)]
pub(crate) enum StackFault {
    /// It is nowhere.
    Missing,
    /// Others could change it.
    Untrusted(Untrusted),
}

/// Answers that were not shown as they were typed: the password among them.
pub(crate) struct Given(Vec<Secret>);

impl Given {
    /// Whether `text` is one of them. An empty one is nobody's password.
    pub(crate) fn has(&self, text: &Secret) -> bool {
        !text.is_empty() && self.0.contains(text)
    }
}

/// Whether the stack is there, and root's.
pub(crate) fn stack_is_there() -> Result<(), StackFault> {
    let path = STACKS.iter().map(|folder| Path::new(folder).join(SELF_SERVICE)).find(|path| path.exists());
    let path: PathBuf = path.ok_or(StackFault::Missing)?;
    files::check(&path, Want::GuardedFile).map(drop).map_err(StackFault::Untrusted)
}

/// Has the peer give the password of `user`.
pub(crate) fn ask(asker: &Asker<'_>, user: &UserName) -> Result<Given, Unproven> {
    let mut process = Process::begin(user)?;
    let mut given = Given(Vec::with_capacity(ANSWERS_MAX));
    match process.converse(asker, &mut given)? {
        Verdict::Accepted => Ok(given),
        Verdict::Refused | Verdict::UserUnknown | Verdict::AccountExpired | Verdict::Ignored => {
            Err(Unproven::Wrong)
        }
        Verdict::TalkFailed => Err(Unproven::Gone),
        Verdict::Unavailable => Err(Unproven::Child("PAM has failed".to_owned())),
    }
}

/// It is gone when this is.
struct Process {
    child: Child,
    link: Option<Link>,
    until: Duration,
}

impl Process {
    fn begin(user: &UserName) -> Result<Self, Unproven> {
        let failed = |error: &dyn fmt::Display| Unproven::Child(error.to_string());
        let flags = SockFlag::SOCK_CLOEXEC;
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)
            .map_err(|errno| failed(&errno))?;
        let mut command = Command::new("/proc/self/exe");
        // What libpam's modules call themselves in the log.
        command.arg0("twostepd");
        command.args(["prove", "--", user.as_str()]).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.current_dir("/").stdin(theirs).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|error| failed(&error))?;
        Ok(Self { child, link: Some(Link::over(ours)), until: monotonic().saturating_add(PROOF) })
    }

    fn left(&self) -> Duration {
        self.until.saturating_sub(monotonic())
    }

    fn converse(&mut self, asker: &Asker<'_>, given: &mut Given) -> Result<Verdict, Unproven> {
        let child = |error: LinkError| Unproven::Child(error.to_string());
        let gone = |_: LinkError| Unproven::Gone;
        loop {
            let patience = self.left();
            let Some(link) = &self.link else { return Err(Unproven::Gone) };
            match link.receive(patience).map_err(child)? {
                FromBroker::Verdict { verdict } => return Ok(verdict),
                tell @ FromBroker::Tell { .. } => asker.link.send(&tell).map_err(gone)?,
                FromBroker::Ask { ask } => {
                    let hidden = !matches!(ask, Ask::Shown { .. });
                    asker.link.send(&FromBroker::Ask { ask }).map_err(gone)?;
                    let patience = ANSWER.min(self.left());
                    let ToBroker::Answer { answer } = asker.link.receive(patience).map_err(gone)? else {
                        return Err(Unproven::Gone);
                    };
                    if let (true, Answer::Text { text }) = (hidden, &answer) {
                        if given.0.len() == ANSWERS_MAX {
                            return Err(Unproven::Child("the stack asks for too much".to_owned()));
                        }
                        given.0.push(text.clone());
                    }
                    link.send(&ToBroker::Answer { answer }).map_err(child)?;
                }
                _ => return Err(Unproven::Child("its words have no place in a proof".to_owned())),
            }
        }
    }
}

impl Drop for Process {
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

impl fmt::Display for StackFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => {
                write!(f, "there is no /etc/pam.d/{SELF_SERVICE}; put the one that is shipped there")
            }
            Self::Untrusted(untrusted) => write!(f, "{untrusted}; {}", untrusted.remedy()),
        }
    }
}
