//! `show` and `list`: who is enrolled.

use crate::app_passwords::{self, One};
use crate::cli::{List, User, WantedState};
use crate::context::{Context, Subject, find};
use crate::failure::Failure;
use crate::nss;
use crate::orphans;
use crate::output::{Report, ago, counted, table, time, time_or_none};
use crate::trusted_devices;
use serde::Serialize;
use std::collections::HashSet;
use twostep_core::account::{State, settle_gone, settle_uid};
use twostep_core::ports::Person;
use twostep_core::time::UnixTime;
use twostep_core::totp::Offset;
use twostep_store::admin::{AuthenticatorInfo, Summary};
use twostep_store::host::Nss;
use twostep_terminal::put_line;

/// Shows one user.
pub(crate) fn one(context: &Context, wanted: &User) -> Result<(), Failure> {
    let Subject { name, person, enrollment } = context.subject(&wanted.user)?;
    let password = match &person {
        Some(_) => trusted_devices::account_password(&name)?,
        None => None,
    };
    let session = context.session()?;
    let now = session.present(&context.now)?;
    let summary = session.summaries(Some(&name))?.pop();
    let all = session.summaries(None)?;
    let (Some(enrollment), Some(summary)) = (enrollment, summary) else {
        drop(session);
        let line = match person {
            Some(person) => Line::none(&person, &all)?,
            None => return Err(Failure::UserUnknown(name.to_string())),
        };
        return context.output.report(&Shown { line, details: None });
    };
    let details = Details {
        authenticators: session
            .authenticators(enrollment.id)?
            .iter()
            .map(|one| Authenticator::of(one, context.now.wall))
            .collect(),
        app_passwords: session.app_passwords(enrollment.id)?.iter().map(|info| One::of(info, &now)).collect(),
        trusted_devices: session
            .trusted_devices(enrollment.id, context.policy.interactive.trust_for, password.as_ref(), &now)?
            .iter()
            .map(trusted_devices::one)
            .collect(),
    };
    drop(session);
    context.output.report(&Shown { line: Line::of(&summary, person.as_ref(), &all), details: Some(details) })
}

/// Lists all, or those in one state.
pub(crate) fn all(context: &Context, wanted: &List) -> Result<(), Failure> {
    let enrolled = context.session()?.summaries(None)?;
    let mut lines = Vec::new();
    if wanted.state == Some(WantedState::None) {
        let names: HashSet<_> = enrolled.iter().map(|summary| &summary.enrollment.user).collect();
        let accounts = nss::accounts_with_a_shell()?;
        for account in accounts.into_iter().filter(|account| !names.contains(&account.name)) {
            let person = Person { name: account.name, uid: account.uid };
            lines.push(Line::none(&person, &enrolled)?);
        }
    } else {
        let state = match wanted.state {
            Some(WantedState::Pending) => Some(State::Pending),
            Some(WantedState::Active) => Some(State::Active),
            _ => None,
        };
        for summary in enrolled.iter().filter(|one| state.is_none_or(|state| one.enrollment.state == state)) {
            let person = find(summary.enrollment.user.as_str())?;
            lines.push(Line::of(summary, person.as_ref(), &enrolled));
        }
    }
    let none = match wanted.state {
        None => "nobody is enrolled",
        Some(WantedState::None) => "every account with a login shell is enrolled",
        Some(WantedState::Pending) => "no enrollment is pending",
        Some(WantedState::Active) => "no enrollment is active",
    };
    context.output.report(&Listed { lines, none })
}

/// What both say of a user.
#[derive(Serialize)]
struct Line {
    user: String,
    state: &'static str,
    app_only: bool,
    /// The account's uid today; null where it is gone.
    uid: Option<u32>,
    /// The uid the enrollment was made for; null for a virtual user.
    enrolled_uid: Option<u32>,
    account: Account,
    /// Of whoever is not enrolled: the enrollment for this uid whose name has gone.
    orphan: Option<String>,
    /// Who has the uid of an enrollment whose account has gone, and can be given it.
    #[serde(skip)]
    heir: Option<String>,
    created: Option<String>,
    activated: Option<String>,
    backup_codes_left: u32,
    app_password_count: u32,
    wrong_codes: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Account {
    Ok,
    Gone,
    UidChanged,
    Virtual,
}

impl Line {
    fn none(person: &Person, enrolled: &[Summary]) -> Result<Self, Failure> {
        let orphan = orphans::with_uid_of(&Nss, person, enrolled).map_err(|failed| Failure::Nss(failed.0))?;
        Ok(Self {
            user: person.name.to_string(),
            state: "none",
            app_only: false,
            uid: Some(person.uid),
            enrolled_uid: None,
            account: Account::Ok,
            orphan: orphan.map(|orphan| orphan.user.to_string()),
            heir: Some(person.name.to_string()),
            created: None,
            activated: None,
            backup_codes_left: 0,
            app_password_count: 0,
            wrong_codes: 0,
        })
    }

    fn of(summary: &Summary, person: Option<&Person>, enrolled: &[Summary]) -> Self {
        let enrollment = &summary.enrollment;
        let is_orphan = !enrollment.is_virtual() && person.is_none_or(|person| person.uid != enrollment.uid);
        Self {
            heir: is_orphan
                .then(|| orphans::heir(enrollment, enrolled))
                .flatten()
                .map(|heir| heir.to_string()),
            user: enrollment.user.to_string(),
            state: enrollment.state.as_str(),
            app_only: enrollment.is_app_only(),
            uid: person.map(|person| person.uid),
            enrolled_uid: (!enrollment.is_virtual()).then_some(enrollment.uid),
            account: match person {
                None if enrollment.is_virtual() => Account::Virtual,
                None => Account::Gone,
                Some(person) if person.uid != enrollment.uid => Account::UidChanged,
                Some(_) => Account::Ok,
            },
            orphan: None,
            created: Some(time(summary.created)),
            activated: time_or_none(summary.activated),
            backup_codes_left: summary.backup_codes,
            app_password_count: summary.app_passwords,
            wrong_codes: summary.failures,
        }
    }

    fn state_words(&self) -> String {
        match (self.account, self.app_only) {
            (Account::Virtual, _) => format!("{} (virtual, app-only)", self.state),
            (_, true) => format!("{} (app-only)", self.state),
            _ => self.state.to_owned(),
        }
    }

    /// What an administrator must know of the account; nothing where all is well.
    fn trouble(&self) -> Option<String> {
        let heir = self.heir.as_deref();
        if let Some(orphan) = &self.orphan {
            let remedy = settle_gone(orphan, heir);
            return Some(format!("asked for codes of {orphan}, who has no account any more; {remedy}"));
        }
        let was = self.enrolled_uid.map_or("a virtual user".to_owned(), |uid| format!("uid {uid}"));
        match (self.account, self.uid) {
            (Account::Gone, _) => Some(format!("no account any more; {}", settle_gone(&self.user, heir))),
            (Account::UidChanged, Some(is)) => {
                Some(format!("enrolled as {was}, is uid {is} now; {}", settle_uid(&self.user, heir)))
            }
            _ => None,
        }
    }
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    line: Line,
    #[serde(flatten)]
    details: Option<Details>,
}

#[derive(Serialize)]
struct Details {
    authenticators: Vec<Authenticator>,
    app_passwords: Vec<One>,
    trusted_devices: Vec<twostep_terminal::TrustedDevice>,
}

#[derive(Serialize)]
pub(crate) struct Authenticator {
    id: i64,
    r#type: &'static str,
    label: String,
    algorithm: &'static str,
    digits: u8,
    /// Of one that goes by time.
    #[serde(skip_serializing_if = "Option::is_none")]
    period: Option<u8>,
    /// Of one that counts: the counter of the code that is expected next.
    #[serde(skip_serializing_if = "Option::is_none")]
    counter: Option<u64>,
    created: String,
    last_used: Option<String>,
    /// How far off the latest code was: steps, or counters that were passed over.
    off_by: Option<i64>,
    #[serde(skip)]
    last_code: String,
}

impl Authenticator {
    pub(crate) fn of(info: &AuthenticatorInfo, now: UnixTime) -> Self {
        let used = info.last_used.map(|used| ago(used, now));
        let off = info.offset.map(|offset| off_by(offset, info.parameters.period()));
        Self {
            id: info.id.0,
            r#type: info.parameters.kind().as_str(),
            label: info.label.to_string(),
            algorithm: info.parameters.algorithm().as_str(),
            digits: info.parameters.digits(),
            period: info.parameters.period(),
            counter: info.counter,
            created: time(info.created),
            last_used: time_or_none(info.last_used),
            off_by: info.offset.map(Offset::number),
            last_code: match (used, off) {
                (Some(used), Some(off)) => format!("{used}, {off}"),
                (Some(used), None) => used,
                (None, _) => "-".to_owned(),
            },
        }
    }
}

/// How far off a code was, as people say it.
fn off_by(offset: Offset, period: Option<u8>) -> String {
    match offset {
        Offset::Steps(0) => "on time".to_owned(),
        Offset::Steps(steps) => {
            let count = steps.unsigned_abs();
            let seconds = u32::from(count) * u32::from(period.unwrap_or(0));
            let where_to = if steps < 0 { "behind" } else { "ahead" };
            format!("{} ({seconds} s) {where_to}", counted(count.into(), "step"))
        }
        Offset::PassedOver(0) => "none passed over".to_owned(),
        Offset::PassedOver(count) => format!("{count} passed over"),
    }
}

impl Report for Shown {
    fn text(&self, to: &mut String) {
        let line = &self.line;
        let mut put = |what: &str, value: &str| {
            put_line!(to, "{what:<14} {value}");
        };
        put("user", &line.user);
        put("state", &line.state_words());
        if let Some(trouble) = line.trouble() {
            put("account", &trouble);
        }
        let Some(details) = &self.details else { return };
        put("enrolled", line.created.as_deref().unwrap_or("-"));
        put("activated", line.activated.as_deref().unwrap_or("-"));
        put("backup codes", &format!("{} unused", line.backup_codes_left));
        put("wrong codes", &line.wrong_codes.to_string());
        if !details.authenticators.is_empty() {
            to.push_str("\nAuthenticators\n");
            to.push_str(&authenticators(&details.authenticators));
        }
        if !details.app_passwords.is_empty() {
            to.push_str("\nApp passwords\n");
            to.push_str(&app_passwords::rows(&details.app_passwords));
        }
        if !details.trusted_devices.is_empty() {
            to.push_str("\nTrusted devices\n");
            to.push_str(&trusted_devices::rows(&details.trusted_devices));
        }
    }
}

/// Authenticators as a table.
pub(crate) fn authenticators(all: &[Authenticator]) -> String {
    table(
        &["ID", "NAME", "TYPE", "ALGORITHM", "DIGITS", "NEXT CODE", "CREATED", "LAST CODE"],
        all.iter().map(|one| {
            let next = match (one.period, one.counter) {
                (Some(period), _) => format!("every {period} s"),
                (None, counter) => format!("counter {}", counter.unwrap_or(0)),
            };
            vec![
                one.id.to_string(),
                one.label.clone(),
                one.r#type.to_owned(),
                one.algorithm.to_owned(),
                one.digits.to_string(),
                next,
                one.created.clone(),
                one.last_code.clone(),
            ]
        }),
    )
}

#[derive(Serialize)]
#[serde(transparent)]
struct Listed {
    lines: Vec<Line>,
    /// What it means that there are none.
    #[serde(skip)]
    none: &'static str,
}

impl Report for Listed {
    fn text(&self, to: &mut String) {
        if self.lines.is_empty() {
            put_line!(to, "{}", self.none);
            return;
        }
        let row = |line: &Line| {
            vec![
                line.user.clone(),
                line.state_words(),
                line.created.clone().unwrap_or_else(|| "-".to_owned()),
                line.app_password_count.to_string(),
                line.backup_codes_left.to_string(),
                line.trouble().unwrap_or_default(),
            ]
        };
        to.push_str(&table(
            &["USER", "STATE", "ENROLLED", "APP PASSWORDS", "BACKUP CODES", "ACCOUNT"],
            self.lines.iter().map(row),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_off_a_code_was_reads_as_people_say_it() {
        for (offset, period, told) in [
            (Offset::Steps(0), Some(30), "on time"),
            (Offset::Steps(-1), Some(30), "1 step (30 s) behind"),
            (Offset::Steps(1), Some(60), "1 step (60 s) ahead"),
            (Offset::PassedOver(0), None, "none passed over"),
            (Offset::PassedOver(3), None, "3 passed over"),
        ] {
            assert_eq!(off_by(offset, period), told);
        }
    }
}
