//! The faults of a plan as bands: what each is, whom it is about, and from when to when it is there.
//!
//! A fault that waits for something to happen has no time of its own. It is shown at the moment when it last bit.

use std::time::Duration;

use serde::Serialize;
use toml::Value;

use super::micros;
use crate::fault::{Bite, Fault, When};
use crate::plan::Plan;
use crate::record::Record;

/// A fault as it is drawn.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Band {
    /// Its kind.
    pub(super) kind: &'static str,
    /// The rest of its line.
    pub(super) text: String,
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
            kind: fault.kind(),
            text: text(fault),
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
    let span = match fault {
        Fault::Partition { at, until, .. }
        | Fault::PartitionOneWay { at, until, .. }
        | Fault::Hold { at, until, .. }
        | Fault::SlowLink { at, until, .. }
        | Fault::Loss { at, until, .. }
        | Fault::LowSpace { at, until, .. }
        | Fault::Dns { at, until, .. }
        | Fault::Server { at, until, .. } => [at.0, until.0],
        Fault::Kill { when: When::At(at), restart_after, .. }
        | Fault::PowerCut { when: When::At(at), restart_after, .. } => [at.0, at.0 + restart_after.0],
        Fault::Kill { restart_after, .. }
        | Fault::PowerCut { restart_after, .. }
        | Fault::TornWrite { restart_after, .. }
        | Fault::LostData { restart_after, .. }
        | Fault::LostRename { restart_after, .. } => [bite.last?, bite.last? + restart_after.0],
        Fault::Reset { at, .. } | Fault::ClockJump { at, .. } => [at.0, at.0],
        Fault::ClockSkew { .. } => [Duration::ZERO, ended],
        _ => [bite.last?, bite.last?],
    };
    (span[0] <= ended).then_some(span)
}

/// The keys of its line and their values.
fn text(fault: &Fault) -> String {
    let table = toml::Table::try_from(fault).expect("a fault can be written");
    let pairs = table.iter().filter(|(key, _)| *key != "kind");
    pairs
        .map(|(key, value)| format!("{} {}", key.replace('_', " "), bare(value)))
        .collect::<Vec<_>>()
        .join(", ")
}

/// A value without what only a file needs.
fn bare(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(bare).collect::<Vec<_>>().join(" and "),
        Value::Table(table) => {
            let pairs = table.iter().map(|(key, value)| format!("{key} {}", bare(value)));
            pairs.collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}
