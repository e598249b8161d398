//! A changed account password: all app passwords of the user end with it, where the administrator wants that.

use super::terms::{Asked, PLAIN};
use super::{Ending, Login, Ports, Request, Stop};
use crate::account::Account;
use crate::change::{Action, Author, By};
use crate::event::Reason;
use crate::policy::Policy;
use crate::who::Facts;

/// When in the change of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Before: what cannot be ended afterwards keeps the password from being changed.
    Before,
    /// After.
    After,
}

/// The password phase. Nobody is refused for what he is, only where the store cannot be used.
pub fn change_password(
    ports: &mut Ports<'_>,
    policy: &Policy,
    request: &Request<'_>,
    change: Change,
) -> Ending {
    if !policy.app.revoke_on_password_change {
        return Ending::Ignore(None);
    }
    let mut login = Login::new(ports, policy, request, None);
    match login.change_password(change) {
        Ok(()) => Ending::Ignore(None),
        Err(stop) => login.stop(stop),
    }
}

impl Login<'_, '_, '_> {
    fn change_password(&mut self, change: Change) -> Result<(), Stop> {
        let mut asked = Asked::new(self.ports.directory, self.request.user, PLAIN);
        let resolved = asked.resolve()?;
        let Some(user) = resolved.user().cloned() else { return Ok(()) };
        let facts = Facts::read(&mut *self.ports.vault.open()?, resolved, self.class)?;
        let account = facts.account(self.ports.directory, resolved)?;
        self.user = Some(user);
        // Those of an account that had the name before are good for nothing until somebody has settled that, and then not either.
        let (Account::Enrolled(enrollment) | Account::UidChanged { enrollment, .. }, Change::After) =
            (account, change)
        else {
            return Ok(());
        };
        let at = (self.ports.clock)().wall;
        let names = self.ports.vault.open()?.revoke_app_passwords(enrollment.id, at)?;
        for name in &names {
            let author = Author { by: By::PasswordChange, why: None };
            self.log(Reason::Change {
                action: Action::AppPasswordRevoke,
                author,
                target: Some(name.to_string()),
            });
        }
        if !names.is_empty() {
            let programs = if names.len() == 1 { "A program needs" } else { "Your programs need" };
            self.ports.talk.tell(&format!(
                "Your app passwords have ended with the old password. {programs} a new one: twostep app-password add NAME"
            ));
        }
        Ok(())
    }
}
