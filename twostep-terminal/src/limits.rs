//! What a new app password is to be limited to, as both commands take it.

use clap::Args;
use ipnet::IpNet;
use twostep_core::config::{Moment, TIMES};
use twostep_core::network;
use twostep_core::rule::Glob;
use twostep_core::time::{UnixTime, duration};

/// Limits of an app password.
#[derive(Clone, Debug, Default, Args)]
pub struct Limits {
    /// Only for these PAM services: imap,smtp; * and ? stand for others. Unless given: all that take app passwords
    #[arg(long = "service", value_name = "SERVICES", value_delimiter = ',', value_parser = service)]
    pub services: Vec<Glob>,
    /// Only from these addresses and networks: 192.0.2.0/24,2001:db8::/32. A service that tells no address refuses it then
    #[arg(long = "from", value_name = "NETWORKS", value_delimiter = ',', value_parser = network)]
    pub networks: Vec<IpNet>,
    /// Good for so long, 90d, or until the end of a day, 2027-06-30 (by UTC), or until a time, 2027-06-30T18:00:00+02:00
    #[arg(long, value_name = "TIME", value_parser = expiry)]
    pub expires: Option<Expiry>,
}

/// When an app password ends to be good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// At that time.
    At(UnixTime),
    /// So long after it was made.
    After(std::time::Duration),
}

impl Limits {
    /// When it ends to be good.
    #[must_use]
    pub fn expires(&self, now: UnixTime) -> Option<UnixTime> {
        self.expires.map(|expiry| match expiry {
            Expiry::At(at) => at,
            Expiry::After(time) => now.plus(time),
        })
    }
}

fn service(text: &str) -> Result<Glob, String> {
    Glob::service(text).map_err(|error| format!("{error}; a PAM service is named like a file in /etc/pam.d"))
}

fn network(text: &str) -> Result<IpNet, String> {
    network::parse(text).map_err(|no| format!("{}; {}", no.message, no.hint))
}

fn expiry(text: &str) -> Result<Expiry, String> {
    let at = Moment::parse(text).map(|moment| Expiry::At(moment.is_over()));
    at.or_else(|| duration(text).map(Expiry::After))
        .ok_or_else(|| format!("write a duration, 90d, or {TIMES}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_is_a_time_or_a_duration() {
        let at = |text| {
            expiry(text).map(|expires| {
                Limits { expires: Some(expires), ..Limits::default() }.expires(UnixTime(1_000)).unwrap().0
            })
        };
        assert_eq!(at("90d"), Ok(1_000 + 90 * 86_400));
        assert_eq!(at("1970-01-01"), Ok(86_400));
        assert_eq!(at("1970-01-02T01:00:00+01:00"), Ok(86_400));
        for bad in ["", "soon", "1970-01-01T00:00:00", "1970-13-01", "90"] {
            assert!(at(bad).is_err(), "{bad:?}");
        }
    }
}
