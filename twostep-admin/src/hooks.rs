//! `hooks`: runs the commands of `[app] on_create` and `on_revoke` that are due. The module and the broker never do; what they, or this
//! command, have changed makes commands due in the same transaction.

use crate::context::Context;
use crate::failure::Failure;
use crate::ffi;
use crate::health;
use crate::orphans;
use crate::output::Report;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, killpg};
use nix::sys::stat::{Mode, umask};
use nix::unistd::Pid;
use serde::Serialize;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;
use twostep_core::event::Severity;
use twostep_core::hook;
use twostep_core::policy::Hooks;
use twostep_core::text::disturbs;
use twostep_store::StoreError;
use twostep_store::admin::{self, Due, FLAG, TRIES, Taken};
use twostep_store::host::{Syslog, lock_file, monotonic};
use twostep_store::vault::Session;
use twostep_terminal::{printable, put_line};

/// The file whose lock says that somebody is running commands.
const LOCK: &str = "hooks.lock";
/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs what is due.
pub(crate) fn run(context: &Context) -> Result<(), Failure> {
    // Every ten minutes somebody looks: a roster or a store that was put back from a backup is not left so until the next change.
    let session = context.session()?;
    if let Err(error) = session.tend_roster() {
        log(Severity::Error, &format!("{error}; {}", error.remedy()));
    }
    remember_seen(&session);
    drop(session);
    // Whoever else is at it is waited for: a command is run once.
    let taken = turn(context, FlockArg::LockExclusive)?;
    let done = run_all(context)?;
    drop(taken);
    // NSS is asked about everybody who is enrolled: commands that have become due meanwhile do not wait for that.
    if let Some(orphans) = orphans::find(context)? {
        let _one_at_a_time = turn(context, FlockArg::LockExclusive)?;
        orphans::tell(context, &orphans);
    }
    context.output.report(&done)
}

/// Writes down how far the store has come, or tells the log that it was put back from a backup.
pub(crate) fn remember_seen(session: &Session) {
    match session.remember_seen() {
        Ok(None) => {}
        Ok(Some(restored)) => log(Severity::Error, &health::restored(&restored).join("; ")),
        Err(error) => log(Severity::Warning, &format!("{error}; {}", error.remedy())),
    }
}

/// Runs what is due at the end of another command, which has done its own work whatever comes of this.
pub(crate) fn run_due(context: &Context) {
    let hooks = &context.policy.app.hooks;
    if hooks.on_create.is_none() && hooks.on_revoke.is_none() {
        return;
    }
    let turn = match turn(context, FlockArg::LockExclusiveNonblock) {
        Ok(turn) => turn,
        // Somebody is at it: perhaps the very command that has started us. What has become due meanwhile is for the next run.
        Err(Failure::Store(StoreError::Io(_, error))) if error.kind() == io::ErrorKind::WouldBlock => {
            return raise_flag(context);
        }
        Err(failure) => return eprintln!("{}", printable(&failure.to_string())),
    };
    let ran = run_all(context);
    drop(turn);
    match ran {
        Ok(ran) => {
            if ran.failed > 0 {
                eprintln!(
                    "twostep-admin: warning: {} commands of [app] on_create or on_revoke failed",
                    ran.failed
                );
                eprintln!("  hint: see the log; twostep-admin hooks tries again");
            }
            if ran.skipped > 0 {
                eprintln!(
                    "twostep-admin: warning: {} commands of [app] were skipped, and stay due",
                    ran.skipped
                );
                eprintln!("  hint: twostep-admin check says why");
            }
        }
        Err(failure) => eprintln!("{}", printable(&failure.to_string())),
    }
}

fn run_all(context: &Context) -> Result<Ran, Failure> {
    // Taken away first: what becomes due from now on raises it again.
    match fs::remove_file(context.policy.paths.runtime.join(FLAG)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            log(Severity::Warning, &format!("{FLAG} cannot be removed: {error}"));
        }
        _ => {}
    }
    let hooks = &context.policy.app.hooks;
    for (key, refusal) in refused(hooks) {
        log(
            Severity::Error,
            &format!("[app] {key} is skipped: {refusal}; {REMEDY}; what is due for it waits"),
        );
    }
    let mut ran = Ran { done: 0, failed: 0, skipped: 0 };
    let mut after = 0;
    while let Some(taken) = take(context, after)? {
        let due = match taken {
            Taken::Due(due) => due,
            Taken::Damaged { id, row } => {
                after = id;
                ran.failed += 1;
                let text = "a command that was due is damaged in the store, and was not run";
                log(Severity::Error, &format!("{text}: {row}; run it by hand, and twostep-admin check"));
                continue;
            }
        };
        after = due.id;
        let command = due.occasion.command(hooks);
        if command.is_some_and(|command| command.refusal().is_some()) {
            ran.skipped += 1;
            continue;
        }
        // Wanted no more: it is due no more.
        let outcome = command.map_or(Ok(()), |command| execute(command, &due));
        match &outcome {
            Ok(()) => ran.done += 1,
            Err(cause) => {
                ran.failed += 1;
                let last = if due.tries + 1 >= TRIES { ", given up" } else { "" };
                let what = due.occasion.word();
                log(Severity::Error, &format!("on_{what} for user={:?} failed{last}: {cause}", due.user));
            }
        }
        if outcome.is_ok() || due.tries + 1 >= TRIES {
            context.session()?.due_done(due.id)?;
        }
    }
    Ok(ran)
}

/// Keeps others from running commands meanwhile. The lock lies in the store's folder, which has been found to be written by root alone by
/// the time that the store could be opened.
fn turn(context: &Context, how: FlockArg) -> Result<Flock<File>, Failure> {
    drop(context.session()?);
    let path = context.policy.paths.store.with_file_name(LOCK);
    let failed = |error: io::Error| Failure::Store(StoreError::Io(path.clone(), error));
    Flock::lock(lock_file::open(&path).map_err(failed)?, how).map_err(|(_, errno)| failed(errno.into()))
}

/// Has the commands run by whoever watches for the flag.
fn raise_flag(context: &Context) {
    if let Err(error) = admin::raise_flag(&context.policy.paths.runtime) {
        log(Severity::Warning, &format!("{FLAG} cannot be written ({error}): run twostep-admin hooks"));
    }
}

fn take(context: &Context, after: i64) -> Result<Option<Taken>, Failure> {
    Ok(context.session()?.take_due(after)?)
}

/// What is done about a command that is skipped.
pub(crate) const REMEDY: &str =
    "make {user} and {name} words of their own, or have the program read TWOSTEP_USER and TWOSTEP_NAME";

/// The commands that are skipped, by their keys, and why.
pub(crate) fn refused(hooks: &Hooks) -> impl Iterator<Item = (&'static str, String)> {
    let commands = [("on_create", &hooks.on_create), ("on_revoke", &hooks.on_revoke)];
    commands.into_iter().filter_map(|(key, command)| Some((key, command.as_ref()?.refusal()?)))
}

/// Runs one command, without a shell, with nothing of our environment.
fn execute(command: &hook::Command, due: &Due) -> Result<(), String> {
    let event = due.occasion.word();
    let words = command.filled(&due.user, &due.name, event)?;
    let Some((program, arguments)) = words.split_first() else { return Ok(()) };
    // An earlier version took names that are more than a line.
    let name: String = due.name.chars().filter(|c| !disturbs(*c)).collect();
    let values = [("TWOSTEP_USER", due.user.as_str()), ("TWOSTEP_NAME", &name), ("TWOSTEP_EVENT", event)];
    carry_out(Command::new(program).args(arguments), &values, b"")
}

/// Runs a command that is given this to read, and waits for its end.
pub(crate) fn carry_out(command: &mut Command, values: &[(&str, &str)], input: &[u8]) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let failed = |error: io::Error| format!("{program}: {error}");
    let stdin = if input.is_empty() { Stdio::null() } else { Stdio::piped() };
    // The shell that has started us may have any umask, and any files open.
    ffi::keep_descriptors_to_ourselves();
    umask(Mode::from_bits_truncate(0o022));
    let mut child = command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .envs(values.iter().copied())
        .current_dir("/")
        .stdin(stdin)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A pipe has room for all of it; whoever does not read it says so by its end.
        let _ = stdin.write_all(input);
    }
    let end = monotonic() + PATIENCE;
    loop {
        match child.try_wait().map_err(failed)? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(format!("{program}: {status}")),
            None if monotonic() >= end => {
                // With all that it has started.
                let group = Pid::from_raw(child.id().cast_signed());
                killpg(group, Signal::SIGKILL).map_err(|errno| failed(errno.into()))?;
                child.wait().map_err(failed)?;
                return Err(format!("{program}: not done after {} seconds", PATIENCE.as_secs()));
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

pub(crate) fn log(severity: Severity, text: &str) {
    Syslog { tag: "twostep-admin" }.note(severity, text);
}

#[derive(Serialize)]
struct Ran {
    done: u32,
    failed: u32,
    /// That stay due, since the command is no good.
    skipped: u32,
}

impl Report for Ran {
    fn text(&self, to: &mut String) {
        match (self.done, self.failed) {
            (0, 0) if self.skipped == 0 => put_line!(to, "nothing is due"),
            (done, 0) => put_line!(to, "{done} commands run"),
            (done, failed) => put_line!(to, "{done} commands run, {failed} failed: see the log"),
        }
        if self.skipped > 0 {
            put_line!(to, "{} skipped, and still due: twostep-admin check says why", self.skipped);
        }
    }
}
