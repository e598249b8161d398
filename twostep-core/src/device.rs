//! What can be trusted not to need a code for a while: the ssh key that was used, or the address somebody comes from.

use crate::attempt::Source;
use crate::ssh_key::Seen;
use crate::throttle::Standing;
use base64ct::{Base64, Base64Unpadded, Encoding};
use sha2::{Digest, Sha256};
use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;

/// How many days a device can be trusted for.
pub const TRUST_DAYS: RangeInclusive<u64> = 1..=365;
/// The longest public key that is looked at, in bytes of base64. RSA with 16,384 bits has 2,800.
const KEY_MAX: usize = 16 * 1024;
/// Stands between a key and the authority that has signed its certificate.
const CERTIFIED_BY: &str = "certified by";

/// What kind of device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// An ssh key.
    Key,
    /// An address.
    Address,
}

/// A device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Device {
    /// The fingerprint of an ssh key, as `ssh-keygen -l` shows it; with that of the authority where a certificate came with it.
    Key(Fingerprint),
    /// An address literal: all of an IPv6 address, not its network.
    Address(IpAddr),
}

/// `SHA256:` and the hash of a public key in base64, without padding. Of a key that came with a certificate, that of the key in it, and of
/// the authority that has signed: a new certificate for the same key by the same authority is the same device. The key by itself, or by
/// the word of another authority, is not: that would be trust that this authority's end or refusal does not end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint(String);

/// The ssh key that a service has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenKey {
    /// Which.
    pub fingerprint: Fingerprint,
    /// Whether it is in a FIDO authenticator, by the kind of key in the blob. Anyone who can choose the key can have made one of that kind in
    /// software.
    pub is_security_key: bool,
}

impl DeviceKind {
    /// Every kind with its word.
    pub const WORDS: [(&'static str, Self); 2] = [("key", Self::Key), ("address", Self::Address)];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Address => "address",
        }
    }
}

impl Device {
    /// The device that a login comes from, of the kinds that can be trusted: the key where there is one, which is bound to more than an
    /// address is.
    #[must_use]
    pub fn of(kinds: &[DeviceKind], key: Option<&Fingerprint>, source: &Source) -> Option<Self> {
        match (key, source) {
            (Some(key), _) if kinds.contains(&DeviceKind::Key) => Some(Self::Key(key.clone())),
            (_, Source::Address(address))
                if kinds.contains(&DeviceKind::Address) && address.standing() == Standing::Own =>
            {
                Some(Self::Address(*address.told()))
            }
            _ => None,
        }
    }

    /// What kind it is.
    #[must_use]
    pub fn kind(&self) -> DeviceKind {
        match self {
            Self::Key(_) => DeviceKind::Key,
            Self::Address(_) => DeviceKind::Address,
        }
    }
}

impl SeenKey {
    /// Reads what sshd says of a login that has used a key, and no other method before it: `publickey ssh-ed25519 AAAA…`. None where
    /// that is not what stands there.
    #[must_use]
    pub fn of_auth_info(info: &[u8]) -> Option<Self> {
        let line = std::str::from_utf8(info).ok()?.lines().next()?;
        let mut words = line.split(' ');
        let (method, kind, key) = (words.next()?, words.next()?, words.next()?);
        if method != "publickey" || words.next().is_some() || key.len() > KEY_MAX {
            return None;
        }
        let blob = Base64::decode_vec(key).ok()?;
        let of = |blob: &[u8]| format!("SHA256:{}", Base64Unpadded::encode_string(&Sha256::digest(blob)));
        let seen = Seen::read(kind, &blob)?;
        let fingerprint = Fingerprint(match &seen {
            Seen::Key(blob) => of(blob),
            Seen::Certificate { key, authority, .. } => {
                format!("{} {CERTIFIED_BY} {}", of(&key.blob()), of(authority))
            }
        });
        Some(Self { fingerprint, is_security_key: seen.is_security_key() })
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => key.fmt(f),
            Self::Address(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const KEY: &str =
        "publickey ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n";

    #[test]
    fn a_fingerprint_is_that_of_ssh_keygen() {
        // ssh-keygen -lf of the same key.
        let key = SeenKey::of_auth_info(KEY.as_bytes()).unwrap().fingerprint;
        assert_eq!(key.to_string(), "SHA256:ZkAslGjFiUHdGf/WUL8rQvkib4PTvQatUV0OUQSncCA");
    }

    #[test]
    fn what_is_no_login_by_key_has_none() {
        for info in [
            "",
            "publickey",
            "publickey ssh-ed25519",
            "publickey ssh-ed25519 ",
            "publickey ssh-ed25519 !!!!",
            "publickey ssh-ed25519 AAAA",
            "publickey ssh-ed25519 AAAAC3NzaC1lZDI1NTE5",
            "publickey ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f",
            "publickey ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f more",
            "password",
            "hostbased ssh-ed25519 AAAA",
            "keyboard-interactive/pam\npublickey ssh-ed25519 AAAA",
        ] {
            assert_eq!(SeenKey::of_auth_info(info.as_bytes()), None, "{info:?}");
        }
        assert_eq!(SeenKey::of_auth_info(b"publickey ssh-rsa \xff"), None);
    }

    #[test]
    fn the_key_comes_before_the_address_and_only_what_is_allowed_counts() {
        use DeviceKind::{Address, Key};
        let key = SeenKey::of_auth_info(KEY.as_bytes()).unwrap().fingerprint;
        let home = Source::of_host("203.0.113.9", &[]);
        let of = |kinds: &[_], key, source: &_| Device::of(kinds, key, source).map(|device| device.kind());
        assert_eq!(of(&[Key, Address], Some(&key), &home), Some(Key));
        assert_eq!(of(&[Key, Address], None, &home), Some(Address));
        assert_eq!(of(&[Address], Some(&key), &home), Some(Address));
        assert_eq!(of(&[Key], None, &home), None);
        assert_eq!(of(&[], Some(&key), &home), None);
        for shared in
            ["127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "169.254.1.1", "fe80::1%eth0", "fec0::1"]
        {
            assert_eq!(of(&[Address], None, &Source::of_host(shared, &[])), None, "{shared}");
        }
        let web = Source::Service(crate::name::ServiceName::parse("web").unwrap());
        for elsewhere in [Source::Local, web, Source::Caller(1000), Source::Name("home.example".into())] {
            assert_eq!(of(&[Key, Address], None, &elsewhere), None);
        }
    }
}
