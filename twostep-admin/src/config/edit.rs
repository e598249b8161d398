//! `config edit`: an editor, a look at what it has left, what would change and for which users, a question, and a file that is there as a whole or not
//! at all.

use super::ConfigFailure;
use super::arguments::EditConfig;
use super::compared::{Both, Compared};
use super::draft::Draft;
use super::editor::Editor;
use super::inspect::unusable;
use crate::audit;
use crate::cli::{Arguments, Consent};
use crate::confirm::entered;
use crate::consent;
use crate::context::{configuration_path, policy};
use crate::failure::Failure;
use crate::output::{Output, Report};
use crate::pam::diff;
use serde::Serialize;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::ExitCode;
use twostep_core::change::{Action, By};
use twostep_core::config::{Diagnostic, parse};
use twostep_core::name::UserName;
use twostep_terminal::put_line;

/// Carries it out. Exit status 1 where nothing was put in force but something was typed.
pub(super) fn run(arguments: &Arguments, wanted: &EditConfig) -> Result<ExitCode, Failure> {
    let terminals = [io::stdin().is_terminal(), io::stdout().is_terminal(), io::stderr().is_terminal()];
    if arguments.json || terminals.contains(&false) {
        return Err(ConfigFailure::NotInteractive.into());
    }
    let editor = Editor::choose()?;
    let file = configuration_path(arguments);
    let draft = Draft::begin(&file)?;
    let edit = Edit { arguments, wanted, file: &file, draft: &draft, output: Output::of(arguments) };
    if draft.is_left()? {
        match edit.what_now("An earlier edit was not finished.", "go on with it", &["e"])? {
            Next::Edit => {}
            Next::Stop => return Ok(ExitCode::FAILURE),
            Next::Discarded => draft.make_copy()?,
        }
    } else {
        draft.make_copy()?;
    }
    loop {
        if let Err(failure) = editor.edit(draft.copy()) {
            return Err(edit.given_up(failure)?.into());
        }
        let bytes = draft.text()?;
        if bytes == draft.begins_with() {
            draft.forget();
            edit.output.say(&format!("{}: unchanged\n", file.display()))?;
            return Ok(ExitCode::SUCCESS);
        }
        let (told, text) = edit.look(&bytes);
        let mut report = diff::unified(
            &file.display().to_string(),
            &String::from_utf8_lossy(draft.in_force()),
            &String::from_utf8_lossy(&bytes),
        );
        if !told.ok {
            report.clear();
        }
        told.text(&mut report);
        edit.output.say(&report)?;
        let question = match text.filter(|_| told.ok) {
            None => "It cannot be put in force like this.",
            Some(text) => {
                let what = format!("This takes the place of {} at once.", file.display());
                match consent::obtain(Consent { yes: false }, &what) {
                    Ok(()) => return edit.install(&text),
                    Err(Failure::Declined) => "Nothing was changed.",
                    Err(other) => return Err(other),
                }
            }
        };
        match edit.what_now(question, "edit again", &["e", ""])? {
            Next::Edit => {}
            Next::Stop | Next::Discarded => return Ok(ExitCode::FAILURE),
        }
    }
}

/// What an administrator wants with a text that is not in force.
enum Next {
    Edit,
    /// It stays where it is, for another day.
    Stop,
    Discarded,
}

struct Edit<'a> {
    arguments: &'a Arguments,
    wanted: &'a EditConfig,
    file: &'a Path,
    draft: &'a Draft,
    output: Output,
}

impl Edit<'_> {
    /// What there is to say of a text, and the text, where it is one.
    fn look(&self, bytes: &[u8]) -> (Compared, Option<String>) {
        let Ok(text) = String::from_utf8(bytes.to_vec()) else {
            return (Compared::mistaken(self.file, &[not_text(bytes)]), None);
        };
        let after = match parse(&text) {
            Ok(after) => after,
            Err(mistakes) => return (Compared::mistaken(self.file, &mistakes), None),
        };
        let current = policy(self.arguments);
        let editor = match audit::author(None).by {
            // A name that is none is nobody's, of whom there is nothing to warn.
            By::Administrator(name) => UserName::parse(&name).ok(),
            _ => None,
        };
        let mut told = Compared::of(&Both {
            name: self.file,
            file: self.file,
            // What is wrong with it is told below.
            before: current.as_ref().ok(),
            after: &after,
            pam_dir: &self.wanted.places.pam_dir,
            editor: editor.as_ref(),
        });
        if let Err(error) = &current {
            told.warnings.push(unusable(error));
        }
        (told, Some(text))
    }

    /// Asks until the answer is one. Where nobody answers, the text is kept.
    fn what_now(&self, why: &str, first: &str, edit: &[&str]) -> Result<Next, Failure> {
        loop {
            let answer =
                entered(&format!("{why} {first} (e), keep the text for later (k), throw it away (x)? "));
            match answer.as_ref().map(|answer| answer.as_str()) {
                Some(answer) if edit.contains(&answer) => return Ok(Next::Edit),
                Some("x") => {
                    self.draft.forget();
                    return Ok(Next::Discarded);
                }
                Some("k") | None => {
                    let (copy, file) = (self.draft.copy().display(), self.file.display());
                    self.output.say(&format!(
                        "\n{file} is as it was; the text is in {copy}, and `config edit` goes on with it\n"
                    ))?;
                    return Ok(Next::Stop);
                }
                Some(_) => {}
            }
        }
    }

    /// After an editor that failed: what was typed stays.
    fn given_up(&self, failure: ConfigFailure) -> Result<ConfigFailure, Failure> {
        // Where that cannot be told, it is said to be there: nothing is thrown away.
        if self.draft.is_left().unwrap_or(true) {
            let copy = self.draft.copy().display();
            self.output.say(&format!("the text is in {copy}, and `config edit` goes on with it\n"))?;
        } else {
            self.draft.forget();
        }
        Ok(failure)
    }

    fn install(&self, text: &str) -> Result<ExitCode, Failure> {
        let kept = self.draft.install(text)?;
        let file = self.file.display().to_string();
        audit::record(
            None,
            Action::ConfigEdit,
            Some(file.clone()),
            audit::author(self.arguments.reason.clone()),
        );
        let kept = kept.map(|path| path.display().to_string());
        self.output.report(&Installed { file, kept })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Where a text ends to be UTF-8.
fn not_text(bytes: &[u8]) -> Diagnostic {
    let good = bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    let begins = good.rfind('\n').map_or(0, |at| at + 1);
    Diagnostic {
        line: good.matches('\n').count() + 1,
        column: good[begins..].chars().count() + 1,
        message: "this is no UTF-8 text".to_owned(),
        hint: Some("write the letter again; the editor must save as UTF-8".to_owned()),
    }
}

#[derive(Serialize)]
struct Installed {
    file: String,
    /// Where the file is as it was.
    kept: Option<String>,
}

impl Report for Installed {
    fn text(&self, to: &mut String) {
        put_line!(to, "{} is in force from the next login on.", self.file);
        if let Some(kept) = &self.kept {
            put_line!(to, "as it was: {kept}; to go back: mv {kept} {}", self.file);
        }
    }
}
