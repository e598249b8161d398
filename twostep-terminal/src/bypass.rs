//! A bypass code, as whoever gives it is shown it.

use crate::{Report, put_line};
use serde::Serialize;

/// A bypass code that was just given.
#[derive(Serialize)]
pub struct BypassCode<'a> {
    /// To whom.
    pub user: &'a str,
    /// It, in groups.
    pub code: &'a str,
    /// Until when it is good.
    pub until: String,
    /// How often.
    pub uses: u32,
}

impl Report for BypassCode<'_> {
    fn text(&self, to: &mut String) {
        let times = if self.uses == 1 { "once".to_owned() } else { format!("{} times", self.uses) };
        put_line!(
            to,
            "Bypass code of {}, good {times} until {} at the prompt for a code. It is not shown again:\n\n    {}",
            self.user,
            self.until,
            self.code
        );
    }
}
