//! `app-password`: add, list, rename, revoke.

use crate::cli::{AppPasswordAdd, AppPasswordRename, AppPasswordRevoke, User};
use crate::consent;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Report, table, time};
use serde::Serialize;
use twostep_core::app_password::AppPassword;
use twostep_core::change::Action;
use twostep_store::admin::AppPasswordInfo;
use twostep_store::host::Kernel;
use twostep_terminal::put_line;
use zeroize::Zeroizing;

/// Makes one and prints it.
pub(crate) fn add(context: &Context, wanted: &AppPasswordAdd) -> Result<(), Failure> {
    let subject = context.subject(&wanted.user)?;
    let enrollment = subject.settled()?;
    let password = AppPassword::generate(&mut Kernel)?;
    let id = context
        .session()?
        .add_app_password(enrollment.id, &wanted.name, &password, &context.author, context.now.wall)
        .map_err(|refusal| Failure::refused(&subject.name, refusal))?;
    context.audit(&subject.name, Action::AppPasswordAdd, Some(wanted.name.to_string()));
    let letters: Zeroizing<String> =
        Zeroizing::new(password.expose().iter().copied().map(char::from).collect());
    context.output.report(&Added {
        id: id.0,
        user: subject.name.as_str(),
        name: wanted.name.as_str(),
        created: time(context.now.wall),
        password: &letters,
        grouped: &password.grouped(),
    })
}

#[derive(Serialize)]
struct Added<'a> {
    id: i64,
    user: &'a str,
    name: &'a str,
    created: String,
    password: &'a str,
    #[serde(skip)]
    grouped: &'a str,
}

impl Report for Added<'_> {
    fn text(&self, to: &mut String) {
        put_line!(
            to,
            "App password \"{}\" of {}, for one program on one device. It is not shown again:\n\n{}\n\n\
             Blanks and case do not matter.",
            self.name,
            self.user,
            self.grouped
        );
    }
}

/// Lists a user's.
pub(crate) fn list(context: &Context, wanted: &User) -> Result<(), Failure> {
    let subject = context.subject(&wanted.user)?;
    let found = context.session()?.app_passwords(subject.enrolled()?.id)?;
    context.output.report(&Listed(found.iter().map(One::of).collect()))
}

#[derive(Serialize)]
#[serde(transparent)]
struct Listed(Vec<One>);

/// An app password as it is listed.
#[derive(Serialize)]
pub(crate) struct One {
    id: i64,
    name: String,
    created: String,
    last_used: Option<String>,
    last_service: Option<String>,
    last_from: Option<String>,
}

impl One {
    /// From what the store says.
    pub(crate) fn of(info: &AppPasswordInfo) -> Self {
        let used = info.last_used.as_ref();
        Self {
            id: info.id.0,
            name: info.name.to_string(),
            created: time(info.created),
            last_used: used.map(|used| time(used.at)),
            last_service: used.map(|used| used.service.clone()),
            last_from: used.map(|used| used.source.clone()),
        }
    }
}

impl Report for Listed {
    fn text(&self, to: &mut String) {
        if self.0.is_empty() {
            to.push_str("no app passwords\n");
            return;
        }
        to.push_str(&rows(&self.0));
    }
}

/// App passwords as a table.
pub(crate) fn rows(all: &[One]) -> String {
    let dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    table(
        &["ID", "NAME", "CREATED", "LAST USED", "SERVICE", "FROM"],
        all.iter().map(|one| {
            vec![
                one.id.to_string(),
                one.name.clone(),
                one.created.clone(),
                dash(&one.last_used),
                dash(&one.last_service),
                dash(&one.last_from),
            ]
        }),
    )
}

/// Revokes one, or all.
pub(crate) fn revoke(context: &Context, wanted: &AppPasswordRevoke) -> Result<(), Failure> {
    let subject = context.subject(&wanted.user)?;
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

/// Gives one another name.
pub(crate) fn rename(context: &Context, wanted: &AppPasswordRename) -> Result<(), Failure> {
    let subject = context.subject(&wanted.user)?;
    let (enrollment, user) = (subject.enrolled()?, &subject.name);
    let refused = |refusal| Failure::refused(user, refusal);
    let one = context.session()?.find_app_password(enrollment.id, &wanted.one).map_err(refused)?;
    let (session, at) = (context.session()?, context.now.wall);
    let was = session
        .rename_app_password(enrollment.id, one.id, &wanted.name, &context.author, at)
        .map_err(refused)?;
    drop(session);
    context.audit(user, Action::AppPasswordRename, Some(wanted.name.to_string()));
    let (was, name) = (was.as_str(), wanted.name.as_str());
    context.output.report(&Renamed { user: user.as_str(), id: one.id.0, was, name })
}

#[derive(Serialize)]
struct Renamed<'a> {
    user: &'a str,
    id: i64,
    was: &'a str,
    name: &'a str,
}

impl Report for Renamed<'_> {
    fn text(&self, to: &mut String) {
        put_line!(to, "renamed \"{}\" of {} to \"{}\"", self.was, self.user, self.name);
    }
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
