//! Which lines of a plan changed what happened.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often a line has changed what happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bite {
    /// How often.
    pub times: u64,
    /// When last, since the start of the run. None if never.
    pub last: Option<Duration>,
}

/// The bites of one run, a count for each fault of its plan. Clones count into the same.
#[derive(Clone, Debug, Default)]
pub struct Bites(Arc<Mutex<Vec<Bite>>>);

impl Bites {
    /// None so far, of so many faults.
    pub(crate) fn of(faults: usize) -> Self {
        Bites(Arc::new(Mutex::new(vec![Bite::default(); faults])))
    }

    /// The fault at this place in the plan has just changed what happens.
    pub(crate) fn bit(&self, fault: usize, now: Duration) {
        let mut bites = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bite) = bites.get_mut(fault) {
            bite.times += 1;
            bite.last = bite.last.max(Some(now));
        }
    }

    /// The counts, in the order of the plan's faults.
    pub(crate) fn counts(&self) -> Vec<Bite> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
