//! The gateway's machine: the seam's simulated side around the software under test.
//!
//! The disk, the clock and the source of entropy belong to the machine and outlive the process; sockets and tasks are
//! the process's, new at each boot. A panic that the gateway itself does not catch ends the process, not the run.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gateway::dns::{Resolver, StubResolver};
use gateway::env::{BoxFuture, Disk, Env, Net, Spawn};
use gateway::exception::{self, Exception};
use gateway::reach::Point;
use gateway::service::Exit;
use tokio::sync::{Notify, mpsc};

use super::by_hand;
use super::clock::VirtualWallClock;
use super::disk::SimDisk;
use super::disk_faults::DiskFaults;
use super::doom::Doom;
use super::faulty_disk::FaultyDisk;
use super::faulty_extension;
use super::filter_net::FilterNet;
use super::life::{Life, Mortal};
use super::mortal_net::MortalNet;
use super::net::RecordedNet;
use crate::draw::SeededEntropy;
use crate::engine::Seat;
use crate::keys::Recalled;
use crate::peer::FaultyNames;
use crate::record::{Service, What};
use crate::scene::Scene;
use crate::subject::{Process, Subject};
use crate::trace::TracedDisk;

/// The machine that a gateway runs on. Clones are the same machine.
#[derive(Clone)]
pub(crate) struct GatewayMachine {
    scene: Scene,
    name: Arc<str>,
    pub(crate) subject: Arc<dyn Subject>,
    pub(crate) disk: Arc<SimDisk>,
    /// None if the plan has nothing that the disk needs to know of.
    disk_faults: Option<Arc<DiskFaults>>,
    pub(crate) doom: Doom,
    clock: Arc<VirtualWallClock>,
    entropy: Arc<SeededEntropy>,
    last_exit: Arc<Mutex<Option<Service>>>,
    /// Tells the process to stop. Each has its own.
    stop: Arc<Mutex<Arc<Notify>>>,
}

impl GatewayMachine {
    /// A machine with the plan's files on its disk.
    pub(crate) fn new(scene: &Scene, subject: &Arc<dyn Subject>) -> Self {
        let plan = &scene.plan;
        let disk = SimDisk::new();
        for (path, content) in &plan.gateway.files {
            by_hand::install(&disk, path, content.as_bytes());
        }
        let (disk, doom) = (Arc::new(disk), Doom::new(scene));
        GatewayMachine {
            scene: scene.clone(),
            name: Arc::clone(&plan.gateway.name),
            subject: Arc::clone(subject),
            disk_faults: DiskFaults::new(scene, subject, &disk, &doom).map(Arc::new),
            disk,
            doom,
            clock: Arc::new(VirtualWallClock::new(scene)),
            entropy: Arc::new(SeededEntropy::new(plan.seed.stream("gateway entropy"))),
            last_exit: Arc::default(),
            stop: Arc::default(),
        }
    }

    /// Runs the service until its process ends of itself.
    pub(crate) async fn run(self, seat: Seat) {
        let life = self.doom.new_life();
        let exit = Mortal::new(Box::pin(self.process(seat, &life)), life.clone()).await;
        self.scene.journal.note(&self.name, What::Service(exit.clone()));
        *self.last_exit.lock().unwrap_or_else(PoisonError::into_inner) = Some(exit);
    }

    /// The process: the service, and its end if it ends of itself.
    async fn process(&self, seat: Seat, life: &Life) -> Service {
        let Scene { plan, trace, journal, .. } = &self.scene;
        let (crashed, mut crashes) = mpsc::unbounded_channel();
        let stop: Arc<Notify> = Arc::default();
        *self.stop.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&stop);
        let bare: Arc<dyn Net> = Arc::new(MortalNet::new(seat.net, life.clone()));
        let recorded = RecordedNet {
            net: Arc::clone(&bare),
            machine: Arc::clone(&self.name),
            journal: journal.clone(),
            secrets: self.scene.secrets.clone(),
        };
        let env = Env {
            net: match plan.milters.is_empty() {
                true => Arc::new(recorded),
                false => Arc::new(FilterNet { recorded, bare: Arc::clone(&bare), scene: self.scene.clone() }),
            },
            disk: Arc::new(TracedDisk::new(self.disk_of(life), trace.clone(), Arc::clone(&self.name))),
            clock: Arc::clone(&self.clock) as Arc<_>,
            entropy: Arc::clone(&self.entropy) as Arc<_>,
            keys: Arc::new(Recalled),
            spawn: Arc::new(GuardedSpawn { spawn: seat.spawn, crashed: crashed.clone(), life: life.clone() }),
        };
        let process = Process {
            plan: Arc::clone(plan),
            // What it says to name servers is no SMTP.
            names: self.resolver(&Env { net: bare, ..env.clone() }),
            env,
            stop: Box::pin(async move { stop.notified().await }),
            extension: faulty_extension::factory(&self.scene, crashed),
            life: life.clone(),
        };
        let service = async {
            match self.subject.run(process).await {
                Ok(Exit::Stopped) => Service::Stopped,
                Ok(Exit::Exception(exception)) => Service::Died(exception),
                Err(why) => Service::Refused(why),
            }
        };
        tokio::select! {
            biased;
            exit = exception::filter(service) => exit.unwrap_or_else(Service::Died),
            Some(exception) = crashes.recv() => Service::Died(exception),
        }
    }

    /// Who looks names up: the gateway's own resolver, if the plan has a name server for it to ask.
    fn resolver(&self, env: &Env) -> Arc<dyn Resolver> {
        let plan = &self.scene.plan;
        if plan.name_server.is_none() {
            return Arc::new(FaultyNames::new(&self.scene));
        }
        let resolver = StubResolver::new(&plan.gateway.config.dns, env);
        Arc::new(resolver.expect("the plan names the server, so the machine's settings are not asked"))
    }

    /// The disk as one process has it.
    fn disk_of(&self, life: &Life) -> Arc<dyn Disk> {
        match &self.disk_faults {
            Some(faults) => Arc::new(FaultyDisk::new(Arc::clone(faults), life.clone())),
            None => Arc::clone(&self.disk) as Arc<_>,
        }
    }

    /// The process logs an event; if it has ended in this very turn, nobody reads it.
    pub(crate) fn logs(&self, event: gateway::eventlog::Entry) {
        if self.doom.life().is_over() {
            return;
        }
        let id = event.id;
        self.scene.journal.note(&self.name, What::Event(event));
        self.doom.logged(id);
    }

    /// Tells the process to stop, when it has come up.
    pub(crate) fn tell_to_stop(&self) {
        self.stop.lock().unwrap_or_else(PoisonError::into_inner).notify_one();
    }

    /// The process reaches a point, if it has not ended.
    pub(crate) fn reaches(&self, point: Point) {
        if !self.doom.life().is_over() {
            self.scene.points.reached(point.name());
        }
    }

    /// Removes the files that the plan has vanish by now, where they are there.
    pub(crate) fn let_files_vanish(&self, now: Duration) {
        if let Some(faults) = &self.disk_faults {
            faults.let_vanish(None, now);
        }
    }

    /// How the process ended last, asked once.
    pub(crate) fn take_exit(&self) -> Option<Service> {
        self.last_exit.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether no message is waiting in the spool or being written.
    pub(crate) fn spool_is_empty(&self) -> bool {
        ["work", "in", "out"].iter().all(|folder| {
            let folder = Path::new(crate::scenario::SPOOL).join(folder);
            by_hand::names(&self.disk, &folder).is_empty()
        })
    }
}

/// Tasks that end with the process they belong to, and whose panics end it.
struct GuardedSpawn {
    spawn: Arc<dyn Spawn>,
    crashed: mpsc::UnboundedSender<Exception>,
    life: Life,
}

impl Spawn for GuardedSpawn {
    fn spawn(&self, name: &'static str, task: BoxFuture<'static, ()>) {
        if self.life.is_over() {
            return;
        }
        let crashed = self.crashed.clone();
        let task = Box::pin(async move {
            if let Err(exception) = exception::filter(task).await {
                // If nobody listens the process has ended already.
                let _ = crashed.send(exception);
            }
        });
        self.spawn.spawn(name, Box::pin(Mortal::new(task, self.life.clone())));
    }
}
