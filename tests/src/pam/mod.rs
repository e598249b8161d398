//! A caller of libpam, for tests of return values: private stack files, raw codes, and a conversation that is a queue of events
//! which must come just so and be used up by the end.
//!
//! ```no_run
//! # use twostep_tests::pam::{Code, Stacks, hidden};
//! let stacks = Stacks::new().file("sshd", "auth required pam_twostep.so");
//! let mut pam = stacks.start("sshd", "alice", [hidden("Verification code: ", "123456")]);
//! assert_eq!(pam.authenticate(0), Code::AUTH_ERR);
//! pam.end();
//! ```

use std::ffi::c_int;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::ffi::pam::{Call, Handle};
use crate::wait::OrDie;

mod code;
mod script;

pub use code::Code;
use script::Script;
pub use script::{Event, Reply, Text, error, hidden, info, shown};

/// Flag: no messages to the user.
pub const SILENT: c_int = 0x8000;
/// Flag: an empty password is none.
pub const DISALLOW_NULL_AUTHTOK: c_int = 0x1;
/// Flag of setcred: set credentials up.
pub const ESTABLISH_CRED: c_int = 0x2;
/// Flag of setcred: take them away.
pub const DELETE_CRED: c_int = 0x4;

/// The items that are strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// The service's name.
    Service = 1,
    /// Who wants in; modules may change it.
    User = 2,
    /// The terminal, or `ssh`, `dovecot`.
    Tty = 3,
    /// From where.
    Rhost = 4,
    /// The password that was typed.
    ///
    /// libpam keeps it from applications: set or read it only from within a module.
    AuthTok = 6,
    /// Who asks on the other side, or who calls su.
    Ruser = 8,
    /// The prompt for the user's name.
    UserPrompt = 9,
}

/// A private pam.d, removed when dropped.
#[derive(Debug)]
pub struct Stacks {
    folder: PathBuf,
}

impl Default for Stacks {
    fn default() -> Self {
        Self::new()
    }
}

impl Stacks {
    /// Empty.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("twostep-pam.d-{}-{number}", std::process::id()));
        fs::create_dir(&folder).or_die(format_args!("make {}", folder.display()));
        Self { folder }
    }

    /// With a service's file. libpam resolves module names without a slash in its own folder.
    pub fn file(self, service: &str, lines: &str) -> Self {
        fs::write(self.folder.join(service), format!("{lines}\n")).or_die("write a stack file");
        self
    }

    /// With a service whose four stacks are all one line of this module.
    pub fn only(self, service: &str, module_and_arguments: &str) -> Self {
        let line = |kind: &str| format!("{kind} required {module_and_arguments}\n");
        let lines: String = ["auth", "account", "session", "password"].map(line).concat();
        self.file(service, &lines)
    }

    /// The folder, for programs that take one.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// `pam_start_confdir` for a user; the conversation expects `events`.
    #[track_caller]
    pub fn start(&self, service: &str, user: &str, events: impl IntoIterator<Item = Event>) -> Pam {
        self.start_for(service, Some(user), events)
    }

    /// Like [`Stacks::start`], where the user may be left out.
    #[track_caller]
    pub fn start_for(
        &self,
        service: &str,
        user: Option<&str>,
        events: impl IntoIterator<Item = Event>,
    ) -> Pam {
        let script = Script { expected: events.into_iter().collect(), ..Script::default() };
        self.start_with(service, user, script)
    }

    /// `pam_start_confdir` with a conversation that gives `reply` to every prompt and hears every message out; what there was is
    /// in [`Pam::heard`].
    #[track_caller]
    pub fn start_answering(&self, service: &str, user: &str, reply: impl Into<Reply>) -> Pam {
        self.start_with(service, Some(user), Script { always: Some(reply.into()), ..Script::default() })
    }

    #[track_caller]
    fn start_with(&self, service: &str, user: Option<&str>, script: Script) -> Pam {
        match Handle::start(service, user, Some(&self.folder), script) {
            Ok(handle) => Pam { handle, last: Code::SUCCESS },
            Err(code) => panic!("pam_start_confdir: {:?}", Code(code)),
        }
    }
}

/// `pam_start_confdir` with any folder of stacks, or with libpam's own ones, and a conversation that hears every message out; the code where libpam does not begin.
///
/// # Errors
/// What libpam returns.
pub fn start_in(folder: Option<&Path>, service: &str, user: &str) -> Result<Pam, Code> {
    let script = Script { always: Some(Reply::Null), ..Script::default() };
    let handle = Handle::start(service, Some(user), folder, script).map_err(Code)?;
    Ok(Pam { handle, last: Code::SUCCESS })
}

impl Drop for Stacks {
    fn drop(&mut self) {
        // A leftover in /tmp is no reason to fail a test.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// One PAM transaction. [`Pam::end`] it: that is where an event which never came fails the test.
pub struct Pam {
    handle: Handle<Script>,
    last: Code,
}

impl Pam {
    /// `pam_authenticate`
    pub fn authenticate(&mut self, flags: c_int) -> Code {
        self.call(Call::Authenticate, flags)
    }

    /// `pam_setcred`
    pub fn set_cred(&mut self, flags: c_int) -> Code {
        self.call(Call::SetCred, flags)
    }

    /// `pam_acct_mgmt`
    pub fn acct_mgmt(&mut self, flags: c_int) -> Code {
        self.call(Call::AcctMgmt, flags)
    }

    /// `pam_open_session`
    pub fn open_session(&mut self, flags: c_int) -> Code {
        self.call(Call::OpenSession, flags)
    }

    /// `pam_close_session`
    pub fn close_session(&mut self, flags: c_int) -> Code {
        self.call(Call::CloseSession, flags)
    }

    /// `pam_chauthtok`
    pub fn chauthtok(&mut self, flags: c_int) -> Code {
        self.call(Call::ChAuthTok, flags)
    }

    /// `pam_set_item`
    pub fn set_item(&mut self, item: Item, value: impl AsRef<[u8]>) -> Code {
        Code(self.handle.set_item(item as c_int, Some(value.as_ref())))
    }

    /// `pam_set_item` with a null pointer.
    pub fn unset_item(&mut self, item: Item) -> Code {
        Code(self.handle.set_item(item as c_int, None))
    }

    /// `pam_get_item`
    pub fn item(&self, item: Item) -> Option<String> {
        self.handle.item(item as c_int).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// `pam_putenv`, with `NAME=value`.
    pub fn put_env(&mut self, pair: &str) -> Code {
        Code(self.handle.put_env(pair))
    }

    /// `pam_getenvlist`
    pub fn env(&mut self) -> Vec<String> {
        self.handle.env()
    }

    /// More events for the same handle, as when login asks for the next name.
    pub fn expect(&mut self, events: impl IntoIterator<Item = Event>) -> &mut Self {
        self.handle.conversation_mut().expected.extend(events);
        self
    }

    /// Every message so far, in order: `hidden prompt "Verification code: "`.
    pub fn heard(&self) -> &[String] {
        &self.handle.conversation().heard
    }

    /// What the module did otherwise than expected so far, and what it has not done yet; empty when all came just so.
    pub fn complaints(&self) -> Vec<String> {
        let script = self.handle.conversation();
        let missing = script.expected.iter().map(|event| format!("never came: {event:?}"));
        script.surprises.iter().cloned().chain(missing).collect()
    }

    /// `pam_end` with the last code; fails the test where the conversation was not just as expected.
    #[track_caller]
    pub fn end(mut self) -> Code {
        let complaints = self.complaints();
        assert!(
            complaints.is_empty(),
            "the conversation was not as expected:\n  {}",
            complaints.join("\n  ")
        );
        Code(self.handle.end(self.last.0))
    }

    fn call(&mut self, call: Call, flags: c_int) -> Code {
        self.last = Code(self.handle.call(call, flags));
        self.last
    }
}

impl fmt::Debug for Pam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pam").field("last", &self.last).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_of_permit_lets_in_and_one_of_deny_does_not() {
        let stacks = Stacks::new().only("open", "pam_permit.so").only("shut", "pam_deny.so");
        let mut open = stacks.start("open", "root", []);
        assert_eq!(open.authenticate(0), Code::SUCCESS);
        assert_eq!(open.end(), Code::SUCCESS);
        let mut shut = stacks.start("shut", "root", []);
        assert_eq!(shut.authenticate(0), Code::AUTH_ERR);
        shut.end();
    }

    #[test]
    fn the_conversation_answers_by_the_queue_and_says_what_never_came() {
        let stacks = Stacks::new().file("ask", "auth required pam_unix.so");
        let mut pam =
            stacks.start_for("ask", None, [shown("login:", Reply::Fails(Code::CONV_ERR)), info("never")]);
        assert_ne!(pam.authenticate(0), Code::SUCCESS);
        assert_eq!(pam.complaints().len(), 1, "{:?}", pam.complaints());
    }

    #[test]
    fn a_module_that_is_not_there_is_refused() {
        let stacks = Stacks::new().only("gone", "pam_that_is_nowhere.so");
        assert_ne!(stacks.start("gone", "root", []).authenticate(0), Code::SUCCESS);
    }
}
