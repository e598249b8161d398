//! The account phase: what was left to it, and logins that came without an auth phase of ours.

use super::terms::{Asked, Read, choose, naming};
use super::{
    Complete, Ending, Login, Offer, Record, Stop, Todo, Trustable, Unrecorded, Verdict, Word, texts,
};
use crate::change::{Action, Author, By};
use crate::decide::{Demand, Keys, Otherwise, Unless, Wanted};
use crate::device::{Device, DeviceKind};
use crate::event::Reason;
use crate::ports::{Completion, Entered, Trusts};
use crate::protocol::Echo;
use crate::text::{YES_OR_NO, is_yes};
use crate::who::resolve;

impl Login<'_, '_, '_> {
    pub(super) fn account_with_record(&mut self, record: &Record) -> Result<Ending, Stop> {
        let naming = naming(self.policy, self.request);
        let resolved = resolve(self.ports.directory, self.request.user, naming)?;
        if !resolved.is(record.user.as_ref()) {
            return Err(Stop(Reason::UserSwitched));
        }
        match &record.todo {
            None => {}
            Some(Todo::Unjudged) => {
                self.user = record.user.clone();
                return Err(Stop(Reason::CodeUnjudged));
            }
            // Whoever has a code, and no password but that program's word, must not be told in the owner's place, nor make a place known.
            Some(Todo::Complete(_)) if self.request.word == Word::Doubted => {}
            Some(Todo::Complete(complete)) => self.complete(complete)?,
            Some(Todo::Announce(from)) => {
                let when = texts::deadline(*from, self.now());
                self.ports.talk.tell(&format!(
                    "Two-step verification will be needed here {when}. Set it up before that: twostep enroll, or ask your administrator."
                ));
            }
            Some(Todo::Enroll(enroll)) => return self.enroll(resolved, record, enroll),
        }
        Ok(record.ending())
    }

    fn complete(&mut self, complete: &Complete) -> Result<(), Stop> {
        let mut completion = complete.completion.clone();
        // What lets in more than this once is not begun by a login that the modules after us refuse.
        if (complete.offer.is_some() || completion.activates) && !self.ports.talk.account_accepts() {
            return Ok(());
        }
        if let Some(Offer { trustable: Trustable { device, password, lifetime }, authenticator }) =
            complete.offer.as_deref()
        {
            let days = lifetime.as_secs() / (24 * 60 * 60);
            if self.yes(&trust_question(device, days)) {
                completion.trusts = Some(Trusts {
                    device: device.clone(),
                    service: self.request.service.clone(),
                    password: password.clone(),
                    authenticator: *authenticator,
                    lifetime: *lifetime,
                });
            }
        }
        let now = self.present();
        // A question that was answered with no leaves nothing to write.
        let untold = if complete.untold == 0 && completion == Completion::of(completion.enrollment) {
            Vec::new()
        } else {
            self.ports.vault.open()?.complete(&completion, &now)?
        };
        if completion.activates {
            self.log(Reason::Activated);
        }
        if let Some(Trusts { device, .. }) = &completion.trusts {
            self.changed(Action::TrustedDeviceAdd, Some(device.to_string()));
        }
        if let Some(left) = complete.backup_codes_left {
            self.ports.talk.tell(&texts::backup_code_used(left));
        }
        if let Some(left) = complete.bypass_left {
            self.ports.talk.tell(&texts::bypass_code_used(left));
        }
        if let Some(text) = texts::untold(&untold) {
            self.ports.talk.tell(&text);
        }
        Ok(())
    }

    /// Asks a question that can be answered with yes. Whoever cannot be asked has not said so.
    pub(super) fn yes(&mut self, question: &str) -> bool {
        let answer = self.ports.talk.ask(question, Echo::Shown);
        matches!(answer, Ok(Entered::Text(text)) if is_yes(text.expose()))
    }

    /// Logs what was changed by signing in.
    pub(super) fn changed(&self, action: Action, target: Option<String>) {
        self.log(Reason::Change { action, author: Author { by: By::Login, why: None }, target });
    }

    /// What is demanded now, read anew.
    pub(super) fn demand(&mut self) -> Result<Demand, Stop> {
        let now = self.now();
        let mut asked =
            Asked::new(self.ports.directory, self.request.user, naming(self.policy, self.request));
        let chosen = choose(self.policy, self.request, &mut asked, now);
        self.user = asked.user();
        let terms = chosen?.0;
        self.class = terms.class;
        let read = Read::of(&terms, self.request, now);
        let (user, demand) = read.demand(self.ports.directory, self.ports.vault, asked)?;
        self.user = user;
        Ok(demand)
    }

    pub(super) fn account_without_record(&mut self, came: Unrecorded) -> Verdict {
        match self.demand()? {
            Demand::Nothing(aside) => Ok((aside.why.reason, Ending::Ignore(None))),
            Demand::Deny(why) => Ok(self.refuse(why.reason)),
            // Nobody can be asked anything here: sshd only keeps what is told for later.
            Demand::Enroll(enroll) => Ok(match enroll.by {
                Some(by) => {
                    let when = texts::deadline(by, self.now());
                    let how = match came {
                        Unrecorded::ByKey => "sign in with your password (ssh -o PubkeyAuthentication=no)",
                        Unrecorded::ByPam => "run twostep enroll, or ask your administrator",
                    };
                    self.ports.talk.tell(&format!(
                        "Two-step verification will be needed here {when}. To set it up, {how}."
                    ));
                    (Reason::ToEnroll { by: Some(by) }, Ending::Ignore(None))
                }
                None => self.refuse(Reason::NotSetUp {
                    cause: match came {
                        Unrecorded::ByKey => texts::KEY_ALONE,
                        Unrecorded::ByPam => "the code was not asked for",
                    },
                }),
            }),
            Demand::Code(Wanted { otherwise: Otherwise::AsUnenrolled(Unless::GoOn(_)), .. }) => {
                Ok((Reason::PendingSkipped, Ending::Ignore(None)))
            }
            Demand::Code(Wanted { otherwise: Otherwise::AsUnenrolled(Unless::Refuse(_)), .. }) => {
                Ok(self.refuse(Reason::NotEnrolledDenied))
            }
            Demand::Code(wanted) => {
                let Some((reason, record)) = self.by_key(&wanted, Keys::All)? else {
                    return Ok(self.refuse(not_asked(came)));
                };
                if let Some(Todo::Complete(complete)) = &record.todo {
                    self.complete(complete)?;
                }
                Ok((reason, Ending::Accept(Record { todo: None, ..record })))
            }
            Demand::AppPassword(_) => Ok(self.refuse(not_asked(came))),
        }
    }
}

/// Why somebody is refused who was not asked for a code.
fn not_asked(came: Unrecorded) -> Reason {
    match came {
        Unrecorded::ByKey => Reason::KeyAlone,
        Unrecorded::ByPam => Reason::CodeNotAsked,
    }
}

fn trust_question(device: &Device, days: u64) -> String {
    let days = if days == 1 { "1 day".to_owned() } else { format!("{days} days") };
    let what = match device.kind() {
        DeviceKind::Key => "whoever has this ssh key",
        DeviceKind::Address => "whoever comes from this address",
    };
    format!("Trust {what} ({device}) for {days}, so that no code is asked for here? {YES_OR_NO}")
}
