//! `backup-codes`: a new set; the old one is dead.

use crate::cli::Confirmed;
use crate::consent;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::Report;
use serde::Serialize;
use twostep_core::backup_code::{BackupCode, SET};
use twostep_core::change::Action;
use twostep_store::host::Kernel;
use zeroize::Zeroizing;

/// Carries it out.
pub(crate) fn run(context: &Context, wanted: &Confirmed) -> Result<(), Failure> {
    let subject = context.subject(&wanted.user)?;
    let enrollment = subject.settled()?;
    if enrollment.is_app_only() {
        return Err(Failure::AppOnly(subject.name));
    }
    let left =
        context.session()?.summaries(Some(&subject.name))?.first().map_or(0, |summary| summary.backup_codes);
    if left > 0 {
        let user = &subject.name;
        consent::obtain(wanted.consent, &format!("{user}'s old backup codes ({left} unused) will be dead."))?;
    }
    let codes = make()?;
    context
        .session()?
        .replace_backup_codes(enrollment.id, &codes, &context.author, context.now.wall)
        .map_err(|refusal| Failure::refused(&subject.name, refusal))?;
    context.audit(&subject.name, Action::BackupCodes, None);
    let codes = shown(&codes);
    context.output.report(&Made {
        user: subject.name.as_str(),
        backup_codes: codes.iter().map(|code| code.as_str()).collect(),
    })
}

#[derive(Serialize)]
struct Made<'a> {
    user: &'a str,
    backup_codes: Vec<&'a str>,
}

impl Report for Made<'_> {
    fn text(&self, to: &mut String) {
        twostep_terminal::backup_codes(to, &self.backup_codes);
    }
}

/// A new set.
pub(crate) fn make() -> Result<Vec<BackupCode>, Failure> {
    (0..SET).map(|_| Ok(BackupCode::generate(&mut Kernel)?)).collect()
}

/// The set as it is shown, once.
pub(crate) fn shown(codes: &[BackupCode]) -> Vec<Zeroizing<String>> {
    codes.iter().map(BackupCode::grouped).collect()
}
