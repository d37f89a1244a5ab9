//! What the page is given: the run as compact JSON. Texts stand in it once and are spoken of by their places; rows are
//! columns.
//!
//! It knows what a run is made of, not what it looks like.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::bands::{Band, bands};
use super::messages::{connections, messages};
use super::rows::{Kind, Row, rows};
use super::{Shown, micros};
use crate::breach;
use crate::capture::FileChange;
use crate::mailbag;
use crate::oracle::ORACLES;
use crate::plan::Plan;
use crate::record::{Record, Spooled};
use crate::snapshot::Comparison;

/// A run, ready to be written down.
pub(super) struct Run<'a> {
    head: Head<'a>,
    findings: Vec<Finding<'a>>,
    lanes: Vec<Lane<'a>>,
    bands: Vec<Band>,
    messages: Vec<Message<'a>>,
    connections: Vec<(u32, usize, bool)>,
    pub(super) rows: Vec<Row>,
    files: &'a [FileChange],
    /// The row that the page opens with.
    pub(super) focus: usize,
}

#[derive(Serialize)]
struct Head<'a> {
    scenario: &'a str,
    title: &'a str,
    release: String,
    /// As text: JSON's numbers are smaller.
    seed: String,
    engine: &'a str,
    digest: String,
    command: &'a str,
    /// In milliseconds since 1970.
    starts: i64,
    ended: u64,
    good: bool,
    unmet: &'a [String],
    snapshot: Option<&'static str>,
}

#[derive(Serialize)]
struct Finding<'a> {
    oracle: &'a str,
    cause: &'a str,
    what: &'a str,
    promise: &'a str,
    expected: bool,
    /// The row that broke the oracle.
    row: Option<usize>,
}

#[derive(Serialize)]
struct Lane<'a> {
    name: &'a str,
    address: String,
    role: &'static str,
}

#[derive(Serialize)]
struct Message<'a> {
    name: &'a str,
    lane: usize,
    from: &'a str,
    to: Vec<String>,
    octets: usize,
    subject: String,
    /// Where it is at the end, and each report on it.
    ends: Vec<String>,
}

/// What a page has of a run.
pub(super) struct Part {
    /// The rows, in their order.
    pub(super) rows: Vec<usize>,
    /// Whether it has what the spool and the mailboxes hold.
    pub(super) files: bool,
    /// What is left out, a sentence each.
    pub(super) left_out: Vec<String>,
}

impl<'a> Run<'a> {
    pub(super) fn new(shown: &'a Shown<'a>) -> Self {
        let (plan, record) = (&shown.replay.plan, &shown.replay.record);
        let lanes = lanes(plan, record);
        let places: BTreeMap<&str, usize> = lanes.iter().map(|lane| lane.name).zip(0..).collect();
        let lane = |name: &str| places.get(name).copied();
        let bands = bands(plan, record, lane);
        let rows = rows(plan, record, &bands, &messages(plan, record), lane);
        let findings = findings(shown, &rows);
        let focus = findings.iter().find_map(|finding| finding.row).unwrap_or_default();
        let of_address = |address| lanes.iter().position(|lane| lane.address == address);
        let connections = connections(record)
            .into_iter()
            .filter_map(|(number, with)| Some((number, of_address(with.peer.to_string())?, with.is_inbound)))
            .collect();
        Run {
            head: head(shown),
            findings,
            messages: planned(plan, record, lane),
            bands,
            connections,
            rows,
            files: record.capture.as_ref().map_or(&[], |capture| &capture.files),
            focus,
            lanes,
        }
    }

    /// The run without what is not in the part, as JSON.
    pub(super) fn to_json(&self, part: &Part) -> String {
        let mut texts = Texts::default();
        let is_whole = part.rows.len() == self.rows.len();
        let named: BTreeSet<&str> =
            part.rows.iter().filter_map(|row| self.rows[*row].message.as_deref()).collect();
        let messages: Vec<&Message<'_>> =
            self.messages.iter().filter(|message| is_whole || named.contains(message.name)).collect();
        let numbers: BTreeMap<&str, usize> =
            (1..).zip(&messages).map(|(number, message)| (message.name, number)).collect();
        let rows: Vec<&Row> = part.rows.iter().map(|row| &self.rows[*row]).collect();
        let mut last = 0;
        let columns = serde_json::json!({
            "at": rows.iter().map(|row| row.at - std::mem::replace(&mut last, row.at)).collect::<Vec<_>>(),
            "kind": rows.iter().map(|row| row.kind as usize).collect::<Vec<_>>(),
            "lane": rows.iter().map(|row| row.lane).collect::<Vec<_>>(),
            "text": rows.iter().map(|row| texts.place(&row.text)).collect::<Vec<_>>(),
            "connection": rows.iter().map(|row| row.connection).collect::<Vec<_>>(),
            "message": rows.iter().map(|row| {
                row.message.as_deref().and_then(|name| numbers.get(name)).copied().unwrap_or_default()
            }).collect::<Vec<_>>(),
        });
        let findings: Vec<serde_json::Value> = self
            .findings
            .iter()
            .map(|finding| {
                let mut value = serde_json::to_value(finding).expect("texts and numbers can be written");
                value["row"] = finding.row.and_then(|row| part.rows.binary_search(&row).ok()).into();
                value
            })
            .collect();
        let files = part.files.then(|| files(self.files, &mut texts));
        let connections: Vec<_> = self
            .connections
            .iter()
            .filter(|(number, ..)| is_whole || rows.iter().any(|row| row.connection == *number))
            .collect();
        let run = serde_json::json!({
            "head": self.head,
            "findings": findings,
            "lanes": self.lanes,
            "faults": self.bands,
            "messages": messages,
            "connections": connections,
            "kinds": Kind::NAMES,
            "about": mailbag::Kind::ABOUT,
            "rows": columns,
            "files": files,
            "texts": texts.all,
            "open": part.rows.binary_search(&self.focus).unwrap_or_default(),
            "leftOut": part.left_out,
        });
        run.to_string()
    }
}

/// Texts, each once.
#[derive(Default)]
struct Texts {
    all: Vec<String>,
    places: BTreeMap<String, usize>,
}

impl Texts {
    fn place(&mut self, text: &str) -> usize {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        self.places.insert(text.to_owned(), self.all.len());
        self.all.push(text.to_owned());
        self.all.len() - 1
    }
}

fn head<'a>(shown: &Shown<'a>) -> Head<'a> {
    let replay = shown.replay;
    Head {
        scenario: &replay.plan.scenario,
        title: shown.title,
        release: replay.plan.release.to_string(),
        seed: replay.plan.seed.0.to_string(),
        engine: shown.engine,
        digest: replay.record.digest.to_string(),
        command: shown.command,
        starts: replay.record.starts.as_millisecond(),
        ended: micros(replay.record.ended),
        good: replay.is_good(),
        unmet: &replay.unmet,
        snapshot: match replay.snapshot {
            Some(Comparison::Differs(_)) => Some("the event log differs from its snapshot"),
            Some(Comparison::Missing) => Some("there is no snapshot of the event log"),
            Some(Comparison::Same) | None => None,
        },
    }
}

fn findings<'a>(shown: &Shown<'a>, rows: &[Row]) -> Vec<Finding<'a>> {
    let replay = shown.replay;
    let places: BTreeMap<usize, usize> =
        rows.iter().enumerate().filter_map(|(place, row)| Some((row.entry?, place))).collect();
    let finding = |found: &'a crate::oracle::Finding| Finding {
        oracle: found.oracle,
        cause: &found.cause,
        what: &found.what,
        promise: ORACLES
            .iter()
            .find(|oracle| oracle.name == found.oracle)
            .map_or("", |oracle| oracle.promise),
        expected: replay.unexpected().all(|other| other != found),
        row: match breach::place(&replay.plan, &replay.record.entries, found.oracle, &found.what) {
            Some(entry) => places.get(&entry).copied(),
            // What is seen at the end of the run alone.
            None => rows.len().checked_sub(1),
        },
    };
    replay.findings.iter().map(finding).collect()
}

/// Clients to the left of the gateway, all others to the right. A name server has a lane if there is anything to see in
/// it: what it is asked is in no row.
fn lanes<'a>(plan: &'a Plan, record: &Record) -> Vec<Lane<'a>> {
    let has_rows = |name: &str| {
        record.entries.iter().any(|entry| *entry.machine == *name)
            || plan.faults.iter().any(|fault| fault.machines().contains(&name))
    };
    let machines = plan.addresses().zip(plan.roles());
    let mut lanes: Vec<Lane<'_>> = machines
        .filter(|((_, name), role)| *role != "name-server" || has_rows(name))
        .map(|((address, name), role)| Lane { name, address: address.to_string(), role })
        .collect();
    lanes[..=plan.clients.len()].rotate_left(1);
    lanes
}

fn planned<'a>(plan: &'a Plan, record: &Record, lane: impl Fn(&str) -> Option<usize>) -> Vec<Message<'a>> {
    let mut ends = ends(record);
    let mut planned = Vec::new();
    for client in &plan.clients {
        planned.extend(client.messages.iter().map(|message| Message {
            name: &message.name,
            lane: lane(&client.name).unwrap_or_default(),
            from: &message.from,
            to: message.to.iter().map(ToString::to_string).collect(),
            octets: message.content.len(),
            subject: mailbag::identify(&message.content).subject,
            ends: ends.remove(&message.name).unwrap_or_default(),
        }));
    }
    planned
}

/// Where everything about a message is at the end.
fn ends(record: &Record) -> BTreeMap<String, Vec<String>> {
    let mut ends: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut add = |shown: String, place: String| {
        ends.entry(mailbag::Kind::about(&shown).to_owned()).or_default().push(format!("{shown} in {place}"));
    };
    for (mailbox, items) in &record.end.mailboxes {
        items.iter().for_each(|item| add(item.kind.to_string(), format!("mailbox {mailbox}")));
    }
    for (server, items) in &record.end.servers {
        items.iter().for_each(|item| add(item.kind.to_string(), format!("the mail of {server}")));
    }
    for (folder, files) in &record.end.spool {
        for Spooled { item, .. } in files {
            item.iter().for_each(|item| add(item.kind.to_string(), format!("spool folder {folder}")));
        }
    }
    ends
}

/// Each change of a file, column by column. Without `octets` it is gone.
fn files(changes: &[FileChange], texts: &mut Texts) -> serde_json::Value {
    let mut last = 0;
    let mut of = |text: &dyn Fn(&FileChange) -> String| -> Vec<usize> {
        changes.iter().map(|change| texts.place(&text(change))).collect()
    };
    let held = |change: &FileChange| change.holds.clone().unwrap_or_default();
    serde_json::json!({
        "folder": of(&|change| change.folder.clone()),
        "file": of(&|change| change.file.clone()),
        "message": of(&|change| held(change).message),
        "to": of(&|change| held(change).recipients.join(", ")),
        "octets": changes.iter().map(|change| change.holds.as_ref().map(|held| held.octets)).collect::<Vec<_>>(),
        "at": changes.iter().map(|change| {
            let at = micros(change.at);
            at - std::mem::replace(&mut last, at)
        }).collect::<Vec<_>>(),
    })
}
