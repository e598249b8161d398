//! The sections of the configuration with their keys, as hints have them.

pub(super) const KEYS: &str = "\"issuer\", [paths], [places], [interactive], [app], [argon2id], [roster], [self_service], [broker], [[rule]]";
pub(super) const PATHS_KEYS: &str = "\"store\", \"key\", \"roster\", \"runtime\"";
pub(super) const PLACES_KEYS: &str = "\"nat64_prefixes\"";
pub(super) const INTERACTIVE_KEYS: &str =
    "\"unenrolled\", \"trust\", \"trust_days\", \"security_keys\", \"ssh_keys\", \"ask_everyone\"";
pub(super) const ARGON2ID_KEYS: &str = "\"memory_kib\", \"passes\", \"lanes\", \"at_once\"";
pub(super) const SELF_SERVICE_KEYS: &str = "\"enroll\", \"unenroll\"";
pub(super) const BROKER_KEYS: &str = "\"callers\", \"help_desk\", \"protected\"";
pub(super) const APP_KEYS: &str = "\"unenrolled\", \"services\", \"on_create\", \"on_revoke\", \"max_app_passwords\", \"virtual_users\", \
                        \"domains\", \"revoke_on_password_change\"";
pub(super) const ROSTER_KEYS: &str =
    "\"keep\", \"readers\", \"members\", \"enrolled\", \"pending\", \"app\", \"unenrolled\", \"first_gid\"";

/// The sections with their keys, but for rules.
const SECTIONS: [(&str, &str); 8] = [
    ("interactive", INTERACTIVE_KEYS),
    ("app", APP_KEYS),
    ("argon2id", ARGON2ID_KEYS),
    ("roster", ROSTER_KEYS),
    ("self_service", SELF_SERVICE_KEYS),
    ("broker", BROKER_KEYS),
    ("places", PLACES_KEYS),
    ("paths", PATHS_KEYS),
];

/// Where a key belongs that stands in the wrong place.
pub(super) fn where_known(name: &str) -> Option<String> {
    if name == "issuer" || SECTIONS.iter().any(|(section, _)| *section == name) {
        return Some(format!("`{name}` stands above the first line in brackets"));
    }
    let key = format!("\"{name}\"");
    let has = |(section, keys): &(&'static str, &str)| keys.contains(&key).then_some(*section);
    let sections: Vec<_> = SECTIONS.iter().filter_map(has).collect();
    let (first, rest) = sections.split_first()?;
    let others: String = rest.iter().map(|section| format!(" or [{section}]")).collect();
    Some(format!(
        "`{name}` belongs to [{first}]{others}: put it below that line, or write {first}.{name} above the first line in brackets"
    ))
}
