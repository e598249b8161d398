//! `bypass`: a code for a day without the phone.

use crate::cli::BypassArguments;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::time;
use twostep_core::backup_code::BackupCode;
use twostep_core::change::Action;
use twostep_store::host::Kernel;
use twostep_terminal::BypassCode;

/// Carries it out.
pub(crate) fn run(context: &Context, wanted: &BypassArguments) -> Result<(), Failure> {
    let subject = context.subject(&wanted.user)?;
    let (enrollment, user) = (subject.settled()?, &subject.name);
    let code = BackupCode::generate(&mut Kernel)?;
    let (session, author) = (context.session()?, &context.author);
    let until = session
        .give_bypass_code(enrollment.id, &code, wanted.lifetime, wanted.uses, author, &context.now)
        .map_err(|refusal| Failure::refused(user, refusal))?;
    drop(session);
    context.audit(user, Action::Bypass, None);
    let (until, uses) = (time(until), wanted.uses);
    context.output.report(&BypassCode { user: user.as_str(), code: &code.grouped(), until, uses })
}
