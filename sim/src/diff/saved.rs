//! A run in a file, as `postmortem show --json` writes it, perhaps at another commit. Keys that are not asked for here may
//! come and go.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gateway::eventlog;
use gateway::exception::Exception;
use gateway::release::Release;
use jiff::Timestamp;
use serde::Deserialize;

use super::side::{
    Row, Side, Topic, answer_row, fault_fact, machine_fact, message_fact, one, rows, time_facts,
};
use crate::fault::Fault;
use crate::mailbag::{Item, Kind};
use crate::record::{Attempt, End, Entry, Outcome, Service, Speaker, Spooled, What, filtering_words};
use crate::render::spool_names;

/// The version of the format that is read.
const VERSION: u32 = 1;

/// A file is no run that can be read.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{file} is no Record that can be read: {why}")]
#[diagnostic(help(
    "make it again with `postmortem show NAME --json FILE`; this build reads version {VERSION}"
))]
pub struct Unreadable {
    file: String,
    why: String,
}

/// Whether a text is such a file, or was meant to be.
pub fn is_saved(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

/// Reads a run. `file` is for messages.
///
/// # Errors
/// The text is no such file, or one of another version.
pub fn read(file: &str, text: &str) -> Result<Side, Unreadable> {
    let unreadable = |why: String| Unreadable { file: file.to_owned(), why };
    let head: Head = serde_json::from_str(text).map_err(|error| unreadable(error.to_string()))?;
    if head.version != VERSION {
        return Err(unreadable(format!("it is of version {}", head.version)));
    }
    let document: Document = serde_json::from_str(text).map_err(|error| unreadable(error.to_string()))?;
    Ok(document.side(file))
}

#[derive(Deserialize)]
struct Head {
    version: u32,
}

#[derive(Deserialize)]
struct Document {
    scenario: String,
    release: Release,
    seed: u64,
    digest: String,
    starts: Timestamp,
    plan: Plan,
    entries: Vec<SavedEntry>,
    end: SavedEnd,
}

#[derive(Deserialize)]
struct Plan {
    duration_us: u64,
    machines: Vec<Machine>,
    messages: Vec<Message>,
    faults: Vec<FaultLine>,
}

#[derive(Deserialize)]
struct Machine {
    name: String,
    role: String,
    address: String,
}

#[derive(Deserialize)]
struct Message {
    name: String,
    client: String,
    at_us: u64,
    from: String,
    to: Vec<String>,
    octets: usize,
}

#[derive(Deserialize)]
struct FaultLine {
    /// Of a kind that this build may not know.
    line: serde_json::Value,
}

#[derive(Deserialize)]
struct SavedEntry {
    at_us: u64,
    machine: String,
    #[serde(flatten)]
    what: SavedWhat,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum SavedWhat {
    Event {
        id: u16,
        severity: String,
        category: String,
        description: String,
    },
    Service(Change),
    Smtp {
        connection: u32,
        speaker: SavedSpeaker,
        line: String,
    },
    Try {
        message: String,
        number: usize,
        #[serde(flatten)]
        outcome: SavedOutcome,
    },
    Accepted {
        message: String,
        recipients: Vec<String>,
    },
    Milter {
        stage: String,
        about: String,
        #[serde(default)]
        id: String,
        /// In words: what can be read again is what was said, not what was meant.
        does: Vec<String>,
    },
    Administrator {
        does: String,
    },
    Fault {
        what: String,
    },
    FaultSpan {
        fault: usize,
        what: String,
        begins: bool,
    },
    /// Of a kind that came after this build.
    #[serde(other)]
    Later,
}

#[derive(Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
enum Change {
    Starts,
    Stopped,
    Refused { why: String },
    Died { exception: SavedException },
}

#[derive(Deserialize)]
struct SavedException {
    code: u32,
    flags: u32,
    address: u32,
    message: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum SavedSpeaker {
    Client,
    Server,
    Network,
}

#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
enum SavedOutcome {
    Accepted { recipients: Vec<String>, reply: String },
    Refused { command: String, reply: String },
    Lost { awaiting: String },
    Unreachable { why: String },
}

#[derive(Deserialize)]
struct SavedEnd {
    service_up: bool,
    mailboxes: Vec<Holder>,
    servers: Vec<Holder>,
    spool: Vec<Folder>,
}

#[derive(Deserialize)]
struct Holder {
    name: String,
    messages: Vec<SavedItem>,
}

#[derive(Deserialize)]
struct Folder {
    name: String,
    files: Vec<File>,
}

#[derive(Deserialize)]
struct File {
    file: String,
    octets: usize,
    recipients: Vec<String>,
    message: Option<SavedItem>,
}

#[derive(Deserialize)]
struct SavedItem {
    kind: String,
    #[serde(default)]
    of: String,
    from: String,
    subject: String,
}

impl Document {
    fn side(self, file: &str) -> Side {
        let Document { scenario, release, seed, digest, starts, plan, entries, end } = self;
        let machines = plan.machines.iter().map(|it| machine_fact(&it.name, &it.role, &it.address));
        let messages = plan.messages.iter().map(|it| {
            let at = Duration::from_micros(it.at_us);
            (it.name.clone(), message_fact(at, &it.client, &it.from, &it.to, it.octets))
        });
        let facts = BTreeMap::from([
            (Topic::Scenario, one(&scenario)),
            (Topic::Release, one(release)),
            (Topic::Seed, one(seed)),
            (Topic::Time, time_facts(starts, Duration::from_micros(plan.duration_us))),
            (Topic::Machines, machines.collect()),
            (Topic::Messages, messages.collect()),
            (Topic::Faults, plan.faults.iter().map(FaultLine::fact).collect::<BTreeSet<_>>()),
        ]);
        Side {
            name: format!("{scenario} on {release}, seed {seed} ({file})"),
            release,
            digest,
            facts,
            rows: saved_rows(entries, &end.end(), release),
        }
    }
}

impl FaultLine {
    fn fact(&self) -> (String, String) {
        match serde_json::from_value::<Fault>(self.line.clone()) {
            Ok(fault) => fault_fact(&fault),
            Err(_) => (String::new(), self.line.to_string()),
        }
    }
}

/// What happened and how it ended, as rows. A milter's answer is known by its words alone, and is put in at its place.
fn saved_rows(saved: Vec<SavedEntry>, end: &End, release: Release) -> Vec<Row> {
    let mut entries = Vec::new();
    let mut answers = Vec::new();
    for entry in saved {
        if let SavedWhat::Milter { stage, about, id, does } = &entry.what {
            let words = filtering_words(stage, about, id, does);
            answers.push((entries.len(), Duration::from_micros(entry.at_us), entry.machine, words));
        } else {
            entries.extend(entry.entry());
        }
    }
    let names = spool_names(&entries);
    let (mut rest, mut passed) = (rows(&entries, end, release).into_iter(), 0);
    let mut all = Vec::new();
    for (place, at, machine, words) in answers {
        all.extend(rest.by_ref().take(place - passed));
        passed = place;
        all.push(answer_row(at, &machine, &words, &names));
    }
    all.extend(rest);
    all
}

impl SavedEntry {
    /// The entry, if it is of a kind that this build knows, and has all of.
    fn entry(self) -> Option<Entry> {
        let what = match self.what {
            SavedWhat::Event { id, severity, category, description } => {
                What::Event(eventlog::Entry { id, severity, category, description })
            }
            SavedWhat::Service(change) => What::Service(change.service()),
            SavedWhat::Smtp { connection, speaker, line } => {
                let speaker = match speaker {
                    SavedSpeaker::Client => Speaker::Client,
                    SavedSpeaker::Server => Speaker::Server,
                    SavedSpeaker::Network => Speaker::Network,
                };
                What::Smtp { connection, speaker, line }
            }
            SavedWhat::Try { message, number, outcome } => {
                What::Client(Attempt { message, number, outcome: outcome.outcome() })
            }
            SavedWhat::Accepted { message, recipients } => What::Accepted { message, recipients },
            SavedWhat::Administrator { does } => What::Administrator(does),
            SavedWhat::Fault { what } => What::Fault(what),
            SavedWhat::FaultSpan { fault, what, begins } => What::FaultSpan { fault, what, begins },
            SavedWhat::Milter { .. } | SavedWhat::Later => return None,
        };
        Some(Entry { at: Duration::from_micros(self.at_us), machine: self.machine.into(), what })
    }
}

impl Change {
    fn service(self) -> Service {
        match self {
            Change::Starts => Service::Starts,
            Change::Stopped => Service::Stopped,
            Change::Refused { why } => Service::Refused(why),
            Change::Died { exception: SavedException { code, flags, address, message } } => {
                Service::Died(Exception { code, flags, address, message })
            }
        }
    }
}

impl SavedOutcome {
    fn outcome(self) -> Outcome {
        match self {
            SavedOutcome::Accepted { recipients, reply } => Outcome::Accepted { recipients, reply },
            SavedOutcome::Refused { command, reply } => Outcome::Refused { command, reply },
            SavedOutcome::Lost { awaiting } => Outcome::Lost { awaiting },
            SavedOutcome::Unreachable { why } => Outcome::Unreachable(why),
        }
    }
}

impl SavedEnd {
    fn end(self) -> End {
        let holders = |holders: Vec<Holder>| {
            let items = |messages: Vec<SavedItem>| messages.into_iter().map(SavedItem::item).collect();
            holders.into_iter().map(|it| (it.name, items(it.messages))).collect()
        };
        let file = |it: File| Spooled {
            file: it.file,
            item: it.message.map(SavedItem::item),
            recipients: it.recipients,
            octets: it.octets,
        };
        let spool = self.spool.into_iter().map(|it| (it.name, it.files.into_iter().map(file).collect()));
        End {
            service_up: self.service_up,
            mailboxes: holders(self.mailboxes),
            servers: holders(self.servers),
            spool: spool.collect(),
        }
    }
}

impl SavedItem {
    /// What is shown of an item; the rest of it is not asked for.
    fn item(self) -> Item {
        let kind = match self.kind.as_str() {
            "message" => Kind::Message(self.of),
            "report" => Kind::Report(self.of),
            "receipt" => Kind::Receipt(self.of),
            "delay" => Kind::Delay(self.of),
            "notification" => Kind::Notification(self.of),
            _ => Kind::Other,
        };
        Item {
            kind,
            from: self.from,
            subject: self.subject,
            reported: Vec::new(),
            statuses: Vec::new(),
            diagnostics: Vec::new(),
            reporter: None,
            auto_submitted: None,
            written: None,
            originals: Vec::new(),
            envelope_id: None,
            returns_whole: false,
            hops: 0,
            fingerprint: 0,
            before_seven_bits: None,
            is_ascii: true,
        }
    }
}
