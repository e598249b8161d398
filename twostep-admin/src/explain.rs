//! `explain`: what the module would demand, by the very function that it calls, and the line of the configuration that decides.

use crate::cli::{Arguments, Explain};
use crate::context::{Context, configuration_path, policy};
use crate::failure::Failure;
use crate::output::{Output, Report};
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;
use twostep_core::attempt::{Attempt, ServiceClass, Source};
use twostep_core::decide::{Demand, Otherwise, Wanted, unenrolled};
use twostep_core::event::{Ending, Reason};
use twostep_core::login::{Request, demand};
use twostep_core::policy::{Origin, Policy};
use twostep_store::host::Nss;
use twostep_terminal::put_line;

/// Carries it out. What cannot be told is told as the refusal it is, with exit status 3.
pub(crate) fn run(arguments: &Arguments, wanted: &Explain) -> Result<ExitCode, Failure> {
    let path = configuration_path(arguments);
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
    let class = class(&context.policy, wanted);
    let request = Request {
        user: &wanted.user,
        service: wanted.service.clone(),
        class,
        source: wanted.from.map_or(Source::Unknown, |address| Source::Address(address.to_canonical())),
        prompt: None,
        key_seen: false,
    };
    let report = match demand(&Nss, &mut context.files, &context.policy, &request) {
        Ok((attempt, demand)) => Explained::of(wanted, &context.policy, &path, &attempt, &demand),
        Err(reason) => Explained::unavailable(wanted, Some((&context.policy, &path, class)), &reason),
    };
    context.output.report(&report)?;
    Ok(ExitCode::from(if report.available { 0 } else { 3 }))
}

/// The class by the configuration's list. The word `app` on the module's line would decide before that.
fn class(policy: &Policy, wanted: &Explain) -> ServiceClass {
    if policy.app.services.value.contains(&wanted.service) {
        ServiceClass::App
    } else {
        ServiceClass::Interactive
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
    demand: &'static str,
    reason: String,
    /// `FILE:LINE`, `default`, or `always` where no setting is involved.
    origin: String,
    /// What becomes of the wrong kind of answer: `refused`, or what is demanded of the unenrolled.
    otherwise: Option<&'static str>,
    sentence: String,
    #[serde(skip)]
    available: bool,
}

impl Explained {
    fn new(wanted: &Explain, by: Option<(&Policy, &Path, ServiceClass)>) -> Self {
        Self {
            user: wanted.user.clone(),
            service: wanted.service.to_string(),
            class: by.map(|(_, _, class)| class_word(class)),
            class_origin: by.map(|(policy, path, _)| origin_words(policy.app.services.origin, path)),
            from: wanted.from.map(|address| address.to_string()),
            demand: "deny",
            reason: String::new(),
            origin: "always".to_owned(),
            otherwise: None,
            sentence: String::new(),
            available: true,
        }
    }

    fn of(wanted: &Explain, policy: &Policy, path: &Path, attempt: &Attempt, demand: &Demand) -> Self {
        let mut told = Self::new(wanted, Some((policy, path, attempt.class)));
        if let Some(user) = &attempt.user {
            told.user = user.to_string();
        }
        match demand {
            Demand::Nothing(why) => {
                told.demand = "nothing";
                told.decided(&why.reason, why.origin, path);
                told.sentence = "not enrolled, and the policy allows that: the password is enough".to_owned();
            }
            Demand::Deny(why) => {
                told.decided(&why.reason, why.origin, path);
                told.sentence = denied(&why.reason);
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

    fn unavailable(wanted: &Explain, by: Option<(&Policy, &Path, ServiceClass)>, reason: &Reason) -> Self {
        let mut told = Self::new(wanted, by);
        told.reason = reason.word().to_owned();
        told.available = reason.ending() != Ending::Unavailable;
        told.sentence = match reason {
            Reason::Store { cause, remedy } => format!("refused: {cause}\n  hint: {remedy}"),
            Reason::Nss { cause } => format!("refused: {cause}\n  hint: getent passwd USER must work"),
            Reason::Configuration { .. } => "refused: the configuration cannot be used".to_owned(),
            other => format!("refused: {}", other.word()),
        };
        told
    }

    fn decided(&mut self, reason: &Reason, origin: Origin, path: &Path) {
        self.reason = reason.word().to_owned();
        self.origin = origin_words(origin, path);
    }

    fn enrolled(&mut self, how: &Wanted, path: &Path, what: &str, else_: &str) {
        match &how.otherwise {
            Otherwise::Refuse => {
                self.reason = "enrolled".to_owned();
                self.otherwise = Some("refused");
                self.sentence = format!("enrolled: {what} is asked for, and anything else refused");
            }
            Otherwise::AsUnenrolled(rule) => {
                self.reason = "pending".to_owned();
                self.origin = origin_words(rule.origin, path);
                let (word, fate) = match unenrolled(rule) {
                    Demand::Nothing(_) => ("nothing", "goes on as if not enrolled"),
                    _ => ("deny", "is refused, as for everybody who is not enrolled"),
                };
                self.otherwise = Some(word);
                self.sentence = format!("enrollment pending: {what} is taken; {else_} {fate}");
            }
        }
    }
}

fn denied(reason: &Reason) -> String {
    let why = match reason {
        Reason::NotEnrolledDenied => "not enrolled, and the policy does not allow that".to_owned(),
        Reason::NameSpelling => "NSS does not know the name so spelled, but it is somebody's".to_owned(),
        Reason::UserUnknown => "NSS does not know the name".to_owned(),
        Reason::UidChanged { was, is } => {
            format!("enrolled as uid {was}, the account has uid {is} now: twostep-admin settle USER")
        }
        Reason::AppOnly => "app-only: no authenticator, so no prompt".to_owned(),
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
                put("service", &format!("{} ({class}; app.services: {origin})", self.service));
            }
            _ => put("service", &self.service),
        }
        if let Some(from) = &self.from {
            put("from", from);
        }
        put("demand", self.demand);
        put("reason", &self.reason);
        put("decided", &self.origin);
        put_line!(to, "\n{}", self.sentence);
        if self.class == Some("interactive") {
            put_line!(
                to,
                "The word \"app\" on the service's pam_twostep.so line would make it an app service."
            );
        }
    }
}
