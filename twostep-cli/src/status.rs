//! `status`, `history`, and the lists.

use crate::cli::Arguments;
use crate::conversation::Conversation;
use crate::failure::Failure;
use crate::trusted_devices;
use serde::Serialize;
use twostep_core::protocol::own::{self, Enrollment, Past};
use twostep_core::protocol::{FromBroker, ToBroker};
use twostep_core::time::UnixTime;
use twostep_host::now;
use twostep_terminal::put_line;
use twostep_terminal::{Report, ago, counted, printable, table, time, time_or_none};

/// Shows how the user stands.
pub(crate) fn status(arguments: &Arguments, broker: &mut Conversation<'_>) -> Result<(), Failure> {
    let status = fetch(broker)?;
    arguments.output().report(&Status::of(&status)).map_err(Failure::Output)
}

/// What the broker knows.
pub(crate) fn fetch(broker: &mut Conversation<'_>) -> Result<own::Status, Failure> {
    match broker.ask(&ToBroker::Status { user: broker.name() })? {
        FromBroker::Status { status } => Ok(status),
        _ => Err(Failure::Strange),
    }
}

/// The user's app passwords.
pub(crate) fn app_passwords(arguments: &Arguments, broker: &mut Conversation<'_>) -> Result<(), Failure> {
    let found = AppPasswords(Status::of(&fetch(broker)?).app_passwords);
    arguments.output().report(&found).map_err(Failure::Output)
}

/// The user's authenticators.
pub(crate) fn authenticators(arguments: &Arguments, broker: &mut Conversation<'_>) -> Result<(), Failure> {
    let found = Authenticators(Status::of(&fetch(broker)?).authenticators);
    arguments.output().report(&found).map_err(Failure::Output)
}

/// Shows what was changed.
pub(crate) fn history(
    arguments: &Arguments,
    broker: &mut Conversation<'_>,
    limit: u32,
) -> Result<(), Failure> {
    let FromBroker::History { entries } = broker.ask(&ToBroker::History { user: broker.name(), limit })?
    else {
        return Err(Failure::Strange);
    };
    let shown = History(entries.into_iter().map(Entry::of).collect());
    arguments.output().report(&shown).map_err(Failure::Output)
}

/// An enrollment as it is shown.
#[derive(Serialize)]
pub(crate) struct Status {
    user: String,
    state: &'static str,
    app_only: bool,
    created: Option<String>,
    activated: Option<String>,
    backup_codes_left: u32,
    bypass_until: Option<String>,
    wrong_codes: u32,
    authenticators: Vec<Authenticator>,
    app_passwords: Vec<AppPassword>,
    trusted_devices: Vec<twostep_terminal::TrustedDevice>,
    may_enroll: bool,
    help_desk: bool,
}

#[derive(Serialize)]
struct Authenticator {
    id: i64,
    r#type: String,
    label: String,
    algorithm: String,
    digits: u8,
    /// Of one that goes by time.
    #[serde(skip_serializing_if = "Option::is_none")]
    period: Option<u32>,
    created: String,
    last_used: Option<String>,
    #[serde(skip)]
    used_ago: String,
}

#[derive(Serialize)]
struct AppPassword {
    id: i64,
    name: String,
    created: String,
    last_used: Option<String>,
    last_service: Option<String>,
    last_from: Option<String>,
    limits: Option<String>,
    #[serde(skip)]
    used_ago: String,
}

impl Status {
    /// From what the broker says.
    pub(crate) fn of(status: &own::Status) -> Self {
        let now = now().wall;
        Self {
            user: printable(&status.user),
            state: match status.state {
                Enrollment::None => "none",
                Enrollment::Pending => "pending",
                Enrollment::Active => "active",
                Enrollment::Unsettled => "unsettled",
            },
            app_only: status.app_only,
            created: time_or_none(status.created),
            activated: time_or_none(status.activated),
            backup_codes_left: status.backup_codes,
            bypass_until: time_or_none(status.bypass_until),
            wrong_codes: status.wrong_codes,
            authenticators: status.authenticators.iter().map(|one| Authenticator::of(one, now)).collect(),
            app_passwords: status.app_passwords.iter().map(|one| AppPassword::of(one, now)).collect(),
            trusted_devices: status.trusted_devices.iter().map(trusted_devices::one).collect(),
            may_enroll: status.may_enroll,
            help_desk: status.help_desk,
        }
    }
}

impl Authenticator {
    fn of(one: &own::Authenticator, now: UnixTime) -> Self {
        Self {
            id: one.id,
            r#type: printable(&one.kind),
            label: printable(&one.label),
            algorithm: printable(&one.algorithm),
            digits: one.digits,
            period: one.period,
            created: time(one.created),
            last_used: time_or_none(one.last_used),
            used_ago: one.last_used.map_or("never".to_owned(), |at| ago(at, now)),
        }
    }
}

impl AppPassword {
    fn of(one: &own::AppPassword, now: UnixTime) -> Self {
        let used = one.last_used.as_ref();
        Self {
            id: one.id,
            name: printable(&one.name),
            created: time(one.created),
            last_used: used.map(|used| time(used.at)),
            last_service: used.map(|used| printable(&used.service)),
            last_from: used.map(|used| printable(&used.source)),
            limits: one.limits.as_deref().map(printable),
            used_ago: used.map_or("never".to_owned(), |used| {
                format!("{}, {}, {}", ago(used.at, now), printable(&used.service), printable(&used.source))
            }),
        }
    }
}

impl Report for Status {
    fn text(&self, to: &mut String) {
        let mut put = |text: &str| {
            put_line!(to, "{text}");
        };
        match (self.state, self.app_only, self.may_enroll) {
            ("none", _, true) => put("Two-step verification is off. To turn it on: twostep enroll"),
            ("none", ..) => put("Two-step verification is off. An administrator turns it on."),
            ("pending", ..) => {
                put("Two-step verification is prepared: your first code at a login turns it on.")
            }
            ("active", true, _) => put("Two-step verification is on, with app passwords only."),
            ("active", ..) => put("Two-step verification is on."),
            _ => put("Your enrollment was made for another account. Please ask your administrator."),
        }
        if self.state == "active" && !self.app_only {
            let few = if self.backup_codes_left <= 2 { "; for new ones: twostep backup-codes" } else { "" };
            put(&format!("Left are {}{few}.", counted(self.backup_codes_left, "backup code")));
        }
        if let Some(until) = &self.bypass_until {
            put(&format!(
                "A bypass code is good until {until}; where logins have used it up, for one twostep authenticator replace."
            ));
        }
        if self.wrong_codes > 0 {
            put(&format!(
                "Not followed by a right one from the same place: {}.",
                counted(self.wrong_codes, "wrong code")
            ));
        }
        if !self.authenticators.is_empty() {
            to.push_str("\nAuthenticators\n");
            to.push_str(&authenticator_table(&self.authenticators));
        }
        if !self.app_passwords.is_empty() {
            to.push_str("\nApp passwords\n");
            to.push_str(&app_password_table(&self.app_passwords));
        }
        if !self.trusted_devices.is_empty() {
            to.push_str("\nTrusted devices\n");
            to.push_str(&trusted_devices::rows(&self.trusted_devices));
        }
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Authenticators(Vec<Authenticator>);

impl Report for Authenticators {
    fn text(&self, to: &mut String) {
        match self.0.as_slice() {
            [] => to.push_str("no authenticators\n"),
            all => to.push_str(&authenticator_table(all)),
        }
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct AppPasswords(Vec<AppPassword>);

impl Report for AppPasswords {
    fn text(&self, to: &mut String) {
        match self.0.as_slice() {
            [] => to.push_str("no app passwords\n"),
            all => to.push_str(&app_password_table(all)),
        }
    }
}

fn authenticator_table(all: &[Authenticator]) -> String {
    let row = |one: &Authenticator| {
        vec![one.id.to_string(), one.label.clone(), one.created.clone(), one.used_ago.clone()]
    };
    table(&["ID", "NAME", "CREATED", "LAST USED"], all.iter().map(row))
}

fn app_password_table(all: &[AppPassword]) -> String {
    let row = |one: &AppPassword| {
        let limits = one.limits.clone().unwrap_or_else(|| "-".to_owned());
        vec![one.id.to_string(), one.name.clone(), one.created.clone(), one.used_ago.clone(), limits]
    };
    table(&["ID", "NAME", "CREATED", "LAST USED", "LIMITED TO"], all.iter().map(row))
}

#[derive(Serialize)]
#[serde(transparent)]
struct History(Vec<Entry>);

#[derive(Serialize)]
struct Entry {
    at: String,
    action: String,
    name: Option<String>,
    by: String,
    why: Option<String>,
}

impl Entry {
    fn of(past: Past) -> Self {
        Self {
            at: time(past.at),
            action: printable(&past.action),
            name: past.target.as_deref().map(printable),
            by: printable(&past.by),
            why: past.reason.as_deref().map(printable),
        }
    }
}

impl Report for History {
    fn text(&self, to: &mut String) {
        if self.0.is_empty() {
            to.push_str("nothing was changed\n");
            return;
        }
        let dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let row = |one: &Entry| {
            vec![one.at.clone(), one.action.clone(), dash(&one.name), one.by.clone(), dash(&one.why)]
        };
        to.push_str(&table(&["WHEN", "WHAT", "NAME", "BY", "WHY"], self.0.iter().map(row)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn active() -> own::Status {
        own::Status {
            user: "alice".to_owned(),
            state: Enrollment::Active,
            app_only: false,
            created: Some(UnixTime(1)),
            activated: Some(UnixTime(2)),
            backup_codes: 1,
            bypass_until: None,
            wrong_codes: 0,
            authenticators: Vec::new(),
            app_passwords: vec![own::AppPassword {
                id: 3,
                name: "mail\u{1b}[2J".to_owned(),
                created: UnixTime(1),
                last_used: Some(own::LastUse {
                    at: UnixTime(now().wall.0 - 3 * 86_400),
                    service: "imap".to_owned(),
                    source: "203.0.113.9".to_owned(),
                }),
                limits: Some("imap".to_owned()),
            }],
            trusted_devices: vec![own::TrustedDevice {
                id: 7,
                service: "sshd".to_owned(),
                kind: "address".to_owned(),
                device: "2001:db8::9".to_owned(),
                since: UnixTime(1_800_000_000),
                until: UnixTime(1_802_592_000),
            }],
            may_enroll: false,
            help_desk: false,
        }
    }

    #[test]
    fn a_status_reads_as_people_say_it() {
        let mut text = String::new();
        Status::of(&active()).text(&mut text);
        assert!(
            text.starts_with("Two-step verification is on.\nLeft are 1 backup code; for new ones"),
            "{text}"
        );
        assert!(text.contains("3 days ago, imap, 203.0.113.9"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn who_is_off_is_told_how_to_go_on() {
        for (may_enroll, told) in [(true, "twostep enroll"), (false, "An administrator")] {
            let status = own::Status { state: Enrollment::None, may_enroll, ..active() };
            let mut text = String::new();
            Status::of(&status).text(&mut text);
            assert!(text.contains(told), "{text}");
        }
    }

    #[test]
    fn what_counts_is_shown_as_such_and_without_a_period() {
        let by_time = own::Authenticator {
            id: 1,
            label: "phone".to_owned(),
            kind: "totp".to_owned(),
            algorithm: "sha1".to_owned(),
            digits: 6,
            period: Some(30),
            created: UnixTime(1),
            last_used: None,
        };
        let by_count = own::Authenticator { id: 2, kind: "hotp".to_owned(), period: None, ..by_time.clone() };
        let json = serde_json::to_value(Status::of(&own::Status {
            authenticators: vec![by_time, by_count],
            ..active()
        }))
        .unwrap();
        let [by_time, by_count] = [&json["authenticators"][0], &json["authenticators"][1]];
        assert_eq!((&by_time["type"], &by_time["period"]), (&"totp".into(), &30.into()));
        assert_eq!(by_count["type"], "hotp");
        assert!(by_count.get("period").is_none(), "{by_count}");
    }

    #[test]
    fn a_trusted_device_stands_with_its_service_and_until_when() {
        let mut text = String::new();
        Status::of(&active()).text(&mut text);
        let (_, devices) = text.split_once("\nTrusted devices\n").unwrap();
        let words: Vec<_> = devices.split_whitespace().collect();
        assert_eq!(words[..5], ["ID", "SERVICE", "KIND", "DEVICE", "UNTIL"]);
        assert_eq!(words[5..], ["7", "sshd", "address", "2001:db8::9", "2027-02-14T08:00:00Z"]);
        let json = serde_json::to_value(Status::of(&active())).unwrap();
        assert_eq!(json["trusted_devices"][0]["since"], "2027-01-15T08:00:00Z");
        let mut none = String::new();
        Status::of(&own::Status { trusted_devices: Vec::new(), ..active() }).text(&mut none);
        assert!(!none.contains("Trusted"), "{none}");
    }

    #[test]
    fn json_has_no_relative_times() {
        let json = serde_json::to_value(Status::of(&active())).unwrap();
        assert_eq!(json["app_passwords"][0]["last_service"], "imap");
        assert_eq!(json["backup_codes_left"], 1);
        assert!(json["app_passwords"][0].get("used_ago").is_none());
    }
}
