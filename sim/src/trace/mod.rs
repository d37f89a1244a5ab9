//! The trace: everything that happens in a run, each thing as it happens, folded into one 128-bit digest.
//!
//! It is finer than the journal. Besides what the journal holds it sees every time a task runs (so every timer that
//! fires and every delivery that wakes one), every octet read and written on a connection, and every operation on
//! the gateway's disk. Two runs with the same digest were the same run; of two that differ, the first differing
//! entry says where they parted.
//!
//! The seam is where it looks: `Trace::watch` wraps what an engine gives a machine. It knows no mail.

mod disk;
mod net;
mod tasks;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use xxhash_rust::xxh3::Xxh3Default;

pub(crate) use disk::TracedDisk;

use crate::engine::{Clock, Seat};

/// What a run came to, in 128 bits (XXH3 over every entry of the trace).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(pub u128);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// How much of a run is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The digest of the trace.
    Digest,
    /// Every entry of it too, as text.
    Entries,
    /// The digest, and a [capture](crate::capture).
    Capture,
}

/// A run's trace. Clones write to the same one.
#[derive(Clone)]
pub struct Trace {
    clock: Clock,
    state: Arc<Mutex<State>>,
}

struct State {
    hasher: Box<Xxh3Default>,
    entries: Option<Vec<String>>,
    tasks: u64,
}

impl Trace {
    pub(crate) fn new(clock: Clock, keep: Keep) -> Self {
        let entries = (keep == Keep::Entries).then(Vec::new);
        let state = State { hasher: Box::default(), entries, tasks: 0 };
        Trace { clock, state: Arc::new(Mutex::new(state)) }
    }

    /// Wraps what an engine gives a machine, so that what its software does is seen.
    pub(crate) fn watch(&self, machine: &Arc<str>, seat: Seat) -> Seat {
        Seat {
            net: Arc::new(net::TracedNet::new(seat.net, self.clone(), Arc::clone(machine))),
            spawn: Arc::new(tasks::TracedSpawn::new(seat.spawn, self.clone(), Arc::clone(machine))),
        }
    }

    /// Wraps the main task of a machine.
    pub(crate) fn watch_main<'a>(
        &self,
        machine: &Arc<str>,
        main: impl Future<Output = ()> + 'a,
    ) -> Pin<Box<dyn Future<Output = ()> + 'a>> {
        let number = self.next_task();
        Box::pin(tasks::Watched::new(Box::pin(main), self.clone(), Arc::clone(machine), "main", number))
    }

    /// Something happens now on a machine.
    fn note(&self, machine: &str, what: &str, detail: &[&[u8]]) {
        self.note_at((self.clock)(), machine, what, detail);
    }

    /// Something happens at a known time.
    pub(crate) fn note_at(&self, at: Duration, machine: &str, what: &str, detail: &[&[u8]]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { hasher, entries, .. } = &mut *state;
        hasher.update(&at.as_nanos().to_le_bytes());
        for part in [machine.as_bytes(), what.as_bytes()].iter().chain(detail) {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        if let Some(entries) = entries {
            let detail: Vec<String> = detail.iter().map(|part| part.escape_ascii().to_string()).collect();
            entries.push(format!("{at:>16?}  {machine}  {what}  {}", detail.join("  ")));
        }
    }

    fn next_task(&self) -> u64 {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.tasks += 1;
        state.tasks
    }

    /// The digest, and the entries if they were kept.
    pub(crate) fn finish(&self) -> (Digest, Vec<String>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (Digest(state.hasher.digest128()), state.entries.take().unwrap_or_default())
    }
}

/// Where two traces part: the entries around the first that differs, each side's after a mark.
pub fn first_difference(ours: &[String], theirs: &[String]) -> Option<String> {
    const BEFORE: usize = 5;
    const AFTER: usize = 3;
    let place = ours.iter().zip(theirs).position(|(ours, theirs)| ours != theirs);
    let place = place.or_else(|| (ours.len() != theirs.len()).then(|| ours.len().min(theirs.len())))?;
    let mut shown = format!("entry {} is the first that differs\n", place + 1);
    let mut show = |mark: char, entries: &[String]| {
        entries.iter().for_each(|entry| shown.push_str(&format!("{mark} {entry}\n")));
    };
    let from = place.saturating_sub(BEFORE);
    show(' ', &ours[from..place]);
    show('-', ours.get(place..(place + AFTER).min(ours.len())).unwrap_or_default());
    show('+', theirs.get(place..(place + AFTER).min(theirs.len())).unwrap_or_default());
    Some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(keep: Keep) -> Trace {
        Trace::new(Arc::new(|| Duration::from_secs(1)), keep)
    }

    #[test]
    fn the_digest_tells_what_from_where_and_one_part_from_two() {
        let digest = |machine: &str, what: &str, detail: &[&[u8]]| {
            let trace = trace(Keep::Digest);
            trace.note(machine, what, detail);
            trace.finish().0
        };
        let one = digest("gw", "reads", &[b"ab"]);
        assert_eq!(one, digest("gw", "reads", &[b"ab"]));
        assert_ne!(one, digest("gwr", "eads", &[b"ab"]));
        assert_ne!(one, digest("gw", "reads", &[b"a", b"b"]));
    }

    #[test]
    fn keeping_the_entries_changes_no_digest() {
        let [digest, entries] = [Keep::Digest, Keep::Entries].map(|keep| {
            let trace = trace(keep);
            trace.note("gw", "reads", &[b"250 OK\r\n"]);
            trace.finish()
        });
        assert_eq!(digest.0, entries.0);
        assert_eq!((digest.1.len(), entries.1.len()), (0, 1));
    }

    #[test]
    fn the_first_difference_is_shown_between_what_came_before_and_after() {
        let list = |text: &str| text.chars().map(String::from).collect::<Vec<_>>();
        assert_eq!(first_difference(&list("abc"), &list("abc")), None);
        let shown = first_difference(&list("abcdefgh"), &list("abcdefXh")).unwrap();
        assert_eq!(shown, "entry 7 is the first that differs\n  b\n  c\n  d\n  e\n  f\n- g\n- h\n+ X\n+ h\n");
        assert!(first_difference(&list("ab"), &list("abc")).unwrap().ends_with("+ c\n"));
    }
}
