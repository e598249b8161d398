//! `[[rule]]`

use super::{Reader, Value};
use crate::name::{ServiceName, UserName};
use crate::policy::{Origin, Setting};
use crate::rule::{Demanded, Glob, Rule};
use crate::schedule::{Schedule, Unenrolled};
use ipnet::IpNet;
use std::net::IpAddr;

const KEYS: &str = "\"service\", \"user\", \"group\", \"from\", \"tty\", \"demand\", \"unenrolled\", \"trust\", \"reason\", \
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
        if !(has("demand") || has("unenrolled") || has("trust")) && keys.is_some() {
            let hint = "a rule has at least one of `demand`, `unenrolled`, `trust`".to_owned();
            self.mistake(at, "the rule decides nothing".to_owned(), Some(hint));
        }
        if matches!(demand, Some(Demanded::Nothing | Demanded::Deny)) && (has("unenrolled") || has("trust")) {
            let message =
                "`unenrolled` and `trust` mean nothing where nothing, or everybody's refusal, is demanded";
            self.mistake(at, message.to_owned(), Some("leave them out".to_owned()));
        }
        if demand == Some(Demanded::AppPassword) && has("trust") {
            let message = "`trust` means nothing where an app password is demanded";
            self.mistake(at, message.to_owned(), Some("leave it out".to_owned()));
        }
    }

    /// PAM lower-cases the names of services.
    fn service_glob(&mut self, item: &Value<'_>, text: &str) -> Option<Glob> {
        let plain = text.replace(['*', '?'], "x");
        if let Err(error) = ServiceName::parse(&plain) {
            let hint = "a PAM service name is the name of a file in /etc/pam.d; `*` and `?` stand for others"
                .to_owned();
            self.mistake(item.span().start, format!("{text:?} is no service name: {error}"), Some(hint));
            return None;
        }
        Some(Glob::new(&text.to_ascii_lowercase()))
    }

    fn glob(&mut self, key: &str, item: &Value<'_>, text: &str) -> Option<Glob> {
        if text.is_empty() || text.contains(char::is_control) {
            let hint = "as PAM_TTY has it, without /dev/: \"tty*\", \"pts/*\", \"ssh\"".to_owned();
            self.mistake(item.span().start, format!("{text:?} is no `{key}`"), Some(hint));
            return None;
        }
        Some(Glob::new(text.strip_prefix("/dev/").unwrap_or(text)))
    }

    fn user(&mut self, item: &Value<'_>, text: &str) -> Option<UserName> {
        UserName::parse(text)
            .map_err(|error| {
                self.mistake(item.span().start, format!("{text:?} is no user name: {error}"), None)
            })
            .ok()
    }

    /// An address is a network of its own. Names are none: whoever runs the reverse zone chooses them.
    fn network(&mut self, item: &Value<'_>, text: &str) -> Option<IpNet> {
        let read = text.parse::<IpAddr>().map(IpNet::from).or_else(|_| text.parse::<IpNet>());
        let fault = match read {
            Ok(network) if is_mapped(&network) => Some((
                format!("{text:?} is an IPv4 network in the clothes of IPv6"),
                "write it as IPv4".to_owned(),
            )),
            Ok(network) if network.trunc() != network => {
                Some((format!("{text:?} has bits beyond its prefix"), format!("\"{}\"", network.trunc())))
            }
            Ok(_) => None,
            Err(_) => {
                let hint =
                    "an address or a network: \"192.0.2.7\", \"10.0.0.0/8\", \"2001:db8::/32\"; no names"
                        .to_owned();
                Some((format!("{text:?} is no network"), hint))
            }
        };
        if let Some((message, hint)) = fault {
            self.mistake(item.span().start, message, Some(hint));
            return None;
        }
        read.ok()
    }
}

/// Addresses are compared in their plain form.
fn is_mapped(network: &IpNet) -> bool {
    matches!(network, IpNet::V6(v6) if v6.prefix_len() >= 96 && v6.addr().to_ipv4_mapped().is_some())
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
            until: None,
            reason: None,
            owner: None,
        }
    }
}
