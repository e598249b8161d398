//! The service's conversation, as the login of twostep-core wants it.

use crate::ffi;
use pam::constants::{PAM_PROMPT_ECHO_OFF, PAM_PROMPT_ECHO_ON, PAM_SILENT, PAM_TEXT_INFO, PamFlag};
use pam::conv::Conv;
use pam::items::AuthTok;
use pam::module::PamHandle;
use twostep_core::name::UserName;
use twostep_core::ports::{Conversation, Entered, TalkFailed};
use twostep_core::protocol::Echo;
use twostep_core::secret::Secret;

/// The conversation on a handle.
pub(crate) struct Talk<'h> {
    pub(crate) handle: &'h mut PamHandle,
    pub(crate) flags: PamFlag,
    /// A code that came with the password: it answers the first question.
    pub(crate) code: Option<Secret>,
}

impl Talk<'_> {
    fn known_password(&self) -> Option<Secret> {
        let item = self.handle.get_item::<AuthTok<'_>>().ok().flatten()?;
        Some(Secret::new(item.as_bytes().to_vec()))
    }
}

impl Conversation for Talk<'_> {
    fn password(&mut self, prompt: &str) -> Result<Secret, TalkFailed> {
        ffi::password(self.handle, prompt).ok_or(TalkFailed)
    }

    fn ask(&mut self, prompt: &str, echo: Echo) -> Result<Entered, TalkFailed> {
        if let Some(code) = self.code.take() {
            return Ok(Entered::of(code, self.known_password().as_ref()));
        }
        let style = match echo {
            Echo::Hidden => PAM_PROMPT_ECHO_OFF,
            Echo::Shown => PAM_PROMPT_ECHO_ON,
        };
        let text = ffi::ask(self.handle, style, prompt).ok_or(TalkFailed)?;
        Ok(Entered::of(text, self.known_password().as_ref()))
    }

    fn hand_on(&mut self, password: usize, code: usize) -> Result<(), TalkFailed> {
        let whole = self.known_password().ok_or(TalkFailed)?;
        let (password, code) = (whole.expose().get(..password), whole.expose().get(code..));
        let (Some(password), Some(code)) = (password, code) else { return Err(TalkFailed) };
        let (password, code) = (Secret::new(password.to_vec()), Secret::new(code.to_vec()));
        let done = ffi::keep_code(self.handle, Some(code)) && ffi::set_password(self.handle, &password);
        if done { Ok(()) } else { Err(TalkFailed) }
    }

    fn rename(&mut self, user: &UserName) -> Result<(), TalkFailed> {
        if ffi::set_user(self.handle, user.as_str()) { Ok(()) } else { Err(TalkFailed) }
    }

    fn account_accepts(&mut self) -> bool {
        ffi::account_accepts(self.handle)
    }

    fn tell(&mut self, text: &str) {
        if self.flags & PAM_SILENT == 0 {
            // Nothing depends on its being seen, and some services cannot show it.
            let conversation = self.handle.get_item::<Conv<'_>>().ok().flatten();
            let _unseen = conversation.map(|conversation| conversation.send(PAM_TEXT_INFO, text));
        }
    }
}
