//! A run as a timeline, for ui.perfetto.dev and `chrome://tracing` (Trace Event Format).
//!
//! | module | what it knows |
//! |---|---|
//! | this one | what the machines, their threads and their slices are |
//! | `spool` | where files were, and for how long |
//! | `trace` | how a timeline is written |
//!
//! Each machine is a process, and the plan's faults are one more. An arrow follows each message from slice to slice.

mod spool;
mod trace;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde_json::json;
use trace::{Process, Slice, Track};

use crate::mailbag::Kind;
use crate::plan::{ClientPlan, Plan};
use crate::record::{Attempt, Content, Entry, Record, Service, Speaker, What};
use crate::service_control::ends_the_service;

/// Writes the timeline of a run. What is known of the spool is there only if it was
/// [kept](crate::trace::Keep::Capture).
///
/// # Errors
/// The writer's.
pub fn write(plan: &Plan, record: &Record, out: &mut impl Write) -> io::Result<()> {
    let mut processes = machines(plan, record);
    processes.extend(faults(plan, record));
    let about = json!({
        "scenario": plan.scenario,
        "release": plan.release.name(),
        "seed": plan.seed.0,
        "digest": record.digest.to_string(),
        "starts": record.starts.to_string(),
    });
    trace::write(&processes, &about, out)
}

fn machines(plan: &Plan, record: &Record) -> Vec<Process> {
    let mut machines: Vec<Process> = plan
        .addresses()
        .map(|(address, name)| Process {
            name: name.to_owned(),
            label: address.to_string(),
            ..Process::default()
        })
        .collect();
    let (gateway, peers) = machines.split_first_mut().expect("there is always a gateway");
    gateway.tracks.push(Track { name: "service".to_owned(), slices: lives(plan, record) });
    gateway.tracks.push(Track { name: "event log".to_owned(), slices: events(record) });
    gateway.tracks.push(Track { name: "connections".to_owned(), slices: connections(plan, record) });
    if let Some(capture) = &record.capture {
        let (tracks, counters) = spool::tracks(capture, record.ended);
        gateway.tracks.extend(tracks);
        gateway.counters.extend(counters);
    }
    let (clients, others) = peers.split_at_mut(plan.clients.len());
    // Behind the servers are the milters, and behind those a name server, whose answers are in no Record.
    let (servers, others) = others.split_at_mut(plan.servers.len());
    let (milters, _) = others.split_at_mut(plan.milters.len());
    for (client, process) in plan.clients.iter().zip(clients) {
        process.tracks.push(Track { name: "tries".to_owned(), slices: tries(client, record) });
    }
    for process in servers {
        let slices = taken(record, &process.name);
        process.tracks.push(Track { name: "mail taken".to_owned(), slices });
    }
    for process in milters {
        let slices = answers(plan, record, &process.name);
        process.tracks.push(Track { name: "answers".to_owned(), slices });
    }
    for process in &mut machines {
        let slices = troubles(record, &process.name);
        process.tracks.push(Track { name: "what is done to it".to_owned(), slices });
    }
    machines
}

/// Each time from a start of the gateway's service to its end.
fn lives(plan: &Plan, record: &Record) -> Vec<Slice> {
    let mut lives = Vec::new();
    let mut since = None;
    let mut end = |since: &mut Option<Duration>, at: Duration, how: String| {
        if let Some(start) = since.take() {
            let name = format!("up ({})", lives.len() + 1);
            lives.push(Slice { name, start, end: at, args: json!({ "ends": how }), ..Slice::default() });
        }
    };
    for entry in record.entries.iter().filter(|entry| entry.machine == plan.gateway.name) {
        if entry.what == What::Service(Service::Starts) {
            since = Some(entry.at);
        } else if ends_the_service(&entry.what) {
            end(&mut since, entry.at, entry.what.to_string());
        }
    }
    end(&mut since, record.ended, "the run ends".to_owned());
    lives
}

fn events(record: &Record) -> Vec<Slice> {
    let events = record.entries.iter().filter_map(|entry| match &entry.what {
        What::Event(event) => Some(moment(
            entry,
            format!("event {}", event.id),
            json!({
                "severity": event.severity.to_string(),
                "category": event.category.to_string(),
                "description": event.description,
            }),
        )),
        _ => None,
    });
    events.collect()
}

/// What faults and the administrator did to a machine.
fn troubles(record: &Record, machine: &str) -> Vec<Slice> {
    let of_it = record.entries.iter().filter(|entry| &*entry.machine == machine);
    let troubles = of_it.filter(|entry| matches!(entry.what, What::Fault(_) | What::Administrator(_)));
    troubles.map(|entry| moment(entry, entry.what.to_string(), json!(null))).collect()
}

/// Each dialogue, and in it each line, until the next one.
fn connections(plan: &Plan, record: &Record) -> Vec<Slice> {
    let mut dialogues: BTreeMap<u32, Vec<(Duration, Speaker, &str)>> = BTreeMap::new();
    for entry in &record.entries {
        if let What::Smtp { connection, speaker, line } = &entry.what {
            dialogues.entry(*connection).or_default().push((entry.at, *speaker, line));
        }
    }
    let names: BTreeMap<IpAddr, &str> = plan.addresses().collect();
    let mut connections: Vec<Slice> = dialogues
        .into_iter()
        .map(|(number, lines)| {
            let ends: Vec<Duration> = lines.iter().skip(1).chain(lines.last()).map(|(at, ..)| *at).collect();
            let parts = lines.iter().zip(&ends).map(|((start, speaker, line), end)| Slice {
                name: said(*speaker, line),
                start: *start,
                end: *end,
                subject: Content::read(line).and_then(|content| content.message),
                ..Slice::default()
            });
            let (start, _, first) = lines[0];
            Slice {
                name: format!("{number}: {}", with_names(first, &names)),
                start,
                end: ends[ends.len() - 1],
                parts: parts.collect(),
                ..Slice::default()
            }
        })
        .collect();
    connections.sort_by_key(|connection| connection.start);
    connections
}

fn said(speaker: Speaker, line: &str) -> String {
    match speaker {
        Speaker::Client => format!("C: {line}"),
        Speaker::Server => format!("S: {line}"),
        Speaker::Network => line.to_owned(),
    }
}

/// A text in which the addresses of machines are their names.
fn with_names(text: &str, names: &BTreeMap<IpAddr, &str>) -> String {
    let named = text.split(' ').map(|word| {
        let bare = word.trim_end_matches(':');
        let address = bare.parse().ok().or_else(|| bare.parse().ok().map(|socket: SocketAddr| socket.ip()));
        address.and_then(|address| names.get(&address).copied()).unwrap_or(word)
    });
    named.collect::<Vec<_>>().join(" ")
}

/// Each try of a client: from when its message is due, or the wait after the try before is over.
fn tries(client: &ClientPlan, record: &Record) -> Vec<Slice> {
    let mut tries = Vec::new();
    for message in &client.messages {
        let mut start = message.at;
        for entry in &record.entries {
            let What::Client(Attempt { message: name, number, outcome }) = &entry.what else { continue };
            if *name == message.name {
                tries.push(Slice {
                    name: format!("{name}, try {number}"),
                    start,
                    end: entry.at,
                    args: json!({ "outcome": outcome.to_string() }),
                    subject: Some(name.clone()),
                    ..Slice::default()
                });
                start = entry.at + message.retry.get(number - 1).copied().unwrap_or_default();
            }
        }
    }
    tries.sort_by_key(|one| one.start);
    tries
}

/// Each message that a mail server took.
fn taken(record: &Record, server: &str) -> Vec<Slice> {
    let of_it = record.entries.iter().filter(|entry| &*entry.machine == server);
    let taken = of_it.filter_map(|entry| match &entry.what {
        What::Accepted { message, recipients } => Some(Slice {
            subject: subject(message),
            ..moment(entry, format!("takes {message}"), json!({ "recipients": recipients }))
        }),
        _ => None,
    });
    taken.collect()
}

/// Each answer of a milter. An arrow follows a message of the plan, and nobody else that it is asked about.
fn answers(plan: &Plan, record: &Record, milter: &str) -> Vec<Slice> {
    let of_it = record.entries.iter().filter(|entry| &*entry.machine == milter);
    let answers = of_it.filter_map(|entry| match &entry.what {
        What::Milter(filtering) => Some(Slice {
            subject: plan.messages().find(|it| it.name == filtering.about).map(|it| it.name.clone()),
            ..moment(entry, filtering.to_string(), json!(null))
        }),
        _ => None,
    });
    answers.collect()
}

/// Each line of the plan that has a time of its own, within the run; nothing if there is none.
fn faults(plan: &Plan, record: &Record) -> Option<Process> {
    let lines = (1..).zip(plan.faults.iter().zip(&record.bites));
    let tracks = lines.filter_map(|(number, (line, bite))| {
        let start = line.begins_at().filter(|start| *start <= record.ended)?;
        let end = line.heals_at().unwrap_or(start).min(record.ended);
        let args = json!({ "line": line, "bites": bite.times });
        let slice = Slice { name: line.kind().to_owned(), start, end, args, ..Slice::default() };
        Some(Track { name: format!("fault {number}"), slices: vec![slice] })
    });
    let tracks: Vec<Track> = tracks.collect();
    let label = format!("{} of {} lines", tracks.len(), plan.faults.len());
    let process = Process { name: "faults of the plan".to_owned(), label, tracks, counters: Vec::new() };
    (!process.tracks.is_empty()).then_some(process)
}

fn moment(entry: &Entry, name: String, args: serde_json::Value) -> Slice {
    Slice { name, start: entry.at, end: entry.at, args, ..Slice::default() }
}

/// The message that an arrow follows: one that is known.
fn subject(message: &str) -> Option<String> {
    (!message.is_empty() && message != Kind::Other.to_string()).then(|| message.to_owned())
}
