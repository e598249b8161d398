//! Proof that a peer is who its uid says: the account password through PAM and then a code, anew, before anything is changed for it.
//!
//! libpam is not for threads, its modules leave things behind in a process, and some of them hang: the password has a process of its
//! own every time, which is this program once more. It speaks the broker's side of the protocol; the broker hands its questions on to
//! the peer and the answers back. The code the broker asks for itself, by the same login as everywhere: whether one is needed and which
//! is right is not left to what stands in a PAM stack.

mod child;
mod password;

pub(crate) use child::run as child;

use crate::broker::{Asker, Broker};
use crate::budget::Spent;
use crate::log::LOGINS;
use crate::subject::Subject;
use crate::talk::Remote;
use password::{Given, StackFault};
use twostep_core::attempt::Source;
use twostep_core::event::{Event, Reason};
use twostep_core::login::{self, Ending, Ports, Proof, Request, Word};
use twostep_core::name::ServiceName;
use twostep_core::name::UserName;
use twostep_core::policy::SELF_SERVICE;
use twostep_core::ports::{Audit, Conversation, Entered, TalkFailed};
use twostep_core::protocol::{Echo, Mode};
use twostep_core::rule::Tty;
use twostep_core::secret::Secret;
use twostep_core::verify::Operation;
use twostep_host::{Nss, now};
use twostep_store::vault::Files;

/// What a peer has proven.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proven {
    /// Password and code.
    Code,
    /// The password alone, nobody being enrolled whose code could be asked for.
    Password,
}

/// Why there is no proof.
#[derive(Debug)]
pub(crate) enum Unproven {
    /// Password or code were wrong, or the account may not sign in.
    Wrong,
    /// The peer has gone, or takes too long.
    Gone,
    /// Too many at once.
    Busy(Spent),
    /// The stack of the service cannot be used.
    Stack(StackFault),
    /// The process could not be started or does not answer, or PAM failed in it.
    Child(String),
    /// Store, key or NSS cannot be used; the log has the cause.
    Unavailable,
}

/// Has the peer prove that it is `subject`, for an `operation`.
pub(crate) fn prove(
    broker: &Broker,
    asker: &Asker<'_>,
    subject: &Subject,
    operation: Operation,
) -> Result<Proven, Unproven> {
    password::stack_is_there().map_err(Unproven::Stack)?;
    let permit = broker.proof(asker.party).map_err(|spent| {
        asker.complain(broker, spent.cause());
        Unproven::Busy(spent)
    })?;
    let given = password::ask(asker, &subject.person.name)?;
    drop(permit);
    code(asker, subject, &given, operation)
}

/// The code, by the login of twostep-core with this connection at the other end.
fn code(
    asker: &Asker<'_>,
    subject: &Subject,
    given: &Given,
    operation: Operation,
) -> Result<Proven, Unproven> {
    let Subject { person, policy } = subject;
    let service = ServiceName::parse(SELF_SERVICE).map_err(|_| Unproven::Unavailable)?;
    let request = Request {
        user: person.name.as_str(),
        service,
        mode: Mode::ByService,
        source: Source::Caller(asker.peer.uid),
        tty: Tty::None,
        prompt: None,
        echo: Echo::Hidden,
        key: None,
        // The password has been proven to us.
        word: Word::Counts,
    };
    let mut vault = Files::of(policy);
    let mut talk = Prover { remote: Remote::over(asker.link), given };
    let issuer = || twostep_host::issuer(policy);
    let mut ports = Ports {
        directory: &Nss,
        vault: &mut vault,
        talk: &mut talk,
        audit: &LOGINS,
        clock: &now,
        issuer: &issuer,
    };
    match login::prove(&mut ports, policy, &request, operation) {
        Ending::Accept(record) if record.proof == Proof::Code => {
            // The password is proven too: nothing more can refuse it, and the owner is told what she is to be told.
            match login::account_with_record(&mut ports, policy, &request, &record) {
                Ending::Accept(_) => Ok(Proven::Code),
                _ => Err(Unproven::Unavailable),
            }
        }
        Ending::Ignore(_) => Ok(Proven::Password),
        Ending::Accept(_) => {
            let cause = "a proof without a code".to_owned();
            let reason = Reason::Internal { cause };
            LOGINS.record(&Event { reason, user: None, service: Some(request.service), source: None });
            Err(Unproven::Unavailable)
        }
        Ending::Refuse | Ending::UserUnknown => Err(Unproven::Wrong),
        Ending::TalkFailed => Err(Unproven::Gone),
        Ending::Unavailable => Err(Unproven::Unavailable),
    }
}

/// The peer, who has given a password by now: once more it is no code.
struct Prover<'a> {
    remote: Remote<'a>,
    given: &'a Given,
}

impl Conversation for Prover<'_> {
    fn password(&mut self, prompt: &str) -> Result<Secret, TalkFailed> {
        self.remote.password(prompt)
    }

    fn ask(&mut self, prompt: &str, echo: Echo) -> Result<Entered, TalkFailed> {
        Ok(match self.remote.ask(prompt, echo)? {
            Entered::Text(text) if self.given.has(&text) => Entered::PasswordAgain,
            entered => entered,
        })
    }

    fn hand_on(&mut self, password: usize, code: usize) -> Result<(), TalkFailed> {
        self.remote.hand_on(password, code)
    }

    fn rename(&mut self, _: &UserName) -> Result<(), TalkFailed> {
        // Who proves who she is does so to a prompt, under the name that NSS has.
        Err(TalkFailed)
    }

    fn account_accepts(&mut self) -> bool {
        // The process that has proven the password has come through the account phase as well.
        true
    }

    fn tell(&mut self, text: &str) {
        self.remote.tell(text);
    }
}
