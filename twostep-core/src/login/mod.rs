//! A whole login, over the [`crate::ports`]: resolve the name, read the store, decide, ask, judge, tell.
//!
//! Every path ends in one [`Ending`] and has written exactly one line to the log by then, but for the line of a stack that only takes
//! password and code apart. The store is open only while it is
//! read or written, never while somebody is asked something.

mod account;
mod app;
mod enroll;
mod password;
mod prompt;
mod split;
mod terms;
mod texts;

pub use password::{Change, change_password, concerns_password_change};
pub use terms::{Judged, demand, may_unenroll};
pub use texts::UNAVAILABLE_TEXT;

use crate::account::EnrollmentId;
use crate::attempt::{ServiceClass, Source};
use crate::decide::{Demand, Enroll, Terms};
use crate::device::{Device, SeenKey};
use crate::event::{Ending as Result_, Event, Reason};
use crate::memory_hard::HashError;
use crate::name::{ServiceName, UserName};
use crate::policy::{Policy, SELF_SERVICE};
use crate::ports::{Audit, Completion, Conversation, Directory, Unavailable, Vault};
use crate::protocol::{Echo, Mode};
use crate::rule::Tty;
use crate::secret::Secret;
use crate::time::{Now, UnixTime};
use crate::totp::AuthenticatorId;
use crate::verify::Operation;
use std::time::Duration;
use terms::{Asked, naming};

/// The prompt for a code, unless the module's line says otherwise. Stable: programs match on it.
pub const CODE_PROMPT: &str = "Verification code: ";
/// The prompt on app services, unless the module's line says otherwise.
pub const PASSWORD_PROMPT: &str = "Password: ";
/// The prompt for password and code in one, unless the module's line says otherwise.
pub const ONE_PROMPT: &str = "Password and verification code: ";

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
    /// What authenticator apps show beside the user's name.
    pub issuer: &'a dyn Fn() -> String,
}

/// What the service says of the login.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The name, raw as PAM has it.
    pub user: &'a str,
    /// The service.
    pub service: ServiceName,
    /// How the module's line works.
    pub mode: Mode,
    /// Where from.
    pub source: Source,
    /// Where she sits.
    pub tty: Tty<'a>,
    /// The prompt; the usual one unless given.
    pub prompt: Option<&'a str>,
    /// Whether a code is shown while it is typed.
    pub echo: Echo,
    /// The ssh key that the service has seen.
    pub key: Option<SeenKey>,
    /// Whether what the service says of the modules beside ours counts.
    pub word: Word,
}

/// How a service came to the account phase where no line of ours has left a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unrecorded {
    /// By a method of its own: nothing shows that it has asked PAM.
    ByKey,
    /// It has asked PAM: some line has passed over ours.
    ByPam,
}

/// Whether it counts when a service says that the modules beside ours are content: that the password was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// It does: the service is root, and could do what it likes anyway.
    Counts,
    /// An administrator has granted it the service: what a login changes is changed, but it enrolls nobody.
    Granted,
    /// It does not: it may be a program of the very user's. What is left to the account phase stays undone.
    Doubted,
}

impl Request<'_> {
    /// Whether the service has already seen a key of this user's (the `after-key` line): who is not enrolled needs no more then.
    fn key_seen(&self) -> bool {
        self.mode == Mode::AfterKey
    }
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
    /// The name as PAM has it from then on: on app services the canonical one, where the domain rule has found that.
    pub raw: String,
    /// What kind of service it was.
    pub class: ServiceClass,
    /// What was proven.
    pub proof: Proof,
    /// What the account phase has to do, if anything.
    pub todo: Option<Todo>,
}

/// What the auth phase has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A code or backup code.
    Code,
    /// A device that was trusted not to need a code.
    Device,
    /// An app password.
    AppPassword,
    /// An app password of a virtual user, whom no module after us knows.
    VirtualUser,
    /// A key of a user who has no enrollment, or for whom it is enough.
    Key,
    /// Nothing; the policy demands nothing.
    None,
}

/// What is left to the account phase. Nothing of it is done where that phase is not reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Todo {
    /// Something is written, asked or told.
    Complete(Complete),
    /// Two-step is set up.
    Enroll(Enroll),
    /// She is told from when on she needs two-step, which she cannot set up here.
    Announce(UnixTime),
    /// She is refused: a line took password and code apart, and the line after it, which judges, was passed over or is not there. It would
    /// have left another record.
    Unjudged,
}

/// What is left of a login with a code, or with a device that stands for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complete {
    /// What is written.
    pub completion: Completion,
    /// What could be trusted.
    pub offer: Option<Box<Offer>>,
    /// How many backup codes are left, where one was used.
    pub backup_codes_left: Option<usize>,
    /// How many more logins the bypass code is good for, where one was used.
    pub bypass_left: Option<u32>,
    /// Wrong answers that the owner has not been told of.
    pub untold: u32,
}

/// A device that can be trusted, or is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trustable {
    /// Which.
    pub device: Device,
    /// The account password that the login began with, hashed, where there is one.
    pub password: Option<Secret>,
    /// How long.
    pub lifetime: Duration,
}

/// A device that its owner is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Which, and how.
    pub trustable: Trustable,
    /// The authenticator whose code was right.
    pub authenticator: AuthenticatorId,
}

impl Complete {
    /// Nothing as yet.
    fn of(enrollment: EnrollmentId) -> Self {
        let completion = Completion::of(enrollment);
        Self { completion, offer: None, backup_codes_left: None, bypass_left: None, untold: 0 }
    }
}

impl Record {
    /// How the account phase ends for the user who left this record, where nothing remains to be done.
    pub fn settles(&self, raw: &str) -> Option<Ending> {
        (self.todo.is_none() && self.raw == raw).then(|| self.ending())
    }

    fn ending(&self) -> Ending {
        match self.proof {
            Proof::Code | Proof::Device | Proof::Key | Proof::VirtualUser => Ending::Accept(self.clone()),
            // Whether the account is expired is for the modules after us, which know this user.
            Proof::AppPassword | Proof::None => Ending::Ignore(None),
        }
    }
}

/// The auth phase.
pub fn authenticate(ports: &mut Ports<'_>, policy: &Policy, request: &Request<'_>) -> Ending {
    prove(ports, policy, request, Operation::SignIn)
}

/// The auth phase of a person who proves something other than that they may sign in.
pub fn prove(ports: &mut Ports<'_>, policy: &Policy, request: &Request<'_>, operation: Operation) -> Ending {
    let mut login = Login { operation, ..Login::new(ports, policy, request, None) };
    match login.authenticate() {
        Ok(told) => login.end(told),
        Err(stop) => login.stop(stop),
    }
}

/// What the configuration decides by itself, in either phase: whoever asks the broker for the rest need not ask it then. The broker may
/// be gone; an exemption holds. The vault of `ports` is not opened.
pub fn settle(ports: &mut Ports<'_>, policy: &Policy, request: &Request<'_>) -> Settled {
    let mut login = Login::new(ports, policy, request, None);
    match login.settle() {
        Ok(Some(told)) => Settled::Ended(Box::new(login.end(told))),
        Ok(None) => Settled::Open(login.class),
        Err(stop) => Settled::Ended(Box::new(login.stop(stop))),
    }
}

/// What is left after [`settle`].
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Nothing.
    Ended(Box<Ending>),
    /// All, on a service of this class.
    Open(ServiceClass),
}

/// The account phase of a login that left a record in the auth phase.
pub fn account_with_record(
    ports: &mut Ports<'_>,
    policy: &Policy,
    request: &Request<'_>,
    record: &Record,
) -> Ending {
    let mut login = Login::new(ports, policy, request, record.user.clone());
    login.class = record.class;
    match login.account_with_record(record) {
        Ok(ending) => ending,
        Err(stop) => login.stop(stop),
    }
}

/// The account phase of a login that no line of ours has judged: as a rule one that the service accepted for a key alone.
pub fn account_without_record(
    ports: &mut Ports<'_>,
    policy: &Policy,
    request: &Request<'_>,
    came: Unrecorded,
) -> Ending {
    let mut login = Login::new(ports, policy, request, None);
    match login.account_without_record(came) {
        Ok((reason, ending)) => login.tell_log(reason, ending),
        Err(stop) => login.stop(stop),
    }
}

/// The account phase of a login whose code nobody has judged, where the service says that it may have accepted a key: a try of another
/// method before it, on the same handle, can have left that. Whoever may come by a key alone does; all others are refused for the code.
pub fn account_unjudged_or_after_key(
    ports: &mut Ports<'_>,
    policy: &Policy,
    request: &Request<'_>,
) -> Ending {
    // A key does not make up for a code that nobody has judged.
    let request = &Request { key: None, ..request.clone() };
    let mut login = Login::new(ports, policy, request, None);
    // What is told to whoever comes by a key alone is not for her who did not.
    login.veiled = true;
    match login.account_without_record(Unrecorded::ByKey) {
        Ok((reason, ending @ Ending::Ignore(_))) => login.tell_log(reason, ending),
        Ok(_) => login.stop(Stop(Reason::CodeUnjudged)),
        Err(stop) => login.stop(stop),
    }
}

/// A login that ends without a verdict of [`crate::decide`] or [`crate::verify`].
pub(crate) struct Stop(pub(crate) Reason);

impl From<Unavailable> for Stop {
    fn from(unavailable: Unavailable) -> Self {
        Self(unavailable.into())
    }
}

impl From<HashError> for Stop {
    fn from(error: HashError) -> Self {
        Self(Reason::Hash { cause: error.to_string(), remedy: error.remedy() })
    }
}

struct Login<'a, 'p, 'r> {
    ports: &'a mut Ports<'p>,
    policy: &'a Policy,
    request: &'a Request<'r>,
    /// What a code is to prove.
    operation: Operation,
    /// Known once the name is resolved; for the log.
    user: Option<UserName>,
    /// What kind of service it is: by the module's line and the configuration's list, until a rule says otherwise.
    class: ServiceClass,
    /// Whether whoever is refused is told nothing, since that would tell strangers who is enrolled.
    veiled: bool,
    /// The name that the enrollment was made for whose code is asked for, where that name has gone.
    orphan: Option<UserName>,
}

type Verdict = Result<(Reason, Ending), Stop>;
/// An ending, and what the log is told of it, if it is.
type Told = (Option<Reason>, Ending);

fn told((reason, ending): (Reason, Ending)) -> Told {
    (Some(reason), ending)
}

impl<'a, 'p, 'r> Login<'a, 'p, 'r> {
    fn new(
        ports: &'a mut Ports<'p>,
        policy: &'a Policy,
        request: &'a Request<'r>,
        user: Option<UserName>,
    ) -> Self {
        // Without a rule it cannot be at odds with the line.
        let class = Terms::of(policy, None, request.mode, &request.service)
            .map_or(ServiceClass::Interactive, |terms| terms.class);
        Self {
            ports,
            policy,
            request,
            operation: Operation::SignIn,
            user,
            class,
            veiled: false,
            orphan: None,
        }
    }

    fn authenticate(&mut self) -> Result<Told, Stop> {
        let now = self.now();
        let mut asked =
            Asked::new(self.ports.directory, self.request.user, naming(self.policy, self.request));
        let chosen = terms::choose(self.policy, self.request, &mut asked, now);
        self.user = asked.user();
        self.veiled = self.is_veiled();
        let terms = match chosen {
            // Whoever spells a name otherwise, where a rule wants to know it, is asked like everybody else.
            Err(Stop(reason @ (Reason::NameSpelling | Reason::UserUnknown)))
                if (self.veiled || self.request.mode == Mode::OnePrompt)
                    && self.class == ServiceClass::Interactive =>
            {
                if self.request.mode == Mode::OnePrompt {
                    return Ok((None, self.split_nobodys()?));
                }
                self.ask_for_nothing()?;
                return Ok(told(self.refuse(reason)));
            }
            chosen => chosen?.0,
        };
        self.class = terms.class;
        match (self.request.mode, terms.class) {
            (Mode::OnePrompt, _) => Ok((None, self.split(&terms, asked)?)),
            (_, ServiceClass::Interactive) => self.prompt(&terms, asked).map(told),
            (_, ServiceClass::App) => self.app(&terms, asked).map(told),
        }
    }

    fn settle(&mut self) -> Result<Option<Told>, Stop> {
        let naming = naming(self.policy, self.request);
        let mut asked = Asked::without_groups(self.ports.directory, self.request.user, naming);
        let now = self.now();
        let chosen = terms::choose(self.policy, self.request, &mut asked, now);
        self.user = asked.user();
        let terms = match chosen {
            _ if asked.is_left_to_broker() => return Ok(None),
            Err(Stop(Reason::NameSpelling | Reason::UserUnknown)) if self.is_veiled() => return Ok(None),
            chosen => chosen?.0,
        };
        self.class = terms.class;
        Ok(match terms.settled() {
            // The line that judges tells the log.
            Some(Demand::Nothing(_)) if self.request.mode == Mode::OnePrompt => {
                Some((None, Ending::Ignore(None)))
            }
            Some(Demand::Nothing(aside)) => Some(told(self.stand_aside(aside.why.reason.clone(), None))),
            // Asked like everybody else before she is refused.
            Some(Demand::Deny(_)) if self.is_veiled() => None,
            Some(Demand::Deny(why)) => Some(told(self.refuse(why.reason.clone()))),
            Some(_) | None => None,
        })
    }

    /// Whether everybody is asked. Whoever has shown a key is no stranger.
    fn is_veiled(&self) -> bool {
        self.policy.interactive.ask_everyone
            && !self.request.key_seen()
            && self.request.service.as_str() != SELF_SERVICE
    }

    /// The present: the configuration was not written later than now, whatever the clock says.
    fn present(&self) -> Now {
        (self.ports.clock)().no_earlier_than(self.policy.written)
    }

    /// The time by which the configuration is judged.
    fn now(&self) -> UnixTime {
        self.present().latest()
    }

    /// None of our business, but for a key that was seen: who needs no code needs no password then either.
    fn stand_aside(&self, reason: Reason, todo: Option<Todo>) -> (Reason, Ending) {
        let proof = if self.request.key_seen() { Proof::Key } else { Proof::None };
        let record = self.record(proof, todo);
        if self.request.key_seen() {
            return (Reason::Key, Ending::Accept(record));
        }
        (reason, Ending::Ignore(Some(record)))
    }

    fn record(&self, proof: Proof, todo: Option<Todo>) -> Record {
        let (user, raw) = (self.user.clone(), self.request.user.to_owned());
        Record { user, raw, class: self.class, proof, todo }
    }

    fn refuse(&mut self, reason: Reason) -> (Reason, Ending) {
        let reason = self.of_orphan(reason);
        if self.class == ServiceClass::Interactive
            && !self.veiled
            && let Some(text) = texts::refusal(&reason)
        {
            self.ports.talk.tell(&text);
        }
        let ending = match reason {
            Reason::UserUnknown | Reason::NameSpelling if !self.veiled => Ending::UserUnknown,
            _ => Ending::Refuse,
        };
        (reason, ending)
    }

    /// A reason, with the name that the enrollment was made for where that has gone. How long is to wait is told as ever.
    fn of_orphan(&self, reason: Reason) -> Reason {
        match (&self.orphan, reason) {
            (None, reason) | (Some(_), reason @ (Reason::Throttled { .. } | Reason::Capped)) => reason,
            (Some(of), reason) if reason.ending() == Result_::Accepted => {
                Reason::OfOrphan { of: of.clone(), by: Box::new(reason) }
            }
            (Some(of), reason) => Reason::Orphan { of: of.clone(), cause: reason.word() },
        }
    }

    fn stop(&mut self, Stop(reason): Stop) -> Ending {
        let ending = match reason {
            Reason::Conversation => Ending::TalkFailed,
            Reason::NameSpelling | Reason::UserUnknown => Ending::UserUnknown,
            _ if reason.ending() == Result_::Refused => Ending::Refuse,
            _ => Ending::Unavailable,
        };
        if ending == Ending::Unavailable && self.class == ServiceClass::Interactive {
            self.ports.talk.tell(UNAVAILABLE_TEXT);
        }
        self.tell_log(reason, ending)
    }

    fn end(&self, (reason, ending): Told) -> Ending {
        reason.into_iter().for_each(|reason| self.log(reason));
        ending
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

#[cfg(test)]
mod tests;
