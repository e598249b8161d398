//! Networks, as people write them.

use ipnet::IpNet;
use std::fmt;
use std::net::IpAddr;

/// A text that is no network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoNetwork {
    /// What is wrong with it.
    pub message: String,
    /// What to write.
    pub hint: String,
}

/// Reads a network. An address is a network of its own. Names are none: whoever runs the reverse zone chooses them.
///
/// # Errors
/// [`NoNetwork`]: also for bits beyond the prefix, and for IPv4 written as IPv6, which no address is ever compared as.
pub fn parse(text: &str) -> Result<IpNet, NoNetwork> {
    let no = |message: &str, hint: &str| NoNetwork {
        message: format!("{text:?} {message}"),
        hint: hint.to_owned(),
    };
    match text.parse::<IpAddr>().map(IpNet::from).or_else(|_| text.parse::<IpNet>()) {
        Ok(network) if is_mapped(&network) => {
            Err(no("is an IPv4 network in the clothes of IPv6", "write it as IPv4"))
        }
        Ok(network) if network.trunc() != network => {
            Err(no("has bits beyond its prefix", &format!("\"{}\"", network.trunc())))
        }
        Ok(network) => Ok(network),
        Err(_) => Err(no(
            "is no network",
            "an address or a network: \"192.0.2.7\", \"10.0.0.0/8\", \"2001:db8::/32\"; no names",
        )),
    }
}

/// Addresses are compared in their plain form.
fn is_mapped(network: &IpNet) -> bool {
    matches!(network, IpNet::V6(v6) if v6.prefix_len() >= 96 && v6.addr().to_ipv4_mapped().is_some())
}

impl fmt::Display for NoNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
