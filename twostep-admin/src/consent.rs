//! "Type yes": before anything is deleted.

use crate::cli::Consent;
use crate::failure::{Failure, Misuse};
use std::io::{self, BufRead, IsTerminal};

/// Asks on the terminal, unless `--yes` was given.
///
/// # Errors
/// Anything but "yes" declines; without a terminal there is nobody to ask.
pub(crate) fn obtain(consent: Consent, what: &str) -> Result<(), Failure> {
    if consent.yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::Usage(Misuse::NeedsYes));
    }
    eprint!("{what}\nType yes to go on: ");
    let mut answer = String::new();
    match io::stdin().lock().read_line(&mut answer) {
        Ok(_) if answer.trim().eq_ignore_ascii_case("yes") => Ok(()),
        _ => Err(Failure::Declined),
    }
}
