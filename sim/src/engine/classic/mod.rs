//! The classic engine: `turmoil`, tick by tick.
//!
//! Each machine is a turmoil host with a runtime of its own. Every tick costs something for every machine, idle or
//! not, so the usual tick is coarse: 50 ms. What happens within one tick on one machine keeps its order; a segment takes
//! the link's latency rounded up to ticks.
//!
//! The order of the machines within a tick is drawn anew at each tick, by turmoil, from the run's seed.
//!
//! Not modelled here: sub-tick latency, and what `docs/what-is-not-modelled.md` lists.

mod links;
mod sockets;

use std::cell::Cell;
use std::future::pending;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use gateway::env::{BoxFuture, Spawn};

use self::links::LinkTable;
use self::sockets::{ClassicNet, Wiring};
use super::{Action, Clock, Conductor, Engine, EngineError, Links, Look, Machine, MachineId, Observer, Seat};
use crate::contain;
use crate::draw::Seed;

/// Turmoil, tick by tick.
pub struct Classic {
    tick: Duration,
}

impl Classic {
    /// With the coarse tick that keeps minutes affordable: 50 ms.
    pub const COARSE: Classic = Classic::ticking(Duration::from_millis(50));

    /// With a tick of its own: how far time moves at each step. Turmoil's own default is 1 ms.
    pub const fn ticking(tick: Duration) -> Self {
        Classic { tick }
    }
}

/// How long a sender tries, without an answer, before it gives up: Linux's fifteen repetitions.
const SEND_PATIENCE: Duration = Duration::from_secs(924);

/// How often a conductor may be asked again at one instant.
const ACTS: u32 = 1_000_000;

/// The power switch and the process of one machine, seen from outside its runtime.
#[derive(Clone, Default)]
struct Process {
    booted: Rc<Cell<bool>>,
    ended: Rc<Cell<bool>>,
}

impl Engine for Classic {
    fn name(&self) -> &'static str {
        "turmoil"
    }

    fn clock(&self) -> Clock {
        Arc::new(|| turmoil::sim_elapsed().expect("only software on a machine asks for the virtual time"))
    }

    fn contained_clock(&self) -> contain::Clock {
        // Outside a task turmoil may have no host yet, or one whose clock it has not set.
        Arc::new(|| tokio::task::try_id().and_then(|_| turmoil::sim_elapsed()))
    }

    fn run(
        &self,
        machines: Vec<Machine>,
        links: &dyn Links,
        conductor: &mut dyn Conductor,
        observer: &dyn Observer,
        seed: Seed,
    ) -> Result<(), EngineError> {
        let addresses: Vec<_> = machines.iter().map(|machine| machine.address).collect();
        let mut sim = turmoil::Builder::new()
            .tick_duration(self.tick)
            .simulation_duration(Duration::MAX)
            // Draws the order of machines and `select!`; every latency is fixed, and nothing is lost by chance.
            .rng_seed(seed.0)
            .enable_random_order()
            .tcp_capacity(1 << 16)
            .ephemeral_ports(1024..=65535)
            .build();
        let wiring = Wiring::default();
        let net = ClassicNet(wiring.clone());
        let processes =
            machines.into_iter().map(|machine| register(&mut sim, machine, net.clone())).collect();
        let links = LinkTable::new(links, addresses.clone());
        let mut run = Run { sim, wiring, processes, links, addresses, conductor, observer };
        run.until_over().map_err(|(at, why)| EngineError { engine: self.name(), at, why })
    }
}

/// One run.
struct Run<'a> {
    sim: turmoil::Sim<'a>,
    wiring: Wiring,
    processes: Vec<Process>,
    links: LinkTable<'a>,
    addresses: Vec<IpAddr>,
    conductor: &'a mut dyn Conductor,
    observer: &'a dyn Observer,
}

impl Run<'_> {
    fn until_over(&mut self) -> Result<(), (Duration, String)> {
        let mut ask_at = Some(Duration::ZERO);
        loop {
            let now = self.sim.elapsed();
            for (from, to) in self.links.tick(&self.sim, now) {
                self.wiring.give_up(from, to);
            }
            if ask_at.is_some_and(|at| at <= now) {
                self.act(now);
                ask_at = self.conductor.next();
            }
            let mut looks = 0;
            loop {
                match self.conductor.look(now) {
                    Look::GoOn => break,
                    Look::Over => return Ok(()),
                    Look::Act if looks < ACTS => self.act(now),
                    Look::Act => {
                        return Err((now, format!("the conductor acted {ACTS} times at one instant")));
                    }
                }
                looks += 1;
                ask_at = self.conductor.next();
            }
            self.sim.step().map_err(|error| (now, error.to_string()))?;
            for (id, process) in self.processes.iter().enumerate() {
                if process.ended.replace(false) {
                    self.sim.crash(self.addresses[id]);
                    self.conductor.ended(MachineId(id), self.sim.elapsed());
                    ask_at = Some(Duration::ZERO);
                }
            }
        }
    }

    fn act(&mut self, now: Duration) {
        for action in self.conductor.act(now) {
            action.note(self.observer, now);
            match action {
                Action::Boot(id) => {
                    self.processes[id.0].booted.set(true);
                    self.power(id, true, now);
                    self.sim.bounce(self.addresses[id.0]);
                }
                Action::Kill(id) => {
                    self.processes[id.0].booted.set(false);
                    self.sim.crash(self.addresses[id.0]);
                }
                Action::PowerOff(id) => {
                    self.processes[id.0].booted.set(false);
                    // What the dying sockets would say is lost with the links.
                    self.power(id, false, now);
                    self.sim.crash(self.addresses[id.0]);
                }
                Action::Reset(a, b) => self.wiring.reset(self.addresses[a.0], self.addresses[b.0]),
            }
        }
    }

    fn power(&mut self, machine: MachineId, on: bool, now: Duration) {
        self.wiring.power(self.addresses[machine.0], on);
        self.links.power(&self.sim, machine, on, now);
    }
}

/// Adds a machine, switched off.
fn register(sim: &mut turmoil::Sim<'_>, machine: Machine, net: ClassicNet) -> Process {
    let process = Process::default();
    let Process { booted, ended } = process.clone();
    let software = machine.software;
    sim.host(machine.address, move || {
        let seat = || Seat { net: Arc::new(net.clone()), spawn: Arc::new(ClassicSpawn) };
        let main = booted.get().then(|| software(seat()));
        let ended = ended.clone();
        async move {
            if let Some(main) = main {
                main.await;
                ended.set(true);
            }
            // A turmoil host that returns keeps its sockets open. The process stays until it is crashed.
            pending().await
        }
    });
    process
}

/// Tasks of a machine: turmoil drops them with the host's runtime.
struct ClassicSpawn;

impl Spawn for ClassicSpawn {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is env::Spawn; the host's runtime is current while it runs"
    )]
    fn spawn(&self, _: &'static str, task: BoxFuture<'static, ()>) {
        tokio::task::spawn_local(task);
    }
}
