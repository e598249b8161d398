//! The auth phase of app services: an app password.

use super::terms::{Asked, Read};
use super::{Ending, Login, PASSWORD_PROMPT, Ports, Proof, Stop, Verdict, internal};
use crate::app_password::AppPassword;
use crate::decide::{Demand, Otherwise, Terms, Unless, Wanted};
use crate::event::Reason;
use crate::memory_hard::HashError;
use crate::ports::{Use, Vault};
use crate::secret::Secret;
use crate::verify_app::{AppCandidates, AppLogin, AppLook, AppVerdict, look_up};
use crate::who::{Facts, Resolved};

/// What became of a password that was sent to an app service.
enum Sent {
    Accepted { name: String, by: Called },
    Ignored(Reason),
    Refused(Reason),
}

/// What the user is called, whose app password it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Called {
    /// By a name that NSS knows.
    AsSent,
    /// By another name than NSS has.
    Otherwise,
    /// By any, NSS not knowing her.
    Virtual,
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
            Sent::Accepted { name, by } => {
                let proof = if by == Called::Virtual { Proof::VirtualUser } else { Proof::AppPassword };
                let mut record = self.record(proof, None);
                if let Some(user) = self.user.clone().filter(|_| by != Called::AsSent) {
                    // The modules after us and the service go on by the canonical name: a domain that the client has chosen is none.
                    if user.as_str() != self.request.user {
                        self.ports.talk.rename(&user).map_err(|_| Stop(Reason::Conversation))?;
                    }
                    record.raw = user.as_str().to_owned();
                }
                (Reason::AppPassword { name }, Ending::Accept(record))
            }
            Sent::Ignored(reason) => self.stand_aside(reason, None),
            Sent::Refused(reason) => self.refuse(reason),
        })
    }

    /// Reads, decides and judges. The store is opened once as a rule, and closed whenever something takes its time: NSS, Argon2id.
    fn judge_sent(&mut self, terms: &Terms, resolved: Resolved, sent: &Secret) -> Result<Sent, Stop> {
        let read = Read::of(terms, self.request, self.now());
        let Ports { directory, vault, .. } = &mut *self.ports;
        let mut store = vault.open()?;
        let facts = Facts::read(&mut *store, &resolved, terms.class)?;
        let account = if facts.needs_directory() {
            drop(store);
            let account = facts.account(*directory, &resolved)?;
            store = vault.open()?;
            account
        } else {
            facts.account(*directory, &resolved)?
        };
        let by = match &resolved {
            Resolved::Meant { .. } => Called::Otherwise,
            Resolved::Virtual { .. } => Called::Virtual,
            _ => Called::AsSent,
        };
        self.user = resolved.into_user(&account);
        let wanted = match read.decide(self.user.clone(), &account) {
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
                let candidates = store.app_candidates(wanted.enrollment, &password)?;
                drop(store);
                match self.judge_app_password(&password, &candidates)? {
                    Ok(name) => return Ok(Sent::Accepted { name, by }),
                    Err(refusal) => refusal,
                }
            }
        };
        Ok(refused(&wanted, refusal))
    }

    /// Judges an app password, and writes down what is to be written of its use. Returns its name, or why it is refused.
    fn judge_app_password(
        &mut self,
        password: &AppPassword,
        candidates: &AppCandidates,
    ) -> Result<Result<String, Reason>, Stop> {
        let now = self.present();
        let login = AppLogin {
            password,
            service: &self.request.service,
            source: &self.request.source,
            now: &now,
            cost: self.policy.argon2id.cost,
        };
        let verdict = match look_up(login, candidates) {
            AppLook::Settled(verdict) => verdict,
            AppLook::ToHash(some) => in_turn(self.ports.vault, || some.hash())??,
        };
        let (id, name, news) = match verdict {
            AppVerdict::Accepted { id, name, news } => (id, name, news),
            AppVerdict::Refused(reason) => return Ok(Err(reason)),
        };
        let vault = &mut *self.ports.vault;
        let hash = if news.hash_is_outdated { vault.hash_anew(password) } else { None };
        if news.use_is_due || hash.is_some() {
            let (service, source) = (self.request.service.as_str(), self.request.source.to_string());
            let used = Use { at: now.wall, service, source: &source, boot_tag: news.boot_tag, hash };
            vault.open()?.record_use(id, &used)?;
        }
        Ok(Ok(name.to_string()))
    }
}

/// Runs Argon2id when it is its turn.
fn in_turn<T>(
    vault: &mut dyn Vault,
    hash: impl Fn() -> Result<T, HashError>,
) -> Result<Result<T, HashError>, Stop> {
    let mut done = None;
    vault.in_turn(&mut || done = Some(hash()))?;
    done.ok_or_else(|| internal("a turn came up and was not used"))
}

/// What becomes of a password that is not accepted.
fn refused(wanted: &Wanted, refusal: Reason) -> Sent {
    match &wanted.otherwise {
        Otherwise::Refuse => Sent::Refused(refusal),
        Otherwise::AsUnenrolled(Unless::GoOn(_)) => Sent::Ignored(Reason::PendingSkipped),
        Otherwise::AsUnenrolled(Unless::Refuse(_)) => Sent::Refused(Reason::NotEnrolledDenied),
    }
}
