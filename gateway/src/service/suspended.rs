//! The entries of `out/` that an administrator holds, for whoever counts them. Their journals are the truth; this is
//! what the process knows of them without reading.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use crate::spool::EntryName;

/// The entries that are held.
#[derive(Default)]
pub(super) struct Suspended(Mutex<BTreeSet<EntryName>>);

impl Suspended {
    fn with<T>(&self, look: impl FnOnce(&mut BTreeSet<EntryName>) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// An entry is held.
    pub(super) fn add(&self, entry: &EntryName) {
        self.with(|held| held.insert(entry.clone()));
    }

    /// An entry is held no longer, or is done with.
    pub(super) fn remove(&self, entry: &EntryName) {
        self.with(|held| held.remove(entry));
    }

    /// How many are held.
    pub(super) fn count(&self) -> usize {
        self.with(|held| held.len())
    }
}
