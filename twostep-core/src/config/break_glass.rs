//! The text of break-glass.toml.

use super::{Diagnostic, Reader, Value, document};
use crate::break_glass::{DEDICATED, EXEMPTIONS_MAX, Exemption, has_terminal, is_console, is_dedicated};
use crate::name::ServiceName;
use toml::de::DeTable;

const KEYS: &str = "\"service\", \"tty\", \"user\", \"reason\", \"owner\"";

/// Reads the text of break-glass.toml. One without any exemption is none.
///
/// # Errors
/// All mistakes, in the order in which they stand in the text. Never an empty list.
pub fn parse(text: &str) -> Result<Vec<Exemption>, Vec<Diagnostic>> {
    document(text, |reader, table| {
        reader.has_sections = false;
        reader.exemptions(table)
    })
}

impl Reader<'_> {
    fn exemptions(&mut self, table: &DeTable<'_>) -> Vec<Exemption> {
        let mut found = Vec::new();
        for (key, value) in table {
            let list = value.get_ref().as_array();
            match (key.get_ref().as_ref(), list) {
                ("exemption", Some(list)) => {
                    found = list.iter().filter_map(|one| self.exemption(one)).collect();
                    if list.len() > EXEMPTIONS_MAX {
                        let message = format!("there are more than {EXEMPTIONS_MAX} exemptions");
                        let hint = "keep the few that are needed when everything else is broken".to_owned();
                        self.mistake(key.span().start, message, Some(hint));
                    }
                }
                ("exemption", None) => self.wrong_type(value, "exemptions, each under a line [[exemption]],"),
                (unknown, _) => self.unknown_key(key, unknown, "[[exemption]]"),
            }
        }
        found
    }

    fn exemption(&mut self, value: &Value<'_>) -> Option<Exemption> {
        let (mut service, mut ttys, mut users, mut reason, mut owner) = (None, None, None, None, None);
        self.table(value, |reader, key, value| {
            match key {
                "service" => service = reader.service(value),
                "tty" => ttys = Some(reader.entries(value, |reader, item, text| reader.console(item, text))),
                "user" => users = Some(reader.entries(value, |reader, item, text| reader.user(item, text))),
                "reason" => reason = reader.line(key, value),
                "owner" => owner = reader.line(key, value),
                _ => return Err(KEYS),
            }
            Ok(())
        });
        self.complete(value, service.as_ref());
        let line = self.place(value.span().start).0;
        Some(Exemption { line, service: service?, ttys, users, reason: reason?, owner: owner? })
    }

    /// Whether all is there, and the door no wider than it must be.
    fn complete(&mut self, value: &Value<'_>, service: Option<&ServiceName>) {
        let at = value.span().start;
        let Some(table) = value.get_ref().as_table() else { return };
        for key in ["service", "reason", "owner"].into_iter().filter(|key| !table.contains_key(*key)) {
            self.mistake(at, format!("the exemption has no `{key}`"), None);
        }
        let Some(service) = service else { return };
        match (table.contains_key("tty"), is_dedicated(service)) {
            (true, _) if !has_terminal(service) => {
                let message = format!("{service} never asks at a terminal that its caller has not chosen");
                let hint = "the service of the console is \"login\"".to_owned();
                self.mistake(at, message, Some(hint));
            }
            (false, false) => {
                let message = "an exemption without `tty` would be open to a network".to_owned();
                let hint = format!(
                    "name terminals, tty = [\"tty1\"]; or a service made for this, whose name ends in \"{DEDICATED}\""
                );
                self.mistake(at, message, Some(hint));
            }
            (false, true) if !table.contains_key("user") => {
                let message = "an exemption without `tty` must name its users".to_owned();
                self.mistake(at, message, Some("user = \"root\"".to_owned()));
            }
            _ => {}
        }
    }

    fn service(&mut self, value: &Value<'_>) -> Option<ServiceName> {
        let text = self.string(value)?;
        let service = ServiceName::parse(text);
        if let Err(error) = &service {
            let hint = "the name of one file in /etc/pam.d, without `*` and `?`".to_owned();
            self.mistake(value.span().start, format!("{text:?} is no service name: {error}"), Some(hint));
        }
        service.ok()
    }

    fn console(&mut self, item: &Value<'_>, text: &str) -> Option<String> {
        let name = text.strip_prefix("/dev/").unwrap_or(text);
        if is_console(name) {
            return Some(name.to_owned());
        }
        let hint = "a virtual console or a serial line, each by its own name: \"tty1\", \"ttyS0\"".to_owned();
        self.mistake(item.span().start, format!("{text:?} is no terminal of this host"), Some(hint));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(keys: &str) -> Result<Vec<Exemption>, Vec<String>> {
        let text = format!("[[exemption]]\n{keys}\nreason = \"the way in\"\nowner = \"ops\"\n");
        parse(&text).map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn an_exemption_names_service_terminal_user_reason_and_owner() {
        let found = one("service = \"login\"\ntty = [\"tty1\", \"/dev/ttyS0\"]\nuser = \"root\"").unwrap();
        let [exemption] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((exemption.line, exemption.service.as_str()), (1, "login"));
        assert_eq!(exemption.ttys.as_deref(), Some(["tty1".to_owned(), "ttyS0".to_owned()].as_slice()));
        assert_eq!((exemption.reason.as_str(), exemption.owner.as_str()), ("the way in", "ops"));
        assert!(one("service = \"login\"\ntty = \"tty1\"").is_ok());
        assert!(one("service = \"sshd-rescue\"\nuser = [\"root\"]").is_ok());
        assert_eq!(parse("").unwrap(), Vec::new());
    }

    #[test]
    fn a_door_that_is_wider_than_a_console_is_a_mistake() {
        for (keys, told) in [
            ("service = \"sshd\"", "open to a network"),
            ("service = \"sshd\"\nuser = \"root\"", "open to a network"),
            ("service = \"-rescue\"\nuser = \"root\"", "open to a network"),
            ("service = \"rescue\"\nuser = \"root\"", "open to a network"),
            ("service = \"sshd-rescue\"", "must name its users"),
            ("service = \"sshd\"\ntty = \"tty1\"", "never asks at a terminal"),
            ("service = \"sudo\"\ntty = \"tty1\"", "never asks at a terminal"),
            ("service = \"login\"\ntty = []", "the list is empty"),
            ("service = \"sshd-rescue\"\nuser = []", "the list is empty"),
            ("service = \"login\"\ntty = \"tty*\"", "no terminal of this host"),
            ("service = \"login\"\ntty = \"pts/1\"", "no terminal of this host"),
            ("service = \"login\"\ntty = \"ssh\"", "no terminal of this host"),
            ("service = \"log*\"\ntty = \"tty1\"", "is no service name"),
            ("service = [\"login\"]\ntty = \"tty1\"", "expected a string"),
            ("service = \"login\"\ntty = \"tty1\"\nuser = \"*\nroot\"", "invalid"),
            ("service = \"login\"\ntty = \"tty1\"\ngroup = \"wheel\"", "unknown key \"group\""),
            ("service = \"login\"\ntty = \"tty1\"\nuntil = 2026-12-01", "unknown key \"until\""),
            ("tty = \"tty1\"", "has no `service`"),
        ] {
            let mistakes = one(keys).expect_err(keys);
            assert!(mistakes.iter().any(|mistake| mistake.contains(told)), "{keys}: {mistakes:?}");
        }
    }

    #[test]
    fn one_mistake_spoils_the_whole_file_and_all_are_told() {
        let good = "[[exemption]]\nservice = \"login\"\ntty = \"tty1\"\nreason = \"r\"\nowner = \"o\"\n";
        assert_eq!(parse(&good.repeat(EXEMPTIONS_MAX)).unwrap().len(), EXEMPTIONS_MAX);
        assert!(parse(&good.repeat(EXEMPTIONS_MAX + 1)).is_err());
        let mistakes = parse(&format!("{good}[[exemption]]\nservice = \"sshd\"\n")).unwrap_err();
        let told: Vec<_> = mistakes.iter().map(|mistake| (mistake.line, mistake.message.as_str())).collect();
        assert_eq!(
            told,
            [
                (6, "the exemption has no `reason`"),
                (6, "the exemption has no `owner`"),
                (6, "an exemption without `tty` would be open to a network")
            ]
        );
        let hint = parse(&format!("{good}trust = []\n")).unwrap_err()[0].hint.clone().unwrap();
        assert!(!hint.contains("[interactive]"), "a key of the configuration is none of this file: {hint}");
        for text in [
            "exemption = 1",
            "[exemption]\nservice = \"login\"",
            "[[rule]]\n",
            "exemption = [1]",
            "[[exemption",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
