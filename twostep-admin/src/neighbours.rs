//! Programs that stand beside our module, as `check` looks at them: Dovecot, saslauthd, pam_faillock.

use crate::check::{Finding, Id};
use crate::included::{self, Line};
use crate::pam::Stacks;
use crate::stacks::Seen;
use std::fs;
use std::path::Path;
use twostep_core::policy::Policy;
use twostep_stacks::Phase;

/// All findings about them. `wired` are the services with lines of ours.
pub(crate) fn check(etc: &Path, pam_dir: &Path, policy: &Policy, seen: &Seen) -> Vec<Finding> {
    let app: Vec<&str> = policy.app.services.value.iter().map(|service| service.as_str()).collect();
    let wired: Vec<&str> = seen.wired.iter().map(String::as_str).filter(|name| app.contains(name)).collect();
    if wired.is_empty() {
        return Vec::new();
    }
    let mut findings = dovecot(etc, &wired);
    findings.extend(saslauthd(etc));
    findings.extend(wired.iter().filter_map(|service| faillock(pam_dir, service)));
    findings
}

fn dovecot(etc: &Path, wired: &[&str]) -> Vec<Finding> {
    let main = etc.join("dovecot/dovecot.conf");
    let lines = included::lines(&main, &|line| {
        let rest = line.strip_prefix("!include_try").or_else(|| line.strip_prefix("!include"))?;
        Some(vec![rest.trim().to_owned()])
    });
    let mut findings = Vec::new();
    // The last value counts.
    if let Some((line, value)) =
        lines.iter().rev().find_map(|line| Some((line, setting(line, "auth_cache_size")?)))
        && !["0", ""].contains(&value)
    {
        let message =
            "Dovecot remembers passwords (auth_cache_size): revoked ones get in until auth_cache_ttl is over";
        findings.push(Finding::warning(
            Id::DovecotRemembersPasswords,
            &line.place,
            message,
            "auth_cache_size = 0",
        ));
    }
    findings.extend(pam_passdbs(&lines).filter_map(|passdb| service_of(&passdb, wired)));
    findings
}

/// The lines of each passdb that asks PAM.
fn pam_passdbs(lines: &[Line]) -> impl Iterator<Item = Vec<Line>> {
    let mut blocks = Vec::new();
    let mut open: Option<Vec<Line>> = None;
    for line in lines {
        match &mut open {
            None if line.text.starts_with("passdb") && line.text.ends_with('{') => {
                open = Some(vec![line.clone()])
            }
            None => {}
            Some(block) if line.text == "}" => blocks.push(std::mem::take(block)),
            Some(block) => block.push(line.clone()),
        }
        if line.text == "}" {
            open = None;
        }
    }
    let asks_pam = |block: &Vec<Line>| {
        // Dovecot 2.4 has the driver in the block's name.
        let named = block.first().is_some_and(|line| line.text.split_whitespace().nth(1) == Some("pam"));
        named || block.iter().any(|line| setting(line, "driver") == Some("pam"))
    };
    blocks.into_iter().filter(asks_pam).collect::<Vec<_>>().into_iter()
}

/// Which service a passdb asks for, where that has no line of ours.
fn service_of(passdb: &[Line], wired: &[&str]) -> Option<Finding> {
    let first = passdb.first()?;
    let args = passdb
        .iter()
        .rev()
        .find_map(|line| setting(line, "args").or_else(|| setting(line, "pam_service_name")));
    let asked: Vec<&str> = args.unwrap_or_default().split_whitespace().collect();
    if asked.iter().any(|word| word.contains('%')) {
        return None;
    }
    let options = ["session=", "setcred=", "max_requests=", "failure_show_msg=", "cache_key="];
    let is_name = |word: &&&str| **word != "*" && !options.iter().any(|option| word.starts_with(option));
    let service = asked.iter().find(is_name).copied().unwrap_or("dovecot");
    let everybody = asked.contains(&"*");
    if everybody || wired.contains(&service) {
        return None;
    }
    let message = format!(
        "Dovecot asks PAM for the service {service} whatever the protocol, and that has no line of ours"
    );
    Some(Finding::error(
        Id::DovecotServiceNotWired,
        &first.place,
        message,
        "args = %s, and a file for each protocol (/usr/share/doc/twostep/docs/mail.md)",
    ))
}

/// The value of `key = value`.
fn setting<'l>(line: &'l Line, key: &str) -> Option<&'l str> {
    let (found, value) = line.text.split_once('=')?;
    (found.trim() == key).then(|| value.trim())
}

/// saslauthd with a cache takes a password that has ended, and a code that was used.
fn saslauthd(etc: &Path) -> Option<Finding> {
    let files = [("default/saslauthd", "OPTIONS"), ("sysconfig/saslauthd", "FLAGS")];
    files.into_iter().find_map(|(file, key)| {
        let path = etc.join(file);
        let text = fs::read_to_string(&path).ok()?;
        let line =
            text.lines().rev().find_map(|line| line.trim().strip_prefix(key)?.trim().strip_prefix('='))?;
        let caches = |word: &str| {
            word.strip_prefix('-')
                .is_some_and(|letters| !letters.starts_with('-') && letters.starts_with('c'))
        };
        line.trim_matches(['"', '\'', ' ']).split_whitespace().any(caches).then(|| {
            let message =
                "saslauthd remembers passwords (-c): it lets in a revoked app password, and a code once more";
            Finding::warning(
                Id::SaslauthdRemembersPasswords,
                path.display(),
                message,
                format!("take -c out of {key}"),
            )
        })
    })
}

/// Mail programs sign in all day long: each time pam_faillock forgets the wrong passwords that a guesser has tried at ssh.
fn faillock(pam_dir: &Path, service: &str) -> Option<Finding> {
    let stacks = Stacks::of(pam_dir);
    let read = stacks.read(service).ok()?;
    let line =
        read.chain(Phase::Account).iter().find(|handler| handler.module_name() == Some("pam_faillock.so"))?;
    let message =
        format!("every login at {service} has pam_faillock forget the wrong passwords tried elsewhere");
    let remedy = "leave pam_faillock out of the account stack of services that take app passwords";
    Some(Finding::warning(Id::FaillockReset, line.own_place(), message, remedy))
}
