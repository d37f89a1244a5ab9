//! What the service counts while it runs, after the original's performance counters (Q156063, Q182502). Like those, they
//! begin at nothing with each start.
//!
//! This module knows what is counted and not when: each count is made where the thing happens.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Something that is counted.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub(super) fn count(&self) {
        self.add(1);
    }

    /// So many more.
    pub(super) fn add(&self, more: usize) {
        self.0.fetch_add(more as u64, Ordering::Relaxed);
    }

    /// How many there were.
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Things that begin and end.
#[derive(Debug, Default)]
pub(super) struct Visits {
    begun: Counter,
    ended: Counter,
}

/// One of them. It ends when this is dropped.
pub(super) struct Visit(Arc<Visits>);

impl Visits {
    /// One begins.
    pub(super) fn begin(self: &Arc<Self>) -> Visit {
        self.begun.count();
        Visit(Arc::clone(self))
    }

    /// How many have begun.
    pub(super) fn total(&self) -> u64 {
        self.begun.get()
    }

    /// How many there are now.
    pub(super) fn now(&self) -> u64 {
        let ended = self.ended.get();
        self.begun.get().saturating_sub(ended)
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.0.ended.count();
    }
}

/// Mail that went one way.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    pub(super) messages: Counter,
    pub(super) recipients: Counter,
    pub(super) octets: Counter,
}

impl Traffic {
    /// A message went this way.
    pub(super) fn count(&self, recipients: usize, octets: usize) {
        self.messages.count();
        self.recipients.add(recipients);
        self.octets.add(octets);
    }
}

/// All that is counted.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// The connections of clients.
    pub(super) clients: Arc<Visits>,
    /// Clients that were turned away.
    pub(super) turned_away: Counter,
    /// The connections to other hosts.
    pub(super) hosts: Arc<Visits>,
    /// Connections that did not come about.
    pub(super) failed_connections: Counter,
    /// Mail from clients.
    pub(super) inbound: Traffic,
    /// Mail to other hosts.
    pub(super) outbound: Traffic,
    /// Mail to the mailboxes of this server.
    pub(super) local: Traffic,
    /// Reports on failures of mail on its way in.
    pub(super) reports_inbound: Counter,
    /// Reports on failures of mail on its way out.
    pub(super) reports_outbound: Counter,
    /// Messages that have passed through too many hosts.
    pub(super) loops: Counter,
}
