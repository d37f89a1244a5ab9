//! One side of a comparison: what was to happen, as facts, and what happened, as rows.
//!
//! A row is known by what it says, not by when: what is private to a run (spool names, the numbers of connections, the
//! build of the release) is left out of that.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use gateway::release::Release;
use toml::Value;

use super::peers;
use crate::fault::Fault;
use crate::plan::{Plan, Task};
use crate::record::{Attempt, Content, End, Entry, Record, Speaker, What};
use crate::render::{end_lines, rename, spool_names};
use crate::scenario::Scenario;
use crate::span::Span;

/// One of the two runs that are compared.
#[derive(Clone, Debug)]
pub struct Side {
    /// What it is called.
    pub name: String,
    /// The release of the gateway.
    pub release: Release,
    /// The digest of the run.
    pub digest: String,
    /// What was to happen. A topic that is not there is not known.
    pub facts: Facts,
    /// What happened, in order, and how it ended.
    pub rows: Vec<Row>,
}

/// Facts of each topic: of what, and what it is.
pub type Facts = BTreeMap<Topic, BTreeSet<(String, String)>>;

/// What a fact is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// The scenario.
    Scenario,
    /// The release.
    Release,
    /// The seed.
    Seed,
    /// When it starts, and how long it takes at most.
    Time,
    /// How the service is looked after.
    Service,
    /// The gateway's configuration and the files on its disk.
    Configuration,
    /// The machines.
    Machines,
    /// What the clients hand over, when and to whom.
    Messages,
    /// What is in it, who the clients are, how patient and what they ask for; whose mail the servers take and what they
    /// offer; what the milters do.
    Peers,
    /// What goes wrong.
    Faults,
    /// The latency of each link.
    Latencies,
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Topic::Scenario => "scenario",
            Topic::Release => "release",
            Topic::Seed => "seed",
            Topic::Time => "time",
            Topic::Service => "service",
            Topic::Configuration => "configuration",
            Topic::Machines => "machines",
            Topic::Messages => "messages",
            Topic::Peers => "peers",
            Topic::Faults => "faults",
            Topic::Latencies => "latencies",
        })
    }
}

/// Something that happened, or how something was at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// When; none of what is so at the end.
    pub at: Option<Duration>,
    /// On which machine; nothing of what is so at the end.
    pub machine: String,
    /// What.
    pub text: String,
    /// What makes it the same as a row of the other side.
    pub(super) key: String,
    /// What makes it another version of a row of the other side.
    pub(super) sort: String,
}

impl Side {
    /// A run that was made.
    pub fn of(scenario: &Scenario, plan: &Plan, record: &Record) -> Side {
        Side {
            name: format!("{} on {}, seed {}", plan.scenario, plan.release, plan.seed.0),
            release: plan.release,
            digest: record.digest.to_string(),
            facts: facts(scenario, plan),
            rows: rows(&record.entries, &record.end, plan.release),
        }
    }
}

/// A fact without a name of its own.
pub(super) fn one(value: impl ToString) -> BTreeSet<(String, String)> {
    BTreeSet::from([(String::new(), value.to_string())])
}

/// A message, as the facts have it.
pub(super) fn message_fact(at: Duration, client: &str, from: &str, to: &[String], octets: usize) -> String {
    let at = String::from(Span(at));
    format!("at {at} from {client}, <{from}> to {}, {octets} octets", to.join(", "))
}

/// A fault: its kind, and the rest of its line in a scenario file.
pub(super) fn fault_fact(fault: &Fault) -> (String, String) {
    let mut line = toml::Table::try_from(fault).expect("a fault can be written");
    let kind = line.remove("kind").and_then(|kind| kind.as_str().map(str::to_owned));
    (kind.unwrap_or_default(), line.to_string().trim_end().replace('\n', ", "))
}

fn facts(scenario: &Scenario, plan: &Plan) -> Facts {
    let file: toml::Table = toml::from_str(&scenario.to_toml()).expect("what a scenario writes can be read");
    let mut configuration = BTreeSet::new();
    for part in ["config", "file"] {
        if let Some(value) = file.get("gateway").and_then(|gateway| gateway.get(part)) {
            flatten(if part == "file" { part } else { "" }, value, &mut configuration);
        }
    }
    let span = |span| String::from(Span(span));
    let pair = |key: &str, value: String| (key.to_owned(), value);
    let names: Vec<_> = plan.machines().collect();
    let machines = plan.addresses().zip(plan.roles());
    let machines = machines.map(|((address, name), role)| machine_fact(name, role, address));
    let messages = plan.clients.iter().flat_map(|client| {
        client.messages.iter().map(|message| {
            let to: Vec<_> = message.to.iter().map(ToString::to_string).collect();
            let fact = message_fact(message.at, &client.name, &message.from, &to, message.content.len());
            pair(&message.name, fact)
        })
    });
    let restarts = format!(
        "started again {} times, {} after its end",
        plan.service.restarts,
        span(plan.service.restart_after)
    );
    let errands = plan.errands.iter().map(|errand| {
        let what = match &errand.task {
            Task::Start => "starts the service".to_owned(),
            Task::CutPower => "cuts the power".to_owned(),
            Task::SetAside { message } => format!("moves {message} out of in"),
        };
        pair("the administrator", format!("{what} at {}", span(errand.at)))
    });
    let latencies = plan
        .latencies
        .iter()
        .map(|((a, b), latency)| (format!("{} – {}", names[a.0], names[b.0]), span(*latency)));
    BTreeMap::from([
        (Topic::Scenario, one(&plan.scenario)),
        (Topic::Release, one(plan.release)),
        (Topic::Seed, one(plan.seed.0)),
        (Topic::Time, time_facts(plan.starts, plan.duration)),
        (Topic::Service, errands.chain([pair("", restarts)]).collect()),
        (Topic::Configuration, configuration),
        (Topic::Machines, machines.collect()),
        (Topic::Messages, messages.collect()),
        (Topic::Peers, peers::facts(plan)),
        (Topic::Faults, plan.faults.iter().map(fault_fact).collect()),
        (Topic::Latencies, latencies.collect()),
    ])
}

/// When a run starts, and how long it takes at most.
pub(super) fn time_facts(starts: jiff::Timestamp, duration: Duration) -> BTreeSet<(String, String)> {
    let lasts = String::from(Span(duration));
    BTreeSet::from([("starts".to_owned(), starts.to_string()), ("lasts at most".to_owned(), lasts)])
}

/// A machine, as the facts have it.
pub(super) fn machine_fact(name: &str, role: &str, address: impl fmt::Display) -> (String, String) {
    (name.to_owned(), format!("{role}, {address}"))
}

/// Each value below a value, and where it is. The elements of a list are all at the same place.
fn flatten(at: &str, value: &Value, facts: &mut BTreeSet<(String, String)>) {
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                let at = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                flatten(&at, value, facts);
            }
        }
        Value::Array(elements) => {
            facts.extend(elements.iter().map(|element| (at.to_owned(), element.to_string())));
        }
        value => {
            facts.insert((at.to_owned(), value.to_string()));
        }
    }
}

/// What happened and how it ended, as rows.
pub(super) fn rows(entries: &[Entry], end: &End, release: Release) -> Vec<Row> {
    let names = spool_names(entries);
    let connections = connections(entries);
    let known = |text: &str| text.replace(release.build(), "(build)");
    let entry_row = |entry: &Entry| {
        if let What::Milter(filtering) = &entry.what {
            return answer_row(entry.at, &entry.machine, &filtering.to_string(), &names);
        }
        let text = rename(&entry.what.to_string(), &names);
        let (key, sort) = match &entry.what {
            What::Smtp { connection, speaker, line } => {
                let on = &connections[connection];
                let first = line.split([' ', ':']).next().unwrap_or_default();
                let sort = match speaker {
                    Speaker::Client => format!("{on} C {first}"),
                    Speaker::Server => format!("{on} S"),
                    Speaker::Network => format!("{on} network"),
                };
                (format!("{on} {speaker:?} {}", known(&rename(line, &names))), sort)
            }
            What::Event(event) => (known(&text), format!("event {}", event.id)),
            What::Client(Attempt { message, number, .. }) => (text.clone(), format!("{message} {number}")),
            What::Accepted { message, .. } => (text.clone(), format!("takes {message}")),
            What::Milter(_) | What::Service(_) => (text.clone(), "service".to_owned()),
            What::Administrator(_) => (text.clone(), "administrator".to_owned()),
            What::Fault(_) => (text.clone(), text.clone()),
            // Its place in the plan is another where a line more is before it.
            What::FaultSpan { what, begins, .. } => {
                let key = format!("{what} {begins}");
                (key.clone(), key)
            }
        };
        let machine = entry.machine.to_string();
        let (key, sort) = (format!("{machine} {key}"), format!("{machine} {sort}"));
        Row { at: Some(entry.at), machine, text, key, sort }
    };
    let end_row = |text: String| {
        let sort =
            text.split(':').next().unwrap_or_default().split(" is ").next().unwrap_or_default().to_owned();
        Row { at: None, machine: String::new(), key: format!("at the end {text}"), sort, text }
    };
    entries.iter().map(entry_row).chain(end_lines(end).into_iter().map(end_row)).collect()
}

/// What a milter answers, as a row.
pub(super) fn answer_row(at: Duration, machine: &str, words: &str, names: &BTreeMap<String, String>) -> Row {
    let text = rename(words, names);
    let (key, sort) = (format!("{machine} {text}"), format!("{machine} milter"));
    Row { at: Some(at), machine: machine.to_owned(), text, key, sort }
}

/// What each connection is known by: how it was opened, the message that went over it, and which of several it is.
fn connections(entries: &[Entry]) -> BTreeMap<u32, String> {
    let mut about: BTreeMap<u32, (String, String)> = BTreeMap::new();
    for entry in entries {
        if let What::Smtp { connection, line, .. } = &entry.what {
            let (_, message) = about
                .entry(*connection)
                .or_insert_with(|| (format!("{} {line}", entry.machine), String::new()));
            if message.is_empty() {
                *message = Content::read(line).and_then(|content| content.message).unwrap_or_default();
            }
        }
    }
    let mut times: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut named = |(connection, about): (u32, (String, String))| {
        let nth = times.entry(about.clone()).or_default();
        *nth += 1;
        (connection, format!("{} {} {nth}", about.0, about.1))
    };
    about.into_iter().map(&mut named).collect()
}
