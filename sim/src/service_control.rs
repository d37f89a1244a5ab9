//! Service control: boots the machines, sees the gateway's service end, starts it again as planned, runs the
//! administrator's errands, and says when the run is over.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::{Action, Conductor, Look, MachineId};
use crate::machine::by_hand;
use crate::machine::gateway_machine::GatewayMachine;
use crate::mailbag::{self, Kind};
use crate::plan::{Errand, Plan, Task};
use crate::record::{Service, What};
use crate::scene::Scene;

/// The gateway is the first machine of every run.
pub(crate) const GATEWAY: MachineId = MachineId(0);

/// How long nothing must be left to do before the run ends: time for the last replies to be read.
const CALM: Duration = Duration::from_secs(10);

/// How long it goes without looking again whether anything is left to do.
const LOOK_EVERY: Duration = Duration::from_secs(1);

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
    restart_at: Option<Duration>,
    errands: VecDeque<Errand>,
    clients_at_work: usize,
    calm_since: Option<Duration>,
    look_at: Duration,
    /// Something may have happened since the last look.
    look_is_owed: bool,
    /// When it last was asked whether the run is over.
    asked_at: Duration,
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
            restart_at: None,
            errands: plan.errands.clone().into(),
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
        self.restart_at = None;
        self.scene.journal.note_at(now, &self.plan.gateway.name, What::Service(Service::Starts));
        Some(Action::Boot(GATEWAY))
    }

    fn run_errand(&mut self, task: &Task, now: Duration) -> Option<Action> {
        let note = |text: String| {
            self.scene.journal.note_at(now, &self.plan.gateway.name, What::Administrator(text));
        };
        match task {
            Task::CutPower => {
                note("cuts the power".to_owned());
                self.up = false;
                self.without_power = true;
                self.restart_at = None;
                Some(Action::PowerOff(GATEWAY))
            }
            Task::Start => {
                note("starts the service".to_owned());
                self.start_service(now)
            }
            Task::SetAside { message } => {
                let spool = Path::new(crate::scenario::SPOOL).join("in");
                let wanted = Kind::Message(message.clone());
                let file = by_hand::names(&self.gateway.disk, &spool).into_iter().find(|file| {
                    let bytes = by_hand::content(&self.gateway.disk, &spool.join(file)).unwrap_or_default();
                    gateway::spool::decode(&bytes)
                        .is_ok_and(|message| mailbag::identify(&message.content).kind == wanted)
                });
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

    fn nothing_is_left_to_do(&mut self) -> bool {
        let to_come = self.restart_at.is_some() || !self.errands.is_empty() || self.clients_at_work > 0;
        !to_come && (!self.up || self.gateway.spool_is_empty())
    }
}

impl Conductor for ServiceControl {
    fn act(&mut self, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        if !self.booted {
            self.booted = true;
            let peers = 1 + self.plan.clients.len() + self.plan.servers.len();
            actions.extend(self.start_service(now));
            actions.extend((1..peers).map(|peer| Action::Boot(MachineId(peer))));
        }
        if self.restart_at.is_some_and(|at| at <= now) {
            self.restarts -= 1;
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
        let times = [self.restart_at, errand, look, calm_enough, Some(self.plan.duration)];
        times.into_iter().flatten().min()
    }

    fn ended(&mut self, machine: MachineId, now: Duration) {
        if machine != GATEWAY {
            self.clients_at_work -= 1;
            return;
        }
        self.up = false;
        let planned = matches!(self.gateway.take_exit(), Some(Service::Stopped));
        if !planned && self.restarts > 0 {
            self.restart_at = Some(now + self.plan.service.restart_after);
        }
    }

    fn look(&mut self, now: Duration) -> Look {
        self.asked_at = now;
        if now >= self.plan.duration {
            return Look::Over;
        }
        self.look_is_owed = now < self.look_at;
        if !self.look_is_owed {
            self.look_at = now + LOOK_EVERY;
            self.calm_since = if self.nothing_is_left_to_do() { self.calm_since.or(Some(now)) } else { None };
        }
        let is_over = self.calm_since.is_some_and(|since| now >= since + CALM);
        if is_over { Look::Over } else { Look::GoOn }
    }
}
