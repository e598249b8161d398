//! What changes by itself in the days to come, as `check` tells it.

use crate::check::{Finding, Id};
use std::path::Path;
use std::time::Duration;
use twostep_core::policy::{Origin, Policy, Setting};
use twostep_core::schedule::{Schedule, Unenrolled};
use twostep_core::time::UnixTime;
use twostep_store::StoreError;
use twostep_store::host;
use twostep_store::vault::Session;

/// How far ahead one looks.
const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How many app passwords are named.
const NAMED: usize = 5;

/// Values of `unenrolled` that come into force within a week.
pub(crate) fn check(policy: &Policy, file: &Path, now: UnixTime) -> Vec<Finding> {
    let at = now.max(policy.written);
    let rules =
        policy.rules.iter().filter(|rule| !rule.is_over(at)).filter_map(|rule| rule.unenrolled.as_ref());
    let all = [("[interactive]", &policy.interactive.unenrolled), ("[app]", &policy.app.unenrolled)];
    let all = all.into_iter().chain(rules.map(|setting| ("[[rule]]", setting)));
    all.filter_map(|(section, setting)| soon(section, setting, file, at)).collect()
}

fn soon(section: &str, setting: &Setting<Schedule>, file: &Path, at: UnixTime) -> Option<Finding> {
    let (when, value) =
        setting.value.next(at).filter(|(when, _)| when.0 <= at.0 + WEEK.as_secs().cast_signed())?;
    let subject = match setting.origin {
        Origin::Line(line) => format!("{}:{line}", file.display()),
        _ => file.display().to_string(),
    };
    let what = match value {
        Unenrolled::Allow => "who is not enrolled gets in with the account password",
        Unenrolled::Enroll => "who is not enrolled must enroll at the login",
        Unenrolled::Deny => "who is not enrolled is refused",
    };
    let message = format!("from {} on: {what} ({section} unenrolled)", crate::output::time(when));
    Some(Finding::note(
        Id::UnenrolledChangesSoon,
        subject,
        message,
        "tell them now; twostep-admin list --state none shows who is not enrolled",
    ))
}

/// App passwords whose time is over, which only clutter the list.
pub(crate) fn expired(session: &Session) -> Result<Option<Finding>, StoreError> {
    let now = session.present(&host::now())?;
    let all = session.limited_in_time()?;
    let over: Vec<String> = all
        .iter()
        .filter(|one| one.info.scope.is_over(&now))
        .map(|one| format!("{}'s \"{}\"", one.user, one.info.name))
        .collect();
    let named = over.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    let more = match over.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Ok((!over.is_empty()).then(|| {
        let message = format!("expired and of no use any more: {named}{more}");
        Finding::note(
            Id::AppPasswordsExpired,
            "app passwords",
            message,
            "twostep-admin app-password revoke USER NAME",
        )
    }))
}
