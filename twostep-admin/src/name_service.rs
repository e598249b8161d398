//! The roster and the NSS module, as `check` looks at them.

use crate::check::{Finding, Id};
use nix::unistd::{Gid, Group};
use std::fs;
use std::path::Path;
use twostep_core::policy::{Policy, Readers, Roster};
use twostep_store::StoreError;
use twostep_store::roster::{self as kept, Wrong};
use twostep_store::vault::Session;

const SWITCH: &str = "/etc/nsswitch.conf";
const GROUP: &str = "/etc/group";
const NSCD_SOCKET: &str = "/run/nscd/socket";
const NSCD_CONF: &str = "/etc/nscd.conf";
/// The NSS module's name in nsswitch.conf.
const SERVICE: &str = "twostep";
const MEND: &str = "twostep-admin roster mend";

/// What is wrong with the roster.
pub(crate) fn roster(session: &Session, findings: &mut Vec<Finding>) {
    findings.extend(kept_right(&session.roster_path(), session.roster_fault()));
}

fn kept_right(path: &Path, fault: Result<Option<Wrong>, StoreError>) -> Option<Finding> {
    Some(match fault {
        Ok(None) => return None,
        Ok(Some(wrong)) if wrong.loosens() => {
            let message =
                format!("{wrong}: whoever goes by its groups may let the enrolled in without a code");
            Finding::error(Id::RosterLetsIn, path.display(), message, MEND)
        }
        Ok(Some(Wrong::Settings)) => {
            Finding::warning(Id::RosterSettings, path.display(), Wrong::Settings.to_string(), MEND)
        }
        Ok(Some(wrong)) => {
            let message =
                format!("{wrong}: whoever goes by its groups asks more people for a code than need be");
            Finding::warning(Id::RosterAsksMore, path.display(), message, MEND)
        }
        Err(error) => {
            Finding::error(Id::RosterNotLookedAt, path.display(), error.to_string(), error.remedy())
        }
    })
}

/// How the host's name service goes about it, where it is told to ask our module at all.
pub(crate) fn check(policy: &Policy) -> Vec<Finding> {
    let text = fs::read_to_string(SWITCH).unwrap_or_default();
    let mut findings = switch(&text);
    findings.extend(["passwd", "group"].iter().filter_map(|database| hidden(&text, database)));
    if !names(&text, "group", SERVICE) && !names(&text, "initgroups", SERVICE) {
        return findings;
    }
    let misread = misread(policy, Path::new(twostep_roster::PATH).exists());
    if misread.is_none() && kept::read(&policy.paths.roster).is_ok() {
        findings.extend(groups(&policy.roster));
        findings.extend(listed(&fs::read_to_string(GROUP).unwrap_or_default(), &policy.roster));
    }
    findings.extend(misread);
    findings.extend(nscd(&policy.roster.readers));
    findings
}

/// Why the NSS module does not read what is kept. `there` is whether there is a roster where it looks.
fn misread(policy: &Policy, there: bool) -> Option<Finding> {
    let read = policy.paths.roster.join(twostep_roster::FILE);
    let in_place = read == Path::new(twostep_roster::PATH);
    if policy.roster.keep && in_place {
        return None;
    }
    Some(if there {
        let message = "the NSS module reads it, and nobody keeps it up to date: whoever is enrolled from now on passes for unenrolled";
        let remedy = "remove it; or leave [paths] roster and [roster] keep at their defaults";
        Finding::error(Id::RosterLeftBehind, twostep_roster::PATH, message, remedy)
    } else if !policy.roster.keep {
        let message = "the name service asks for twostep's groups, and no roster is kept: nobody is in them";
        let remedy = format!("set it to true, or take twostep out of {SWITCH}");
        Finding::warning(Id::RosterNotKept, "[roster] keep", message, remedy)
    } else {
        let message = format!("the NSS module reads {} alone: nobody is in its groups", twostep_roster::PATH);
        Finding::warning(Id::RosterElsewhere, "[paths] roster", message, "leave it at its default")
    })
}

/// The groups, as the host's programs see them.
fn groups(roster: &Roster) -> Vec<Finding> {
    let ours = roster.named().into_iter().filter(|(name, _)| !name.is_empty());
    let look = |(name, gid)| {
        let gid = Gid::from_raw(gid);
        [of_gid(name, gid, Group::from_gid(gid)), of_name(name, gid, Group::from_name(name))]
    };
    ours.flat_map(look).flatten().collect()
}

/// Whose the gid of one of our groups is.
fn of_gid(name: &str, gid: Gid, found: nix::Result<Option<Group>>) -> Option<Finding> {
    let other = found.ok().flatten().filter(|other| other.name != name)?.name;
    let message = format!("its gid {gid} is that of {other}: its members pass for members of {name}");
    let remedy = "set [roster] first_gid to the first of four that are free, then twostep-admin roster mend";
    Some(Finding::error(Id::GroupGidTaken, format!("group {name}"), message, remedy))
}

/// Which group the name of one of ours means.
fn of_name(name: &str, gid: Gid, found: nix::Result<Option<Group>>) -> Option<Finding> {
    let subject = format!("group {name}");
    match found {
        Ok(Some(other)) if other.gid == gid => None,
        Ok(Some(other)) => {
            let message = format!(
                "there is another group of this name, gid {}: its members pass for twostep's",
                other.gid
            );
            let remedy = "remove that one, or name ours otherwise in [roster]";
            Some(Finding::error(Id::GroupNameTaken, subject, message, remedy))
        }
        Ok(None) => {
            let message = "the name service does not know it, though it is told to ask twostep";
            let remedy =
                "libnss_twostep.so.2 must lie where the C library looks for it (make install, ldconfig)";
            Some(Finding::warning(Id::GroupUnknown, subject, message, remedy))
        }
        Err(error) => {
            let message = format!("the name service fails: {error}");
            let remedy = format!("getent group {name} must work");
            Some(Finding::warning(Id::GroupLookUpFails, subject, message, remedy))
        }
    }
}

/// Members that the host's own file gives one of our groups: they are in it whatever the roster says of them.
fn listed(file: &str, roster: &Roster) -> Vec<Finding> {
    let ours: Vec<_> = roster.named().into_iter().filter(|(name, _)| !name.is_empty()).collect();
    let in_ours = |line: &str| {
        let mut fields = line.split(':');
        let (name, gid, members) = (fields.next()?, fields.nth(1)?, fields.next()?.trim());
        let (group, _) = ours.iter().find(|(ours, number)| *ours == name || gid.parse() == Ok(*number))?;
        (!members.is_empty()).then(|| {
            let message = format!("{members} are in it by {GROUP}, whether they are enrolled or not");
            let remedy = format!("take them out: gpasswd --members '' {name}");
            Finding::error(Id::GroupMembersByFile, format!("group {group}"), message, remedy)
        })
    };
    file.lines().filter_map(in_ours).collect()
}

fn nscd(readers: &Readers) -> Vec<Finding> {
    // Without its socket it does not run, and without its file it remembers nothing.
    let (Ok(_), Ok(text)) = (fs::symlink_metadata(NSCD_SOCKET), fs::read_to_string(NSCD_CONF)) else {
        return Vec::new();
    };
    remembering(&text, readers)
}

fn remembering(conf: &str, readers: &Readers) -> Vec<Finding> {
    let Some(seconds) = remembered(conf) else { return Vec::new() };
    let message = format!(
        "nscd remembers who is in which group for {seconds} s: so long an enrollment may not be seen"
    );
    let remedy = "enable-cache group no; or nscd -i group in [app] on_create and after enrolling";
    let mut findings = vec![Finding::warning(Id::NscdRemembersGroups, NSCD_CONF, message, remedy)];
    if *readers != Readers::Everyone {
        let message = "nscd looks groups up as root and tells everybody: [roster] readers keeps nobody from seeing who is enrolled";
        findings.push(Finding::warning(Id::NscdUndoesReaders, NSCD_CONF, message, "enable-cache group no"));
    }
    findings
}

/// How long nscd remembers groups, in seconds; none where it does not.
fn remembered(conf: &str) -> Option<u32> {
    let value = |key: &str| {
        conf.lines()
            .filter_map(|line| {
                let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
                (words.next() == Some(key) && words.next() == Some("group")).then(|| words.next()).flatten()
            })
            .next_back()
    };
    (value("enable-cache") == Some("yes"))
        .then(|| value("positive-time-to-live").and_then(|seconds| seconds.parse().ok()).unwrap_or(3_600))
}

/// What nsswitch.conf says that keeps our module from being asked.
fn switch(text: &str) -> Vec<Finding> {
    let (group, initgroups) = (words(text, "group"), words(text, "initgroups"));
    let mut findings = Vec::new();
    let Some(initgroups) = initgroups else { return findings };
    let Some(at) = initgroups.iter().position(|word| word == SERVICE) else {
        if group.is_some_and(|group| group.iter().any(|word| word == SERVICE)) {
            let message =
                "its initgroups line does not name twostep: sshd, sudo and id see nobody in its groups";
            findings.push(Finding::warning(
                Id::InitgroupsWithoutTwostep,
                SWITCH,
                message,
                "take the initgroups line out, or put [SUCCESS=continue] twostep at its end",
            ));
        }
        return findings;
    };
    // Unlike the line for groups, this one ends at the first source that knows the user.
    let before = initgroups.get(..at).unwrap_or_default();
    let passed = before.iter().all(|word| word.starts_with('[') || follows_on(before, word));
    if !passed {
        let message = "its initgroups line ends at the first source that has groups for the user, which may come before twostep";
        findings.push(Finding::warning(
            Id::InitgroupsEndsEarly,
            SWITCH,
            message,
            "take the initgroups line out, or write [SUCCESS=continue] after each source before twostep",
        ));
    }
    findings
}

/// Sources that never fail but with the host: what `systemd` and ours do not know they say so, and of `files` see docs/roster.md.
const OWN: [&str; 4] = ["files", "compat", "systemd", SERVICE];

/// A source whose failure nobody sees: the C library goes on to the next one, and says what that says.
fn hidden(text: &str, database: &str) -> Option<Finding> {
    let words = words(text, database)?;
    let is_source = |word: &&String| !word.starts_with('[');
    let last = words.iter().rfind(is_source)?;
    let hides = |source: &&String| {
        let ends = |action: &String| {
            let action = action.to_ascii_lowercase();
            action.contains("!success=return")
                || (action.contains("unavail=return") && action.contains("tryagain=return"))
        };
        let at = words.iter().position(|word| word == *source);
        let action = at.and_then(|at| words.get(at + 1)).filter(|word| word.starts_with('['));
        *source != last && !OWN.contains(&source.as_str()) && !action.is_some_and(ends)
    };
    let source = words.iter().filter(is_source).find(hides)?;
    let message = format!(
        "its {database} line goes on after {source}: while {source} is down, whom it knows passes for unknown, and nobody is told"
    );
    let remedy = format!("write [UNAVAIL=return TRYAGAIN=return] after {source}, or put {source} last");
    Some(Finding::warning(Id::SourceFailureHidden, SWITCH, message, remedy))
}

/// Whether the word after this source makes the search go on.
fn follows_on(words: &[String], source: &String) -> bool {
    let at = words.iter().position(|word| word == source);
    let next = at.and_then(|at| words.get(at + 1));
    next.is_some_and(|word| {
        let word = word.to_ascii_lowercase();
        word.starts_with('[') && word.contains("success=continue")
    })
}

fn names(text: &str, database: &str, service: &str) -> bool {
    words(text, database).is_some_and(|words| words.iter().any(|word| word == service))
}

/// The sources of a database, and what stands in brackets between them, blanks taken out.
fn words(text: &str, database: &str) -> Option<Vec<String>> {
    let line = text.lines().rev().find_map(|line| {
        let (name, rest) = line.split('#').next()?.split_once(':')?;
        (name.trim() == database).then_some(rest)
    })?;
    let mut words = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let end =
            if rest.starts_with('[') { rest.find(']').map(|at| at + 1) } else { rest.find([' ', '\t', '[']) };
        let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
        words.push(word.split_whitespace().collect());
        rest = after.trim_start();
    }
    Some(words)
}

#[cfg(test)]
#[path = "name_service_tests.rs"]
mod tests;
