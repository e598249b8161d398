//! Services that are named on a command line: whether there are such.

use crate::check::{Finding, Id};
use crate::failure::Failure;
use crate::output::Format;
use crate::pam::Stacks;
use std::path::Path;
use twostep_core::known_services::{KnownServices, Unknown};
use twostep_core::name::ServiceName;
use twostep_core::policy::{Origin, Policy};
use twostep_core::rule::Glob;
use twostep_store::admin::Which;
use twostep_store::vault::Files;

/// Those of a folder of stacks.
pub(crate) fn of(stacks: &Stacks, policy: Option<&Policy>) -> KnownServices {
    let listed = policy.map_or(&[][..], |policy| &policy.app.services.value);
    // A folder that cannot be read has no names: then the configuration's are known, and the usual ones.
    KnownServices::of(stacks.names().unwrap_or_default(), listed)
}

/// Refuses what is nearly the name of a service, and so mistyped. What is unlike any may be installed later: that is a warning.
pub(crate) fn check<'g>(
    known: &KnownServices,
    names: impl IntoIterator<Item = &'g Glob>,
) -> Result<(), Failure> {
    for unknown in names.into_iter().filter_map(|name| known.unknown(name)) {
        if unknown.meant.is_some() {
            return Err(Failure::ServiceUnknown(unknown));
        }
        warn(&unknown);
    }
    Ok(())
}

/// Tells people of it where there is an answer all the same: libpam judges such a service by `other`. The document says nothing of it.
pub(crate) fn look(known: &KnownServices, name: &ServiceName, format: Format) {
    if format == Format::Text {
        known.unknown(&Glob::new(name.as_str())).iter().for_each(warn);
    }
}

/// What the configuration and app passwords name, as `check` looks at it.
pub(crate) fn findings(policy: &Policy, stacks: &Stacks, file: &Path) -> Vec<Finding> {
    let known = of(stacks, Some(policy));
    let mut findings = misspelt(policy, stacks, &known, file);
    // Where it cannot be read, others have said so.
    let all = Files::of(policy).session().and_then(|session| session.all_app_passwords(Which::default()));
    for one in all.unwrap_or_default() {
        findings.extend(one.info.scope.services.iter().filter_map(|service| known.unknown(service)).map(
            |unknown| {
                let message = format!(
                    "app password \"{}\": {}: it is good for nothing there",
                    one.info.name,
                    unknown.message()
                );
                Finding::warning(Id::AppPasswordServiceUnknown, &one.user, message, unknown.remedy())
            },
        ));
    }
    findings
}

/// A service that will be installed later is no mistake; one that is nearly called as another is most likely one.
fn misspelt(policy: &Policy, stacks: &Stacks, known: &KnownServices, file: &Path) -> Vec<Finding> {
    let usual = of(stacks, Some(&Policy::defaults()));
    let listed = policy
        .app
        .services
        .value
        .iter()
        .map(|service| (policy.app.services.origin, Glob::new(service.as_str()), &usual));
    let ruled = policy
        .rules
        .iter()
        .flat_map(|rule| rule.services.iter().flatten().map(|service| (rule.origin, service.clone(), known)));
    let unknown =
        listed.chain(ruled).filter_map(|(origin, service, known)| Some((origin, known.unknown(&service)?)));
    let misspelt = unknown.filter_map(|(origin, unknown)| Some((origin, unknown.message(), unknown.meant?)));
    let finding = |(origin, message, meant)| {
        let subject = match origin {
            Origin::Line(line) => format!("{}:{line}", file.display()),
            Origin::Default | Origin::Always => file.display().to_string(),
        };
        Finding::warning(Id::ServiceMisspelt, subject, message, format!("write {meant}, if that is meant"))
    };
    misspelt.map(finding).collect()
}

fn warn(unknown: &Unknown) {
    eprintln!("warning: {}\n  hint: {}", unknown.message(), unknown.remedy());
}
