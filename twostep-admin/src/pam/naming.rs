//! `pam files`: the files by which stacks bring the module in, for those who take the module away.
//!
//! No fewer than libpam reads for any service, and only what it reads: the services' own files, and what they include, by any line of any
//! phase. What cannot be read is an error, since it may name the module.

use crate::cli::Arguments;
use crate::failure::Failure;
use crate::output::{Output, Report};
use crate::pam::arguments::Files;
use crate::pam::edit::is_ours_by_mark;
use crate::pam::failure::PamFailure;
use crate::pam::host::{PAM_CONF, PAM_D, is_left_behind, vendor_folders};
use crate::stacks::MODULE;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use twostep_core::name::ServiceName;
use twostep_stacks::{Entry, Include, parse, parse_conf, unfinished_line};
use twostep_terminal::{one_line, put_line};

/// Carries it out. Needs neither configuration, key nor store. What was found is told even where something could not be read.
pub(crate) fn run(arguments: &Arguments, wanted: &Files) -> Result<(), Failure> {
    let folder = &wanted.places.pam_dir;
    let mut search = Search::default();
    search.folders.push(folder.clone());
    if folder == Path::new(PAM_D) {
        search.folders.extend(vendor_folders().map(PathBuf::from));
        // libpam reads it only where there is none of these folders; a removal does not go by that.
        search.read(Path::new(PAM_CONF), parse_conf);
    }
    search.services();
    let mut files: Vec<_> = search.naming.into_iter().map(|(file, by)| Naming { file, by }).collect();
    // The stacks first, and then what they include from elsewhere.
    files.sort_by_key(|naming| !naming.file.starts_with(folder));
    Output::of(arguments).report(&List { files })?;
    if search.unread.is_empty() { Ok(()) } else { Err(PamFailure::NotSearched(search.unread).into()) }
}

#[derive(Default)]
struct Search {
    /// Where libpam looks for what is named without a path, in this order.
    folders: Vec<PathBuf>,
    /// By their real paths: one file may be reached by several names.
    seen: BTreeSet<PathBuf>,
    naming: BTreeMap<PathBuf, By>,
    unread: Vec<(PathBuf, io::Error)>,
}

/// Who has written the lines that name the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum By {
    /// All of them are `pam enable`'s, where `pam disable` can take them out.
    PamEnable,
    Other,
}

impl Search {
    /// Every file that libpam reads for a service that somebody may ask for.
    fn services(&mut self) {
        let mut names = BTreeSet::new();
        for folder in self.folders.clone() {
            match list(&folder) {
                Ok(listed) => names.extend(listed),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => self.unread.push((folder, error)),
            }
        }
        names.iter().for_each(|name| self.named(name));
    }

    /// A file by the name that a service or an include has for it.
    fn named(&mut self, name: &Path) {
        let places: Vec<_> = self.folders.iter().map(|folder| folder.join(name)).collect();
        // The first folder that has it hides the others'.
        let _found = places.iter().any(|place| self.read(place, parse));
    }

    /// Whether there is such a file. Reads it, and what it includes.
    fn read(&mut self, path: &Path, parse: fn(&str) -> Vec<Entry>) -> bool {
        let (path, text) = match text(path) {
            Ok(None) => return false,
            Ok(Some(read)) => read,
            Err(error) => {
                self.unread.push((path.to_owned(), error));
                return true;
            }
        };
        if !self.seen.insert(path.clone()) {
            return true;
        }
        if let Some(line) = unfinished_line(&text) {
            let error = format!("line {line} goes on, but the file is at its end");
            self.unread.push((path.clone(), io::Error::other(error)));
        }
        let entries = parse(&text);
        // By the text, whatever release of libpam reads the line and however its words are put; and by what is cut out of a long comment.
        let names_it = |line: &&str| line.split('#').next().is_some_and(|line| line.contains(MODULE));
        let lines: Vec<_> = text.lines().filter(names_it).collect();
        let is_module = |entry: &Entry| matches!(entry, Entry::Module(line) if line.module_name() == MODULE);
        if !lines.is_empty() || entries.iter().any(is_module) {
            let by_mark = !lines.is_empty() && lines.iter().all(|line| is_ours_by_mark(line));
            let by = if by_mark && self.can_be_disabled(&path) { By::PamEnable } else { By::Other };
            self.naming.insert(path.clone(), by);
        }
        for entry in entries {
            match entry {
                // It names a file that this text does not have.
                Entry::Include(Include { file: Some(file), number, .. }) if file.contains('\u{fffd}') => {
                    let error = format!("line {number} includes a file whose name is not UTF-8");
                    self.unread.push((path.clone(), io::Error::other(error)));
                }
                Entry::Include(Include { file: Some(file), .. }) => self.named(Path::new(&file)),
                Entry::Include(_) | Entry::Module(_) | Entry::Bad(_) => {}
            }
        }
        true
    }

    fn can_be_disabled(&self, path: &Path) -> bool {
        // What cannot be resolved is not ours to take out: `other` stops a removal.
        let folder = self.folders.first().and_then(|folder| fs::canonicalize(folder).ok());
        let name = path.file_name().and_then(|name| name.to_str());
        folder.is_some_and(|folder| path.parent() == Some(&folder))
            && name.is_some_and(|name| ServiceName::parse(name).is_ok())
    }
}

/// The names in a folder that a service may have.
fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut names = Vec::new();
    for file in fs::read_dir(folder)? {
        let name = file?.file_name();
        // What is not UTF-8 is nothing that editors and packagers leave behind.
        if !name.to_str().is_some_and(is_left_behind) && !folder.join(&name).is_dir() {
            names.push(name.into());
        }
    }
    Ok(names)
}

/// A file's real path and its text; none where there is no such file.
fn text(path: &Path) -> io::Result<Option<(PathBuf, String)>> {
    let metadata = match fs::metadata(path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        metadata => metadata?,
    };
    let real = fs::canonicalize(path)?;
    // A service may be blotted out by a link to /dev/null. Whatever else is no file could keep us waiting for ever.
    if metadata.file_type().is_char_device() && metadata.rdev() == fs::metadata("/dev/null")?.rdev() {
        return Ok(Some((real, String::new())));
    }
    if !metadata.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let text = fs::read(&real)?;
    Ok(Some((real, String::from_utf8_lossy(&text).into_owned())))
}

#[derive(Serialize)]
struct List {
    files: Vec<Naming>,
}

#[derive(Serialize)]
struct Naming {
    file: PathBuf,
    by: By,
}

impl Report for List {
    fn text(&self, to: &mut String) {
        for Naming { file, by } in &self.files {
            let by = match by {
                By::PamEnable => "pam-enable",
                By::Other => "other",
            };
            put_line!(to, "{by} {}", one_line(&file.to_string_lossy()));
        }
    }
}
