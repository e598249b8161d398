//! One attempt to sign in: who, which service, from where.

use crate::name::{ServiceName, UserName};
use crate::throttle::Standing;
use crate::time::UnixTime;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

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

/// How many bytes of a host name count. With a longer one its row of the store would take pages of its own, so that whether there is
/// room for a verdict could depend on the verdict. Names that begin alike share their failures; they are nobody's in any case.
const NAME_MAX: usize = 150;

/// Where somebody signs in from, as far as the service tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A network address, taken from PAM_RHOST where that is a literal.
    Address(IpAddr),
    /// PAM_RHOST is a name. Whoever runs the reverse zone chooses it.
    Name(String),
    /// A terminal of this host: no PAM_RHOST, but a PAM_TTY.
    Local,
    /// A program of this uid's on this host: one that asks the broker for that user herself, or su or sudo, run by that user. Nothing
    /// such a program says of where it is can be believed.
    Caller(u32),
    /// The service tells nothing.
    Unknown,
}

impl Source {
    /// Reads PAM_RHOST and PAM_TTY.
    #[must_use]
    pub fn from_items(rhost: Option<&str>, tty: Option<&str>) -> Self {
        match rhost.filter(|host| !host.is_empty()) {
            Some(host) => match literal(host) {
                Some(address) => Self::Address(address),
                None => Self::Name(host.to_ascii_lowercase()),
            },
            None if tty.is_some_and(|tty| !tty.is_empty()) => Self::Local,
            None => Self::Unknown,
        }
    }

    /// The name under which failures from here are counted. An IPv6 customer has a whole /64 to guess from: it is one source.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Address(IpAddr::V6(address)) if is_one_partys(&IpAddr::V6(*address)) => {
                let [a, b, c, d, ..] = address.segments();
                format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            Self::Name(name) => {
                let fits = |(at, c): &(usize, char)| at + c.len_utf8() <= NAME_MAX;
                let start: String = name.char_indices().take_while(fits).map(|(_, c)| c).collect();
                format!("name:{start}")
            }
            other => other.to_string(),
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

/// Whether what comes from an address is one party's. From this host itself come all who come through a proxy on it, and link-local
/// addresses can be taken on by anybody on the link.
#[must_use]
pub fn is_one_partys(address: &IpAddr) -> bool {
    let link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    !(address.is_loopback() || address.is_unspecified() || address.is_multicast() || link_local)
}

impl Source {
    /// Whether what comes from here is one party's. A host name can be taken on by anybody, and a service that tells nothing lets
    /// everybody come from the same place.
    #[must_use]
    pub fn standing(&self) -> Standing {
        match self {
            Self::Address(address) if !is_one_partys(address) => Standing::Shared,
            Self::Address(_) | Self::Local | Self::Caller(_) => Standing::Own,
            Self::Name(_) | Self::Unknown => Standing::Shared,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(_) => f.write_str("name"),
            Self::Local => f.write_str("local"),
            Self::Caller(uid) => write!(f, "uid:{uid}"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_literals_are_addresses() {
        let (long, wide) = ("a".repeat(300), "\u{1f511}".repeat(300));
        let from = |host| Source::from_items(Some(host), Some("ssh")).key();
        assert_eq!(from("203.0.113.9"), "203.0.113.9");
        assert_eq!(from("::ffff:203.0.113.9"), "203.0.113.9");
        assert_eq!(from("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(from("Home.example.org"), "name:home.example.org");
        assert_eq!(from("fe80::1:2:3:4%eth0"), "fe80::1:2:3:4");
        assert_eq!(from("203.0.113.9%eth0"), "name:203.0.113.9%eth0");
        assert_eq!(from("203.0.113.9/8"), "name:203.0.113.9/8");
        assert_eq!((from(&long).len(), from(&wide).len()), (5 + NAME_MAX, 5 + 148));
    }

    #[test]
    fn what_anybody_can_come_from_is_nobodys() {
        let standing = |host| Source::from_items(Some(host), None).standing();
        for shared in
            ["127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "169.254.1.1", "fe80::1%eth0", "host.example"]
        {
            assert_eq!(standing(shared), Standing::Shared, "{shared}");
        }
        assert_eq!((standing("203.0.113.9"), standing("2001:db8::1")), (Standing::Own, Standing::Own));
    }

    #[test]
    fn without_a_host_a_terminal_is_local() {
        assert_eq!(Source::from_items(None, Some("/dev/pts/3")), Source::Local);
        assert_eq!(Source::from_items(Some(""), None), Source::Unknown);
    }
}
