//! Flush mode: while the spool's drive is nearly full no mail is taken in, and what was taken goes on its way, which
//! makes room (Q189587, Q272506).
//!
//! The original looked at the drive every 15 seconds. This gateway looks when a client begins a message and the last
//! look is 15 seconds old: nobody else wants to know, and nothing wakes while nobody does. Entering and leaving are
//! therefore logged when the next client comes.
//!
//! This module knows no session: it is asked whether a message may begin.

use std::num::NonZeroU64;
use std::path::Path;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::env::Disk;
use crate::eventlog::Event;
use crate::reach::{Point, reached};

/// How old a look at the drive may be (Q189587).
const LOOK: Duration = Duration::from_secs(15);

/// Whether the service is in flush mode. Out of it, to be entered when too few octets are free.
#[derive(Default)]
pub(super) struct FlushMode {
    last: Mutex<Look>,
}

/// A look at the drive.
#[derive(Default)]
struct Look {
    at: Option<Instant>,
    is_low: bool,
}

impl FlushMode {
    /// Whether no mail is to be taken in, because fewer octets than `low_water` are free, by a look at the drive of
    /// `spool` that is not too old.
    pub(super) async fn is_on(&self, low_water: Option<NonZeroU64>, disk: &dyn Disk, spool: &Path) -> bool {
        let Some(low_water) = low_water.map(NonZeroU64::get) else { return false };
        // Held while the disk answers: one look serves all who wait for it.
        let mut last = self.last.lock().await;
        if last.at.is_some_and(|at| at.elapsed() < LOOK) {
            return last.is_low;
        }
        // A disk that does not say leaves it as it was. Whether it takes a message is seen when it is written.
        if let Ok(free) = disk.free(spool).await {
            let is_low = free < low_water;
            match (last.is_low, is_low) {
                (false, true) => {
                    reached(Point::FlushModeEntered);
                    Event::FlushModeEntered { free, low_water }.log();
                }
                (true, false) => {
                    reached(Point::FlushModeLeft);
                    Event::FlushModeLeft { free }.log();
                }
                _ => {}
            }
            last.is_low = is_low;
        }
        last.at = Some(Instant::now());
        last.is_low
    }
}
