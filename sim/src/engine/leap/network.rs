//! The link model: each machine's kernel, and the segments on their way between them.
//!
//! A segment takes the link's latency, to the millisecond that tokio's timers have. Those of one flow, which is one
//! direction of one connection, arrive in their order. Nothing is lost on a link, as turmoil-net counts its
//! retransmissions in passes of its own and not in time: its threshold is set so high that none ever happens. There
//! is no bandwidth either, and a receiver never slows a sender down.
//!
//! A machine has one kernel for the whole run. What a process leaves behind in it is forgotten when the machine
//! boots again or loses its power, so that the next process finds every port free, and answers with a reset what
//! still comes for a connection it never had. Ports and sequence numbers go on, and no connection is taken for
//! another.
//!
//! The network knows segments and power. It knows no task, no conductor, and no order between flows: who is due
//! next is the run loop's to draw.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::Instant;
use turmoil_net::{
    EnterGuard, HostId, KernelConfig, Net, NetstatState, Packet, TcpFlags, TcpSegment, Transport,
};

use super::super::{Links, MachineId};

/// One direction of one connection: from, to.
pub(super) type Flow = (SocketAddr, SocketAddr);

/// A segment on its way.
struct Flight {
    due: Instant,
    segment: Packet,
}

/// The kernels and what is between them.
pub(super) struct Network<'a> {
    kernels: EnterGuard,
    hosts: Vec<HostId>,
    addresses: Vec<IpAddr>,
    /// Whether a machine has power.
    powered: Vec<bool>,
    links: &'a dyn Links,
    /// No queue is empty.
    flows: BTreeMap<Flow, VecDeque<Flight>>,
    /// When the first segment of each flow is due.
    heads: BTreeSet<(Instant, Flow)>,
    /// Whether a kernel may have something to send: a socket was used, or a segment came in.
    stirred: Arc<AtomicBool>,
}

impl<'a> Network<'a> {
    /// A network of machines without power, for sockets on this thread until it is dropped.
    pub(super) fn enter(addresses: Vec<IpAddr>, links: &'a dyn Links) -> Self {
        let config = KernelConfig::default()
            .retx_threshold(u32::MAX)
            // A receiver that reads in small pieces never opens a window that was full: so it never fills.
            .recv_buf_cap(1 << 30);
        let mut net = Net::with_config(config);
        Network {
            hosts: addresses.iter().map(|address| net.add_host(*address)).collect(),
            kernels: net.enter(),
            powered: vec![false; addresses.len()],
            addresses,
            links,
            flows: BTreeMap::new(),
            heads: BTreeSet::new(),
            stirred: Arc::default(),
        }
    }

    /// To be set whenever a socket is used.
    pub(super) fn stirred(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stirred)
    }

    /// Takes what the kernels send, and files it. A machine without power sends nothing, and so what comes to it is
    /// lost: its kernel has no connection left, and would answer with a reset at most.
    pub(super) fn collect(&mut self) {
        if !self.stirred.swap(false, Ordering::Relaxed) {
            return;
        }
        let mut leaving = Vec::new();
        self.kernels.egress_all(&mut leaving);
        let now = Instant::now();
        for segment in leaving {
            let (Some(from), Some(to)) = (self.machine(segment.src), self.machine(segment.dst)) else {
                continue;
            };
            if self.powered[from.0] {
                let due = now + self.links.latency(from, to);
                let flow = flow(&segment);
                let flights = self.flows.entry(flow).or_default();
                if flights.is_empty() {
                    self.heads.insert((due, flow));
                }
                flights.push_back(Flight { due, segment });
            }
        }
    }

    /// When the next segment is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.heads.first().map(|(due, _)| *due)
    }

    /// The flows whose next segment is due.
    pub(super) fn due(&self, now: Instant) -> impl Iterator<Item = &Flow> {
        self.heads.iter().take_while(move |(due, _)| *due <= now).map(|(_, flow)| flow)
    }

    /// Hands the next segment of a flow to the kernel it is for.
    pub(super) fn deliver(&mut self, flow: &Flow) {
        let flights = self.flows.get_mut(flow).expect("a flow that is due has a segment");
        let flight = flights.pop_front().expect("no queue is empty");
        self.heads.remove(&(flight.due, *flow));
        match flights.front() {
            Some(next) => {
                self.heads.insert((next.due, *flow));
            }
            None => {
                self.flows.remove(flow);
            }
        }
        if !ends_a_half_made_connection(&flight.segment) {
            self.kernels.deliver(flight.segment);
        }
        self.stirred.store(true, Ordering::Relaxed);
    }

    /// Gives a machine power and a kernel without connections.
    pub(super) fn boot(&mut self, machine: MachineId) -> HostId {
        // What the last process still had to say goes out.
        self.collect();
        self.forget_connections(machine);
        self.powered[machine.0] = true;
        self.hosts[machine.0]
    }

    /// Takes a machine's power. What its kernel has not sent yet is lost.
    pub(super) fn power_off(&mut self, machine: MachineId) {
        self.powered[machine.0] = false;
        self.forget_connections(machine);
    }

    /// Resets every connection of a machine's kernel; its peers hear nothing of it.
    fn forget_connections(&mut self, machine: MachineId) {
        for socket in turmoil_net::netstat(self.addresses[machine.0]).entries {
            if let Some(peer) = socket.peer {
                self.kernels.deliver(reset(peer, socket.local));
            }
        }
        self.stirred.store(true, Ordering::Relaxed);
        // The kernel lets go of its closed sockets when it is asked what it sends.
        self.collect();
    }

    fn machine(&self, address: IpAddr) -> Option<MachineId> {
        self.addresses.iter().position(|known| *known == address).map(MachineId)
    }
}

/// Whether a segment is the reset of a connection that its client gave up on before it was made. turmoil-net would keep
/// what is left of that connection for ever, and its port with it; without the reset it goes with the listener.
fn ends_a_half_made_connection(segment: &Packet) -> bool {
    let Transport::Tcp(tcp) = &segment.payload else { return false };
    let (from, to) = flow(segment);
    tcp.flags.rst
        && turmoil_net::netstat(segment.dst).entries.iter().any(|socket| {
            socket.state == Some(NetstatState::SynReceived) && socket.local == to && socket.peer == Some(from)
        })
}

fn flow(segment: &Packet) -> Flow {
    let (from, to) = match &segment.payload {
        Transport::Tcp(tcp) => (tcp.src_port, tcp.dst_port),
        Transport::Udp(udp) => (udp.src_port, udp.dst_port),
    };
    ((segment.src, from).into(), (segment.dst, to).into())
}

fn reset(from: SocketAddr, to: SocketAddr) -> Packet {
    let segment = TcpSegment {
        src_port: from.port(),
        dst_port: to.port(),
        seq: 0,
        ack: 0,
        flags: TcpFlags { rst: true, ..TcpFlags::default() },
        window: 0,
        payload: Default::default(),
    };
    Packet { src: from.ip(), dst: to.ip(), ttl: 64, payload: Transport::Tcp(segment) }
}
