//! `trusted-devices`: list, forget.

use crate::cli::{TrustedDevicesForget, User};
use crate::consent;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Report, counted, table, time};
use serde::Serialize;
use std::collections::HashSet;
use twostep_core::change::Action;
use twostep_core::name::UserName;
use twostep_core::ports::Directory;
use twostep_core::secret::Secret;
use twostep_store::host::Nss;
use twostep_store::trusted::{Devices, TrustedDevice, TrustedDeviceOf};
use twostep_terminal::{TrustedDevice as One, put_line};

/// Lists a user's, none for longer than the configuration of today has it.
pub(crate) fn list(context: &Context, wanted: &User) -> Result<(), Failure> {
    let subject = context.subject(&wanted.user)?;
    let (of, at_most) = (subject.enrolled()?.id, context.policy.interactive.trust_for);
    let password = match &subject.person {
        Some(_) => account_password(&subject.name)?,
        None => None,
    };
    let found = context.session()?.trusted_devices(of, at_most, password.as_ref(), &context.now)?;
    context.output.report(&Listed(found.iter().map(one).collect()))
}

/// The account's password, hashed. A device that was trusted with another one is trusted no more.
pub(crate) fn account_password(user: &UserName) -> Result<Option<Secret>, Failure> {
    Nss.account_password(user).map_err(|failed| Failure::Nss(failed.0))
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

/// Forgets one, or all of a user's, or all of all users'.
pub(crate) fn forget(context: &Context, wanted: &TrustedDevicesForget) -> Result<(), Failure> {
    match &wanted.user {
        Some(user) => forget_of(context, user, wanted),
        None => forget_of_all(context, wanted),
    }
}

/// Forgets those of all users, in portions, so that logins go on. Whoever breaks it off runs it again.
fn forget_of_all(context: &Context, wanted: &TrustedDevicesForget) -> Result<(), Failure> {
    let all = context.session()?.all_trusted_devices()?;
    if wanted.dry_run {
        return context.output.report(&ForgottenOfAll::of(&all, wanted.dry_run));
    }
    consent::obtain_for_all_users(
        wanted.consent,
        &format!("All trusted devices of all users ({}) will be forgotten.", all.len()),
    )?;
    let mut forgotten = Vec::new();
    loop {
        let (session, at) = (context.session()?, context.now.wall);
        let some = session.forget_some_devices(&context.author, at).map_err(Failure::of_all)?;
        drop(session);
        if some.is_empty() {
            break;
        }
        for of in &some {
            context.audit(&of.user, Action::TrustedDeviceForget, Some(of.device.device.clone()));
        }
        forgotten.extend(some);
    }
    context.output.report(&ForgottenOfAll::of(&forgotten, wanted.dry_run))
}

#[derive(Serialize)]
struct ForgottenOfAll<'a> {
    dry_run: bool,
    forgotten: Vec<OfOne<'a>>,
}

#[derive(Serialize)]
struct OfOne<'a> {
    user: &'a str,
    #[serde(flatten)]
    one: ForgottenOne<'a>,
}

impl<'a> ForgottenOfAll<'a> {
    fn of(all: &'a [TrustedDeviceOf], dry_run: bool) -> Self {
        let of_one =
            |of: &'a TrustedDeviceOf| OfOne { user: of.user.as_str(), one: ForgottenOne::of(&of.device) };
        Self { dry_run, forgotten: all.iter().map(of_one).collect() }
    }
}

impl Report for ForgottenOfAll<'_> {
    fn text(&self, to: &mut String) {
        let users: HashSet<&str> = self.forgotten.iter().map(|of| of.user).collect();
        let counted_of = |count: usize, what| counted(u32::try_from(count).unwrap_or(u32::MAX), what);
        let count = format!(
            "{} of {}",
            counted_of(self.forgotten.len(), "trusted device"),
            counted_of(users.len(), "user")
        );
        if !self.dry_run {
            put_line!(to, "forgot {count}");
            return;
        }
        if !self.forgotten.is_empty() {
            to.push_str(&table(
                &["USER", "ID", "SERVICE", "KIND", "DEVICE"],
                self.forgotten.iter().map(|OfOne { user, one }| {
                    [*user, &one.id.to_string(), one.service, one.kind, one.device]
                        .map(str::to_owned)
                        .to_vec()
                }),
            ));
        }
        put_line!(to, "would be forgotten: {count}. Nothing was changed.");
    }
}

fn forget_of(context: &Context, user: &str, wanted: &TrustedDevicesForget) -> Result<(), Failure> {
    let subject = context.subject(user)?;
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
