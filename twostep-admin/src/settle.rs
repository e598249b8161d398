//! `settle`: an account that was deleted and made anew, or whose uid was changed.

use crate::cli::Settle;
use crate::consent;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::Report;
use serde::Serialize;
use twostep_core::change::Action;
use twostep_terminal::put_line;

/// Carries it out.
pub(crate) fn run(context: &Context, wanted: &Settle) -> Result<(), Failure> {
    let subject = context.subject(&wanted.user)?;
    let enrollment = subject.enrolled()?;
    let user = &subject.name;
    // An account that is gone has nobody to keep the enrollment for.
    let now = match &subject.person {
        None if wanted.keep => return Err(Failure::AccountGone(user.clone())),
        person => person.as_ref().map(|person| person.uid),
    };
    let at = context.now.wall;
    let refused = |refusal| Failure::refused(user, refusal);
    let outcome = if now == Some(enrollment.uid) {
        Outcome::Nothing
    } else if let (true, Some(uid)) = (wanted.keep, now) {
        context.session()?.keep_for_uid(enrollment.id, uid, &context.author, at).map_err(refused)?;
        context.audit(user, Action::SettleKeep, None);
        Outcome::Kept
    } else {
        consent::obtain(wanted.consent, &format!("The enrollment of {user} will be deleted."))?;
        let action = Action::SettleDrop;
        context.session()?.unenroll(enrollment.id, action, &context.author, at).map_err(refused)?;
        context.audit(user, Action::SettleDrop, None);
        Outcome::Dropped
    };
    context.output.report(&Settled { user: user.as_str(), settled: outcome, was: enrollment.uid, is: now })
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Nothing,
    Kept,
    Dropped,
}

#[derive(Serialize)]
struct Settled<'a> {
    user: &'a str,
    settled: Outcome,
    was: u32,
    is: Option<u32>,
}

impl Report for Settled<'_> {
    fn text(&self, to: &mut String) {
        let Self { user, was, .. } = self;
        match (self.settled, self.is) {
            (Outcome::Nothing, _) => {
                put_line!(to, "nothing to settle: {user} is enrolled as uid {was}, and that is the account's")
            }
            (Outcome::Kept, Some(is)) => {
                put_line!(to, "kept: {user}'s enrollment was made for uid {was} and holds for uid {is} now")
            }
            _ => put_line!(to, "dropped: {user}'s enrollment, made for uid {was}, is deleted"),
        }
    }
}
