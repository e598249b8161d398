//! A conversation with the broker: it asks, the person answers, until there is a result.

use crate::cli::Arguments;
use crate::failure::Failure;
use crate::person::Person;
use std::time::Duration;
use twostep_core::protocol::own::{Change, Done};
use twostep_core::protocol::{Answer, Ask, FromBroker, ToBroker};
use twostep_core::secret::Secret;
use twostep_host::configuration;
use twostep_host::link::{Link, SOCKET};
use twostep_terminal::FIRST_CODE;

/// Who must own the broker's socket and the process behind it.
const ROOT: u32 = 0;
/// How long the broker may take for its next word: behind it are password modules, which make whoever was wrong wait.
const PATIENCE: Duration = Duration::from_secs(60);

/// The conversation.
pub(crate) struct Conversation<'p> {
    link: Link,
    person: &'p mut dyn Person,
    /// Which of the user's names it is about.
    name: Option<String>,
}

impl<'p> Conversation<'p> {
    /// Connects.
    pub(crate) fn open(arguments: &Arguments, person: &'p mut dyn Person) -> Result<Self, Failure> {
        let named = arguments.config.as_ref();
        let named = named.map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()));
        let policy = configuration::read(named.as_deref())?;
        let link = Link::connect(&policy.paths.runtime.join(SOCKET), ROOT)?;
        Ok(Self { link, person, name: arguments.own_name.clone() })
    }

    /// Which of the user's names it is about.
    pub(crate) fn name(&self) -> Option<String> {
        self.name.clone()
    }

    /// Whoever is asked.
    pub(crate) fn person(&mut self) -> &mut dyn Person {
        &mut *self.person
    }

    /// Has a change made. Where that needs more than password and code, `more` is asked.
    pub(crate) fn change(&mut self, change: Change) -> Result<Done, Failure> {
        let request = ToBroker::Change { user: self.name(), change };
        match self.ask(&request)? {
            FromBroker::Done { done } => Ok(done),
            _ => Err(Failure::Strange),
        }
    }

    /// Says something, and answers the broker's questions until it has an answer of its own.
    pub(crate) fn ask(&mut self, request: &ToBroker) -> Result<FromBroker, Failure> {
        let mut sent = self.link.send(request);
        loop {
            // What the broker has said before it went away says more than that it is gone.
            let answer = match (self.link.receive(PATIENCE), sent) {
                (Ok(FromBroker::Refused { refusal, text }), _) => {
                    return Err(Failure::Refused(refusal, text));
                }
                (_, Err(error)) | (Err(error), _) => return Err(error.into()),
                (Ok(FromBroker::Tell { text }), Ok(())) => {
                    self.person.tell(&text);
                    sent = Ok(());
                    continue;
                }
                (Ok(FromBroker::Ask { ask }), Ok(())) => match ask {
                    Ask::Password { prompt } | Ask::Hidden { prompt } => self.person.hidden(&prompt),
                    Ask::Shown { prompt } => self.person.shown(&prompt),
                    // This is no login: there is no account phase to ask.
                    Ask::Account => return Err(Failure::Strange),
                },
                (Ok(other), Ok(())) => return Ok(other),
            };
            match answer {
                Ok(text) => sent = self.link.send(&ToBroker::Answer { answer: Answer::Text { text } }),
                Err(error) => {
                    let _gone = self.link.send(&ToBroker::Answer { answer: Answer::Failed });
                    return Err(Failure::NoAnswer(error.kind()));
                }
            }
        }
    }

    /// Asks the person for a code of a new authenticator, and has it judged.
    pub(crate) fn confirm(&mut self) -> Result<Done, Failure> {
        loop {
            let code: Secret =
                self.person.shown(FIRST_CODE).map_err(|error| Failure::NoAnswer(error.kind()))?;
            match self.ask(&ToBroker::Confirm { code })? {
                FromBroker::Done { done } => return Ok(done),
                FromBroker::WrongCode { left } => {
                    let tries = if left == 1 { "try" } else { "tries" };
                    self.person.tell(&format!("That is not the code; {left} more {tries}."));
                }
                _ => return Err(Failure::Strange),
            }
        }
    }
}

#[cfg(test)]
#[path = "conversation_tests.rs"]
mod tests;
