//! The rows of the timeline: every entry of the Record, each fault that is there for a moment, each move of a message on
//! the gateway's disk, and the end; all in the order of time.
//!
//! The disk is captured as it stands when an instant is over. Its moves come after all else of their instant, and say
//! nothing of the order within it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::bands::Band;
use super::micros;
use crate::capture::FileChange;
use crate::explain::at_the_end;
use crate::mailbag;
use crate::plan::Plan;
use crate::record::{Outcome, Record, Service, Speaker, What};
use crate::service_control::ends_the_service;

/// What a row is; its number is its place in [`Kind::NAMES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    SaidByClient,
    SaidByServer,
    Network,
    Information,
    Warning,
    Error,
    Up,
    Down,
    Accepted,
    Refused,
    Lost,
    Taken,
    Administrator,
    Fault,
    FaultBegins,
    FaultEnds,
    Disk,
    End,
}

impl Kind {
    /// The names by which the page knows them.
    pub(super) const NAMES: [&str; 18] = [
        "said-by-client",
        "said-by-server",
        "network",
        "information",
        "warning",
        "error",
        "up",
        "down",
        "accepted",
        "refused",
        "lost",
        "taken",
        "administrator",
        "fault",
        "fault-begins",
        "fault-ends",
        "disk",
        "end",
    ];

    /// Whether it is a line of a dialogue.
    pub(super) fn is_smtp(self) -> bool {
        matches!(self, Kind::SaidByClient | Kind::SaidByServer | Kind::Network)
    }
}

/// A row.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// When, in microseconds.
    pub(super) at: u64,
    pub(super) kind: Kind,
    /// On which machine, as a place among the lanes.
    pub(super) lane: usize,
    pub(super) text: String,
    /// The message of the plan that it is about.
    pub(super) message: Option<String>,
    /// The connection, 0 if it is of none.
    pub(super) connection: u32,
    /// Its place in the Record, if it stands there.
    pub(super) entry: Option<usize>,
}

/// Every row. `messages` are those that the entries of the Record are about.
pub(super) fn rows(
    plan: &Plan,
    record: &Record,
    bands: &[Band],
    messages: &[Option<String>],
    lane: impl Fn(&str) -> Option<usize>,
) -> Vec<Row> {
    let gateway = lane(&plan.gateway.name).unwrap_or_default();
    let mut rows = Vec::new();
    rows.extend(record.entries.iter().zip(messages).enumerate().map(|(place, (entry, message))| {
        let connection = if let What::Smtp { connection, .. } = &entry.what { *connection } else { 0 };
        let text = match &entry.what {
            What::Smtp { line, .. } => line.clone(),
            what => what.to_string(),
        };
        Row {
            at: micros(entry.at),
            kind: if ends_the_service(&entry.what) && entry.machine == plan.gateway.name {
                Kind::Down
            } else {
                kind(&entry.what)
            },
            lane: lane(&entry.machine).unwrap_or(gateway),
            text,
            message: message.clone(),
            connection,
            entry: Some(place),
        }
    }));
    rows.extend(moments(bands));
    let files = record.capture.as_ref().map_or(&[][..], |capture| &capture.files);
    rows.extend(moves(files).into_iter().map(|(at, shown, text)| Row {
        at: micros(at),
        kind: Kind::Disk,
        lane: gateway,
        text,
        message: Some(mailbag::Kind::about(shown).to_owned()),
        connection: 0,
        entry: None,
    }));
    rows.push(Row {
        at: micros(record.ended).max(rows.iter().map(|row| row.at).max().unwrap_or_default()),
        kind: Kind::End,
        lane: gateway,
        text: format!("the run ends: {}", at_the_end(&record.end)),
        message: None,
        connection: 0,
        entry: None,
    });
    // Stable: what comes at one time stays in the order of entries, bites, disk, and the end.
    rows.sort_by_key(|row| row.at);
    rows
}

fn kind(what: &What) -> Kind {
    match what {
        What::Smtp { speaker: Speaker::Client, .. } => Kind::SaidByClient,
        What::Smtp { speaker: Speaker::Server, .. } => Kind::SaidByServer,
        What::Smtp { speaker: Speaker::Network, .. } => Kind::Network,
        What::Event(event) => match event.severity.as_str() {
            "Error" => Kind::Error,
            "Warning" => Kind::Warning,
            _ => Kind::Information,
        },
        What::Service(Service::Starts) => Kind::Up,
        What::Service(_) => Kind::Down,
        What::Client(attempt) => match attempt.outcome {
            Outcome::Accepted { .. } => Kind::Accepted,
            Outcome::Refused { .. } => Kind::Refused,
            Outcome::Lost { .. } | Outcome::Unreachable(_) => Kind::Lost,
        },
        What::Accepted { .. } => Kind::Taken,
        What::Milter(filtering) if filtering.verdict().is_some() => Kind::Warning,
        What::Milter(_) => Kind::Information,
        What::Administrator(_) => Kind::Administrator,
        What::Fault(_) => Kind::Fault,
        What::FaultSpan { begins: true, .. } => Kind::FaultBegins,
        What::FaultSpan { begins: false, .. } => Kind::FaultEnds,
    }
}

/// Each fault that is there for a moment.
fn moments(bands: &[Band]) -> Vec<Row> {
    let moment = |band: &Band| {
        let at = band.from.filter(|_| band.from == band.until)?;
        let last = if band.times > 1 { format!(", the last of {} times", band.times) } else { String::new() };
        Some(Row {
            at,
            kind: Kind::FaultBegins,
            lane: band.lanes.first().copied().unwrap_or_default(),
            text: format!("{}{last}", band.words),
            message: band.message.clone(),
            connection: 0,
            entry: None,
        })
    };
    bands.iter().filter_map(moment).collect()
}

/// What became of each message on the disk in each instant: when, the message as it is shown, and what. What came and
/// went within the instant is not told.
fn moves(files: &[FileChange]) -> Vec<(Duration, &str, String)> {
    let mut held: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    let mut moves = Vec::new();
    for instant in files.chunk_by(|one, other| one.at == other.at) {
        let mut before = BTreeMap::new();
        for change in instant {
            let key = (change.folder.as_str(), change.file.as_str());
            let message = change.holds.as_ref().map(|held| held.message.as_str());
            let was = match message.filter(|name| !name.is_empty()) {
                Some(name) => held.insert(key, name),
                None => held.remove(&key),
            };
            before.entry(key).or_insert(was);
        }
        let mut moved: BTreeMap<&str, [Vec<&str>; 2]> = BTreeMap::new();
        for (key, was) in before {
            let is = held.get(&key).copied();
            if was != is {
                was.into_iter().for_each(|name| moved.entry(name).or_default()[0].push(key.0));
                is.into_iter().for_each(|name| moved.entry(name).or_default()[1].push(key.0));
            }
        }
        let told = moved.into_iter().map(|(name, [from, to])| (instant[0].at, name, said(name, &from, &to)));
        moves.extend(told);
    }
    moves
}

fn said(message: &str, from: &[&str], to: &[&str]) -> String {
    let named = |folders: &[&str]| {
        let name = |folder: &&str| match folder.strip_prefix("mailboxes/") {
            Some(mailbox) => format!("mailbox {mailbox}"),
            None => format!("{folder}/"),
        };
        folders.iter().map(name).collect::<Vec<_>>().join(", ")
    };
    match (from, to) {
        ([], to) => format!("{message} now in {}", named(to)),
        (from, []) => format!("{message} removed from {}", named(from)),
        (from, to) => format!("{message} from {} to {}", named(from), named(to)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Held;

    fn change(at: u64, folder: &str, file: &str, message: Option<&str>) -> FileChange {
        let holds = message.map(|message| Held { message: message.to_owned(), ..Held::default() });
        FileChange { at: Duration::from_secs(at), folder: folder.to_owned(), file: file.to_owned(), holds }
    }

    #[test]
    fn a_message_is_told_where_it_comes_from_and_where_it_goes() {
        let files = [
            change(1, "in", "AAAAAAAA", Some("m1")),
            change(2, "mailboxes/bob@x.test", "AAAAAAAA", Some("m1")),
            change(2, "out", "AAAAAAAA.1", Some("m1")),
            change(2, "in", "AAAAAAAA", None),
            change(3, "out", "AAAAAAAA.1", None),
            change(3, "work", "BBBBBBBB", Some("")),
            change(4, "in", "CCCCCCCC", Some("m2")),
            change(4, "in", "CCCCCCCC", None),
            change(4, "bad", "CCCCCCCC", Some("m2")),
        ];
        let told: Vec<String> = moves(&files).into_iter().map(|(_, _, text)| text).collect();
        assert_eq!(
            told,
            [
                "m1 now in in/",
                "m1 from in/ to mailbox bob@x.test, out/",
                "m1 removed from out/",
                "m2 now in bad/",
            ]
        );
    }
}
