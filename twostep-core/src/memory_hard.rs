//! Argon2id (RFC 9106), with memory whose lack is an error and not an abort of the host process.

use crate::random::{Entropy, NoEntropy};
use crate::secret::same;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use std::fmt;
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
    /// So much memory was not to be had, in KiB.
    Memory(u32),
    /// Argon2id cannot be run with what the configuration wants a hash to cost.
    Parameters(Cost),
    /// What a stored hash says that it has cost is impossible: its row is damaged.
    Damaged(Cost),
    /// No randomness for a salt.
    Entropy,
}

impl HashError {
    /// What to do about it.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Memory(_) => {
                "make room, or raise the limit of this process (ulimit -v, MemoryMax=, Dovecot's default_vsz_limit)"
            }
            Self::Parameters(_) => "correct [argon2id] in the configuration",
            Self::Damaged(_) => "put the store back from a backup; twostep-admin check",
            Self::Entropy => "getrandom(2) must work",
        }
    }
}

impl fmt::Display for HashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(kib) => write!(f, "no memory for Argon2id ({kib} KiB)"),
            Self::Parameters(cost) => write!(f, "Argon2id cannot be run with {cost}"),
            Self::Damaged(cost) => {
                write!(f, "the store is damaged: a stored hash has impossible parameters ({cost})")
            }
            Self::Entropy => f.write_str("the kernel gives no randomness"),
        }
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { memory, passes, lanes } = self;
        write!(f, "memory {memory} KiB, passes {passes}, lanes {lanes}")
    }
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
        let mut hash = run(secret, &self.salt, self.cost).map_err(|error| match error {
            HashError::Parameters(cost) => HashError::Damaged(cost),
            other => other,
        })?;
        let matches = same(&hash, &self.hash);
        hash.zeroize();
        Ok(matches)
    }
}

fn run(secret: &[u8], salt: &[u8], cost: Cost) -> Result<[u8; HASH_LENGTH], HashError> {
    if cost.memory > MEMORY_MAX || cost.passes > 100 {
        return Err(HashError::Parameters(cost));
    }
    let params = Params::new(cost.memory, cost.passes, cost.lanes, Some(HASH_LENGTH))
        .map_err(|_| HashError::Parameters(cost))?;
    let mut memory: Vec<Block> = Vec::new();
    memory.try_reserve_exact(params.block_count()).map_err(|_| HashError::Memory(cost.memory))?;
    memory.resize(params.block_count(), Block::new());
    let mut hash = [0; HASH_LENGTH];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(secret, salt, &mut hash, &mut memory)
        .map_err(|_| HashError::Parameters(cost))?;
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
        assert_eq!(hash.matches(b"x"), Err(HashError::Damaged(hash.cost)));
        hash.cost = Cost { memory: 1, passes: 0, lanes: 0 };
        assert_eq!(hash.matches(b"x"), Err(HashError::Damaged(hash.cost)));
    }

    #[test]
    fn each_error_says_what_it_is_and_what_to_do() {
        let dear = Cost { memory: MEMORY_MAX + 1, ..CHEAP };
        let made = Hash::make(b"x", dear, &mut Counting(0)).unwrap_err();
        assert_eq!(made, HashError::Parameters(dear));
        let kept =
            Hash { cost: dear, salt: [0; SALT_LENGTH], hash: [0; HASH_LENGTH] }.matches(b"x").unwrap_err();
        let all = [HashError::Memory(19_456), made, kept, HashError::Entropy];
        let told: Vec<_> = all.iter().map(|error| (error.to_string(), error.remedy())).collect();
        assert_eq!(told[0].0, "no memory for Argon2id (19456 KiB)");
        assert_eq!(told[1].0, "Argon2id cannot be run with memory 1048577 KiB, passes 1, lanes 1");
        assert!(told[1].1.contains("[argon2id]") && told[2].0.starts_with("the store is damaged: "));
        assert!(told[2].1.contains("backup") && told[3].1.contains("getrandom"));
    }
}
