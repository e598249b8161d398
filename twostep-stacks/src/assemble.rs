//! A service's chains: its file's lines, with those of the files that it includes in their places.

use crate::code::Code;
use crate::control::Control;
use crate::lines::Ending;
use crate::parse::{Entry, Include, Phase, base, entries};
use std::fmt;
use std::sync::Arc;

/// Where the texts come from.
pub trait Files {
    /// The text of a file by its absolute path; none where it cannot be read.
    fn text(&self, path: &str) -> Option<String>;
}

impl<F: Fn(&str) -> Option<String>> Files for F {
    fn text(&self, path: &str) -> Option<String> {
        self(path)
    }
}

/// Where libpam looks for files that are named without a path.
#[derive(Clone, Debug)]
pub struct Folders {
    /// For a service's file: the first that has it.
    pub services: Vec<String>,
    /// For a file that another one includes.
    pub includes: Vec<String>,
    /// Whether there is `@include`, which is Debian's own: elsewhere it is a first word that libpam does not know.
    pub at_include: bool,
}

impl Folders {
    /// As Debian's libpam has them: what is included is looked for in /etc/pam.d only.
    pub fn debian() -> Self {
        let services = vec!["/etc/pam.d".to_owned(), "/usr/lib/pam.d".to_owned()];
        Self { services, includes: vec!["/etc/pam.d".to_owned()], at_include: true }
    }

    /// As libpam has them elsewhere.
    pub fn upstream() -> Self {
        let both = Self::debian().services;
        Self { services: both.clone(), includes: both, at_include: false }
    }

    /// One folder for all.
    pub fn only(folder: &str) -> Self {
        Self { services: vec![folder.to_owned()], includes: vec![folder.to_owned()], at_include: true }
    }
}

/// How deep substacks may lie in one another.
pub const MOST_LEVELS: usize = 16;
/// More lines than any stack has. Substacks that name themselves double with every level.
const MOST_HANDLERS: usize = 20_000;

/// Where a line stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The file's path.
    pub file: Arc<str>,
    /// Counted from one.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// What a chain is made of.
#[derive(Clone, Debug)]
pub struct Handler {
    /// Where its line stands.
    pub place: Place,
    /// The lines that include the file, outermost first; empty for a line of the service's own file.
    pub via: Vec<Place>,
    /// How many substacks it is in.
    pub level: usize,
    /// What return values lead to.
    pub control: Control,
    /// What is done.
    pub part: Part,
}

/// What libpam does when it comes to a handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Calls a module.
    Module {
        /// As it stands.
        module: String,
        /// Its arguments.
        words: Vec<String>,
    },
    /// Fails with [`Code::PERM_DENIED`], for this reason.
    Fails(&'static str),
    /// Nothing: here a substack begins.
    Substack,
}

impl Handler {
    /// The module's file name, where it is a module's.
    pub fn module_name(&self) -> Option<&str> {
        match &self.part {
            Part::Module { module, .. } => Some(base(module)),
            Part::Fails(_) | Part::Substack => None,
        }
    }

    /// The place in the service's own file: the line's, or that of the line which brings it in.
    pub fn own_place(&self) -> &Place {
        self.via.first().unwrap_or(&self.place)
    }
}

/// A service as libpam has read it.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its own file; none where it has none, so that all is as in `other`.
    pub file: Option<Arc<str>>,
    own: [Vec<Handler>; 4],
    other: [Vec<Handler>; 4],
}

impl Service {
    /// The chain that libpam runs in a phase. Where the service has no line for it, it is the one of `other`.
    pub fn chain(&self, phase: Phase) -> &[Handler] {
        let own = &self.own[phase as usize];
        if own.is_empty() { &self.other[phase as usize] } else { own }
    }

    /// Changes what stands on a module's lines, for one whose words mean something else from service to service.
    pub fn change_words(&mut self, module: &str, change: &dyn Fn(&mut Vec<String>)) {
        for handler in self.own.iter_mut().chain(&mut self.other).flatten() {
            if handler.module_name() == Some(module)
                && let Part::Module { words, .. } = &mut handler.part
            {
                change(words);
            }
        }
    }

    /// Whether a phase is left to `other`.
    pub fn is_others(&self, phase: Phase) -> bool {
        self.own[phase as usize].is_empty()
    }
}

/// Why libpam does not even begin: whoever asks it is refused, in every phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Neither the service nor `other` has a file.
    Nothing,
    /// The last line of a file never ends.
    Unfinished(Place),
    /// `@include` of a file that cannot be read, or cannot be read to its end.
    Include(Place, String),
    /// Substacks lie in one another too deep.
    Deep,
    /// A module's name is none.
    Name(Place),
    /// libpam itself crashes, and its caller with it: for want of a file's name, or because a file includes itself.
    Crash(Place, &'static str),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("neither the service nor \"other\" has a file"),
            Self::Unfinished(place) => write!(f, "{place}: the line goes on, but the file is at its end"),
            Self::Include(place, file) => write!(f, "{place}: @include of {file}, which cannot be read"),
            Self::Deep => f.write_str("substacks lie in one another too deep"),
            Self::Name(place) => write!(f, "{place}: no name of a module"),
            Self::Crash(place, why) => {
                write!(f, "{place}: {why}: libpam crashes, and whatever program asks it")
            }
        }
    }
}

impl std::error::Error for Fault {}

/// What reading a service comes to.
pub type Read = Result<Service, Fault>;

/// Reads a service as libpam does at pam_start(3).
///
/// # Errors
/// What makes pam_start(3) fail.
pub fn read(service: &str, files: &dyn Files, folders: &Folders) -> Read {
    let name = base(service).to_ascii_lowercase();
    let mut reader = Reader { files, folders, chains: Default::default(), open: Vec::new(), via: Vec::new() };
    let file = reader.top(&name)?;
    // The file of `other` is read for everybody, and twice for itself.
    let own = if name == OTHER { Default::default() } else { std::mem::take(&mut reader.chains) };
    let other = reader.top(OTHER)?;
    if file.is_none() && other.is_none() {
        return Err(Fault::Nothing);
    }
    Ok(Service { file, own, other: reader.chains })
}

const OTHER: &str = "other";

struct Reader<'a> {
    files: &'a dyn Files,
    folders: &'a Folders,
    chains: [Vec<Handler>; 4],
    /// What is being read: a file that comes to be read in itself in the same way is never done.
    open: Vec<(Arc<str>, usize, Option<Phase>)>,
    via: Vec<Place>,
}

impl Reader<'_> {
    fn top(&mut self, service: &str) -> Result<Option<Arc<str>>, Fault> {
        let Some((path, text)) = self.find(service, &self.folders.services) else { return Ok(None) };
        self.file(&path, &text, None, 0)?;
        Ok(Some(path))
    }

    fn find(&self, name: &str, folders: &[String]) -> Option<(Arc<str>, String)> {
        let text = |path: String| self.files.text(&path).map(|text| (Arc::from(path), text));
        if name.starts_with('/') {
            return text(name.to_owned());
        }
        folders.iter().find_map(|folder| text(format!("{folder}/{name}")))
    }

    /// The lines of a file, those of one phase or of all.
    fn file(&mut self, path: &Arc<str>, text: &str, asked: Option<Phase>, level: usize) -> Result<(), Fault> {
        self.open.push((Arc::clone(path), level, asked));
        let (entries, ending) = entries(text);
        let mut done = Ok(());
        for entry in entries {
            done = self.entry(path, entry, asked, level);
            if done.is_err() {
                break;
            }
        }
        self.open.pop();
        match (done, ending) {
            (Ok(()), Ending::Broken(line)) => Err(Fault::Unfinished(Place { file: Arc::clone(path), line })),
            (done, _) => done,
        }
    }

    fn entry(
        &mut self,
        path: &Arc<str>,
        entry: Entry,
        asked: Option<Phase>,
        level: usize,
    ) -> Result<(), Fault> {
        let place = Place { file: Arc::clone(path), line: entry.number() };
        let other_phase = |phase: Phase| asked.is_some_and(|asked| asked != phase);
        match entry {
            Entry::Module(line) if other_phase(line.phase) => Ok(()),
            Entry::Module(line) => {
                let part = Part::Module { module: line.module, words: line.words };
                self.add(line.phase, place, level, line.control, part)
            }
            Entry::Bad(bad) if bad.phase.is_some_and(other_phase) => Ok(()),
            Entry::Bad(bad) => {
                let phase = bad.phase.or(asked).unwrap_or(Phase::Auth);
                if bad.module.as_deref().is_some_and(is_no_name) {
                    return Err(Fault::Name(place));
                }
                self.add(phase, place, level, bad.control, Part::Fails(bad.why))
            }
            Entry::Include(include) if include.phase.is_some_and(other_phase) => Ok(()),
            Entry::Include(Include { phase: None, unknown_phase: false, .. }) if !self.folders.at_include => {
                let part = Part::Fails("it begins with @include, which only Debian's libpam knows");
                self.add(asked.unwrap_or(Phase::Auth), place, level, Control::bad(None), part)
            }
            Entry::Include(include) => self.include(place, include, asked, level),
        }
    }

    fn include(
        &mut self,
        place: Place,
        include: Include,
        asked: Option<Phase>,
        level: usize,
    ) -> Result<(), Fault> {
        let unknown = include.unknown_phase.then(|| asked.unwrap_or(Phase::Auth));
        let phase = include.phase.or(unknown).or(asked);
        let Some(file) = include.file else {
            return Err(Fault::Crash(place, "an include without the name of a file"));
        };
        if let (true, Some(phase)) = (include.substack, phase) {
            if is_no_name(&file) {
                return Err(Fault::Name(place));
            }
            self.add(phase, place.clone(), level, Control::bad(None), Part::Substack)?;
        }
        self.via.push(place.clone());
        let read = self.included(&file, phase, level + usize::from(include.substack));
        self.via.pop();
        match (read, phase) {
            (Err(crash @ Fault::Crash(..)), _) => Err(crash),
            (Err(_), None) => Err(Fault::Include(place, file)),
            (Err(_), Some(phase)) => {
                let why = "it includes a file that cannot be read";
                self.add(phase, place, level, Control::bad(None), Part::Fails(why))
            }
            (Ok(()), _) => Ok(()),
        }
    }

    fn included(&mut self, file: &str, phase: Option<Phase>, level: usize) -> Result<(), Fault> {
        if level >= MOST_LEVELS {
            return Err(Fault::Deep);
        }
        let Some((path, text)) = self.find(file, &self.folders.includes) else { return Err(Fault::Nothing) };
        let endless = self.open.iter().any(|open| *open == (Arc::clone(&path), level, phase));
        match self.via.last() {
            Some(place) if endless => Err(Fault::Crash(place.clone(), "a file that includes itself")),
            _ => self.file(&path, &text, phase, level),
        }
    }

    fn add(
        &mut self,
        phase: Phase,
        place: Place,
        level: usize,
        control: Control,
        part: Part,
    ) -> Result<(), Fault> {
        let chain = &mut self.chains[phase as usize];
        if chain.len() >= MOST_HANDLERS {
            return Err(Fault::Crash(place, "more lines than fit into memory"));
        }
        let nameless = matches!(&part, Part::Module { module, .. } if is_no_name(module));
        chain.push(Handler { place: place.clone(), via: self.via.clone(), level, control, part });
        if nameless { Err(Fault::Name(place)) } else { Ok(()) }
    }
}

/// Whether nothing of a module's name is left without folder and ending, which libpam does not bear.
fn is_no_name(module: &str) -> bool {
    let name = base(module);
    matches!(name.rsplit_once('.').map_or(name, |(name, _)| name), "" | "?")
}

impl Part {
    /// What it returns where no module is asked.
    pub(crate) fn fails(&self) -> Option<Code> {
        matches!(self, Self::Fails(_)).then_some(Code::PERM_DENIED)
    }
}

#[cfg(test)]
#[path = "assemble_tests.rs"]
mod tests;
