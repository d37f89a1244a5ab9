//! The Record as one JSON document, for programs: `docs/record-json.md` says what is in it, `docs/schema/record.json` is
//! its schema.
//!
//! It knows no way to read it back.

use std::io::{self, Write};
use std::time::Duration;

use gateway::eventlog;
use gateway::exception::Exception;
use jiff::Timestamp;
use serde::ser::{Serialize, Serializer};

use crate::fault::Fault;
use crate::mailbag::{Item, Kind};
use crate::oracle::Finding;
use crate::plan::{MessagePlan, Plan};
use crate::record::{
    Attempt, End, Entry, Filtering, Outcome, Reached, Record, Service, Speaker, Spooled, What,
};
use crate::verdict::Replay;

/// The version of the format. It changes when something goes or means something else, not when something is added.
pub const VERSION: u32 = 1;

/// Writes what happened in a replay and what the judges say of it, as one line.
///
/// # Errors
/// The writer's.
pub fn write(replay: &Replay, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &Document::of(replay))?;
    out.write_all(b"\n")
}

#[derive(serde::Serialize)]
struct Document<'a> {
    version: u32,
    scenario: &'a str,
    release: &'static str,
    seed: u64,
    digest: String,
    starts: Timestamp,
    ended_us: u64,
    plan: PlanView<'a>,
    entries: Each<'a, Entry, EntryView<'a>>,
    end: EndView<'a>,
    verdict: Verdict<'a>,
    reached: &'a Reached,
}

impl<'a> Document<'a> {
    fn of(replay: &'a Replay) -> Self {
        let Replay { plan, record, .. } = replay;
        Document {
            version: VERSION,
            scenario: &plan.scenario,
            release: plan.release.name(),
            seed: plan.seed.0,
            digest: record.digest.to_string(),
            starts: record.starts,
            ended_us: micros(record.ended),
            plan: PlanView::of(plan, record),
            entries: Each(&record.entries, EntryView::of),
            end: EndView::of(&record.end),
            verdict: Verdict::of(replay),
            reached: &record.reached,
        }
    }
}

/// A list that is made an element at a time, as it is written.
struct Each<'a, T, V>(&'a [T], fn(&'a T) -> V);

impl<T, V: Serialize> Serialize for Each<'_, T, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(self.1))
    }
}

#[derive(serde::Serialize)]
struct PlanView<'a> {
    duration_us: u64,
    machines: Vec<Machine<'a>>,
    messages: Vec<Message<'a>>,
    faults: Vec<FaultView<'a>>,
}

#[derive(serde::Serialize)]
struct Machine<'a> {
    name: &'a str,
    role: &'static str,
    address: String,
}

#[derive(serde::Serialize)]
struct Message<'a> {
    name: &'a str,
    client: &'a str,
    at_us: u64,
    from: &'a str,
    to: Vec<String>,
    octets: usize,
}

#[derive(serde::Serialize)]
struct FaultView<'a> {
    /// As in a scenario file.
    line: &'a Fault,
    bites: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_bite_us: Option<u64>,
}

impl<'a> PlanView<'a> {
    fn of(plan: &'a Plan, record: &Record) -> Self {
        let machines = plan.addresses().zip(plan.roles()).map(|((address, name), role)| Machine {
            name,
            role,
            address: address.to_string(),
        });
        let messages = plan.clients.iter().flat_map(|client| {
            client.messages.iter().map(|message| {
                let MessagePlan { name, at, from, to, content, .. } = message;
                let to = to.iter().map(ToString::to_string).collect();
                Message { name, client: &client.name, at_us: micros(*at), from, to, octets: content.len() }
            })
        });
        let faults = plan.faults.iter().zip(&record.bites).map(|(line, bite)| FaultView {
            line,
            bites: bite.times,
            last_bite_us: bite.last.map(micros),
        });
        PlanView {
            duration_us: micros(plan.duration),
            machines: machines.collect(),
            messages: messages.collect(),
            faults: faults.collect(),
        }
    }
}

#[derive(serde::Serialize)]
struct EntryView<'a> {
    at_us: u64,
    machine: &'a str,
    #[serde(flatten)]
    what: WhatView<'a>,
}

#[derive(serde::Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum WhatView<'a> {
    Event {
        id: u16,
        severity: String,
        category: String,
        description: &'a str,
    },
    Service {
        change: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        why: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        exception: Option<ExceptionView<'a>>,
    },
    Smtp {
        connection: u32,
        speaker: &'static str,
        line: &'a str,
    },
    Try {
        message: &'a str,
        number: usize,
        #[serde(flatten)]
        outcome: OutcomeView<'a>,
    },
    Accepted {
        message: &'a str,
        recipients: &'a [String],
    },
    Milter {
        stage: &'a str,
        about: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        id: &'a str,
        does: Vec<String>,
    },
    Administrator {
        does: &'a str,
    },
    Fault {
        what: &'a str,
    },
    FaultSpan {
        fault: usize,
        what: &'a str,
        begins: bool,
    },
}

#[derive(serde::Serialize)]
struct ExceptionView<'a> {
    code: u32,
    flags: u32,
    address: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

#[derive(serde::Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
enum OutcomeView<'a> {
    Accepted { recipients: &'a [String], reply: &'a str },
    Refused { command: &'a str, reply: &'a str },
    Lost { awaiting: &'a str },
    Unreachable { why: &'a str },
}

impl<'a> EntryView<'a> {
    fn of(entry: &'a Entry) -> Self {
        let what = match &entry.what {
            What::Event(eventlog::Entry { id, severity, category, description }) => WhatView::Event {
                id: *id,
                severity: severity.to_string(),
                category: category.to_string(),
                description,
            },
            What::Service(change) => service(change),
            What::Smtp { connection, speaker, line } => WhatView::Smtp {
                connection: *connection,
                speaker: match speaker {
                    Speaker::Client => "client",
                    Speaker::Server => "server",
                    Speaker::Network => "network",
                },
                line,
            },
            What::Client(Attempt { message, number, outcome }) => {
                WhatView::Try { message, number: *number, outcome: OutcomeView::of(outcome) }
            }
            What::Accepted { message, recipients } => WhatView::Accepted { message, recipients },
            What::Milter(Filtering { stage, about, id, does }) => {
                WhatView::Milter { stage, about, id, does: does.iter().map(ToString::to_string).collect() }
            }
            What::Administrator(does) => WhatView::Administrator { does },
            What::Fault(what) => WhatView::Fault { what },
            What::FaultSpan { fault, what, begins } => {
                WhatView::FaultSpan { fault: *fault, what, begins: *begins }
            }
        };
        EntryView { at_us: micros(entry.at), machine: &entry.machine, what }
    }
}

fn service(change: &Service) -> WhatView<'_> {
    let (change, why, exception) = match change {
        Service::Starts => ("starts", None, None),
        Service::Stopped => ("stopped", None, None),
        Service::Refused(why) => ("refused", Some(why.as_str()), None),
        Service::Died(Exception { code, flags, address, message }) => {
            let message = message.as_deref();
            ("died", None, Some(ExceptionView { code: *code, flags: *flags, address: *address, message }))
        }
    };
    WhatView::Service { change, why, exception }
}

impl<'a> OutcomeView<'a> {
    fn of(outcome: &'a Outcome) -> Self {
        match outcome {
            Outcome::Accepted { recipients, reply } => OutcomeView::Accepted { recipients, reply },
            Outcome::Refused { command, reply } => OutcomeView::Refused { command, reply },
            Outcome::Lost { awaiting } => OutcomeView::Lost { awaiting },
            Outcome::Unreachable(why) => OutcomeView::Unreachable { why },
        }
    }
}

#[derive(serde::Serialize)]
struct EndView<'a> {
    service_up: bool,
    mailboxes: Vec<Holder<'a>>,
    servers: Vec<Holder<'a>>,
    spool: Vec<Folder<'a>>,
}

#[derive(serde::Serialize)]
struct Holder<'a> {
    name: &'a str,
    messages: Each<'a, Item, ItemView<'a>>,
}

#[derive(serde::Serialize)]
struct Folder<'a> {
    name: &'a str,
    files: Each<'a, Spooled, SpooledView<'a>>,
}

#[derive(serde::Serialize)]
struct SpooledView<'a> {
    file: &'a str,
    octets: usize,
    recipients: &'a [String],
    /// None of a file that cannot be read.
    message: Option<ItemView<'a>>,
}

#[derive(serde::Serialize)]
struct ItemView<'a> {
    kind: &'static str,
    /// The message of the plan that it is, or is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<&'a str>,
    from: &'a str,
    subject: &'a str,
    reported: &'a [String],
    statuses: &'a [String],
    originals: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    envelope_id: Option<&'a str>,
    returns_whole: bool,
    hops: usize,
    fingerprint: String,
}

impl<'a> EndView<'a> {
    fn of(end: &'a End) -> Self {
        let holders = |holders: &'a [(String, Vec<Item>)]| {
            let holders = holders.iter();
            holders.map(|(name, items)| Holder { name, messages: Each(items, ItemView::of) }).collect()
        };
        let spool = end.spool.iter().map(|(name, files)| Folder {
            name,
            files: Each(files, |Spooled { file, item, recipients, octets }| SpooledView {
                file,
                octets: *octets,
                recipients,
                message: item.as_ref().map(ItemView::of),
            }),
        });
        EndView {
            service_up: end.service_up,
            mailboxes: holders(&end.mailboxes),
            servers: holders(&end.servers),
            spool: spool.collect(),
        }
    }
}

impl<'a> ItemView<'a> {
    fn of(item: &'a Item) -> Self {
        let Item { kind, from, subject, reported, statuses, originals, hops, fingerprint, .. } = item;
        let (kind, of) = match kind {
            Kind::Message(name) => ("message", Some(name.as_str())),
            Kind::Report(name) => ("report", Some(name.as_str())),
            Kind::Receipt(name) => ("receipt", Some(name.as_str())),
            Kind::Delay(name) => ("delay", Some(name.as_str())),
            Kind::Notification(name) => ("notification", Some(name.as_str())),
            Kind::Other => ("unknown", None),
        };
        let fingerprint = format!("{fingerprint:016x}");
        ItemView {
            kind,
            of,
            from,
            subject,
            reported,
            statuses,
            originals,
            envelope_id: item.envelope_id.as_deref(),
            returns_whole: item.returns_whole,
            hops: *hops,
            fingerprint,
        }
    }
}

#[derive(serde::Serialize)]
struct Verdict<'a> {
    as_expected: bool,
    /// What the scenario expects and was not so.
    unmet: &'a [String],
    findings: Vec<FindingView<'a>>,
}

#[derive(serde::Serialize)]
struct FindingView<'a> {
    oracle: &'a str,
    cause: &'a str,
    what: &'a str,
    expected: bool,
}

impl<'a> Verdict<'a> {
    fn of(replay: &'a Replay) -> Self {
        let findings = replay.findings.iter().map(|finding| {
            let Finding { oracle, cause, what } = finding;
            let expected = replay.unexpected().all(|other| other != finding);
            FindingView { oracle, cause, what, expected }
        });
        Verdict { as_expected: replay.is_good(), unmet: &replay.unmet, findings: findings.collect() }
    }
}

/// Times are whole microseconds: no engine is finer than its timers' milliseconds.
fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
