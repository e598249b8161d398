//! The arguments, and the help that comes with them. docs/man/twostep.1 says the same at more length.

use clap::{ArgGroup, Args, Parser, Subcommand};
use clap_complete::Shell;
use std::path::PathBuf;
use std::time::Duration;
use twostep_core::app_password::Label;
use twostep_core::backup_code::{BYPASS_LIFETIME, BYPASS_USES};
use twostep_core::change::Why;
use twostep_core::time::duration;
use twostep_terminal::{Format, Limits, Output};

/// Your own two-step verification: codes from the phone, and passwords for programs that cannot ask for one.
#[derive(Debug, Parser)]
#[command(name = "twostep", version, after_help = EXIT_STATUS)]
pub(crate) struct Arguments {
    /// Configuration to use instead of /etc/twostep/config.toml; it must be there
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print one JSON document instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Read answers from standard input, one a line, where it is no terminal
    #[arg(long, global = true)]
    pub(crate) stdin: bool,
    /// Which of your login names, where several have your uid
    #[arg(id = "own_name", long = "name", global = true, value_name = "NAME")]
    pub(crate) own_name: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_STATUS: &str = "Exit status: 0 done, 1 refused, 2 usage, 3 the broker cannot be asked.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show your authenticators, app passwords and their last use, trusted devices, backup codes
    Status,
    /// Turn two-step verification on, with a first authenticator
    Enroll(Enroll),
    /// Passwords for programs that cannot show a second prompt
    #[command(subcommand)]
    AppPassword(AppPassword),
    /// The phones that make your codes
    #[command(subcommand)]
    Authenticator(Authenticator),
    /// Trusted devices, which skip the code for a limited time
    #[command(subcommand)]
    TrustedDevices(TrustedDevices),
    /// Make a new set of ten backup codes; revokes the old set
    BackupCodes,
    /// Turn two-step verification off, where your administrator lets you
    Unenroll,
    /// Show what was changed, when and by whom: newest first
    History {
        /// How many entries at most, 1 to 200
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
    },
    /// For members of the help desk: help somebody else
    #[command(subcommand)]
    HelpDesk(HelpDesk),
    /// Print completions for a shell
    Completions {
        /// Which
        shell: Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Enroll {
    /// Name of the authenticator
    #[arg(long, value_name = "NAME", default_value = "phone", value_parser = label)]
    pub(crate) label: Label,
    /// No QR code: the secret in groups of four
    #[arg(long)]
    pub(crate) no_qr: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AppPassword {
    /// Make an app password and print it, once
    Add {
        /// What it is for: "old phone"
        #[arg(value_parser = label)]
        name: Label,
        #[command(flatten)]
        limits: Limits,
        /// Wipe it from the terminal once you have pressed Enter
        #[arg(long)]
        clear: bool,
    },
    /// List your app passwords
    List,
    /// Give an app password another name
    Rename {
        /// Name or id
        #[arg(value_name = "ID|NAME")]
        one: String,
        /// The new name
        #[arg(value_name = "NEW-NAME", value_parser = label)]
        name: Label,
    },
    /// Revoke one app password, or all
    #[command(group(ArgGroup::new("which").required(true).args(["one", "all"])))]
    Revoke {
        /// Name or id
        #[arg(value_name = "ID|NAME")]
        one: Option<String>,
        /// All of yours
        #[arg(long)]
        all: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Authenticator {
    /// Add an authenticator: another phone
    Add {
        /// What it is called
        #[arg(value_parser = label)]
        name: Label,
        /// No QR code: the secret in groups of four
        #[arg(long)]
        no_qr: bool,
    },
    /// List your authenticators
    List,
    /// Put a new authenticator in the place of one: a lost phone's
    Replace {
        /// Name or id of the one that goes; not needed where there is only one
        #[arg(value_name = "ID|NAME")]
        one: Option<String>,
        /// No QR code: the secret in groups of four
        #[arg(long)]
        no_qr: bool,
    },
    /// Remove an authenticator; never the last one
    Remove {
        /// Name or id
        #[arg(value_name = "ID|NAME")]
        one: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum TrustedDevices {
    /// List your trusted devices
    List,
    /// Have a code asked for again, from one device or all
    #[command(group(ArgGroup::new("which").required(true).args(["one", "all"])))]
    Forget {
        /// Id; or fingerprint of a key, or address: at every service
        #[arg(value_name = "ID|DEVICE")]
        one: Option<String>,
        /// All of yours
        #[arg(long)]
        all: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum HelpDesk {
    /// Show somebody's enrollment
    Show(Case),
    /// Reset somebody's failed-code counter and delay
    Unlock(Case),
    /// Give a temporary code that stands in for the authenticator
    Bypass {
        #[command(flatten)]
        case: Case,
        /// How long it is good for: 90m, 2h, 1d; a minute to a week
        #[arg(long = "for", value_name = "TIME", value_parser = lifetime)]
        lifetime: Duration,
        /// How often it can be used, 1 to 10
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = uses)]
        uses: u32,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Case {
    /// Login name
    pub(crate) user: String,
    /// Why, for log and history: a sentence, or the number of a ticket
    #[arg(long, value_name = "TEXT", value_parser = Why::parse)]
    pub(crate) reason: Why,
}

impl Arguments {
    /// How to print.
    pub(crate) fn output(&self) -> Output {
        Output { format: if self.json { Format::Json } else { Format::Text } }
    }
}

fn label(text: &str) -> Result<Label, String> {
    Label::parse(text).map_err(|_| {
        "expected 1 to 64 printable characters, without a blank at either end or a dash at the beginning"
            .to_owned()
    })
}

fn lifetime(text: &str) -> Result<Duration, &'static str> {
    let found = duration(text).ok_or("a number and a unit are wanted: 90m, 2h, 1d")?;
    if BYPASS_LIFETIME.contains(&found) { Ok(found) } else { Err("a minute to a week is wanted") }
}

fn uses(text: &str) -> Result<u32, &'static str> {
    text.parse().ok().filter(|uses| BYPASS_USES.contains(uses)).ok_or("1 to 10 is wanted")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use std::path::Path;
    use twostep_terminal::testing;

    #[test]
    fn the_arguments_fit_together() {
        Arguments::command().debug_assert();
    }

    const MANUAL: &str = include_str!("../../docs/man/twostep.1");

    #[test]
    fn usage_manual_and_parser_say_the_same() {
        testing::check_usage(Arguments::command());
        testing::check_manual(Arguments::command(), MANUAL);
    }

    #[test]
    fn documents_name_commands_that_there_are() {
        testing::check_documents(&Arguments::command(), &Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    }

    #[test]
    fn every_command_can_be_read() {
        for line in [
            "status",
            "--name alice status",
            "backup-codes --stdin",
            "enroll --label tablet",
            "app-password add mail --clear",
            "app-password add mail --name alice",
            "app-password rename 3 mail --json",
            "app-password revoke --all",
            "authenticator add tablet",
            "authenticator remove 3",
            "authenticator replace",
            "authenticator replace phone --no-qr",
            "unenroll",
            "trusted-devices list --json",
            "trusted-devices forget 203.0.113.9",
            "trusted-devices forget --all",
            "backup-codes",
            "history --limit 200",
            "help-desk show alice --reason x",
            "completions bash",
        ] {
            let parsed = Arguments::try_parse_from(["twostep"].into_iter().chain(line.split(' ')));
            assert!(parsed.is_ok(), "{line}: {parsed:?}");
        }
        for line in [
            "app-password revoke",
            "app-password revoke x --all",
            "trusted-devices forget",
            "trusted-devices forget 1 --all",
            "history --limit 0",
            "",
        ] {
            assert!(
                Arguments::try_parse_from(["twostep"].into_iter().chain(line.split(' '))).is_err(),
                "{line}"
            );
        }
    }

    #[test]
    fn a_help_desk_must_say_why() {
        let parse = |words: &[&str]| Arguments::try_parse_from([&["twostep", "help-desk"], words].concat());
        assert!(parse(&["unlock", "alice"]).is_err());
        assert!(parse(&["unlock", "alice", "--reason", "INC-7"]).is_ok());
        assert!(parse(&["bypass", "alice", "--reason", "INC-7", "--for", "2h"]).is_ok());
        for bad in [["--for", "2"], ["--for", "8d"], ["--for", "30s"]] {
            assert!(parse(&["bypass", "alice", "--reason", "INC-7", bad[0], bad[1]]).is_err(), "{bad:?}");
        }
    }
}
