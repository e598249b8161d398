//! `config check`: mistakes, and what would change, and for which users. Nothing is written.

use super::ConfigFailure;
use super::arguments::CheckConfig;
use super::compared::{Both, Compared};
use crate::cli::Arguments;
use crate::context::{configuration_path, policy};
use crate::failure::Failure;
use crate::output::Output;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use twostep_core::config::{LENGTH_MAX, parse};
use twostep_store::configuration::ConfigError;

/// Carries it out. Exit status 1 where the file could not be put in force.
pub(super) fn run(arguments: &Arguments, wanted: &CheckConfig) -> Result<ExitCode, Failure> {
    let in_force = configuration_path(arguments);
    let current = policy(arguments);
    let told = match &wanted.file {
        None => match &current {
            Ok(policy) => {
                let both = Both {
                    name: &in_force,
                    file: &in_force,
                    before: None,
                    after: policy,
                    pam_dir: &wanted.places.pam_dir,
                    editor: None,
                };
                Compared::of(&both)
            }
            Err(ConfigError::Mistakes(_, mistakes)) => Compared::mistaken(&in_force, mistakes),
            Err(_) => return Err(current.map(|_| ()).unwrap_err().into()),
        },
        Some(file) => {
            let (name, text) = read(file)?;
            match parse(&text) {
                Err(mistakes) => Compared::mistaken(&name, &mistakes),
                Ok(after) => {
                    let both = Both {
                        name: &name,
                        file: &in_force,
                        before: current.as_ref().ok(),
                        after: &after,
                        pam_dir: &wanted.places.pam_dir,
                        editor: None,
                    };
                    let mut told = Compared::of(&both);
                    if let Err(error) = &current {
                        told.warnings.push(unusable(error));
                    }
                    told
                }
            }
        }
    };
    Output::of(arguments).report(&told)?;
    Ok(ExitCode::from(if told.ok { 0 } else { 1 }))
}

/// That there is nothing to compare with.
pub(super) fn unusable(error: &ConfigError) -> String {
    format!(
        "the file in force cannot be used, so that every login that asks it is refused, and nothing can be compared: {}",
        error.cause()
    )
}

/// What it is called, and what is in it. Whose it is does not matter before it is in force.
fn read(file: &Path) -> Result<(PathBuf, String), Failure> {
    let unread = |error| ConfigFailure::Unread(file.to_owned(), error);
    let (name, input): (_, Box<dyn Read>) = if file == Path::new("-") {
        (PathBuf::from("standard input"), Box::new(io::stdin().lock()))
    } else {
        (file.to_owned(), Box::new(File::open(file).map_err(unread)?))
    };
    let mut bytes = Vec::new();
    input.take(LENGTH_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unread)?;
    if bytes.len() > LENGTH_MAX {
        return Err(ConfigError::TooLong(name, LENGTH_MAX).into());
    }
    let text = String::from_utf8(bytes).map_err(|_| ConfigError::NotText(name.clone()))?;
    Ok((name, text))
}
