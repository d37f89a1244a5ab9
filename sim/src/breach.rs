//! Which entry of a run broke an oracle, and which message an entry is about.
//!
//! Which entry broke an oracle is known from what the oracle said, where that is an event's description or the end of
//! the process. What should have come to an end and did not (liveness) is seen at the end of the run alone. Otherwise it
//! is the last entry that speaks of the message that the oracle spoke of, by its name or by the name of its spool file;
//! failing that, the last of all.

use gateway::envelope::SpoolId;

use crate::mailbag::Kind;
use crate::plan::Plan;
use crate::record::{Content, Entry, Service, What};

/// The oracle that judges by how a run ends.
const LIVENESS: &str = "liveness";

/// The place of the entry that broke an oracle, which said `what` of it. None if it is seen at the end of the run.
pub(crate) fn place(plan: &Plan, entries: &[Entry], oracle: &str, what: &str) -> Option<usize> {
    if oracle == LIVENESS {
        return None;
    }
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
pub(crate) fn message<'a>(plan: &'a Plan, what: &str) -> Option<&'a str> {
    plan.messages().map(|message| message.name.as_str()).find(|name| words(what).any(|word| word == *name))
}

pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '-'))
}

/// Whether an entry is about a message, or a report on it.
pub(crate) fn speaks_of(entry: &Entry, message: &str) -> bool {
    let is_it = |shown: &str| Kind::about(shown) == message;
    match &entry.what {
        What::Client(attempt) => is_it(&attempt.message),
        What::Accepted { message: taken, .. } => is_it(taken),
        What::Smtp { line, .. } => {
            Content::read(line).and_then(|content| content.message).is_some_and(|name| is_it(&name))
        }
        _ => false,
    }
}
