//! A machine's side of the seam, simulated: sockets whose dialogues are recorded, a disk that can lose what was not
//! synchronised, and a clock that is virtual.

pub(crate) mod by_hand;
pub mod disk;
mod faulty_extension;
pub(crate) mod gateway_machine;
pub(crate) mod net;

pub(crate) use faulty_extension::{FAULTY_EXTENSION, rewritten};

use std::time::Duration;

use gateway::env::WallClock;
use jiff::{SignedDuration, Timestamp};

use crate::engine::Clock;

/// The time of day on a machine: when the run began, and the virtual time since.
pub(crate) struct VirtualWallClock {
    pub(crate) starts: Timestamp,
    pub(crate) clock: Clock,
}

impl WallClock for VirtualWallClock {
    fn now(&self) -> Timestamp {
        at(self.starts, (self.clock)())
    }
}

/// The time of day after so much of the run.
pub(crate) fn at(starts: Timestamp, elapsed: Duration) -> Timestamp {
    let elapsed = SignedDuration::try_from(elapsed).unwrap_or(SignedDuration::MAX);
    starts.saturating_add(elapsed).unwrap_or(Timestamp::MAX)
}
