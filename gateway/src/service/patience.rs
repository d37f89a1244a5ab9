//! How long a message in `in/` that cannot be processed for now is kept: by the retry schedule, until it has grown too
//! old. The courier goes by the same schedule with what is in `out/`, from the journal of each entry; this is memory, and
//! a process begins anew.

use std::time::Duration;

use jiff::Timestamp;

use crate::config::DeliveryConfig;
use crate::reach::{Point, reached};

/// What has been waited for one message so far.
#[derive(Default)]
pub(super) struct Patience {
    /// How often it was tried.
    tries: u32,
    /// How long it has waited between them.
    waited: Duration,
}

impl Patience {
    /// One more try came to nothing. How long to wait for the next, unless the message has grown too old. A clock that
    /// is set back makes it no older; the waits between the tries then say how old it is.
    pub(super) fn wait(
        &mut self,
        delivery: &DeliveryConfig,
        received: Timestamp,
        now: Timestamp,
    ) -> Option<Duration> {
        self.tries += 1;
        let age = Duration::try_from(received.duration_until(now)).unwrap_or_default().max(self.waited);
        let left = delivery.expire.checked_sub(age).filter(|left| !left.is_zero())?;
        let wait = delivery.wait_after(self.tries);
        if left < wait {
            reached(Point::WaitCutToExpiry);
        }
        let wait = wait.min(left);
        self.waited += wait;
        Some(wait)
    }

    /// How often it was tried again.
    pub(super) fn retries(&self) -> u32 {
        self.tries.saturating_sub(1)
    }
}
