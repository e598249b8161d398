//! The account phase.

use crate::authenticate::{Asked, Started, start, stopped, with_ports};
use crate::guard::Call;
use crate::{ffi, service};
use pam::constants::PamResultCode;
use twostep_core::login::{self, Ending, Request};

/// The account phase. Without an auth phase of ours on this handle and without a login by key it is none of our business: cron, su from
/// root, a cached sudo ticket. Then nothing is opened, so that a broken store never stops cron.
pub(crate) fn account(call: Call<'_>) -> (Ending, PamResultCode) {
    let Call { handle, arguments, flags } = call;
    let record = ffi::record(handle);
    // sshd sets it, empty, for a login by key alone.
    let by_key = ffi::environment(handle, c"SSH_AUTH_INFO_0").is_some();
    if record.is_none() && !by_key {
        return (Ending::Ignore(None), PamResultCode::PAM_IGNORE);
    }
    // The same name on the same handle, and nothing to write: all was decided in the auth phase.
    if let Some(record) = &record
        && let Ok(user) = service::user(handle)
        && let Some(ending) = record.settles(&user)
    {
        return with_code(ending);
    }
    let Started { policy, request: Asked { user, service, source } } =
        match start(handle, arguments.config.as_deref()) {
            Ok(started) => started,
            Err(reason) => return stopped(handle, reason),
        };
    let class = service::class(arguments.mode, &service, &policy);
    let request = Request { user: &user, service, class, source, prompt: None, key_seen: false };
    let ending = with_ports(handle, flags, &policy, |ports| match &record {
        Some(record) => login::account_with_record(ports, &policy, &request, record),
        None => login::account_after_key(ports, &policy, &request),
    });
    with_code(ending)
}

fn with_code(ending: Ending) -> (Ending, PamResultCode) {
    let code = match &ending {
        Ending::Accept(_) => PamResultCode::PAM_SUCCESS,
        Ending::Ignore(_) => PamResultCode::PAM_IGNORE,
        Ending::Refuse | Ending::TalkFailed => PamResultCode::PAM_PERM_DENIED,
        Ending::UserUnknown => PamResultCode::PAM_USER_UNKNOWN,
        Ending::Unavailable => PamResultCode::PAM_AUTHINFO_UNAVAIL,
    };
    (ending, code)
}
