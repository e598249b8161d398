//! Whose an address is: translators and relays put the IPv4 address of a client into an IPv6 address, many clients into one /64.
//!
//! An embedded address is as good as the way back to it: replies to it reach whoever holds the IPv4 address, so nobody else can finish a
//! handshake. It counts failures and tells people apart. It loosens nothing that an administrator has written down for the IPv4 address.

use crate::throttle::Standing;
use ipnet::Ipv6Net;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The lengths that the prefix of a translator can have (RFC 6052 §2.2).
pub const NAT64_LENGTHS: [u8; 6] = [32, 40, 48, 56, 64, 96];

/// An address as a service tells it, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    told: IpAddr,
    embedded: Option<Ipv4Addr>,
    standing: Standing,
}

impl Address {
    /// Looks at an address. `nat64` are the prefixes of translators that the administrator has named, beside the well-known one.
    #[must_use]
    pub fn of(told: IpAddr, nat64: &[Ipv6Net]) -> Self {
        let told = told.to_canonical();
        let (embedded, standing) = match told {
            IpAddr::V4(v4) => (None, standing(is_one_partys_v4(v4))),
            IpAddr::V6(v6) => read(v6, nat64),
        };
        Self { told, embedded, standing }
    }

    /// The address that the service told: what a firewall would block.
    #[must_use]
    pub fn told(&self) -> &IpAddr {
        &self.told
    }

    /// The IPv4 address in it.
    #[must_use]
    pub fn embedded(&self) -> Option<IpAddr> {
        self.embedded.map(IpAddr::V4)
    }

    /// Whether what comes from there is one party's.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// The name under which failures from here are counted. An IPv6 customer has a whole /64 to guess from: it is one place.
    #[must_use]
    pub fn key(&self) -> String {
        match (self.told, self.embedded) {
            (_, Some(embedded)) if self.standing == Standing::Own => embedded.to_string(),
            (IpAddr::V6(v6), _) if is_customers(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            (told, _) => told.to_string(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.told.fmt(f)
    }
}

fn standing(is_one_partys: bool) -> Standing {
    if is_one_partys { Standing::Own } else { Standing::Shared }
}

/// Whether one party can come from an IPv4 address. From this host itself come all who come through a proxy on it; link-local addresses can
/// be taken on by anybody on the link; every host behind DS-Lite or 464XLAT has those of 192.0.0.0/24; the rest is nobody's at all. A private
/// address is one party's in the network that this host is in.
fn is_one_partys_v4(v4: Ipv4Addr) -> bool {
    let nobodys = matches!(v4.octets(), [0 | 127 | 224.., ..] | [192, 0, 0, _] | [192, 88, 99, _]);
    !nobodys && !v4.is_link_local()
}

/// Whether it is an address of the internet. 100.64.0.0/10 is a carrier's own (RFC 6598).
fn is_global_v4(v4: Ipv4Addr) -> bool {
    let carriers = matches!(v4.octets(), [100, 64..=127, ..]);
    is_one_partys_v4(v4) && !v4.is_private() && !carriers
}

/// Whether networks of /64 are given to customers there: global unicast and unique local addresses. All else of IPv6 is nobody's:
/// loopback, link-local, site-local, multicast, discard-only and what has no meaning yet.
fn is_customers(v6: Ipv6Addr) -> bool {
    let [first, ..] = v6.segments();
    first & 0xe000 == 0x2000 || first & 0xfe00 == 0xfc00
}

/// The IPv4 address in an IPv6 address, and whose the whole is.
fn read(v6: Ipv6Addr, nat64: &[Ipv6Net]) -> (Option<Ipv4Addr>, Standing) {
    let own = nat64.iter().filter(|prefix| prefix.contains(&v6)).map(Ipv6Net::prefix_len).max();
    if let Some(length) = own {
        // The administrator's own network: private addresses are in it.
        let embedded = translated(v6, length);
        return (embedded, standing(embedded.is_some_and(is_one_partys_v4)));
    }
    let last = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    let global = |embedded| (Some(embedded), standing(is_global_v4(embedded)));
    let nobodys = |embedded| (embedded, Standing::Shared);
    match v6.segments() {
        // The well-known prefix (RFC 6052 §2.1), which must not embed other addresses than global ones (§3.1).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => global(last(high, low)),
        // For translators within a network, with any of the layouts (RFC 8215): where in it an address lies is the operator's to say.
        [0x64, 0xff9b, 1, ..] => nobodys(None),
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => global(last(high, low)),
        // Teredo (RFC 4380 §4): the client's address, inverted.
        [0x2001, 0, _, _, _, _, high, low] => global(last(!high, !low)),
        // IPv4-compatible (RFC 4291 §2.5.5.1) and IPv4-translated (RFC 2765): nobody is reached by these over the internet.
        [0, 0, 0, 0, 0, 0, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => nobodys(Some(last(high, low))),
        // ISATAP (RFC 5214 §6.1) puts all hosts of a site into one /64. But in any other /64 a host chooses such an interface id itself.
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => nobodys(Some(last(high, low))),
        // Set aside for protocols (RFC 6890): ORCHID and others. No customer has these.
        [0x2001, 0..=0x1ff, ..] => nobodys(None),
        _ => (None, standing(is_customers(v6))),
    }
}

/// The IPv4 address that a translator has put behind a prefix of this length (RFC 6052 §2.2): around the ninth octet, which is zero, as is
/// all that follows. None where a translator would not have made it so.
fn translated(v6: Ipv6Addr, length: u8) -> Option<Ipv4Addr> {
    const RESERVED: usize = 8;
    let octets = v6.octets();
    let behind = octets.iter().enumerate().skip(usize::from(length / 8));
    let rest: Vec<u8> = behind.filter(|(at, _)| *at != RESERVED).map(|(_, octet)| *octet).collect();
    let [a, b, c, d, suffix @ ..] = rest.as_slice() else { return None };
    let reserved = octets.get(RESERVED).filter(|_| length < 96);
    let is_zero = suffix.iter().chain(reserved).all(|octet| *octet == 0);
    is_zero.then(|| Ipv4Addr::new(*a, *b, *c, *d))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Standing::{Own, Shared};

    fn key(text: &str) -> (String, Standing) {
        let address = Address::of(text.parse().unwrap(), &[]);
        (address.key(), address.standing())
    }

    #[test]
    fn an_address_that_embeds_another_is_the_embedded_one() {
        for same in [
            "203.0.113.9",
            "::ffff:203.0.113.9",
            "64:ff9b::203.0.113.9",
            "2002:cb00:7109::1",
            "2002:cb00:7109:ffff:1:2:3:4",
            "2001:0:4136:e378:8000:63bf:34ff:8ef6",
            "2001:0:0102:304:0:1:34ff:8ef6",
        ] {
            assert_eq!(key(same), ("203.0.113.9".to_owned(), Own), "{same}");
        }
    }

    #[test]
    fn the_embedded_address_is_judged_too() {
        for embedding in ["64:ff9b::", "2002:", "2001:0:1:2:3:4:"] {
            for v4 in
                ["127.0.0.1", "0.0.0.0", "10.0.0.1", "192.168.1.1", "100.64.0.1", "169.254.1.1", "224.0.0.1"]
            {
                let v4: Ipv4Addr = v4.parse().unwrap();
                let bits = if embedding.starts_with("2001") { !u32::from(v4) } else { u32::from(v4) };
                let text = format!("{embedding}{:x}:{:x}", bits >> 16, bits & 0xffff);
                let text = if embedding == "2002:" { format!("{text}::1") } else { text };
                assert_eq!(key(&text).1, Shared, "{text}");
            }
        }
    }

    #[test]
    fn what_anybody_can_come_from_is_nobodys() {
        for shared in [
            "127.0.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.1.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "192.0.0.1",
            "192.88.99.1",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::203.0.113.9",
            "::ffff:0:203.0.113.9",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "100::1",
            "4000::1",
            "64:ff9b:1::203.0.113.9",
            "2001:10::1",
            "2001:20::1",
            "fe80::5efe:203.0.113.9",
        ] {
            let (key, standing) = key(shared);
            assert_eq!(standing, Shared, "{shared}");
            assert!(!key.starts_with("203.") && !key.starts_with("10."), "{shared} {key}");
        }
        for own in
            ["203.0.113.9", "10.0.0.1", "192.168.1.1", "100.64.0.1", "2001:db8::1", "2400::1", "fd00::1"]
        {
            assert_eq!(key(own).1, Own, "{own}");
        }
    }

    /// A host chooses the last 64 bits of its address: nobody becomes another by them, and nobody gets more places.
    #[test]
    fn an_interface_id_makes_nobody_another() {
        assert_eq!(key("2001:db8:1:2:3:4:5:6"), ("2001:db8:1:2::/64".to_owned(), Own));
        for isatap in ["2001:db8:1:2:0:5efe:203.0.113.9", "2001:db8:1:2:200:5efe:198.51.100.1"] {
            assert_eq!(key(isatap), ("2001:db8:1:2::/64".to_owned(), Shared), "{isatap}");
        }
    }

    /// RFC 6052 §2.4 has this table.
    #[test]
    fn every_layout_of_a_translators_prefix_is_known() {
        for (prefix, address) in [
            ("2001:db8::/32", "2001:db8:c000:221::"),
            ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
            ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
            ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
            ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"),
            ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"),
            ("64:ff9b:1::/48", "64:ff9b:1:c000:2:2100::"),
            ("64:ff9b:1:fffe::/96", "64:ff9b:1:fffe::192.0.2.33"),
        ] {
            let nat64: Vec<Ipv6Net> = vec!["2000::/32".parse().unwrap(), prefix.parse().unwrap()];
            let address = Address::of(address.parse().unwrap(), &nat64);
            assert_eq!((address.key().as_str(), address.standing()), ("192.0.2.33", Own), "{prefix}");
        }
        let nat64 =
            |prefix: &str, address: &str| Address::of(address.parse().unwrap(), &[prefix.parse().unwrap()]);
        // No translator makes these: neither the reserved octet nor what follows the address is anything but zero.
        for address in ["2001:db8:1:c000:102:2100::", "2001:db8:1:c000:2:2100::1", "2001:db8:1:7f00:0:100::"]
        {
            let address = nat64("2001:db8:1::/48", address);
            assert_eq!((address.key().ends_with("/64"), address.standing()), (true, Shared), "{address}");
        }
        let lan = nat64("fd00:64::/96", "fd00:64::10.0.0.7");
        assert_eq!((lan.key().as_str(), lan.standing()), ("10.0.0.7", Own));
    }
}
