//! Why a stack was left as it is.

use std::fmt;
use std::io;
use std::path::PathBuf;
use twostep_store::files::Untrusted;
use twostep_terminal::one_line;

/// What can go wrong with a service's wiring.
#[derive(Debug)]
pub(crate) enum PamFailure {
    /// A file or folder cannot be read.
    Unread(PathBuf, io::Error),
    /// Files that may name the module cannot be read.
    NotSearched(Vec<(PathBuf, io::Error)>),
    /// A file cannot be written.
    Unwritten(PathBuf, io::Error),
    /// There is neither a file nor one to make it after.
    NoFile(PathBuf),
    /// It is a symbolic link to this.
    Link(PathBuf, PathBuf),
    /// Other files include it: it is no service's own.
    Included(PathBuf, String),
    /// A line of ours stands in it already.
    Wired { file: PathBuf, line: usize, marked: bool },
    /// This service includes it and has a line of its own: it would ask twice.
    Twice(PathBuf, String),
    /// There is no password module by which to find the place.
    NoPassword(PathBuf),
    /// Wherever the line is put, it is skipped, or nobody gets in: this is to blame.
    NoPlace { file: PathBuf, why: String },
    /// There is nothing of ours to take away.
    NotWired(PathBuf),
    /// Lines of ours that `pam enable` has not written.
    ByHand { file: PathBuf, line: usize },
    /// libpam did not even begin, or a phase failed.
    Refused(String),
    /// Somebody else has changed the file while it was asked about.
    Changed(PathBuf),
    /// The folder of backups is not root's own: what lies in it would become a stack.
    Untrusted(Untrusted),
}

impl PamFailure {
    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Link(_, target) if target.starts_with("/etc/authselect") => {
                "authselect writes that file anew: wire the services themselves (sshd, login, sudo), or make a profile of your own \
                 (authselect create-profile)"
                    .to_owned()
            }
            Self::Link(_, target) => format!("edit {} by hand, or put a file in the link's place", target.display()),
            Self::Included(_, by) => format!("wire {by} itself: twostep-admin pam enable {by}"),
            Self::Twice(_, by) => format!("twostep-admin pam disable {by}; what is put in here is good for {by}, too"),
            Self::Wired { marked: true, .. } => "twostep-admin pam status says what it does; pam disable takes it away".to_owned(),
            Self::Wired { .. } | Self::ByHand { .. } => {
                "it was written by hand: change it by hand, and see what twostep-admin check says".to_owned()
            }
            Self::NoFile(_) => "name a service that has a file; twostep-admin pam status lists them".to_owned(),
            Self::NoPassword(_) => "put the lines in by hand: /usr/share/doc/twostep/docs/wiring.md says where".to_owned(),
            Self::NoPlace { .. } => "mend that line first, or put ours in by hand: /usr/share/doc/twostep/docs/wiring.md says where".to_owned(),
            Self::Changed(_) => "run it again".to_owned(),
            Self::Untrusted(untrusted) => untrusted.remedy(),
            Self::NotSearched(_) => {
                "what it names is not known: make it readable, or move it out of the folder".to_owned()
            }
            Self::Unread(..) | Self::Unwritten(..) | Self::NotWired(_) | Self::Refused(_) => return None,
        })
    }
}

impl fmt::Display for PamFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unread(path, error) => write!(f, "{} cannot be read: {error}", path.display()),
            Self::NotSearched(unread) => {
                let told = |(path, error): &(PathBuf, io::Error)| {
                    format!("{} cannot be read: {error}", one_line(&path.to_string_lossy()))
                };
                f.write_str(&unread.iter().map(told).collect::<Vec<_>>().join("\n"))
            }
            Self::Unwritten(path, error) => write!(f, "{} cannot be written: {error}", path.display()),
            Self::NoFile(path) => write!(f, "there is no {}", path.display()),
            Self::Link(path, target) => write!(f, "{} is a link to {}", path.display(), target.display()),
            Self::Included(path, by) => {
                write!(f, "{} is no service's own file: {by} includes it", path.display())
            }
            Self::Wired { file, line, .. } => {
                write!(f, "{}:{line}: pam_twostep.so is there already", file.display())
            }
            Self::Twice(path, by) => {
                write!(
                    f,
                    "{}: {by} includes it and has a line of its own: it would ask twice",
                    path.display()
                )
            }
            Self::NoPassword(path) => write!(f, "{}: no line of it takes a password", path.display()),
            Self::NoPlace { file, why } => {
                write!(
                    f,
                    "{}: there is no place for the line at which it cannot be skipped: {why}",
                    file.display()
                )
            }
            Self::NotWired(path) => write!(f, "{} has no line with pam_twostep.so", path.display()),
            Self::ByHand { file, line } => {
                write!(f, "{}:{line}: `pam enable` has not written this line", file.display())
            }
            Self::Refused(what) => f.write_str(what),
            Self::Changed(path) => write!(f, "{} has changed meanwhile: nothing was written", path.display()),
            Self::Untrusted(untrusted) => untrusted.fmt(f),
        }
    }
}

impl From<PamFailure> for crate::failure::Failure {
    fn from(failure: PamFailure) -> Self {
        Self::Pam(Box::new(failure))
    }
}
