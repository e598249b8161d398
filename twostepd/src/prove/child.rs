//! The process of one proof: PAM, with the conversation on standard input.

use crate::ffi::{self, Echo, PAM_NEW_AUTHTOK_REQD, PAM_RUSER, PAM_TTY, Pam, PamCode, Person};
use crate::limits::ANSWER;
use crate::log;
use std::ffi::CString;
use std::process::ExitCode;
use twostep_core::policy::{SELF_SERVICE, SELF_SERVICE_VARIABLE};
use twostep_core::protocol::{Answer, Ask, FromBroker, ToBroker, Verdict, bounded};
use twostep_core::secret::Secret;
use twostep_host::link::Link;

/// Runs the stack for `user`, tells the verdict and ends.
pub(crate) fn run(user: &str) -> ExitCode {
    if !nix::unistd::getuid().is_root() {
        eprintln!("twostepd: this is for twostepd itself");
        return ExitCode::from(2);
    }
    // An exec makes a process dumpable again. And without the broker nobody waits for a verdict.
    let hidden = nix::sys::prctl::set_dumpable(false);
    let bound = nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL);
    let Ok(socket) = ffi::standard_input() else { return ExitCode::FAILURE };
    let link = std::rc::Rc::new(Link::over(socket));
    let verdict = match (hidden, bound) {
        (Ok(()), Ok(())) => verdict(user, &link),
        _ => Verdict::Unavailable,
    };
    match link.send(&FromBroker::Verdict { verdict }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn verdict(user: &str, link: &std::rc::Rc<Link>) -> Verdict {
    let (Ok(service), Ok(name)) = (CString::new(SELF_SERVICE), CString::new(user)) else {
        return Verdict::Unavailable;
    };
    let peer = Peer { link: std::rc::Rc::clone(link) };
    let mut pam = match Pam::start(&service, &name, peer) {
        Ok(pam) => pam,
        Err(PamCode(code)) => {
            log::error(&format!("pam_start of service {SELF_SERVICE} returns {code}"));
            return Verdict::Unavailable;
        }
    };
    let begun = pam
        .set(PAM_TTY, c"twostep")
        .and_then(|()| pam.set(PAM_RUSER, &name))
        .and_then(|()| pam.put_variable(&asks_itself()));
    let done = begun.and_then(|()| pam.authenticate()).and_then(|()| pam.account());
    match done {
        // A module can have made somebody else of her on the way.
        Ok(()) if pam.user().as_deref() == Some(user) => Verdict::Accepted,
        Ok(()) => Verdict::Refused,
        Err(PAM_NEW_AUTHTOK_REQD) => {
            let _gone = (Peer { link: std::rc::Rc::clone(link) })
                .tell("Your account password has expired. Please change it first (passwd).");
            Verdict::Refused
        }
        Err(code) => judged(code),
    }
}

/// Says to our own module, should a stack that many services include have it, that the broker asks for the code.
fn asks_itself() -> CString {
    let assignment = [SELF_SERVICE_VARIABLE.to_bytes(), b"=1"].concat();
    CString::new(assignment).unwrap_or_default()
}

/// Whether PAM has judged and refused, or could not judge.
fn judged(PamCode(code): PamCode) -> Verdict {
    // PERM_DENIED, AUTH_ERR, CRED_INSUFFICIENT, USER_UNKNOWN, MAXTRIES, ACCT_EXPIRED, and what asks for a new password.
    const REFUSALS: [i32; 7] = [6, 7, 8, 10, 11, 13, 27];
    const CONV_ERR: i32 = 19;
    match code {
        CONV_ERR => Verdict::TalkFailed,
        code if REFUSALS.contains(&code) => Verdict::Refused,
        code => {
            log::error(&format!(
                "PAM's service {SELF_SERVICE} returns {code}: see what its modules have logged"
            ));
            Verdict::Unavailable
        }
    }
}

/// Whoever is to prove something, behind the broker.
struct Peer {
    link: std::rc::Rc<Link>,
}

impl Person for Peer {
    fn answer(&mut self, prompt: &str, echo: Echo) -> Option<Secret> {
        let prompt = bounded(prompt);
        let ask = match echo {
            Echo::Hidden => Ask::Hidden { prompt: prompt.into() },
            Echo::Shown => Ask::Shown { prompt: prompt.into() },
        };
        self.link.send(&FromBroker::Ask { ask }).ok()?;
        match self.link.receive(ANSWER).ok()? {
            ToBroker::Answer { answer: Answer::Text { text } } => Some(text),
            _ => None,
        }
    }

    fn tell(&mut self, text: &str) -> Option<()> {
        self.link.send(&FromBroker::Tell { text: bounded(text) }).ok()
    }
}
