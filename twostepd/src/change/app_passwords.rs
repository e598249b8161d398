//! App passwords of the user's own: made, renamed, revoked.

use super::{Course, author, parse, raise_flag};
use crate::declined::Declined;
use twostep_core::account::Enrollment;
use twostep_core::app_password::Label;
use twostep_core::change::Action;
use twostep_core::network;
use twostep_core::protocol::FromBroker;
use twostep_core::protocol::own::{Change, Done};
use twostep_core::rule::Glob;
use twostep_core::secret::Secret;
use twostep_core::time::UnixTime;
use twostep_host::{known_services, now};
use twostep_store::admin::{NewAppPassword, Occasion, Refusal};
use twostep_store::vault::Session;

impl Course<'_> {
    pub(super) fn app_passwords(
        &mut self,
        session: Session,
        enrollment: &Enrollment,
        change: &Change,
    ) -> Result<Done, Declined> {
        match change {
            Change::AddAppPassword { name, services, networks, expires } => {
                let limits = Limits::read(services, networks, *expires)?;
                self.look_at_services(&limits.services)?;
                self.add(session, enrollment, &parse(name)?, &limits)
            }
            Change::RevokeAppPassword { which } => {
                let found = session.find_app_password(enrollment.id, which)?;
                let session = self.proven(session, enrollment)?;
                session.revoke_app_password(enrollment.id, found.id, &author(), now().wall)?;
                drop(session);
                Ok(self.revoked(&[found.name]))
            }
            Change::RevokeAllAppPasswords => {
                let session = self.proven(session, enrollment)?;
                let all = session.revoke_all_app_passwords(enrollment.id, &author(), now().wall)?;
                drop(session);
                Ok(self.revoked(&all.into_iter().map(|one| one.name).collect::<Vec<_>>()))
            }
            Change::RenameAppPassword { which, name } => {
                let name = parse(name)?;
                let found = session.find_app_password(enrollment.id, which)?;
                let session = self.proven(session, enrollment)?;
                let (id, at) = (enrollment.id, now().wall);
                let from = session.rename_app_password(id, found.id, &name, &author(), at)?;
                drop(session);
                self.record(Action::AppPasswordRename, Some(&name));
                Ok(Done::Renamed { from: from.to_string(), to: name.to_string() })
            }
            _ => Err(Declined::out_of_turn()),
        }
    }

    fn add(
        &mut self,
        session: Session,
        enrollment: &Enrollment,
        name: &Label,
        limits: &Limits,
    ) -> Result<Done, Declined> {
        if session.app_passwords(enrollment.id)?.iter().any(|one| one.name == *name) {
            return Err(Refusal::NameTaken(name.clone()).into());
        }
        let session = self.proven(session, enrollment)?;
        let Limits { services, networks, expires } = limits;
        let new = NewAppPassword { name, services, networks, expires: *expires };
        let (id, password) = session.add_app_password(enrollment.id, &new, &author(), &now())?;
        drop(session);
        raise_flag(&self.subject.policy, Occasion::Create);
        self.record(Action::AppPasswordAdd, Some(name));
        let password = Secret::new(password.grouped().as_bytes().to_vec());
        Ok(Done::AppPassword { id: id.0, name: name.to_string(), password })
    }

    /// As `twostep-admin app-password add` does: a name that is nearly right is refused, one that is unlike any is told of.
    fn look_at_services(&self, services: &[Glob]) -> Result<(), Declined> {
        let known = known_services(&self.subject.policy);
        for unknown in services.iter().filter_map(|service| known.unknown(service)) {
            let text = format!("{}; {}.", unknown.message(), unknown.remedy());
            if unknown.meant.is_some() {
                return Err(Declined::conflict(text));
            }
            let text = format!("Warning: {text}");
            self.asker.link.send(&FromBroker::Tell { text }).map_err(|_| Declined::out_of_turn())?;
        }
        Ok(())
    }

    fn revoked(&self, names: &[Label]) -> Done {
        raise_flag(&self.subject.policy, Occasion::Revoke);
        names.iter().for_each(|name| self.record(Action::AppPasswordRevoke, Some(name)));
        Done::Revoked { names: names.iter().map(ToString::to_string).collect() }
    }
}

/// What a new app password is to be limited to.
struct Limits {
    services: Vec<Glob>,
    networks: Vec<ipnet::IpNet>,
    expires: Option<UnixTime>,
}

impl Limits {
    fn read(services: &[String], networks: &[String], expires: Option<UnixTime>) -> Result<Self, Declined> {
        let service = |text: &String| {
            Glob::service(text)
                .map_err(|error| Declined::conflict(format!("{text:?} is no service name: {error}.")))
        };
        let network = |text: &String| {
            network::parse(text).map_err(|no| Declined::conflict(format!("{}; {}.", no.message, no.hint)))
        };
        Ok(Self {
            services: services.iter().map(service).collect::<Result<_, _>>()?,
            networks: networks.iter().map(network).collect::<Result<_, _>>()?,
            expires,
        })
    }
}
