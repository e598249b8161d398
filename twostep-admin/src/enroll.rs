//! `enroll`: turns two-step on.

use crate::audit::Action;
use crate::cli::Enroll;
use crate::context::{Context, find};
use crate::failure::{Failure, Misuse};
use crate::output::{Format, Report, is_terminal};
use crate::{backup_codes, confirm, key_uri, seed};
use serde::Serialize;
use std::fmt::Write;
use std::path::Path;
use twostep_core::account::State;
use twostep_core::backup_code::BackupCode;
use twostep_core::ports::Person;
use twostep_core::totp::{Authenticator, AuthenticatorId, Parameters};
use twostep_store::admin::{NewAuthenticator, NewEnrollment};
use twostep_store::host;
use zeroize::Zeroizing;

/// Carries it out.
pub(crate) fn run(context: &Context, wanted: &Enroll) -> Result<(), Failure> {
    let mode = mode(context, wanted)?;
    let person = find(&wanted.user)?.ok_or_else(|| Failure::UserUnknown(wanted.user.clone()))?;
    // Looked at before a secret is shown that would be refused in the end.
    let subject = context.subject(&wanted.user)?;
    if let Some(enrollment) = &subject.enrollment {
        subject.settled()?;
        return Err(Failure::AlreadyEnrolled(subject.name, enrollment.state));
    }
    if mode == Mode::AppOnly {
        return store(context, wanted, &person, None, State::Active);
    }
    let new = Seeded::make(context, wanted, &person)?;
    let state = if mode == Mode::Pending { State::Pending } else { State::Active };
    let confirmed_step = match mode {
        Mode::Ask => {
            context.output.say(&new.shown)?;
            Some(confirm::ask(&new.authenticator)?)
        }
        _ => None,
    };
    store(context, wanted, &person, Some((&new, confirmed_step)), state)
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
    let from_input = wanted.secret_file.as_deref() == Some(Path::new("-"));
    match mode {
        Mode::Ask if context.output.format() == Format::Json => Err(Failure::Usage(Misuse::NeedsMode)),
        Mode::Ask if from_input => Err(Failure::Usage(Misuse::BothFromInput)),
        mode => Ok(mode),
    }
}

/// An authenticator that is not stored yet.
struct Seeded {
    authenticator: Authenticator,
    base32: Zeroizing<String>,
    uri: Zeroizing<String>,
    /// QR code, secret and URI for people.
    shown: Zeroizing<String>,
}

impl Seeded {
    fn make(context: &Context, wanted: &Enroll, person: &Person) -> Result<Self, Failure> {
        let secret = match &wanted.secret_file {
            Some(path) => seed::read(path)?,
            None => seed::generate(wanted.algorithm)?,
        };
        // The arguments let nothing else through than what is allowed here.
        let parameters =
            Parameters::new(wanted.algorithm, wanted.digits, wanted.period).unwrap_or(Parameters::COMMON);
        let base32 = seed::base32(&secret);
        let uri = key_uri::uri(&issuer(context), person.name.as_str(), &base32, parameters);
        let shown = shown(wanted, person, &base32, &uri);
        let authenticator = Authenticator { id: AuthenticatorId(0), parameters, secret, last_step: None };
        Ok(Self { authenticator, base32, uri, shown })
    }
}

fn shown(wanted: &Enroll, person: &Person, base32: &str, uri: &str) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(32 << 10));
    let _ = writeln!(*text, "Authenticator \"{}\" of {}:\n", wanted.label, person.name);
    let qr = if wanted.no_qr || !is_terminal() { None } else { key_uri::qr(uri) };
    if let Some(qr) = qr {
        text.push_str(&qr);
        text.push('\n');
    }
    let _ = writeln!(*text, "secret  {}\nURI     {uri}\n", *seed::grouped(base32));
    text
}

/// The configured issuer, or this host's name.
fn issuer(context: &Context) -> String {
    let host = || nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    // A label is split at its first colon.
    context
        .policy
        .issuer
        .clone()
        .or_else(host)
        .map(|name| name.replace(':', "-"))
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "twostep".to_owned())
}

fn store(
    context: &Context,
    wanted: &Enroll,
    person: &Person,
    new: Option<(&Seeded, Option<u64>)>,
    state: State,
) -> Result<(), Failure> {
    let codes: Vec<BackupCode> = if new.is_some() { backup_codes::make()? } else { Vec::new() };
    let authenticator = new.map(|(seeded, confirmed_step)| NewAuthenticator {
        label: &wanted.label,
        parameters: seeded.authenticator.parameters,
        secret: &seeded.authenticator.secret,
        confirmed_step,
    });
    let (_, id) = context
        .session()?
        .enroll(&NewEnrollment {
            user: &person.name,
            uid: person.uid,
            state,
            authenticator,
            backup_codes: &codes,
            at: host::now().wall,
        })
        .map_err(|refusal| Failure::refused(&person.name, refusal))?;
    context.audit(&person.name, Action::Enroll, None);
    let codes = backup_codes::shown(&codes);
    context.output.report(&Enrolled {
        user: person.name.as_str(),
        uid: person.uid,
        state: state.as_str(),
        app_only: new.is_none(),
        authenticator: new.zip(id).map(|((seeded, _), id)| Shown::of(seeded, id, wanted)),
        backup_codes: codes.iter().map(|code| code.as_str()).collect(),
        seeded: new.filter(|(_, step)| step.is_none()).map(|(seeded, _)| seeded.shown.as_str()),
    })
}

#[derive(Serialize)]
struct Enrolled<'a> {
    user: &'a str,
    uid: u32,
    state: &'a str,
    app_only: bool,
    authenticator: Option<Shown<'a>>,
    backup_codes: Vec<&'a str>,
    /// What has not been shown yet.
    #[serde(skip)]
    seeded: Option<&'a str>,
}

#[derive(Serialize)]
struct Shown<'a> {
    id: i64,
    r#type: &'a str,
    label: &'a str,
    algorithm: &'a str,
    digits: u8,
    period: u8,
    secret: &'a str,
    uri: &'a str,
}

impl<'a> Shown<'a> {
    fn of(seeded: &'a Seeded, id: AuthenticatorId, wanted: &'a Enroll) -> Self {
        let parameters = seeded.authenticator.parameters;
        Self {
            id: id.0,
            r#type: "totp",
            label: wanted.label.as_str(),
            algorithm: parameters.algorithm().as_str(),
            digits: parameters.digits(),
            period: parameters.period(),
            secret: &seeded.base32,
            uri: &seeded.uri,
        }
    }
}

impl Report for Enrolled<'_> {
    fn text(&self, to: &mut String) {
        to.push_str(self.seeded.unwrap_or_default());
        let _ = match (self.state, self.app_only) {
            (_, true) => writeln!(
                to,
                "{user} is enrolled (active, without an authenticator): app passwords only, nothing at a prompt.\n\
                 Next: twostep-admin app-password add {user} NAME",
                user = self.user
            ),
            ("pending", _) => writeln!(
                to,
                "{} is enrolled (pending): the first right code at a login turns it on.",
                self.user
            ),
            _ => writeln!(to, "{} is enrolled (active).", self.user),
        };
        if !self.backup_codes.is_empty() {
            to.push('\n');
            backup_codes::text(to, &self.backup_codes);
        }
    }
}
