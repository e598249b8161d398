//! Clients that send one string only, password and code in one: it is taken apart before the password modules, and judged by nobody yet.
//! They find the password alone; the line after them finds the code. So nothing is counted for who has not the password where they
//! refuse, and nobody learns anything that an ordinary prompt would not tell.

use super::terms::{Asked, Read};
use super::{Ending, Login, ONE_PROMPT, Proof, Stop, Todo};
use crate::account::EnrollmentId;
use crate::backup_code::BackupCode;
use crate::decide::{Demand, Terms};
use crate::event::Reason;
use crate::secret::Secret;

/// How a backup code is written, in bytes: `abcd-efgh-jkmnp`.
const BACKUP_CODE: usize = 15;
/// How many digits most people's codes have.
const COMMON_DIGITS: u8 = 6;
/// Ids begin with 1.
const NOBODY: EnrollmentId = EnrollmentId(0);

impl Login<'_, '_, '_> {
    /// Always none of our business: what is refused is refused, and logged, by the line after the password modules. Should that not be
    /// there, the account phase refuses.
    pub(super) fn split(&mut self, terms: &Terms, mut asked: Asked<'_>) -> Result<Ending, Stop> {
        match terms.settled() {
            Some(Demand::Nothing(_)) => return Ok(Ending::Ignore(None)),
            Some(_) if self.veiled => return self.split_nobodys(),
            Some(_) => return Ok(self.unjudged()),
            None => {}
        }
        let sent = self.whole()?;
        self.user = asked.resolve()?.user().cloned();
        let veiled = self.veiled;
        let read = Read { veiled, ..Read::of(terms, self.request, self.now()) };
        let (_, demand) = read.demand(self.ports.directory, self.ports.vault, asked)?;
        let wanted = match demand {
            Demand::Code(wanted) => wanted,
            demand => {
                if veiled {
                    self.keep_code(&sent)?;
                }
                let nothing = matches!(demand, Demand::Nothing(_));
                return Ok(if nothing { Ending::Ignore(None) } else { self.unjudged() });
            }
        };
        // Where no code is asked for, all of it is the password.
        let trusted = match wanted.trust.as_ref().and_then(|trust| self.trustable(trust)) {
            Some(trustable) => self.trusted(wanted.enrollment, &trustable)?.is_some(),
            None => false,
        };
        let digits = self.ports.vault.open()?.code_digits(wanted.enrollment)?;
        if let Some(at) = code_begins(&sent, &digits).filter(|_| !trusted) {
            self.hand_on(at, at)?;
        }
        Ok(self.unjudged())
    }

    fn hand_on(&mut self, password: usize, code: usize) -> Result<(), Stop> {
        self.ports.talk.hand_on(password, code).map_err(|_| Stop(Reason::Conversation))
    }

    /// Asked whoever it is for, so that a client sees the same.
    fn whole(&mut self) -> Result<Secret, Stop> {
        let prompt = self.request.prompt.unwrap_or(ONE_PROMPT);
        self.ports.talk.password(prompt).map_err(|_| Stop(Reason::Conversation))
    }

    /// The same for whoever is refused without a look into the store.
    pub(super) fn split_nobodys(&mut self) -> Result<Ending, Stop> {
        let sent = self.whole()?;
        if self.veiled {
            self.ports.vault.open()?.code_digits(NOBODY)?;
            self.keep_code(&sent)?;
        }
        Ok(self.unjudged())
    }

    /// Of whoever has no code: as many looks into the store as for somebody; and what could be a code is not asked for again, as hers is not.
    /// All of it stays the password.
    fn keep_code(&mut self, sent: &Secret) -> Result<(), Stop> {
        self.ports.vault.open()?.code_digits(NOBODY)?;
        match code_begins(sent, &[COMMON_DIGITS]) {
            Some(code) => self.hand_on(sent.expose().len(), code),
            None => Ok(()),
        }
    }

    fn unjudged(&self) -> Ending {
        Ending::Ignore(Some(self.record(Proof::None, Some(Todo::Unjudged))))
    }
}

/// Where the code begins; none where there is none to be seen, be it that it was left out, or the password: an empty one could be
/// somebody's. Of several lengths that her authenticators' codes have it is the longest that there are digits for.
fn code_begins(sent: &Secret, lengths: &[u8]) -> Option<usize> {
    ends_in_code(sent.expose(), lengths).filter(|begins| *begins > 0)
}

fn ends_in_code(sent: &[u8], lengths: &[u8]) -> Option<usize> {
    let begins = sent.len().checked_sub(BACKUP_CODE);
    if let Some(tail) = begins.and_then(|at| sent.get(at..))
        && let ([.., b'-', _, _, _, _, _], Some(b'-')) = (tail, tail.get(4))
        && BackupCode::parse(tail).is_some()
    {
        return begins;
    }
    let digits = sent.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let longest =
        lengths.iter().map(|length| usize::from(*length)).filter(|length| *length <= digits).max()?;
    sent.len().checked_sub(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_what_comes_last() {
        let begins =
            |sent: &str, lengths: &[u8]| code_begins(&Secret::new(sent.as_bytes().to_vec()), lengths);
        assert_eq!(begins("hunter2123456", &[6]), Some(7));
        assert_eq!(begins("hunter12345678", &[6, 8]), Some(6));
        assert_eq!(begins("hunter2123456", &[6, 8]), Some(7));
        assert_eq!(begins("ümläut 123456", &[6]), Some(9));
        assert_eq!(begins("hunter2abcd-efgh-jkmnp", &[6]), Some(7));
        for none in [
            "",
            "hunter2",
            "hunter12345",
            "123 45",
            "hunter-efgh-jkmnu",
            "123456x",
            "123456",
            "abcd-efgh-jkmnp",
        ] {
            assert_eq!(begins(none, &[6]), None, "{none:?}");
        }
        assert_eq!(begins("hunter2123456", &[]), None);
    }
}
