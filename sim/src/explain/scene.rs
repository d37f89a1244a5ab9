//! What is shown of a run: the dialogue before the failure, the entry that broke the oracle, and what follows it.

use std::time::Duration;

use crate::breach::{self, speaks_of};
use crate::plan::Plan;
use crate::record::{Entry, Record, What};

/// How many entries are shown before and after the one that broke the oracle.
const BEFORE: usize = 26;
const AFTER: usize = 6;
/// How much of a line of a dialogue is shown.
const LONGEST: usize = 120;

/// The rows.
pub(super) fn rows(plan: &Plan, record: &Record, what: &str) -> Vec<String> {
    let entries = &record.entries;
    let Some(broken) = breach::place(plan, entries, what) else { return vec!["nothing".to_owned()] };
    let connection = connection(plan, &entries[..=broken], what);
    let is_shown = |entry: &Entry| match &entry.what {
        What::Smtp { connection: other, .. } => Some(*other) == connection,
        _ => true,
    };
    let shown: Vec<usize> = (0..entries.len()).filter(|place| is_shown(&entries[*place])).collect();
    let middle = shown.iter().position(|place| *place == broken).unwrap_or_default();
    let (from, to) = (middle.saturating_sub(BEFORE), shown.len().min(middle + 1 + AFTER));
    let mut rows = Vec::new();
    if from > 0 {
        rows.push(format!("   ... {from} entries before"));
    }
    for place in &shown[from..to] {
        let mark = if *place == broken { ">>" } else { "  " };
        rows.push(format!("{mark} {}", row(&entries[*place])));
    }
    if to < shown.len() {
        rows.push(format!("   ... {} entries after", shown.len() - to));
    }
    rows
}

fn row(entry: &Entry) -> String {
    let what = entry.what.to_string();
    let cut: String = what.chars().take(LONGEST).collect();
    match &entry.what {
        What::Smtp { .. } if cut.len() < what.len() => format!("{}  {cut}...", time(entry.at)),
        What::Smtp { .. } | What::Administrator(_) | What::Fault(_) => format!("{}  {what}", time(entry.at)),
        _ => format!("{}  {}: {what}", time(entry.at), entry.machine),
    }
}

fn time(at: Duration) -> String {
    let seconds = at.as_secs();
    format!("{:02}:{:02}:{:02}.{:03}", seconds / 3600, seconds / 60 % 60, seconds % 60, at.subsec_millis())
}

/// The connection that matters: the last one that carried the message, or the last one.
fn connection(plan: &Plan, before: &[Entry], what: &str) -> Option<u32> {
    let of = |entry: &Entry| match &entry.what {
        What::Smtp { connection, .. } => Some(*connection),
        _ => None,
    };
    let about = breach::message(plan, what);
    let carried = before
        .iter()
        .rev()
        .find(|entry| about.is_some_and(|message| speaks_of(entry, message)) && of(entry).is_some());
    carried.or_else(|| before.iter().rev().find(|entry| of(entry).is_some())).and_then(of)
}
