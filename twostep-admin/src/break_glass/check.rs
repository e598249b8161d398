//! The way in, as `check` looks at it.

use super::attempt::is_wired;
use super::trials::{Shape, Trials, Tried};
use super::{described, file_in};
use crate::check::{Finding, Id};
use crate::output::time;
use crate::pam::Stacks;
use crate::stacks::Seen;
use std::path::Path;
use twostep_core::break_glass::Exemption;
use twostep_stacks::{Fault, Service};
use twostep_store::break_glass;
use twostep_store::configuration::ConfigError;

/// All findings about it.
pub(crate) fn check(etc: &Path, trials: &Path, stacks: &Stacks, seen: &Seen) -> Vec<Finding> {
    let file = file_in(etc);
    match break_glass::read(&file) {
        Ok(exemptions) if exemptions.is_empty() => missing(&file, seen).into_iter().collect(),
        Ok(exemptions) => {
            let trials = Trials::read(trials);
            exemptions.iter().flat_map(|one| of_one(one, &file, trials.as_ref(), stacks)).collect()
        }
        Err(ConfigError::Mistakes(_, mistakes)) => mistakes
            .into_iter()
            .map(|mistake| {
                let subject = format!("{}:{}:{}", file.display(), mistake.line, mistake.column);
                let remedy =
                    mistake.hint.unwrap_or_else(|| "twostep-admin break-glass make writes it again".into());
                let message = format!("no exemption holds: {}", mistake.message);
                Finding::error(Id::BreakGlassMistake, subject, message, remedy)
            })
            .collect(),
        Err(error) => {
            let remedy = match &error {
                ConfigError::Untrusted(untrusted) => untrusted.remedy(),
                _ => "twostep-admin break-glass make writes it again".to_owned(),
            };
            let message = format!("no exemption holds: {error}");
            vec![Finding::error(Id::BreakGlassUntrusted, file.display(), message, remedy)]
        }
    }
}

fn missing(file: &Path, seen: &Seen) -> Option<Finding> {
    let remedy = "twostep-admin break-glass make, then twostep-admin break-glass try";
    let everybody =
        "nobody is exempt: a mistake in the configuration, a lost key or a damaged store refuses everybody";
    match (seen.wired.contains("login"), seen.wired.is_empty()) {
        (true, _) => {
            let message = format!("{everybody}, root at the console too");
            Some(Finding::warning(Id::BreakGlassMissing, file.display(), message, remedy))
        }
        (false, false) => {
            let message =
                format!("{everybody}, but for services that are not wired, such as the console's (login)");
            Some(Finding::note(Id::BreakGlassMissing, file.display(), message, remedy))
        }
        (false, true) => None,
    }
}

fn of_one(exemption: &Exemption, file: &Path, trials: Option<&Trials>, stacks: &Stacks) -> Vec<Finding> {
    let (subject, service) = (format!("{}:{}", file.display(), exemption.line), &exemption.service);
    let message = format!("no code for {}: {} ({})", described(exemption), exemption.reason, exemption.owner);
    let mut found = vec![Finding::note(Id::Exemption, &subject, message, "see whether it is needed still")];
    if exemption.ttys.is_none() {
        let message = format!("{service} is open without a code from wherever it can be reached");
        let remedy = "let nobody but administrators reach it: a network of its own, a firewall";
        found.push(Finding::warning(Id::BreakGlassNetwork, &subject, message, remedy));
    }
    match stacks.read(service.as_str()) {
        Ok(Service { file: None, .. }) | Err(Fault::Nothing) => {
            let path = stacks.path(service.as_str());
            let message = format!("there is no {}: libpam takes \"other\" for it", path.display());
            let remedy = "name the service that asks at that terminal: \"login\" at a console";
            found.push(Finding::warning(Id::BreakGlassStackMissing, &subject, message, remedy));
        }
        Ok(_) if !is_wired(exemption, stacks) => {
            let message =
                format!("the stack of {service} has no line of twostep's: nobody is asked for a code there");
            let remedy = "the exemption is not needed, unless the line is put in later";
            found.push(Finding::note(Id::BreakGlassNotNeeded, &subject, message, remedy));
        }
        // What libpam cannot read is told of the service itself.
        Ok(_) | Err(_) => {}
    }
    let tried = trials.map_or(Tried::Unknown, |trials| trials.of(&Shape::of(exemption, stacks)));
    found.extend(untried(&subject, service.as_str(), tried));
    found
}

fn untried(subject: &str, service: &str, tried: Tried) -> Option<Finding> {
    let message = match tried {
        Tried::At(_) | Tried::Unknown => return None,
        Tried::Never => "the exemption was never tried: whether it lets anybody in is not known".to_owned(),
        Tried::Otherwise(at) => {
            format!("the exemption, or the stack of {service}, has changed since it was tried ({})", time(at))
        }
    };
    let remedy = format!("twostep-admin break-glass try {service}");
    Some(Finding::warning(Id::BreakGlassUntried, subject, message, remedy))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use twostep_core::config::break_glass::parse;
    use twostep_core::time::UnixTime;

    const TEXT: &str = "[[exemption]]\nservice = \"login\"\ntty = \"tty1\"\nuser = \"root\"\nreason = \"r\"\nowner = \"o\"\n";
    const STACK: &str =
        "auth required pam_unix.so\nauth required pam_twostep.so\naccount required pam_twostep.so\n";

    #[test]
    fn what_has_changed_since_it_was_tried_was_never_tried() {
        let folder = std::env::temp_dir().join(format!("twostep-break-glass-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (record, login) = (folder.join("tried"), folder.join("login"));
        fs::write(&login, STACK).unwrap();
        let stacks = Stacks::of(&folder);
        let found = |text: &str| {
            let exemption = parse(text).unwrap().remove(0);
            let trials = Trials::read(&record).unwrap();
            untried("", "login", trials.of(&Shape::of(&exemption, &stacks)))
        };
        let never = found(TEXT).unwrap();
        assert_eq!(never.documented(), Id::BreakGlassUntried);
        assert!(never.message.contains("never tried"), "{never:?}");

        let exemption = parse(TEXT).unwrap().remove(0);
        let shape = Shape::of(&exemption, &stacks);
        Trials::default().add(&record, shape, UnixTime(1_764_000_000)).unwrap();
        assert_eq!(found(TEXT), None);
        // Another reason, a comment or another way to write a control change nothing.
        assert_eq!(found(&format!("# a comment\n{}", TEXT.replace("\"r\"", "\"another\""))), None);
        fs::write(
            &login,
            format!(
                "# a comment\n{}",
                STACK.replace(
                    "auth required pam_unix",
                    "auth [success=ok new_authtok_reqd=ok ignore=ignore default=bad] pam_unix"
                )
            ),
        )
        .unwrap();
        assert_eq!(found(TEXT), None);

        for other in [TEXT.replace("tty1", "tty2"), TEXT.replace("root", "alice")] {
            assert!(found(&other).unwrap().message.contains("has changed since"), "{other}");
        }
        fs::write(&login, format!("auth required pam_securetty.so\n{STACK}")).unwrap();
        assert!(found(TEXT).unwrap().message.contains("has changed since"));
        assert!(found(&TEXT.replace("login", "gdm")).unwrap().message.contains("never tried"));
        fs::write(&record, "no JSON").unwrap();
        assert!(found(TEXT).unwrap().message.contains("never tried"));
        fs::remove_dir_all(&folder).unwrap();
    }
}
