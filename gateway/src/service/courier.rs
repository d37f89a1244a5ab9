//! The courier: carries the entries of `out/` to their next hops, again and again by the retry schedule, until each
//! recipient has the message or will never have it.
//!
//! What became of each recipient is noted in the entry's journal, so that a crash repeats at most the attempt that it
//! cut off: a delivery before anything else follows from it, a failure when its report is in the spool.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep_until, timeout};

use super::core::Core;
use super::filing;
use crate::address::{Address, Domain};
use crate::dns::DnsError;
use crate::env::{DiskError, Stream};
use crate::envelope::Envelope;
use crate::eventlog::Event;
use crate::exception;
use crate::report::{Direction, Failure, Reason, RemoteReply};
use crate::routing::NextHop;
use crate::smtp::client::{self, NoService, Outcome};
use crate::smtp::reply::Reply;
use crate::spool::{Aside, EntryName, Folder, Message, Progress, ReadError};

/// How many entries are carried at a time.
const AT_ONCE: usize = 20;
/// How long a host may take to answer a connection.
const CONNECT_TIME: Duration = Duration::from_mins(1);
/// How long an entry waits when the disk fails it.
const DISK_PAUSE: Duration = Duration::from_mins(1);

/// An entry in `out/` and when to try it.
pub(super) struct Order {
    pub(super) name: EntryName,
    pub(super) due: Instant,
}

/// The courier.
pub(super) struct Courier {
    core: Arc<Core>,
    orders: mpsc::UnboundedReceiver<Order>,
}

/// Where an entry goes.
enum Destination {
    /// One of these, in this order.
    Hosts(Vec<Host>),
    /// Nowhere, ever.
    Unknown(String),
    /// It is not known now.
    NotNow(String),
}

/// A host to connect to.
struct Host {
    name: String,
    address: SocketAddr,
}

impl Courier {
    /// A courier with what the last process left in `out/`.
    pub(super) async fn recover(
        core: &Arc<Core>,
        orders: mpsc::UnboundedReceiver<Order>,
    ) -> Result<Self, DiskError> {
        let listing = core.spool.list(Folder::Out).await?;
        for file in &listing.misfits {
            let kept = core.spool.set_aside(Folder::Out, file, Aside::Bad).await?;
            Event::InboundSetAside {
                file: kept,
                folder: "bad",
                why: "its name is none of the spool's".to_owned(),
            }
            .log();
        }
        let unfinished: BTreeSet<_> =
            core.spool.list(Folder::In).await?.entries.into_iter().map(|entry| entry.id).collect();
        for name in listing.entries {
            // Its message is still in `in/`: the inbound worker will announce it.
            if unfinished.contains(&name.id) {
                continue;
            }
            let next = core.spool.progress(&name).await?.iter().rev().find_map(|progress| match progress {
                Progress::Deferred { next, .. } => Some(*next),
                _ => None,
            });
            // A time that has passed is now; one further off than any wait is a clock's mistake.
            let longest = core.config.delivery.retry.iter().max().copied().unwrap_or_default();
            let wait = next
                .and_then(|next| Duration::try_from(core.now().duration_until(next)).ok())
                .unwrap_or_default()
                .min(longest);
            core.order(Order { name, due: Instant::now() + wait });
        }
        Ok(Courier { core: Arc::clone(core), orders })
    }

    /// Carries for ever.
    pub(super) async fn run(mut self) {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let mut schedule: BTreeSet<(Instant, EntryName)> = BTreeSet::new();
        loop {
            let next = schedule.first().map(|(due, _)| *due);
            tokio::select! {
                biased;
                order = self.orders.recv() => match order {
                    Some(order) => { schedule.insert((order.due, order.name)); }
                    None => return,
                },
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                    let Some((_, name)) = schedule.pop_first() else { continue };
                    let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
                    let core = Arc::clone(&self.core);
                    let spawn = Arc::clone(&core.env.spawn);
                    spawn.spawn("delivery", Box::pin(async move {
                        carry(&core, name).await;
                        drop(place);
                    }));
                }
            }
        }
    }
}

/// One try of one entry, with the exception filter around it, and the order for the next.
async fn carry(core: &Core, name: EntryName) {
    let again = match exception::filter(attempt(core, &name)).await {
        Ok(Ok(again)) => again,
        Ok(Err(error)) => {
            Event::RetriedLater { id: name.id.clone(), why: error.to_string() }.log();
            Some(DISK_PAUSE)
        }
        Err(exception) => {
            let why = format!("sending it raised an exception, {exception}");
            core.exception(exception).await;
            set_aside(core, &name, &why).await
        }
    };
    if let Some(wait) = again {
        core.order(Order { name, due: Instant::now() + wait });
    }
}

/// Moves an entry to `bad/`, with event 4116. If the disk does not let it, that is tried again later.
async fn set_aside(core: &Core, name: &EntryName, why: &str) -> Option<Duration> {
    match core.spool.set_aside(Folder::Out, &name.to_string(), Aside::Bad).await {
        Ok(_) => {
            Event::OutboundSetAside { id: name.id.clone(), folder: "bad", why: why.to_owned() }.log();
            None
        }
        Err(error) => {
            Event::RetriedLater { id: name.id.clone(), why: error.to_string() }.log();
            Some(DISK_PAUSE)
        }
    }
}

/// One try of one entry. How long to wait for the next, if there is to be one.
async fn attempt(core: &Core, name: &EntryName) -> Result<Option<Duration>, DiskError> {
    let message = match core.spool.read(Folder::Out, name).await {
        Ok(message) => message,
        Err(ReadError::Damaged { damage, .. }) => return Ok(set_aside(core, name, &damage.to_string()).await),
        // An administrator took it out: nothing is owed.
        Err(ReadError::Disk(error)) if error.cause.kind() == ErrorKind::NotFound => return Ok(None),
        Err(ReadError::Disk(error)) => return Err(error),
    };
    let progress = core.spool.progress(name).await?;
    let waiting = waiting(&message.envelope, &progress);
    let tries = tries(&progress);
    let last_why = progress.iter().rev().find_map(|progress| match progress {
        Progress::Deferred { why, .. } => Some(why.clone()),
        _ => None,
    });
    let mut round = Round {
        core,
        name,
        message: &message,
        waiting,
        tries,
        last_why,
        failures: Vec::new(),
        noted: Vec::new(),
    };

    let deferred = if round.waiting.is_empty() {
        None
    } else if tries > 0 && round.time_left().is_zero() {
        round.expire();
        None
    } else {
        match destination(core, &message.envelope).await {
            Destination::Hosts(hosts) => round.visit(hosts).await?,
            Destination::NotNow(why) => Some(why),
            Destination::Unknown(why) => {
                let domain = message.envelope.recipients[0].domain().clone();
                Event::Unresolved { domain, why }.log();
                round.fail_all(&Reason::HostUnknown, "host unknown");
                None
            }
        }
    };
    round.settle(deferred).await
}

/// The recipients that nothing final has been noted of.
fn waiting(envelope: &Envelope, progress: &[Progress]) -> Vec<Address> {
    let settled: BTreeSet<&Address> = progress
        .iter()
        .filter_map(|progress| match progress {
            Progress::Delivered { recipient } | Progress::Failed { recipient, .. } => Some(recipient),
            Progress::Deferred { .. } => None,
        })
        .collect();
    envelope.recipients.iter().filter(|recipient| !settled.contains(recipient)).cloned().collect()
}

/// How often the entry has been tried.
fn tries(progress: &[Progress]) -> u32 {
    let numbers = progress.iter().filter_map(|progress| match progress {
        Progress::Deferred { attempt, .. } => Some(*attempt),
        _ => None,
    });
    numbers.max().unwrap_or_default()
}

/// One try: what it does to the recipients still waiting.
struct Round<'a> {
    core: &'a Core,
    name: &'a EntryName,
    message: &'a Message,
    waiting: Vec<Address>,
    tries: u32,
    /// What came in the way of the last try.
    last_why: Option<String>,
    failures: Vec<Failure>,
    /// What is to be noted of the failures once they are reported.
    noted: Vec<Progress>,
}

impl Round<'_> {
    /// Tries one host after another until no recipient waits or no host is left. What deferred those who wait still.
    async fn visit(&mut self, hosts: Vec<Host>) -> Result<Option<String>, DiskError> {
        let mut deferred = None;
        let mut without_service = Vec::new();
        let count = hosts.len();
        for host in hosts {
            match connect(self.core, &host).await {
                Ok(stream) => match self.converse(stream, &host.name).await? {
                    Ok(why) => deferred = why,
                    // Nothing was said of the message: the next host may take it.
                    Err(no_service) => {
                        deferred = Some(format!("{}: {no_service}", host.name));
                        if let Outcome::Failed(reply) = no_service.into() {
                            without_service.push((host.name, reply));
                        }
                    }
                },
                Err(why) => {
                    let (name, address) = (host.name.clone(), host.address);
                    Event::ConnectFailed { host: name, address, why: why.clone() }.log();
                    deferred = Some(format!("{}: {why}", host.name));
                }
            }
            if self.waiting.is_empty() {
                return Ok(None);
            }
        }
        match without_service.pop() {
            // Each of them says for good that it serves no mail: there is no other host to try.
            Some((host, reply)) if without_service.len() + 1 == count => {
                self.refused(&host, &reply);
                self.fail_all(&Reason::Refused(remote(&host, &reply)), &reply.to_string());
                Ok(None)
            }
            _ => Ok(deferred),
        }
    }

    /// One conversation with one host. What deferred those who wait still, or that the host serves no mail now.
    async fn converse(
        &mut self,
        stream: Box<dyn Stream>,
        host: &str,
    ) -> Result<Result<Option<String>, NoService>, DiskError> {
        let envelope = &self.message.envelope;
        let helo = &self.core.config.host;
        let sent =
            client::send(stream, helo, &envelope.reverse_path, &self.waiting, &self.message.content).await;
        let outcomes = match sent {
            Ok(outcomes) => outcomes,
            Err(no_service) => return Ok(Err(no_service)),
        };
        let (mut deferred, mut delivered) = (None, 0);
        for (recipient, outcome) in std::mem::take(&mut self.waiting).into_iter().zip(outcomes) {
            match outcome {
                Outcome::Delivered(_) => {
                    self.note_delivered(recipient).await;
                    delivered += 1;
                }
                Outcome::Failed(reply) => {
                    self.refused(host, &reply);
                    self.fail(recipient, Reason::Refused(remote(host, &reply)), &reply.to_string());
                }
                Outcome::Deferred(why) => {
                    deferred = Some(format!("{host}: {why}"));
                    self.waiting.push(recipient);
                }
            }
        }
        if delivered > 0 {
            Event::Delivered {
                id: self.name.id.clone(),
                from: envelope.reverse_path.clone(),
                to: host.to_owned(),
                delivered,
                undeliverable: self.failures.len(),
            }
            .log();
        }
        Ok(Ok(deferred))
    }

    /// Notes a delivery, as often as it takes: what is not in the journal would be delivered again.
    async fn note_delivered(&self, recipient: Address) {
        let delivered = Progress::Delivered { recipient };
        while let Err(error) = self.core.spool.note(self.name, &delivered).await {
            Event::RetriedLater { id: self.name.id.clone(), why: error.to_string() }.log();
            tokio::time::sleep(DISK_PAUSE).await;
        }
    }

    fn refused(&self, host: &str, reply: &Reply) {
        let id = self.name.id.clone();
        Event::RemoteRefused { id, host: host.to_owned(), reply: reply.to_string() }.log();
    }

    /// How long until the message has grown too old.
    fn time_left(&self) -> Duration {
        let age = self.message.envelope.received.duration_until(self.core.now());
        let expire = self.core.config.delivery.expire;
        // A clock that went back makes no message older, and none younger than new.
        expire.saturating_sub(Duration::try_from(age).unwrap_or_default())
    }

    /// The message has grown too old.
    fn expire(&mut self) {
        let reason = Reason::Expired { retries: self.tries.saturating_sub(1), last: self.last_why.take() };
        self.fail_all(&reason, "message time-out exceeded");
    }

    fn fail_all(&mut self, why: &Reason, noted: &str) {
        for recipient in std::mem::take(&mut self.waiting) {
            self.fail(recipient, why.clone(), noted);
        }
    }

    fn fail(&mut self, recipient: Address, why: Reason, noted: &str) {
        self.noted.push(Progress::Failed { recipient: recipient.clone(), reply: noted.to_owned() });
        self.failures.push(Failure { recipient, why });
    }

    /// Reports what failed and either ends with the entry or notes when it is due again.
    async fn settle(self, deferred: Option<String>) -> Result<Option<Duration>, DiskError> {
        let time_left = self.time_left();
        let Round { core, name, message, waiting, tries, failures, noted, .. } = self;
        let attempt = tries + 1;
        if !failures.is_empty() {
            let direction = Direction::Outbound;
            filing::report(core, direction, &message.envelope, &message.content, &failures, name, attempt)
                .await?;
        }
        if waiting.is_empty() {
            core.spool.remove(Folder::Out, name).await?;
            return Ok(None);
        }
        for progress in &noted {
            core.spool.note(name, progress).await?;
        }
        let wait = core.config.delivery.wait_after(attempt).min(time_left);
        let next = core.now().saturating_add(signed(wait)).unwrap_or(Timestamp::MAX);
        let why = deferred.unwrap_or_else(|| "no host took it".to_owned());
        core.spool.note(name, &Progress::Deferred { attempt, next, why }).await?;
        Ok(Some(wait))
    }
}

async fn connect(core: &Core, host: &Host) -> Result<Box<dyn Stream>, String> {
    match timeout(CONNECT_TIME, core.env.net.connect(host.address)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(error.kind().to_string()),
        Err(_) => Err("no answer".to_owned()),
    }
}

/// The hosts to try, in order: the one that routing named, or the mail exchangers of the recipients' domain, or the
/// domain itself if it has none (RFC 5321, 5.1).
async fn destination(core: &Core, envelope: &Envelope) -> Destination {
    let port = core.config.delivery.port;
    if let Some(NextHop { host, port: own }) = &envelope.next_hop {
        return resolve(core, std::slice::from_ref(host), own.unwrap_or(port)).await;
    }
    let domain: &Domain = envelope.recipients[0].domain();
    if let Some(literal) = domain.literal() {
        return Destination::Hosts(vec![Host { name: domain.to_string(), address: (literal, port).into() }]);
    }
    let mut exchangers = match core.resolver.mail_exchangers(domain).await {
        Ok(exchangers) => exchangers,
        Err(DnsError::NoSuchName) => return Destination::Unknown(DnsError::NoSuchName.to_string()),
        Err(error) => return Destination::NotNow(error.to_string()),
    };
    if exchangers.is_empty() {
        return resolve(core, &[domain.to_string()], port).await;
    }
    // Equal preference is shuffled, so that the load spreads (RFC 5321, 5.1).
    exchangers.sort_by_cached_key(|mx| {
        let mut place = [0; 8];
        core.env.entropy.fill(&mut place);
        (mx.preference, place)
    });
    // This host and all that are no better than it would only send the message back here.
    let own = exchangers.iter().find(|mx| mx.host.eq_ignore_ascii_case(core.config.host.as_str()));
    let worst = own.map_or(u32::MAX, |mx| u32::from(mx.preference));
    let hosts: Vec<String> =
        exchangers.into_iter().filter(|mx| u32::from(mx.preference) < worst).map(|mx| mx.host).collect();
    if hosts.is_empty() {
        return Destination::Unknown("its best mail exchanger is this host".to_owned());
    }
    resolve(core, &hosts, port).await
}

/// The addresses of some hosts, in the order of the hosts.
async fn resolve(core: &Core, hosts: &[String], port: u16) -> Destination {
    let (mut found, mut later) = (Vec::new(), None);
    for name in hosts {
        if let Ok(address) = name.parse() {
            found.push(Host { name: name.clone(), address: SocketAddr::new(address, port) });
            continue;
        }
        match core.resolver.addresses(name).await {
            Ok(addresses) => found.extend(
                addresses.into_iter().map(|ip| Host { name: name.clone(), address: (ip, port).into() }),
            ),
            Err(DnsError::NoSuchName) => {}
            Err(error) => later = Some(error.to_string()),
        }
    }
    match (found.is_empty(), later) {
        (false, _) => Destination::Hosts(found),
        (true, Some(why)) => Destination::NotNow(why),
        (true, None) => Destination::Unknown(format!("{} has no address", hosts.join(", "))),
    }
}

fn remote(host: &str, reply: &Reply) -> RemoteReply {
    RemoteReply { host: host.to_owned(), code: reply.code(), text: reply.lines().join(" ") }
}

fn signed(span: Duration) -> SignedDuration {
    SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX)
}
