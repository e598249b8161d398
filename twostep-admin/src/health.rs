//! Key, store, clock and accounts, as `check` looks at them.

use crate::check::{Finding, Id};
use crate::orphans;
use crate::{deadlines, ffi, name_service};
use nix::unistd::{Uid, geteuid};
use std::path::Path;
use twostep_core::account::{Enrollment, settle_gone, settle_uid};
use twostep_core::name::{Naming, UserName};
use twostep_core::policy::{Paths, Policy};
use twostep_core::ports::Directory;
use twostep_core::time::UnixTime;
use twostep_store::admin::{self, Holder, Summary};
use twostep_store::files::{self, Want};
use twostep_store::host::Nss;
use twostep_store::seen::Restored;
use twostep_store::vault::{Files, Session};
use twostep_store::{StoreError, boot_key, host, key_file};

/// 2024: before twostep was written. A host without a battery-backed clock starts earlier.
const EPOCH: UnixTime = UnixTime(1_704_067_200);
/// How far the clock may be behind the latest code: phones run ahead, and a step is accepted early.
const SLACK: i64 = 120;
/// How many users are named whose codes lie ahead of the clock.
const NAMED: u32 = 5;

/// All findings about them.
pub(crate) fn check(policy: &Policy) -> Vec<Finding> {
    let mut findings = Vec::new();
    let paths = &policy.paths;
    findings.extend(powerless(geteuid()));
    let store = |error| wrong(Id::StoreUnusable, &paths.store.display().to_string(), &error);
    match key_file::read(&paths.key) {
        Err(error) => findings.push(wrong(Id::KeyUnusable, &paths.key.display().to_string(), &error)),
        Ok(_) => match Files::of(policy).session() {
            Err(error) => findings.push(store(error)),
            Ok(session) => {
                inside(&session, paths, &mut findings);
                match session.shared_secrets() {
                    Ok(shared) => findings.extend(shared.iter().flat_map(|holders| one_secret(holders))),
                    Err(error) => findings.push(store(error)),
                }
                name_service::roster(&session, &mut findings);
                match deadlines::expired(&session) {
                    Ok(finding) => findings.extend(finding),
                    Err(error) => findings.push(store(error)),
                }
                let enrolled = session.summaries(None);
                // Logins that write wait for readers: NSS, which can be slow, is asked without the store.
                drop(session);
                match enrolled {
                    Ok(enrolled) => accounts(&enrolled, &policy.app.naming, &Nss, &mut findings),
                    Err(error) => findings.push(store(error)),
                }
            }
        },
    }
    folders(paths, &mut findings);
    findings.extend(boot_key(&paths.runtime, boot_key::check(&paths.runtime)));
    findings.extend(unset_clock(host::now().wall));
    findings.extend(unkept_clock(ffi::clock_is_synchronised()));
    findings
}

fn powerless(who: Uid) -> Option<Finding> {
    let message = "not run as root: what root alone can read is told as an error";
    (!who.is_root())
        .then(|| Finding::note(Id::NotRunAsRoot, "twostep-admin check", message, "run it as root"))
}

fn unset_clock(now: UnixTime) -> Option<Finding> {
    let message = "this host's clock stands before 2024: no code can be right";
    let remedy = "set it; let NTP keep it (timedatectl set-ntp true)";
    (now < EPOCH).then(|| Finding::error(Id::ClockUnset, "clock", message, remedy))
}

fn unkept_clock(synchronised: bool) -> Option<Finding> {
    let message = "the kernel does not know this host's clock to be synchronised: when it strays by more than half a minute, codes are refused";
    (!synchronised).then(|| {
        Finding::warning(
            Id::ClockNotSynchronised,
            "clock",
            message,
            "let NTP keep it (timedatectl set-ntp true)",
        )
    })
}

fn folders(paths: &Paths, findings: &mut Vec<Finding>) {
    if let Some(folder) = paths.store.parent()
        && let Err(untrusted) = files::check(folder, Want::PrivateFolder)
        // A folder that is missing or that others can write has been told with the store.
        && matches!(untrusted.fault, files::Fault::Readable(_))
    {
        let message = format!("{untrusted}: they see when somebody signs in");
        let remedy = format!(
            "twostep-admin init closes it, unless other things lie in it; {}; or a folder of its own for [paths] store",
            untrusted.remedy()
        );
        findings.push(Finding::error(Id::StoreFolderOpen, folder.display(), message, remedy));
    }
    // A folder that cannot be looked at has been told with the store.
    for path in admin::open_to_others(&paths.store).unwrap_or_default() {
        if Some(path.as_path()) != paths.store.parent() {
            let message = "others can open it, hold its lock, or read what it has of the store";
            let remedy = "twostep-admin init takes it away from them";
            findings.push(Finding::error(Id::StoreFileOpen, path.display(), message, remedy));
        }
    }
}

/// That the store was put back from a backup, and what to do about it.
pub(crate) fn restored(restored: &Restored) -> [String; 2] {
    let Restored { ends, seen, file } = restored;
    let (ends, seen) = (crate::output::time(*ends), crate::output::time(*seen));
    [
        format!(
            "the store was put back from a backup: it ends at {ends}, and this host has seen it as of {seen}. What was revoked, removed or used up since is good again"
        ),
        format!(
            "/usr/share/doc/twostep/docs/incidents.md, case E: revoke it again, or twostep-admin app-password revoke --all-users --created-before {seen}; then rm {}",
            file.display()
        ),
    ]
}

fn boot_key(runtime: &Path, found: Result<(), StoreError>) -> Option<Finding> {
    let message = format!("{}: every app login pays for an Argon2id run", found.err()?);
    let remedy =
        "systemd-tmpfiles --create twostep.conf; the folder private must be root's, mode 0700, on a tmpfs";
    Some(Finding::warning(Id::BootKeyMissing, runtime.display(), message, remedy))
}

/// What is in the store.
fn inside(session: &Session, paths: &Paths, findings: &mut Vec<Finding>) {
    let store = paths.store.display().to_string();
    match session.damage() {
        Ok(damage) => {
            findings.extend(damage.into_iter().map(|what| {
                Finding::error(Id::StoreDamaged, &store, what, "put the store back from a backup")
            }))
        }
        Err(error) => findings.push(wrong(Id::StoreUnusable, &store, &error)),
    }
    match session.restored() {
        Ok(found) => findings.extend(found.map(|found| {
            let [message, remedy] = restored(&found);
            Finding::error(Id::StoreRestored, &store, message, remedy)
        })),
        Err(error) => findings.push(wrong(Id::StoreUnusable, &store, &error)),
    }
    let now = host::now().wall;
    match session.latest_time() {
        Ok(latest) if now.0.saturating_add(SLACK) < latest.0 => {
            findings.push(Finding::error(
                Id::ClockBehindLatestCode,
                "clock",
                format!(
                    "this host's clock is behind {}, when a right code came",
                    crate::output::time(latest)
                ),
                "set it; let NTP keep it (timedatectl set-ntp true); if it is right and once ran ahead: twostep-admin unlock USER",
            ));
        }
        Ok(_) => {}
        Err(error) => findings.push(wrong(Id::StoreUnusable, &store, &error)),
    }
    match session.ahead_of(now, NAMED) {
        Ok((0, _)) => {}
        Ok((count, named)) => findings.push(Finding::error(
            Id::CodesAheadOfClock,
            "clock",
            format!(
                "used codes of {} lie ahead of this host's clock: theirs of now are refused",
                some(count, &named)
            ),
            "set it, if it is behind; if it is right and once ran ahead: twostep-admin unlock USER for each",
        )),
        Err(error) => findings.push(wrong(Id::StoreUnusable, &store, &error)),
    }
}

/// A secret that is there more than once: of one user, of several, or both.
fn one_secret(holders: &[Holder]) -> Vec<Finding> {
    let mut users: Vec<UserName> = holders.iter().map(|holder| holder.user.clone()).collect();
    users.sort();
    users.dedup();
    let labels = |user: &UserName| -> Vec<String> {
        let own = holders.iter().filter(|holder| holder.user == *user);
        own.map(|holder| format!("\"{}\"", holder.label)).collect()
    };
    let twins = users.iter().map(|user| (user, labels(user))).filter(|(_, labels)| labels.len() > 1);
    let mut findings: Vec<Finding> = twins
        .map(|(user, labels)| {
            let message = format!(
                "has one secret in the authenticators {}: each code is accepted once by each of them",
                labels.join(" and ")
            );
            let remedy = format!("twostep-admin authenticator remove {user} NAME, for all of them but one");
            Finding::error(Id::SecretTwice, user, message, remedy)
        })
        .collect();
    if users.len() > 1 {
        let named: Vec<UserName> = users.iter().take(NAMED as usize).cloned().collect();
        let count = u32::try_from(users.len()).unwrap_or(u32::MAX);
        let message =
            format!("one secret is in authenticators of {}: their codes are the same", some(count, &named));
        let remedy =
            "give each a secret of their own: twostep-admin authenticator add, then authenticator remove";
        findings.push(Finding::warning(Id::SecretShared, "authenticators", message, remedy));
    }
    findings
}

/// All of them, or the first few and how many more there are.
fn some(count: u32, named: &[UserName]) -> String {
    let names: Vec<&str> = named.iter().map(UserName::as_str).collect();
    let more = u64::from(count).saturating_sub(names.len() as u64);
    let others = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{}{others}", names.join(", "))
}

/// Enrollments whose account has changed.
fn accounts(enrolled: &[Summary], naming: &Naming, directory: &dyn Directory, findings: &mut Vec<Finding>) {
    let mut virtual_users: u32 = 0;
    for Summary { enrollment, .. } in enrolled {
        let user = &enrollment.user;
        match directory.find(user.as_str()) {
            Err(failed) => {
                findings.push(Finding::error(
                    Id::NameServiceFails,
                    user,
                    failed.0,
                    "getent passwd USER must work: is the directory service running?",
                ));
                // They would all say the same.
                break;
            }
            Ok(person) if person.as_ref().is_some_and(|person| person.uid == enrollment.uid) => {}
            Ok(None) if enrollment.is_virtual() => {
                virtual_users += 1;
                findings.extend(out_of_reach(user, naming));
            }
            Ok(Some(person)) if enrollment.is_virtual() => findings.push(collision(user, person.uid)),
            Ok(person) => findings.push(changed(enrollment, person.map(|person| person.uid), enrolled)),
        }
    }
    if virtual_users > 0 && !naming.virtual_users {
        let message = format!(
            "{virtual_users} enrolled virtual users (no account on this host) cannot sign in anywhere"
        );
        findings.push(Finding::warning(
            Id::VirtualUsersOff,
            "[app] virtual_users",
            message,
            "set it to true, or unenroll them",
        ));
    }
}

/// A virtual user whose name means somebody else by the domain rule of today.
fn out_of_reach(user: &UserName, naming: &Naming) -> Option<Finding> {
    let meant = naming.user(user.as_str()).filter(|meant| naming.virtual_users && meant != user)?;
    let message = format!(
        "is enrolled as a virtual user, but that name means {meant} by [app] domains: under {user} every login is refused, and under {meant} she is not enrolled"
    );
    let remedy =
        format!("twostep-admin enroll {meant} --app-only, then unenroll {user}; or put [app] domains back");
    Some(Finding::error(Id::VirtualUserOutOfReach, user, message, remedy))
}

/// A virtual user whose name an account has now.
fn collision(user: &UserName, uid: u32) -> Finding {
    Finding::warning(
        Id::VirtualUserHasAccount,
        user,
        format!(
            "was enrolled as a virtual user, and there is an account of that name now (uid {uid}): every login is refused"
        ),
        settle_uid(user.as_str(), None),
    )
}

/// An enrollment that is an orphan: its name has no account any more, or one of this other uid.
fn changed(enrollment: &Enrollment, is: Option<u32>, enrolled: &[Summary]) -> Finding {
    let Enrollment { user, uid, .. } = enrollment;
    let heir = Nss.by_uid(*uid).ok().flatten().map(|heir| heir.name);
    let free = orphans::heir(enrollment, enrolled);
    let (id, message, remedy) = match (is, heir, &free) {
        (None, None, _) => (
            Id::AccountGone,
            format!(
                "is enrolled, but has no account any more: whoever is given uid {uid} will be asked for these codes at prompts, and refused by app services"
            ),
            settle_gone(user.as_str(), None),
        ),
        (None, Some(heir), None) => (
            Id::AccountGone,
            format!("has no account any more; {heir}, who has its uid, is enrolled as well"),
            settle_gone(user.as_str(), None),
        ),
        (None, Some(_), Some(heir)) => (
            Id::AccountRenamed,
            format!(
                "has no account any more, but {heir} has its uid: {heir} is asked for codes of {user} at prompts, and refused by app services"
            ),
            settle_gone(user.as_str(), Some(heir.as_str())),
        ),
        (Some(is), _, free) => (
            Id::AccountUidChanged,
            format!("was enrolled as uid {uid} and has uid {is} now: every login is refused"),
            settle_uid(user.as_str(), free.as_ref().map(UserName::as_str)),
        ),
    };
    Finding::warning(id, user, message, remedy)
}

fn wrong(id: Id, subject: &str, error: &StoreError) -> Finding {
    Finding::error(id, subject, error.to_string(), error.remedy())
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
