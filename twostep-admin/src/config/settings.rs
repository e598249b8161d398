//! The settings of two configurations that differ, by their keys; and their rules.

use serde::Serialize;
use twostep_core::hook::Command;
use twostep_core::name::Domains;
use twostep_core::policy::{KeyWorth, Policy, Readers};
use twostep_core::rule::{Glob, Rule};
use twostep_core::schedule::{Schedule, Unenrolled};
use twostep_core::time::UnixTime;

/// One that differs.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Setting {
    pub(super) key: &'static str,
    pub(super) before: String,
    pub(super) after: String,
    /// What that means, where it is easily overlooked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<&'static str>,
}

/// Those that differ.
pub(super) fn differing(before: &Policy, after: &Policy) -> Vec<Setting> {
    let pairs = all(before).into_iter().zip(all(after));
    let differing = pairs.filter(|((_, before), (_, after))| before != after);
    differing.map(|((key, before), (_, after))| Setting { key, before, after, note: note(key) }).collect()
}

fn note(key: &str) -> Option<&'static str> {
    Some(match key {
        "[paths] store" => {
            "nothing is moved: without a store there every login that needs it is refused, and in a new one nobody is enrolled"
        }
        "[paths] key" => {
            "nothing is moved: without the key of the store every login that needs it is refused"
        }
        "[paths] roster" => "the NSS module reads the roster at its usual place only",
        "[paths] runtime" => "twostepd must be restarted",
        "[interactive] ssh_keys" => {
            "with \"enough\" a copied key file, or a forwarded agent, signs in at an after-key line"
        }
        "[broker] help_desk" => "members see enrollments, reset wrong codes and give bypass codes",
        "[broker] protected" => "the help desk can give bypass codes for members of groups that are left out",
        "[broker] callers" => "these users can have anybody's login judged for these services",
        _ => return None,
    })
}

fn all(policy: &Policy) -> Vec<(&'static str, String)> {
    let Policy { paths, interactive, app, argon2id, roster, broker, .. } = policy;
    let yes = |value: bool| value.to_string();
    let trust = interactive.trust.value.iter().map(|kind| kind.word().to_owned());
    let callers = broker.callers.iter().map(|caller| format!("{}: {}", caller.user, list(&caller.services)));
    let [enrolled, pending, app_group, unenrolled] = &roster.groups;
    vec![
        ("issuer", policy.issuer.clone().unwrap_or_else(|| "the host's name".to_owned())),
        ("[interactive] unenrolled", schedule(&interactive.unenrolled.value)),
        ("[interactive] trust", list(&trust.collect::<Vec<_>>())),
        ("[interactive] trust_days", (interactive.trust_for.as_secs() / 86_400).to_string()),
        ("[interactive] security_keys", worth(interactive.security_keys.value)),
        ("[interactive] ssh_keys", worth(interactive.ssh_keys.value)),
        ("[interactive] ask_everyone", yes(interactive.ask_everyone)),
        ("[app] unenrolled", schedule(&app.unenrolled.value)),
        ("[app] services", list(&app.services.value)),
        ("[app] max_app_passwords", app.most.to_string()),
        ("[app] virtual_users", yes(app.naming.virtual_users)),
        ("[app] domains", domains(&app.naming.domains)),
        ("[app] revoke_on_password_change", yes(app.revoke_on_password_change)),
        ("[app] on_create", command(app.hooks.on_create.as_ref())),
        ("[app] on_revoke", command(app.hooks.on_revoke.as_ref())),
        ("[argon2id] memory_kib", argon2id.cost.memory.to_string()),
        ("[argon2id] passes", argon2id.cost.passes.to_string()),
        ("[argon2id] lanes", argon2id.cost.lanes.to_string()),
        (
            "[argon2id] at_once",
            argon2id.at_once.map_or_else(|| "half the processors".to_owned(), |n| n.to_string()),
        ),
        ("[roster] keep", yes(roster.keep)),
        (
            "[roster] readers",
            match &roster.readers {
                Readers::Everyone => "everyone".to_owned(),
                Readers::Group(group) => group.clone(),
            },
        ),
        ("[roster] members", yes(roster.members)),
        ("[roster] enrolled", named(enrolled)),
        ("[roster] pending", named(pending)),
        ("[roster] app", named(app_group)),
        ("[roster] unenrolled", named(unenrolled)),
        ("[roster] first_gid", roster.first_gid.to_string()),
        ("[self_service] enroll", schedule(&policy.self_service.enroll.value)),
        ("[self_service] unenroll", if policy.self_service.unenroll { "allow" } else { "deny" }.to_owned()),
        ("[broker] callers", list(&callers.collect::<Vec<_>>())),
        ("[broker] help_desk", broker.help_desk.clone().unwrap_or_else(|| "nobody".to_owned())),
        ("[broker] protected", list(&broker.protected.value)),
        ("[places] nat64_prefixes", list(&policy.nat64)),
        ("[paths] store", paths.store.display().to_string()),
        ("[paths] key", paths.key.display().to_string()),
        ("[paths] roster", paths.roster.display().to_string()),
        ("[paths] runtime", paths.runtime.display().to_string()),
    ]
}

/// Rules that are new, and those that are gone; or that their order is another.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Rules {
    pub(super) added: Vec<String>,
    pub(super) removed: Vec<String>,
    pub(super) reordered: bool,
}

impl Rules {
    pub(super) fn differing(before: &Policy, after: &Policy) -> Self {
        let texts = |policy: &Policy| policy.rules.iter().map(rule).collect::<Vec<_>>();
        let (before, after) = (texts(before), texts(after));
        // One for one: a rule can be there twice.
        let without = |all: &[String], others: &[String]| {
            let mut others = others.to_vec();
            let mut left = all.to_vec();
            left.retain(|text| match others.iter().position(|other| other == text) {
                Some(at) => {
                    others.remove(at);
                    false
                }
                None => true,
            });
            left
        };
        let (added, removed) = (without(&after, &before), without(&before, &after));
        let kept = |all: &[String], gone: &[String]| {
            all.iter().filter(|text| !gone.contains(text)).cloned().collect::<Vec<_>>()
        };
        let reordered = kept(&before, &removed) != kept(&after, &added);
        Self { added, removed, reordered }
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A rule as one line.
fn rule(rule: &Rule) -> String {
    let globs = |all: &Option<Vec<Glob>>| {
        all.as_ref().map(|all| all.iter().map(|glob| glob.as_str().to_owned()).collect::<Vec<_>>().join(", "))
    };
    let demand = rule.demand.as_ref().and_then(|demand| {
        let words = twostep_core::rule::Demanded::WORDS;
        words.iter().find(|(_, value)| *value == demand.value).map(|(word, _)| (*word).to_owned())
    });
    let trust = rule.trust.as_ref().map(|trust| {
        let kinds: Vec<_> = trust.value.iter().map(|kind| kind.word().to_owned()).collect();
        list(&kinds)
    });
    let parts = [
        ("service", globs(&rule.services)),
        ("tty", globs(&rule.ttys)),
        ("from", rule.networks.as_deref().map(list)),
        ("user", rule.users.as_deref().map(list)),
        ("group", rule.groups.as_deref().map(list)),
        ("until", rule.last_day()),
        ("demand", demand),
        ("unenrolled", rule.unenrolled.as_ref().map(|setting| schedule(&setting.value))),
        ("trust", trust),
        ("security_keys", rule.security_keys.as_ref().map(|setting| worth(setting.value))),
        ("ssh_keys", rule.ssh_keys.as_ref().map(|setting| worth(setting.value))),
        ("reason", rule.reason.clone()),
        ("owner", rule.owner.clone()),
    ];
    let parts = parts.into_iter().filter_map(|(key, value)| value.map(|value| format!("{key} {value}")));
    parts.collect::<Vec<_>>().join("; ")
}

fn worth(value: KeyWorth) -> String {
    let words = KeyWorth::WORDS.iter().find(|(_, known)| *known == value);
    words.map_or_else(String::new, |(word, _)| (*word).to_owned())
}

fn list(all: &[impl ToString]) -> String {
    match all {
        [] => "none".to_owned(),
        all => all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

fn named(group: &str) -> String {
    if group.is_empty() { "none".to_owned() } else { group.to_owned() }
}

fn command(command: Option<&Command>) -> String {
    command.map_or_else(|| "none".to_owned(), |command| command.words.join(" "))
}

fn domains(domains: &Domains) -> String {
    match domains {
        Domains::Keep => "keep".to_owned(),
        Domains::Strip => "strip".to_owned(),
        Domains::Own(own) => list(own),
    }
}

/// All of it, whatever the day is.
fn schedule(schedule: &Schedule) -> String {
    let mut at = UnixTime(i64::MIN);
    let mut text = Unenrolled::word(schedule.at(at)).to_owned();
    while let Some((from, value)) = schedule.next(at) {
        text.push_str(&format!(", {} from {}", value.word(), from.date()));
        at = from;
    }
    text
}
