//! One try of one entry: visits hosts with it, and settles what became of each recipient.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::timeout;

use super::DISK_PAUSE;
use super::destination::Host;
use crate::address::Address;
use crate::dsn::Condition;
use crate::env::{DiskError, Stream};
use crate::envelope::Envelope;
use crate::eventlog::Event;
use crate::reach::{Point, reached};
use crate::release::Release;
use crate::report::{Direction, Failure, News, Reason, RemoteReply};
use crate::service::core::Core;
use crate::service::filing;
use crate::smtp::client::{self, Encryption, Letter, NoService, Outcome, Sent};
use crate::smtp::extensions::Extensions;
use crate::smtp::reply::Reply;
use crate::spool::{EntryName, Folder, Message, Progress};
use crate::tls::{Shortfall, Trust};

/// How long a host may take to answer a connection.
const CONNECT_TIME: Duration = Duration::from_mins(1);

/// What deferred those who wait still, or that a host serves no mail now.
type Conversed = Result<Result<Option<String>, NoService>, DiskError>;

/// One try: what it does to the recipients still waiting.
pub(super) struct Round<'a> {
    core: &'a Core,
    name: &'a EntryName,
    message: &'a Message,
    pub(super) waiting: Vec<Address>,
    tries: u32,
    /// How long it has waited between them.
    waited: Duration,
    /// Whether a host may have the message of which that is not known.
    unanswered: bool,
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
        let tries = tries(progress);
        let last_shortfall = progress.iter().find_map(|progress| match progress {
            Progress::Unencrypted { attempt, shortfall } if *attempt == tries => Some(*shortfall),
            _ => None,
        });
        Round {
            core,
            name,
            message,
            waiting: waiting(&message.envelope, progress),
            tries,
            waited: waited(message.envelope.received, progress),
            unanswered: false,
            is_gone: false,
            last_why,
            last_shortfall,
            shortfall: None,
            failures: Vec::new(),
            relayed: relayed(progress),
            delay_reported: progress.contains(&Progress::DelayReported),
            noted: Vec::new(),
        }
    }

    /// Tries one host after another until no recipient waits or no host is left. What deferred those who wait still.
    pub(super) async fn visit(&mut self, hosts: Vec<Host>) -> Result<Option<String>, DiskError> {
        let mut deferred = None;
        let mut without_service = Vec::new();
        let count = hosts.len();
        let mut came_from = None;
        for host in hosts {
            came_from.take().into_iter().for_each(reached);
            self.shortfall = None;
            match connect(self.core, &host).await {
                Ok(stream) => match self.converse_as_may_be(stream, &host).await? {
                    Ok(why) => deferred = why,
                    // Nothing was said of the message: the next host may take it.
                    Err(no_service) => {
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
                },
                Err(why) => {
                    let (name, address) = (host.name.clone(), host.address);
                    Event::ConnectFailed { host: name, address, why: why.clone() }.log();
                    deferred = Some(format!("{}: {why}", host.name));
                    came_from = Some(Point::NextAfterConnectFailure);
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

    /// One conversation with one host: encrypted if the mail needs it or the host offers it. Where the mail does not need
    /// it and no handshake comes about, the host is gone back to in clear.
    async fn converse_as_may_be(&mut self, stream: Box<dyn Stream>, host: &Host) -> Conversed {
        let known = Extensions::of(self.core.config.release);
        let is_needed = self.message.envelope.recipients.iter().any(|recipient| {
            // All of an entry's recipients are alike in this.
            self.core.config.routes.is_certified(recipient.domain())
        });
        let trust = if is_needed { Trust::Certified } else { Trust::Anybody };
        let conversed = self.converse(stream, &host.name, known.starttls.then_some(trust)).await?;
        let Err(NoService::NoHandshake { why }) = &conversed else { return Ok(conversed) };
        Event::HostTlsFailed { host: host.name.clone(), why: why.clone() }.log();
        match connect(self.core, host).await {
            Ok(stream) => {
                reached(Point::FellBackToClear);
                self.converse(stream, &host.name, None).await
            }
            Err(_) => Ok(conversed),
        }
    }

    /// One conversation with one host. What deferred those who wait still, or that the host serves no mail now.
    async fn converse(&mut self, stream: Box<dyn Stream>, host: &str, trust: Option<Trust>) -> Conversed {
        let envelope = &self.message.envelope;
        let helo = &self.core.config.host;
        let known = Extensions::of(self.core.config.release);
        let encryption = trust.map(|trust| Encryption { tls: &self.core.tls, host, trust });
        let Envelope { reverse_path, dsn, .. } = envelope;
        let letter = Letter { reverse_path, recipients: &self.waiting, dsn, content: &self.message.content };
        let Sent { outcomes, reports } = match client::send(stream, helo, known, letter, encryption).await {
            Ok(sent) => sent,
            Err(no_service) => return Ok(Err(no_service)),
        };
        note_the_differences(&outcomes);
        let (mut deferred, mut delivered) = (None, Vec::new());
        for (recipient, outcome) in std::mem::take(&mut self.waiting).into_iter().zip(outcomes) {
            match outcome {
                Outcome::Delivered(_) => delivered.push(recipient),
                Outcome::Failed(reply) => {
                    self.refused(host, &reply);
                    self.fail(recipient, Reason::Refused(remote(host, &reply)), &reply.to_string());
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
        self.note_delivered(delivered, reports).await;
        if count > 0 {
            Event::Delivered {
                id: self.name.id.clone(),
                from: envelope.reverse_path.clone(),
                to: host.to_owned(),
                delivered: count,
                undeliverable: self.failures.len(),
            }
            .log();
        }
        Ok(Ok(deferred))
    }

    /// Notes deliveries, as often as it takes: what is not in the journal would be delivered again. Where they were the
    /// last that the entry waited for, the end of the entry says as much, and needs no room on the disk.
    async fn note_delivered(&mut self, mut recipients: Vec<Address>, reports: bool) {
        recipients.reverse();
        while let Some(recipient) = recipients.pop() {
            // No historical release told of a message passed on (Q156063).
            let tells = !reports && self.core.config.release == Release::Current;
            let relayed = tells && self.message.envelope.dsn.wants(&recipient, Condition::Success);
            if relayed && !self.relayed.contains(&recipient) {
                self.relayed.push(recipient.clone());
            }
            let delivered = Progress::Delivered { recipient: recipient.clone(), relayed };
            let Err(error) = self.core.spool.note(self.name, &delivered).await else { continue };
            reached(Point::DeliveryNotedLate);
            if self.waiting.is_empty() && self.failures.is_empty() && self.relayed.is_empty() {
                self.is_gone = self.core.spool.remove(Folder::Out, self.name).await.is_ok();
                if self.is_gone {
                    return;
                }
            }
            Event::RetriedLater { id: self.name.id.clone(), why: error.to_string() }.log();
            tokio::time::sleep(DISK_PAUSE).await;
            recipients.push(recipient);
        }
    }

    fn refused(&self, host: &str, reply: &Reply) {
        let id = self.name.id.clone();
        Event::RemoteRefused { id, host: host.to_owned(), reply: reply.to_string() }.log();
    }

    /// Whether the message has been tried and has grown too old since. A clock that is set back makes it no older; the
    /// waits between the tries then say how old it is.
    pub(super) fn is_too_old(&self) -> bool {
        let expire = self.core.config.delivery.expire;
        self.tries > 0 && (self.waited >= expire || self.time_left().is_zero())
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

    fn fail(&mut self, recipient: Address, why: Reason, noted: &str) {
        self.noted.push(Progress::Failed { recipient: recipient.clone(), reply: noted.to_owned() });
        self.failures.push(Failure { recipient, why });
    }

    /// Reports what failed and either ends with the entry or notes when it is due again.
    pub(super) async fn settle(self, deferred: Option<String>) -> Result<Option<Duration>, DiskError> {
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
            let until = envelope.received.saturating_add(signed(core.config.delivery.expire));
            let news = News::Delayed { why: why.clone(), until: until.unwrap_or(Timestamp::MAX) };
            let wants = |recipient: &&Address| envelope.dsn.wants(recipient, Condition::Delay);
            let told: Vec<Address> = waiting.iter().filter(wants).cloned().collect();
            filing::give_notice(core, &news, envelope, content, &told, name).await?;
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
        let wait = wait.min(time_left);
        let next = core.now().saturating_add(signed(wait)).unwrap_or(Timestamp::MAX);
        core.spool.note(name, &Progress::Deferred { attempt, next, why }).await?;
        Ok(Some(wait))
    }
}

/// Notes something, as often as it takes.
async fn note_for_good(core: &Core, name: &EntryName, progress: &Progress) {
    while let Err(error) = core.spool.note(name, progress).await {
        Event::RetriedLater { id: name.id.clone(), why: error.to_string() }.log();
        tokio::time::sleep(DISK_PAUSE).await;
    }
}

/// The recipients that nothing final has been noted of.
fn waiting(envelope: &Envelope, progress: &[Progress]) -> Vec<Address> {
    let settled: BTreeSet<&Address> = progress
        .iter()
        .filter_map(|progress| match progress {
            Progress::Delivered { recipient, .. } | Progress::Failed { recipient, .. } => Some(recipient),
            Progress::Unanswered { .. }
            | Progress::Unencrypted { .. }
            | Progress::Deferred { .. }
            | Progress::DelayReported => None,
        })
        .collect();
    envelope.recipients.iter().filter(|recipient| !settled.contains(recipient)).cloned().collect()
}

/// The recipients of whom the sender is to hear that the message was passed on.
/// Each is named once, whatever was noted twice: the names make the notice's own.
fn relayed(progress: &[Progress]) -> Vec<Address> {
    let mut relayed: Vec<Address> = Vec::new();
    for progress in progress {
        if let Progress::Delivered { recipient, relayed: true } = progress
            && !relayed.contains(recipient)
        {
            relayed.push(recipient.clone());
        }
    }
    relayed
}

/// How often the entry has been tried.
fn tries(progress: &[Progress]) -> u32 {
    let numbers = progress.iter().filter_map(|progress| match progress {
        Progress::Deferred { attempt, .. } => Some(*attempt),
        _ => None,
    });
    numbers.max().unwrap_or_default()
}

/// How long the entry has waited for its tries: the steps from each to the next, without those of a clock set back.
fn waited(received: Timestamp, progress: &[Progress]) -> Duration {
    let (mut waited, mut last) = (Duration::ZERO, received);
    for progress in progress {
        if let Progress::Deferred { next, .. } = progress {
            waited += Duration::try_from(last.duration_until(*next)).unwrap_or_default();
            last = *next;
        }
    }
    waited
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
    match timeout(CONNECT_TIME, core.env.net.connect(host.address)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(error.kind().to_string()),
        Err(_) => Err("no answer".to_owned()),
    }
}

fn remote(host: &str, reply: &Reply) -> RemoteReply {
    RemoteReply { host: host.to_owned(), code: reply.code(), text: reply.lines().join(" ") }
}

fn signed(span: Duration) -> SignedDuration {
    SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX)
}
