//! How a run ended: what became of the mail, and whether the service is up.

use std::collections::BTreeSet;

use crate::mailbag::Item;
use crate::record::{End, Record};

/// A line for each message and where it is, and one for the service.
pub(crate) fn lines(end: &End) -> Vec<String> {
    let mut lines = Vec::new();
    for (mailbox, items) in &end.mailboxes {
        lines.extend(items.iter().map(|item| format!("mailbox {mailbox}: {}", shown(item))));
    }
    for (server, items) in &end.servers {
        lines.extend(items.iter().map(|item| format!("server {server}: {}", shown(item))));
    }
    for (folder, files) in &end.spool {
        lines.extend(files.iter().map(|file| {
            let item = file.item.as_ref().map_or_else(|| "a file that cannot be read".to_owned(), shown);
            format!("spool folder {folder}: {item}")
        }));
    }
    lines.push(format!("the service is {}", if end.service_up { "up" } else { "down" }));
    lines
}

fn shown(item: &Item) -> String {
    let from = if item.from.is_empty() { "nobody" } else { &item.from };
    format!("{} from {from} \"{}\"", item.kind, item.subject)
}

/// What became of the mail, without an order: a line for each message and where it is, and one for the service.
pub fn outcomes(record: &Record) -> BTreeSet<String> {
    lines(&record.end).into_iter().collect()
}
