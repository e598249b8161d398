//! The line of the account phase: whether it is there, and where it stands.

use crate::check::Id;
use crate::rules;
use crate::stack::{ACCOUNT_LINE, Stack, base, ends};
use crate::stacks::MODULE;
use twostep_core::attempt::ServiceClass;
use twostep_core::decide::Terms;
use twostep_core::name::ServiceName;
use twostep_core::policy::{Origin, Policy};
use twostep_core::protocol::Mode;
use twostep_core::schedule::Unenrolled;
use twostep_core::time::UnixTime;
use twostep_stacks::{Entry, Line, Phase};

impl Stack<'_> {
    /// The line of the account phase.
    pub(crate) fn account(&mut self, at: usize, line: &Line) {
        let before = self.entries.iter().take(at).find(|entry| self.takes_password(entry, Phase::Account));
        if let Some(number) = before.map(Entry::number) {
            let message =
                format!("line {number} stands before it; for an expired password the stack ends there");
            self.warning(
                Id::AccountLineLate,
                line.number,
                message,
                format!("put it before that one: {ACCOUNT_LINE}"),
            );
        }
        if line.control.refuses() && ends(&line.control) {
            let message = "it ends the account phase: nobody looks whether the account has expired";
            self.error(Id::AccountLineEnds, line.number, message, ACCOUNT_LINE);
        }
    }

    /// Whether users set two-step up while they sign in here, now or some day.
    pub(crate) fn enrolls(&self) -> bool {
        self.policy.is_some_and(|policy| enrolls(policy, self.name, Mode::ByService, self.now).is_some())
    }

    /// An auth line for prompts wants an account line.
    pub(crate) fn pair(&mut self, modes: &[(Mode, &Line)]) {
        let account = |entry: &Entry| matches!(entry, Entry::Module(line) if line.phase == Phase::Account && line.module_name() == MODULE);
        let here = self.entries.iter().any(account);
        let there = self.entries.iter().any(|entry| match entry {
            Entry::Include(include) if entry.is_in(Phase::Account) => include
                .file
                .as_ref()
                .and_then(|file| self.files.get(base(file)))
                .is_some_and(|entries| entries.iter().any(account)),
            _ => false,
        });
        let Some((mode, line)) = modes.iter().find(|(mode, _)| *mode != Mode::App) else { return };
        if here || there {
            return;
        }
        let remedy = format!("before the other account lines: {ACCOUNT_LINE}");
        let enroll = self.policy.and_then(|policy| enrolls(policy, self.name, *mode, self.now));
        if let Some(origin) = enroll {
            let message = format!(
                "no account line, where users set two-step up when it is demanded of them ({origin}): they get in by password alone"
            );
            self.error(Id::AccountLineMissingToEnroll, line.number, message, remedy.clone());
        }
        if self.name == "sshd" {
            self.error(
                Id::AccountLineMissingForKeys,
                line.number,
                "no account line: an ssh key alone opens, without a code",
                remedy,
            );
        } else if enroll.is_none() {
            self.warning(
                Id::AccountLineMissing,
                line.number,
                "no account line: a first code turns no pending enrollment on",
                remedy,
            );
        }
    }
}

/// Where it is said that users set two-step up while they sign in to a service, now or some day.
fn enrolls(policy: &Policy, service: &str, mode: Mode, now: UnixTime) -> Option<Origin> {
    let service = ServiceName::parse(service).ok()?;
    rules::reached(policy, &service, now).into_iter().find_map(|rule| {
        let terms = Terms::of(policy, rule, mode, &service).ok()?;
        let enrolls = terms.class == ServiceClass::Interactive
            && terms.settled().is_none()
            && terms.unenrolled.value.comes_to(Unenrolled::Enroll, now);
        enrolls.then_some(terms.unenrolled.origin)
    })
}
