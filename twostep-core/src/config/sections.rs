//! The sections of the configuration, but for its rules.

use super::{Reader, Value};
use crate::device::{DeviceKind, TRUST_DAYS};
use crate::name::{ServiceName, UserName};
use crate::policy::{Caller, Command, Policy, Setting};
use crate::schedule::{Schedule, Unenrolled};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;
use toml::de::DeTable;

impl Reader<'_> {
    pub(super) fn document(&mut self, table: &DeTable<'_>, policy: &mut Policy) {
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "issuer" => policy.issuer = self.issuer(value).or(policy.issuer.take()),
                "paths" => self.table(value, |reader, key, value| {
                    let path = match key {
                        "store" => &mut policy.paths.store,
                        "key" => &mut policy.paths.key,
                        "roster" => &mut policy.paths.roster,
                        "runtime" => &mut policy.paths.runtime,
                        _ => return Err("\"store\", \"key\", \"roster\", \"runtime\""),
                    };
                    reader.path(value).into_iter().for_each(|new| *path = new);
                    Ok(())
                }),
                "interactive" => self.table(value, |reader, key, value| {
                    let interactive = &mut policy.interactive;
                    match key {
                        "unenrolled" => reader.schedule(key, value, &mut interactive.unenrolled),
                        "trust" => reader.trust(key, value, &mut interactive.trust),
                        "trust_days" => {
                            let days = reader.number(key, value, &TRUST_DAYS);
                            days.into_iter()
                                .for_each(|days| interactive.trust_for = Duration::from_secs(days * 86_400));
                        }
                        "ask_everyone" => {
                            let ask = reader.boolean(value);
                            ask.into_iter().for_each(|ask| interactive.ask_everyone = ask);
                        }
                        _ => return Err("\"unenrolled\", \"trust\", \"trust_days\", \"ask_everyone\""),
                    }
                    Ok(())
                }),
                "rule" => policy.rules = self.rules(value),
                "app" => self.table(value, |reader, key, value| {
                    match key {
                        "unenrolled" => reader.schedule(key, value, &mut policy.app.unenrolled),
                        "services" => reader.services(value, &mut policy.app.services),
                        "on_create" => policy.app.hooks.on_create = reader.command(value),
                        "on_revoke" => policy.app.hooks.on_revoke = reader.command(value),
                        _ => return Err("\"unenrolled\", \"services\", \"on_create\", \"on_revoke\""),
                    }
                    Ok(())
                }),
                "self_service" => self.table(value, |reader, key, value| {
                    match key {
                        "enroll" => reader.allowance(key, value, &mut policy.self_service.enroll),
                        _ => return Err("\"enroll\""),
                    }
                    Ok(())
                }),
                "broker" => self.table(value, |reader, key, value| {
                    match key {
                        "callers" => reader.callers(value, &mut policy.broker.callers),
                        "help_desk" => policy.broker.help_desk = reader.group(value),
                        "protected" => reader.groups(value, &mut policy.broker.protected),
                        _ => return Err("\"callers\", \"help_desk\", \"protected\""),
                    }
                    Ok(())
                }),
                unknown => {
                    let keys =
                        "\"issuer\", [paths], [interactive], [app], [self_service], [broker], [[rule]]";
                    self.unknown_key(key, unknown, keys);
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
            if let Err(keys) = known(self, key.get_ref(), value) {
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

    /// A command without a shell. Users choose the names of their app passwords: none may become an option of the program's.
    fn command(&mut self, value: &Value<'_>) -> Option<Command> {
        let Some(list) = value.get_ref().as_array() else {
            self.wrong_type(value, "a list of strings: program and arguments");
            return None;
        };
        let before = self.mistakes.len();
        let mut words = Vec::new();
        for item in list.iter() {
            let Some(word) = self.string(item) else { continue };
            if word.starts_with("{name}") {
                let hint = "write it as part of a word: \"--name={name}\"".to_owned();
                let message = "users choose {name}, and it could begin with a dash".to_owned();
                self.mistake(item.span().start, message, Some(hint));
            }
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
