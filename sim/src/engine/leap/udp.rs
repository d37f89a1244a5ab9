//! UDP: datagrams, and the sockets that they come to.
//!
//! A datagram goes over its link once. What the link loses is lost, and so is what comes to a port that no process has
//! or to a socket with no room: nobody is told. There are no fragments and no ICMP.
//!
//! A socket knows no time and no link.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::super::MachineId;
use super::kernels::Kernels;
use crate::capture::{self, SegmentKind};

/// How many datagrams wait to be read: about what fits of small ones into a buffer of Linux (`rmem_default`).
pub(super) const INBOX: usize = 256;

/// The longest that fits into one IPv4 packet.
const LONGEST: usize = 65_507;

/// What is sent.
pub(super) struct Datagram {
    pub(super) sender: MachineId,
    /// None where no machine has the address.
    pub(super) receiver: Option<MachineId>,
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) octets: Vec<u8>,
}

impl Datagram {
    /// As it is captured.
    pub(super) fn captured(&self, at: Duration, is_lost: bool) -> capture::Segment {
        let (kind, octets) = (SegmentKind::Datagram, self.octets.clone());
        capture::Segment { at, from: self.from, to: self.to, kind, octets, is_lost }
    }
}

/// A socket that a process has.
struct Bound {
    number: u64,
    inbox: VecDeque<Datagram>,
    waker: Option<Waker>,
}

/// The sockets of one machine, by their ports.
#[derive(Default)]
pub(super) struct Ports(BTreeMap<u16, Bound>);

impl Ports {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn has(&self, port: u16) -> bool {
        self.0.contains_key(&port)
    }

    fn get(&mut self, port: u16, number: u64) -> Option<&mut Bound> {
        self.0.get_mut(&port).filter(|bound| bound.number == number)
    }
}

impl Kernels {
    /// Binds a socket. Gives the address, and the socket's number.
    pub(super) fn bind_udp(&mut self, machine: MachineId, on: SocketAddr) -> io::Result<(SocketAddr, u64)> {
        let on = self.local(machine, on, |host, port| host.udp.has(port))?;
        let number = self.next_number();
        let bound = Bound { number, inbox: VecDeque::new(), waker: None };
        self.hosts[machine.0].udp.0.insert(on.port(), bound);
        Ok((on, number))
    }

    /// Hands a datagram to the network.
    pub(super) fn send_udp(
        &mut self,
        sender: MachineId,
        port: u16,
        to: SocketAddr,
        octets: &[u8],
    ) -> io::Result<usize> {
        if octets.len() > LONGEST {
            return Err(io::Error::other("the datagram is too long"));
        }
        let (ours, receiver) = self.route(sender, to.ip());
        let from = SocketAddr::new(ours, port);
        self.datagrams.push_back(Datagram { sender, receiver, from, to, octets: octets.to_vec() });
        Ok(octets.len())
    }

    /// A datagram has come to its machine. False if nobody takes it.
    pub(super) fn receive_udp(&mut self, datagram: Datagram) -> bool {
        let Some(receiver) = datagram.receiver else { return false };
        let Some(bound) = self.hosts[receiver.0].udp.0.get_mut(&datagram.to.port()) else { return false };
        if bound.inbox.len() == INBOX {
            return false;
        }
        bound.inbox.push_back(datagram);
        if let Some(waker) = bound.waker.take() {
            waker.wake();
        }
        true
    }

    /// The next datagram that waits for a socket.
    pub(super) fn poll_udp(
        &mut self,
        machine: MachineId,
        port: u16,
        number: u64,
        cx: &mut Context<'_>,
    ) -> Poll<Datagram> {
        // A machine that lost its power has no sockets, and nobody to ask for them.
        let Some(bound) = self.hosts[machine.0].udp.get(port, number) else { return Poll::Pending };
        match bound.inbox.pop_front() {
            Some(datagram) => Poll::Ready(datagram),
            None => {
                bound.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Closes a socket. What waits to be read is gone.
    pub(super) fn close_udp(&mut self, machine: MachineId, port: u16, number: u64) {
        let ports = &mut self.hosts[machine.0].udp;
        if ports.get(port, number).is_some() {
            ports.0.remove(&port);
        }
    }
}
