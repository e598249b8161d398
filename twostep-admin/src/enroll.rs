//! `enroll`: turns two-step on.

use crate::backup_codes;
use crate::cli::Enroll;
use crate::context::Context;
use crate::failure::{Failure, Misuse};
use crate::output::{Format, Report};
use crate::seeded::{Seeded, Shown};
use serde::Serialize;
use std::path::Path;
use twostep_core::account::{NO_UID, State};
use twostep_core::backup_code::BackupCode;
use twostep_core::change::Action;
use twostep_core::ports::Person;
use twostep_store::admin::NewEnrollment;
use twostep_store::host;
use twostep_terminal::{printable, put_line};

/// Carries it out.
pub(crate) fn run(context: &Context, wanted: &Enroll) -> Result<(), Failure> {
    let mode = mode(context, wanted)?;
    let person = match context.person(&wanted.user)? {
        Some(person) => person,
        None => virtual_user(context, &wanted.user)?,
    };
    // Looked at before a secret is shown that would be refused in the end.
    let enrollment = context.session()?.enrollment(&person.name)?;
    if let Some(enrollment) = enrollment {
        context.subject(&wanted.user)?.settled()?;
        return Err(Failure::AlreadyEnrolled(person.name, enrollment.state));
    }
    if person.uid == NO_UID && mode != Mode::AppOnly {
        return Err(Failure::VirtualUser(person.name));
    }
    if mode == Mode::AppOnly {
        return store(context, &person, None, State::Active);
    }
    let mut new = Seeded::make(context, &wanted.seed, &wanted.label, &person)?;
    let state = if mode == Mode::Pending { State::Pending } else { State::Active };
    if mode == Mode::Ask {
        new.confirm(context)?;
    }
    store(context, &person, Some(&new), state)
}

/// Somebody whom NSS does not know, where there can be such users.
fn virtual_user(context: &Context, raw: &str) -> Result<Person, Failure> {
    let naming = &context.policy.app.naming;
    match naming.user(raw) {
        Some(name) if naming.virtual_users => Ok(Person { name, uid: NO_UID }),
        _ => Err(Failure::UserUnknown(raw.to_owned())),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Ask,
    Activate,
    Pending,
    AppOnly,
}

fn mode(context: &Context, wanted: &Enroll) -> Result<Mode, Failure> {
    let mode = match (wanted.activate, wanted.pending, wanted.app_only) {
        (true, _, _) => Mode::Activate,
        (_, true, _) => Mode::Pending,
        (_, _, true) => Mode::AppOnly,
        _ => Mode::Ask,
    };
    let from_input = wanted.seed.secret_file.as_deref() == Some(Path::new("-"));
    match mode {
        Mode::Ask if context.output.format() == Format::Json => Err(Failure::Usage(Misuse::NeedsMode)),
        Mode::Ask if from_input => Err(Failure::Usage(Misuse::BothFromInput)),
        mode => Ok(mode),
    }
}

fn store(context: &Context, person: &Person, new: Option<&Seeded<'_>>, state: State) -> Result<(), Failure> {
    let codes: Vec<BackupCode> = if new.is_some() { backup_codes::make()? } else { Vec::new() };
    let enrollment = NewEnrollment {
        user: &person.name,
        uid: person.uid,
        state,
        authenticator: new.map(Seeded::new_authenticator),
        backup_codes: &codes,
        at: host::now().wall,
    };
    let (_, id) = context
        .session()?
        .enroll(&enrollment, &context.author)
        .map_err(|refusal| Failure::refused(&person.name, refusal))?;
    context.audit(&person.name, Action::Enroll, None);
    let codes = backup_codes::shown(&codes);
    context.output.report(&Enrolled {
        user: person.name.as_str(),
        uid: (person.uid != NO_UID).then_some(person.uid),
        state: state.as_str(),
        app_only: new.is_none(),
        authenticator: new.zip(id).map(|(seeded, id)| seeded.report(id)),
        backup_codes: codes.iter().map(|code| code.as_str()).collect(),
        seeded: new.filter(|seeded| seeded.confirmed.is_none()).map(|seeded| seeded.shown.as_str()),
    })
}

#[derive(Serialize)]
struct Enrolled<'a> {
    user: &'a str,
    /// None for a virtual user.
    uid: Option<u32>,
    state: &'a str,
    app_only: bool,
    authenticator: Option<Shown<'a>>,
    backup_codes: Vec<&'a str>,
    /// What has not been shown yet.
    #[serde(skip)]
    seeded: Option<&'a str>,
}

impl Report for Enrolled<'_> {
    const DRAWS: bool = true;

    fn text(&self, to: &mut String) {
        to.push_str(self.seeded.unwrap_or_default());
        let user = printable(self.user);
        if self.uid.is_none() {
            put_line!(to, "{user} has no account on this host, and is a virtual user.");
        }
        match (self.state, self.app_only) {
            (_, true) => put_line!(
                to,
                "{user} is enrolled (active, without an authenticator): app passwords only, nothing at a prompt.\n\
                 Next: twostep-admin app-password add {user} NAME"
            ),
            ("pending", _) => {
                put_line!(to, "{user} is enrolled (pending): the first right code at a login turns it on.")
            }
            _ => put_line!(to, "{user} is enrolled (active)."),
        }
        if !self.backup_codes.is_empty() {
            to.push('\n');
            twostep_terminal::backup_codes(to, &self.backup_codes);
        }
    }
}
