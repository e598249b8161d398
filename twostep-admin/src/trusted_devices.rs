//! `trusted-devices`: list, forget.

use crate::cli::{TrustedDevicesForget, User};
use crate::consent;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Report, table, time};
use serde::Serialize;
use twostep_core::change::Action;
use twostep_store::trusted::{Devices, TrustedDevice};
use twostep_terminal::{TrustedDevice as One, put_line};

/// Lists a user's, none for longer than the configuration of today has it.
pub(crate) fn list(context: &Context, wanted: &User) -> Result<(), Failure> {
    let subject = context.subject(&wanted.user)?;
    let at_most = context.policy.interactive.trust_for;
    let found = context.session()?.trusted_devices(subject.enrolled()?.id, at_most, &context.now)?;
    context.output.report(&Listed(found.iter().map(one).collect()))
}

#[derive(Serialize)]
#[serde(transparent)]
struct Listed(Vec<One>);

/// A trusted device as it is listed, from what the store says.
pub(crate) fn one(info: &TrustedDevice) -> One {
    let TrustedDevice { id, service, kind, device, lease } = info.clone();
    One { id, service, kind, device, since: time(lease.given.wall), until: time(lease.until()) }
}

impl Report for Listed {
    fn text(&self, to: &mut String) {
        if self.0.is_empty() {
            to.push_str("no trusted devices\n");
            return;
        }
        to.push_str(&rows(&self.0));
    }
}

/// Trusted devices as a table.
pub(crate) fn rows(all: &[One]) -> String {
    table(
        &["ID", "SERVICE", "KIND", "DEVICE", "SINCE", "UNTIL"],
        all.iter().map(|one| {
            vec![
                one.id.to_string(),
                one.service.clone(),
                one.kind.clone(),
                one.device.clone(),
                one.since.clone(),
                one.until.clone(),
            ]
        }),
    )
}

/// Forgets one, or all.
pub(crate) fn forget(context: &Context, wanted: &TrustedDevicesForget) -> Result<(), Failure> {
    let subject = context.subject(&wanted.user)?;
    let (enrollment, user) = (subject.enrolled()?, &subject.name);
    let refused = |refusal| Failure::refused(user, refusal);
    let which = wanted.one.as_deref().map_or(Devices::All, Devices::Called);
    let found = context.session()?.find_devices(enrollment.id, which).map_err(refused)?;
    consent::obtain(wanted.consent, &question(user.as_str(), which, &found))?;
    let forgotten = context
        .session()?
        .forget_devices(enrollment.id, which, &context.author, context.now.wall)
        .map_err(refused)?;
    for one in &forgotten {
        context.audit(user, Action::TrustedDeviceForget, Some(one.device.clone()));
    }
    let forgotten = forgotten.iter().map(ForgottenOne::of).collect();
    context.output.report(&Forgotten { user: user.as_str(), forgotten })
}

fn question(user: &str, which: Devices<'_>, found: &[TrustedDevice]) -> String {
    match (which, found) {
        (Devices::Called(_), [first, ..]) => {
            let services: Vec<_> = found.iter().map(|one| one.service.as_str()).collect();
            format!("{user} will give a code again from {} at {}.", first.device, services.join(", "))
        }
        _ => format!("All trusted devices of {user} ({}) will be forgotten.", found.len()),
    }
}

#[derive(Serialize)]
struct Forgotten<'a> {
    user: &'a str,
    forgotten: Vec<ForgottenOne<'a>>,
}

#[derive(Serialize)]
struct ForgottenOne<'a> {
    id: i64,
    service: &'a str,
    kind: &'a str,
    device: &'a str,
}

impl<'a> ForgottenOne<'a> {
    fn of(info: &'a TrustedDevice) -> Self {
        let TrustedDevice { id, service, kind, device, .. } = info;
        Self { id: *id, service, kind, device }
    }
}

impl Report for Forgotten<'_> {
    fn text(&self, to: &mut String) {
        if self.forgotten.is_empty() {
            put_line!(to, "{} trusts no device: nothing to forget", self.user);
        }
        for one in &self.forgotten {
            put_line!(to, "forgot {} of {} at {}", one.device, self.user, one.service);
        }
    }
}
