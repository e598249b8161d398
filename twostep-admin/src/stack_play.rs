//! What a service's lines come to together: its stacks are read and played through, with those of the files that it includes.

use crate::check::{Finding, Id};
use crate::pam::host::Stacks;
use crate::pam::judge::{self, Skip};
use crate::stack::{AuthLine, Stack, ends};
use crate::stacks::MODULE;
use std::path::PathBuf;
use twostep_core::protocol::Mode;
use twostep_stacks::{Action, Code, Fault, Handler, Part, Phase, Place, Service, play};

impl Stack<'_> {
    /// Plays the service's auth and account stacks. Whether they come to a line of ours; none where they cannot be read.
    pub(crate) fn play(&mut self, host: &Stacks) -> Option<bool> {
        match host.read(self.name) {
            Ok(service) => {
                let auth = service.chain(Phase::Auth).iter().filter(|handler| judge::is_ours(handler));
                self.lines = auth.map(line).collect();
                let account = service.chain(Phase::Account).iter().any(judge::is_ours);
                self.pair(account);
                self.leads_nowhere(&service);
                // The file of `other` is read twice for itself, which nobody asks for.
                if !self.is_listed() && self.name != "other" {
                    self.twice(&asked_for_codes(&service));
                }
                for phase in [Phase::Auth, Phase::Account] {
                    self.skips(&service, phase);
                }
                Some(account || !self.lines.is_empty())
            }
            Err(fault) => {
                self.nobody(&fault);
                None
            }
        }
    }

    /// An app password that is right, and jumps to where everybody is refused.
    fn leads_nowhere(&mut self, service: &Service) {
        let chain = service.chain(Phase::Auth);
        let is_app = |handler: &Handler| judge::is_ours(handler) && line(handler).mode == Mode::App;
        let Some(ours) = chain.iter().find(|handler| is_app(handler) && jumps(handler)) else { return };
        let played =
            play(chain, |_, handler| if is_app(handler) { Code::SUCCESS } else { likeliest(handler) });
        let refusing = played.called.iter().filter_map(|(at, code)| Some((chain.get(*at)?, *code)));
        let refused = refusing.into_iter().find(|(_, code)| *code != Code::SUCCESS && *code != Code::IGNORE);
        if let (false, Some((by, _))) = (played.result == Code::SUCCESS, refused) {
            let message = format!("a right app password is refused: its jump leads to {}", by.place);
            let remedy = "mend the number: it leads over the password modules and their pam_deny.so";
            self.findings.push(Finding::error(Id::AppPasswordLeadsNowhere, &ours.place, message, remedy));
        }
    }

    fn nobody(&mut self, fault: &Fault) {
        let subject = self.path.display();
        let message = format!("libpam cannot read it, and refuses everybody: {fault}");
        self.findings.push(Finding::error(
            Id::StackUnreadable,
            subject,
            message,
            "mend that line, or put the file that it names in its place",
        ));
    }

    fn skips(&mut self, service: &Service, phase: Phase) {
        let Ok(skips) = judge::skips(service, phase) else {
            let message = "there are too many ways through it to look at all of them";
            self.findings.push(Finding::warning(
                Id::StackTooBig,
                self.path.display(),
                message,
                "make it shorter",
            ));
            return;
        };
        for skip in skips {
            let grave = match phase {
                Phase::Account => skip.by_password && (self.name == "sshd" || self.enrolls()),
                _ => skip.by_password,
            };
            // The rule that goes by order alone says less.
            let line = format!("{}", skip.line);
            self.findings.retain(|known| {
                phase == Phase::Auth || known.subject != line || !known.message.contains("stands before it")
            });
            self.findings.push(finding(&skip, grave));
        }
    }
}

fn line(handler: &Handler) -> AuthLine {
    let says = |word| judge::says(handler, word);
    let mode = match () {
        () if says("app") => Mode::App,
        () if says("after-key") => Mode::AfterKey,
        () if says("one-prompt") => Mode::OnePrompt,
        () => Mode::ByService,
    };
    let config = match &handler.part {
        Part::Module { words, .. } => words.iter().find_map(|word| word.strip_prefix("config=")),
        _ => None,
    };
    let config = config.map(PathBuf::from);
    AuthLine { place: handler.place.clone(), mode, ends: ends(&handler.control), config }
}

/// The lines that ask somebody for a code whom everything else lets on.
fn asked_for_codes(service: &Service) -> Vec<Place> {
    let chain = service.chain(Phase::Auth);
    let asks = |handler: &Handler| judge::is_ours(handler) && line(handler).mode == Mode::ByService;
    let called =
        play(chain, |_, handler| if asks(handler) { Code::SUCCESS } else { likeliest(handler) }).called;
    let asked = called.iter().filter_map(|(at, _)| chain.get(*at)).filter(|handler| asks(handler));
    asked.map(|handler| handler.place.clone()).collect()
}

/// What a module returns for somebody whom all that can let on does; ours, asked by the way, that it is none of its business.
fn likeliest(handler: &Handler) -> Code {
    match judge::possible(handler, Phase::Auth) {
        _ if handler.module_name() == Some(MODULE) => Code::IGNORE,
        possible => possible.and_then(|codes| codes.first().copied()).unwrap_or(Code::SUCCESS),
    }
}

fn jumps(handler: &Handler) -> bool {
    matches!(handler.control.of(Code::SUCCESS), Action::Jump(_))
}

fn finding(skip: &Skip, grave: bool) -> Finding {
    let (message, remedy) = (skip.message.clone(), skip.remedy.clone());
    if grave {
        Finding::error(skip.id, &skip.place, message, remedy)
    } else {
        Finding::warning(skip.id, &skip.place, message, remedy)
    }
}
