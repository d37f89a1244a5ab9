//! The gateway's clock: when the run began, the virtual time since, and what the plan has wrong with it.
//!
//! It is the time of day alone that jumps. Timers go by virtual time, and so do all the times that a Record gives.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gateway::env::WallClock;
use jiff::{SignedDuration, Timestamp};

use super::{at, points};
use crate::fault::Fault;
use crate::record::What;
use crate::scene::Scene;

/// The time of day on the gateway's machine, over the whole run.
pub(super) struct VirtualWallClock {
    scene: Scene,
    machine: Arc<str>,
    steps: Vec<Step>,
}

/// A fault that puts the clock wrong.
struct Step {
    fault: usize,
    at: Duration,
    by: SignedDuration,
    /// Whether somebody has read the clock since.
    was_seen: AtomicBool,
}

impl VirtualWallClock {
    pub(super) fn new(scene: &Scene) -> Self {
        let steps = scene.faults().filter_map(|(fault, line)| {
            let (at, by) = match line {
                Fault::ClockJump { at, by } => (at.0, by.0),
                Fault::ClockSkew { by } => (Duration::ZERO, by.0),
                _ => return None,
            };
            Some(Step { fault, at, by, was_seen: AtomicBool::new(false) })
        });
        let (machine, steps) = (Arc::clone(&scene.plan.gateway.name), steps.collect());
        VirtualWallClock { scene: scene.clone(), machine, steps }
    }

    fn is_seen(&self, step: &Step, now: Duration) {
        self.scene.bites.bit(step.fault, now);
        let way = if step.by.is_negative() { "back" } else { "forward" };
        let what = format!("the clock is found set {way} by {:#}", step.by.abs());
        self.scene.journal.note_at(now, &self.machine, What::Fault(what));
        if step.by.is_negative() {
            self.scene.points.reached(points::CLOCK_SET_BACK);
        }
    }
}

impl WallClock for VirtualWallClock {
    fn now(&self) -> Timestamp {
        let now = self.scene.now();
        let mut wrong_by = SignedDuration::ZERO;
        for step in self.steps.iter().filter(|step| step.at <= now) {
            wrong_by = wrong_by.saturating_add(step.by);
            if !step.was_seen.swap(true, Ordering::Relaxed) {
                self.is_seen(step, now);
            }
        }
        let right = at(self.scene.plan.starts, now);
        let furthest = if wrong_by.is_negative() { Timestamp::MIN } else { Timestamp::MAX };
        right.checked_add(wrong_by).unwrap_or(furthest)
    }
}
