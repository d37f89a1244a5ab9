//! The courier's connections: to which hosts there are any, those that are kept for the next message, and which entries
//! wait for room at a host.
//!
//! A connection over which a host has taken a message is kept a moment for another one to the same host, as Postfix does
//! (its `scache`), and then closed with QUIT. So many there are to one host at most, and so many in all; one that is kept
//! counts, and makes room when it is in the way. An entry that finds no room at its host gives its place up and comes
//! back when there is some, so that a slow host holds up nobody else's mail.
//!
//! The historical releases open a connection for each message, and keep none.
//!
//! This module knows no message and no spool: an entry is a name to it.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until};

use super::{Again, Carried};
use crate::env::Spawn;
use crate::reach::{Point, reached};
use crate::service::counters::{Visit, Visits};
use crate::smtp::client::Conversation;
use crate::spool::EntryName;

/// How long a connection is kept with nothing to do. Hosts wait for minutes (RFC 5321, 4.5.3.2.7); none is to wait in
/// vain for long.
const IDLE: Duration = Duration::from_secs(5);
/// How old a connection may be and still be kept: what a host's name leads to may change.
const LIFE: Duration = Duration::from_mins(5);
/// How many messages go over one connection. Hosts that want fewer say 421, which costs a connection.
const MESSAGES: u32 = 100;

/// How many connections there may be.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// In all.
    pub(super) all: usize,
    /// To one host.
    pub(super) per_host: usize,
    /// Whether any are kept.
    pub(super) keeps: bool,
}

/// The connections to other hosts.
pub(super) struct Connections {
    limits: Limits,
    spawn: Arc<dyn Spawn>,
    visits: Arc<Visits>,
    /// To the courier: an entry is to be tried again.
    back: mpsc::UnboundedSender<Carried>,
    /// One has ended.
    freed: Notify,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// How many there are to each host, those that are kept among them.
    open: BTreeMap<SocketAddr, usize>,
    /// Those that are kept, the longest first.
    kept: VecDeque<Connection>,
    /// Whether somebody sees to it that what is kept is closed in time.
    is_watched: bool,
    /// The entries that wait for room at a host.
    waiting: BTreeMap<SocketAddr, VecDeque<EntryName>>,
    /// Those that have been told of it and have not looked yet.
    called: BTreeMap<EntryName, SocketAddr>,
    /// Those that waited for a host which could then not be connected to, and why.
    spared: BTreeMap<EntryName, (SocketAddr, String)>,
}

/// What there is for an entry at a host.
pub(super) enum Found {
    /// A connection that was kept.
    Kept(Box<Connection>),
    /// Room for a new one.
    Room(Seat),
    /// No room: where it may wait, the entry is tried again when there is some.
    Full,
    /// Another entry has just found, for this one too, that the host cannot be connected to, and why.
    Failed(String),
}

/// A connection to a host that serves mail.
pub(super) struct Connection {
    pub(super) conversation: Conversation,
    seat: Seat,
    /// The name for which the host has shown a certificate that was verified. Mail that needs that goes over such a
    /// connection alone, and no other mail does.
    certified: Option<String>,
    opened: Instant,
    kept_since: Instant,
    messages: u32,
}

/// Room for one connection to a host, given back when it is dropped.
pub(super) struct Seat {
    connections: Arc<Connections>,
    host: SocketAddr,
    _visit: Visit,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.connections.state();
        if let Some(open) = state.open.get_mut(&self.host) {
            *open -= 1;
            if *open == 0 {
                state.open.remove(&self.host);
            }
        }
        self.connections.freed.notify_one();
        self.connections.call(&mut state, self.host);
    }
}

impl Connection {
    /// One that was just opened.
    pub(super) fn new(conversation: Conversation, seat: Seat, certified: Option<&str>) -> Self {
        let now = Instant::now();
        let certified = certified.map(str::to_owned);
        Connection { conversation, seat, certified, opened: now, kept_since: now, messages: 0 }
    }

    /// The room that it takes, without it.
    pub(super) fn into_seat(self) -> Seat {
        self.seat
    }

    /// Takes leave of the host.
    async fn part(self) {
        let Connection { conversation, seat, .. } = self;
        conversation.quit().await;
        drop(seat);
    }
}

impl State {
    /// How many more connections to a host there could be, or are kept.
    fn room(&self, host: SocketAddr, limit: usize) -> usize {
        let kept = self.kept.iter().filter(|connection| connection.seat.host == host).count();
        (limit + kept).saturating_sub(self.open.get(&host).copied().unwrap_or_default())
    }

    /// The connection to a host that was kept last and is `certified` like this: the others come to their end.
    fn take(&mut self, host: SocketAddr, certified: Option<&str>) -> Option<Connection> {
        let is_fit = |kept: &Connection| kept.seat.host == host && kept.certified.as_deref() == certified;
        let place = self.kept.iter().rposition(is_fit)?;
        self.kept.remove(place)
    }

    /// The connection that is kept longest, to this host or to any.
    fn take_oldest(&mut self, host: Option<SocketAddr>) -> Option<Connection> {
        let is_meant = |kept: &Connection| host.is_none_or(|host| kept.seat.host == host);
        let place = self.kept.iter().position(is_meant)?;
        self.kept.remove(place)
    }
}

impl Connections {
    pub(super) fn new(
        limits: Limits,
        spawn: Arc<dyn Spawn>,
        visits: Arc<Visits>,
        back: mpsc::UnboundedSender<Carried>,
    ) -> Arc<Self> {
        let (freed, state) = (Notify::new(), Mutex::default());
        Arc::new(Connections { limits, spawn, visits, back, freed, state })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks for a connection to a host, or for room for one. Where there is none, `entry` waits for it if it `may_wait`.
    /// `certified`: the name that the host must have shown a certificate for.
    pub(super) async fn find(
        self: &Arc<Self>,
        host: SocketAddr,
        certified: Option<&str>,
        entry: &EntryName,
        may_wait: bool,
    ) -> Found {
        enum Step {
            Try(Connection),
            MakeRoom(Connection),
            Wait,
        }
        loop {
            let mut freed = pin!(self.freed.notified());
            let step = {
                let mut state = self.state();
                // Called to another host, it has not looked there yet.
                let was_called = state.called.get(entry) == Some(&host);
                if was_called {
                    state.called.remove(entry);
                }
                if let Some((_, why)) = state.spared.remove(entry).filter(|(failed, _)| *failed == host) {
                    return Found::Failed(why);
                }
                let all: usize = state.open.values().sum();
                if let Some(kept) = state.take(host, certified) {
                    Step::Try(kept)
                } else if state.room(host, self.limits.per_host) == 0 {
                    if may_wait {
                        let line = state.waiting.entry(host).or_default();
                        // Who was called and comes too late is first in line.
                        if was_called {
                            line.push_front(entry.clone());
                        } else {
                            line.push_back(entry.clone());
                        }
                    }
                    return Found::Full;
                } else if state.open.get(&host).is_some_and(|open| *open >= self.limits.per_host)
                    && let Some(other) = state.take_oldest(Some(host))
                {
                    Step::MakeRoom(other)
                } else if all < self.limits.all {
                    *state.open.entry(host).or_default() += 1;
                    return Found::Room(Seat {
                        connections: Arc::clone(self),
                        host,
                        _visit: self.visits.begin(),
                    });
                } else if let Some(oldest) = state.take_oldest(None) {
                    Step::MakeRoom(oldest)
                } else {
                    // Before anybody else looks: of two seats that are given back at once, each is to wake somebody.
                    freed.as_mut().enable();
                    Step::Wait
                }
            };
            match step {
                Step::Try(mut kept) => {
                    if kept.conversation.is_quiet().await {
                        return Found::Kept(Box::new(kept));
                    }
                    reached(Point::KeptConnectionClosed);
                }
                Step::MakeRoom(oldest) => {
                    reached(Point::KeptConnectionMadeRoom);
                    oldest.part().await;
                }
                Step::Wait => freed.await,
            }
        }
    }

    /// A message has gone over a connection, or was to: keeps it for the next if the host may be given one, or else takes
    /// leave of it.
    pub(super) fn put_back(self: &Arc<Self>, mut connection: Connection) {
        connection.messages += 1;
        let may_stay = self.limits.keeps
            && connection.conversation.may_go_on()
            && connection.messages < MESSAGES
            && connection.opened.elapsed() < LIFE;
        if !may_stay {
            return self.part(connection);
        }
        connection.kept_since = Instant::now();
        let host = connection.seat.host;
        let mut state = self.state();
        state.kept.push_back(connection);
        self.call(&mut state, host);
        if !std::mem::replace(&mut state.is_watched, true) {
            self.spawn.spawn("kept connections", Box::pin(Arc::clone(self).watch()));
        }
    }

    /// Takes leave of a host, which may take its time: nobody waits for it.
    pub(super) fn part(&self, connection: Connection) {
        self.spawn.spawn("farewell", Box::pin(connection.part()));
    }

    /// Takes leave of what was kept for long enough, until nothing is kept any more.
    async fn watch(self: Arc<Self>) {
        loop {
            let next = {
                let mut state = self.state();
                let next = state.kept.front().map(|connection| connection.kept_since + IDLE);
                state.is_watched = next.is_some();
                next
            };
            let Some(next) = next else { return };
            sleep_until(next).await;
            let expired = {
                let mut state = self.state();
                let kept = &mut state.kept;
                let is_over = |connection: &Connection| connection.kept_since + IDLE <= Instant::now();
                let count = kept.iter().take_while(|connection| is_over(connection)).count();
                kept.drain(..count).collect::<Vec<_>>()
            };
            for connection in expired {
                reached(Point::KeptConnectionUnused);
                self.part(connection);
            }
        }
    }

    /// A host could not be connected to. Who waits for it need not find that out again, if nobody is connected to it.
    pub(super) fn failed(&self, seat: Seat, why: &str) {
        let host = seat.host;
        {
            let mut state = self.state();
            if state.open.get(&host) == Some(&1) {
                for entry in state.waiting.remove(&host).unwrap_or_default() {
                    reached(Point::SparedAFailure);
                    state.spared.insert(entry.clone(), (host, why.to_owned()));
                    self.send_back(entry);
                }
            }
        }
        drop(seat);
    }

    /// The try of an entry is over, whatever it came to: if it was called to a host, another may be.
    pub(super) fn ended(&self, entry: &EntryName) {
        let mut state = self.state();
        state.spared.remove(entry);
        if let Some(host) = state.called.remove(entry) {
            self.call(&mut state, host);
        }
    }

    /// Has as many entries look for a connection to a host as it has room for.
    fn call(&self, state: &mut State, host: SocketAddr) {
        let called = state.called.values().filter(|to| **to == host).count();
        for _ in called..state.room(host, self.limits.per_host) {
            let Some(line) = state.waiting.get_mut(&host) else { return };
            let Some(entry) = line.pop_front() else { return };
            if line.is_empty() {
                state.waiting.remove(&host);
            }
            state.called.insert(entry.clone(), host);
            self.send_back(entry);
        }
    }

    fn send_back(&self, name: EntryName) {
        // Without a courier nothing is carried any more.
        let _ = self.back.send(Carried { name, again: Again::At(Instant::now()) });
    }
}
