//! Points: places in the gateway and the simulator of which a tester asks "did we ever get there?".
//!
//! The gateway's are in [`gateway::reach`]; the simulator's own are listed by what has them. A run counts them, an
//! exploration adds them up and lists those that were never reached.

use std::sync::{Arc, Mutex, PoisonError};

use crate::machine;
use crate::peer;
use crate::record::Reached;

/// Every point.
pub(crate) fn all() -> impl Iterator<Item = &'static str> {
    let gateway = gateway::reach::Point::ALL.iter().map(|point| point.name());
    gateway.chain(peer::POINTS.iter().copied()).chain(machine::POINTS.iter().copied())
}

/// The counts of one run. Clones count into the same.
#[derive(Clone, Default)]
pub(crate) struct Points(Arc<Mutex<Reached>>);

impl Points {
    /// A point is reached.
    pub(crate) fn reached(&self, point: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(point).or_default() += 1;
    }

    /// The counts.
    pub(crate) fn counts(&self) -> Reached {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
