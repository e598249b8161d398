//! The line of the account phase: whether it is there, and where it stands.

use crate::check::{Finding, Id};
use crate::rules;
use crate::stack::{ACCOUNT_LINE, AuthLine, Stack, ends};
use twostep_core::attempt::ServiceClass;
use twostep_core::decide::Terms;
use twostep_core::name::ServiceName;
use twostep_core::policy::{Origin, Policy};
use twostep_core::protocol::Mode;
use twostep_core::schedule::Unenrolled;
use twostep_core::time::UnixTime;
use twostep_stacks::{Entry, Line, Phase, Place};

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
    pub(crate) fn pair(&mut self, has_account_line: bool) {
        let asks = |line: &&AuthLine| !matches!(self.comes_to(line.mode), Mode::App);
        let Some(AuthLine { place, mode, .. }) = self.lines.iter().find(asks) else { return };
        if has_account_line {
            return;
        }
        let remedy = format!("before the other account lines: {ACCOUNT_LINE}");
        let enroll = self.policy.and_then(|policy| enrolls(policy, self.name, *mode, self.now));
        if let Some(origin) = enroll {
            let message = format!(
                "no account line, where users set two-step up when it is demanded of them ({origin}): they get in by password alone"
            );
            self.findings.push(Finding::error(
                Id::AccountLineMissingToEnroll,
                place,
                message,
                remedy.clone(),
            ));
        }
        if self.name == "sshd" {
            let message = "no account line: an ssh key alone opens, without a code";
            self.findings.push(Finding::error(Id::AccountLineMissingForKeys, place, message, remedy));
        } else if enroll.is_none() {
            let message = "no account line: a first code turns no pending enrollment on";
            self.findings.push(Finding::warning(Id::AccountLineMissing, place, message, remedy));
        }
    }

    /// What a line that stands there by this word asks of this service's users.
    fn comes_to(&self, mode: Mode) -> Mode {
        if mode == Mode::ByService && self.is_listed() { Mode::App } else { mode }
    }

    /// Two lines on one way ask for a code each: the second has no use for the one that was just given.
    pub(crate) fn twice(&mut self, asked: &[Place]) {
        let [first, second, ..] = asked else { return };
        let message = format!("who has given a code to {first} is asked for another one here");
        let remedy = "take one of the two out: pam-auth-update --disable twostep-code, or twostep-admin pam disable SERVICE";
        self.findings.push(Finding::error(Id::CodeAskedTwice, second, message, remedy));
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
