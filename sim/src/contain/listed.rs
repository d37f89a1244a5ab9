//! The short list: who may ask the machine during a run, and why that does no harm.
//!
//! Each of them is answered from the run's seed and virtual clock, and is on the list because the answer is right,
//! not merely the same. A line is one more thing to believe, so there should be few.

use super::Asked;

/// A caller that may ask.
pub(super) struct Listed {
    /// What for.
    pub(super) asked: Asked,
    /// Its crate and, below that, the path of its module. It must be the innermost function outside the standard
    /// library, or one of the standard library's own on the way there.
    pub(super) place: &'static str,
}

/// The list.
pub(super) const LISTED: &[Listed] = &[
    // The keys of hash maps, the one thing that the standard library draws for. They are made once a thread, so the
    // order of every map is the seed's.
    Listed { asked: Asked::Randomness, place: "std/sys/random" },
    // Where a runtime's paused clock starts, which all its timers count from; and its metrics.
    Listed { asked: Asked::Time, place: "tokio" },
    // The default of an epoch that turmoil gives to those who ask it. Nobody does.
    Listed { asked: Asked::Time, place: "turmoil" },
    // A panic prints its backtrace, for which the program reads its own symbols.
    Listed { asked: Asked::File, place: "backtrace" },
];
