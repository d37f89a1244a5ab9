//! Seeds on the command line: one, intervals and shards of them, and as many as a time allows.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use sim::span::Span;

/// How many seeds a shard has to itself where there is no last seed.
pub(super) const BLOCK: u64 = 1 << 40;

/// Reads `A..B`.
///
/// # Errors
/// It is no interval, or has no seed in it.
pub(super) fn range(text: &str) -> Result<Range<u64>, String> {
    let ends = text.split_once("..").and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
    match ends {
        None => Err("write two numbers from 0 on, such as 0..200".to_owned()),
        Some((from, to)) if to < from => Err(format!("the smaller number comes first: write {to}..{from}")),
        Some((from, to)) if to == from => Err(format!(
            "the second number is one past the last seed: write {from}..{} for one",
            u128::from(to) + 1
        )),
        Some((from, to)) => Ok(from..to),
    }
}

/// Reads a seed.
///
/// # Errors
/// It is none.
pub(super) fn seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("a seed is a whole number from 0 to {}", u64::MAX))
}

/// Reads for how long to go on.
///
/// # Errors
/// It is no span of time, or none in which anything could be done.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    match text.parse()? {
        Span::ZERO => Err("nothing is done in no time: write one such as 60s or 2h".to_owned()),
        Span(time) => Ok(time),
    }
}

/// One part of many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shard {
    /// From 0.
    number: u64,
    of: u64,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match parts {
            Some((number @ 1.., of)) if number <= of => Ok(Shard { number: number - 1, of }),
            _ => Err("write I/N with I from 1 to N, such as 1/4".to_owned()),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.position(), self.of)
    }
}

impl Shard {
    /// All there is.
    pub(super) const WHOLE: Shard = Shard { number: 0, of: 1 };

    /// Which it is, from 1.
    pub(super) fn position(self) -> u64 {
        self.number + 1
    }

    /// How many there are.
    pub(super) fn count(self) -> u64 {
        self.of
    }

    /// Whether the thing at this place of a list, from 0, is this shard's.
    pub(super) fn has(self, place: u64) -> bool {
        place % self.of == self.number
    }

    /// This part of the seeds.
    pub(super) fn of(self, seeds: Range<u64>) -> Range<u64> {
        let length = u128::from(seeds.end - seeds.start);
        let cut = |number: u64| {
            let share = length * u128::from(number) / u128::from(self.of);
            seeds.start + u64::try_from(share).expect("a share is no longer than the whole")
        };
        cut(self.number)..cut(self.number + 1)
    }

    /// Seeds that no other shard has, without a last one that matters.
    pub(super) fn block(self) -> Range<u64> {
        self.number * BLOCK..(self.number + 1) * BLOCK
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shards_of_an_interval_are_the_whole_and_have_nothing_in_common() {
        for of in 1..=7 {
            let shards: Vec<_> = (0..of).map(|number| Shard { number, of }.of(10..33)).collect();
            assert_eq!((shards[0].start, shards[shards.len() - 1].end), (10, 33));
            assert!(shards.windows(2).all(|pair| pair[0].end == pair[1].start), "{shards:?}");
        }
    }

    #[test]
    fn a_shard_is_counted_from_one_to_their_number() {
        assert_eq!("1/4".parse(), Ok(Shard { number: 0, of: 4 }));
        assert_eq!("4/4".parse(), Ok(Shard { number: 3, of: 4 }));
        for wrong in ["0/4", "5/4", "1", "1/0", "a/b", "-1/4"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_interval_has_two_ends_and_a_seed_in_it() {
        assert_eq!(range("3..7"), Ok(3..7));
        for (wrong, remedy) in [
            ("7..3", "write 3..7"),
            ("3..3", "write 3..4"),
            ("3", "write two numbers"),
            ("..3", "write two numbers"),
            ("-5..3", "write two numbers from 0 on"),
        ] {
            let why = range(wrong).unwrap_err();
            assert!(why.contains(remedy), "{wrong}: {why}");
        }
    }
}
