//! The master key, what is derived from it, and the sealing of authenticator secrets.

use crate::random::{Entropy, NoEntropy};
use crate::secret::{Secret, same};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Length of the master key in bytes.
pub const KEY_LENGTH: usize = 32;
const NONCE_LENGTH: usize = 24;

/// The 256-bit key that lives apart from the store.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct MasterKey([u8; KEY_LENGTH]);

/// A key derived from the master key for one purpose.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Subkey([u8; 32]);

/// A name for a master key that tells nothing of it; the store records whose it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyId(pub [u8; 8]);

/// A sealed secret would not open: another key, another row, or damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotOpened;

impl MasterKey {
    /// Takes the key over.
    #[must_use]
    pub fn new(bytes: [u8; KEY_LENGTH]) -> Self {
        Self(bytes)
    }

    /// A new key.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn generate(entropy: &mut dyn Entropy) -> Result<Self, NoEntropy> {
        let mut key = Self([0; KEY_LENGTH]);
        entropy.fill(&mut key.0)?;
        Ok(key)
    }

    /// The key as the key file has it: 64 hexadecimal digits.
    #[must_use]
    pub fn to_hex(&self) -> Secret {
        let digit = |n: u8| char::from_digit(u32::from(n), 16).map_or(b'0', |c| c as u8);
        let mut hex = Vec::with_capacity(2 * KEY_LENGTH);
        hex.extend(self.0.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
        Secret::new(hex)
    }

    /// Reads what [`Self::to_hex`] wrote; nothing else is a key.
    #[must_use]
    pub fn from_hex(text: &[u8]) -> Option<Self> {
        if text.len() != 2 * KEY_LENGTH {
            return None;
        }
        let value = |b: u8| (b as char).to_digit(16).and_then(|d| u8::try_from(d).ok());
        let mut key = Self([0; KEY_LENGTH]);
        for (byte, pair) in key.0.iter_mut().zip(text.chunks_exact(2)) {
            let [high, low] = pair else { return None };
            *byte = value(*high)? << 4 | value(*low)?;
        }
        Some(key)
    }

    /// The key's name.
    #[must_use]
    pub fn id(&self) -> KeyId {
        let mut id = [0; 8];
        id.iter_mut().zip(mac(&self.0, &[b"twostep key id"])).for_each(|(to, from)| *to = from);
        KeyId(id)
    }

    /// The key for one `purpose`. Different purposes give keys that tell nothing of each other.
    #[must_use]
    pub fn subkey(&self, purpose: Purpose) -> Subkey {
        Subkey(mac(&self.0, &[b"twostep subkey", purpose.label()]))
    }
}

/// What a derived key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Sealing authenticator secrets.
    Authenticators,
    /// Tags of app passwords.
    AppPasswordTags,
    /// Tags of backup codes.
    BackupCodeTags,
    /// Boot tags, under the key of this boot.
    BootTags,
    /// Secrets that are shown to whoever is to enroll while signing in.
    LoginSecrets,
    /// The record of which host key and store were made on.
    Host,
    /// The record of the account password that a device was trusted with.
    AccountPasswords,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Authenticators => b"authenticators",
            Self::AppPasswordTags => b"app password tags",
            Self::BackupCodeTags => b"backup code tags",
            Self::BootTags => b"boot tags",
            Self::LoginSecrets => b"login secrets",
            Self::Host => b"host",
            Self::AccountPasswords => b"account passwords",
        }
    }
}

impl Subkey {
    /// Takes a key over that was made elsewhere (the boot key).
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// HMAC-SHA-256 over `parts`, each preceded by its length, so that no two lists of parts read alike.
    #[must_use]
    pub fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        mac(&self.0, parts)
    }

    /// The first 16 bits of [`Self::mac`]: enough to find a row, too little to test a guess.
    #[must_use]
    pub fn tag(&self, parts: &[&[u8]]) -> Tag {
        let [high, low, ..] = self.mac(parts);
        Tag(u16::from_be_bytes([high, low]))
    }

    /// Seals `secret` with XChaCha20-Poly1305 under a random nonce, bound to `row`: moved to another row, it does not open.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn seal(&self, secret: &Secret, row: &[u8], entropy: &mut dyn Entropy) -> Result<Vec<u8>, NoEntropy> {
        let mut nonce = [0; NONCE_LENGTH];
        entropy.fill(&mut nonce)?;
        let payload = Payload { msg: secret.expose(), aad: row };
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), payload).map_err(|_| NoEntropy)?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// Opens what [`Self::seal`] sealed for the same `row`.
    ///
    /// # Errors
    /// [`NotOpened`], see there.
    pub fn open(&self, sealed: &[u8], row: &[u8]) -> Result<Secret, NotOpened> {
        let (nonce, body) = sealed.split_first_chunk::<NONCE_LENGTH>().ok_or(NotOpened)?;
        let payload = Payload { msg: body, aad: row };
        self.cipher().decrypt(&XNonce::from(*nonce), payload).map(Secret::new).map_err(|_| NotOpened)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.0.into())
    }
}

/// Sixteen keyed bits of an app password or backup code, by which its row is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag(pub u16);

fn mac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    // A key shorter than the 64-byte block is padded with zeros (RFC 2104 §2); done here, there is no error to handle.
    let mut block = Zeroizing::new([0u8; 64]);
    block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    let mut mac = <Hmac<Sha256> as KeyInit>::new(&(*block).into());
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id())
    }
}

impl fmt::Debug for Subkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subkey(redacted)")
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for Subkey {
    fn eq(&self, other: &Self) -> bool {
        same(&self.0, &other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::fake::Counting;

    fn key() -> MasterKey {
        MasterKey::new([7; 32])
    }

    #[test]
    fn hmac_is_rfc_4231_case_2_when_the_parts_are_not_framed() {
        // RFC 4231 §4.3, over the same primitive.
        let mut mac = Hmac::<Sha256>::new_from_slice(b"Jefe").unwrap();
        mac.update(b"what do ya want for nothing?");
        let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn a_sealed_secret_opens_only_in_its_row_with_its_key() {
        let subkey = key().subkey(Purpose::Authenticators);
        let secret = Secret::new(b"12345678901234567890".to_vec());
        let sealed = subkey.seal(&secret, b"row 1", &mut Counting(0)).unwrap();
        assert_eq!(subkey.open(&sealed, b"row 1").unwrap(), secret);
        assert_eq!(subkey.open(&sealed, b"row 2"), Err(NotOpened));
        assert_eq!(
            MasterKey::new([8; 32]).subkey(Purpose::Authenticators).open(&sealed, b"row 1"),
            Err(NotOpened)
        );
        assert_eq!(subkey.open(&sealed[..20], b"row 1"), Err(NotOpened));
        assert_eq!(subkey.open(&[], b"row 1"), Err(NotOpened));
    }

    #[test]
    fn parts_are_framed() {
        let subkey = key().subkey(Purpose::AppPasswordTags);
        assert_ne!(subkey.mac(&[b"ab", b"c"]), subkey.mac(&[b"a", b"bc"]));
    }

    #[test]
    fn purposes_do_not_share_keys() {
        assert!(key().subkey(Purpose::AppPasswordTags) != key().subkey(Purpose::BackupCodeTags));
    }

    #[test]
    fn a_key_survives_its_file() {
        let hex = key().to_hex();
        assert_eq!(hex.expose().len(), 64);
        assert_eq!(MasterKey::from_hex(hex.expose()).unwrap().id(), key().id());
        assert!(MasterKey::from_hex(&hex.expose()[1..]).is_none());
        assert!(MasterKey::from_hex(&[b'x'; 64]).is_none());
    }

    #[test]
    fn debug_shows_no_key() {
        assert!(
            !format!("{:?} {:?}", key(), key().subkey(Purpose::Authenticators)).contains("07"),
            "{:?}",
            key()
        );
    }
}
