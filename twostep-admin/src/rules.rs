//! The rules of the configuration, as `check` looks at them: whom they let in without a second step, which are dead weight, whose names
//! NSS does not know, and which demand what a service's stack cannot ask for.

mod odds;

use crate::check::{Finding, Id};
use crate::stacks::Seen;
use std::fmt::Display;
use std::path::Path;
use std::time::Duration;
use twostep_core::break_glass::is_console;
use twostep_core::device::DeviceKind;
use twostep_core::name::ServiceName;
use twostep_core::policy::{KeyWorth, Origin, Policy, Setting};
use twostep_core::ports::{Directory, DirectoryFailed};
use twostep_core::rule::{Glob, Rule};
use twostep_core::time::UnixTime;
use twostep_store::host::Nss;

/// How long before its end an exemption is told of.
const SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// All findings about them. `now` is what the clock says.
pub(crate) fn check(policy: &Policy, file: &Path, now: UnixTime, stacks: &Seen) -> Vec<Finding> {
    let mut look = Look { policy, file, at: now.max(policy.written), directory: &Nss, findings: Vec::new() };
    look.clock(now);
    look.trust(&policy.interactive.trust);
    look.ssh_keys(&policy.interactive.ssh_keys);
    for rule in &policy.rules {
        if rule.is_over(look.at) {
            look.over(rule);
            continue;
        }
        if rule.is_exemption() {
            look.exemption(rule);
        }
        if let Some(trust) = &rule.trust {
            look.trust(trust);
        }
        if let Some(worth) = &rule.ssh_keys {
            look.ssh_keys(worth);
        }
    }
    look.names();
    look.at_odds(stacks);
    look.findings
}

/// The rules that can decide a login to a service, in order; none stands for no rule, where no other is certain to.
pub(crate) fn reached<'a>(policy: &'a Policy, service: &ServiceName, at: UnixTime) -> Vec<Option<&'a Rule>> {
    let mut reached = Vec::new();
    for rule in policy.rules.iter().filter(|rule| !rule.is_over(at) && rule.is_for(service)) {
        reached.push(Some(rule));
        if rule.goes_by_service_alone() {
            return reached;
        }
    }
    reached.push(None);
    reached
}

/// Whether a rule is for services of which none can prove that it is at the console that the rule names: getty starts login there, and
/// nothing else.
fn names_unproven_console(rule: &Rule) -> bool {
    let consoles = ["console", "tty1", "tty7", "ttyS0", "ttyAMA0", "hvc0"];
    let is_console =
        |tty: &Glob| consoles.iter().any(|console| tty.matches(console)) || is_console(tty.as_str());
    rule.ttys.as_deref().is_some_and(|ttys| ttys.iter().any(is_console))
        && rule.services.as_deref().is_some_and(|all| !all.iter().any(|service| service.matches("login")))
}

struct Look<'a> {
    policy: &'a Policy,
    file: &'a Path,
    /// The time by which the policy goes.
    at: UnixTime,
    directory: &'a dyn Directory,
    findings: Vec<Finding>,
}

impl Look<'_> {
    /// The policy goes by the later of the clock and the file's own time.
    fn clock(&mut self, now: UnixTime) {
        let written = self.policy.written;
        if written > now {
            let message = format!(
                "was written at {} by its time stamp, which is ahead of this host's clock: until then, dates in it are judged by that time",
                crate::output::time(written)
            );
            let remedy = format!("set the clock if it is behind; else touch {}", self.file.display());
            self.warning(Id::ConfigurationAhead, self.file.display(), message, remedy);
        }
    }

    fn over(&mut self, rule: &Rule) {
        let day = rule.last_day().unwrap_or_default();
        let message = format!("this rule's last day was {day}: it does nothing any more");
        self.warning(Id::RuleOver, self.place(rule.origin), message, "take it out");
    }

    fn exemption(&mut self, rule: &Rule) {
        let place = self.place(rule.origin);
        let last_day = rule.last_day();
        let message = format!(
            "an exemption: whoever it matches gives no code and no app password; reason: {}; owner: {}; last day: {}",
            rule.reason.as_deref().unwrap_or("none given"),
            rule.owner.as_deref().unwrap_or("none given"),
            last_day.as_deref().unwrap_or("none, it does not end"),
        );
        let missing: Vec<_> = [
            ("reason", rule.reason.is_none()),
            ("owner", rule.owner.is_none()),
            ("until", rule.until.is_none()),
        ]
        .into_iter()
        .filter_map(|(key, is_missing)| is_missing.then_some(key))
        .collect();
        let remedy = match missing[..] {
            [] => "see whether it is needed still".to_owned(),
            _ => format!("see whether it is needed still, and add: {}", missing.join(", ")),
        };
        self.findings.push(Finding::note(Id::Exemption, &place, message, remedy));
        if let (Some(until), Some(day)) = (rule.until, last_day)
            && until <= self.at.plus(SOON)
        {
            let message =
                format!("this exemption's last day is {day}: from then on a second step is demanded");
            let remedy = "have them enrolled who need it until then, or set a later `until`";
            self.warning(Id::ExemptionEndsSoon, &place, message, remedy);
        }
        if rule.is_for_everybody() {
            let message = "this exemption has no condition: everybody is exempt, everywhere";
            self.warning(
                Id::ExemptionForEverybody,
                &place,
                message,
                "say for whom or for which service it is",
            );
        } else if rule.is_from_anywhere() {
            let message = "`from` of this exemption holds every address of IPv4 or IPv6: whoever comes over the network is exempt, as far as \
                           its other conditions go";
            self.warning(Id::ExemptionFromAnywhere, &place, message, "name the networks that are meant");
        } else if names_unproven_console(rule) {
            let message = "this exemption names a console for a service that does not run on it as login does: it matches nobody there";
            let remedy = "leave out `tty`, and name the service alone";
            self.warning(Id::ExemptionConsoleUnproven, &place, message, remedy);
        }
    }

    fn trust(&mut self, trust: &Setting<Vec<DeviceKind>>) {
        if trust.value.contains(&DeviceKind::Address) {
            let days = self.policy.interactive.trust_for.as_secs() / (24 * 60 * 60);
            let message = format!(
                "addresses can be trusted: whoever comes from there with a user's password, from behind the same router too, needs no \
                 code of hers for {days} days"
            );
            let remedy = "trust = [\"key\"] trusts what one person has";
            self.findings.push(Finding::note(
                Id::AddressesTrusted,
                self.place(trust.origin),
                message,
                remedy,
            ));
        }
    }

    fn ssh_keys(&mut self, worth: &Setting<KeyWorth>) {
        if worth.value == KeyWorth::Enough {
            let message = "ssh_keys = \"enough\": whoever has a copy of a key file, or an agent that is forwarded to them, signs in without \
                           password and code";
            let remedy = "security_keys = \"enough\" takes keys that cannot be copied";
            self.findings.push(Finding::note(Id::SshKeysEnough, self.place(worth.origin), message, remedy));
        }
    }

    /// Users and groups that NSS does not know.
    fn names(&mut self) {
        let (policy, at) = (self.policy, self.at);
        for rule in policy.rules.iter().filter(|rule| !rule.is_over(at)) {
            if let Err(DirectoryFailed(cause)) = self.names_of(rule) {
                let remedy = "getent must work: is the directory service running?";
                self.findings.push(Finding::error(
                    Id::NameServiceFails,
                    self.place(rule.origin),
                    cause,
                    remedy,
                ));
                // They would all say the same.
                return;
            }
        }
    }

    fn names_of(&mut self, rule: &Rule) -> Result<(), DirectoryFailed> {
        let place = self.place(rule.origin);
        let whoever =
            if rule.is_exemption() { "; whoever gets it is exempt" } else { "; the rule passes over it" };
        let naming = &self.policy.app.naming;
        for user in rule.users.iter().flatten() {
            let (id, message) = match self.directory.find(user.as_str())? {
                None if naming.virtual_users => match naming.user(user.as_str()) {
                    Some(meant) if meant != *user => {
                        let message = format!(
                            "names the user {user}, whom NSS does not know; the virtual user of that name is {meant}"
                        );
                        self.warning(Id::RuleUserMisnamed, &place, message, format!("write {meant}"));
                        continue;
                    }
                    _ => continue,
                },
                None => {
                    (Id::RuleUserUnknown, format!("names the user {user}, whom NSS does not know{whoever}"))
                }
                Some(person) if person.name != *user && rule.is_exemption() => {
                    let name = person.name;
                    let message =
                        format!("names the user {user}, whose name is {name} by NSS: it matches nobody");
                    (Id::RuleUserMisnamed, message)
                }
                Some(_) => continue,
            };
            self.warning(id, &place, message, "mend the name, or leave it out");
        }
        for group in rule.groups.iter().flatten() {
            if !Nss.has_group(group)? {
                let doubt = if rule.is_exemption() {
                    "nobody is exempt by that"
                } else {
                    "anybody may be of it, and what the rule demands is demanded of all"
                };
                let message = format!("names the group {group}, which NSS does not know: {doubt}");
                let remedy =
                    format!("correct the name, or groupadd {group}; getent group {group} must find it");
                self.findings.push(Finding::error(Id::RuleGroupUnknown, &place, message, remedy));
            }
        }
        Ok(())
    }

    fn warning(
        &mut self,
        id: Id,
        place: impl Display,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.findings.push(Finding::warning(id, place, message, remedy));
    }

    fn place(&self, origin: Origin) -> String {
        match origin {
            Origin::Line(line) => format!("{}:{line}", self.file.display()),
            Origin::Default | Origin::Always => self.file.display().to_string(),
        }
    }
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
