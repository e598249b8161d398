//! A root in which twostep was never installed and nobody lives, whatever is on this host.
//!
//! A test installs what it wants to see, adds the people it wants to see, and moves folders about. What shines through from the host would
//! be in its way: an overlay does not rename a folder of a lower layer (EXDEV), `useradd alice` fails where there is an alice, and a stack
//! that names the module asks for a code.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command;
use crate::wait::OrDie;

/// Where an installation, by a package or by `make install`, leaves files with our name; `*` is every folder there.
const FOLDERS: [&str; 29] = [
    "etc",
    "etc/apparmor.d",
    "etc/apparmor.d/*",
    "etc/fail2ban/*",
    "etc/pam.d",
    "etc/ssh/sshd_config.d",
    "etc/systemd/system",
    "etc/systemd/system/*",
    "usr/bin",
    "usr/sbin",
    "usr/lib",
    "usr/lib/*",
    "usr/lib/*/security",
    "usr/lib/systemd/*",
    "usr/lib64",
    "usr/lib64/security",
    "usr/local/bin",
    "usr/local/sbin",
    "usr/local/lib",
    "usr/local/lib/*",
    "usr/local/lib/systemd/*",
    "usr/share/doc",
    "usr/share/man/*",
    "usr/share/pam-configs",
    "usr/share/selinux/*",
    "var/lib",
    "var/lib/dpkg/info",
    "var/lib/systemd/*",
    "var/lib/systemd/*/*",
];
/// The same below both prefixes' `share`.
const COMPLETIONS: [&str; 4] = ["bash-completion/completions", "zsh/*", "fish/*", "man/*"];

/// Users and groups of the system that tests make by themselves, and that a mail server or its like has already.
const MADE_BY_TESTS: [&str; 4] = ["database", "postdrop", "postfix", "vmail"];

/// What wrote lines of PAM's files takes them out again; then those go that were written by hand.
const UNWIRE: &str = r##"
export DEBIAN_FRONTEND=noninteractive
pam-auth-update --package --remove twostep-code twostep-app-passwords
for stack in $(grep -ls "# twostep-admin pam enable" /etc/pam.d/*); do
    twostep-admin pam disable "${stack##*/}" --yes
done
for stack in $(grep -ls pam_twostep /etc/pam.d/* /usr/lib/pam.d/* /etc/pam.conf); do
    sed -i /pam_twostep/d "$stack"
done
"##;

/// Takes twostep, and everybody who is not of the system, out of a root that is mounted at `root`.
pub(crate) fn make(root: &Path) {
    if is_wired(root) {
        let mut command = Command::new("chroot");
        command.arg(root).args(["/bin/sh", "-c", UNWIRE]).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        // What a step does not do, the next one does: each may be missing on this host.
        command::run(command.current_dir("/"));
    }
    let shares = ["usr/share", "usr/local/share"];
    let completions = shares.iter().flat_map(|share| COMPLETIONS.map(|folder| format!("{share}/{folder}")));
    for pattern in FOLDERS.map(str::to_owned).into_iter().chain(completions) {
        folders(root, &pattern).iter().for_each(|folder| remove_ours(folder));
    }
    edit(&root.join("etc/nsswitch.conf"), |text| text.replace(" twostep", ""));
    edit(&root.join("var/lib/dpkg/status"), |text| {
        let others =
            text.split("\n\n").filter(|package| !package.trim_start().starts_with("Package: twostep\n"));
        others.collect::<Vec<_>>().join("\n\n")
    });
    remove_people(&root.join("etc"));
}

/// Whether a line of a stack's names the module.
fn is_wired(root: &Path) -> bool {
    let stacks = fs::read_dir(root.join("etc/pam.d")).into_iter().flatten().flatten();
    let names_it =
        |text: String| text.lines().any(|line| !line.starts_with('#') && line.contains("pam_twostep"));
    stacks.into_iter().any(|stack| fs::read_to_string(stack.path()).is_ok_and(names_it))
}

/// The folders below `root` that fit a pattern. Links are left alone: /lib is one.
fn folders(root: &Path, pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![root.to_path_buf()];
    for name in pattern.split('/') {
        found = match name {
            "*" => found.iter().flat_map(|folder| entries(folder)).collect(),
            name => found.iter().map(|folder| folder.join(name)).collect(),
        };
        found.retain(|folder| folder.symlink_metadata().is_ok_and(|it| it.is_dir()));
    }
    found
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

fn remove_ours(folder: &Path) {
    for path in entries(folder) {
        if path.file_name().is_some_and(|name| name.to_string_lossy().contains("twostep")) {
            let is_folder = path.symlink_metadata().is_ok_and(|it| it.is_dir());
            let removed = if is_folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.or_die(format_args!("remove {}", path.display()));
        }
    }
}

/// Writes a file only where that changes it: an overlay would copy it.
fn edit(path: &Path, change: impl FnOnce(&str) -> String) {
    let Ok(before) = fs::read_to_string(path) else { return };
    let after = change(&before);
    if after != before {
        fs::write(path, after).or_die(format_args!("write {}", path.display()));
    }
}

/// Takes out of a folder's passwd and its like those whom somebody has added: uids from 1000 on (login.defs(5)), but for nobody's.
fn remove_people(etc: &Path) {
    let is_a_persons = |line: &&str| {
        let mut fields = line.split(':');
        let name = fields.next().unwrap_or_default();
        let id = fields.nth(1).and_then(|id| id.parse::<u32>().ok());
        id.is_some_and(|id| (1_000..60_000).contains(&id)) || MADE_BY_TESTS.contains(&name)
    };
    for (file, others) in [("passwd", ["shadow", "subuid", "subgid"]), ("group", ["gshadow"; 3])] {
        let text = fs::read_to_string(etc.join(file)).unwrap_or_default();
        let gone: BTreeSet<&str> = text
            .lines()
            .filter(|line| is_a_persons(line))
            .filter_map(|line| line.split(':').next())
            .collect();
        if gone.is_empty() {
            continue;
        }
        for file in [file].into_iter().chain(others) {
            edit(&etc.join(file), |text| without(text, &gone));
        }
        for file in ["group", "gshadow"] {
            edit(&etc.join(file), |text| without_members(text, &gone));
        }
    }
}

fn without(text: &str, gone: &BTreeSet<&str>) -> String {
    let stays = |line: &&str| line.split(':').next().is_none_or(|name| !gone.contains(name));
    text.lines().filter(stays).map(|line| format!("{line}\n")).collect()
}

/// The last field of each line is a list of names.
fn without_members(text: &str, gone: &BTreeSet<&str>) -> String {
    let line = |line: &str| match line.rsplit_once(':') {
        Some((group, members)) => {
            let stay: Vec<&str> = members.split(',').filter(|name| !gone.contains(name)).collect();
            format!("{group}:{}\n", stay.join(","))
        }
        None => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_go_from_every_file_and_from_the_groups_of_the_system() {
        let etc = std::env::temp_dir().join(format!("twostep-people-{}", std::process::id()));
        fs::create_dir(&etc).or_die("make a folder");
        for (file, text) in [
            (
                "passwd",
                "root:x:0:0::/:/\nalice:x:1000:1000::/:/\nvmail:x:999:999::/:/\nnobody:x:65534:65534::/:/\n",
            ),
            ("shadow", "root:*:1::::::\nalice:$6$x:1::::::\n"),
            (
                "group",
                "root:x:0:\nsudo:x:27:alice,root\nalice:x:1000:\nstaff:x:1001:alice\nnogroup:x:65534:\n",
            ),
            ("gshadow", "root:*::\nsudo:*::alice,root\nalice:!::\nstaff:!::alice\n"),
        ] {
            fs::write(etc.join(file), text).or_die("write a file");
        }
        remove_people(&etc);
        let left = |file: &str| fs::read_to_string(etc.join(file)).or_die("read a file");
        assert_eq!(left("passwd"), "root:x:0:0::/:/\nnobody:x:65534:65534::/:/\n");
        assert_eq!(left("shadow"), "root:*:1::::::\n");
        assert_eq!(left("group"), "root:x:0:\nsudo:x:27:root\nnogroup:x:65534:\n");
        assert_eq!(left("gshadow"), "root:*::\nsudo:*::root\n");
        fs::remove_dir_all(&etc).or_die("remove a folder");
    }
}
