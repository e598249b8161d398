//! What users change of their own enrollment: what does not fit is said at once, then password and code are asked for anew, then the
//! change is made in one transaction.

mod app_passwords;
mod unenroll;

use crate::broker::{Asker, Broker};
use crate::declined::Declined;
use crate::limits::{CONFIRM, CONFIRM_TRIES};
use crate::log::{self, BROKER};
use crate::prove::{Proven, prove};
use crate::subject::Subject;
use std::fmt::Display;
use twostep_core::account::{Enrollment, State};
use twostep_core::app_password::Label;
use twostep_core::backup_code::{BackupCode, SET};
use twostep_core::change::{Action, Author, By};
use twostep_core::event::{Event, Reason};
use twostep_core::name::UserName;
use twostep_core::policy::Policy;
use twostep_core::ports::Audit;
use twostep_core::protocol::own::{Change, Done, ForgottenDevice, NewSecret};
use twostep_core::protocol::{FromBroker, ToBroker};
use twostep_core::secret::Secret;
use twostep_core::totp::{self, Algorithm, Authenticator, AuthenticatorId, Match, Offset, Parameters};
use twostep_core::verify::Operation;
use twostep_host::{Kernel, issuer, now};
use twostep_store::admin::{FLAG, NewAuthenticator, NewEnrollment, Occasion};
use twostep_store::trusted::Devices;
use twostep_store::vault::Session;

/// Makes a change, if the peer proves who it is.
pub(crate) fn run(
    broker: &Broker,
    asker: &Asker<'_>,
    named: Option<&str>,
    change: &Change,
) -> Result<FromBroker, Declined> {
    let subject = Subject::of(broker, asker, named)?;
    let course = Course { broker, asker, subject };
    let done = match change {
        Change::Enroll { label } => course.enroll(&parse(label)?)?,
        change => course.change(change)?,
    };
    Ok(FromBroker::Done { done })
}

/// What users make for themselves: every phone app can do it, and it needs no look after its counter.
const NEW: Parameters = Parameters::COMMON;

/// Who makes these changes.
fn author() -> Author {
    Author { by: By::User, why: None }
}

/// A change on its way.
struct Course<'a> {
    broker: &'a Broker,
    asker: &'a Asker<'a>,
    /// By the configuration and the user database of when the peer was last waited for.
    subject: Subject,
}

impl Course<'_> {
    /// Turns two-step on. What was shown is stored only once a code of it has come back.
    fn enroll(mut self, label: &Label) -> Result<Done, Declined> {
        self.subject.can_enroll(&self.subject.session()?)?;
        match self.prove(Operation::SignIn)? {
            Proven::Password => {}
            Proven::Code => return Err(Declined::conflict("Two-step verification is on already.")),
        }
        let (authenticator, offset) = self.confirmed()?;
        let codes = backup_codes()?;
        let Subject { person, .. } = &self.subject;
        let new = NewEnrollment {
            user: &person.name,
            uid: person.uid,
            state: State::Active,
            authenticator: Some(new_authenticator(label, &authenticator, offset)),
            backup_codes: &codes,
            at: now().wall,
        };
        let session = self.subject.session()?;
        self.subject.can_enroll(&session)?;
        session.enroll(&new, &author())?;
        drop(session);
        self.record(Action::Enroll, None);
        Ok(Done::Enrolled { backup_codes: shown(&codes) })
    }

    fn change(mut self, change: &Change) -> Result<Done, Declined> {
        let session = self.subject.session()?;
        let enrollment = self.subject.active(&session)?;
        match change {
            // Not of an enrollment there is.
            Change::Enroll { .. } => Err(Declined::out_of_turn()),
            Change::AddAuthenticator { label } => {
                self.add_authenticator(session, &enrollment, &parse(label)?)
            }
            Change::RemoveAuthenticator { which } => {
                let found = session.find_authenticator(enrollment.id, which)?;
                let session = self.proven(session, &enrollment)?;
                session.remove_authenticator(enrollment.id, found.id, &author(), now().wall)?;
                drop(session);
                self.record(Action::AuthenticatorRemove, Some(&found.label));
                Ok(Done::AuthenticatorRemoved { label: found.label.to_string() })
            }
            Change::AddAppPassword { .. }
            | Change::RevokeAppPassword { .. }
            | Change::RevokeAllAppPasswords
            | Change::RenameAppPassword { .. } => self.app_passwords(session, &enrollment, change),
            Change::BackupCodes => {
                let session = self.proven(session, &enrollment)?;
                let codes = backup_codes()?;
                session.replace_backup_codes(enrollment.id, &codes, &author(), now().wall)?;
                drop(session);
                self.record(Action::BackupCodes, None);
                Ok(Done::BackupCodes { codes: shown(&codes) })
            }
            Change::ForgetTrustedDevice { which } => {
                self.forget_devices(session, &enrollment, Devices::Called(which))
            }
            Change::ForgetAllTrustedDevices => self.forget_devices(session, &enrollment, Devices::All),
            Change::ReplaceAuthenticator { which } => {
                self.replace_authenticator(session, &enrollment, which.as_deref())
            }
            Change::Unenroll => self.unenroll(session, &enrollment),
        }
    }

    fn forget_devices(
        &mut self,
        session: Session,
        enrollment: &Enrollment,
        which: Devices<'_>,
    ) -> Result<Done, Declined> {
        session.find_devices(enrollment.id, which)?;
        let session = self.proven(session, enrollment)?;
        let forgotten = session.forget_devices(enrollment.id, which, &author(), now().wall)?;
        drop(session);
        for one in &forgotten {
            self.record(Action::TrustedDeviceForget, Some(&one.device));
        }
        let devices = forgotten.into_iter().map(|one| ForgottenDevice {
            id: one.id,
            service: one.service,
            kind: one.kind,
            device: one.device,
        });
        Ok(Done::Forgotten { devices: devices.collect() })
    }

    fn add_authenticator(
        &mut self,
        session: Session,
        enrollment: &Enrollment,
        label: &Label,
    ) -> Result<Done, Declined> {
        session.has_room_for(enrollment.id, label, NEW.kind())?;
        let since = session.latest_change(enrollment.id)?;
        drop(self.proven(session, enrollment)?);
        let (authenticator, offset) = self.confirmed()?;
        let new = new_authenticator(label, &authenticator, offset);
        let session = self.subject.session()?;
        self.subject.still_active(&session, enrollment.id)?;
        let id = session.add_authenticator_since(enrollment.id, &new, since, &author(), now().wall)?;
        drop(session);
        self.record(Action::AuthenticatorAdd, Some(label));
        Ok(Done::AuthenticatorAdded { id: id.0 })
    }

    /// What was proven holds only as long as nothing has been changed: of two who replace the same authenticator, the second one is refused.
    fn replace_authenticator(
        &mut self,
        session: Session,
        enrollment: &Enrollment,
        which: Option<&str>,
    ) -> Result<Done, Declined> {
        let old = session.find_replaced(enrollment.id, which)?;
        session.has_room_instead_of(enrollment.id, old.id, NEW.kind())?;
        let since = session.latest_change(enrollment.id)?;
        drop(session);
        drop(self.proven_for(Operation::ReplaceAuthenticator, enrollment)?);
        let (authenticator, offset) = self.confirmed()?;
        let new = new_authenticator(&old.label, &authenticator, offset);
        let session = self.subject.session()?;
        self.subject.still_active(&session, enrollment.id)?;
        session.replace_authenticator(enrollment.id, old.id, &new, since, &author(), now().wall)?;
        drop(session);
        self.record(Action::AuthenticatorReplace, Some(&old.label));
        Ok(Done::AuthenticatorReplaced { label: old.label.to_string() })
    }

    /// Has the peer prove who it is. What follows goes by the configuration and the user database of afterwards.
    fn prove(&mut self, operation: Operation) -> Result<Proven, Declined> {
        let proven = prove(self.broker, self.asker, &self.subject, operation)?;
        self.subject = self.subject.again(self.broker, self.asker)?;
        Ok(proven)
    }

    /// The store once more, after the peer has proven who it is with a code; closed meanwhile. The enrollment is the same and still on:
    /// whoever has given a password alone, while there was none, has proven nothing for one that has come since.
    fn proven(&mut self, session: Session, enrollment: &Enrollment) -> Result<Session, Declined> {
        drop(session);
        self.proven_for(Operation::SignIn, enrollment)
    }

    /// The same with the store closed already, for an operation of which other codes are a proof than those that let in.
    fn proven_for(&mut self, operation: Operation, enrollment: &Enrollment) -> Result<Session, Declined> {
        match self.prove(operation)? {
            Proven::Code => {}
            Proven::Password => return Err(Declined::not_proven()),
        }
        let session = self.subject.session()?;
        self.subject.still_active(&session, enrollment.id)?;
        Ok(session)
    }

    /// Shows a new authenticator's secret, and waits for a code of it, which is consumed. How far off that was comes with it.
    fn confirmed(&mut self) -> Result<(Authenticator, Offset), Declined> {
        let found = confirmed(self.asker, &self.subject)?;
        self.subject = self.subject.again(self.broker, self.asker)?;
        Ok(found)
    }

    fn record(&self, action: Action, target: Option<&dyn Display>) {
        record(&self.subject.person.name, action, target);
    }
}

/// An authenticator whose first code has come.
fn new_authenticator<'a>(
    label: &'a Label,
    authenticator: &'a Authenticator,
    offset: Offset,
) -> NewAuthenticator<'a> {
    NewAuthenticator {
        label,
        parameters: authenticator.parameters,
        secret: &authenticator.secret,
        last_step: authenticator.last_step,
        confirmed: Some(offset),
    }
}

/// Shows a new authenticator's secret, and waits for a code of it.
fn confirmed(asker: &Asker<'_>, subject: &Subject) -> Result<(Authenticator, Offset), Declined> {
    let parameters = NEW;
    let secret = totp::new_secret(Algorithm::Sha1, &mut Kernel)?;
    let new = NewSecret {
        issuer: issuer(&subject.policy),
        user: subject.person.name.to_string(),
        secret: Secret::new(totp::base32(&secret).as_bytes().to_vec()),
        algorithm: parameters.algorithm().as_str().to_owned(),
        digits: parameters.digits(),
        period: parameters.period().map_or(0, u32::from),
    };
    let mut authenticator = Authenticator { id: AuthenticatorId(0), parameters, secret, last_step: None };
    let gone = |_| Declined::out_of_turn();
    asker.link.send(&FromBroker::NewSecret { new }).map_err(gone)?;
    for left in (0..CONFIRM_TRIES).rev() {
        let ToBroker::Confirm { code } = asker.link.receive(CONFIRM).map_err(gone)? else {
            return Err(Declined::out_of_turn());
        };
        let digits: Vec<u8> =
            code.expose().iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let digits = Secret::new(digits);
        let judged = std::str::from_utf8(digits.expose()).map(|code| authenticator.judge(code, now().wall));
        if let Ok(Match::Code(consumed)) = judged {
            authenticator.last_step = Some(consumed.step);
            return Ok((authenticator, consumed.offset));
        }
        if left > 0 {
            asker.link.send(&FromBroker::WrongCode { left }).map_err(gone)?;
        }
    }
    Err(Declined {
        refusal: twostep_core::protocol::Refusal::NotProven,
        text: "None of the codes was that of the new authenticator. Nothing was changed. \
               The phone's clock should be right to within half a minute."
            .to_owned(),
    })
}

/// Has somebody outside of the broker's sandbox run the administrator's command, which the change itself has made due.
fn raise_flag(policy: &Policy, occasion: Occasion) {
    if !occasion.is_wanted(&policy.app.hooks) {
        return;
    }
    if let Err(error) = twostep_store::admin::raise_flag(&policy.paths.runtime) {
        log::warning(&format!("{FLAG} cannot be written ({error}): run twostep-admin hooks"));
    }
}

fn parse(label: &str) -> Result<Label, Declined> {
    Label::parse(label).map_err(|_| {
        Declined::conflict("A name is 1 to 64 printable characters, without a blank at either end or a dash at the beginning.")
    })
}

fn backup_codes() -> Result<Vec<BackupCode>, Declined> {
    (0..SET).map(|_| Ok(BackupCode::generate(&mut Kernel)?)).collect()
}

fn shown(codes: &[BackupCode]) -> Vec<Secret> {
    codes.iter().map(|code| Secret::new(code.grouped().as_bytes().to_vec())).collect()
}

fn record(user: &UserName, action: Action, target: Option<&dyn Display>) {
    let target = target.map(ToString::to_string);
    let reason = Reason::Change { action, author: author(), target };
    BROKER.record(&Event { reason, user: Some(user.clone()), service: None, source: None });
}
