//! Turmoil's links, set to what the plan's do at the moment.
//!
//! Turmoil never sends a segment again. A link that loses segments therefore holds them here until it is whole
//! again; what has waited for as long as a sender tries breaks its connection. Turmoil holds a link both ways: of one
//! that is shut one way only, what goes the other way is let through at each tick, without its latency.
//!
//! This module knows no process and no conductor.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::super::{Carriage, Links, MachineId};
use super::SEND_PATIENCE;

/// What a link does, both ways together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// Nothing comes through from the lower machine to the higher; or the other way; or both.
    Shut([Way; 2]),
    /// A machine has no power. What is on the link is lost.
    Dead,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Open,
    Held,
    Lossy,
}

/// The links of a run.
pub(super) struct LinkTable<'a> {
    links: &'a dyn Links,
    addresses: Vec<IpAddr>,
    powered: Vec<bool>,
    states: BTreeMap<(usize, usize), State>,
    change_at: Option<Duration>,
    /// Since when something waits on a link that loses it: from, to.
    waiting: BTreeMap<(SocketAddr, SocketAddr), Duration>,
}

impl<'a> LinkTable<'a> {
    pub(super) fn new(links: &'a dyn Links, addresses: Vec<IpAddr>) -> Self {
        LinkTable {
            links,
            powered: vec![false; addresses.len()],
            addresses,
            states: BTreeMap::new(),
            change_at: Some(Duration::ZERO),
            waiting: BTreeMap::new(),
        }
    }

    /// Switches a machine on or off.
    pub(super) fn power(&mut self, sim: &turmoil::Sim<'_>, machine: MachineId, on: bool, now: Duration) {
        self.powered[machine.0] = on;
        self.set_all(sim, now);
    }

    /// Sets the links again, if one of them changes now. To be called at each tick; gives the connections of which a
    /// sender has tried for too long: from, to.
    pub(super) fn tick(&mut self, sim: &turmoil::Sim<'_>, now: Duration) -> Vec<(SocketAddr, SocketAddr)> {
        if self.change_at.is_some_and(|at| at <= now) {
            self.set_all(sim, now);
            self.change_at = self.links.next_change(now);
        }
        if !self.states.values().any(|state| matches!(state, State::Shut(_))) {
            self.waiting.clear();
            return Vec::new();
        }
        let mut waiting = BTreeMap::new();
        sim.links(|links| {
            for segment in links.flatten() {
                let (from, to) = segment.pair();
                match self.way(from.ip(), to.ip()) {
                    Some((State::Shut(_), Way::Open)) => segment.deliver(),
                    Some((_, Way::Lossy)) => {
                        let since = self.waiting.get(&(from, to)).copied().unwrap_or(now);
                        waiting.insert((from, to), since);
                    }
                    _ => {}
                }
            }
        });
        self.waiting = waiting;
        let gave_up = self.waiting.iter().filter(|(_, since)| now >= **since + SEND_PATIENCE);
        gave_up.map(|(flow, _)| *flow).collect()
    }

    fn way(&self, from: IpAddr, to: IpAddr) -> Option<(State, Way)> {
        let number = |ip| self.addresses.iter().position(|address| *address == ip);
        let (from, to) = (number(from)?, number(to)?);
        let state = *self.states.get(&(from.min(to), from.max(to)))?;
        let way = if let State::Shut(ways) = state { ways[usize::from(from > to)] } else { Way::Open };
        Some((state, way))
    }

    fn set_all(&mut self, sim: &turmoil::Sim<'_>, now: Duration) {
        for low in 0..self.addresses.len() {
            for high in low + 1..self.addresses.len() {
                self.set(sim, low, high, now);
            }
        }
    }

    fn set(&mut self, sim: &turmoil::Sim<'_>, low: usize, high: usize, now: Duration) {
        let carry = |from, to| self.links.carry(MachineId(from), MachineId(to), now);
        let both = [carry(low, high), carry(high, low)];
        let (a, b) = (self.addresses[low], self.addresses[high]);
        let latency = both.iter().filter_map(|carriage| match carriage {
            Carriage::Arrives(latency) => Some(*latency),
            _ => None,
        });
        if let Some(latency) = latency.max() {
            sim.set_link_latency(a, b, latency);
        }
        let ways = both.map(|carriage| match carriage {
            Carriage::Arrives(_) => Way::Open,
            Carriage::Held { .. } => Way::Held,
            Carriage::Lost => Way::Lossy,
        });
        let state = match ways {
            _ if !(self.powered[low] && self.powered[high]) => State::Dead,
            [Way::Open, Way::Open] => State::Open,
            ways => State::Shut(ways),
        };
        if self.states.insert((low, high), state) != Some(state) {
            match state {
                State::Open => sim.release(a, b),
                State::Shut(_) => sim.hold(a, b),
                State::Dead => sim.partition(a, b),
            }
        }
    }
}
