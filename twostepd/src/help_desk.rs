//! What a help desk does for others, without being root: look, forget wrong codes, give a bypass code. Never a secret of anybody's,
//! and never for whoever could do more than the help desk.

use crate::broker::{Asker, Broker};
use crate::declined::Declined;
use crate::log::BROKER;
use crate::names;
use crate::own;
use crate::prove::{Proven, prove};
use crate::subject::{Standing, Subject, find};
use std::time::Duration;
use twostep_core::account::EnrollmentId;
use twostep_core::backup_code::BackupCode;
use twostep_core::change::{Action, Author, By, Why};
use twostep_core::event::{Event, Reason};
use twostep_core::name::UserName;
use twostep_core::policy::{Origin, Policy};
use twostep_core::ports::{Audit, Directory, Person};
use twostep_core::protocol::FromBroker;
use twostep_core::protocol::own::{Aid, Done, HelpDesk};
use twostep_core::secret::Secret;
use twostep_core::verify::Operation;
use twostep_host::{Kernel, Membership, Nss, now};

/// Carries a task out, if the peer is of the help desk, may do that, and proves who it is.
pub(crate) fn run(broker: &Broker, asker: &Asker<'_>, task: &HelpDesk) -> Result<FromBroker, Declined> {
    let peer = Subject::of(broker, asker, None)?;
    // Looked at twice: what is so when the password is asked for need not be so any more when it has come.
    let before = Permission::of(broker, asker, &peer, task)?;
    match prove(broker, asker, &peer, Operation::SignIn)? {
        Proven::Code => {}
        Proven::Password => return Err(Declined::not_proven()),
    }
    let peer = peer.again(broker, asker)?;
    let after = Permission::of(broker, asker, &peer, task)?;
    if before != after {
        return Err(Declined::conflict("Something else was changed at the same time. Please try again."));
    }
    let author = Author { by: By::HelpDesk(peer.person.name.to_string()), why: Some(after.why) };
    let subject = Subject { person: after.person, policy: peer.policy };
    Aided { subject, author }.aid(&task.aid)
}

/// Whether a user is of the help desk.
pub(crate) fn is_of(policy: &Policy, user: &UserName) -> Result<bool, Declined> {
    let Some(group) = &policy.broker.help_desk else { return Ok(false) };
    Ok(Nss.membership(user, group)? == Membership::Member)
}

/// That a peer may help somebody.
#[derive(PartialEq, Eq)]
struct Permission {
    /// The helper's own enrollment. A password alone must not be enough to let somebody else in.
    helper: EnrollmentId,
    /// Whom.
    person: Person,
    why: Why,
}

impl Permission {
    fn of(broker: &Broker, asker: &Asker<'_>, peer: &Subject, task: &HelpDesk) -> Result<Self, Declined> {
        if !is_of(&peer.policy, &peer.person.name)? {
            asker.complain(broker, "not of the help desk");
            return Err(Declined::not_allowed("That is for the help desk."));
        }
        let why = Why::parse(&task.reason).map_err(|_| {
            Declined::conflict("A reason is needed: 1 to 200 printable characters, or a ticket.")
        })?;
        let session = peer.session()?;
        let helper = peer.active(&session)?.id;
        drop(session);
        let person = find(&task.user)?.ok_or_else(|| Declined::conflict("There is no such user."))?;
        if is_protected(peer, &person)? {
            asker.complain(broker, "help for somebody who is protected");
            return Err(Declined::not_allowed("Please send this user to an administrator."));
        }
        Ok(Self { helper, person, why })
    }
}

/// Nobody can be helped who could do more than the help desk: a bypass code would be a way to become him. That goes for a uid, whatever
/// name of it is asked for: a code is good for all of them.
fn is_protected(peer: &Subject, person: &Person) -> Result<bool, Declined> {
    Ok(person.uid == peer.person.uid || could_do_more(peer, person)?)
}

/// Whether somebody could do more on this host than the help desk, by the policy of `reader`: uid 0, members of the protected groups, and
/// the help desk itself, under any name of the uid.
pub(crate) fn could_do_more(reader: &Subject, person: &Person) -> Result<bool, Declined> {
    if person.uid == 0 {
        return Ok(true);
    }
    // The store is closed before NSS is asked anything: a directory that hangs must not hold its lock.
    let enrolled = reader.session()?.names_of_uid(person.uid)?;
    let Some(names) = names::of(person, &enrolled)? else { return Ok(true) };
    let broker = &reader.policy.broker;
    for name in names {
        if let Some(help_desk) = &broker.help_desk
            && may_be_of(&name, help_desk)?
        {
            return Ok(true);
        }
        for group in &broker.protected.value {
            // Of the groups that are protected by default a host has some.
            if broker.protected.origin != Origin::Default && !Nss.has_group(group)? {
                let cause = format!("[broker] protected names the group {group}, which NSS does not know");
                return Err(Declined::unavailable(&cause));
            }
            if may_be_of(&name, group)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn may_be_of(name: &UserName, group: &str) -> Result<bool, Declined> {
    Ok(matches!(Nss.membership(name, group)?, Membership::Member | Membership::Listed))
}

/// Who is helped, and by whom.
struct Aided {
    subject: Subject,
    author: Author,
}

impl Aided {
    fn aid(&self, aid: &Aid) -> Result<FromBroker, Declined> {
        let person = &self.subject.person;
        let password = Nss.account_password(&person.name)?;
        let session = self.subject.session()?;
        let standing = self.subject.standing(&session)?;
        if *aid == Aid::Show {
            let status = own::report(&session, &self.subject, &standing, password.as_ref())?;
            session.note_look(person, &self.author, now().wall)?;
            drop(session);
            self.record(Action::Show);
            return Ok(own::with_room(status));
        }
        let Standing::Active(enrollment) = standing else {
            return Err(Declined::conflict("Two-step verification is not on for this user."));
        };
        let now = now().no_earlier_than(self.subject.policy.written);
        let done = match aid {
            Aid::Show => return Err(Declined::out_of_turn()),
            Aid::Unlock => {
                let forgotten = session.unlock(enrollment.id, &self.author, now.wall)?;
                drop(session);
                self.record(Action::Unlock);
                Done::Unlocked { forgotten }
            }
            Aid::Bypass { lifetime, uses } => {
                let code = BackupCode::generate(&mut Kernel)?;
                let lifetime = Duration::from_secs(u64::from(*lifetime));
                let until =
                    session.give_bypass_code(enrollment.id, &code, lifetime, *uses, &self.author, &now)?;
                drop(session);
                self.record(Action::Bypass);
                let code = Secret::new(code.grouped().as_bytes().to_vec());
                Done::Bypass { code, until, uses: *uses }
            }
        };
        Ok(FromBroker::Done { done })
    }

    fn record(&self, action: Action) {
        let reason = Reason::Change { action, author: self.author.clone(), target: None };
        let user = Some(self.subject.person.name.clone());
        BROKER.record(&Event { reason, user, service: None, source: None });
    }
}
