//! A chain, played: which modules are called, and what comes of it.

use crate::assemble::{Handler, Part};
use crate::code::Code;
use crate::control::Action;

/// What libpam thinks of a stack so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Impression {
    Undecided,
    Good,
    Bad,
}

/// How far a chain has been played.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    /// The handler that is come to next.
    pub(crate) at: usize,
    /// The level of the one before.
    level: usize,
    impression: Impression,
    status: Code,
    /// What it was when each substack that it is in was entered; the first is the stack's own beginning.
    entered: Vec<(Impression, Code)>,
}

impl State {
    pub(crate) fn new() -> Self {
        let beginning = (Impression::Undecided, Code::PERM_DENIED);
        Self { at: 0, level: 0, impression: beginning.0, status: beginning.1, entered: vec![beginning] }
    }

    /// The return value, once the end of the chain is reached.
    pub(crate) fn result(&self) -> Code {
        match (self.status, self.impression) {
            (Code::SUCCESS, Impression::Undecided | Impression::Bad) => Code::PERM_DENIED,
            (status, _) => status,
        }
    }

    /// Past a handler that returned `code`. What is in `chain[self.at]` must be there.
    pub(crate) fn step(&mut self, chain: &[Handler], code: Code) {
        let Some(handler) = chain.get(self.at) else { return };
        let level = handler.level;
        self.enter(level);
        let mut last = self.at;
        if handler.part != Part::Substack {
            if code == Code::INCOMPLETE {
                (self.status, self.at) = (code, chain.len());
                return;
            }
            last = self.act(chain, level, handler.control.of(code), code);
        }
        (self.at, self.level) = (last + 1, level);
    }

    /// On going into a substack, what is thought so far is kept for `reset`.
    fn enter(&mut self, level: usize) {
        if self.level < level {
            self.entered.resize(level + 1, (self.impression, self.status));
            if let Some(kept) = self.entered.last_mut() {
                *kept = (self.impression, self.status);
            }
        } else {
            self.entered.truncate(level + 1);
        }
    }

    /// The last handler that is done with.
    fn act(&mut self, chain: &[Handler], level: usize, action: Action, code: Code) -> usize {
        match action {
            Action::Ignore => {}
            Action::Reset => {
                if let Some((impression, status)) = self.entered.get(level) {
                    (self.impression, self.status) = (*impression, *status);
                }
            }
            Action::Ok | Action::Done => {
                let open = self.impression == Impression::Undecided
                    || (self.impression == Impression::Good && self.status == Code::SUCCESS);
                if open {
                    (self.impression, self.status) = (Impression::Good, code);
                }
                if action == Action::Done && self.impression == Impression::Good {
                    return end_of(chain, self.at, level);
                }
            }
            Action::Bad | Action::Die => {
                if self.impression != Impression::Bad {
                    self.impression = Impression::Bad;
                    self.status = if code == Code::IGNORE { Code::PERM_DENIED } else { code };
                }
                if action == Action::Die {
                    return end_of(chain, self.at, level);
                }
            }
            Action::Jump(lines) => {
                let (last, left) = jump(chain, self.at, level, lines);
                if left > 0 {
                    // Past the end of the stack or substack.
                    (self.impression, self.status) = (Impression::Bad, Code::PERM_DENIED);
                }
                return last;
            }
        }
        self.at
    }
}

/// Whether a handler belongs to the stack or substack of this level, or to one within.
fn is_within(chain: &[Handler], at: usize, level: usize) -> bool {
    chain.get(at).is_some_and(|handler| handler.level >= level)
}

/// The last handler of the stack or substack.
fn end_of(chain: &[Handler], mut at: usize, level: usize) -> usize {
    while is_within(chain, at + 1, level) {
        at += 1;
    }
    at
}

/// The last handler that is jumped over, and how many lines there were too few. A substack is one line.
fn jump(chain: &[Handler], mut at: usize, level: usize, mut lines: u32) -> (usize, u32) {
    while lines > 0 && is_within(chain, at + 1, level) {
        at += 1;
        while is_within(chain, at + 1, level + 1) {
            at += 1;
        }
        lines -= 1;
    }
    (at, lines)
}

/// How a phase went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Played {
    /// What libpam returns to its caller.
    pub result: Code,
    /// The handlers whose modules were called, in order, with what they returned.
    pub called: Vec<(usize, Code)>,
}

/// Plays a chain; `returns` says what the module of a handler returns.
pub fn play(chain: &[Handler], mut returns: impl FnMut(usize, &Handler) -> Code) -> Played {
    let mut state = State::new();
    let mut called = Vec::new();
    while let Some(handler) = chain.get(state.at) {
        let code = match (&handler.part, handler.part.fails()) {
            (Part::Module { .. }, _) => {
                let code = returns(state.at, handler);
                called.push((state.at, code));
                code
            }
            (_, fails) => fails.unwrap_or(Code::SUCCESS),
        };
        state.step(chain, code);
    }
    Played { result: state.result(), called }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assemble::{Folders, read};
    use crate::parse::Phase;

    /// What an auth stack comes to, and how many modules are called, where each module's file name is what it returns.
    fn played(text: &str) -> (&'static str, usize) {
        let sub = "auth sufficient success.so\nauth required auth_err.so\n";
        let file = |path: &str| match path {
            "/etc/pam.d/x" => Some(text.to_owned()),
            "/etc/pam.d/sub" => Some(sub.to_owned()),
            "/etc/pam.d/die" => Some("auth requisite auth_err.so\nauth required success.so\n".to_owned()),
            _ => None,
        };
        let service = read("x", &file, &Folders::debian()).unwrap();
        let returns = |_, handler: &Handler| {
            let name = handler.module_name().unwrap_or("").trim_end_matches(".so");
            Code::all().find(|code| code.name() == name).unwrap()
        };
        let played = play(service.chain(Phase::Auth), returns);
        (played.result.name(), played.called.len())
    }

    #[test]
    fn nothing_decided_is_a_refusal() {
        assert_eq!(played("account required success.so"), ("perm_denied", 0));
        assert_eq!(played("auth required ignore.so"), ("perm_denied", 1));
        assert_eq!(played("auth [default=ignore] success.so"), ("perm_denied", 1));
    }

    #[test]
    fn the_first_refusal_is_the_answer() {
        assert_eq!(
            played("auth required user_unknown.so\nauth required auth_err.so\nauth required success.so"),
            ("user_unknown", 3)
        );
        assert_eq!(played("auth requisite user_unknown.so\nauth required success.so"), ("user_unknown", 1));
        // A success that is bad stays one, and so does no other refusal count any more.
        assert_eq!(played("auth [default=bad] success.so\nauth required auth_err.so"), ("perm_denied", 2));
    }

    #[test]
    fn sufficient_ends_only_what_was_good() {
        assert_eq!(played("auth sufficient success.so\nauth required auth_err.so"), ("success", 1));
        assert_eq!(
            played("auth required auth_err.so\nauth sufficient success.so\nauth required success.so"),
            ("auth_err", 3)
        );
    }

    #[test]
    fn an_end_in_a_substack_is_one_of_the_substack_alone() {
        assert_eq!(played("auth substack sub\nauth required success.so"), ("success", 2));
        assert_eq!(played("auth include sub\nauth required auth_err.so"), ("success", 1));
        assert_eq!(played("auth substack die\nauth required success.so"), ("auth_err", 2));
    }

    #[test]
    fn a_jump_counts_a_substack_as_one_line_and_sets_nothing() {
        assert_eq!(
            played("auth [success=1] success.so\nauth substack die\nauth required success.so"),
            ("success", 2)
        );
        assert_eq!(played("auth [success=1] success.so\nauth required auth_err.so"), ("perm_denied", 1));
        assert_eq!(played("auth [success=2] success.so\nauth required success.so"), ("perm_denied", 1));
        assert_eq!(
            played("auth [success=2] success.so\nauth include die\nauth required auth_err.so"),
            ("auth_err", 2)
        );
    }

    #[test]
    fn reset_forgets_what_was() {
        assert_eq!(
            played("auth required auth_err.so\nauth [success=reset] success.so\nauth required success.so"),
            ("success", 3)
        );
    }
}
