//! The syslog line.

use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;
use syslog::{Facility, LogFormat, Logger, LoggerBackend, Severity};
use twostep_core::event::{self, Event};
use twostep_core::ports::Audit;

/// How long a log daemon that does not read may hold a login up.
const PATIENCE: Duration = Duration::from_secs(2);

/// Syslog's auth-private facility, over `/dev/log`. Opened for each line and closed again: a module leaves no descriptor.
#[derive(Clone, Copy, Debug)]
pub struct Syslog {
    /// The tag before the line: the program's name.
    pub tag: &'static str,
}

impl Audit for Syslog {
    fn record(&self, event: &Event) {
        self.note(event.severity(), &event.line());
    }
}

impl Syslog {
    /// A line that is no verdict.
    pub fn note(&self, severity: event::Severity, text: &str) {
        let severity = match severity {
            event::Severity::Error => Severity::LOG_ERR,
            event::Severity::Warning => Severity::LOG_WARNING,
            event::Severity::Info => Severity::LOG_INFO,
        };
        self.write(severity, text);
    }

    /// A line for whoever looks for a fault, at the debug level.
    pub fn debug(&self, text: &str) {
        self.write(Severity::LOG_DEBUG, text);
    }

    fn write(&self, severity: Severity, line: &str) {
        let send = || -> Option<()> {
            let socket = UnixDatagram::unbound().ok()?;
            socket.set_write_timeout(Some(PATIENCE)).ok()?;
            socket.connect("/dev/log").ok()?;
            let format = Format { tag: self.tag, pid: std::process::id() };
            let mut logger = Logger::new(LoggerBackend::Unix(socket), format);
            match severity {
                Severity::LOG_ERR => logger.err(line),
                Severity::LOG_WARNING => logger.warning(line),
                Severity::LOG_INFO => logger.info(line),
                _ => logger.debug(line),
            }
            .ok()
        };
        // Without a log daemon the line is lost, as everybody's is; the verdict stands all the same.
        let _lost = send();
    }
}

/// `<priority>tag[pid]: line`. Without a time: the daemon at `/dev/log` puts its own, and to write local time one would have to
/// read TZ from an environment that is not ours.
#[derive(Clone)]
struct Format {
    tag: &'static str,
    pid: u32,
}

impl LogFormat<&str> for Format {
    fn format<W: Write>(&self, to: &mut W, severity: Severity, line: &str) -> syslog::Result<()> {
        let priority = Facility::LOG_AUTHPRIV as u8 | severity as u8;
        write!(to, "<{priority}>{}[{}]: {line}", self.tag, self.pid).map_err(syslog::Error::Write)
    }
}
