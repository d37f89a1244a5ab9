//! The Record: everything that happened in a run, in order, and how it ended. All that people look at is a
//! rendering of it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gateway::eventlog;
use gateway::exception::Exception;
use jiff::Timestamp;

use crate::capture::Capture;
use crate::engine::Clock;
use crate::fault::Bite;
use crate::filter::MilterDoes;
use crate::mailbag::Item;
use crate::trace::{Digest, Trace};

/// What a run left behind.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// When the run began, by the gateway's clock.
    pub starts: Timestamp,
    /// Everything that happened, in order.
    pub entries: Vec<Entry>,
    /// How many files were in `in` and `out` of the spool: each time that the number changed, and what it was from then on.
    pub queue: Vec<(Duration, usize)>,
    /// How it ended.
    pub end: End,
    /// When it ended, since its start.
    pub ended: Duration,
    /// How often each fault of the plan changed what happened, in the order of the plan's faults.
    pub bites: Vec<Bite>,
    /// How often each point of the gateway and the simulator was reached.
    pub reached: Reached,
    /// What everything that happened came to.
    pub digest: Digest,
    /// Every entry of the trace, if they were kept.
    pub trace: Vec<String>,
    /// What the wires carried and the disk held, if it was kept.
    pub capture: Option<Capture>,
}

/// How often each named point was reached.
pub type Reached = BTreeMap<&'static str, u64>;

/// What the network says of a connection on which a TLS handshake begins: what is said after that is encrypted, or it is
/// not written down.
pub(crate) const TLS_BEGINS: &str = "TLS begins";
/// What it says when a side then goes on with what is no record of TLS: that is in clear, and so is all that follows.
pub(crate) const TLS_ENDS: &str = "TLS ends";

/// What is said of a service that is told to stop.
pub(crate) const TOLD_TO_STOP: &str = "the service is told to stop";

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// When, since the start of the run.
    pub at: Duration,
    /// On which machine.
    pub machine: Arc<str>,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// The gateway logged an event.
    Event(eventlog::Entry),
    /// The gateway's service changed its state.
    Service(Service),
    /// A line of an SMTP dialogue that the gateway took part in.
    Smtp {
        /// The connection, counted over the run.
        connection: u32,
        /// Who said it.
        speaker: Speaker,
        /// The line, without its end; a message's content in one line.
        line: String,
    },
    /// A client tried to hand over a message.
    Client(Attempt),
    /// A mail server took a message.
    Accepted {
        /// The message.
        message: String,
        /// Its recipients there.
        recipients: Vec<String>,
    },
    /// A milter answered the gateway.
    Milter(Filtering),
    /// The administrator did something.
    Administrator(String),
    /// A fault of the plan changed what happens, where that does not show by itself.
    Fault(String),
    /// A fault that lasts a while begins or ends. The plan says when, whether it changes anything or not.
    FaultSpan {
        /// Its place in the plan, from 0.
        fault: usize,
        /// What it is.
        what: String,
        /// Whether it begins; otherwise it ends.
        begins: bool,
    },
}

/// What a milter answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filtering {
    /// Where it was asked.
    pub stage: &'static str,
    /// About whom, or which message; empty if it is none of the plan's.
    pub about: String,
    /// The message's name in the gateway's spool, once it has one.
    pub id: String,
    /// What it does to the message, its answer last. Nothing is *continue*.
    pub does: Vec<MilterDoes>,
}

impl Filtering {
    /// The answer, if it is not *continue*.
    pub fn verdict(&self) -> Option<&MilterDoes> {
        self.does.iter().find(|does| does.is_verdict())
    }
}

impl fmt::Display for Filtering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let does: Vec<String> = self.does.iter().map(ToString::to_string).collect();
        f.write_str(&filtering_words(self.stage, &self.about, &self.id, &does))
    }
}

/// What a milter answers, in words: of a [`Filtering`], or of one that is known by its words alone.
pub(crate) fn filtering_words(stage: &str, about: &str, id: &str, does: &[String]) -> String {
    let id = if id.is_empty() { String::new() } else { format!(" ({id})") };
    let does = if does.is_empty() { "continue".to_owned() } else { does.join(", ") };
    format!("asked at {stage} about {about}{id}: {does}")
}

/// A change in the state of the gateway's service.
#[derive(Clone, Debug, PartialEq)]
pub enum Service {
    /// The process was started.
    Starts,
    /// It ended of itself: it had been told to stop.
    Stopped,
    /// It did not come up.
    Refused(String),
    /// It ended with an exception.
    Died(Exception),
}

/// Who said a line of a dialogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// The side that opened the connection.
    Client,
    /// The side that listened.
    Server,
    /// The network: opened, closed, reset.
    Network,
}

/// What a dialogue has between 354 and the final dot. It is shown, and written down, as one line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// Its octets, without the dots that were stuffed into it.
    pub octets: usize,
    /// The message of the plan that its header names, or `report on` the message that it answers.
    pub message: Option<String>,
    /// It has a CR or an LF that is not part of a CRLF.
    pub is_bare: bool,
    /// It has a line of more than 1,000 octets (RFC 5321, 4.5.3.1.6).
    pub is_long: bool,
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(content of {} octets", self.octets)?;
        if self.is_bare {
            f.write_str(", bare CR or LF")?;
        }
        if self.is_long {
            f.write_str(", a long line")?;
        }
        match &self.message {
            Some(message) => write!(f, ": {message})"),
            None => f.write_str(")"),
        }
    }
}

impl Content {
    /// Reads a line of a dialogue; nothing if it is no content.
    pub fn read(line: &str) -> Option<Self> {
        let inside = line.strip_prefix("(content of ")?.strip_suffix(')')?;
        let (said, message) = match inside.split_once(": ") {
            Some((said, message)) => (said, Some(message.to_owned())),
            None => (inside, None),
        };
        Some(Content {
            octets: said.split(' ').next()?.parse().ok()?,
            message,
            is_bare: said.contains(", bare CR or LF"),
            is_long: said.contains(", a long line"),
        })
    }
}

/// A client's try at handing over one message.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// The message.
    pub message: String,
    /// 1 for the first try.
    pub number: usize,
    /// How it went.
    pub outcome: Outcome,
}

/// How a client's try went.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The gateway answered for it: it has custody now.
    Accepted {
        /// The recipients accepted, the others being refused.
        recipients: Vec<String>,
        /// The reply to the end of the data.
        reply: String,
    },
    /// A reply of 4xx or 5xx to this command ended it.
    Refused {
        /// The command.
        command: String,
        /// The reply.
        reply: String,
    },
    /// The connection was lost without a reply.
    Lost {
        /// What the client was waiting for.
        awaiting: String,
    },
    /// There was no connection.
    Unreachable(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Accepted { reply, .. } => f.write_str(reply),
            Outcome::Refused { command, reply } => write!(f, "{reply} (to {command})"),
            Outcome::Lost { awaiting } => write!(f, "connection lost, no reply to {awaiting}"),
            Outcome::Unreachable(why) => write!(f, "no connection: {why}"),
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Service::Starts => f.write_str("the service starts"),
            Service::Stopped => f.write_str("the service has stopped"),
            Service::Refused(why) => write!(f, "the service does not come up: {why}"),
            Service::Died(exception) => write!(f, "the service has died of an exception. {exception}"),
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Event(event) => {
                let eventlog::Entry { id, severity, category, description } = event;
                write!(f, "event {id} {severity} ({category}): {description}")
            }
            What::Service(change) => change.fmt(f),
            What::Smtp { connection, speaker, line } => {
                let speaker = match speaker {
                    Speaker::Client => "C:",
                    Speaker::Server => "S:",
                    Speaker::Network => "--",
                };
                write!(f, "smtp {connection} {speaker} {line}")
            }
            What::Client(Attempt { message, number, outcome }) => {
                write!(f, "{message}, try {number}: {outcome}")
            }
            What::Accepted { message, recipients } => {
                write!(f, "takes {message} for {}", recipients.join(", "))
            }
            What::Milter(filtering) => filtering.fmt(f),
            What::Administrator(what) => write!(f, "the administrator {what}"),
            What::Fault(what) => write!(f, "fault: {what}"),
            What::FaultSpan { fault, what, begins } => {
                let turn = if *begins { "begins" } else { "ends" };
                write!(f, "fault {}, {what}: {turn}", fault + 1)
            }
        }
    }
}

/// The state at the end of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct End {
    /// Whether the gateway's service was up.
    pub service_up: bool,
    /// Each local mailbox and what is in it, in the order of mailboxes and file names.
    pub mailboxes: Vec<(String, Vec<Item>)>,
    /// Each mail server and what it took, in the order it came.
    pub servers: Vec<(String, Vec<Item>)>,
    /// Each spool folder that is not empty and its files, in the order of names.
    pub spool: Vec<(String, Vec<Spooled>)>,
}

/// A file in the spool at the end of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Spooled {
    /// Its name.
    pub file: String,
    /// The message in it, if it can be read.
    pub item: Option<Item>,
    /// The recipients in its envelope.
    pub recipients: Vec<String>,
    /// Its length.
    pub octets: usize,
}

/// Where a run's entries are written down as they happen. Clones write to the same journal.
#[derive(Clone)]
pub struct Journal {
    clock: Clock,
    entries: Arc<Mutex<Vec<Entry>>>,
    trace: Trace,
    connections: Arc<Mutex<u32>>,
}

impl Journal {
    pub(crate) fn new(clock: Clock, trace: Trace) -> Self {
        Journal { clock, entries: Arc::default(), trace, connections: Arc::default() }
    }

    /// Writes down what happens now on a machine.
    pub fn note(&self, machine: &Arc<str>, what: What) {
        self.note_at((self.clock)(), machine, what);
    }

    /// Writes down what happened at a known time: for those who are on no machine.
    pub(crate) fn note_at(&self, at: Duration, machine: &Arc<str>, what: What) {
        // The dialogue is in the trace already, octet by octet.
        if !matches!(what, What::Smtp { .. }) {
            self.trace.note_at(at, machine, "journal", &[what.to_string().as_bytes()]);
        }
        let entry = Entry { at, machine: Arc::clone(machine), what };
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }

    /// The number of a new connection.
    pub(crate) fn next_connection(&self) -> u32 {
        let mut count = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        *count += 1;
        *count
    }

    /// Everything written down, which is then gone from here.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        std::mem::take(&mut *self.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
