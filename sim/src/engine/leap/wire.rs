//! One direction of a connection: what is on its way, what was lost, and when its sender tries again.
//!
//! A wire knows no kernel, no link and no other wire.

use std::collections::VecDeque;

use super::tcp::Segment;

/// Milliseconds since the start of the run.
pub(super) type Millis = u64;

/// How long a sender first waits for an acknowledgement (RFC 6298: 1 s until it has measured).
const FIRST_WAIT: Millis = 1_000;

/// It waits no longer than this, however often it doubled: RFC 6298 wants a minute at least.
const LONGEST_WAIT: Millis = 64_000;

/// One direction of a connection.
#[derive(Default)]
pub(super) struct Wire {
    pub(super) on_the_way: VecDeque<Flight>,
    /// When the last was sent that its sender keeps, and when the last of all arrives.
    pub(super) last_sent: Millis,
    pub(super) last_due: Millis,
    /// What was lost, and what waits behind it.
    pub(super) backlog: VecDeque<Segment>,
    /// There while the sender waits for an acknowledgement that is late.
    pub(super) retry: Option<Retry>,
    /// The time of this wire's entry in the calendar, if it has one.
    pub(super) entry: Option<Millis>,
}

pub(super) struct Flight {
    pub(super) due: Millis,
    pub(super) segment: Segment,
}

#[derive(Clone, Copy)]
pub(super) struct Retry {
    /// When the sender last made progress.
    pub(super) since: Millis,
    pub(super) tries: u32,
    pub(super) at: Millis,
}

impl Wire {
    /// Whether nothing is left to send or to arrive.
    pub(super) fn is_idle(&self) -> bool {
        self.on_the_way.is_empty() && self.backlog.is_empty() && self.retry.is_none()
    }

    /// The sender forgets what it would have sent. What is on its way arrives.
    pub(super) fn give_up(&mut self) {
        self.backlog.clear();
        self.retry = None;
    }

    /// Nothing of it arrives.
    pub(super) fn clear(&mut self) {
        self.give_up();
        self.on_the_way.clear();
    }

    /// When something is to be done on it.
    pub(super) fn next(&self) -> Option<Millis> {
        let arrival = self.on_the_way.front().map(|flight| flight.due);
        arrival.into_iter().chain(self.retry.map(|retry| retry.at)).min()
    }

    /// Sees to it that the sender tries again.
    pub(super) fn arm(&mut self, now: Millis) {
        let at = (self.last_sent + FIRST_WAIT).max(now);
        self.retry.get_or_insert(Retry { since: self.last_sent, tries: 0, at });
    }

    /// The sender has heard that what it sent arrives.
    pub(super) fn acknowledge(&mut self, now: Millis, waits_for_room: bool) {
        let done = self.backlog.is_empty() && !waits_for_room;
        self.retry = self.retry.filter(|_| !done).map(|retry| Retry { since: now, ..retry });
    }
}

/// How long a sender waits after so many tries.
pub(super) fn wait_after(tries: u32) -> Millis {
    (FIRST_WAIT << tries.min(10)).min(LONGEST_WAIT)
}
