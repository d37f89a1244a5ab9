//! Service control: boots the machines, sees the gateway's service end, starts it again as planned, runs the
//! administrator's errands, stops processes and machines as the plan's faults say, and says when the run is over.
//!
//! A fault that stops what does not run is passed over and has not bitten: a process that is down cannot be killed, a
//! machine without power cannot lose it. A machine whose power comes back starts its service, whoever had stopped it.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::{Action, Conductor, Look, MachineId};
use crate::machine::doom::{How, Stop};
use crate::machine::gateway_machine::GatewayMachine;
use crate::machine::{by_hand, points};
use crate::plan::{Errand, Plan, Task};
use crate::record::{Service, TOLD_TO_STOP, What};
use crate::scene::Scene;
use crate::timed::{self, TimedFaults};

/// The gateway is the first machine of every run.
pub(crate) const GATEWAY: MachineId = MachineId(0);

/// How long nothing must be left to do before the run ends: time for the last replies to be read.
pub(crate) const CALM: Duration = Duration::from_secs(10);

/// How long it goes without looking again whether anything is left to do.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What the administrator does who cuts the power.
pub(crate) const CUTS_THE_POWER: &str = "cuts the power";

/// Whether it ends the gateway's service, if it happens on the gateway's machine.
pub(crate) fn ends_the_service(what: &What) -> bool {
    match what {
        What::Service(change) => *change != Service::Starts,
        What::Administrator(does) => does == CUTS_THE_POWER,
        What::Fault(what) => [How::Kill, How::PowerCut].iter().any(|how| what == how.words()),
        _ => false,
    }
}

/// Looks after the machines of one run.
pub(crate) struct ServiceControl {
    scene: Scene,
    plan: Arc<Plan>,
    gateway: GatewayMachine,
    booted: bool,
    up: bool,
    /// Whether the power was cut and the machine has not been started since.
    without_power: bool,
    restarts: usize,
    /// How often the service was started.
    starts: usize,
    restart: Option<Restart>,
    /// The service was told to stop, and is started again so long after its end.
    restart_after_stop: Option<Duration>,
    errands: VecDeque<Errand>,
    faults: TimedFaults,
    /// The other machines that were stopped, and when each is started again.
    stopped: BTreeMap<MachineId, Duration>,
    clients_at_work: usize,
    calm_since: Option<Duration>,
    look_at: Duration,
    /// Something may have happened since the last look.
    look_is_owed: bool,
    /// When it last was asked whether the run is over.
    asked_at: Duration,
}

/// A start of the gateway's service that is to come.
#[derive(Clone, Copy)]
struct Restart {
    at: Duration,
    /// Whether it is one of those that the plan allows after an end of its own.
    counts: bool,
}

impl ServiceControl {
    pub(crate) fn new(scene: &Scene, gateway: &GatewayMachine) -> Self {
        let plan = &scene.plan;
        ServiceControl {
            scene: scene.clone(),
            plan: Arc::clone(plan),
            gateway: gateway.clone(),
            booted: false,
            up: false,
            without_power: false,
            restarts: plan.service.restarts,
            starts: 0,
            restart: None,
            restart_after_stop: None,
            errands: plan.errands.clone().into(),
            faults: TimedFaults::of(plan),
            stopped: BTreeMap::new(),
            clients_at_work: plan.clients.len(),
            calm_since: None,
            look_at: Duration::ZERO,
            look_is_owed: false,
            asked_at: Duration::ZERO,
        }
    }

    /// When the run ended.
    pub(crate) fn ended_at(&self) -> Duration {
        self.asked_at
    }

    /// Whether the service is up.
    pub(crate) fn service_is_up(&self) -> bool {
        self.up
    }

    /// After a power cut, once no process runs any more: the disk is as the next start finds it.
    pub(crate) fn lose_what_was_not_synchronised(&mut self) {
        if std::mem::take(&mut self.without_power) {
            self.gateway.disk.crash();
        }
    }

    fn start_service(&mut self, now: Duration) -> Option<Action> {
        if self.up {
            return None;
        }
        self.lose_what_was_not_synchronised();
        self.up = true;
        self.starts += 1;
        self.restart = None;
        self.restart_after_stop = None;
        self.scene.journal.note_at(now, &self.plan.gateway.name, What::Service(Service::Starts));
        Some(Action::Boot(GATEWAY))
    }

    fn run_errand(&mut self, task: &Task, now: Duration) -> Option<Action> {
        let note = |text: String| {
            self.scene.journal.note_at(now, &self.plan.gateway.name, What::Administrator(text));
        };
        match task {
            Task::CutPower => {
                note(CUTS_THE_POWER.to_owned());
                self.up = false;
                self.without_power = true;
                self.restart = None;
                Some(Action::PowerOff(GATEWAY))
            }
            Task::Start => {
                note("starts the service".to_owned());
                self.start_service(now)
            }
            Task::SetAside { message } => {
                let spool = Path::new(crate::scenario::SPOOL).join("in");
                let file = by_hand::find(&self.gateway.disk, &*self.gateway.subject, &spool, message);
                match file {
                    Some(file) => {
                        let set_aside = Path::new("/set-aside").join(&file);
                        by_hand::relocate(&self.gateway.disk, &spool.join(&file), &set_aside);
                        note(format!("moves {file} out of in"));
                    }
                    None => note(format!("finds no file of {message} in in")),
                }
                None
            }
        }
    }

    /// Stops the gateway, or one of the other machines, if there is something to stop.
    fn stop(&mut self, machine: MachineId, stop: Stop, now: Duration) -> Option<Action> {
        let restart_at = now + stop.restart_after;
        if machine == GATEWAY {
            self.stop_gateway(stop)?;
            self.restart = Some(Restart { at: restart_at, counts: false });
        } else {
            if self.stopped.contains_key(&machine) {
                return None;
            }
            self.stopped.insert(machine, restart_at);
            self.scene.points.reached(points::SERVER_STOPPED);
        }
        self.scene.bites.bit(stop.fault, now);
        self.scene.journal.note_at(now, self.name(machine), What::Fault(stop.how.words().to_owned()));
        Some(match stop.how {
            How::Kill => Action::Kill(machine),
            How::PowerCut => Action::PowerOff(machine),
        })
    }

    /// Some if there was something to stop.
    fn stop_gateway(&mut self, stop: Stop) -> Option<()> {
        let is_running = match stop.how {
            How::Kill => self.up,
            How::PowerCut => !self.without_power,
        };
        if !is_running {
            return None;
        }
        let life = self.gateway.doom.life();
        let points = match stop.how {
            How::Kill => [points::KILLED_WITH_CONNECTIONS, points::KILLED_DURING_RECOVERY],
            How::PowerCut => [points::CUT_WITH_CONNECTIONS, points::CUT_DURING_RECOVERY],
        };
        let reached = [self.up && life.has_connections(), self.up && self.starts > 1 && !life.came_up()];
        for (point, _) in points.into_iter().zip(reached).filter(|(_, reached)| *reached) {
            self.scene.points.reached(point);
        }
        if !self.up {
            self.scene.points.reached(points::CUT_WHILE_DOWN);
        }
        life.end();
        self.without_power |= stop.how == How::PowerCut;
        self.up = false;
        Some(())
    }

    /// Carries out the faults that are due: what has ended the gateway's process at this very instant comes first.
    fn meet_faults(&mut self, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        if let Some(stop) = self.gateway.doom.take_stop() {
            actions.extend(self.stop(GATEWAY, stop, now));
        }
        while let Some(fault) = self.faults.due(now) {
            match fault {
                timed::What::Stop(machine, stop) => actions.extend(self.stop(machine, stop, now)),
                timed::What::Reset(machines, fault) => actions.extend(self.reset(machines, fault, now)),
                timed::What::Ask(fault, restart_after) => self.tell_to_stop(fault, restart_after, now),
                timed::What::Vanish => self.let_files_vanish(now),
            }
        }
        actions
    }

    /// Tells the gateway's service to stop, if it runs.
    fn tell_to_stop(&mut self, fault: usize, restart_after: Duration, now: Duration) {
        if !self.up || self.restart_after_stop.is_some() {
            return;
        }
        self.restart_after_stop = Some(restart_after);
        self.scene.bites.bit(fault, now);
        let what = What::Fault(TOLD_TO_STOP.to_owned());
        self.scene.journal.note_at(now, self.name(GATEWAY), what);
        self.gateway.tell_to_stop();
    }

    /// Resets the connections between two machines, if both run.
    fn reset(&self, machines: [MachineId; 2], fault: usize, now: Duration) -> Option<Action> {
        let [a, b] = machines;
        if !self.runs(a) || !self.runs(b) {
            return None;
        }
        self.scene.bites.bit(fault, now);
        self.scene.points.reached(points::CONNECTIONS_RESET);
        let what = format!("the connections with {} are reset", self.name(b));
        self.scene.journal.note_at(now, self.name(a), What::Fault(what));
        Some(Action::Reset(a, b))
    }

    fn runs(&self, machine: MachineId) -> bool {
        if machine == GATEWAY { self.up } else { !self.stopped.contains_key(&machine) }
    }

    fn name(&self, machine: MachineId) -> &Arc<str> {
        self.plan.machines().nth(machine.0).expect("a machine that a fault names is one of the plan's")
    }

    fn let_files_vanish(&self, now: Duration) {
        if !self.without_power {
            self.gateway.let_files_vanish(now);
        }
    }

    fn nothing_is_left_to_do(&mut self) -> bool {
        let restarts =
            self.restart.is_some() || self.restart_after_stop.is_some() || !self.stopped.is_empty();
        let to_come = restarts || self.faults.next().is_some() || !self.errands.is_empty();
        let to_come = to_come || self.clients_at_work > 0;
        !to_come && (!self.up || self.gateway.spool_is_empty())
    }
}

impl Conductor for ServiceControl {
    fn act(&mut self, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        if !self.booted {
            self.booted = true;
            let peers = self.plan.machines().count();
            actions.extend(self.start_service(now));
            actions.extend((1..peers).map(|peer| Action::Boot(MachineId(peer))));
        }
        actions.extend(self.meet_faults(now));
        let due = self.stopped.extract_if(.., |_, at| *at <= now);
        actions.extend(due.map(|(machine, _)| Action::Boot(machine)));
        if let Some(restart) = self.restart.take_if(|restart| restart.at <= now) {
            self.restarts -= usize::from(restart.counts);
            actions.extend(self.start_service(now));
        }
        while let Some(errand) = self.errands.pop_front_if(|errand| errand.at <= now) {
            actions.extend(self.run_errand(&errand.task, now));
        }
        actions
    }

    fn next(&self) -> Option<Duration> {
        let errand = self.errands.front().map(|errand| errand.at);
        let look = self.look_is_owed.then_some(self.look_at);
        let calm_enough = self.calm_since.map(|since| since + CALM);
        let restart = self.restart.map(|restart| restart.at);
        let boot = self.stopped.values().min().copied();
        let end = Some(self.plan.duration);
        let times = [restart, boot, self.faults.next(), errand, look, calm_enough, end];
        times.into_iter().flatten().min()
    }

    fn ended(&mut self, machine: MachineId, now: Duration) {
        if machine != GATEWAY {
            self.clients_at_work -= 1;
            return;
        }
        self.up = false;
        let planned = matches!(self.gateway.take_exit(), Some(Service::Stopped));
        if let Some(after) = self.restart_after_stop.take().filter(|_| planned) {
            self.restart = Some(Restart { at: now + after, counts: false });
        } else if !planned && self.restarts > 0 {
            self.restart = Some(Restart { at: now + self.plan.service.restart_after, counts: true });
        }
    }

    fn look(&mut self, now: Duration) -> Look {
        self.asked_at = now;
        if now >= self.plan.duration {
            return Look::Over;
        }
        if self.gateway.doom.has_struck() {
            return Look::Act;
        }
        self.look_is_owed = now < self.look_at;
        if !self.look_is_owed {
            self.look_at = now + LOOK_EVERY;
            self.let_files_vanish(now);
            self.calm_since = if self.nothing_is_left_to_do() { self.calm_since.or(Some(now)) } else { None };
        }
        let is_over = self.calm_since.is_some_and(|since| now >= since + CALM);
        if is_over { Look::Over } else { Look::GoOn }
    }
}
