//! Configuration files of other programs that include others: sshd's and Dovecot's.

use std::fs;
use std::path::{Path, PathBuf};

/// How deep files may include each other; sshd takes 16.
const DEPTH: usize = 16;

/// One line that says something.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// `FILE:LINE`.
    pub(crate) place: String,
    pub(crate) text: String,
}

/// All lines of a file, those of the files that it includes in their place. `include` says what a line includes, if it does.
pub(crate) fn lines(file: &Path, include: &dyn Fn(&str) -> Option<Vec<String>>) -> Vec<Line> {
    let mut all = Vec::new();
    add(file, include, DEPTH, &mut all);
    all
}

fn add(file: &Path, include: &dyn Fn(&str) -> Option<Vec<String>>, depth: usize, all: &mut Vec<Line>) {
    let Ok(text) = fs::read(file) else { return };
    let folder = file.parent().unwrap_or(Path::new("/"));
    for (number, line) in (1..).zip(String::from_utf8_lossy(&text).lines()) {
        let text = line.split('#').next().unwrap_or_default().trim();
        match include(text) {
            Some(patterns) if depth > 0 => {
                let files = patterns.iter().flat_map(|pattern| matching(folder, pattern));
                files.for_each(|file| add(&file, include, depth - 1, all));
            }
            Some(_) => {}
            None if text.is_empty() => {}
            None => all.push(Line { place: format!("{}:{number}", file.display()), text: text.to_owned() }),
        }
    }
}

/// The files that a pattern means, in order. Only its last part may have a star, as everybody's has.
fn matching(folder: &Path, pattern: &str) -> Vec<PathBuf> {
    let path = folder.join(pattern.trim_matches('"'));
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let Some((start, end)) = name.split_once('*') else { return vec![path] };
    let listed = path.parent().and_then(|folder| fs::read_dir(folder).ok());
    let mut found: Vec<PathBuf> = listed
        .into_iter()
        .flatten()
        .flatten()
        .filter(|file| {
            let name = file.file_name().to_string_lossy().into_owned();
            let fits =
                name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end);
            fits && !name.starts_with('.')
        })
        .map(|file| file.path())
        .collect();
    found.sort();
    found
}
