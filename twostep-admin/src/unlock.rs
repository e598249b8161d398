//! `unlock`: forgets a user's wrong codes. Without it, somebody at the cap could get in with a backup code only.

use crate::cli::User;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::Report;
use serde::Serialize;
use twostep_core::change::Action;
use twostep_terminal::put_line;

/// Carries it out.
pub(crate) fn run(context: &Context, wanted: &User) -> Result<(), Failure> {
    let subject = context.subject(&wanted.user)?;
    let enrollment = subject.enrolled()?;
    let failures = context
        .session()?
        .unlock_by_this_clock(enrollment.id, &context.author, context.now.wall)
        .map_err(|refusal| Failure::refused(&subject.name, refusal))?;
    context.audit(&subject.name, Action::Unlock, None);
    context.output.report(&Unlocked { user: subject.name.as_str(), failures_forgotten: failures })
}

#[derive(Serialize)]
struct Unlocked<'a> {
    user: &'a str,
    failures_forgotten: u32,
}

impl Report for Unlocked<'_> {
    fn text(&self, to: &mut String) {
        let forgotten = twostep_terminal::counted(self.failures_forgotten, "wrong code");
        put_line!(to, "{}: {forgotten} forgotten", self.user);
    }
}
