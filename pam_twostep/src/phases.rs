//! The two phases of a login: who judges, and what the one leaves for the other.

use crate::arguments::{Arguments, Scope};
use crate::broker::{self, Sitting};
use crate::guard::{Call, LOG, unavailable};
use crate::talk::Talk;
use crate::{ffi, here, service};
use pam::constants::{PamFlag, PamResultCode};
use pam::module::PamHandle;
use std::path::Path;
use std::sync::Arc;
use twostep_core::event::{Event, Reason};
use twostep_core::login::{Change, Record, Todo, UNAVAILABLE_TEXT, Unrecorded, concerns_password_change};
use twostep_core::name::ServiceName;
use twostep_core::policy::{Policy, SELF_SERVICE, SELF_SERVICE_VARIABLE};
use twostep_core::ports::{Audit, Conversation};
use twostep_core::protocol::{Mode, Verdict};
use twostep_host::{Severity, configuration};
use twostep_store::process::has_inherited_turn;

/// A phase of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// `pam_sm_authenticate`
    Auth,
    /// `pam_sm_acct_mgmt`
    Account,
    /// `pam_sm_chauthtok`
    Password,
}

/// What the auth phase leaves on the handle for the account phase.
#[derive(Clone)]
pub(crate) enum Kept {
    /// This process has judged.
    Here(Box<Record>),
    /// The broker has, and waits for the rest.
    AtBroker(Arc<Sitting>),
    /// Nobody has: this user, as PAM has the name, is exempt whatever else is broken.
    BreakGlass(String),
}

impl Kept {
    /// Whether it is left by a line that takes password and code apart: what it says is that nobody has judged the code.
    pub(crate) fn is_unjudged(&self) -> bool {
        match self {
            Self::Here(record) => record.todo == Some(Todo::Unjudged),
            Self::AtBroker(sitting) => sitting.is_unjudged(),
            Self::BreakGlass(_) => false,
        }
    }
}

/// What an account phase begins with.
#[derive(Clone, Copy)]
pub(crate) enum Left<'r> {
    /// Nothing.
    Nothing(Unrecorded),
    /// What the auth phase has left.
    Record(&'r Record),
    /// It has left that nobody has judged the code; but sshd has one handle for all methods, and may have accepted a key since.
    UnjudgedOrKey,
}

/// Whether a line has anything to do with a login. Where it has not, it leaves the handle as it is.
pub(crate) fn concerns(handle: &PamHandle, arguments: &Arguments, phase: Phase) -> Result<bool, Reason> {
    if ffi::environment(handle, SELF_SERVICE_VARIABLE).is_some()
        && service::tty(handle).as_deref() == Some(SELF_SERVICE)
        && service::name(handle).is_ok_and(|service| service.as_str() == SELF_SERVICE)
    {
        return Ok(false);
    }
    let is_ours = || ffi::kept(handle).is_some() || was_accepted_by_sshd(handle);
    match (arguments.scope, phase) {
        (Scope::All, _) => Ok(true),
        // Whoever changes a password may be nobody's login.
        (Scope::AppServices, Phase::Password) => Ok(false),
        // As of any other line: nothing is opened for cron.
        (Scope::AppServices, Phase::Account) if !is_ours() => Ok(false),
        (Scope::AppServices, _) => is_app_service(handle, arguments),
    }
}

/// Whether the configuration lists the service as an app service. Without a file nobody can tell: a list that is lost must not turn a line
/// off.
fn is_app_service(handle: &PamHandle, arguments: &Arguments) -> Result<bool, Reason> {
    let service = service::name(handle)?;
    let file = arguments.config.as_deref().unwrap_or(Path::new(configuration::DEFAULT_PATH));
    Ok(policy(Some(file))?.app.services.value.contains(&service))
}

/// Whether a line succeeds where credentials are to be set. There are none, but a stack whose lines all ignore would be a refusal. Lines whose
/// success ends the stack say nothing where they have done nothing, or their auth phase was not called on this handle at all (cron, su from
/// root, sshd, which authenticates in another process): the modules after them have credentials to set, and success would lead past them.
pub(crate) fn has_credentials(handle: &PamHandle, arguments: &Arguments) -> bool {
    let judged = || ffi::kept(handle).is_some_and(|kept| !matches!(kept, Kept::BreakGlass(_)));
    match (arguments.scope, arguments.mode) {
        (Scope::AppServices, _) => judged() && is_app_service(handle, arguments) == Ok(true),
        (Scope::All, Mode::ByService) => true,
        (Scope::All, Mode::App | Mode::AfterKey) => judged(),
        // It lets nobody in.
        (Scope::All, Mode::OnePrompt) => false,
    }
}

/// The auth phase. It has a frame of its own, below that of its caller, which does not scrub itself.
#[inline(never)]
pub(crate) fn authenticate(call: Call<'_>) -> Verdict {
    let Call { handle, arguments, flags } = call;
    if arguments.mode == Mode::AfterKey && !key_was_used(handle) {
        return Verdict::Ignored;
    }
    let login = match Login::read(handle, arguments.config.as_deref()) {
        Ok(login) => login,
        Err(reason) => return unusable(handle, flags, arguments.mode, reason),
    };
    let judged = match may_touch_store() {
        Ok(true) => here::authenticate(handle, flags, &arguments, &login),
        Ok(false) => broker::authenticate(handle, flags, &arguments, &login),
        Err(reason) => return stopped(handle, reason),
    };
    match judged {
        (verdict, None) => verdict,
        (verdict, Some(kept)) if ffi::keep(handle, kept.clone()) => verdict,
        _ => stopped(handle, Reason::Internal { cause: "the handle takes no data".to_owned() }),
    }
}

/// The account phase. Without an auth phase of ours on this handle and without a login by key it is none of our business: cron, su from
/// root, a cached sudo ticket. Then nothing is opened, so that a broken store never stops cron.
#[inline(never)]
pub(crate) fn account(call: Call<'_>) -> Verdict {
    let Call { handle, arguments, flags } = call;
    // It is us who ask libpam what the modules after us say: as if this line had let in.
    if ffi::is_trial(handle) {
        return Verdict::Accepted;
    }
    let kept = ffi::kept(handle);
    let by_sshd = was_accepted_by_sshd(handle);
    let record = match kept {
        None if !by_sshd => return Verdict::Ignored,
        None => None,
        Some(Kept::AtBroker(sitting)) => {
            return match service::user(handle) {
                Ok(user) => sitting.commit(handle, flags, &user),
                Err(reason) => stopped(handle, reason),
            };
        }
        // It was left for another name.
        Some(Kept::BreakGlass(_)) => return stopped(handle, Reason::UserSwitched),
        Some(Kept::Here(record)) => Some(record),
    };
    // The same name on the same handle, and nothing to write: all was decided in the auth phase.
    if let Some(record) = &record
        && let Ok(user) = service::user(handle)
        && let Some(ending) = record.settles(&user)
    {
        return Verdict::from(&ending);
    }
    let login = match Login::read(handle, arguments.config.as_deref()) {
        Ok(login) => login,
        Err(reason) => return unusable(handle, flags, arguments.mode, reason),
    };
    match (may_touch_store(), record) {
        (Ok(true), Some(record)) => {
            let left = if by_sshd && record.todo == Some(Todo::Unjudged) {
                Left::UnjudgedOrKey
            } else {
                Left::Record(&record)
            };
            let verdict = here::account(handle, flags, &arguments, &login, left);
            // Whoever calls a second time is told the same, and nothing is written or said again.
            if matches!(verdict, Verdict::Accepted | Verdict::Ignored)
                && !ffi::keep(handle, Kept::Here(Box::new(Record { todo: None, ..*record })))
            {
                return stopped(handle, Reason::Internal { cause: "the handle takes no data".to_owned() });
            }
            verdict
        }
        (Ok(true), None) => {
            let came = if ffi::has_authenticated(handle) { Unrecorded::ByPam } else { Unrecorded::ByKey };
            here::account(handle, flags, &arguments, &login, Left::Nothing(came))
        }
        (Ok(false), None) => broker::account_after_key(handle, flags, &arguments, &login),
        // What this process has begun as root it cannot end as somebody else: the broker knows nothing of it.
        (Ok(false), Some(_)) => stopped(
            handle,
            Reason::Broker {
                cause: "since the auth phase the process is no longer wholly root, or was forked while it had the store open".to_owned(),
                remedy: "run both phases in one process that is wholly root".to_owned(),
            },
        ),
        (Err(reason), _) => stopped(handle, reason),
    }
}

/// The account password is changed: libpam asks all modules first whether it can be, then has them do it, in the order of the stack.
#[inline(never)]
pub(crate) fn password(call: Call<'_>) -> Verdict {
    let Call { handle, arguments, flags } = call;
    let login = match Login::read(handle, arguments.config.as_deref()) {
        Ok(login) => login,
        Err(reason) => return stopped(handle, reason),
    };
    let change = if flags & PRELIM_CHECK != 0 { Change::Before } else { Change::After };
    // Nothing need be there for what is not wanted.
    if !concerns_password_change(&login.policy, change) {
        return Verdict::Ignored;
    }
    let verdict = match may_touch_store() {
        Ok(true) => here::password(handle, flags, &arguments, &login, change),
        Ok(false) => broker::password(handle, flags, &arguments, &login, change),
        Err(reason) => stopped(handle, reason),
    };
    // Where the broker cannot be asked, the log has it; the password has been changed by now.
    if login.policy.app.revoke_on_password_change { verdict } else { Verdict::Ignored }
}

/// `PAM_PRELIM_CHECK`, which pam-bindings has not.
const PRELIM_CHECK: PamFlag = 0x4000;

/// What all phases need before they can begin.
pub(crate) struct Login {
    pub(crate) policy: Arc<Policy>,
    pub(crate) user: String,
    pub(crate) service: ServiceName,
}

impl Login {
    /// Reads the policy, and asks PAM who signs in.
    fn read(handle: &mut PamHandle, config: Option<&Path>) -> Result<Self, Reason> {
        let service = service::name(handle)?;
        let policy = policy(config)?;
        let user = service::user(handle)?;
        Ok(Self { policy, user, service })
    }
}

fn policy(config: Option<&Path>) -> Result<Arc<Policy>, Reason> {
    configuration::read_again(config).map_err(|error| Reason::Configuration { cause: error.cause() })
}

/// Whether it is sshd that calls the account phase, after whichever method. It sets this, to the methods that were accepted before the last one:
/// where one was enough, it is empty.
pub(crate) fn was_accepted_by_sshd(handle: &PamHandle) -> bool {
    ffi::environment(handle, c"SSH_AUTH_INFO_0").is_some()
}

/// Whether sshd has accepted a key of this user's before it called us.
fn key_was_used(handle: &PamHandle) -> bool {
    ffi::environment(handle, c"SSH_AUTH_INFO_0").is_some_and(|info| info.starts_with(b"publickey "))
}

/// Only a process whose real, effective and saved uid are 0 may touch the store: the caller of su could stop it while it holds a lock,
/// and with it every login of the host. And only one that was not forked while another thread of its parent had the store open: SQLite would
/// believe in locks that this process does not have. For all others the broker judges.
fn may_touch_store() -> Result<bool, Reason> {
    let is_root = wholly_root()?;
    if is_root && has_inherited_turn() {
        LOG.note(Severity::Warning, FORKED);
        return Ok(false);
    }
    Ok(is_root)
}

/// Whether real, effective and saved uid are 0.
pub(crate) fn wholly_root() -> Result<bool, Reason> {
    let failed = |errno: nix::errno::Errno| Reason::Internal { cause: format!("getresuid: {errno}") };
    let ids = nix::unistd::getresuid().map_err(failed)?;
    Ok([ids.real, ids.effective, ids.saved].iter().all(|uid| uid.is_root()))
}

const FORKED: &str = "this process was forked while another of its threads had the store open, and cannot use it: twostepd judges its logins";

/// Ends a phase that could not begin, or not be brought to its end.
pub(crate) fn stopped(handle: &PamHandle, reason: Reason) -> Verdict {
    let verdict = match reason {
        Reason::UserUnknown => Verdict::UserUnknown,
        Reason::Conversation => Verdict::TalkFailed,
        Reason::UserSwitched => Verdict::Refused,
        reason => {
            unavailable(handle, reason);
            return Verdict::Unavailable;
        }
    };
    let (service, source) = (service::name(handle).ok(), service::source_for_log(handle));
    LOG.record(&Event { reason, user: None, service, source });
    verdict
}

/// Ends a phase whose line or configuration cannot be used. Whoever sits at a prompt is told, as where the store cannot be: a line that does
/// not say `app` may stand at one.
pub(crate) fn unusable(handle: &mut PamHandle, flags: PamFlag, mode: Mode, reason: Reason) -> Verdict {
    let verdict = stopped(handle, reason);
    if verdict == Verdict::Unavailable && mode != Mode::App {
        Talk { handle, flags, code: None }.tell(UNAVAILABLE_TEXT);
    }
    verdict
}

impl Phase {
    /// What PAM is told.
    pub(crate) fn code(self, verdict: Verdict) -> PamResultCode {
        match (self, verdict) {
            // Whose password that may be is for other modules to say.
            (Self::Password, Verdict::Accepted | Verdict::Ignored | Verdict::UserUnknown) => {
                PamResultCode::PAM_IGNORE
            }
            (Self::Password, _) => PamResultCode::PAM_AUTHTOK_ERR,
            (_, Verdict::Accepted) => PamResultCode::PAM_SUCCESS,
            (_, Verdict::Ignored) => PamResultCode::PAM_IGNORE,
            (_, Verdict::UserUnknown) => PamResultCode::PAM_USER_UNKNOWN,
            (_, Verdict::Unavailable) => PamResultCode::PAM_AUTHINFO_UNAVAIL,
            (_, Verdict::AccountExpired) => PamResultCode::PAM_ACCT_EXPIRED,
            (Self::Auth, Verdict::Refused) => PamResultCode::PAM_AUTH_ERR,
            (Self::Auth, Verdict::TalkFailed) => PamResultCode::PAM_CONV_ERR,
            (Self::Account, Verdict::Refused | Verdict::TalkFailed) => PamResultCode::PAM_PERM_DENIED,
        }
    }
}
