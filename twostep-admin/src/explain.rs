//! `explain`: what the module would demand, by the very function that it calls, and the line of the configuration that decides.

use crate::break_glass::file_in;
use crate::cli::{Arguments, Explain};
use crate::context::{Context, configuration_path, policy};
use crate::failure::Failure;
use crate::output::{Output, Report};
use crate::services;
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;
use twostep_core::account::{NO_UID, settle_gone, settle_uid};
use twostep_core::attempt::{ServiceClass, Source};
use twostep_core::break_glass::{Caller, Place, find, has_terminal, is_console};
use twostep_core::decide::{Demand, Keys, Otherwise, Unless, Wanted};
use twostep_core::event::{Ending, Reason};
use twostep_core::login::{Judged, Request, Word, demand};
use twostep_core::name::ServiceName;
use twostep_core::policy::{Origin, Policy};
use twostep_core::protocol::{Echo, Mode};
use twostep_core::rule::{Demanded, Rule, Tty};
use twostep_core::time::UnixTime;
use twostep_store::break_glass;
use twostep_store::host::{self, Nss};
use twostep_terminal::put_line;

/// Carries it out. What cannot be told is told as the refusal it is, with exit status 3.
pub(crate) fn run(arguments: &Arguments, wanted: &Explain) -> Result<ExitCode, Failure> {
    let path = configuration_path(arguments);
    if let Some(exempt) = Explained::break_glass(wanted) {
        Output::of(arguments).report(&exempt)?;
        return Ok(ExitCode::SUCCESS);
    }
    let policy = match policy(arguments) {
        Ok(policy) => policy,
        Err(error) => {
            let reason = Reason::Configuration { cause: error.cause() };
            let report = Explained::unavailable(wanted, None, &reason);
            Output::of(arguments).report(&report)?;
            return Err(error.into());
        }
    };
    let mut context = Context::with(policy, arguments);
    let tty = seat(wanted.tty.as_deref(), &wanted.service);
    let from = wanted.from.map(|address| address.to_string());
    let request = Request {
        user: &wanted.user,
        service: wanted.service.clone(),
        mode: Mode::ByService,
        source: Source::told(from.as_deref(), tty, &wanted.service, &context.policy.nat64),
        tty,
        prompt: None,
        echo: Echo::Hidden,
        key: None,
        word: Word::Counts,
    };
    services::look(&host::known_services(&context.policy), &wanted.service, context.output.format());
    let now = context.now.wall;
    let report = match demand(&Nss, &mut context.files, &context.policy, &request, now) {
        Ok(judged) => Explained::of(wanted, &context.policy, &path, &judged),
        Err(reason) => Explained::unavailable(wanted, Some(&path), &reason),
    };
    context.output.report(&report)?;
    Ok(ExitCode::from(if report.available { 0 } else { 3 }))
}

/// The terminal: a console as where the service has proved it, which login does; one that the callers of su choose; any other as it is said.
pub(crate) fn seat<'t>(tty: Option<&'t str>, service: &ServiceName) -> Tty<'t> {
    match tty {
        Some(tty) if !is_console(tty.strip_prefix("/dev/").unwrap_or(tty)) => Tty::Named(tty),
        Some(tty) if has_terminal(service) => Tty::Proven(tty),
        Some(_) => Tty::Doubted,
        None => Tty::None,
    }
}

#[derive(Serialize)]
struct Explained {
    user: String,
    service: String,
    /// `interactive` or `app`; null without a configuration.
    class: Option<&'static str>,
    class_origin: Option<String>,
    from: Option<String>,
    tty: Option<String>,
    /// `FILE:LINE` of the rule that matches.
    rule: Option<String>,
    demand: &'static str,
    reason: String,
    /// `FILE:LINE`, `default`, or `always` where no setting is involved.
    origin: String,
    /// The name that the enrollment was made for, where that has gone.
    orphan: Option<String>,
    /// What becomes of the wrong kind of answer: `refused`, or what is demanded of the unenrolled.
    otherwise: Option<&'static str>,
    /// From this day on it is another demand.
    until: Option<String>,
    /// What can be trusted not to need a code.
    trust: Vec<&'static str>,
    /// The keys that need no code: `security-keys`, at an `after-key` line, or `ssh-keys`.
    enough: Option<&'static str>,
    /// `FILE:LINE` of the setting that says so.
    enough_origin: Option<String>,
    sentence: String,
    #[serde(skip)]
    available: bool,
}

impl Explained {
    fn new(wanted: &Explain) -> Self {
        Self {
            user: wanted.user.clone(),
            service: wanted.service.to_string(),
            class: None,
            class_origin: None,
            from: wanted.from.map(|address| address.to_string()),
            tty: wanted.tty.clone(),
            rule: None,
            demand: "deny",
            reason: String::new(),
            origin: "always".to_owned(),
            orphan: None,
            otherwise: None,
            until: None,
            trust: Vec::new(),
            enough: None,
            enough_origin: None,
            sentence: String::new(),
            available: true,
        }
    }

    /// What is decided before anything else is read, as in a login. A file that cannot be used decides nothing.
    fn break_glass(wanted: &Explain) -> Option<Self> {
        let file = file_in(&wanted.etc);
        let exemptions = break_glass::read(&file).ok()?;
        let place = match (wanted.from, seat(wanted.tty.as_deref(), &wanted.service)) {
            (None, Tty::Proven(tty)) => Place::of(&Source::Local, Some(tty), Caller::Root),
            _ => Place::Elsewhere,
        };
        let exemption = find(&exemptions, &wanted.service, place, || Some(wanted.user.clone()))?;
        let mut told = Self::new(wanted);
        told.demand = "nothing";
        told.decided(&Reason::BreakGlass { entry: exemption.line }, Origin::Line(exemption.line), &file);
        told.sentence = format!(
            "break glass: no code, whatever else is configured or broken; the rest of the stack still asks for its password\n\
             reason: {}\nowner: {}",
            exemption.reason, exemption.owner
        );
        Some(told)
    }

    fn of(wanted: &Explain, policy: &Policy, path: &Path, judged: &Judged<'_>) -> Self {
        let mut told = Self::new(wanted);
        told.class = Some(class_word(judged.class));
        told.rule = judged.rule.map(|rule| origin_words(rule.origin, path));
        let by_rule = judged
            .rule
            .and_then(|rule| rule.demand.as_ref())
            .filter(|demand| matches!(demand.value, Demanded::Code | Demanded::AppPassword));
        let class_origin = by_rule.map_or(policy.app.services.origin, |demand| demand.origin);
        told.class_origin = Some(origin_words(class_origin, path));
        if let Some(user) = &judged.user {
            told.user = user.to_string();
        }
        match &judged.demand {
            Demand::Nothing(aside) => {
                told.demand = "nothing";
                told.decided(&aside.why.reason, aside.why.origin, path);
                told.until = aside.denied_from.map(UnixTime::date);
                told.sentence = match (&aside.why.reason, &told.until) {
                    (Reason::Exempt { .. }, _) => exempt(judged.rule),
                    (_, Some(day)) => format!(
                        "not enrolled, and the policy allows that until {day}: the password is enough"
                    ),
                    _ => "not enrolled, and the policy allows that: the password is enough".to_owned(),
                };
            }
            Demand::Enroll(enroll) => {
                told.demand = "enroll";
                told.decided(&Reason::ToEnroll { by: enroll.by }, enroll.origin, path);
                told.until = enroll.by.map(UnixTime::date);
                told.sentence = match &told.until {
                    Some(day) => format!(
                        "not enrolled: asked after the password to set two-step up, and let in without until {day}"
                    ),
                    None => "not enrolled: sets two-step up after the password, or is refused".to_owned(),
                };
            }
            Demand::Deny(why) => {
                told.decided(&why.reason, why.origin, path);
                told.sentence = denied(&why.reason, &told.user);
            }
            Demand::Code(how) => {
                told.demand = "code";
                told.enrolled(how, path, "a code or a backup code", "an empty one");
            }
            Demand::AppPassword(how) => {
                told.demand = "app-password";
                told.enrolled(how, path, "an app password", "the account password");
            }
        }
        told
    }

    fn unavailable(wanted: &Explain, path: Option<&Path>, reason: &Reason) -> Self {
        let mut told = Self::new(wanted);
        told.reason = reason.word().to_owned();
        told.available = reason.ending() != Ending::Unavailable;
        told.sentence = match reason {
            Reason::Store { cause, remedy } => format!("refused: {cause}\n  hint: {remedy}"),
            Reason::Nss { cause } => format!("refused: {cause}\n  hint: getent passwd USER must work"),
            Reason::Configuration { .. } => "refused: the configuration cannot be used".to_owned(),
            Reason::AtOdds { rule } => {
                let place = path.map_or_else(|| rule.to_string(), |path| origin_words(*rule, path));
                format!("refused: the rule at {place} demands what the module's line cannot ask for")
            }
            other => denied(other, &wanted.user),
        };
        told
    }

    fn decided(&mut self, reason: &Reason, origin: Origin, path: &Path) {
        self.reason = reason.word().to_owned();
        self.origin = origin_words(origin, path);
    }

    fn enrolled(&mut self, how: &Wanted, path: &Path, what: &str, else_: &str) {
        self.trust = how.trust.iter().flat_map(|trust| &trust.kinds).map(|kind| kind.word()).collect();
        self.enough = how.enough.map(|enough| enough.keys.word());
        self.enough_origin = how.enough.map(|enough| origin_words(enough.origin, path));
        match &how.otherwise {
            Otherwise::Refuse => {
                self.reason = "enrolled".to_owned();
                self.otherwise = Some("refused");
                self.sentence = format!("enrolled: {what} is asked for, and anything else refused");
            }
            Otherwise::AsUnenrolled(unless) => {
                self.reason = "pending".to_owned();
                let (word, fate, origin) = match unless {
                    Unless::GoOn(origin) => ("nothing", "goes on as if not enrolled", *origin),
                    Unless::Refuse(origin) => {
                        ("deny", "is refused, as for everybody who is not enrolled", *origin)
                    }
                };
                self.origin = origin_words(origin, path);
                self.otherwise = Some(word);
                self.sentence = format!("enrollment pending: {what} is taken; {else_} {fate}");
            }
        }
        if let Some(enough) = how.enough {
            self.sentence.push_str(match enough.keys {
                Keys::Security => {
                    "\nA security key (sk-...) is enough at an after-key line: neither password nor code is asked for."
                }
                Keys::All => {
                    "\nAny ssh key is enough at an after-key line: neither password nor code is asked for. A copy of the key file opens it."
                }
            });
        }
        if let Some(orphan) = &how.orphan {
            self.reason = "orphan".to_owned();
            self.orphan = Some(orphan.to_string());
            self.sentence.push_str(&format!(
                "\nThe uid has the enrollment of {orphan}, which has no account any more: it is a code of that. {}",
                settle_gone(orphan.as_str(), Some(&self.user))
            ));
        }
    }
}

fn exempt(rule: Option<&Rule>) -> String {
    let mut text = "a rule exempts: the password is enough, or whatever else the stack asks for".to_owned();
    let Some(rule) = rule else { return text };
    let facts = [("reason", rule.reason.clone()), ("owner", rule.owner.clone()), ("until", rule.last_day())];
    for (what, value) in facts {
        if let Some(value) = value {
            text.push_str(&format!("\n{what}: {value}"));
        }
    }
    text
}

fn denied(reason: &Reason, user: &str) -> String {
    let why = match reason {
        Reason::NotEnrolledDenied => "not enrolled, and the policy does not allow that".to_owned(),
        Reason::NameSpelling => "NSS does not know the name so spelled, but it is somebody's".to_owned(),
        Reason::UserUnknown => "NSS does not know the name".to_owned(),
        Reason::UidChanged { was, is } => {
            let was = if *was == NO_UID { "a virtual user".to_owned() } else { format!("uid {was}") };
            format!("enrolled as {was}, the account has uid {is} now: {}", settle_uid(user, None))
        }
        Reason::VirtualUsersOff => {
            "a virtual user, and there are none here: [app] virtual_users, and services".to_owned()
        }
        Reason::Orphan { of, .. } => format!(
            "the uid has the enrollment of {of}, which has no account any more: {}",
            settle_gone(of.as_str(), Some(user))
        ),
        Reason::AppOnly => "app-only: no authenticator, so no prompt".to_owned(),
        Reason::DeniedByRule { .. } => "a rule of the configuration refuses".to_owned(),
        other => other.word().to_owned(),
    };
    format!("refused: {why}")
}

fn class_word(class: ServiceClass) -> &'static str {
    match class {
        ServiceClass::Interactive => "interactive",
        ServiceClass::App => "app",
    }
}

fn origin_words(origin: Origin, path: &Path) -> String {
    match origin {
        Origin::Default => "default".to_owned(),
        Origin::Line(line) => format!("{}:{line}", path.display()),
        Origin::Always => "always".to_owned(),
    }
}

impl Report for Explained {
    fn text(&self, to: &mut String) {
        let mut put = |what: &str, value: &str| {
            put_line!(to, "{what:<9} {value}");
        };
        put("user", &self.user);
        match (self.class, &self.class_origin) {
            (Some(class), Some(origin)) => {
                put("service", &format!("{} ({class}: {origin})", self.service));
            }
            _ => put("service", &self.service),
        }
        if let Some(from) = &self.from {
            put("from", from);
        }
        if let Some(tty) = &self.tty {
            put("tty", tty);
        }
        if let Some(rule) = &self.rule {
            put("rule", rule);
        }
        put("demand", self.demand);
        put("reason", &self.reason);
        put("decided", &self.origin);
        if !self.trust.is_empty() {
            put("trust", &self.trust.join(", "));
        }
        if let (Some(keys), Some(origin)) = (self.enough, &self.enough_origin) {
            put("enough", &format!("{keys} ({origin})"));
        }
        put_line!(to, "\n{}", self.sentence);
        if self.class == Some("interactive") {
            put_line!(
                to,
                "The word \"app\" on the service's pam_twostep.so line would make it an app service."
            );
        }
    }
}
