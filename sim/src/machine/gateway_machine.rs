//! The gateway's machine: the seam's simulated side around the gateway as it ships.
//!
//! The disk and the source of entropy belong to the machine and outlive the process; sockets and tasks are the
//! process's, new at each boot. A panic that the gateway itself does not catch ends the process, not the run.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use gateway::env::{BoxFuture, Env, Spawn};
use gateway::exception::{self, Exception};
use gateway::extension::Registry;
use gateway::service::{Exit, Gateway};
use tokio::sync::mpsc;

use super::VirtualWallClock;
use super::by_hand;
use super::disk::SimDisk;
use super::faulty_extension::{self, FAULTY_EXTENSION};
use super::net::RecordedNet;
use crate::draw::SeededEntropy;
use crate::engine::Seat;
use crate::peer::FaultyNames;
use crate::record::{Service, What};
use crate::scene::Scene;
use crate::trace::TracedDisk;

/// The machine that a gateway runs on. Clones are the same machine.
#[derive(Clone)]
pub(crate) struct GatewayMachine {
    scene: Scene,
    name: Arc<str>,
    pub(crate) disk: Arc<SimDisk>,
    entropy: Arc<SeededEntropy>,
    last_exit: Arc<Mutex<Option<Service>>>,
}

impl GatewayMachine {
    /// A machine with the plan's files on its disk.
    pub(crate) fn new(scene: &Scene) -> Self {
        let plan = &scene.plan;
        let disk = SimDisk::new();
        for (path, content) in &plan.gateway.files {
            by_hand::install(&disk, path, content.as_bytes());
        }
        GatewayMachine {
            scene: scene.clone(),
            name: Arc::clone(&plan.gateway.name),
            disk: Arc::new(disk),
            entropy: Arc::new(SeededEntropy::new(plan.seed.stream("gateway entropy"))),
            last_exit: Arc::default(),
        }
    }

    /// Runs the service until its process ends of itself.
    pub(crate) async fn run(self, seat: Seat) {
        let Scene { plan, clock, trace, journal, .. } = &self.scene;
        let (crashed, mut crashes) = mpsc::unbounded_channel();
        let env = Env {
            net: Arc::new(RecordedNet {
                net: seat.net,
                machine: Arc::clone(&self.name),
                journal: journal.clone(),
            }),
            disk: Arc::new(TracedDisk::new(
                Arc::clone(&self.disk) as Arc<_>,
                trace.clone(),
                Arc::clone(&self.name),
            )),
            clock: Arc::new(VirtualWallClock { starts: plan.starts, clock: Arc::clone(clock) }),
            entropy: Arc::clone(&self.entropy) as Arc<_>,
            spawn: Arc::new(GuardedSpawn { spawn: seat.spawn, crashed: crashed.clone() }),
        };
        let mut extensions = Registry::builtin();
        extensions.add(FAULTY_EXTENSION, faulty_extension::factory(&self.scene, crashed));
        let names = Arc::new(FaultyNames::new(&self.scene));
        let service = async {
            match Gateway::start(plan.gateway.config.clone(), env, names, &extensions).await {
                Ok(gateway) => match gateway.run(std::future::pending()).await {
                    Exit::Stopped => Service::Stopped,
                    Exit::Exception(exception) => Service::Died(exception),
                },
                Err(error) => Service::Refused(error.to_string()),
            }
        };
        let exit = tokio::select! {
            biased;
            exit = exception::filter(service) => exit.unwrap_or_else(Service::Died),
            Some(exception) = crashes.recv() => Service::Died(exception),
        };
        journal.note(&self.name, What::Service(exit.clone()));
        *self.last_exit.lock().unwrap_or_else(PoisonError::into_inner) = Some(exit);
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

/// Tasks whose panics end the process they belong to.
struct GuardedSpawn {
    spawn: Arc<dyn Spawn>,
    crashed: mpsc::UnboundedSender<Exception>,
}

impl Spawn for GuardedSpawn {
    fn spawn(&self, name: &'static str, task: BoxFuture<'static, ()>) {
        let crashed = self.crashed.clone();
        let task = Box::pin(async move {
            if let Err(exception) = exception::filter(task).await {
                // If nobody listens the process has ended already.
                let _ = crashed.send(exception);
            }
        });
        self.spawn.spawn(name, task);
    }
}
