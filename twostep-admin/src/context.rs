//! What every command starts from: the policy, the store, the user it is about.

use crate::audit;
use crate::cli::Arguments;
use crate::failure::Failure;
use crate::output::Output;
use std::path::{Path, PathBuf};
use twostep_core::account::{Enrollment, NO_UID};
use twostep_core::change::{Action, Author};
use twostep_core::name::UserName;
use twostep_core::policy::Policy;
use twostep_core::ports::{Directory, Person};
use twostep_core::time::Now;
use twostep_store::configuration::{self, ConfigError};
use twostep_store::host::{self, Nss};
use twostep_store::vault::{Files, Session};

/// The host, as the configuration describes it.
pub(crate) struct Context {
    pub(crate) policy: Policy,
    pub(crate) files: Files,
    pub(crate) now: Now,
    pub(crate) output: Output,
    /// Who makes the changes, and why.
    pub(crate) author: Author,
}

/// The user a command is about: in NSS, in the store, or both.
pub(crate) struct Subject {
    /// The canonical name, or the one the store has.
    pub(crate) name: UserName,
    /// What NSS says; none for an account that was deleted.
    pub(crate) person: Option<Person>,
    /// What the store says.
    pub(crate) enrollment: Option<Enrollment>,
}

impl Context {
    /// Reads the configuration.
    pub(crate) fn open(arguments: &Arguments) -> Result<Self, Failure> {
        let policy = configuration::read(named(arguments).as_deref())?;
        Ok(Self::with(policy, arguments))
    }

    /// With a policy that was read already.
    pub(crate) fn with(policy: Policy, arguments: &Arguments) -> Self {
        let files = Files::of(&policy);
        let author = audit::author(arguments.reason.clone());
        let now = host::now().no_earlier_than(policy.written);
        Self { policy, files, now, output: Output::of(arguments), author }
    }

    /// Opens the store. An open session is a reader, for whom every login that writes must wait: none may be held while NSS or a
    /// person is asked something.
    pub(crate) fn session(&self) -> Result<Session, Failure> {
        Ok(self.files.session()?)
    }

    /// Whom NSS knows under this name, or under the one that it means on app services.
    pub(crate) fn person(&self, raw: &str) -> Result<Option<Person>, Failure> {
        let naming = &self.policy.app.naming;
        match (find(raw)?, naming.user(raw)) {
            (None, Some(meant)) if !naming.is_plain() => find(meant.as_str()),
            (found, _) => Ok(found),
        }
    }

    /// Whom `raw` means. NSS decides how the name is really spelled; a name it does not know may still be in the store.
    pub(crate) fn subject(&self, raw: &str) -> Result<Subject, Failure> {
        if let Some(person) = self.person(raw)? {
            let name = person.name.clone();
            let enrollment = self.session()?.enrollment(&name)?;
            return Ok(Subject { name, person: Some(person), enrollment });
        }
        let as_given = UserName::parse(raw).map_err(Failure::NotAName);
        let meant = self.policy.app.naming.user(raw).filter(|_| self.policy.app.naming.virtual_users);
        for name in as_given.or_else(|no| meant.clone().ok_or(no)).into_iter().chain(meant) {
            if let Some(enrollment) = self.session()?.enrollment(&name)? {
                return Ok(Subject { name, person: None, enrollment: Some(enrollment) });
            }
        }
        UserName::parse(raw).map_err(Failure::NotAName)?;
        Err(Failure::UserUnknown(raw.to_owned()))
    }

    /// Writes the line that tells who changed what.
    pub(crate) fn audit(&self, user: &UserName, action: Action, target: Option<String>) {
        audit::record(Some(user), action, target, self.author.clone());
    }
}

impl Subject {
    /// The enrollment, whatever became of the account.
    pub(crate) fn enrolled(&self) -> Result<&Enrollment, Failure> {
        self.enrollment.as_ref().ok_or_else(|| Failure::NotEnrolled(self.name.clone()))
    }

    /// The enrollment, if it is certain that it belongs to the account of today.
    pub(crate) fn settled(&self) -> Result<&Enrollment, Failure> {
        let enrollment = self.enrolled()?;
        match &self.person {
            None if enrollment.is_virtual() => Ok(enrollment),
            None => Err(Failure::AccountGone(self.name.clone())),
            Some(person) if person.uid != enrollment.uid => {
                Err(Failure::UidChanged { user: self.name.clone(), was: enrollment.uid, is: person.uid })
            }
            Some(_) => Ok(enrollment),
        }
    }
}

/// The configuration that was asked for, as an absolute path.
pub(crate) fn named(arguments: &Arguments) -> Option<PathBuf> {
    // It fails for an empty path only, which is then told as one that is missing.
    arguments.config.as_ref().map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()))
}

/// The configuration in force, for messages.
pub(crate) fn configuration_path(arguments: &Arguments) -> PathBuf {
    named(arguments).unwrap_or_else(|| Path::new(configuration::DEFAULT_PATH).to_owned())
}

/// Reads the policy for commands that go on without one.
pub(crate) fn policy(arguments: &Arguments) -> Result<Policy, ConfigError> {
    configuration::read(named(arguments).as_deref())
}

/// Looks a name up in NSS.
pub(crate) fn find(raw: &str) -> Result<Option<Person>, Failure> {
    match Nss.find(raw) {
        Ok(Some(Person { uid: NO_UID, .. })) => Err(Failure::Nss(format!("{raw:?} has the uid -1"))),
        found => found.map_err(|failed| Failure::Nss(failed.0)),
    }
}

/// The name that `raw` means: as NSS has it, or as it stands where there is no such account any more.
pub(crate) fn canonical(raw: &str) -> Result<UserName, Failure> {
    match find(raw)? {
        Some(Person { name, .. }) => Ok(name),
        None => UserName::parse(raw).map_err(Failure::NotAName),
    }
}
