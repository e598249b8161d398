//! The broker, as `check` looks at it: whether it is there for those who need it, and whether NSS knows whom the configuration names.

use crate::check::{Finding, Id};
use crate::stacks::Seen;
use std::collections::BTreeSet;
use std::path::Path;
use twostep_core::policy::{Origin, PROTECTED, Policy, SELF_SERVICE};
use twostep_core::ports::{Directory, DirectoryFailed};
use twostep_store::host::Nss;
use twostep_store::host::link::{Link, LinkError, SOCKET};

/// Services that set-uid programs, or programs of the user's own, ask PAM for. Others are known by `[broker] callers`.
const BROKERED: [&str; 14] = [
    "cinnamon-screensaver",
    "doas",
    "i3lock",
    "kde",
    "mate-screensaver",
    "polkit-1",
    "su",
    "su-l",
    "sudo",
    "sudo-i",
    "swaylock",
    "vlock",
    "xfce4-screensaver",
    "xscreensaver",
];

/// All findings about it.
pub(crate) fn check(policy: &Policy, stacks: &Seen) -> Vec<Finding> {
    let mut findings = Vec::new();
    let socket = policy.paths.runtime.join(SOCKET);
    findings.extend(absence(policy, &stacks.wired, &socket, Link::connect(&socket, 0).err()));
    findings.extend(std::fs::read_to_string(MOUNTS).ok().and_then(|mounts| hidden_callers(&mounts)));
    if !stacks.services.contains(SELF_SERVICE) {
        findings.push(Finding::note(
            Id::SelfServiceStackMissing,
            SELF_SERVICE,
            "there is no stack of this name: users cannot change anything themselves",
            format!("put the shipped file at /etc/pam.d/{SELF_SERVICE}"),
        ));
    }
    findings
}

/// What is found by the configuration alone, and the names in it.
pub(crate) fn configured(policy: &Policy, directory: &dyn Directory) -> Vec<Finding> {
    let mut findings = Vec::new();
    if policy.app.services.value.iter().any(|service| service.as_str() == SELF_SERVICE) {
        findings.push(Finding::warning(
            Id::SelfServiceIsAppService,
            SELF_SERVICE,
            "is in [app] services: it is the service by which users prove who they are, and no app service",
            "take it out",
        ));
    }
    if let Err(DirectoryFailed(cause)) = names(policy, directory, &mut findings) {
        findings.push(Finding::error(
            Id::NameServiceFails,
            "[broker]",
            cause,
            "getent must work: is the directory service running?",
        ));
    }
    findings
}

const MOUNTS: &str = "/proc/self/mounts";

fn hidden_callers(mounts: &str) -> Option<Finding> {
    hides_processes(mounts).then(|| {
        Finding::warning(
            Id::ProcHidesCallers,
            "/proc",
            "hidepid= with a gid= hides from twostepd by whom su and sudo are run: to its limits they are all one user",
            "give it that group: systemctl edit twostepd.service, [Service] SupplementaryGroups=",
        )
    })
}

/// Whether /proc shows processes of others to the members of a group only, and root's is not the one (proc(5)).
fn hides_processes(mounts: &str) -> bool {
    let mut of_proc = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        let (place, kind, options) = (fields.nth(1)?, fields.next()?, fields.next()?);
        (place == "/proc" && kind == "proc").then_some(options)
    });
    // The one that was mounted last is the one that is seen.
    let Some(options) = of_proc.next_back() else { return false };
    let value = |name: &str| options.split(',').find_map(|option| option.strip_prefix(name));
    let hidden = matches!(value("hidepid="), Some("2" | "4" | "invisible" | "ptraceable"));
    hidden && !matches!(value("gid="), None | Some("0"))
}

/// Whom it costs what that it cannot be asked.
fn absence(
    policy: &Policy,
    wired: &BTreeSet<String>,
    socket: &Path,
    error: Option<LinkError>,
) -> Option<Finding> {
    let error = error?;
    let granted = policy.broker.callers.iter().flat_map(|caller| &caller.services);
    let brokered: BTreeSet<&str> =
        BROKERED.into_iter().chain(granted.map(|service| service.as_str())).collect();
    let refused: Vec<&str> =
        wired.iter().map(String::as_str).filter(|name| brokered.contains(name)).collect();
    Some(if refused.is_empty() {
        let message = format!("{error}: users cannot use twostep(1)");
        Finding::note(Id::SelfServiceUnreachable, socket.display(), message, error.remedy())
    } else {
        let message = format!("{error}: nobody gets in by {}", refused.join(", "));
        Finding::error(Id::BrokerMissing, socket.display(), message, error.remedy())
    })
}

/// Users and groups that the configuration names.
fn names(
    policy: &Policy,
    directory: &dyn Directory,
    findings: &mut Vec<Finding>,
) -> Result<(), DirectoryFailed> {
    let broker = &policy.broker;
    for caller in &broker.callers {
        if directory.find(caller.user.as_str())?.is_none() {
            let (user, message) =
                (&caller.user, "[broker] callers names this user, and NSS does not know it");
            findings.push(Finding::warning(
                Id::CallerUnknown,
                user,
                message,
                "mend the name, or leave it out",
            ));
        }
    }
    let Some(help_desk) = &broker.help_desk else { return Ok(()) };
    if !Nss.has_group(help_desk)? {
        let message =
            "[broker] help_desk names this group, and NSS does not know it: nobody is of the help desk";
        findings.push(Finding::warning(
            Id::HelpDeskUnknown,
            help_desk,
            message,
            format!("groupadd {help_desk}, or mend the name"),
        ));
    }
    if broker.protected.origin == Origin::Default {
        return Ok(());
    }
    for group in &broker.protected.value {
        if !Nss.has_group(group)? {
            let message =
                "[broker] protected names this group, and NSS does not know it: the help desk can do nothing";
            findings.push(Finding::error(
                Id::ProtectedGroupUnknown,
                group,
                message,
                "mend the name, or leave it out",
            ));
        }
    }
    for group in PROTECTED {
        let named = broker.protected.value.iter().chain([help_desk]);
        if named.into_iter().all(|name| name != group) && Nss.has_group(group)? {
            let message = "[broker] protected leaves this group out, whose members are as good as root: \
                           the help desk can make them bypass codes";
            let remedy = "put it back: a list replaces the default one";
            findings.push(Finding::warning(Id::ProtectedGroupLeftOut, group, message, remedy));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Answers;
    use twostep_core::name::UserName;
    use twostep_core::ports::Person;

    #[test]
    fn a_name_service_that_fails_is_told_of_callers_too() {
        let policy =
            twostep_core::config::parse("[broker]\ncallers = { mail = [\"exim\"] }").expect("a policy");
        let fails = |answer| {
            let found = configured(&policy, &Answers(answer));
            found.iter().any(|found| found.documented() == Id::NameServiceFails)
        };
        let mail = Person { name: UserName::parse("mail").expect("a name"), uid: 8 };
        assert!(!fails(Ok(Some(mail))));
        assert!(fails(Err(DirectoryFailed("sssd is stopped".to_owned()))));
    }

    #[test]
    fn a_broker_that_is_not_there_is_told_by_whom_it_costs_what() {
        let told = |wired: &[&str], error| {
            let wired = wired.iter().map(ToString::to_string).collect();
            absence(&Policy::defaults(), &wired, Path::new("/run/twostep/socket"), error)
                .map(|found| found.documented())
        };
        assert_eq!(told(&["sshd"], Some(LinkError::NobodyThere)), Some(Id::SelfServiceUnreachable));
        assert_eq!(told(&["sshd", "su"], Some(LinkError::NobodyThere)), Some(Id::BrokerMissing));
        assert_eq!(told(&["sshd", "su"], None), None);
    }

    #[test]
    fn a_proc_that_hides_processes_from_root_is_seen() {
        let proc = |options: &str| format!("/dev/vda / ext4 rw 0 0\nproc /proc proc rw,{options} 0 0\n");
        assert!(hides_processes(&proc("nosuid,gid=113,hidepid=invisible")));
        assert!(hides_processes(&proc("hidepid=2,gid=113")));
        for fine in ["nosuid", "hidepid=2", "hidepid=invisible,gid=0", "hidepid=1,gid=113", "gid=113"] {
            assert!(!hides_processes(&proc(fine)), "{fine}");
            assert_eq!(hidden_callers(&proc(fine)), None);
        }
        assert!(!hides_processes(""));
        let told = hidden_callers(&proc("hidepid=2,gid=113")).expect("a finding");
        assert_eq!(told.documented(), Id::ProcHidesCallers);
    }
}
