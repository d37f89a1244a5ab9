//! What is shown of a run: the dialogue before the failure, the entry that broke the oracle, and what follows it.

use std::time::Duration;

use crate::breach::{self, speaks_of};
use crate::explore::Signature;
use crate::plan::Plan;
use crate::record::{End, Entry, Record, What};

/// How many entries are shown before and after the one that broke the oracle.
const BEFORE: usize = 26;
const AFTER: usize = 6;
/// How much of a line of a dialogue is shown.
const LONGEST: usize = 120;

/// The rows.
pub(super) fn rows(plan: &Plan, record: &Record, signature: &Signature, what: &str) -> Vec<String> {
    let entries = &record.entries;
    let broken = breach::place(plan, entries, &signature.oracle, what);
    let before = broken.map_or(&entries[..], |broken| &entries[..=broken]);
    let connection = connection(plan, before, what);
    let is_shown = |entry: &Entry| match &entry.what {
        What::Smtp { connection: other, .. } => Some(*other) == connection,
        _ => true,
    };
    let shown: Vec<usize> = (0..entries.len()).filter(|place| is_shown(&entries[*place])).collect();
    let middle = shown.iter().position(|place| Some(*place) == broken).unwrap_or(shown.len());
    let (from, to) = (middle.saturating_sub(BEFORE), shown.len().min(middle + 1 + AFTER));
    let mut rows = Vec::new();
    if from > 0 {
        rows.push(format!("   ... {} before", entries_in_words(from)));
    }
    for place in &shown[from..to] {
        let mark = if Some(*place) == broken { ">>" } else { "  " };
        rows.push(format!("{mark} {}", row(&entries[*place])));
    }
    if to < shown.len() {
        rows.push(format!("   ... {} after", entries_in_words(shown.len() - to)));
    }
    if broken.is_none() {
        rows.push(format!(">> {}  the run ends: {}", time(record.ended), at_the_end(&record.end)));
    }
    rows
}

fn entries_in_words(count: usize) -> String {
    if count == 1 { "1 entry".to_owned() } else { format!("{count} entries") }
}

/// The service, and what is still under way.
pub(crate) fn at_the_end(end: &End) -> String {
    let mut words = vec![format!("the service is {}", if end.service_up { "up" } else { "down" })];
    for (folder, files) in end.spool.iter().filter(|(folder, _)| matches!(folder.as_str(), "in" | "out")) {
        let kinds = files.iter().filter_map(|file| Some(file.item.as_ref()?.kind.to_string()));
        words.push(format!("{folder}/ has {}", kinds.collect::<Vec<_>>().join(" and ")));
    }
    words.join(", ")
}

fn row(entry: &Entry) -> String {
    let what = entry.what.to_string();
    let cut: String = what.chars().take(LONGEST).collect();
    match &entry.what {
        What::Smtp { .. } if cut.len() < what.len() => format!("{}  {cut}...", time(entry.at)),
        What::Smtp { .. } | What::Administrator(_) | What::Fault(_) | What::FaultSpan { .. } => {
            format!("{}  {what}", time(entry.at))
        }
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
