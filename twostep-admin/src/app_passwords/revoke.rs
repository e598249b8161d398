//! `app-password revoke`: one, all of a user's, or those of all users that are so old.

use super::{OfOne, rows_of_all};
use crate::cli::AppPasswordRevoke;
use crate::consent;
use crate::context::Context;
use crate::failure::{Failure, Misuse};
use crate::output::{Report, counted, time};
use serde::Serialize;
use std::collections::HashSet;
use twostep_core::change::Action;
use twostep_core::time::UnixTime;
use twostep_store::admin::{AppPasswordInfo, Which};
use twostep_terminal::put_line;

/// Revokes one, or all of a user's, or those of all users that are so old.
pub(crate) fn revoke(context: &Context, wanted: &AppPasswordRevoke) -> Result<(), Failure> {
    match (&wanted.user, wanted.created_before) {
        (Some(user), _) => revoke_of(context, user, wanted),
        (None, Some(before)) => revoke_of_all(context, before.at(context.now.wall), wanted),
        (None, None) => Err(Failure::Usage(Misuse::NeedsUser)),
    }
}

/// Revokes those of all users that were made before a time, in portions, so that logins go on. Whoever breaks it off runs it again.
fn revoke_of_all(context: &Context, before: UnixTime, wanted: &AppPasswordRevoke) -> Result<(), Failure> {
    let which = Which { created_before: Some(before), ..Which::default() };
    let revoked = if wanted.dry_run {
        context.session()?.all_app_passwords(which)?
    } else {
        let count = context.session()?.all_app_passwords(which)?.len();
        let question = format!(
            "All app passwords of all users that were made before {} ({count}) will be dead.",
            time(before)
        );
        consent::obtain_for_all_users(wanted.consent, &question)?;
        let mut revoked = Vec::new();
        loop {
            let (session, at) = (context.session()?, context.now.wall);
            let some = session.revoke_some(which, &context.author, at).map_err(Failure::of_all)?;
            drop(session);
            if some.is_empty() {
                break;
            }
            for of in &some {
                context.audit(&of.user, Action::AppPasswordRevoke, Some(of.info.name.to_string()));
            }
            revoked.extend(some);
        }
        revoked
    };
    let all = revoked.iter().map(|of| OfOne::of(of, &context.now)).collect();
    context.output.report(&RevokedOfAll {
        dry_run: wanted.dry_run,
        created_before: time(before),
        revoked: all,
    })
}

#[derive(Serialize)]
struct RevokedOfAll {
    dry_run: bool,
    created_before: String,
    revoked: Vec<OfOne>,
}

impl Report for RevokedOfAll {
    fn text(&self, to: &mut String) {
        let users: HashSet<&str> = self.revoked.iter().map(|of| of.user.as_str()).collect();
        let count = format!(
            "{} of {}, made before {}",
            counted_of(self.revoked.len(), "app password"),
            counted_of(users.len(), "user"),
            self.created_before
        );
        if self.dry_run {
            if !self.revoked.is_empty() {
                to.push_str(&rows_of_all(&self.revoked));
            }
            put_line!(to, "would be revoked: {count}. Nothing was changed.");
        } else {
            put_line!(to, "revoked: {count}");
        }
    }
}

fn counted_of(count: usize, what: &str) -> String {
    counted(u32::try_from(count).unwrap_or(u32::MAX), what)
}

fn revoke_of(context: &Context, user: &str, wanted: &AppPasswordRevoke) -> Result<(), Failure> {
    let subject = context.subject(user)?;
    let enrollment = subject.enrolled()?;
    let user = &subject.name;
    let refused = |refusal| Failure::refused(user, refusal);
    let Some(which) = &wanted.one else {
        let count = context.session()?.app_passwords(enrollment.id)?.len();
        consent::obtain(wanted.consent, &format!("All app passwords of {user} ({count}) will be dead."))?;
        let all = context
            .session()?
            .revoke_all_app_passwords(enrollment.id, &context.author, context.now.wall)
            .map_err(refused)?;
        for one in &all {
            context.audit(user, Action::AppPasswordRevoke, Some(one.name.to_string()));
        }
        return context.output.report(&Revoked::of(user.as_str(), &all.iter().collect::<Vec<_>>()));
    };
    let one = context.session()?.find_app_password(enrollment.id, which).map_err(refused)?;
    consent::obtain(wanted.consent, &format!("The app password \"{}\" of {user} will be dead.", one.name))?;
    context
        .session()?
        .revoke_app_password(enrollment.id, one.id, &context.author, context.now.wall)
        .map_err(refused)?;
    context.audit(user, Action::AppPasswordRevoke, Some(one.name.to_string()));
    context.output.report(&Revoked::of(user.as_str(), &[&one]))
}

#[derive(Serialize)]
struct Revoked<'a> {
    user: &'a str,
    revoked: Vec<RevokedOne<'a>>,
}

#[derive(Serialize)]
struct RevokedOne<'a> {
    id: i64,
    name: &'a str,
}

impl<'a> Revoked<'a> {
    fn of(user: &'a str, all: &[&'a AppPasswordInfo]) -> Self {
        let revoked = all.iter().map(|one| RevokedOne { id: one.id.0, name: one.name.as_str() }).collect();
        Self { user, revoked }
    }
}

impl Report for Revoked<'_> {
    fn text(&self, to: &mut String) {
        if self.revoked.is_empty() {
            put_line!(to, "{} has no app passwords: nothing to revoke", self.user);
        }
        for one in &self.revoked {
            put_line!(to, "revoked \"{}\" of {}", one.name, self.user);
        }
    }
}
