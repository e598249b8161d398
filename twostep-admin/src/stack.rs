//! One PAM stack, as far as its pam_twostep.so lines go: each by itself and beside its neighbours. What is looked for are the
//! mistakes that open a door or lock one. What they come to together is played through by
//! [`crate::pam::judge`].

use crate::check::{Finding, Id};
use crate::stacks::{Files, MODULE};
use std::path::{Path, PathBuf};
use twostep_core::name::ServiceName;
use twostep_core::policy::Policy;
use twostep_core::protocol::Mode;
use twostep_core::time::UnixTime;
use twostep_stacks::{Action, Code, Control, Entry, Line, Phase, Place, takes_password};

pub(crate) const INTERACTIVE_LINE: &str = "auth required pam_twostep.so";
pub(crate) const ONE_PROMPT_LINE: &str = "auth required pam_twostep.so one-prompt";
pub(crate) const ACCOUNT_LINE: &str = "account required pam_twostep.so";
/// The word of a line that is an `app` line on the services that `[app] services` lists, and does nothing on all others.
pub(crate) const APP_SERVICES: &str = "app-services";
pub(crate) const SKIPPING: &str = "[success=done ignore=ignore default=die]";
/// One file.
pub(crate) struct Stack<'a> {
    pub(crate) name: &'a str,
    pub(crate) path: PathBuf,
    pub(crate) entries: &'a [Entry],
    pub(crate) files: &'a Files,
    pub(crate) policy: Option<&'a Policy>,
    /// The file that the policy is from, or should be.
    pub(crate) config: &'a Path,
    pub(crate) now: UnixTime,
    pub(crate) findings: Vec<Finding>,
    /// The lines of ours in its auth phase, wherever they stand.
    pub(crate) lines: Vec<AuthLine>,
}

/// A line of the auth phase that a service comes to, as far as rules of the configuration have to do with it.
#[derive(Clone, Debug)]
pub(crate) struct AuthLine {
    pub(crate) place: Place,
    /// By the word that stands on it.
    pub(crate) mode: Mode,
    /// Whether success is enough there, so that a code taken there would stand for the password.
    pub(crate) ends: bool,
    /// The configuration that it names.
    pub(crate) config: Option<PathBuf>,
}

impl Stack<'_> {
    /// Whether the file names the module. Of a file that others include only the lines themselves are judged: where they come to
    /// stand is the others' affair.
    pub(crate) fn check(&mut self, included: bool) -> bool {
        let entries = self.entries;
        let ours = |entry: &&Entry| matches!(entry, Entry::Module(line) if line.module_name() == MODULE);
        for (at, entry) in entries.iter().enumerate().filter(|(_, entry)| ours(entry)) {
            let Entry::Module(line) = entry else { continue };
            let said = self.line(line);
            let Some(mode) = self.meant(line, said) else {
                self.idle(line, included);
                continue;
            };
            match (line.phase, mode) {
                _ if included => {}
                (Phase::Auth, Mode::ByService) => self.interactive(at, line),
                (Phase::Auth, Mode::App | Mode::AfterKey) => self.before_password(at, line, mode),
                (Phase::Auth, Mode::OnePrompt) => self.one_prompt(at, line),
                (Phase::Account, Mode::ByService | Mode::AfterKey | Mode::OnePrompt) => {
                    self.account(at, line)
                }
                _ => {}
            }
        }
        entries.iter().any(|entry| ours(&entry))
    }

    /// What a line is by the configuration's list, where its words leave that open. With [`Mode::ByService`] it asks for a code. None where
    /// it does nothing for this service.
    fn meant(&self, line: &Line, said: Mode) -> Option<Mode> {
        match said {
            Mode::App if !self.is_listed() && line.words.iter().any(|word| word == APP_SERVICES) => None,
            Mode::ByService if self.is_listed() => Some(Mode::App),
            said => Some(said),
        }
    }

    /// An [`APP_SERVICES`] line in the file of a service that is not listed.
    fn idle(&mut self, line: &Line, included: bool) {
        if !included && line.phase == Phase::Auth {
            let message = format!("{APP_SERVICES} does nothing here: {} is not in [app] services", self.name);
            let remedy = "list it there, or write app instead, if it is to take app passwords";
            self.findings.push(Finding::note(
                Id::AppServicesNotListed,
                self.at(line.number),
                message,
                remedy,
            ));
        }
    }

    /// Whether the configuration lists the service as an app service. A file whose name can be no service's is in no list.
    pub(crate) fn is_listed(&self) -> bool {
        let service = ServiceName::parse(self.name).ok();
        let listed = |policy: &Policy| service.is_some_and(|name| policy.app.services.value.contains(&name));
        self.policy.is_some_and(listed)
    }

    /// What can be said of a line by itself.
    fn line(&mut self, line: &Line) -> Mode {
        if line.dash {
            let message = "the dash keeps it out of the log that the module is not there, where the line refuses everybody";
            self.warning(Id::LineWithDash, line.number, message, "write the line without the dash");
        }
        if let Some(fault) = line.control.fault() {
            let message = format!("libpam cannot read its control ({fault}): everybody is refused");
            self.error(
                Id::LineControlUnreadable,
                line.number,
                message,
                "pam.conf(5) has the words; pam-auth-update alone knows `end`",
            );
        }
        if line.module.starts_with('/') && !Path::new(&line.module).exists() {
            let message = format!("there is no {}", line.module);
            self.error(
                Id::LineModuleMissing,
                line.number,
                message,
                "install the module, or name it pam_twostep.so alone",
            );
        }
        self.listing(line);
        let (mut mode, mut said) = (Mode::ByService, 0);
        for word in &line.words {
            match (word.as_str(), word.split_once('=')) {
                ("app" | APP_SERVICES, _) => (mode, said) = (Mode::App, said + 1),
                ("after-key", _) => (mode, said) = (Mode::AfterKey, said + 1),
                ("one-prompt", _) => (mode, said) = (Mode::OnePrompt, said + 1),
                ("debug" | "echo", _) | (_, Some(("prompt", _))) => {}
                (_, Some(("config", path))) => self.configuration(line.number, path),
                (unknown, _) => self.error(
                    Id::LineWordUnknown,
                    line.number,
                    format!("the module does not know the word {unknown:?} and refuses everybody"),
                    "known: app, app-services, after-key, one-prompt, prompt=TEXT, echo, config=PATH, debug; in [ ] where there are blanks",
                ),
            }
        }
        if said > 1 {
            self.error(
                Id::LineModeTwice,
                line.number,
                "one line is app, app-services, after-key or one-prompt, and says so once: everybody is refused",
                "write two lines",
            );
        }
        if !line.control.refuses() && matches!(line.phase, Phase::Auth | Phase::Account) {
            let remedy = match (line.phase, mode) {
                (Phase::Account, _) => ACCOUNT_LINE.to_owned(),
                (_, Mode::OnePrompt) => ONE_PROMPT_LINE.to_owned(),
                _ => format!("{INTERACTIVE_LINE}, or for app services auth {SKIPPING} {MODULE} app"),
            };
            self.error(
                Id::LineRefusesNobody,
                line.number,
                "with this control a refusal does not refuse",
                remedy,
            );
        }
        mode
    }

    /// Where a line has its list of app services from.
    fn listing(&mut self, line: &Line) {
        if !line.words.iter().any(|word| word == APP_SERVICES) {
            return;
        }
        let config = line.words.iter().find_map(|word| word.strip_prefix("config=").map(Path::new));
        match config {
            Some(config) if config != self.config => self.warning(
                Id::LineConfigOther,
                line.number,
                format!("goes by the list in {}, which was not looked at", config.display()),
                format!("twostep-admin --config {} check", config.display()),
            ),
            None if !self.config.exists() => self.error(
                Id::AppServicesUnlisted,
                line.number,
                format!(
                    "{APP_SERVICES} refuses everybody without a {} that lists them",
                    self.config.display()
                ),
                "make that file; an empty one stands for the defaults",
            ),
            _ => {}
        }
    }

    fn configuration(&mut self, number: usize, path: &str) {
        if !path.starts_with('/') {
            self.error(
                Id::LineConfigRelative,
                number,
                format!("{path:?} is no absolute path: everybody is refused"),
                "begin it with /",
            );
        } else if !Path::new(path).exists() {
            self.error(
                Id::LineConfigMissing,
                number,
                format!("there is no {path}: everybody is refused"),
                "make it, or drop config=",
            );
        }
    }

    /// The line that asks for a code after the password.
    fn interactive(&mut self, at: usize, line: &Line) {
        let password = self.entries.iter().take(at).any(|entry| self.takes_password(entry, Phase::Auth));
        if !password {
            match line.control.of(Code::SUCCESS) {
                Action::Done | Action::Jump(_) => self.error(
                    Id::CodeAloneOpens,
                    line.number,
                    "no password module stands before it: a right code is enough",
                    "put the line after the password modules",
                ),
                _ => self.warning(
                    Id::CodeBeforePassword,
                    line.number,
                    "no password module stands before it: the code is asked for first",
                    "put the line after the password modules",
                ),
            }
        }
        self.ignored(line, "users who are not enrolled are refused, whatever the policy says");
    }

    /// Whether an entry is, or brings in, a module that takes the account password.
    pub(crate) fn takes_password(&self, entry: &Entry, phase: Phase) -> bool {
        if !entry.is_in(phase) {
            return false;
        }
        match entry {
            Entry::Module(line) => takes_password(line.module_name()),
            Entry::Include(include) => {
                match include.file.as_ref().and_then(|file| self.files.get(base(file))) {
                    Some(entries) => entries.iter().any(|inner| match inner {
                        Entry::Module(line) => line.phase == phase && takes_password(line.module_name()),
                        Entry::Include(_) => inner.is_in(phase),
                        Entry::Bad(_) => false,
                    }),
                    None => true,
                }
            }
            Entry::Bad(_) => false,
        }
    }

    pub(crate) fn ignored(&mut self, line: &Line, message: &str) {
        let bad = matches!(line.control.of(Code::IGNORE), Action::Bad | Action::Die);
        if bad && line.control.refuses() && line.control.fault().is_none() {
            self.warning(Id::LineRefusesUnenrolled, line.number, message, "add ignore=ignore");
        }
    }

    pub(crate) fn error(
        &mut self,
        id: Id,
        number: usize,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.findings.push(Finding::error(id, self.at(number), message, remedy));
    }

    pub(crate) fn warning(
        &mut self,
        id: Id,
        number: usize,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.findings.push(Finding::warning(id, self.at(number), message, remedy));
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
    matches!(control.of(Code::SUCCESS), Action::Done | Action::Jump(_))
}

#[cfg(test)]
#[path = "stack_tests.rs"]
mod tests;
