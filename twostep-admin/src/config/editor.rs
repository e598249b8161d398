//! Which editor, and running it. It runs as root: one that somebody else could have put there is refused.

use super::ConfigFailure;
use crate::ffi::WithoutInterrupts;
use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use twostep_store::files::{Want, check};

/// The variables that name it, as for sudoedit(8). Anyone who may set them for root may run what they like as root.
const VARIABLES: [&str; 3] = ["SUDO_EDITOR", "VISUAL", "EDITOR"];
/// What there is where none is set.
const USUAL: [&str; 4] = ["editor", "nano", "vim", "vi"];
/// Where programs without a path are looked for, whatever PATH says.
const FOLDERS: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// A program, by the name that it is called by, and words before the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Editor {
    name: String,
    program: PathBuf,
    words: Vec<String>,
}

impl Editor {
    /// The one that the environment names, or else the first of the usual ones.
    ///
    /// # Errors
    /// When a variable names one that cannot be used, or there is none.
    #[allow(clippy::disallowed_methods)] // What it can name is root's own, and is run without a shell.
    pub(super) fn choose() -> Result<Self, ConfigFailure> {
        Self::by(|name| env::var(name).ok())
    }

    fn by(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigFailure> {
        let named = VARIABLES.iter().find_map(|name| {
            variable(name).filter(|value| !value.trim().is_empty()).map(|value| (*name, value))
        });
        if let Some((variable, value)) = named {
            let mut words = value.split_whitespace().map(str::to_owned);
            let name = words.next().unwrap_or_default();
            let program =
                found(&name).map_err(|why| ConfigFailure::BadEditor { variable, name: name.clone(), why })?;
            return Ok(Self { name, program, words: words.collect() });
        }
        let usual = USUAL.iter().find_map(|name| Some(((*name).to_owned(), found(name).ok()?)));
        let (name, program) = usual.ok_or(ConfigFailure::NoEditor)?;
        Ok(Self { name, program, words: Vec::new() })
    }

    /// Has a person edit a file.
    ///
    /// # Errors
    /// When it does not run, or fails.
    pub(super) fn edit(&self, file: &Path) -> Result<(), ConfigFailure> {
        let failed = |why: String| ConfigFailure::Editor { name: self.name.clone(), why };
        let mut command = Command::new(&self.program);
        let started = command.arg0(&self.name).args(&self.words).arg(file).spawn();
        let mut child = started.map_err(|error| failed(error.to_string()))?;
        let interrupts = WithoutInterrupts::begin();
        let status = child.wait();
        drop(interrupts);
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(failed(status.to_string())),
            Err(error) => Err(failed(error.to_string())),
        }
    }
}

/// The file of a program that nobody but root or the caller could have put there, or could change.
fn found(name: &str) -> Result<PathBuf, String> {
    if name.contains('/') {
        return if name.starts_with('/') {
            usable(Path::new(name))
        } else {
            Err("it is no absolute path".to_owned())
        };
    }
    let places = FOLDERS.iter().map(|folder| Path::new(folder).join(name));
    places
        .into_iter()
        .find(|path| path.exists())
        .map_or_else(|| Err(format!("it is in none of {}", FOLDERS.join(", "))), |path| usable(&path))
}

fn usable(path: &Path) -> Result<PathBuf, String> {
    let program = fs::canonicalize(path).map_err(|error| error.to_string())?;
    let checked = check(&program, Want::GuardedFile).map_err(|untrusted| untrusted.to_string())?;
    if checked.metadata.permissions().mode() & 0o111 == 0 {
        return Err("it is not executable".to_owned());
    }
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(set: &[(&str, &str)]) -> Result<Editor, String> {
        let variable =
            |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Editor::by(variable).map_err(|failure| failure.to_string())
    }

    #[test]
    fn the_first_variable_that_is_set_names_it_and_nothing_is_a_shell_command() {
        let editor = chosen(&[("VISUAL", "/bin/sh -e  x;y"), ("EDITOR", "/bin/false")]).unwrap();
        assert_eq!(
            (editor.name.as_str(), editor.words),
            ("/bin/sh", vec!["-e".to_owned(), "x;y".to_owned()])
        );
        assert_eq!(chosen(&[("SUDO_EDITOR", "sh"), ("VISUAL", "/bin/false")]).unwrap().name, "sh");
        assert_eq!(chosen(&[("VISUAL", " "), ("EDITOR", "sh")]).unwrap().name, "sh");
    }

    #[test]
    fn one_that_cannot_be_used_is_told_and_no_other_is_taken() {
        for (name, told) in [
            ("./vi", "no absolute path"),
            ("no-such-editor", "in none of"),
            ("/etc/passwd", "not executable"),
        ] {
            let why = chosen(&[("VISUAL", name), ("EDITOR", "sh")]).unwrap_err();
            assert!(why.contains(told) && why.contains("VISUAL"), "{name}: {why}");
        }
        let folder = PathBuf::from(format!("/tmp/twostep-editor.{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let program = folder.join("editor");
        fs::write(&program, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o777)).unwrap();
        let why = chosen(&[("EDITOR", program.to_str().unwrap())]).unwrap_err();
        assert!(why.contains("can be written by others"), "{why}");
        fs::remove_dir_all(&folder).unwrap();
    }
}
