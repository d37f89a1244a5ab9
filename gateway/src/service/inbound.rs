//! The inbound worker: takes messages from `in/`, asks the extensions and the routing table where each recipient goes, and
//! sees it there (Q189731). The historical releases take one at a time. Today several are in hand at once, so that they
//! wait for the disk together, but for two kinds that the last process left, each of which is in hand alone: those in hand
//! when it died, so that the one that kills the process is told from those beside it; and what the gateway made itself,
//! which is not taken before what it was made about, since that may make it once more.
//!
//! Removing the file from `in/` is the commit point: everything that follows from the message, parts in `out/`,
//! mailboxes, reports, is durable before. A crash in between repeats the work under the same names.
//!
//! An exception while a message is in hand is event 4037. On the historical releases it ends the process, and the
//! file, still in `in/`, is the first to be taken in hand at the next start. Today the message is set aside, and one that
//! was in hand when the process died too often is not taken in hand again. Where it was an extension that raised the
//! exception or took too long, the configuration says what becomes of the message ([`OnFailure`]).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::ErrorKind;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{self, FuturesUnordered};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::CLOSING_TIME;
use super::core::{Closing, Core};
use super::courier::Order;
use super::filing;
use super::patience::Patience;
use super::present::Present;
use super::room::Taken;
use super::sorting::{Dropped, Sorted, sort};
use super::tracked::Tracked;
use crate::address::Address;
use crate::dsn::Condition;
use crate::env::DiskError;
use crate::envelope::{Envelope, Origin, SpoolId};
use crate::eventlog::Event;
use crate::exception;
use crate::extension::{Failed, Failure as ExtensionFailure, OnFailure};
use crate::reach::{Point, reached};
use crate::report::{Direction, News, Reason};
use crate::routing::NextHop;
use crate::spool::{Aside, EntryName, Folder, Message, ReadError};
use crate::store::Delivery;
use crate::trace;

/// How long the worker waits when the disk fails it, before it tries the same message again.
const DISK_PAUSE: Duration = Duration::from_mins(1);

/// How many messages are in hand at once.
const AT_ONCE: usize = 20;
/// How many files are read at once when the service starts.
const READ_AT_ONCE: usize = 32;

/// The inbound worker.
pub(super) struct Worker {
    waiting: VecDeque<Waiting>,
    arrivals: mpsc::UnboundedReceiver<SpoolId>,
    hands: Hands,
}

/// A message that is to be taken in hand.
struct Waiting {
    id: SpoolId,
    /// Whether nothing else is to be in hand with it.
    alone: bool,
}

/// What is remembered of the messages that are handled.
struct Hands {
    present: Arc<Present>,
    /// The messages that wait for an extension that failed. A process begins anew with them.
    patience: Mutex<BTreeMap<SpoolId, Patience>>,
}

impl Worker {
    /// A worker with what the last process left in `in/`, oldest first.
    pub(super) async fn recover(
        core: &Arc<Core>,
        present: &Arc<Present>,
        arrivals: mpsc::UnboundedReceiver<SpoolId>,
    ) -> Result<Self, DiskError> {
        let listing = core.spool.list(Folder::In).await?;
        for file in &listing.misfits {
            reached(Point::MisfitSetAside);
            set_aside(core, file, "its name is none of the spool's").await?;
        }
        let deaths = if core.config.release.survives_exceptions() {
            core.spool.deaths().await
        } else {
            BTreeMap::new()
        };
        let (mut found, mut sound) = (Vec::new(), Vec::new());
        for name in listing.entries {
            reached(Point::FoundAtStart);
            let died = deaths.get(&name.id).copied().unwrap_or_default();
            if died >= core.config.quarantine.deaths {
                reached(Point::QuarantinedAfterDeaths);
                let why = format!("the service died {died} times while it was being processed");
                notify_of_quarantine(core, &name.id, &why).await?;
                set_aside(core, &name.to_string(), &why).await?;
                filing::announce(core, &name);
                continue;
            }
            if died > 0 {
                reached(Point::ProcessedAgain);
            }
            sound.push((name, died > 0));
        }
        let read = |(name, alone)| async move {
            let read = core.rooms.sorting.read(&core.spool, Folder::In, &name).await;
            (read.map(|(message, _taken)| message.envelope), name, alone)
        };
        let mut read = stream::iter(sound.into_iter().map(read)).buffered(READ_AT_ONCE);
        while let Some((read, name, has_died)) = read.next().await {
            match read {
                // A copy comes after what it is a copy of: that is done with once more, and files none beside it.
                Ok(envelope) => {
                    let alone = has_died || !matches!(envelope.origin, Origin::Client { .. });
                    found.push((envelope.origin == Origin::Journal, envelope.received, name.id, alone));
                }
                Err(ReadError::Damaged { damage, .. }) => {
                    reached(Point::DamagedSetAside);
                    set_aside(core, &name.to_string(), &damage.to_string()).await?;
                }
                // It may be sound: it is tried after the others.
                Err(ReadError::Disk(error)) => {
                    Event::RetriedLater { id: name.id.clone(), why: error.to_string() }.log();
                    found.push((false, Timestamp::MAX, name.id, true));
                }
            }
        }
        found.sort();
        let waiting = found.into_iter().map(|(_, _, id, alone)| Waiting { id, alone }).collect();
        let hands = Hands { present: Arc::clone(present), patience: Mutex::default() };
        Ok(Worker { waiting, arrivals, hands })
    }

    /// Works until the service is being stopped: then it takes no more in hand, and finishes what it has in hand if that
    /// does not take too long.
    pub(super) async fn run(self) {
        let Worker { mut waiting, mut arrivals, hands } = self;
        let most = if hands.present.get().config.release.survives_exceptions() { AT_ONCE } else { 1 };
        let mut under_way = FuturesUnordered::new();
        // Those that are under way, and those of them that were announced again since.
        let (mut busy, mut again) = (BTreeSet::new(), BTreeSet::new());
        let mut is_alone = false;
        let core = hands.present.get();
        let mut closing = pin!(core.closes_down(Closing::Gently));
        loop {
            while under_way.len() < most && !is_alone {
                let is_next = |next: &mut Waiting| under_way.is_empty() || !next.alone;
                let Some(Waiting { id, alone }) = waiting.pop_front_if(is_next) else { break };
                if !busy.insert(id.clone()) {
                    again.insert(id);
                    continue;
                }
                is_alone = alone;
                under_way.push(hands.take(id));
            }
            let has_room = waiting.is_empty() && under_way.len() < most && !is_alone;
            tokio::select! {
                biased;
                () = &mut closing => break,
                Some(id) = under_way.next() => {
                    is_alone = false;
                    busy.remove(&id);
                    if again.remove(&id) {
                        waiting.push_back(Waiting { id, alone: false });
                    }
                }
                arrival = arrivals.recv(), if has_room => match arrival {
                    Some(id) => waiting.push_back(Waiting { id, alone: false }),
                    None => return,
                },
            }
        }
        let finished = timeout(CLOSING_TIME, async { while under_way.next().await.is_some() {} });
        if finished.await.is_err() {
            reached(Point::PutDownUnfinished);
        }
        drop(under_way);
        // Where the disk does not let it be, the next process takes it for one death.
        let _ = core.spool.put_all_down().await;
    }
}

impl Hands {
    /// Handles one message, under the configuration that counts now. If the disk fails it, it is announced once more, later.
    async fn take(&self, id: SpoolId) -> SpoolId {
        let hand = Hand { core: self.present.get(), hands: self };
        if let Err(error) = hand.handle(&id).await {
            reached(Point::ProcessingPutOff);
            Event::RetriedLater { id: id.clone(), why: error.to_string() }.log();
            hand.try_again_after(DISK_PAUSE, id.clone());
        }
        id
    }
}

/// What handles one message.
struct Hand<'hands> {
    core: Arc<Core>,
    hands: &'hands Hands,
}

impl Hand<'_> {
    /// Announces a message once more after a wait, so that the others need not wait for it.
    fn try_again_after(&self, wait: Duration, id: SpoolId) {
        let core = Arc::clone(&self.core);
        let spawn = Arc::clone(&core.env.spawn);
        spawn.spawn(
            "second try",
            Box::pin(async move {
                tokio::time::sleep(wait).await;
                core.arrived(id);
            }),
        );
    }

    /// Handles one message, with the exception filter around it.
    async fn handle(&self, id: &SpoolId) -> Result<(), DiskError> {
        let counted = self.core.config.release.survives_exceptions();
        // It is not in hand while it waits for room.
        let read =
            self.core.rooms.sorting.read(&self.core.spool, Folder::In, &EntryName::from(id.clone())).await;
        if counted {
            self.core.spool.take_in_hand(id).await?;
        }
        let mut again = None;
        match exception::filter(self.process(id, read)).await {
            Ok(Ok(wait)) => again = wait,
            Ok(Err(error)) => {
                // The disk failed and the process lives: no more is to be counted against the message.
                let _ = self.core.spool.put_down(id).await;
                return Err(error);
            }
            Err(exception) => {
                let why = format!("processing it raised an exception, {exception}");
                self.core.exception(exception).await;
                reached(Point::ExceptionSurvived);
                self.quarantine(id, &why).await?;
            }
        }
        self.core.spool.survived(id).await?;
        match again {
            Some(wait) => self.try_again_after(wait, id.clone()),
            None => drop(with(&self.hands.patience, |patience| patience.remove(id))),
        }
        Ok(())
    }

    /// Sets a message aside and tells the administrator. What it had come to before goes its way: the file in `bad/` is
    /// the rest.
    async fn quarantine(&self, id: &SpoolId, why: &str) -> Result<(), DiskError> {
        notify_of_quarantine(&self.core, id, why).await?;
        set_aside(&self.core, id.as_str(), why).await?;
        self.release_all(id).await
    }

    /// One try of one message, as far as it could be `read`. How long to wait for the next, if there is to be one.
    async fn process(
        &self,
        id: &SpoolId,
        read: Result<(Message, Taken), ReadError>,
    ) -> Result<Option<Duration>, DiskError> {
        let core = &Arc::clone(&self.core);
        let name = EntryName::from(id.clone());
        let (mut message, _taken) = match read {
            Ok(read) => read,
            Err(ReadError::Damaged { damage, .. }) => {
                reached(Point::DamagedSetAside);
                set_aside(core, id.as_str(), &damage.to_string()).await?;
                // An earlier try may have filed some of it while it could be read.
                self.release_all(id).await?;
                return Ok(None);
            }
            // It was announced twice, or the last step of an earlier try failed after the file was gone.
            Err(ReadError::Disk(error)) if error.cause.kind() == ErrorKind::NotFound => {
                reached(Point::GoneFromIn);
                core.spool.settle(Folder::In, id.as_str()).await?;
                self.release_all(id).await?;
                return Ok(None);
            }
            Err(ReadError::Disk(error)) => return Err(error),
        };
        filing::withdraw(core, &name).await?;
        let hops = trace::hops(&message.content);
        let sorted = if hops > core.config.limits.hops {
            reached(Point::HopCountExceeded);
            core.counters.loops.count();
            Event::HopCountExceeded { id: id.clone(), hops }.log();
            Sorted::failing(&message.envelope, &Reason::TooManyHops)
        } else {
            let mut without = BTreeSet::new();
            loop {
                let failed = match sort(core, &mut message, &without).await {
                    Ok(sorted) => break sorted,
                    Err(failed) => failed,
                };
                let why = failed.to_string();
                note_failure(core, &failed).await;
                match failed.on_failure {
                    OnFailure::Quarantine => {
                        self.quarantine(id, &why).await?;
                        return Ok(None);
                    }
                    OnFailure::Bypass => {
                        reached(Point::ExtensionBypassed);
                        let extension = failed.extension;
                        Event::ExtensionBypassed { id: id.clone(), extension, why }.log();
                        without.insert(failed.link);
                    }
                    OnFailure::Retry => {
                        let (wait, retries) = with(&self.hands.patience, |patience| {
                            let patience = patience.entry(id.clone()).or_default();
                            let received = message.envelope.received;
                            let wait = patience.wait(&core.config.delivery, received, core.now());
                            (wait, patience.retries())
                        });
                        if let Some(wait) = wait {
                            reached(Point::ExtensionAwaited);
                            Event::RetriedLater { id: id.clone(), why }.log();
                            return Ok(Some(wait));
                        }
                        reached(Point::ExpiredInIn);
                        let expired = Reason::Expired { retries, last: Some(why), shortfall: None };
                        break Sorted::failing(&message.envelope, &expired);
                    }
                    OnFailure::Report => {
                        reached(Point::ExtensionReported);
                        break Sorted::failing(&message.envelope, &Reason::NotProcessed { why });
                    }
                }
            }
        };
        let here = sorted.passing(&message, Direction::Inbound);
        for mailbox in &sorted.mailboxes {
            if core.store.deliver(mailbox, &name, &here).await? == Delivery::AlreadyThere {
                reached(Point::DeliveredBefore);
            }
        }
        if !sorted.mailboxes.is_empty() {
            core.counters.local.count(sorted.mailboxes.len(), message.content.len());
            Event::Delivered {
                id: id.clone(),
                from: message.envelope.reverse_path.clone(),
                to: "the local store".to_owned(),
                delivered: sorted.mailboxes.len(),
                undeliverable: sorted.failures.len(),
            }
            .log();
        }
        let elsewhere = sorted.passing(&message, Direction::Outbound);
        let tracked = Tracked::of(core, &message, &sorted);
        let whole = EntryName::part(id.clone(), 1);
        let is_whole = sorted.is_one_part_as_it_came(&message) && !core.spool.may_hold(Folder::Out, &whole);
        let parts = if is_whole {
            reached(Point::PassedOnAsItCame);
            self.withdraw_parts_from(id, 2).await?;
            vec![whole]
        } else {
            self.file_parts(id, &elsewhere, sorted.parts).await?
        };
        for (way, passed) in &sorted.passed {
            filing::copy(core, &message.envelope, *way, &passed.copies, &name).await?;
        }
        if !sorted.failures.is_empty() {
            let direction = Direction::Inbound;
            filing::report(core, direction, &message.envelope, &message.content, &sorted.failures, &name, 1)
                .await?;
        }
        let dsn = &message.envelope.dsn;
        let told: Vec<Address> =
            sorted.here.into_iter().filter(|recipient| dsn.wants(recipient, Condition::Success)).collect();
        let (envelope, content) = (&message.envelope, &message.content);
        filing::give_notice(core, &News::Delivered, envelope, content, &told, &name).await?;
        // Before the message is gone: after it, a crash would leave no trace of them.
        for Dropped { recipient, extension } in sorted.dropped {
            let why = format!("the extension `{extension}` said that it is not for this recipient");
            Event::Dropped { id: id.clone(), recipient, why }.log();
        }
        match &parts[..] {
            [whole] if is_whole => core.spool.pass_on(id, whole).await?,
            _ => core.spool.remove(Folder::In, &name).await?,
        }
        tracked.into_iter().for_each(|tracked| tracked.write(core, id, &message.envelope));
        self.release(id, parts);
        Ok(None)
    }

    /// A message is no longer in `in/`: has the courier carry its parts, and what was filed about it processed.
    fn release(&self, id: &SpoolId, parts: Vec<EntryName>) {
        let due = Instant::now();
        parts.into_iter().for_each(|name| self.core.order(Order::At { name, due }));
        filing::announce(&self.core, &EntryName::from(id.clone()));
    }

    /// The same, where it is not known how many parts there are: all of them or, if the disk fails, none, so that the
    /// next try finds them.
    async fn release_all(&self, id: &SpoolId) -> Result<(), DiskError> {
        let mut parts = self.core.spool.list(Folder::Out).await?.entries;
        parts.retain(|name| name.id == *id);
        self.release(id, parts);
        Ok(())
    }

    /// The parts of a message that are in `out/`, from this number on.
    async fn parts_from(&self, id: &SpoolId, first: u16) -> Result<Vec<EntryName>, DiskError> {
        let mut parts = Vec::new();
        for number in first.. {
            let name = EntryName::part(id.clone(), number);
            let spool = &self.core.spool;
            if !spool.may_hold(Folder::Out, &name) || !spool.holds(Folder::Out, &name).await? {
                break;
            }
            parts.push(name);
        }
        Ok(parts)
    }

    /// Files one part for each next hop. The courier hears of them only when the message itself is gone from `in/`;
    /// so what an earlier try has filed was not sent, and is replaced where it is another now.
    async fn file_parts(
        &self,
        id: &SpoolId,
        message: &Message,
        parts: BTreeMap<(Option<NextHop>, String), Vec<Address>>,
    ) -> Result<Vec<EntryName>, DiskError> {
        let spool = &self.core.spool;
        let mut names = Vec::new();
        for (number, ((next_hop, _), recipients)) in (1..).zip(parts) {
            let name = EntryName::part(id.clone(), number);
            let dsn = message.envelope.dsn.only(&recipients);
            let envelope = Envelope { recipients, next_hop, dsn, ..message.envelope.clone() };
            if spool.may_hold(Folder::Out, &name) {
                match spool.read(Folder::Out, &name).await {
                    Ok(filed) if filed.envelope != envelope || filed.content != message.content => {
                        reached(Point::PartReplaced);
                        spool.remove(Folder::Out, &name).await?;
                    }
                    Err(ReadError::Disk(error)) if error.cause.kind() != ErrorKind::NotFound => {
                        return Err(error);
                    }
                    // It is the same, it is not there, or it is damaged and written anew.
                    Ok(_) | Err(_) => {}
                }
            }
            spool.file_in(Folder::Out, &name, &envelope, &message.content).await?;
            names.push(name);
        }
        self.withdraw_parts_from(id, u16::try_from(names.len()).unwrap_or(u16::MAX).saturating_add(1))
            .await?;
        Ok(names)
    }

    /// Removes what an earlier try filed from this number on, the last first: what a crash leaves of them is found again.
    async fn withdraw_parts_from(&self, id: &SpoolId, first: u16) -> Result<(), DiskError> {
        for name in self.parts_from(id, first).await?.iter().rev() {
            self.core.spool.remove(Folder::Out, name).await?;
        }
        Ok(())
    }
}

fn with<T, U>(shared: &Mutex<T>, work: impl FnOnce(&mut T) -> U) -> U {
    work(&mut shared.lock().unwrap_or_else(PoisonError::into_inner))
}

/// An extension failed: an exception is event 4037, and on the releases that did not survive it the end of the process.
async fn note_failure(core: &Core, failed: &Failed) {
    match &failed.how {
        ExtensionFailure::NoAnswer => reached(Point::ExtensionSilent),
        ExtensionFailure::Exception(exception) => {
            core.exception(exception.clone()).await;
            reached(Point::ExceptionSurvived);
        }
    }
}

/// Tells the administrator of a message that is about to be set aside. Its sender is told nothing: the message is not
/// lost, and somebody will look at it. What the message did to its processing it may do to its report too.
///
/// # Errors
/// The disk's: the administrator is still to be told.
async fn notify_of_quarantine(core: &Core, id: &SpoolId, why: &str) -> Result<(), DiskError> {
    let about = EntryName::from(id.clone());
    let notify = async {
        let message = match core.spool.read(Folder::In, &about).await {
            Ok(message) => message,
            // There is no message to tell of.
            Err(ReadError::Damaged { .. }) => return Ok(()),
            Err(ReadError::Disk(error)) if error.cause.kind() == ErrorKind::NotFound => return Ok(()),
            Err(ReadError::Disk(error)) => return Err(error),
        };
        let failures =
            Sorted::failing(&message.envelope, &Reason::NotProcessed { why: why.to_owned() }).failures;
        let (envelope, content) = (&message.envelope, &message.content);
        filing::notify_administrator(core, Direction::Inbound, envelope, content, &failures, &about, id).await
    };
    match exception::filter(notify).await {
        Ok(notified) => notified,
        Err(exception) => {
            Event::ReportFailed { id: id.clone(), why: exception.to_string() }.log();
            Ok(())
        }
    }
}

/// Moves a file of `in/` to `bad/`, with event 4117.
async fn set_aside(core: &Core, file: &str, why: &str) -> Result<(), DiskError> {
    let kept = core.spool.move_aside(Folder::In, file, Aside::Bad).await?;
    Event::InboundSetAside { file: kept, folder: "bad", why: why.to_owned() }.log();
    core.spool.settle(Folder::In, file).await
}
