//! The logins that break-glass.toml exempts. They are looked for before anything else is read: configuration, name service, store and
//! broker, and even the words on the module's line, may be what is broken.

use crate::guard::LOG;
use crate::phases::{Kept, Phase, was_accepted_by_sshd, wholly_root};
use crate::{ffi, service};
use pam::module::PamHandle;
use std::path::Path;
use twostep_core::break_glass::{Caller, Exemption, Place, find};
use twostep_core::event::{Event, Reason};
use twostep_core::ports::Audit;
use twostep_core::protocol::Verdict;
use twostep_host::break_glass::{PATH, read};

/// Whether the phase stands aside. An auth phase that does leaves a mark on the handle, which decides in the account phase: the file may
/// be another by then.
pub(crate) fn stands_aside(handle: &mut PamHandle, phase: Phase) -> bool {
    let is_marked = matches!(ffi::kept(handle), Some(Kept::BreakGlass(_)));
    match phase {
        Phase::Auth => {
            if is_marked {
                // The mark of an earlier try, perhaps of another name. If the handle does not take this, it takes no mark below either, and
                // the caller, which clears the handle once more, refuses.
                let _ = ffi::forget_kept(handle);
            }
            exempt(handle).is_some_and(|user| mark(handle, user))
        }
        Phase::Account if is_marked => holds(handle),
        // sshd has accepted a key, and asks PAM for nothing else.
        Phase::Account => {
            ffi::kept(handle).is_none() && was_accepted_by_sshd(handle) && exempt(handle).is_some()
        }
        Phase::Password => false,
    }
}

/// What a phase comes to. A password that has expired must be changed at once: where that cannot be judged, an exempt login is spared.
pub(crate) fn spared(handle: &mut PamHandle, phase: Phase, verdict: Verdict) -> Verdict {
    match (phase, verdict) {
        (Phase::Password, Verdict::Unavailable) if holds(handle) => Verdict::Ignored,
        (_, verdict) => verdict,
    }
}

/// Whether the auth phase of this login has stood aside.
fn holds(handle: &mut PamHandle) -> bool {
    match ffi::kept(handle) {
        Some(Kept::BreakGlass(marked)) => service::user(handle).is_ok_and(|user| user == marked),
        _ => false,
    }
}

fn mark(handle: &mut PamHandle, user: String) -> bool {
    // A code that an earlier login on this handle has left is nobody's now.
    drop(ffi::take_code(handle));
    ffi::keep(handle, Kept::BreakGlass(user))
}

/// The user who is exempt, as PAM has the name. The log is told.
fn exempt(handle: &mut PamHandle) -> Option<String> {
    let service = service::name(handle).ok()?;
    let tty = service::tty(handle);
    let source = service::source(handle, service::seat(tty.as_deref()), &service, &[]);
    let tell = |reason, user| {
        let (service, source) = (Some(service.clone()), Some(source.clone()));
        LOG.record(&Event { reason, user, service, source });
    };
    let exemptions: Vec<Exemption> = match read(Path::new(PATH)) {
        Ok(exemptions) => exemptions,
        Err(error) => {
            let remedy = "twostep-admin break-glass show".to_owned();
            tell(Reason::BreakGlassUnusable { cause: error.cause(), remedy }, None);
            return None;
        }
    };
    let caller = if wholly_root() == Ok(true) { Caller::Root } else { Caller::Doubted };
    let place = Place::of(&source, tty.as_deref(), caller);
    let mut user = None;
    let exemption = find(&exemptions, &service, place, || {
        user = service::user(handle).ok();
        user.clone()
    })?;
    let user = user?;
    tell(Reason::BreakGlass { entry: exemption.line }, exemption.named(&user));
    Some(user)
}
