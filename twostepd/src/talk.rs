//! Whoever signs in, at the far end of a connection.

use crate::connection::Connection;
use crate::limits::ANSWER;
use twostep_core::name::UserName;
use twostep_core::ports::{Conversation, Entered, TalkFailed};
use twostep_core::protocol::{Answer, Ask, Echo, FromBroker, ToBroker};
use twostep_core::secret::Secret;
use zeroize::Zeroizing;

/// The conversation over a connection.
pub(crate) struct Remote<'l> {
    link: &'l Connection,
}

impl<'l> Remote<'l> {
    pub(crate) fn over(link: &'l Connection) -> Self {
        Self { link }
    }

    fn answer(&self, ask: Ask) -> Result<Answer, TalkFailed> {
        self.link.send(&FromBroker::Ask { ask }).map_err(|_| TalkFailed)?;
        match self.link.receive(ANSWER) {
            Ok(ToBroker::Answer { answer }) => Ok(answer),
            Ok(_) | Err(_) => Err(TalkFailed),
        }
    }
}

impl Conversation for Remote<'_> {
    fn password(&mut self, prompt: &str) -> Result<Secret, TalkFailed> {
        match self.answer(Ask::Password { prompt: prompt.to_owned().into() })? {
            Answer::Text { text } => Ok(text),
            Answer::PasswordAgain | Answer::Failed => Err(TalkFailed),
        }
    }

    fn ask(&mut self, prompt: &str, echo: Echo) -> Result<Entered, TalkFailed> {
        let prompt = Zeroizing::new(prompt.to_owned());
        let ask = match echo {
            Echo::Hidden => Ask::Hidden { prompt },
            Echo::Shown => Ask::Shown { prompt },
        };
        match self.answer(ask)? {
            Answer::Text { text } => Ok(Entered::Text(text)),
            Answer::PasswordAgain => Ok(Entered::PasswordAgain),
            Answer::Failed => Err(TalkFailed),
        }
    }

    fn hand_on(&mut self, password: usize, code: usize) -> Result<(), TalkFailed> {
        let bytes = |at| u32::try_from(at).map_err(|_| TalkFailed);
        let message = FromBroker::HandOn { password: bytes(password)?, code: bytes(code)? };
        self.link.send(&message).map_err(|_| TalkFailed)
    }

    fn rename(&mut self, user: &UserName) -> Result<(), TalkFailed> {
        self.link.send(&FromBroker::Rename { user: user.to_string() }).map_err(|_| TalkFailed)
    }

    fn account_accepts(&mut self) -> bool {
        matches!(self.answer(Ask::Account), Ok(Answer::Text { .. }))
    }

    fn tell(&mut self, text: &str) {
        // Nothing depends on its being seen.
        let _unseen = self.link.send(&FromBroker::Tell { text: text.to_owned() });
    }
}
