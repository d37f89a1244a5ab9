//! What is between the kernels: segments on their way, in time.
//!
//! A segment takes what its link says, to the millisecond that tokio's timers have. Those of one flow, which is one
//! direction of one connection, arrive in the order in which they were sent. What a link loses, or a machine without
//! power, is sent again when the time for an acknowledgement is over, each time after twice as long, and what was
//! sent after it waits for it. A sender that hears nothing for too long gives up. A datagram is sent once, and arrives
//! when it arrives.
//!
//! An acknowledgement is asked of the link like every segment, but is an event of its own only where something waits
//! for it: most are not. There is no bandwidth.
//!
//! The network knows no process and no conductor, and draws nothing: who is next is the run loop's to draw.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::super::{Carriage, Links, MachineId, Observer};
use super::air::Air;
use super::fate::{Fate, decimal};
use super::kernels::{Connection, ConnectionId, Flow, Kernels};
use super::tcp::{Answer, Segment, State};
use super::wire::{Flight, Millis, wait_after};

/// How long it tries to connect: six repetitions, at 1, 3, 7, 15, 31 and 63 s, as Linux does.
const CONNECT_PATIENCE: Millis = 127_000;

/// How long it tries to send: what Linux's fifteen repetitions come to (`tcp_retries2`).
const SEND_PATIENCE: Millis = 924_000;

/// The kernels and what is between them.
pub(super) struct Network<'a> {
    kernels: Arc<Mutex<Kernels>>,
    links: &'a dyn Links,
    observer: &'a dyn Observer,
    now: Millis,
    /// When something is to be done on a flow. An entry that its wire does not know any more is passed over.
    calendar: BinaryHeap<Reverse<(Millis, Due)>>,
    /// The flows on which something is due, in the order of their connections, and the datagrams that are.
    due: Vec<Due>,
    air: Air,
}

/// What is due at a time: something on a flow, or a datagram.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Flow(Flow),
    Datagram(u64),
}

impl<'a> Network<'a> {
    /// A network of machines without power.
    pub(super) fn new(addresses: Vec<IpAddr>, links: &'a dyn Links, observer: &'a dyn Observer) -> Self {
        Network {
            kernels: Arc::new(Mutex::new(Kernels::new(addresses))),
            links,
            observer,
            now: 0,
            calendar: BinaryHeap::new(),
            due: Vec::new(),
            air: Air::default(),
        }
    }

    /// For the sockets.
    pub(super) fn kernels(&self) -> Arc<Mutex<Kernels>> {
        Arc::clone(&self.kernels)
    }

    /// It is later now.
    pub(super) fn go_on_to(&mut self, now: Millis) {
        self.now = now;
        self.collect_due();
    }

    /// When the next thing is to be done, if it is not due.
    pub(super) fn next(&self) -> Option<Millis> {
        self.calendar.peek().map(|Reverse((at, _))| *at)
    }

    /// How many flows and datagrams are due.
    pub(super) fn due(&self) -> usize {
        self.due.len()
    }

    /// Does what is due of one of them.
    pub(super) fn advance(&mut self, choice: usize) {
        let due = self.due.remove(choice);
        self.with_kernels(|turn| match due {
            Due::Flow(flow) => turn.advance(flow),
            Due::Datagram(number) => turn.deliver(number),
        });
    }

    /// Sends what the sockets have to send.
    pub(super) fn send(&mut self) {
        self.with_kernels(|_| ());
    }

    /// Switches a machine on.
    pub(super) fn boot(&mut self, machine: MachineId) {
        self.with_kernels(|turn| turn.kernels.boot(machine));
    }

    /// Takes a machine's power. What it had not sent is lost.
    pub(super) fn power_off(&mut self, machine: MachineId) {
        self.with_kernels(|turn| turn.kernels.power_off(machine));
    }

    /// Breaks every connection between two machines.
    pub(super) fn reset(&mut self, a: MachineId, b: MachineId) {
        self.with_kernels(|turn| turn.kernels.reset(a, b));
    }

    fn with_kernels(&mut self, work: impl FnOnce(&mut Turn<'_>)) {
        let mut kernels: MutexGuard<'_, Kernels> =
            self.kernels.lock().unwrap_or_else(PoisonError::into_inner);
        let mut turn = Turn {
            kernels: &mut kernels,
            links: self.links,
            observer: self.observer,
            now: self.now,
            calendar: &mut self.calendar,
            air: &mut self.air,
        };
        work(&mut turn);
        turn.empty_outbox();
        drop(kernels);
        self.collect_due();
    }

    fn collect_due(&mut self) {
        while let Some(Reverse((at, due))) = self.calendar.peek().copied()
            && at <= self.now
        {
            self.calendar.pop();
            if let Err(place) = self.due.binary_search(&due) {
                self.due.insert(place, due);
            }
        }
    }
}

/// The network while it has the kernels to itself.
pub(super) struct Turn<'a> {
    pub(super) kernels: &'a mut Kernels,
    links: &'a dyn Links,
    pub(super) observer: &'a dyn Observer,
    pub(super) now: Millis,
    calendar: &'a mut BinaryHeap<Reverse<(Millis, Due)>>,
    pub(super) air: &'a mut Air,
}

impl Turn<'_> {
    /// Delivers the next segment of a flow, or tries again to send what was lost.
    fn advance(&mut self, flow: Flow) {
        let Some(connection) = self.kernels.get(flow.connection) else { return };
        let wire = &mut connection.wires[flow.side];
        wire.entry = None;
        if wire.on_the_way.front().is_some_and(|flight| flight.due <= self.now) {
            let flight = wire.on_the_way.pop_front().expect("it was just seen");
            self.arrive(flow, flight);
        } else if wire.retry.is_some_and(|retry| retry.at <= self.now) {
            self.try_again(flow);
        }
        self.empty_outbox();
        self.file(flow);
        self.file(flow.back());
        self.kernels.reap(flow.connection);
    }

    fn arrive(&mut self, flow: Flow, flight: Flight) {
        let connection = self.connection(flow.connection);
        let machine = connection.ends[flow.back().side].machine.expect("nothing else arrives");
        if !self.kernels.has_power(machine) {
            self.note(machine, Fate::MeetsNoPower, flow, &flight.segment);
            return self.arrive_at_nobody(flow, flight);
        }
        self.note(machine, Fate::Comes, flow, &flight.segment);
        let answer = self.kernels.receive(flow, flight.segment);
        if matches!(answer, Answer::Acked | Answer::AckedAndAck) {
            self.acknowledged(flow.back());
        }
        match answer {
            Answer::Ack | Answer::AckedAndAck => self.acknowledge(flow),
            Answer::Reset if self.connection(flow.connection).ends[flow.side].state != State::Closed => {
                self.transmit(flow.back(), Segment::Reset);
            }
            Answer::Reset | Answer::Acked | Answer::Nothing => {}
        }
    }

    /// All that is on the way to a machine without power is lost, and sent again.
    fn arrive_at_nobody(&mut self, flow: Flow, first: Flight) {
        let now = self.now;
        let Connection { ends, wires, .. } = self.connection(flow.connection);
        let wire = &mut wires[flow.side];
        if ends[flow.side].state == State::Closed {
            return wire.clear();
        }
        let mut lost: VecDeque<_> = std::iter::once(first).chain(wire.on_the_way.drain(..)).collect();
        lost.retain(|flight| flight.segment.is_kept());
        if !lost.is_empty() {
            wire.arm(now);
        }
        for flight in lost.into_iter().rev() {
            wire.backlog.push_front(flight.segment);
        }
    }

    /// Sends again what was not acknowledged in time, or gives up.
    fn try_again(&mut self, flow: Flow) {
        let now = self.now;
        let Connection { ends, wires, .. } = self.connection(flow.connection);
        let (end, wire) = (&mut ends[flow.side], &mut wires[flow.side]);
        let connecting = end.state == State::Connecting;
        let patience = if connecting { CONNECT_PATIENCE } else { SEND_PATIENCE };
        let retry = wire.retry.as_mut().expect("it is due");
        let gives_up = retry.since + patience;
        if now >= gives_up {
            wire.give_up();
            return end.fail(io::ErrorKind::TimedOut);
        }
        retry.tries += 1;
        retry.at = (now + wait_after(retry.tries)).min(gives_up);
        let again = match std::mem::take(&mut wire.backlog) {
            nothing if nothing.is_empty() && connecting => [Segment::Syn].into(),
            nothing if nothing.is_empty() => [Segment::Again].into(),
            backlog => backlog,
        };
        again.into_iter().for_each(|segment| self.transmit(flow, segment));
    }

    /// Acknowledges what has come on a flow.
    fn acknowledge(&mut self, flow: Flow) {
        let back = flow.back();
        let connection = self.connection(flow.connection);
        let is_awaited = matches!(connection.ends[flow.side].state, State::Answering(_));
        let read = connection.ends[back.side].worth_telling();
        if !is_awaited && read == 0 && matches!(self.carry(back), Carriage::Arrives(_)) {
            return self.acknowledged(flow);
        }
        self.transmit(back, Segment::Ack(read));
    }

    /// The sender of a flow knows now that what it sent has come.
    fn acknowledged(&mut self, flow: Flow) {
        let now = self.now;
        let Connection { ends, wires, .. } = self.connection(flow.connection);
        wires[flow.side].acknowledge(now, ends[flow.side].waits_for_room());
    }

    /// Gives a segment to the link, and files when it arrives.
    fn transmit(&mut self, flow: Flow, segment: Segment) {
        let now = self.now;
        let connection = self.connection(flow.connection);
        let wire = &mut connection.wires[flow.side];
        if segment.is_kept() && !wire.backlog.is_empty() {
            return wire.backlog.push_back(segment);
        }
        if segment.is_kept() {
            wire.last_sent = now;
        }
        let (from, carriage) = (connection.ends[flow.side].machine, self.carry(flow));
        let Some(due) = self.due(carriage) else {
            self.note(from.expect("a machine sends"), Fate::IsLost, flow, &segment);
            return self.lose(flow, segment);
        };
        let is_held = matches!(carriage, Carriage::Held { .. });
        let (is_kept, is_answer) = (segment.is_kept(), matches!(segment, Segment::SynAck));
        let wire = &mut self.connection(flow.connection).wires[flow.side];
        wire.last_due = wire.last_due.max(due);
        wire.on_the_way.push_back(Flight { due: wire.last_due, segment });
        if is_held && is_kept {
            wire.arm(now);
        }
        self.file(flow);
        if is_held && is_answer {
            self.is_late(flow.back());
        }
    }

    /// What the sender of a flow waits for is late.
    fn is_late(&mut self, flow: Flow) {
        let now = self.now;
        let Connection { ends, wires, .. } = self.connection(flow.connection);
        if ends[flow.side].state != State::Closed {
            wires[flow.side].arm(now);
            self.file(flow);
        }
    }

    /// A link has lost a segment. Its sender waits for an answer, or the other end does.
    fn lose(&mut self, flow: Flow, segment: Segment) {
        let Connection { ends, wires, .. } = self.connection(flow.connection);
        let answers = matches!(segment, Segment::SynAck | Segment::Ack(_) | Segment::Reset);
        if let Segment::Ack(read) = segment {
            ends[flow.side].was_not_told(read);
        }
        if segment.is_kept() {
            wires[flow.side].backlog.push_back(segment);
            self.is_late(flow);
        }
        if answers {
            self.is_late(flow.back());
        }
    }

    /// What the link of a flow does with a segment now.
    fn carry(&mut self, flow: Flow) -> Carriage {
        let ends = &self.connection(flow.connection).ends;
        let [from, to] = [flow, flow.back()].map(|flow| ends[flow.side].machine);
        self.carry_between(from, to)
    }

    pub(super) fn carry_between(&self, from: Option<MachineId>, to: Option<MachineId>) -> Carriage {
        match (from, to) {
            (Some(from), Some(to)) if from != to => {
                self.links.carry(from, to, Duration::from_millis(self.now))
            }
            (Some(_), Some(_)) => Carriage::Arrives(Duration::ZERO),
            _ => Carriage::Lost,
        }
    }

    /// When it arrives, if it does.
    pub(super) fn due(&self, carriage: Carriage) -> Option<Millis> {
        match carriage {
            Carriage::Arrives(latency) => Some(self.now + millis(latency)),
            Carriage::Held { until, latency } => Some(millis(until).max(self.now) + millis(latency)),
            Carriage::Lost => None,
        }
    }

    /// Enters into the calendar what is next on a flow.
    fn file(&mut self, flow: Flow) {
        let Some(Connection { ends, wires, .. }) = self.kernels.get(flow.connection) else { return };
        let wire = &mut wires[flow.side];
        if ends[flow.side].state == State::Closed {
            wire.give_up();
        }
        let next = wire.next();
        if let Some(at) = next.filter(|at| wire.entry.is_none_or(|entry| *at < entry)) {
            wire.entry = next;
            self.calendar.push(Reverse((at, Due::Flow(flow))));
        }
    }

    /// Sends what the kernels have to send, and sees to the connections that a process touched.
    fn empty_outbox(&mut self) {
        while let Some((flow, segment)) = self.kernels.outbox.pop_front() {
            if self.kernels.get(flow.connection).is_some() {
                self.transmit(flow, segment);
            }
        }
        while let Some(datagram) = self.kernels.datagrams.pop_front() {
            if let Some((at, number)) = self.launch(datagram) {
                self.calendar.push(Reverse((at, Due::Datagram(number))));
            }
        }
        while let Some(id) = self.kernels.touched.pop() {
            for flow in [0, 1].map(|side| Flow { connection: id, side }) {
                let Some(Connection { ends, wires, .. }) = self.kernels.get(id) else { break };
                if ends[flow.side].waits_for_room() {
                    wires[flow.side].arm(self.now);
                }
                self.file(flow);
            }
            self.kernels.reap(id);
        }
    }

    fn connection(&mut self, id: ConnectionId) -> &mut Connection {
        self.kernels.get(id).expect("a connection is kept while something of it is on its way")
    }

    /// Tells the observer of a segment: both addresses, what it is, how many octets it brings.
    fn note(&mut self, machine: MachineId, fate: Fate, flow: Flow, segment: &Segment) {
        let now = Duration::from_millis(self.now);
        let observer = self.observer;
        let ends = &self.connection(flow.connection).ends;
        let [from, to] = [flow, flow.back()].map(|flow| ends[flow.side].shown.as_bytes());
        let mut digits = [0; 20];
        let octets = decimal(segment.octets(), &mut digits);
        observer.happened(now, machine, fate.shown(), &[from, to, segment.name().as_bytes(), octets]);
        let [from, to] = [flow, flow.back()].map(|flow| ends[flow.side].address);
        observer.passes(&|| segment.captured(now, from, to, fate != Fate::Comes));
    }
}

fn millis(duration: Duration) -> Millis {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(Millis::MAX / 4)
}
