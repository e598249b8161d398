//! Logins that this process judges by itself, being wholly root.

use crate::arguments::Arguments;
use crate::guard::LOG;
use crate::phases::{Kept, Left, Login};
use crate::talk::Talk;
use crate::{ffi, service};
use pam::constants::PamFlag;
use pam::module::PamHandle;
use twostep_core::device::SeenKey;
use twostep_core::login::{self, Change, Ending, Ports, Request, Word};
use twostep_core::protocol::{Mode, Verdict};
use twostep_core::secret::Secret;
use twostep_host::{Nss, now};
use twostep_store::vault::Files;

/// The auth phase.
pub(crate) fn authenticate(
    handle: &mut PamHandle,
    flags: PamFlag,
    arguments: &Arguments,
    login: &Login,
) -> (Verdict, Option<Kept>) {
    let tty = service::tty(handle);
    let request = request(handle, arguments, login, tty.as_deref());
    let code = code_for(handle, arguments.mode);
    let ending =
        with_ports(handle, flags, code, login, |ports| login::authenticate(ports, &login.policy, &request));
    let verdict = Verdict::from(&ending);
    match ending {
        Ending::Accept(record) | Ending::Ignore(Some(record)) => {
            (verdict, Some(Kept::Here(Box::new(record))))
        }
        _ => (verdict, None),
    }
}

/// The account phase, with what the auth phase has left.
pub(crate) fn account(
    handle: &mut PamHandle,
    flags: PamFlag,
    arguments: &Arguments,
    login: &Login,
    left: Left<'_>,
) -> Verdict {
    let tty = service::tty(handle);
    let request = request(handle, arguments, login, tty.as_deref());
    let ending = with_ports(handle, flags, None, login, |ports| match left {
        Left::Record(record) => login::account_with_record(ports, &login.policy, &request, record),
        Left::Nothing(came) => login::account_without_record(ports, &login.policy, &request, came),
        Left::UnjudgedOrKey => login::account_unjudged_or_after_key(ports, &login.policy, &request),
    });
    Verdict::from(&ending)
}

/// The password phase.
pub(crate) fn password(
    handle: &mut PamHandle,
    flags: PamFlag,
    arguments: &Arguments,
    login: &Login,
    change: Change,
) -> Verdict {
    let tty = service::tty(handle);
    let request = request(handle, arguments, login, tty.as_deref());
    let ending = with_ports(handle, flags, None, login, |ports| {
        login::change_password(ports, &login.policy, &request, change)
    });
    Verdict::from(&ending)
}

fn request<'l>(
    handle: &PamHandle,
    arguments: &'l Arguments,
    login: &'l Login,
    tty: Option<&'l str>,
) -> Request<'l> {
    let tty = service::seat(tty);
    Request {
        user: &login.user,
        service: login.service.clone(),
        mode: arguments.mode,
        source: service::source(handle, tty, &login.service, &login.policy.nat64),
        tty,
        prompt: arguments.prompt.as_deref(),
        echo: arguments.echo,
        key: ffi::environment(handle, c"SSH_AUTH_INFO_0").and_then(|info| SeenKey::of_auth_info(&info)),
        word: Word::Counts,
    }
}

/// The code that an earlier line has taken off the password; a line that does this itself begins anew.
pub(crate) fn code_for(handle: &mut PamHandle, mode: Mode) -> Option<Secret> {
    ffi::take_code(handle).filter(|_| mode != Mode::OnePrompt)
}

/// Runs a piece of the login with this host behind its ports.
fn with_ports<T>(
    handle: &mut PamHandle,
    flags: PamFlag,
    code: Option<Secret>,
    login: &Login,
    run: impl FnOnce(&mut Ports<'_>) -> T,
) -> T {
    let mut vault = Files::of(&login.policy);
    let mut talk = Talk { handle, flags, code };
    let issuer = || twostep_host::issuer(&login.policy);
    run(&mut Ports {
        directory: &Nss,
        vault: &mut vault,
        talk: &mut talk,
        audit: &LOG,
        clock: &now,
        issuer: &issuer,
    })
}
