//! Every random draw of a run: one seed, one named stream per concern.
//!
//! A stream depends on the seed and its own name only, so a concern that is added, or that draws once more, shifts
//! no other. Streams are ChaCha8: fast, portable, and the same on every platform.

use std::sync::{Mutex, PoisonError};

use gateway::env::Entropy;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A run's seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub u64);

impl Seed {
    /// The stream of draws for one concern, such as `"link latency"`.
    pub fn stream(self, concern: &str) -> ChaCha8Rng {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&self.0.to_le_bytes());
        key[8..16].copy_from_slice(&fnv1a(concern.as_bytes()).to_le_bytes());
        key[16..24].copy_from_slice(&(concern.len() as u64).to_le_bytes());
        ChaCha8Rng::from_seed(key)
    }
}

/// The 64-bit FNV-1a hash: a stream's name as a number that stays the same in every build.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A number in `low..=high`, drawn without bias that matters here: ranges are tiny beside 64 bits.
pub(crate) fn between(stream: &mut ChaCha8Rng, low: u64, high: u64) -> u64 {
    low + stream.next_u64() % (high - low + 1)
}

/// A machine's source of unpredictable bytes, which the seed predicts. It goes on across restarts of the service.
pub(crate) struct SeededEntropy(Mutex<ChaCha8Rng>);

impl SeededEntropy {
    pub(crate) fn new(stream: ChaCha8Rng) -> Self {
        SeededEntropy(Mutex::new(stream))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_depends_on_the_seed_and_its_name_alone() {
        let draw = |seed, concern| Seed(seed).stream(concern).next_u64();
        assert_eq!(draw(7, "link latency"), draw(7, "link latency"));
        assert_ne!(draw(7, "link latency"), draw(8, "link latency"));
        assert_ne!(draw(7, "link latency"), draw(7, "entropy"));
    }

    #[test]
    fn a_draw_stays_within_its_range_and_reaches_both_ends() {
        let mut stream = Seed(1).stream("range");
        let draws: Vec<u64> = (0..200).map(|_| between(&mut stream, 3, 5)).collect();
        assert_eq!((draws.iter().min(), draws.iter().max()), (Some(&3), Some(&5)));
    }
}
