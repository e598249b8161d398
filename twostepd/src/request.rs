//! The first message on a connection says what it is for.

use crate::broker::{Asker, Broker};
use crate::limits::FIRST;
use crate::{change, help_desk, log, own, sign_in};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, Once, PoisonError};
use twostep_core::protocol::{Malformed, Refusal, ToBroker, VERSION};
use twostep_host::link::LinkError;

/// Serves one connection to its end.
pub(crate) fn serve(broker: &Broker, asker: &Asker<'_>) {
    silence_panics();
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| conversation(broker, asker))) {
        // Dropping a payload can panic in its turn; leaking it cannot.
        std::mem::forget(payload);
        let place = LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner).take();
        log::error(&format!("internal error: {}", place.as_deref().unwrap_or("panic at an unknown place")));
    }
}

fn conversation(broker: &Broker, asker: &Asker<'_>) {
    match asker.link.receive(FIRST) {
        Ok(ToBroker::SignIn { sign_in }) => sign_in::run(broker, asker, &sign_in),
        Ok(ToBroker::Answer { .. } | ToBroker::Commit { .. } | ToBroker::Confirm { .. }) => {
            asker.refuse_protocol(broker, "a message out of turn");
        }
        Ok(ToBroker::Status { user }) => asker.reply(own::status(broker, asker, user.as_deref())),
        Ok(ToBroker::History { user, limit }) => {
            asker.reply(own::history(broker, asker, user.as_deref(), limit));
        }
        Ok(ToBroker::Change { user, change }) => {
            asker.reply(change::run(broker, asker, user.as_deref(), &change));
        }
        Ok(ToBroker::HelpDesk { task }) => asker.reply(help_desk::run(broker, asker, &task)),
        Err(LinkError::Malformed(Malformed::Version(theirs))) => {
            asker.complain(broker, "another version of the protocol");
            let text = format!("The broker speaks version {VERSION} of the protocol, and not {theirs}.");
            asker.refuse(Refusal::Version, &text);
        }
        Err(LinkError::Malformed(malformed)) => asker.refuse_protocol(broker, &malformed.to_string()),
        // Nobody is there, or nobody says anything.
        Err(_) => {}
    }
}

static LAST_PANIC: Mutex<Option<String>> = Mutex::new(None);

/// Keeps the place for the log, and not the message, which could hold a secret.
fn silence_panics() {
    static SILENCED: Once = Once::new();
    SILENCED.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(|place| format!("panic at {}:{}", place.file(), place.line()));
            *LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner) = place;
        }));
    });
}
