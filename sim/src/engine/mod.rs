//! Engines: what carries a run's machines and the links between them.
//!
//! An engine knows machines, addresses, software and time. It knows no mail and no plan: *what* runs is in the
//! [`Machine`]s it is given, *when* something is done to them is the [`Conductor`]'s to say.

mod classic;
mod leap;

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use gateway::env::{Net, Spawn};

use crate::capture::Segment;
use crate::contain;
use crate::draw::Seed;

pub use classic::Classic;
pub use leap::Leap;

/// A machine's place in the run's list of machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MachineId(pub usize);

/// A computer of the run.
pub struct Machine {
    /// Its host name.
    pub name: String,
    /// Its one address.
    pub address: IpAddr,
    /// What it runs each time it is booted.
    pub software: Software,
}

/// Makes the software's main task, once at each boot. When the task ends, the process has ended of itself.
pub type Software = Box<dyn Fn(Seat) -> Pin<Box<dyn Future<Output = ()>>>>;

/// What an engine gives the software at boot.
#[derive(Clone)]
pub struct Seat {
    /// The machine's sockets.
    pub net: Arc<dyn Net>,
    /// Tasks that end with the process.
    pub spawn: Arc<dyn Spawn>,
}

/// The virtual time since the start of the run. To be asked on a machine: by software, or by what it calls.
pub type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// What the links between machines do with what is sent over them.
pub trait Links {
    /// What a link does with a segment that is handed to it now. Asked once for each try of each segment, and
    /// acknowledgements are segments too.
    fn carry(&self, from: MachineId, to: MachineId, now: Duration) -> Carriage;

    /// The next time after `now` at which some link changes what it does. For an engine that sets its links.
    fn next_change(&self, now: Duration) -> Option<Duration>;
}

/// What a link does with a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carriage {
    /// It arrives after this latency.
    Arrives(Duration),
    /// The link holds it until then; the latency comes on top.
    Held {
        /// When the link lets go of it.
        until: Duration,
        /// How long it then takes.
        latency: Duration,
    },
    /// It is lost. TCP sends it again.
    Lost,
}

/// Something done to a machine from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start its software.
    Boot(MachineId),
    /// End its process: every task stops where it is, the kernel closes its sockets.
    Kill(MachineId),
    /// Cut its power: every task stops where it is, and nobody is told. What is sent to it afterwards is lost, and
    /// once it is booted again, what belongs to an old connection is answered with a reset.
    PowerOff(MachineId),
    /// The network breaks every connection between two machines: both ends meet a reset.
    Reset(MachineId, MachineId),
}

impl Action {
    /// Its name, and the machine whose matter it is first.
    fn shown(self) -> (&'static str, MachineId) {
        match self {
            Action::Boot(machine) => ("is booted", machine),
            Action::Kill(machine) => ("is killed", machine),
            Action::PowerOff(machine) => ("loses its power", machine),
            Action::Reset(machine, _) => ("has its connections reset", machine),
        }
    }

    /// Tells the observer.
    fn note(self, observer: &dyn Observer, now: Duration) {
        let (what, machine) = self.shown();
        let other = if let Action::Reset(_, other) = self { other } else { machine };
        observer.happened(now, machine, what, &[other.0.to_string().as_bytes()]);
    }
}

/// Who decides what is done to the machines, and when the run is over.
pub trait Conductor {
    /// What is to be done now. Asked at the start, at every time that [`Conductor::next`] names, and after a process
    /// has ended.
    fn act(&mut self, now: Duration) -> Vec<Action>;

    /// The next time at which it wants to be asked both what to do and whether the run is over, even if nothing
    /// happens before. Once it was asked, a time that is not later than that is passed over.
    fn next(&self) -> Option<Duration>;

    /// A process has ended of itself.
    fn ended(&mut self, machine: MachineId, now: Duration);

    /// What is to be done now. Asked at every time that [`Conductor::next`] names and whenever something may have
    /// happened: often, then, and an answer that costs something is better put off with `next`.
    fn look(&mut self, now: Duration) -> Look;
}

/// What a conductor answers when it has looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Nothing special.
    GoOn,
    /// Ask [`Conductor::act`] at once, at this very instant, before anything else happens.
    Act,
    /// The run is over.
    Over,
}

/// Sees what happens below the software: each segment that comes to a machine or is lost, and each action.
pub trait Observer {
    /// It happens on, or to, a machine.
    fn happened(&self, at: Duration, machine: MachineId, what: &str, detail: &[&[u8]]);

    /// A segment has come to a machine or was lost; it is described to those who want to know. Not every engine tells.
    fn passes(&self, describe: &dyn Fn() -> Segment) {
        let _ = describe;
    }
}

/// What carries the machines of a run.
pub trait Engine: Sync {
    /// The name given to `--engine`.
    fn name(&self) -> &'static str;

    /// The virtual clock of the runs this engine carries.
    fn clock(&self) -> Clock;

    /// The same clock for those who may ask anywhere, at any moment: it tells nothing where it cannot tell.
    fn contained_clock(&self) -> contain::Clock;

    /// Runs the machines until the conductor says that the run is over. At the start no machine is booted. What
    /// happens at the same instant happens in an order that the seed decides, where the engine has a choice.
    ///
    /// # Errors
    /// The engine itself broke down; what the software does is no error.
    fn run(
        &self,
        machines: Vec<Machine>,
        links: &dyn Links,
        conductor: &mut dyn Conductor,
        observer: &dyn Observer,
        seed: Seed,
    ) -> Result<(), EngineError>;
}

/// An engine broke down.
#[derive(Debug, thiserror::Error)]
#[error("the engine `{engine}` broke down at {at:?}: {why}")]
pub struct EngineError {
    /// Its name.
    pub engine: &'static str,
    /// The virtual time.
    pub at: Duration,
    /// What it said.
    pub why: String,
}
