//! Enrolling while signing in: what is shown, and what is stored when all is done.

use crate::StoreError;
use crate::admin::{NewAuthenticator, NewEnrollment, Refusal};
use crate::host::Kernel;
use crate::vault::Session;
use twostep_core::account::{Enrollment, EnrollmentId, State};
use twostep_core::app_password::Label;
use twostep_core::backup_code::{BackupCode, SET};
use twostep_core::change::{Author, By};
use twostep_core::ports::{Confirmed, Draft, Person, Unavailable};
use twostep_core::random::{Entropy, NoEntropy};
use twostep_core::secret::Secret;
use twostep_core::totp::Parameters;
use zeroize::Zeroizing;

/// How long a secret under HMAC-SHA-1 is, in bytes (RFC 4226 §4 R6).
const SECRET: usize = 20;
/// What the authenticator is called.
const LABEL: &str = "phone";

/// What somebody is shown. The secret follows from the master key, the user, the day and the place, so that it is the same at her next try;
/// and from the last change of hers that was of consequence, so that it is another one once she was enrolled with it.
pub(crate) fn draft(
    session: &Session,
    person: &Person,
    day: i64,
    place: Option<&str>,
) -> Result<Draft, StoreError> {
    let sql = "SELECT coalesce(max(id), 0) FROM history WHERE user = ? AND grave = 1";
    let last: i64 = session.connection.query_row(sql, [person.name.as_str()], |row| row.get(0))?;
    let newest: i64 =
        session.connection.query_row("SELECT coalesce(max(id), 0) FROM enrollment", [], |row| row.get(0))?;
    let mut random = [0; 32];
    if place.is_none() {
        Kernel.fill(&mut random)?;
    }
    let parts: [&[u8]; 7] = [
        &session.store_id,
        person.name.as_str().as_bytes(),
        &person.uid.to_be_bytes(),
        &day.to_be_bytes(),
        &last.to_be_bytes(),
        place.unwrap_or_default().as_bytes(),
        &random,
    ];
    let derived = Zeroizing::new(session.keys.login_secrets.mac(&parts));
    let secret = Secret::new(derived.iter().take(SECRET).copied().collect());
    let codes: Result<_, NoEntropy> = (0..SET).map(|_| BackupCode::generate(&mut Kernel)).collect();
    Ok(Draft { secret, backup_codes: codes?, newest: EnrollmentId(newest) })
}

/// Enrolls her.
pub(crate) fn enroll(
    session: &Session,
    person: &Person,
    confirmed: &Confirmed<'_>,
) -> Result<bool, Unavailable> {
    let label = Label::stored(LABEL.to_owned());
    let new = NewEnrollment {
        user: &person.name,
        uid: person.uid,
        state: State::Active,
        authenticator: Some(NewAuthenticator {
            label: &label,
            parameters: Parameters::COMMON,
            secret: &confirmed.draft.secret,
            last_step: Some(confirmed.code.step),
            confirmed: Some(confirmed.code.offset),
        }),
        backup_codes: &confirmed.draft.backup_codes,
        at: confirmed.at,
    };
    // Older ones of that uid were looked at when it was decided to enroll: with any but root's, a code was asked for.
    let unseen = |other: &Enrollment| other.id > confirmed.draft.newest;
    match session.enroll_unless(&new, &Author { by: By::Login, why: None }, unseen) {
        Ok(_) => Ok(true),
        Err(Refusal::AlreadyEnrolled(_)) => Ok(false),
        Err(Refusal::Store(error)) => Err(error.into()),
        Err(other) => Err(Unavailable { cause: other.to_string(), remedy: "twostep-admin check".to_owned() }),
    }
}

#[cfg(test)]
#[path = "at_login_tests.rs"]
mod tests;
