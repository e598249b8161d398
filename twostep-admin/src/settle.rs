//! `settle`: an account that was deleted and made anew, whose uid was changed, or that was renamed.

use crate::cli::{Consent, Settle};
use crate::consent;
use crate::context::{Context, Subject, find};
use crate::failure::Failure;
use crate::output::Report;
use serde::Serialize;
use std::fmt;
use twostep_core::account::{Enrollment, NO_UID};
use twostep_core::change::Action;
use twostep_terminal::put_line;

/// Carries it out.
pub(crate) fn run(context: &Context, wanted: &Settle) -> Result<(), Failure> {
    let subject = context.subject(&wanted.user)?;
    let enrollment = subject.enrolled()?;
    if let Some(name) = &wanted.rename {
        return rename(context, &subject, enrollment, name, wanted.consent);
    }
    let user = &subject.name;
    // An account that is gone has nobody to keep the enrollment for.
    let now = match &subject.person {
        None if wanted.keep && !enrollment.is_virtual() => return Err(Failure::AccountGone(user.clone())),
        person => person.as_ref().map(|person| person.uid),
    };
    let at = context.now.wall;
    let refused = |refusal| Failure::refused(user, refusal);
    let virtual_still = enrollment.is_virtual() && now.is_none() && !wanted.drop;
    let outcome = if now == Some(enrollment.uid) || virtual_still {
        Outcome::Nothing
    } else if let (true, Some(uid)) = (wanted.keep, now) {
        context.session()?.keep_for_uid(enrollment.id, uid, &context.author, at).map_err(refused)?;
        context.audit(user, Action::SettleKeep, None);
        Outcome::Kept
    } else {
        consent::obtain(wanted.consent, &format!("The enrollment of {user} will be deleted."))?;
        let action = Action::SettleDrop;
        context.session()?.unenroll(enrollment.id, action, &context.author, at).map_err(refused)?;
        context.audit(user, Action::SettleDrop, None);
        Outcome::Dropped
    };
    context.output.report(&Settled {
        user: user.as_str(),
        settled: outcome,
        was: Was(enrollment.uid),
        is: now,
    })
}

/// Takes the enrollment to the name that its account has now. The uid can be another account's that was given it since: it is asked.
fn rename(
    context: &Context,
    subject: &Subject,
    enrollment: &Enrollment,
    name: &str,
    consent: Consent,
) -> Result<(), Failure> {
    let (old, enrolled) = (&enrollment.user, enrollment.uid);
    if subject.person.as_ref().is_some_and(|person| person.uid == enrolled) {
        return Err(Failure::NotRenamed(old.clone()));
    }
    let new = find(name)?.ok_or_else(|| Failure::UserUnknown(name.to_owned()))?;
    if new.uid != enrolled {
        return Err(Failure::NotItsAccount { user: new.name, uid: new.uid, enrolled });
    }
    let question = format!(
        "{} will sign in with the authenticators, backup codes and app passwords of {old}, and whoever has those signs in as {0}. That is \
         right after usermod --login; not where the account of {old} was deleted and {0} was given its uid.",
        new.name
    );
    consent::obtain(consent, &question)?;
    let (session, at) = (context.session()?, context.now.wall);
    session
        .rename(enrollment.id, &new.name, &context.author, at)
        .map_err(|refusal| Failure::refused(&new.name, refusal))?;
    drop(session);
    context.audit(&new.name, Action::SettleRename, Some(old.to_string()));
    let (user, renamed_to) = (old.as_str(), new.name.as_str());
    context.output.report(&Renamed { user, settled: "renamed", renamed_to, uid: enrolled })
}

#[derive(Serialize)]
struct Renamed<'a> {
    user: &'a str,
    settled: &'a str,
    renamed_to: &'a str,
    uid: u32,
}

impl Report for Renamed<'_> {
    fn text(&self, to: &mut String) {
        let Self { user, renamed_to, uid, .. } = self;
        put_line!(to, "renamed: {user}'s enrollment, made for uid {uid}, is {renamed_to}'s now");
    }
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Nothing,
    Kept,
    Dropped,
}

/// What an enrollment was made for. Null in JSON for a virtual user.
#[derive(Clone, Copy)]
struct Was(u32);

impl Serialize for Was {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Some(self.0).filter(|uid| *uid != NO_UID).serialize(to)
    }
}

impl fmt::Display for Was {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == NO_UID { f.write_str("a virtual user") } else { write!(f, "uid {}", self.0) }
    }
}

#[derive(Serialize)]
struct Settled<'a> {
    user: &'a str,
    settled: Outcome,
    was: Was,
    is: Option<u32>,
}

impl Report for Settled<'_> {
    fn text(&self, to: &mut String) {
        let Self { user, was, .. } = self;
        match (self.settled, self.is) {
            (Outcome::Nothing, _) => {
                put_line!(to, "nothing to settle: {user} is enrolled as {was}, and that is the account's")
            }
            (Outcome::Kept, Some(is)) => {
                put_line!(to, "kept: {user}'s enrollment was made for {was} and holds for uid {is} now")
            }
            _ => put_line!(to, "dropped: {user}'s enrollment, made for {was}, is deleted"),
        }
    }
}
