//! The lines that stand before the password modules: `app`, `after-key` and `one-prompt`.

use crate::check::{Finding, Id};
use crate::stack::{APP_SERVICES, INTERACTIVE_LINE, ONE_PROMPT_LINE, SKIPPING, Stack, base, ends};
use crate::stacks::MODULE;
use twostep_core::protocol::Mode;
use twostep_stacks::{Action, Code, Entry, Line, Phase};

/// Password modules that ask for the password although it is there, unless a word says otherwise. Those that go by pam_get_authtok(3), as
/// pam_unix does, take what is there, and so does pam_sss.
const ASK_ANEW: [&str; 3] = ["pam_krb5.so", "pam_ldap.so", "pam_winbind.so"];

/// Whether an entry is a line of ours that asks for a code.
fn asks_for_code(entry: &Entry) -> bool {
    let Entry::Module(line) = entry else { return false };
    let other = |word: &String| matches!(word.as_str(), "app" | APP_SERVICES | "after-key" | "one-prompt");
    line.phase == Phase::Auth && line.module_name() == MODULE && !line.words.iter().any(other)
}

impl Stack<'_> {
    /// The lines that stand before the password modules: `app` and `after-key`.
    pub(crate) fn before_password(&mut self, at: usize, line: &Line, mode: Mode) {
        let word = if mode == Mode::App { "app" } else { "after-key" };
        let remedy = format!("auth {SKIPPING} {MODULE} {word}");
        let before = self.entries.iter().take(at).find(|entry| self.takes_password(entry, Phase::Auth));
        if let Some(number) = before.map(Entry::number) {
            let message =
                format!("the password modules (line {number}) stand before it and have judged already");
            self.error(Id::PasswordJudgedBefore, line.number, message, format!("put before them: {remedy}"));
        }
        if !ends(&line.control) {
            let (id, message) = match mode {
                Mode::App => (
                    Id::AppPasswordNotEnough,
                    "an app password is not enough: the password modules after it refuse it",
                ),
                _ => (Id::AfterKeyAsksPassword, "the password is asked for besides the code"),
            };
            self.error(id, line.number, message, remedy.clone());
        }
        if matches!(line.control.of(Code::IGNORE), Action::Ok | Action::Done | Action::Jump(_)) {
            self.error(
                Id::UnenrolledGetIn,
                line.number,
                "users who are not enrolled get in without a password",
                remedy,
            );
        }
        self.ignored(line, "whomever the line does not concern is refused");
    }

    /// The line that takes password and code apart. It is `PAM_IGNORE` always, and judges nothing: the password modules after it find the
    /// password alone, and an ordinary line after those finds the code.
    pub(crate) fn one_prompt(&mut self, at: usize, line: &Line) {
        let takes = |stack: &Self, entry: &Entry| stack.takes_password(entry, Phase::Auth);
        let before = self.entries.iter().take(at).find(|entry| takes(self, entry));
        if let Some(number) = before.map(Entry::number) {
            let message = format!(
                "the password modules (line {number}) stand before it and take the code for a part of the password"
            );
            self.error(
                Id::OnePromptAfterPassword,
                line.number,
                message,
                format!("put before them: {ONE_PROMPT_LINE}"),
            );
            return;
        }
        let after = self.entries.iter().enumerate().skip(at).find(|(_, entry)| takes(self, entry));
        let Some((password, entry)) = after else {
            let message = "no password module stands after it: nobody looks at the password";
            self.error(
                Id::OnePromptWithoutPassword,
                line.number,
                message,
                "put the password modules after the line",
            );
            return;
        };
        if let Some((place, module)) = self.asks_anew(entry) {
            let message =
                format!("{module} asks for the password again: line {} has it already", line.number);
            self.findings.push(Finding::warning(
                Id::OnePromptAsksAgain,
                place,
                message,
                "add try_first_pass or use_first_pass to that line",
            ));
        }
        if !self.entries.iter().skip(password).any(asks_for_code) {
            let message =
                "no line after the password modules judges the code that it cuts off: the password is enough";
            self.error(
                Id::OnePromptCodeNotJudged,
                line.number,
                message,
                format!("put after them: {INTERACTIVE_LINE}"),
            );
        }
        match line.control.of(Code::IGNORE) {
            Action::Ignore | Action::Reset => {}
            Action::Bad | Action::Die => {
                self.error(
                    Id::OnePromptRefusesEverybody,
                    line.number,
                    "everybody is refused: it is always PAM_IGNORE",
                    ONE_PROMPT_LINE,
                );
            }
            Action::Ok | Action::Done | Action::Jump(_) => {
                self.error(
                    Id::OnePromptSkipsPassword,
                    line.number,
                    "nobody looks at the password, or whoever does is passed over",
                    ONE_PROMPT_LINE,
                );
            }
        }
    }

    /// The first password module that an entry is or brings in, and its place, where it does not take the password that it finds.
    fn asks_anew(&self, entry: &Entry) -> Option<(String, String)> {
        let (name, line) = match entry {
            Entry::Module(line) => (self.name, line),
            Entry::Include(include) => {
                let file = base(include.file.as_ref()?);
                let inner =
                    self.files.get(file)?.iter().find(|inner| self.takes_password(inner, Phase::Auth))?;
                match inner {
                    Entry::Module(line) => (file, line),
                    Entry::Include(_) | Entry::Bad(_) => return None,
                }
            }
            Entry::Bad(_) => return None,
        };
        let says = |words: &[&str]| line.words.iter().any(|word| words.contains(&word.as_str()));
        let anew = match line.module_name() {
            "pam_sss.so" => says(&["prompt_always"]),
            module => {
                ASK_ANEW.contains(&module) && !says(&["try_first_pass", "use_first_pass", "force_first_pass"])
            }
        };
        let place = format!("{}:{}", self.path.with_file_name(name).display(), line.number);
        anew.then(|| (place, line.module_name().to_owned()))
    }
}
