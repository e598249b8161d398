//! The second word of a line: what each return value leads to.

use crate::code::Code;
use std::fmt;

/// What a return value leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// It counts for nothing.
    Ignore,
    /// It is the result, unless something else was.
    Ok,
    /// The same, and the stack is over unless something was bad.
    Done,
    /// The stack fails.
    Bad,
    /// The same, and it is over.
    Die,
    /// Everything before counts for nothing.
    Reset,
    /// So many lines are passed over; it counts for nothing.
    Jump(u32),
}

/// An action for every return value.
#[derive(Clone, PartialEq, Eq)]
pub struct Control {
    actions: [Action; Code::COUNT],
    /// Why libpam cannot read it.
    fault: Option<&'static str>,
}

/// As libpam looks for them: the first that the text begins with.
const ACTIONS: [(&str, Action); 6] = [
    ("ignore", Action::Ignore),
    ("ok", Action::Ok),
    ("done", Action::Done),
    ("bad", Action::Bad),
    ("die", Action::Die),
    ("reset", Action::Reset),
];

impl Control {
    /// Reads the word, which has lost its brackets. One that libpam cannot read refuses whatever the module returns.
    pub fn parse(word: &str) -> Self {
        // The short words in terms of the long form: pam.conf(5).
        let long = match word.to_ascii_lowercase().as_str() {
            "required" => "success=ok new_authtok_reqd=ok ignore=ignore default=bad",
            "requisite" => "success=ok new_authtok_reqd=ok ignore=ignore default=die",
            "sufficient" => "success=done new_authtok_reqd=done default=ignore",
            "optional" => "success=ok new_authtok_reqd=ok default=ignore",
            _ => word,
        };
        let mut given = [None; Code::COUNT];
        let mut rest = long;
        loop {
            rest = blank(rest);
            if rest.is_empty() {
                break;
            }
            match pair(rest) {
                Ok((code, action, after)) => {
                    match code.and_then(|code| given.get_mut(usize::from(code.number()))) {
                        Some(slot) => *slot = Some(action),
                        // `default`: for what was not named so far; the first one counts.
                        None => given.iter_mut().for_each(|slot| *slot = slot.or(Some(action))),
                    }
                    rest = after;
                }
                Err(fault) => return Self::bad(Some(fault)),
            }
        }
        Self { actions: given.map(|action| action.unwrap_or(Action::Bad)), fault: None }
    }

    /// One that refuses everything.
    pub fn bad(fault: Option<&'static str>) -> Self {
        Self { actions: [Action::Bad; Code::COUNT], fault }
    }

    /// What a return value leads to.
    pub fn of(&self, code: Code) -> Action {
        self.actions.get(usize::from(code.number())).copied().unwrap_or(Action::Bad)
    }

    /// Why libpam cannot read it, if it cannot.
    pub fn fault(&self) -> Option<&'static str> {
        self.fault
    }

    /// Whether whatever is a refusal refuses.
    pub fn refuses(&self) -> bool {
        let no_refusal = [Code::SUCCESS, Code::IGNORE, Code::NEW_AUTHTOK_REQD, Code::INCOMPLETE];
        Code::all()
            .filter(|code| !no_refusal.contains(code))
            .all(|code| matches!(self.of(code), Action::Bad | Action::Die))
    }
}

/// One `value=action` and what comes after it; no value is `default`. libpam looks whether the text *begins* with a word it knows, so
/// that no blank is needed between two pairs.
fn pair(text: &str) -> Result<(Option<Code>, Action, &str), &'static str> {
    let value = Code::all().find_map(|code| text.strip_prefix(code.name()).map(|rest| (Some(code), rest)));
    let (code, rest) = value
        .or_else(|| text.strip_prefix("default").map(|rest| (None, rest)))
        .ok_or("no return value that libpam knows")?;
    let rest = blank(blank(rest).strip_prefix('=').ok_or("no = after a return value")?);
    if rest.is_empty() {
        return Err("no action after =");
    }
    if let Some((action, rest)) =
        ACTIONS.iter().find_map(|(word, action)| rest.strip_prefix(word).map(|rest| (*action, rest)))
    {
        return Ok((code, action, rest));
    }
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, rest) = rest.split_at(digits);
    match number.parse::<u32>() {
        Err(_) if number.is_empty() => Err("no action that libpam knows"),
        Ok(0) => Err("a jump over no line"),
        Ok(lines) => Ok((code, Action::Jump(lines), rest)),
        Err(_) => Ok((code, Action::Jump(u32::MAX), rest)),
    }
}

/// Without the blanks at its beginning (isspace(3)).
fn blank(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', '\n', '\u{b}', '\u{c}', '\r'])
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Jump(lines) = self {
            return write!(f, "{lines}");
        }
        let word = ACTIONS.iter().find_map(|(word, action)| (action == self).then_some(*word));
        f.write_str(word.unwrap_or("?"))
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(Code::all().map(|code| (code, self.of(code)))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_is_bad() {
        let control = Control::parse("success=ok");
        assert_eq!(control.of(Code::AUTH_ERR), Action::Bad);
        assert_eq!(control.of(Code::IGNORE), Action::Bad);
        assert!(control.refuses());
    }

    #[test]
    fn the_last_word_on_a_value_counts_and_the_first_on_the_default() {
        let control = Control::parse("default=ignore success=done success=2 default=die");
        assert_eq!(control.of(Code::SUCCESS), Action::Jump(2));
        assert_eq!(control.of(Code::AUTH_ERR), Action::Ignore);
    }

    #[test]
    fn pairs_need_no_blank_between_them() {
        let control = Control::parse(" success = 12ignore=okdefault\t=\tbad ");
        assert_eq!(control.of(Code::SUCCESS), Action::Jump(12));
        assert_eq!(control.of(Code::IGNORE), Action::Ok);
        assert_eq!(control.fault(), None);
    }

    #[test]
    fn what_libpam_cannot_read_refuses_everybody() {
        for word in [
            "requird",
            "success=0",
            "success=end default=die",
            "SUCCESS=ok",
            "success",
            "success=",
            "success=okay",
        ] {
            let control = Control::parse(word);
            assert!(control.fault().is_some(), "{word}");
            assert!(Code::all().all(|code| control.of(code) == Action::Bad), "{word}");
        }
    }

    #[test]
    fn what_lets_refusals_pass_is_seen() {
        for (word, refuses) in [
            ("Required", true),
            ("requisite", true),
            ("sufficient", false),
            ("optional", false),
            ("success=1 default=ignore", false),
            ("success=ok default=die auth_err=ignore", false),
            ("success=done ignore=ignore default=die", true),
        ] {
            assert_eq!(Control::parse(word).refuses(), refuses, "{word}");
        }
    }
}
