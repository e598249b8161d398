//! `pam status`: what each service's stack demands, in words.

use crate::cli::Arguments;
use crate::context;
use crate::failure::Failure;
use crate::output::{Output, Report, table};
use crate::pam::arguments::Status;
use crate::pam::failure::PamFailure;
use crate::pam::host::Stacks;
use crate::pam::judge;
use crate::rules::reached;
use crate::services;
use crate::stacks::ASKED_FOR;
use serde::Serialize;
use twostep_core::decide::{Keys, Terms};
use twostep_core::name::ServiceName;
use twostep_core::policy::Policy;
use twostep_core::protocol::Mode;
use twostep_stacks::{Code, Handler, Phase, Service, can_return, takes_password};
use twostep_terminal::put_line;

/// Carries it out. Needs no configuration, and says less without one.
pub(crate) fn run(arguments: &Arguments, wanted: &Status) -> Result<(), Failure> {
    let policy = context::policy(arguments).ok();
    let host =
        Stacks::of(&wanted.places.pam_dir).listing(policy.as_ref(), &context::configuration_path(arguments));
    let output = Output::of(arguments);
    if let Some(service) = &wanted.service {
        services::look(&services::of(&host, policy.as_ref()), service, output.format());
        return output.report(&One::of(&host, service.as_str(), policy.as_ref()));
    }
    let unread = |error| PamFailure::Unread(host.folder.clone(), error);
    let names = host.names().map_err(unread)?;
    let included = host.included_files();
    let asked_for = |name: &&String| !included.contains_key(*name) || ASKED_FOR.contains(&name.as_str());
    let services =
        names.iter().filter(asked_for).map(|name| Meaning::of(&host, name, policy.as_ref())).collect();
    output.report(&All { services })
}

/// What a service's stacks mean.
#[derive(Debug, Serialize)]
pub(crate) struct Meaning {
    service: String,
    /// Its own file, where it has one.
    file: Option<String>,
    /// Whether a line of ours is come to in the auth phase.
    wired: bool,
    /// What is demanded, in words.
    demands: String,
    /// The keys that need no code at an `after-key` line, where it has one: `security-keys` or `ssh-keys`. As far as the service alone
    /// decides: a rule about users or places may say something else.
    enough: Option<&'static str>,
    /// The ways past our lines.
    skipped: Vec<Skipped>,
}

#[derive(Debug, Serialize)]
struct Skipped {
    place: String,
    message: String,
    remedy: String,
}

impl Meaning {
    /// Reads and plays a service.
    pub(crate) fn of(host: &Stacks, name: &str, policy: Option<&Policy>) -> Self {
        match host.read(name) {
            Ok(service) => Self::read(name, &service, policy),
            Err(fault) => Self {
                service: name.to_owned(),
                file: None,
                wired: false,
                demands: format!("nobody gets in: {fault}"),
                enough: None,
                skipped: Vec::new(),
            },
        }
    }

    fn read(name: &str, service: &Service, policy: Option<&Policy>) -> Self {
        let chain = service.chain(Phase::Auth);
        let listed = ServiceName::parse(name)
            .is_ok_and(|name| policy.is_some_and(|policy| policy.app.services.value.contains(&name)));
        let after_key = |handler: &Handler| judge::is_ours(handler) && judge::says(handler, "after-key");
        let keys = policy.filter(|_| chain.iter().any(after_key)).and_then(|policy| enough(policy, name));
        let skips =
            [Phase::Auth, Phase::Account].map(|phase| judge::skips(service, phase).unwrap_or_default());
        let skipped = skips.into_iter().flatten().map(|skip| Skipped {
            place: skip.place.to_string(),
            message: skip.message,
            remedy: skip.remedy,
        });
        Self {
            service: name.to_owned(),
            file: service.file.as_ref().map(|file| file.to_string()),
            wired: chain.iter().any(judge::is_ours),
            demands: demands(name, service, listed, keys),
            enough: keys.map(Keys::word),
            skipped: skipped.collect(),
        }
    }

    /// Its name.
    pub(crate) fn service(&self) -> &str {
        &self.service
    }

    /// Whether a line of ours is come to.
    pub(crate) fn is_wired(&self) -> bool {
        self.wired
    }

    /// What it demands, and each way past that.
    pub(crate) fn text(&self, to: &mut String) {
        put_line!(to, "{}: {}", self.service, self.demands);
        for skipped in &self.skipped {
            put_line!(to, "skipped: {}: {}\n  hint: {}", skipped.place, skipped.message, skipped.remedy);
        }
    }

    fn summary(&self) -> String {
        match self.skipped.len() {
            0 => self.demands.clone(),
            1 => format!("{}; can be skipped in one way", self.demands),
            ways => format!("{}; can be skipped in {ways} ways", self.demands),
        }
    }
}

/// The keys that need no code at a service's `after-key` line, for whomever no rule about users or places matches.
fn enough(policy: &Policy, name: &str) -> Option<Keys> {
    // Of a name that is no service's, and of a rule at odds with the line, no key is said to be enough.
    let name = ServiceName::parse(name).ok()?;
    let rule = reached(policy, &name, policy.written).pop().flatten();
    Terms::of(policy, rule, Mode::AfterKey, &name).ok()?.enough.map(|enough| enough.keys)
}

/// What the auth phase demands.
fn demands(name: &str, service: &Service, listed: bool, keys: Option<Keys>) -> String {
    let chain = service.chain(Phase::Auth);
    let opens =
        can_return(chain, &|handler| judge::possible(handler, Phase::Auth), &[Code::SUCCESS]).unwrap_or(true);
    let asked = asked(chain, listed, keys);
    let ours = chain.iter().any(judge::is_ours);
    let words = match (opens, asked.as_slice()) {
        (false, _) if chain.iter().any(|handler| handler.module_name() == Some("pam_rootok.so")) => {
            "not wired: root alone".to_owned()
        }
        (false, _) => "nobody gets in".to_owned(),
        (true, []) => "not wired: no password".to_owned(),
        (true, asked) if ours => sentence(asked),
        (true, asked) => format!("not wired: {}", asked.join(", then ")),
    };
    let ours_later = service.chain(Phase::Account).iter().any(judge::is_ours);
    match (service.is_others(Phase::Auth) && name != "other", ours, ours_later) {
        (true, ..) => format!("{words} (it has no auth lines: those of \"other\" count)"),
        (false, false, true) => format!("{words} (it has an account line alone)"),
        _ => words,
    }
}

/// What an `after-key` line takes.
const BY_KEY: [&str; 3] = ["key and code", "security key, or key and code", "key"];

/// What is asked for, in order, each but once.
fn asked(chain: &[Handler], listed: bool, keys: Option<Keys>) -> Vec<&'static str> {
    let mut asked = Vec::new();
    for handler in chain {
        let says = |word| judge::says(handler, word);
        let what = match handler.module_name() {
            Some(module) if takes_password(module) => "password",
            Some(_) if !judge::is_ours(handler) => continue,
            None => continue,
            _ if says("app") || (listed && !says("after-key") && !says("one-prompt")) => "app password",
            _ if says("after-key") => match keys {
                None => BY_KEY[0],
                Some(Keys::Security) => BY_KEY[1],
                Some(Keys::All) => BY_KEY[2],
            },
            _ if says("one-prompt") => "password and code in one",
            _ => "code",
        };
        if !asked.contains(&what) {
            asked.push(what);
        }
    }
    asked
}

fn sentence(asked: &[&str]) -> String {
    match asked {
        ["app password", "password", ..] => {
            "app password; the account password from those who may give it".to_owned()
        }
        [by_key, rest @ ..] if BY_KEY.contains(by_key) && !rest.is_empty() => {
            format!("{by_key}, or {}", rest.join(", then "))
        }
        ["password and code in one", "password", rest @ ..] if !rest.is_empty() => {
            "password and code in one, or one after the other".to_owned()
        }
        asked => asked.join(", then "),
    }
}

#[derive(Serialize)]
struct All {
    services: Vec<Meaning>,
}

impl Report for All {
    fn text(&self, to: &mut String) {
        let row = |one: &Meaning| vec![one.service.clone(), one.summary()];
        to.push_str(&table(&["SERVICE", "DEMANDS"], self.services.iter().map(row)));
        let mut told: Vec<(&str, &str)> = Vec::new();
        for skipped in self.services.iter().flat_map(|one| &one.skipped) {
            if !told.contains(&(&skipped.place, &skipped.message)) {
                put_line!(to, "{}: {}\n  hint: {}", skipped.place, skipped.message, skipped.remedy);
                told.push((&skipped.place, &skipped.message));
            }
        }
    }
}

/// One service with all its lines.
#[derive(Serialize)]
struct One {
    #[serde(flatten)]
    meaning: Meaning,
    lines: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    phase: &'static str,
    place: String,
    level: usize,
    line: String,
}

impl One {
    fn of(host: &Stacks, name: &str, policy: Option<&Policy>) -> Self {
        let mut lines = Vec::new();
        if let Ok(service) = host.read(name) {
            for phase in [Phase::Auth, Phase::Account] {
                lines.extend(service.chain(phase).iter().map(|handler| Line::of(host, phase, handler)));
            }
        }
        Self { meaning: Meaning::of(host, name, policy), lines }
    }
}

impl Line {
    fn of(host: &Stacks, phase: Phase, handler: &Handler) -> Self {
        let text = host.included(&handler.place.file).unwrap_or_default();
        let line = text.lines().nth(handler.place.line.saturating_sub(1)).unwrap_or_default();
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        Self { phase: phase.word(), place: handler.place.to_string(), level: handler.level, line }
    }
}

impl Report for One {
    fn text(&self, to: &mut String) {
        self.meaning.text(to);
        let row = |line: &Line| {
            vec![
                line.phase.to_owned(),
                line.place.clone(),
                format!("{}{}", "  ".repeat(line.level), line.line),
            ]
        };
        to.push_str(&table(&["PHASE", "WHERE", "LINE"], self.lines.iter().map(row)));
    }
}
