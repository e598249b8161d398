//! Which exemptions were tried, and what they and their services' stacks were like then: what has changed since counts as never tried.

use super::joined;
use crate::pam::failure::PamFailure;
use crate::pam::{Stacks, files};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use twostep_core::break_glass::Exemption;
use twostep_core::time::UnixTime;
use twostep_stacks::{Code, Control, Handler, Part, Phase};

/// Where that is written down.
pub(crate) const PATH: &str = "/var/lib/twostep/break-glass.tried";

/// One exemption as it was when it was tried. No words, but what decides: reason and owner can change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shape {
    exemption: String,
    /// The auth and account lines of the service.
    stack: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Trial {
    shape: Shape,
    at: i64,
}

/// All that were tried, the latest last.
#[derive(Debug, Default)]
pub(crate) struct Trials(Vec<Trial>);

/// What is known of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tried {
    /// It was tried as it is.
    At(UnixTime),
    /// It was tried, but it or its service's stack was another then.
    Otherwise(UnixTime),
    Never,
    /// The record cannot be read: this is not root.
    Unknown,
}

impl Shape {
    /// The exemption and its service's stack as they are now.
    pub(super) fn of(exemption: &Exemption, stacks: &Stacks) -> Self {
        let Exemption { service, ttys, users, .. } = exemption;
        let stack = match stacks.read(service.as_str()) {
            Ok(service) => [Phase::Auth, Phase::Account]
                .into_iter()
                .flat_map(|phase| service.chain(phase).iter().map(move |handler| line(phase, handler)))
                .collect(),
            Err(fault) => vec![fault.to_string()],
        };
        let ttys = ttys.as_ref().map_or_else(|| "anywhere".to_owned(), |ttys| joined(ttys));
        let users = users.as_ref().map_or_else(|| "everybody".to_owned(), |users| joined(users));
        Self { exemption: format!("{service} at {ttys} for {users}"), stack }
    }

    fn service(&self) -> Option<&str> {
        self.exemption.split(' ').next()
    }
}

fn line(phase: Phase, Handler { level, control, part, .. }: &Handler) -> String {
    let part = match part {
        Part::Module { module, words } => format!("{module} {}", words.join(" ")),
        Part::Fails(why) => format!("fails: {why}"),
        Part::Substack => "substack".to_owned(),
    };
    format!("{phase:?} {level} [{}] {part}", actions(control))
}

/// A control by what it does, however it is written.
fn actions(control: &Control) -> String {
    let all: Vec<_> = Code::all().map(|code| format!("{code}={}", control.of(code))).collect();
    all.join(" ")
}

impl Trials {
    /// What is written down; none where it cannot be read by this user.
    pub(crate) fn read(path: &Path) -> Option<Self> {
        match fs::read_to_string(path) {
            // A record that makes no sense is none: the exemptions are tried again.
            Ok(text) => Some(Self(serde_json::from_str(&text).unwrap_or_default())),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => None,
            Err(_) => Some(Self::default()),
        }
    }

    /// What is known of an exemption in this shape.
    pub(super) fn of(&self, shape: &Shape) -> Tried {
        let known = |matches: &dyn Fn(&Shape) -> bool| {
            self.0.iter().rev().find(|trial| matches(&trial.shape)).map(|trial| UnixTime(trial.at))
        };
        match (known(&|one| one == shape), known(&|one| one.service() == shape.service())) {
            (Some(at), _) => Tried::At(at),
            (None, Some(at)) => Tried::Otherwise(at),
            (None, None) => Tried::Never,
        }
    }

    /// Writes down that an exemption was tried. Of a service, the latest few shapes are kept.
    pub(super) fn add(mut self, path: &Path, shape: Shape, at: UnixTime) -> Result<(), PamFailure> {
        self.0.retain(|trial| trial.shape != shape);
        self.0.push(Trial { shape, at: at.0 });
        let surplus = self.0.len().saturating_sub(KEPT);
        self.0.drain(..surplus);
        let text = serde_json::to_string_pretty(&self.0).unwrap_or_default();
        files::replace(path, &text)
    }
}

/// Twice as many as there can be exemptions.
const KEPT: usize = 2 * twostep_core::break_glass::EXEMPTIONS_MAX;
