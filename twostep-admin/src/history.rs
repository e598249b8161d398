//! `history`: what was changed, by whom, why.

use crate::cli::History;
use crate::context::{Context, canonical};
use crate::failure::Failure;
use crate::output::{Report, table, time};
use serde::Serialize;
use twostep_store::admin::{Past, Whose};

/// Shows it, of one user or of all. It is kept under the name, also of those who are enrolled no more.
pub(crate) fn run(context: &Context, wanted: &History) -> Result<(), Failure> {
    let user = wanted.user.as_deref().map(canonical).transpose()?;
    let whose = user.as_ref().map_or(Whose::All, Whose::Name);
    let found = context.session()?.history(whose, wanted.limit)?;
    context.output.report(&Shown(found.into_iter().map(Entry::of).collect()))
}

#[derive(Serialize)]
#[serde(transparent)]
struct Shown(Vec<Entry>);

#[derive(Serialize)]
struct Entry {
    at: String,
    user: String,
    action: String,
    name: Option<String>,
    by: String,
    why: Option<String>,
}

impl Entry {
    fn of(past: Past) -> Self {
        let Past { at, user, action, target, by, why } = past;
        Self { at: time(at), user, action, name: target, by, why }
    }
}

impl Report for Shown {
    fn text(&self, to: &mut String) {
        if self.0.is_empty() {
            to.push_str("nothing was changed\n");
            return;
        }
        let dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        to.push_str(&table(
            &["WHEN", "USER", "WHAT", "NAME", "BY", "WHY"],
            self.0.iter().map(|one| {
                vec![
                    one.at.clone(),
                    one.user.clone(),
                    one.action.clone(),
                    dash(&one.name),
                    one.by.clone(),
                    dash(&one.why),
                ]
            }),
        ));
    }
}
