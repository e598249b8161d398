//! A bypass code, as anyone who gives it is shown it; and what is said when the phone that it stood in for is replaced.

use crate::{Report, put_line};
use serde::Serialize;

/// What is left when an authenticator has been replaced.
pub const AFTER_REPLACEMENT: &str = "The old one is good for nothing any more, nor is a bypass code, and no device is trusted. Backup codes stay:\n\
     if they were on the lost phone, make new ones (twostep backup-codes).\n";

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
            "Bypass code of {user}, good {times} until {} at the prompt for a code.\n\
             If the phone is lost, {user} then types\n    twostep authenticator replace\n\
             which asks for the account password and for this code once more.\n\
             It is not shown again:\n\n    {}",
            self.until,
            self.code,
            user = self.user,
        );
    }
}
