//! The leaping engine: `turmoil-net`'s sockets, and a run loop that goes from event to event.
//!
//! One paused tokio runtime carries the tasks of every machine. When all of them wait, nothing more can happen at
//! this instant; then the loop collects what they sent, and time leaps to the next segment, timer or action. Idle
//! time costs nothing.
//!
//! Where several arrivals and actions are due at the same instant, a draw of the seed decides which goes first, and
//! everything that it moves runs until it waits before the next one follows. Tasks that are ready at the same time
//! run in the runtime's order, in which no draw has a part.
//!
//! The loop knows no mail, no plan, no socket. It does not know a task that computes for ever without an `await`:
//! that one stops it.

mod network;
mod process;
mod sockets;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use tokio::runtime::{Builder, LocalOptions, RngSeed};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use self::network::{Flow, Network};
use self::process::Processes;
use self::sockets::LeapNet;
use super::{Action, Clock, Conductor, Engine, EngineError, Links, Machine, MachineId, Seat};
use crate::contain;
use crate::draw::{Seed, between};

/// From event to event.
pub struct Leap;

/// After so long without any event, nothing is left to happen.
const FOR_EVER: Duration = Duration::from_hours(365 * 24);

impl Engine for Leap {
    fn name(&self) -> &'static str {
        "leap"
    }

    fn clock(&self) -> Clock {
        Arc::new(process::now)
    }

    fn contained_clock(&self) -> contain::Clock {
        Arc::new(process::try_now)
    }

    fn run(
        &self,
        machines: Vec<Machine>,
        links: &dyn Links,
        conductor: &mut dyn Conductor,
        seed: Seed,
    ) -> Result<(), EngineError> {
        let quiet = Arc::new(Quiet::default());
        let hook = Arc::clone(&quiet);
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .rng_seed(RngSeed::from_bytes(&seed.0.to_le_bytes()))
            .on_thread_park(move || hook.nothing_is_ready())
            .build_local(LocalOptions::default())
            .expect("a runtime without input and output asks nothing of the system");
        runtime.block_on(async {
            let mut run = Run::new(machines, links, conductor, seed, quiet);
            let outcome = run.until_over().await;
            outcome.map_err(|why| EngineError { engine: self.name(), at: process::now(), why })
        })
    }
}

/// Tells the run loop that every task waits.
#[derive(Default)]
struct Quiet {
    /// Whether a task ran since the loop last looked.
    moved: AtomicBool,
    look: Notify,
}

impl Quiet {
    /// The runtime has nothing to run and would wait for its next timer.
    fn nothing_is_ready(&self) {
        if self.moved.swap(false, Ordering::Relaxed) {
            self.look.notify_one();
        }
    }

    /// Waits until every task waits.
    async fn settle(&self) {
        self.moved.store(true, Ordering::Relaxed);
        self.look.notified().await;
    }
}

/// What can be due.
enum Event {
    /// The conductor wants to be asked.
    Conductor,
    /// The next segment of a flow arrives.
    Arrival(Flow),
}

/// One run. The fields are dropped in their order: what has sockets goes before the network.
struct Run<'a> {
    processes: Processes,
    machines: Vec<Machine>,
    network: Network<'a>,
    conductor: &'a mut dyn Conductor,
    /// When the conductor was last asked what to do. None if it is to be asked in any case.
    asked: Option<Duration>,
    order: ChaCha8Rng,
    quiet: Arc<Quiet>,
    start: Instant,
}

impl<'a> Run<'a> {
    fn new(
        machines: Vec<Machine>,
        links: &'a dyn Links,
        conductor: &'a mut dyn Conductor,
        seed: Seed,
        quiet: Arc<Quiet>,
    ) -> Self {
        let names = machines.iter().map(|machine| machine.name.clone()).collect();
        let addresses = machines.iter().map(|machine| machine.address).collect();
        Run {
            processes: Processes::enter(names, Arc::clone(&quiet)),
            machines,
            network: Network::enter(addresses, links),
            conductor,
            asked: None,
            order: seed.stream("same-instant order"),
            quiet,
            start: Instant::now(),
        }
    }

    /// Runs until the conductor says that it is over.
    async fn until_over(&mut self) -> Result<(), String> {
        loop {
            match self.next_event() {
                Some(Event::Conductor) => self.act(),
                Some(Event::Arrival(flow)) => self.network.deliver(&flow),
                None => {
                    self.network.collect();
                    if self.network.next().is_some_and(|due| due <= Instant::now()) {
                        continue;
                    }
                    let due = self.leap().await?;
                    // The timers of the machines that are due at the same instant go before or after.
                    if due && between(&mut self.order, 0, 1) == 0 {
                        continue;
                    }
                }
            }
            self.quiet.settle().await;
            if let Some(why) = self.processes.broken() {
                return Err(why);
            }
            let now = process::now();
            for machine in self.processes.take_ended() {
                self.conductor.ended(machine, now);
                self.asked = None;
            }
            if self.conductor.is_over(now) {
                return Ok(());
            }
        }
    }

    /// One of the events that are due now.
    fn next_event(&mut self) -> Option<Event> {
        let now = Instant::now();
        let asks = self.ask_at().is_some_and(|at| at <= now);
        let arrivals = self.network.due(now).count();
        let choices = arrivals + usize::from(asks);
        let choice = match choices {
            0 => return None,
            1 => 0,
            _ => between(&mut self.order, 0, choices as u64 - 1) as usize,
        };
        let arrival = self.network.due(now).nth(choice).copied();
        Some(arrival.map_or(Event::Conductor, Event::Arrival))
    }

    /// When the conductor is to be asked, if it is.
    fn ask_at(&self) -> Option<Instant> {
        match self.asked {
            None => Some(self.start),
            Some(asked) => self.start.checked_add(self.conductor.next().filter(|at| *at > asked)?),
        }
    }

    /// Goes on to the next instant at which something is due, or at which a timer of a machine moved it. True if
    /// something is due.
    async fn leap(&self) -> Result<bool, String> {
        let next = self.ask_at().into_iter().chain(self.network.next()).min();
        tokio::select! {
            biased;
            () = self.quiet.look.notified() => Ok(false),
            () = sleep_until(next.unwrap_or_else(|| Instant::now() + FOR_EVER)) => match next {
                Some(_) => Ok(true),
                None => Err("nothing is left to happen, and the run is not over".to_owned()),
            },
        }
    }

    fn act(&mut self) {
        let now = process::now();
        self.asked = Some(now);
        for action in self.conductor.act(now) {
            match action {
                Action::Boot(machine) => self.boot(machine),
                Action::Kill(machine) => self.processes.end(machine),
                Action::PowerOff(machine) => {
                    self.processes.end(machine);
                    self.network.power_off(machine);
                }
            }
            self.network.collect();
        }
    }

    fn boot(&mut self, machine: MachineId) {
        self.processes.end(machine);
        let net = LeapNet::new(self.network.boot(machine), self.network.stirred());
        let spawn = self.processes.start(machine);
        let seat = Seat { net: Arc::new(net), spawn: Arc::new(spawn) };
        let main = (self.machines[machine.0].software)(seat);
        self.processes.run_main(machine, main);
    }
}
