//! The roster and the NSS module, as `check` looks at them.

use crate::check::{Finding, Id};
use nix::unistd::{Gid, Group};
use std::fs;
use std::path::Path;
use twostep_core::policy::{Policy, Readers, Roster};
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
    let path = session.roster_path();
    match session.roster_fault() {
        Ok(None) => {}
        Ok(Some(wrong)) if wrong.loosens() => {
            let message =
                format!("{wrong}: whoever goes by its groups may let the enrolled in without a code");
            findings.push(Finding::error(Id::RosterLetsIn, path.display(), message, MEND));
        }
        Ok(Some(Wrong::Settings)) => findings.push(Finding::warning(
            Id::RosterSettings,
            path.display(),
            Wrong::Settings.to_string(),
            MEND,
        )),
        Ok(Some(wrong)) => {
            let message =
                format!("{wrong}: whoever goes by its groups asks more people for a code than need be");
            findings.push(Finding::warning(Id::RosterAsksMore, path.display(), message, MEND));
        }
        Err(error) => findings.push(Finding::error(
            Id::RosterNotLookedAt,
            path.display(),
            error.to_string(),
            error.remedy(),
        )),
    }
}

/// How the host's name service goes about it, where it is told to ask our module at all.
pub(crate) fn check(policy: &Policy) -> Vec<Finding> {
    let text = fs::read_to_string(SWITCH).unwrap_or_default();
    let mut findings = switch(&text);
    if !names(&text, "group", SERVICE) && !names(&text, "initgroups", SERVICE) {
        return findings;
    }
    let read = policy.paths.roster.join(twostep_roster::FILE);
    let kept = policy.roster.keep && read == Path::new(twostep_roster::PATH);
    if !kept && Path::new(twostep_roster::PATH).exists() {
        let message = "the NSS module reads it, and nobody keeps it up to date: whoever is enrolled from now on passes for unenrolled";
        findings.push(Finding::error(
            Id::RosterLeftBehind,
            twostep_roster::PATH,
            message,
            "remove it; or leave [paths] roster and [roster] keep at their defaults",
        ));
    } else if !policy.roster.keep {
        let message = "the name service asks for twostep's groups, and no roster is kept: nobody is in them";
        findings.push(Finding::warning(
            Id::RosterNotKept,
            "[roster] keep",
            message,
            format!("set it to true, or take twostep out of {SWITCH}"),
        ));
    } else if read != Path::new(twostep_roster::PATH) {
        let message = format!("the NSS module reads {} alone: nobody is in its groups", twostep_roster::PATH);
        findings.push(Finding::warning(
            Id::RosterElsewhere,
            "[paths] roster",
            message,
            "leave it at its default",
        ));
    } else if kept::read(&policy.paths.roster).is_ok() {
        findings.extend(groups(&policy.roster));
        findings.extend(listed(&fs::read_to_string(GROUP).unwrap_or_default(), &policy.roster));
    }
    findings.extend(nscd(&policy.roster.readers));
    findings
}

/// The groups, as the host's programs see them.
fn groups(roster: &Roster) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, gid) in roster.named().into_iter().filter(|(name, _)| !name.is_empty()) {
        match Group::from_gid(Gid::from_raw(gid)) {
            Ok(Some(other)) if other.name != name => findings.push(Finding::error(
                Id::GroupGidTaken,
                format!("group {name}"),
                format!("its gid {gid} is that of {}: its members pass for members of {name}", other.name),
                "set [roster] first_gid to the first of four that are free, then twostep-admin roster mend",
            )),
            _ => {}
        }
        match Group::from_name(name) {
            Ok(Some(other)) if other.gid.as_raw() != gid => findings.push(Finding::error(
                Id::GroupNameTaken,
                format!("group {name}"),
                format!(
                    "there is another group of this name, gid {}: its members pass for twostep's",
                    other.gid
                ),
                "remove that one, or name ours otherwise in [roster]",
            )),
            Ok(Some(_)) => {}
            Ok(None) => findings.push(Finding::warning(
                Id::GroupUnknown,
                format!("group {name}"),
                "the name service does not know it, though it is told to ask twostep",
                "libnss_twostep.so.2 must lie where the C library looks for it (make install, ldconfig)",
            )),
            Err(error) => findings.push(Finding::warning(
                Id::GroupLookUpFails,
                format!("group {name}"),
                format!("the name service fails: {error}"),
                format!("getent group {name} must work"),
            )),
        }
    }
    findings
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
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        switch(text).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn a_line_for_groups_is_all_it_takes() {
        assert_eq!(told("passwd: files\ngroup: files twostep\n"), "");
        assert!(names("group:\tfiles [NOTFOUND=continue] twostep # ours", "group", SERVICE));
        assert!(!names("group: files # twostep", "group", SERVICE));
    }

    #[test]
    fn an_initgroups_line_must_name_it_too() {
        assert!(told("group: files twostep\ninitgroups: files\n").contains("does not name twostep"));
        assert_eq!(told("group: files\ninitgroups: files\n"), "");
    }

    #[test]
    fn an_initgroups_line_must_not_end_before_it() {
        assert!(told("initgroups: files twostep").contains("ends at the first source"));
        assert!(
            told("initgroups: files [SUCCESS=continue] sss twostep").contains("ends at the first source")
        );
        assert_eq!(told("initgroups: files [SUCCESS = continue] twostep"), "");
        assert_eq!(told("initgroups: twostep [success=continue] files"), "");
    }

    #[test]
    fn members_by_the_hosts_own_file_are_told() {
        let roster = Policy::defaults().roster;
        let (name, gid) = roster.named().into_iter().next().expect("there are four");
        let told = |file: &str| -> Vec<String> {
            listed(file, &roster).into_iter().map(|finding| finding.message).collect()
        };
        for line in [
            format!("{name}:x:{gid}:alice,bob"),
            format!("{name}:x:5:alice,bob"),
            format!("other:x:{gid}:alice,bob"),
        ] {
            let found = told(&format!("root:x:0:\n{line}\n"));
            assert!(found.len() == 1 && found[0].starts_with("alice,bob are in it"), "{line}: {found:?}");
        }
        for silent in
            [format!("{name}:x:{gid}:\n"), format!("staff:x:50:alice,{name}\n"), format!("{name}\n::\n")]
        {
            assert_eq!(told(&silent), Vec::<String>::new(), "{silent}");
        }
    }

    #[test]
    fn nscd_undoes_that_only_some_may_read() {
        let conf = "enable-cache group yes\npositive-time-to-live group 60\n";
        let told = |conf, readers: &Readers| {
            remembering(conf, readers).into_iter().map(|finding| finding.message).collect::<Vec<_>>()
        };
        let some = Readers::Group("staff".to_owned());
        assert_eq!(told(conf, &Readers::Everyone).len(), 1);
        assert!(told(conf, &some).iter().any(|message| message.contains("[roster] readers")));
        assert_eq!(told("enable-cache group no\n", &some), Vec::<String>::new());
    }

    #[test]
    fn nscd_remembers_what_it_is_told_to() {
        assert_eq!(remembered("enable-cache group yes\npositive-time-to-live group 60\n"), Some(60));
        assert_eq!(remembered("\tenable-cache\t\tgroup\t\tyes\n"), Some(3_600));
        assert_eq!(remembered("enable-cache group no\n#enable-cache group yes\n"), None);
        assert_eq!(remembered("enable-cache passwd yes\n"), None);
    }
}
