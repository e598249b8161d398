//! Judging app passwords: what can be said without Argon2id, and the rest.

use crate::app_password::{self, AppPassword, AppPasswordId, BootKey, BootTag, Label};
use crate::attempt::Source;
use crate::event::Reason;
use crate::memory_hard::{Cost, HashError};
use crate::name::ServiceName;
use crate::scope::Outside;
use crate::time::{Now, UnixTime};
use std::time::Duration;

/// How often a use of an app password is written down at most.
pub const USE_WRITTEN_EVERY: Duration = Duration::from_secs(10 * 60);

/// What an app password is judged against.
#[derive(Debug, Default)]
pub struct AppCandidates {
    /// The user's app passwords with the tag of the one that was sent.
    pub live: Vec<app_password::Stored>,
    /// The name of a revoked one with that tag.
    pub revoked: Option<Label>,
    /// The key of this boot's tags, where there is one.
    pub boot_key: Option<BootKey>,
    /// The latest time that a right code of anybody's has confirmed.
    pub latest_time: UnixTime,
}

/// An app password, sent to a service.
#[derive(Clone, Copy, Debug)]
pub struct AppLogin<'a> {
    /// What was sent.
    pub password: &'a AppPassword,
    /// Where to.
    pub service: &'a ServiceName,
    /// Where from.
    pub source: &'a Source,
    /// When.
    pub now: &'a Now,
    /// What hashes are to cost.
    pub cost: Cost,
}

/// The verdict on an app password.
#[must_use]
#[derive(Debug)]
pub enum AppVerdict {
    /// It is one of the user's, and good here and now.
    Accepted {
        /// Which.
        id: AppPasswordId,
        /// Its name.
        name: Label,
        /// What is to be written down.
        news: News,
    },
    /// It is none.
    Refused(Reason),
}

/// What an app password that was accepted leaves to be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Whether a use was last written down so long ago that this one is.
    pub use_is_due: bool,
    /// The boot tag, where it is a new one.
    pub boot_tag: Option<BootTag>,
    /// Whether its hash costs something else than it should today.
    pub hash_is_outdated: bool,
}

/// What can be said of an app password without Argon2id.
#[must_use]
#[derive(Debug)]
pub enum AppLook<'a> {
    /// All.
    Settled(AppVerdict),
    /// It has yet to be hashed.
    ToHash(ToHash<'a>),
}

/// An app password that is to be hashed, and what it may be.
#[derive(Debug)]
pub struct ToHash<'a> {
    login: AppLogin<'a>,
    boot_key: Option<&'a BootKey>,
    /// Never empty, and as a rule there is one: a new app password is given a tag that no other of the user's has.
    these: Vec<&'a app_password::Stored>,
    /// What it is where it is none of these.
    otherwise: Reason,
}

/// Looks an app password up. Only what shares its tag, is good here and now, and has not succeeded since boot is left to be hashed: whatever
/// is refused costs no Argon2id, but for one wrong password in 65,536. What is not good here and now is named without proof, by its tag
/// alone; so is one that was revoked.
pub fn look_up<'a>(login: AppLogin<'a>, candidates: &'a AppCandidates) -> AppLook<'a> {
    let boot_key = candidates.boot_key.as_ref();
    let now = login.now.no_earlier_than(candidates.latest_time);
    let outside = |stored: &app_password::Stored| {
        let outside = stored.scope.refuses(login.service, login.source, &now);
        outside.map(|outside| out_of_scope(&stored.label, outside))
    };
    let mut these = Vec::new();
    let mut otherwise = None;
    for stored in &candidates.live {
        let warm = boot_key.zip(stored.boot_tag).filter(|(key, tag)| tag.is_of(key));
        match (warm, outside(stored)) {
            // Not this one, and certainly so.
            (Some((key, tag)), _) if !tag.is(&login.password.boot_tag(key, stored.id)) => {}
            (Some(_), None) => return AppLook::Settled(accepted(&login, stored, None)),
            (Some(_), Some(reason)) => return AppLook::Settled(AppVerdict::Refused(reason)),
            (None, None) => these.push(stored),
            (None, Some(reason)) => otherwise = Some(reason),
        }
    }
    let revoked =
        || candidates.revoked.as_ref().map(|name| Reason::AppPasswordRevoked { name: name.to_string() });
    let otherwise = otherwise.or_else(revoked).unwrap_or(Reason::AppPasswordWrong);
    if these.is_empty() {
        return AppLook::Settled(AppVerdict::Refused(otherwise));
    }
    AppLook::ToHash(ToHash { login, boot_key, these, otherwise })
}

impl ToHash<'_> {
    /// Runs Argon2id.
    ///
    /// # Errors
    /// When a hash could not be computed.
    pub fn hash(&self) -> Result<AppVerdict, HashError> {
        for stored in &self.these {
            if stored.hash.matches(self.login.password.expose())? {
                let tag = self.boot_key.map(|key| self.login.password.boot_tag(key, stored.id));
                return Ok(accepted(&self.login, stored, tag));
            }
        }
        Ok(AppVerdict::Refused(self.otherwise.clone()))
    }
}

fn accepted(login: &AppLogin<'_>, stored: &app_password::Stored, boot_tag: Option<BootTag>) -> AppVerdict {
    let use_is_due = boot_tag.is_some() || use_is_due(stored.last_used, login.now.wall);
    let news = News { use_is_due, boot_tag, hash_is_outdated: stored.hash.cost != login.cost };
    AppVerdict::Accepted { id: stored.id, name: stored.label.clone(), news }
}

fn out_of_scope(name: &Label, outside: Outside) -> Reason {
    let name = name.to_string();
    match outside {
        Outside::Expired(since) => Reason::AppPasswordExpired { name, since },
        Outside::Service => Reason::AppPasswordOutOfScope { name, cause: "service" },
        Outside::Address => Reason::AppPasswordOutOfScope { name, cause: "address" },
        Outside::NoAddress => Reason::AppPasswordOutOfScope { name, cause: "no-address" },
    }
}

fn use_is_due(last: Option<UnixTime>, now: UnixTime) -> bool {
    // A last use in the future (the clock was wrong) is written anew.
    last.is_none_or(|last| last > now || last <= now.minus(USE_WRITTEN_EVERY))
}

#[cfg(test)]
#[path = "verify_app_tests.rs"]
mod tests;
