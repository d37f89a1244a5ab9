//! The scene of a run: what everybody in it looks at and writes down in.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::Clock;
use crate::fault::{Bites, Fault};
use crate::plan::Plan;
use crate::reach::Points;
use crate::record::{Journal, What};
use crate::tls::Secrets;
use crate::trace::Trace;

/// What everybody in a run shares. Clones are the same scene.
#[derive(Clone)]
pub(crate) struct Scene {
    pub(crate) plan: Arc<Plan>,
    pub(crate) clock: Clock,
    pub(crate) trace: Trace,
    pub(crate) journal: Journal,
    pub(crate) bites: Bites,
    pub(crate) points: Points,
    /// What the peers write down of their TLS connections.
    pub(crate) secrets: Secrets,
}

impl Scene {
    pub(crate) fn new(plan: Arc<Plan>, clock: Clock, trace: Trace) -> Self {
        let journal = Journal::new(Arc::clone(&clock), trace.clone());
        let bites = Bites::of(plan.faults.len());
        Scene { plan, clock, trace, journal, bites, points: Points::default(), secrets: Secrets::default() }
    }

    /// The virtual time since the start of the run. To be asked on a machine.
    pub(crate) fn now(&self) -> Duration {
        (self.clock)()
    }

    /// The faults of the plan and their places.
    pub(crate) fn faults(&self) -> impl Iterator<Item = (usize, &Fault)> {
        self.plan.faults.iter().enumerate()
    }

    /// The fault at this place has just changed what happens. To be said on a machine.
    pub(crate) fn bit(&self, fault: usize) {
        self.bites.bit(fault, self.now());
    }

    /// The fault at this place has just changed what happens, and it would not show by itself.
    pub(crate) fn bit_and_says(&self, fault: usize, machine: &Arc<str>, what: String) {
        self.bit(fault);
        self.journal.note(machine, What::Fault(what));
    }
}
