//! A service's stacks, played through: whether somebody can be let in past our line, by what, and what to do about it.

use crate::check::Id;
use crate::stack::APP_SERVICES;
use crate::stacks::MODULE;
use twostep_stacks::{
    Action, Asked, Code, Handler, Part, Phase, Place, Role, Service, TooMany, Way, results, takes_password,
    ways_past,
};

/// A way past our line, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Skip {
    pub(crate) id: Id,
    /// The line that is to blame, or the one that brings it in.
    pub(crate) place: Place,
    /// Ours, which is not asked or not obeyed.
    pub(crate) line: Place,
    pub(crate) message: String,
    pub(crate) remedy: String,
    /// It takes no more than the account password, or than an expired one, or nothing at all.
    pub(crate) by_password: bool,
}

/// All ways past our line in a phase; none where the phase has no such line.
///
/// # Errors
/// When the stack is too big to be looked through.
pub(crate) fn skips(service: &Service, phase: Phase) -> Result<Vec<Skip>, TooMany> {
    let chain = service.chain(phase);
    let accepted: &[Code] = match phase {
        Phase::Account => &[Code::SUCCESS, Code::NEW_AUTHTOK_REQD],
        _ => &[Code::SUCCESS],
    };
    let ways = |accepted: &[Code]| {
        ways_past(chain, &|handler| role(handler, phase), &|handler| possible(handler, phase), accepted)
    };
    let let_in = ways(accepted)?;
    let mut skips: Vec<Skip> = let_in.iter().filter_map(|way| skip(service, chain, way, phase)).collect();
    if phase == Phase::Auth {
        let all: Vec<Code> = Code::all().collect();
        let is_new = |way: &Way| !let_in.iter().any(|known| known.culprit == way.culprit);
        skips.extend(
            ways(&all)?.iter().filter(|way| is_new(way)).filter_map(|way| locked_out(service, chain, way)),
        );
    }
    Ok(skips)
}

/// A right password that jumps over our line to where nothing succeeds.
fn locked_out(service: &Service, chain: &[Handler], way: &Way) -> Option<Skip> {
    let culprit = chain.get(way.culprit)?;
    let jumps = way.code == Code::SUCCESS && matches!(culprit.control.of(way.code), Action::Jump(_));
    let password = takes_password(culprit.module_name()?) && matches!(way.asked, Asked::Never(_));
    let mut skip = skip(service, chain, way, Phase::Auth).filter(|_| jumps && password)?;
    skip.id = Id::CodeJumpedOver;
    skip.message.push_str(", and is refused: nothing behind it succeeds");
    Some(skip)
}

/// Whether a handler is a line of ours that does something for this service.
pub(crate) fn is_ours(handler: &Handler) -> bool {
    handler.module_name() == Some(MODULE) && !says(handler, APP_SERVICES)
}

/// Whether a word stands on a handler's line.
pub(crate) fn says(handler: &Handler, word: &str) -> bool {
    matches!(&handler.part, Part::Module { words, .. } if words.iter().any(|said| said == word))
}

fn role(handler: &Handler, phase: Phase) -> Option<Role> {
    let is = |word| says(handler, word);
    match phase {
        _ if !is_ours(handler) => None,
        // It cuts, and judges nothing.
        Phase::Auth if is("one-prompt") => None,
        Phase::Auth if is("after-key") => Some(Role::MayAsk),
        // For virtual users only, who do not get past pam_unix without it.
        Phase::Account if is("app") => None,
        Phase::Auth | Phase::Account => Some(Role::Asks),
        Phase::Password | Phase::Session => None,
    }
}

/// What ours returns, or libpam where it cannot be loaded. It never says that a password has expired.
const OURS: [Code; 10] = [
    Code::SUCCESS,
    Code::IGNORE,
    Code::AUTH_ERR,
    Code::ACCT_EXPIRED,
    Code::CONV_ERR,
    Code::AUTHINFO_UNAVAIL,
    Code::USER_UNKNOWN,
    Code::PERM_DENIED,
    Code::ABORT,
    Code::MODULE_UNKNOWN,
];

/// What a module can return, but for what is meant to let root pass: becoming somebody else, root is asked for nothing, neither password
/// nor code.
pub(crate) fn possible(handler: &Handler, phase: Phase) -> Option<&'static [Code]> {
    match handler.module_name()? {
        "pam_rootok.so" => Some(&[Code::AUTH_ERR]),
        MODULE if says(handler, "one-prompt") || says(handler, APP_SERVICES) => OURS.get(1..),
        MODULE => Some(&OURS),
        module => results(module, phase),
    }
}

fn skip(service: &Service, chain: &[Handler], way: &Way, phase: Phase) -> Option<Skip> {
    let culprit = chain.get(way.culprit)?;
    let (Asked::Never(line) | Asked::InVain(line)) = way.asked;
    let line = chain.get(line)?;
    if let Asked::InVain(at) = way.asked {
        // A control that does not refuse is told of by itself, wherever the line stands.
        return line.control.refuses().then(|| in_vain(chain, way, at, line));
    }
    let with_ours = culprit.place.file == line.place.file;
    let is_own = service.file.as_ref() == Some(&culprit.place.file) || with_ours;
    let place = if is_own { &culprit.place } else { culprit.own_place() };
    let target = if line.place.file == place.file {
        format!("line {}", line.place.line)
    } else {
        line.place.to_string()
    };
    let action = culprit.control.of(way.code);
    let module = culprit.module_name().unwrap_or("the line that cannot be read");
    let expired = phase == Phase::Account && way.code == Code::NEW_AUTHTOK_REQD;
    let what = if phase == Phase::Auth { "asked for a code" } else { "asked about" };
    let message = match (is_own, way.code) {
        (true, _) if expired => {
            format!("whose password has expired is never {what} by {target}: {}", ends(action))
        }
        (true, Code::SUCCESS) => format!("who passes {module} here is never {what} by {target}"),
        (true, code) => {
            format!("where {module} returns {code} here, {target} is never come to: {}", ends(action))
        }
        (false, code) => {
            let whose = match code {
                _ if expired => " for an expired password",
                Code::SUCCESS => "",
                _ => " where it does not succeed",
            };
            let file = culprit.place.file.rsplit('/').next().unwrap_or("");
            format!(
                "{file} line {} {} the stack{whose}, so that {target} never asks",
                culprit.place.line,
                does(action)
            )
        }
    };
    let certain = possible(culprit, phase).is_some_and(|codes| codes.len() == 1);
    let unread = culprit.module_name().is_none();
    let by_password = expired || takes_password(module) || unread || certain;
    Some(Skip {
        id: if phase == Phase::Account { Id::AccountLinePassedOver } else { Id::CodePassedOver },
        place: place.clone(),
        line: line.place.clone(),
        message,
        remedy: remedy(phase, module, is_own, action),
        by_password,
    })
}

fn in_vain(chain: &[Handler], way: &Way, at: usize, line: &Handler) -> Skip {
    let after = way.path.iter().skip_while(|(step, _)| *step <= at);
    let reset = after.filter_map(|(step, code)| Some((chain.get(*step)?, *code)));
    let culprit = reset
        .into_iter()
        .find(|(handler, code)| handler.control.of(*code) == Action::Reset)
        .map(|(handler, _)| handler);
    let place = culprit.map_or(&line.place, |handler| &handler.place);
    Skip {
        id: Id::RefusalUndone,
        place: place.clone(),
        line: line.place.clone(),
        message: format!("it undoes what line {} refuses: a wrong code lets in", line.place.line),
        remedy: "write no `reset` behind pam_twostep.so".to_owned(),
        by_password: true,
    }
}

fn does(action: Action) -> &'static str {
    match action {
        Action::Jump(_) => "jumps within",
        _ => "ends",
    }
}

fn ends(action: Action) -> String {
    match action {
        Action::Jump(lines) => format!("it jumps over {lines}"),
        action => format!("`{action}` ends the stack there"),
    }
}

/// What looks at user, place or time instead of a password: by such lines other products are told who need not give a code.
const CONDITIONS: [&str; 10] = [
    "pam_access.so",
    "pam_exec.so",
    "pam_listfile.so",
    "pam_localuser.so",
    "pam_rhosts.so",
    "pam_shells.so",
    "pam_succeed_if.so",
    "pam_time.so",
    "pam_usertype.so",
    "pam_wheel.so",
];

fn remedy(phase: Phase, module: &str, is_own: bool, action: Action) -> String {
    if phase == Phase::Auth && CONDITIONS.contains(&module) {
        return format!(
            "twostep's rules exempt, not {module}: take that line out, and write [[rule]] with `from`, `group` or `user` and demand = \"nothing\"; \
             the account line refuses whoever is enrolled and was not asked"
        );
    }
    let remedy = match (phase, is_own, action) {
        (Phase::Account, ..) => "put it first among the account lines: account required pam_twostep.so",
        (_, false, Action::Jump(_)) => "mend the number of that line: it must come out before pam_twostep.so",
        (_, false, _) => "auth substack instead of include, or mend that line",
        (_, true, _) => "a right password must go on to the pam_twostep.so line",
    };
    remedy.to_owned()
}
