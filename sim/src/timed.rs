//! The faults that come at a time and are service control's to carry out, in the order of time.
//!
//! It knows when, and to which machine. It does not know what state the machine is in.

use std::collections::VecDeque;
use std::time::Duration;

use crate::engine::MachineId;
use crate::fault::{Fault, When};
use crate::machine::doom::Stop;
use crate::plan::Plan;
use crate::service_control::GATEWAY;

/// A fault that comes at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timed {
    pub(crate) at: Duration,
    pub(crate) what: What,
}

/// What comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A process is killed, or a machine loses its power.
    Stop(MachineId, Stop),
    /// The service is told to stop, by the line at this place in the plan, and started again so long after its end.
    Ask(usize, Duration),
    /// The connections between two machines are reset, by the line at this place in the plan.
    Reset([MachineId; 2], usize),
    /// From now on a file is to vanish: it is looked for.
    Vanish,
}

/// The faults still to come.
pub(crate) struct TimedFaults(VecDeque<Timed>);

impl TimedFaults {
    /// Those of a plan.
    pub(crate) fn of(plan: &Plan) -> Self {
        let lines = plan.faults.iter().enumerate();
        let mut timed: Vec<Timed> = lines.filter_map(|(fault, line)| timed(plan, fault, line)).collect();
        timed.sort_by_key(|timed| timed.at);
        TimedFaults(timed.into())
    }

    /// The next, if it comes by now.
    pub(crate) fn due(&mut self, now: Duration) -> Option<What> {
        self.0.pop_front_if(|timed| timed.at <= now).map(|timed| timed.what)
    }

    /// When the next comes.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.0.front().map(|timed| timed.at)
    }
}

fn timed(plan: &Plan, fault: usize, line: &Fault) -> Option<Timed> {
    let (at, what) = match line {
        Fault::Kill { machine, when: When::At(at), .. }
        | Fault::PowerCut { machine, when: When::At(at), .. } => {
            let machine = machine.as_ref().map_or(Some(GATEWAY), |name| plan.machine(name))?;
            (at, What::Stop(machine, Stop::of(fault, line)?))
        }
        Fault::Reset { between: [a, b], at } => {
            (at, What::Reset([plan.machine(a)?, plan.machine(b)?], fault))
        }
        Fault::Stop { at, restart_after } => (at, What::Ask(fault, restart_after.0)),
        Fault::FileVanishes { at, .. } => (at, What::Vanish),
        _ => return None,
    };
    Some(Timed { at: at.0, what })
}
