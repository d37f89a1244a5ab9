//! One try of one entry: visits hosts with it, and settles what became of each recipient.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::timeout;

use super::DISK_PAUSE;
use super::connections::{Connection, Connections, Found};
use super::destination::{Host, Hosts};
use super::history;
use crate::address::{Address, ReversePath};
use crate::dsn::Condition;
use crate::env::{DiskError, Stream};
use crate::envelope::Envelope;
use crate::eventlog::Event;
use crate::reach::{Point, reached};
use crate::release::Release;
use crate::report::{Direction, Failure, News, Reason, RemoteReply};
use crate::service::core::Core;
use crate::service::filing;
use crate::smtp::client::{Conversation, Encryption, Letter, NoService, Outcome, Sent};
use crate::smtp::extensions::Extensions;
use crate::smtp::international::PastAscii;
use crate::smtp::line::Wire;
use crate::smtp::reply::Reply;
use crate::spool::{EntryName, Folder, Message, Progress};
use crate::tls::{Shortfall, Trust};
use crate::tracking::{Record, Step};

/// How long a host may take to answer a connection.
const CONNECT_TIME: Duration = Duration::from_mins(1);

/// What came of visiting the hosts.
pub(super) enum Visited {
    /// What deferred those who wait still.
    Tried(Option<String>),
    /// There is no room for a connection to the host whose turn it is: the entry is called when there is.
    MustWait,
    /// The service is being stopped.
    Cut,
}

/// What came of calling one host.
enum Called {
    /// It spoke of the message. What deferred those who wait still.
    Said(Option<String>),
    /// It serves no mail now.
    NoService(NoService),
    /// It could not be connected to.
    NoConnection(String),
    /// There is no room for a connection to it.
    Full,
    /// The service is being stopped, and it was told nothing of the message.
    Cut,
}

/// Why there is no conversation with a host.
enum NotOpened {
    /// It could not be connected to.
    NoConnection(String),
    /// It serves no mail now.
    NoService(NoService),
}

impl From<NoService> for NotOpened {
    fn from(no_service: NoService) -> Self {
        NotOpened::NoService(no_service)
    }
}

/// One try: what it does to the recipients still waiting.
pub(super) struct Round<'a> {
    core: &'a Core,
    name: &'a EntryName,
    message: &'a Message,
    pub(super) waiting: Vec<Address>,
    tries: u32,
    /// Whether an administrator has let it go: then it is tried once, however old it is.
    is_just_released: bool,
    /// How long it has waited between them.
    waited: Duration,
    /// Whether a host may have the message of which that is not known.
    unanswered: bool,
    /// Who waits because a host offers too little, and what of the message takes more; and which hosts were such.
    untold: BTreeMap<Address, PastAscii>,
    offering_too_little: Vec<String>,
    /// Whether the entry has ended already.
    is_gone: bool,
    /// What came in the way of the last try.
    last_why: Option<String>,
    /// What was missing at the last try, and at this one, where the mail needs TLS.
    last_shortfall: Option<Shortfall>,
    shortfall: Option<Shortfall>,
    failures: Vec<Failure>,
    /// Who has it from a host that reports no delivery, where the sender wants to hear of it.
    relayed: Vec<Address>,
    /// Whether the sender was told that it is late.
    delay_reported: bool,
    /// What is to be noted of the failures once they are reported.
    noted: Vec<Progress>,
}

impl<'a> Round<'a> {
    /// A try of an entry of which the journal says this.
    pub(super) fn new(
        core: &'a Core,
        name: &'a EntryName,
        message: &'a Message,
        progress: &[Progress],
    ) -> Self {
        if progress.iter().any(|progress| matches!(progress, Progress::Unanswered { .. })) {
            reached(Point::RetriedAfterLostAnswer);
        }
        let last_why = progress.iter().rev().find_map(|progress| match progress {
            Progress::Deferred { why, .. } => Some(why.clone()),
            _ => None,
        });
        let tries = history::tries(progress);
        let last_shortfall = progress.iter().find_map(|progress| match progress {
            Progress::Unencrypted { attempt, shortfall } if *attempt == tries => Some(*shortfall),
            _ => None,
        });
        Round {
            core,
            name,
            message,
            waiting: history::waiting(&message.envelope, progress),
            tries,
            is_just_released: history::is_just_released(progress),
            waited: history::waited(message.envelope.received, progress),
            unanswered: false,
            untold: BTreeMap::new(),
            offering_too_little: Vec::new(),
            is_gone: false,
            last_why,
            last_shortfall,
            shortfall: None,
            failures: Vec::new(),
            relayed: history::relayed(progress),
            delay_reported: progress.contains(&Progress::DelayReported),
            noted: Vec::new(),
        }
    }

    /// Tries one host after another until no recipient waits or no host is left.
    pub(super) async fn visit(&mut self, hosts: Hosts, connections: &Arc<Connections>) -> Visited {
        let mut deferred = None;
        let mut without_service = Vec::new();
        let Hosts { hosts, are_all } = hosts;
        let count = hosts.len();
        let mut came_from = None;
        // Once a host has said something of the message, no host is waited for.
        let mut may_wait = true;
        for host in hosts {
            came_from.take().into_iter().for_each(reached);
            self.shortfall = None;
            match self.call(&host, connections, may_wait).await {
                Called::Full if may_wait => return Visited::MustWait,
                Called::Full => {}
                Called::Cut => return Visited::Cut,
                Called::Said(why) => {
                    (deferred, may_wait) = (why, false);
                    let offers_too_little = self.offering_too_little.last() == Some(&host.name);
                    came_from = offers_too_little.then_some(Point::NextAfterTooLittleOffered);
                }
                // Nothing was said of the message: the next host may take it.
                Called::NoService(no_service) => {
                    deferred = Some(format!("{}: {no_service}", host.name));
                    if let NoService::Unencrypted { shortfall, why } = &no_service {
                        reached(Point::KeptFromClear);
                        Event::HostTlsFailed { host: host.name.clone(), why: why.clone() }.log();
                        self.shortfall = Some(*shortfall);
                    }
                    came_from = Some(Point::NextAfterNoService);
                    if let Outcome::Failed(reply) = no_service.into() {
                        without_service.push((host.name, reply));
                    }
                }
                Called::NoConnection(why) => {
                    deferred = Some(format!("{}: {why}", host.name));
                    came_from = Some(Point::NextAfterConnectFailure);
                }
            }
            if self.waiting.is_empty() {
                return Visited::Tried(None);
            }
            if self.unanswered {
                // It may have the message: another one would only have it too.
                return Visited::Tried(deferred);
            }
        }
        if !are_all {
            return Visited::Tried(deferred);
        }
        if self.offering_too_little.len() + without_service.len() == count && !self.untold.is_empty() {
            self.fail_the_untold();
            if self.waiting.is_empty() {
                return Visited::Tried(None);
            }
        }
        match without_service.pop() {
            // Each of them says for good that it serves no mail: there is no other host to try.
            Some((host, reply)) if without_service.len() + 1 == count => {
                self.refused(&host, &reply);
                self.fail_all(&Reason::Refused(remote(&host, &reply)), &reply.to_string());
                Visited::Tried(None)
            }
            _ => Visited::Tried(deferred),
        }
    }

    /// Hands the message to one host, over a connection that was kept or a new one.
    async fn call(&mut self, host: &Host, connections: &Arc<Connections>, may_wait: bool) -> Called {
        // All of an entry's recipients are alike in this.
        let needs_tls = |recipient: &Address| self.core.config.routes.is_certified(recipient.domain());
        let is_certified = self.message.envelope.recipients.iter().any(needs_tls);
        let certified = is_certified.then_some(&*host.name);
        let found = connections.find(host.address, certified, self.name, may_wait);
        let seat = match self.core.unless_closed(found).await {
            None => return Called::Cut,
            Some(found) => found,
        };
        let seat = match seat {
            Found::Full => {
                reached(Point::NoRoomAtHost);
                return Called::Full;
            }
            Found::Failed(why) => return Called::NoConnection(why),
            Found::Room(seat) => seat,
            Found::Kept(mut connection) => {
                let sent = self.send(&mut connection).await;
                if !sent.is_stillborn {
                    reached(Point::ConnectionReused);
                    connections.put_back(*connection);
                    return Called::Said(self.take_note(sent, &host.name).await);
                }
                // The host had closed it meanwhile: that was no try.
                reached(Point::KeptConnectionStale);
                connection.into_seat()
            }
        };
        let (conversation, fell_back) = match self.core.unless_closed(self.open(host, is_certified)).await {
            None => return Called::Cut,
            Some(Ok(opened)) => opened,
            Some(Err(NotOpened::NoConnection(why))) => {
                connections.failed(seat, &why);
                return Called::NoConnection(why);
            }
            Some(Err(NotOpened::NoService(no_service))) => return Called::NoService(no_service),
        };
        let mut connection = Connection::new(conversation, seat, certified);
        let sent = self.send(&mut connection).await;
        if fell_back {
            // The next message is to try for TLS anew.
            connections.part(connection);
        } else {
            connections.put_back(connection);
        }
        Called::Said(self.take_note(sent, &host.name).await)
    }

    /// Connects to a host and begins a conversation with it. Whether that is in clear because there was no handshake.
    async fn open(&self, host: &Host, is_certified: bool) -> Result<(Conversation, bool), NotOpened> {
        let stream = connect(self.core, host).await.map_err(|why| {
            let (name, address) = (host.name.clone(), host.address);
            Event::ConnectFailed { host: name, address, why: why.clone() }.log();
            NotOpened::NoConnection(why)
        })?;
        let trust = if is_certified { Trust::Certified } else { Trust::Anybody };
        let why = match self.converse(stream, host, Some(trust)).await {
            Err(NoService::NoHandshake { why }) => why,
            conversation => return Ok((conversation?, false)),
        };
        Event::HostTlsFailed { host: host.name.clone(), why: why.clone() }.log();
        let Ok(stream) = connect(self.core, host).await else {
            return Err(NoService::NoHandshake { why }.into());
        };
        reached(Point::FellBackToClear);
        Ok((self.converse(stream, host, None).await?, true))
    }

    /// Begins a conversation with a host: encrypted if the mail needs it or the host offers it, or in clear.
    async fn converse(
        &self,
        stream: Box<dyn Stream>,
        host: &Host,
        trust: Option<Trust>,
    ) -> Result<Conversation, NoService> {
        let wire = Wire::new(stream).written_down(self.core.logs.established(&host.name, host.address));
        let (helo, known) = (&self.core.config.host, Extensions::of(self.core.config.release));
        let encrypts = trust.filter(|_| known.starttls);
        let encryption = encrypts.map(|trust| Encryption { tls: &self.core.tls, host: &host.name, trust });
        Conversation::open(wire, helo, known, encryption).await
    }

    async fn send(&self, connection: &mut Connection) -> Sent {
        let Message { envelope: Envelope { reverse_path, dsn, is_international, .. }, content } =
            self.message;
        let (recipients, is_international) = (&self.waiting, *is_international);
        let letter = Letter { reverse_path, recipients, dsn, is_international, content };
        connection.conversation.send(letter).await
    }

    /// Takes note of what became of each recipient at a host. What deferred those who wait still.
    async fn take_note(&mut self, sent: Sent, host: &str) -> Option<String> {
        let Sent { outcomes, reports, .. } = sent;
        note_the_differences(&outcomes);
        let (mut deferred, mut delivered) = (None, Vec::new());
        if outcomes.iter().any(|outcome| matches!(outcome, Outcome::NotOffered(_))) {
            self.offering_too_little.push(host.to_owned());
        }
        for (recipient, outcome) in std::mem::take(&mut self.waiting).into_iter().zip(outcomes) {
            match outcome {
                Outcome::Delivered(_) => delivered.push(recipient),
                Outcome::Failed(reply) => {
                    self.refused(host, &reply);
                    self.fail(recipient, Reason::Refused(remote(host, &reply)), &reply.to_string());
                }
                Outcome::NotOffered(what) => {
                    deferred.get_or_insert_with(|| format!("{host}: it offers no {}", what.extension()));
                    self.untold.insert(recipient.clone(), what);
                    self.waiting.push(recipient);
                }
                Outcome::Deferred(why) => {
                    if why.may_be_taken() {
                        reached(Point::EndOfDataUnanswered);
                        self.unanswered = true;
                    }
                    deferred = Some(format!("{host}: {why}"));
                    self.waiting.push(recipient);
                }
            }
        }
        let count = delivered.len();
        let told = delivered.clone();
        self.note_delivered(delivered, reports).await;
        if count > 0 {
            self.core.counters.outbound.count(count, self.message.content.len());
            self.track(host, &told);
            Event::Delivered {
                id: self.name.id.clone(),
                from: self.message.envelope.reverse_path.clone(),
                to: host.to_owned(),
                delivered: count,
                undeliverable: self.failures.len(),
            }
            .log();
        }
        deferred
    }

    /// Notes deliveries, as often as it takes: what is not in the journal would be delivered again. Where they were the
    /// last that the entry waited for, the end of the entry says as much, and needs no room on the disk.
    async fn note_delivered(&mut self, recipients: Vec<Address>, reports: bool) {
        // No historical release told of a message passed on (Q156063).
        let tells = !reports && self.core.config.release == Release::Current;
        let mut unnoted = VecDeque::new();
        for recipient in recipients {
            let relayed = tells && self.message.envelope.dsn.wants(&recipient, Condition::Success);
            if relayed && !self.relayed.contains(&recipient) {
                self.relayed.push(recipient.clone());
            }
            unnoted.push_back(Progress::Delivered { recipient, relayed });
        }
        while let Some(delivered) = unnoted.front() {
            if self.waiting.is_empty() && self.failures.is_empty() && self.relayed.is_empty() {
                self.is_gone = self.core.spool.remove(Folder::Out, self.name).await.is_ok();
                if self.is_gone {
                    return;
                }
            }
            match self.core.spool.note(self.name, delivered).await {
                Ok(()) => drop(unnoted.pop_front()),
                Err(error) => {
                    reached(Point::DeliveryNotedLate);
                    Event::RetriedLater { id: self.name.id.clone(), why: error.to_string() }.log();
                    tokio::time::sleep(DISK_PAUSE).await;
                }
            }
        }
    }

    /// Writes into the tracking log who has the message from a host.
    fn track(&self, host: &str, recipients: &[Address]) {
        let Message { envelope, content } = self.message;
        let Some(facts) = self.core.logs.facts(content, content.len() as u64) else { return };
        let is_report = envelope.reverse_path == ReversePath::Null;
        self.core.logs.track(Record {
            step: if is_report { Step::ReportOut } else { Step::TransferredOutbound },
            id: &self.name.id,
            partner: host,
            from: &envelope.reverse_path,
            facts: &facts,
            report: None,
            recipients,
            delivered: None,
        });
    }

    fn refused(&self, host: &str, reply: &Reply) {
        let id = self.name.id.clone();
        Event::RemoteRefused { id, host: host.to_owned(), reply: reply.to_string() }.log();
    }

    /// Whether the message has been tried, or is `held`, and has grown too old since. A clock that is set back makes it no
    /// older; the waits between the tries then say how old it is.
    pub(super) fn is_too_old(&self, held: bool) -> bool {
        let expire = self.core.config.delivery.expire;
        let may_be = !self.is_just_released && (self.tries > 0 || held);
        may_be && (self.waited >= expire || self.time_left().is_zero())
    }

    /// How long until the message has grown too old.
    fn time_left(&self) -> Duration {
        let age = self.message.envelope.received.duration_until(self.core.now());
        let expire = self.core.config.delivery.expire;
        if age.is_negative() {
            reached(Point::ClockWentBack);
        }
        // A clock that went back makes no message older, and none younger than new.
        expire.saturating_sub(Duration::try_from(age).unwrap_or_default())
    }

    /// Whether the sender is to be told now that the message is late.
    fn is_late(&self) -> bool {
        let after = self.core.config.delivery.delay_notice.filter(|_| !self.delay_reported);
        let expire = self.core.config.delivery.expire;
        after.is_some_and(|after| self.waited >= after || expire.saturating_sub(self.time_left()) >= after)
    }

    /// The message has grown too old.
    pub(super) fn expire(&mut self) {
        reached(Point::Expired);
        let reason = Reason::Expired {
            retries: self.tries.saturating_sub(1),
            last: self.last_why.take(),
            shortfall: self.last_shortfall,
        };
        self.fail_all(&reason, "message time-out exceeded");
    }

    pub(super) fn fail_all(&mut self, why: &Reason, noted: &str) {
        for recipient in std::mem::take(&mut self.waiting) {
            self.fail(recipient, why.clone(), noted);
        }
    }

    /// Every host that there is offers no SMTPUTF8, or no 8BITMIME: who takes it will not have the message (RFC 6531, 3.2).
    fn fail_the_untold(&mut self) {
        let host = self.offering_too_little.last().cloned().unwrap_or_default();
        let untold = std::mem::take(&mut self.untold);
        let (failed, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|recipient| untold.contains_key(recipient));
        self.waiting = waiting;
        for recipient in failed {
            reached(Point::TooLittleOffered);
            let what = untold[&recipient];
            let noted = format!("no host offers {}", what.extension());
            let id = self.name.id.clone();
            Event::TooLittleOffered { id, host: host.clone(), recipient: recipient.clone(), what }.log();
            self.fail(recipient, Reason::PastAscii { what, host: host.clone() }, &noted);
        }
    }

    fn fail(&mut self, recipient: Address, why: Reason, noted: &str) {
        self.noted.push(Progress::Failed { recipient: recipient.clone(), reply: noted.to_owned() });
        self.failures.push(Failure { recipient, why });
    }

    /// Leaves the message where it is until somebody asks for it; tells its sender if it is late. How long it is to stay
    /// so at most.
    pub(super) async fn hold(self) -> Result<Duration, DiskError> {
        if self.is_late() {
            let why = "it waits until somebody asks for it with ETRN";
            tell_of_delay(self.core, self.name, self.message, &self.waiting, why).await?;
            note_for_good(self.core, self.name, &Progress::DelayReported).await;
            filing::announce(self.core, self.name);
            return Ok(self.time_left());
        }
        let delivery = &self.core.config.delivery;
        let age = delivery.expire.saturating_sub(self.time_left());
        let until_late = delivery.delay_notice.filter(|_| !self.delay_reported);
        let until_late = until_late.map_or(Duration::MAX, |after| after.saturating_sub(age));
        Ok(self.time_left().min(until_late))
    }

    /// Reports what failed and either ends with the entry or notes when it is due again, after `longest` at the latest.
    pub(super) async fn settle(
        self,
        deferred: Option<String>,
        longest: Duration,
    ) -> Result<Option<Duration>, DiskError> {
        if self.is_gone {
            return Ok(None);
        }
        let time_left = self.time_left();
        let is_late = self.is_late();
        let Round {
            core,
            name,
            message,
            waiting,
            tries,
            unanswered,
            failures,
            relayed,
            noted,
            shortfall,
            ..
        } = self;
        let (envelope, content) = (&message.envelope, &message.content);
        let attempt = tries + 1;
        if !failures.is_empty() {
            let direction = Direction::Outbound;
            filing::report(core, direction, envelope, content, &failures, name, attempt).await?;
        }
        if waiting.is_empty() {
            filing::give_notice(core, &News::Relayed, envelope, content, &relayed, name).await?;
            core.spool.remove(Folder::Out, name).await?;
            filing::announce(core, name);
            return Ok(None);
        }
        let why = deferred.unwrap_or_else(|| "no host took it".to_owned());
        if is_late {
            tell_of_delay(core, name, message, &waiting, &why).await?;
        }
        // The reports are filed: from here on nobody may try these recipients again, nor take the reports back.
        for failed in &noted {
            note_for_good(core, name, failed).await;
        }
        if is_late {
            note_for_good(core, name, &Progress::DelayReported).await;
        }
        filing::announce(core, name);
        if unanswered {
            core.spool.note(name, &Progress::Unanswered { attempt }).await?;
        }
        if let Some(shortfall) = shortfall {
            core.spool.note(name, &Progress::Unencrypted { attempt, shortfall }).await?;
        }
        let wait = core.config.delivery.wait_after(attempt);
        if time_left < wait {
            reached(Point::WaitCutToExpiry);
        }
        let wait = wait.min(time_left).min(longest);
        let next = core.now().saturating_add(signed(wait)).unwrap_or(Timestamp::MAX);
        core.spool.note(name, &Progress::Deferred { attempt, next, why }).await?;
        Ok(Some(wait))
    }
}

/// Tells the sender that the message is late for those who wait for it, as far as that was asked for.
async fn tell_of_delay(
    core: &Core,
    name: &EntryName,
    message: &Message,
    waiting: &[Address],
    why: &str,
) -> Result<(), DiskError> {
    let Message { envelope, content } = message;
    let until = envelope.received.saturating_add(signed(core.config.delivery.expire));
    let news = News::Delayed { why: why.to_owned(), until: until.unwrap_or(Timestamp::MAX) };
    let wants = |recipient: &&Address| envelope.dsn.wants(recipient, Condition::Delay);
    let told: Vec<Address> = waiting.iter().filter(wants).cloned().collect();
    filing::give_notice(core, &news, envelope, content, &told, name).await
}

/// Notes something, as often as it takes.
async fn note_for_good(core: &Core, name: &EntryName, progress: &Progress) {
    while let Err(error) = core.spool.note(name, progress).await {
        Event::RetriedLater { id: name.id.clone(), why: error.to_string() }.log();
        tokio::time::sleep(DISK_PAUSE).await;
    }
}

/// Says of the outcomes for several recipients whether they were one.
fn note_the_differences(outcomes: &[Outcome]) {
    let kind = std::mem::discriminant::<Outcome>;
    if outcomes.iter().any(|outcome| kind(outcome) != kind(&outcomes[0])) {
        reached(Point::OutcomesDiffer);
    } else if outcomes.iter().all(|outcome| matches!(outcome, Outcome::Failed(_))) {
        reached(Point::AllRecipientsRefused);
    }
}

async fn connect(core: &Core, host: &Host) -> Result<Box<dyn Stream>, String> {
    let connected = match timeout(CONNECT_TIME, core.env.net.connect(host.address)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(error.kind().to_string()),
        Err(_) => Err("no answer".to_owned()),
    };
    connected.inspect_err(|_| core.counters.failed_connections.count())
}

fn remote(host: &str, reply: &Reply) -> RemoteReply {
    RemoteReply { host: host.to_owned(), code: reply.code(), text: reply.lines().join(" ") }
}

fn signed(span: Duration) -> SignedDuration {
    SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX)
}
