//! `break-glass show`.

use super::arguments::Places;
use super::trials::{Shape, Trials, Tried};
use super::{described, file_in, read};
use crate::cli::Arguments;
use crate::failure::Failure;
use crate::output::{Output, Report, time};
use crate::pam::Stacks;
use serde::Serialize;
use twostep_core::break_glass::Exemption;
use twostep_terminal::put_line;

/// Carries it out. A file that cannot be used is told with all its mistakes, and exit status 3.
pub(crate) fn run(arguments: &Arguments, places: &Places) -> Result<(), Failure> {
    let file = file_in(&places.etc);
    let exemptions = read(&file)?;
    let (trials, stacks) = (Trials::read(&places.trials), Stacks::of(&places.pam_dir));
    let shown = exemptions.iter().map(|exemption| {
        let shape = Shape::of(exemption, &stacks);
        Row::of(exemption, trials.as_ref().map_or(Tried::Unknown, |trials| trials.of(&shape)))
    });
    let shown = Shown { file: file.display().to_string(), exemptions: shown.collect() };
    Output::of(arguments).report(&shown)
}

#[derive(Serialize)]
struct Shown {
    file: String,
    exemptions: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    line: usize,
    service: String,
    /// Null: from anywhere.
    tty: Option<Vec<String>>,
    /// Null: everybody.
    user: Option<Vec<String>>,
    reason: String,
    owner: String,
    /// When it was tried as it is now.
    tried: Option<String>,
    #[serde(skip)]
    text: String,
    #[serde(skip)]
    trial: String,
}

impl Row {
    fn of(exemption: &Exemption, tried: Tried) -> Self {
        let trial = match tried {
            Tried::At(at) => format!("tried {}", time(at)),
            Tried::Otherwise(at) => {
                format!("not tried as it is now: it or the service's stack has changed since {}", time(at))
            }
            Tried::Never => "never tried: twostep-admin break-glass try".to_owned(),
            Tried::Unknown => "whether it was tried only root can see".to_owned(),
        };
        Self {
            line: exemption.line,
            service: exemption.service.to_string(),
            tty: exemption.ttys.clone(),
            user: exemption.users.as_ref().map(|users| users.iter().map(ToString::to_string).collect()),
            reason: exemption.reason.clone(),
            owner: exemption.owner.clone(),
            tried: if let Tried::At(at) = tried { Some(time(at)) } else { None },
            text: described(exemption),
            trial,
        }
    }
}

impl Report for Shown {
    fn text(&self, to: &mut String) {
        if self.exemptions.is_empty() {
            put_line!(to, "{} has no exemption: twostep-admin break-glass make", self.file);
        }
        for row in &self.exemptions {
            put_line!(to, "{}:{}: no code for {}", self.file, row.line, row.text);
            put_line!(to, "  reason: {}\n  owner:  {}\n  {}", row.reason, row.owner, row.trial);
        }
    }
}
