//! The first code: shows that phone or token has the secret, before anything is stored.

use crate::failure::Failure;
use std::io::{self, BufRead};
use twostep_core::time::UnixTime;
use twostep_core::totp::{Authenticator, Consumed, Match};
use twostep_store::host;
use twostep_terminal::FIRST_CODE;
use zeroize::Zeroizing;

const TRIES: usize = 3;
/// How far off a code is looked for, to tell that the clocks differ.
const DRIFT: i64 = 20;

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
        match drift(authenticator, &code, now) {
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
        Ok(0) | Err(_) => return None,
        Ok(_) => {}
    }
    let mut code = Zeroizing::new(String::with_capacity(line.len()));
    code.extend(line.chars().filter(|c| !c.is_whitespace()));
    Some(code)
}

/// By how many seconds the phone's clock is ahead, if the code is one of a step not too far away.
fn drift(authenticator: &Authenticator, code: &str, now: UnixTime) -> Option<i64> {
    let period = i64::from(authenticator.parameters.period()?);
    (-DRIFT..=DRIFT).filter(|steps| steps.abs() > 1).map(|steps| steps * period).find(|seconds| {
        let step = authenticator.parameters.step_at(UnixTime(now.0.saturating_add(*seconds)));
        step.is_some_and(|step| *authenticator.code(step) == *code)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use twostep_core::secret::Secret;
    use twostep_core::totp::{AuthenticatorId, Parameters};

    #[test]
    fn a_phone_that_is_ahead_is_told_so() {
        let authenticator = Authenticator {
            id: AuthenticatorId(0),
            parameters: Parameters::COMMON,
            secret: Secret::new(b"12345678901234567890".to_vec()),
            last_step: None,
        };
        let now = UnixTime(1_111_111_109);
        for (seconds, told) in [(300, Some(300)), (-90, Some(-90)), (30, None), (660, None)] {
            let code = authenticator.code(Parameters::COMMON.step_at(UnixTime(now.0 + seconds)).unwrap());
            assert_eq!(drift(&authenticator, &code, now), told, "{seconds}");
        }
    }
}
