//! Public keys and certificates of OpenSSH, as far as it takes to tell which key somebody has (RFC 4253 §6.6, RFC 5656 §3.1; OpenSSH's
//! PROTOCOL.certkeys and PROTOCOL.u2f). Total: what is malformed, or of a kind that is not known, is no key.

/// What sshd has seen. Whether a certificate is good, sshd has judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen<'a> {
    /// A plain key: all of its blob.
    Key(&'a [u8]),
    /// A certificate: the key in it, and the one that has signed it.
    Certificate { key: PlainKey<'a>, authority: &'a [u8], untouched: bool },
}

/// The key in a certificate. Its blob is its kind and then its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlainKey<'a> {
    kind: &'static str,
    fields: &'a [u8],
}

/// A kind of certificate, the kind of key in it, and how many fields a key of that kind has: each of them a length and so many bytes.
const CERTIFICATES: [(&str, &str, usize); 8] = [
    ("ssh-ed25519-cert-v01@openssh.com", "ssh-ed25519", 1),
    ("ssh-rsa-cert-v01@openssh.com", "ssh-rsa", 2),
    ("ecdsa-sha2-nistp256-cert-v01@openssh.com", "ecdsa-sha2-nistp256", 2),
    ("ecdsa-sha2-nistp384-cert-v01@openssh.com", "ecdsa-sha2-nistp384", 2),
    ("ecdsa-sha2-nistp521-cert-v01@openssh.com", "ecdsa-sha2-nistp521", 2),
    ("sk-ssh-ed25519-cert-v01@openssh.com", "sk-ssh-ed25519@openssh.com", 2),
    ("sk-ecdsa-sha2-nistp256-cert-v01@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com", 3),
    ("ssh-dss-cert-v01@openssh.com", "ssh-dss", 4),
];
/// Keys of FIDO authenticators, which leave the device for nobody, and how many fields such a key has (PROTOCOL.u2f).
const SECURITY_KEYS: [(&str, usize); 2] =
    [("sk-ssh-ed25519@openssh.com", 2), ("sk-ecdsa-sha2-nistp256@openssh.com", 3)];
/// An extension of a certificate: its key signs for anyone who reaches the device, touched or not.
const UNTOUCHED: &[u8] = b"no-touch-required";
/// What all of their names have, those of kinds to come among them.
const CERTIFICATE_MARK: &str = "-cert-v";
/// The certificate is a user's, not a host's.
const USER: u32 = 1;

impl<'a> Seen<'a> {
    /// Reads a blob whose kind has been told.
    pub(crate) fn read(kind: &str, blob: &'a [u8]) -> Option<Self> {
        let (name, fields) = string(blob)?;
        if name != kind.as_bytes() || fields.is_empty() {
            return None;
        }
        if !kind.contains(CERTIFICATE_MARK) {
            return Some(Self::Key(blob));
        }
        let (_, kind, count) = CERTIFICATES.into_iter().find(|(certificate, ..)| *certificate == kind)?;
        let (_nonce, from_key) = string(fields)?;
        let from_serial = (0..count).try_fold(from_key, |rest, _| Some(string(rest)?.1))?;
        let fields = from_key.get(..from_key.len().checked_sub(from_serial.len())?)?;
        let (authority, untouched) = authority(from_serial)?;
        Some(Self::Certificate { key: PlainKey { kind, fields }, authority, untouched })
    }

    /// Whether its signature takes a FIDO authenticator that somebody touches, as far as key and certificate tell. Whether it also takes
    /// their PIN is sshd's to ask (`PubkeyAuthOptions verify-required`).
    pub(crate) fn is_security_key(&self) -> bool {
        let fields = |kind: &[u8]| SECURITY_KEYS.iter().find(|(name, _)| name.as_bytes() == kind);
        match *self {
            Self::Key(blob) => string(blob)
                .and_then(|(kind, rest)| {
                    let (_, count) = fields(kind)?;
                    (0..*count).try_fold(rest, |rest, _| Some(string(rest)?.1))
                })
                .is_some_and(|rest| rest.is_empty()),
            Self::Certificate { key, untouched, .. } => !untouched && fields(key.kind.as_bytes()).is_some(),
        }
    }
}

/// The key that has signed, and whether a touch is not needed, from the serial number on.
fn authority(rest: &[u8]) -> Option<(&[u8], bool)> {
    let (_serial, rest) = rest.split_at_checked(8)?;
    let (of, rest) = number(rest)?;
    let (_id, rest) = string(rest)?;
    let (_principals, rest) = string(rest)?;
    let (_validity, rest) = rest.split_at_checked(16)?;
    let (_critical_options, rest) = string(rest)?;
    let (extensions, rest) = string(rest)?;
    let (_reserved, rest) = string(rest)?;
    let (authority, rest) = string(rest)?;
    let (signature, rest) = string(rest)?;
    let (kind, key) = string(authority)?;
    // A certificate does not sign certificates.
    let is_plain = !key.is_empty() && !std::str::from_utf8(kind).ok()?.contains(CERTIFICATE_MARK);
    let untouched = has_extension(extensions, UNTOUCHED)?;
    (of == USER && is_plain && !signature.is_empty() && rest.is_empty()).then_some((authority, untouched))
}

/// Whether one of these is among a certificate's extensions: names, each with its data. None where they are malformed.
fn has_extension(mut extensions: &[u8], wanted: &[u8]) -> Option<bool> {
    let mut found = false;
    while !extensions.is_empty() {
        let (name, rest) = string(extensions)?;
        (_, extensions) = string(rest)?;
        found |= name == wanted;
    }
    Some(found)
}

impl PlainKey<'_> {
    /// Its blob, as it is without a certificate.
    pub(crate) fn blob(&self) -> Vec<u8> {
        // The names are short and ours: their length is a number of 32 bits.
        let length = u32::try_from(self.kind.len()).unwrap_or(u32::MAX).to_be_bytes();
        [&length[..], self.kind.as_bytes(), self.fields].concat()
    }
}

fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u32::from_be_bytes(*number), rest))
}

/// A length and so many bytes; and what follows.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = number(bytes)?;
    rest.split_at_checked(usize::try_from(length).ok()?)
}

#[cfg(test)]
#[path = "ssh_key_tests.rs"]
mod tests;
