//! What the administrator has configured, ready for use. [`crate::config`] makes it from text.

use crate::device::DeviceKind;
use crate::hook::Command;
use crate::memory_hard::{Cost, DEFAULT_COST};
use crate::name::{Naming, ServiceName, UserName};
use crate::rule::Rule;
use crate::schedule::{Schedule, Unenrolled};
use crate::time::UnixTime;
use ipnet::Ipv6Net;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The whole configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Where things lie.
    pub paths: Paths,
    /// `[places] nat64_prefixes`: prefixes behind which translators of this network put IPv4 addresses (RFC 6052 §2.2).
    pub nat64: Vec<Ipv6Net>,
    /// What authenticator apps show beside the user's name; the host's name unless configured.
    pub issuer: Option<String>,
    /// Services that ask for a code.
    pub interactive: Interactive,
    /// Services that take app passwords.
    pub app: App,
    /// What the hashes of app passwords and backup codes cost.
    pub argon2id: Argon2id,
    /// The public roster.
    pub roster: Roster,
    /// What users may do for themselves.
    pub self_service: SelfService,
    /// Who may ask the broker.
    pub broker: Broker,
    /// The rules, in order. They do not hold for [`SELF_SERVICE`].
    pub rules: Vec<Rule>,
    /// When all this was written, as far as that is known: it is no earlier now, whatever the clock says.
    pub written: UnixTime,
}

/// `[paths]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// The SQLite database.
    pub store: PathBuf,
    /// The master key.
    pub key: PathBuf,
    /// The folder of the public roster.
    pub roster: PathBuf,
    /// The folder for what lasts until the next boot.
    pub runtime: PathBuf,
}

/// `[interactive]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interactive {
    /// What happens to users who are not enrolled.
    pub unenrolled: Setting<Schedule>,
    /// What can be trusted not to need a code for a while, after a login with one.
    pub trust: Setting<Vec<DeviceKind>>,
    /// How long.
    pub trust_for: Duration,
    /// What a security key is worth at an `after-key` line.
    pub security_keys: Setting<KeyWorth>,
    /// What any ssh key is worth, at an `after-key` line and in the account phase.
    pub ssh_keys: Setting<KeyWorth>,
    /// Whether a code is asked for whoever signs in, so that strangers do not see who is enrolled, or exists.
    pub ask_everyone: bool,
}

/// What an ssh key that sshd has accepted is worth to an enrolled user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyWorth {
    /// It is the first step: a code is asked for besides.
    Code,
    /// It is both steps.
    Enough,
}

impl KeyWorth {
    /// Every value with its word.
    pub const WORDS: [(&'static str, Self); 2] = [("code", Self::Code), ("enough", Self::Enough)];
}

/// `[app]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// What happens to users who are not enrolled.
    pub unenrolled: Setting<Schedule>,
    /// The PAM services that are app services wherever the module's line does not say so itself.
    pub services: Setting<Vec<ServiceName>>,
    /// Commands after changes.
    pub hooks: Hooks,
    /// The most app passwords a user can have.
    pub most: u32,
    /// Whom names mean there.
    pub naming: Naming,
    /// Whether a changed account password revokes all of a user's.
    pub revoke_on_password_change: bool,
}

/// The most app passwords a user can have, unless configured.
pub const APP_PASSWORDS_MAX: u32 = 50;

/// `[argon2id]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argon2id {
    /// What a new hash costs.
    pub cost: Cost,
    /// How many logins of this host may be at one at a time; by its processors unless configured.
    pub at_once: Option<u32>,
}

/// Commands that the administrator wants run when an app password was made or revoked; never by the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hooks {
    /// After one was made.
    pub on_create: Option<Command>,
    /// After one was revoked.
    pub on_revoke: Option<Command>,
}

/// `[self_service]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelfService {
    /// Whether who is not enrolled can enroll herself with the account password alone.
    pub enroll: Setting<Schedule>,
    /// Whether users can turn their own two-step off, where nothing demands that they are enrolled.
    pub unenroll: bool,
}

/// `[broker]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// Users other than root who may ask for anybody, each for some services only.
    pub callers: Vec<Caller>,
    /// The group whose members are the help desk.
    pub help_desk: Option<String>,
    /// The groups whose members the help desk cannot touch; nor can it touch uid 0.
    pub protected: Setting<Vec<String>>,
}

/// Groups whose members are root, or as good as root, on the hosts that have them.
pub const PROTECTED: [&str; 10] =
    ["root", "sudo", "wheel", "admin", "disk", "shadow", "docker", "lxd", "incus-admin", "libvirt"];

/// A user that services run as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The user: `postgres`.
    pub user: UserName,
    /// The PAM services it may ask for.
    pub services: Vec<ServiceName>,
    /// Where it stands.
    pub origin: Origin,
}

/// `[roster]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roster {
    /// Whether there is to be one.
    pub keep: bool,
    /// Who can read it.
    pub readers: Readers,
    /// Whether the groups list their members and can be enumerated.
    pub members: bool,
    /// The groups' names: the enrolled, the pending, those with an app password, the unenrolled. An empty one does not exist.
    pub groups: [String; 4],
    /// The first group's gid; the others' follow.
    pub first_gid: u32,
}

/// Who can read the roster, besides root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Every process of the host.
    Everyone,
    /// Members of this group.
    Group(String),
}

impl Roster {
    /// The groups' names with their gids.
    #[must_use]
    pub fn named(&self) -> [(&str, u32); 4] {
        let [enrolled, pending, app, unenrolled] = &self.groups;
        let gid = |index| self.first_gid.saturating_add(index);
        [(enrolled, gid(0)), (pending, gid(1)), (app, gid(2)), (unenrolled, gid(3))]
    }
}

/// Above the ranges that distributions, systemd's containers and sssd's default mapping of ids take, and below 2^31.
const FIRST_GID: u32 = 2_100_000_001;
const GROUPS: [&str; 4] = ["twostep-enrolled", "twostep-pending", "twostep-app", "twostep-unenrolled"];

/// The PAM service through which the broker has users prove who they are before it changes something for them.
pub const SELF_SERVICE: &str = "twostep";
/// The variable of the PAM environment by which the broker says, on a handle of [`SELF_SERVICE`], that it asks for the code itself: the
/// module's lines then do nothing, PAM_TTY being that name as well. The name of the service alone does not say so: some servers take that from whoever asks them.
pub const SELF_SERVICE_VARIABLE: &std::ffi::CStr = c"TWOSTEPD";

/// A value and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Where it was set.
    pub origin: Origin,
}

/// Where a setting comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// This line of the configuration, counted from one.
    Line(usize),
    /// No setting is involved: it is always so.
    Always,
}

impl Policy {
    /// Whether a device can be trusted anywhere.
    #[must_use]
    pub fn trusts_devices(&self) -> bool {
        let by_rules = self.rules.iter().filter_map(|rule| rule.trust.as_ref());
        by_rules.chain([&self.interactive.trust]).any(|kinds| !kinds.value.is_empty())
    }

    /// Whether a security key can be enough anywhere, because it is one.
    #[must_use]
    pub fn takes_security_keys(&self) -> bool {
        let by_rules = self.rules.iter().filter_map(|rule| rule.security_keys.as_ref());
        by_rules.chain([&self.interactive.security_keys]).any(|worth| worth.value == KeyWorth::Enough)
    }

    /// Whether any ssh key can be enough anywhere.
    #[must_use]
    pub fn takes_ssh_keys(&self) -> bool {
        let by_rules = self.rules.iter().filter_map(|rule| rule.ssh_keys.as_ref());
        by_rules.chain([&self.interactive.ssh_keys]).any(|worth| worth.value == KeyWorth::Enough)
    }

    /// The policy of an empty configuration.
    #[must_use]
    pub fn defaults() -> Self {
        let allow = Setting::default(Schedule::always(Unenrolled::Allow));
        let services = ["dovecot", "imap", "pop3", "sieve", "smtp", "submission", "xmpp"];
        Self {
            paths: Paths {
                store: "/var/lib/twostep/store.db".into(),
                key: "/etc/twostep/master.key".into(),
                roster: "/var/lib/twostep-public".into(),
                runtime: "/run/twostep".into(),
            },
            nat64: Vec::new(),
            issuer: None,
            interactive: Interactive {
                unenrolled: allow.clone(),
                trust: Setting::default(Vec::new()),
                trust_for: Duration::from_secs(30 * 24 * 60 * 60),
                security_keys: Setting::default(KeyWorth::Code),
                ssh_keys: Setting::default(KeyWorth::Code),
                ask_everyone: false,
            },
            app: App {
                unenrolled: allow.clone(),
                services: Setting::default(
                    services.iter().filter_map(|name| ServiceName::parse(name).ok()).collect(),
                ),
                hooks: Hooks::default(),
                most: APP_PASSWORDS_MAX,
                naming: Naming::default(),
                revoke_on_password_change: false,
            },
            argon2id: Argon2id { cost: DEFAULT_COST, at_once: None },
            roster: Roster {
                keep: true,
                readers: Readers::Everyone,
                members: false,
                groups: GROUPS.map(str::to_owned),
                first_gid: FIRST_GID,
            },
            self_service: SelfService { enroll: allow, unenroll: false },
            broker: Broker {
                callers: Vec::new(),
                help_desk: None,
                protected: Setting::default(PROTECTED.map(str::to_owned).to_vec()),
            },
            rules: Vec::new(),
            written: UnixTime(0),
        }
    }
}

impl<T> Setting<T> {
    fn default(value: T) -> Self {
        Self { value, origin: Origin::Default }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Line(line) => write!(f, "line {line}"),
            Self::Always => f.write_str("always so"),
        }
    }
}
