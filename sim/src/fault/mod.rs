//! Faults: everything that a plan can have go wrong, one line each.
//!
//! A line names what it acts on: a machine, the nth connection of a server, a command, a message, a folder of the
//! spool. It never names a place in a stream of draws, so that an old line still means the same after the code around
//! it has changed. A line whose target never comes along did not *bite*; that is reported, and is no error.
//!
//! Here the lines are data. Each is carried out where it acts: on the links, at the disk, in a peer, at the clock, in
//! the names, in the extension, by service control. There a [`Bites`] is told each time that something went
//! otherwise than without the line.
//!
//! | module | what it knows |
//! |---|---|
//! | this one | the lines, when each begins and ends, and what it speaks of |
//! | `disk` | what a line says of the gateway's disk |
//! | `peers` | what a line says of name servers, mail servers, clients and milters |
//! | [`family`](Family) | which lines belong together: what a seed turns on or leaves off |
//! | `lasting` | from when until when a line lasts, and what it is called |
//! | [`bites`](Bites) | which lines changed what happened, how often, and when last |

mod bites;
mod disk;
mod family;
mod lasting;
mod peers;

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use bites::{Bite, Bites};
pub use disk::{DiskFailure, DiskFolder, DiskOp};
pub use family::Family;
pub(crate) use family::OF_TLS;
pub use peers::{BrokenHandshake, ClientDoes, DnsAnswer, FalseEnd, MilterFails, ServerDoes, Stage};

use crate::span::{Span, Step};

/// Something that goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// Nothing passes between two machines. TCP tries again and again, and gives up in the end.
    Partition {
        /// The two machines.
        between: [String; 2],
        /// When it begins.
        at: Span,
        /// When it heals.
        until: Span,
    },
    /// Nothing passes from one machine to another; the other way it does.
    PartitionOneWay {
        /// The machine that is not heard.
        from: String,
        /// The machine that does not hear it.
        to: String,
        /// When it begins.
        at: Span,
        /// When it heals.
        until: Span,
    },
    /// What two machines send each other is held on the way, and let go all at once.
    Hold {
        /// The two machines.
        between: [String; 2],
        /// When it begins.
        at: Span,
        /// When it is let go.
        until: Span,
    },
    /// A link is slow for a while.
    SlowLink {
        /// The two machines.
        between: [String; 2],
        /// When it begins.
        at: Span,
        /// When it ends.
        until: Span,
        /// How long each segment takes meanwhile.
        latency: Span,
    },
    /// A link loses segments. TCP sends them again, so they come late.
    Loss {
        /// The two machines.
        between: [String; 2],
        /// When it begins.
        at: Span,
        /// When it ends.
        until: Span,
        /// Every so-manieth segment of a direction is lost; at least 2.
        one_in: u64,
    },
    /// Every connection between two machines is reset.
    Reset {
        /// The two machines.
        between: [String; 2],
        /// When.
        at: Span,
    },

    /// A process is killed: its kernel closes its sockets. Nothing on its disk is lost.
    Kill {
        /// The machine; the gateway's if none is named. Another than the gateway's is killed at a time only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        machine: Option<String>,
        /// When.
        when: When,
        /// How long afterwards it is started again.
        restart_after: Span,
    },
    /// The gateway's service is told to stop, as an administrator tells it. It finishes what it has in hand, if its release
    /// does so.
    Stop {
        /// When.
        at: Span,
        /// How long after its end it is started again.
        restart_after: Span,
    },
    /// A machine loses its power: nobody is told, and what its disk had not synchronised is gone.
    PowerCut {
        /// The machine; the gateway's if none is named. Another than the gateway's loses it at a time only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        machine: Option<String>,
        /// When.
        when: When,
        /// How long afterwards it is started again.
        restart_after: Span,
    },

    /// An operation on the gateway's disk fails; a write for lack of room fails halfway.
    DiskFails {
        /// Which operation.
        op: DiskOp,
        /// On a file or directory of this folder of the spool, or of the mailboxes.
        folder: DiskFolder,
        /// From the nth of them, counted from 1 since the start of the run.
        nth: u64,
        /// How many of them; 1 if nothing is said.
        #[serde(default = "once", skip_serializing_if = "is_once")]
        times: u64,
        /// With which error.
        error: DiskFailure,
    },
    /// The power is cut in the middle of a write: half of its bytes are on the disk for good.
    TornWrite {
        /// Into a file of this folder.
        folder: DiskFolder,
        /// The nth of them.
        nth: u64,
        /// How long afterwards the machine is started again.
        restart_after: Span,
    },
    /// The power is cut before a file is synchronised: its bytes are lost.
    LostData {
        /// A file of this folder.
        folder: DiskFolder,
        /// At the nth synchronisation of them.
        nth: u64,
        /// How long afterwards the machine is started again.
        restart_after: Span,
    },
    /// The power is cut after a rename, before the directory is synchronised: the rename is lost.
    LostRename {
        /// Into this folder.
        folder: DiskFolder,
        /// The nth of them.
        nth: u64,
        /// How long afterwards the machine is started again.
        restart_after: Span,
    },
    /// Synchronising takes its time, that of files and that of the folder counted together.
    SlowSync {
        /// Files of this folder, and the folder itself.
        folder: DiskFolder,
        /// From the nth synchronisation of them.
        nth: u64,
        /// How many of them; 1 if nothing is said.
        #[serde(default = "once", skip_serializing_if = "is_once")]
        times: u64,
        /// How long each takes.
        by: Span,
    },
    /// A message's file vanishes from the spool: somebody else's program has removed it.
    FileVanishes {
        /// The message.
        message: String,
        /// From this folder.
        folder: DiskFolder,
        /// At the first moment after this at which it is there.
        at: Span,
    },
    /// The disk is nearly full.
    LowSpace {
        /// When it begins.
        at: Span,
        /// When there is room again.
        until: Span,
        /// The octets that are free meanwhile: what is written beyond them fails. Removing a file gives its own back.
        free: u64,
    },

    /// The gateway's clock, which tells the time of day, jumps. Timers are not touched.
    ClockJump {
        /// When.
        at: Span,
        /// By how much.
        by: Step,
    },
    /// The gateway's clock is wrong from the start.
    ClockSkew {
        /// By how much.
        by: Step,
    },

    /// A name server does not say what it should.
    Dns {
        /// The domain or the host that is asked for.
        name: String,
        /// What the gateway hears.
        answer: DnsAnswer,
        /// When it begins; at once if nothing is said.
        #[serde(default, skip_serializing_if = "Span::is_zero")]
        at: Span,
        /// When it ends.
        until: Span,
    },

    /// A mail server misbehaves.
    Server {
        /// The server.
        server: String,
        /// On its nth connection only, counted from 1 and on when it is started again; on each if none is given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        connection: Option<u64>,
        /// On connections made after this.
        #[serde(default, skip_serializing_if = "Span::is_zero")]
        at: Span,
        /// And before this.
        until: Span,
        /// What it does.
        does: ServerDoes,
    },
    /// A client misbehaves at one try of one message; its others are as they should be.
    Client {
        /// When it hands over this message.
        message: String,
        /// At this try, counted from 1; the first if nothing is said.
        #[serde(default = "first", skip_serializing_if = "is_first")]
        attempt: usize,
        /// What it does.
        does: ClientDoes,
    },

    /// A milter misbehaves.
    Milter {
        /// The milter.
        milter: String,
        /// On its nth connection only, counted from 1 and on when it is started again; on each if none is given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        connection: Option<u64>,
        /// On connections made after this.
        #[serde(default, skip_serializing_if = "Span::is_zero")]
        at: Span,
        /// And before this.
        until: Span,
        /// What it does.
        does: MilterFails,
    },

    /// The gateway's extension panics whenever it is asked about this message.
    ExtensionPanics {
        /// The message.
        message: String,
    },
    /// The gateway's extension ends the whole process when it is asked about this message, past every filter.
    ExtensionKills {
        /// The message.
        message: String,
    },
    /// The gateway's extension takes its time over this message, each time it is asked about it.
    ExtensionDelays {
        /// The message.
        message: String,
        /// How long it takes.
        by: Span,
    },
    /// The gateway's extension never answers about this message.
    ExtensionHangs {
        /// The message.
        message: String,
    },
    /// The gateway's extension drops this message.
    ExtensionDrops {
        /// The message.
        message: String,
    },
    /// The gateway's extension adds a line at the end of this message.
    ExtensionRewrites {
        /// The message.
        message: String,
    },
    /// The gateway's extension says that this message's recipients are of this host, as if it had them in its file as
    /// `localhost`.
    ExtensionReroutes {
        /// The message.
        message: String,
    },
}

fn once() -> u64 {
    1
}

fn is_once(times: &u64) -> bool {
    *times == 1
}

fn first() -> usize {
    1
}

fn is_first(attempt: &usize) -> bool {
    *attempt == 1
}

/// When something is done to a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum When {
    /// At a time.
    At(Span),
    /// Right after the gateway has logged an event.
    Event {
        /// Its number.
        id: u16,
        /// The nth of them, counted from 1 since the start of the run.
        nth: u64,
    },
    /// Right before an operation on the gateway's disk.
    Disk {
        /// Which operation.
        op: DiskOp,
        /// On a file or directory of this folder.
        folder: DiskFolder,
        /// The nth of them, counted from 1 since the start of the run.
        nth: u64,
    },
}

impl Fault {
    /// When it begins, since the start of the run. A line that waits for something to happen has no such time.
    pub fn begins_at(&self) -> Option<Duration> {
        match self {
            Fault::Partition { at, .. }
            | Fault::PartitionOneWay { at, .. }
            | Fault::Hold { at, .. }
            | Fault::SlowLink { at, .. }
            | Fault::Loss { at, .. }
            | Fault::Reset { at, .. }
            | Fault::Stop { at, .. }
            | Fault::Kill { when: When::At(at), .. }
            | Fault::PowerCut { when: When::At(at), .. }
            | Fault::FileVanishes { at, .. }
            | Fault::LowSpace { at, .. }
            | Fault::ClockJump { at, .. }
            | Fault::Dns { at, .. }
            | Fault::Server { at, .. }
            | Fault::Milter { at, .. } => Some(at.0),
            Fault::ClockSkew { .. } => Some(Duration::ZERO),
            _ => None,
        }
    }

    /// When the world is well again as far as this line goes, since the start of the run. A line that waits for
    /// something to happen has no such time before it has happened.
    pub fn heals_at(&self) -> Option<Duration> {
        match self {
            Fault::Partition { until, .. }
            | Fault::PartitionOneWay { until, .. }
            | Fault::Hold { until, .. }
            | Fault::SlowLink { until, .. }
            | Fault::Loss { until, .. }
            | Fault::LowSpace { until, .. }
            | Fault::Dns { until, .. }
            | Fault::Server { until, .. }
            | Fault::Milter { until, .. } => Some(until.0),
            Fault::Reset { at, .. } | Fault::ClockJump { at, .. } => Some(at.0),
            Fault::Stop { at, restart_after }
            | Fault::Kill { when: When::At(at), restart_after, .. }
            | Fault::PowerCut { when: When::At(at), restart_after, .. } => Some(at.0 + restart_after.0),
            Fault::ClockSkew { .. } => Some(Duration::ZERO),
            _ => None,
        }
    }

    /// The message that it is about, if it is about one.
    pub fn message(&self) -> Option<&str> {
        match self {
            Fault::FileVanishes { message, .. }
            | Fault::Client { message, .. }
            | Fault::ExtensionPanics { message }
            | Fault::ExtensionKills { message }
            | Fault::ExtensionDelays { message, .. }
            | Fault::ExtensionHangs { message }
            | Fault::ExtensionDrops { message }
            | Fault::ExtensionRewrites { message }
            | Fault::ExtensionReroutes { message } => Some(message),
            _ => None,
        }
    }

    /// The machines that it names.
    pub fn machines(&self) -> Vec<&str> {
        match self {
            Fault::Partition { between, .. }
            | Fault::Hold { between, .. }
            | Fault::SlowLink { between, .. }
            | Fault::Loss { between, .. }
            | Fault::Reset { between, .. } => between.iter().map(String::as_str).collect(),
            Fault::PartitionOneWay { from, to, .. } => vec![from, to],
            Fault::Kill { machine: Some(machine), .. } | Fault::PowerCut { machine: Some(machine), .. } => {
                vec![machine]
            }
            Fault::Server { server, .. } => vec![server],
            Fault::Milter { milter, .. } => vec![milter],
            _ => Vec::new(),
        }
    }
}
