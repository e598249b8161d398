//! Configuration text to [`Policy`], with every mistake named by line and column.
//!
//! Any mistake refuses the whole text: half a policy is none.

pub mod break_glass;
mod keys;
mod rules;
mod sections;
mod syntax;
mod times;

pub use times::{Moment, TIMES};

use crate::change::WHY_MAX;
use crate::policy::{Origin, Policy};
use crate::text::is_plain_line;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::Path;
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
    document(text, |reader, table| {
        let mut policy = Policy::defaults();
        reader.document(table, &mut policy);
        policy
    })
}

/// Reads a whole text, or tells all its mistakes.
fn document<T>(
    text: &str,
    read: impl FnOnce(&mut Reader<'_>, &DeTable<'_>) -> T,
) -> Result<T, Vec<Diagnostic>> {
    let mut reader = Reader::of(text);
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        reader.syntax(&error);
    }
    // What follows a syntax error is guesswork: its keys would only be called unknown.
    let read = reader.mistakes.is_empty().then(|| read(&mut reader, document.get_ref()));
    reader.mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
    match read {
        Some(read) if reader.mistakes.is_empty() => Ok(read),
        _ => Err(reader.mistakes),
    }
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
    /// Where each line begins: every setting has its place looked up, at every login.
    lines: Vec<usize>,
    mistakes: Vec<Diagnostic>,
    /// The key whose value is read.
    key: Option<String>,
    /// Whether a key that is not known here can belong to a section of the configuration.
    has_sections: bool,
}

type Value<'t> = Spanned<DeValue<'t>>;

impl<'t> Reader<'t> {
    fn of(text: &'t str) -> Self {
        let after = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            text,
            lines: std::iter::once(0).chain(after).collect(),
            mistakes: Vec::new(),
            key: None,
            has_sections: true,
        }
    }
}

impl Reader<'_> {
    /// One of the words that a key knows.
    fn word<T: Copy>(&mut self, key: &str, value: &Value<'_>, words: &[(&str, T)]) -> Option<T> {
        let word = self.string(value)?;
        let found = words.iter().find(|(known, _)| *known == word);
        if found.is_none() {
            self.unknown_word(key, value, word, words);
        }
        found.map(|(_, new)| *new)
    }

    fn unknown_word<T>(&mut self, key: &str, value: &Value<'_>, word: &str, words: &[(&str, T)]) {
        let words: Vec<_> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
        let hint = format!("one of {}", words.join(", "));
        self.mistake(value.span().start, format!("unknown value {word:?} for `{key}`"), Some(hint));
    }

    /// A list of strings, or one string, each read by `read`. An empty list is one of nothing at all, which nobody means.
    fn entries<T>(
        &mut self,
        value: &Value<'_>,
        mut read: impl FnMut(&mut Self, &Value<'_>, &str) -> Option<T>,
    ) -> Vec<T> {
        if value.get_ref().is_str() {
            return self.string(value).and_then(|text| read(self, value, text)).into_iter().collect();
        }
        let Some(list) = value.get_ref().as_array() else {
            self.wrong_type(value, "a string or a list of strings");
            return Vec::new();
        };
        if list.is_empty() {
            let hint = "leave the key out where it is to say nothing".to_owned();
            self.mistake(value.span().start, "the list is empty".to_owned(), Some(hint));
        }
        let mut entries = Vec::new();
        for item in list.iter() {
            let entry = self.string(item).and_then(|text| read(self, item, text));
            entries.extend(entry);
        }
        entries
    }

    /// A line of text for people: 1 to 200 printable characters.
    fn line(&mut self, key: &str, value: &Value<'_>) -> Option<String> {
        let text = self.string(value)?;
        if is_plain_line(text, WHY_MAX) {
            return Some(text.to_owned());
        }
        let hint = format!("1 to {WHY_MAX} printable characters, without a blank at either end");
        self.mistake(value.span().start, format!("{text:?} cannot be a `{key}`"), Some(hint));
        None
    }

    fn boolean(&mut self, value: &Value<'_>) -> Option<bool> {
        let found = value.get_ref().as_bool();
        if found.is_none() {
            self.wrong_type(value, "true or false");
        }
        found
    }

    /// A whole number within bounds.
    fn number(&mut self, key: &str, value: &Value<'_>, bounds: &RangeInclusive<u64>) -> Option<u64> {
        let Some(number) = value.get_ref().as_integer() else {
            self.wrong_type(value, "a whole number");
            return None;
        };
        let number = u64::from_str_radix(number.as_str(), number.radix()).ok();
        let found = number.filter(|number| bounds.contains(number));
        if found.is_none() {
            let hint = format!("{} to {}", bounds.start(), bounds.end());
            self.mistake(value.span().start, format!("the number for `{key}` is out of bounds"), Some(hint));
        }
        found
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
        let mut hint = format!("known here: {keys}");
        if let Some(where_to) = keys::where_known(name).filter(|_| self.has_sections) {
            hint.push_str("; ");
            hint.push_str(&where_to);
        }
        self.mistake(key.span().start, format!("unknown key {name:?}"), Some(hint));
    }

    fn origin(&self, value: &Value<'_>) -> Origin {
        Origin::Line(self.place(value.span().start).0)
    }

    fn mistake(&mut self, at: usize, mut message: String, mut hint: Option<String>) {
        let (line, column) = self.place(at);
        if let Some(key) = &self.key {
            let key = syntax::quoted(key);
            if !message.contains(&key) {
                message.insert_str(0, &format!("{key}: "));
            }
            hint.get_or_insert_with(|| format!("man 5 twostep.toml says what {key} takes"));
        }
        self.mistakes.push(Diagnostic { line, column, message, hint });
    }

    fn place(&self, at: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|begins| *begins <= at);
        let begins = line.checked_sub(1).and_then(|index| self.lines.get(index)).copied().unwrap_or(0);
        let column = self.text.get(begins..at).map_or(0, |before| before.chars().count()) + 1;
        (line, column)
    }
}

#[cfg(test)]
mod shipped_tests;
#[cfg(test)]
mod tests;
