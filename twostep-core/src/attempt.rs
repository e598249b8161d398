//! One attempt to sign in: who, which service, from where.

use crate::name::{ServiceName, UserName};
use crate::place::Address;
use crate::rule::Tty;
use crate::throttle::Standing;
use crate::time::UnixTime;
use ipnet::Ipv6Net;
use std::fmt;
use std::net::IpAddr;

/// One attempt to sign in.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The canonical name of who signs in; none where NSS does not know the name as it stands.
    pub user: Option<UserName>,
    /// Where she signs in to.
    pub service: ServiceName,
    /// Where she comes from.
    pub source: Source,
    /// When.
    pub at: UnixTime,
}

/// What kind of service asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceClass {
    /// One that can ask for a code: ssh, console.
    Interactive,
    /// One whose clients send a single password: IMAP, SMTP, XMPP. It takes app passwords.
    App,
}

/// Where somebody signs in from, as far as the service tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A network address, taken from PAM_RHOST where that is a literal.
    Address(Address),
    /// PAM_RHOST is a name. Whoever runs the reverse zone chooses it.
    Name(String),
    /// A terminal of this host: no PAM_RHOST, and a [`Tty::Proven`].
    Local,
    /// A program of this uid's on this host: one that asks the broker for that user herself, or su or sudo, run by that user. Nothing
    /// such a program says of where it is can be believed.
    Caller(u32),
    /// This service tells no address, and no terminal that is proven: all its users come from one place, and nobody else does.
    Service(ServiceName),
}

impl Source {
    /// What a service tells, or else the service itself.
    #[must_use]
    pub fn told(rhost: Option<&str>, tty: Tty<'_>, service: &ServiceName, nat64: &[Ipv6Net]) -> Self {
        match (rhost.filter(|host| !host.is_empty()), tty) {
            (Some(host), _) => Self::of_host(host, nat64),
            (None, Tty::Proven(_)) => Self::Local,
            (None, _) => Self::Service(service.clone()),
        }
    }

    /// Reads PAM_RHOST, by the prefixes of translators that the administrator has named beside the well-known one.
    #[must_use]
    pub fn of_host(host: &str, nat64: &[Ipv6Net]) -> Self {
        match literal(host) {
            Some(address) => Self::Address(Address::of(address, nat64)),
            None => Self::Name(host.to_ascii_lowercase()),
        }
    }

    /// The name under which failures from here are counted. `local` and `unknown` were names of places that anybody could take on, before
    /// terminals had to be proven; a row of those days is found by no name.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Address(address) => address.key(),
            Self::Name(name) => format!("name:{name:.255}"),
            Self::Local => "terminal".to_owned(),
            Self::Caller(uid) => format!("uid:{uid}"),
            Self::Service(service) => format!("service:{service}"),
        }
    }
}

/// Reads an address as services write it: of this host's own links with the interface behind it, `fe80::1%eth0`.
#[must_use]
pub fn literal(text: &str) -> Option<IpAddr> {
    let (address, scope) =
        text.split_once('%').map_or((text, None), |(address, scope)| (address, Some(scope)));
    let address = address.parse::<IpAddr>().ok()?;
    (scope.is_none() || address.is_ipv6()).then(|| address.to_canonical())
}

impl Source {
    /// Whether what comes from here is one party's. A host name can be taken on by anybody, and a service that tells nothing lets
    /// everybody come from the same place.
    #[must_use]
    pub fn standing(&self) -> Standing {
        match self {
            Self::Address(address) => address.standing(),
            Self::Local | Self::Caller(_) => Standing::Own,
            Self::Name(_) | Self::Service(_) => Standing::Shared,
        }
    }
}

/// As the log has it: an address as it was told, and not the one embedded in it, which no firewall of this host sees.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(_) => f.write_str("name"),
            Self::Local => f.write_str("local"),
            Self::Caller(uid) => write!(f, "uid:{uid}"),
            Self::Service(_) => f.write_str("unknown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(rhost: Option<&str>, tty: Tty<'_>) -> (String, Standing) {
        let source = Source::told(rhost, tty, &ServiceName::parse("web").unwrap(), &[]);
        (source.key(), source.standing())
    }

    #[test]
    fn only_literals_are_addresses() {
        let from = |host| told(Some(host), Tty::Named("ssh")).0;
        assert_eq!(from("203.0.113.9"), "203.0.113.9");
        assert_eq!(from("::ffff:203.0.113.9"), "203.0.113.9");
        assert_eq!(from("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(from("Home.example.org"), "name:home.example.org");
        assert_eq!(from("fe80::1:2:3:4%eth0"), "fe80::1:2:3:4");
        assert_eq!(from("203.0.113.9%eth0"), "name:203.0.113.9%eth0");
        assert_eq!(from("203.0.113.9/8"), "name:203.0.113.9/8");
    }

    #[test]
    fn a_terminal_is_of_this_host_where_it_is_proven_and_all_else_is_counted_by_service() {
        use Standing::{Own, Shared};
        let web = ("service:web".to_owned(), Shared);
        assert_eq!(told(None, Tty::Proven("tty1")), ("terminal".to_owned(), Own));
        assert_eq!(told(Some(""), Tty::Proven("tty1")), ("terminal".to_owned(), Own));
        for said in [Tty::Named("tty1"), Tty::Named("web"), Tty::Named(":0"), Tty::None, Tty::Doubted] {
            assert_eq!(told(None, said), web, "{said:?}");
        }
        // Whoever comes over the network is nowhere else.
        assert_eq!(told(Some("host.example"), Tty::Proven("tty1")).1, Shared);
        assert_eq!(told(Some("203.0.113.9"), Tty::Proven("tty1")).0, "203.0.113.9");
    }
}
