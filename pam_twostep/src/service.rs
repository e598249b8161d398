//! What the service says of a login: its name, the user's name, where from.

use crate::arguments::Mode;
use pam::items;
use pam::module::PamHandle;
use twostep_core::attempt::{ServiceClass, Source};
use twostep_core::event::Reason;
use twostep_core::name::ServiceName;
use twostep_core::policy::Policy;

/// The service's name, as PAM_SERVICE has it.
pub(crate) fn name(handle: &PamHandle) -> Result<ServiceName, Reason> {
    let item = handle.get_item::<items::Service<'_>>().ok().flatten();
    item.and_then(|service| ServiceName::parse(service.to_str().ok()?).ok()).ok_or(Reason::Service)
}

/// The service's class: what the line says, else what the configuration lists.
pub(crate) fn class(mode: Mode, service: &ServiceName, policy: &Policy) -> ServiceClass {
    match mode {
        Mode::App => ServiceClass::App,
        Mode::AfterKey => ServiceClass::Interactive,
        Mode::ByService if policy.app.services.value.contains(service) => ServiceClass::App,
        Mode::ByService => ServiceClass::Interactive,
    }
}

/// Where the login comes from.
pub(crate) fn source(handle: &PamHandle) -> Source {
    let rhost = handle.get_item::<items::RHost<'_>>().ok().flatten();
    let tty = handle.get_item::<items::Tty<'_>>().ok().flatten();
    // A host that is no text is no literal either.
    let rhost = rhost.map(|item| item.to_str().unwrap_or("-").to_owned());
    Source::from_items(
        rhost.as_deref(),
        tty.and_then(|item| item.to_str().ok().map(str::to_owned)).as_deref(),
    )
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
