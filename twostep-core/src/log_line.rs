//! A line of the log, read again: what [`Event::line`](crate::event::Event::line) wrote, taken apart into its keys.
//!
//! Anybody can send a line to syslog, under any tag; whether one can be believed is for whoever knows where it was found. Here a line
//! that the writer would not have written is none at all.

use crate::event::{Ending, is_plain};

/// Longer lines are not ours: a line has no more than a handful of values, each with a longest length.
pub const LINE_MAX: usize = 16 << 10;

/// One line, without the tag that syslog puts before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// How it ended.
    pub ending: Ending,
    /// The word for why: one of those in docs/log.md, or of a later version.
    pub reason: String,
    /// Who; none where the name was not known.
    pub user: Option<String>,
    /// Where to.
    pub service: Option<String>,
    /// Where from: an address, or one of the words in docs/log.md.
    pub from: Option<String>,
    details: Vec<(String, String)>,
}

impl LogLine {
    /// Reads a line. None where it is torn, or is not one of ours.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        if line.len() > LINE_MAX {
            return None;
        }
        let mut pairs = Pairs(line).collect::<Option<Vec<_>>>()?.into_iter().peekable();
        let mut take = |key| pairs.next_if(|(found, _)| found == key).map(|(_, value)| value);
        let ending = Ending::of_word(&take("result")?)?;
        let reason = take("reason")?;
        let (user, service, from) = (take("user"), take("service"), take("from"));
        let details: Vec<_> = pairs.collect();
        for (place, (key, _)) in details.iter().enumerate() {
            let again = details.iter().take(place).any(|(earlier, _)| earlier == key);
            if again || ["result", "reason", "user", "service", "from"].contains(&key.as_str()) {
                return None;
            }
        }
        Some(Self { ending, reason, user, service, from, details })
    }

    /// The value of a key that the reason adds.
    #[must_use]
    pub fn detail(&self, key: &str) -> Option<&str> {
        self.details.iter().find(|(found, _)| found == key).map(|(_, value)| value.as_str())
    }
}

/// The `key=value`s of a line, one blank between them; a none and nothing after it where it cannot be read.
struct Pairs<'a>(&'a str);

impl Iterator for Pairs<'_> {
    type Item = Option<(String, String)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let pair = pair(self.0);
        self.0 = pair.as_ref().map_or("", |(_, rest)| rest);
        Some(pair.map(|(pair, _)| pair))
    }
}

/// The first pair, and the line after it and its blank.
fn pair(line: &str) -> Option<((String, String), &str)> {
    let (key, rest) = line.split_once('=')?;
    if key.is_empty() || !key.bytes().all(|b| b.is_ascii_lowercase() || b == b'-') {
        return None;
    }
    let (value, rest) = match rest.strip_prefix('"') {
        Some(quoted) => unquoted(quoted)?,
        None => {
            let (value, rest) = rest.split_at(rest.find(' ').unwrap_or(rest.len()));
            (is_plain(value).then(|| value.to_owned())?, rest)
        }
    };
    let rest = match rest.strip_prefix(' ') {
        // A blank at the end is where a line was torn.
        Some("") => return None,
        Some(more) => more,
        None if rest.is_empty() => rest,
        None => return None,
    };
    Some(((key.to_owned(), value), rest))
}

/// What stands up to the closing quote, and the line after that.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let mut letters = rest.chars();
        match letters.next()? {
            '"' => return Some((value, letters.as_str())),
            '\\' => match letters.next()? {
                c @ ('"' | '\\') => value.push(c),
                'u' => {
                    let (hex, after) = letters.as_str().strip_prefix('{')?.split_once('}')?;
                    value.push(escaped(hex)?);
                    rest = after;
                    continue;
                }
                _ => return None,
            },
            c @ ' '..='~' => value.push(c),
            _ => return None,
        }
        rest = letters.as_str();
    }
}

/// The character of a `\u{…}`.
fn escaped(hex: &str) -> Option<char> {
    let digits = (1..=6).contains(&hex.len()) && hex.bytes().all(|b| b.is_ascii_hexdigit());
    digits.then(|| u32::from_str_radix(hex, 16).ok().and_then(char::from_u32))?
}

#[cfg(test)]
#[path = "log_line_tests.rs"]
mod tests;
