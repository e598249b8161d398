//! `check`: looks for mistakes, and says of each what it is, where, and what to do.

mod id;

use crate::cli::{Arguments, Check};
use crate::context::{configuration_path, policy};
use crate::failure::Failure;
use crate::output::{Output, Report};
use crate::pam::Stacks;
use crate::stacks::Seen;
use crate::{
    break_glass, broker, deadlines, health, hooks, name_service, neighbours, origin, rules, services,
    sshd_config, stacks, sudoers,
};
pub(crate) use id::Id;
use serde::Serialize;
use std::fmt::Display;
use std::path::Path;
use std::process::ExitCode;
use twostep_core::policy::Policy;
use twostep_core::time::UnixTime;
use twostep_store::configuration::ConfigError;
use twostep_store::host::{self, Nss};
use twostep_terminal::{one_line, put_line};

/// Carries it out. Exit status 1 where there is an error; warnings and notes leave it 0.
pub(crate) fn run(arguments: &Arguments, wanted: &Check) -> Result<ExitCode, Failure> {
    let mut findings = Vec::new();
    let policy = configuration(arguments, &mut findings);
    match &policy {
        Some(policy) => {
            findings.extend(health::check(policy));
            findings.extend(origin::check(policy, &wanted.etc));
            findings.extend(name_service::check(policy));
        }
        None => findings.push(Finding::note(
            Id::HostNotLookedAt,
            "key, store, clock",
            "not looked at: where they lie stands in the configuration",
            "mend that first",
        )),
    }
    let now = host::now().wall;
    // The time by which the policy goes, as in a login.
    let at = policy.as_ref().map_or(now, |policy| now.max(policy.written));
    let mut stacks = stacks::check(&wanted.pam_dir, policy.as_ref(), &configuration_path(arguments), at);
    findings.append(&mut stacks.findings);
    let host = Stacks::of(&wanted.pam_dir);
    findings.extend(break_glass::check::check(&wanted.etc, &wanted.trials, &host, &stacks));
    if let Some(policy) = &policy {
        findings.extend(broker::check(policy, &stacks));
        // A folder of stacks that is not this host's has nothing to do with its programs.
        if wanted.pam_dir.starts_with(&wanted.etc) {
            if let Some(lines) = stacks.lines.get("sshd") {
                findings.extend(sshd_config::check(&wanted.etc, lines, policy));
            }
            findings.extend(neighbours::check(&wanted.etc, &wanted.pam_dir, policy, &stacks));
            findings.extend(sudoers::check(&wanted.etc, policy, &stacks.wired));
        }
        findings.extend(services::findings(policy, &host, &configuration_path(arguments)));
        findings.extend(of_configuration(policy, &configuration_path(arguments), now, &stacks));
        if policy.app.revoke_on_password_change && !stacks.changes_passwords {
            let message =
                "no PAM stack has pam_twostep.so in a password line: a changed password revokes nothing";
            let remedy = "in /etc/pam.d/passwd and wherever else passwords are changed, after the password modules: \
                          password required pam_twostep.so";
            findings.push(Finding::warning(
                Id::PasswordLineMissing,
                "[app] revoke_on_password_change",
                message,
                remedy,
            ));
        }
    }
    findings.sort_by_key(|finding| finding.severity);
    let ok = findings.iter().all(|finding| finding.severity != Severity::Error);
    Output::of(arguments).report(&Checked { ok, findings })?;
    Ok(ExitCode::from(if ok { 0 } else { 1 }))
}

/// What is found by looking at the policy alone, beside the names and the stacks that it is for.
pub(crate) fn of_configuration(policy: &Policy, file: &Path, now: UnixTime, stacks: &Seen) -> Vec<Finding> {
    let mut findings = rules::check(policy, file, now, stacks);
    findings.extend(deadlines::check(policy, file, now));
    findings.extend(broker::configured(policy, &Nss));
    findings.extend(hooks::refused(&policy.app.hooks).map(|(key, refusal)| {
        let message = format!("is skipped, since users choose what root would run: {refusal}");
        Finding::error(Id::HookUnsafe, format!("[app] {key}"), message, hooks::REMEDY)
    }));
    findings
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// Somebody gets in who should not, or nobody does.
    Error,
    /// It will hurt some day, or costs something.
    Warning,
    /// Good to know.
    Note,
}

/// One thing found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) id: Id,
    pub(crate) severity: Severity,
    /// A file, with its line where there is one; or a user.
    pub(crate) subject: String,
    pub(crate) message: String,
    pub(crate) remedy: String,
}

impl Finding {
    pub(crate) fn error(
        id: Id,
        subject: impl Display,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::new(id, Severity::Error, subject, message, remedy)
    }

    pub(crate) fn warning(
        id: Id,
        subject: impl Display,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::new(id, Severity::Warning, subject, message, remedy)
    }

    pub(crate) fn note(
        id: Id,
        subject: impl Display,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::new(id, Severity::Note, subject, message, remedy)
    }

    /// Its lines.
    pub(crate) fn text(&self, to: &mut String) {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        let Self { id, message, remedy, .. } = self;
        let subject = one_line(&self.subject);
        put_line!(to, "{severity}: {subject}: {message} [{id}]\n  hint: {remedy}");
    }

    fn new(
        id: Id,
        severity: Severity,
        subject: impl Display,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { id, severity, subject: subject.to_string(), message: message.into(), remedy: remedy.into() }
    }
}

/// The policy, or what is wrong with it.
fn configuration(arguments: &Arguments, findings: &mut Vec<Finding>) -> Option<Policy> {
    let path = configuration_path(arguments);
    let file = path.display();
    match policy(arguments) {
        Ok(policy) => return Some(policy),
        Err(ConfigError::Mistakes(_, mistakes)) => findings.extend(mistakes.into_iter().map(|mistake| {
            let subject = format!("{file}:{}:{}", mistake.line, mistake.column);
            let remedy = mistake.hint.unwrap_or_else(|| "man 5 twostep.toml; every login is refused".into());
            Finding::error(Id::ConfigurationMistake, subject, mistake.message, remedy)
        })),
        Err(ConfigError::Untrusted(untrusted)) => {
            findings.push(Finding::error(
                Id::ConfigurationUntrusted,
                file,
                untrusted.to_string(),
                untrusted.remedy(),
            ));
        }
        Err(other) => findings.push(Finding::error(
            Id::ConfigurationUnreadable,
            file,
            other.to_string(),
            "write the file anew",
        )),
    }
    None
}

#[derive(Serialize)]
struct Checked {
    ok: bool,
    findings: Vec<Finding>,
}

impl Report for Checked {
    fn text(&self, to: &mut String) {
        for finding in &self.findings {
            finding.text(to);
        }
        let errors = self.findings.iter().filter(|finding| finding.severity == Severity::Error).count();
        match errors {
            0 => put_line!(to, "no errors"),
            1 => put_line!(to, "1 error"),
            n => put_line!(to, "{n} errors"),
        }
    }
}
