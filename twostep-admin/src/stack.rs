//! One PAM stack, as far as its pam_twostep.so lines go: each by itself and beside its neighbours. What is looked for are the
//! mistakes that open a door or lock one. A file that another includes is looked into one step deep, and no stack is played through.

use crate::check::Finding;
use crate::stack_file::{Action, Control, Entry, Include, Line, Phase};
use crate::stacks::{Files, MODULE};
use std::path::{Path, PathBuf};
use twostep_core::name::ServiceName;
use twostep_core::policy::Policy;
use twostep_core::protocol::Mode;
use twostep_core::time::UnixTime;

pub(crate) const INTERACTIVE_LINE: &str = "auth required pam_twostep.so";
pub(crate) const ONE_PROMPT_LINE: &str = "auth required pam_twostep.so one-prompt";
pub(crate) const ACCOUNT_LINE: &str = "account required pam_twostep.so";
pub(crate) const SKIPPING: &str = "[success=done ignore=ignore default=die]";
/// Modules that take the account password.
const PASSWORD_MODULES: [&str; 7] = [
    "pam_unix.so",
    "pam_sss.so",
    "pam_ldap.so",
    "pam_krb5.so",
    "pam_winbind.so",
    "pam_systemd_home.so",
    "pam_pwdfile.so",
];

/// One file.
pub(crate) struct Stack<'a> {
    pub(crate) name: &'a str,
    pub(crate) path: PathBuf,
    pub(crate) entries: &'a [Entry],
    pub(crate) files: &'a Files,
    pub(crate) policy: Option<&'a Policy>,
    pub(crate) now: UnixTime,
    pub(crate) findings: Vec<Finding>,
    pub(crate) lines: Vec<AuthLine>,
}

/// A line of the auth phase, as far as rules of the configuration have to do with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AuthLine {
    pub(crate) number: usize,
    /// By the word that stands on it.
    pub(crate) mode: Mode,
    /// Whether success is enough there, so that a code taken there would stand for the password.
    pub(crate) ends: bool,
}

impl Stack<'_> {
    /// Whether the file names the module. Of a file that others include only the lines themselves are judged: where they come to
    /// stand is the others' affair.
    pub(crate) fn check(&mut self, included: bool) -> bool {
        let entries = self.entries;
        let ours = |entry: &&Entry| matches!(entry, Entry::Module(line) if line.module_name() == MODULE);
        let mut modes = Vec::new();
        for (at, entry) in entries.iter().enumerate().filter(|(_, entry)| ours(entry)) {
            let Entry::Module(line) = entry else { continue };
            let said = self.line(line);
            let mode = self.meant(said);
            match (line.phase, mode) {
                (Phase::Auth, mode) if !included => {
                    match mode {
                        Mode::ByService => self.interactive(at, line),
                        Mode::App | Mode::AfterKey => self.before_password(at, line, mode),
                        Mode::OnePrompt => self.one_prompt(at, line),
                    }
                    modes.push((mode, line));
                    self.lines.push(AuthLine { number: line.number, mode: said, ends: ends(&line.control) });
                }
                (Phase::Account, Mode::ByService | Mode::AfterKey | Mode::OnePrompt) if !included => {
                    self.account(at, line)
                }
                _ => {}
            }
        }
        self.pair(&modes);
        entries.iter().any(|entry| ours(&entry))
    }

    /// What a line is that says nothing, by the configuration's list. With [`Mode::ByService`] it asks for a code.
    fn meant(&self, said: Mode) -> Mode {
        // A file whose name can be no service's is in no list.
        let service = ServiceName::parse(self.name).ok();
        let listed = |policy: &Policy| service.is_some_and(|name| policy.app.services.value.contains(&name));
        if said == Mode::ByService && self.policy.is_some_and(listed) { Mode::App } else { said }
    }

    /// What can be said of a line by itself.
    fn line(&mut self, line: &Line) -> Mode {
        if line.dash {
            let message = "the dash lets everybody past when the module is not there";
            self.error(line.number, message, "write the line without the dash");
        }
        if line.module.starts_with('/') && !Path::new(&line.module).exists() {
            let message = format!("there is no {}", line.module);
            self.error(line.number, message, "install the module, or name it pam_twostep.so alone");
        }
        let (mut mode, mut said) = (Mode::ByService, 0);
        for word in &line.words {
            match (word.as_str(), word.split_once('=')) {
                ("app", _) => (mode, said) = (Mode::App, said + 1),
                ("after-key", _) => (mode, said) = (Mode::AfterKey, said + 1),
                ("one-prompt", _) => (mode, said) = (Mode::OnePrompt, said + 1),
                ("debug" | "echo", _) | (_, Some(("prompt", _))) => {}
                (_, Some(("config", path))) => self.configuration(line.number, path),
                (unknown, _) => self.error(
                    line.number,
                    format!("the module does not know the word {unknown:?} and refuses everybody"),
                    "known: app, after-key, one-prompt, prompt=TEXT, echo, config=PATH, debug; in [ ] where there are blanks",
                ),
            }
        }
        if said > 1 {
            self.error(
                line.number,
                "one line is app, after-key or one-prompt, and says so once: everybody is refused",
                "write two lines",
            );
        }
        if !line.control.refuses() && matches!(line.phase, Phase::Auth | Phase::Account) {
            let remedy = match (line.phase, mode) {
                (Phase::Account, _) => ACCOUNT_LINE.to_owned(),
                (_, Mode::OnePrompt) => ONE_PROMPT_LINE.to_owned(),
                _ => format!("{INTERACTIVE_LINE}, or for app services auth {SKIPPING} {MODULE} app"),
            };
            self.error(line.number, "with this control a refusal does not refuse", remedy);
        }
        mode
    }

    fn configuration(&mut self, number: usize, path: &str) {
        if !path.starts_with('/') {
            self.error(
                number,
                format!("{path:?} is no absolute path: everybody is refused"),
                "begin it with /",
            );
        } else if !Path::new(path).exists() {
            self.error(
                number,
                format!("there is no {path}: everybody is refused"),
                "make it, or drop config=",
            );
        }
    }

    /// The line that asks for a code after the password.
    fn interactive(&mut self, at: usize, line: &Line) {
        let mut password = false;
        for (place, entry) in self.entries.iter().enumerate().take(at) {
            if !entry.is_in(Phase::Auth) {
                continue;
            }
            password |= self.takes_password(entry, Phase::Auth);
            self.passes_over(place, entry, at, line);
        }
        if !password {
            match line.control.action("success") {
                Action::Done | Action::Jump(_) => self.error(
                    line.number,
                    "no password module stands before it: a right code is enough",
                    "put the line after the password modules",
                ),
                _ => self.warning(
                    line.number,
                    "no password module stands before it: the code is asked for first",
                    "put the line after the password modules",
                ),
            }
        }
        self.ignored(line, "users who are not enrolled are refused, whatever the policy says");
    }

    /// Whether an earlier line can end the stack, or jump, so that the code is never asked for.
    fn passes_over(&mut self, place: usize, entry: &Entry, at: usize, line: &Line) {
        let remedy = "a right password must go on to the pam_twostep.so line";
        match entry {
            Entry::Include(include) => {
                if let Some(ending) = self.ends_in(include) {
                    let message = format!(
                        "{} line {ending} ends the stack, so that line {} never asks",
                        include.file, line.number
                    );
                    self.error(
                        include.number,
                        message,
                        "auth substack instead of include, or mend that line",
                    );
                }
            }
            Entry::Module(earlier) if earlier.module_name() == MODULE => {}
            Entry::Module(earlier) => {
                let over = match earlier.control.action("success") {
                    Action::Done => true,
                    Action::Jump(lines) => self.jumps_over(place, at, lines),
                    _ => false,
                };
                // Root becoming somebody else is asked for nothing, neither password nor code.
                if !over || earlier.module_name() == "pam_rootok.so" {
                    return;
                }
                let message = format!(
                    "who passes {} here is never asked for a code by line {}",
                    earlier.module_name(),
                    line.number
                );
                if self.takes_password(entry, Phase::Auth) {
                    self.error(earlier.number, message, remedy);
                } else {
                    self.warning(earlier.number, message, remedy);
                }
            }
        }
    }

    /// Lines of an included file are not counted: then nothing is said.
    fn jumps_over(&self, from: usize, to: usize, lines: usize) -> bool {
        let between = self.entries.iter().take(to).skip(from + 1).filter(|entry| entry.is_in(Phase::Auth));
        let mut count = 0;
        for entry in between {
            match entry {
                Entry::Include(_) => return false,
                Entry::Module(_) => count += 1,
            }
        }
        lines > count
    }

    /// Whether an entry is, or brings in, a module that takes the account password.
    pub(crate) fn takes_password(&self, entry: &Entry, phase: Phase) -> bool {
        if !entry.is_in(phase) {
            return false;
        }
        match entry {
            Entry::Module(line) => PASSWORD_MODULES.contains(&line.module_name()),
            Entry::Include(include) => match self.files.get(base(&include.file)) {
                Some(entries) => entries.iter().any(|inner| match inner {
                    Entry::Module(line) => {
                        line.phase == phase && PASSWORD_MODULES.contains(&line.module_name())
                    }
                    Entry::Include(_) => inner.is_in(phase),
                }),
                None => true,
            },
        }
    }

    /// The line of an included file on which a right password ends the whole stack.
    fn ends_in(&self, include: &Include) -> Option<usize> {
        if include.substack {
            return None;
        }
        self.files.get(base(&include.file))?.iter().find_map(|entry| match entry {
            Entry::Module(line) if self.takes_password(entry, Phase::Auth) => {
                (line.control.action("success") == Action::Done).then_some(line.number)
            }
            _ => None,
        })
    }

    pub(crate) fn ignored(&mut self, line: &Line, message: &str) {
        if line.control.refuses() && matches!(line.control.action("ignore"), Action::Bad | Action::Die) {
            self.warning(line.number, message, "add ignore=ignore");
        }
    }

    pub(crate) fn error(&mut self, number: usize, message: impl Into<String>, remedy: impl Into<String>) {
        self.findings.push(Finding::error(self.at(number), message, remedy));
    }

    pub(crate) fn warning(&mut self, number: usize, message: impl Into<String>, remedy: impl Into<String>) {
        self.findings.push(Finding::warning(self.at(number), message, remedy));
    }

    fn at(&self, number: usize) -> String {
        format!("{}:{number}", self.path.display())
    }
}

/// A file's name without its folder: `@include /etc/pam.d/common-auth` is the same as `@include common-auth`.
pub(crate) fn base(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

pub(crate) fn ends(control: &Control) -> bool {
    matches!(control.action("success"), Action::Done | Action::Jump(_))
}
