//! The files of a capture as slices: how long each was in its folder of the spool, and when it came into a mailbox; and
//! how many were in each folder.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::subject;
use super::trace::{Counter, Slice, Track};
use crate::capture::{Capture, Held};

/// A track and a counter for each folder of the spool, and a track for each mailbox.
pub(super) fn tracks(capture: &Capture, ended: Duration) -> (Vec<Track>, Vec<Counter>) {
    let mut folders: BTreeMap<&str, Folder<'_>> = BTreeMap::new();
    for change in &capture.files {
        let folder = folders.entry(&change.folder).or_default();
        folder.change(change.at, &change.file, change.holds.as_ref());
    }
    let (mut tracks, mut counters) = (Vec::new(), Vec::new());
    for (name, mut folder) in folders {
        let is_mailbox = name.starts_with("mailboxes/");
        for (file, stay) in std::mem::take(&mut folder.there) {
            folder.stays.push(stay.slice(file, if is_mailbox { stay.since } else { ended }));
        }
        folder.stays.sort_by_key(|stay| stay.start);
        let shown = if is_mailbox { name.to_owned() } else { format!("spool {name}/") };
        if !is_mailbox {
            counters.push(Counter { name: shown.clone(), unit: "files", values: folder.counts });
        }
        tracks.push(Track { name: shown, slices: folder.stays });
    }
    (tracks, counters)
}

#[derive(Default)]
struct Folder<'a> {
    there: BTreeMap<&'a str, Stay<'a>>,
    stays: Vec<Slice>,
    /// How many files there were, each time that this changed.
    counts: Vec<(Duration, usize)>,
}

/// A file that is there.
struct Stay<'a> {
    since: Duration,
    held: &'a Held,
}

impl<'a> Folder<'a> {
    fn change(&mut self, at: Duration, file: &'a str, holds: Option<&'a Held>) {
        let before = self.there.len();
        match holds {
            // A file that is written on stays.
            Some(held) => self.there.entry(file).or_insert(Stay { since: at, held }).held = held,
            None => {
                let stay = self.there.remove(file);
                self.stays.extend(stay.map(|stay| stay.slice(file, at)));
            }
        }
        let files = self.there.len();
        if files != before {
            // At one instant the last count is the one.
            self.counts.pop_if(|(last, _)| *last == at);
            self.counts.push((at, files));
        }
    }
}

impl Stay<'_> {
    fn slice(&self, file: &str, end: Duration) -> Slice {
        let Held { message, recipients, octets } = self.held;
        let shown = if message.is_empty() { "not readable yet" } else { message };
        Slice {
            name: shown.to_owned(),
            start: self.since,
            end,
            args: json!({ "file": file, "recipients": recipients, "octets": octets }),
            subject: subject(message),
            ..Slice::default()
        }
    }
}
