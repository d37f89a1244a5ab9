//! The machines' kernels: ports, listeners, connections, and whether there is power.
//!
//! What their sockets have to send waits in an outbox, which the network empties before anything else happens. A
//! connection is kept until neither end has a socket and nothing of it is on its way.
//!
//! A kernel knows no time, no link and no process.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::task::{Context, Poll, Waker};

use super::super::MachineId;
use super::tcp::{Answer, End, Holder, Segment, State};
use super::udp::{Datagram, Ports};
use super::wire::Wire;

/// The ports of those who connect (RFC 6335, section 6). They go up through the whole run, so that an address in a
/// trace means one connection until there have been sixteen thousand.
const EPHEMERAL: RangeInclusive<u16> = 49152..=65535;

/// A connection, in the order in which they were opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ConnectionId {
    number: u64,
    slot: usize,
}

/// One direction of a connection, named by the end that sends; or that end. The opener's is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Flow {
    pub(super) connection: ConnectionId,
    pub(super) side: usize,
}

impl Flow {
    pub(super) fn back(self) -> Self {
        Flow { side: 1 - self.side, ..self }
    }
}

/// A connection: its two ends, and what each has sent to the other.
pub(super) struct Connection {
    number: u64,
    pub(super) ends: [End; 2],
    pub(super) wires: [Wire; 2],
}

impl Connection {
    fn is_over(&self) -> bool {
        self.ends.iter().all(|end| end.holder == Holder::Nobody) && self.wires.iter().all(Wire::is_idle)
    }
}

/// A listening socket.
struct Listening {
    number: u64,
    queue: VecDeque<Flow>,
    waker: Option<Waker>,
}

pub(super) struct Host {
    address: IpAddr,
    powered: bool,
    listeners: BTreeMap<u16, Listening>,
    pub(super) udp: Ports,
    next_port: u16,
}

impl Host {
    fn forget_sockets(&mut self) {
        self.listeners.clear();
        self.udp.clear();
    }
}

/// The kernels of a run.
pub(super) struct Kernels {
    pub(super) hosts: Vec<Host>,
    /// Each in its slot; those that are over leave it to another.
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    connections_so_far: u64,
    sockets_so_far: u64,
    /// What is to be sent.
    pub(super) outbox: VecDeque<(Flow, Segment)>,
    pub(super) datagrams: VecDeque<Datagram>,
    /// Where a process let go of a socket or began to wait for room.
    pub(super) touched: Vec<ConnectionId>,
}

impl Kernels {
    pub(super) fn new(addresses: Vec<IpAddr>) -> Self {
        let host = |address| Host {
            address,
            powered: false,
            listeners: BTreeMap::new(),
            udp: Ports::default(),
            next_port: *EPHEMERAL.start(),
        };
        Kernels {
            hosts: addresses.into_iter().map(host).collect(),
            connections: Vec::new(),
            free: Vec::new(),
            connections_so_far: 0,
            sockets_so_far: 0,
            outbox: VecDeque::new(),
            datagrams: VecDeque::new(),
            touched: Vec::new(),
        }
    }

    pub(super) fn get(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.connections[id.slot].as_mut().filter(|connection| connection.number == id.number)
    }

    fn end(&mut self, flow: Flow) -> Option<&mut End> {
        Some(&mut self.get(flow.connection)?.ends[flow.side])
    }

    pub(super) fn has_power(&self, machine: MachineId) -> bool {
        self.hosts[machine.0].powered
    }

    /// Switches a machine on, if it is not. Every port is free.
    pub(super) fn boot(&mut self, machine: MachineId) {
        self.hosts[machine.0].powered = true;
        self.hosts[machine.0].forget_sockets();
    }

    /// Takes a machine's power: its kernel forgets everything without a word.
    pub(super) fn power_off(&mut self, machine: MachineId) {
        self.hosts[machine.0].powered = false;
        self.hosts[machine.0].forget_sockets();
        for slot in 0..self.connections.len() {
            let Some(connection) = &mut self.connections[slot] else { continue };
            let id = ConnectionId { number: connection.number, slot };
            for (end, wire) in connection.ends.iter_mut().zip(&mut connection.wires) {
                if end.machine == Some(machine) {
                    end.forget();
                    end.holder = Holder::Nobody;
                    wire.give_up();
                    self.touched.push(id);
                }
            }
        }
    }

    /// Breaks every connection between two machines; nothing of them is left on the way.
    pub(super) fn reset(&mut self, a: MachineId, b: MachineId) {
        for slot in 0..self.connections.len() {
            let Some(connection) = &mut self.connections[slot] else { continue };
            let machines = connection.ends.each_ref().map(|end| end.machine);
            if machines == [Some(a), Some(b)] || machines == [Some(b), Some(a)] {
                self.touched.push(ConnectionId { number: connection.number, slot });
                connection.ends.iter_mut().for_each(|end| end.fail(io::ErrorKind::ConnectionReset));
                connection.wires.iter_mut().for_each(Wire::clear);
            }
        }
    }

    /// A segment has come to the machine that a flow leads to.
    pub(super) fn receive(&mut self, flow: Flow, segment: Segment) -> Answer {
        let Some(connection) = self.get(flow.connection) else { return Answer::Nothing };
        let end = &mut connection.ends[flow.back().side];
        match (end.state, segment) {
            (State::Closed, Segment::Syn) => self.receive_syn(flow.back()),
            (_, Segment::Syn) => Answer::Nothing,
            (State::Answering(listener), segment) if !matches!(segment, Segment::Reset) => {
                if !self.establish(flow.back(), listener) {
                    return Answer::Reset;
                }
                match self.end(flow.back()).map(|end| end.receive(segment)) {
                    Some(Answer::Ack) => Answer::AckedAndAck,
                    answer => answer.unwrap_or(Answer::Nothing),
                }
            }
            (_, segment) => end.receive(segment),
        }
    }

    fn receive_syn(&mut self, to: Flow) -> Answer {
        let Some(End { machine: Some(machine), address, .. }) = self.end(to) else { return Answer::Nothing };
        let (machine, port) = (*machine, address.port());
        let Some(listening) = self.hosts[machine.0].listeners.get(&port) else { return Answer::Reset };
        let answering = State::Answering(listening.number);
        self.end(to).expect("it was just asked").state = answering;
        self.outbox.push_back((to, Segment::SynAck));
        Answer::Nothing
    }

    /// Puts a connection that is complete before its listener. False if that is gone.
    fn establish(&mut self, flow: Flow, listener: u64) -> bool {
        let end = self.end(flow).expect("a segment has just come for it");
        let (machine, port) = (end.machine.expect("it answered"), end.address.port());
        let listening = self.hosts[machine.0].listeners.get_mut(&port).filter(|it| it.number == listener);
        let Some(listening) = listening else {
            self.end(flow).expect("it was just asked").forget();
            return false;
        };
        listening.queue.push_back(flow);
        if let Some(waker) = listening.waker.take() {
            waker.wake();
        }
        let end = self.end(flow).expect("it was just asked");
        (end.state, end.holder) = (State::Open, Holder::Queue);
        true
    }

    /// Lets go of a connection, if it is over.
    pub(super) fn reap(&mut self, id: ConnectionId) {
        if self.get(id).is_some_and(|connection| connection.is_over()) {
            self.connections[id.slot] = None;
            self.free.push(id.slot);
        }
    }

    /// How many connections there are, and for how many there was ever room.
    #[cfg(test)]
    pub(super) fn connections(&self) -> (usize, usize) {
        (self.connections.iter().flatten().count(), self.connections.len())
    }

    /// Begins to open a connection.
    pub(super) fn open(&mut self, machine: MachineId, to: SocketAddr) -> Flow {
        let (local, owner) = self.route(machine, to.ip());
        let local =
            SocketAddr::new(local, self.next_port(machine, |host, port| host.listeners.contains_key(&port)));
        let number = self.connections_so_far;
        self.connections_so_far += 1;
        let connection = Connection {
            number,
            ends: [
                End::new(Some(machine), local, State::Connecting, Holder::Process),
                End::new(owner, to, State::Closed, Holder::Nobody),
            ],
            wires: Default::default(),
        };
        let slot = self.free.pop().unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() - 1
        });
        self.connections[slot] = Some(connection);
        let flow = Flow { connection: ConnectionId { number, slot }, side: 0 };
        self.outbox.push_back((flow, Segment::Syn));
        flow
    }

    /// The address that a machine sends from to another, and the machine that has that one.
    pub(super) fn route(&self, machine: MachineId, to: IpAddr) -> (IpAddr, Option<MachineId>) {
        let ours = self.hosts[machine.0].address;
        if to.is_loopback() || to == ours {
            return (to, Some(machine));
        }
        (ours, self.hosts.iter().position(|host| host.address == to).map(MachineId))
    }

    fn next_port(&mut self, machine: MachineId, is_taken: impl Fn(&Host, u16) -> bool) -> u16 {
        let host = &mut self.hosts[machine.0];
        loop {
            let port = host.next_port;
            host.next_port = if port == *EPHEMERAL.end() { *EPHEMERAL.start() } else { port + 1 };
            if !is_taken(host, port) {
                return port;
            }
        }
    }

    /// The address that a socket may have, with a port if it asks for any.
    pub(super) fn local(
        &mut self,
        machine: MachineId,
        on: SocketAddr,
        is_taken: impl Fn(&Host, u16) -> bool,
    ) -> io::Result<SocketAddr> {
        let address = self.hosts[machine.0].address;
        if !(on.ip().is_unspecified() || on.ip().is_loopback() || on.ip() == address) {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        let port = if on.port() == 0 { self.next_port(machine, &is_taken) } else { on.port() };
        if is_taken(&self.hosts[machine.0], port) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        Ok(SocketAddr::new(on.ip(), port))
    }

    /// A number for a new socket.
    pub(super) fn next_number(&mut self) -> u64 {
        self.sockets_so_far += 1;
        self.sockets_so_far
    }

    /// Listens on a port. Gives the address, and the listener's number.
    pub(super) fn listen(&mut self, machine: MachineId, on: SocketAddr) -> io::Result<(SocketAddr, u64)> {
        let on = self.local(machine, on, |host, port| host.listeners.contains_key(&port))?;
        let number = self.next_number();
        let listening = Listening { number, queue: VecDeque::new(), waker: None };
        self.hosts[machine.0].listeners.insert(on.port(), listening);
        Ok((on, number))
    }

    /// The next connection that waits for a listener, and its addresses there and here.
    pub(super) fn poll_accept(
        &mut self,
        machine: MachineId,
        port: u16,
        cx: &mut Context<'_>,
    ) -> Poll<(Flow, [SocketAddr; 2])> {
        // A machine that lost its power has no listeners, and nobody to ask for them.
        let Some(listening) = self.hosts[machine.0].listeners.get_mut(&port) else { return Poll::Pending };
        let Some(flow) = listening.queue.pop_front() else {
            listening.waker = Some(cx.waker().clone());
            return Poll::Pending;
        };
        let connection = self.get(flow.connection).expect("the queue holds it");
        connection.ends[flow.side].holder = Holder::Process;
        let addresses = [flow.back().side, flow.side].map(|side| connection.ends[side].address);
        Poll::Ready((flow, addresses))
    }

    /// Closes a listener. What waits for it is reset.
    pub(super) fn close_listener(&mut self, machine: MachineId, port: u16, number: u64) {
        let listeners = &mut self.hosts[machine.0].listeners;
        if listeners.get(&port).is_some_and(|listening| listening.number == number) {
            let listening = listeners.remove(&port).expect("it was just seen");
            for flow in listening.queue {
                let end = self.end(flow).expect("the queue holds it");
                let was_open = end.state == State::Open;
                end.close();
                end.forget();
                self.touched.push(flow.connection);
                if was_open {
                    self.outbox.push_back((flow, Segment::Reset));
                }
            }
        }
    }

    /// Does something with a socket that a process has; gives nothing where the kernel has forgotten it.
    pub(super) fn with_socket<T>(
        &mut self,
        flow: Flow,
        work: impl FnOnce(&mut End) -> (T, Option<Segment>),
    ) -> Option<T> {
        let (value, segment) = work(self.end(flow)?);
        self.outbox.extend(segment.map(|segment| (flow, segment)));
        Some(value)
    }
}
