//! What ends the gateway's process at an exact moment: right after an event, or at an operation on its disk.
//!
//! Here a line of the plan becomes a [`Stop`], and the [`Life`] of the process ends on the spot. What becomes of the
//! machine is service control's to do, at the same instant. Counts go on over the whole run, whichever process counts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::life::Life;
use crate::fault::{DiskFolder, DiskOp, Fault, When};
use crate::scene::Scene;

/// A line of the plan that stops a process or a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stop {
    /// The line's place in the plan.
    pub(crate) fault: usize,
    pub(crate) how: How,
    /// How long afterwards it is started again.
    pub(crate) restart_after: Duration,
}

/// What is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// The process: its kernel closes its sockets.
    Kill,
    /// The machine: nobody is told, and what was not synchronised is gone.
    PowerCut,
}

impl Stop {
    /// What a line of the plan stops, if it does.
    pub(crate) fn of(fault: usize, line: &Fault) -> Option<Stop> {
        let (how, restart_after) = match line {
            Fault::Kill { restart_after, .. } => (How::Kill, restart_after),
            Fault::PowerCut { restart_after, .. }
            | Fault::TornWrite { restart_after, .. }
            | Fault::LostData { restart_after, .. }
            | Fault::LostRename { restart_after, .. } => (How::PowerCut, restart_after),
            _ => return None,
        };
        Some(Stop { fault, how, restart_after: restart_after.0 })
    }
}

impl How {
    /// What the administrator finds to have happened.
    pub(crate) fn words(self) -> &'static str {
        match self {
            How::Kill => "the process is killed",
            How::PowerCut => "the power is cut",
        }
    }
}

/// Where in relation to the operation that it waits for a stop comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    Before,
    Halfway,
    After,
}

/// The operation that a line of the plan stops the machine at.
pub(super) fn at_operation(line: &Fault) -> Option<(DiskOp, DiskFolder, u64, Moment)> {
    match line {
        Fault::Kill { when: When::Disk { op, folder, nth }, .. }
        | Fault::PowerCut { when: When::Disk { op, folder, nth }, .. } => {
            Some((*op, *folder, *nth, Moment::Before))
        }
        Fault::TornWrite { folder, nth, .. } => Some((DiskOp::Write, *folder, *nth, Moment::Halfway)),
        Fault::LostData { folder, nth, .. } => Some((DiskOp::Sync, *folder, *nth, Moment::Before)),
        Fault::LostRename { folder, nth, .. } => Some((DiskOp::Rename, *folder, *nth, Moment::After)),
        _ => None,
    }
}

/// The lives of the gateway's processes, one after another, and what ends them. Clones are the same.
#[derive(Clone)]
pub(crate) struct Doom(Arc<State>);

struct State {
    /// An event's number, which of them, and the stop.
    at_events: Vec<(u16, u64, Stop)>,
    logged: Mutex<BTreeMap<u16, u64>>,
    life: Mutex<Life>,
    struck: AtomicBool,
    stop: Mutex<Option<Stop>>,
}

impl Doom {
    pub(super) fn new(scene: &Scene) -> Self {
        let at_events = scene.faults().filter_map(|(fault, line)| match line {
            Fault::Kill { when: When::Event { id, nth }, .. }
            | Fault::PowerCut { when: When::Event { id, nth }, .. } => {
                Stop::of(fault, line).map(|stop| (*id, *nth, stop))
            }
            _ => None,
        });
        Doom(Arc::new(State {
            at_events: at_events.collect(),
            logged: Mutex::default(),
            life: Mutex::default(),
            struck: AtomicBool::default(),
            stop: Mutex::default(),
        }))
    }

    /// A process begins.
    pub(super) fn new_life(&self) -> Life {
        let life = Life::default();
        *lock(&self.0.life) = life.clone();
        life
    }

    /// The life of the process that runs, or that ran last.
    pub(crate) fn life(&self) -> Life {
        lock(&self.0.life).clone()
    }

    /// The process has logged an event.
    pub(crate) fn logged(&self, id: u16) {
        if self.0.at_events.is_empty() {
            return;
        }
        let count = {
            let mut logged = lock(&self.0.logged);
            let count = logged.entry(id).or_default();
            *count += 1;
            *count
        };
        if let Some((.., stop)) = self.0.at_events.iter().find(|(at, nth, _)| (*at, *nth) == (id, count)) {
            self.strike(*stop);
        }
    }

    /// The process ends here.
    pub(super) fn strike(&self, stop: Stop) {
        lock(&self.0.life).end();
        *lock(&self.0.stop) = Some(stop);
        self.0.struck.store(true, Ordering::Relaxed);
    }

    /// Whether a process has ended and service control has not done its part.
    pub(crate) fn has_struck(&self) -> bool {
        self.0.struck.load(Ordering::Relaxed)
    }

    /// What has ended the process, asked once.
    pub(crate) fn take_stop(&self) -> Option<Stop> {
        self.0.struck.store(false, Ordering::Relaxed);
        lock(&self.0.stop).take()
    }
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}
