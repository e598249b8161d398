//! The auth phase.

use crate::arguments::Mode;
use crate::guard::{Call, LOG, unavailable};
use crate::talk::Talk;
use crate::{ffi, service};
use pam::constants::{PamFlag, PamResultCode};
use pam::module::PamHandle;
use twostep_core::event::{Event, Reason};
use twostep_core::login::{self, Ending, Ports, Request};
use twostep_core::policy::Policy;
use twostep_core::ports::Audit;
use twostep_store::configuration;
use twostep_store::host::{Nss, now};
use twostep_store::vault::Files;

/// The auth phase.
pub(crate) fn authenticate(call: Call<'_>) -> (Ending, PamResultCode) {
    let Call { handle, arguments, flags } = call;
    let key_seen = arguments.mode == Mode::AfterKey;
    if key_seen && !key_was_used(handle) {
        return (Ending::Ignore(None), PamResultCode::PAM_IGNORE);
    }
    let started = start(handle, arguments.config.as_deref());
    let Started { policy, request: Asked { user, service, source } } = match started {
        Ok(started) => started,
        Err(reason) => return stopped(handle, reason),
    };
    let class = service::class(arguments.mode, &service, &policy);
    let request =
        Request { user: &user, service, class, source, prompt: arguments.prompt.as_deref(), key_seen };
    let ending = with_ports(handle, flags, &policy, |ports| login::authenticate(ports, &policy, &request));
    if let Ending::Accept(record) | Ending::Ignore(Some(record)) = &ending
        && !ffi::keep_record(handle, record.clone())
    {
        return internal(handle, "the handle takes no data");
    }
    let code = match &ending {
        Ending::Accept(_) => PamResultCode::PAM_SUCCESS,
        Ending::Ignore(_) => PamResultCode::PAM_IGNORE,
        Ending::Refuse => PamResultCode::PAM_AUTH_ERR,
        Ending::UserUnknown => PamResultCode::PAM_USER_UNKNOWN,
        Ending::TalkFailed => PamResultCode::PAM_CONV_ERR,
        Ending::Unavailable => PamResultCode::PAM_AUTHINFO_UNAVAIL,
    };
    (ending, code)
}

/// Whether sshd has accepted a key of this user's before it called us.
fn key_was_used(handle: &PamHandle) -> bool {
    ffi::environment(handle, c"SSH_AUTH_INFO_0").is_some_and(|info| info.starts_with(b"publickey "))
}

/// What both phases need before they can begin.
pub(crate) struct Started {
    pub(crate) policy: Policy,
    pub(crate) request: Asked,
}

/// What the service says.
pub(crate) struct Asked {
    pub(crate) user: String,
    pub(crate) service: twostep_core::name::ServiceName,
    pub(crate) source: twostep_core::attempt::Source,
}

/// Reads the policy, makes sure that this process may touch the store, and asks PAM who signs in.
pub(crate) fn start(handle: &mut PamHandle, config: Option<&std::path::Path>) -> Result<Started, Reason> {
    let service = service::name(handle)?;
    let policy =
        configuration::read(config).map_err(|error| Reason::Configuration { cause: error.cause() })?;
    wholly_root()?;
    let user = service::user(handle)?;
    Ok(Started { policy, request: Asked { user, service, source: service::source(handle) } })
}

/// Only a process whose real, effective and saved uid are 0 may touch the store: the caller of su could stop it while it holds a lock,
/// and with it every login of the host.
fn wholly_root() -> Result<(), Reason> {
    let failed = |errno: nix::errno::Errno| Reason::Internal { cause: format!("getresuid: {errno}") };
    let ids = nix::unistd::getresuid().map_err(failed)?;
    let uids = [ids.real.as_raw(), ids.effective.as_raw(), ids.saved.as_raw()];
    let cause = || format!("not wholly root: real, effective and saved uid are {uids:?}");
    let remedy = || "run the service as root".to_owned();
    if uids == [0; 3] { Ok(()) } else { Err(Reason::Broker { cause: cause(), remedy: remedy() }) }
}

/// Ends a phase that could not begin.
pub(crate) fn stopped(handle: &PamHandle, reason: Reason) -> (Ending, PamResultCode) {
    match reason {
        Reason::UserUnknown | Reason::Conversation => {
            let code = match reason {
                Reason::UserUnknown => PamResultCode::PAM_USER_UNKNOWN,
                _ => PamResultCode::PAM_CONV_ERR,
            };
            let (service, source) = (service::name(handle).ok(), Some(service::source(handle)));
            LOG.record(&Event { reason, user: None, service, source });
            (Ending::Refuse, code)
        }
        reason => (Ending::Unavailable, unavailable(handle, reason)),
    }
}

fn internal(handle: &PamHandle, cause: &str) -> (Ending, PamResultCode) {
    stopped(handle, Reason::Internal { cause: cause.to_owned() })
}

/// Runs a piece of the login with this host behind its ports.
pub(crate) fn with_ports<T>(
    handle: &mut PamHandle,
    flags: PamFlag,
    policy: &Policy,
    run: impl FnOnce(&mut Ports<'_>) -> T,
) -> T {
    let mut vault = Files { paths: policy.paths.clone() };
    let mut talk = Talk { handle, flags };
    run(&mut Ports { directory: &Nss, vault: &mut vault, talk: &mut talk, audit: &LOG, clock: &now })
}
