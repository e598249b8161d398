//! Rules that demand of a service what its stack cannot ask for.

use super::{Look, reached};
use crate::check::{Finding, Id};
use crate::stack::AuthLine;
use crate::stacks::Seen;
use twostep_core::attempt::ServiceClass;
use twostep_core::decide::Terms;
use twostep_core::name::ServiceName;
use twostep_core::policy::SELF_SERVICE;
use twostep_core::protocol::Mode;
use twostep_core::rule::Demanded;
use twostep_stacks::Place;

impl Look<'_> {
    /// Rules that demand of a service what its line cannot ask for, as far as the service alone tells.
    pub(super) fn at_odds(&mut self, stacks: &Seen) {
        for (service, lines) in &stacks.lines {
            let Ok(name) = ServiceName::parse(service) else { continue };
            if service == SELF_SERVICE {
                continue;
            }
            for rule in reached(self.policy, &name, self.at).into_iter().flatten() {
                let Some(demand) = &rule.demand else { continue };
                // Where an app password has opened by itself, whatever comes after it finds the same one again.
                let opened = lines.iter().any(|line| line.mode == Mode::App && line.ends);
                for line in lines {
                    let class =
                        Terms::of(self.policy, Some(rule), line.mode, &name).ok().map(|terms| terms.class);
                    let Some((id, trouble)) = trouble(class, demand.value, line, opened) else { continue };
                    let message = format!(
                        "demands {}, which {} {trouble}",
                        demanded(demand.value),
                        of_stack(&line.place, service)
                    );
                    let remedy = format!(
                        "add `service` to the rule so that it leaves {service} out, or write that line for what is demanded"
                    );
                    self.findings.push(Finding::error(id, self.place(demand.origin), message, remedy));
                }
            }
        }
    }
}

/// What is wrong with a demand at a line, which by the rule is for services of this class: none where it
/// cannot ask for what is demanded. `opened` is whether an app password opens by itself before.
fn trouble(
    class: Option<ServiceClass>,
    demanded: Demanded,
    line: &AuthLine,
    opened: bool,
) -> Option<(Id, String)> {
    let (id, trouble) = match (class, demanded, line.ends) {
        (None, ..) => {
            let word = word(line.mode);
            let trouble = format!("cannot ask for ({word}): everybody whom the rule matches is refused");
            return Some((Id::RuleRefusesEverybody, trouble));
        }
        // What a line without a word is for goes by the configuration's list, until a rule says otherwise.
        _ if line.mode != Mode::ByService => return None,
        (Some(ServiceClass::Interactive), Demanded::Code, true) => {
            (Id::RuleCodeAloneOpens, "asks for in the place of the password: its success is enough")
        }
        (Some(ServiceClass::App), Demanded::AppPassword, false) if !opened => {
            (Id::RuleAppPasswordRefused, "takes, but the password modules refuse: its success is not enough")
        }
        _ => return None,
    };
    Some((id, trouble.to_owned()))
}

fn word(mode: Mode) -> &'static str {
    match mode {
        Mode::App => "app",
        Mode::AfterKey => "after-key",
        Mode::OnePrompt => "one-prompt",
        Mode::ByService => "no word",
    }
}

fn demanded(what: Demanded) -> &'static str {
    match what {
        Demanded::Code => "a code",
        Demanded::AppPassword => "an app password",
        Demanded::Nothing => "nothing",
        Demanded::Deny => "what nobody has",
    }
}

/// A line of a service's stack, in words.
fn of_stack(place: &Place, service: &str) -> String {
    match place.file.rsplit('/').next() {
        Some(file) if file != service => {
            format!("line {} of {file}, in the stack {service},", place.line)
        }
        _ => format!("line {} of the stack {service}", place.line),
    }
}
