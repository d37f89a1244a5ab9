//! The links between the machines of a plan: the latency of each, and what the plan has go wrong on the way.
//!
//! What meets a segment is looked up for its direction. A link that is cut loses it; one that loses every so-manieth
//! counts those handed to it while it does. A segment that is held takes its latency when it is let go, and a slow
//! link's latency takes the place of the usual one.
//!
//! It knows no connections: that TCP sends again what was lost is the engine's matter.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::Duration;

use crate::engine::{Carriage, Links, MachineId};
use crate::fault::Fault;
use crate::machine::points;
use crate::record::What;
use crate::scene::Scene;

/// The links of one run.
pub(crate) struct PlannedLinks {
    scene: Scene,
    machines: usize,
    /// Each direction of each link: first the directions away from the first machine.
    directions: Vec<Direction>,
    /// The times at which something begins or ends.
    changes: BTreeSet<Duration>,
}

struct Direction {
    latency: Duration,
    troubles: Vec<Trouble>,
}

/// What a line of the plan does in one direction.
struct Trouble {
    fault: usize,
    at: Duration,
    until: Duration,
    does: Does,
    /// Whether it has been written down.
    was_said: Cell<bool>,
}

enum Does {
    Cuts,
    Holds,
    Slows(Duration),
    /// Every so-manieth is lost, and how many there were so far.
    Loses(u64, Cell<u64>),
}

impl PlannedLinks {
    /// The links of a plan.
    pub(crate) fn new(scene: &Scene) -> Self {
        let machines = scene.plan.machines().count();
        let ids = (0..machines).map(MachineId);
        let pairs = ids.clone().flat_map(|from| ids.clone().map(move |to| (from, to)));
        let directions: Vec<_> = pairs.map(|(from, to)| Direction::of(scene, from, to)).collect();
        let troubles = directions.iter().flat_map(|direction| &direction.troubles);
        let changes = troubles.flat_map(|trouble| [trouble.at, trouble.until]).collect();
        PlannedLinks { scene: scene.clone(), machines, directions, changes }
    }

    /// A line has changed what becomes of a segment. The first time it is written down: a line may meet thousands.
    fn bites(&self, trouble: &Trouble, from: MachineId, to: MachineId, now: Duration) {
        self.scene.bites.bit(trouble.fault, now);
        if trouble.was_said.replace(true) {
            return;
        }
        let name = |machine: MachineId| self.scene.plan.machines().nth(machine.0);
        let (Some(from), Some(to)) = (name(from), name(to)) else { return };
        let (what, point) = match trouble.does {
            Does::Cuts => (format!("nothing passes to {to}"), points::LINK_CUT),
            Does::Holds => (format!("what is sent to {to} is held"), points::LINK_HELD),
            Does::Slows(_) => (format!("the link to {to} is slow"), points::LINK_SLOW),
            Does::Loses(..) => (format!("the link to {to} loses segments"), points::LINK_LOSES),
        };
        self.scene.journal.note_at(now, from, What::Fault(what));
        self.scene.points.reached(point);
    }
}

impl Direction {
    fn of(scene: &Scene, from: MachineId, to: MachineId) -> Self {
        let link = if from < to { (from, to) } else { (to, from) };
        // Nobody asks for a machine's link to itself.
        let latency = scene.plan.latencies.get(&link).copied().unwrap_or_default();
        let troubles = scene.faults().filter_map(|(fault, line)| {
            let (at, until, does) = trouble(line)?;
            let was_said = Cell::new(false);
            let trouble = Trouble { fault, at, until, does, was_said };
            goes(scene, line, from, to).then_some(trouble)
        });
        Direction { latency, troubles: troubles.collect() }
    }
}

/// Whether a line acts on what goes from one machine to another.
fn goes(scene: &Scene, line: &Fault, from: MachineId, to: MachineId) -> bool {
    let ids: Vec<_> = line.machines().into_iter().map(|name| scene.plan.machine(name)).collect();
    let both_ways = !matches!(line, Fault::PartitionOneWay { .. });
    ids == [Some(from), Some(to)] || both_ways && ids == [Some(to), Some(from)]
}

fn trouble(line: &Fault) -> Option<(Duration, Duration, Does)> {
    let (at, until, does) = match line {
        Fault::Partition { at, until, .. } | Fault::PartitionOneWay { at, until, .. } => {
            (at, until, Does::Cuts)
        }
        Fault::Hold { at, until, .. } => (at, until, Does::Holds),
        Fault::SlowLink { at, until, latency, .. } => (at, until, Does::Slows(latency.0)),
        Fault::Loss { at, until, one_in, .. } => (at, until, Does::Loses(*one_in, Cell::new(0))),
        _ => return None,
    };
    Some((at.0, until.0, does))
}

impl Links for PlannedLinks {
    fn carry(&self, from: MachineId, to: MachineId, now: Duration) -> Carriage {
        let Direction { latency, troubles } = &self.directions[from.0 * self.machines + to.0];
        let (mut latency, mut held) = (*latency, None);
        for trouble in troubles.iter().filter(|trouble| trouble.at <= now && now < trouble.until) {
            let is_lost = match &trouble.does {
                Does::Cuts => true,
                Does::Loses(one_in, segments) => {
                    segments.set(segments.get() + 1);
                    if !segments.get().is_multiple_of(*one_in) {
                        continue;
                    }
                    true
                }
                Does::Holds => {
                    held = held.max(Some(trouble.until));
                    false
                }
                Does::Slows(by) => {
                    latency = *by;
                    false
                }
            };
            self.bites(trouble, from, to, now);
            if is_lost {
                return Carriage::Lost;
            }
        }
        held.map_or(Carriage::Arrives(latency), |until| Carriage::Held { until, latency })
    }

    fn next_change(&self, now: Duration) -> Option<Duration> {
        self.changes.range((std::ops::Bound::Excluded(now), std::ops::Bound::Unbounded)).next().copied()
    }
}
