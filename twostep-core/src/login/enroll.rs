//! Setting two-step up while signing in: in the account phase, when the password is known to be right, and as its very last step. Until
//! then nothing is stored.
//!
//! All that must be seen stands in a prompt: some services show nothing else.

use super::{Ending, Login, Record, Request, Stop, Word, texts};
use crate::change::Action;
use crate::decide::{Demand, Enroll};
use crate::event::Reason;
use crate::key_uri::{self, Ink, Qr};
use crate::ports::{Confirmed, Draft, Entered, Person, Unavailable};
use crate::protocol::Echo;
use crate::secret::Secret;
use crate::text::YES_OR_NO;
use crate::throttle::Standing;
use crate::totp::{self, Authenticator, AuthenticatorId, Consumed, Match, Parameters};
use crate::who::Resolved;
use zeroize::Zeroizing;

/// How often a first code can be tried.
const TRIES: u32 = 3;
/// How often a QR code is drawn.
const DRAWINGS: u32 = 6;
/// A QR code is no wider than the narrowest usual terminal, if it can be: nobody says here how wide theirs is.
const NARROW: usize = 40;

impl Login<'_, '_, '_> {
    pub(super) fn enroll(
        &mut self,
        resolved: Resolved,
        record: &Record,
        before: &Enroll,
    ) -> Result<Ending, Stop> {
        let Resolved::Known(person) = resolved else { return Err(super::internal("nobody to enroll")) };
        match self.set_up(&person, before) {
            Ok(Outcome::Enrolled) => {
                self.changed(Action::Enroll, None);
                Ok(Ending::Accept(Record { todo: None, ..record.clone() }))
            }
            Ok(Outcome::PutOff) => Ok(record.ending()),
            Err(Hindrance::NotSetUp(why)) => {
                let (cause, text) = why.told();
                self.ports.talk.tell(text);
                Ok(self.tell_log(Reason::NotSetUp { cause }, Ending::Refuse))
            }
            Err(Hindrance::Stop(stop)) => Err(stop),
        }
    }

    fn set_up(&mut self, person: &Person, before: &Enroll) -> Result<Outcome, Hindrance> {
        // Who was told that there is time has it.
        let by = self.still_to_enroll()?.by.or(before.by);
        if self.request.word != Word::Counts {
            return by.map(|_| Outcome::PutOff).ok_or(NotSetUp::NotRoot.into());
        }
        if let Some(by) = by {
            let when = texts::deadline(by, self.now());
            let question =
                format!("\nTwo-step verification will be needed here {when}. Set it up now? {YES_OR_NO}");
            if !self.yes(&question) {
                return Ok(Outcome::PutOff);
            }
        }
        // Whoever has the password, and is refused from here by another module, does not enroll in the owner's place.
        if !self.ports.talk.account_accepts() {
            return by.map(|_| Outcome::PutOff).ok_or(NotSetUp::RefusedBehind.into());
        }
        let (day, place) = (self.now().day(), self.place());
        let draft = self.ports.vault.open()?.draft(person, day, place.as_deref())?;
        // Once more: however long the question stood, what has come since is seen now, or is newer than the draft.
        self.still_to_enroll()?;
        let code = self.first_code(person, &draft)?;
        self.ports.talk.ask(&backup_codes(&draft), Echo::Hidden).map_err(|_| NotSetUp::CannotAsk)?;
        let confirmed = Confirmed { draft: &draft, code, at: (self.ports.clock)().wall };
        if self.ports.vault.open()?.enroll(person, &confirmed)? {
            Ok(Outcome::Enrolled)
        } else {
            Err(NotSetUp::JustNow.into())
        }
    }

    /// Where she is, if that is a place of her own: whoever has her password only, and comes from elsewhere, is shown another secret. What
    /// she is shown here she is shown again; where anybody can come from, nobody is shown anything twice.
    fn place(&self) -> Option<String> {
        let Request { source, key, .. } = self.request;
        let key = key.as_ref().map(|key| key.fingerprint.to_string()).unwrap_or_default();
        (source.standing() == Standing::Own).then(|| format!("{} {key}", source.key()))
    }

    /// What was true in the auth phase need not be so any more.
    fn still_to_enroll(&mut self) -> Result<Enroll, Hindrance> {
        match self.demand()? {
            Demand::Enroll(enroll) => Ok(enroll),
            _ => Err(NotSetUp::Meanwhile.into()),
        }
    }

    /// Shows what goes into the phone, and waits for its first code. It confirms that the secret was read right; whoever guesses it has
    /// gained nothing that she did not have.
    fn first_code(&mut self, person: &Person, draft: &Draft) -> Result<Consumed, NotSetUp> {
        let parameters = Parameters::COMMON;
        let authenticator = Authenticator {
            id: AuthenticatorId(0),
            parameters,
            secret: draft.secret.clone(),
            last_step: None,
        };
        let base32 = totp::base32(&draft.secret);
        let uri = key_uri::uri(&(self.ports.issuer)(), person.name.as_str(), &base32, parameters);
        // Names so long that no QR code holds them leave the key, which is enough.
        let qr = Qr::of(&uri);
        let mut prompt = what_to_type(&base32, qr.as_ref());
        let (mut tries, mut drawings) = (TRIES, DRAWINGS);
        while tries > 0 {
            let entered = self.ports.talk.ask(&prompt, self.request.echo).map_err(|_| NotSetUp::CannotAsk)?;
            let code = match &entered {
                Entered::Text(text) if text.is_empty() => return Err(NotSetUp::NothingEntered),
                // A service that gives the password to every question.
                Entered::PasswordAgain => return Err(NotSetUp::CannotAsk),
                Entered::Text(text) => digits(text),
            };
            if let (Some(qr), Some(ink), 1..) = (&qr, background(&code), drawings) {
                drawings -= 1;
                prompt = drawn(qr, ink);
                continue;
            }
            if let Match::Code(consumed) = authenticator.judge(&code, (self.ports.clock)().wall) {
                return Ok(consumed);
            }
            tries -= 1;
            prompt = Zeroizing::new(format!("That is not its code. {QUESTION}"));
        }
        Err(NotSetUp::WrongCodes)
    }
}

const HERE_IT_CANNOT: &str = "Two-step verification must be set up first, and that cannot be done here. Sign in with ssh \
                              (-o PreferredAuthentications=keyboard-interactive) or at a console, or ask your administrator.";

enum Outcome {
    /// She is enrolled.
    Enrolled,
    /// There is time left, and she has not said yes, or cannot be asked.
    PutOff,
}

enum Hindrance {
    NotSetUp(NotSetUp),
    Stop(Stop),
}

/// Why nothing was stored.
enum NotSetUp {
    Meanwhile,
    JustNow,
    NotRoot,
    RefusedBehind,
    CannotAsk,
    NothingEntered,
    WrongCodes,
}

impl NotSetUp {
    /// What the log is told, and what she is.
    fn told(&self) -> (&'static str, &'static str) {
        match self {
            Self::Meanwhile => ("it was set up meanwhile, or need not be any more", "Please sign in again."),
            Self::JustNow => {
                ("it was set up meanwhile", "It was set up for you meanwhile. Please sign in again.")
            }
            Self::NotRoot => ("the service is not root", HERE_IT_CANNOT),
            Self::RefusedBehind => (
                "another module of the account phase refuses this login",
                "This login is not allowed. Nothing was set up.",
            ),
            Self::CannotAsk => ("the service cannot ask", HERE_IT_CANNOT),
            Self::NothingEntered => {
                ("nothing was entered", "Two-step verification was not set up, and is needed here.")
            }
            Self::WrongCodes => (
                "no right code was entered",
                "None of these was its code. The phone's clock must be right. Nothing was set up; please try again.",
            ),
        }
    }
}

impl From<NotSetUp> for Hindrance {
    fn from(why: NotSetUp) -> Self {
        Self::NotSetUp(why)
    }
}

impl From<Stop> for Hindrance {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<Unavailable> for Hindrance {
    fn from(unavailable: Unavailable) -> Self {
        Self::Stop(unavailable.into())
    }
}

fn digits(entered: &Secret) -> Zeroizing<String> {
    let mut code = Zeroizing::new(String::with_capacity(entered.expose().len()));
    code.extend(
        entered.expose().iter().filter(|byte| !byte.is_ascii_whitespace()).map(|byte| char::from(*byte)),
    );
    code
}

const QUESTION: &str = "The code that it shows now: ";

/// The key as text, which every client shows and a screen reader reads; a QR code for anyone who asks for one. Neither the colours of a
/// terminal nor its size nor its character set can be asked for here, and ssh takes escape sequences out.
pub(super) fn what_to_type(base32: &str, qr: Option<&Qr>) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(1024));
    text.push_str("\nTwo-step verification is needed here: a code from your phone after your password.\n");
    if let Some(qr) = qr {
        let (columns, rows) = room(qr);
        text.push_str(&format!(
            "For a QR code, type dark or light, whichever your screen's background is\n\
             (needs UTF-8, {columns} columns, {rows} rows).\nOr type this key into an authenticator app:\n\n"
        ));
    } else {
        text.push_str("Type this key into an authenticator app:\n\n");
    }
    text.push_str(&grouped(base32));
    text.push_str("\n\n");
    text.push_str(QUESTION);
    text
}

/// The letters of a terminal with this background.
fn background(answer: &str) -> Option<Ink> {
    match answer {
        _ if answer.eq_ignore_ascii_case("dark") => Some(Ink::Light),
        _ if answer.eq_ignore_ascii_case("light") => Some(Ink::Dark),
        _ => None,
    }
}

fn quiet_zone(qr: &Qr) -> usize {
    qr.quiet_zone(NARROW).unwrap_or(1)
}

/// The columns and rows that a terminal needs for it, with the line before it, where ssh says who asks, and the question.
pub(super) fn room(qr: &Qr) -> (usize, usize) {
    let columns = qr.width(quiet_zone(qr));
    (columns, columns.div_ceil(2) + 2)
}

pub(super) fn drawn(qr: &Qr, ink: Ink) -> Zeroizing<String> {
    let lines = qr.half_blocks(quiet_zone(qr), ink);
    let room: usize = lines.iter().map(|line| line.len() + 1).sum();
    let mut text = Zeroizing::new(String::with_capacity(room + 1 + QUESTION.len()));
    text.push('\n');
    for line in &lines {
        text.push_str(line);
        text.push('\n');
    }
    text.push_str(QUESTION);
    text
}

/// In groups of four, as people type it.
fn grouped(base32: &str) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(base32.len() * 2));
    for (at, letter) in base32.chars().enumerate() {
        if at > 0 && at % 4 == 0 {
            text.push(' ');
        }
        text.push(letter);
    }
    text
}

fn backup_codes(draft: &Draft) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(1_024));
    text.push_str(
        "\nThese backup codes are for a day without the phone. Each works once. Write them down now:\n\n",
    );
    for code in &draft.backup_codes {
        text.push_str("    ");
        text.push_str(&code.grouped());
        text.push('\n');
    }
    text.push_str("\nThey are not shown again. Press Enter when you have them: ");
    text
}
