//! Two-step turned off by its own user, where the configuration lets users do that and asks nobody to be enrolled.

use super::{Course, author, raise_flag};
use crate::declined::Declined;
use crate::help_desk::could_do_more;
use crate::talk::Remote;
use twostep_core::account::Enrollment;
use twostep_core::change::Action;
use twostep_core::login::may_unenroll;
use twostep_core::ports::{Conversation, Entered};
use twostep_core::protocol::Echo;
use twostep_core::protocol::own::Done;
use twostep_core::text::{YES_OR_NO, is_yes};
use twostep_core::verify::Operation;
use twostep_host::{Nss, now};
use twostep_store::admin::Occasion;
use twostep_store::vault::Session;

impl Course<'_> {
    pub(super) fn unenroll(&mut self, session: Session, enrollment: &Enrollment) -> Result<Done, Declined> {
        let authenticators = session.authenticators(enrollment.id)?.len();
        let app_passwords = session.app_passwords(enrollment.id)?.len();
        drop(session);
        self.can_unenroll()?;
        self.has_consent(authenticators, app_passwords)?;
        drop(self.proven_for(Operation::Unenroll, enrollment)?);
        // Looked at twice: it may be demanded by now.
        self.can_unenroll()?;
        let session = self.subject.session()?;
        self.subject.still_active(&session, enrollment.id)?;
        session.unenroll(enrollment.id, Action::Unenroll, &author(), now().wall)?;
        drop(session);
        raise_flag(&self.subject.policy, Occasion::Revoke);
        self.record(Action::Unenroll, None);
        Ok(Done::Unenrolled)
    }

    /// That the policy lets this user do it. The store is closed: NSS may take its time.
    fn can_unenroll(&self) -> Result<(), Declined> {
        let (person, policy) = (&self.subject.person, &self.subject.policy);
        let refused = "Here you cannot turn two-step verification off. Please ask your administrator.";
        if !may_unenroll(&Nss, policy, person, now().wall)? || could_do_more(&self.subject, person)? {
            return Err(Declined::policy(refused));
        }
        Ok(())
    }

    /// That the user knows what goes.
    fn has_consent(&self, authenticators: usize, app_passwords: usize) -> Result<(), Declined> {
        let count = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let mut talk = Remote::over(self.asker.link);
        talk.tell(&format!(
            "This turns two-step verification off: your account password alone will let anybody in as you.\n\
             Deleted are {}, {} (the programs that have them are locked out), your backup codes and your trusted devices.",
            count(authenticators, "authenticator"),
            count(app_passwords, "app password"),
        ));
        match talk.ask(&format!("Type yes to go on {YES_OR_NO}"), Echo::Shown) {
            Ok(Entered::Text(text)) if is_yes(text.expose()) => Ok(()),
            Ok(_) => Err(Declined::conflict("Nothing was changed.")),
            Err(_) => Err(Declined::out_of_turn()),
        }
    }
}
