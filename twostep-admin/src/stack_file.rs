//! A file of /etc/pam.d, read as libpam reads it (pam.conf(5)): what its lines say, not what they do together.

/// A line that means something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A module.
    Module(Line),
    /// Another file's lines.
    Include(Include),
}

/// A line that names a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Counted from one; where the entry begins.
    pub(crate) number: usize,
    pub(crate) phase: Phase,
    /// `-auth`: libpam passes over a module that is not there.
    pub(crate) dash: bool,
    pub(crate) control: Control,
    /// As it stands: a name in libpam's folder, or a path.
    pub(crate) module: String,
    pub(crate) words: Vec<String>,
}

/// `@include FILE`, or `auth include FILE`, or `auth substack FILE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Include {
    pub(crate) number: usize,
    /// None for `@include`, which is for all phases.
    pub(crate) phase: Option<Phase>,
    pub(crate) file: String,
    /// What ends a substack ends only that.
    pub(crate) substack: bool,
}

/// What libpam calls the management group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Auth,
    Account,
    Password,
    Session,
}

/// What each return value leads to: pairs of a value and an action, as in the long form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Control(Vec<(String, Action)>);

/// An action of the long form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Ok,
    Done,
    Bad,
    Die,
    Ignore,
    Reset,
    Jump(usize),
    /// None that libpam knows, or none at all.
    Unknown,
}

/// Return values that are no refusal.
const NO_REFUSAL: [&str; 3] = ["success", "ignore", "new_authtok_reqd"];

/// Reads a file. What libpam could not read either is left out.
pub(crate) fn parse(text: &str) -> Vec<Entry> {
    logical_lines(text).into_iter().filter_map(|(number, line)| entry(number, &line)).collect()
}

/// Lines with their continuations, without comments. A `#` ends the line, and a continuation with it.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (index, raw) in text.lines().enumerate() {
        let (code, comment) = match raw.split_once('#') {
            Some((code, _)) => (code, true),
            None => (raw, false),
        };
        let trimmed = code.trim();
        let (part, more) = match trimmed.strip_suffix('\\').filter(|_| !comment) {
            Some(part) => (part, true),
            None => (trimmed, false),
        };
        match lines.last_mut().filter(|_| goes_on) {
            Some((_, line)) => {
                line.push(' ');
                line.push_str(part);
            }
            None => lines.push((index + 1, part.to_owned())),
        }
        goes_on = more;
    }
    lines
}

fn entry(number: usize, line: &str) -> Option<Entry> {
    let mut tokens = tokens(line).into_iter();
    let first = tokens.next()?;
    if first == "@include" {
        let file = tokens.next()?;
        return Some(Entry::Include(Include { number, phase: None, file, substack: false }));
    }
    let (dash, word) = match first.strip_prefix('-') {
        Some(word) => (true, word),
        None => (false, first.as_str()),
    };
    let phase = Phase::parse(word)?;
    let control = tokens.next()?;
    let module = tokens.next()?;
    Some(match control.to_ascii_lowercase().as_str() {
        kind @ ("include" | "substack") => {
            Entry::Include(Include { number, phase: Some(phase), file: module, substack: kind == "substack" })
        }
        control => Entry::Module(Line {
            number,
            phase,
            dash,
            control: Control::parse(control),
            module,
            words: tokens.collect(),
        }),
    })
}

/// Words; one that begins with `[` goes on to the `]`, without both.
fn tokens(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let mut token = String::new();
        let mut characters = rest.char_indices().peekable();
        let bracket = rest.starts_with('[');
        let mut end = rest.len();
        if bracket {
            characters.next();
        }
        while let Some((at, c)) = characters.next() {
            match c {
                '\\' if bracket && matches!(characters.peek(), Some((_, ']'))) => {
                    token.extend(characters.next().map(|(_, c)| c));
                }
                ']' if bracket => {
                    end = at + 1;
                    break;
                }
                c if !bracket && c.is_whitespace() => {
                    end = at;
                    break;
                }
                c => token.push(c),
            }
        }
        // The brackets tell the long form of a control from a word; nothing else needs them.
        found.push(if bracket && found.len() == 1 { format!("[{token}") } else { token });
        rest = rest.get(end..).unwrap_or("").trim_start();
    }
    found
}

impl Entry {
    /// Where it stands.
    pub(crate) fn number(&self) -> usize {
        match self {
            Self::Module(line) => line.number,
            Self::Include(include) => include.number,
        }
    }

    /// Whether it takes part in a phase.
    pub(crate) fn is_in(&self, phase: Phase) -> bool {
        match self {
            Self::Module(line) => line.phase == phase,
            Self::Include(include) => include.phase.is_none_or(|own| own == phase),
        }
    }
}

impl Line {
    /// The module's file name, without its folder.
    pub(crate) fn module_name(&self) -> &str {
        self.module.rsplit('/').next().unwrap_or(&self.module)
    }
}

impl Phase {
    fn parse(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "auth" => Self::Auth,
            "account" => Self::Account,
            "password" => Self::Password,
            "session" => Self::Session,
            _ => return None,
        })
    }
}

impl Control {
    fn parse(text: &str) -> Self {
        // The short words in terms of the long form: pam.conf(5).
        let long = match text {
            "required" => "success=ok new_authtok_reqd=ok ignore=ignore default=bad",
            "requisite" => "success=ok new_authtok_reqd=ok ignore=ignore default=die",
            "sufficient" => "success=done new_authtok_reqd=done default=ignore",
            "optional" => "success=ok new_authtok_reqd=ok default=ignore",
            other => other.strip_prefix('[').unwrap_or(""),
        };
        let pair = |word: &str| {
            let (value, action) = word.split_once('=').unwrap_or((word, ""));
            (value.to_owned(), Action::parse(action))
        };
        Self(long.split_whitespace().map(pair).collect())
    }

    /// What a return value leads to.
    pub(crate) fn action(&self, value: &str) -> Action {
        let of = |wanted: &str| self.0.iter().find(|(value, _)| value == wanted).map(|(_, action)| *action);
        of(value).or_else(|| of("default")).unwrap_or(Action::Unknown)
    }

    /// Whether whatever is a refusal refuses.
    pub(crate) fn refuses(&self) -> bool {
        let refusal = |action: Action| matches!(action, Action::Bad | Action::Die);
        refusal(self.action("default"))
            && self.0.iter().all(|(value, action)| NO_REFUSAL.contains(&value.as_str()) || refusal(*action))
    }
}

impl Action {
    fn parse(word: &str) -> Self {
        match word {
            "ok" => Self::Ok,
            "done" => Self::Done,
            "bad" => Self::Bad,
            "die" => Self::Die,
            "ignore" => Self::Ignore,
            "reset" => Self::Reset,
            number => number.parse().map_or(Self::Unknown, Self::Jump),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        match parse(text).pop() {
            Some(Entry::Module(line)) => line,
            other => panic!("{text:?} is {other:?}"),
        }
    }

    #[test]
    fn a_line_is_phase_control_module_and_words() {
        let line = line(
            "# c\n\n-AUTH [success=done ignore=ignore\\\n default=die] /x/pam_twostep.so app [prompt=a \\] b] # c",
        );
        assert_eq!((line.number, line.phase, line.dash), (3, Phase::Auth, true));
        assert_eq!(line.module_name(), "pam_twostep.so");
        assert_eq!(line.words, ["app", "prompt=a ] b"]);
        assert_eq!(line.control.action("success"), Action::Done);
        assert_eq!(line.control.action("auth_err"), Action::Die);
        assert!(line.control.refuses());
    }

    #[test]
    fn what_lets_refusals_pass_is_seen() {
        for (control, refuses) in [
            ("required", true),
            ("requisite", true),
            ("sufficient", false),
            ("optional", false),
            ("[success=1 default=ignore]", false),
            ("[success=ok]", false),
            ("[success=ok default=die auth_err=ignore]", false),
            ("[success=done ignore=ignore default=die]", true),
            ("[success=end default=die]", true),
            ("requird", false),
        ] {
            assert_eq!(line(&format!("auth {control} pam_x.so")).control.refuses(), refuses, "{control}");
        }
    }

    #[test]
    fn other_files_are_named() {
        let entries = parse("@include common-auth\nauth substack system-auth\naccount include x\nsession\n");
        assert_eq!(entries.len(), 3);
        assert!(entries[0].is_in(Phase::Auth) && entries[0].is_in(Phase::Account));
        assert!(matches!(&entries[1], Entry::Include(include) if include.substack));
        assert!(!entries[2].is_in(Phase::Auth));
    }

    #[test]
    fn a_comment_ends_a_continuation() {
        assert_eq!(logical_lines("a \\\nb # \\\nc"), [(1, "a  b".to_owned()), (3, "c".to_owned())]);
    }
}
