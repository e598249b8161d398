//! Setting two-step up while signing in: in the account phase, when the password is known to be right, and as its very last step. Until
//! then nothing is stored.
//!
//! All that must be seen stands in a prompt: some services show nothing else.

use super::terms::{Asked, Read, choose};
use super::{Ending, Login, Record, Request, Stop, Word, texts};
use crate::change::Action;
use crate::decide::{Demand, Enroll};
use crate::event::Reason;
use crate::key_uri;
use crate::ports::{Confirmed, Draft, Entered, Person};
use crate::protocol::Echo;
use crate::secret::Secret;
use crate::throttle::Standing;
use crate::totp::{self, Authenticator, AuthenticatorId, Consumed, Match, Parameters};
use crate::who::Resolved;
use zeroize::Zeroizing;

/// How often a first code can be tried.
const TRIES: u32 = 3;

impl Login<'_, '_, '_> {
    pub(super) fn enroll(
        &mut self,
        resolved: Resolved,
        record: &Record,
        before: &Enroll,
    ) -> Result<Ending, Stop> {
        let Resolved::Known(person) = resolved else { return Err(super::internal("nobody to enroll")) };
        let enroll = match self.still_to_enroll()? {
            Some(enroll) => enroll,
            None => {
                return Ok(self.not_set_up(
                    "it was set up meanwhile, or need not be any more",
                    "Please sign in again.",
                ));
            }
        };
        // Who was told that there is time has it.
        let by = enroll.by.or(before.by);
        if self.request.word != Word::Counts {
            return Ok(match by {
                Some(_) => record.ending(),
                None => self.not_set_up("the service is not root", HERE_IT_CANNOT),
            });
        }
        if let Some(by) = by {
            let when = texts::deadline(by, self.now());
            if !self
                .yes(&format!("\nTwo-step verification will be needed here {when}. Set it up now? [y/N] "))
            {
                return Ok(record.ending());
            }
        }
        let day = self.now().day();
        let place = self.place();
        let draft = self.ports.vault.open()?.draft(&person, day, place.as_deref())?;
        // Once more: however long the question stood, what has come since is seen now, or is newer than the draft.
        if self.still_to_enroll()?.is_none() {
            return Ok(
                self.not_set_up("it was set up meanwhile, or need not be any more", "Please sign in again.")
            );
        }
        let code = match self.first_code(&person, &draft) {
            Ok(code) => code,
            Err(NoCode::TalkFailed) => return Ok(self.not_set_up("the service cannot ask", HERE_IT_CANNOT)),
            Err(NoCode::Empty) => {
                return Ok(self.not_set_up(
                    "nothing was entered",
                    "Two-step verification was not set up, and is needed here.",
                ));
            }
            Err(NoCode::Wrong) => {
                return Ok(self.not_set_up(
                    "no right code was entered",
                    "None of these was its code. The phone's clock must be right. Nothing was set up; please try again.",
                ));
            }
        };
        if self.ports.talk.ask(&backup_codes(&draft), Echo::Hidden).is_err() {
            return Ok(self.not_set_up("the service cannot ask", HERE_IT_CANNOT));
        }
        let at = (self.ports.clock)().wall;
        let confirmed = Confirmed { draft: &draft, code, at };
        if !self.ports.vault.open()?.enroll(&person, &confirmed)? {
            return Ok(self.not_set_up(
                "it was set up meanwhile",
                "It was set up for you meanwhile. Please sign in again.",
            ));
        }
        self.changed(Action::Enroll, None);
        Ok(Ending::Accept(Record { todo: None, ..record.clone() }))
    }

    /// Where she is, if that is a place of her own: whoever has her password only, and comes from elsewhere, is shown another secret. What
    /// she is shown here she is shown again; where anybody can come from, nobody is shown anything twice.
    fn place(&self) -> Option<String> {
        let Request { source, key, .. } = self.request;
        let key = key.as_ref().map(ToString::to_string).unwrap_or_default();
        (source.standing() == Standing::Own).then(|| format!("{} {key}", source.key()))
    }

    /// What was true in the auth phase need not be so any more.
    fn still_to_enroll(&mut self) -> Result<Option<Enroll>, Stop> {
        let now = self.now();
        let mut asked = Asked::new(self.ports.directory, self.request.user);
        let terms = choose(self.policy, self.request, &mut asked, now)?.0;
        let (_, demand) =
            Read::of(&terms, self.request, now).demand(self.ports.directory, self.ports.vault, asked)?;
        Ok(match demand {
            Demand::Enroll(enroll) => Some(enroll),
            _ => None,
        })
    }

    /// Shows what goes into the phone, and waits for its first code. It confirms that the secret was read right; whoever guesses it has
    /// gained nothing that she did not have.
    fn first_code(&mut self, person: &Person, draft: &Draft) -> Result<Consumed, NoCode> {
        let parameters = Parameters::COMMON;
        let authenticator = Authenticator {
            id: AuthenticatorId(0),
            parameters,
            secret: draft.secret.clone(),
            last_step: None,
        };
        let mut prompt = what_to_scan(&(self.ports.issuer)(), person, &draft.secret);
        for _ in 0..TRIES {
            let entered = self.ports.talk.ask(&prompt, self.request.echo).map_err(|_| NoCode::TalkFailed)?;
            let code = match &entered {
                Entered::Text(text) if text.is_empty() => return Err(NoCode::Empty),
                // A service that gives the password to every question.
                Entered::PasswordAgain => return Err(NoCode::TalkFailed),
                Entered::Text(text) => digits(text),
            };
            if let Match::Code(consumed) = authenticator.judge(&code, (self.ports.clock)().wall) {
                return Ok(consumed);
            }
            prompt = Zeroizing::new("That is not its code. The code that it shows now: ".to_owned());
        }
        Err(NoCode::Wrong)
    }

    fn not_set_up(&mut self, cause: &'static str, text: &str) -> Ending {
        self.ports.talk.tell(text);
        self.tell_log(Reason::NotSetUp { cause }, Ending::Refuse)
    }
}

const HERE_IT_CANNOT: &str = "Two-step verification must be set up first, and that cannot be done here. Sign in with ssh \
                              (-o PreferredAuthentications=keyboard-interactive) or at a console, or ask your administrator.";

enum NoCode {
    TalkFailed,
    Empty,
    Wrong,
}

fn digits(entered: &Secret) -> Zeroizing<String> {
    let mut code = Zeroizing::new(String::with_capacity(entered.expose().len()));
    code.extend(
        entered.expose().iter().filter(|byte| !byte.is_ascii_whitespace()).map(|byte| char::from(*byte)),
    );
    code
}

fn what_to_scan(issuer: &str, person: &Person, secret: &Secret) -> Zeroizing<String> {
    let base32 = totp::base32(secret);
    let uri = key_uri::short(issuer, person.name.as_str(), &base32);
    // Its room is made at once: a string that grows leaves copies of itself behind.
    let mut text = Zeroizing::new(String::with_capacity(8 * 1024));
    text.push_str(
        "\nTwo-step verification is needed here: a code from your phone after your password.\n\
         Scan this with an authenticator app, or type the key into it:\n",
    );
    // Names so long that no QR code holds them leave the key, which is enough.
    if let Some(qr) = key_uri::qr_without_colours(&uri) {
        text.push_str(&qr);
        text.push('\n');
    }
    text.push_str(&grouped(&base32));
    text.push_str("\n\nThe code that it shows now: ");
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
