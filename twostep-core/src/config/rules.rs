//! `[[rule]]`

use super::{Reader, Value};
use crate::name::UserName;
use crate::network;
use crate::policy::{KeyWorth, Origin, Setting};
use crate::rule::{Demanded, Glob, Rule};
use crate::schedule::{Schedule, Unenrolled};
use ipnet::IpNet;

const KEYS: &str = "\"service\", \"user\", \"group\", \"from\", \"tty\", \"demand\", \"unenrolled\", \"trust\", \"security_keys\", \"ssh_keys\", \"reason\", \
                    \"owner\", \"until\"";

impl Reader<'_> {
    pub(super) fn rules(&mut self, value: &Value<'_>) -> Vec<Rule> {
        let Some(list) = value.get_ref().as_array() else {
            self.wrong_type(value, "rules, each under a line [[rule]],");
            return Vec::new();
        };
        list.iter().map(|one| self.rule(one)).collect()
    }

    fn rule(&mut self, value: &Value<'_>) -> Rule {
        let mut rule = Rule::at(self.origin(value));
        self.table(value, |reader, key, value| {
            match key {
                "service" => {
                    rule.services =
                        Some(reader.entries(value, |reader, item, text| reader.service_glob(item, text)))
                }
                "tty" => {
                    rule.ttys =
                        Some(reader.entries(value, |reader, item, text| reader.glob("tty", item, text)))
                }
                "from" => {
                    rule.networks =
                        Some(reader.entries(value, |reader, item, text| reader.network(item, text)))
                }
                "user" => {
                    rule.users = Some(reader.entries(value, |reader, item, text| reader.user(item, text)))
                }
                "group" => rule.groups = Some(reader.entries(value, |reader, item, _| reader.group(item))),
                "demand" => {
                    let origin = reader.origin(value);
                    rule.demand =
                        reader.word(key, value, &Demanded::WORDS).map(|value| Setting { value, origin });
                }
                "unenrolled" => {
                    let mut setting =
                        Setting { value: Schedule::always(Unenrolled::Deny), origin: reader.origin(value) };
                    reader.schedule(key, value, &mut setting);
                    rule.unenrolled = Some(setting);
                }
                "trust" => {
                    let mut setting = Setting { value: Vec::new(), origin: reader.origin(value) };
                    reader.trust(key, value, &mut setting);
                    rule.trust = Some(setting);
                }
                "security_keys" | "ssh_keys" => {
                    let mut setting = Setting { value: KeyWorth::Code, origin: reader.origin(value) };
                    reader.key_worth(key, value, &mut setting);
                    let place = if key == "ssh_keys" { &mut rule.ssh_keys } else { &mut rule.security_keys };
                    *place = Some(setting);
                }
                "reason" => rule.reason = reader.line(key, value),
                "owner" => rule.owner = reader.line(key, value),
                "until" => rule.until = reader.end(value),
                _ => return Err(KEYS),
            }
            Ok(())
        });
        self.whole(value, &rule);
        rule
    }

    /// What makes no sense as a whole.
    fn whole(&mut self, value: &Value<'_>, rule: &Rule) {
        let at = value.span().start;
        let demand = rule.demand.as_ref().map(|demand| demand.value);
        let keys = value.get_ref().as_table().map(|table| |key: &str| table.contains_key(key));
        let has = |key: &str| keys.as_ref().is_some_and(|keys| keys(key));
        // What says something of those who are asked for a code, and nothing of others.
        let for_codes = ["trust", "security_keys", "ssh_keys"];
        let decides = ["demand", "unenrolled"].into_iter().chain(for_codes).any(has);
        if !decides && keys.is_some() {
            let hint =
                "a rule has at least one of `demand`, `unenrolled`, `trust`, `security_keys`, `ssh_keys`"
                    .to_owned();
            self.mistake(at, "the rule decides nothing".to_owned(), Some(hint));
        }
        let says_codes = for_codes.into_iter().any(has);
        if matches!(demand, Some(Demanded::Nothing | Demanded::Deny)) && (has("unenrolled") || says_codes) {
            let message = "`unenrolled`, `trust`, `security_keys` and `ssh_keys` mean nothing where nothing, or everybody's refusal, is demanded";
            self.mistake(at, message.to_owned(), Some("leave them out".to_owned()));
        }
        if demand == Some(Demanded::AppPassword) && says_codes {
            let key = for_codes.into_iter().find(|key| has(key)).unwrap_or_default();
            let message = format!("`{key}` means nothing where an app password is demanded");
            self.mistake(at, message, Some("leave it out".to_owned()));
        }
    }

    fn service_glob(&mut self, item: &Value<'_>, text: &str) -> Option<Glob> {
        Glob::service(text)
            .map_err(|error| {
                let hint =
                    "a PAM service name is the name of a file in /etc/pam.d; `*` and `?` stand for others"
                        .to_owned();
                let message = format!("{text:?} is no service name: {error}");
                self.mistake(item.span().start, message, Some(hint));
            })
            .ok()
    }

    fn glob(&mut self, key: &str, item: &Value<'_>, text: &str) -> Option<Glob> {
        if text.is_empty() || text.contains(char::is_control) {
            let hint = "as PAM_TTY has it, without /dev/: \"tty*\", \"pts/*\", \"ssh\"".to_owned();
            self.mistake(item.span().start, format!("{text:?} is no `{key}`"), Some(hint));
            return None;
        }
        Some(Glob::new(text.strip_prefix("/dev/").unwrap_or(text)))
    }

    pub(super) fn user(&mut self, item: &Value<'_>, text: &str) -> Option<UserName> {
        UserName::parse(text)
            .map_err(|error| {
                self.mistake(item.span().start, format!("{text:?} is no user name: {error}"), None)
            })
            .ok()
    }

    pub(super) fn network(&mut self, item: &Value<'_>, text: &str) -> Option<IpNet> {
        network::parse(text).map_err(|no| self.mistake(item.span().start, no.message, Some(no.hint))).ok()
    }
}

impl Rule {
    /// One without conditions that decides nothing.
    fn at(origin: Origin) -> Self {
        Self {
            origin,
            services: None,
            ttys: None,
            networks: None,
            users: None,
            groups: None,
            demand: None,
            unenrolled: None,
            trust: None,
            security_keys: None,
            ssh_keys: None,
            until: None,
            reason: None,
            owner: None,
        }
    }
}
