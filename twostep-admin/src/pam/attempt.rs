//! `pam try`: a login by a service's real stack, at this terminal. Nothing is opened for the user: no session, no credentials.

use crate::cli::Arguments;
use crate::failure::Failure;
use crate::ffi::{Handle, Item, Person, Phase, Style};
use crate::output::{Output, Report};
use crate::pam::arguments::Try;
use crate::pam::failure::PamFailure;
use crate::pam::host::{PAM_D, Stacks};
use crate::privileges::is_wholly_root;
use nix::unistd::ttyname;
use serde::Serialize;
use std::io::{self, BufRead};
use std::net::IpAddr;
use std::path::Path;
use twostep_stacks::Code;
use twostep_terminal::{printable, put_line};
use zeroize::Zeroizing;

/// Carries it out. Exit status 1 where the user would not be let in.
pub(crate) fn run(arguments: &Arguments, wanted: &Try) -> Result<(), Failure> {
    if !is_wholly_root() {
        return Err(Failure::NotRoot);
    }
    let service = wanted.service.as_str();
    eprintln!(
        "This goes through {service}'s real stack, without a session: a right code is used up, and a wrong one counts, as at a login."
    );
    if Stacks::of(Path::new(PAM_D)).read(service).is_ok_and(|service| service.file.is_none()) {
        eprintln!("There is no {PAM_D}/{service}: libpam takes \"other\" for it.");
    }
    let tty = ttyname(io::stdin()).ok().map(|tty| tty.display().to_string());
    let attempt = Attempt { service, user: &wanted.user, tty: tty.as_deref(), from: wanted.from };
    let tried = attempt.go_through(Box::new(Terminal))?;
    Output::of(arguments).report(&tried)?;
    let refused = format!("{} is not let in by {service}", tried.user);
    if tried.let_in { Ok(()) } else { Err(PamFailure::Refused(refused).into()) }
}

/// A login as a service would ask for it.
pub(crate) struct Attempt<'a> {
    pub(crate) service: &'a str,
    pub(crate) user: &'a str,
    pub(crate) tty: Option<&'a str>,
    pub(crate) from: Option<IpAddr>,
}

impl Attempt<'_> {
    /// Authentication and account.
    pub(crate) fn go_through(&self, person: Box<dyn Person>) -> Result<Tried, PamFailure> {
        let Self { service, user, .. } = *self;
        let name = |code: i32| {
            Code::from_number(code).map_or_else(|| format!("PAM code {code}"), |code| code.to_string())
        };
        let mut handle = Handle::start(service, user, person).map_err(|code| {
            let why =
                format!("libpam does not even begin ({}): twostep-admin pam status {service}", name(code));
            PamFailure::Refused(why)
        })?;
        if let Some(tty) = self.tty {
            handle.set(Item::Tty, tty);
        }
        if let Some(from) = self.from {
            handle.set(Item::Rhost, &from.to_string());
        }
        handle.set(Item::Ruser, "root");
        let auth = handle.call(Phase::Auth);
        let passed = auth == i32::from(Code::SUCCESS.number());
        let account = passed.then(|| handle.call(Phase::Account));
        Ok(Tried {
            service: service.to_owned(),
            user: handle.get(Item::User).unwrap_or_else(|| user.to_owned()),
            auth: name(auth),
            account: account.map(name),
            let_in: account.is_some_and(lets_in),
            expired: account.and_then(Code::from_number) == Some(Code::NEW_AUTHTOK_REQD),
        })
    }
}

fn lets_in(account: i32) -> bool {
    Code::from_number(account).is_some_and(|code| [Code::SUCCESS, Code::NEW_AUTHTOK_REQD].contains(&code))
}

/// What came of it.
#[derive(Serialize)]
pub(crate) struct Tried {
    service: String,
    user: String,
    auth: String,
    /// None where the auth phase has refused.
    account: Option<String>,
    pub(crate) let_in: bool,
    /// She would have to change her password first.
    expired: bool,
}

impl Report for Tried {
    fn text(&self, to: &mut String) {
        put_line!(to, "auth:    {}", self.auth);
        put_line!(to, "account: {}", self.account.as_deref().unwrap_or("not come to"));
        match (self.let_in, self.expired) {
            (true, false) => put_line!(to, "{} is let in by {}.", self.user, self.service),
            (true, true) => {
                put_line!(to, "{} is let in by {}, to change an expired password.", self.user, self.service)
            }
            (false, _) => {}
        }
        put_line!(to, "The log has the reason: journalctl --since -2min -g 'pam_twostep|{}:'", self.service);
    }
}

/// Whoever sits here.
pub(crate) struct Terminal;

impl Person for Terminal {
    fn hear(&mut self, style: Style, text: &str) -> Option<Zeroizing<String>> {
        match style {
            Style::Hidden => {
                eprint!("{}", printable(text));
                rpassword::read_password().ok().map(Zeroizing::new)
            }
            Style::Shown => {
                eprint!("{}", printable(text));
                let mut line = Zeroizing::new(String::with_capacity(256));
                let read = io::stdin().lock().read_line(&mut line).ok().filter(|length| *length > 0)?;
                line.truncate(read);
                Some(Zeroizing::new(line.trim_end_matches(['\n', '\r']).to_owned()))
            }
            Style::Error | Style::Info => {
                eprintln!("{}", printable(text));
                Some(Zeroizing::new(String::new()))
            }
        }
    }
}
