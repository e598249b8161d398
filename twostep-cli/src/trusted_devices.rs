//! `trusted-devices`: what need not give a code for a while, since its owner has said so at a login.

use crate::cli::{Arguments, TrustedDevices};
use crate::conversation::Conversation;
use crate::failure::Failure;
use crate::status;
use serde::Serialize;
use twostep_core::protocol::own::{Change, Done, ForgottenDevice, TrustedDevice};
use twostep_terminal::{Report, TrustedDevice as One, printable, put_line, table, time};

/// Lists them, or has one or all forgotten.
pub(crate) fn run(
    arguments: &Arguments,
    broker: &mut Conversation<'_>,
    wanted: &TrustedDevices,
) -> Result<(), Failure> {
    let change = match wanted {
        TrustedDevices::List => return list(arguments, broker),
        TrustedDevices::Forget { one: Some(which), .. } => {
            Change::ForgetTrustedDevice { which: which.clone() }
        }
        TrustedDevices::Forget { one: None, .. } => Change::ForgetAllTrustedDevices,
    };
    let Done::Forgotten { devices } = broker.change(change)? else { return Err(Failure::Strange) };
    arguments.output().report(&Forgotten::of(&devices)).map_err(Failure::Output)
}

fn list(arguments: &Arguments, broker: &mut Conversation<'_>) -> Result<(), Failure> {
    let status = status::fetch(broker)?;
    let found = Listed(status.trusted_devices.iter().map(one).collect());
    arguments.output().report(&found).map_err(Failure::Output)
}

#[derive(Serialize)]
#[serde(transparent)]
struct Listed(Vec<One>);

/// A trusted device as it is listed, from what the broker says.
pub(crate) fn one(one: &TrustedDevice) -> One {
    One {
        id: one.id,
        service: printable(&one.service),
        kind: printable(&one.kind),
        device: printable(&one.device),
        since: time(one.since),
        until: time(one.until),
    }
}

impl Report for Listed {
    fn text(&self, to: &mut String) {
        match self.0.as_slice() {
            [] => to.push_str("no trusted devices\n"),
            all => to.push_str(&rows(all)),
        }
    }
}

/// Trusted devices as a table.
pub(crate) fn rows(all: &[One]) -> String {
    let row = |one: &One| {
        vec![one.id.to_string(), one.service.clone(), one.kind.clone(), one.device.clone(), one.until.clone()]
    };
    table(&["ID", "SERVICE", "KIND", "DEVICE", "UNTIL"], all.iter().map(row))
}

/// Devices that are trusted no more.
#[derive(Serialize)]
struct Forgotten {
    forgotten: Vec<ForgottenOne>,
}

#[derive(Serialize)]
struct ForgottenOne {
    id: i64,
    service: String,
    kind: String,
    device: String,
}

impl Forgotten {
    fn of(devices: &[ForgottenDevice]) -> Self {
        let one = |one: &ForgottenDevice| ForgottenOne {
            id: one.id,
            service: printable(&one.service),
            kind: printable(&one.kind),
            device: printable(&one.device),
        };
        Self { forgotten: devices.iter().map(one).collect() }
    }
}

impl Report for Forgotten {
    fn text(&self, to: &mut String) {
        if self.forgotten.is_empty() {
            to.push_str("no trusted devices: nothing to forget\n");
        }
        for one in &self.forgotten {
            put_line!(to, "forgot {} at {}", one.device, one.service);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use twostep_core::time::UnixTime;

    #[test]
    fn a_list_says_where_what_is_trusted_and_since_and_until_when() {
        let listed = one(&TrustedDevice {
            id: 7,
            service: "sshd".to_owned(),
            kind: "address".to_owned(),
            device: "203.0.113.9".to_owned(),
            since: UnixTime(1_800_000_000),
            until: UnixTime(1_802_592_000),
        });
        let json = serde_json::json!([{
            "id": 7, "service": "sshd", "kind": "address", "device": "203.0.113.9",
            "since": "2027-01-15T08:00:00Z", "until": "2027-02-14T08:00:00Z",
        }]);
        assert_eq!(serde_json::to_value(Listed(vec![listed])).unwrap(), json);
        let mut text = String::new();
        Listed(Vec::new()).text(&mut text);
        assert_eq!(text, "no trusted devices\n");
    }

    #[test]
    fn what_is_forgotten_is_named_and_cannot_move_the_cursor() {
        let one = |id: i64, service: &str| ForgottenDevice {
            id,
            service: service.to_owned(),
            kind: "address".to_owned(),
            device: "2001:db8::9".to_owned(),
        };
        let report = |devices: &[ForgottenDevice]| {
            let (report, mut text) = (Forgotten::of(devices), String::new());
            report.text(&mut text);
            (serde_json::to_value(report).unwrap(), text)
        };
        let (json, text) = report(&[one(2, "sshd"), one(3, "\u{1b}[2J")]);
        assert_eq!(text, "forgot 2001:db8::9 at sshd\nforgot 2001:db8::9 at \\u{1b}[2J\n");
        assert_eq!(
            json["forgotten"][0],
            serde_json::json!({"id": 2, "service": "sshd", "kind": "address", "device": "2001:db8::9"})
        );
        let (json, text) = report(&[]);
        assert_eq!(text, "no trusted devices: nothing to forget\n");
        assert_eq!(json, serde_json::json!({"forgotten": []}));
    }
}
