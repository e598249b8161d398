//! A test, run again inside of fresh namespaces.
//!
//! The running binary is executed a second time, told by an environment variable which stage it plays:
//!
//! 1. *outside*: the test as cargo runs it. Sees to the base layer and the product, starts the box, passes on what it printed.
//! 2. *init*: pid 1 of the new namespaces. Makes the file system, collects the log, starts the third, reaps what daemons leave.
//! 3. *inside*: runs the test's closure. Its process has a single thread, so that it may fork and change uids.

use std::any::type_name;
use std::fs;
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::ffi::kernel::{self, Network};
use crate::host::Host;
use crate::root::Root;
use crate::wait::OrDie;
use crate::{base, clean, log, places, process, product};

/// Which stage a process plays; unset outside.
const STAGE: &str = "TWOSTEP_BOX_STAGE";
/// The base layer's file: to be made, or to be used.
const LAYER: &str = "TWOSTEP_BOX_LAYER";
/// What a box does not find in its environment; everything else of the caller's is left outside.
const PASSED_ON: [&str; 4] = ["RUST_BACKTRACE", "TERM", "COLORTERM", "NO_COLOR"];

/// How long a box may live. A test that hangs costs this much and no more; a single wait within it gives up sooner (`PATIENCE`).
const LIMIT: Duration = Duration::from_secs(15 * 60);
/// The same for a clean root: what is installed there is installed by apt, and codes are waited for.
const CLEAN_LIMIT: Duration = Duration::from_secs(45 * 60);
/// The same for a whole program, which may measure for a while.
const PROGRAM_LIMIT: Duration = Duration::from_secs(30 * 60);
/// Making the base layer downloads packages.
const LAYER_LIMIT: Duration = Duration::from_secs(30 * 60);

const FAILED: i32 = 101;

/// Runs `test` in a throw-away copy of this host with the product installed and its store made. To be called first and only by a
/// `#[test]`.
///
/// Needs root, since it makes namespaces and mounts an overlay over `/`; panics with that message without.
#[track_caller]
pub fn in_box<F: FnOnce(&Host)>(test: F) {
    run_test::<F>(Kind::Installed, None, test);
}

/// Like [`in_box`], but without the product: what tests of the harness itself and of `make install` start from.
#[track_caller]
pub fn in_bare_box<F: FnOnce(&Host)>(test: F) {
    run_test::<F>(Kind::Bare, None, test);
}

/// Like [`in_bare_box`], on a host where this shell script was run before.
#[track_caller]
pub fn in_bare_box_after<F: FnOnce(&Host)>(script: &str, test: F) {
    run_test::<F>(Kind::Bare, Some(script), test);
}

/// Like [`in_bare_box`], but nothing there is this host's: a debootstrapped Debian, booted with its own systemd. [`product::packages`] can be
/// installed there, and what the documents install.
#[track_caller]
pub fn on_clean_host<F: FnOnce(&Host)>(test: F) {
    run_test::<F>(Kind::Clean, None, test);
}

/// What a box starts from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// This host with the base layer and the product.
    Installed,
    /// This host with the base layer.
    Bare,
    Clean,
}

/// For a whole program instead of a test: runs `body` in a box and passes on what it prints as it comes. To be called first and
/// only by `main`.
pub fn program_in_box(body: impl FnOnce(&Host) -> ExitCode) -> ExitCode {
    let body = |host: &Host| if body(host) == ExitCode::SUCCESS { 0 } else { 1 };
    let again = Again { arguments: std::env::args().skip(1).collect(), output: Output::Direct };
    match stage() {
        Stage::Outside => match again.outside(Kind::Installed) {
            Ok(()) => ExitCode::SUCCESS,
            Err(Failure { status, reason }) => {
                if let Some(reason) = reason {
                    eprintln!("{reason}");
                }
                ExitCode::from(u8::try_from(status).unwrap_or(1))
            }
        },
        Stage::Layer => make_layer(Kind::Installed),
        Stage::Init => init(Kind::Installed, None, &again),
        Stage::Inside => inside(Kind::Installed, body),
    }
}

#[track_caller]
fn run_test<F: FnOnce(&Host)>(kind: Kind, before: Option<&str>, test: F) {
    let name = test_name::<F>();
    let again = Again { arguments: libtest_arguments(&name), output: Output::Collected };
    match stage() {
        Stage::Outside => {
            assert!(is_a_test(&name), "{name} makes a box and is no test: in the box nothing would run");
            if let Err(Failure { status, reason }) = again.outside(kind) {
                panic!(
                    "{}",
                    reason.unwrap_or_else(|| format!("the box ended with status {status}, see above"))
                );
            }
        }
        Stage::Layer => make_layer(kind),
        Stage::Init => init(kind, before, &again),
        Stage::Inside => {
            // libtest has printed "running 1 test" to a stdout that goes nowhere; from here on it is the test's.
            kernel::send_stdout_to_stderr().or_die("join stdout to stderr");
            inside(kind, |host| {
                test(host);
                0
            })
        }
    }
}

enum Stage {
    Outside,
    Layer,
    Init,
    Inside,
}

fn stage() -> Stage {
    match std::env::var(STAGE).as_deref() {
        Err(_) => Stage::Outside,
        Ok("layer") => Stage::Layer,
        Ok("init") => Stage::Init,
        Ok("inside") => Stage::Inside,
        Ok(other) => panic!("{STAGE}={other} is no stage"),
    }
}

/// Whether this process is the one that cargo started, and not one of a box.
pub(crate) fn is_outside() -> bool {
    matches!(stage(), Stage::Outside)
}

/// The test's name as libtest knows it, from the type of its closure: `ssh::a_wrong_code_is_refused::{{closure}}`. The thread's
/// name would do as well, but for `--test-threads=1`, where it is `main`.
fn test_name<F>() -> String {
    let path = type_name::<F>();
    let path = path.strip_suffix("::{{closure}}").unwrap_or(path);
    path.split_once("::").map_or(path, |(_crate, rest)| rest).to_owned()
}

/// Whether libtest has a test of this name. One that it does not have it leaves out, and succeeds.
fn is_a_test(name: &str) -> bool {
    let listed = Command::new(places::this_program()).args(["--list", "--exact", name]).output();
    let listed = listed.or_die("list the tests");
    String::from_utf8_lossy(&listed.stdout).lines().any(|line| line == format!("{name}: test"))
}

fn libtest_arguments(test: &str) -> Vec<String> {
    ["--exact", test, "--nocapture", "--include-ignored", "--test-threads=1"].map(str::to_owned).to_vec()
}

/// How this binary is started again for the next stage.
struct Again {
    arguments: Vec<String>,
    output: Output,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Output {
    /// The box writes to our own stdout and stderr.
    Direct,
    /// What the box writes is printed through `print!` when it is over, so that libtest can keep it with its test.
    Collected,
}

struct Failure {
    status: i32,
    /// What is to be said beyond what the box itself has printed.
    reason: Option<String>,
}

impl Again {
    fn command(&self, stage: &str, layer: &Path) -> Command {
        let mut command = Command::new(places::this_program());
        command.args(&self.arguments).env_clear().env(STAGE, stage).env(LAYER, layer);
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", "/root").env("LC_ALL", "C.UTF-8");
        for name in PASSED_ON {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
    }

    fn outside(&self, kind: Kind) -> Result<(), Failure> {
        if !kernel::is_root() {
            let reason = "end-to-end tests make namespaces and mounts and so need root; run them as root, or run \
                          `make test-unit` for the tests that do not";
            return Err(Failure { status: 1, reason: Some(reason.to_owned()) });
        }
        if kind != Kind::Bare {
            product::built();
        }
        let mut result = Ok(());
        let make = |layer: &Path| {
            let mut command = self.command("layer", layer);
            kernel::in_new_namespaces(&mut command, Network::Hosts);
            result = self.watch(command, LAYER_LIMIT);
        };
        let layer = if kind == Kind::Clean { clean::ready(make) } else { base::ready(make) };
        result?;
        let mut command = self.command("init", &layer);
        kernel::in_new_namespaces(&mut command, Network::Private);
        let limit = match (self.output, kind) {
            (Output::Direct, _) => PROGRAM_LIMIT,
            (_, Kind::Clean) => CLEAN_LIMIT,
            _ => LIMIT,
        };
        self.watch(command, limit)
    }

    /// Runs a box to its end, but no longer than `limit`.
    fn watch(&self, mut command: Command, limit: Duration) -> Result<(), Failure> {
        command.stdin(Stdio::null());
        if self.output == Output::Collected {
            command.stdout(Stdio::null()).stderr(Stdio::piped());
        }
        let mut child = command.spawn().or_die("make namespaces (in a container this takes --privileged)");
        let pipe = child.stderr.take();
        let reader = thread::spawn(move || {
            let mut text = Vec::new();
            if let Some(mut pipe) = pipe {
                pipe.read_to_end(&mut text).or_die("read what the box prints");
            }
            String::from_utf8_lossy(&text).into_owned()
        });

        let pid = child.id();
        let (ended, end) = mpsc::channel::<()>();
        let watchdog = thread::spawn(move || {
            let too_long = end.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout);
            too_long.then(|| {
                let hung = format!("the box was ended after {} s\n{}", limit.as_secs(), process::inside(pid));
                // The process in between; pid 1 dies with it, and the whole box with pid 1.
                kernel::kill(pid.cast_signed(), libc::SIGKILL).or_die("end a box that hangs");
                hung
            })
        });
        let status = child.wait().or_die("wait for a box");
        drop(ended);
        let hung = watchdog.join().unwrap_or_default();
        let text = reader.join().unwrap_or_default();
        print!("{text}");
        if hung.is_some() {
            return Err(Failure { status: 1, reason: hung });
        }
        if status.success() {
            Ok(())
        } else {
            Err(Failure { status: status.code().unwrap_or(1), reason: None })
        }
    }
}

fn make_layer(kind: Kind) -> ! {
    end(caught(|| {
        match kind {
            Kind::Clean => clean::make(&layer()),
            Kind::Installed | Kind::Bare => base::make(&layer()),
        }
        0
    }))
}

/// pid 1: when it ends, the kernel ends all that is left in the box.
fn init(kind: Kind, before: Option<&str>, again: &Again) -> ! {
    end(caught(|| {
        let scratch = places::cache().join("mnt");
        fs::create_dir_all(&scratch).or_die("make target/e2e/mnt");
        let inside = again.command("inside", &layer());
        if kind == Kind::Clean {
            clean::boot(&Root::unpacked(&scratch, &layer(), &places::shared()), inside);
        }
        let root = Root::assemble(&scratch, Some(&layer()), &places::shared(), before);
        kernel::pivot_into(&root.path()).or_die("enter the new root");
        kernel::set_host_name("box").or_die("name the box");
        kernel::bring_loopback_up().or_die("bring lo up");
        log::collect();
        reap_until_end(inside)
    }))
}

#[allow(clippy::zombie_processes, reason = "waited for below, among all the others")]
fn reap_until_end(mut inside: Command) -> i32 {
    let child = inside.spawn().or_die("start the test inside of the box");
    loop {
        match kernel::wait_for_any_child().or_die("wait for children") {
            Some((pid, status)) if u32::try_from(pid) == Ok(child.id()) => return status,
            Some(_orphan) => {}
            None => return FAILED,
        }
    }
}

fn inside(kind: Kind, body: impl FnOnce(&Host) -> i32) -> ! {
    let status = caught(|| match kind {
        Kind::Installed => {
            let host = Host::set_up();
            host.install_product();
            body(&host)
        }
        Kind::Bare => body(&Host::set_up()),
        Kind::Clean => {
            clean::wait_for_boot();
            body(&Host::as_it_is())
        }
    });
    if kind == Kind::Clean {
        clean::end(status);
    }
    end(status)
}

fn layer() -> PathBuf {
    std::env::var_os(LAYER).unwrap_or_else(|| panic!("{LAYER} is not set")).into()
}

/// The panic's message is on stderr already.
fn caught(body: impl FnOnce() -> i32) -> i32 {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(FAILED)
}

/// Ends the process past libtest, which would print its own verdict.
fn end(status: i32) -> ! {
    let _ = std::io::stdout().flush();
    std::process::exit(status)
}
