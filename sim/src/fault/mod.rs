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
//! | [`family`](Family) | which lines belong together: what a seed turns on or leaves off |
//! | [`bites`](Bites) | which lines changed what happened, how often, and when last |

mod bites;
mod family;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use bites::{Bite, Bites};
pub use family::Family;

use crate::span::{Span, Step};

/// Something that goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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

    /// An operation on the gateway's disk fails.
    DiskFails {
        /// Which operation.
        op: DiskOp,
        /// On a file or directory of this folder of the spool, or of the mailboxes.
        folder: DiskFolder,
        /// From the nth of them, counted from 1 since the start of the run.
        nth: u64,
        /// How many of them.
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
    /// Synchronising takes its time.
    SlowSync {
        /// Files of this folder, and the folder itself.
        folder: DiskFolder,
        /// From the nth synchronisation of them.
        nth: u64,
        /// How many of them.
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
        /// The octets that are free meanwhile: what is written beyond them fails.
        free: u64,
    },

    /// The gateway's clock jumps.
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
        /// When it begins.
        #[serde(default, skip_serializing_if = "Span::is_zero")]
        at: Span,
        /// When it ends.
        until: Span,
    },

    /// A mail server misbehaves.
    Server {
        /// The server.
        server: String,
        /// On its nth connection only, counted from 1; on each if none is given.
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
    /// A client misbehaves.
    Client {
        /// When it hands over this message.
        message: String,
        /// At this try, counted from 1.
        #[serde(default = "first", skip_serializing_if = "is_first")]
        attempt: usize,
        /// What it does.
        does: ClientDoes,
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// An operation on a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskOp {
    /// A file is made.
    Create,
    /// A file is opened for writing at its end.
    Append,
    /// Bytes are written.
    Write,
    /// A file is synchronised.
    Sync,
    /// A file is renamed into the folder.
    Rename,
    /// A file is removed.
    Remove,
    /// A file is read.
    Read,
    /// The names in the folder are listed.
    List,
    /// The folder is synchronised.
    SyncDir,
}

impl DiskOp {
    /// Every operation.
    pub const ALL: [DiskOp; 9] = [
        DiskOp::Create,
        DiskOp::Append,
        DiskOp::Write,
        DiskOp::Sync,
        DiskOp::Rename,
        DiskOp::Remove,
        DiskOp::Read,
        DiskOp::List,
        DiskOp::SyncDir,
    ];
}

/// A folder on the gateway's disk: one of the spool, or all mailboxes together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskFolder {
    /// Messages being written.
    Work,
    /// Messages accepted and not yet processed.
    In,
    /// Parts waiting for delivery.
    Out,
    /// What has been tried so far.
    Queue,
    /// Messages kept after they were processed.
    Archive,
    /// Messages set aside.
    Bad,
    /// The mailboxes.
    Mailboxes,
}

/// With what a disk operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskFailure {
    /// EIO: the disk itself fails.
    Eio,
    /// ENOSPC: there is no room.
    Enospc,
}

/// What the gateway hears from a name server that does not say what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DnsAnswer {
    /// Nothing.
    Timeout,
    /// SERVFAIL, at once.
    Servfail,
    /// There is no such name.
    Nxdomain,
    /// The domain is there, without mail exchangers and without addresses.
    NoMx,
    /// The only exchanger is the gateway.
    MxToItself,
    /// Names that lead to names: the right answer at the end of a chain, after several questions.
    CnameChain,
    /// The domain takes no mail (RFC 7505).
    NullMx,
    /// Several addresses, of which all but the last refuse connections.
    RefusingAddresses,
}

/// A stage of a conversation at which a peer does something else than it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The greeting.
    Connection,
    /// EHLO or HELO.
    Ehlo,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA.
    Data,
    /// The middle of the message.
    Content,
    /// The final dot.
    FinalDot,
    /// QUIT.
    Quit,
}

impl Stage {
    /// Every stage, in their order.
    pub const ALL: [Stage; 8] = [
        Stage::Connection,
        Stage::Ehlo,
        Stage::Mail,
        Stage::Rcpt,
        Stage::Data,
        Stage::Content,
        Stage::FinalDot,
        Stage::Quit,
    ];
}

/// What a mail server does that it should not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ServerDoes {
    /// It takes the connection and never says a word.
    SaysNothing,
    /// It closes the connection instead of answering.
    Drops(Stage),
    /// It answers with this.
    Replies {
        /// To what.
        to: Stage,
        /// The whole reply, code first; its lines parted by line feeds.
        reply: String,
    },
    /// It answers the first recipient of each message with this, and takes the others.
    RefusesOne {
        /// The whole reply, code first.
        reply: String,
    },
    /// It answers with what is no reply.
    Garbles(Stage),
    /// Its reply has line after line without an end.
    RepliesForever(Stage),
    /// Its reply is a line longer than any limit.
    RepliesTooLong(Stage),
    /// Its replies have `%s` and `%n` in them.
    PercentReplies,
    /// It answers twice where one reply is due.
    RepliesTwice(Stage),
    /// It resets the connection after the final dot.
    ResetsAfterFinalDot {
        /// Whether it has taken the message.
        kept: bool,
    },
    /// It stops reading in the middle of a message.
    Stalls {
        /// For how long.
        by: Span,
    },
    /// It writes one octet at a time.
    Drips,
    /// It does not know EHLO.
    KnowsNoEhlo,
    /// It takes a message and hands it back to the gateway for the same recipients: a routing loop.
    HandsBack,
}

/// What a client does that it should not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ClientDoes {
    /// It closes the connection at this stage.
    Drops(Stage),
    /// It resets the connection at this stage, by closing it with replies unread.
    Resets(Stage),
    /// It falls silent at this stage.
    Stalls {
        /// Where.
        at: Stage,
        /// For how long.
        by: Span,
    },
    /// It sends one octet at a time.
    Drips,
    /// Its message holds an end of data in disguise, and behind it the commands of a second message.
    Smuggles(FalseEnd),
    /// It sends all its commands at once, without waiting for a reply.
    Pipelines,
    /// It sends a command line longer than any limit.
    LongCommand,
    /// Its message has a line longer than any limit.
    LongLine,
    /// It has `%s` and `%n` in every field.
    Percent,
    /// It ends its commands in LF alone.
    BareLf,
    /// It sends its commands in the wrong order, and some that nobody knows, before the right ones.
    Misorders,
    /// It breaks an authentication off, and then goes on trying with a wrong password.
    GuessesPasswords,
    /// It pauses for minutes after each of many pieces of its message.
    Dawdles,
    /// It says NOOP more than a hundred times before it comes to the matter.
    Chatters,
    /// It says HELO, and knows no extension of the protocol.
    SaysHelo,
}

/// What resembles the end of data and is none (RFC 5321, 4.1.1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FalseEnd {
    /// LF `.` LF.
    LfDotLf,
    /// LF `.` CRLF.
    LfDotCrlf,
    /// CRLF `.` LF.
    CrlfDotLf,
    /// CR `.` CR.
    CrDotCr,
    /// CRLF `.` CR.
    CrlfDotCr,
    /// CR `.` CRLF.
    CrDotCrlf,
}

impl FalseEnd {
    /// Every kind.
    pub const ALL: [FalseEnd; 6] = [
        FalseEnd::LfDotLf,
        FalseEnd::LfDotCrlf,
        FalseEnd::CrlfDotLf,
        FalseEnd::CrDotCr,
        FalseEnd::CrlfDotCr,
        FalseEnd::CrDotCrlf,
    ];

    /// Its octets.
    pub fn octets(self) -> &'static [u8] {
        match self {
            FalseEnd::LfDotLf => b"\n.\n",
            FalseEnd::LfDotCrlf => b"\n.\r\n",
            FalseEnd::CrlfDotLf => b"\r\n.\n",
            FalseEnd::CrDotCr => b"\r.\r",
            FalseEnd::CrlfDotCr => b"\r\n.\r",
            FalseEnd::CrDotCrlf => b"\r.\r\n",
        }
    }
}

impl Fault {
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
            | Fault::Server { until, .. } => Some(until.0),
            Fault::Reset { at, .. } | Fault::ClockJump { at, .. } => Some(at.0),
            Fault::Kill { when: When::At(at), restart_after, .. }
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
            _ => Vec::new(),
        }
    }
}
