//! Asks before anything is deleted or replaced.

use crate::cli::Consent;
use crate::failure::{Failure, Misuse};
use std::io::{self, BufRead, IsTerminal};
use twostep_core::text::{YES_OR_NO, is_yes};
use twostep_terminal::printable;

/// Asks on the terminal, unless `--yes` was given. `y` will do.
///
/// # Errors
/// Anything but yes declines; without a terminal there is nobody to ask.
pub(crate) fn obtain(consent: Consent, what: &str) -> Result<(), Failure> {
    ask(consent, &format!("{what}\nType yes to go on {YES_OR_NO}"), is_yes)
}

/// The same, of what concerns all users at once, and cannot be taken back by asking one of them: the whole word is wanted.
///
/// # Errors
/// As [`obtain`].
pub(crate) fn obtain_for_all_users(consent: Consent, what: &str) -> Result<(), Failure> {
    let is_the_word = |answer: &[u8]| answer.trim_ascii().eq_ignore_ascii_case(b"yes");
    ask(consent, &format!("{what}\nType yes, the whole word, to go on: "), is_the_word)
}

fn ask(consent: Consent, question: &str, agrees: impl Fn(&[u8]) -> bool) -> Result<(), Failure> {
    if consent.yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::Usage(Misuse::NeedsYes));
    }
    eprint!("{}", printable(question));
    let mut answer = String::new();
    match io::stdin().lock().read_line(&mut answer) {
        Ok(_) if agrees(answer.as_bytes()) => Ok(()),
        _ => Err(Failure::Declined),
    }
}
