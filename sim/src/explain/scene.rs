//! What is shown of a run: the dialogue before the failure, the entry that broke the oracle, and what follows it.
//!
//! Which entry broke an oracle is known from what the oracle said, where that is an event's description or the end of
//! the process. Otherwise it is the last entry that speaks of the message that the oracle spoke of, by its name or by
//! the name of its spool file; failing that, the last of all.

use std::time::Duration;

use gateway::envelope::SpoolId;

use crate::plan::Plan;
use crate::record::{Content, Entry, Record, Service, What};

/// How many entries are shown before and after the one that broke the oracle.
const BEFORE: usize = 26;
const AFTER: usize = 6;
/// How much of a line of a dialogue is shown.
const LONGEST: usize = 120;

/// The rows.
pub(super) fn rows(plan: &Plan, record: &Record, what: &str) -> Vec<String> {
    let entries = &record.entries;
    let Some(broken) = broken(plan, entries, what) else { return vec!["nothing".to_owned()] };
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

/// The entry that broke the oracle.
fn broken(plan: &Plan, entries: &[Entry], what: &str) -> Option<usize> {
    let says = |entry: &Entry| match &entry.what {
        What::Event(event) => what.contains(&event.description),
        What::Service(Service::Died(exception)) => what == exception.to_string(),
        What::Service(Service::Refused(why)) => what == why,
        _ => false,
    };
    let about = message(plan, what);
    let files: Vec<&str> = words(what).filter(|word| word.parse::<SpoolId>().is_ok()).collect();
    let names_file = |entry: &Entry| match &entry.what {
        What::Event(event) => words(&event.description).any(|word| files.contains(&word)),
        _ => false,
    };
    let speaks = |entry: &Entry| names_file(entry) || about.is_some_and(|message| speaks_of(entry, message));
    entries
        .iter()
        .position(says)
        .or_else(|| entries.iter().rposition(speaks))
        .or_else(|| entries.len().checked_sub(1))
}

/// The message of the plan that a text speaks of.
fn message<'a>(plan: &'a Plan, what: &str) -> Option<&'a str> {
    plan.messages().map(|message| message.name.as_str()).find(|name| words(what).any(|word| word == *name))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '-'))
}

/// Whether an entry is about a message, or a report on it.
fn speaks_of(entry: &Entry, message: &str) -> bool {
    let is_it =
        |name: &str| name == message || name.strip_suffix(message).is_some_and(|on| on.ends_with(" on "));
    match &entry.what {
        What::Client(attempt) => is_it(&attempt.message),
        What::Accepted { message: taken, .. } => is_it(taken),
        What::Smtp { line, .. } => {
            Content::read(line).and_then(|content| content.message).is_some_and(|name| is_it(&name))
        }
        _ => false,
    }
}

/// The connection that matters: the last one that carried the message, or the last one.
fn connection(plan: &Plan, before: &[Entry], what: &str) -> Option<u32> {
    let of = |entry: &Entry| match &entry.what {
        What::Smtp { connection, .. } => Some(*connection),
        _ => None,
    };
    let about = message(plan, what);
    let carried = before
        .iter()
        .rev()
        .find(|entry| about.is_some_and(|message| speaks_of(entry, message)) && of(entry).is_some());
    carried.or_else(|| before.iter().rev().find(|entry| of(entry).is_some())).and_then(of)
}
