//! What the broker and those who ask it say to each other, over a sequenced-packet socket that keeps messages apart.
//!
//! One message is one packet: a byte for the version, a byte for the kind, the fields. [`messages`] has those of a login, [`own`]
//! those of the user's own command; docs/protocol.md has the course of a conversation. A connection carries one conversation, and
//! what was begun on it ends with it.

pub mod messages;
pub mod own;
pub mod wire;

pub use messages::{Answer, Ask, Echo, FromBroker, Mode, Phase, Refusal, SignIn, ToBroker, Verdict};
pub use wire::Malformed;

use wire::{Field, Reader, Writer};
use zeroize::Zeroizing;

/// The version of the protocol. A peer of another version is refused; the version of the refusal tells it why.
pub const VERSION: u8 = 3;
/// The longest message that the broker reads, in bytes.
pub const REQUEST_MAX: usize = 8 * 1024;
/// The longest message that the broker writes, in bytes. Only reports come near it.
pub const REPLY_MAX: usize = 64 * 1024;
/// The longest text that is taken from a peer where no other bound stands, in bytes.
pub const TEXT_MAX: usize = 1024;

/// A text no longer than [`TEXT_MAX`] bytes, cut between two characters.
#[must_use]
pub fn bounded(text: &str) -> String {
    let mut left = TEXT_MAX;
    text.chars().take_while(|c| left.checked_sub(c.len_utf8()).map(|rest| left = rest).is_some()).collect()
}

/// A whole message, one way or the other.
pub trait Message: Field {
    /// The most bytes it may have.
    const MAX: usize;

    /// Its bytes.
    ///
    /// # Errors
    /// When it would be longer than [`Self::MAX`], or a list longer than [`wire::LIST_MAX`].
    fn encode(&self) -> Result<Zeroizing<Vec<u8>>, Malformed> {
        let mut writer = Writer::new(Self::MAX);
        writer.byte(VERSION);
        self.put(&mut writer);
        writer.finish()
    }

    /// Reads one.
    ///
    /// # Errors
    /// When the bytes are not exactly one message of this version.
    fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > Self::MAX {
            return Err(Malformed::Long);
        }
        let mut reader = Reader::new(bytes);
        match reader.byte()? {
            VERSION => {}
            other => return Err(Malformed::Version(other)),
        }
        let message = Self::take(&mut reader)?;
        reader.finish()?;
        Ok(message)
    }
}

impl Message for ToBroker {
    const MAX: usize = REQUEST_MAX;
}

impl Message for FromBroker {
    const MAX: usize = REPLY_MAX;
}

#[cfg(test)]
mod document_tests;
#[cfg(test)]
mod tests;
