//! Certificates as ssh-keygen makes them, and what is none.

use super::*;
use crate::device::SeenKey;
use base64ct::{Base64, Encoding};

const AUTHORITY: &str = "SHA256:5H/cqKPed3BSPyV2/p1XmmQkmapSTk15VXwJc+WEl40";

/// The fingerprint that ssh-keygen shows, the kind, the certificate.
fn made() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let lines = include_str!("ssh_key_tests.txt").lines().filter(|line| !line.starts_with('#'));
    let read = |line: &'static str| {
        let mut words = line.split(' ');
        let mut next = || words.next().unwrap();
        (next(), next(), Base64::decode_vec(next()).unwrap())
    };
    lines.map(read).collect()
}

fn fingerprint(kind: &str, blob: &[u8]) -> Option<String> {
    let info = format!("publickey {kind} {}\n", Base64::encode_string(blob));
    SeenKey::of_auth_info(info.as_bytes()).map(|one| one.fingerprint.to_string())
}

#[test]
fn a_certificate_has_the_fingerprint_of_ssh_keygen_and_that_of_its_authority() {
    let made = made();
    assert_eq!(made.len(), CERTIFICATES.len());
    for (shown, kind, blob) in made {
        assert_eq!(fingerprint(kind, &blob), Some(format!("{shown} certified by {AUTHORITY}")), "{kind}");
        let Some(Seen::Certificate { key, .. }) = Seen::read(kind, &blob) else { panic!("{kind}") };
        // Without its certificate it is another device.
        assert_eq!(fingerprint(key.kind, &key.blob()).as_deref(), Some(shown), "{kind}");
    }
}

#[test]
fn a_security_key_is_told_by_its_blob() {
    let is_one = |kind: &str, blob: &[u8]| {
        let info = format!("publickey {kind} {}\n", Base64::encode_string(blob));
        SeenKey::of_auth_info(info.as_bytes()).map(|key| key.is_security_key)
    };
    for (_, kind, blob) in made() {
        assert_eq!(is_one(kind, &blob), Some(kind.starts_with("sk-")), "{kind}");
        let Some(Seen::Certificate { key, .. }) = Seen::read(kind, &blob) else { panic!("{kind}") };
        assert_eq!(is_one(key.kind, &key.blob()), Some(kind.starts_with("sk-")), "{kind}");
        // Neither more nor less than such a key has.
        assert_eq!(is_one(key.kind, &[key.blob(), text(b"")].concat()), Some(false), "{kind}");
        // The word beside it is not asked.
        assert_eq!(
            is_one("sk-ssh-ed25519@openssh.com", &key.blob()).is_some(),
            key.kind.starts_with("sk-ssh")
        );
    }
}

#[test]
fn a_certificate_that_wants_no_touch_is_of_no_security_key() {
    let kind = "sk-ssh-ed25519-cert-v01@openssh.com";
    let certificate = |extensions: Vec<u8>| {
        let authority = [text(b"ssh-ed25519"), text(&[7; 32])].concat();
        let parts = [
            text(kind.as_bytes()),
            text(&[1; 32]),
            text(&[2; 32]),
            text(b"ssh:"),
            1u64.to_be_bytes().to_vec(),
            USER.to_be_bytes().to_vec(),
            text(b"alice"),
            text(b""),
            [0; 16].to_vec(),
            text(b""),
            text(&extensions),
            text(b""),
            text(&authority),
            text(b"signed"),
        ];
        parts.concat()
    };
    let is_one = |extensions| {
        let blob = certificate(extensions);
        Seen::read(kind, &blob).map(|seen| seen.is_security_key())
    };
    let extension = |name: &[u8]| [text(name), text(b"")].concat();
    assert_eq!(is_one(extension(b"permit-pty")), Some(true));
    assert_eq!(is_one([extension(UNTOUCHED), extension(b"permit-pty")].concat()), Some(false));
    assert_eq!(is_one([extension(b"permit-pty"), extension(UNTOUCHED)].concat()), Some(false));
    assert_eq!(is_one(text(UNTOUCHED)), None);
}

fn text(text: &[u8]) -> Vec<u8> {
    [&u32::try_from(text.len()).unwrap().to_be_bytes()[..], text].concat()
}

/// A certificate of the ed25519 kind, with one thing about it changed.
struct Parts {
    nonce: &'static [u8],
    serial: u64,
    of: u32,
    validity: u64,
    authority: Vec<u8>,
    signature: &'static [u8],
    more: &'static [u8],
}

fn parts() -> Parts {
    let authority = [text(b"ssh-ed25519"), text(&[7; 32])].concat();
    Parts { nonce: &[1; 32], serial: 1, of: 1, validity: 1, authority, signature: b"signed", more: b"" }
}

fn read(parts: &Parts) -> Option<String> {
    let kind = "ssh-ed25519-cert-v01@openssh.com";
    let blob = [
        text(kind.as_bytes()),
        text(parts.nonce),
        text(&[9; 32]),
        parts.serial.to_be_bytes().to_vec(),
        parts.of.to_be_bytes().to_vec(),
        text(b"an id"),
        text(&text(b"alice")),
        parts.validity.to_be_bytes().to_vec(),
        u64::MAX.to_be_bytes().to_vec(),
        text(b""),
        text(b""),
        text(b""),
        text(&parts.authority),
        text(parts.signature),
        parts.more.to_vec(),
    ];
    fingerprint(kind, &blob.concat())
}

#[test]
fn a_renewed_certificate_is_the_same_device_and_one_of_another_authority_is_not() {
    let first = read(&parts()).unwrap();
    let renewed = Parts { nonce: &[2; 32], serial: 2, validity: 2, signature: b"again", ..parts() };
    assert_eq!(read(&renewed), Some(first.clone()));
    let authority = [text(b"ssh-ed25519"), text(&[8; 32])].concat();
    let other = read(&Parts { authority, ..parts() }).unwrap();
    assert_ne!(other, first);
    assert_eq!(other.split(' ').next(), first.split(' ').next(), "the same key");
}

#[test]
fn what_is_no_users_certificate_is_no_device() {
    let signed_by_one = [text(b"ssh-ed25519-cert-v01@openssh.com"), text(&[7; 32])].concat();
    for (what, parts) in [
        ("a host's", Parts { of: 2, ..parts() }),
        ("of a kind that is not known", Parts { of: 0, ..parts() }),
        ("signed by a certificate", Parts { authority: signed_by_one, ..parts() }),
        ("signed by nobody", Parts { authority: Vec::new(), ..parts() }),
        ("signed by a kind without a key", Parts { authority: text(b"ssh-ed25519"), ..parts() }),
        ("signed by no text", Parts { authority: [text(b"\xff"), text(b"x")].concat(), ..parts() }),
        ("not signed", Parts { signature: b"", ..parts() }),
        ("with something behind it", Parts { more: b"x", ..parts() }),
    ] {
        assert_eq!(read(&parts), None, "{what}");
    }
}

#[test]
fn malformed_certificates_are_no_devices_and_nothing_worse() {
    for (shown, kind, blob) in made() {
        for length in 0..blob.len() {
            assert_eq!(fingerprint(kind, &blob[..length]), None, "{kind}, cut off at {length}");
        }
        // Whatever a byte is changed to, it is read or it is not; the key or the authority differ then, or what does not count does.
        for at in 0..blob.len() {
            let mut changed = blob.clone();
            for with in [0xff, 0x01, 0x80] {
                changed[at] = blob[at] ^ with;
                if let Some(found) = fingerprint(kind, &changed) {
                    assert!(found.contains(" certified by "), "{kind}: {found}");
                }
            }
        }
        // Told to be something else than it is.
        for other in [shown, "ssh-ed25519", "ssh-ed25519-cert-v02@openssh.com", ""] {
            assert_eq!(fingerprint(other, &blob), None, "{kind} told as {other}");
        }
    }
    for kind in ["ssh-mldsa-44-cert-v01@openssh.com", "ssh-ed25519-cert-v02@openssh.com"] {
        let blob = [text(kind.as_bytes()), text(&[1; 32]), text(&[9; 32])].concat();
        assert_eq!(fingerprint(kind, &blob), None, "a kind to come: {kind}");
    }
    let endless = [&u32::MAX.to_be_bytes()[..], b"ssh-ed25519"].concat();
    assert_eq!(fingerprint("ssh-ed25519", &endless), None);
}
