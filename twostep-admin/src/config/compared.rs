//! A configuration that is not in force yet, beside the one that is.

use super::demands::{Change, Comparison, Side, USERS_MAX};
use super::settings::{Rules, Setting, differing};
use super::snapshot::{Once, Snapshot};
use crate::check::{self, Finding, Id, Severity};
use crate::failure::Failure;
use crate::output::{Report, counted};
use crate::{nss, stacks};
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::Path;
use twostep_core::config::Diagnostic;
use twostep_core::name::UserName;
use twostep_core::policy::Policy;
use twostep_store::host::{self, Nss};
use twostep_store::vault::Files;
use twostep_terminal::put_line;

/// How many users are named; JSON has all.
const NAMED: usize = 10;

/// What is compared.
pub(super) struct Both<'a> {
    /// What messages call the new one.
    pub(super) name: &'a Path,
    /// The file in force.
    pub(super) file: &'a Path,
    /// Its policy; none where it cannot be used.
    pub(super) before: Option<&'a Policy>,
    pub(super) after: &'a Policy,
    pub(super) pam_dir: &'a Path,
    /// Whose own way in is looked at.
    pub(super) editor: Option<&'a UserName>,
}

/// What there is to say of it.
#[derive(Debug, Serialize)]
pub(super) struct Compared {
    pub(super) file: String,
    /// Whether it can be put in force.
    pub(super) ok: bool,
    pub(super) mistakes: Vec<Mistake>,
    /// The file that it was compared with; null where that cannot be used, or is this one.
    pub(super) compared_with: Option<String>,
    pub(super) changes: Vec<Change>,
    pub(super) settings: Vec<Setting>,
    pub(super) rules: Rules,
    pub(super) findings: Vec<Finding>,
    /// What could not be looked at, and whom it shuts out.
    pub(super) warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Mistake {
    line: usize,
    column: usize,
    message: String,
    hint: Option<String>,
    #[serde(skip)]
    rendered: String,
}

impl Compared {
    /// Of a file that cannot be used.
    pub(super) fn mistaken(name: &Path, mistakes: &[Diagnostic]) -> Self {
        let mistakes = mistakes.iter().map(|one| Mistake {
            line: one.line,
            column: one.column,
            message: one.message.clone(),
            hint: one.hint.clone(),
            rendered: one.render(name),
        });
        Self { ok: false, mistakes: mistakes.collect(), ..Self::nothing(name) }
    }

    fn nothing(name: &Path) -> Self {
        Self {
            file: name.display().to_string(),
            ok: true,
            mistakes: Vec::new(),
            compared_with: None,
            changes: Vec::new(),
            settings: Vec::new(),
            rules: Rules::default(),
            findings: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Of one that can be read.
    pub(super) fn of(both: &Both<'_>) -> Self {
        let now = host::now().wall;
        let at = now.max(both.after.written);
        let seen = |policy| stacks::check(both.pam_dir, Some(policy), both.file, at);
        let after = seen(both.after);
        let mut told = Self::nothing(both.name);
        told.findings = check::of_configuration(both.after, both.name, now, &after);
        told.findings.sort_by_key(|finding| finding.severity);
        told.ok = !told.findings.iter().any(is_refused);
        let before = both.before.unwrap_or(both.after);
        if both.before.is_some() {
            told.compared_with = Some(both.file.display().to_string());
            told.settings = differing(before, both.after);
            told.rules = Rules::differing(before, both.after);
        }
        let enrolled = match Files::of(before).session().and_then(|session| session.summaries(None)) {
            Ok(all) => all.into_iter().map(|one| one.enrollment).collect(),
            Err(error) => {
                told.warnings.push(format!("who is enrolled was not read ({error}): told as if nobody were"));
                Vec::new()
            }
        };
        let mut users: BTreeSet<UserName> = enrolled.iter().map(|one| one.user.clone()).collect();
        for rule in before.rules.iter().chain(&both.after.rules) {
            users.extend(rule.users.iter().flatten().cloned());
        }
        match nss::accounts_with_a_shell() {
            Ok(accounts) => users.extend(accounts.into_iter().map(|account| account.name)),
            Err(Failure::Nss(cause)) => told.warnings.push(format!("not all accounts were read: {cause}")),
            Err(error) => told.warnings.push(error.to_string()),
        }
        if users.len() > USERS_MAX {
            told.warnings.push(format!("only the first {USERS_MAX} of {} users were looked at", users.len()));
        }
        let directory = Once::of(&Nss);
        let before_stacks = seen(before);
        let mut comparison = Comparison {
            before: Side { policy: before, stacks: &before_stacks },
            after: Side { policy: both.after, stacks: &after },
            directory: &directory,
            vault: Snapshot(enrolled),
            file: both.file,
            now,
        };
        told.changes = comparison.changes(&users);
        if comparison.is_wired_nowhere() {
            told.warnings
                .push("no service's stack names pam_twostep.so: nothing is demanded of anybody".to_owned());
        }
        for (service, outcome) in both.editor.iter().flat_map(|editor| comparison.refusals(editor)) {
            let user = both.editor.map(ToString::to_string).unwrap_or_default();
            told.warnings.push(format!(
                "YOU would be shut out: {user} would be {} at {service}. Keep this session open, and try from another one",
                outcome.words
            ));
        }
        told
    }

    /// Whether anything is demanded of anybody, or set, that was not before.
    fn changes_nothing(&self) -> bool {
        self.changes.is_empty() && self.settings.is_empty() && self.rules.is_empty()
    }
}

/// An error that a file must not be put in force with. What a name service says today may be otherwise tomorrow, and the file may be edited
/// because it is down.
fn is_refused(finding: &Finding) -> bool {
    let by_names = [Id::NameServiceFails, Id::RuleGroupUnknown, Id::ProtectedGroupUnknown];
    finding.severity == Severity::Error && !by_names.contains(&finding.id)
}

impl Report for Compared {
    fn text(&self, to: &mut String) {
        for mistake in &self.mistakes {
            put_line!(to, "{}", mistake.rendered);
        }
        for finding in &self.findings {
            finding.text(to);
        }
        self.compared(to);
        for warning in &self.warnings {
            put_line!(to, "warning: {warning}");
        }
        match (self.mistakes.len(), self.ok) {
            (0, true) => put_line!(to, "{}: no mistakes", self.file),
            (0, false) => put_line!(to, "{}: cannot be used as long as there is an error", self.file),
            (n, _) => {
                put_line!(
                    to,
                    "{}: {}; as the configuration it would refuse every login",
                    self.file,
                    counted(n.try_into().unwrap_or(u32::MAX), "mistake")
                );
            }
        }
    }
}

impl Compared {
    fn compared(&self, to: &mut String) {
        let Some(file) = &self.compared_with else { return };
        if self.changes_nothing() {
            put_line!(to, "nothing changes against {file}");
            return;
        }
        put_line!(to, "changes against {file}:");
        for Setting { key, before, after, note } in &self.settings {
            put_line!(to, "  {key}: {before} -> {after}");
            if let Some(note) = note {
                put_line!(to, "    {note}");
            }
        }
        for rule in &self.rules.added {
            put_line!(to, "  new rule: {rule}");
        }
        for rule in &self.rules.removed {
            put_line!(to, "  rule that is gone: {rule}");
        }
        if self.rules.reordered {
            put_line!(to, "  rules: in another order, and the first that matches decides");
        }
        put_line!(to, "for whom:");
        for change in &self.changes {
            let place = change.place.as_ref().map(|place| format!(", {place}")).unwrap_or_default();
            let users = counted(change.users.len().try_into().unwrap_or(u32::MAX), "user");
            let names = change.users.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
            let more = match change.users.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let (service, before, after) = (&change.service, &change.before.words, &change.after.words);
            put_line!(to, "  {service}{place}: {users} more {after} (until now: {before}): {names}{more}");
        }
        if self.changes.is_empty() {
            put_line!(to, "  nobody is asked for anything else than today");
        }
    }
}
