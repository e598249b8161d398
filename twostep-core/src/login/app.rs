//! The auth phase of app services: an app password.

use super::terms::{Asked, Read};
use super::{Ending, Login, PASSWORD_PROMPT, Ports, Proof, Stop, Verdict, internal};
use crate::app_password::AppPassword;
use crate::decide::{Demand, Otherwise, Terms, Unless};
use crate::event::Reason;
use crate::ports::Use;
use crate::secret::Secret;
use crate::verify::{self, AppVerdict, NewUse};
use crate::who::{Facts, Resolved};

/// What became of a password that was sent to an app service.
enum Sent {
    Accepted { name: String },
    Ignored(Reason),
    Refused(Reason),
}

impl Login<'_, '_, '_> {
    pub(super) fn app(&mut self, terms: &Terms, asked: Asked<'_>) -> Verdict {
        match terms.settled() {
            Some(Demand::Nothing(aside)) => return Ok(self.stand_aside(aside.why.reason.clone(), None)),
            Some(Demand::Deny(why)) => return Ok(self.refuse(why.reason.clone())),
            Some(_) => return Err(internal("a rule has settled a demand that needs an answer")),
            None => {}
        }
        // The password is asked for before the store is read, so that a client sees the same whoever it is for.
        let prompt = self.request.prompt.unwrap_or(PASSWORD_PROMPT);
        let sent = self.ports.talk.password(prompt).map_err(|_| Stop(Reason::Conversation))?;
        let resolved = asked.into_resolved()?;
        self.user = resolved.user().cloned();
        Ok(match self.judge_sent(terms, resolved, &sent)? {
            Sent::Accepted { name } => {
                let record = self.record(Proof::AppPassword, None);
                (Reason::AppPassword { name }, Ending::Accept(record))
            }
            Sent::Ignored(reason) => self.stand_aside(reason, None),
            Sent::Refused(reason) => self.refuse(reason),
        })
    }

    /// Reads, decides and judges. The store is opened once as a rule, and closed whenever something takes its time: NSS, Argon2id.
    fn judge_sent(&mut self, terms: &Terms, resolved: Resolved, sent: &Secret) -> Result<Sent, Stop> {
        let read = Read::of(terms, self.request, self.now());
        let Ports { directory, vault, clock, .. } = &mut *self.ports;
        let mut store = vault.open()?;
        let facts = Facts::read(&mut *store, &resolved)?;
        let account = if facts.needs_directory() {
            drop(store);
            let account = facts.account(*directory, &resolved)?;
            store = vault.open()?;
            account
        } else {
            facts.account(*directory, &resolved)?
        };
        let wanted = match read.decide(resolved.into_user(), &account) {
            Demand::Nothing(aside) => return Ok(Sent::Ignored(aside.why.reason)),
            Demand::Deny(why) => return Ok(Sent::Refused(why.reason)),
            Demand::AppPassword(wanted) => wanted,
            Demand::Code(_) | Demand::Enroll(_) => {
                return Err(internal("a demand on an app service that a program cannot meet"));
            }
        };
        if sent.is_empty() {
            return Ok(Sent::Refused(Reason::Empty));
        }
        let refusal = match AppPassword::parse(sent.expose()) {
            None => Reason::NotAnAppPassword,
            Some(password) => {
                let now = clock();
                let candidates = store.app_candidates(wanted.enrollment, &password)?;
                drop(store);
                match verify::verify_app_password(&password, &candidates, now.wall)? {
                    AppVerdict::Accepted { id, name, write } => {
                        if let Some(NewUse { boot_tag }) = write {
                            let (service, source) =
                                (self.request.service.as_str(), self.request.source.to_string());
                            let used = Use { at: now.wall, service, source: &source, boot_tag };
                            vault.open()?.record_use(id, &used)?;
                        }
                        return Ok(Sent::Accepted { name: name.to_string() });
                    }
                    AppVerdict::Refused(reason) => reason,
                }
            }
        };
        Ok(match &wanted.otherwise {
            Otherwise::Refuse => Sent::Refused(refusal),
            Otherwise::AsUnenrolled(Unless::GoOn(_)) => Sent::Ignored(Reason::PendingSkipped),
            Otherwise::AsUnenrolled(Unless::Refuse(_)) => Sent::Refused(Reason::NotEnrolledDenied),
        })
    }
}
