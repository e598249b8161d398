//! `show` and `list`: who is enrolled.

use crate::app_passwords::{self, One};
use crate::cli::{List, User, WantedState};
use crate::context::{Context, Subject, find};
use crate::failure::Failure;
use crate::nss;
use crate::output::{Report, table, time, time_or_none};
use serde::Serialize;
use std::collections::HashSet;
use twostep_core::account::State;
use twostep_core::ports::Person;
use twostep_store::admin::{AuthenticatorInfo, Summary};
use twostep_terminal::put_line;

/// Shows one user.
pub(crate) fn one(context: &Context, wanted: &User) -> Result<(), Failure> {
    let Subject { name, person, enrollment } = context.subject(&wanted.user)?;
    let session = context.session()?;
    let summary = session.summaries(Some(&name))?.pop();
    let (Some(enrollment), Some(summary)) = (enrollment, summary) else {
        let uid = person.map(|person| person.uid);
        return context.output.report(&Shown { line: Line::none(name.to_string(), uid), details: None });
    };
    let details = Details {
        authenticators: session.authenticators(enrollment.id)?.iter().map(Authenticator::of).collect(),
        app_passwords: session.app_passwords(enrollment.id)?.iter().map(One::of).collect(),
    };
    context.output.report(&Shown { line: Line::of(&summary, person.as_ref()), details: Some(details) })
}

/// Lists all, or those in one state.
pub(crate) fn all(context: &Context, wanted: &List) -> Result<(), Failure> {
    let enrolled = context.session()?.summaries(None)?;
    let mut lines = Vec::new();
    if wanted.state == Some(WantedState::None) {
        let names: HashSet<_> = enrolled.iter().map(|summary| &summary.enrollment.user).collect();
        let accounts = nss::accounts_with_a_shell()?;
        let not_enrolled = accounts.iter().filter(|account| !names.contains(&account.name));
        lines.extend(not_enrolled.map(|account| Line::none(account.name.to_string(), Some(account.uid))));
    } else {
        let state = match wanted.state {
            Some(WantedState::Pending) => Some(State::Pending),
            Some(WantedState::Active) => Some(State::Active),
            _ => None,
        };
        for summary in enrolled.iter().filter(|one| state.is_none_or(|state| one.enrollment.state == state)) {
            let person = find(summary.enrollment.user.as_str())?;
            lines.push(Line::of(summary, person.as_ref()));
        }
    }
    context.output.report(&Listed(lines))
}

/// What both say of a user.
#[derive(Serialize)]
struct Line {
    user: String,
    state: &'static str,
    app_only: bool,
    /// The account's uid today; null where it is gone.
    uid: Option<u32>,
    /// The uid the enrollment was made for.
    enrolled_uid: Option<u32>,
    account: Account,
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
}

impl Line {
    fn none(user: String, uid: Option<u32>) -> Self {
        Self {
            user,
            state: "none",
            app_only: false,
            uid,
            enrolled_uid: None,
            account: Account::Ok,
            created: None,
            activated: None,
            backup_codes_left: 0,
            app_password_count: 0,
            wrong_codes: 0,
        }
    }

    fn of(summary: &Summary, person: Option<&Person>) -> Self {
        let enrollment = &summary.enrollment;
        Self {
            user: enrollment.user.to_string(),
            state: enrollment.state.as_str(),
            app_only: enrollment.is_app_only(),
            uid: person.map(|person| person.uid),
            enrolled_uid: Some(enrollment.uid),
            account: match person {
                None => Account::Gone,
                Some(person) if person.uid != enrollment.uid => Account::UidChanged,
                Some(_) => Account::Ok,
            },
            created: Some(time(summary.created)),
            activated: time_or_none(summary.activated),
            backup_codes_left: summary.backup_codes,
            app_password_count: summary.app_passwords,
            wrong_codes: summary.failures,
        }
    }

    fn state_words(&self) -> String {
        if self.app_only { format!("{} (app-only)", self.state) } else { self.state.to_owned() }
    }

    /// What an administrator must know of the account; nothing where all is well.
    fn trouble(&self) -> Option<String> {
        let (was, user) = (self.enrolled_uid?, &self.user);
        match (self.account, self.uid) {
            (Account::Gone, _) => Some(format!("no such account; twostep-admin unenroll {user}")),
            (Account::UidChanged, Some(is)) => {
                Some(format!("enrolled as uid {was}, is uid {is} now; twostep-admin settle {user}"))
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
}

#[derive(Serialize)]
pub(crate) struct Authenticator {
    id: i64,
    r#type: &'static str,
    label: String,
    algorithm: &'static str,
    digits: u8,
    period: u8,
    created: String,
    last_used: Option<String>,
}

impl Authenticator {
    pub(crate) fn of(info: &AuthenticatorInfo) -> Self {
        Self {
            id: info.id.0,
            r#type: "totp",
            label: info.label.to_string(),
            algorithm: info.parameters.algorithm().as_str(),
            digits: info.parameters.digits(),
            period: info.parameters.period(),
            created: time(info.created),
            last_used: time_or_none(info.last_used),
        }
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
    }
}

/// Authenticators as a table.
pub(crate) fn authenticators(all: &[Authenticator]) -> String {
    table(
        &["ID", "NAME", "ALGORITHM", "DIGITS", "PERIOD", "CREATED", "LAST USED"],
        all.iter().map(|one| {
            vec![
                one.id.to_string(),
                one.label.clone(),
                one.algorithm.to_owned(),
                one.digits.to_string(),
                format!("{} s", one.period),
                one.created.clone(),
                one.last_used.clone().unwrap_or_else(|| "-".to_owned()),
            ]
        }),
    )
}

#[derive(Serialize)]
#[serde(transparent)]
struct Listed(Vec<Line>);

impl Report for Listed {
    fn text(&self, to: &mut String) {
        if self.0.is_empty() {
            to.push_str("nobody\n");
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
            &["USER", "STATE", "ENROLLED", "APP PASSWORDS", "BACKUP CODES", ""],
            self.0.iter().map(row),
        ));
    }
}
