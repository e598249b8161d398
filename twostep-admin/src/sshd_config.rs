//! sshd's configuration, as `check` looks at it: whether it asks PAM, and by a method that can ask for a code.

use crate::check::{Finding, Id};
use crate::included::{self, Line};
use crate::stack::AuthLine;
use std::path::Path;
use twostep_core::policy::Policy;
use twostep_core::protocol::Mode;

/// What is said of a keyword before any Match block, and where.
struct Global<'l> {
    lines: &'l [Line],
    main: String,
}

/// All findings, where the service `sshd` has lines of ours.
pub(crate) fn check(etc: &Path, auth: &[AuthLine], policy: &Policy) -> Vec<Finding> {
    let [enrolled, ..] = &policy.roster.groups;
    let folder = etc.join("ssh");
    let main = folder.join("sshd_config");
    if !main.exists() {
        return Vec::new();
    }
    let lines = included::lines(&main, &|line| {
        let words = words(line);
        let is_include = words.first().is_some_and(|word| word.eq_ignore_ascii_case("include"));
        // sshd takes what is relative to begin in its own folder, wherever the file lies.
        is_include.then(|| words.iter().skip(1).map(|file| folder.join(file).display().to_string()).collect())
    });
    let global = Global { lines: &lines, main: main.display().to_string() };
    let mut findings = Vec::new();
    global.pam(&mut findings);
    global.keyboard(&mut findings);
    global.keys(auth, policy, &mut findings);
    if policy.takes_security_keys() {
        global.security_keys(&mut findings);
    }
    findings.extend(lines.iter().filter_map(|line| loosens(line, enrolled)));
    findings
}

impl Global<'_> {
    /// The first value counts.
    fn value(&self, keywords: &[&str]) -> Option<(String, String)> {
        let before_match = self.lines.iter().take_while(|line| {
            !words(&line.text).first().is_some_and(|word| word.eq_ignore_ascii_case("match"))
        });
        before_match.into_iter().find_map(|line| {
            let words = words(&line.text);
            let (first, rest) = words.split_first()?;
            let known = keywords.iter().any(|keyword| first.eq_ignore_ascii_case(keyword));
            known.then(|| (line.place.clone(), rest.join(" ").to_ascii_lowercase()))
        })
    }

    fn pam(&self, findings: &mut Vec<Finding>) {
        let found = self.value(&["UsePAM"]);
        if found.as_ref().is_some_and(|(_, value)| value == "yes") {
            return;
        }
        let place = found.map_or_else(|| self.main.clone(), |(place, _)| place);
        let message = "sshd does not ask PAM (UsePAM): nobody is asked for a code, and key logins pass";
        findings.push(Finding::error(
            Id::SshdWithoutPam,
            place,
            message,
            "UsePAM yes; twostep-admin pam enable sshd proposes the file",
        ));
    }

    fn keyboard(&self, findings: &mut Vec<Finding>) {
        let keywords = ["KbdInteractiveAuthentication", "ChallengeResponseAuthentication"];
        if let Some((place, value)) = self.value(&keywords)
            && value == "no"
        {
            let message = "sshd has no way to ask for a code (KbdInteractiveAuthentication): who is enrolled cannot sign in";
            let remedy = "KbdInteractiveAuthentication yes, before this line; twostep-admin pam enable sshd proposes the file";
            findings.push(Finding::error(Id::SshdCannotAsk, place, message, remedy));
        }
    }

    /// Who comes with a key.
    fn keys(&self, auth: &[AuthLine], policy: &Policy, findings: &mut Vec<Finding>) {
        let no_keys = self.value(&["PubkeyAuthentication"]).is_some_and(|(_, value)| value == "no");
        if no_keys {
            return;
        }
        let after_key = auth.iter().find(|line| line.mode == Mode::AfterKey);
        let any_is_enough = policy.takes_ssh_keys();
        if after_key.is_none() && (any_is_enough || policy.takes_security_keys()) {
            let message = "a key is to be enough (security_keys, ssh_keys), and the stack has no after-key line: it is not";
            let remedy = "auth [success=done ignore=ignore default=die] pam_twostep.so after-key, before the password modules";
            findings.push(Finding::warning(Id::SshdKeySettingUnused, &self.main, message, remedy));
        }
        let methods = self.value(&["AuthenticationMethods"]);
        let by_key_and_pam = |list: &str| {
            let mut methods = list.split(',');
            methods.next() == Some("publickey")
                && methods.any(|method| method.starts_with("keyboard-interactive"))
        };
        let asks = methods.as_ref().is_some_and(|(_, lists)| lists.split(' ').any(by_key_and_pam));
        match (asks, after_key) {
            (false, Some(_)) => {
                let place = methods.map_or_else(|| self.main.clone(), |(place, _)| place);
                let message = "the stack has an after-key line, but sshd never asks PAM after a key: who is enrolled and has a key is refused";
                let remedy = if any_is_enough {
                    "for a key, or password and code: AuthenticationMethods publickey,keyboard-interactive:pam keyboard-interactive:pam"
                } else {
                    "AuthenticationMethods publickey,keyboard-interactive:pam"
                };
                findings.push(Finding::warning(Id::SshdNeverAsksAfterKey, place, message, remedy));
            }
            (false, None) => {
                let place = methods.map_or_else(|| self.main.clone(), |(place, _)| place);
                let message = "who is enrolled and comes with a key alone is refused in the account phase; she must leave the key out";
                let remedy = "for key and code: AuthenticationMethods publickey,keyboard-interactive:pam and an after-key line (man pam_twostep)";
                findings.push(Finding::note(Id::SshdRefusesKeyAlone, place, message, remedy));
            }
            (true, _) => {}
        }
    }
}

impl Global<'_> {
    /// Whether sshd asks security keys for a PIN, wherever it takes one. Of each part of the file the first value counts.
    fn security_keys(&self, findings: &mut Vec<Finding>) {
        let (mut for_all, mut said, mut said_for_all) = (true, false, false);
        let mut lacking = Vec::new();
        for line in self.lines {
            let words: Vec<_> = words(&line.text).iter().map(|word| word.to_ascii_lowercase()).collect();
            match words.split_first() {
                Some((first, rest)) if first == "match" => (for_all, said) = (rest == ["all"], false),
                Some((first, rest)) if first == "pubkeyauthoptions" && !said => {
                    said = true;
                    let verifies = rest.iter().any(|word| word == "verify-required");
                    said_for_all |= for_all;
                    if !verifies {
                        lacking.push(line.place.clone());
                    }
                }
                _ => {}
            }
        }
        if !said_for_all {
            lacking.insert(0, self.main.clone());
        }
        for place in lacking {
            let message = "a security key is both steps (security_keys), and sshd does not ask for its PIN: whoever holds it touches it, and is in; \
                           with no-touch-required in authorized_keys, whoever reaches it";
            let remedy = "PubkeyAuthOptions verify-required (keys of ssh-keygen -O verify-required), or the option verify-required with each key in authorized_keys";
            findings.push(Finding::warning(Id::SshdSecurityKeysUnverified, place, message, remedy));
        }
    }
}

/// A Match line that holds for who is not in the group of the enrolled: for everybody, when the roster is gone.
fn loosens(line: &Line, enrolled: &str) -> Option<Finding> {
    let words = words(&line.text);
    let is_match = words.first().is_some_and(|word| word.eq_ignore_ascii_case("match"));
    let negated = format!("!{enrolled}");
    let names = words.iter().flat_map(|word| word.split(',')).any(|name| name == negated);
    (is_match && !enrolled.is_empty() && names).then(|| {
        let message = format!("goes by who is not in {enrolled}: everybody is, when the roster is missing");
        Finding::warning(
            Id::SshdMatchByAbsence,
            &line.place,
            message,
            "Match Group twostep-unenrolled, which has nobody then",
        )
    })
}

/// As sshd takes a line apart.
fn words(line: &str) -> Vec<String> {
    let apart = line.split([' ', '\t', '=', '"']).filter(|word| !word.is_empty());
    apart.map(str::to_owned).collect()
}
