//! Enrollments whose name has gone: NSS does not know it, or has another uid for it. root is told of new ones once, by mail and in the log.

use crate::context::Context;
use crate::failure::Failure;
use crate::hooks;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;
use twostep_core::account::Enrollment;
use twostep_core::event::Severity;
use twostep_core::name::UserName;
use twostep_core::ports::{Directory, DirectoryFailed, Person};
use twostep_store::admin::Summary;
use twostep_store::host::Nss;

const SENDMAIL: &str = "/usr/sbin/sendmail";
/// What root was told of, beside the store.
const TOLD: &str = "orphans.told";
/// How many are named in one mail.
const NAMED: usize = 50;

/// Whether an enrollment's name has gone.
pub(crate) fn is_orphan(directory: &dyn Directory, enrollment: &Enrollment) -> Result<bool, DirectoryFailed> {
    if enrollment.is_virtual() {
        return Ok(false);
    }
    Ok(directory.find(enrollment.user.as_str())?.is_none_or(|person| person.uid != enrollment.uid))
}

/// The orphan whose uid somebody has who is not enrolled.
pub(crate) fn with_uid_of<'e>(
    directory: &dyn Directory,
    person: &Person,
    enrolled: &'e [Summary],
) -> Result<Option<&'e Enrollment>, DirectoryFailed> {
    let all = enrolled.iter().rev().map(|summary| &summary.enrollment);
    for other in all.filter(|other| other.uid == person.uid && other.user != person.name) {
        if is_orphan(directory, other)? {
            return Ok(Some(other));
        }
    }
    Ok(None)
}

/// Who can be given an orphan: the account that has its uid today, where that has no enrollment of its own.
pub(crate) fn heir(orphan: &Enrollment, enrolled: &[Summary]) -> Option<UserName> {
    // Where NSS fails the remedy has a placeholder in the place of the name.
    let heir = Nss.by_uid(orphan.uid).ok().flatten()?.name;
    (!enrolled.iter().any(|one| one.enrollment.user == heir)).then_some(heir)
}

/// All of them; nothing where NSS fails. Nobody knows then who has an account; the next look is in ten minutes.
pub(crate) fn find(context: &Context) -> Result<Option<Vec<Enrollment>>, Failure> {
    let mut orphans = Vec::new();
    for Summary { enrollment, .. } in context.session()?.summaries(None)? {
        match is_orphan(&Nss, &enrollment) {
            Ok(true) => orphans.push(enrollment),
            Ok(false) => {}
            Err(_) => return Ok(None),
        }
    }
    Ok(Some(orphans))
}

/// Tells root of new ones. To be called by one process at a time.
pub(crate) fn tell(context: &Context, orphans: &[Enrollment]) {
    let path = context.policy.paths.store.with_file_name(TOLD);
    let before = fs::read_to_string(&path).map_or_else(|_| Told::default(), |text| Told::parse(&text));
    let (after, is_due) = before.clone().then(orphans.iter().map(|orphan| orphan.id.0).collect());
    if after == before {
        return;
    }
    // First, so that nothing is sent twice.
    if let Err(error) = after.write(&path) {
        hooks::log(Severity::Error, &format!("{}: {error}: nobody is told of orphans", path.display()));
        return;
    }
    if is_due {
        let list = list(orphans);
        hooks::log(Severity::Warning, &format!("enrollments without an account: {}", list.join(", ")));
        mail(&list);
    }
}

/// The enrollments that were orphans at the last look, and those that the last mail was about, by their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Told {
    seen: BTreeSet<i64>,
    sent: BTreeSet<i64>,
}

impl Told {
    fn parse(text: &str) -> Self {
        let ids = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
            line.split_whitespace().filter_map(|id| id.parse().ok()).collect()
        };
        Self { seen: ids("seen"), sent: ids("sent") }
    }

    /// What is so after another look, and whether root is told: of some that were no orphans before, unless it is all as in the last mail. A
    /// directory that comes and goes is one mail.
    fn then(self, now: BTreeSet<i64>) -> (Self, bool) {
        let is_due = !now.is_subset(&self.seen) && now != self.sent;
        let sent = if is_due { now.clone() } else { self.sent };
        (Self { seen: now, sent }, is_due)
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let ids = |ids: &BTreeSet<i64>| ids.iter().fold(String::new(), |text, id| format!("{text} {id}"));
        let text = format!("seen{}\nsent{}\n", ids(&self.seen), ids(&self.sent));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())
    }
}

/// Each with its uid, and who has that now.
fn list(orphans: &[Enrollment]) -> Vec<String> {
    let one = |orphan: &Enrollment| {
        let mut text = format!("{} (uid {}", orphan.user, orphan.uid);
        if let Ok(Some(heir)) = Nss.by_uid(orphan.uid) {
            // Writing to a String cannot fail.
            let _ = write!(text, ", which is that of {} now", heir.name);
        }
        text + ")"
    };
    let mut list: Vec<String> = orphans.iter().take(NAMED).map(one).collect();
    if let Some(more) = orphans.len().checked_sub(NAMED).filter(|more| *more > 0) {
        list.push(format!("{more} more"));
    }
    list
}

/// A host's name, which DHCP may have given it, without what could end a header line.
fn in_header(host: &str) -> String {
    host.chars().filter(|c| c.is_ascii_alphanumeric() || ".-_".contains(*c)).collect()
}

/// Sends it, where this host can send mail.
fn mail(list: &[String]) {
    let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default();
    let host = in_header(&host);
    let text = format!(
        "To: root\nSubject: twostep on {host}: enrollments without an account\nAuto-Submitted: auto-generated\n\
         Content-Type: text/plain; charset=utf-8\n\n\
         These enrollments are of names that have no account any more, or one of another uid:\n\n    {}\n\n\
         Whoever has such a uid, today or later, is asked for a code of that enrollment at every prompt, and refused by app services, \
         until it is settled:\n\n    \
         twostep-admin settle USER --rename NEW    the account has a new name\n    \
         twostep-admin settle USER --drop          the user has left\n\n\
         Where the accounts are a directory's, see first whether it answers: getent passwd USER.\n",
        list.join("\n    ")
    );
    let mut sendmail = Command::new(SENDMAIL);
    sendmail.args(["-i", "-t"]);
    match hooks::carry_out(&mut sendmail, &[], text.as_bytes()) {
        // The log has it.
        Err(error) if Path::new(SENDMAIL).exists() => {
            hooks::log(Severity::Warning, &format!("root could not be sent mail about orphans: {error}"));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hosts_name_adds_no_header() {
        assert_eq!(in_header("mail-1.example.org"), "mail-1.example.org");
        assert_eq!(in_header("a\nBcc: eve@example.org\r\n\u{85}"), "aBcceveexample.org");
    }

    #[test]
    fn root_is_told_of_new_ones_and_never_twice_of_the_same() {
        let ids = |ids: &[i64]| ids.iter().copied().collect::<BTreeSet<i64>>();
        let mut told = Told::default();
        for (now, is_due) in [
            (&[][..], false),
            (&[1], true),
            (&[1], false),
            (&[1, 2], true),
            (&[1], false),
            // A directory that comes and goes.
            (&[1, 2], false),
            (&[1], false),
            (&[1, 3], true),
            (&[], false),
            (&[2], true),
        ] {
            let (then, due) = told.then(ids(now));
            assert_eq!(due, is_due, "{now:?}");
            told = Told::parse(&format!("{}\n", text(&then)));
            assert_eq!(told, then);
        }
    }

    fn text(told: &Told) -> String {
        let folder = std::env::temp_dir().join(format!("twostep-orphans-{}", std::process::id()));
        told.write(&folder).expect("written");
        let text = fs::read_to_string(&folder).expect("read");
        fs::remove_file(&folder).expect("removed");
        text
    }
}
