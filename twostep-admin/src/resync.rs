//! `authenticator resync`: the counter of a token whose button was pressed so often that none of its codes is accepted any more
//! (RFC 4226 §7.4).

use crate::cli::AuthenticatorResync;
use crate::confirm::entered;
use crate::context::Context;
use crate::failure::{Failure, Misuse};
use crate::output::{Format, Report};
use crate::seed;
use serde::Serialize;
use twostep_core::change::Action;
use twostep_store::admin::Refusal;
use twostep_terminal::put_line;
use zeroize::Zeroizing;

/// Asks for two codes, and takes the counter there.
pub(crate) fn run(context: &Context, wanted: &AuthenticatorResync) -> Result<(), Failure> {
    if wanted.codes_file.is_none() && context.output.format() == Format::Json {
        return Err(Failure::Usage(Misuse::NeedsCodes));
    }
    let subject = context.subject(&wanted.user)?;
    let (enrollment, user) = (subject.settled()?, &subject.name);
    let refused = |refusal| Failure::refused(user, refusal);
    let one = context.session()?.find_authenticator(enrollment.id, &wanted.one).map_err(refused)?;
    // Looked at before anybody presses a button for nothing.
    if one.counter.is_none() {
        return Err(refused(Refusal::NoCounter(one.label)));
    }
    let (first, second) = codes(wanted)?;
    let (session, at) = (context.session()?, context.now.wall);
    let counter = session
        .resynchronize(enrollment.id, one.id, (&first, &second), &context.author, at)
        .map_err(refused)?;
    drop(session);
    context.audit(user, Action::AuthenticatorResync, Some(one.label.to_string()));
    context.output.report(&Found { user: user.as_str(), id: one.id.0, name: one.label.as_str(), counter })
}

fn codes(wanted: &AuthenticatorResync) -> Result<(Zeroizing<String>, Zeroizing<String>), Failure> {
    match &wanted.codes_file {
        Some(path) => two(&seed::text(path)?),
        None => entered("Code that the authenticator shows: ").zip(entered("The code after it: ")),
    }
    .ok_or(Failure::NotTwoCodes)
}

/// Two words.
fn two(text: &[u8]) -> Option<(Zeroizing<String>, Zeroizing<String>)> {
    let mut words = std::str::from_utf8(text).ok()?.split_whitespace();
    let both = (words.next()?.to_owned().into(), words.next()?.to_owned().into());
    words.next().is_none().then_some(both)
}

#[derive(Serialize)]
struct Found<'a> {
    user: &'a str,
    id: i64,
    name: &'a str,
    /// Of the code that is expected next.
    counter: u64,
}

impl Report for Found<'_> {
    fn text(&self, to: &mut String) {
        let Self { user, name, counter, .. } = self;
        put_line!(
            to,
            "the authenticator \"{name}\" of {user} is in step again: its next code has the counter {counter}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_codes_are_two_words() {
        for text in ["755224 287082", "755224\n287082\n", "\r\n755224\r\n\t287082"] {
            let (first, second) = two(text.as_bytes()).unwrap();
            assert_eq!((first.as_str(), second.as_str()), ("755224", "287082"), "{text:?}");
        }
        for text in ["", "755224", "755224 287082 359152"] {
            assert!(two(text.as_bytes()).is_none(), "{text:?}");
        }
        assert!(two(&[0xff, b' ', b'1']).is_none());
    }
}
