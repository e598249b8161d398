//! The sections of the configuration, but for its rules.

use super::keys::{
    APP_KEYS, ARGON2ID_KEYS, BROKER_KEYS, INTERACTIVE_KEYS, KEYS, PATHS_KEYS, PLACES_KEYS, ROSTER_KEYS,
    SELF_SERVICE_KEYS,
};
use super::{Reader, Value};
use crate::device::{DeviceKind, TRUST_DAYS};
use crate::hook::Command;
use crate::memory_hard::DEFAULT_COST;
use crate::name::{Domains, ServiceName, UserName};
use crate::place::NAT64_LENGTHS;
use crate::policy::{App, Argon2id, Caller, KeyWorth, Policy, Readers, Roster, Setting};
use crate::schedule::{Schedule, Unenrolled};
use ipnet::{IpNet, Ipv6Net};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;
use toml::de::DeTable;

/// How many app passwords a user can be allowed.
const APP_PASSWORDS: RangeInclusive<u64> = 1..=200;
/// Dovecot gives each of its workers 256 MiB of address space.
const MEMORY_KIB: RangeInclusive<u64> = 7_168..=131_072;
const PASSES: RangeInclusive<u64> = 1..=16;
const LANES: RangeInclusive<u64> = 1..=4;
const AT_ONCE: RangeInclusive<u64> = 1..=256;
/// The cheapest that OWASP's password storage advice has for Argon2id: KiB times passes.
const COST_MIN: u32 = 7_168 * 5;
/// Some ten times the default: a set of backup codes is ten of them, for which the broker keeps others waiting.
const COST_MAX: u32 = 1 << 19;

/// Four in a row, none of them a gid that means something to the kernel.
const FIRST_GIDS: RangeInclusive<u64> = 1..=4_294_967_290;
/// The longest name of a group that shadow-utils takes, in bytes.
const GROUP_NAME_MAX: usize = 32;

fn readers(group: String) -> Readers {
    if group == "everyone" { Readers::Everyone } else { Readers::Group(group) }
}

/// Puts a value in its place, if it could be read.
fn put<T>(place: &mut T, value: Option<T>) {
    value.into_iter().for_each(|value| *place = value);
}

fn is_domain(text: &str) -> bool {
    (1..=253).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b))
}

impl Reader<'_> {
    pub(super) fn document(&mut self, table: &DeTable<'_>, policy: &mut Policy) {
        for (key, value) in table {
            self.key = Some(key.to_string());
            match key.get_ref().as_ref() {
                "issuer" => policy.issuer = self.issuer(value).or(policy.issuer.take()),
                "paths" => self.table(value, |reader, key, value| {
                    let path = match key {
                        "store" => &mut policy.paths.store,
                        "key" => &mut policy.paths.key,
                        "roster" => &mut policy.paths.roster,
                        "runtime" => &mut policy.paths.runtime,
                        _ => return Err(PATHS_KEYS),
                    };
                    put(path, reader.path(value));
                    Ok(())
                }),
                "places" => self.places(value, policy),
                "interactive" => self.table(value, |reader, key, value| {
                    let interactive = &mut policy.interactive;
                    match key {
                        "unenrolled" => reader.schedule(key, value, &mut interactive.unenrolled),
                        "trust" => reader.trust(key, value, &mut interactive.trust),
                        "trust_days" => {
                            let days = reader.number(key, value, &TRUST_DAYS);
                            put(
                                &mut interactive.trust_for,
                                days.map(|days| Duration::from_secs(days * 86_400)),
                            );
                        }
                        "security_keys" => reader.key_worth(key, value, &mut interactive.security_keys),
                        "ssh_keys" => reader.key_worth(key, value, &mut interactive.ssh_keys),
                        "ask_everyone" => put(&mut interactive.ask_everyone, reader.boolean(value)),
                        _ => return Err(INTERACTIVE_KEYS),
                    }
                    Ok(())
                }),
                "rule" => policy.rules = self.rules(value),
                "app" => self.app(value, &mut policy.app),
                "argon2id" => policy.argon2id = self.argon2id(value),
                "roster" => self.roster(value, &mut policy.roster),
                "self_service" => self.table(value, |reader, key, value| {
                    match key {
                        "enroll" => reader.allowance(key, value, &mut policy.self_service.enroll),
                        "unenroll" => {
                            let words = [("allow", true), ("deny", false)];
                            put(&mut policy.self_service.unenroll, reader.word(key, value, &words));
                        }
                        _ => return Err(SELF_SERVICE_KEYS),
                    }
                    Ok(())
                }),
                "broker" => self.table(value, |reader, key, value| {
                    match key {
                        "callers" => reader.callers(value, &mut policy.broker.callers),
                        "help_desk" => policy.broker.help_desk = reader.group(value),
                        "protected" => reader.groups(value, &mut policy.broker.protected),
                        _ => return Err(BROKER_KEYS),
                    }
                    Ok(())
                }),
                unknown => {
                    self.key = None;
                    self.unknown_key(key, unknown, KEYS);
                }
            }
        }
    }

    /// Hands every key of a table to `known`, which says what keys there are when it does not know one.
    pub(super) fn table(
        &mut self,
        value: &Value<'_>,
        mut known: impl FnMut(&mut Self, &str, &Value<'_>) -> Result<(), &'static str>,
    ) {
        let Some(table) = value.get_ref().as_table() else {
            return self.wrong_type(value, "a table");
        };
        for (key, value) in table {
            let outer = self.key.replace(key.get_ref().to_string());
            let done = known(self, key.get_ref(), value);
            self.key = outer;
            if let Err(keys) = done {
                self.unknown_key(key, key.get_ref(), keys);
            }
        }
    }

    /// Allowed or not, for good.
    fn allowance(&mut self, key: &str, value: &Value<'_>, setting: &mut Setting<Schedule>) {
        let words = [("allow", Unenrolled::Allow), ("deny", Unenrolled::Deny)];
        if let Some(new) = self.word(key, value, &words) {
            *setting = Setting { value: Schedule::always(new), origin: self.origin(value) };
        }
    }

    /// What can be trusted. An empty list is a value here: nothing.
    pub(super) fn trust(&mut self, key: &str, value: &Value<'_>, setting: &mut Setting<Vec<DeviceKind>>) {
        let empty = value.get_ref().as_array().is_some_and(|list| list.is_empty());
        let kinds = if empty {
            Vec::new()
        } else {
            self.entries(value, |reader, item, _| reader.word(key, item, &DeviceKind::WORDS))
        };
        *setting = Setting { value: kinds, origin: self.origin(value) };
    }

    /// What keys are worth.
    pub(super) fn key_worth(&mut self, key: &str, value: &Value<'_>, setting: &mut Setting<KeyWorth>) {
        if let Some(new) = self.word(key, value, &KeyWorth::WORDS) {
            *setting = Setting { value: new, origin: self.origin(value) };
        }
    }

    fn services(&mut self, value: &Value<'_>, setting: &mut Setting<Vec<ServiceName>>) {
        let services = self.service_names(value);
        *setting = Setting { value: services, origin: self.origin(value) };
    }

    fn service_names(&mut self, value: &Value<'_>) -> Vec<ServiceName> {
        let Some(list) = value.get_ref().as_array() else {
            self.wrong_type(value, "a list of PAM service names");
            return Vec::new();
        };
        let mut services = Vec::new();
        for item in list.iter() {
            let Some(name) = self.string(item) else { continue };
            match ServiceName::parse(name) {
                Ok(service) => services.push(service),
                Err(error) => {
                    let hint = "a PAM service name is the name of a file in /etc/pam.d".to_owned();
                    self.mistake(
                        item.span().start,
                        format!("{name:?} is no service name: {error}"),
                        Some(hint),
                    );
                }
            }
        }
        services
    }

    fn places(&mut self, value: &Value<'_>, policy: &mut Policy) {
        self.table(value, |reader, key, value| match key {
            "nat64_prefixes" => {
                policy.nat64 = reader.nat64_prefixes(value);
                Ok(())
            }
            _ => Err(PLACES_KEYS),
        });
    }

    fn nat64_prefixes(&mut self, value: &Value<'_>) -> Vec<Ipv6Net> {
        self.entries(value, |reader, item, text| match reader.network(item, text)? {
            IpNet::V6(prefix) if NAT64_LENGTHS.contains(&prefix.prefix_len()) => Some(prefix),
            _ => {
                let hint =
                    "as the translator has it: an IPv6 prefix of /32, /40, /48, /56, /64 or /96 (RFC 6052)";
                let message = format!("{text:?} is no prefix of a translator");
                reader.mistake(item.span().start, message, Some(hint.to_owned()));
                None
            }
        })
    }

    fn callers(&mut self, value: &Value<'_>, callers: &mut Vec<Caller>) {
        self.table(value, |reader, name, value| {
            let services = reader.service_names(value);
            let origin = reader.origin(value);
            match UserName::parse(name) {
                Ok(user) => callers.push(Caller { user, services, origin }),
                Err(error) => {
                    let hint = "the login name that the service runs as: postgres, Debian-exim".to_owned();
                    let message = format!("{name:?} is no user name: {error}");
                    reader.mistake(value.span().start, message, Some(hint));
                }
            }
            Ok(())
        });
    }

    fn groups(&mut self, value: &Value<'_>, setting: &mut Setting<Vec<String>>) {
        let Some(list) = value.get_ref().as_array() else {
            return self.wrong_type(value, "a list of groups");
        };
        let groups = list.iter().filter_map(|item| self.group(item)).collect();
        *setting = Setting { value: groups, origin: self.origin(value) };
    }

    /// Groups are named as users are.
    pub(super) fn group(&mut self, value: &Value<'_>) -> Option<String> {
        let name = self.string(value)?;
        if let Err(error) = UserName::parse(name) {
            self.mistake(value.span().start, format!("{name:?} is no group: {error}"), None);
            return None;
        }
        Some(name.to_owned())
    }

    /// A command without a shell. One that would take what users choose for code is no mistake, which would refuse every login: whoever
    /// runs commands skips it.
    fn command(&mut self, value: &Value<'_>) -> Option<Command> {
        let Some(list) = value.get_ref().as_array() else {
            self.wrong_type(value, "a list of strings: program and arguments");
            return None;
        };
        let before = self.mistakes.len();
        let mut words = Vec::new();
        for item in list.iter() {
            let Some(word) = self.string(item) else { continue };
            if word.contains('\0') {
                self.mistake(item.span().start, "a word of a command has a NUL".to_owned(), None);
            }
            words.push(word.to_owned());
        }
        if !words.first().is_some_and(|program| Path::new(program).is_absolute() && !program.contains('{')) {
            let hint = "write the whole path: [\"/usr/bin/doveadm\", \"kick\", \"{user}\"]".to_owned();
            self.mistake(
                value.span().start,
                "a command begins with the path of a program".to_owned(),
                Some(hint),
            );
        }
        (self.mistakes.len() == before).then_some(Command { words })
    }

    fn app(&mut self, value: &Value<'_>, app: &mut App) {
        self.table(value, |reader, key, value| {
            match key {
                "unenrolled" => reader.schedule(key, value, &mut app.unenrolled),
                "services" => reader.services(value, &mut app.services),
                "on_create" => app.hooks.on_create = reader.command(value),
                "on_revoke" => app.hooks.on_revoke = reader.command(value),
                "max_app_passwords" => put(&mut app.most, reader.small(key, value, &APP_PASSWORDS)),
                "virtual_users" => put(&mut app.naming.virtual_users, reader.boolean(value)),
                "domains" => put(&mut app.naming.domains, reader.domains(key, value)),
                "revoke_on_password_change" => {
                    put(&mut app.revoke_on_password_change, reader.boolean(value));
                }
                _ => return Err(APP_KEYS),
            }
            Ok(())
        });
    }

    /// `"keep"`, `"strip"`, or a list of domains.
    fn domains(&mut self, key: &str, value: &Value<'_>) -> Option<Domains> {
        if value.get_ref().is_str() {
            return self
                .word(key, value, &[("keep", false), ("strip", true)])
                .map(|strip| if strip { Domains::Strip } else { Domains::Keep });
        }
        let own = self.entries(value, |reader, item, text| {
            if is_domain(text) {
                return Some(text.to_ascii_lowercase());
            }
            let hint =
                "as it stands behind the @: \"example.org\"; letters outside of ASCII as clients send them"
                    .to_owned();
            reader.mistake(item.span().start, format!("{text:?} is no domain"), Some(hint));
            None
        });
        Some(Domains::Own(own))
    }

    fn argon2id(&mut self, value: &Value<'_>) -> Argon2id {
        let mut new = Argon2id { cost: DEFAULT_COST, at_once: None };
        let before = self.mistakes.len();
        self.table(value, |reader, key, value| {
            match key {
                "memory_kib" => put(&mut new.cost.memory, reader.small(key, value, &MEMORY_KIB)),
                "passes" => put(&mut new.cost.passes, reader.small(key, value, &PASSES)),
                "lanes" => put(&mut new.cost.lanes, reader.small(key, value, &LANES)),
                "at_once" => new.at_once = reader.small(key, value, &AT_ONCE),
                _ => return Err(ARGON2ID_KEYS),
            }
            Ok(())
        });
        let cost = new.cost.memory.saturating_mul(new.cost.passes);
        if self.mistakes.len() == before && !(COST_MIN..=COST_MAX).contains(&cost) {
            let how = if cost < COST_MIN { "cheap" } else { "dear" };
            let hint = format!(
                "memory_kib times passes is {COST_MIN} to {COST_MAX}: 46080 and 1, 19456 and 2, 12288 and 3, 9216 and 4, 7168 and 5"
            );
            self.mistake(value.span().start, format!("a hash would be too {how}"), Some(hint));
        }
        new
    }

    fn roster(&mut self, value: &Value<'_>, roster: &mut Roster) {
        let before = self.mistakes.len();
        self.table(value, |reader, key, value| {
            let [enrolled, pending, app, unenrolled] = &mut roster.groups;
            match key {
                "keep" => put(&mut roster.keep, reader.boolean(value)),
                "members" => put(&mut roster.members, reader.boolean(value)),
                "readers" => put(&mut roster.readers, reader.group(value).map(readers)),
                "enrolled" => put(enrolled, reader.group_name(value)),
                "pending" => put(pending, reader.group_name(value)),
                "app" => put(app, reader.group_name(value)),
                "unenrolled" => put(unenrolled, reader.group_name(value)),
                "first_gid" => put(&mut roster.first_gid, reader.small(key, value, &FIRST_GIDS)),
                _ => return Err(ROSTER_KEYS),
            }
            Ok(())
        });
        let names: Vec<_> = roster.groups.iter().filter(|name| !name.is_empty()).collect();
        if self.mistakes.len() == before && names.iter().collect::<BTreeSet<_>>().len() < names.len() {
            let hint = "each of enrolled, pending, app and unenrolled needs a name of its own, or none: \"\"";
            self.mistake(value.span().start, "two groups have one name".to_owned(), Some(hint.to_owned()));
        }
    }

    /// The name of a group of ours; nothing for none.
    fn group_name(&mut self, value: &Value<'_>) -> Option<String> {
        let name = self.string(value)?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if name.len() <= GROUP_NAME_MAX && name.bytes().all(plain) && !name.starts_with('-') {
            return Some(name.to_owned());
        }
        let hint = format!(
            "{GROUP_NAME_MAX} letters, digits and . _ - at most; \"\" where there is to be no such group"
        );
        self.mistake(value.span().start, format!("{name:?} cannot be a group's name"), Some(hint));
        None
    }

    fn small(&mut self, key: &str, value: &Value<'_>, bounds: &RangeInclusive<u64>) -> Option<u32> {
        self.number(key, value, bounds).and_then(|number| number.try_into().ok())
    }

    fn path(&mut self, value: &Value<'_>) -> Option<PathBuf> {
        let path = Path::new(self.string(value)?);
        let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
        if path.is_absolute() && plain && !path.to_string_lossy().contains('\0') && path.file_name().is_some()
        {
            return Some(path.to_owned());
        }
        let hint = "write an absolute path, without `..`".to_owned();
        self.mistake(
            value.span().start,
            format!("{:?} is no path that can be used here", path.display()),
            Some(hint),
        );
        None
    }

    fn issuer(&mut self, value: &Value<'_>) -> Option<String> {
        let text = self.string(value)?;
        if (1..=64).contains(&text.chars().count()) && !text.contains(|c: char| c.is_control() || c == ':') {
            return Some(text.to_owned());
        }
        let hint =
            "1 to 64 printable characters, without `:` (authenticator apps split the label there)".to_owned();
        self.mistake(value.span().start, format!("{text:?} is no issuer"), Some(hint));
        None
    }
}
