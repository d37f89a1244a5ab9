//! The datagrams that are on their way.
//!
//! A datagram goes over its link once, by the same rules as a segment, and arrives when it is due, whatever was sent
//! before it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::MachineId;
use super::fate::{Fate, decimal};
use super::network::Turn;
use super::udp::Datagram;
use super::wire::Millis;

/// The datagrams on their way, in the order in which they were sent.
#[derive(Default)]
pub(super) struct Air {
    datagrams: BTreeMap<u64, Datagram>,
    so_far: u64,
}

impl Turn<'_> {
    /// Gives a datagram to its link. Gives its number and when it arrives, if it does.
    pub(super) fn launch(&mut self, datagram: Datagram) -> Option<(Millis, u64)> {
        let carriage = self.carry_between(Some(datagram.sender), datagram.receiver);
        let Some(due) = self.due(carriage) else {
            self.note_datagram(datagram.sender, Fate::IsLost, &datagram);
            return None;
        };
        let number = self.air.so_far;
        self.air.so_far += 1;
        self.air.datagrams.insert(number, datagram);
        Some((due, number))
    }

    /// A datagram comes to its machine.
    pub(super) fn deliver(&mut self, number: u64) {
        let datagram = self.air.datagrams.remove(&number).expect("it is due once");
        let machine = datagram.receiver.expect("nothing else arrives");
        if !self.kernels.has_power(machine) {
            return self.note_datagram(machine, Fate::MeetsNoPower, &datagram);
        }
        self.note_datagram(machine, Fate::Comes, &datagram);
        if !self.kernels.receive_udp(datagram) {
            self.observer.happened(Duration::from_millis(self.now), machine, "has no use for it", &[]);
        }
    }

    /// Tells the observer of a datagram, as of a segment.
    fn note_datagram(&self, machine: MachineId, fate: Fate, datagram: &Datagram) {
        let now = Duration::from_millis(self.now);
        let [from, to] = [datagram.from, datagram.to].map(|address| address.to_string());
        let mut digits = [0; 20];
        let octets = decimal(datagram.octets.len(), &mut digits);
        let detail = [from.as_bytes(), to.as_bytes(), b"datagram", octets];
        self.observer.happened(now, machine, fate.shown(), &detail);
        self.observer.passes(&|| datagram.captured(now, fate != Fate::Comes));
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};
    use std::sync::Mutex;
    use std::task::{Context, Poll, Waker};

    use super::super::super::{Carriage, Links, Observer};
    use super::super::network::Network;
    use super::super::udp::INBOX;
    use super::*;

    const SENDER: MachineId = MachineId(0);
    const READER: MachineId = MachineId(1);
    const PORT: u16 = 53;

    /// Slow at first, quick from the second millisecond on; and every third datagram is lost.
    #[derive(Default)]
    struct Sky(Mutex<(u64, Vec<String>)>);

    impl Links for Sky {
        fn carry(&self, _: MachineId, _: MachineId, now: Duration) -> Carriage {
            let mut state = self.0.lock().unwrap();
            state.0 += 1;
            match (state.0 % 3, now.as_millis()) {
                (0, _) => Carriage::Lost,
                (_, 0) => Carriage::Arrives(Duration::from_millis(30)),
                _ => Carriage::Arrives(Duration::from_millis(5)),
            }
        }

        fn next_change(&self, _: Duration) -> Option<Duration> {
            None
        }
    }

    impl Observer for Sky {
        fn happened(&self, _: Duration, machine: MachineId, what: &str, _: &[&[u8]]) {
            self.0.lock().unwrap().1.push(format!("{} {what}", machine.0));
        }
    }

    fn address(machine: MachineId) -> IpAddr {
        Ipv4Addr::new(10, 0, 0, machine.0 as u8 + 1).into()
    }

    fn network(sky: &Sky) -> Network<'_> {
        let mut network = Network::new([SENDER, READER].map(address).to_vec(), sky, sky);
        network.boot(SENDER);
        network.boot(READER);
        network
    }

    fn send(network: &mut Network<'_>, octets: &[u8]) {
        let to = SocketAddr::new(address(READER), PORT);
        network.kernels().lock().unwrap().send_udp(SENDER, 1024, to, octets).unwrap();
        network.send();
    }

    /// Goes on until nothing is left to happen.
    fn settle(network: &mut Network<'_>) {
        loop {
            while network.due() > 0 {
                network.advance(0);
            }
            let Some(next) = network.next() else { return };
            network.go_on_to(next);
        }
    }

    fn bind(network: &Network<'_>) -> u64 {
        let on = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), PORT);
        network.kernels().lock().unwrap().bind_udp(READER, on).unwrap().1
    }

    /// Everything that waits for the socket, and where the first comes from.
    fn read(network: &Network<'_>, socket: u64) -> Vec<Vec<u8>> {
        let (kernels, mut read) = (network.kernels(), Vec::new());
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(datagram) = kernels.lock().unwrap().poll_udp(READER, PORT, socket, &mut cx) {
            assert_eq!(datagram.from, SocketAddr::new(address(SENDER), 1024));
            read.push(datagram.octets);
        }
        read
    }

    #[test]
    fn datagrams_arrive_when_they_are_due_and_a_lost_one_never() {
        let sky = Sky::default();
        let mut network = network(&sky);
        let socket = bind(&network);
        send(&mut network, b"slow");
        network.go_on_to(1);
        for octets in [b"quick", b"never"] {
            send(&mut network, octets);
        }
        settle(&mut network);
        assert_eq!(read(&network, socket), [b"quick".to_vec(), b"slow".to_vec()]);
        assert_eq!(sky.0.lock().unwrap().1, ["0 sends in vain", "1 is sent", "1 is sent"]);
    }

    #[test]
    fn what_nobody_takes_is_gone() {
        let sky = Sky::default();
        let mut network = network(&sky);
        send(&mut network, b"to a port that nobody has");
        settle(&mut network);
        let socket = bind(&network);
        assert!(read(&network, socket).is_empty());
        network.kernels().lock().unwrap().close_udp(READER, PORT, socket + 1);
        network.power_off(READER);
        send(&mut network, b"to a machine without power");
        settle(&mut network);
        let happened = ["1 is sent", "1 has no use for it", "1 loses, without power"];
        assert_eq!(sky.0.lock().unwrap().1, happened);
        network.boot(READER);
        let again = bind(&network);
        assert!(read(&network, again).is_empty() && read(&network, socket).is_empty());
    }

    #[test]
    fn a_socket_holds_so_many_and_no_more() {
        let sky = Sky::default();
        let mut network = network(&sky);
        let socket = bind(&network);
        (0..2 * INBOX).for_each(|_| send(&mut network, b"x"));
        settle(&mut network);
        assert_eq!(read(&network, socket).len(), INBOX);
    }
}
