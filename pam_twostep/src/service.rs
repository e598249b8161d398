//! What the service says of a login: its name, the user's name, where from.

use crate::ffi;
use ipnet::Ipv6Net;
use pam::items;
use pam::module::PamHandle;
use std::net::IpAddr;
use twostep_core::attempt::{Source, literal};
use twostep_core::event::Reason;
use twostep_core::name::ServiceName;
use twostep_core::place::Address;
use twostep_core::rule::Tty;
use twostep_host::terminal;

/// The service's name, as PAM_SERVICE has it.
pub(crate) fn name(handle: &PamHandle) -> Result<ServiceName, Reason> {
    let item = handle.get_item::<items::Service<'_>>().ok().flatten();
    item.and_then(|service| ServiceName::parse(service.to_str().ok()?).ok()).ok_or(Reason::Service)
}

/// PAM_RHOST. A host that is no text is no literal either.
pub(crate) fn rhost(handle: &PamHandle) -> Option<String> {
    let item = handle.get_item::<items::RHost<'_>>().ok().flatten();
    item.map(|host| host.to_str().unwrap_or("-").to_owned())
}

/// PAM_TTY
pub(crate) fn tty(handle: &PamHandle) -> Option<String> {
    let item = handle.get_item::<items::Tty<'_>>().ok().flatten();
    item.and_then(|tty| tty.to_str().ok().map(str::to_owned))
}

/// The terminal, and whether it is proven.
pub(crate) fn seat(tty: Option<&str>) -> Tty<'_> {
    match tty.filter(|tty| !tty.is_empty()) {
        Some(tty) if terminal::is_at(tty) => Tty::Proven(tty),
        told => Tty::told(told),
    }
}

/// Where the login comes from. With `UseDNS`, sshd puts a name into PAM_RHOST; the address is in a variable that it sets itself, which no
/// user has had a hand in by then.
pub(crate) fn source(handle: &PamHandle, tty: Tty<'_>, service: &ServiceName, nat64: &[Ipv6Net]) -> Source {
    match Source::told(rhost(handle).as_deref(), tty, service, nat64) {
        Source::Name(name) => {
            let address = |address| Source::Address(Address::of(address, nat64));
            ssh_address(handle).map_or(Source::Name(name), address)
        }
        source => source,
    }
}

/// Where a login comes from that ends before there is a configuration, for the log.
pub(crate) fn source_for_log(handle: &PamHandle) -> Option<Source> {
    let tty = tty(handle);
    Some(source(handle, seat(tty.as_deref()), &name(handle).ok()?, &[]))
}

fn ssh_address(handle: &PamHandle) -> Option<IpAddr> {
    let connection = ffi::environment(handle, c"SSH_CONNECTION")?;
    let first = std::str::from_utf8(&connection).ok()?.split(' ').next()?;
    literal(first)
}

/// The user's name as PAM has it; the service asks for it if it has not yet.
pub(crate) fn user(handle: &mut PamHandle) -> Result<String, Reason> {
    use pam::constants::PamResultCode::{PAM_CONV_ERR, PAM_SYSTEM_ERR};
    handle.get_user(None).map_err(|code| match code {
        // No text: nobody's name.
        PAM_SYSTEM_ERR => Reason::UserUnknown,
        PAM_CONV_ERR => Reason::Conversation,
        _ => Reason::UserUnknown,
    })
}
