//! Service control of a live run: it starts the process, sees it end, starts it again as planned, does what the
//! administrator does, and says when the run is over: when the [simulator's](crate::service_control) would.

use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use gateway::eventlog::Entry;

use super::home::Home;
use super::process::{Process, Said};
use crate::machine::doom::Stop;
use crate::plan::{Errand, Task};
use crate::record::{Service, What};
use crate::scene::Scene;
use crate::service_control::{CALM, CUTS_THE_POWER};
use crate::timed::{self, TimedFaults};

/// Looks after the gateway of one run.
pub(super) struct Control<'a> {
    scene: &'a Scene,
    home: &'a Home,
    /// What starts the process.
    command: &'a dyn Fn() -> Command,
    process: Option<Process>,
    restarts: usize,
    restart: Option<Restart>,
    restart_after_stop: Option<Duration>,
    errands: VecDeque<Errand>,
    faults: TimedFaults,
    calm_since: Option<Duration>,
}

/// A start that is to come.
struct Restart {
    at: Duration,
    /// Whether it is one of those that the plan allows after an end of its own.
    counts: bool,
}

impl<'a> Control<'a> {
    pub(super) fn new(scene: &'a Scene, home: &'a Home, command: &'a dyn Fn() -> Command) -> Self {
        let plan = &scene.plan;
        Control {
            scene,
            home,
            command,
            process: None,
            restarts: plan.service.restarts,
            restart: None,
            restart_after_stop: None,
            errands: plan.errands.clone().into(),
            faults: TimedFaults::of(plan),
            calm_since: None,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.process.is_some()
    }

    /// Starts the service, if it is down.
    pub(super) fn start(&mut self) -> io::Result<()> {
        if self.is_up() {
            return Ok(());
        }
        (self.restart, self.restart_after_stop) = (None, None);
        self.note(What::Service(Service::Starts));
        let complaints = self.home.at("/complaints");
        self.process = Some(Process::start((self.command)(), complaints)?);
        Ok(())
    }

    /// What the process says next: nothing once it has ended.
    pub(super) async fn hears(&mut self) -> Option<Said> {
        match &mut self.process {
            Some(process) => process.said.recv().await,
            None => pending().await,
        }
    }

    /// The process has said this.
    pub(super) fn heard(&mut self, said: Option<Said>) -> io::Result<()> {
        match said {
            None => self.ended()?,
            Some(Said::Bit { fault }) => self.scene.bit(fault),
            Some(Said::Event { id, severity, category, text: description }) => {
                let event = Entry { id, severity, category, description };
                if let Some(process) = &mut self.process {
                    process.logged(&event);
                }
                self.note(What::Event(event));
            }
        }
        Ok(())
    }

    fn ended(&mut self) -> io::Result<()> {
        let Some(process) = self.process.take() else { return Ok(()) };
        let how = process.end()?;
        let was_planned = how == Service::Stopped;
        self.note(What::Service(how));
        let now = self.scene.now();
        if let Some(after) = self.restart_after_stop.take().filter(|_| was_planned) {
            self.restart = Some(Restart { at: now + after, counts: false });
        } else if !was_planned && self.restarts > 0 {
            self.restart = Some(Restart { at: now + self.scene.plan.service.restart_after, counts: true });
        }
        Ok(())
    }

    /// Does what is due. `clients` says whether one has something left to do. True if the run is over.
    pub(super) fn act(&mut self, clients: bool) -> io::Result<bool> {
        let now = self.scene.now();
        while let Some(fault) = self.faults.due(now) {
            match fault {
                timed::What::Stop(_, stop) => self.stop(stop)?,
                timed::What::Ask(fault, restart_after) => self.tell_to_stop(fault, restart_after)?,
                timed::What::Reset(..) | timed::What::Vanish => unreachable!("such a plan is not live"),
            }
        }
        if let Some(restart) = self.restart.take_if(|restart| restart.at <= now) {
            self.restarts -= usize::from(restart.counts);
            self.start()?;
        }
        while let Some(errand) = self.errands.pop_front_if(|errand| errand.at <= now) {
            self.run_errand(&errand.task)?;
        }
        let is_calm = !clients && self.nothing_is_left_to_do();
        self.calm_since = if is_calm { self.calm_since.or(Some(now)) } else { None };
        Ok(now >= self.scene.plan.duration || self.calm_since.is_some_and(|since| now >= since + CALM))
    }

    fn nothing_is_left_to_do(&self) -> bool {
        let to_come = self.restart.is_some()
            || self.restart_after_stop.is_some()
            || self.faults.next().is_some()
            || !self.errands.is_empty();
        !to_come && (!self.is_up() || self.home.spool_is_empty())
    }

    fn stop(&mut self, stop: Stop) -> io::Result<()> {
        let Some(process) = self.process.take() else { return Ok(()) };
        process.kill()?;
        let now = self.scene.now();
        self.restart = Some(Restart { at: now + stop.restart_after, counts: false });
        self.scene.bites.bit(stop.fault, now);
        self.note(What::Fault(stop.how.words().to_owned()));
        Ok(())
    }

    fn tell_to_stop(&mut self, fault: usize, restart_after: Duration) -> io::Result<()> {
        let Some(process) = self.process.as_ref().filter(|_| self.restart_after_stop.is_none()) else {
            return Ok(());
        };
        process.tell_to_stop()?;
        self.restart_after_stop = Some(restart_after);
        self.scene.bit(fault);
        self.note(What::Fault("the service is told to stop".to_owned()));
        Ok(())
    }

    fn run_errand(&mut self, task: &Task) -> io::Result<()> {
        let note = |what: String| self.note(What::Administrator(what));
        match task {
            Task::Start => {
                note("starts the service".to_owned());
                self.start()
            }
            Task::CutPower => {
                note(CUTS_THE_POWER.to_owned());
                self.restart = None;
                self.process.take().map_or(Ok(()), Process::kill)
            }
            Task::SetAside { message } => {
                note(match self.home.set_aside(message)? {
                    Some(file) => format!("moves {file} out of in"),
                    None => format!("finds no file of {message} in in"),
                });
                Ok(())
            }
        }
    }

    fn note(&self, what: What) {
        self.scene.journal.note(&Arc::clone(&self.scene.plan.gateway.name), what);
    }
}
