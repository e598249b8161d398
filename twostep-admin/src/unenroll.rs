//! `unenroll`: turns two-step off.

use crate::cli::Confirmed;
use crate::consent;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::Report;
use serde::Serialize;
use twostep_core::change::Action;
use twostep_terminal::put_line;

/// Carries it out; for an account that is gone, too.
pub(crate) fn run(context: &Context, wanted: &Confirmed) -> Result<(), Failure> {
    let subject = context.subject(&wanted.user)?;
    let enrollment = subject.enrolled()?;
    let user = &subject.name;
    consent::obtain(
        wanted.consent,
        &format!("Authenticators, backup codes and app passwords of {user} will be deleted."),
    )?;
    context
        .session()?
        .unenroll(enrollment.id, Action::Unenroll, &context.author, context.now.wall)
        .map_err(|refusal| Failure::refused(user, refusal))?;
    context.audit(user, Action::Unenroll, None);
    context.output.report(&Unenrolled { user: user.as_str(), state: "none" })
}

#[derive(Serialize)]
struct Unenrolled<'a> {
    user: &'a str,
    state: &'a str,
}

impl Report for Unenrolled<'_> {
    fn text(&self, to: &mut String) {
        put_line!(to, "{} is not enrolled any more.", self.user);
    }
}
