//! A machine's side of the seam, simulated: sockets whose dialogues are recorded, a disk that can lose what was not
//! synchronised, and a clock that is virtual. And what the plan has go wrong there.
//!
//! | module | what it knows |
//! |---|---|
//! | [`disk`] | what survives a power cut, and no other fault |
//! | `disk_faults` | which line of the plan meets an operation on the gateway's disk |
//! | `faulty_disk` | how an operation fails, lingers or is the last |
//! | `doom` | what ends the gateway's process at an exact moment |
//! | `life` | that nothing more of an ended process takes effect |
//! | `mortal_net` | the same for its sockets |
//! | `net` | the dialogues on its sockets |
//! | `filter_net` | its sockets to milters |
//! | `clock` | the time of day, and what is wrong with it |
//! | `faulty_extension` | the extension that the plan has fail |
//! | `gateway_machine` | all of this around the software under test |
//! | `by_hand` | what somebody at the machine does beside any process |

pub(crate) mod by_hand;
mod clock;
pub mod disk;
mod disk_faults;
pub(crate) mod doom;
mod faulty_disk;
pub(crate) mod faulty_extension;
mod filter_net;
pub(crate) mod gateway_machine;
mod life;
mod mortal_net;
pub(crate) mod net;
pub(crate) mod points;

pub(crate) use faulty_extension::{FAULTY_EXTENSION, rewritten};
pub(crate) use life::Life;
pub(crate) use points::POINTS;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// The time of day after so much of the run.
pub(crate) fn at(starts: Timestamp, elapsed: Duration) -> Timestamp {
    let elapsed = SignedDuration::try_from(elapsed).unwrap_or(SignedDuration::MAX);
    starts.saturating_add(elapsed).unwrap_or(Timestamp::MAX)
}
