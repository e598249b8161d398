//! From the start of the process to its end.

use crate::broker::Broker;
use crate::connection::Connection;
use crate::limits::{CONNECTIONS, DESCRIPTORS_SPARE};
use crate::listen::{ListenError, Listener};
use crate::{ffi, log};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{Shutdown, SockFlag, accept4, shutdown};
use std::fmt;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use twostep_host::configuration::{self, ConfigError};
use twostep_host::link::Link;

/// Why the broker could not begin.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It is not wholly root.
    NotRoot,
    /// The configuration says where the socket is to be.
    Configuration(ConfigError),
    /// No socket.
    Listen(ListenError),
    /// The kernel refused.
    Failed(&'static str, Errno),
}

/// Runs until SIGTERM or SIGINT.
pub(crate) fn run(config: Option<PathBuf>) -> Result<(), Failure> {
    prepare()?;
    // Before there is a thread, so that all of them have the signals blocked.
    let signals = Signals::block()?;
    let listener = listener(config.as_deref())?;
    let broker = Arc::new(Broker::new(config));
    let at = listener.path().map_or("the supervisor's socket".to_owned(), |path| path.display().to_string());
    log::info(&format!("begins, listening on {at}"));
    broker.listens_at(listener.address());
    broker.look_up_callers();
    loop {
        match next(&listener, &signals)? {
            Next::Connections => accept(&listener, &broker),
            Next::Signal(Signal::SIGHUP) => reload(&broker, &listener),
            Next::Signal(_) => break,
        }
    }
    // From here on peers find nobody, or wait for the supervisor to start the next broker.
    close(listener, &broker);
    broker.drain();
    log::info("ends as told");
    Ok(())
}

/// What nobody but root may do or see, and nobody at all needs.
fn prepare() -> Result<(), Failure> {
    let failed = |what| move |errno| Failure::Failed(what, errno);
    let ids = nix::unistd::getresuid().map_err(failed("getresuid"))?;
    if ![ids.real, ids.effective, ids.saved].iter().all(|uid| uid.is_root()) {
        return Err(Failure::NotRoot);
    }
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    // Passwords and codes pass through: no core file, no looking on.
    nix::sys::prctl::set_dumpable(false).map_err(failed("PR_SET_DUMPABLE"))?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0).map_err(failed("RLIMIT_CORE"))?;
    ffi::few_arenas();
    let wanted = CONNECTIONS as u64 + DESCRIPTORS_SPARE;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(failed("RLIMIT_NOFILE"))?;
    if soft < wanted {
        setrlimit(Resource::RLIMIT_NOFILE, wanted.min(hard), hard).map_err(failed("RLIMIT_NOFILE"))?;
    }
    if hard < wanted {
        log::warning(&format!("can have only {hard} descriptors: LimitNOFILE={wanted} is wanted"));
    }
    Ok(())
}

/// With a supervisor's socket the configuration can wait: while it is broken, requests are answered with that.
fn listener(config: Option<&Path>) -> Result<Listener, Failure> {
    if let Some(listener) = Listener::handed().map_err(Failure::Listen)? {
        if let Err(error) = configuration::read(config) {
            log::error(&error.cause());
        }
        return Ok(listener);
    }
    let policy = configuration::read(config).map_err(Failure::Configuration)?;
    Listener::make(&policy.paths.runtime).map_err(Failure::Listen)
}

/// Every request reads the configuration anew, as every login does. What remains to be said is whether it can be read.
fn reload(broker: &Broker, listener: &Listener) {
    match configuration::read(broker.config.as_deref()) {
        Ok(policy) => {
            log::info("the configuration is good");
            broker.look_up_callers();
            let folder = listener.path().and_then(Path::parent);
            let wanted = std::fs::canonicalize(&policy.paths.runtime).unwrap_or(policy.paths.runtime);
            if folder.is_some_and(|folder| folder != wanted) {
                log::warning("the socket stays where it is until twostepd is restarted");
            }
        }
        Err(error) => log::error(&error.cause()),
    }
}

enum Next {
    Connections,
    Signal(Signal),
}

fn next(listener: &Listener, signals: &Signals) -> Result<Next, Failure> {
    loop {
        if let Some(signal) = signals.pending()? {
            return Ok(Next::Signal(signal));
        }
        let mut wanted = [
            PollFd::new(signals.0.as_fd(), PollFlags::POLLIN),
            PollFd::new(listener.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut wanted, PollTimeout::NONE) {
            Ok(_) if wanted.last().and_then(PollFd::any) == Some(true) => return Ok(Next::Connections),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(Failure::Failed("poll", errno)),
        }
    }
}

/// How many connections are accepted before signals are looked at again.
const AT_A_STRETCH: usize = 64;
/// How often that is done at the end: more can hardly wait than the unit's Backlog=.
const STRETCHES: usize = 16;
/// How long to wait where the kernel has no descriptor or memory to spare: somebody will leave.
const SHORT_OF: Duration = Duration::from_millis(50);

fn accept(listener: &Listener, broker: &Arc<Broker>) {
    for _ in 0..AT_A_STRETCH {
        match accept4(listener.as_fd().as_raw_fd(), SockFlag::SOCK_CLOEXEC) {
            Ok(raw) => broker.admit(Link::over(ffi::own(raw))),
            Err(Errno::EAGAIN) => return,
            Err(Errno::EINTR | Errno::ECONNABORTED) => {}
            Err(errno) => {
                broker
                    .complain(crate::party::Party(0), "accept", |_| log::error(&format!("accept: {errno}")));
                return std::thread::sleep(SHORT_OF);
            }
        }
    }
}

/// Closes the socket. Those who wait to be accepted may have sent something already: where it is the supervisor's they go on waiting, unless
/// the supervisor is about to close it; with one of our own they are closed one by one, since the kernel would close what they have sent as
/// well.
fn close(listener: Listener, broker: &Arc<Broker>) {
    if listener.path().is_some() {
        // Where it fails they go on connecting for as long as the loop takes.
        let _nobody_connects = shutdown(listener.as_fd().as_raw_fd(), Shutdown::Both);
        loop {
            match accept4(listener.as_fd().as_raw_fd(), SockFlag::SOCK_CLOEXEC) {
                Ok(raw) => drop(Connection::over(Link::over(ffi::own(raw)), Arc::clone(broker))),
                Err(Errno::EINTR | Errno::ECONNABORTED) => {}
                Err(_none_left) => break,
            }
        }
    } else if listener.is_roots_alone() {
        // The unit's ExecStop= has seen to that: the socket goes too. What others have sent is not left to the supervisor, who may hang then.
        (0..STRETCHES).for_each(|_| accept(&listener, broker));
    }
}

/// The signals we are sent, to be read like messages.
struct Signals(SignalFd);

impl Signals {
    fn block() -> Result<Self, Failure> {
        let failed = |errno| Failure::Failed("signals", errno);
        let mut ours = SigSet::empty();
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
            ours.add(signal);
        }
        ours.thread_block().map_err(failed)?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        SignalFd::with_flags(&ours, flags).map(Self).map_err(failed)
    }

    fn pending(&self) -> Result<Option<Signal>, Failure> {
        match self.0.read_signal() {
            Ok(None) | Err(Errno::EINTR) => Ok(None),
            Ok(Some(info)) => {
                // What is no signal of ours, which cannot be, ends the broker.
                let number = i32::try_from(info.ssi_signo).unwrap_or_default();
                Ok(Some(Signal::try_from(number).unwrap_or(Signal::SIGTERM)))
            }
            Err(errno) => Err(Failure::Failed("signals", errno)),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRoot => f.write_str("must be started as root, and not by a setuid program"),
            Self::Configuration(error) => write!(f, "{error}\ntwostepd: see twostep-admin check"),
            Self::Listen(error) => error.fmt(f),
            Self::Failed(what, errno) => write!(f, "{what}: {errno}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::signal::raise;

    #[test]
    fn signals_are_read_like_messages() {
        let signals = Signals::block().unwrap();
        assert_eq!(signals.pending().unwrap(), None);
        raise(Signal::SIGHUP).unwrap();
        assert_eq!(signals.pending().unwrap(), Some(Signal::SIGHUP));
        assert_eq!(signals.pending().unwrap(), None);
    }
}
