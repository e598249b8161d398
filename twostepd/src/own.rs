//! What users may see of their own. It costs no password: there is no secret in it.

use crate::broker::{Asker, Broker};
use crate::declined::Declined;
use crate::help_desk;
use crate::limits::HISTORY;
use crate::subject::{Standing, Subject};
use twostep_core::account::EnrollmentId;
use twostep_core::ports::Directory;
use twostep_core::protocol::own::{
    AppPassword, Authenticator, Enrollment, LastUse, Past, Status, TrustedDevice,
};
use twostep_core::protocol::wire::LIST_MAX;
use twostep_core::protocol::{FromBroker, Message};
use twostep_core::schedule::Unenrolled;
use twostep_core::secret::Secret;
use twostep_core::time::Now;
use twostep_host::{Nss, now};
use twostep_store::admin::Whose;
use twostep_store::trusted;
use twostep_store::vault::Session;

/// The peer's own enrollment.
pub(crate) fn status(
    broker: &Broker,
    asker: &Asker<'_>,
    named: Option<&str>,
) -> Result<FromBroker, Declined> {
    let subject = Subject::of(broker, asker, named)?;
    let help_desk = help_desk::is_of(&subject.policy, &subject.person.name)?;
    let password = Nss.account_password(&subject.person.name)?;
    let session = subject.session()?;
    let standing = subject.standing(&session)?;
    let mut status = report(&session, &subject, &standing, password.as_ref())?;
    drop(session);
    status.may_enroll = standing == Standing::NotEnrolled
        && subject.policy.self_service.enroll.value.at(now().wall) == Unenrolled::Allow;
    status.help_desk = help_desk;
    Ok(with_room(status))
}

/// All of it, but for the newest app passwords where there are more than a message has room for.
pub(crate) fn with_room(mut status: Status) -> FromBroker {
    loop {
        let answer = FromBroker::Status { status };
        match (answer.encode().is_ok(), answer) {
            (false, FromBroker::Status { status: all }) if !all.app_passwords.is_empty() => {
                status = all;
                status.app_passwords.truncate(status.app_passwords.len() * 3 / 4);
            }
            (_, answer) => return answer,
        }
    }
}

/// What was changed for the peer.
pub(crate) fn history(
    broker: &Broker,
    asker: &Asker<'_>,
    named: Option<&str>,
    limit: u32,
) -> Result<FromBroker, Declined> {
    let subject = Subject::of(broker, asker, named)?;
    let person = &subject.person;
    let whose = Whose::Person(&person.name, person.uid);
    let entries = subject.session()?.history(whose, limit.clamp(1, HISTORY))?;
    let entries = entries.into_iter().map(|past| Past {
        at: past.at,
        action: past.action,
        target: past.target,
        by: past.by,
        reason: past.why,
    });
    Ok(as_many_as_fit(entries.collect()))
}

/// The newest of them that a message has room for.
fn as_many_as_fit(mut entries: Vec<Past>) -> FromBroker {
    loop {
        let answer = FromBroker::History { entries };
        match (answer.encode().is_ok(), answer) {
            (false, FromBroker::History { entries: all }) if !all.is_empty() => {
                entries = all;
                entries.truncate(entries.len() * 3 / 4);
            }
            (_, answer) => return answer,
        }
    }
}

/// What the store says of a user, for the user and for the help desk. `password` is the account's, hashed: devices that were trusted with
/// another one are trusted no more.
pub(crate) fn report(
    session: &Session,
    subject: &Subject,
    standing: &Standing,
    password: Option<&Secret>,
) -> Result<Status, Declined> {
    let user = &subject.person.name;
    let mut status = Status {
        user: user.to_string(),
        state: match standing {
            Standing::NotEnrolled => Enrollment::None,
            Standing::Pending => Enrollment::Pending,
            Standing::Active(_) => Enrollment::Active,
            // A code of that is asked for at prompts, whether the other name is still there or not.
            Standing::OtherName | Standing::Unsettled => Enrollment::Unsettled,
        },
        app_only: matches!(standing, Standing::Active(found) if found.is_app_only()),
        created: None,
        activated: None,
        backup_codes: 0,
        bypass_until: None,
        wrong_codes: 0,
        authenticators: Vec::new(),
        app_passwords: Vec::new(),
        trusted_devices: Vec::new(),
        may_enroll: false,
        help_desk: false,
    };
    // What was made for another account says nothing to this one.
    if matches!(standing, Standing::NotEnrolled | Standing::OtherName | Standing::Unsettled) {
        return Ok(status);
    }
    if let Some(summary) = session.summaries(Some(user))?.pop() {
        let id = summary.enrollment.id;
        status.created = Some(summary.created);
        status.activated = summary.activated;
        status.backup_codes = summary.backup_codes;
        status.wrong_codes = summary.failures;
        let now = session.present(&now().no_earlier_than(subject.policy.written))?;
        status.bypass_until = session.bypass_until(id, &now)?.map(|(until, _)| until);
        status.authenticators = authenticators(session, id)?;
        status.app_passwords = app_passwords(session, id, &now)?;
        let at_most = subject.policy.interactive.trust_for;
        let trusted = session.trusted_devices(id, at_most, password, &now)?;
        status.trusted_devices = trusted.into_iter().take(LIST_MAX).map(trusted_device).collect();
    }
    Ok(status)
}

fn authenticators(session: &Session, of: EnrollmentId) -> Result<Vec<Authenticator>, Declined> {
    let one = |info: twostep_store::admin::AuthenticatorInfo| Authenticator {
        id: info.id.0,
        label: info.label.to_string(),
        kind: info.parameters.kind().as_str().to_owned(),
        algorithm: info.parameters.algorithm().as_str().to_owned(),
        digits: info.parameters.digits(),
        period: info.parameters.period().map(u32::from),
        created: info.created,
        last_used: info.last_used,
    };
    Ok(session.authenticators(of)?.into_iter().take(LIST_MAX).map(one).collect())
}

/// How many characters are shown of what an app password is limited to.
const LIMITS_SHOWN: usize = 200;

fn app_passwords(session: &Session, of: EnrollmentId, now: &Now) -> Result<Vec<AppPassword>, Declined> {
    let one = |info: twostep_store::admin::AppPasswordInfo| AppPassword {
        id: info.id.0,
        name: info.name.to_string(),
        created: info.created,
        limits: info.scope.describe(now).map(|limits| limits.chars().take(LIMITS_SHOWN).collect()),
        last_used: info.last_used.map(|used| LastUse {
            at: used.at,
            service: used.service,
            source: used.source,
        }),
    };
    Ok(session.app_passwords(of)?.into_iter().take(LIST_MAX).map(one).collect())
}

/// A trusted device as the owner sees it.
fn trusted_device(info: trusted::TrustedDevice) -> TrustedDevice {
    let trusted::TrustedDevice { id, service, kind, device, lease } = info;
    TrustedDevice { id, service, kind, device, since: lease.given.wall, until: lease.until() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use twostep_core::policy::APP_PASSWORDS_MAX;
    use twostep_core::time::{Lease, Stamp, UnixTime};
    use twostep_store::admin::AUTHENTICATORS_MAX;
    use twostep_store::trusted::TRUSTED_MAX;

    #[test]
    fn a_history_with_long_reasons_is_cut_to_what_a_message_has_room_for() {
        let past = |at| Past {
            at: UnixTime(at),
            action: "bypass".to_owned(),
            target: None,
            by: "help-desk:carol".to_owned(),
            reason: Some("\u{1f4f1}".repeat(200)),
        };
        let FromBroker::History { entries } = as_many_as_fit((0..200).map(past).collect()) else {
            panic!("no history");
        };
        assert!((50..200).contains(&entries.len()), "{}", entries.len());
        assert_eq!(entries[0].at, UnixTime(0), "the newest stay");
        assert_eq!(as_many_as_fit(Vec::new()), FromBroker::History { entries: Vec::new() });
    }

    /// A trusted device as the store has it, of the longest that there are: a key with a certificate.
    fn stored() -> trusted::TrustedDevice {
        let given = Stamp { wall: UnixTime(86_400), since_boot: Duration::ZERO, boot: None };
        trusted::TrustedDevice {
            id: 7,
            service: "sshd".to_owned(),
            kind: "key".to_owned(),
            device: format!("SHA256:{0} certified by SHA256:{0}", "x".repeat(43)),
            lease: Lease { given, lifetime: Duration::from_secs(86_400) },
        }
    }

    #[test]
    fn a_trusted_device_is_shown_with_its_time() {
        let shown = trusted_device(stored());
        assert_eq!((shown.id, shown.service.as_str(), shown.kind.as_str()), (7, "sshd", "key"));
        assert_eq!((shown.since, shown.until), (UnixTime(86_400), UnixTime(2 * 86_400)));
    }

    #[test]
    fn who_has_as_much_of_everything_as_there_can_be_is_shown_it_in_one_message() {
        let longest = "\u{1f4f1}".repeat(64);
        let authenticator = Authenticator {
            id: i64::MAX,
            label: longest.clone(),
            kind: "totp".to_owned(),
            algorithm: "sha512".to_owned(),
            digits: 8,
            period: Some(60),
            created: UnixTime(1),
            last_used: Some(UnixTime(2)),
        };
        let used =
            LastUse { at: UnixTime(2), service: "x".repeat(64), source: format!("name:{}", "x".repeat(255)) };
        let limits = Some("x".repeat(LIMITS_SHOWN));
        let app_password =
            AppPassword { id: i64::MAX, name: longest, created: UnixTime(1), last_used: Some(used), limits };
        let trusted_device = TrustedDevice { service: "x".repeat(64), ..trusted_device(stored()) };
        let passwords = usize::try_from(APP_PASSWORDS_MAX).unwrap();
        let devices = usize::try_from(TRUSTED_MAX).unwrap();
        let status = Status {
            user: "x".repeat(255),
            state: Enrollment::Active,
            app_only: false,
            created: Some(UnixTime(1)),
            activated: Some(UnixTime(2)),
            backup_codes: 10,
            bypass_until: Some(UnixTime(3)),
            wrong_codes: 99,
            authenticators: vec![authenticator; AUTHENTICATORS_MAX],
            app_passwords: vec![app_password; passwords],
            trusted_devices: vec![trusted_device; devices],
            may_enroll: false,
            help_desk: true,
        };
        assert!(passwords.max(devices) <= LIST_MAX);
        assert!(FromBroker::Status { status: status.clone() }.encode().is_ok());
        // And the first of them where the configuration allows more.
        let many = vec![status.app_passwords[0].clone(); 200];
        let FromBroker::Status { status } = with_room(Status { app_passwords: many, ..status }) else {
            panic!("no status");
        };
        assert!((passwords..200).contains(&status.app_passwords.len()));
    }
}
