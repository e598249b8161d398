//! Why a command was not carried out: a fact, and what to do about it.

use crate::break_glass::BreakGlassFailure;
use crate::config::ConfigFailure;
use crate::pam::failure::PamFailure;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use twostep_core::account::{NO_UID, State, settle_gone, settle_uid};
use twostep_core::app_password::Label;
use twostep_core::known_services::Unknown;
use twostep_core::memory_hard::HashError;
use twostep_core::name::{NameError, UserName};
use twostep_store::StoreError;
use twostep_store::admin::Refusal;
use twostep_store::configuration::{ConfigError, DEFAULT_PATH};

/// Everything that can go wrong.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The arguments do not fit the occasion.
    Usage(Misuse),
    /// The caller is not root, whose files these are.
    NotRoot,
    /// No service has that name, and one has nearly that.
    ServiceUnknown(Unknown),
    /// Neither NSS nor the store knows the user.
    UserUnknown(String),
    /// NSS does not know the user, who is to have an authenticator all the same.
    VirtualUser(UserName),
    /// What was given can be nobody's name.
    NotAName(NameError),
    /// The store knows the user, NSS does not.
    AccountGone(UserName),
    /// The enrollment was made for another uid.
    UidChanged { user: UserName, was: u32, is: u32 },
    /// The account still has its name: it was not renamed.
    NotRenamed(UserName),
    /// The account that is said to be the enrollment's has another uid than it.
    NotItsAccount { user: UserName, uid: u32, enrolled: u32 },
    /// The user is not enrolled.
    NotEnrolled(UserName),
    /// The user is enrolled already.
    AlreadyEnrolled(UserName, State),
    /// The user has no authenticator, and so no use for backup codes.
    AppOnly(UserName),
    /// The user has an app password of that name.
    NameTaken(UserName, Label),
    /// The user has as many app passwords as are allowed.
    TooMany(UserName, u32),
    /// The user has no such app password.
    NoAppPassword(UserName, String),
    /// It is the name of one app password and the id of another.
    Ambiguous(String),
    /// The store refused something else for this user.
    Refused(UserName, Refusal),
    /// The secret file cannot be read.
    SecretUnread(PathBuf, io::Error),
    /// A file of syslog's cannot be read.
    LogUnread(PathBuf, io::Error),
    /// The journal cannot be read.
    Journal(String),
    /// What is in the secret file is no secret.
    NotASecret(NotASecret),
    /// No right first code came.
    NotConfirmed,
    /// One code, or three, or none, where two are wanted.
    NotTwoCodes,
    /// The host that is to adopt key and store has no machine-id here.
    NoMachineId(PathBuf),
    /// The administrator did not type "yes".
    Declined,
    /// NSS failed, as against knowing no such user.
    Nss(String),
    /// The configuration.
    Configuration(ConfigError),
    /// The store.
    Store(StoreError),
    /// A service's wiring.
    Pam(Box<PamFailure>),
    /// The way in for emergencies.
    BreakGlass(Box<BreakGlassFailure>),
    /// Looking at a configuration, or editing one.
    Config(Box<ConfigFailure>),
    /// A hash could not be made.
    Hash(HashError),
    /// What the store refused to do for all users at once.
    OfAll(Refusal),
    /// The output could not be written.
    Output(io::Error),
}

/// Arguments that do not fit the occasion.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Misuse {
    /// A destructive command without `--yes`, and nobody to ask.
    NeedsYes,
    /// Neither a user nor all users.
    NeedsUser,
    /// `enroll --json` without a mode.
    NeedsMode,
    /// `authenticator resync --json` without the codes.
    NeedsCodes,
    /// `authenticator replace` with `--json` or a secret from standard input.
    NeedsFirstCode,
    /// The secret and the first code cannot both come from standard input.
    BothFromInput,
}

/// Why a text is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotASecret {
    /// It is no base32.
    Base32,
    /// It has this many bytes.
    Length(usize),
}

impl Failure {
    /// The exit status.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Usage(_) | Self::ServiceUnknown(_) => 2,
            Self::Config(failure) if matches!(**failure, ConfigFailure::NotInteractive) => 2,
            Self::NotRoot | Self::Nss(_) | Self::Configuration(_) | Self::Store(_) | Self::Hash(_) => 3,
            Self::BreakGlass(failure) if matches!(**failure, BreakGlassFailure::Unusable(_)) => 3,
            _ => 1,
        })
    }

    /// What the store refused to do for this user.
    pub(crate) fn refused(user: &UserName, refusal: Refusal) -> Self {
        match refusal {
            Refusal::AlreadyEnrolled(state) => Self::AlreadyEnrolled(user.clone(), state),
            Refusal::NameTaken(name) => Self::NameTaken(user.clone(), name),
            Refusal::TooMany(most) => Self::TooMany(user.clone(), most),
            Refusal::Store(error) => Self::Store(error),
            Refusal::Hash(error) => Self::Hash(error),
            Refusal::NoAppPassword(which) => Self::NoAppPassword(user.clone(), which),
            Refusal::Ambiguous(which) => Self::Ambiguous(which),
            Refusal::AppOnly => Self::AppOnly(user.clone()),
            refusal => Self::Refused(user.clone(), refusal),
        }
    }

    /// What the store refused to do for all users at once.
    pub(crate) fn of_all(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Store(error) => Self::Store(error),
            Refusal::Hash(error) => Self::Hash(error),
            refusal => Self::OfAll(refusal),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Usage(Misuse::NeedsYes) => "--yes carries it out without asking".to_owned(),
            Self::Usage(Misuse::NeedsUser) => "name a user, or give --all-users --created-before TIME".to_owned(),
            Self::Usage(Misuse::NeedsMode) => {
                "with --json say how: --activate, --pending or --app-only".to_owned()
            }
            Self::Usage(Misuse::NeedsCodes) => "with --json give them with --codes-file".to_owned(),
            Self::Usage(Misuse::NeedsFirstCode) => {
                "leave out --json, and give a secret in a file; or authenticator add --activate, then authenticator remove".to_owned()
            }
            Self::Usage(Misuse::BothFromInput) => "add --activate or --pending".to_owned(),
            Self::ServiceUnknown(unknown) => unknown.remedy(),
            Self::UserUnknown(_) => "getent passwd USER must find the account; for mail users without one: [app] virtual_users = true".to_owned(),
            Self::VirtualUser(user) => {
                format!("if that is no slip of the pen: twostep-admin enroll {user} --app-only")
            }
            Self::AccountGone(user) => settle_gone(user.as_str(), None),
            Self::NotRenamed(user) => format!("getent passwd {user}; usermod -l NEW {user} renames an account"),
            Self::NotItsAccount { enrolled, .. } => {
                format!("getent passwd {enrolled} tells whose uid that is; twostep-admin enroll begins anew")
            }
            Self::UidChanged { user, .. } => settle_uid(user.as_str(), None),
            Self::NotEnrolled(user) => format!("twostep-admin enroll {user}"),
            Self::AlreadyEnrolled(user, _) => {
                format!("twostep-admin show {user}; unenroll first to begin anew")
            }
            Self::AppOnly(user) => format!("unenroll {user} and enroll with an authenticator"),
            Self::NameTaken(user, name) => {
                format!("choose another name, or twostep-admin app-password revoke {user} \"{name}\"")
            }
            Self::TooMany(user, _) => format!(
                "revoke one: twostep-admin app-password list {user}; or raise [app] max_app_passwords"
            ),
            Self::NoAppPassword(user, _) => format!("twostep-admin app-password list {user}"),
            Self::Ambiguous(_) => {
                "say the name of the one that is meant by its id, or its id for its name".to_owned()
            }
            Self::SecretUnread(..) => "name a file that you can read, or - for standard input".to_owned(),
            Self::Journal(_) => {
                "where syslog writes files: --log /var/log/auth.log, or zcat FILE | twostep-admin report refused --log -".to_owned()
            }
            Self::NotASecret(_) => {
                "give base32 (A to Z, 2 to 7) of 16 to 128 bytes; case, blanks and = do not matter".to_owned()
            }
            Self::NotTwoCodes => "give two successive codes, with a blank between them or each on its line".to_owned(),
            Self::NoMachineId(_) => "systemd-machine-id-setup makes one".to_owned(),
            Self::NotConfirmed => "run it again with the phone at hand, or with --pending".to_owned(),
            Self::Nss(_) => "getent passwd USER must work: is the directory service running?".to_owned(),
            Self::Configuration(ConfigError::Untrusted(untrusted)) => untrusted.remedy(),
            Self::Configuration(ConfigError::Mistakes(..)) => return None,
            Self::Configuration(_) => format!("write a new one; {DEFAULT_PATH} documents every key"),
            Self::Store(error) => error.remedy(),
            Self::Pam(failure) => return failure.hint(),
            Self::BreakGlass(failure) => return failure.hint(),
            Self::Config(failure) => return failure.hint(),
            Self::Hash(error) => error.remedy().to_owned(),
            Self::Refused(
                user,
                Refusal::NoAuthenticator(_)
                | Refusal::WhichAuthenticator(_)
                | Refusal::TooManyAuthenticators
                | Refusal::TooManyValues
                | Refusal::SecretTaken(_),
            ) => format!("twostep-admin authenticator list {user}"),
            Self::Refused(user, Refusal::NoDevice(_)) => format!("twostep-admin trusted-devices list {user}"),
            Self::Refused(_, Refusal::NoCounter(_)) => {
                "where its codes are wrong, its clock or this host's is: set that".to_owned()
            }
            Self::Refused(_, Refusal::NotSuccessive) => {
                "press for two new ones and give them in their order; one that was set up anew must be added anew"
                    .to_owned()
            }
            Self::Refused(user, Refusal::LastAuthenticator) => {
                format!("twostep-admin authenticator add {user} NAME; or twostep-admin unenroll {user}")
            }
            Self::Refused(_, Refusal::HadAccount) => {
                "choose another name for the mail user: one with its domain, user@example.org".to_owned()
            }
            Self::Refused(..) | Self::OfAll(_) => return None,
            Self::NotRoot | Self::NotAName(_) | Self::LogUnread(..) | Self::Declined | Self::Output(_) => return None,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("twostep-admin: ")?;
        match self {
            Self::Usage(Misuse::NeedsYes) => f.write_str("nobody to ask: standard input is no terminal"),
            Self::Usage(Misuse::NeedsUser) => f.write_str("whose app passwords?"),
            Self::Usage(Misuse::NeedsMode) => f.write_str("a first code cannot be asked for in JSON"),
            Self::Usage(Misuse::NeedsCodes) => f.write_str("codes cannot be asked for in JSON"),
            Self::Usage(Misuse::NeedsFirstCode) => {
                f.write_str("the first code of the new authenticator is always asked for, on standard input")
            }
            Self::Usage(Misuse::BothFromInput) => {
                f.write_str("the secret and the first code cannot both come from standard input")
            }
            Self::NotRoot => f.write_str("run as root"),
            Self::ServiceUnknown(unknown) => f.write_str(&unknown.message()),
            Self::UserUnknown(name) => write!(f, "there is no user {name:?}"),
            Self::VirtualUser(user) => {
                write!(f, "{user} has no account on this host: a virtual user never sees a prompt for a code")
            }
            Self::NotAName(error) => write!(f, "that is no user name: {error}"),
            Self::AccountGone(user) => write!(f, "{user} is enrolled, but has no account any more"),
            Self::UidChanged { user, was: NO_UID, is } => {
                write!(f, "{user} was enrolled as a virtual user and has an account with uid {is} now")
            }
            Self::UidChanged { user, was, is } => {
                write!(f, "{user} was enrolled as uid {was} and has uid {is} now")
            }
            Self::NotRenamed(user) => {
                write!(f, "{user} is still the name of the account that was enrolled: nothing was renamed")
            }
            Self::NotItsAccount { user, uid, enrolled } => {
                write!(
                    f,
                    "{user} has uid {uid}, and the enrollment was made for uid {enrolled}: that is another account"
                )
            }
            Self::NotEnrolled(user) => write!(f, "{user} is not enrolled"),
            Self::AlreadyEnrolled(user, state) => {
                write!(f, "{user} is already enrolled ({})", state.as_str())
            }
            Self::AppOnly(user) => {
                write!(f, "{user} is app-only: there is no authenticator, and no prompt would take a code")
            }
            Self::NameTaken(user, name) => write!(f, "{user} has an app password named \"{name}\" already"),
            Self::TooMany(user, most) => {
                write!(f, "{user} has as many app passwords as there can be: {most}")
            }
            Self::NoAppPassword(user, which) => write!(f, "{user} has no app password {which:?}"),
            Self::Ambiguous(which) => {
                write!(f, "{which:?} is the name of one and the id of another")
            }
            Self::Refused(user, refusal) => write!(f, "{user}: {refusal}"),
            Self::Journal(cause) => write!(f, "the journal cannot be read: {cause}"),
            Self::SecretUnread(path, error) | Self::LogUnread(path, error) => {
                write!(f, "{}: {error}", path.display())
            }
            Self::NotASecret(NotASecret::Base32) => f.write_str("that is no base32"),
            Self::NotASecret(NotASecret::Length(bytes)) => write!(f, "the secret has {bytes} bytes"),
            Self::NotTwoCodes => f.write_str("two codes are wanted, and no more"),
            Self::NoMachineId(path) => write!(f, "this host has no machine-id at {}", path.display()),
            Self::NotConfirmed => f.write_str("no right code came: nothing was stored"),
            Self::Declined => f.write_str("nothing was changed"),
            Self::Nss(cause) => write!(f, "the user database failed: {cause}"),
            Self::Configuration(error @ ConfigError::Mistakes(..)) => {
                write!(f, "the configuration cannot be used\n{error}")
            }
            Self::Configuration(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
            Self::Pam(failure) => failure.fmt(f),
            Self::BreakGlass(failure) => failure.fmt(f),
            Self::Config(failure) => failure.fmt(f),
            Self::Hash(error) => error.fmt(f),
            Self::OfAll(refusal) => write!(f, "{refusal}"),
            Self::Output(error) => write!(f, "the output could not be written: {error}"),
        }?;
        match self.hint() {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Configuration(error)
    }
}

impl From<twostep_core::random::NoEntropy> for Failure {
    fn from(_: twostep_core::random::NoEntropy) -> Self {
        Self::Store(StoreError::Entropy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_is_told_as_that_and_not_as_gone() {
        let told = Failure::of_all(Refusal::HadAccount).to_string();
        assert!(told.contains("was enrolled for an account of this host before"), "{told}");
        let told = Failure::of_all(Refusal::Hash(HashError::Memory(19_456))).to_string();
        assert!(told.contains("no memory for Argon2id (19456 KiB)\n  hint: make room"), "{told}");
        let user = UserName::parse("alice").expect("a name");
        let told = Failure::refused(&user, Refusal::Hash(HashError::Entropy)).to_string();
        assert!(told.contains("no randomness\n  hint: getrandom"), "{told}");
    }
}
