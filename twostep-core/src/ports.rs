//! What a login needs from the outside, as small traits. The module implements them over PAM, NSS, SQLite and syslog; a unit
//! test over plain values.

use crate::account::{Enrollment, EnrollmentId};
use crate::app_password::{AppPassword, AppPasswordId, BootTag, Label};
use crate::attempt::Source;
use crate::backup_code::BackupCode;
use crate::device::Device;
use crate::event::{Event, Reason};
use crate::memory_hard::Hash;
use crate::name::{ServiceName, UserName};
use crate::protocol::Echo;
use crate::rule::Match;
use crate::secret::Secret;
use crate::spelling::Readings;
use crate::throttle::Kind;
use crate::time::{Now, UnixTime};
use crate::totp::{AuthenticatorId, Consumed};
use crate::verify::{CodeCredentials, CodeOutcome};
use crate::verify_app::AppCandidates;
use std::time::Duration;

/// The user database of the host: NSS.
pub trait Directory {
    /// Looks a name up.
    ///
    /// # Errors
    /// When the look-up itself failed, which is something else than finding no such user.
    fn find(&self, name: &str) -> Result<Option<Person>, DirectoryFailed>;

    /// Whether somebody is a member of one of these groups: in doubt where one of them is not found, since a directory that is down looks
    /// like one that does not have it.
    ///
    /// # Errors
    /// When a look-up itself failed.
    fn is_member(&self, user: &UserName, groups: &[String]) -> Result<Match, DirectoryFailed>;

    /// The account's password as the shadow database has it, hashed: by that a changed one is noticed. None where there is no entry, or
    /// the host's policy keeps this process from reading it.
    ///
    /// # Errors
    /// When the look-up itself failed.
    fn account_password(&self, user: &UserName) -> Result<Option<Secret>, DirectoryFailed>;
}

/// Somebody NSS knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The canonical name, which need not be the one asked for.
    pub name: UserName,
    /// The uid.
    pub uid: u32,
}

/// NSS failed; the text is for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryFailed(pub String);

/// Opens the store. A login opens it, reads, and closes it before anybody is asked anything.
pub trait Vault {
    /// Opens it, after every file and folder on the way has been checked.
    ///
    /// # Errors
    /// When it cannot be used, for whatever reason.
    fn open(&mut self) -> Result<Box<dyn Store + '_>, Unavailable>;

    /// Does `work`, which runs Argon2id, when it is its turn: of all the logins of this host only so many may be at that at a time. The
    /// store is not open meanwhile.
    ///
    /// # Errors
    /// When no turn came up in time; it was not done then.
    fn in_turn(&mut self, work: &mut dyn FnMut()) -> Result<(), Unavailable>;

    /// Hashes an app password as the configuration has it today, if that can be done at once. Nothing depends on it: another login will.
    fn hash_anew(&mut self, password: &AppPassword) -> Option<Hash>;
}

/// Why no answer can be had; always told as a line with cause and remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable {
    /// What is wrong.
    pub cause: String,
    /// What to do.
    pub remedy: String,
}

impl From<Unavailable> for Reason {
    fn from(Unavailable { cause, remedy }: Unavailable) -> Self {
        Self::Store { cause, remedy }
    }
}

/// What a login needs of the open store.
pub trait Store {
    /// The enrollment made for this name, if any.
    ///
    /// # Errors
    /// As every call here: when the store cannot be read.
    fn by_name(&mut self, name: &UserName) -> Result<Option<Enrollment>, Unavailable>;

    /// An enrollment whose name may be meant by one that has these readings, if there is any.
    ///
    /// # Errors
    /// See [`Self::by_name`].
    fn alike(&mut self, readings: &Readings) -> Result<Option<Enrollment>, Unavailable>;

    /// All enrollments made for this uid, orphans among them.
    ///
    /// # Errors
    /// See [`Self::by_name`].
    fn by_uid(&mut self, uid: u32) -> Result<Vec<Enrollment>, Unavailable>;

    /// Shows the credentials to `judge` and carries out the changes it wants, all in one transaction that excludes every other
    /// writer; returns after the commit. With `None` the enrollment is gone. Whether a write is possible must not depend on the
    /// verdict: what any verdict on an answer of this kind needs room for is written before it is judged.
    ///
    /// # Errors
    /// When anything fails, the commit included: nothing was changed then, and the verdict must not be told.
    fn judge(
        &mut self,
        enrollment: EnrollmentId,
        source: &Source,
        kind: Kind,
        now: &Now,
        judge: &mut dyn FnMut(Option<&CodeCredentials>) -> CodeOutcome,
    ) -> Result<CodeOutcome, Unavailable>;

    /// The app passwords that `password` can be: those with its tag.
    ///
    /// # Errors
    /// See [`Self::by_name`].
    fn app_candidates(
        &mut self,
        enrollment: EnrollmentId,
        password: &AppPassword,
    ) -> Result<AppCandidates, Unavailable>;

    /// Writes down that an app password was used. It must still exist.
    ///
    /// # Errors
    /// When that cannot be written, or it was revoked meanwhile.
    fn record_use(&mut self, id: AppPasswordId, used: &Use<'_>) -> Result<(), Unavailable>;

    /// Revokes all app passwords of a user whose account password was changed, and returns their names.
    ///
    /// # Errors
    /// When that cannot be written; all or none are revoked.
    fn revoke_app_passwords(
        &mut self,
        enrollment: EnrollmentId,
        at: UnixTime,
    ) -> Result<Vec<Label>, Unavailable>;

    /// Forgets all trusted devices of a user whose account password was changed, and returns them.
    ///
    /// # Errors
    /// When that cannot be written; all or none are forgotten.
    fn forget_trusted(&mut self, enrollment: EnrollmentId, at: UnixTime) -> Result<Vec<String>, Unavailable>;

    /// Whether a device is trusted at a service: with this account password, for as long as it was to be trusted, and `at_most`.
    ///
    /// # Errors
    /// See [`Self::by_name`].
    fn trusted(
        &mut self,
        enrollment: EnrollmentId,
        at: &Trusting<'_>,
        now: &Now,
    ) -> Result<Option<Trusted>, Unavailable>;

    /// Does the work of judging a wrong answer of this kind, for nobody: what it costs must not tell who is enrolled.
    ///
    /// # Errors
    /// When that would have failed.
    fn pretend(&mut self, source: &Source, kind: Kind, now: &Now) -> Result<(), Unavailable>;

    /// What somebody who is not enrolled is shown on this day (days since 1970, UTC): at one place always the same secret until something
    /// of hers changes, so that whoever runs out of time finds it again, nothing having been stored. Without a place always another one.
    ///
    /// # Errors
    /// When the store cannot be read, or there is no randomness.
    fn draft(&mut self, person: &Person, day: i64, place: Option<&str>) -> Result<Draft, Unavailable>;

    /// How many digits the codes of her authenticators have.
    ///
    /// # Errors
    /// See [`Self::by_name`].
    fn code_digits(&mut self, enrollment: EnrollmentId) -> Result<Vec<u8>, Unavailable>;

    /// Enrolls somebody who has confirmed a draft. Returns whether that was done: not where she is enrolled by now.
    ///
    /// # Errors
    /// When it cannot be written.
    fn enroll(&mut self, person: &Person, confirmed: &Confirmed<'_>) -> Result<bool, Unavailable>;

    /// How many wrong answers her owner has not been told of.
    ///
    /// # Errors
    /// See [`Self::by_name`].
    fn untold(&mut self, enrollment: EnrollmentId) -> Result<u32, Unavailable>;

    /// Writes down what remains of a login that has succeeded as a whole, and returns what the owner has not been told of until now: how
    /// many wrong answers came from where, most of them first.
    ///
    /// # Errors
    /// When that cannot be written, or the enrollment is gone.
    fn complete(&mut self, completion: &Completion, now: &Now) -> Result<Vec<Untold>, Unavailable>;
}

/// A device at a service.
#[derive(Clone, Copy, Debug)]
pub struct Trusting<'a> {
    /// The service.
    pub service: &'a ServiceName,
    /// The device.
    pub device: &'a Device,
    /// The account's password, hashed: trust ends when it changes.
    pub password: Option<&'a Secret>,
    /// How long it can have been trusted at most, by the configuration of today.
    pub at_most: Duration,
}

/// What is to be known of a user whose device is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trusted {
    /// Wrong answers that the owner has not been told of.
    pub untold: u32,
}

/// What a new authenticator and a set of backup codes are made of, before they are anybody's.
#[derive(Debug)]
pub struct Draft {
    /// The secret of a [`crate::totp::Parameters::COMMON`] authenticator.
    pub secret: Secret,
    /// The backup codes.
    pub backup_codes: Vec<BackupCode>,
    /// The newest enrollment of anybody's when it was made: what concerns her uid and is newer was not seen when it was decided that she
    /// is to enroll.
    pub newest: EnrollmentId,
}

/// A draft whose secret is in a phone.
#[derive(Clone, Copy, Debug)]
pub struct Confirmed<'a> {
    /// The draft.
    pub draft: &'a Draft,
    /// Its first code, which is used up by that.
    pub code: Consumed,
    /// When.
    pub at: UnixTime,
}

/// Wrong answers from one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untold {
    /// Where they came from: [`Source::key`].
    pub source: String,
    /// How many.
    pub count: u32,
}

/// What remains to be written when a login has succeeded as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// Whose login.
    pub enrollment: EnrollmentId,
    /// Whether a pending enrollment becomes active.
    pub activates: bool,
    /// The source that becomes known.
    pub makes_known: Option<Source>,
    /// The device that is trusted from now on, where, and for how long.
    pub trusts: Option<Trusts>,
}

impl Completion {
    /// Nothing as yet.
    #[must_use]
    pub fn of(enrollment: EnrollmentId) -> Self {
        Self { enrollment, activates: false, makes_known: None, trusts: None }
    }
}

/// A device that becomes trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trusts {
    /// Which.
    pub device: Device,
    /// Where.
    pub service: ServiceName,
    /// The account's password at that time, hashed, where there is one.
    pub password: Option<Secret>,
    /// The authenticator whose code was right. If it was removed since, whoever has it trusts nothing.
    pub authenticator: AuthenticatorId,
    /// How long.
    pub lifetime: Duration,
}

/// One use of an app password.
#[derive(Clone, Debug)]
pub struct Use<'a> {
    /// When.
    pub at: UnixTime,
    /// Where.
    pub service: &'a str,
    /// From where.
    pub source: &'a str,
    /// The boot tag to keep, where it is new.
    pub boot_tag: Option<BootTag>,
    /// The hash to keep in the place of one that costs something else than is configured.
    pub hash: Option<Hash>,
}

/// The person, or program, at the other end.
pub trait Conversation {
    /// The password: the one already given, or the answer to one prompt; the modules after us find it too.
    ///
    /// # Errors
    /// When the service could not ask.
    fn password(&mut self, prompt: &str) -> Result<Secret, TalkFailed>;

    /// Asks one question. No answer at all is an empty one. The account password (PAM_AUTHTOK) is told by [`Entered::of`], where it was
    /// typed, and goes no further.
    ///
    /// # Errors
    /// When the service could not ask.
    fn ask(&mut self, prompt: &str, echo: Echo) -> Result<Entered, TalkFailed>;

    /// Takes what [`Self::password`] gave apart: the first `password` bytes are left to the modules after us, and what begins at `code`
    /// answers the question of the line after them.
    ///
    /// # Errors
    /// When that cannot be done.
    fn hand_on(&mut self, password: usize, code: usize) -> Result<(), TalkFailed>;

    /// Has PAM, and with it the modules after us and the service, go on by this name.
    ///
    /// # Errors
    /// When that cannot be done.
    fn rename(&mut self, user: &UserName) -> Result<(), TalkFailed>;

    /// Whether the account phase as a whole, with the modules after us, would let this login in. Asked before anything is stored that a login
    /// with the password alone could use. False where that cannot be found out.
    fn account_accepts(&mut self) -> bool;

    /// Says something, where the service lets us; nothing depends on its being seen.
    fn tell(&mut self, text: &str);
}

/// What somebody entered at a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entered {
    /// A text, or nothing.
    Text(Secret),
    /// The account password once more: a service that copies the password into every prompt does this.
    PasswordAgain,
}

impl Entered {
    /// Tells the account password, where one was given before, from everything else.
    #[must_use]
    pub fn of(text: Secret, password: Option<&Secret>) -> Self {
        if !text.is_empty() && password == Some(&text) { Self::PasswordAgain } else { Self::Text(text) }
    }
}

/// The service's conversation function failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TalkFailed;

/// The log.
pub trait Audit {
    /// Writes one line.
    fn record(&self, event: &Event);
}
