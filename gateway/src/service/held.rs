//! Mail that waits for ETRN (RFC 1985): which entries of `out/` do, and which have been asked for.
//!
//! An entry is known here once the courier has looked at it, which it does at once. One that was asked for may be tried
//! until that try is over; then it waits again.
//!
//! This module knows no client and no clock: who may ask is the session's business, and when an entry has waited for too
//! long the courier's.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::address::Domain;
use crate::smtp::command::Node;
use crate::spool::EntryName;

/// The entries that wait for ETRN.
#[derive(Default)]
pub(super) struct Held(Mutex<BTreeMap<EntryName, Wait>>);

/// Whose mail an entry is.
struct Wait {
    domain: Domain,
    /// Whether it was asked for.
    is_asked_for: bool,
}

/// What there is for a client that asks.
pub(super) struct Pending {
    /// What waited until now.
    pub(super) entries: Vec<EntryName>,
    /// Whether there is more, which was asked for before and is under way.
    pub(super) others: bool,
}

impl Held {
    fn with<T>(&self, look: impl FnOnce(&mut BTreeMap<EntryName, Wait>) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether an entry for this domain may be tried. If not, it waits from now on.
    pub(super) fn may_go(&self, entry: &EntryName, domain: &Domain) -> bool {
        self.with(|held| {
            let wait = || Wait { domain: domain.clone(), is_asked_for: false };
            held.entry(entry.clone()).or_insert_with(wait).is_asked_for
        })
    }

    /// Asks for one entry, if it waits.
    pub(super) fn ask_for_entry(&self, entry: &EntryName) {
        self.with(|held| {
            if let Some(wait) = held.get_mut(entry) {
                wait.is_asked_for = true;
            }
        });
    }

    /// Whether an entry waits for somebody to ask for it.
    pub(super) fn waits(&self, entry: &EntryName) -> bool {
        self.with(|held| held.get(entry).is_some_and(|wait| !wait.is_asked_for))
    }

    /// Whether an entry waits no longer.
    pub(super) fn is_asked_for(&self, entry: &EntryName) -> bool {
        self.with(|held| held.get(entry).is_some_and(|wait| wait.is_asked_for))
    }

    /// An entry was tried, and waits again.
    pub(super) fn wait_again(&self, entry: &EntryName) {
        self.with(|held| {
            if let Some(wait) = held.get_mut(entry) {
                wait.is_asked_for = false;
            }
        });
    }

    /// An entry is done with.
    pub(super) fn forget(&self, entry: &EntryName) {
        self.with(|held| held.remove(entry));
    }

    /// Asks for the mail of a node.
    pub(super) fn ask_for(&self, node: &Node) -> Pending {
        self.with(|held| {
            let mut pending = Pending { entries: Vec::new(), others: false };
            for (entry, wait) in held.iter_mut().filter(|(_, wait)| node.has(&wait.domain)) {
                match std::mem::replace(&mut wait.is_asked_for, true) {
                    true => pending.others = true,
                    false => pending.entries.push(entry.clone()),
                }
            }
            pending
        })
    }
}
