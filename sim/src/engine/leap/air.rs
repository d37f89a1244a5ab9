//! The datagrams that are on their way.
//!
//! A datagram goes over its link once, by the same rules as a segment, and arrives when it is due, whatever was sent
//! before it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::MachineId;
use super::network::{Fate, Turn, decimal};
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
