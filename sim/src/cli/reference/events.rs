//! The page of the events: what the gateway's catalogue says of each, and one of each as an administrator reads it.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use gateway::address::{Address, Domain, ReversePath};
use gateway::envelope::SpoolId;
use gateway::eventlog::{Caller, Event};
use gateway::exception::Exception;
use gateway::smtp::international::PastAscii;
use miette::miette;

use super::schema::in_a_cell;
use super::source;

const CATALOGUE: &str = "gateway/src/eventlog/catalogue.rs";

const OPENING: &str = "\
Every event that the gateway logs, source `MSExchangeIMC`. Numbers, types and categories are the original's where the
article that is named gives them; the wording is ours, but for the description of event 4037. In the original, 1xxx and
2xxx inform, 3xxx warn and 4xxx are errors, with a few exceptions.
";

/// The page.
///
/// # Errors
/// The catalogue cannot be read, or this page has no example of an event or no word on it.
pub(super) fn page(root: &Path) -> miette::Result<String> {
    let catalogue = source::read(root, CATALOGUE)?;
    let examples = examples();
    let mut text =
        format!("# Events, every one\n\n{OPENING}\n| event | type | category | when |\n|---|---|---|---|\n");
    let mut read = String::new();
    for id in Event::IDS {
        let event = examples.iter().find(|event| event.id() == id).ok_or_else(|| {
            miette!(
                help = "add one to `examples` in sim/src/cli/reference/events.rs",
                "there is no example of event {id}"
            )
        })?;
        let when = source::comment(&catalogue, &format!("{id}: ")).ok_or_else(|| {
            miette!(
                help = format!("begin the comment on its variant with `{id}: `"),
                "{CATALOGUE} says nothing of event {id}"
            )
        })?;
        let (severity, category) = (event.severity().name(), event.category().name());
        let _ = writeln!(text, "| [{id}](#{id}) | {severity} | {category} | {} |", in_a_cell(&when));
        let _ = write!(read, "\n### {id}\n\n> {event}\n");
    }
    Ok(format!("{text}\n## As they read\n{read}"))
}

/// One event of each number.
fn examples() -> Vec<Event> {
    let id: SpoolId = "W99P0SFR".parse().expect("eight letters and digits name a spool file");
    let domain: Domain = "partner.test".parse().expect("it is a domain");
    let alice: Address = "alice@fabrikam.test".parse().expect("it is an address");
    let erin: Address = "erin@partner.test".parse().expect("it is an address");
    let from = ReversePath::Mailbox(alice.clone());
    let host = "mx.partner.test".to_owned();
    let client =
        Caller { name: "mail.fabrikam.test".to_owned(), address: Ipv4Addr::new(198, 51, 100, 7).into() };
    let address = SocketAddr::from((Ipv4Addr::new(203, 0, 113, 25), 25));
    let why = || "the disk failed".to_owned();
    vec![
        Event::Started { build: env!("CARGO_PKG_VERSION") },
        Event::Stopped,
        Event::Reconfigured { kept: vec!["listen"] },
        Event::Listening {
            places: vec!["0.0.0.0:25 (SMTP)".to_owned(), "0.0.0.0:465 (SMTP in TLS)".to_owned()],
        },
        Event::Delivered {
            id: id.clone(),
            from: from.clone(),
            to: host.clone(),
            delivered: 2,
            undeliverable: 1,
        },
        Event::Received {
            id: id.clone(),
            from: from.clone(),
            client: client.clone(),
            account: None,
            recipients: 3,
        },
        Event::Connected { host: host.clone(), address, file: "L0000042.LOG".to_owned() },
        Event::ProtocolLogOn { directory: "/var/log/gateway".to_owned() },
        Event::Unresolved { domain, why: "there is no such domain".to_owned() },
        Event::QueueStarted { client: client.clone(), node: "branch.test".to_owned(), messages: 3 },
        Event::QueueChanged {
            what: format!("Entry {id}.1 from {from} for 2 recipient(s)"),
            done: "held",
            by: "carol at 127.0.0.1".to_owned(),
        },
        Event::ConnectFailed { host: host.clone(), address, why: "connection refused".to_owned() },
        Event::TrackingFailed { why: why() },
        Event::ProtocolLogFailed { why: why() },
        Event::FlushModeEntered { free: 1_000_000, low_water: 10_485_760 },
        Event::FlushModeLeft { free: 20_000_000 },
        Event::ExtensionBypassed {
            id: id.clone(),
            extension: "imcext".to_owned(),
            why: "it panicked".to_owned(),
        },
        Event::MilterFailed {
            milter: "filter.contoso.test".to_owned(),
            why: "connection refused".to_owned(),
            action: "tempfail",
        },
        Event::MilterChangeRefused {
            milter: "filter.contoso.test".to_owned(),
            why: "it did not ask for that when it negotiated".to_owned(),
        },
        Event::MilterRefused {
            milter: "filter.contoso.test".to_owned(),
            reply: "550 5.7.1 not this".to_owned(),
        },
        Event::HostOverLimit {
            host: Ipv4Addr::new(198, 51, 100, 66).into(),
            what: "connections at one time",
        },
        Event::TooLittleOffered {
            id: id.clone(),
            host: host.clone(),
            recipient: "jürgen@partner.test".parse().expect("it is an address"),
            what: PastAscii::Address,
        },
        Event::ClientTlsFailed {
            client: Ipv4Addr::new(198, 51, 100, 7).into(),
            why: "received fatal alert: HandshakeFailure".to_owned(),
        },
        Event::HostTlsFailed {
            host: host.clone(),
            why: "the TLS handshake failed: invalid peer certificate: UnknownIssuer".to_owned(),
        },
        Event::ReadableByAll { directory: "/var/lib/gateway/mail".to_owned(), mode: "755".to_owned() },
        Event::EventsLeftOut { count: 12 },
        Event::ListenFailed {
            address: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 25)),
            why: "address in use".to_owned(),
        },
        Event::NotReconfigured { why: "gateway.toml:14: 0 is out of range".to_owned() },
        Event::RemoteRefused { id: id.clone(), host, reply: "550 5.1.1 no such user".to_owned() },
        Event::Exception(Exception::access_violation(0x0040_2674)),
        Event::CommitFailed { id: id.clone(), why: why() },
        Event::SpoolUnusable { why: why() },
        Event::ExtensionNotLoaded {
            extension: "imcext".to_owned(),
            why: "it has no file of routes".to_owned(),
        },
        Event::TlsNotLoaded {
            why: "`/etc/gateway/key.pem` cannot be used for TLS: it holds no private key in PEM".to_owned(),
        },
        Event::HopCountExceeded { id: id.clone(), hops: 31 },
        Event::OutboundSetAside { id: id.clone(), folder: "bad", why: "the file is damaged".to_owned() },
        Event::InboundSetAside { file: id.to_string(), folder: "bad", why: "the file is damaged".to_owned() },
        Event::ReportFailed { id: id.clone(), why: why() },
        Event::Dropped { id: id.clone(), recipient: erin.clone(), why: "an extension said so".to_owned() },
        Event::SenderMismatch { account: "bob".to_owned(), sender: alice },
        Event::Turfed {
            id: id.clone(),
            from: ReversePath::Mailbox(erin.clone()),
            entry: "@partner.test".to_owned(),
            done: "it is kept in turf",
        },
        Event::RetriedLater { id, why: why() },
        Event::AuthenticationFailed { account: "bob".to_owned(), client: client.clone() },
        Event::RelayRefused { client: client.clone(), recipient: erin.clone() },
        Event::RecipientUnknown { client, recipient: erin },
    ]
}
