//! Numbers and checksums in a fixed layout, little-endian.

use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hasher;

/// The length of a checksum in bytes. It stands first in whatever it is of.
pub(crate) const CHECKSUM: usize = 16;

pub(crate) type Salt = [u8; 16];

/// Against accidents, not against forgers: whoever can write the file can write the checksums.
pub(crate) fn checksum(salt: &Salt, bytes: &[u8]) -> [u8; CHECKSUM] {
    let mut hasher = SipHasher13::new_with_key(salt);
    hasher.write(bytes);
    hasher.finish128().as_bytes()
}

/// The hash by which a name's page is found. Letter case makes no difference to it.
pub(crate) fn name_hash(salt: &Salt, name: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new_with_key(salt);
    for byte in name {
        hasher.write_u8(byte.to_ascii_lowercase());
    }
    hasher.finish128().h1
}

pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk::<N>().copied()
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_le_bytes)
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_le_bytes)
}

/// Puts bytes in their place, which the caller knows to be there.
pub(crate) fn put(to: &mut [u8], at: usize, bytes: &[u8]) {
    for (to, from) in to.iter_mut().skip(at).zip(bytes) {
        *to = *from;
    }
}
