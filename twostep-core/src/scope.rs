//! Where an app password is good, and until when.

use crate::attempt::Source;
use crate::name::ServiceName;
use crate::rule::{Glob, any, is_in};
use crate::time::{Lease, Now, UnixTime};
use ipnet::IpNet;

/// The most services, and the most networks, that one app password can be limited to.
pub const ENTRIES_MAX: usize = 16;

/// What an app password is limited to. Unless it says otherwise it is good for all app services, from everywhere, for ever.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The PAM services; none for all.
    pub services: Vec<Glob>,
    /// The networks it can be used from; none for everywhere.
    pub networks: Vec<IpNet>,
    /// How long it is good; none for ever.
    pub lease: Option<Lease>,
}

/// Why an app password is not good here and now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    /// Its time is over since then.
    Expired(UnixTime),
    /// It is for other services.
    Service,
    /// It is for other networks.
    Address,
    /// It is for some networks only, and the service tells no address.
    NoAddress,
}

impl Scope {
    /// Why it is not good for this login, if so. `now` is the present; `not_before` is a time that has certainly come, whatever the
    /// wall clock says.
    #[must_use]
    pub fn refuses(
        &self,
        service: &ServiceName,
        source: &Source,
        now: &Now,
        not_before: UnixTime,
    ) -> Option<Outside> {
        if let Some(lease) = &self.lease {
            let until = lease.until();
            if lease.is_over(now) || now.wall.max(not_before) >= until {
                return Some(Outside::Expired(until));
            }
        }
        if !self.services.is_empty() && !any(&self.services, service.as_str()) {
            return Some(Outside::Service);
        }
        if self.networks.is_empty() || is_in(&self.networks, source) {
            return None;
        }
        Some(if matches!(source, Source::Address(_)) { Outside::Address } else { Outside::NoAddress })
    }

    /// What it is limited to, for people; nothing where it is not.
    #[must_use]
    pub fn describe(&self, now: UnixTime) -> Option<String> {
        let listed = |all: Vec<String>| (!all.is_empty()).then(|| all.join(", "));
        let services = listed(self.services.iter().map(|glob| glob.as_str().to_owned()).collect());
        let networks =
            listed(self.networks.iter().map(ToString::to_string).collect()).map(|all| format!("from {all}"));
        let time = self
            .until()
            .map(|until| format!("{} {}", if until <= now { "expired" } else { "until" }, until.last_day()));
        listed([services, networks, time].into_iter().flatten().collect())
    }

    /// Until when it is good, by the wall clock.
    #[must_use]
    pub fn until(&self) -> Option<UnixTime> {
        self.lease.as_ref().map(Lease::until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network;
    use crate::rule::Tty;
    use crate::time::BootId;
    use std::time::Duration;

    fn now(wall: i64) -> Now {
        let since_boot = Duration::from_secs(u64::try_from(wall).unwrap());
        Now { wall: UnixTime(wall), since_boot, boot: Some(BootId([1; 16])) }
    }

    fn refuses(scope: &Scope, service: &str, from: Option<&str>, at: &Now) -> Option<Outside> {
        let source = Source::told(from, Tty::None, &ServiceName::parse(service).unwrap(), &[]);
        scope.refuses(&ServiceName::parse(service).unwrap(), &source, at, UnixTime(0))
    }

    #[test]
    fn without_limits_it_is_good_everywhere() {
        let all = Scope::default();
        for from in [Some("203.0.113.9"), Some("host.example"), None] {
            assert_eq!(refuses(&all, "imap", from, &now(0)), None);
        }
    }

    #[test]
    fn services_are_globs_of_pam_names() {
        let services = ["imap", "smtp*"].map(|text| Glob::service(text).unwrap()).to_vec();
        let mail = Scope { services, ..Scope::default() };
        for (service, outside) in [
            ("imap", None),
            ("IMAP", None),
            ("smtp", None),
            ("smtps", None),
            ("xmpp", Some(Outside::Service)),
        ] {
            assert_eq!(refuses(&mail, service, None, &now(0)), outside, "{service}");
        }
    }

    #[test]
    fn it_is_described_as_people_say_it() {
        let lease = Lease { given: now(0).stamp(), lifetime: Duration::from_secs(86_400) };
        let services = vec![Glob::service("imap").unwrap(), Glob::service("smtp*").unwrap()];
        let all =
            Scope { services, networks: vec![network::parse("192.0.2.0/24").unwrap()], lease: Some(lease) };
        let text = "imap, smtp*, from 192.0.2.0/24, until 1970-01-01";
        assert_eq!(all.describe(UnixTime(5)).as_deref(), Some(text));
        assert!(all.describe(UnixTime(86_400)).unwrap().ends_with(", expired 1970-01-01"));
        assert_eq!(Scope::default().describe(UnixTime(5)), None);
    }

    #[test]
    fn where_no_address_is_told_a_network_is_not_met() {
        let networks = ["192.0.2.0/24", "2001:db8::/32"].map(|text| network::parse(text).unwrap()).to_vec();
        let office = Scope { networks, ..Scope::default() };
        for (from, outside) in [
            (Some("192.0.2.7"), None),
            (Some("::ffff:192.0.2.7"), None),
            (Some("2001:db8::1"), None),
            (Some("198.51.100.1"), Some(Outside::Address)),
            // Whoever holds an address of IPv4 has these by it, but not the other way round.
            (Some("64:ff9b::192.0.2.7"), Some(Outside::Address)),
            (Some("2002:c000:207::1"), Some(Outside::Address)),
            (Some("office.example"), Some(Outside::NoAddress)),
            (Some(""), Some(Outside::NoAddress)),
            (None, Some(Outside::NoAddress)),
        ] {
            assert_eq!(refuses(&office, "imap", from, &now(0)), outside, "{from:?}");
        }
    }

    #[test]
    fn its_time_is_over_by_either_clock() {
        let lease = Lease { given: now(1_000).stamp(), lifetime: Duration::from_secs(60) };
        let short = Scope { lease: Some(lease), ..Scope::default() };
        let over = Some(Outside::Expired(UnixTime(1_060)));
        assert_eq!(refuses(&short, "imap", None, &now(1_059)), None);
        assert_eq!(refuses(&short, "imap", None, &now(1_060)), over);
        // The wall clock was set back: that of the boot goes on.
        let set_back = Now { wall: UnixTime(5), ..now(1_060) };
        assert_eq!(refuses(&short, "imap", None, &set_back), over);
        // And across a boot, a right code of somebody's has confirmed that it is later.
        let rebooted = Now { boot: Some(BootId([2; 16])), ..now(1_001) };
        let service = ServiceName::parse("imap").unwrap();
        let source = Source::Service(service.clone());
        assert_eq!(short.refuses(&service, &source, &rebooted, UnixTime(1_002)), None);
        assert_eq!(short.refuses(&service, &source, &rebooted, UnixTime(1_060)), over);
    }
}
