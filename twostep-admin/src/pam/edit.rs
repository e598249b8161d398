//! Our lines in a service's file: where they go, and how they are taken away again.
//!
//! The place is not guessed: the line is put behind the password modules, then one line further, and so on, and each time the stack is
//! played through. The first place at which it cannot be skipped is the one.

use crate::pam::failure::PamFailure;
use crate::pam::host::Stacks;
use crate::pam::judge;
use crate::stack::SKIPPING;
use crate::stacks::MODULE;
use std::path::Path;
use twostep_stacks::{Code, Entry, Phase, can_return, parse, takes_password};

/// What `pam enable` puts at the end of each line that it writes.
pub(crate) const MARK: &str = "# twostep-admin pam enable";
/// The same on a line that was `include`.
const WAS_INCLUDE: &str = "# twostep-admin pam enable: was include";

/// What a service is to demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wiring {
    /// Password and then a code.
    Interactive,
    /// App passwords.
    App,
}

/// A service's file being edited.
pub(crate) struct Edit<'a> {
    pub(crate) host: &'a Stacks,
    pub(crate) service: &'a str,
    pub(crate) path: &'a Path,
}

impl Edit<'_> {
    /// The file with our lines in it.
    ///
    /// # Errors
    /// When they are there already, or there is no place for them.
    pub(crate) fn wire(&self, text: &str, wiring: Wiring) -> Result<String, PamFailure> {
        let entries = parse(text);
        if let Some(line) = ours(&entries).next() {
            let marked = is_marked(text, line);
            return Err(PamFailure::Wired { file: self.path.to_owned(), line, marked });
        }
        let read = self.host.read_with(self.service, self.path, text);
        // Told by the lines that the file has now.
        if let Err(fault) = &read {
            return Err(PamFailure::NoPlace { file: self.path.to_owned(), why: fault.to_string() });
        }
        let inherited = read
            .iter()
            .flat_map(|service| service.chain(Phase::Auth))
            .find(|handler| judge::is_ours(handler));
        if let Some(handler) = inherited.filter(|handler| Path::new(&*handler.place.file) != self.path) {
            let file = Path::new(&*handler.place.file).to_owned();
            let marked = self
                .host
                .included(&handler.place.file)
                .is_some_and(|text| is_marked(&text, handler.place.line));
            return Err(PamFailure::Wired { file, line: handler.place.line, marked });
        }
        let account = self.with_account(text, &entries, wiring);
        let mut why = None;
        for candidate in self.candidates(&account, wiring)? {
            match self.verdict(&candidate, wiring) {
                None => return Ok(candidate),
                Some(reason) => why = why.or(Some(reason)),
            }
        }
        let why = why.unwrap_or_else(|| "it has no place to put it".to_owned());
        Err(PamFailure::NoPlace { file: self.path.to_owned(), why })
    }

    /// With the account line before the line that asks the password module. Where there is none the phase is that of `other`, and a line of
    /// ours would be the only one.
    fn with_account(&self, text: &str, entries: &[Entry], wiring: Wiring) -> String {
        let line = match wiring {
            Wiring::Interactive => format!("account  required   {MODULE}  {MARK}"),
            Wiring::App => format!("account  {SKIPPING}  {MODULE} app  {MARK}"),
        };
        let account: Vec<&Entry> = entries.iter().filter(|entry| entry.is_in(Phase::Account)).collect();
        let password = account.iter().find(|entry| self.takes_password(entry, Phase::Account));
        let own = account.iter().find(|entry| !is_for_all(entry));
        let Some(latest) = password.or(own).or(account.first()) else {
            return text.to_owned();
        };
        let before = |entry: &&Entry| insert(text, entry.number() - 1, &line);
        let skipped = |text: &str| {
            let read = self.host.read_with(self.service, self.path, text);
            read.is_ok_and(|service| {
                judge::skips(&service, Phase::Account).is_ok_and(|skips| !skips.is_empty())
            })
        };
        // The latest place that will do; a line before an `@include` of all phases looks odd, and is the last that is tried.
        let places = [Some(latest), own, account.first()].into_iter().flatten().map(before);
        let mut places = places.collect::<Vec<_>>().into_iter();
        places.find(|text| !skipped(text)).unwrap_or_else(|| before(latest))
    }

    /// The file with the auth line in each place that comes into question, the likeliest first.
    fn candidates(&self, text: &str, wiring: Wiring) -> Result<Vec<String>, PamFailure> {
        let entries = parse(text);
        let auth: Vec<&Entry> = entries.iter().filter(|entry| entry.is_in(Phase::Auth)).collect();
        let takes = |entry: &&&Entry| self.takes_password(entry, Phase::Auth);
        let none = || PamFailure::NoPassword(self.path.to_owned());
        if wiring == Wiring::App {
            let line = format!("auth     {SKIPPING}  {MODULE} app  {MARK}");
            let password = auth.iter().find(takes).ok_or_else(none)?;
            return Ok(vec![insert(text, password.number() - 1, &line)]);
        }
        let line = format!("auth     required   {MODULE}  {MARK}");
        let last = auth.iter().rposition(|entry| self.takes_password(entry, Phase::Auth)).ok_or_else(none)?;
        let behind = |text: &str| -> Vec<String> {
            auth.iter().skip(last).map(|entry| insert(text, end_of(text, entry.number()), &line)).collect()
        };
        let mut candidates = behind(text);
        let include = auth.iter().take(last + 1).filter_map(|entry| match entry {
            Entry::Include(include) if include.phase.is_some() && !include.substack => Some(include.number),
            _ => None,
        });
        let substacks = include.fold(text.to_owned(), |text, number| to_substack(&text, number));
        if substacks != text {
            candidates.extend(behind(&substacks));
        }
        Ok(candidates)
    }

    /// What is wrong with the file as it would be; nothing where it can be written.
    fn verdict(&self, text: &str, wiring: Wiring) -> Option<String> {
        let service = match self.host.read_with(self.service, self.path, text) {
            Ok(service) => service,
            Err(fault) => return Some(fault.to_string()),
        };
        let Ok(skips) = judge::skips(&service, Phase::Auth) else {
            return Some("it is too long to be looked through".to_owned());
        };
        if let Some(skip) = skips.first() {
            return Some(format!("{}: {}", skip.place, skip.message));
        }
        let Ok(account) = judge::skips(&service, Phase::Account) else {
            return Some("its account phase is too long to be looked through".to_owned());
        };
        if let Some(skip) = account.iter().find(|skip| skip.by_password || wiring == Wiring::Interactive) {
            return Some(format!("{}: {}", skip.place, skip.message));
        }
        let possible = |handler: &_| judge::possible(handler, Phase::Auth);
        let opens = can_return(service.chain(Phase::Auth), &possible, &[Code::SUCCESS]).unwrap_or(false);
        if !opens {
            return Some("nobody would get in".to_owned());
        }
        // A key alone comes to the account phase only: there the line must be.
        let keys_pass =
            wiring == Wiring::Interactive && !service.chain(Phase::Account).iter().any(judge::is_ours);
        keys_pass.then(|| {
            "there is no account line before which ours could stand: keys alone would pass".to_owned()
        })
    }

    /// Whether an entry is, or brings in, a module that takes the account password, however deep it lies.
    fn takes_password(&self, entry: &Entry, phase: Phase) -> bool {
        self.takes(entry, phase, 0)
    }

    fn takes(&self, entry: &Entry, phase: Phase, depth: usize) -> bool {
        if !entry.is_in(phase) || depth > twostep_stacks::MOST_LEVELS {
            return false;
        }
        match entry {
            Entry::Module(line) => takes_password(line.module_name()),
            Entry::Include(include) => {
                let text = include.file.as_ref().and_then(|file| self.host.included(file));
                text.is_some_and(|text| parse(&text).iter().any(|inner| self.takes(inner, phase, depth + 1)))
            }
            Entry::Bad(_) => false,
        }
    }
}

/// The file without our lines, as far as `pam enable` has written them.
///
/// # Errors
/// When there are none, or others.
pub(crate) fn unwire(text: &str, path: &Path) -> Result<String, PamFailure> {
    let entries = parse(text);
    if let Some(line) = ours(&entries).find(|line| !is_marked(text, *line)) {
        return Err(PamFailure::ByHand { file: path.to_owned(), line });
    }
    if !text.contains(MARK) {
        return Err(PamFailure::NotWired(path.to_owned()));
    }
    let kept =
        text.split_inclusive('\n').filter_map(|line| match line.trim_end().strip_suffix(WAS_INCLUDE) {
            Some(before) => Some(before.trim_end().replacen("substack", "include", 1) + "\n"),
            None if line.trim_end().ends_with(MARK) => None,
            None => Some(line.to_owned()),
        });
    Ok(kept.collect())
}

/// The numbers of our lines.
fn ours(entries: &[Entry]) -> impl Iterator<Item = usize> {
    entries.iter().filter_map(|entry| match entry {
        Entry::Module(line) if line.module_name() == MODULE && line.phase != Phase::Password => {
            Some(line.number)
        }
        _ => None,
    })
}

fn is_for_all(entry: &Entry) -> bool {
    matches!(entry, Entry::Include(include) if include.phase.is_none())
}

fn is_marked(text: &str, number: usize) -> bool {
    text.lines().nth(number - 1).is_some_and(is_ours_by_mark)
}

/// Whether `pam enable` has written a line.
pub(crate) fn is_ours_by_mark(line: &str) -> bool {
    line.trim_end().ends_with(MARK)
}

/// With a line behind the first `lines` ones.
fn insert(text: &str, lines: usize, line: &str) -> String {
    let mut made = String::with_capacity(text.len() + line.len() + 1);
    for (at, old) in text.split_inclusive('\n').enumerate() {
        if at == lines {
            made.push_str(line);
            made.push('\n');
        }
        made.push_str(old);
    }
    if lines >= text.split_inclusive('\n').count() {
        if !made.is_empty() && !made.ends_with('\n') {
            made.push('\n');
        }
        made.push_str(line);
        made.push('\n');
    }
    made
}

/// The number of the line on which the entry that begins at `number` ends.
fn end_of(text: &str, number: usize) -> usize {
    let goes_on = |line: &&str| {
        let line = line.trim();
        line.is_empty() || line.starts_with('#') || (!line.contains('#') && line.ends_with('\\'))
    };
    let lines: Vec<&str> = text.lines().skip(number - 1).collect();
    number + lines.iter().take_while(|line| goes_on(line)).count()
}

/// `auth include FILE` made `auth substack FILE`.
fn to_substack(text: &str, number: usize) -> String {
    let change = |(at, line): (usize, &str)| {
        if at + 1 != number || !line.contains("include") || line.trim_end().ends_with('\\') {
            return line.to_owned();
        }
        let code = line.split('#').next().unwrap_or(line).trim_end();
        format!("{}  {WAS_INCLUDE}\n", code.replacen("include", "substack", 1))
    };
    text.split_inclusive('\n').enumerate().map(change).collect()
}
