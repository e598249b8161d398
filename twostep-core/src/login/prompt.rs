//! The auth phase of interactive services: a code.

use super::terms::{Asked, Read, naming};
use super::{
    CODE_PROMPT, Complete, Ending, Login, Offer, Proof, Record, Result_, Stop, Todo, Trustable, Verdict,
    internal, texts,
};
use crate::account::EnrollmentId;
use crate::decide::{Demand, Keys, Otherwise, Terms, Trust, Unless, Wanted};
use crate::device::Device;
use crate::event::Reason;
use crate::policy::SELF_SERVICE;
use crate::ports::Trusting;
use crate::throttle::Kind;
use crate::totp::AuthenticatorId;
use crate::verify::{self, Answer, Changes, CodeOutcome, Rest};

impl Login<'_, '_, '_> {
    pub(super) fn prompt(&mut self, terms: &Terms, asked: Asked<'_>) -> Verdict {
        if let Some(settled) = terms.settled() {
            if self.veiled && matches!(settled, Demand::Deny(_)) {
                self.ask_for_nothing()?;
            }
            return self.without_a_code(settled.clone());
        }
        let demand = self.read(terms, asked)?;
        match demand {
            Demand::Code(wanted) => self.code(terms, &wanted),
            Demand::AppPassword(_) => Err(internal("an app password demanded at a prompt")),
            demand => {
                if self.veiled {
                    self.ask_for_nothing()?;
                }
                self.without_a_code(demand)
            }
        }
    }

    fn read(&mut self, terms: &Terms, asked: Asked<'_>) -> Result<Demand, Stop> {
        let at = self.now();
        let read = Read { veiled: self.veiled, ..Read::of(terms, self.request, at) };
        let (user, demand) = read.demand(self.ports.directory, self.ports.vault, asked)?;
        self.user = user;
        self.orphan = match &demand {
            Demand::Code(wanted) => wanted.orphan.clone(),
            _ => None,
        };
        Ok(demand)
    }

    fn without_a_code(&mut self, demand: Demand) -> Verdict {
        match demand {
            Demand::Nothing(aside) => {
                Ok(self.stand_aside(aside.why.reason, aside.denied_from.map(Todo::Announce)))
            }
            Demand::Enroll(enroll) => {
                Ok(self.stand_aside(Reason::ToEnroll { by: enroll.by }, Some(Todo::Enroll(enroll))))
            }
            Demand::Deny(why) => Ok(self.refuse(why.reason)),
            Demand::Code(_) | Demand::AppPassword(_) => Err(internal("a code is demanded after all")),
        }
    }

    /// Asks for a code, and takes as much trouble over it as over a wrong one.
    pub(super) fn ask_for_nothing(&mut self) -> Result<(), Stop> {
        let answer = self.enter()?;
        if answer.refused_unseen().is_none() || matches!(answer, Answer::SameAsPassword) {
            self.pretend(answer.kind())?;
        }
        Ok(())
    }

    fn pretend(&mut self, kind: Kind) -> Result<(), Stop> {
        let now = (self.ports.clock)();
        Ok(self.ports.vault.open()?.pretend(&self.request.source, kind, &now)?)
    }

    fn enter(&mut self) -> Result<Answer, Stop> {
        let prompt = self.request.prompt.unwrap_or(CODE_PROMPT);
        let entered =
            self.ports.talk.ask(prompt, self.request.echo).map_err(|_| Stop(Reason::Conversation))?;
        Ok(verify::sort(&entered))
    }

    /// Whether the service has seen a key that is both steps to somebody, where `wanted` says so of at least these keys. With the record of
    /// the login that it lets in.
    pub(super) fn by_key(
        &mut self,
        wanted: &Wanted,
        at_least: Keys,
    ) -> Result<Option<(Reason, Record)>, Stop> {
        let Some((enough, seen)) = wanted.enough.zip(self.request.key.clone()) else { return Ok(None) };
        if enough.keys < at_least || (enough.keys == Keys::Security && !seen.is_security_key) {
            return Ok(None);
        }
        let key = seen.fingerprint;
        let reason = if seen.is_security_key { Reason::SecurityKey { key } } else { Reason::SshKey { key } };
        let untold = self.ports.vault.open()?.untold(wanted.enrollment)?;
        let complete = Complete { untold, ..Complete::of(wanted.enrollment) };
        let todo = (untold > 0).then_some(Todo::Complete(complete));
        Ok(Some((reason, self.record(Proof::Key, todo))))
    }

    fn code(&mut self, terms: &Terms, wanted: &Wanted) -> Verdict {
        if self.request.key_seen()
            && let Some((reason, record)) = self.by_key(wanted, Keys::Security)?
        {
            return Ok((reason, Ending::Accept(record)));
        }
        let trustable = wanted.trust.as_ref().and_then(|trust| self.trustable(trust));
        if let Some(trustable) = &trustable
            && let Some(trusted) = self.trusted(wanted.enrollment, trustable)?
        {
            // Whoever is not asked would be seen to be somebody. What she enters does not matter.
            if self.veiled {
                self.ask_for_nothing()?;
            }
            return Ok(trusted);
        }
        let pending = matches!(wanted.otherwise, Otherwise::AsUnenrolled(_));
        if pending && !self.veiled {
            let goes_on = matches!(wanted.otherwise, Otherwise::AsUnenrolled(Unless::GoOn(_)));
            self.ports.talk.tell(if goes_on { texts::PENDING } else { texts::PENDING_ENTER });
        }
        let answer = self.enter()?;
        if let (Answer::Empty, true) = (&answer, pending) {
            return self.nothing_entered(terms);
        }
        if let Some(reason) = answer.refused_unseen() {
            // What is left of a password behind a line that cuts codes off can be the same as the code, and nobody's is ever cut.
            if self.veiled && matches!(answer, Answer::SameAsPassword) {
                self.pretend(answer.kind())?;
            }
            return Ok(self.refuse(reason));
        }
        let outcome = self.judge(wanted.enrollment, &answer)?;
        if self.veiled && matches!(outcome.reason, Reason::Throttled { .. } | Reason::Capped) {
            // What is not heard costs nothing, and would be told by that from what is.
            self.pretend(answer.kind())?;
        }
        if outcome.reason.ending() != Result_::Accepted {
            return Ok(self.refuse(outcome.reason));
        }
        let mut complete = self.completion(wanted, &outcome, trustable);
        complete.completion.activates = pending;
        let todo = (complete != Complete::of(wanted.enrollment)).then_some(Todo::Complete(complete));
        Ok((self.of_orphan(outcome.reason), Ending::Accept(self.record(Proof::Code, todo))))
    }

    fn completion(&self, wanted: &Wanted, outcome: &CodeOutcome, trustable: Option<Trustable>) -> Complete {
        let mut complete = Complete::of(wanted.enrollment);
        if let Some(Rest { untold, makes_known }) = &outcome.rest {
            complete.untold = *untold;
            complete.completion.makes_known = makes_known.then(|| self.request.source.clone());
        }
        match &outcome.reason {
            Reason::BackupCode { left } => complete.backup_codes_left = Some(*left),
            // Anyone who proves a change has signed in before, and was told then.
            Reason::BypassCode { left } if self.request.service.as_str() != SELF_SERVICE => {
                complete.bypass_left = Some(*left);
            }
            // Whoever has lost the phone does not trust devices.
            Reason::Code { authenticator } => {
                let authenticator = AuthenticatorId(*authenticator);
                complete.offer = trustable.map(|trustable| Box::new(Offer { trustable, authenticator }));
            }
            _ => {}
        }
        complete
    }

    /// What can be trusted of this login, unless nobody can tell what the account password is. It is read before anybody is asked for a code:
    /// who has signed in with the old password is not trusted with the new one, which was set while the prompt stood. And it is read while
    /// the store is closed: a directory that hangs must not hold its lock.
    pub(super) fn trustable(&self, trust: &Trust) -> Option<Trustable> {
        let device = Device::of(
            &trust.kinds,
            self.request.key.as_ref().map(|key| &key.fingerprint),
            &self.request.source,
        )?;
        let user = self.user.as_ref();
        let password = user.map_or(Ok(None), |user| self.ports.directory.account_password(user)).ok()?;
        Some(Trustable { device, password, lifetime: trust.lifetime })
    }

    /// Whether this login needs no code, coming from a device that was trusted.
    pub(super) fn trusted(
        &mut self,
        enrollment: EnrollmentId,
        trustable: &Trustable,
    ) -> Result<Option<(Reason, Ending)>, Stop> {
        let Trustable { device, password, lifetime } = trustable;
        let now = self.present();
        let at = Trusting {
            service: &self.request.service,
            device,
            password: password.as_ref(),
            at_most: *lifetime,
        };
        let Some(trusted) = self.ports.vault.open()?.trusted(enrollment, &at, &now)? else { return Ok(None) };
        let complete = Complete { untold: trusted.untold, ..Complete::of(enrollment) };
        let todo = (trusted.untold > 0).then_some(Todo::Complete(complete));
        let reason = Reason::TrustedDevice { device: device.to_string() };
        let record = self.record(Proof::Device, todo);
        Ok(Some((reason, Ending::Accept(record))))
    }

    /// A pending user has entered nothing: she is as if unenrolled, unless she became active while the prompt stood.
    fn nothing_entered(&mut self, terms: &Terms) -> Verdict {
        let asked = Asked::new(self.ports.directory, self.request.user, naming(self.policy, self.request));
        match self.read(terms, asked)? {
            Demand::Code(Wanted { otherwise: Otherwise::AsUnenrolled(unless), .. }) => Ok(match unless {
                Unless::GoOn(_) => self.stand_aside(Reason::PendingSkipped, None),
                Unless::Refuse(_) => self.refuse(Reason::NotEnrolledDenied),
            }),
            Demand::Code(_) | Demand::AppPassword(_) => Ok(self.refuse(Reason::Empty)),
            demand => self.without_a_code(demand),
        }
    }

    fn judge(&mut self, enrollment: EnrollmentId, answer: &Answer) -> Result<CodeOutcome, Stop> {
        let (now, operation) = (self.present(), self.operation);
        let mut hash_error = None;
        let mut judge = |credentials: Option<&_>| {
            verify::verify_for(operation, answer, credentials, &now).unwrap_or_else(|error| {
                hash_error = Some(error);
                CodeOutcome { changes: Changes::default(), ..CodeOutcome::refused(Reason::CodeWrong) }
            })
        };
        let source = &self.request.source;
        let outcome = self.ports.vault.open()?.judge(enrollment, source, answer.kind(), &now, &mut judge)?;
        match hash_error {
            Some(error) => Err(error.into()),
            None => Ok(outcome),
        }
    }
}
