//! A capture: what the wires carried and what the gateway's disk held, moment by moment.
//!
//! It is kept for those who ask ([`Keep::Capture`](crate::trace::Keep)), as it holds every octet of a run. It is a
//! view: it changes neither what happens nor the digest.
//!
//! The engine tells of each segment as it comes to a machine or is lost; the disk is looked at whenever something
//! happened.

mod files;

use std::net::SocketAddr;
use std::time::Duration;

pub(crate) use files::FileWatch;

/// What was captured of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Capture {
    /// Every segment, in the order in which they came. None of an engine that shows none.
    pub segments: Vec<Segment>,
    /// Every file of the spool and the mailboxes that came or went, in order.
    pub files: Vec<FileChange>,
    /// What the peers wrote down to have their TLS connections read by, as a key log file has it (RFC 9850).
    pub tls_secrets: String,
}

/// A segment that came to a machine, or was lost on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// When it came; when it was sent, if it was lost.
    pub at: Duration,
    /// The sender's address.
    pub from: SocketAddr,
    /// The receiver's address.
    pub to: SocketAddr,
    /// What it is.
    pub kind: SegmentKind,
    /// What it brings.
    pub octets: Vec<u8>,
    /// It did not come: a link lost it, or the receiver had no power.
    pub is_lost: bool,
}

/// What a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentKind {
    /// It asks for a connection.
    Syn,
    /// It answers that.
    SynAck,
    /// It brings octets.
    Data,
    /// The sender has nothing more to say.
    Fin,
    /// It acknowledges, and brings nothing. It says that so many octets more were read: the window moves by them.
    Ack {
        /// How many.
        read: usize,
    },
    /// It says again what was said before, in case that it was lost. It brings nothing new.
    Again,
    /// It breaks the connection.
    Reset,
    /// It is a datagram, of no connection (UDP).
    Datagram,
}

/// A file came or went, or is another one. A rename is both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileChange {
    /// When.
    pub at: Duration,
    /// The folder: one of the spool's, such as `in`, or `mailboxes/` and the mailbox.
    pub folder: String,
    /// The name of the file.
    pub file: String,
    /// What it is there with; none if it is not there any more.
    pub holds: Option<Held>,
}

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The message as it is shown everywhere: `m1`, `report on m1`, `unknown message`; empty while it is not known,
    /// as of a draft.
    pub message: String,
    /// The recipients in its envelope, if it has one.
    pub recipients: Vec<String>,
    /// Its length.
    pub octets: usize,
}
