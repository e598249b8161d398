//! sudoers, as `check` looks at it: who may do more than the help desk, and whose code sudo asks for. sudo's own cvtsudoers reads it:
//! aliases, includes and continued lines are its business.

use crate::check::{Finding, Id};
use nix::unistd::{Gid, Group};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use twostep_core::policy::{Broker, Origin, Policy};
use twostep_core::ports::{Directory, DirectoryFailed, Person};
use twostep_store::host::{Membership, Nss};

const CONVERTER: &str = "/usr/bin/cvtsudoers";
/// Options by which sudo asks for the password, and so for the code, of somebody else than who runs it.
const ASK_FOR_ANOTHER: [&str; 3] = ["rootpw", "runaspw", "targetpw"];

/// All findings. `wired` are the services with lines of ours.
pub(crate) fn check(etc: &Path, policy: &Policy, wired: &BTreeSet<String>) -> Vec<Finding> {
    let help_desk = policy.broker.help_desk.is_some();
    let is_wired = ["sudo", "sudo-i"].iter().any(|service| wired.contains(*service));
    let mut findings = if help_desk { elsewhere(etc) } else { Vec::new() };
    let file = etc.join("sudoers");
    if !(help_desk || is_wired) || !file.exists() {
        return findings;
    }
    match Sudoers::read(&file) {
        Ok(sudoers) => {
            if is_wired {
                findings.extend(sudoers.asks_for_another(&file));
            }
            if help_desk {
                findings.extend(unprotected(&sudoers.grantees(), &file, &policy.broker));
            }
        }
        Err(cause) => {
            let message = format!("cannot be read: {cause}");
            let remedy =
                "run as root; visudo -c must be content, and cvtsudoers, which is a part of sudo, installed";
            findings.push(Finding::warning(Id::SudoersNotLookedAt, file.display(), message, remedy));
        }
    }
    findings
}

/// What cvtsudoers says of it.
#[derive(Debug, Deserialize)]
struct Sudoers {
    #[serde(rename = "Defaults", default)]
    defaults: Vec<Defaults>,
    #[serde(rename = "User_Specs", default)]
    specs: Vec<Spec>,
}

#[derive(Debug, Deserialize)]
struct Defaults {
    #[serde(rename = "Options")]
    options: Vec<Map<String, Value>>,
}

#[derive(Debug, Deserialize)]
struct Spec {
    #[serde(rename = "User_List")]
    users: Vec<Map<String, Value>>,
    #[serde(rename = "Cmnd_Specs")]
    commands: Vec<Commands>,
}

#[derive(Debug, Deserialize)]
struct Commands {
    #[serde(rename = "Commands")]
    commands: Vec<Map<String, Value>>,
}

/// Whom a line of sudoers names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Grantee {
    Everybody,
    User(String),
    Uid(u32),
    Group(String),
    Gid(u32),
    /// As it stands in sudoers: what no group of NSS is.
    Other(String),
}

impl Sudoers {
    fn read(file: &Path) -> Result<Self, String> {
        let output = Command::new(CONVERTER)
            // A configuration of its own could leave lines out.
            .args(["-c", "/dev/null", "-i", "sudoers", "-f", "json", "-e"])
            .arg(file)
            .env_clear()
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("{CONVERTER}: {error}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let line = said.lines().next().unwrap_or_default().replace(char::is_control, " ");
            return Err(format!("{CONVERTER}: {}: {line}", output.status));
        }
        // An alias that is not defined makes it write what is no JSON.
        let text = String::from_utf8(output.stdout).map_err(|error| format!("{CONVERTER}: {error}"))?;
        Self::of(&text).map_err(|error| format!("{CONVERTER} writes no JSON: {error}"))
    }

    fn of(text: &str) -> serde_json::Result<Self> {
        // Up to sudo 1.9.13 these two stand in a list without braces, each in a line of its own.
        let is_bare = |line: &str| ["\"runcwd\":", "\"runchroot\":"].iter().any(|key| line.starts_with(key));
        let lines = text.lines().map(|line| match line.trim() {
            bare if is_bare(bare) => match bare.strip_suffix(',') {
                Some(bare) => format!("{{{bare}}},\n"),
                None => format!("{{{bare}}}\n"),
            },
            _ => format!("{line}\n"),
        });
        serde_json::from_str(&lines.collect::<String>())
    }

    fn asks_for_another(&self, file: &Path) -> Option<Finding> {
        let options = self.defaults.iter().flat_map(|defaults| &defaults.options);
        let set: BTreeSet<&str> = options
            .flatten()
            .filter(|(name, value)| ASK_FOR_ANOTHER.contains(&name.as_str()) && **value == Value::Bool(true))
            .map(|(name, _)| name.as_str())
            .collect();
        let names = set.into_iter().collect::<Vec<_>>().join(", ");
        (!names.is_empty()).then(|| {
            let message = format!(
                "sudo asks for password and code of another user than the one who runs it ({names}): where that other one is not \
                 enrolled, nobody gives a code"
            );
            let remedy = format!("take {names} out, or enroll root and whoever else commands run as");
            Finding::warning(Id::SudoAsksForAnother, file.display(), message, remedy)
        })
    }

    /// Anyone who may run a command, whichever, on any host and as anybody.
    fn grantees(&self) -> BTreeSet<Grantee> {
        let grants = |spec: &&Spec| spec.commands.iter().flat_map(|some| &some.commands).any(is_meant);
        let users = self.specs.iter().filter(grants).flat_map(|spec| &spec.users);
        users.filter(|user| is_meant(user)).map(Grantee::of).collect()
    }
}

/// Whether it is not an exception (`!alice`).
fn is_meant(item: &Map<String, Value>) -> bool {
    item.get("negated") != Some(&Value::Bool(true))
}

impl Grantee {
    fn of(item: &Map<String, Value>) -> Self {
        let (kind, value) = item
            .iter()
            .find(|(key, _)| *key != "negated")
            .map_or(("", &Value::Null), |(kind, value)| (kind.as_str(), value));
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match (kind, number) {
            ("username", _) if text == "ALL" => Self::Everybody,
            ("username", _) => Self::User(text),
            ("usergroup", _) => Self::Group(text),
            ("userid", Some(uid)) => Self::Uid(uid),
            ("usergid", Some(gid)) => Self::Gid(gid),
            ("netgroup", _) => Self::Other(format!("+{text}")),
            ("nonunixgroup", _) => Self::Other(format!("%:{text}")),
            ("nonunixgid", _) => Self::Other(format!("%:#{text}")),
            _ => Self::Other(format!("{kind} {text}")),
        }
    }
}

/// Somebody the help desk may help, and should not.
#[derive(Debug, PartialEq, Eq)]
enum Unprotected {
    Everybody,
    Group(String),
    User(String),
    Other(String),
}

/// A finding for each of them; the remedy is the whole line.
fn unprotected(grantees: &BTreeSet<Grantee>, file: &Path, broker: &Broker) -> Vec<Finding> {
    let found: Result<Vec<_>, DirectoryFailed> =
        grantees.iter().filter_map(|grantee| resolve(grantee, broker).transpose()).collect();
    let (found, mut protected) = match found.and_then(|found| Ok((found, existing(broker)?))) {
        Ok(found) => found,
        Err(DirectoryFailed(cause)) => {
            let remedy = "getent must work: is the directory service running?";
            return vec![Finding::error(Id::NameServiceFails, file.display(), cause, remedy)];
        }
    };
    for one in &found {
        if let Unprotected::Group(name) = one
            && !protected.contains(name)
        {
            protected.push(name.clone());
        }
    }
    found.iter().map(|one| one.finding(file, &protected)).collect()
}

/// The groups of `protected` that this host has: of those that are protected by default it may lack some, of others none.
fn existing(broker: &Broker) -> Result<Vec<String>, DirectoryFailed> {
    let mut groups = Vec::new();
    for group in &broker.protected.value {
        if broker.protected.origin != Origin::Default || Nss.has_group(group)? {
            groups.push(group.clone());
        }
    }
    Ok(groups)
}

/// Who of this host that is, unless the help desk cannot touch them. Names that NSS does not know are nobody's today.
fn resolve(grantee: &Grantee, broker: &Broker) -> Result<Option<Unprotected>, DirectoryFailed> {
    let group = |name: &str| {
        let is_safe = broker.protected.value.iter().chain(&broker.help_desk).any(|group| group == name);
        (!is_safe).then(|| Unprotected::Group(name.to_owned()))
    };
    Ok(match grantee {
        Grantee::Everybody => Some(Unprotected::Everybody),
        Grantee::User(name) => user(Nss.find(name)?, broker)?,
        Grantee::Uid(uid) => user(Nss.by_uid(*uid)?, broker)?,
        Grantee::Group(name) if Nss.has_group(name)? => group(name),
        Grantee::Group(_) => None,
        Grantee::Gid(gid) => {
            let found = Group::from_gid(Gid::from_raw(*gid));
            let found = found.map_err(|errno| DirectoryFailed(format!("getgrgid_r {gid}: {errno}")))?;
            found.map_or_else(|| Some(Unprotected::Other(format!("%#{gid}"))), |found| group(&found.name))
        }
        Grantee::Other(text) => Some(Unprotected::Other(text.clone())),
    })
}

fn user(person: Option<Person>, broker: &Broker) -> Result<Option<Unprotected>, DirectoryFailed> {
    let Some(person) = person.filter(|person| person.uid != 0) else { return Ok(None) };
    for group in broker.protected.value.iter().chain(&broker.help_desk) {
        if matches!(Nss.membership(&person.name, group)?, Membership::Member | Membership::Listed) {
            return Ok(None);
        }
    }
    Ok(Some(Unprotected::User(person.name.to_string())))
}

impl Unprotected {
    fn finding(&self, file: &Path, protected: &[String]) -> Finding {
        let line = |more: &[&str]| {
            let all: Vec<&str> = protected.iter().map(String::as_str).chain(more.iter().copied()).collect();
            format!("[broker] protected = {all:?}")
        };
        let (who, remedy) = match self {
            Self::Everybody => {
                ("ALL".to_owned(), "name users or groups in that line instead of ALL".to_owned())
            }
            Self::Group(name) => (format!("%{name}"), line(&[])),
            Self::User(name) => {
                let group = "no-help-desk";
                let line = line(&[group]);
                (name.clone(), format!("groupadd {group}; usermod -aG {group} {name}; {line}"))
            }
            Self::Other(text) => {
                let remedy =
                    "give whoever it means a group that NSS knows, and name that in [broker] protected";
                (text.clone(), remedy.to_owned())
            }
        };
        let message = format!(
            "{who} may run commands as others, and the help desk may help them: no group of [broker] protected is theirs"
        );
        Finding::warning(Id::SudoersGrantUnprotected, file.display(), message, remedy)
    }
}

/// What else grants rights on this host, and is not looked at.
fn elsewhere(etc: &Path) -> Vec<Finding> {
    let mut found: Vec<(PathBuf, &str)> = Vec::new();
    for file in ["doas.conf", "sudoers-rs"].map(|name| etc.join(name)) {
        if file.exists() {
            found.push((file, "says who may run commands as others"));
        }
    }
    // Fedora and Red Hat ship these two in the administrator's folder.
    const SHIPPED: [&str; 2] = ["49-polkit-pkla-compat.rules", "50-default.rules"];
    let rules = files(&etc.join("polkit-1/rules.d"), "rules")
        .into_iter()
        .filter(|file| !SHIPPED.iter().any(|shipped| file.ends_with(shipped)));
    let folders = fs::read_dir(etc.join("polkit-1/localauthority")).into_iter().flatten().flatten();
    let older = folders.flat_map(|folder| files(&folder.path(), "pkla"));
    found.extend(rules.chain(older).map(|file| (file, "may let users do what is root's by polkit")));
    let line = |file: &str, is_it: &dyn Fn(&str) -> bool| {
        let path = etc.join(file);
        // Most hosts lack one of these files. This is a note about what is not looked at, and no look at it.
        let text = fs::read_to_string(&path).unwrap_or_default();
        text.lines().any(|line| is_it(line.trim())).then_some(path)
    };
    let has_other_source = |line: &str| {
        let sources = line.strip_prefix("sudoers:").unwrap_or_default().split('#').next().unwrap_or_default();
        sources.split_whitespace().any(|source| source != "files" && !source.starts_with('['))
    };
    found.extend(
        line("nsswitch.conf", &has_other_source)
            .map(|file| (file, "has sudo ask a directory who may do what")),
    );
    let names_another = |line: &str| {
        let mut words = line.split_whitespace();
        words.next().is_some_and(|word| word.eq_ignore_ascii_case("plugin"))
            && words.next() == Some("sudoers_policy")
            && words.ne(["sudoers.so"])
    };
    found.extend(
        line("sudo.conf", &names_another).map(|file| (file, "has sudo read another policy than sudoers")),
    );
    found
        .into_iter()
        .map(|(file, what)| {
            let remedy = "see who gets rights there, and name groups of theirs in [broker] protected";
            let message = format!("{what}, and is not looked at");
            Finding::note(Id::RightsNotLookedAt, file.display(), message, remedy)
        })
        .collect()
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    files
}

#[cfg(test)]
#[path = "sudoers_tests.rs"]
mod tests;
