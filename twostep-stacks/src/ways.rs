//! Whether a phase can let somebody in past a line: looked for among all return values that modules can have, without trying every
//! combination. Return values that a chain cannot tell apart are one, and so are two ways that have come to the same state.

use crate::assemble::{Handler, Part};
use crate::code::Code;
use crate::control::Action;
use crate::play::State;
use std::collections::HashSet;
use std::fmt;

/// What a handler is to the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The line that must have been asked: who passes it, or is none of its business, is rightly in.
    Asks,
    /// A line that may be asked instead: whoever passes it is rightly in, but not who is none of its business.
    MayAsk,
}

/// A way to be let in past the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The handlers that are come to, with what they return.
    pub path: Vec<(usize, Code)>,
    /// The one because of which the line is not asked, or its refusal does not count.
    pub culprit: usize,
    /// What that one returned.
    pub code: Code,
    /// What becomes of the line.
    pub asked: Asked,
    /// What the phase returns.
    pub result: Code,
}

/// What becomes of the line on a way past it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Asked {
    /// This handler is not asked.
    Never(usize),
    /// This handler refuses, in vain.
    InVain(usize),
}

/// The stack is too big to be looked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

impl fmt::Display for TooMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there are too many ways through the stack to look at all of them")
    }
}

impl std::error::Error for TooMany {}

/// More states than any stack has that was made by people.
const MOST_STATES: usize = 200_000;

/// Where a way is, and what counts of how it came there.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Node {
    state: State,
    /// A line that asks was asked and did not refuse.
    satisfied: bool,
    /// The first of them that refused, and has not been made up for.
    refused: Option<usize>,
    /// By what a line that asks was passed over, with what it returned; and the line.
    passed: Option<(usize, Code, usize)>,
}

/// Every handler that lets somebody in past the lines that ask, each with the shortest way. `accepted` are the results that let in;
/// `results` says what a module can return, none for anything.
///
/// # Errors
/// When there are more states than are looked at.
pub fn ways_past(
    chain: &[Handler],
    role: &dyn Fn(&Handler) -> Option<Role>,
    results: &dyn Fn(&Handler) -> Option<&'static [Code]>,
    accepted: &[Code],
) -> Result<Vec<Way>, TooMany> {
    let start = Node { state: State::new(), satisfied: false, refused: None, passed: None };
    let codes: Vec<_> = chain.iter().map(|handler| distinct(handler, results(handler))).collect();
    let asking: Vec<_> =
        (0..).zip(chain).filter(|(_, handler)| role(handler) == Some(Role::Asks)).map(|(at, _)| at).collect();
    let mut seen = HashSet::from([start.clone()]);
    let mut nodes: Vec<(Node, Option<(usize, Code)>)> = vec![(start, None)];
    let mut ways: Vec<Way> = Vec::new();
    let mut next = 0;
    while let Some((node, _)) = nodes.get(next).cloned() {
        let (here, at) = (next, node.state.at);
        next += 1;
        let Some(handler) = chain.get(at) else {
            let past = node.past().filter(|way| accepted.contains(&way.result) && is_new(&ways, way));
            ways.extend(past.map(|way| way.along(&nodes, here)));
            continue;
        };
        for code in codes.get(at).into_iter().flatten() {
            let after = node.after(chain, role(handler), *code, &asking);
            if seen.insert(after.clone()) {
                nodes.push((after, Some((here, *code))));
            }
        }
        if nodes.len() > MOST_STATES {
            return Err(TooMany);
        }
    }
    Ok(ways)
}

/// Whether a chain can come to one of these results at all.
///
/// # Errors
/// When there are more states than are looked at.
pub fn can_return(
    chain: &[Handler],
    results: &dyn Fn(&Handler) -> Option<&'static [Code]>,
    wanted: &[Code],
) -> Result<bool, TooMany> {
    let mut seen = HashSet::from([State::new()]);
    let mut open = vec![State::new()];
    while let Some(state) = open.pop() {
        let Some(handler) = chain.get(state.at) else {
            if wanted.contains(&state.result()) {
                return Ok(true);
            }
            continue;
        };
        for code in distinct(handler, results(handler)) {
            let mut after = state.clone();
            after.step(chain, code);
            if seen.insert(after.clone()) {
                open.push(after);
            }
        }
        if seen.len() > MOST_STATES {
            return Err(TooMany);
        }
    }
    Ok(false)
}

fn is_new(ways: &[Way], way: &Way) -> bool {
    ways.iter().all(|known| (known.culprit, known.asked) != (way.culprit, way.asked))
}

impl Node {
    fn after(&self, chain: &[Handler], role: Option<Role>, code: Code, asking: &[usize]) -> Self {
        let mut after = self.clone();
        let at = self.state.at;
        after.state.step(chain, code);
        match (role, code) {
            (Some(_), Code::SUCCESS) | (Some(Role::Asks), Code::IGNORE) => after.satisfied = true,
            (None, _) | (Some(Role::MayAsk), Code::IGNORE) => {}
            (Some(_), _) => after.refused = after.refused.or(Some(at)),
        }
        if let Some(line) = asking.iter().find(|line| (at + 1..after.state.at).contains(line)) {
            after.passed = Some((at, code, *line));
        }
        // What does not matter any more would only tell equal states apart.
        if after.satisfied {
            after.passed = None;
        }
        after
    }

    /// How it is let in past a line at the end of the chain, if it is.
    fn past(&self) -> Option<Way> {
        let way = |culprit, code, asked| Way {
            path: Vec::new(),
            culprit,
            code,
            asked,
            result: self.state.result(),
        };
        let refused = self.refused.map(|line| way(line, Code::AUTH_ERR, Asked::InVain(line)));
        let passed = self.passed.filter(|_| !self.satisfied);
        refused.or_else(|| passed.map(|(at, code, line)| way(at, code, Asked::Never(line))))
    }
}

impl Way {
    fn along(mut self, nodes: &[(Node, Option<(usize, Code)>)], mut here: usize) -> Self {
        while let Some((_, Some((before, code)))) = nodes.get(here) {
            if let Some((node, _)) = nodes.get(*before) {
                self.path.push((node.state.at, *code));
            }
            here = *before;
        }
        self.path.reverse();
        self
    }
}

/// Return values of a handler that can make a difference.
fn distinct(handler: &Handler, results: Option<&'static [Code]>) -> Vec<Code> {
    match handler.part {
        Part::Substack => return vec![Code::SUCCESS],
        Part::Fails(_) => return vec![Code::PERM_DENIED],
        Part::Module { .. } => {}
    }
    // The most telling first: a way is told with it.
    let telling = [
        Code::SUCCESS,
        Code::NEW_AUTHTOK_REQD,
        Code::IGNORE,
        Code::AUTH_ERR,
        Code::USER_UNKNOWN,
        Code::AUTHINFO_UNAVAIL,
    ];
    let all = telling.into_iter().chain(Code::all().filter(|code| !telling.contains(code)));
    let special = |code: Code| telling.iter().take(3).position(|one| *one == code);
    let mut kinds: Vec<(Action, Option<usize>)> = Vec::new();
    all.filter(|code| *code != Code::INCOMPLETE && results.is_none_or(|results| results.contains(code)))
        .filter(|code| {
            let kind = (handler.control.of(*code), special(*code));
            let is_new = !kinds.contains(&kind);
            kinds.push(kind);
            is_new
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assemble::{Folders, read};
    use crate::modules;
    use crate::parse::Phase;

    /// The ways past `code.so`, as `culprit=code`; `key.so` may be asked instead.
    fn ways(text: &str) -> Vec<String> {
        let common = "auth [success=1 default=ignore] pam_unix.so\nauth requisite pam_deny.so\nauth required pam_permit.so\n";
        let system = "auth required pam_env.so\nauth sufficient pam_unix.so\nauth required pam_deny.so\n";
        let file = |path: &str| match path {
            "/etc/pam.d/x" => Some(text.to_owned()),
            "/etc/pam.d/common-auth" => Some(common.to_owned()),
            "/etc/pam.d/system-auth" => Some(system.to_owned()),
            _ => None,
        };
        let service = read("x", &file, &Folders::debian()).unwrap();
        let chain = service.chain(Phase::Auth);
        let role = |handler: &Handler| match handler.module_name() {
            Some("code.so") => Some(Role::Asks),
            Some("key.so") => Some(Role::MayAsk),
            _ => None,
        };
        let results =
            |handler: &Handler| handler.module_name().and_then(|name| modules::results(name, Phase::Auth));
        let found = ways_past(chain, &role, &results, &[Code::SUCCESS]).unwrap();
        found
            .iter()
            .map(|way| format!("{}={}", chain[way.culprit].place, way.code.name()).replace("/etc/pam.d/", ""))
            .collect()
    }

    #[test]
    fn the_documented_layouts_have_no_way_past() {
        for text in [
            "@include common-auth\nauth required code.so",
            "auth substack system-auth\nauth required code.so",
            "auth [success=done ignore=ignore default=die] key.so\n@include common-auth\nauth required code.so",
            "auth [success=done ignore=ignore default=die] code.so\n@include common-auth",
        ] {
            assert_eq!(ways(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn whatever_skips_the_line_is_found() {
        for (text, culprit) in [
            ("auth include system-auth\nauth required code.so", "system-auth:2=success"),
            ("auth sufficient pam_unix.so\nauth required code.so", "x:1=success"),
            (
                "auth [success=2 default=die] pam_unix.so\nauth required pam_permit.so\nauth required code.so\nauth required pam_permit.so",
                "x:1=success",
            ),
            ("auth required pam_permit.so\nauth [default=1] other.so\nauth required code.so", "x:2=success"),
            ("@include common-auth\nauth optional code.so", "x:2=auth_err"),
            (
                "@include common-auth\nauth required code.so\nauth [success=reset] other.so\nauth required pam_permit.so",
                "x:2=auth_err",
            ),
        ] {
            assert_eq!(ways(text), [culprit], "{text}");
        }
    }

    #[test]
    fn a_jump_over_the_line_that_ends_in_nothing_is_no_way() {
        assert_eq!(ways("auth [success=1 default=die] pam_unix.so\nauth required code.so"), [""; 0]);
        assert_eq!(
            ways("auth requisite pam_deny.so\nauth sufficient pam_permit.so\nauth required code.so"),
            [""; 0]
        );
    }

    #[test]
    fn a_long_stack_is_looked_through() {
        let many = "auth [success=ok user_unknown=2 ignore=ignore default=1] pam_x.so\n".repeat(200);
        assert_eq!(ways(&format!("{many}auth required code.so")).len(), 2);
    }
}
