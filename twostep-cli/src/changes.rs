//! Whatever changes something. The broker asks for the account password and a code first.

use crate::cli::{AppPassword, Arguments, Authenticator, Enroll};
use crate::conversation::Conversation;
use crate::failure::Failure;
use crate::status;
use serde::Serialize;
use std::io::{self, BufRead, IsTerminal, Write};
use twostep_core::key_uri;
use twostep_core::protocol::own::{Change, Done, NewSecret};
use twostep_core::protocol::{FromBroker, ToBroker};
use twostep_core::secret::Secret;
use twostep_core::totp::{Algorithm, Kind, Parameters};
use twostep_host::now;
use twostep_terminal::put_line;
use twostep_terminal::{Canvas, Format, Report, new_secret, printable};
use zeroize::Zeroizing;

/// Turns two-step on.
pub(crate) fn enroll(
    arguments: &Arguments,
    broker: &mut Conversation<'_>,
    wanted: &Enroll,
) -> Result<(), Failure> {
    let change = Change::Enroll { label: wanted.label.to_string() };
    let Done::Enrolled { backup_codes } = new_authenticator(broker, change, wanted.no_qr)? else {
        return Err(Failure::Strange);
    };
    let codes = texts(&backup_codes)?;
    let report = Codes { enrolled: true, backup_codes: codes.iter().map(|code| code.as_str()).collect() };
    arguments.output().report(&report).map_err(Failure::Output)
}

/// A new set of backup codes.
pub(crate) fn backup_codes(arguments: &Arguments, broker: &mut Conversation<'_>) -> Result<(), Failure> {
    let Done::BackupCodes { codes } = broker.change(Change::BackupCodes)? else {
        return Err(Failure::Strange);
    };
    let codes = texts(&codes)?;
    let report = Codes { enrolled: false, backup_codes: codes.iter().map(|code| code.as_str()).collect() };
    arguments.output().report(&report).map_err(Failure::Output)
}

#[derive(Serialize)]
struct Codes<'a> {
    #[serde(skip)]
    enrolled: bool,
    backup_codes: Vec<&'a str>,
}

impl Report for Codes<'_> {
    fn text(&self, to: &mut String) {
        if self.enrolled {
            to.push_str("Two-step verification is on.\n\n");
        }
        twostep_terminal::backup_codes(to, &self.backup_codes);
    }
}

/// App passwords.
pub(crate) fn app_password(
    arguments: &Arguments,
    broker: &mut Conversation<'_>,
    wanted: &AppPassword,
) -> Result<(), Failure> {
    let output = arguments.output();
    let done = match wanted {
        AppPassword::List => return status::app_passwords(arguments, broker),
        AppPassword::Add { name, limits, clear } => {
            let change = Change::AddAppPassword {
                name: name.to_string(),
                services: limits.services.iter().map(|glob| glob.as_str().to_owned()).collect(),
                networks: limits.networks.iter().map(ToString::to_string).collect(),
                expires: limits.expires(now().wall),
            };
            let Done::AppPassword { id, name, password } = broker.change(change)? else {
                return Err(Failure::Strange);
            };
            let password = text(&password)?;
            broker.person().tell(&format!(
                "App password \"{name}\", for one program on one device; blanks and case do not matter. \
                 It is not shown again:"
            ));
            output.report(&NewPassword { id, name: &name, password: &password }).map_err(Failure::Output)?;
            return if *clear && output.format == Format::Text { wipe() } else { Ok(()) };
        }
        AppPassword::Rename { one, name } => {
            broker.change(Change::RenameAppPassword { which: one.clone(), name: name.to_string() })?
        }
        AppPassword::Revoke { one: Some(which), .. } => {
            broker.change(Change::RevokeAppPassword { which: which.clone() })?
        }
        AppPassword::Revoke { one: None, .. } => broker.change(Change::RevokeAllAppPasswords)?,
    };
    let report = match done {
        Done::Renamed { from, to } => Changed { renamed: Some(Renamed { from, to }), ..Changed::default() },
        Done::Revoked { names } => Changed { revoked: Some(names), ..Changed::default() },
        _ => return Err(Failure::Strange),
    };
    output.report(&report).map_err(Failure::Output)
}

/// Authenticators.
pub(crate) fn authenticator(
    arguments: &Arguments,
    broker: &mut Conversation<'_>,
    wanted: &Authenticator,
) -> Result<(), Failure> {
    let report = match wanted {
        Authenticator::List => return status::authenticators(arguments, broker),
        Authenticator::Add { name, no_qr } => {
            let change = Change::AddAuthenticator { label: name.to_string() };
            match new_authenticator(broker, change, *no_qr)? {
                Done::AuthenticatorAdded { .. } => {
                    Changed { added: Some(name.to_string()), ..Changed::default() }
                }
                _ => return Err(Failure::Strange),
            }
        }
        Authenticator::Replace { one, no_qr } => {
            let change = Change::ReplaceAuthenticator { which: one.clone() };
            match new_authenticator(broker, change, *no_qr)? {
                Done::AuthenticatorReplaced { label } => {
                    Changed { replaced: Some(label), ..Changed::default() }
                }
                _ => return Err(Failure::Strange),
            }
        }
        Authenticator::Remove { one } => {
            match broker.change(Change::RemoveAuthenticator { which: one.clone() })? {
                Done::AuthenticatorRemoved { label } => {
                    Changed { removed: Some(label), ..Changed::default() }
                }
                _ => return Err(Failure::Strange),
            }
        }
    };
    arguments.output().report(&report).map_err(Failure::Output)
}

/// Turns two-step off.
pub(crate) fn unenroll(arguments: &Arguments, broker: &mut Conversation<'_>) -> Result<(), Failure> {
    let Done::Unenrolled = broker.change(Change::Unenroll)? else { return Err(Failure::Strange) };
    arguments.output().report(&Unenrolled { state: "none" }).map_err(Failure::Output)
}

#[derive(Serialize)]
struct Unenrolled {
    state: &'static str,
}

impl Report for Unenrolled {
    fn text(&self, to: &mut String) {
        to.push_str("Two-step verification is off. To turn it on again: twostep enroll\n");
    }
}

/// What was changed, where nothing new is shown.
#[derive(Default, Serialize)]
struct Changed {
    #[serde(skip_serializing_if = "Option::is_none")]
    added: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replaced: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    removed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    renamed: Option<Renamed>,
}

#[derive(Serialize)]
struct Renamed {
    from: String,
    to: String,
}

impl Report for Changed {
    fn text(&self, to: &mut String) {
        let mut put = |what: &str, name: &str| {
            put_line!(to, "{what} \"{}\"", printable(name));
        };
        self.added.iter().for_each(|name| put("added", name));
        self.replaced.iter().for_each(|name| put("replaced", name));
        self.removed.iter().for_each(|name| put("removed", name));
        self.revoked.iter().flatten().for_each(|name| put("revoked", name));
        self.renamed
            .iter()
            .for_each(|both| put(&format!("renamed \"{}\" to", printable(&both.from)), &both.to));
        if self.replaced.is_some() {
            to.push_str(twostep_terminal::AFTER_REPLACEMENT);
        }
        if self.revoked.as_ref().is_some_and(Vec::is_empty) {
            to.push_str("no app passwords: nothing to revoke\n");
        }
    }
}

#[derive(Serialize)]
struct NewPassword<'a> {
    id: i64,
    name: &'a str,
    password: &'a str,
}

impl Report for NewPassword<'_> {
    /// By itself on its line, and nothing else on standard output.
    fn text(&self, to: &mut String) {
        put_line!(to, "{}", self.password);
    }
}

/// Clears the terminal and what can be scrolled back to.
fn wipe() -> Result<(), Failure> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        eprintln!("Nothing is wiped: this is no terminal.");
        return Ok(());
    }
    eprint!("Press Enter to wipe it from the terminal. ");
    let _pressed = io::stdin().lock().read_line(&mut String::new());
    let mut stdout = io::stdout().lock();
    stdout.write_all(b"\x1b[H\x1b[2J\x1b[3J").and_then(|()| stdout.flush()).map_err(Failure::Output)
}

/// A change that comes with a new authenticator: its secret is shown, and a code of it asked for.
fn new_authenticator(broker: &mut Conversation<'_>, change: Change, no_qr: bool) -> Result<Done, Failure> {
    let request = ToBroker::Change { user: broker.name(), change };
    let FromBroker::NewSecret { new } = broker.ask(&request)? else { return Err(Failure::Strange) };
    show(&new, no_qr)?;
    broker.confirm()
}

/// Shows a secret on standard error, where people see it and where it is in nobody's way.
fn show(new: &NewSecret, no_qr: bool) -> Result<(), Failure> {
    let base32 = text(&new.secret)?;
    let parameters = Algorithm::parse(&new.algorithm)
        .and_then(|algorithm| {
            let kind = Kind::Totp { period: u8::try_from(new.period).ok()? };
            Parameters::new(algorithm, new.digits, kind).ok()
        })
        .ok_or(Failure::Strange)?;
    let uri = key_uri::uri(&new.issuer, &new.user, &base32, parameters);
    let canvas = Canvas::of(&io::stderr(), !no_qr);
    let shown = new_secret(&format!("Authenticator of {}", new.user), &base32, &uri, canvas);
    io::stderr().write_all(shown.as_bytes()).map_err(Failure::Output)
}

/// What the broker shows, which is plain text: anything else is not from our broker.
pub(crate) fn text(secret: &Secret) -> Result<Zeroizing<String>, Failure> {
    let bytes = secret.expose();
    if !bytes.iter().all(|byte| (b' '..=b'~').contains(byte)) {
        return Err(Failure::Strange);
    }
    Ok(Zeroizing::new(bytes.iter().copied().map(char::from).collect()))
}

fn texts(secrets: &[Secret]) -> Result<Vec<Zeroizing<String>>, Failure> {
    secrets.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_password_stands_alone_on_its_line() {
        let mut text = String::new();
        NewPassword { id: 1, name: "mail", password: "abcd efgh ijkl mnop" }.text(&mut text);
        assert_eq!(text, "abcd efgh ijkl mnop\n");
    }

    #[test]
    fn a_secret_that_is_no_text_is_not_shown() {
        assert!(text(&Secret::new(b"\x1b[2J".to_vec())).is_err());
        assert_eq!(*text(&Secret::new(b"ABCD".to_vec())).unwrap(), "ABCD");
    }
}
