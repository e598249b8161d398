//! The arguments of `pam`.

use crate::cli::{Consent, service};
use crate::pam::host::PAM_D;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use twostep_core::name::ServiceName;

#[derive(Debug, Subcommand)]
pub(crate) enum PamCommand {
    /// Say of each service what its stack demands, and when that is skipped
    Status(Status),
    /// List the files by which stacks bring pam_twostep.so in: before it is removed
    Files(Files),
    /// Put the lines into a service's file, after a look at what comes of it
    Enable(Enable),
    /// Put a service's file back as it was
    Disable(Disable),
    /// Go through a service's real stack at this terminal, with all that a login does but a session
    Try(Try),
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Only this service, with all its lines
    #[arg(value_parser = service)]
    pub(crate) service: Option<ServiceName>,
    #[command(flatten)]
    pub(crate) places: Places,
}

#[derive(Debug, Args)]
pub(crate) struct Files {
    #[command(flatten)]
    pub(crate) places: Places,
}

#[derive(Debug, Args)]
pub(crate) struct Enable {
    /// PAM service: the name of a file in /etc/pam.d
    #[arg(value_parser = service)]
    pub(crate) service: ServiceName,
    /// Password and then a code; by itself for what is not in `[app] services`
    #[arg(long, conflicts_with = "app")]
    pub(crate) interactive: bool,
    /// App passwords; by itself for what is in `[app] services`
    #[arg(long)]
    pub(crate) app: bool,
    #[command(flatten)]
    pub(crate) consent: Consent,
    #[command(flatten)]
    pub(crate) places: Places,
}

#[derive(Debug, Args)]
pub(crate) struct Disable {
    /// PAM service: the name of a file in /etc/pam.d
    #[arg(value_parser = service)]
    pub(crate) service: ServiceName,
    #[command(flatten)]
    pub(crate) consent: Consent,
    #[command(flatten)]
    pub(crate) places: Places,
}

#[derive(Debug, Args)]
pub(crate) struct Try {
    /// PAM service: the name of a file in /etc/pam.d
    #[arg(value_parser = service)]
    pub(crate) service: ServiceName,
    /// Login name
    pub(crate) user: String,
    /// Address the client would come from
    #[arg(long, value_name = "ADDR")]
    pub(crate) from: Option<std::net::IpAddr>,
}

/// Where things are on this host; elsewhere in tests.
#[derive(Clone, Debug, Args)]
pub(crate) struct Places {
    /// Folder of PAM stacks
    #[arg(long, hide = true, value_name = "DIR", default_value = PAM_D)]
    pub(crate) pam_dir: PathBuf,
    /// Folder of backups
    #[arg(long, hide = true, value_name = "DIR", default_value = "/var/lib/twostep/pam-backups")]
    pub(crate) backups: PathBuf,
    /// sshd's folder
    #[arg(long, hide = true, value_name = "DIR", default_value = "/etc/ssh")]
    pub(crate) ssh_dir: PathBuf,
}
