//! Logins that the broker judges, this process being not wholly root. Here somebody is asked and told, and nothing is decided.

use crate::arguments::Arguments;
use crate::guard::LOG;
use crate::phases::{Kept, Login, stopped};
use crate::talk::Talk;
use crate::{here, service};
use pam::constants::PamFlag;
use pam::module::PamHandle;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use twostep_core::app_password::AppPassword;
use twostep_core::attempt::{ServiceClass, Source};
use twostep_core::event::Reason;
use twostep_core::login::{self, Change, Ports, Request, Settled, UNAVAILABLE_TEXT, Word};
use twostep_core::memory_hard::Hash;
use twostep_core::name::UserName;
use twostep_core::ports::{Conversation, Entered, Store, Unavailable, Vault};
use twostep_core::protocol::{
    Answer, Ask, Echo, FromBroker, Mode, Phase, Refusal, SignIn, TEXT_MAX, ToBroker, Verdict, bounded,
};
use twostep_core::rule::Tty;
use twostep_core::secret::Secret;
use twostep_host::link::{Link, LinkError, SOCKET};
use twostep_host::{Nss, now};

/// Who must own the socket and the process behind it.
const ROOT: u32 = 0;
/// How long the broker may take for its next word. It waits for the store for a few seconds at most, twice, and fifteen for a
/// turn at Argon2id.
const REPLY: Duration = Duration::from_secs(30);

/// The auth phase.
pub(crate) fn authenticate(
    handle: &mut PamHandle,
    flags: PamFlag,
    arguments: &Arguments,
    login: &Login,
) -> (Verdict, Option<Kept>) {
    let Begun { verdict, class, link } = begin(Phase::Auth, handle, flags, arguments, login);
    let mode = arguments.mode;
    let kept = match verdict {
        Verdict::Accepted | Verdict::Ignored => link.map(|link| {
            Kept::AtBroker(Arc::new(Sitting { mode, class, course: Mutex::new(Course::Open(link)) }))
        }),
        _ => None,
    };
    (verdict, kept)
}

/// The account phase of a login by key alone.
pub(crate) fn account_after_key(
    handle: &mut PamHandle,
    flags: PamFlag,
    arguments: &Arguments,
    login: &Login,
) -> Verdict {
    begin(Phase::AccountAfterKey, handle, flags, arguments, login).verdict
}

/// The password phase: passwd, run by a user.
pub(crate) fn password(
    handle: &mut PamHandle,
    flags: PamFlag,
    arguments: &Arguments,
    login: &Login,
    change: Change,
) -> Verdict {
    let phase = match change {
        Change::Before => Phase::BeforePasswordChange,
        Change::After => Phase::AfterPasswordChange,
    };
    ask(phase, handle, flags, arguments, login, ServiceClass::Interactive).verdict
}

/// A phase that has begun, and has its verdict.
struct Begun {
    verdict: Verdict,
    class: ServiceClass,
    /// The broker, where it waits for the account phase.
    link: Option<Link>,
}

fn begin(
    phase: Phase,
    handle: &mut PamHandle,
    flags: PamFlag,
    arguments: &Arguments,
    login: &Login,
) -> Begun {
    match settle(handle, flags, arguments, login, service::tty(handle).as_deref()) {
        Settled::Open(class) => ask(phase, handle, flags, arguments, login, class),
        Settled::Ended(ending) => {
            Begun { verdict: Verdict::from(&*ending), class: ServiceClass::Interactive, link: None }
        }
    }
}

/// Has the broker judge.
fn ask(
    phase: Phase,
    handle: &mut PamHandle,
    flags: PamFlag,
    arguments: &Arguments,
    login: &Login,
    class: ServiceClass,
) -> Begun {
    let (rhost, tty) = (service::rhost(handle), service::tty(handle));
    let sign_in = SignIn {
        phase,
        user: bounded(&login.user),
        service: login.service.clone(),
        rhost: rhost.as_deref().map(bounded),
        tty: tty.as_deref().map(bounded),
        mode: arguments.mode,
        prompt: arguments.prompt.clone(),
        echo: arguments.echo,
        config: arguments.config.as_ref().map(|path| path.to_string_lossy().into_owned()),
    };
    let code = here::code_for(handle, arguments.mode);
    let mut talk = Talk { handle, flags, code };
    let begun = Link::connect(&login.policy.paths.runtime.join(SOCKET), ROOT)
        .map_err(Broken::Link)
        .and_then(|link| Ok((converse(&link, &ToBroker::SignIn { sign_in }, &mut talk)?, link)));
    match begun {
        Ok((verdict, link)) => Begun { verdict, class, link: Some(link) },
        Err(broken) => Begun { verdict: broken.end(&mut talk, class), class, link: None },
    }
}

/// What the configuration decides by itself: the broker need not be there for that.
fn settle(
    handle: &mut PamHandle,
    flags: PamFlag,
    arguments: &Arguments,
    login: &Login,
    tty: Option<&str>,
) -> Settled {
    let request = Request {
        user: &login.user,
        service: login.service.clone(),
        mode: arguments.mode,
        source: source(handle, login),
        tty: Tty::told(tty),
        prompt: None,
        echo: arguments.echo,
        key: None,
        word: Word::Doubted,
    };
    let mut talk = Talk { handle, flags, code: None };
    let issuer = String::new;
    let mut ports = Ports {
        directory: &Nss,
        vault: &mut OutOfReach,
        talk: &mut talk,
        audit: &LOG,
        clock: &now,
        issuer: &issuer,
    };
    login::settle(&mut ports, &login.policy, &request)
}

/// Where the login comes from, as the broker sees it: su and sudo, which have become root, come from whoever runs them; the terminal of
/// any other is only said.
fn source(handle: &PamHandle, login: &Login) -> Source {
    let (real, effective) = (nix::unistd::getuid(), nix::unistd::geteuid());
    if effective.is_root() && !real.is_root() {
        return Source::Caller(real.as_raw());
    }
    Source::told(service::rhost(handle).as_deref(), Tty::None, &login.service, &login.policy.nat64)
}

/// The store, for whoever cannot read it.
struct OutOfReach;

impl Vault for OutOfReach {
    fn open(&mut self) -> Result<Box<dyn Store + '_>, Unavailable> {
        Err(Unavailable {
            cause: "the store was wanted where only the broker has it".to_owned(),
            remedy: "please report this".to_owned(),
        })
    }

    fn in_turn(&mut self, _: &mut dyn FnMut()) -> Result<(), Unavailable> {
        self.open().map(drop)
    }

    fn hash_anew(&mut self, _: &AppPassword) -> Option<Hash> {
        None
    }
}

/// A login that the broker has judged and that waits for its account phase.
pub(crate) struct Sitting {
    mode: Mode,
    class: ServiceClass,
    course: Mutex<Course>,
}

enum Course {
    /// The broker waits. The connection ends with the account phase, and not with the handle, which su keeps as long as the session.
    Open(Link),
    /// The account phase of this user has ended so.
    Ended(String, Verdict),
}

impl Sitting {
    /// Whether it was begun by a line that takes password and code apart.
    pub(crate) fn is_unjudged(&self) -> bool {
        self.mode == Mode::OnePrompt
    }

    /// The account phase. Whoever calls it again is told the same.
    pub(crate) fn commit(&self, handle: &mut PamHandle, flags: PamFlag, user: &str) -> Verdict {
        let mut course = self.course.lock().unwrap_or_else(PoisonError::into_inner);
        let verdict = match &*course {
            Course::Ended(before, verdict) if before == user => return *verdict,
            Course::Ended(..) => return stopped(handle, Reason::UserSwitched),
            Course::Open(link) => {
                let mut talk = Talk { handle, flags, code: None };
                match converse(link, &ToBroker::Commit { user: bounded(user) }, &mut talk) {
                    Ok(verdict) => verdict,
                    Err(broken) => broken.end(&mut talk, self.class),
                }
            }
        };
        *course = Course::Ended(user.to_owned(), verdict);
        verdict
    }
}

/// Why there is no verdict.
enum Broken {
    /// The connection.
    Link(LinkError),
    /// The broker has said something that has no place here.
    Strange,
    /// The broker will not judge this.
    Refused(Refusal, String),
}

/// One phase: says what begins it, and carries questions and answers until there is a verdict.
fn converse(link: &Link, first: &ToBroker, talk: &mut Talk<'_>) -> Result<Verdict, Broken> {
    let mut sent = link.send(first);
    loop {
        // What the broker has said before it went away says more than that it is gone.
        let ask = match (link.receive(REPLY), sent) {
            (Ok(FromBroker::Verdict { verdict }), _) => return Ok(verdict),
            (Ok(FromBroker::Refused { refusal, text }), _) => return Err(Broken::Refused(refusal, text)),
            (_, Err(error)) | (Err(error), _) => return Err(Broken::Link(error)),
            (Ok(FromBroker::Tell { text }), Ok(())) => {
                talk.tell(&text);
                sent = Ok(());
                continue;
            }
            (Ok(FromBroker::HandOn { password, code }), Ok(())) => {
                // A password that is not cut is a wrong one for the modules after us.
                if let (Ok(password), Ok(code)) = (usize::try_from(password), usize::try_from(code)) {
                    let _uncut = talk.hand_on(password, code);
                }
                sent = Ok(());
                continue;
            }
            (Ok(FromBroker::Rename { user }), Ok(())) => {
                match UserName::parse(&user).map(|user| talk.rename(&user)) {
                    Ok(Ok(())) => sent = Ok(()),
                    _ => return Err(Broken::Strange),
                }
                continue;
            }
            (Ok(FromBroker::Ask { ask }), Ok(())) => ask,
            (Ok(_), Ok(())) => return Err(Broken::Strange),
        };
        sent = link.send(&ToBroker::Answer { answer: answer(&ask, talk) });
    }
}

fn answer(ask: &Ask, talk: &mut Talk<'_>) -> Answer {
    let entered = match ask {
        Ask::Password { prompt } => talk.password(prompt).map(Entered::Text),
        Ask::Hidden { prompt } => talk.ask(prompt, Echo::Hidden),
        Ask::Shown { prompt } => talk.ask(prompt, Echo::Shown),
    };
    match entered {
        Ok(Entered::Text(text)) => Answer::Text { text: cut(text) },
        Ok(Entered::PasswordAgain) => Answer::PasswordAgain,
        Err(_) => Answer::Failed,
    }
}

impl Broken {
    /// Refuses. What the broker has refused it has logged itself, but where the two do not understand each other.
    fn end(self, talk: &mut Talk<'_>, class: ServiceClass) -> Verdict {
        let (text, cause, remedy) = match self {
            Self::Refused(Refusal::Protocol | Refusal::Version, text) => (
                UNAVAILABLE_TEXT.to_owned(),
                text,
                "restart twostepd: it is to be of the same version".to_owned(),
            ),
            Self::Refused(_, text) => {
                if class == ServiceClass::Interactive {
                    talk.tell(&text);
                }
                return Verdict::Unavailable;
            }
            Self::Link(error) => (UNAVAILABLE_TEXT.to_owned(), error.to_string(), error.remedy()),
            Self::Strange => (
                UNAVAILABLE_TEXT.to_owned(),
                "the broker's answer has no place in a login".to_owned(),
                "restart twostepd: it is to be of the same version".to_owned(),
            ),
        };
        if class == ServiceClass::Interactive {
            talk.tell(&text);
        }
        stopped(talk.handle, Reason::Broker { cause, remedy })
    }
}

/// What was typed, no longer than messages have room for: no code and no password of ours is longer.
fn cut(text: Secret) -> Secret {
    match text.expose().get(..TEXT_MAX) {
        Some(head) if text.expose().len() > TEXT_MAX => Secret::new(head.to_vec()),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_is_cut_to_what_a_message_has_room_for() {
        assert_eq!(cut(Secret::new(vec![7; 5000])), Secret::new(vec![7; TEXT_MAX]));
        assert_eq!(cut(Secret::new(vec![7; 6])), Secret::new(vec![7; 6]));
    }
}
