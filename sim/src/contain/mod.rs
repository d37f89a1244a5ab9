//! Containment: while a run is on, its thread has no other randomness and no other clock than the run's own.
//!
//! The seam (`gateway::env`) is for the code that knows of it. A library that knows nothing of it asks the C library,
//! and there it meets the definitions in `doors`: on a run's thread they answer from the run's seed and the run's
//! virtual clock, so that libraries are deterministic whatever they do; on every other thread they hand on to the
//! real thing. All is kept per thread: any number of runs go on side by side.
//!
//! Whoever asks is named, too. A caller that is not on the short list in `listed` leaves a [`Leak`], which ends
//! the run. Starting a thread and opening a file cannot be answered by a seed: they are named only.
//!
//! | module | what it knows |
//! |---|---|
//! | `doors` | the C library's functions, and what they answer during a run |
//! | `call_site` | who called: return addresses, recognised where they were found the first time |
//! | `judge` | the functions behind the addresses, and whether the list has them |
//! | `listed` | the list |
//!
//! It knows no engine, no plan and no gateway. What it cannot reach is written in `docs/determinism.md`.
//!
//! Elsewhere than on Linux with glibc on x86-64 nothing is contained and nobody is named ([`HERE`] says so); a run
//! still has its own thread.
#![cfg_attr(
    all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"),
    expect(
        unsafe_code,
        reason = "the definitions stand in for the C library's, and the stack is read for who called"
    )
)]

#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
mod call_site;
#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
mod doors;
#[cfg(not(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64")))]
mod elsewhere;
#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
mod inside;
#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
mod judge;
mod listed;

use std::panic;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use jiff::Timestamp;

use crate::draw::Seed;

#[cfg(not(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64")))]
use elsewhere as inside;

pub use inside::leaked;

/// Whether runs are contained on this platform.
pub const HERE: bool = cfg!(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"));

/// The process id that a run sees.
pub const PROCESS_ID: i32 = 4711;

/// The stack of a run's thread: what the main thread of a program has.
const STACK: usize = 8 << 20;

/// The virtual time since the start of the run, or nothing where it cannot be told: then the time last told holds.
/// It is asked from within `clock_gettime` and must not panic.
pub type Clock = Arc<dyn Fn() -> Option<Duration> + Send + Sync>;

/// What the machine was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Random bytes. Answered from the run's seed.
    Randomness,
    /// The time, on any of the machine's clocks. Answered from the run's virtual clock.
    Time,
    /// The number of the process. Answered with [`PROCESS_ID`].
    ProcessId,
    /// A second thread. It is started, and is not contained.
    Thread,
    /// A file of the machine. It is opened.
    File,
}

impl Asked {
    fn words(self) -> &'static str {
        match self {
            Asked::Randomness => "its random bytes",
            Asked::Time => "its time",
            Asked::ProcessId => "its process id",
            Asked::Thread => "a second thread",
            Asked::File => "a file",
        }
    }
}

/// Someone who is not on the list asked the machine during a run.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "during the run the machine was asked for {}, by {culprit}: ask `gateway::env` instead, or add the caller to \
     sim/src/contain/listed.rs with the reason why it does no harm\n{backtrace}", asked.words()
)]
pub struct Leak {
    /// What for.
    pub asked: Asked,
    /// The innermost function outside the standard library and, if it is a dependency's, the innermost of this
    /// workspace.
    pub culprit: String,
    /// The whole chain of calls, a line each.
    pub backtrace: String,
}

/// Runs `work` contained, on a thread that nothing else has used: what a library keeps per thread, such as the keys
/// of hash maps and the state of a generator, begins the same in each run.
///
/// # Errors
/// Someone who is not on the list asked the machine.
///
/// # Panics
/// If `work` does, with its panic.
pub fn run_on_fresh_thread<T: Send>(
    seed: Seed,
    starts: Timestamp,
    clock: &Clock,
    work: impl FnOnce() -> T + Send,
) -> Result<T, Leak> {
    thread::scope(|scope| {
        let run = thread::Builder::new().name("run".to_owned()).stack_size(STACK);
        run.spawn_scoped(scope, || inside::contained(seed, starts, Arc::clone(clock), work))
            .expect("the machine has room for one more thread")
            .join()
            .unwrap_or_else(|panic| panic::resume_unwind(panic))
    })
}
