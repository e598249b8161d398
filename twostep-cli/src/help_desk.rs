//! `help-desk`: somebody else is helped. The broker asks for one's own password and code first.

use crate::changes::text;
use crate::cli::{Arguments, HelpDesk};
use crate::conversation::Conversation;
use crate::failure::Failure;
use crate::status::Status;
use serde::Serialize;
use twostep_core::protocol::own::{self, Aid, Done};
use twostep_core::protocol::{FromBroker, ToBroker};
use twostep_terminal::put_line;
use twostep_terminal::{BypassCode, Report, counted, time};

/// Carries it out.
pub(crate) fn run(
    arguments: &Arguments,
    broker: &mut Conversation<'_>,
    wanted: &HelpDesk,
) -> Result<(), Failure> {
    let (case, aid) = match wanted {
        HelpDesk::Show(case) => (case, Aid::Show),
        HelpDesk::Unlock(case) => (case, Aid::Unlock),
        HelpDesk::Bypass { case, lifetime, uses } => {
            let lifetime = u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX);
            (case, Aid::Bypass { lifetime, uses: *uses })
        }
    };
    let task = own::HelpDesk { user: case.user.clone(), reason: case.reason.to_string(), aid };
    let output = arguments.output();
    match broker.ask(&ToBroker::HelpDesk { task })? {
        FromBroker::Status { status } => output.report(&Status::of(&status)),
        FromBroker::Done { done: Done::Unlocked { forgotten } } => {
            output.report(&Unlocked { user: &case.user, forgotten })
        }
        FromBroker::Done { done: Done::Bypass { code, until, uses } } => {
            let code = text(&code)?;
            output.report(&BypassCode { user: &case.user, code: &code, until: time(until), uses })
        }
        _ => return Err(Failure::Strange),
    }
    .map_err(Failure::Output)
}

#[derive(Serialize)]
struct Unlocked<'a> {
    user: &'a str,
    forgotten: u32,
}

impl Report for Unlocked<'_> {
    fn text(&self, to: &mut String) {
        put_line!(to, "{}: {} forgotten", self.user, counted(self.forgotten, "wrong code"));
    }
}
