//! The leaping engine: a run loop that goes from event to event.
//!
//! At one instant there is a choice between the tasks that are ready, the segments that arrive, and the conductor. A
//! draw of the seed decides, for one of them at a time, until nothing is left; then time leaps to the next segment,
//! timer or action. Nothing is left to the order in which things came about, and idle time costs nothing.
//!
//! Timers are tokio's: the loop is the one future of a paused runtime, which moves its clock when the loop waits.
//!
//! The loop knows no mail, no plan, no socket. It does not know a task that computes for ever without an `await`:
//! that one stops it.

mod air;
mod fate;
#[cfg(test)]
mod growth;
mod kernels;
mod network;
mod sockets;
mod tasks;
mod tcp;
mod udp;
mod wire;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use tokio::runtime::{Builder, RngSeed};
use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep};

use self::network::Network;
use self::sockets::LeapNet;
use self::tasks::Tasks;
use super::{Action, Clock, Conductor, Engine, EngineError, Links, Look, Machine, MachineId, Observer, Seat};
use crate::contain;
use crate::draw::{Seed, between};

/// From event to event.
pub struct Leap;

/// After so long without any event, nothing is left to happen.
const FOR_EVER: Duration = Duration::from_hours(365 * 24);

/// How much may happen at one instant: many times what the busiest run needs, and a second's work.
const STEPS: u32 = 1_000_000;

impl Engine for Leap {
    fn name(&self) -> &'static str {
        "leap"
    }

    fn clock(&self) -> Clock {
        Arc::new(tasks::now)
    }

    fn contained_clock(&self) -> contain::Clock {
        Arc::new(tasks::try_now)
    }

    fn run(
        &self,
        machines: Vec<Machine>,
        links: &dyn Links,
        conductor: &mut dyn Conductor,
        observer: &dyn Observer,
        seed: Seed,
    ) -> Result<(), EngineError> {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .rng_seed(RngSeed::from_bytes(&seed.0.to_le_bytes()))
            .build()
            .expect("a runtime without input and output asks nothing of the system");
        // What the loop polls would else be made to wait when the runtime finds that it has had its share.
        runtime.block_on(unconstrained(async {
            let mut run = Run::new(machines, links, conductor, observer, seed);
            let outcome = poll_fn(|cx| run.poll(cx)).await;
            outcome.map_err(|why| EngineError { engine: self.name(), at: tasks::now(), why })
        }))
    }
}

/// One run. The fields are dropped in their order: what has sockets goes before the network.
struct Run<'a> {
    tasks: Tasks,
    machines: Vec<Machine>,
    network: Network<'a>,
    conductor: &'a mut dyn Conductor,
    observer: &'a dyn Observer,
    order: ChaCha8Rng,
    start: Instant,
    now: Duration,
    /// How much has happened at this instant.
    steps: u32,
    /// When the conductor was last asked what to do. None if it is to be asked in any case.
    asked: Option<Duration>,
    /// Until the next segment or action; none if there is none.
    leap: Pin<Box<Sleep>>,
    leap_to: Option<Duration>,
}

/// One of the things that can happen next.
enum Event {
    Task(usize),
    Segment(usize),
    Conductor,
}

impl<'a> Run<'a> {
    fn new(
        machines: Vec<Machine>,
        links: &'a dyn Links,
        conductor: &'a mut dyn Conductor,
        observer: &'a dyn Observer,
        seed: Seed,
    ) -> Self {
        let names = machines.iter().map(|machine| machine.name.clone()).collect();
        let addresses = machines.iter().map(|machine| machine.address).collect();
        Run {
            tasks: Tasks::enter(names),
            machines,
            network: Network::new(addresses, links, observer),
            conductor,
            observer,
            order: seed.stream("same-instant order"),
            start: Instant::now(),
            now: Duration::ZERO,
            steps: 0,
            asked: None,
            leap: Box::pin(sleep(FOR_EVER)),
            leap_to: None,
        }
    }

    /// Does all that is to be done at this instant, then waits for the next.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), String>> {
        let now = self.start.elapsed();
        if now > self.now {
            (self.now, self.steps) = (now, 0);
        }
        self.tasks.go_on_to(now);
        self.network.go_on_to(now.as_millis() as u64);
        if let Some(outcome) = self.do_what_is_due() {
            return Poll::Ready(outcome);
        }
        self.tasks.rest(cx.waker());
        self.wait_for_the_next(cx)
    }

    /// Until nothing is left to happen at this instant, or the run is over.
    fn do_what_is_due(&mut self) -> Option<Result<(), String>> {
        while let Some(event) = self.draw() {
            self.steps += 1;
            if self.steps > STEPS {
                return Some(Err(self.too_much(&event)));
            }
            match event {
                Event::Task(choice) => {
                    if let Some(machine) = self.tasks.poll(choice) {
                        self.asked = None;
                        self.conductor.ended(machine, self.now);
                    }
                    self.network.send();
                }
                Event::Segment(choice) => self.network.advance(choice),
                Event::Conductor => self.act(),
            }
            loop {
                if let Some(why) = self.tasks.broken() {
                    return Some(Err(why));
                }
                match self.conductor.look(self.now) {
                    Look::GoOn => break,
                    Look::Over => return Some(Ok(())),
                    Look::Act => self.act(),
                }
                self.steps += 1;
                if self.steps > STEPS {
                    return Some(Err(self.too_much(&Event::Conductor)));
                }
            }
        }
        None
    }

    /// What happens next, of all that can at this instant.
    fn draw(&mut self) -> Option<Event> {
        let (ready, due) = (self.tasks.ready(), self.network.due());
        let asks = self.ask_at().is_some_and(|at| at <= self.now);
        let choices = ready + due + usize::from(asks);
        let choice = match choices {
            0 => return None,
            1 => 0,
            _ => between(&mut self.order, 0, choices as u64 - 1) as usize,
        };
        Some(match choice {
            choice if choice < ready => Event::Task(choice),
            choice if choice < ready + due => Event::Segment(choice - ready),
            _ => Event::Conductor,
        })
    }

    /// When the conductor is to be asked, if it is.
    fn ask_at(&self) -> Option<Duration> {
        match self.asked {
            None => Some(Duration::ZERO),
            Some(asked) => self.conductor.next().filter(|at| *at > asked),
        }
    }

    /// Waits for the next segment, action, or task that is woken by a timer. As nobody else is in the runtime, its
    /// clock then leaps.
    fn wait_for_the_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), String>> {
        let segment = self.network.next().map(Duration::from_millis);
        let next = self.ask_at().into_iter().chain(segment).min();
        if next.is_none() && self.steps == 0 && self.leap.is_elapsed() {
            return Poll::Ready(Err("nothing is left to happen, and the run is not over".to_owned()));
        }
        if next.is_none() || next != self.leap_to {
            self.leap_to = next;
            let deadline = next.and_then(|next| self.start.checked_add(next));
            self.leap.as_mut().reset(deadline.unwrap_or(self.start + self.now + FOR_EVER));
        }
        // Whatever is due now has happened: there is nothing to do but wait.
        let _ = self.leap.as_mut().poll(cx);
        Poll::Pending
    }

    fn too_much(&self, event: &Event) -> String {
        match event {
            Event::Task(choice) => {
                let task = self.tasks.name(*choice).unwrap_or_default();
                format!("{task} was polled after {STEPS} others at one instant: it never waits")
            }
            Event::Segment(_) => format!("{STEPS} things happened at one instant"),
            Event::Conductor => format!("the conductor acted after {STEPS} others at one instant"),
        }
    }

    fn act(&mut self) {
        self.asked = Some(self.now);
        for action in self.conductor.act(self.now) {
            action.note(self.observer, self.now);
            match action {
                Action::Boot(machine) => self.boot(machine),
                Action::Kill(machine) => self.tasks.end(machine),
                Action::PowerOff(machine) => {
                    self.network.power_off(machine);
                    self.tasks.end(machine);
                }
                Action::Reset(a, b) => self.network.reset(a, b),
            }
            self.network.send();
        }
    }

    fn boot(&mut self, machine: MachineId) {
        self.tasks.end(machine);
        self.network.send();
        self.network.boot(machine);
        let process = self.tasks.start(machine);
        let net = LeapNet::new(machine, self.network.kernels());
        let seat = Seat { net: Arc::new(net), spawn: Arc::new(process.clone()) };
        let main = (self.machines[machine.0].software)(seat);
        self.tasks.run_main(&process, main);
    }
}
