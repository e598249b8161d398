//! `[[rule]]`: the first one that matches a login decides what the rest of the configuration leaves open.
//!
//! A rule is asked about from its cheapest condition to its dearest. Whatever needs NSS comes last, and not before all else matches, so
//! that a rule that names a service alone is decided from the configuration alone.

use crate::attempt::Source;
use crate::device::DeviceKind;
use crate::name::{NameError, ServiceName, UserName};
use crate::policy::{KeyWorth, Origin, Setting};
use crate::schedule::Schedule;
use crate::time::UnixTime;
use ipnet::IpNet;
use std::net::IpAddr;

/// One rule. A condition that is not there is met by everything; one that is there is met by any one of its entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its line.
    pub origin: Origin,
    /// PAM services.
    pub services: Option<Vec<Glob>>,
    /// Terminals, without `/dev/`.
    pub ttys: Option<Vec<Glob>>,
    /// Networks. What comes from no address that is known is in none.
    pub networks: Option<Vec<IpNet>>,
    /// Users, by their canonical names.
    pub users: Option<Vec<UserName>>,
    /// Groups, by NSS. Of a group that NSS does not know anybody may be.
    pub groups: Option<Vec<String>>,
    /// What is demanded.
    pub demand: Option<Setting<Demanded>>,
    /// What happens to the unenrolled.
    pub unenrolled: Option<Setting<Schedule>>,
    /// What can be trusted not to need a code.
    pub trust: Option<Setting<Vec<DeviceKind>>>,
    /// What a security key is worth.
    pub security_keys: Option<Setting<KeyWorth>>,
    /// What any ssh key is worth.
    pub ssh_keys: Option<Setting<KeyWorth>>,
    /// When it ends to be there.
    pub until: Option<UnixTime>,
    /// Why it is there.
    pub reason: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
}

/// What a rule demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demanded {
    /// A code.
    Code,
    /// An app password.
    AppPassword,
    /// Nothing: an exemption.
    Nothing,
    /// What nobody has.
    Deny,
}

impl Demanded {
    /// Every value with its word.
    pub const WORDS: [(&'static str, Self); 4] = [
        ("code", Self::Code),
        ("app-password", Self::AppPassword),
        ("nothing", Self::Nothing),
        ("deny", Self::Deny),
    ];
}

/// A pattern: `*` stands for any number of characters, `?` for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(String);

impl Glob {
    /// A pattern; every text is one.
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        Self(pattern.to_owned())
    }

    /// One for names of services. PAM lower-cases those.
    ///
    /// # Errors
    /// When no name of a service could be what it stands for.
    pub fn service(pattern: &str) -> Result<Self, NameError> {
        ServiceName::parse(&pattern.replace(['*', '?'], "x"))?;
        Ok(Self(pattern.to_ascii_lowercase()))
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it stands for everything.
    fn is_anything(&self) -> bool {
        !self.0.is_empty() && self.0.bytes().all(|byte| byte == b'*')
    }

    /// Whether the whole text is what the pattern stands for.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let (pattern, text) = (self.0.as_bytes(), text.as_bytes());
        let (mut at, mut read) = (0, 0);
        // Where the last star stood, and how much of the text it stands for so far: nothing before it need ever be looked at again.
        let mut star: Option<(usize, usize)> = None;
        while let Some(byte) = text.get(read) {
            match (pattern.get(at), star) {
                (Some(b'*'), _) => {
                    star = Some((at, read));
                    at += 1;
                }
                (Some(b'?'), _) => (at, read) = (at + 1, read + 1),
                (Some(wanted), _) if wanted == byte => (at, read) = (at + 1, read + 1),
                (_, Some((place, from))) => {
                    star = Some((place, from + 1));
                    (at, read) = (place + 1, from + 1);
                }
                (_, None) => return false,
            }
        }
        pattern.iter().skip(at).all(|byte| *byte == b'*')
    }
}

/// A login, as far as rules ask about it without NSS.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The service.
    pub service: &'a ServiceName,
    /// Where she sits.
    pub tty: Tty<'a>,
    /// Where from.
    pub source: &'a Source,
    /// When.
    pub at: UnixTime,
}

/// A terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tty<'a> {
    /// PAM_TTY, which names a virtual console or a serial line, and the process that asks has it as its controlling terminal.
    Proven(&'a str),
    /// PAM_TTY, as the service says.
    Named(&'a str),
    /// The service tells none.
    None,
    /// Whoever runs su or sudo chooses which of her terminals it finds.
    Doubted,
}

impl<'a> Tty<'a> {
    /// What a service tells.
    #[must_use]
    pub fn told(tty: Option<&'a str>) -> Self {
        tty.map_or(Self::None, Self::Named)
    }
}

/// What rules ask NSS about who signs in.
pub trait Inquiry {
    /// Why there is no answer.
    type Error;

    /// Whether it is one of these. Nobody whom NSS does not know is.
    ///
    /// # Errors
    /// When that cannot be told.
    fn is_any_of(&mut self, users: &[UserName], by: By) -> Result<Match, Self::Error>;

    /// Whether it is a member of one of these groups.
    ///
    /// # Errors
    /// When that cannot be told.
    fn is_member_of(&mut self, groups: &[String], by: By) -> Result<Match, Self::Error>;
}

/// By what it is told whether somebody is one of the users that a rule names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// By the canonical name.
    Name,
    /// By the uid as well.
    NameOrUid,
}

/// Whether something is as a rule wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Match {
    /// It is not.
    No,
    /// It may be: the terminal is the caller's choice or only said, the address is embedded in another one, it is another name of the same
    /// uid, or NSS does not know the group. Nobody gets in by such a rule who would not without it, nor with less
    /// ([`crate::decide::Terms::and_at_least`]).
    Doubted,
    /// It is.
    Yes,
}

/// Which rules hold for a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice<'r> {
    /// The first that matches.
    pub rule: Option<&'r Rule>,
    /// Those before it that match in doubt.
    pub doubted: Vec<&'r Rule>,
}

/// The first rule that matches, and those before it that may.
///
/// # Errors
/// When the inquiry fails: the rule that was asked about, or another one after it, could be the one.
pub fn choose<'r, I: Inquiry>(
    rules: &'r [Rule],
    scene: &Scene<'_>,
    inquiry: &mut I,
) -> Result<Choice<'r>, I::Error> {
    let mut doubted = Vec::new();
    for rule in rules {
        match rule.matches(scene, inquiry)? {
            Match::No => {}
            Match::Doubted => doubted.push(rule),
            Match::Yes => return Ok(Choice { rule: Some(rule), doubted }),
        }
    }
    Ok(Choice { rule: None, doubted })
}

impl Rule {
    fn matches<I: Inquiry>(&self, scene: &Scene<'_>, inquiry: &mut I) -> Result<Match, I::Error> {
        let plainly = !self.is_over(scene.at) && self.is_for(scene.service);
        let mut found =
            if plainly { self.is_at(scene.tty).min(self.is_from(scene.source)) } else { Match::No };
        // Another name of the uid matches in doubt, which is nothing to an exemption.
        let by = if self.is_exemption() { By::Name } else { By::NameOrUid };
        if let (Some(users), true) = (&self.users, found > Match::No) {
            found = found.min(inquiry.is_any_of(users, by)?);
        }
        if let (Some(groups), true) = (&self.groups, found > Match::No) {
            found = found.min(inquiry.is_member_of(groups, by)?);
        }
        Ok(found)
    }

    fn is_at(&self, tty: Tty<'_>) -> Match {
        let Some(ttys) = &self.ttys else { return Match::Yes };
        let (told, found) = match tty {
            Tty::Doubted => return Match::Doubted,
            Tty::None => return Match::No,
            Tty::Proven(told) => (told, Match::Yes),
            // Whoever stands at a console is let in by it, and not whoever says so.
            Tty::Named(told) if is_line(told) => (told, Match::Doubted),
            Tty::Named(told) => (told, Match::Yes),
        };
        if any(ttys, without_folder(told)) { found } else { Match::No }
    }

    fn is_from(&self, source: &Source) -> Match {
        match &self.networks {
            None => Match::Yes,
            Some(networks) if is_in(networks, source) => Match::Yes,
            Some(networks) => match source {
                Source::Address(address) if address.embedded().is_some_and(|v4| holds(networks, &v4)) => {
                    Match::Doubted
                }
                _ => Match::No,
            },
        }
    }

    /// Whether its time is over.
    #[must_use]
    pub fn is_over(&self, at: UnixTime) -> bool {
        self.until.is_some_and(|until| at >= until)
    }

    /// The last day, by UTC, on which it is there.
    #[must_use]
    pub fn last_day(&self) -> Option<String> {
        self.until.map(UnixTime::last_day)
    }

    /// Whether logins to a service can be its affair.
    #[must_use]
    pub fn is_for(&self, service: &ServiceName) -> bool {
        self.services.as_deref().is_none_or(|all| any(all, service.as_str()))
    }

    /// Whether the service alone tells whether it matches.
    #[must_use]
    pub fn goes_by_service_alone(&self) -> bool {
        self.ttys.is_none() && self.networks.is_none() && self.users.is_none() && self.groups.is_none()
    }

    /// Whether every login is its affair.
    #[must_use]
    pub fn is_for_everybody(&self) -> bool {
        self.goes_by_service_alone()
            && self.services.as_deref().is_none_or(|all| all.iter().any(Glob::is_anything))
    }

    /// Whether its networks together hold every address of IPv4, or of IPv6.
    #[must_use]
    pub fn is_from_anywhere(&self) -> bool {
        self.networks
            .as_ref()
            .is_some_and(|all| IpNet::aggregate(all).iter().any(|net| net.prefix_len() == 0))
    }

    /// Whether it lets somebody in without a second step.
    #[must_use]
    pub fn is_exemption(&self) -> bool {
        self.demand.as_ref().is_some_and(|demand| demand.value == Demanded::Nothing)
    }
}

/// Whether a text is what any of them stands for.
pub(crate) fn any(globs: &[Glob], text: &str) -> bool {
    globs.iter().any(|glob| glob.matches(text))
}

/// Whether whatever comes from there comes from one of these networks. Where no address is known, it does not; nor does an address that is
/// embedded in another one.
pub(crate) fn is_in(networks: &[IpNet], source: &Source) -> bool {
    match source {
        Source::Address(address) => holds(networks, address.told()),
        Source::Name(_) | Source::Local | Source::Caller(_) | Source::Service(_) => false,
    }
}

fn holds(networks: &[IpNet], address: &IpAddr) -> bool {
    networks.iter().any(|network| network.contains(address))
}

/// Terminals of a host, as kernels name virtual consoles and serial lines.
const LINES: [&str; 7] = ["tty", "console", "hvc", "hvsi", "xvc", "sclp_line", "3270/"];

/// Whether a name is one of a virtual console's, or of a serial line's.
fn is_line(tty: &str) -> bool {
    LINES.iter().any(|line| without_folder(tty).starts_with(line))
}

fn without_folder(tty: &str) -> &str {
    tty.strip_prefix("/dev/").unwrap_or(tty)
}

#[cfg(test)]
#[path = "rule_tests.rs"]
mod tests;
