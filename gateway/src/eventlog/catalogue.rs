//! Every event the gateway can log, with the number the original gave it.
//!
//! Numbers, types and categories: Knowledge Base articles, named at each variant. The wording is ours but for the
//! description of event 4037, which the two articles print.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Serialize, Serializer};

use crate::address::{Address, Domain, ReversePath};
use crate::envelope::SpoolId;
use crate::exception::Exception;
use crate::smtp::international::PastAscii;

/// How grave an event is: the `Type` of a Windows NT event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Something failed.
    Error,
    /// Something may need attention.
    Warning,
    /// Something happened as it should.
    Information,
    /// An audited action succeeded.
    SuccessAudit,
}

impl Severity {
    /// The name shown as `Type`.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Error => "Error",
            Severity::Warning => "Warning",
            Severity::Information => "Information",
            Severity::SuccessAudit => "Success Audit",
        }
    }
}

/// The part of the service that an event belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// Starting and stopping.
    InitializationTermination,
    /// A message on its way.
    MessageTransfer,
    /// Conversations with other hosts.
    SmtpInterface,
    /// The log of those conversations.
    SmtpProtocolLog,
    /// The service's own workings.
    InternalProcessing,
}

impl Category {
    /// The name shown as `Category`.
    pub fn name(self) -> &'static str {
        match self {
            Category::InitializationTermination => "Initialization/Termination",
            Category::MessageTransfer => "Message Transfer",
            Category::SmtpInterface => "SMTP Interface Events",
            Category::SmtpProtocolLog => "SMTP Protocol Log",
            Category::InternalProcessing => "Internal processing",
        }
    }
}

/// A client of whom an event tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Caller {
    /// What it called itself: anything.
    #[serde(rename = "client")]
    pub name: String,
    /// Its address.
    pub address: IpAddr,
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.name, self.address)
    }
}

/// Something an administrator may want to know. Serialized, it is its fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Event {
    /// 1000: the service has started (Q257618).
    Started {
        /// The build.
        build: &'static str,
    },
    /// 1001: the service was shut down (Q325939).
    Stopped,
    /// 1002: the service has taken up another configuration. The original asked for a restart; the number is ours.
    Reconfigured {
        /// The keys that have changed and wait for the next start.
        kept: Vec<&'static str>,
    },
    /// 1003: where the service listens. The number is ours.
    Listening {
        /// The addresses, and what is spoken there.
        places: Vec<String>,
    },
    /// 2001: a message was handed on to another host or to a mailbox (Q185108).
    Delivered {
        /// The message.
        id: SpoolId,
        /// Its sender.
        #[serde(serialize_with = "as_text")]
        from: ReversePath,
        /// To which host, or "the local store".
        to: String,
        /// How many recipients have it now.
        delivered: usize,
        /// How many recipients will never have it.
        undeliverable: usize,
    },
    /// 2002: a message was taken from a client (Q166558).
    Received {
        /// The message.
        id: SpoolId,
        /// Its sender.
        #[serde(serialize_with = "as_text")]
        from: ReversePath,
        /// The client.
        #[serde(flatten)]
        client: Caller,
        /// The account that it authenticated with.
        #[serde(skip_serializing_if = "Option::is_none")]
        account: Option<String>,
        /// The number of recipients.
        recipients: usize,
    },
    /// 2003: another host was connected to, and the SMTP protocol log has a file for it (Q246580).
    Connected {
        /// The host's name or address.
        host: String,
        /// The address.
        address: SocketAddr,
        /// The file.
        file: String,
    },
    /// 2004: the SMTP protocol log is on (Q154505).
    ProtocolLogOn {
        /// The directory that has its files.
        directory: String,
    },
    /// 2006: no host was found for a domain, it takes no mail (a null MX), or its mail leads back here (Q185108).
    Unresolved {
        /// The domain.
        domain: Domain,
        /// What the resolver said.
        why: String,
    },
    /// 2010: a client asked with ETRN for mail that waited, and it is sent. The number is ours.
    QueueStarted {
        /// The client.
        #[serde(flatten)]
        client: Caller,
        /// Whose mail.
        node: String,
        /// How many messages.
        messages: usize,
    },
    /// 2011: an administrator had entries of the queue tried, held, let go or deleted. The number is ours.
    QueueChanged {
        /// Which.
        what: String,
        /// What was done.
        done: &'static str,
        /// Who says to have asked for it, and from where.
        by: String,
    },
    /// 3010: a host could not be connected to (Q283255).
    ConnectFailed {
        /// The host's name or address.
        host: String,
        /// The address tried.
        address: SocketAddr,
        /// What the network said.
        why: String,
    },
    /// 3016: a record of the message tracking log could not be written; mail goes its way (Q198733). Said once, until it can
    /// be written again.
    TrackingFailed {
        /// What went wrong.
        why: String,
    },
    /// 3017: a line of the SMTP protocol log could not be written; mail goes its way. Said once, until it can be written
    /// again. The number is ours.
    ProtocolLogFailed {
        /// What went wrong.
        why: String,
    },
    /// 3018: the spool's drive is nearly full, and no mail is taken in until it has room: flush mode (Q272506, Q189587).
    FlushModeEntered {
        /// The octets that are free.
        free: u64,
        /// The octets that should be.
        low_water: u64,
    },
    /// 3019: the spool's drive has room again, and mail is taken in. The original had such an event (Q189587); no article
    /// gives its number, and this one is ours.
    FlushModeLeft {
        /// The octets that are free.
        free: u64,
    },
    /// 3020: an extension failed over a message, which goes on without it. The original had no such choice; the number is
    /// ours.
    ExtensionBypassed {
        /// The message.
        id: SpoolId,
        /// The extension.
        extension: String,
        /// How it failed.
        why: String,
    },
    /// 3030: a milter could not be asked any more about a client's mail. The original had no milters: this number and the
    /// next two are ours.
    MilterFailed {
        /// Where it listens.
        milter: String,
        /// What went wrong.
        why: String,
        /// What is done with the mail, as it is configured.
        action: &'static str,
    },
    /// 3031: a milter would have changed a message in a way that had not been negotiated, or that makes no message; that
    /// change was not made.
    MilterChangeRefused {
        /// Where it listens.
        milter: String,
        /// Why it is not.
        why: String,
    },
    /// 3032: a milter refused what a client sent.
    MilterRefused {
        /// Where it listens.
        milter: String,
        /// What the client was told.
        reply: String,
    },
    /// 3035: a host asks for more than the limits for one host allow, for the first time in a minute. The original had no
    /// such limits (Q146562), and the number is ours.
    HostOverLimit {
        /// The host.
        host: IpAddr,
        /// Of what.
        what: &'static str,
    },
    /// 3060: a message has something past ASCII, and no host of its recipient offers what that takes: SMTPUTF8 (RFC 6531),
    /// or 8BITMIME where it cannot be put in seven bits (RFC 6152). The original knew ASCII alone; the number is ours.
    TooLittleOffered {
        /// The message.
        id: SpoolId,
        /// The host that was asked last.
        host: String,
        /// Who will not have it.
        recipient: Address,
        /// What is past ASCII.
        #[serde(serialize_with = "as_text")]
        what: PastAscii,
    },
    /// 3040: a client began TLS and no encrypted connection came of it, or it went on in clear behind STARTTLS. The events
    /// of the original's SSL are not known; this number and the next two are ours.
    ClientTlsFailed {
        /// The client's address.
        client: IpAddr,
        /// What went wrong.
        why: String,
    },
    /// 3041: another host offered TLS and no encrypted connection came of it, and the mail goes there in clear; or the mail
    /// needs TLS, the host has none that will do, and the mail waits.
    HostTlsFailed {
        /// The host's name or address.
        host: String,
        /// What went wrong.
        why: String,
    },
    /// 3070: a directory of mail can be read by every user of this machine. The number is ours.
    ReadableByAll {
        /// The directory.
        directory: String,
        /// Its permissions, in octal digits.
        mode: String,
    },
    /// 3071: events were left out, because nobody read standard output in time. The number is ours.
    EventsLeftOut {
        /// How many.
        count: u64,
    },
    /// 4007: the listening socket could not be bound, and the service does not start (Q193928).
    ListenFailed {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        why: String,
    },
    /// 4010: another configuration was not taken up, and the old one counts. The number is ours.
    NotReconfigured {
        /// Why not.
        why: String,
    },
    /// 4031: another host refused a message for good (Q245787).
    RemoteRefused {
        /// The message.
        id: SpoolId,
        /// The host.
        host: String,
        /// Its reply.
        reply: String,
    },
    /// 4037: handling a message raised an exception (Q169681, Q178091).
    Exception(Exception),
    /// 4055: a received message could not be moved from `work` to `in`, and was not accepted (Q146791).
    CommitFailed {
        /// The message.
        id: SpoolId,
        /// What the disk said.
        why: String,
    },
    /// 4070: a message file could not be opened or written in the spool (Q231737).
    SpoolUnusable {
        /// What the disk said.
        why: String,
    },
    /// 4084: an extension could not be loaded, and the service does not start (Q258206).
    ExtensionNotLoaded {
        /// Its name.
        extension: String,
        /// Why not.
        why: String,
    },
    /// 4085: a file that TLS needs does not do, and the service does not start.
    TlsNotLoaded {
        /// What is wrong with which file.
        why: String,
    },
    /// 4098: a message has passed through too many hosts (Q260247).
    HopCountExceeded {
        /// The message.
        id: SpoolId,
        /// Its `Received` lines.
        hops: usize,
    },
    /// 4116: a message on its way out could not be handled, and was put aside (Q193639).
    OutboundSetAside {
        /// The message.
        id: SpoolId,
        /// The folder it is in now.
        folder: &'static str,
        /// Why.
        why: String,
    },
    /// 4117: a message on its way in could not be handled, an extension took too long over it, or a milter asked for it,
    /// and it was put aside (Q192186).
    InboundSetAside {
        /// The file.
        file: String,
        /// The folder it is in now.
        folder: &'static str,
        /// Why.
        why: String,
    },
    /// 4120: a report could not be made; the sender will not be told (Q254893).
    ReportFailed {
        /// The message that it would have been about.
        id: SpoolId,
        /// Why.
        why: String,
    },
    /// 4123: a message was dropped on purpose: an extension or a milter said so, or it failed and its null reverse path
    /// asks for no report (Q192939).
    Dropped {
        /// The message.
        id: SpoolId,
        /// To whom it would have gone.
        recipient: Address,
        /// Why.
        why: String,
    },
    /// 4151: the account that a client used may not send as this sender (Q188250).
    SenderMismatch {
        /// The account.
        account: String,
        /// The sender.
        sender: Address,
    },
    /// 4182: a message could not be handled for now; it stays where it is and will be tried again (Q232279).
    RetriedLater {
        /// The message.
        id: SpoolId,
        /// Why.
        why: String,
    },
    /// 4183: a client gave an account or a password that the directory does not know (Q235627).
    AuthenticationFailed {
        /// The account it named.
        account: String,
        /// The client.
        #[serde(flatten)]
        client: Caller,
    },
    /// 4188: a client asked for a message to be passed on that it may not have passed on (Q193922).
    RelayRefused {
        /// The client.
        #[serde(flatten)]
        client: Caller,
        /// The recipient.
        recipient: Address,
    },
    /// 4189: a client named a recipient in a domain of this server whom nobody is here. The original took such mail and
    /// reported it; the number is ours.
    RecipientUnknown {
        /// The client.
        #[serde(flatten)]
        client: Caller,
        /// The recipient.
        recipient: Address,
    },
    /// 4192: a message is of a sender who is not wanted here, and is not delivered (Q193926).
    Turfed {
        /// The message.
        id: SpoolId,
        /// Its reverse path.
        #[serde(serialize_with = "as_text")]
        from: ReversePath,
        /// The entry of the table.
        entry: String,
        /// What was done with it.
        done: &'static str,
    },
}

impl Event {
    /// The number of every event, in order.
    pub const IDS: [u16; 45] = [
        1000, 1001, 1002, 1003, 2001, 2002, 2003, 2004, 2006, 2010, 2011, 3010, 3016, 3017, 3018, 3019, 3020,
        3030, 3031, 3032, 3035, 3040, 3041, 3060, 3070, 3071, 4007, 4010, 4031, 4037, 4055, 4070, 4084, 4085,
        4098, 4116, 4117, 4120, 4123, 4151, 4182, 4183, 4188, 4189, 4192,
    ];

    /// The event's number, which is one of [`IDS`](Self::IDS).
    pub fn id(&self) -> u16 {
        match self {
            Event::Started { .. } => 1000,
            Event::Stopped => 1001,
            Event::Reconfigured { .. } => 1002,
            Event::Listening { .. } => 1003,
            Event::Delivered { .. } => 2001,
            Event::Received { .. } => 2002,
            Event::Connected { .. } => 2003,
            Event::ProtocolLogOn { .. } => 2004,
            Event::Unresolved { .. } => 2006,
            Event::QueueStarted { .. } => 2010,
            Event::QueueChanged { .. } => 2011,
            Event::ConnectFailed { .. } => 3010,
            Event::TrackingFailed { .. } => 3016,
            Event::ProtocolLogFailed { .. } => 3017,
            Event::FlushModeEntered { .. } => 3018,
            Event::FlushModeLeft { .. } => 3019,
            Event::ExtensionBypassed { .. } => 3020,
            Event::MilterFailed { .. } => 3030,
            Event::MilterChangeRefused { .. } => 3031,
            Event::MilterRefused { .. } => 3032,
            Event::HostOverLimit { .. } => 3035,
            Event::TooLittleOffered { .. } => 3060,
            Event::ClientTlsFailed { .. } => 3040,
            Event::HostTlsFailed { .. } => 3041,
            Event::ReadableByAll { .. } => 3070,
            Event::EventsLeftOut { .. } => 3071,
            Event::ListenFailed { .. } => 4007,
            Event::NotReconfigured { .. } => 4010,
            Event::RemoteRefused { .. } => 4031,
            Event::Exception(_) => 4037,
            Event::CommitFailed { .. } => 4055,
            Event::SpoolUnusable { .. } => 4070,
            Event::ExtensionNotLoaded { .. } => 4084,
            Event::TlsNotLoaded { .. } => 4085,
            Event::HopCountExceeded { .. } => 4098,
            Event::OutboundSetAside { .. } => 4116,
            Event::InboundSetAside { .. } => 4117,
            Event::ReportFailed { .. } => 4120,
            Event::Dropped { .. } => 4123,
            Event::SenderMismatch { .. } => 4151,
            Event::RetriedLater { .. } => 4182,
            Event::AuthenticationFailed { .. } => 4183,
            Event::RelayRefused { .. } => 4188,
            Event::RecipientUnknown { .. } => 4189,
            Event::Turfed { .. } => 4192,
        }
    }

    /// How grave it is. In the original, 1xxx and 2xxx inform, 3xxx warn and 4xxx are errors, with a few exceptions.
    pub fn severity(&self) -> Severity {
        match self {
            Event::Connected { .. } => Severity::SuccessAudit,
            Event::Unresolved { .. }
            | Event::Dropped { .. }
            | Event::RelayRefused { .. }
            | Event::RecipientUnknown { .. }
            | Event::Turfed { .. } => Severity::Warning,
            Event::QueueChanged { .. } => Severity::SuccessAudit,
            other => match other.id() {
                0..3000 => Severity::Information,
                3000..4000 => Severity::Warning,
                _ => Severity::Error,
            },
        }
    }

    /// The part of the service that it belongs to.
    pub fn category(&self) -> Category {
        match self {
            Event::Started { .. }
            | Event::Stopped
            | Event::Reconfigured { .. }
            | Event::Listening { .. }
            | Event::NotReconfigured { .. }
            | Event::ReadableByAll { .. }
            | Event::ListenFailed { .. }
            | Event::TlsNotLoaded { .. }
            | Event::ExtensionNotLoaded { .. } => Category::InitializationTermination,
            Event::Delivered { .. }
            | Event::Received { .. }
            | Event::QueueChanged { .. }
            | Event::TrackingFailed { .. }
            | Event::FlushModeEntered { .. }
            | Event::FlushModeLeft { .. }
            | Event::Dropped { .. }
            | Event::Turfed { .. } => Category::MessageTransfer,
            Event::ProtocolLogOn { .. } | Event::ProtocolLogFailed { .. } => Category::SmtpProtocolLog,
            Event::Connected { .. }
            | Event::Unresolved { .. }
            | Event::QueueStarted { .. }
            | Event::ConnectFailed { .. }
            | Event::MilterFailed { .. }
            | Event::MilterChangeRefused { .. }
            | Event::MilterRefused { .. }
            | Event::HostOverLimit { .. }
            | Event::TooLittleOffered { .. }
            | Event::ClientTlsFailed { .. }
            | Event::HostTlsFailed { .. }
            | Event::RemoteRefused { .. }
            | Event::SenderMismatch { .. }
            | Event::AuthenticationFailed { .. }
            | Event::RelayRefused { .. }
            | Event::RecipientUnknown { .. } => Category::SmtpInterface,
            Event::ExtensionBypassed { .. }
            | Event::EventsLeftOut { .. }
            | Event::Exception(_)
            | Event::CommitFailed { .. }
            | Event::SpoolUnusable { .. }
            | Event::HopCountExceeded { .. }
            | Event::OutboundSetAside { .. }
            | Event::InboundSetAside { .. }
            | Event::ReportFailed { .. }
            | Event::RetriedLater { .. } => Category::InternalProcessing,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Started { build } => write!(f, "The Internet Mail Service has started. Build {build}."),
            Event::Stopped => f.write_str("The Internet Mail Service was shut down."),
            Event::Listening { places } => write!(f, "It listens on {}.", places.join(", ")),
            Event::Reconfigured { kept } if kept.is_empty() => {
                f.write_str("The configuration was read anew, and counts for all that begins from now on.")
            }
            Event::Reconfigured { kept } => write!(
                f,
                "The configuration was read anew, and counts for all that begins from now on, but for {}: that waits \
                 for the next start.",
                kept.join(", ")
            ),
            Event::QueueChanged { what, done, by } => write!(f, "{what}: {done} by {by}."),
            Event::NotReconfigured { why } => {
                write!(f, "The configuration was not read anew, and the old one still counts: {why}.")
            }
            Event::Delivered { id, from, to, delivered, undeliverable } => write!(
                f,
                "Message {id} from {from} was handed to {to}: {delivered} recipient(s) delivered, \
                 {undeliverable} undeliverable."
            ),
            Event::Received { id, from, client, account: _, recipients } => {
                write!(
                    f,
                    "Message {id} from {from} was received from {client} with {recipients} recipient(s)."
                )
            }
            Event::Connected { host, address, file } => {
                write!(f, "{host} was connected to at {address}. The SMTP protocol log of it is {file}.")
            }
            Event::ProtocolLogOn { directory } => {
                write!(f, "The SMTP protocol log is on, and its files are in {directory}.")
            }
            Event::Unresolved { domain, why } => write!(f, "No host was found for {domain}: {why}."),
            Event::QueueStarted { client, node, messages } => {
                write!(f, "{client} asked for the mail that waits for {node}: {messages} message(s) started.")
            }
            Event::ConnectFailed { host, address, why } => {
                write!(f, "Connecting to {host} at {address} failed: {why}.")
            }
            Event::TrackingFailed { why } => write!(
                f,
                "A record of the message tracking log could not be written: {why}. Mail goes its way without it."
            ),
            Event::ProtocolLogFailed { why } => write!(
                f,
                "A line of the SMTP protocol log could not be written: {why}. Mail goes its way without it."
            ),
            Event::FlushModeEntered { free, low_water } => write!(
                f,
                "The drive of the spool has {free} octets free, fewer than {low_water}. No mail is taken in until it has \
                 room; mail that was taken goes on its way. Make room on the drive."
            ),
            Event::FlushModeLeft { free } => {
                write!(f, "The drive of the spool has {free} octets free. Mail is taken in again.")
            }
            Event::ExtensionBypassed { id, extension, why } => {
                write!(f, "Message {id} goes on without the extension {extension}: {why}.")
            }
            Event::MilterFailed { milter, why, action } => write!(
                f,
                "The milter {milter} cannot be asked about this client's mail: {why}. What is done with the mail: {action}."
            ),
            Event::MilterChangeRefused { milter, why } => {
                write!(
                    f,
                    "A change that the milter {milter} would have made in a message was refused: {why}."
                )
            }
            Event::MilterRefused { milter, reply } => {
                write!(f, "The milter {milter} refused what a client sent: {reply}")
            }
            Event::TooLittleOffered { id, host, recipient, what } => write!(
                f,
                "Message {id} cannot be sent to {recipient}: {what} is past ASCII, and {host} offers no {}.",
                what.extension()
            ),
            Event::ClientTlsFailed { client, why } => {
                write!(f, "No encrypted connection with the client at {client} came about: {why}.")
            }
            Event::HostTlsFailed { host, why } => {
                write!(f, "No encrypted connection with {host} came about: {why}.")
            }
            Event::TlsNotLoaded { why } => {
                write!(f, "The service cannot offer TLS as it is configured and does not start: {why}.")
            }
            Event::ReadableByAll { directory, mode } => write!(
                f,
                "The directory {directory} has mail in it and may be entered by every user of this machine (its mode is \
                 {mode}). Take that from them: chmod o= {directory}"
            ),
            Event::EventsLeftOut { count } => write!(
                f,
                "{count} event(s) before this one are not in the log: nobody read standard output in time."
            ),
            Event::ListenFailed { address, why } => {
                write!(f, "The service cannot listen on {address} and does not start: {why}.")
            }
            Event::SpoolUnusable { why } => write!(f, "A message could not be stored in the spool: {why}."),
            Event::RemoteRefused { id, host, reply } => {
                write!(f, "{host} refused message {id}: {reply}")
            }
            Event::Exception(exception) => write!(
                f,
                "An exception has occurred which was handled internally by the Internet Mail Service. \
                 This may have resulted in a message not being delivered. {exception}"
            ),
            Event::CommitFailed { id, why } => {
                write!(f, "Message {id} could not be moved from work to in, and was not accepted: {why}.")
            }
            Event::ExtensionNotLoaded { extension, why } => {
                write!(
                    f,
                    "The extension {extension} could not be loaded, and the service does not start: {why}."
                )
            }
            Event::HopCountExceeded { id, hops } => {
                write!(f, "Message {id} has passed through {hops} hosts, which is too many.")
            }
            Event::OutboundSetAside { id, folder, why } => {
                write!(f, "Message {id} could not be sent and was moved to {folder}: {why}.")
            }
            Event::InboundSetAside { file, folder, why } => {
                write!(f, "Spool file {file} could not be processed and was moved to {folder}: {why}.")
            }
            Event::ReportFailed { id, why } => {
                write!(
                    f,
                    "A report on message {id} could not be made, and its sender will not be told: {why}."
                )
            }
            Event::Dropped { id, recipient, why } => {
                write!(f, "Message {id} to {recipient} was dropped: {why}.")
            }
            Event::SenderMismatch { account, sender } => {
                write!(f, "The account {account} may not send as {sender}.")
            }
            Event::RetriedLater { id, why } => {
                write!(f, "Message {id} could not be processed for now and will be tried again: {why}.")
            }
            Event::AuthenticationFailed { account, client } => {
                write!(f, "{client} failed to authenticate as {account}.")
            }
            Event::RelayRefused { client, recipient } => {
                write!(f, "{client} may not relay mail to {recipient}.")
            }
            Event::RecipientUnknown { client, recipient } => {
                write!(f, "{client} named {recipient}, whom nobody is here.")
            }
            Event::HostOverLimit { host, what } => {
                write!(f, "{host} has asked for too many {what}, and is asked to come back later.")
            }
            Event::Turfed { id, from, entry, done } => write!(
                f,
                "Message {id} from {from} is not delivered: its sender is not wanted here, by the entry {entry}. What is \
                 done with the message: {done}."
            ),
        }
    }
}

/// For a field that has no other form than its text.
fn as_text<S: Serializer>(value: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
