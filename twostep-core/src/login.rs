//! A whole login, over the [`crate::ports`]: resolve the name, read the store, decide, ask, judge, tell.
//!
//! Every path ends in one [`Ending`] and has written exactly one line to the log by then. The store is open only while it is
//! read or written, never while somebody is asked something.

use crate::account::{Account, EnrollmentId};
use crate::app_password::AppPassword;
use crate::attempt::{Attempt, ServiceClass, Source};
use crate::decide::{Demand, Otherwise, Wanted, decide, unenrolled};
use crate::event::{Ending as Result_, Event, Reason};
use crate::memory_hard::HashError;
use crate::name::{ServiceName, UserName};
use crate::policy::Policy;
use crate::ports::{Audit, Completion, Conversation, Directory, Unavailable, Use, Vault};
use crate::secret::Secret;
use crate::time::Now;
use crate::verify::{self, Answer, AppVerdict, CodeOutcome, NewUse, Rest};
use crate::who::{Facts, Resolved, resolve};

/// The prompt for a code, unless the module's line says otherwise. Stable: programs match on it.
pub const CODE_PROMPT: &str = "Verification code: ";
/// The prompt on app services, unless the module's line says otherwise.
pub const PASSWORD_PROMPT: &str = "Password: ";

/// What a login works with.
pub struct Ports<'a> {
    /// NSS.
    pub directory: &'a dyn Directory,
    /// The store.
    pub vault: &'a mut dyn Vault,
    /// Whoever signs in.
    pub talk: &'a mut dyn Conversation,
    /// The log.
    pub audit: &'a dyn Audit,
    /// The clock, read whenever an answer is judged.
    pub clock: &'a dyn Fn() -> Now,
}

/// What the service says of the login.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The name, raw as PAM has it.
    pub user: &'a str,
    /// The service.
    pub service: ServiceName,
    /// Its class.
    pub class: ServiceClass,
    /// Where from.
    pub source: Source,
    /// The prompt; the usual one unless given.
    pub prompt: Option<&'a str>,
    /// Whether the service has already seen a key of this user's (the `after-key` line): who is not enrolled needs no more then.
    pub key_seen: bool,
}

/// How a phase ends.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Let in; the record goes on the handle, for the account phase.
    Accept(Record),
    /// None of our business. With a record, the account phase need not look again.
    Ignore(Option<Record>),
    /// Refused.
    Refuse,
    /// Refused: NSS does not know the user.
    UserUnknown,
    /// Refused: the service could not ask.
    TalkFailed,
    /// No verdict: refused.
    Unavailable,
}

/// What the auth phase leaves for the account phase of the same login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Who gave proof; none for a name that NSS does not know.
    pub user: Option<UserName>,
    /// The name as PAM had it then.
    pub raw: String,
    /// What was proven.
    pub proof: Proof,
    /// What the account phase writes down, if anything.
    pub rest: Option<Completion>,
}

impl Record {
    /// How the account phase ends for the user who left this record, where nothing remains to be written.
    pub fn settles(&self, raw: &str) -> Option<Ending> {
        (self.rest.is_none() && self.raw == raw).then(|| self.ending())
    }

    fn ending(&self) -> Ending {
        match self.proof {
            Proof::Code | Proof::Key => Ending::Accept(self.clone()),
            // Whether the account is expired is for the modules after us, which know this user.
            Proof::AppPassword | Proof::None => Ending::Ignore(None),
        }
    }
}

/// What the auth phase has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A code or backup code.
    Code,
    /// An app password.
    AppPassword,
    /// A key of somebody who is not enrolled.
    Key,
    /// Nothing; the policy demands nothing.
    None,
}

/// The auth phase.
pub fn authenticate(ports: &mut Ports<'_>, policy: &Policy, request: &Request<'_>) -> Ending {
    let mut login = Login { ports, policy, request, user: None };
    match login.authenticate() {
        Ok((reason, ending)) => login.tell_log(reason, ending),
        Err(stop) => login.stop(stop),
    }
}

/// The account phase of a login that left a record in the auth phase.
pub fn account_with_record(
    ports: &mut Ports<'_>,
    policy: &Policy,
    request: &Request<'_>,
    record: &Record,
) -> Ending {
    let mut login = Login { ports, policy, request, user: record.user.clone() };
    match login.account_with_record(record) {
        Ok(ending) => ending,
        Err(stop) => login.stop(stop),
    }
}

/// The account phase of a login that the service accepted for a key alone.
pub fn account_after_key(ports: &mut Ports<'_>, policy: &Policy, request: &Request<'_>) -> Ending {
    let mut login = Login { ports, policy, request, user: None };
    match login.account_after_key() {
        Ok((reason, ending)) => login.tell_log(reason, ending),
        Err(stop) => login.stop(stop),
    }
}

/// What the policy demands of this attempt: the same reading and deciding as in a login, without asking anybody.
///
/// # Errors
/// The reason why that cannot be told: NSS or the store failed.
pub fn demand(
    directory: &dyn Directory,
    vault: &mut dyn Vault,
    policy: &Policy,
    request: &Request<'_>,
) -> Result<(Attempt, Demand), Reason> {
    let resolved = resolve(directory, request.user).map_err(|stop| stop.0)?;
    let attempt = |user| Attempt {
        user,
        service: request.service.clone(),
        class: request.class,
        source: request.source.clone(),
    };
    if let (Some(unlisted), ServiceClass::Interactive) = (resolved.unlisted(), request.class) {
        // Refused whatever the store says, so that it is not opened for names that strangers make up.
        let attempt = attempt(None);
        let demand = decide(policy, &attempt, &Account::NotInNss(unlisted));
        return Ok((attempt, demand));
    }
    // Read and closed again before NSS is asked anything more: a directory that hangs must not hold the store's lock.
    let facts = Facts::read(&mut *vault.open()?, &resolved).map_err(|stop| stop.0)?;
    let account = facts.account(directory, &resolved).map_err(|stop| stop.0)?;
    let attempt = attempt(resolved.into_user());
    let demand = decide(policy, &attempt, &account);
    Ok((attempt, demand))
}

/// A login that ends without a verdict of [`decide`] or [`verify`].
pub(crate) struct Stop(pub(crate) Reason);

impl From<Unavailable> for Stop {
    fn from(unavailable: Unavailable) -> Self {
        Self(unavailable.into())
    }
}

impl From<HashError> for Stop {
    fn from(error: HashError) -> Self {
        let cause = match error {
            HashError::Memory => "no memory for Argon2id",
            HashError::Parameters => "a stored hash has impossible parameters: the store is damaged",
            HashError::Entropy => "the kernel gives no randomness",
        };
        Self(Reason::Hash { cause: cause.to_owned() })
    }
}

struct Login<'a, 'p, 'r> {
    ports: &'a mut Ports<'p>,
    policy: &'a Policy,
    request: &'a Request<'r>,
    /// Known once the name is resolved; for the log.
    user: Option<UserName>,
}

type Verdict = Result<(Reason, Ending), Stop>;

/// What became of a password that was sent to an app service.
enum Sent {
    Accepted { name: String },
    Ignored(Reason),
    Refused(Reason),
}

impl Login<'_, '_, '_> {
    fn authenticate(&mut self) -> Verdict {
        match self.request.class {
            ServiceClass::Interactive => match self.demand()? {
                Demand::Nothing(why) => Ok(self.stand_aside(why.reason)),
                Demand::Deny(why) => Ok(self.refuse(why.reason)),
                Demand::Code(wanted) => self.code(&wanted),
                Demand::AppPassword(_) => Err(internal("an app password demanded at a prompt")),
            },
            ServiceClass::App => self.app(),
        }
    }

    fn demand(&mut self) -> Result<Demand, Stop> {
        let (attempt, demand) =
            demand(self.ports.directory, self.ports.vault, self.policy, self.request).map_err(Stop)?;
        self.user = attempt.user;
        Ok(demand)
    }

    fn code(&mut self, wanted: &Wanted) -> Verdict {
        let pending = matches!(wanted.otherwise, Otherwise::AsUnenrolled(_));
        if pending {
            self.ports.talk.tell(
                "Two-step verification is being set up for you: enter the code that your authenticator shows, \
                 or press Enter to go on without.",
            );
        }
        let entered = self
            .ports
            .talk
            .ask(self.request.prompt.unwrap_or(CODE_PROMPT))
            .map_err(|_| Stop(Reason::Conversation))?;
        let answer = verify::sort(&entered);
        if let (Answer::Empty, true) = (&answer, pending) {
            return self.nothing_entered();
        }
        if let Some(reason) = answer.refused_unseen() {
            return Ok(self.refuse(reason));
        }
        let outcome = self.judge(wanted.enrollment, &answer)?;
        if outcome.reason.ending() != Result_::Accepted {
            return Ok(self.refuse(outcome.reason));
        }
        let Rest { untold, makes_known } = outcome.rest.unwrap_or(Rest { untold: 0, makes_known: false });
        let rest = Completion {
            enrollment: wanted.enrollment,
            activates: pending,
            makes_known: makes_known.then(|| self.request.source.clone()),
            untold,
        };
        let rest = (pending || makes_known || untold > 0).then_some(rest);
        Ok((outcome.reason, Ending::Accept(self.record(Proof::Code, rest))))
    }

    /// A pending user has entered nothing: she is as if unenrolled, unless she became active while the prompt stood.
    fn nothing_entered(&mut self) -> Verdict {
        Ok(match self.demand()? {
            Demand::Code(Wanted { otherwise: Otherwise::AsUnenrolled(rule), .. }) => {
                match unenrolled(&rule) {
                    Demand::Nothing(_) => self.stand_aside(Reason::PendingSkipped),
                    _ => self.refuse(Reason::NotEnrolledDenied),
                }
            }
            Demand::Nothing(why) => self.stand_aside(why.reason),
            Demand::Deny(why) => self.refuse(why.reason),
            Demand::Code(_) | Demand::AppPassword(_) => self.refuse(Reason::Empty),
        })
    }

    fn judge(&mut self, enrollment: EnrollmentId, answer: &Answer) -> Result<CodeOutcome, Stop> {
        let now = (self.ports.clock)();
        let mut hash_error = None;
        let mut judge = |credentials: Option<&_>| {
            verify::verify(answer, credentials, &now).unwrap_or_else(|error| {
                hash_error = Some(error);
                CodeOutcome { reason: Reason::CodeWrong, changes: verify::Changes::default(), rest: None }
            })
        };
        let source = &self.request.source;
        let outcome = self.ports.vault.open()?.judge(enrollment, source, answer.kind(), &now, &mut judge)?;
        match hash_error {
            Some(error) => Err(error.into()),
            None => Ok(outcome),
        }
    }

    fn app(&mut self) -> Verdict {
        // The password is asked for before anything is read, so that a client sees the same whoever it is for.
        let prompt = self.request.prompt.unwrap_or(PASSWORD_PROMPT);
        let sent = self.ports.talk.password(prompt).map_err(|_| Stop(Reason::Conversation))?;
        let resolved = resolve(self.ports.directory, self.request.user)?;
        self.user = resolved.user().cloned();
        Ok(match self.judge_sent(resolved, &sent)? {
            Sent::Accepted { name } => {
                let record = self.record(Proof::AppPassword, None);
                (Reason::AppPassword { name }, Ending::Accept(record))
            }
            Sent::Ignored(reason) => self.stand_aside(reason),
            Sent::Refused(reason) => self.refuse(reason),
        })
    }

    /// Reads, decides and judges. The store is opened once as a rule, and closed whenever something takes its time: NSS, Argon2id.
    fn judge_sent(&mut self, resolved: Resolved, sent: &Secret) -> Result<Sent, Stop> {
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
        let Request { service, class, source, .. } = self.request;
        let attempt = Attempt {
            user: resolved.into_user(),
            service: service.clone(),
            class: *class,
            source: source.clone(),
        };
        let wanted = match decide(self.policy, &attempt, &account) {
            Demand::Nothing(why) => return Ok(Sent::Ignored(why.reason)),
            Demand::Deny(why) => return Ok(Sent::Refused(why.reason)),
            Demand::AppPassword(wanted) => wanted,
            Demand::Code(_) => return Err(internal("a code demanded on an app service")),
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
                            let (service, source) = (service.as_str(), source.to_string());
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
            Otherwise::AsUnenrolled(rule) => match unenrolled(rule) {
                Demand::Nothing(_) => Sent::Ignored(Reason::PendingSkipped),
                _ => Sent::Refused(Reason::NotEnrolledDenied),
            },
        })
    }

    fn account_with_record(&mut self, record: &Record) -> Result<Ending, Stop> {
        let user = resolve(self.ports.directory, self.request.user)?.into_user();
        if user != record.user {
            return Err(Stop(Reason::UserSwitched));
        }
        if let Some(rest) = &record.rest {
            let now = (self.ports.clock)();
            self.ports.vault.open()?.complete(rest, now.wall)?;
            if rest.activates {
                self.log(Reason::Activated);
            }
            if rest.untold > 0 {
                let (codes, were) = if rest.untold == 1 { ("code", "was") } else { ("codes", "were") };
                let text = format!("{} wrong {codes} {were} entered since your last sign-in.", rest.untold);
                self.ports.talk.tell(&text);
            }
        }
        Ok(record.ending())
    }

    fn account_after_key(&mut self) -> Verdict {
        let demand = self.demand()?;
        match demand {
            Demand::Nothing(why) => Ok((why.reason, Ending::Ignore(None))),
            Demand::Deny(why) => Ok(self.refuse(why.reason)),
            Demand::Code(Wanted { otherwise: Otherwise::AsUnenrolled(rule), .. }) => {
                Ok(match unenrolled(&rule) {
                    Demand::Nothing(_) => (Reason::PendingSkipped, Ending::Ignore(None)),
                    _ => self.refuse(Reason::NotEnrolledDenied),
                })
            }
            Demand::Code(_) | Demand::AppPassword(_) => Ok(self.refuse(Reason::KeyAlone)),
        }
    }

    /// None of our business, but for a key that was seen: who needs no code needs no password then either.
    fn stand_aside(&self, reason: Reason) -> (Reason, Ending) {
        let proof = if self.request.key_seen { Proof::Key } else { Proof::None };
        let record = self.record(proof, None);
        if self.request.key_seen {
            return (Reason::Key, Ending::Accept(record));
        }
        (reason, Ending::Ignore(Some(record)))
    }

    fn record(&self, proof: Proof, rest: Option<Completion>) -> Record {
        Record { user: self.user.clone(), raw: self.request.user.to_owned(), proof, rest }
    }

    fn refuse(&mut self, reason: Reason) -> (Reason, Ending) {
        if self.request.class == ServiceClass::Interactive
            && let Some(text) = refusal_text(&reason)
        {
            self.ports.talk.tell(&text);
        }
        let ending = match reason {
            Reason::UserUnknown | Reason::NameSpelling => Ending::UserUnknown,
            _ => Ending::Refuse,
        };
        (reason, ending)
    }

    fn stop(&mut self, Stop(reason): Stop) -> Ending {
        let ending = match reason {
            Reason::Conversation => Ending::TalkFailed,
            _ if reason.ending() == Result_::Refused => Ending::Refuse,
            _ => Ending::Unavailable,
        };
        if ending == Ending::Unavailable && self.request.class == ServiceClass::Interactive {
            self.ports.talk.tell(UNAVAILABLE_TEXT);
        }
        self.tell_log(reason, ending)
    }

    fn tell_log(&self, reason: Reason, ending: Ending) -> Ending {
        self.log(reason);
        ending
    }

    fn log(&self, reason: Reason) {
        self.ports.audit.record(&Event {
            reason,
            user: self.user.clone(),
            service: Some(self.request.service.clone()),
            source: Some(self.request.source.clone()),
        });
    }
}

fn internal(cause: &str) -> Stop {
    Stop(Reason::Internal { cause: cause.to_owned() })
}

/// What is told at a prompt when no verdict can be reached; the same whatever was entered.
pub const UNAVAILABLE_TEXT: &str =
    "Two-step verification is not available at the moment. Please tell your administrator.";

/// What the person at a prompt is told of a refusal. The cause is in the log.
fn refusal_text(reason: &Reason) -> Option<String> {
    Some(match reason {
        Reason::Throttled { wait } => {
            format!("Too many wrong codes. Please try again in {} seconds.", wait.as_secs().max(1))
        }
        Reason::AppPasswordAtPrompt => {
            "That is an app password: it is for programs, never for a prompt.".to_owned()
        }
        Reason::KeyAlone => "A key alone is not enough here: please sign in with your password and a code \
                             (ssh -o PubkeyAuthentication=no)."
            .to_owned(),
        Reason::CodeWrong
        | Reason::BypassOver
        | Reason::CodeReplayed
        | Reason::ClockBehind
        | Reason::Empty
        | Reason::SameAsPassword
        | Reason::Capped
        | Reason::EnrollmentChanged => "That code was not accepted.".to_owned(),
        Reason::AppOnly | Reason::UidChanged { .. } => {
            "You cannot sign in here. Please ask your administrator.".to_owned()
        }
        Reason::NotEnrolledDenied => {
            "Two-step verification is needed here and not set up for you. Please ask your administrator."
                .to_owned()
        }
        _ => return None,
    })
}

#[cfg(test)]
#[path = "login_tests.rs"]
mod tests;
