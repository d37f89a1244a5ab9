//! The faults of a plan as bands: what each is, whom it is about, and from when to when it is there.
//!
//! A fault that does not last is a moment. One that waits for something to happen has no time of its own: it is shown
//! when it last bit.

use std::time::Duration;

use serde::Serialize;

use super::micros;
use crate::fault::{Bite, Fault};
use crate::plan::Plan;
use crate::record::Record;

/// A fault as it is drawn.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Band {
    /// What it is.
    pub(super) words: String,
    /// When it begins, in microseconds; none if it never came to it.
    pub(super) from: Option<u64>,
    /// When it ends; where that is when it begins, it is a moment.
    pub(super) until: Option<u64>,
    /// The machines that it is about, as places among the lanes.
    pub(super) lanes: Vec<usize>,
    /// How often it changed what happened.
    pub(super) times: u64,
    /// The message that it is about.
    #[serde(skip)]
    pub(super) message: Option<String>,
}

/// A band for each fault, in the order of the plan. `lane` is the place of a machine among the lanes.
pub(super) fn bands(plan: &Plan, record: &Record, lane: impl Fn(&str) -> Option<usize>) -> Vec<Band> {
    let faults = plan.faults.iter().zip(&record.bites);
    let band = |(fault, bite): (&Fault, &Bite)| {
        let span = span(fault, bite, record.ended);
        let mut lanes: Vec<usize> = fault.machines().into_iter().filter_map(&lane).collect();
        if lanes.is_empty() {
            lanes.extend(lane(&plan.gateway.name));
        }
        Band {
            words: fault.words(),
            from: span.map(|span| micros(span[0])),
            until: span.map(|span| micros(span[1].min(record.ended))),
            lanes,
            times: bite.times,
            message: fault.message().map(str::to_owned),
        }
    };
    faults.map(band).collect()
}

/// From when to when a fault is there. None if it begins after the run, or waits for what never happened.
fn span(fault: &Fault, bite: &Bite, ended: Duration) -> Option<[Duration; 2]> {
    let span = match (fault.lasts(), fault.begins_at().or(bite.last)) {
        (Some(lasts), _) => [lasts.start, lasts.end],
        (None, moment) => [moment?, moment?],
    };
    (span[0] <= ended).then_some(span)
}
