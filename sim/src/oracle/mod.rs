//! Oracles: what must be true of every run, whatever the plan. One file each.

mod custody;

use crate::plan::Plan;
use crate::record::Record;

/// A promise that a run broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The oracle that found it.
    pub oracle: &'static str,
    /// What was promised and what was found.
    pub what: String,
}

/// Asks every oracle.
pub fn judge(plan: &Plan, record: &Record) -> Vec<Finding> {
    custody::judge(plan, record)
}
