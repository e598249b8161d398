//! Who takes part, and the rounds.
//!
//! In every round everybody has a turn, so that what disturbs the machine disturbs all alike. What a login leaves behind (a code
//! used up, a failure counted) is put back before the next, outside of what is measured.

use crate::login::Login;
use crate::median::microseconds;
use crate::site::{ALICE, BOB, PASSWORD, SHA, Site, YES};
use crate::users::Users;
use std::time::Duration;
use twostep_tests::pam::Code;

/// What is done, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Permit,
    UnixSha512,
    UnixYescrypt,
    GoogleRight,
    GoogleWrong,
    GoogleLoose,
    Ours(Size, What),
}

/// Which of our stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Thousand,
    Million,
}

/// What is tried with us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    NotEnrolled,
    Right,
    Wrong,
    Replayed,
    BackupCode,
    AppCold,
    AppWarm,
    AppWrong,
    AppAccountPassword,
}

/// What became of it; medians, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure {
    pub(crate) who: Who,
    /// In a process that has signed people in before.
    pub(crate) warm: f64,
    /// In a process of its own.
    pub(crate) fresh: f64,
    /// The largest size of such a process, in kilobytes.
    pub(crate) size: u64,
}

const ROUNDS: u32 = 60;
/// Turns of a cheap login in one round.
const TURNS: u32 = 4;
/// Logins that take tens of milliseconds take part in every so manyth round, once.
const SELDOM: u32 = 4;

impl Who {
    fn all() -> Vec<Self> {
        use What::*;
        let rivals = [
            Self::Permit,
            Self::UnixSha512,
            Self::UnixYescrypt,
            Self::GoogleRight,
            Self::GoogleWrong,
            Self::GoogleLoose,
        ];
        let ours =
            [NotEnrolled, Right, Wrong, Replayed, BackupCode, AppCold, AppWarm, AppWrong, AppAccountPassword];
        let both = [Size::Thousand, Size::Million].into_iter();
        rivals.into_iter().chain(both.flat_map(|size| ours.map(|what| Self::Ours(size, what)))).collect()
    }

    fn is_slow(self) -> bool {
        matches!(self, Self::UnixYescrypt | Self::Ours(_, What::BackupCode | What::AppCold))
    }

    fn expected(self) -> Code {
        match self {
            Self::GoogleWrong
            | Self::Ours(_, What::Wrong | What::Replayed | What::AppWrong | What::AppAccountPassword) => {
                Code::AUTH_ERR
            }
            _ => Code::SUCCESS,
        }
    }

    /// The login, after what earlier ones left has been put back.
    fn login(self, site: &Site) -> Login {
        let alone = |module: &str| format!("auth required {module}\naccount required {module}");
        let google = "auth required pam_google_authenticator.so\naccount required pam_permit.so".to_owned();
        let (stack, user, answer) = match self {
            Self::Permit => (alone("pam_permit.so"), BOB, String::new()),
            Self::UnixSha512 => (alone("pam_unix.so"), SHA, PASSWORD.to_owned()),
            Self::UnixYescrypt => (alone("pam_unix.so"), YES, PASSWORD.to_owned()),
            Self::GoogleRight => {
                site.strict.reset();
                (google, site.strict.user, site.strict.code())
            }
            Self::GoogleWrong => {
                site.strict.reset();
                (google, site.strict.user, site.strict.wrong_code())
            }
            Self::GoogleLoose => {
                site.loose.reset();
                (google, site.loose.user, site.loose.code())
            }
            Self::Ours(Size::Thousand, what) => return what.login(&site.thousand),
            Self::Ours(Size::Million, what) => return what.login(&site.million),
        };
        Login { stack, user: user.to_owned(), answer }
    }
}

impl What {
    pub(crate) fn login(self, users: &Users) -> Login {
        let config = users.config.display();
        let code = format!(
            "auth required pam_twostep.so config={config}\naccount required pam_twostep.so config={config}"
        );
        // Who needs no code is let in by somebody else.
        let others = format!("{code}\nauth required pam_permit.so\naccount required pam_permit.so");
        let control = "[success=done ignore=ignore default=die]";
        let app = format!(
            "auth {control} pam_twostep.so app config={config}\n\
             account {control} pam_twostep.so app config={config}\naccount required pam_permit.so"
        );
        let (stack, user, answer) = match self {
            Self::NotEnrolled => (others, BOB, String::new()),
            Self::Right => (code, ALICE, users.code()),
            Self::Wrong => (code, ALICE, users.wrong_code()),
            Self::Replayed => (code, ALICE, users.used_code()),
            Self::BackupCode => (code, ALICE, users.backup_code()),
            Self::AppCold => (app, ALICE, users.cold()),
            Self::AppWarm => (app, ALICE, users.warm.clone()),
            Self::AppWrong => (app, ALICE, users.stranger.clone()),
            Self::AppAccountPassword => (app, ALICE, PASSWORD.to_owned()),
        };
        Login { stack, user: user.to_owned(), answer }
    }
}

struct Contestant {
    who: Who,
    warm: Vec<Duration>,
    fresh: Vec<Duration>,
    size: u64,
}

/// Runs all rounds. Panics where a login comes out otherwise than it should.
pub(crate) fn run(site: &Site) -> Vec<Figure> {
    let new = |who| Contestant { who, warm: Vec::new(), fresh: Vec::new(), size: 0 };
    let mut contestants: Vec<Contestant> = Who::all().into_iter().map(new).collect();
    for one in &contestants {
        // Once unmeasured: files come into the page cache, and the boot learns the warm app password.
        one.check(one.who.login(site).here().code);
    }
    for round in 0..ROUNDS {
        for one in &mut contestants {
            let turns = match one.who.is_slow() {
                true if round % SELDOM == 0 => 1,
                true => continue,
                false => TURNS,
            };
            for _ in 0..turns {
                let outcome = one.who.login(site).here();
                one.check(outcome.code);
                one.warm.push(outcome.took);
            }
            let (outcome, size) = one.who.login(site).fresh();
            one.check(outcome.code);
            one.fresh.push(outcome.took);
            one.size = one.size.max(size);
        }
    }
    contestants.iter().map(Contestant::figure).collect()
}

impl Contestant {
    fn check(&self, code: Code) {
        assert!(code == self.who.expected(), "{:?}: {:?} instead of {code:?}", self.who, self.who.expected());
    }

    fn figure(&self) -> Figure {
        let middle = |runs| microseconds(runs).expect("everybody had a turn");
        Figure { who: self.who, warm: middle(&self.warm), fresh: middle(&self.fresh), size: self.size }
    }
}
