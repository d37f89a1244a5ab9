//! Points of the gateway of which a tester asks "did we ever get here?".
//!
//! Where it gets to one, the gateway calls [`reached`], a `tracing` event at the level `TRACE`. A [`ReachLayer`] hands
//! each [`Point`] to whoever counts. Without such a layer the level filters the event out before anything is done for
//! it, as it does for the `gateway` program.
//!
//! This module knows who counts as little as it knows why: a point is a name and nothing hangs on it.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::eventlog;

/// The `tracing` target of every point.
pub(crate) const TARGET: &str = "reach";

/// One table for the enum, the list and the names, so that no point can be missing in one of them.
macro_rules! points {
    ($($point:ident: $name:literal,)+) => {
        /// A point, in the order in which a message may come to them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Point {
            $(#[doc = $name] $point,)+
        }

        impl Point {
            /// Every point, in the order of their declaration.
            pub const ALL: &[Point] = &[$(Point::$point,)+];

            /// What happened there, in a phrase such as "retried after a lost answer to the end of data".
            pub fn name(self) -> &'static str {
                match self {
                    $(Point::$point => $name,)+
                }
            }
        }
    };
}

points! {
    // The session.
    ConnectionOverLimit: "refused a connection over the limit",
    HostOverLimit: "turned a host away that has too many connections",
    MessageOverLimit: "put a message off past a host's limit",
    RecipientOverLimit: "put a recipient off past a host's limit",
    ClosedDown: "said farewell because the service is being stopped",
    HostRejected: "turned a rejected host away",
    PipelinedInput: "had the next command at hand before the last was answered",
    OverlongCommand: "refused a command line that is too long",
    BareLfInCommand: "ended a session at a bare LF in a command",
    TooManyErrors: "ended a session with too many errors",
    SilentClient: "parted from a silent client",
    AuthenticationCancelled: "saw an authentication cancelled",
    AuthenticationFailedTooOften: "ended a session with too many failed authentications",
    Authenticated: "authenticated a client",
    PasswordProven: "had a password proven and not told",
    WrongProof: "refused a wrong proof of a password",
    UnauthenticatedRefused: "refused mail of a client that must authenticate",
    UnencryptedRefused: "refused mail of a client that must encrypt",
    AuthInClearRefused: "refused to have a password sent in clear",
    StartedTls: "started TLS",
    SpokeBehindStartTls: "parted from a client that went on in clear behind STARTTLS",
    HandshakeFailed: "failed at a handshake with a client",
    HandshakeTooSlow: "gave a handshake with a client up for its length",
    SizeRefusedAtMail: "refused a message for the size that it said it had",
    FlushModeEntered: "entered flush mode",
    FlushModeLeft: "left flush mode",
    RefusedInFlushMode: "refused a message in flush mode",
    NullReversePath: "took a message with a null reverse path",
    InternationalTaken: "was told that a message is international",
    UndeclaredRefused: "refused an address past ASCII in a message that was not declared to have any",
    RelayRefused: "refused to pass mail on",
    PublicRoute: "took mail from anybody for a host behind it",
    RelayPermitted: "took mail to pass on",
    RecipientLimit: "put a recipient off past the limit",
    MessageTooSlow: "parted from a client that took too long over a message",
    IdleCommands: "counted a command against a client that sends no message",
    MessageInChunks: "took the last chunk of a message",
    ChunkSkipped: "skipped a chunk that it could not take",
    CutOffInData: "was cut off within a message",
    LongTextLine: "refused a message for a long line",
    BareLineEndInData: "refused a message for a bare CR or LF",
    SizeRefusedAtEnd: "refused a message for the size that it had",
    NotHomedHere: "refused a sender who is not homed here",
    EtrnGranted: "was asked for mail that waited",
    EtrnForNothing: "was asked for mail of which none waited",
    EtrnRefused: "refused to be asked for mail",
    ExemptNotHomedHere: "refused an exempt host's sender who is not homed here",
    LookupAnswered: "told a client who exists",
    TurfSetAside: "set a message aside for its sender",
    TurfDeleted: "deleted a message for its sender",
    TurfRefused: "refused a message for its sender",
    AccountMismatch: "refused a sender who is not the account",

    // The milters.
    MilterUnreachable: "could not reach a milter",
    MilterSilent: "gave a silent milter up",
    MilterLost: "lost the connection to a milter",
    MilterGarbled: "parted from a milter that said what is no answer",
    MilterSatisfied: "was told by a milter that a client needs no more asking",
    MilterToldOfRefusal: "told a milter of a recipient that was refused",
    MilterSkippedBody: "was told by a milter that it had seen enough of a body",
    MilterRefused: "refused what a milter refused",
    MilterChanged: "had a message changed by a milter",
    MilterChangeRefused: "refused a change that a milter would have made",
    MilterDiscarded: "threw a message away for a milter",
    MilterQuarantined: "set a message aside for a milter",

    // The spool.
    DraftDiscarded: "threw a draft away",
    CommitFailedAtWrite: "failed to commit a message: it could not be written",
    CommitFailedAtSync: "failed to commit a message: it could not be synchronised",
    CommitFailedAtRename: "failed to commit a message: it could not be renamed",
    CommitFailedAtDirectory: "failed to commit a message: its directory could not be synchronised",
    FiledBefore: "found what it was about to file filed already",
    WorkEmptied: "removed a leftover of work at a start",
    MemoryOfTheGone: "forgot an entry that was gone at a start",
    MisfitSetAside: "set a file aside that is none of the spool's",
    DamagedSetAside: "set a damaged file aside",

    // The inbound worker.
    FoundAtStart: "found a message in in at a start",
    ProcessedAgain: "processed a message again that was in hand when the process died",
    PutDownUnfinished: "put messages down unfinished because the service is being stopped",
    QuarantinedAfterDeaths: "set a message aside that was in hand at too many deaths",
    GoneFromIn: "was told of a message that had gone from in",
    ExceptionSurvived: "survived an exception",
    ProcessingPutOff: "put a message off for the disk",
    HopCountExceeded: "stopped a message with too many hops",
    ExtensionThisHost: "was told by an extension that a domain is its own",
    ExtensionReroute: "was told by an extension where a message goes",
    ExtensionDropped: "was told by an extension that a message is not for a recipient",
    ExtensionRewrote: "had a message rewritten by an extension",
    JournalCopied: "had a copy made for a journal",
    JournalNotCopied: "had no copy made of what goes to a journal anyway",
    DisclaimerAdded: "had a disclaimer added",
    DisclaimerNotAdded: "had no disclaimer added to a message that cannot have it, or has it",
    ExtensionSilent: "had no answer of an extension in time",
    ExtensionBypassed: "went on without an extension that had failed",
    ExtensionAwaited: "kept a message for an extension that had failed",
    ExtensionReported: "reported a message over which an extension had failed",
    ExpiredInIn: "gave a message up for its age that waited for an extension",
    UnknownRecipientRefused: "refused a recipient whom nobody is here",
    UnknownRecipient: "found no mailbox for a recipient",
    MailboxNamedTwice: "found two recipients to be one mailbox",
    SentToHomeServer: "sent a message on to a mailbox's home server",
    DeliveredBefore: "found a message in its mailbox already",
    NoRoomInMemory: "found no room in memory for a large message",
    PassedOnAsItCame: "passed a message on as it came, under another name",
    PartReplaced: "replaced a part that now goes elsewhere",

    // The courier.
    WaitingRecovered: "recovered an entry that is not due yet",
    OrderedTwice: "was told twice to carry an entry",
    EntryGone: "found an entry taken out",
    ClockWentBack: "met a message from the future",
    Expired: "gave a message up for its age",
    DomainUnknown: "found no host for a domain",
    NullExchanger: "found that a domain takes no mail",
    NoDnsAnswer: "had no answer of a name server",
    AddressInsteadOfExchanger: "used a domain's address for want of exchangers",
    CutAtThisHost: "cut the hosts that are no better than this one",
    NextAfterConnectFailure: "tried the next host after one that could not be connected to",
    NextAfterNoService: "tried the next host after one that serves no mail",
    HeldForEtrn: "kept an entry until somebody asks for it",
    HeldExpired: "gave up an entry for which nobody asked",
    ConnectionReused: "sent a message over a connection that was kept",
    KeptConnectionClosed: "found a connection closed that was kept",
    KeptConnectionStale: "could not begin a message on a connection that was kept",
    KeptConnectionUnused: "closed a connection that was kept and not needed",
    KeptConnectionMadeRoom: "closed a connection that was kept to make room for another",
    NoRoomAtHost: "put an entry off until there is room at its host",
    SparedAFailure: "spared an entry a host that had just failed",
    HeloFallback: "fell back to HELO",
    HostEncrypted: "encrypted a connection with another host",
    StartTlsDeclined: "went on in clear with a host that declined STARTTLS",
    FellBackToClear: "went back in clear to a host with which no handshake came about",
    KeptFromClear: "kept mail from a host that had no TLS to do for it",
    EightBitDeclared: "declared 8BITMIME",
    CommandsTogether: "said commands together",
    NothingToSend: "was granted DATA without a recipient",
    RequestPassedOn: "passed on what is asked of reports",
    InternationalPassedOn: "declared that a message is international",
    PutInSevenBits: "put a message in seven bits",
    NextAfterTooLittleOffered: "tried the next host after one that offers no SMTPUTF8 or 8BITMIME",
    TooLittleOffered: "gave a recipient up whose hosts offer no SMTPUTF8 or 8BITMIME",
    ClosedAmongRecipients: "met a host that closed down among the recipients",
    OutcomesDiffer: "had different outcomes for the recipients of one message",
    AllRecipientsRefused: "had every recipient refused",
    EndOfDataUnanswered: "had no answer to the end of data",
    RetriedAfterLostAnswer: "retried after a lost answer to the end of data",
    DeliveryNotedLate: "could not note a delivery at once",
    CarryingPutOff: "put an entry off for the disk",
    WaitCutToExpiry: "cut a wait to the age at which a message expires",

    // Reports.
    ReportComposed: "reported to a sender",
    FailureUnwanted: "left a report out that the sender does not want",
    InternationalReport: "wrote a report to an address past ASCII",
    DeliveryReported: "reported a delivery",
    RelayReported: "reported a message passed on",
    DelayReported: "reported a delay",
    ReportWithdrawn: "took a report back that an earlier try had filed",
    NoReportOnNullPath: "reported nothing on a null reverse path",
    NotificationComposed: "notified the administrator",
    NotificationUnwanted: "left a notification out that nobody wants",
    OriginalTooLarge: "returned only the header of a large message",
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The gateway is at this point.
pub fn reached(point: Point) {
    tracing::trace!(target: TARGET, point = point as u64);
}

/// A `tracing` layer that hands every point to `count`. It can stand beside an
/// [`EventLogLayer`](eventlog::EventLogLayer), in either order.
pub struct ReachLayer<F> {
    count: F,
}

impl<F: Fn(Point) + 'static> ReachLayer<F> {
    /// A layer that calls `count` for each point, in the order they are reached.
    pub fn new(count: F) -> Self {
        ReachLayer { count }
    }
}

impl<S: Subscriber, F: Fn(Point) + 'static> Layer<S> for ReachLayer<F> {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        eventlog::is_the_gateways(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::TRACE)
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != TARGET {
            return;
        }
        let mut place = Place(None);
        event.record(&mut place);
        if let Some(point) = place.0.and_then(|place| Point::ALL.get(place)) {
            (self.count)(*point);
        }
    }
}

/// A point's place among all.
struct Place(Option<usize>);

impl Visit for Place {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "point" {
            self.0 = usize::try_from(value).ok();
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}
