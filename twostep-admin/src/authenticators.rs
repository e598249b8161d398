//! `authenticator`: add, replace, list, remove. `resync` has a file of its own.

use crate::cli::{AuthenticatorAdd, AuthenticatorRemove, AuthenticatorReplace, User};
use crate::consent;
use crate::context::Context;
use crate::failure::{Failure, Misuse};
use crate::output::{Format, Report};
use crate::seeded::{Seeded, Shown};
use crate::show;
use serde::Serialize;
use std::path::Path;
use twostep_core::change::Action;
use twostep_terminal::{printable, put_line};

/// Shows a new one, has it confirmed, and stores it.
pub(crate) fn add(context: &Context, wanted: &AuthenticatorAdd) -> Result<(), Failure> {
    let from_input = wanted.seed.secret_file.as_deref() == Some(Path::new("-"));
    match wanted.activate {
        false if context.output.format() == Format::Json => return Err(Failure::Usage(Misuse::NeedsMode)),
        false if from_input => return Err(Failure::Usage(Misuse::BothFromInput)),
        _ => {}
    }
    let subject = context.subject(&wanted.user)?;
    let (enrollment, user) = (subject.settled()?, &subject.name);
    let Some(person) = &subject.person else { return Err(Failure::AccountGone(user.clone())) };
    let refused = |refusal| Failure::refused(user, refusal);
    // Looked at before a secret is shown that would be refused in the end.
    context.session()?.has_room_for(enrollment.id, &wanted.name, wanted.seed.kind()).map_err(refused)?;
    let mut new = Seeded::make(context, &wanted.seed, &wanted.name, person)?;
    context.session()?.has_no_twin(enrollment.id, new.new_authenticator().secret).map_err(refused)?;
    if !wanted.activate {
        new.confirm(context)?;
    }
    let id = context
        .session()?
        .add_authenticator(enrollment.id, &new.new_authenticator(), &context.author, context.now.wall)
        .map_err(refused)?;
    context.audit(user, Action::AuthenticatorAdd, Some(wanted.name.to_string()));
    context.output.report(&Added {
        user: user.as_str(),
        authenticator: new.report(id),
        name: wanted.name.as_str(),
        seeded: new.confirmed.is_none().then_some(new.shown.as_str()),
    })
}

#[derive(Serialize)]
struct Added<'a> {
    user: &'a str,
    authenticator: Shown<'a>,
    #[serde(skip)]
    name: &'a str,
    /// What has not been shown yet.
    #[serde(skip)]
    seeded: Option<&'a str>,
}

impl Report for Added<'_> {
    const DRAWS: bool = true;

    fn text(&self, to: &mut String) {
        to.push_str(self.seeded.unwrap_or_default());
        put_line!(to, "added the authenticator \"{}\" of {}", printable(self.name), printable(self.user));
    }
}

/// Shows a new one, has it confirmed, and puts it in the place of another.
pub(crate) fn replace(context: &Context, wanted: &AuthenticatorReplace) -> Result<(), Failure> {
    let from_input = wanted.seed.secret_file.as_deref() == Some(Path::new("-"));
    if from_input || context.output.format() == Format::Json {
        return Err(Failure::Usage(Misuse::NeedsFirstCode));
    }
    let subject = context.subject(&wanted.user)?;
    let (enrollment, user) = (subject.settled()?, &subject.name);
    let Some(person) = &subject.person else { return Err(Failure::AccountGone(user.clone())) };
    let refused = |refusal| Failure::refused(user, refusal);
    let session = context.session()?;
    let old = session.find_replaced(enrollment.id, wanted.one.as_deref()).map_err(refused)?;
    session.has_room_instead_of(enrollment.id, old.id, wanted.seed.kind()).map_err(refused)?;
    let since = session.latest_change(enrollment.id)?;
    drop(session);
    let mut new = Seeded::make(context, &wanted.seed, &old.label, person)?;
    context.session()?.has_no_twin(enrollment.id, new.new_authenticator().secret).map_err(refused)?;
    new.confirm(context)?;
    let (session, at) = (context.session()?, context.now.wall);
    session
        .replace_authenticator(enrollment.id, old.id, &new.new_authenticator(), since, &context.author, at)
        .map_err(refused)?;
    drop(session);
    context.audit(user, Action::AuthenticatorReplace, Some(old.label.to_string()));
    context.output.report(&Replaced { user: user.as_str(), name: old.label.as_str() })
}

#[derive(Serialize)]
struct Replaced<'a> {
    user: &'a str,
    name: &'a str,
}

impl Report for Replaced<'_> {
    fn text(&self, to: &mut String) {
        put_line!(to, "replaced the authenticator \"{}\" of {}", self.name, self.user);
        to.push_str(twostep_terminal::AFTER_REPLACEMENT);
    }
}

/// Lists a user's.
pub(crate) fn list(context: &Context, wanted: &User) -> Result<(), Failure> {
    let subject = context.subject(&wanted.user)?;
    let found = context.session()?.authenticators(subject.enrolled()?.id)?;
    let shown = found.iter().map(|one| show::Authenticator::of(one, context.now.wall));
    context.output.report(&Listed(shown.collect()))
}

#[derive(Serialize)]
#[serde(transparent)]
struct Listed(Vec<show::Authenticator>);

impl Report for Listed {
    fn text(&self, to: &mut String) {
        if self.0.is_empty() {
            to.push_str("no authenticators\n");
            return;
        }
        to.push_str(&show::authenticators(&self.0));
    }
}

/// Removes one.
pub(crate) fn remove(context: &Context, wanted: &AuthenticatorRemove) -> Result<(), Failure> {
    let subject = context.subject(&wanted.user)?;
    let (enrollment, user) = (subject.enrolled()?, &subject.name);
    let refused = |refusal| Failure::refused(user, refusal);
    let one = context.session()?.find_authenticator(enrollment.id, &wanted.one).map_err(refused)?;
    let question =
        format!("The authenticator \"{}\" of {user} will be good for nothing any more.", one.label);
    consent::obtain(wanted.consent, &question)?;
    let (session, at) = (context.session()?, context.now.wall);
    session.remove_authenticator(enrollment.id, one.id, &context.author, at).map_err(refused)?;
    drop(session);
    context.audit(user, Action::AuthenticatorRemove, Some(one.label.to_string()));
    context.output.report(&Removed { user: user.as_str(), id: one.id.0, name: one.label.as_str() })
}

#[derive(Serialize)]
struct Removed<'a> {
    user: &'a str,
    id: i64,
    name: &'a str,
}

impl Report for Removed<'_> {
    fn text(&self, to: &mut String) {
        put_line!(to, "removed the authenticator \"{}\" of {}", self.name, self.user);
    }
}
