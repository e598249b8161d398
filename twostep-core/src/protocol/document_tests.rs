//! docs/protocol.md has every message, choice and field as the code has it, and no other.

use super::own::{
    Aid, AppPassword, Authenticator, Change, Done, Enrollment, ForgottenDevice, HelpDesk, LastUse, NewSecret,
    Past, Status, TrustedDevice,
};
use super::wire::LIST_MAX;
use super::*;

const DOCUMENT: &str = include_str!("../../../docs/protocol.md");

/// A field's name and its type.
pub(super) type Named = (&'static str, &'static str);
/// A tag, the name it stands for, the fields behind it.
pub(super) type Choice = (u8, &'static str, &'static [Named]);

/// The tables of choices, each under a heading of its name.
const CHOICES: [(&str, &[Choice]); 13] = [
    ("ToBroker", ToBroker::CHOICES),
    ("FromBroker", FromBroker::CHOICES),
    ("Phase", Phase::CHOICES),
    ("Mode", Mode::CHOICES),
    ("Echo", Echo::CHOICES),
    ("Ask", Ask::CHOICES),
    ("Answer", Answer::CHOICES),
    ("Verdict", Verdict::CHOICES),
    ("Refusal", Refusal::CHOICES),
    ("Enrollment", Enrollment::CHOICES),
    ("Change", Change::CHOICES),
    ("Done", Done::CHOICES),
    ("Aid", Aid::CHOICES),
];

/// The tables of fields.
const FIELDS: [(&str, &[Named]); 10] = [
    ("SignIn", SignIn::FIELDS),
    ("Status", Status::FIELDS),
    ("Authenticator", Authenticator::FIELDS),
    ("AppPassword", AppPassword::FIELDS),
    ("LastUse", LastUse::FIELDS),
    ("TrustedDevice", TrustedDevice::FIELDS),
    ("ForgottenDevice", ForgottenDevice::FIELDS),
    ("Past", Past::FIELDS),
    ("NewSecret", NewSecret::FIELDS),
    ("HelpDesk", HelpDesk::FIELDS),
];

#[test]
fn every_choice_and_its_fields_are_documented() {
    for (name, choices) in CHOICES {
        let rows = choices.iter().map(|(tag, choice, fields)| {
            let fields: Vec<String> =
                fields.iter().map(|(field, kind)| format!("`{field}`: {}", notation(kind))).collect();
            vec![tag.to_string(), format!("`{choice}`"), fields.join("; ")]
        });
        assert_eq!(table(name, 3), rows.collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn every_field_of_a_structure_is_documented() {
    for (name, fields) in FIELDS {
        let rows = fields.iter().map(|(field, kind)| vec![format!("`{field}`"), notation(kind)]);
        assert_eq!(table(name, 2), rows.collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn whatever_has_a_table_is_tested() {
    let tested: Vec<&str> =
        CHOICES.iter().map(|(name, _)| *name).chain(FIELDS.map(|(name, _)| name)).collect();
    for name in DOCUMENT.lines().filter_map(|line| line.strip_prefix("### ")) {
        assert!(rows(name).next().is_none() || tested.contains(&name), "{name}");
    }
    let fields = CHOICES.iter().flat_map(|(_, choices)| choices.iter().flat_map(|(.., fields)| *fields));
    for (field, kind) in fields.chain(FIELDS.iter().flat_map(|(_, fields)| *fields)) {
        let kind = notation(kind);
        let kind = kind.trim_start_matches("optional ").trim_start_matches("list of ");
        assert!(!kind.starts_with(char::is_uppercase) || tested.contains(&kind), "{field}: {kind}");
    }
}

#[test]
fn every_bound_is_documented() {
    assert!(DOCUMENT.contains(&format!("This page is version {VERSION}.")));
    for row in [
        format!("| a message to the broker | {REQUEST_MAX} bytes |"),
        format!("| a message from the broker | {REPLY_MAX} bytes |"),
        format!("| entries of a list | {LIST_MAX} |"),
        format!("| a text or secret that a peer sends, where no other bound is named | {TEXT_MAX} bytes |"),
    ] {
        assert!(DOCUMENT.lines().any(|line| line == row), "{row}");
    }
}

/// The first cells of each row in the table under this heading.
fn table(heading: &str, cells: usize) -> Vec<Vec<String>> {
    let first = |row: &str| row.split('|').skip(1).take(cells).map(|cell| cell.trim().to_owned()).collect();
    rows(heading).map(first).collect()
}

/// The table under this heading, without its head.
fn rows(heading: &str) -> impl Iterator<Item = &'static str> {
    let heading = format!("### {heading}");
    let section = DOCUMENT.lines().skip_while(move |line| *line != heading).skip(1);
    section.take_while(|line| !line.starts_with('#')).filter(|line| line.starts_with('|')).skip(2)
}

/// A type as the document has it.
fn notation(kind: &str) -> String {
    let kind = kind.replace(' ', "");
    let inner = |outer: &str| kind.strip_prefix(outer).and_then(|rest| rest.strip_suffix('>'));
    if let Some(inner) = inner("Option<") {
        return format!("optional {}", notation(inner));
    }
    if let Some(inner) = inner("Vec<") {
        return format!("list of {}", notation(inner));
    }
    match kind.as_str() {
        "String" | "Zeroizing<String>" => "text",
        "Secret" => "secret",
        "UnixTime" => "time",
        "ServiceName" => "service name",
        other => other,
    }
    .to_owned()
}
