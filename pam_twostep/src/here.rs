//! Logins that this process judges by itself, being wholly root.

use crate::arguments::Arguments;
use crate::guard::LOG;
use crate::phases::{Kept, Login};
use crate::service;
use crate::talk::Talk;
use pam::constants::PamFlag;
use pam::module::PamHandle;
use twostep_core::login::{self, Ending, Ports, Record, Request};
use twostep_core::protocol::{Mode, Verdict};
use twostep_host::{Nss, now};
use twostep_store::vault::Files;

/// The auth phase.
pub(crate) fn authenticate(
    handle: &mut PamHandle,
    flags: PamFlag,
    arguments: &Arguments,
    login: &Login,
) -> (Verdict, Option<Kept>) {
    let mut request = request(handle, arguments, login);
    request.prompt = arguments.prompt.as_deref();
    request.key_seen = arguments.mode == Mode::AfterKey;
    let ending =
        with_ports(handle, flags, login, |ports| login::authenticate(ports, &login.policy, &request));
    let verdict = Verdict::from(&ending);
    match ending {
        Ending::Accept(record) | Ending::Ignore(Some(record)) => (verdict, Some(Kept::Here(record))),
        _ => (verdict, None),
    }
}

/// The account phase, with what the auth phase has left; without it, of a login by key alone.
pub(crate) fn account(
    handle: &mut PamHandle,
    flags: PamFlag,
    arguments: &Arguments,
    login: &Login,
    record: Option<&Record>,
) -> Verdict {
    let request = request(handle, arguments, login);
    let ending = with_ports(handle, flags, login, |ports| match record {
        Some(record) => login::account_with_record(ports, &login.policy, &request, record),
        None => login::account_after_key(ports, &login.policy, &request),
    });
    Verdict::from(&ending)
}

fn request<'l>(handle: &PamHandle, arguments: &Arguments, login: &'l Login) -> Request<'l> {
    Request {
        user: &login.user,
        service: login.service.clone(),
        class: arguments.mode.class(&login.service, &login.policy),
        source: service::source(handle),
        prompt: None,
        key_seen: false,
    }
}

/// Runs a piece of the login with this host behind its ports.
fn with_ports<T>(
    handle: &mut PamHandle,
    flags: PamFlag,
    login: &Login,
    run: impl FnOnce(&mut Ports<'_>) -> T,
) -> T {
    let mut vault = Files::of(&login.policy);
    let mut talk = Talk { handle, flags };
    run(&mut Ports { directory: &Nss, vault: &mut vault, talk: &mut talk, audit: &LOG, clock: &now })
}
