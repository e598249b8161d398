//! The arguments, and the help that comes with them. docs/man/twostep-admin.8 says the same at more length.

use crate::break_glass::BreakGlassCommand;
use crate::config::ConfigCommand;
use crate::pam::PamCommand;
use crate::report::ReportCommand;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum, value_parser};
use clap_complete::Shell;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;
use twostep_core::app_password::Label;
use twostep_core::change::Why;
use twostep_core::config::{Moment, TIMES};
use twostep_core::hotp::COUNTER_MAX;
use twostep_core::name::ServiceName;
use twostep_core::time::{UnixTime, duration};
use twostep_core::totp::{Algorithm, Kind};
use twostep_terminal::Limits;

/// Two-step verification for this host: who gives a code, and which app passwords there are.
#[derive(Debug, Parser)]
#[command(name = "twostep-admin", version, after_help = EXIT_STATUS)]
pub(crate) struct Arguments {
    /// Configuration to use instead of /etc/twostep/config.toml; it must be there
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print one JSON document instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Why, for log and history: a sentence, or the number of a ticket
    #[arg(long, global = true, value_name = "TEXT", value_parser = Why::parse)]
    pub(crate) reason: Option<Why>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_STATUS: &str = "Exit status: 0 done, 1 refused or not found, 2 usage, 3 store unavailable.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make the key and the store where they are missing; never overwrites
    Init(Init),
    /// Turn two-step on for a user
    Enroll(Enroll),
    /// Decide about an enrollment whose account was recreated, renumbered, renamed or deleted
    Settle(Settle),
    /// Turn two-step off for a user: authenticators, backup codes and app passwords are deleted
    Unenroll(Confirmed),
    /// Show one user's enrollment
    Show(User),
    /// List enrollments
    List(List),
    /// Passwords for programs that cannot show a second prompt
    #[command(subcommand)]
    AppPassword(AppPasswordCommand),
    /// Authenticators of a user who is enrolled
    #[command(subcommand)]
    Authenticator(AuthenticatorCommand),
    /// Trusted devices, which skip the code for a limited time
    #[command(subcommand)]
    TrustedDevices(TrustedDevicesCommand),
    /// Give a temporary code that stands in for the authenticator; revokes any earlier one
    Bypass(BypassArguments),
    /// Make a new set of ten backup codes; revokes the old set
    BackupCodes(Confirmed),
    /// Reset a user's failed-code counter and delay
    Unlock(User),
    /// Show what was changed, when, by whom and why: newest first
    History(History),
    /// Reports from the authentication log
    #[command(subcommand)]
    Report(ReportCommand),
    /// The public roster: enrollment as groups, for the NSS module
    #[command(subcommand)]
    Roster(RosterCommand),
    /// Run the on_create and on_revoke commands that are due
    Hooks,
    /// The configuration: look at a file before it is in force, and edit the one that is
    #[command(subcommand)]
    Config(ConfigCommand),
    /// PAM stacks: what they demand, and our lines in them
    #[command(subcommand)]
    Pam(PamCommand),
    /// Emergency logins that work when everything else refuses: make, show and try them
    #[command(subcommand)]
    BreakGlass(BreakGlassCommand),
    /// Say what a service would demand of a user, and why
    Explain(Explain),
    /// Look for mistakes: configuration, key, store, clock, accounts, PAM stacks
    Check(Check),
    /// Print completions for a shell
    Completions {
        /// Which
        shell: Shell,
    },
}

#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum RosterCommand {
    /// Show where it is, its groups, and whether it says what the store does
    Show,
    /// Rebuild the roster if it is damaged or stale
    Mend(RosterMend),
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct RosterMend {
    /// Also where it is another store's, whose users are left out from then on
    #[arg(long)]
    pub(crate) take_over: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AppPasswordCommand {
    /// Make an app password and print it, once
    Add(AppPasswordAdd),
    /// List app passwords, with their last use
    List(AppPasswordList),
    /// Give an app password another name
    Rename(AppPasswordRename),
    /// Revoke one app password, all of a user's, or those of all users that were made before a time
    Revoke(AppPasswordRevoke),
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuthenticatorCommand {
    /// Add an authenticator: another phone
    Add(AuthenticatorAdd),
    /// List a user's authenticators
    List(User),
    /// Put a new authenticator in the place of one, once its first code has come
    Replace(AuthenticatorReplace),
    /// Remove an authenticator; never the last one
    Remove(AuthenticatorRemove),
    /// Find the counter of an HOTP authenticator again, by two successive codes
    Resync(AuthenticatorResync),
}

#[derive(Debug, Subcommand)]
pub(crate) enum TrustedDevicesCommand {
    /// List a user's trusted devices
    List(User),
    /// Forget one, or all: a code is asked for again
    Forget(TrustedDevicesForget),
}

#[derive(Debug, Args)]
pub(crate) struct AuthenticatorAdd {
    /// Login name
    pub(crate) user: String,
    /// Name of the authenticator
    #[arg(value_parser = label)]
    pub(crate) name: Label,
    #[command(flatten)]
    pub(crate) seed: Seed,
    /// Good at once, without asking for a first code
    #[arg(long)]
    pub(crate) activate: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AuthenticatorReplace {
    /// Login name
    pub(crate) user: String,
    /// Name or id of the one that goes; not needed where there is only one
    #[arg(value_name = "ID|NAME")]
    pub(crate) one: Option<String>,
    #[command(flatten)]
    pub(crate) seed: Seed,
}

#[derive(Debug, Args)]
pub(crate) struct AuthenticatorRemove {
    /// Login name
    pub(crate) user: String,
    /// Name or id
    #[arg(value_name = "ID|NAME")]
    pub(crate) one: String,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

#[derive(Debug, Args)]
pub(crate) struct AuthenticatorResync {
    /// Login name
    pub(crate) user: String,
    /// Name or id
    #[arg(value_name = "ID|NAME")]
    pub(crate) one: String,
    /// Take the two codes from a file, or from standard input (-), instead of asking for them
    #[arg(long, value_name = "FILE|-")]
    pub(crate) codes_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct BypassArguments {
    /// Login name
    pub(crate) user: String,
    /// How long it is good for: 90m, 2h, 1d; a minute to a week
    #[arg(long = "for", value_name = "TIME", value_parser = lifetime)]
    pub(crate) lifetime: Duration,
    /// How often it can be used, 1 to 10
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) uses: u32,
}

#[derive(Debug, Args)]
pub(crate) struct History {
    /// Login name; everybody's history unless given
    pub(crate) user: Option<String>,
    /// How many entries at most
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: u32,
}

/// How an authenticator makes its codes.
#[derive(Debug, Args)]
pub(crate) struct Seed {
    /// Hash of the authenticator
    #[arg(long, default_value = "sha1", value_parser = algorithm())]
    pub(crate) algorithm: Algorithm,
    /// Digits of a code
    #[arg(long, default_value = "6", value_parser = number(["6", "7", "8"]))]
    pub(crate) digits: u8,
    /// Seconds until the next code
    #[arg(long, default_value = "30", value_parser = number(["30", "60"]))]
    pub(crate) period: u8,
    /// Counter-based (HOTP) instead of time-based (TOTP): a token with a button
    #[arg(long, conflicts_with = "period")]
    pub(crate) hotp: bool,
    /// Counter of its next code
    #[arg(long, value_name = "N", default_value_t = 0, requires = "hotp", value_parser = value_parser!(u64).range(..=COUNTER_MAX))]
    pub(crate) counter: u64,
    /// Take the secret (base32) from a file, or from standard input (-), instead of making one
    #[arg(long, value_name = "FILE|-")]
    pub(crate) secret_file: Option<PathBuf>,
    /// No QR code: the secret in groups of four
    #[arg(long)]
    pub(crate) no_qr: bool,
}

impl Seed {
    /// What moves it on.
    pub(crate) fn kind(&self) -> Kind {
        if self.hotp { Kind::Hotp } else { Kind::Totp { period: self.period } }
    }
}

#[derive(Debug, Args)]
pub(crate) struct User {
    /// Login name
    pub(crate) user: String,
}

#[derive(Debug, Args)]
pub(crate) struct Confirmed {
    /// Login name
    pub(crate) user: String,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Consent {
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Make a new, empty store although there is a key: nobody is enrolled in it
    #[arg(long)]
    pub(crate) new_store: bool,
    /// Key and store were moved to this host on purpose: record it as theirs
    #[arg(long)]
    pub(crate) adopt_host: bool,
    /// Where the machine-id is
    #[arg(long, hide = true, value_name = "DIR", default_value = "/etc")]
    pub(crate) etc: PathBuf,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("mode").args(["activate", "pending", "app_only"])))]
pub(crate) struct Enroll {
    /// Login name
    pub(crate) user: String,
    #[command(flatten)]
    pub(crate) seed: Seed,
    /// Name of the authenticator
    #[arg(long, value_name = "NAME", default_value = "phone", value_parser = label)]
    pub(crate) label: Label,
    /// Turn it on at once, without asking for a first code
    #[arg(long)]
    pub(crate) activate: bool,
    /// The user's first right code at a login turns it on; until then an empty code is accepted
    #[arg(long)]
    pub(crate) pending: bool,
    /// On at once and without an authenticator: for users who never see a prompt
    #[arg(long, conflicts_with_all = ["algorithm", "digits", "period", "hotp", "counter", "secret_file", "label"])]
    pub(crate) app_only: bool,
}

#[derive(Debug, Args)]
#[command(override_usage = "twostep-admin settle [OPTIONS] <USER> <--keep|--drop|--rename <NEW>>")]
#[command(group(ArgGroup::new("what").required(true).args(["keep", "drop", "rename"])))]
pub(crate) struct Settle {
    /// Login name
    pub(crate) user: String,
    /// The account is still the same person's: the enrollment holds for its uid of today
    #[arg(long)]
    pub(crate) keep: bool,
    /// The account is somebody else's now: delete the enrollment
    #[arg(long)]
    pub(crate) drop: bool,
    /// The account was renamed to this (usermod -l): the enrollment goes with it
    #[arg(long, value_name = "NEW")]
    pub(crate) rename: Option<String>,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only users in this state
    #[arg(long)]
    pub(crate) state: Option<WantedState>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum WantedState {
    /// Accounts with a login shell that are not enrolled
    None,
    /// Made, first code not yet seen
    Pending,
    /// On
    Active,
}

#[derive(Debug, Args)]
pub(crate) struct AppPasswordAdd {
    /// Login name
    pub(crate) user: String,
    /// What it is for: "old phone"
    #[arg(value_parser = label)]
    pub(crate) name: Label,
    #[command(flatten)]
    pub(crate) limits: Limits,
}

#[derive(Debug, Args)]
pub(crate) struct AppPasswordList {
    /// Login name; everybody's unless given
    pub(crate) user: Option<String>,
    /// Only those that were neither made nor used for so long: 90d
    #[arg(long, value_name = "TIME", value_parser = lifetime)]
    pub(crate) unused: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct AppPasswordRename {
    /// Login name
    pub(crate) user: String,
    /// Name or id
    #[arg(value_name = "ID|NAME")]
    pub(crate) one: String,
    /// The new name
    #[arg(value_name = "NEW-NAME", value_parser = label)]
    pub(crate) name: Label,
}

// clap would put what is required first, whatever its place.
#[derive(Debug, Args)]
#[command(override_usage = "\
    twostep-admin app-password revoke [OPTIONS] <USER> <ID|NAME|--all>\n       \
    twostep-admin app-password revoke [OPTIONS] --all-users --created-before <TIME> [--dry-run]")]
#[command(group(ArgGroup::new("which").required(true).args(["one", "all", "all_users"])))]
#[command(group(ArgGroup::new("whose").required(true).args(["user", "all_users"])))]
pub(crate) struct AppPasswordRevoke {
    /// Login name
    pub(crate) user: Option<String>,
    /// Name or id
    #[arg(value_name = "ID|NAME", requires = "user")]
    pub(crate) one: Option<String>,
    /// All of the user's
    #[arg(long, requires = "user")]
    pub(crate) all: bool,
    /// Those of all users that were made before a time
    #[arg(long, requires = "created_before")]
    pub(crate) all_users: bool,
    /// A time, 2026-11-24T08:00:00Z, a day, 2026-11-24 (its beginning, by UTC), or how long ago, 2h
    #[arg(long, value_name = "TIME", value_parser = past, requires = "all_users")]
    pub(crate) created_before: Option<Past>,
    /// Only say which those are
    #[arg(long, requires = "all_users")]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

#[derive(Debug, Args)]
#[command(override_usage = "\
    twostep-admin trusted-devices forget [OPTIONS] <USER> <ID|DEVICE|--all>\n       \
    twostep-admin trusted-devices forget [OPTIONS] --all-users [--dry-run]")]
#[command(group(ArgGroup::new("which").required(true).args(["one", "all", "all_users"])))]
pub(crate) struct TrustedDevicesForget {
    /// Login name
    #[arg(required_unless_present = "all_users", conflicts_with = "all_users")]
    pub(crate) user: Option<String>,
    /// Id; or fingerprint of a key, or address: at every service
    #[arg(value_name = "ID|DEVICE", requires = "user")]
    pub(crate) one: Option<String>,
    /// All of the user's
    #[arg(long, requires = "user")]
    pub(crate) all: bool,
    /// All of all users
    #[arg(long)]
    pub(crate) all_users: bool,
    /// Only say which those are
    #[arg(long, requires = "all_users")]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// Login name, as a client would send it
    pub(crate) user: String,
    /// PAM service: the name of a file in /etc/pam.d
    #[arg(value_parser = service)]
    pub(crate) service: ServiceName,
    /// Address the client would come from
    #[arg(long, value_name = "ADDR")]
    pub(crate) from: Option<IpAddr>,
    /// Terminal, as PAM_TTY has it: tty1, pts/3, ssh
    #[arg(long, value_name = "TTY")]
    pub(crate) tty: Option<String>,
    /// Where the folder of break-glass.toml is
    #[arg(long, hide = true, value_name = "DIR", default_value = "/etc")]
    pub(crate) etc: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Folder of PAM stacks
    #[arg(long, hide = true, value_name = "DIR", default_value = "/etc/pam.d")]
    pub(crate) pam_dir: PathBuf,
    /// Where the configuration of other programs is
    #[arg(long, hide = true, value_name = "DIR", default_value = "/etc")]
    pub(crate) etc: PathBuf,
    /// Which break-glass exemptions were tried
    #[arg(long, hide = true, value_name = "FILE", default_value = crate::break_glass::TRIALS)]
    pub(crate) trials: PathBuf,
}

fn algorithm() -> impl TypedValueParser<Value = Algorithm> {
    PossibleValuesParser::new(["sha1", "sha256", "sha512"])
        .try_map(|word| Algorithm::parse(&word).ok_or("no such algorithm"))
}

fn number<const N: usize>(words: [&'static str; N]) -> impl TypedValueParser<Value = u8> {
    PossibleValuesParser::new(words).try_map(|word| word.parse::<u8>())
}

fn label(text: &str) -> Result<Label, String> {
    Label::parse(text).map_err(|_| {
        "expected 1 to 64 printable characters, without a blank at either end or a dash at the beginning"
            .to_owned()
    })
}

fn lifetime(text: &str) -> Result<Duration, &'static str> {
    duration(text).ok_or("a number and a unit are wanted: 90m, 2h, 1d")
}

/// A time in the past.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Past {
    At(UnixTime),
    Ago(Duration),
}

impl Past {
    /// When that was.
    pub(crate) fn at(self, now: UnixTime) -> UnixTime {
        match self {
            Self::At(at) => at,
            Self::Ago(time) => now.minus(time),
        }
    }
}

fn past(text: &str) -> Result<Past, String> {
    let at = Moment::parse(text).map(|moment| Past::At(moment.begins()));
    at.or_else(|| duration(text).map(Past::Ago)).ok_or_else(|| format!("write how long ago, 2h, or {TIMES}"))
}

pub(crate) fn service(text: &str) -> Result<ServiceName, String> {
    ServiceName::parse(text).map_err(|error| error.to_string())
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

    const MANUAL: &str = include_str!("../../docs/man/twostep-admin.8");

    #[test]
    fn usage_manual_and_parser_say_the_same() {
        testing::check_usage(Arguments::command());
        testing::check_manual(Arguments::command(), MANUAL);
    }

    #[test]
    fn documents_name_commands_that_there_are() {
        testing::check_documents(&Arguments::command(), &Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    }
}
