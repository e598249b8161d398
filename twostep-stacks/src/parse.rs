//! What the lines of one file say.

use crate::control::Control;
use crate::lines::{Ending, Logical, Words, logical};

/// A line that means something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A module.
    Module(Line),
    /// Another file's lines.
    Include(Include),
    /// A line that libpam cannot read: it fails when it is come to, as its control has it.
    Bad(Bad),
}

/// A line that names a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Counted from one; where the entry begins.
    pub number: usize,
    /// In which phase it is called.
    pub phase: Phase,
    /// `-auth`: libpam does not log that it cannot load the module. The line fails all the same.
    pub dash: bool,
    /// What its return values lead to.
    pub control: Control,
    /// As it stands: a name in libpam's folder, or a path.
    pub module: String,
    /// Its arguments.
    pub words: Vec<String>,
}

/// `@include FILE`, or `auth include FILE`, or `auth substack FILE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Include {
    /// Counted from one.
    pub number: usize,
    /// None for `@include`, which is for all phases.
    pub phase: Option<Phase>,
    /// Whether the first word is none that libpam knows: then it is of the phase that is being read, or of auth.
    pub unknown_phase: bool,
    /// A name, or a path. Without one libpam crashes, and its caller with it.
    pub file: Option<String>,
    /// What ends a substack ends only that.
    pub substack: bool,
}

/// A line that libpam cannot read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    /// Counted from one.
    pub number: usize,
    /// None where the first word is none that libpam knows: then it is of the phase that is being read, or of auth.
    pub phase: Option<Phase>,
    /// What the failure leads to.
    pub control: Control,
    /// The module, where there is one.
    pub module: Option<String>,
    /// What is wrong with it.
    pub why: &'static str,
}

/// What libpam calls the management group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Who is it?
    Auth,
    /// May she come in?
    Account,
    /// A new password.
    Password,
    /// What is set up for her.
    Session,
}

/// Reads a file, and leaves out what libpam loses when the last line never ends.
pub fn parse(text: &str) -> Vec<Entry> {
    entries(text).0
}

/// The same of /etc/pam.conf, where each line begins with its service.
pub fn parse_conf(text: &str) -> Vec<Entry> {
    let own = |line: &Logical| {
        let mut words = Words::of(&line.text);
        words.next()?;
        entry(line.number, words.rest())
    };
    logical(text).0.iter().filter_map(own).collect()
}

/// The last line's number, where it never ends: libpam gives up such a file.
pub fn unfinished_line(text: &str) -> Option<usize> {
    match logical(text).1 {
        Ending::Clean => None,
        Ending::Broken(number) => Some(number),
    }
}

pub(crate) fn entries(text: &str) -> (Vec<Entry>, Ending) {
    let (lines, ending) = logical(text);
    (lines.iter().filter_map(|line| entry(line.number, &line.text)).collect(), ending)
}

fn entry(number: usize, line: &str) -> Option<Entry> {
    let mut words = Words::of(line);
    let first = words.next()?;
    let (dash, first) = match first.strip_prefix('-') {
        Some(word) => (true, word),
        None => (false, first.as_str()),
    };
    if first.eq_ignore_ascii_case("@include") {
        let include =
            Include { number, phase: None, unknown_phase: false, file: words.next(), substack: false };
        return Some(Entry::Include(include));
    }
    let phase = Phase::parse(first);
    let bad = |control, module, why| Some(Entry::Bad(Bad { number, phase, control, module, why }));
    let Some(word) = words.next() else {
        return bad(Control::bad(None), None, "there is no control on it");
    };
    if word.eq_ignore_ascii_case("include") || word.eq_ignore_ascii_case("substack") {
        let substack = word.eq_ignore_ascii_case("substack");
        let include = Include { number, phase, unknown_phase: phase.is_none(), file: words.next(), substack };
        return Some(Entry::Include(include));
    }
    let control = Control::parse(&word);
    let module = words.next();
    match (phase, module) {
        (None, module) => bad(control, module, "its first word is none of auth, account, password, session"),
        (_, None) => bad(control, None, "there is no module on it"),
        (Some(phase), Some(module)) => {
            Some(Entry::Module(Line { number, phase, dash, control, module, words: words.collect() }))
        }
    }
}

impl Entry {
    /// Where it stands.
    pub fn number(&self) -> usize {
        match self {
            Self::Module(line) => line.number,
            Self::Include(include) => include.number,
            Self::Bad(bad) => bad.number,
        }
    }

    /// Whether it takes part in a phase, in a file that is a service's own.
    pub fn is_in(&self, phase: Phase) -> bool {
        match self {
            Self::Module(line) => line.phase == phase,
            Self::Include(Include { unknown_phase: true, .. }) => phase == Phase::Auth,
            Self::Include(include) => include.phase.is_none_or(|own| own == phase),
            Self::Bad(bad) => bad.phase.unwrap_or(Phase::Auth) == phase,
        }
    }
}

impl Line {
    /// The module's file name, without its folder.
    pub fn module_name(&self) -> &str {
        base(&self.module)
    }
}

/// A file's name without its folder.
pub(crate) fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

impl Phase {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Auth, Self::Account, Self::Password, Self::Session];

    /// As a line begins with it, in any case.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| word.eq_ignore_ascii_case(phase.word()))
    }

    /// As a line begins with it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Account => "account",
            Self::Password => "password",
            Self::Session => "session",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Code;
    use crate::control::Action;

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
        assert_eq!(line.control.of(Code::SUCCESS), Action::Done);
        assert_eq!(line.control.of(Code::AUTH_ERR), Action::Die);
        assert!(line.control.refuses());
    }

    #[test]
    fn other_files_are_named() {
        let entries = parse("@Include common-auth\nauth SubStack system-auth\naccount include x\n@include\n");
        assert_eq!(entries.len(), 4);
        assert!(entries[0].is_in(Phase::Auth) && entries[0].is_in(Phase::Account));
        assert!(matches!(&entries[1], Entry::Include(include) if include.substack));
        assert!(!entries[2].is_in(Phase::Auth));
        assert!(matches!(&entries[3], Entry::Include(include) if include.file.is_none()));
    }

    #[test]
    fn a_line_of_pam_conf_is_another_ones_behind_its_service() {
        let conf =
            "# all\nsshd auth \\\n required x.so\n[su] auth include /etc/part\nsshd\nsshd @include y\n";
        let entries = parse_conf(conf);
        assert!(matches!(&entries[0], Entry::Module(line) if line.number == 2 && line.module == "x.so"));
        let included = |entry: &Entry| match entry {
            Entry::Include(include) => include.file.clone(),
            _ => None,
        };
        let files: Vec<_> = entries.iter().filter_map(included).collect();
        assert_eq!((entries.len(), files), (3, vec!["/etc/part".to_owned(), "y".to_owned()]));
    }

    #[test]
    fn what_cannot_be_read_is_no_line_of_a_module() {
        for (text, phase) in [
            ("session", Some(Phase::Session)),
            ("auth required", Some(Phase::Auth)),
            ("auht required x.so", None),
        ] {
            assert!(matches!(&parse(text)[..], [Entry::Bad(bad)] if bad.phase == phase), "{text}");
        }
    }
}
