//! A changed account password: trusted devices end with it, and all app passwords of the user, where the administrator wants that.

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

/// Whether a round of a password's change concerns us. App passwords are wanted to end without fail: it is seen beforehand whether they
/// can. Trusted devices end afterwards, and nobody's password stays as it is for their sake: where there is a shadow entry, they end
/// without us.
#[must_use]
pub fn concerns_password_change(policy: &Policy, change: Change) -> bool {
    policy.app.revoke_on_password_change || (change == Change::After && policy.trusts_devices())
}

/// The password phase. It refuses nobody for who they are, and only where app passwords are to end and the store cannot be used.
pub fn change_password(
    ports: &mut Ports<'_>,
    policy: &Policy,
    request: &Request<'_>,
    change: Change,
) -> Ending {
    if !concerns_password_change(policy, change) {
        return Ending::Ignore(None);
    }
    let mut login = Login::new(ports, policy, request, None);
    match login.change_password(change) {
        Ok(()) => Ending::Ignore(None),
        Err(stop) if policy.app.revoke_on_password_change => login.stop(stop),
        Err(Stop(reason)) => login.tell_log(reason, Ending::Ignore(None)),
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
        let (
            Account::Enrolled(enrollment)
            | Account::Orphan(enrollment)
            | Account::UidChanged { enrollment, .. },
            Change::After,
        ) = (account, change)
        else {
            return Ok(());
        };
        let at = (self.ports.clock)().wall;
        // The one does not wait for the other: what can end ends.
        let devices = self.ports.vault.open().and_then(|mut store| store.forget_trusted(enrollment.id, at));
        self.log_ended(Action::TrustedDeviceForget, devices.as_deref().unwrap_or_default());
        if self.policy.app.revoke_on_password_change {
            let names = self.ports.vault.open()?.revoke_app_passwords(enrollment.id, at)?;
            let names: Vec<_> = names.iter().map(ToString::to_string).collect();
            self.log_ended(Action::AppPasswordRevoke, &names);
            self.tell_of_app_passwords(names.len());
        }
        devices?;
        Ok(())
    }

    fn log_ended(&self, action: Action, all: &[String]) {
        for target in all {
            let author = Author { by: By::PasswordChange, why: None };
            self.log(Reason::Change { action, author, target: Some(target.clone()) });
        }
    }

    fn tell_of_app_passwords(&mut self, ended: usize) {
        let programs = match ended {
            0 => return,
            1 => "A program needs",
            _ => "Your programs need",
        };
        self.ports.talk.tell(&format!(
            "Your app passwords have ended with the old password. {programs} a new one: twostep app-password add NAME"
        ));
    }
}
