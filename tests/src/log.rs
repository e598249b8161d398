//! The box's `/dev/log`: what was logged, line by line.
//!
//! pid 1 of the box listens there and appends to a file. That it is not the test's own process keeps that single-threaded, and a
//! log without a listener would go to the machine's console.

use std::fmt;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use crate::command;
use crate::wait::{OrDie, eventually};

const SOCKET: &str = "/dev/log";
const COLLECTED: &str = "/run/twostep-tests.log";

/// syslog's LOG_AUTHPRIV: what only administrators may read.
pub const AUTHPRIV: u8 = 10;

/// One line as it was sent to syslog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// syslog's facility, see [`AUTHPRIV`].
    pub facility: u8,
    /// syslog's severity, 0 (emergency) to 7 (debug).
    pub severity: u8,
    /// The line after its time stamp: `sshd[12]: pam_twostep(sshd:auth): …`. Newlines that were sent show as `\n`.
    pub text: String,
}

impl LogLine {
    /// The value of `key` in a `key=value` line; quotes around it are taken off.
    pub fn value(&self, key: &str) -> Option<&str> {
        let start = self.text.match_indices(key).find_map(|(at, _)| {
            let after = at + key.len();
            let begins = at == 0 || self.text[..at].ends_with([' ', '(', ',']);
            (begins && self.text[after..].starts_with('=')).then_some(after + 1)
        })?;
        let rest = &self.text[start..];
        match rest.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next(),
            None => rest.split(' ').next(),
        }
    }

    fn parse(line: &str) -> Self {
        // <86>Nov 22 15:40:00 sshd[12]: text
        let (priority, rest) = line
            .strip_prefix('<')
            .and_then(|rest| rest.split_once('>'))
            .and_then(|(number, rest)| Some((number.parse::<u8>().ok()?, rest)))
            .unwrap_or((13, line));
        // Some daemons put the time before it: `Nov 22 15:40:00 `.
        let timed = [(3, b' '), (6, b' '), (9, b':'), (12, b':'), (15, b' ')];
        let timed = timed.iter().all(|(at, mark)| rest.as_bytes().get(*at) == Some(mark));
        let text = if timed { rest.get(16..).unwrap_or(rest) } else { rest };
        Self { facility: priority >> 3, severity: priority & 7, text: text.to_owned() }
    }
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Listens at /dev/log from now on, in a thread of pid 1.
pub(crate) fn collect() {
    let socket = UnixDatagram::bind(SOCKET).or_die("listen at /dev/log");
    fs::set_permissions(SOCKET, fs::Permissions::from_mode(0o666)).or_die("open /dev/log to everyone");
    let mut file = File::create(COLLECTED).or_die("make the log's file");
    thread::spawn(move || {
        let mut datagram = vec![0; 256 * 1024];
        loop {
            let length = socket.recv(&mut datagram).or_die("receive from /dev/log");
            let text = String::from_utf8_lossy(&datagram[..length]);
            // One datagram is one line of the file, or an injected newline could pass for a line of its own.
            let line = text.trim_end_matches(['\n', '\0']).replace('\n', "\\n");
            file.write_all(format!("{line}\n").as_bytes()).or_die("write the log's file");
        }
    });
}

/// Everything logged so far, in order. Nothing that was sent before the call is missing.
pub(crate) fn lines() -> Vec<LogLine> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    // A socket's queue keeps its order: when this mark has arrived, all before it has too.
    let mark = format!("twostep-tests mark {} {}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let socket = UnixDatagram::unbound().or_die("make a socket");
    socket.send_to(mark.as_bytes(), SOCKET).or_die("send to /dev/log");
    let text = eventually("our own line from /dev/log", || {
        let text = fs::read_to_string(COLLECTED).ok()?;
        text.lines().any(|line| line == mark).then_some(text)
    });
    text.lines().filter(|line| !line.starts_with("twostep-tests mark ")).map(LogLine::parse).collect()
}

/// The end of every log that the box below `root` has written to. A log that is older than /dev/log is the host's.
pub(crate) fn tails(root: &Path) -> String {
    const SCRIPT: &str = r#"
for log in /run/twostep-tests.log /var/log/*.log /var/log/*.output /var/log/exim4/main.log /var/lib/postgresql/tests.log; do
    [ -s $log ] && [ $log -nt /dev/log ] && echo "--- the end of $log" && grep -v "^twostep-tests mark" $log | tail -n 20
done
[ ! -d /run/log/journal ] || journalctl --no-pager --lines 60
"#;
    let mut command = if root == Path::new("/") { Command::new("sh") } else { Command::new("chroot") };
    if root != Path::new("/") {
        command.arg(root).arg("sh");
    }
    command::run(command.args(["-c", SCRIPT]).current_dir("/")).stdout
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_apart_into_facility_severity_and_text() {
        let line =
            LogLine::parse("<86>Nov 22 15:40:00 sshd[12]: twostep: user=alice reason=\"wrong code\" n=3");
        assert_eq!((line.facility, line.severity), (AUTHPRIV, 6));
        assert!(line.text.starts_with("sshd[12]: twostep:"));
    }

    #[test]
    fn a_value_is_found_by_its_whole_key() {
        let line =
            LogLine::parse("<86>Nov 22 15:40:00 sshd[12]: superuser=no user=alice reason=\"wrong code\" n=3");
        assert_eq!(line.value("user"), Some("alice"));
        assert_eq!(line.value("reason"), Some("wrong code"));
        assert_eq!(line.value("n"), Some("3"));
        assert_eq!(line.value("m"), None);
    }
}
