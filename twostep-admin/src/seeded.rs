//! An authenticator that is not stored yet: its secret is made or read, shown, and confirmed by a first code.

use crate::cli::Seed;
use crate::context::Context;
use crate::failure::Failure;
use crate::{confirm, seed};
use serde::Serialize;
use std::io;
use std::path::Path;
use twostep_core::app_password::Label;
use twostep_core::key_uri;
use twostep_core::ports::Person;
use twostep_core::secret::Secret;
use twostep_core::totp::{self, Authenticator, AuthenticatorId, Kind, Offset, Parameters};
use twostep_store::admin::NewAuthenticator;
use twostep_store::host::{Kernel, issuer};
use twostep_terminal::{Canvas, new_secret, one_line};
use zeroize::Zeroizing;

/// The authenticator, and how it is shown.
pub(crate) struct Seeded<'a> {
    label: &'a Label,
    authenticator: Authenticator,
    base32: Zeroizing<String>,
    uri: Zeroizing<String>,
    /// QR code, secret and URI for people.
    pub(crate) shown: Zeroizing<String>,
    /// How far off the code was that has confirmed it.
    pub(crate) confirmed: Option<Offset>,
}

impl<'a> Seeded<'a> {
    /// Makes the secret, or reads it.
    pub(crate) fn make(
        context: &Context,
        wanted: &Seed,
        label: &'a Label,
        person: &Person,
    ) -> Result<Self, Failure> {
        let secret = match &wanted.secret_file {
            Some(path) => read(context, path, person)?,
            None => totp::new_secret(wanted.algorithm, &mut Kernel)?,
        };
        // The arguments let nothing else through than what is allowed here.
        let parameters =
            Parameters::new(wanted.algorithm, wanted.digits, wanted.kind()).unwrap_or(Parameters::COMMON);
        let base32 = totp::base32(&secret);
        let (issuer, user) = (issuer(&context.policy), person.name.as_str());
        let uri = key_uri::uri_from(wanted.counter, &issuer, user, &base32, parameters);
        let canvas = Canvas::of(&io::stdout(), !wanted.no_qr);
        let shown = new_secret(&format!("Authenticator \"{label}\" of {user}"), &base32, &uri, canvas);
        // What counts and begins at N has used up all before; where time decides, N is 0.
        let last_step = wanted.counter.checked_sub(1);
        let authenticator = Authenticator { id: AuthenticatorId(0), parameters, secret, last_step };
        Ok(Self { label, authenticator, base32, uri, shown, confirmed: None })
    }

    /// Shows it and asks for a code, which is consumed.
    pub(crate) fn confirm(&mut self, context: &Context) -> Result<(), Failure> {
        context.output.draw(&self.shown)?;
        let consumed = confirm::ask(&self.authenticator)?;
        self.authenticator.last_step = Some(consumed.step);
        self.confirmed = Some(consumed.offset);
        Ok(())
    }

    /// As the store takes it.
    pub(crate) fn new_authenticator(&self) -> NewAuthenticator<'_> {
        NewAuthenticator {
            label: self.label,
            parameters: self.authenticator.parameters,
            secret: &self.authenticator.secret,
            last_step: self.authenticator.last_step,
            confirmed: self.confirmed,
        }
    }

    /// As a program reads it.
    pub(crate) fn report(&self, id: AuthenticatorId) -> Shown<'_> {
        let parameters = self.authenticator.parameters;
        Shown {
            id: id.0,
            r#type: parameters.kind().as_str(),
            label: self.label.as_str(),
            algorithm: parameters.algorithm().as_str(),
            digits: parameters.digits(),
            period: parameters.period(),
            counter: (parameters.kind() == Kind::Hotp).then(|| self.authenticator.next_counter()),
            secret: &self.base32,
            uri: &self.uri,
        }
    }
}

/// Reads a secret, and warns where somebody else has it.
fn read(context: &Context, path: &Path, person: &Person) -> Result<Secret, Failure> {
    let secret = seed::read(path)?;
    let holders = context.session()?.holders_of(&secret)?;
    if let Some(other) = holders.iter().find(|holder| holder.user != person.name) {
        eprintln!(
            "twostep-admin: warning: \"{}\" of {} has this secret as well: who has one of the two makes the codes of both\n  \
             hint: give each user a secret of their own",
            one_line(&other.label.to_string()),
            one_line(&other.user.to_string())
        );
    }
    Ok(secret)
}

/// A new authenticator in JSON.
#[derive(Serialize)]
pub(crate) struct Shown<'a> {
    id: i64,
    r#type: &'a str,
    label: &'a str,
    algorithm: &'a str,
    digits: u8,
    /// Of one that goes by time.
    #[serde(skip_serializing_if = "Option::is_none")]
    period: Option<u8>,
    /// Of one that counts: the counter of its next code.
    #[serde(skip_serializing_if = "Option::is_none")]
    counter: Option<u64>,
    secret: &'a str,
    uri: &'a str,
}
