//! The short list: who may ask the machine during a run, and why that does no harm.
//!
//! Each of them is answered from the run's seed and virtual clock, and is on the list because the answer is right,
//! not merely the same. A line is one more thing to believe, so there should be few.

use super::Asked;

/// A caller that may ask.
pub(super) struct Listed {
    /// What for.
    pub(super) asked: Asked,
    /// Its crate and, below that, the path of its module: by the name of its file, or of its function where there is no
    /// other. It must be the innermost function outside the standard library, or one of the standard library's own on
    /// the way there.
    pub(super) place: &'static str,
    /// The crates that stand between it and the machine and only hand on what they are asked for.
    pub(super) through: &'static [&'static str],
}

const fn listed(asked: Asked, place: &'static str) -> Listed {
    Listed { asked, place, through: &[] }
}

/// A generator of each thread, which is seeded anew after each 64 KiB that it gave.
const RAND: &[&str] = &["rand", "rand_core", "getrandom", "chacha20"];

/// The list.
pub(super) const LISTED: &[Listed] = &[
    // The keys of hash maps, the one thing that the standard library draws for. They are made once a thread, so the
    // order of every map is the seed's.
    listed(Asked::Randomness, "std/sys/random"),
    // Where a runtime's paused clock starts, which all its timers count from; and its metrics.
    listed(Asked::Time, "tokio"),
    // The default of an epoch that turmoil gives to those who ask it. Nobody does.
    listed(Asked::Time, "turmoil"),
    // The gateway's resolver: the numbers and ports of its questions, which nobody shall guess; how long a server takes;
    // and how long an answer is kept, in its cache.
    Listed { asked: Asked::Randomness, place: "hickory-resolver", through: RAND },
    Listed { asked: Asked::Randomness, place: "hickory_resolver", through: RAND },
    Listed { asked: Asked::Randomness, place: "hickory-net", through: RAND },
    Listed { asked: Asked::Randomness, place: "hickory_net", through: RAND },
    listed(Asked::Time, "hickory-resolver"),
    listed(Asked::Time, "hickory_resolver"),
    listed(Asked::Time, "moka"),
    // A panic prints its backtrace, for which the program reads its own symbols.
    listed(Asked::File, "backtrace"),
];
