//! Configuration text to [`Policy`], with every mistake named by line and column.
//!
//! Any mistake refuses the whole text: half a policy is none.

use crate::name::{ServiceName, UserName};
use crate::policy::{Caller, Command, Origin, Policy, Setting, Unenrolled};
use std::fmt;
use std::path::{Component, Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The longest configuration read, in bytes.
pub const LENGTH_MAX: usize = 1 << 20;

/// One mistake in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Line, counted from one.
    pub line: usize,
    /// Column in characters, counted from one.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// Reads a configuration.
///
/// # Errors
/// All mistakes, in the order in which they stand in the text. Never an empty list.
pub fn parse(text: &str) -> Result<Policy, Vec<Diagnostic>> {
    let mut reader = Reader { text, mistakes: Vec::new() };
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        reader.mistake(error.span().map_or(0, |span| span.start), error.message().to_owned(), None);
    }
    let mut policy = Policy::defaults();
    // What follows a syntax error is guesswork: its keys would only be called unknown.
    if reader.mistakes.is_empty() {
        reader.document(document.get_ref(), &mut policy);
    }
    reader.mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
    if reader.mistakes.is_empty() { Ok(policy) } else { Err(reader.mistakes) }
}

impl Diagnostic {
    /// The lines an administrator reads: `file:line:column: message`, then the hint.
    #[must_use]
    pub fn render(&self, file: &Path) -> String {
        let mut text = format!("{}:{self}", file.display());
        if let Some(hint) = &self.hint {
            text.push_str("\n  hint: ");
            text.push_str(hint);
        }
        text
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

struct Reader<'t> {
    text: &'t str,
    mistakes: Vec<Diagnostic>,
}

type Value<'t> = Spanned<DeValue<'t>>;

impl Reader<'_> {
    fn document(&mut self, table: &DeTable<'_>, policy: &mut Policy) {
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
                    match key {
                        "unenrolled" => reader.allowance(key, value, &mut policy.interactive.unenrolled),
                        _ => return Err("\"unenrolled\""),
                    }
                    Ok(())
                }),
                "app" => self.table(value, |reader, key, value| {
                    match key {
                        "unenrolled" => reader.allowance(key, value, &mut policy.app.unenrolled),
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
                    let keys = "\"issuer\", [paths], [interactive], [app], [self_service], [broker]";
                    self.unknown_key(key, unknown, keys);
                }
            }
        }
    }

    /// Hands every key of a table to `known`, which says what keys there are when it does not know one.
    fn table(
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

    fn allowance(&mut self, key: &str, value: &Value<'_>, setting: &mut Setting<Unenrolled>) {
        let Some(word) = self.string(value) else { return };
        match Unenrolled::WORDS.iter().find(|(known, _)| *known == word) {
            Some((_, new)) => *setting = Setting { value: *new, origin: self.origin(value) },
            None => {
                let words: Vec<_> = Unenrolled::WORDS.iter().map(|(word, _)| format!("{word:?}")).collect();
                let hint = format!("one of {}", words.join(", "));
                self.mistake(value.span().start, format!("unknown value {word:?} for `{key}`"), Some(hint));
            }
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
    fn group(&mut self, value: &Value<'_>) -> Option<String> {
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

    fn string<'v>(&mut self, value: &'v Value<'_>) -> Option<&'v str> {
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.wrong_type(value, "a string in double quotes");
        }
        text
    }

    fn wrong_type(&mut self, value: &Value<'_>, wanted: &str) {
        let message = format!("expected {wanted}, found {}", value.get_ref().type_str());
        self.mistake(value.span().start, message, None);
    }

    fn unknown_key(&mut self, key: &Spanned<std::borrow::Cow<'_, str>>, name: &str, keys: &str) {
        self.mistake(key.span().start, format!("unknown key {name:?}"), Some(format!("known here: {keys}")));
    }

    fn origin(&self, value: &Value<'_>) -> Origin {
        Origin::Line(self.place(value.span().start).0)
    }

    fn mistake(&mut self, at: usize, message: String, hint: Option<String>) {
        let (line, column) = self.place(at);
        self.mistakes.push(Diagnostic { line, column, message, hint });
    }

    fn place(&self, at: usize) -> (usize, usize) {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before.get(line_start..).map_or(0, |line| line.chars().count()) + 1;
        (before.matches('\n').count() + 1, column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(text: &str) -> Vec<String> {
        parse(text)
            .unwrap_err()
            .iter()
            .map(|mistake| mistake.render(Path::new("/etc/twostep/config.toml")))
            .collect()
    }

    #[test]
    fn nothing_configured_is_the_defaults() {
        assert_eq!(parse("# nothing\n").unwrap(), Policy::defaults());
        assert_eq!(Policy::defaults().app.services.value.len(), 7);
    }

    #[test]
    fn everything_configured_is_read() {
        let policy = parse(
            "issuer = \"Example\"\n[paths]\nstore = \"/srv/s.db\"\nkey = \"/srv/k\"\nroster = \"/srv/r\"\nruntime = \"/run/t\"\n\
             [interactive]\nunenrolled = \"deny\"\n[app]\nunenrolled = \"deny\"\nservices = [\"imap\", \"ftp\"]\n",
        )
        .unwrap();
        assert_eq!(policy.issuer.as_deref(), Some("Example"));
        assert_eq!(policy.paths.store, Path::new("/srv/s.db"));
        assert_eq!(
            policy.interactive.unenrolled,
            Setting { value: Unenrolled::Deny, origin: Origin::Line(8) }
        );
        assert_eq!(policy.app.services.value.len(), 2);
        assert_eq!(policy.app.services.origin, Origin::Line(11));
    }

    #[test]
    fn commands_are_programs_with_words() {
        let policy = parse(
            "[app]\non_revoke = [\"/usr/bin/doveadm\", \"kick\", \"{user}\"]\n\
             on_create = [\"/usr/local/sbin/tell\", \"--what={event} {name}\", \"{x}\"]\n",
        )
        .unwrap();
        let filled = |command: Option<Command>| command.unwrap().filled("alice", "{user}'s phone", "create");
        assert_eq!(filled(policy.app.hooks.on_revoke), ["/usr/bin/doveadm", "kick", "alice"]);
        let told = ["/usr/local/sbin/tell", "--what=create {user}'s phone", "{x}"];
        assert_eq!(filled(policy.app.hooks.on_create), told);
        for (text, about) in [
            ("[\"doveadm\"]", "begins with the path"),
            ("[]", "begins with the path"),
            ("\"/bin/true\"", "expected a list"),
            ("[\"/bin/x\", \"{name}\"]", "could begin with a dash"),
            ("[\"/bin/x\", 1]", "expected a string"),
            ("[\"/bin/{user}\"]", "begins with the path"),
        ] {
            let told = mistakes(&format!("[app]\non_create = {text}\n"));
            assert!(told.iter().any(|one| one.contains(about)), "{text}: {told:?}");
        }
    }

    #[test]
    fn callers_of_the_broker_are_users_with_services() {
        let policy = parse(
            "[broker]\nhelp_desk = \"helpdesk\"\nprotected = [\"wheel\"]\n\
             callers = { postgres = [\"postgresql\"], \"Debian-exim\" = [\"exim\"] }\n[self_service]\nenroll = \"deny\"\n",
        )
        .unwrap();
        let callers: Vec<_> =
            policy.broker.callers.iter().map(|one| (one.user.as_str(), one.origin)).collect();
        assert_eq!(callers, [("Debian-exim", Origin::Line(4)), ("postgres", Origin::Line(4))]);
        assert_eq!(policy.broker.help_desk.as_deref(), Some("helpdesk"));
        assert_eq!(policy.broker.protected.value, ["wheel"]);
        assert_eq!(policy.self_service.enroll.value, Unenrolled::Deny);
        let told = mistakes("[broker]\ncallers = { \" x\" = [\"a b\"], y = 1 }\nhelp_desk = \"a:b\"\n");
        assert_eq!(told.len(), 4, "{told:#?}");
    }

    #[test]
    fn a_wrong_value_is_named_with_its_place_and_the_remedy() {
        assert_eq!(
            mistakes("\n\n[interactive]\nunenrolled = \"optionl\"\n"),
            [
                "/etc/twostep/config.toml:4:14: unknown value \"optionl\" for `unenrolled`\n  hint: one of \"allow\", \"deny\""
            ]
        );
        assert!(
            mistakes("[self_service]\nenroll = \"no\"\n")[0].contains("unknown value \"no\" for `enroll`")
        );
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let told = mistakes(
            "isuer = 1\n[paths]\nstore = \"store.db\"\nkey = 5\n[app]\nservices = [\"a b\", 3]\n[apps]\n",
        );
        assert_eq!(told.len(), 6, "{told:#?}");
        assert!(told[0].contains(":1:1: unknown key \"isuer\""));
        assert!(told[1].contains(":3:9: \"store.db\" is no path"));
        assert!(told[2].contains(":4:7: expected a string"));
        assert!(told[5].contains(":7:2: unknown key \"apps\""), "{}", told[5]);
    }

    #[test]
    fn a_syntax_error_refuses_the_text() {
        let told = mistakes("[interactive]\nunenrolled = allow\n");
        assert!(told[0].starts_with("/etc/twostep/config.toml:2:14:"), "{told:?}");
    }

    #[test]
    fn a_key_given_twice_is_a_mistake() {
        assert!(
            mistakes("[interactive]\nunenrolled = \"deny\"\nunenrolled = \"allow\"\n")[0].contains(":3:1")
        );
    }

    #[test]
    fn columns_count_characters() {
        assert!(mistakes("issuer = \"ü\" x\n")[0].contains(":1:14"), "{:?}", mistakes("issuer = \"ü\" x\n"));
    }
}
