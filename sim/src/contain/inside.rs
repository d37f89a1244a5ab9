//! The state of the run on this thread, and its answers.

use std::cell::{Cell, RefCell};
use std::ptr::NonNull;
use std::time::Duration;

use jiff::Timestamp;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use super::call_site::CallSite;
use super::{Asked, Clock, Leak, judge};
use crate::draw::Seed;

/// How long the machine has been up when the run starts: enough to subtract any time-out from "now".
const UP_SINCE: Duration = Duration::from_secs(1_000_000);

thread_local! {
    /// The run on this thread. Needs no destructor and no first use: it can be asked at any moment of a thread's life.
    static RUN: Cell<Option<NonNull<Run>>> = const { Cell::new(None) };
}

/// A run in progress.
struct Run {
    randomness: RefCell<ChaCha8Rng>,
    starts: Timestamp,
    clock: Clock,
    /// The time last told.
    now: Cell<Duration>,
    /// What answers may itself ask: it then gets its answer from what is known, and is not named.
    answering: Cell<bool>,
    /// Call sites that may ask.
    known: RefCell<Vec<CallSite>>,
    /// Call sites seen and not judged yet. To judge takes locks and reads files, which would not do within a call.
    unjudged: RefCell<Vec<CallSite>>,
    leak: RefCell<Option<Leak>>,
}

/// Runs `work` as a run on this thread.
pub(super) fn contained<T>(
    seed: Seed,
    starts: Timestamp,
    clock: Clock,
    work: impl FnOnce() -> T,
) -> Result<T, Leak> {
    let run = Run {
        randomness: RefCell::new(seed.stream("contained randomness")),
        starts,
        clock,
        now: Cell::new(Duration::ZERO),
        answering: Cell::new(false),
        known: RefCell::new(judge::known()),
        unjudged: RefCell::default(),
        leak: RefCell::default(),
    };
    let over = Over;
    RUN.set(Some(NonNull::from(&run)));
    let value = work();
    drop(over);
    run.judge();
    run.leak.into_inner().map_or(Ok(value), Err)
}

/// Ends the run on this thread, however it ends.
struct Over;

impl Drop for Over {
    fn drop(&mut self) {
        RUN.set(None);
    }
}

/// Whether a leak has been found in the run on this thread. To be asked between the steps of an engine, so that a
/// run ends soon after its first leak.
pub fn leaked() -> bool {
    while_answering(|run| {
        run.judge();
        run.leak.borrow().is_some()
    })
    .unwrap_or(false)
}

/// Asks the run on this thread, if one is on and it is not answering already.
fn while_answering<T>(ask: impl FnOnce(&Run) -> T) -> Option<T> {
    on_this_thread(|run| {
        (!run.answering.replace(true)).then(|| {
            let answer = ask(run);
            run.answering.set(false);
            answer
        })
    })
    .flatten()
}

fn on_this_thread<T>(ask: impl FnOnce(&Run) -> T) -> Option<T> {
    // SAFETY: the pointer is to the `Run` in the frame of `contained` on this very thread; `Over` takes it away
    // before that frame ends, by return or by unwinding.
    RUN.get().map(|run| ask(unsafe { run.as_ref() }))
}

/// Fills the bytes from the run's stream. False if no run is on.
pub(super) fn fill(bytes: &mut [u8]) -> bool {
    on_this_thread(|run| {
        if !bytes.is_empty() {
            note(Asked::Randomness);
        }
        // A signal that asks in the middle of this is answered by the machine.
        run.randomness.try_borrow_mut().map(|mut stream| stream.fill_bytes(bytes)).is_ok()
    })
    .unwrap_or(false)
}

/// The time since the machine started, which never goes back, if a run is on.
pub(super) fn since_boot() -> Option<Duration> {
    on_this_thread(|run| UP_SINCE + run.elapsed())
}

/// The time of day as nanoseconds since 1970, if a run is on.
pub(super) fn time_of_day() -> Option<i128> {
    on_this_thread(|run| run.starts.as_nanosecond() + run.elapsed().as_nanos().cast_signed())
}

/// Notes that somebody asked. True if a run is on.
pub(super) fn note(asked: Asked) -> bool {
    while_answering(|run| run.note(asked)).is_some()
}

impl Run {
    fn elapsed(&self) -> Duration {
        let asked = while_answering(|run| {
            run.note(Asked::Time);
            (run.clock)()
        });
        // Machines take turns within a tick, so the next one's time may be a little behind.
        let now = self.now.get().max(asked.flatten().unwrap_or_default());
        self.now.set(now);
        now
    }

    fn note(&self, asked: Asked) {
        let mut known = self.known.borrow_mut();
        let mut unjudged = self.unjudged.borrow_mut();
        let seen = CallSite::of_caller(asked, |is_caller| {
            let place = known.iter().position(is_caller);
            if let Some(place) = place {
                // Those who ask often come to the front.
                known.swap(place, place / 2);
            }
            place.is_some() || unjudged.iter().any(is_caller)
        });
        unjudged.extend(seen);
    }

    fn judge(&self) {
        let unjudged = self.unjudged.take();
        if unjudged.is_empty() {
            return;
        }
        let (known, leak) = judge::judge(unjudged);
        self.known.borrow_mut().extend(known);
        let mut first = self.leak.borrow_mut();
        *first = first.take().or(leak);
    }
}
