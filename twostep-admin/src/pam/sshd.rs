//! What sshd itself needs: without keyboard-interactive it never asks for a code, and both families of distributions have it off.

use crate::pam::failure::PamFailure;
use crate::pam::files;
use std::fs;
use std::path::{Path, PathBuf};

/// Before what others put there: of each keyword, sshd takes the first value that it comes to.
const NAME: &str = "00-twostep.conf";
const TEXT: &str = "# Written by `twostep-admin pam enable sshd`; `pam disable sshd` takes it away.\n\
                    UsePAM yes\nKbdInteractiveAuthentication yes\n";
const KEYWORDS: [&str; 3] = ["usepam", "kbdinteractiveauthentication", "challengeresponseauthentication"];

/// What there is to do about sshd's own configuration.
pub(crate) enum Sshd {
    /// Our file is there, or nothing can be said since sshd is not.
    Nothing,
    /// Our file wants to be written.
    Write(PathBuf),
    /// Our file would come too late, or is not read: this line is to blame.
    ByHand(String),
}

/// Looks at sshd's configuration.
pub(crate) fn look(folder: &Path) -> Sshd {
    let main = folder.join("sshd_config");
    let Ok(text) = fs::read_to_string(&main) else { return Sshd::Nothing };
    let ours = folder.join("sshd_config.d").join(NAME);
    if fs::read_to_string(&ours).is_ok_and(|found| found == TEXT) {
        return Sshd::Nothing;
    }
    // Somebody else's lines are in it, or it is a link: neither is to be written over.
    if fs::symlink_metadata(&ours).is_ok() {
        return Sshd::ByHand(format!("{} is there already, with other lines", ours.display()));
    }
    for (line, words) in statements(&text) {
        match (words.first().map(String::as_str), words.get(1)) {
            (Some("include"), Some(pattern)) if pattern.contains("sshd_config.d/") => {
                return earlier(&ours).map_or(Sshd::Write(ours), Sshd::ByHand);
            }
            (Some(keyword), _) if KEYWORDS.contains(&keyword) => {
                return Sshd::ByHand(format!("{}:{line} comes before any Include", main.display()));
            }
            (Some("match"), _) => break,
            _ => {}
        }
    }
    Sshd::ByHand(format!("{} includes no sshd_config.d", main.display()))
}

/// A file before ours that has already said something.
fn earlier(ours: &Path) -> Option<String> {
    let folder = fs::read_dir(ours.parent()?).ok()?;
    let mut before: Vec<PathBuf> = folder
        .flatten()
        .map(|file| file.path())
        .filter(|path| path.as_path() < ours && path.extension().is_some_and(|end| end == "conf"))
        .collect();
    before.sort();
    before.iter().find_map(|path| {
        let text = fs::read_to_string(path).ok()?;
        let said = statements(&text)
            .find(|(_, words)| words.first().is_some_and(|word| KEYWORDS.contains(&word.as_str())));
        said.map(|(line, _)| format!("{}:{line} comes before it", path.display()))
    })
}

/// Lines with their numbers, as words in small letters.
fn statements(text: &str) -> impl Iterator<Item = (usize, Vec<String>)> {
    let line = |line: &str| -> Vec<String> {
        let code = line.split('#').next().unwrap_or("");
        code.split([' ', '\t', '=', '"', '\r'])
            .filter(|word| !word.is_empty())
            .map(str::to_ascii_lowercase)
            .collect()
    };
    (1..).zip(text.lines().map(line)).filter(|(_, words)| !words.is_empty())
}

/// Writes our file.
pub(crate) fn write(path: &Path) -> Result<(), PamFailure> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| PamFailure::Unwritten(folder.to_owned(), error))?;
    }
    files::replace(path, TEXT)
}

/// Takes our file away, if it is there. Returns its path then.
pub(crate) fn remove(folder: &Path) -> Result<Option<PathBuf>, PamFailure> {
    let path = folder.join("sshd_config.d").join(NAME);
    if fs::read_to_string(&path).is_ok_and(|found| found == TEXT) {
        files::remove(&path)?;
        return Ok(Some(path));
    }
    Ok(None)
}

/// The lines that go into our file, for those who must put them elsewhere.
pub(crate) fn text() -> &'static str {
    TEXT
}
