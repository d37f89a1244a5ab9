//! The classic engine: `turmoil`, tick by tick.
//!
//! Each machine is a turmoil host with a runtime of its own. Every tick costs something for every machine, idle or
//! not, so the usual tick is coarse: 50 ms. What happens within one tick on one machine keeps its order; a segment takes
//! the link's latency rounded up to ticks.
//!
//! The order of machines within a tick is the order of the list: no draw of the seed changes it.
//!
//! Not modelled here: loss and reordering on a link, sub-tick latency, a SYN that is never answered.

use std::cell::Cell;
use std::future::pending;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use gateway::env::{BoxFuture, IoFuture, Listener, Net, Spawn, Stream};

use super::{Action, Clock, Conductor, Engine, EngineError, Links, Machine, MachineId, Seat};
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
        _: Seed,
    ) -> Result<(), EngineError> {
        let addresses: Vec<_> = machines.iter().map(|machine| machine.address).collect();
        let mut sim = turmoil::Builder::new()
            .tick_duration(self.tick)
            .simulation_duration(Duration::MAX)
            .rng_seed(0) // Never drawn from by what is recorded: every latency is fixed, nothing is lost.
            .tcp_capacity(1 << 16)
            .ephemeral_ports(1024..=65535)
            .build();

        let processes: Vec<_> = machines.into_iter().map(|machine| register(&mut sim, machine)).collect();
        for (a, from) in addresses.iter().enumerate() {
            for (b, to) in addresses.iter().enumerate().skip(a + 1) {
                sim.set_link_latency(*from, *to, links.latency(MachineId(a), MachineId(b)));
            }
        }

        let mut ask_at = Some(Duration::ZERO);
        loop {
            let now = sim.elapsed();
            if ask_at.is_some_and(|at| at <= now) {
                for action in conductor.act(now) {
                    match action {
                        Action::Boot(id) => {
                            processes[id.0].booted.set(true);
                            others(&addresses, id).for_each(|other| sim.repair(addresses[id.0], other));
                            sim.bounce(addresses[id.0]);
                        }
                        Action::Kill(id) => {
                            processes[id.0].booted.set(false);
                            sim.crash(addresses[id.0]);
                        }
                        Action::PowerOff(id) => {
                            processes[id.0].booted.set(false);
                            // What the dying sockets would say is lost with the link.
                            others(&addresses, id).for_each(|other| sim.partition(addresses[id.0], other));
                            sim.crash(addresses[id.0]);
                        }
                    }
                }
                ask_at = conductor.next();
            }
            if conductor.is_over(now) {
                return Ok(());
            }
            sim.step().map_err(|error| EngineError {
                engine: self.name(),
                at: now,
                why: error.to_string(),
            })?;
            for (id, process) in processes.iter().enumerate() {
                if process.ended.replace(false) {
                    sim.crash(addresses[id]);
                    conductor.ended(MachineId(id), sim.elapsed());
                    ask_at = Some(Duration::ZERO);
                }
            }
        }
    }
}

/// The addresses of all machines but one.
fn others(addresses: &[IpAddr], id: MachineId) -> impl Iterator<Item = IpAddr> {
    addresses.iter().copied().enumerate().filter(move |(other, _)| *other != id.0).map(|(_, address)| address)
}

/// Adds a machine, switched off.
fn register(sim: &mut turmoil::Sim<'_>, machine: Machine) -> Process {
    let process = Process::default();
    let Process { booted, ended } = process.clone();
    let software = machine.software;
    sim.host(machine.address, move || {
        let main =
            booted.get().then(|| software(Seat { net: Arc::new(ClassicNet), spawn: Arc::new(ClassicSpawn) }));
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

/// A machine's sockets.
struct ClassicNet;

impl Net for ClassicNet {
    fn connect(&self, to: SocketAddr) -> IoFuture<'_, Box<dyn Stream>> {
        Box::pin(async move {
            let stream = turmoil::net::TcpStream::connect(to).await?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }

    fn listen(&self, on: SocketAddr) -> IoFuture<'_, Box<dyn Listener>> {
        Box::pin(async move {
            let listener = turmoil::net::TcpListener::bind(on).await?;
            Ok(Box::new(ClassicListener(listener)) as Box<dyn Listener>)
        })
    }
}

struct ClassicListener(turmoil::net::TcpListener);

impl Listener for ClassicListener {
    fn accept(&mut self) -> IoFuture<'_, (Box<dyn Stream>, SocketAddr)> {
        Box::pin(async move {
            let (stream, from) = self.0.accept().await?;
            Ok((Box::new(stream) as Box<dyn Stream>, from))
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
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
