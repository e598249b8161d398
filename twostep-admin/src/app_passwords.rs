//! `app-password`: add, list, rename, revoke.

mod revoke;

pub(crate) use revoke::revoke;

use crate::cli::{AppPasswordAdd, AppPasswordList, AppPasswordRename};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Report, ago, table, time, time_or_none};
use crate::services;
use serde::Serialize;
use twostep_core::change::Action;
use twostep_core::time::Now;
use twostep_store::admin::{AppPasswordInfo, NewAppPassword, Of, Which};
use twostep_store::host;
use twostep_terminal::put_line;
use zeroize::Zeroizing;

/// Makes one and prints it.
pub(crate) fn add(context: &Context, wanted: &AppPasswordAdd) -> Result<(), Failure> {
    let subject = context.subject(&wanted.user)?;
    let enrollment = subject.settled()?;
    let AppPasswordAdd { name, limits, .. } = wanted;
    services::check(&host::known_services(&context.policy), &limits.services)?;
    let new = NewAppPassword {
        name,
        services: &limits.services,
        networks: &limits.networks,
        expires: limits.expires(context.now.wall),
    };
    let (id, password) = context
        .session()?
        .add_app_password(enrollment.id, &new, &context.author, &context.now)
        .map_err(|refusal| Failure::refused(&subject.name, refusal))?;
    context.audit(&subject.name, Action::AppPasswordAdd, Some(name.to_string()));
    let letters: Zeroizing<String> =
        Zeroizing::new(password.expose().iter().copied().map(char::from).collect());
    context.output.report(&Added {
        id: id.0,
        user: subject.name.as_str(),
        name: name.as_str(),
        created: time(context.now.wall),
        password: &letters,
        limits: new.scope(&context.now).describe(&context.now),
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
    limits: Option<String>,
    #[serde(skip)]
    grouped: &'a str,
}

impl Report for Added<'_> {
    fn text(&self, to: &mut String) {
        put_line!(
            to,
            "App password \"{}\" of {}, for one program on one device.\n\
             It is not shown again:\n\n{}\n\n\
             Blanks and case do not matter.",
            self.name,
            self.user,
            self.grouped
        );
        if let Some(limits) = &self.limits {
            put_line!(to, "It is good for: {limits}.");
        }
    }
}

/// Lists a user's, or everybody's.
pub(crate) fn list(context: &Context, wanted: &AppPasswordList) -> Result<(), Failure> {
    let now = &context.session()?.present(&context.now)?;
    let unused_since = wanted.unused.map(|time| now.wall.minus(time));
    let Some(user) = &wanted.user else {
        let all = context.session()?.all_app_passwords(Which { unused_since, ..Which::default() })?;
        return context.output.report(&OfAll(all.iter().map(|of| OfOne::of(of, now)).collect()));
    };
    let subject = context.subject(user)?;
    let found = context.session()?.app_passwords(subject.enrolled()?.id)?;
    let is_wanted = |one: &&AppPasswordInfo| {
        let last = one.last_used.as_ref().map_or(one.created, |used| used.at.max(one.created));
        unused_since.is_none_or(|since| last < since)
    };
    context.output.report(&Listed(found.iter().filter(is_wanted).map(|info| One::of(info, now)).collect()))
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
    /// The PAM services it is limited to; empty for all.
    services: Vec<String>,
    /// The networks it is limited to; empty for everywhere.
    networks: Vec<String>,
    /// When it ends to be good.
    expires: Option<String>,
    expired: bool,
    #[serde(skip)]
    used_ago: String,
    #[serde(skip)]
    limits: String,
}

impl One {
    /// From what the store says.
    pub(crate) fn of(info: &AppPasswordInfo, now: &Now) -> Self {
        let used = info.last_used.as_ref();
        let until = info.scope.until();
        Self {
            id: info.id.0,
            name: info.name.to_string(),
            created: time(info.created),
            last_used: used.map(|used| time(used.at)),
            last_service: used.map(|used| used.service.clone()),
            last_from: used.map(|used| used.source.clone()),
            services: info.scope.services.iter().map(|glob| glob.as_str().to_owned()).collect(),
            networks: info.scope.networks.iter().map(ToString::to_string).collect(),
            expires: time_or_none(until),
            expired: info.scope.is_over(now),
            used_ago: used.map_or("never".to_owned(), |used| {
                format!("{}, {}, {}", ago(used.at, now.wall), used.service, used.source)
            }),
            limits: info.scope.describe(now).unwrap_or_else(|| "-".to_owned()),
        }
    }

    fn cells(&self) -> Vec<String> {
        let Self { id, name, created, used_ago, limits, .. } = self;
        vec![id.to_string(), name.clone(), created.clone(), used_ago.clone(), limits.clone()]
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
    table(&COLUMNS, all.iter().map(One::cells))
}

const COLUMNS: [&str; 5] = ["ID", "NAME", "CREATED", "LAST USED", "LIMITED TO"];

#[derive(Serialize)]
#[serde(transparent)]
struct OfAll(Vec<OfOne>);

/// An app password and whose it is.
#[derive(Serialize)]
pub(crate) struct OfOne {
    user: String,
    #[serde(flatten)]
    one: One,
}

impl OfOne {
    fn of(of: &Of, now: &Now) -> Self {
        Self { user: of.user.to_string(), one: One::of(&of.info, now) }
    }
}

impl Report for OfAll {
    fn text(&self, to: &mut String) {
        if self.0.is_empty() {
            to.push_str("no app passwords\n");
            return;
        }
        to.push_str(&rows_of_all(&self.0));
    }
}

/// App passwords of several users as a table.
fn rows_of_all(all: &[OfOne]) -> String {
    let header: Vec<&str> = std::iter::once("USER").chain(COLUMNS).collect();
    let row = |of: &OfOne| std::iter::once(of.user.clone()).chain(of.one.cells()).collect();
    table(&header, all.iter().map(row))
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
