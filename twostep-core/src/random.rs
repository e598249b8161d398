//! Randomness as an argument.

/// A source of random bytes fit for keys. The edges implement it over getrandom(2).
pub trait Entropy {
    /// Fills `buffer`.
    ///
    /// # Errors
    /// When the kernel gives none; nothing may be made then.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), NoEntropy>;
}

/// The kernel gave no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoEntropy;

/// `count` characters drawn evenly from `alphabet` (at most 256 characters), by rejecting what would make some likelier.
///
/// # Errors
/// [`NoEntropy`], see there.
pub(crate) fn characters(
    entropy: &mut dyn Entropy,
    alphabet: &[u8],
    count: usize,
) -> Result<Vec<u8>, NoEntropy> {
    let even = 256 - 256 % alphabet.len();
    let mut drawn = Vec::with_capacity(count);
    while drawn.len() < count {
        let mut byte = [0u8];
        entropy.fill(&mut byte)?;
        let index = usize::from(byte[0]);
        if index < even {
            drawn.extend(alphabet.get(index % alphabet.len()));
        }
    }
    Ok(drawn)
}

#[cfg(test)]
pub(crate) mod fake {
    use super::*;

    /// Counts up from a start: every byte value comes round, so that rejection is exercised as well.
    pub(crate) struct Counting(pub(crate) u8);

    impl Entropy for Counting {
        fn fill(&mut self, buffer: &mut [u8]) -> Result<(), NoEntropy> {
            for byte in buffer {
                *byte = self.0;
                self.0 = self.0.wrapping_add(1);
            }
            Ok(())
        }
    }

    #[test]
    fn bytes_that_would_favour_a_letter_are_thrown_away() {
        // 256 = 9 × 26 + 22: the bytes 234 and up are rejected.
        let drawn = characters(&mut Counting(230), b"abcdefghijklmnopqrstuvwxyz", 5).unwrap();
        assert_eq!(drawn, [b'w', b'x', b'y', b'z', b'a']);
    }
}
