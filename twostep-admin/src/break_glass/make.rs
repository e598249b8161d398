//! `break-glass make`: a file with one exemption.

use super::arguments::Make;
use super::{BreakGlassFailure, described, file_in, read};
use crate::audit;
use crate::cli::Arguments;
use crate::consent;
use crate::failure::Failure;
use crate::output::{Output, Report};
use crate::pam::{diff, files};
use serde::Serialize;
use twostep_core::break_glass::is_dedicated;
use twostep_core::change::{Action, By};
use twostep_core::config::break_glass::parse;
use twostep_store::configuration::ConfigError;
use twostep_terminal::put_line;

/// Carries it out. A file that is there is replaced only after the change was shown and agreed to.
pub(crate) fn run(arguments: &Arguments, wanted: &Make) -> Result<(), Failure> {
    let output = Output::of(arguments);
    let path = file_in(&wanted.places.etc);
    let text = text(arguments, wanted);
    parse(&text).map_err(BreakGlassFailure::NoExemption)?;
    let old = files::read(&path)?;
    if let Some(old) = old.as_deref().filter(|old| **old != text) {
        output.say(&diff::unified(&path.display().to_string(), old, &text))?;
        consent::obtain(wanted.consent, "The file that is there is replaced.")?;
    }
    if matches!(read(&path), Err(BreakGlassFailure::Unusable(ConfigError::Untrusted(_)))) {
        // Its owner and mode would be kept: somebody else could have the new file open for writing.
        files::remove(&path)?;
    }
    files::replace(&path, &text)?;
    let exemptions = read(&path)?;
    let made: Vec<String> = exemptions.iter().map(described).collect();
    let author = audit::author(arguments.reason.clone());
    audit::record(None, Action::BreakGlassMake, Some(made.join("; ")), author);
    output.report(&Made { file: path.display().to_string(), exemptions: made })
}

fn text(arguments: &Arguments, wanted: &Make) -> String {
    let consoles: Vec<String> = match wanted.tty.as_slice() {
        [] if is_dedicated(&wanted.service) => Vec::new(),
        [] => (1..=6).map(|number| format!("tty{number}")).collect(),
        given => given.to_vec(),
    };
    let tty = if consoles.is_empty() { String::new() } else { format!("tty = {}\n", list(&consoles)) };
    let reason = arguments.reason.as_ref().map(ToString::to_string);
    format!(
        "# Break glass: what is named here is let in without a code, whatever is wrong with twostep's configuration, key, store\n\
         # or daemon. The rest of the service's stack, the password as a rule, is still asked for. It holds always, so that it\n\
         # can be tried on any day: twostep-admin break-glass try\n\
         # Other users must not be able to write this file; one mistake in it and none of it holds.\n\n\
         [[exemption]]\nservice = {}\n{tty}user = {}\nreason = {}\nowner = {}\n",
        quoted(wanted.service.as_str()),
        list(&wanted.user),
        quoted(
            &reason.unwrap_or_else(|| "the way in when two-step verification refuses everybody".to_owned())
        ),
        quoted(&wanted.owner.clone().unwrap_or_else(administrator)),
    )
}

fn administrator() -> String {
    match audit::author(None).by {
        By::Administrator(name) => name,
        other => other.to_string(),
    }
}

fn list(texts: &[String]) -> String {
    let texts: Vec<_> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", texts.join(", "))
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[derive(Serialize)]
struct Made {
    file: String,
    exemptions: Vec<String>,
}

impl Report for Made {
    fn text(&self, to: &mut String) {
        for exemption in &self.exemptions {
            put_line!(to, "{}: no code for {exemption}.", self.file);
        }
        put_line!(to, "Try it now: twostep-admin break-glass try");
    }
}
