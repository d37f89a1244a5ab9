//! The courier: carries the entries of `out/` to their next hops, again and again by the retry schedule, until each
//! recipient has the message or will never have it.
//!
//! What became of each recipient is noted in the entry's journal, so that a crash repeats at most the attempt that it
//! cut off: a delivery before anything else follows from it, a failure when its report is in the spool.

mod connections;
mod deletion;
mod destination;
pub(crate) mod history;
mod round;
mod schedule;

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep_until, timeout};

use self::connections::{Connections, Limits};
use self::deletion::Deletions;
pub(super) use self::deletion::{Deletion, Done};
use self::destination::{Destination, destination};
use self::round::{Round, Visited};
use self::schedule::{Ordered, Schedule};
use super::CLOSING_TIME;
use super::core::{Closing, Core};
use super::filing;
use super::present::Present;
use super::room::Taken;
use crate::address::Domain;
use crate::env::DiskError;
use crate::envelope::Envelope;
use crate::eventlog::Event;
use crate::exception;
use crate::reach::{Point, reached};
use crate::release::Release;
use crate::report::Reason;
use crate::routing::Route;
use crate::spool::{Aside, EntryName, Folder, Progress, ReadError};

/// How long an entry waits when the disk fails it.
const DISK_PAUSE: Duration = Duration::from_mins(1);
/// How many large messages wait for room in memory, one behind the other.
const WAITERS: usize = 100;
/// How long another waits before it looks whether it may wait with them.
const ROOM_PAUSE: Duration = Duration::from_secs(1);
/// How many journals are read at once when the service starts.
const READ_AT_ONCE: usize = 32;

/// What the courier is to do with an entry in `out/`.
pub(super) enum Order {
    /// Try it then, unless it is known and due before or being tried.
    At {
        /// The entry.
        name: EntryName,
        /// When.
        due: Instant,
    },
    /// Try it as soon as it can be; if it is being tried, once more.
    Now(EntryName),
    /// Delete it, when it is not being tried.
    Delete(Deletion),
}

/// The courier.
pub(super) struct Courier {
    core: Arc<Core>,
    present: Arc<Present>,
    orders: mpsc::UnboundedReceiver<Order>,
}

impl Courier {
    /// A courier with what the last process left in `out/`.
    pub(super) async fn recover(
        core: &Arc<Core>,
        present: &Arc<Present>,
        orders: mpsc::UnboundedReceiver<Order>,
    ) -> Result<Self, DiskError> {
        let listing = core.spool.list(Folder::Out).await?;
        for file in &listing.misfits {
            reached(Point::MisfitSetAside);
            let kept = core.spool.move_aside(Folder::Out, file, Aside::Bad).await?;
            Event::InboundSetAside {
                file: kept,
                folder: "bad",
                why: "its name is none of the spool's".to_owned(),
            }
            .log();
            core.spool.settle(Folder::Out, file).await?;
        }
        let unfinished: BTreeSet<_> =
            core.spool.list(Folder::In).await?.entries.into_iter().map(|entry| entry.id).collect();
        // Where its message is still in `in/`, the inbound worker will announce it.
        let finished = listing.entries.into_iter().filter(|name| !unfinished.contains(&name.id));
        let read = |name| async move { (core.spool.progress(&name).await, name) };
        let mut journals = stream::iter(finished.map(read)).buffered(READ_AT_ONCE);
        while let Some((progress, name)) = journals.next().await {
            let progress = progress?;
            let next = progress.iter().rev().find_map(|progress| match progress {
                Progress::Deferred { next, .. } => Some(*next),
                _ => None,
            });
            // What is held is looked at, and not tried.
            let next = next.filter(|_| !history::is_held(&progress));
            // A time that has passed is now; one further off than any wait is a clock's mistake.
            let longest = core.config.delivery.retry.iter().max().copied().unwrap_or_default();
            let wait = next
                .and_then(|next| Duration::try_from(core.now().duration_until(next)).ok())
                .unwrap_or_default();
            if !wait.is_zero() {
                reached(Point::WaitingRecovered);
            }
            let wait = wait.min(longest);
            core.order(Order::At { name, due: Instant::now() + wait });
        }
        Ok(Courier { core: Arc::clone(core), present: Arc::clone(present), orders })
    }

    /// Carries until the service is being stopped: then it hands no more over, and finishes what it has begun to if that
    /// does not take too long.
    pub(super) async fn run(mut self) {
        let delivery = &self.core.config.delivery;
        // An entry that is carried has at most one connection.
        let places = Arc::new(Semaphore::new(delivery.connections));
        let waiters = Arc::new(Semaphore::new(WAITERS));
        let (back, mut carried) = mpsc::unbounded_channel::<Carried>();
        let limits = Limits {
            all: delivery.connections,
            per_host: delivery.connections_per_host,
            keeps: self.core.config.release == Release::Current,
        };
        let connections = Connections::new(
            limits,
            Arc::clone(&self.core.env.spawn),
            Arc::clone(&self.core.counters.hosts),
            back.clone(),
        );
        let mut deletions = Deletions::default();
        let mut schedule = Schedule::default();
        let mut closing = pin!(self.core.closes_down(Closing::Gently));
        loop {
            let next = schedule.next();
            tokio::select! {
                biased;
                () = &mut closing => break,
                Some(Carried { name, again }) = carried.recv() => match again {
                    again if deletions.is_due(&name, &again) => {
                        connections.ended(&name);
                        deletions.begin(&name, &self.present.get(), &back);
                    }
                    Again::At(due) => schedule.put(name, due),
                    // Somebody may have asked for it while it was looked at.
                    Again::Held { .. } if self.core.held.is_asked_for(&name) => {
                        schedule.put(name, Instant::now());
                    }
                    Again::Held { until } => schedule.put(name, until),
                    Again::Suspended => schedule.suspend(name),
                    Again::Never => {
                        self.core.held.forget(&name);
                        schedule.forget(&name);
                    }
                },
                order = self.orders.recv() => match order {
                    Some(Order::At { name, due }) => if schedule.order(name, due) == Ordered::Known {
                        reached(Point::OrderedTwice);
                    },
                    Some(Order::Now(name)) => schedule.insist(name, Instant::now()),
                    Some(Order::Delete(deletion)) => {
                        let name = deletion.name.clone();
                        let is_here = schedule.withdraw(&name);
                        if deletions.add(deletion, is_here) {
                            deletions.begin(&name, &self.present.get(), &back);
                        }
                    }
                    None => return,
                },
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                    let Some(name) = schedule.pop() else { continue };
                    let place = self.core.unless_closed(Arc::clone(&places).acquire_owned());
                    let Some(Ok(place)) = place.await else { break };
                    let (core, back) = (self.present.get(), back.clone());
                    let connections = Arc::clone(&connections);
                    let spawn = Arc::clone(&core.env.spawn);
                    let (places, waiters) = (Arc::clone(&places), Arc::clone(&waiters));
                    spawn.spawn("delivery", Box::pin(async move {
                        let (mut place, mut taken) = (place, None);
                        let next = loop {
                            let octets = match carry(&core, &name, &connections, &mut taken).await {
                                Next::Room(octets) => octets,
                                next => break next,
                            };
                            let Ok(_waits) = Arc::clone(&waiters).try_acquire_owned() else {
                                break Next::Try(ROOM_PAUSE);
                            };
                            // Others go on in its place: hosts that are slow to take large messages hold up no small one.
                            drop(place);
                            let wait = async {
                                let room = core.rooms.carrying.take(octets).await;
                                (room, places.clone().acquire_owned().await)
                            };
                            let Some((room, Ok(again))) = core.unless_closed(wait).await else { return };
                            (place, taken) = (again, Some(room));
                        };
                        connections.ended(&name);
                        let again = match next {
                            Next::Nothing => Again::Never,
                            Next::Try(wait) => Again::At(Instant::now() + wait),
                            Next::Suspend => Again::Suspended,
                            Next::Hold(wait) => Again::Held { until: Instant::now() + wait },
                            Next::Room(_) | Next::Call | Next::Cut => return,
                        };
                        // Without a courier nothing is carried any more.
                        let _ = back.send(Carried { name, again });
                        drop(place);
                    }));
                }
            }
        }
        let all = u32::try_from(delivery.connections).unwrap_or(u32::MAX);
        let _ = timeout(CLOSING_TIME, places.acquire_many(all)).await;
    }
}

/// An entry that was tried, and when it is due again.
struct Carried {
    name: EntryName,
    again: Again,
}

/// When an entry is due again.
enum Again {
    At(Instant),
    /// When somebody asks for it, or then at the latest.
    Held {
        until: Instant,
    },
    /// When an administrator lets it go.
    Suspended,
    /// It is done with.
    Never,
}

/// What comes after a try of an entry.
enum Next {
    /// Nothing: it is done with.
    Nothing,
    /// Another try, after so long.
    Try(Duration),
    /// Another try, when somebody asks for it, or a look after so long.
    Hold(Duration),
    /// Another try, when an administrator lets it go.
    Suspend,
    /// Another look, when there is room in memory for so many octets.
    Room(u64),
    /// Another try, when there is room at the host that it waits for.
    Call,
    /// Another try, by the next process: the service is being stopped.
    Cut,
}

/// One try of one entry, with the exception filter around it.
async fn carry(
    core: &Core,
    name: &EntryName,
    connections: &Arc<Connections>,
    taken: &mut Option<Taken>,
) -> Next {
    match exception::filter(attempt(core, name, connections, taken)).await {
        Ok(Ok(next)) => next,
        Ok(Err(error)) => {
            reached(Point::CarryingPutOff);
            Event::RetriedLater { id: name.id.clone(), why: error.to_string() }.log();
            Next::Try(DISK_PAUSE)
        }
        Err(exception) => {
            let why = format!("sending it raised an exception, {exception}");
            core.exception(exception).await;
            reached(Point::ExceptionSurvived);
            set_aside(core, name, &why).await
        }
    }
}

/// Moves an entry to `bad/`, with event 4116. If the disk does not let it, that is tried again later.
async fn set_aside(core: &Core, name: &EntryName, why: &str) -> Next {
    let file = name.to_string();
    let moved = match core.spool.move_aside(Folder::Out, &file, Aside::Bad).await {
        Ok(_) => {
            Event::OutboundSetAside { id: name.id.clone(), folder: "bad", why: why.to_owned() }.log();
            core.spool.settle(Folder::Out, &file).await
        }
        Err(error) => Err(error),
    };
    match moved {
        Ok(()) => {
            filing::announce(core, name);
            Next::Nothing
        }
        Err(error) => {
            Event::RetriedLater { id: name.id.clone(), why: error.to_string() }.log();
            Next::Try(DISK_PAUSE)
        }
    }
}

/// One try of one entry.
async fn attempt(
    core: &Core,
    name: &EntryName,
    connections: &Arc<Connections>,
    taken: &mut Option<Taken>,
) -> Result<Next, DiskError> {
    let read = match taken.take() {
        Some(taken) => core.spool.read(Folder::Out, name).await.map(|message| Ok((message, taken))),
        None => core.rooms.carrying.read_now(&core.spool, Folder::Out, name).await,
    };
    let (message, _taken) = match read {
        Ok(Ok(read)) => read,
        Ok(Err(octets)) => return Ok(Next::Room(octets)),
        Err(ReadError::Damaged { damage, .. }) => {
            reached(Point::DamagedSetAside);
            return Ok(set_aside(core, name, &damage.to_string()).await);
        }
        // An administrator took it out, or the last step of an earlier try failed after it was gone: nothing is owed.
        Err(ReadError::Disk(error)) if error.cause.kind() == ErrorKind::NotFound => {
            reached(Point::EntryGone);
            core.spool.settle(Folder::Out, &name.to_string()).await?;
            filing::announce(core, name);
            return Ok(Next::Nothing);
        }
        Err(ReadError::Disk(error)) => return Err(error),
    };
    filing::withdraw(core, name).await?;
    let progress = core.spool.progress(name).await?;
    if history::is_held(&progress) {
        core.suspended.add(name);
        return Ok(Next::Suspend);
    }
    let mut round = Round::new(core, name, &message, &progress);
    let held_for = held_for(core, &message.envelope);

    let deferred = if round.waiting.is_empty() {
        None
    } else if round.is_too_old(held_for.is_some()) {
        if held_for.is_some() {
            reached(Point::HeldExpired);
        }
        round.expire();
        None
    } else if held_for.is_some_and(|domain| !core.held.may_go(name, domain)) {
        reached(Point::HeldForEtrn);
        return Ok(Next::Hold(round.hold().await?));
    } else {
        let Some(destination) = core.unless_closed(destination(core, &message.envelope)).await else {
            return Ok(Next::Cut);
        };
        match destination {
            Destination::Hosts(hosts) => match round.visit(hosts, connections).await {
                Visited::Tried(deferred) => deferred,
                Visited::MustWait => return Ok(Next::Call),
                Visited::Cut => return Ok(Next::Cut),
            },
            Destination::NotNow(why) => {
                reached(Point::NoDnsAnswer);
                Some(why)
            }
            Destination::NoMail => {
                reached(Point::NullExchanger);
                let domain = message.envelope.recipients[0].domain().clone();
                let why = "it says with a null MX that it takes no mail (RFC 7505)".to_owned();
                Event::Unresolved { domain, why }.log();
                round.fail_all(&Reason::TakesNoMail, "the domain takes no mail");
                None
            }
            Destination::Unknown(why) => {
                reached(Point::DomainUnknown);
                let domain = message.envelope.recipients[0].domain().clone();
                Event::Unresolved { domain, why }.log();
                round.fail_all(&Reason::HostUnknown, "host unknown");
                None
            }
        }
    };
    // What is held again is looked at again at once, after a restart too: until then nobody could ask for it.
    let longest = if held_for.is_some() { Duration::ZERO } else { Duration::MAX };
    Ok(match round.settle(deferred, longest).await? {
        None => Next::Nothing,
        Some(wait) => {
            core.held.wait_again(name);
            Next::Try(wait)
        }
    })
}

/// The domain that an entry is for, where its mail waits for ETRN. An extension may have sent it elsewhere.
fn held_for<'a>(core: &Core, envelope: &'a Envelope) -> Option<&'a Domain> {
    let domain = envelope.recipients.first()?.domain();
    let Route::Held(next_hop) = core.route(domain) else { return None };
    let is_alone = envelope.recipients.iter().all(|recipient| recipient.domain() == domain);
    (is_alone && envelope.next_hop == Some(next_hop)).then_some(domain)
}
