//! The arguments of `break-glass`.

use crate::cli::{Consent, service};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use twostep_core::name::ServiceName;

#[derive(Debug, Subcommand)]
pub(crate) enum BreakGlassCommand {
    /// Write a break-glass.toml with one exemption: a login that needs no code, whatever else is broken
    Make(Make),
    /// Show the exemptions, and whether each was tried as it is now
    Show(Places),
    /// Sign in by an exemption at this terminal, with configuration, key, store and broker out of reach
    Try(Try),
}

#[derive(Debug, Args)]
pub(crate) struct Make {
    /// PAM service of the console; or one made for this, whose name ends in -rescue
    #[arg(long, default_value = "login", value_parser = service)]
    pub(crate) service: ServiceName,
    /// Terminals of this host: tty1 to tty6 unless given
    #[arg(long, value_name = "TTY", value_delimiter = ',')]
    pub(crate) tty: Vec<String>,
    /// Login names
    #[arg(long, value_name = "USER", value_delimiter = ',', default_value = "root")]
    pub(crate) user: Vec<String>,
    /// Who answers for it: your own login name unless given
    #[arg(long, value_name = "NAME")]
    pub(crate) owner: Option<String>,
    #[command(flatten)]
    pub(crate) consent: Consent,
    #[command(flatten)]
    pub(crate) places: Places,
}

#[derive(Debug, Args)]
pub(crate) struct Try {
    /// PAM service of the exemption: the first in the file unless given
    #[arg(value_parser = service)]
    pub(crate) service: Option<ServiceName>,
    /// Login name: the first of the exemption unless given
    pub(crate) user: Option<String>,
    /// Terminal: this one where it is exempt, or an exempt one that is free
    #[arg(long, value_name = "TTY")]
    pub(crate) tty: Option<String>,
    #[command(flatten)]
    pub(crate) places: Places,
}

/// Where things are on this host; elsewhere in tests.
#[derive(Clone, Debug, Args)]
pub(crate) struct Places {
    /// Where the folder of break-glass.toml is
    #[arg(long, hide = true, value_name = "DIR", default_value = "/etc")]
    pub(crate) etc: PathBuf,
    /// What was tried
    #[arg(long, hide = true, value_name = "FILE", default_value = super::TRIALS)]
    pub(crate) trials: PathBuf,
    /// Folder of PAM stacks
    #[arg(long, hide = true, value_name = "DIR", default_value = crate::pam::host::PAM_D)]
    pub(crate) pam_dir: PathBuf,
}
