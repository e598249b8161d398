//! The arguments of `config`.

use crate::pam::host::PAM_D;
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Look for mistakes in a configuration, and say what it would change for whom
    Check(CheckConfig),
    /// Edit the configuration: a file with a mistake never takes its place
    Edit(EditConfig),
}

#[derive(Debug, Args)]
pub(crate) struct CheckConfig {
    /// The file to look at, or - for standard input; the one in force unless given
    #[arg(value_name = "FILE|-")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) places: Places,
}

#[derive(Debug, Args)]
pub(crate) struct EditConfig {
    #[command(flatten)]
    pub(crate) places: Places,
}

/// Where things are on this host; elsewhere in tests.
#[derive(Debug, Args)]
pub(crate) struct Places {
    /// Folder of PAM stacks
    #[arg(long, hide = true, value_name = "DIR", default_value = PAM_D)]
    pub(crate) pam_dir: PathBuf,
}
