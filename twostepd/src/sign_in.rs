//! A login, judged for a module that is not wholly root: the login of twostep-core with a connection in the place of PAM.

use crate::broker::{Asker, Broker};
use crate::expiry::has_expired;
use crate::limits::COMMIT;
use crate::log::LOGINS;
use crate::party::{Party, UNKNOWN};
use crate::subject::find;
use crate::talk::Remote;
use std::path::{Path, PathBuf};
use twostep_core::access::{self, Ground};
use twostep_core::attempt::Source;
use twostep_core::event::{Event, Reason};
use twostep_core::login::{self, Change, Ending, Ports, Record, Request, Word};
use twostep_core::name::UserName;
use twostep_core::policy::Policy;
use twostep_core::ports::Audit;
use twostep_core::protocol::{FromBroker, Mode, Phase, Refusal, SignIn, TEXT_MAX, ToBroker, Verdict};
use twostep_core::rule::Tty;
use twostep_host::configuration::{self, DEFAULT_PATH};
use twostep_host::{Nss, now};
use twostep_store::vault::Files;

/// One login, from its beginning to its account phase.
pub(crate) fn run(broker: &Broker, asker: &Asker<'_>, sign_in: &SignIn) {
    if !is_well_formed(sign_in) {
        return asker.refuse_protocol(broker, "a text that is none of the module's");
    }
    let (policy, ground) = match begin(broker, asker, sign_in) {
        Ok(begun) => begun,
        Err(stop) => return asker.refuse(stop.refusal, &stop.text),
    };
    let source = source(ground, asker, sign_in, &policy);
    let course = Course { asker, sign_in, source, ground };
    let ending = match sign_in.phase {
        Phase::Auth => {
            course.with_ports(&policy, |ports, request| login::authenticate(ports, &policy, request))
        }
        Phase::AccountAfterKey => {
            // The peer may be anybody's program: nothing that it says of keys or of PAM is looked at.
            let came = login::Unrecorded::ByKey;
            course.with_ports(&policy, |ports, request| {
                login::account_without_record(ports, &policy, request, came)
            })
        }
        Phase::BeforePasswordChange => course.password(&policy, Change::Before),
        Phase::AfterPasswordChange => course.password(&policy, Change::After),
    };
    course.tell(&ending);
    if let (Phase::Auth, Ending::Accept(record) | Ending::Ignore(Some(record))) = (sign_in.phase, &ending) {
        course.wait_for_account_phase(broker, record);
    }
}

/// Whether its texts are such as the module sends.
fn is_well_formed(sign_in: &SignIn) -> bool {
    let SignIn { user, rhost, tty, prompt, config, .. } = sign_in;
    let texts = [Some(user), rhost.as_ref(), tty.as_ref(), prompt.as_ref(), config.as_ref()];
    texts.into_iter().flatten().all(|text| text.len() <= TEXT_MAX)
        && !prompt.as_ref().is_some_and(|prompt| prompt.is_empty() || prompt.chars().any(char::is_control))
}

/// Why a login is not even begun; it is logged by then.
struct Stop {
    refusal: Refusal,
    text: String,
}

/// Reads the policy as the module does at every login, and decides whether this peer may ask. Of a peer that may not, or not yet, only so
/// much is logged as a log can bear.
fn begin(broker: &Broker, asker: &Asker<'_>, sign_in: &SignIn) -> Result<(Policy, Ground), Stop> {
    let uid = asker.peer.uid;
    let unavailable = |what, reason| {
        // Every refused su has its line, as every refused ssh login has.
        if uid == 0 {
            record(sign_in, reason);
        } else {
            broker.complain(asker.party, what, |_| record(sign_in, reason));
        }
        Stop { refusal: Refusal::Unavailable, text: login::UNAVAILABLE_TEXT.to_owned() }
    };
    let configuration = |cause| unavailable("configuration", Reason::Configuration { cause });
    let policy =
        configuration::read(broker.config.as_deref()).map_err(|error| configuration(error.cause()))?;
    let not_allowed = || {
        broker.complain(asker.party, "not-allowed", |more| record(sign_in, Reason::NotAllowed { uid, more }));
        let text = "This program may not ask for that user here.".to_owned();
        Stop { refusal: Refusal::NotAllowed, text }
    };
    let ground = match access::sign_in(&policy.broker, &Nss, uid, &sign_in.service, &sign_in.user) {
        // The service says of a key what it likes. sshd is root.
        Ok(Ground::Granted) if sign_in.phase != Phase::Auth || sign_in.mode == Mode::AfterKey => {
            return Err(not_allowed());
        }
        // Nor of a password, which passwd has changed, as root.
        Ok(Ground::Own)
            if matches!(sign_in.phase, Phase::BeforePasswordChange | Phase::AfterPasswordChange) =>
        {
            return Err(not_allowed());
        }
        Ok(ground) => ground,
        Err(Reason::NotAllowed { .. }) => return Err(not_allowed()),
        Err(reason) => return Err(unavailable("nss", reason)),
    };
    if ground == Ground::Own
        && let Err(spent) = broker.own_request(asker.party)
    {
        let reason = |more| Reason::Busy { uid, cause: spent.cause(), more };
        broker.complain(asker.party, "busy", |more| record(sign_in, reason(more)));
        return Err(Stop {
            refusal: Refusal::Busy,
            text: "Too many tries. Please wait a little.".to_owned(),
        });
    }
    same_configuration(broker.config.as_deref(), sign_in.config.as_deref()).map_err(configuration)?;
    Ok((policy, ground))
}

/// A line that names a configuration must mean ours: the broker does not judge by rules that a peer points it to.
fn same_configuration(ours: Option<&Path>, lines: Option<&str>) -> Result<(), String> {
    let default = Path::new(DEFAULT_PATH);
    let (ours, lines) = (ours.unwrap_or(default), lines.map_or(default.to_owned(), PathBuf::from));
    if ours == lines {
        return Ok(());
    }
    Err(format!("the module's line uses {}, and twostepd {}", lines.display(), ours.display()))
}

/// Where the login comes from: as far as the peer can be believed. su and sudo come from whoever runs them, whatever else they say, and not
/// from "a terminal of this host": there everybody would be in one place, the guesser and the owner whose right code lets that place begin
/// anew. Of no peer it is known at what terminal it is.
fn source(ground: Ground, asker: &Asker<'_>, sign_in: &SignIn, policy: &Policy) -> Source {
    let told = |rhost: Option<&str>| Source::told(rhost, Tty::None, &sign_in.service, &policy.nat64);
    match (ground, asker.party) {
        (Ground::Own, _) => Source::Caller(asker.peer.uid),
        (Ground::Granted, _) | (Ground::Root, Party(0)) => told(sign_in.rhost.as_deref()),
        (Ground::Root, UNKNOWN) => told(None),
        (Ground::Root, Party(uid)) => Source::Caller(uid),
    }
}

/// A line about a login that was not begun. The name is looked up for it: it stands there as NSS has it, or not at all.
fn record(sign_in: &SignIn, reason: Reason) {
    let user = match &reason {
        Reason::Nss { .. } => None,
        _ => find(&sign_in.user).ok().flatten().map(|person| person.name),
    };
    LOGINS.record(&Event { reason, user, service: Some(sign_in.service.clone()), source: None });
}

struct Course<'a> {
    asker: &'a Asker<'a>,
    sign_in: &'a SignIn,
    source: Source,
    ground: Ground,
}

impl Course<'_> {
    fn with_ports(
        &self,
        policy: &Policy,
        run: impl FnOnce(&mut Ports<'_>, &Request<'_>) -> Ending,
    ) -> Ending {
        self.with_ports_for(&self.sign_in.user, policy, run)
    }

    fn password(&self, policy: &Policy, change: Change) -> Ending {
        self.with_ports(policy, |ports, request| login::change_password(ports, policy, request, change))
    }

    /// Runs a piece of the login for `user`, the name as PAM has it at that time.
    fn with_ports_for(
        &self,
        user: &str,
        policy: &Policy,
        run: impl FnOnce(&mut Ports<'_>, &Request<'_>) -> Ending,
    ) -> Ending {
        let SignIn { service, mode, prompt, tty, echo, .. } = self.sign_in;
        let request = Request {
            user,
            service: service.clone(),
            mode: *mode,
            source: self.source.clone(),
            // As with the source: whoever asks for himself, and a peer that nobody knows, says of the terminal what he likes.
            tty: if self.ground == Ground::Granted || self.asker.party == Party(0) {
                Tty::told(tty.as_deref())
            } else {
                Tty::Doubted
            },
            prompt: prompt.as_deref(),
            echo: *echo,
            // sshd, which knows of keys, is root.
            key: None,
            word: match self.ground {
                Ground::Root => Word::Counts,
                Ground::Granted => Word::Granted,
                Ground::Own => Word::Doubted,
            },
        };
        let mut vault = Files::of(policy);
        let mut talk = Remote::over(self.asker.link);
        let directory = &Nss;
        let issuer = || twostep_host::issuer(policy);
        let mut ports = Ports {
            directory,
            vault: &mut vault,
            talk: &mut talk,
            audit: &LOGINS,
            clock: &now,
            issuer: &issuer,
        };
        run(&mut ports, &request)
    }

    /// How the login of an account ends that has expired, where the modules behind ours cannot see that.
    fn expired(&self, left: &Record) -> Option<Verdict> {
        let user = left.user.as_ref().filter(|_| self.ground == Ground::Granted)?;
        match has_expired(user, now().wall) {
            Ok(false) => None,
            Ok(true) => {
                self.record(Reason::AccountExpired, user);
                Some(Verdict::AccountExpired)
            }
            Err(failed) => {
                self.record(Reason::Nss { cause: failed.0 }, user);
                Some(Verdict::Unavailable)
            }
        }
    }

    fn record(&self, reason: Reason, user: &UserName) {
        let (service, source) = (Some(self.sign_in.service.clone()), Some(self.source.clone()));
        LOGINS.record(&Event { reason, user: Some(user.clone()), service, source });
    }

    fn tell(&self, ending: &Ending) {
        self.say(Verdict::from(ending));
    }

    fn say(&self, verdict: Verdict) {
        // Whoever is gone by now has not got in.
        let _gone = self.asker.link.send(&FromBroker::Verdict { verdict });
    }

    /// The modules behind ours have their say; then the login is brought to its end, or never.
    fn wait_for_account_phase(&self, broker: &Broker, left: &Record) {
        let user = match self.asker.link.receive(COMMIT) {
            Ok(ToBroker::Commit { user }) => user,
            Ok(_) => return self.asker.refuse_protocol(broker, "a message out of turn"),
            Err(_) => return,
        };
        if let Some(verdict) = self.expired(left) {
            return self.say(verdict);
        }
        // The same name, and nothing to write: all was decided in the auth phase.
        if let Some(ending) = left.settles(&user) {
            return self.tell(&ending);
        }
        let policy = match configuration::read(broker.config.as_deref()) {
            Ok(policy) => policy,
            Err(error) => {
                record(self.sign_in, Reason::Configuration { cause: error.cause() });
                return self.tell(&Ending::Unavailable);
            }
        };
        let ending = self.with_ports_for(&user, &policy, |ports, request| {
            login::account_with_record(ports, &policy, request, left)
        });
        self.tell(&ending);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_modules_line_must_mean_our_configuration() {
        let check = |ours: Option<&str>, lines| same_configuration(ours.map(Path::new), lines).is_ok();
        assert!(check(None, None));
        assert!(check(None, Some(DEFAULT_PATH)));
        assert!(check(Some("/srv/c.toml"), Some("/srv/c.toml")));
        assert!(!check(Some("/srv/c.toml"), None));
        assert!(!check(None, Some("/home/alice/mine.toml")));
    }
}
