//! Argon2id (RFC 9106), with memory whose lack is an error and not an abort of the host process.

use crate::random::{Entropy, NoEntropy};
use crate::secret::same;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::Zeroize;

const SALT_LENGTH: usize = 16;
const HASH_LENGTH: usize = 32;

/// What one Argon2id run costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

/// 19 MiB, two passes, one lane: the smallest of the settings that OWASP's password storage advice calls equivalent.
pub const DEFAULT_COST: Cost = Cost { memory: 19_456, passes: 2, lanes: 1 };

/// A salted Argon2id hash with the parameters it was made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hash {
    /// What it cost.
    pub cost: Cost,
    /// Its salt.
    pub salt: [u8; SALT_LENGTH],
    /// The hash itself.
    pub hash: [u8; HASH_LENGTH],
}

/// Why no hash could be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashError {
    /// The memory was not to be had.
    Memory,
    /// The parameters are none that Argon2 takes (a damaged row).
    Parameters,
    /// No randomness for a salt.
    Entropy,
}

impl From<NoEntropy> for HashError {
    fn from(_: NoEntropy) -> Self {
        Self::Entropy
    }
}

/// The most memory a stored hash may ask for, in KiB: 1 GiB. A damaged row must not take the host down.
const MEMORY_MAX: u32 = 1 << 20;

impl Hash {
    /// Hashes `secret` with a new salt.
    ///
    /// # Errors
    /// See [`HashError`].
    pub fn make(secret: &[u8], cost: Cost, entropy: &mut dyn Entropy) -> Result<Self, HashError> {
        let mut salt = [0; SALT_LENGTH];
        entropy.fill(&mut salt)?;
        Ok(Self { cost, salt, hash: run(secret, &salt, cost)? })
    }

    /// Whether `secret` is what was hashed.
    ///
    /// # Errors
    /// See [`HashError`]; an error says nothing about `secret`.
    pub fn matches(&self, secret: &[u8]) -> Result<bool, HashError> {
        let mut hash = run(secret, &self.salt, self.cost)?;
        let matches = same(&hash, &self.hash);
        hash.zeroize();
        Ok(matches)
    }
}

fn run(secret: &[u8], salt: &[u8], cost: Cost) -> Result<[u8; HASH_LENGTH], HashError> {
    if cost.memory > MEMORY_MAX || cost.passes > 100 {
        return Err(HashError::Parameters);
    }
    let params = Params::new(cost.memory, cost.passes, cost.lanes, Some(HASH_LENGTH))
        .map_err(|_| HashError::Parameters)?;
    let mut memory: Vec<Block> = Vec::new();
    memory.try_reserve_exact(params.block_count()).map_err(|_| HashError::Memory)?;
    memory.resize(params.block_count(), Block::new());
    let mut hash = [0; HASH_LENGTH];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(secret, salt, &mut hash, &mut memory)
        .map_err(|_| HashError::Parameters)?;
    Ok(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::fake::Counting;

    const CHEAP: Cost = Cost { memory: 32, passes: 1, lanes: 1 };

    #[test]
    fn what_was_hashed_matches_and_nothing_else() {
        let hash = Hash::make(b"abcdefghijklmnop", CHEAP, &mut Counting(1)).unwrap();
        assert_eq!(hash.matches(b"abcdefghijklmnop"), Ok(true));
        assert_eq!(hash.matches(b"abcdefghijklmnoq"), Ok(false));
    }

    #[test]
    fn damaged_parameters_are_an_error() {
        let mut hash = Hash::make(b"x", CHEAP, &mut Counting(1)).unwrap();
        hash.cost.memory = u32::MAX;
        assert_eq!(hash.matches(b"x"), Err(HashError::Parameters));
        hash.cost = Cost { memory: 1, passes: 0, lanes: 0 };
        assert_eq!(hash.matches(b"x"), Err(HashError::Parameters));
    }
}
