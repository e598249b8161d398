//! The journal, by journalctl(1). Anybody can write a line under any tag; who sent one is what the journal itself has found out, in a
//! field that no sender can set. Only root's count.

use super::lines;
use super::syslog::TAGS;
use crate::failure::Failure;
use serde::Deserialize;
use serde_json::Value;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::process::{ChildStderr, Command, Stdio};
use twostep_core::log_line::LogLine;
use twostep_core::time::UnixTime;

pub(crate) const PROGRAM: &str = "/usr/bin/journalctl";
/// How much of what it says of itself is kept.
const SAID_MAX: u64 = 4 << 10;
/// What it says, with exit status 0, where there is none; unless it prints JSON.
const NO_JOURNAL: &str = "No journal files were found";

/// Gives every line of ours, and its time, to `take`.
pub(crate) fn read(
    program: &Path,
    since: UnixTime,
    take: &mut dyn FnMut(UnixTime, LogLine),
) -> Result<(), Failure> {
    let mut any = false;
    let mut arguments = vec!["--output=json".to_owned(), "--all".to_owned()];
    arguments.push("--output-fields=MESSAGE,SYSLOG_IDENTIFIER,_UID".to_owned());
    arguments.extend([format!("--since=@{}", since.0.max(0)), "_UID=0".to_owned()]);
    arguments.extend(TAGS.map(|tag| format!("SYSLOG_IDENTIFIER={tag}")));
    ask(program, &arguments, |text| {
        any = true;
        if let Some((at, line)) = parse(text) {
            take(at, line);
        }
    })?;
    if any {
        return Ok(());
    }
    // Nothing of ours, or no journal at all? In JSON it does not say.
    let said = ask(program, &["--lines=1".to_owned()], |_| {})?;
    if said.contains(NO_JOURNAL) { Err(Failure::Journal(first_line(&said))) } else { Ok(()) }
}

/// Runs it, gives what it prints to `take`, and returns what it says on standard error.
fn ask(program: &Path, arguments: &[String], take: impl FnMut(&str)) -> Result<String, Failure> {
    let failed = |error: io::Error| Failure::Journal(format!("{}: {error}", program.display()));
    let mut command = Command::new(program);
    command.arg("--no-pager").args(arguments).env_clear().current_dir("/");
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.map_err(failed)?;
    let listener = child.stderr.take().map(|stderr| std::thread::spawn(move || said(stderr)));
    if let Some(stdout) = child.stdout.take() {
        lines::each(BufReader::new(stdout), take).map_err(failed)?;
    }
    let status = child.wait().map_err(failed)?;
    let said = listener.and_then(|listener| listener.join().ok()).unwrap_or_default();
    match (status.success(), first_line(&said)) {
        (true, _) => Ok(said),
        (false, first) if first.is_empty() => {
            Err(Failure::Journal(format!("{}: {status}", program.display())))
        }
        (false, first) => Err(Failure::Journal(first)),
    }
}

fn first_line(said: &str) -> String {
    said.lines().next().unwrap_or_default().trim().to_owned()
}

/// The beginning of what it says on standard error; it is heard to its end, or it would wait for us.
fn said(mut stderr: ChildStderr) -> String {
    let mut bytes = Vec::new();
    let _kept = stderr.by_ref().take(SAID_MAX).read_to_end(&mut bytes);
    let _dropped = io::copy(&mut stderr, &mut io::sink());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An entry. A field that is there twice, or is not text, is a list there.
#[derive(Deserialize)]
struct Entry {
    /// Microseconds since 1970.
    #[serde(rename = "__REALTIME_TIMESTAMP")]
    at: String,
    #[serde(rename = "_UID")]
    uid: Value,
    #[serde(rename = "SYSLOG_IDENTIFIER")]
    tag: Value,
    #[serde(rename = "MESSAGE")]
    message: Value,
}

fn parse(text: &str) -> Option<(UnixTime, LogLine)> {
    let entry: Entry = serde_json::from_str(text).ok()?;
    let ours = entry.tag.as_str().is_some_and(|tag| TAGS.contains(&tag));
    if !ours || entry.uid.as_str() != Some("0") {
        return None;
    }
    let microseconds: i64 = entry.at.parse().ok()?;
    Some((UnixTime(microseconds.div_euclid(1_000_000)), LogLine::parse(entry.message.as_str()?)?))
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
