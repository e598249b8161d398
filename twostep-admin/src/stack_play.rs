//! What a service's lines come to together: its stacks are read and played through, with those of the files that it includes.

use crate::check::{Finding, Id};
use crate::pam::host::Stacks;
use crate::pam::judge::{self, Skip};
use crate::stack::Stack;
use twostep_stacks::{Fault, Phase, Service};

impl Stack<'_> {
    /// Plays the service's auth and account stacks.
    pub(crate) fn play(&mut self, host: &Stacks) {
        match host.read(self.name) {
            Ok(service) => {
                for phase in [Phase::Auth, Phase::Account] {
                    self.skips(&service, phase);
                }
            }
            Err(fault) => self.nobody(&fault),
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

fn finding(skip: &Skip, grave: bool) -> Finding {
    let (message, remedy) = (skip.message.clone(), skip.remedy.clone());
    if grave {
        Finding::error(skip.id, &skip.place, message, remedy)
    } else {
        Finding::warning(skip.id, &skip.place, message, remedy)
    }
}
