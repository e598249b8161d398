//! The first code: shows that phone or token has the secret, before anything is stored.

use crate::failure::Failure;
use std::io::{self, BufRead};
use twostep_core::totp::{Authenticator, Consumed, Match};
use twostep_store::host;
use twostep_terminal::FIRST_CODE;
use zeroize::Zeroizing;

const TRIES: usize = 3;

/// Asks for a code, three times at most. Returns what is consumed with it.
///
/// # Errors
/// When none was right, or nobody answers.
pub(crate) fn ask(authenticator: &Authenticator) -> Result<Consumed, Failure> {
    for _ in 0..TRIES {
        let Some(code) = entered(FIRST_CODE) else { break };
        let now = host::now().wall;
        if let Match::Code(consumed) = authenticator.judge(&code, now) {
            return Ok(consumed);
        }
        match authenticator.drift(&code, now) {
            Some(seconds) => eprintln!(
                "That is the code of another time: the phone's clock and this host's differ by about {} seconds ({}).\n  \
                 hint: set the one that is wrong; the next code will do then",
                seconds.unsigned_abs(),
                if seconds > 0 { "the phone is ahead" } else { "the phone is behind" },
            ),
            None if authenticator.parameters.period().is_none() => eprintln!(
                "That is none of its next codes.\n  \
                 hint: where its button was pressed often, enter two successive codes as one, or begin again with --counter"
            ),
            None => eprintln!("That is not the code."),
        }
    }
    Err(Failure::NotConfirmed)
}

/// What is typed as the answer to a question on standard error, without its blanks; none where nobody answers.
pub(crate) fn entered(question: &str) -> Option<Zeroizing<String>> {
    eprint!("{question}");
    let mut line = Zeroizing::new(String::with_capacity(64));
    match io::stdin().lock().read_line(&mut line) {
        Ok(0) | Err(_) => {
            // What is said next begins a line.
            eprintln!();
            return None;
        }
        Ok(_) => {}
    }
    let mut code = Zeroizing::new(String::with_capacity(line.len()));
    code.extend(line.chars().filter(|c| !c.is_whitespace()));
    Some(code)
}
