//! Judging answers: pure functions from what was entered and what is stored to a verdict and the changes that go with it.

use crate::account::EnrollmentId;
use crate::app_password::AppPassword;
use crate::backup_code::{self, BackupCode, BackupCodeId};
use crate::crypto::Subkey;
use crate::event::Reason;
use crate::memory_hard::HashError;
use crate::ports::Entered;
use crate::throttle::{self, Allowance, Kind, Record, Tally};
use crate::time::{Now, UnixTime};
use crate::totp::{self, Authenticator, AuthenticatorId, Consumed, Match};
use std::time::Duration;
use zeroize::Zeroizing;

/// The longest answer looked at, in bytes (PAM_MAX_RESP_SIZE).
pub const ANSWER_MAX: usize = 512;
/// How far the clock may be behind a time that a right code has confirmed: codes of one step either side, of a minute each.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(120);

/// What an answer at a prompt is to prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// That somebody may sign in, or make any other change than those below.
    SignIn,
    /// That an authenticator may be replaced: a bypass code that logins have used up still proves that, once.
    ReplaceAuthenticator,
    /// That two-step may be turned off: a bypass code, which somebody else has handed out, does not prove that.
    Unenroll,
}

/// What an answer at a prompt is, before any secret is looked at.
#[derive(Debug)]
pub enum Answer {
    /// Nothing.
    Empty,
    /// The account password again: refused before any comparison, or it would be a free guess. (A service that copies the
    /// password into every prompt does this.)
    SameAsPassword,
    /// An app password, which is never for a prompt.
    AppPassword,
    /// Characters that can be a backup code.
    BackupCode(BackupCode),
    /// Anything else, to be judged as a code.
    Code(Zeroizing<String>),
}

impl Answer {
    /// Why it is refused without a look at any secret, if it is. Such an answer is not counted.
    #[must_use]
    pub fn refused_unseen(&self) -> Option<Reason> {
        match self {
            Self::Empty => Some(Reason::Empty),
            Self::SameAsPassword => Some(Reason::SameAsPassword),
            Self::AppPassword => Some(Reason::AppPasswordAtPrompt),
            Self::BackupCode(_) | Self::Code(_) => None,
        }
    }
}

impl Answer {
    /// What kind of answer asks to be heard.
    #[must_use]
    pub fn kind(&self) -> Kind {
        if matches!(self, Self::BackupCode(_)) { Kind::BackupCode } else { Kind::Code }
    }
}

/// What a code is judged against.
#[derive(Debug)]
pub struct CodeCredentials {
    /// Whose these are.
    pub enrollment: EnrollmentId,
    /// The user's authenticators.
    pub authenticators: Vec<Authenticator>,
    /// Her unused backup codes, where the answer looks like one.
    pub backup_codes: Vec<backup_code::Stored>,
    /// The key of their tags.
    pub backup_key: Subkey,
    /// What has failed before.
    pub tally: Tally,
    /// Wrong codes that the owner has not been told of.
    pub untold: u32,
    /// The latest time that a right code of anybody's has confirmed.
    pub latest_time: UnixTime,
}

/// A verdict and what must be written for it to be told.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeOutcome {
    /// Accepted or refused, and why.
    pub reason: Reason,
    /// What to write.
    pub changes: Changes,
    /// What remains to be done when the login as a whole has succeeded, if anything.
    pub rest: Option<Rest>,
}

impl CodeOutcome {
    /// A refusal that changes nothing.
    pub(crate) fn refused(reason: Reason) -> Self {
        Self { reason, changes: Changes::default(), rest: None }
    }
}

/// What a verdict changes in the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The step or counter that is consumed, and of which authenticator.
    pub step: Option<(AuthenticatorId, Consumed)>,
    /// The backup code that is consumed; or the bypass code that has proven what it was still good for behind its last login.
    pub backup_code: Option<BackupCodeId>,
    /// The bypass code that is used, and how many uses are left of it.
    pub bypass: Option<(BackupCodeId, u32)>,
    /// What becomes of the counts.
    pub counts: Counts,
}

/// What becomes of the counts of wrong answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Counts {
    /// They stay.
    #[default]
    Stay,
    /// A failure: the source's new record, and one more that the owner is told of. After a wrong backup code the record is as before.
    Failure(Record),
    /// A right code: the source's new record.
    Success(Record),
    /// A backup code: the owner herself, beyond doubt. All sources begin anew.
    SuccessEverywhere,
}

/// What a right answer leaves to the account phase. Whoever knows a code but not the password never comes there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rest {
    /// Wrong codes since the last login, to be told.
    pub untold: u32,
    /// Whether the source becomes known.
    pub makes_known: bool,
}

/// Sorts what was entered.
#[must_use]
pub fn sort(entered: &Entered) -> Answer {
    let entered = match entered {
        Entered::Text(text) if text.is_empty() => return Answer::Empty,
        Entered::Text(text) => text,
        Entered::PasswordAgain => return Answer::SameAsPassword,
    };
    if AppPassword::parse(entered.expose()).is_some() {
        return Answer::AppPassword;
    }
    if let Some(code) = BackupCode::parse(entered.expose()) {
        return Answer::BackupCode(code);
    }
    // What is too long or no text is no code of anybody's; it counts as a wrong one.
    let text =
        std::str::from_utf8(entered.expose()).ok().filter(|text| text.len() <= ANSWER_MAX).unwrap_or("-");
    // Its room is made at once: a string that grows leaves copies of itself behind.
    let mut code = Zeroizing::new(String::with_capacity(text.len()));
    code.extend(text.chars().filter(|c| *c != ' '));
    Answer::Code(code)
}

/// Judges a code or backup code. What [`sort`] has already refused is refused here too, without a change.
///
/// # Errors
/// When a backup code's hash could not be computed; nothing may be told or written then.
pub fn verify(
    answer: &Answer,
    credentials: Option<&CodeCredentials>,
    now: &Now,
) -> Result<CodeOutcome, HashError> {
    verify_for(Operation::SignIn, answer, credentials, now)
}

/// [`verify`], of an answer that may be to prove something else than that somebody may sign in.
///
/// # Errors
/// See there.
pub fn verify_for(
    operation: Operation,
    answer: &Answer,
    credentials: Option<&CodeCredentials>,
    now: &Now,
) -> Result<CodeOutcome, HashError> {
    let Some(credentials) = credentials else { return Ok(unchanged(Reason::EnrollmentChanged)) };
    let now = &now.no_earlier_than(credentials.latest_time);
    if let Some(reason) = answer.refused_unseen() {
        return Ok(unchanged(reason));
    }
    let kind = answer.kind();
    match throttle::allowance(&credentials.tally, kind, now) {
        Allowance::Open => {}
        Allowance::Wait(wait) => return Ok(unchanged(Reason::Throttled { wait })),
        Allowance::Capped => return Ok(unchanged(Reason::Capped)),
    }
    if kind == Kind::Code && credentials.clock_is_behind(now.wall) && !credentials.any_counts() {
        // Not one code of the present could be accepted: whoever enters one has done nothing wrong.
        return Ok(unchanged(Reason::ClockBehind));
    }
    let judged = match answer {
        Answer::BackupCode(code) => judge_backup_code(code, credentials, operation, now)?,
        Answer::Code(code) => judge_code(code, credentials, now.wall),
        _ => Err(Reason::CodeWrong),
    };
    Ok(match judged {
        Ok((reason, changes)) => {
            let makes_known = throttle::success_is_due(&credentials.tally, now);
            let untold = credentials.untold;
            CodeOutcome {
                reason,
                changes,
                rest: (makes_known || untold > 0).then_some(Rest { untold, makes_known }),
            }
        }
        Err(reason) => {
            let counts = Counts::Failure(throttle::after_failure(&credentials.tally.here, kind, now));
            CodeOutcome { changes: Changes { counts, ..Changes::default() }, ..CodeOutcome::refused(reason) }
        }
    })
}

type Judged = Result<(Reason, Changes), Reason>;

/// Every authenticator judges it, whichever takes it, and looks whether it is one of another time: what a code costs does not tell
/// whose it is, nor whether it is or ever will be anybody's.
fn judge_code(code: &str, credentials: &CodeCredentials, now: UnixTime) -> Judged {
    let behind = credentials.clock_is_behind(now);
    let mut judged = Err(Reason::CodeWrong);
    let mut drift: Option<i16> = None;
    for authenticator in &credentials.authenticators {
        if behind && authenticator.parameters.kind() != totp::Kind::Hotp {
            continue;
        }
        let off = authenticator.drift(code, now);
        drift = drift.into_iter().chain(off).min_by_key(|seconds| seconds.unsigned_abs());
        match (authenticator.judge(code, now), &judged) {
            (Match::Code(consumed), Err(_)) => judged = Ok((authenticator.id, consumed)),
            (Match::Replayed, Err(_)) => judged = Err(Reason::CodeReplayed),
            _ => {}
        }
    }
    match judged {
        Ok(step) => {
            let counts = Counts::Success(throttle::after_success(&credentials.tally));
            let changes = Changes { step: Some(step), counts, ..Changes::default() };
            Ok((Reason::Code { authenticator: step.0.0 }, changes))
        }
        // Counted all the same: that the clock is behind does not make it a right code. But the log names the likely cause.
        Err(Reason::CodeWrong) if behind || credentials.clock_is_behind_others(now) => {
            Err(Reason::ClockBehind)
        }
        Err(Reason::CodeWrong) => {
            Err(drift.map_or(Reason::CodeWrong, |seconds| Reason::CodeOfAnotherTime { seconds }))
        }
        Err(reason) => Err(reason),
    }
}

impl CodeCredentials {
    /// Whether codes were accepted that lie ahead of this clock. Those that go by time are not judged then: none of the present could
    /// be right.
    fn clock_is_behind(&self, now: UnixTime) -> bool {
        self.authenticators.iter().any(|one| one.has_seen_later_than(now))
    }

    /// Whether this clock is behind what others' codes have confirmed, and that matters here.
    fn clock_is_behind_others(&self, now: UnixTime) -> bool {
        let by_time = |one: &Authenticator| one.parameters.kind() != totp::Kind::Hotp;
        self.latest_time.minus(CLOCK_TOLERANCE) > now && self.authenticators.iter().any(by_time)
    }

    /// Whether an authenticator counts, and takes its codes whatever the clock says.
    fn any_counts(&self) -> bool {
        self.authenticators.iter().any(|one| one.parameters.kind() == totp::Kind::Hotp)
    }
}

fn judge_backup_code(
    code: &BackupCode,
    credentials: &CodeCredentials,
    operation: Operation,
    now: &Now,
) -> Result<Judged, HashError> {
    let tag = code.tag(&credentials.backup_key, credentials.enrollment);
    let is_candidate = |stored: &&backup_code::Stored| {
        let used_up = stored.bypass.is_some_and(|bypass| bypass.uses == 0);
        stored.tag == tag && (!used_up || operation == Operation::ReplaceAuthenticator)
    };
    for stored in credentials.backup_codes.iter().filter(is_candidate) {
        if !stored.hash.matches(code.expose())? {
            continue;
        }
        let changes = Changes { counts: Counts::SuccessEverywhere, ..Changes::default() };
        return Ok(match &stored.bypass {
            None => {
                let all = credentials.backup_codes.iter().filter(|one| one.bypass.is_none()).count();
                let reason = Reason::BackupCode { left: all.saturating_sub(1) };
                Ok((reason, Changes { backup_code: Some(stored.id), ..changes }))
            }
            Some(bypass) if bypass.lease.is_over(now) => Err(Reason::BypassOver),
            Some(_) if operation == Operation::Unenroll => Err(Reason::BypassNotEnough),
            Some(bypass) => Ok(match bypass.uses.checked_sub(1) {
                Some(left) => {
                    (Reason::BypassCode { left }, Changes { bypass: Some((stored.id, left)), ..changes })
                }
                None => (Reason::BypassCode { left: 0 }, Changes { backup_code: Some(stored.id), ..changes }),
            }),
        });
    }
    Ok(Err(Reason::CodeWrong))
}

fn unchanged(reason: Reason) -> CodeOutcome {
    CodeOutcome::refused(reason)
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
