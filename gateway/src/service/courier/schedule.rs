//! The courier's schedule: which entries there are, and when each is due.
//!
//! This module knows no file and no task. It does not look at the clock.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use crate::spool::EntryName;

/// The entries, each known once however often it is ordered.
#[derive(Default)]
pub(super) struct Schedule {
    due: BTreeSet<(Instant, EntryName)>,
    /// When each is due; none while it is out of the courier's hands.
    known: BTreeMap<EntryName, Option<Instant>>,
    /// Those that are out of its hands and are to be tried again when they are back, and since when.
    insisted: BTreeMap<EntryName, Instant>,
}

/// What became of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ordered {
    /// The entry is new.
    Noted,
    /// It is due earlier now.
    BroughtForward,
    /// It was known.
    Known,
}

impl Schedule {
    /// Takes an order for an entry.
    pub(super) fn order(&mut self, name: EntryName, due: Instant) -> Ordered {
        let ordered = match self.known.get(&name) {
            None => Ordered::Noted,
            Some(Some(later)) if *later > due => {
                self.due.remove(&(*later, name.clone()));
                Ordered::BroughtForward
            }
            Some(_) => return Ordered::Known,
        };
        self.put(name, due);
        ordered
    }

    /// Takes an entry back that was handed out, with the time at which it is due again.
    pub(super) fn put(&mut self, name: EntryName, due: Instant) {
        let due = self.insisted.remove(&name).map_or(due, |insisted| insisted.min(due));
        self.known.insert(name.clone(), Some(due));
        self.due.insert((due, name));
    }

    /// Has an entry tried as soon as it can be: if it is out of the courier's hands, when it is back.
    pub(super) fn insist(&mut self, name: EntryName, now: Instant) {
        if self.known.get(&name) == Some(&None) {
            self.insisted.insert(name, now);
        } else {
            self.order(name, now);
        }
    }

    /// Hands an entry out that is not due. Whether it could be: it is not out already.
    pub(super) fn withdraw(&mut self, name: &EntryName) -> bool {
        match self.known.insert(name.clone(), None) {
            Some(None) => false,
            Some(Some(due)) => {
                self.due.remove(&(due, name.clone()));
                true
            }
            None => true,
        }
    }

    /// Takes an entry back that is not due until somebody orders it.
    pub(super) fn suspend(&mut self, name: EntryName) {
        match self.insisted.remove(&name) {
            Some(due) => self.put(name, due),
            None => drop(self.known.remove(&name)),
        }
    }

    /// Forgets an entry.
    pub(super) fn forget(&mut self, name: &EntryName) {
        self.known.remove(name);
        self.insisted.remove(name);
    }

    /// When the next entry is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Hands the next entry out.
    pub(super) fn pop(&mut self) -> Option<EntryName> {
        let (_, name) = self.due.pop_first()?;
        self.known.insert(name.clone(), None);
        Some(name)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_order_is_for_an_entry_that_is_new_or_due_later() {
        let (now, later) = (Instant::now(), Instant::now() + Duration::from_mins(1));
        let name = |text: &str| text.parse::<EntryName>().unwrap();
        let mut schedule = Schedule::default();
        assert_eq!(schedule.order(name("AAAAAAAA.1"), later), Ordered::Noted);
        assert_eq!(schedule.order(name("BBBBBBBB.1"), now), Ordered::Noted);
        assert_eq!(schedule.order(name("BBBBBBBB.1"), later), Ordered::Known);
        assert_eq!(schedule.pop(), Some(name("BBBBBBBB.1")));
        assert_eq!(schedule.order(name("BBBBBBBB.1"), now), Ordered::Known, "it is being carried");
        assert_eq!(schedule.next(), Some(later));
        assert_eq!(schedule.order(name("AAAAAAAA.1"), now), Ordered::BroughtForward);
        assert_eq!((schedule.next(), schedule.pop()), (Some(now), Some(name("AAAAAAAA.1"))));
        schedule.forget(&name("BBBBBBBB.1"));
        assert_eq!(schedule.order(name("BBBBBBBB.1"), now), Ordered::Noted);
        assert_eq!((schedule.pop(), schedule.pop()), (Some(name("BBBBBBBB.1")), None));
    }

    #[test]
    fn who_insists_has_an_entry_tried_again_when_it_is_back() {
        let (now, later) = (Instant::now(), Instant::now() + Duration::from_mins(1));
        let name: EntryName = "AAAAAAAA.1".parse().unwrap();
        let mut schedule = Schedule::default();
        schedule.insist(name.clone(), now);
        assert_eq!((schedule.pop(), schedule.next()), (Some(name.clone()), None));
        assert!(!schedule.withdraw(&name), "it is being carried");
        schedule.insist(name.clone(), now);
        schedule.suspend(name.clone());
        assert_eq!((schedule.next(), schedule.pop()), (Some(now), Some(name.clone())), "it is not lost");
        schedule.suspend(name.clone());
        assert_eq!(schedule.next(), None);
        assert_eq!(schedule.order(name.clone(), later), Ordered::Noted, "it is known no more");
        assert!(schedule.withdraw(&name));
        assert_eq!(schedule.next(), None);
    }
}
