//! Around every call: the arguments are read, the process is left as it was found, and a panic becomes a refusal.

use crate::arguments::{Arguments, Scope, UnknownWord};
use crate::phases::{self, Phase};
use crate::{break_glass, ffi, service};
use pam::constants::{PamFlag, PamResultCode};
use pam::module::PamHandle;
use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, Once, PoisonError};
use twostep_core::event::{Event, Reason};
use twostep_core::ports::Audit;
use twostep_core::protocol::{Mode, Verdict};
use twostep_host::{Syslog, scrub_stack};

/// Where log lines go.
pub(crate) const LOG: Syslog = Syslog { tag: "pam_twostep" };

/// What one phase has to work with.
pub(crate) struct Call<'h> {
    pub(crate) handle: &'h mut PamHandle,
    pub(crate) arguments: Arguments,
    pub(crate) flags: PamFlag,
}

/// Runs one phase.
pub(crate) fn run(handle: &mut PamHandle, words: &[&CStr], flags: PamFlag, phase: Phase) -> PamResultCode {
    let _uncancelled = ffi::Uncancelled::new();
    silence_panics();
    // Should anything below break off, the log still says for which service.
    let service = service::name(handle).ok();
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let _stdio = ffi::StandardDescriptors::fill();
        let arguments = Arguments::parse(words);
        let debug = arguments.as_ref().is_ok_and(|arguments| arguments.debug);
        let verdict = verdict(handle, arguments, flags, phase);
        let verdict = break_glass::spared(handle, phase, verdict);
        if debug {
            LOG.debug(&format!("debug words={words:?} phase={phase:?} verdict={verdict:?}"));
        }
        phase.code(verdict)
    }));
    scrub_stack();
    caught.unwrap_or_else(|payload| {
        // Dropping a payload can panic in its turn; leaking it cannot.
        std::mem::forget(payload);
        let place = LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner).take();
        let cause = place.unwrap_or_else(|| "panic at an unknown place".to_owned());
        LOG.record(&Event { reason: Reason::Internal { cause }, user: None, service, source: None });
        phase.code(Verdict::Unavailable)
    })
}

/// What a line says where credentials are to be set. A word that is not known has refused the login before.
pub(crate) fn credentials(handle: &PamHandle, words: &[&CStr]) -> PamResultCode {
    let _uncancelled = ffi::Uncancelled::new();
    silence_panics();
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let _stdio = ffi::StandardDescriptors::fill();
        let arguments = Arguments::parse(words).unwrap_or_default();
        phases::has_credentials(handle, &arguments)
    }));
    match caught {
        Ok(true) => PamResultCode::PAM_SUCCESS,
        Ok(false) => PamResultCode::PAM_IGNORE,
        Err(payload) => {
            std::mem::forget(payload);
            PamResultCode::PAM_CRED_ERR
        }
    }
}

fn verdict(
    handle: &mut PamHandle,
    arguments: Result<Arguments, UnknownWord>,
    flags: PamFlag,
    phase: Phase,
) -> Verdict {
    if is_at_a_prompt(&arguments) && break_glass::stands_aside(handle, phase) {
        return Verdict::Ignored;
    }
    let concerns =
        arguments.as_ref().map_or(Ok(true), |arguments| phases::concerns(handle, arguments, phase));
    if concerns == Ok(false) {
        return Verdict::Ignored;
    }
    // login and sshd use one handle for several tries and names: what an earlier one left must not be found, whatever follows. But that a
    // code was not judged stays true until a line has judged it, and leaves a record of its own.
    let begins_anew = arguments.as_ref().is_ok_and(|arguments| arguments.mode == Mode::OnePrompt)
        || !ffi::kept(handle).is_some_and(|kept| kept.is_unjudged());
    if phase == Phase::Auth && begins_anew && !ffi::forget_kept(handle) {
        return phases::stopped(handle, Reason::Internal { cause: "the handle takes no data".to_owned() });
    }
    let arguments = match (arguments, concerns) {
        (Ok(arguments), Ok(_)) => arguments,
        (Err(UnknownWord(word)), _) => {
            return phases::unusable(handle, flags, Mode::ByService, Reason::Argument { word });
        }
        // Of a line for app services it is not known whether this is one.
        (Ok(_), Err(reason)) => return phases::unusable(handle, flags, Mode::ByService, reason),
    };
    #[cfg(feature = "provoke")]
    if arguments.panic {
        provoke();
    }
    let call = Call { handle, arguments, flags };
    match phase {
        Phase::Auth => phases::authenticate(call),
        Phase::Account => phases::account(call),
        Phase::Password => phases::password(call),
    }
}

/// Whether somebody may sit at a prompt: not at a line that says `app`. Of one for the app services of a configuration, or with a word that
/// is not known, that cannot be told.
fn is_at_a_prompt(arguments: &Result<Arguments, UnknownWord>) -> bool {
    !arguments.as_ref().is_ok_and(|arguments| arguments.mode == Mode::App && arguments.scope == Scope::All)
}

/// Logs why no verdict can be reached.
pub(crate) fn unavailable(handle: &PamHandle, reason: Reason) {
    let (service, source) = (service::name(handle).ok(), service::source_for_log(handle));
    LOG.record(&Event { reason, user: None, service, source });
}

static LAST_PANIC: Mutex<Option<String>> = Mutex::new(None);

/// The hook is of the std that is linked into this module: the host's own panics, should it be written in Rust, are not touched.
/// It keeps the place for the log, and not the message, which could hold a secret; nothing goes to the host's stderr.
fn silence_panics() {
    static SILENCED: Once = Once::new();
    SILENCED.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(|place| format!("panic at {}:{}", place.file(), place.line()));
            *LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner) = place;
        }));
    });
}

#[cfg(feature = "provoke")]
#[allow(clippy::panic)]
fn provoke() {
    panic!("provoked");
}
