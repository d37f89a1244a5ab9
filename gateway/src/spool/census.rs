//! What the spool has, as far as this process knows: counted when it is opened, and kept since.
//!
//! The disk is the truth, and is asked before anything is done. This saves asking it of what is not there: a name that is
//! not here has no file, since one process uses a spool at a time. A name that is here may have none any more, as
//! when an administrator took it out.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{EntryName, Folder};
use crate::envelope::SpoolId;

/// What the spool has.
#[derive(Default)]
pub(super) struct Census {
    known: Mutex<Known>,
    /// Another process has the spool open: anything may be there.
    is_anothers: bool,
}

#[derive(Default)]
struct Known {
    /// In `in/`, or to come there: being written.
    arrivals: BTreeSet<SpoolId>,
    /// In `out/`, or to come there.
    parts: BTreeSet<EntryName>,
    /// In one of the folders of what nothing more is done with.
    aside: BTreeSet<SpoolId>,
    /// Journals in `queue/`.
    journals: BTreeSet<EntryName>,
}

impl Known {
    fn has_part_of(&self, id: &SpoolId) -> bool {
        let first = EntryName::from(id.clone());
        self.parts.range(first..).next().is_some_and(|entry| entry.id == *id)
    }
}

impl Census {
    /// For a spool that another process has open.
    pub(super) fn of_anothers() -> Self {
        Census { is_anothers: true, ..Census::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a name for a new message, if nothing has it.
    pub(super) fn take(&self, id: &SpoolId) -> bool {
        let mut known = self.known();
        let is_free = !known.arrivals.contains(id) && !known.aside.contains(id) && !known.has_part_of(id);
        if is_free {
            known.arrivals.insert(id.clone());
        }
        is_free
    }

    /// An entry is in its folder, or is about to come there.
    pub(super) fn add(&self, folder: Folder, name: &EntryName) {
        let mut known = self.known();
        match folder {
            Folder::In => known.arrivals.insert(name.id.clone()),
            Folder::Out => known.parts.insert(name.clone()),
        };
    }

    /// An entry has left its folder.
    pub(super) fn remove(&self, folder: Folder, name: &EntryName) {
        let mut known = self.known();
        match folder {
            Folder::In => known.arrivals.remove(&name.id),
            Folder::Out => known.parts.remove(name),
        };
    }

    /// A file has been set aside; its name begins with that of a message, or is somebody else's.
    pub(super) fn set_aside(&self, file_name: &str) {
        if let Some(Ok(id)) = file_name.get(..8).map(str::parse) {
            self.known().aside.insert(id);
        }
    }

    /// Whether an entry may be there.
    pub(super) fn may_have(&self, folder: Folder, name: &EntryName) -> bool {
        let known = self.known();
        self.is_anothers
            || match folder {
                Folder::In => known.arrivals.contains(&name.id),
                Folder::Out => known.parts.contains(name),
            }
    }

    /// An entry has a journal, or is about to.
    pub(super) fn add_journal(&self, name: &EntryName) {
        self.known().journals.insert(name.clone());
    }

    /// A journal is gone.
    pub(super) fn remove_journal(&self, name: &EntryName) {
        self.known().journals.remove(name);
    }

    /// Whether an entry may have a journal.
    pub(super) fn may_have_journal(&self, name: &EntryName) -> bool {
        self.is_anothers || self.known().journals.contains(name)
    }
}
