//! What is said of a text that is no TOML, or that says one thing twice. The parser names the second place alone.

use super::Reader;
use std::ops::Range;
use toml::de::{DeTable, DeValue, Error};

/// As the parser calls it.
const DUPLICATE: &str = "duplicate key";
/// How many of them have the earlier line looked for: each time all that stands before is read again.
const DUPLICATES_MAX: usize = 8;
/// A key that nobody has.
const PROBE: &str = "twostep-probe";

/// What the parser says, and what to do about it: the first that fits.
const REMEDIES: [(&str, &str); 6] = [
    (
        "string values must be quoted",
        "text stands in plain double quotes, numbers, dates, true and false without: key = \"text\"",
    ),
    ("invalid basic string", "close the text with a double quote on the line on which it begins"),
    ("array", "a list stands in brackets, with a comma between its entries: key = [\"a\", \"b\"]"),
    (
        "table",
        "a section is a line of its own, [interactive]; a table in one line stands in braces, { a = [\"b\"] }",
    ),
    ("unexpected key or value", "one setting on a line; what else stands behind a value is a comment, # …"),
    (
        "",
        "a setting is a line, key = \"text\"; a section is a line of its own, [interactive]; a comment begins with #",
    ),
];

impl Reader<'_> {
    /// Notes what the parser has found.
    pub(super) fn syntax(&mut self, error: &Error) {
        let span = error.span().unwrap_or_default();
        let looked_for = error.message() == DUPLICATE && self.mistakes.len() < DUPLICATES_MAX;
        let twice = looked_for.then(|| self.twice(&span)).flatten();
        let (message, hint) = twice.unwrap_or_else(|| self.unreadable(&span, error.message()));
        self.mistake(span.start, message, Some(hint));
    }

    /// A key or a section that was there before. Where that was, is seen by another key in its place: the table that gets it has the first one.
    fn twice(&self, span: &Range<usize>) -> Option<(String, String)> {
        let name = self.text.get(span.clone())?.trim_matches(['"', '\'']);
        let probe = format!("{}{PROBE} = 0", self.text.get(..span.start)?);
        let (document, _) = DeTable::parse_recoverable(&probe);
        let (section, table) = holder(document.get_ref(), "", false)?;
        let (first, _) = table.get_key_value(name)?;
        let first = self.place(first.span().start).0;
        let here = self.place(span.start).0;
        if !self.is_header(here) {
            let of = if section.is_empty() { String::new() } else { format!(" of {section}") };
            let message = format!("{}{of} was set on line {first} already", quoted(name));
            return Some((message, format!("keep one of lines {first} and {here}, and delete the other")));
        }
        let full = match section.trim_matches(['[', ']']) {
            "" => name.to_owned(),
            outer => format!("{outer}.{name}"),
        };
        let hint = if self.is_header(first) {
            format!(
                "move the settings that follow this line to the section on line {first}, and delete this line"
            )
        } else {
            format!(
                "write all of its settings as line {first} does, {full}.KEY = …, above the first line in brackets, and delete this line; or all \
                 of them below this line, as KEY = …"
            )
        };
        Some((format!("the section [{full}] was begun on line {first} already"), hint))
    }

    /// Whatever else is no TOML, by the key on its line.
    fn unreadable(&self, span: &Range<usize>, message: &str) -> (String, String) {
        let remedy =
            REMEDIES.iter().find(|(part, _)| message.contains(part)).map_or("", |(_, remedy)| remedy);
        let message = message.strip_suffix(", expected literal string").unwrap_or(message);
        let line = self.line_text(self.place(span.start).0);
        let key = line.split_once('=').map(|(key, _)| key.trim()).filter(|key| is_plain(key));
        let message = key.map_or_else(|| message.to_owned(), |key| format!("`{key}`: {message}"));
        (message, remedy.to_owned())
    }

    fn is_header(&self, line: usize) -> bool {
        self.line_text(line).trim_start().starts_with('[')
    }

    /// A line, by its number.
    fn line_text(&self, number: usize) -> &str {
        let begins = number.checked_sub(1).and_then(|index| self.lines.get(index));
        let rest = begins.and_then(|begins| self.text.get(*begins..));
        rest.and_then(|rest| rest.lines().next()).unwrap_or_default()
    }
}

/// The table that has the probe, and what it is called: `[section]`, or `[[rule]]`.
fn holder<'d, 't>(table: &'d DeTable<'t>, path: &str, is_list: bool) -> Option<(String, &'d DeTable<'t>)> {
    if table.contains_key(PROBE) {
        let name = match (path, is_list) {
            ("", _) => String::new(),
            (path, true) => format!("[[{path}]]"),
            (path, false) => format!("[{path}]"),
        };
        return Some((name, table));
    }
    let inner = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    table.iter().find_map(|(key, value)| within(value.get_ref(), &inner(key.get_ref()), false))
}

fn within<'d, 't>(value: &'d DeValue<'t>, path: &str, is_list: bool) -> Option<(String, &'d DeTable<'t>)> {
    match value {
        DeValue::Table(table) => holder(table, path, is_list),
        DeValue::Array(list) => list.iter().find_map(|item| within(item.get_ref(), path, true)),
        _ => None,
    }
}

fn is_plain(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

/// A key as it is told: one that is written in quotes can have any letter.
pub(super) fn quoted(key: &str) -> String {
    if is_plain(key) { format!("`{key}`") } else { format!("{key:?}") }
}

#[cfg(test)]
mod tests {
    use crate::config::parse;

    /// The first mistake, and what to do.
    fn first(text: &str) -> (String, String) {
        let mistakes = parse(text).expect_err(text);
        let first = mistakes.into_iter().next().unwrap();
        (first.to_string(), first.hint.unwrap())
    }

    #[test]
    fn a_section_that_is_there_twice_is_told_with_the_earlier_line_and_what_to_do() {
        let (told, hint) = first("[interactive]\ntrust = []\n\n[interactive]\nunenrolled = \"deny\"\n");
        assert_eq!(told, "4:2: the section [interactive] was begun on line 1 already");
        assert_eq!(
            hint,
            "move the settings that follow this line to the section on line 1, and delete this line"
        );
        let (told, hint) = first("# x\ninteractive.trust = []\n[interactive]\n");
        assert_eq!(told, "3:2: the section [interactive] was begun on line 2 already");
        assert!(hint.starts_with("write all of its settings as line 2 does, interactive.KEY = …"), "{hint}");
        for (text, told) in [
            ("[[rule]]\ndemand = \"deny\"\n[rule]\n", "3:2: the section [rule] was begun on line 1 already"),
            (
                "[broker.callers]\n[broker]\n[broker.callers]\n",
                "3:9: the section [broker.callers] was begun on line 1 already",
            ),
            ("app = 1\n[app]\n", "2:2: the section [app] was begun on line 1 already"),
            ("[ \"app\" ]\n[ 'app' ]\n", "2:3: the section [app] was begun on line 1 already"),
        ] {
            assert_eq!(first(text).0, told, "{text}");
        }
    }

    #[test]
    fn a_key_that_is_set_twice_is_told_with_its_section_and_the_earlier_line() {
        for (text, told) in [
            ("issuer = \"a\"\nissuer = \"b\"\n", "2:1: `issuer` was set on line 1 already"),
            (
                "[interactive]\ntrust = []\ntrust_days = 3\ntrust = []\n",
                "4:1: `trust` of [interactive] was set on line 2 already",
            ),
            (
                "interactive.trust = []\ninteractive.trust = []\n",
                "2:13: `trust` of [interactive] was set on line 1 already",
            ),
            // The same key in another section, in another rule, or in a text over several lines is another one.
            (
                "[app]\nunenrolled = \"deny\"\n[interactive]\nunenrolled = \"deny\"\nunenrolled = \"deny\"\n",
                "5:1: `unenrolled` of [interactive] was set on line 4 already",
            ),
            (
                "[[rule]]\nuser = \"a\"\n[[rule]]\ndemand = \"deny\"\nuser = \"b\"\nuser = \"c\"\n",
                "6:1: `user` of [[rule]] was set on line 5 already",
            ),
            (
                "issuer = \"\"\"\n[app]\ntrust = 1\"\"\"\n[interactive]\ntrust = []\ntrust = []\n",
                "6:1: `trust` of [interactive] was set on line 5 already",
            ),
            (
                "[broker]\ncallers = { exim = [\"exim\"],\n  exim = [\"imap\"] }\n",
                "3:3: `exim` of [broker.callers] was set on line 2 already",
            ),
            (
                "[broker.callers]\n[broker]\ncallers.exim = []\n",
                "3:1: `callers` of [broker] was set on line 1 already",
            ),
            ("\"a\\u0041\" = 1\n\"b c\" = 1\n'b c' = 2\n", "3:1: \"b c\" was set on line 2 already"),
        ] {
            assert_eq!(first(text).0, told, "{text}");
        }
        assert_eq!(
            first("issuer = \"a\"\nissuer = \"b\"\n").1,
            "keep one of lines 1 and 2, and delete the other"
        );
    }

    #[test]
    fn whatever_is_no_toml_is_told_by_its_key_with_what_to_do() {
        for (text, told, hint) in [
            (
                "[app]\nunenrolled = allow\n",
                "2:14: `unenrolled`: string values must be quoted",
                "double quotes",
            ),
            ("issuer = “x”\n", "1:10: `issuer`: string values must be quoted", "plain double quotes"),
            ("issuer = \"x\n", "1:12: `issuer`: invalid basic string", "close the text"),
            ("issuer = \"x\" y\n", "1:14: `issuer`: unexpected key or value", "one setting on a line"),
            ("[app]\nservices = [\"imap\" \"pop3\"]\n", "2:20: `services`: ", "in brackets"),
            ("[app]\nservices = [\"imap\"\n", "`services`: ", "in brackets"),
            ("[app\nunenrolled = \"deny\"\n", "1:5: unclosed table", "a line of its own"),
            ("issuer: x\n", "1:7: ", "a comment begins with #"),
            ("issuer\n", "1:7: key with no value", "a setting is a line"),
            ("[[rule]]\nuntil = 2026-13-01\n", "2:9: `until`: ", ""),
        ] {
            let found = first(text);
            assert!(found.0.contains(told) && found.1.contains(hint), "{text}: {found:?}");
            assert!(!found.1.is_empty() && !format!("{found:?}").contains("\\n"), "{text}: {found:?}");
        }
    }

    #[test]
    fn a_text_that_repeats_itself_without_end_is_read_a_few_times_only() {
        let text = "[app]\n".repeat(20_000);
        let mistakes = parse(&text).unwrap_err();
        let looked_for = mistakes.iter().filter(|one| one.message.contains(" already")).count();
        assert_eq!((mistakes.len(), looked_for), (19_999, super::DUPLICATES_MAX));
    }
}
