//! Every random draw of a run: one seed, one named stream per concern.
//!
//! A stream depends on the seed and its own name only, so a concern that is added, or that draws once more, shifts
//! no other. Streams are ChaCha8: fast, portable, and the same on every platform.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gateway::env::Entropy;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::span::Span;

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

/// The draws of one concern.
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    /// The stream of a concern.
    pub(crate) fn of(seed: Seed, concern: &str) -> Self {
        Dice(seed.stream(concern))
    }

    /// A number in `low..=high`; `low` if the range is empty.
    pub(crate) fn number(&mut self, [low, high]: [u64; 2]) -> u64 {
        between(&mut self.0, low, high.max(low))
    }

    /// A number in `low..=high`, small ones more often: the least of three draws.
    pub(crate) fn small_number(&mut self, range: [u64; 2]) -> u64 {
        [(); 3].map(|()| self.number(range)).into_iter().min().unwrap_or(range[0])
    }

    /// A span of time in a range, in whole seconds, or in milliseconds where the range is below ten seconds.
    pub(crate) fn span(&mut self, [low, high]: [Span; 2]) -> Span {
        let grain: u128 = if high.0 < Duration::from_secs(10) { 1 } else { 1000 };
        let units = |span: Span| u64::try_from(span.0.as_millis() / grain).unwrap_or(u64::MAX);
        let drawn = self.number([units(low), units(high)]);
        Span(Duration::from_millis(drawn.saturating_mul(grain as u64)))
    }

    /// True in so many of a hundred cases.
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.number([0, 99]) < percent
    }

    /// One of these.
    ///
    /// # Panics
    /// If there are none.
    pub(crate) fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.number([0, choices.len() as u64 - 1]) as usize]
    }

    /// One of these, each as often as its weight says; none if no weight is above zero.
    pub(crate) fn weighted<T: Clone>(
        &mut self,
        choices: impl Iterator<Item = (T, u64)> + Clone,
    ) -> Option<T> {
        let sum: u64 = choices.clone().map(|(_, weight)| weight).sum();
        let mut place = self.number([1, sum.max(1)]);
        for (choice, weight) in choices {
            if place <= weight {
                return Some(choice);
            }
            place -= weight;
        }
        None
    }
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
    fn a_choice_comes_as_often_as_its_weight_says_and_never_without_one() {
        let mut dice = Dice::of(Seed(1), "choices");
        let draws: Vec<char> =
            (0..400).filter_map(|_| dice.weighted([('a', 3), ('b', 0), ('c', 1)].into_iter())).collect();
        let count = |wanted: char| draws.iter().filter(|drawn| **drawn == wanted).count();
        assert_eq!((draws.len(), count('b')), (400, 0));
        assert!((250..350).contains(&count('a')), "{}", count('a'));
        assert_eq!(dice.weighted([('a', 0)].into_iter()), None);
    }

    #[test]
    fn a_draw_stays_within_its_range_and_reaches_both_ends() {
        let mut stream = Seed(1).stream("range");
        let draws: Vec<u64> = (0..200).map(|_| between(&mut stream, 3, 5)).collect();
        assert_eq!((draws.iter().min(), draws.iter().max()), (Some(&3), Some(&5)));
    }
}
